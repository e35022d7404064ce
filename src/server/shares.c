/* shares: see shares.h. */
#include "server/shares.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "server/connection.h"

#define TOPIC_GROUPS "_edda.groups"
#define LOOKED_MAX 10000 /* records of the log that are looked at in one go */

/* --- names ------------------------------------------------------------------------------------------------------------- */

static void path_put(const struct share_name *name, struct buffer *out)
{
    if (name->key.data)
        buffer_append_byte(out, '/');
    buffer_append_slice(out, name->topic);
    buffer_append_byte(out, '/');
    if (name->key.data) {
        buffer_printf(out, "%zu/", name->key.len);
        buffer_append_slice(out, name->key);
        buffer_append_byte(out, '/');
    }
    buffer_append_slice(out, name->group);
}

/* Takes what stands before the next '/'. */
static bool segment_take(struct slice *path, struct slice *ret_segment)
{
    const uint8_t *slash = path->len ? memchr(path->data, '/', path->len) : NULL;
    if (!slash)
        return false;
    *ret_segment = slice_of(path->data, (size_t)(slash - path->data));
    *path = slice_from(*path, ret_segment->len + 1);
    return true;
}

static bool path_parse(struct slice path, struct share_name *ret_name)
{
    bool of_stream = path.len && path.data[0] == '/';
    struct slice digits;
    size_t len = 0;
    *ret_name = (struct share_name){ .key = { NULL, 0 } };
    path = slice_from(path, of_stream);
    if (!segment_take(&path, &ret_name->topic) || (of_stream && !segment_take(&path, &digits)))
        return false;
    for (size_t i = 0; of_stream && i < digits.len; i++)
        len = len <= STORE_KEY_MAX ? len * 10 + (size_t)(digits.data[i] - '0') : len;
    if (of_stream && (len >= path.len || path.data[len] != '/'))
        return false;
    if (of_stream) {
        ret_name->key = slice_of(path.data, len);
        path = slice_from(path, len + 1);
    }
    ret_name->group = path;
    return true;
}

/* --- in memory --------------------------------------------------------------------------------------------------------- */

static struct slice path_of(const struct share *share)
{
    return slice_of(share->path, share->path_len);
}

static struct share *known(const struct shares *shares, struct slice path)
{
    for (struct table_link *link = table_find(&shares->by_name, hash128(path, 0).lo); link; link = table_find_next(link)) {
        struct share *share = container_of(link, struct share, by_name);
        if (slice_eq(path_of(share), path))
            return share;
    }
    return NULL;
}

static struct share *share_new(struct shares *shares, struct slice path)
{
    struct share *share = calloc(1, sizeof *share + path.len);
    if (!share)
        return NULL;
    memcpy(share->path, path.data, path.len);
    share->path_len = path.len;
    list_init(&share->polls);
    competing_init(&share->competing, 0);
    if (!path_parse(path_of(share), &share->name) || !table_insert(&shares->by_name, &share->by_name, hash128(path, 0).lo)) {
        competing_deinit(&share->competing);
        free(share);
        return NULL;
    }
    struct list *place = &shares->all;
    while (place->prev != &shares->all && slice_compare(path_of(container_of(place->prev, struct share, all)), path) > 0)
        place = place->prev;
    list_insert_before(place, &share->all);
    shares->counts.groups++;
    return share;
}

/* Takes it out of the table; it is freed when nobody watches it. */
static void share_forget(struct shares *shares, struct share *share)
{
    table_remove(&shares->by_name, &share->by_name);
    list_remove(&share->all);
    shares->counts.groups--;
    share->gone = true;
    share_watch(share);
    share_unwatch(share);
}

void share_watch(struct share *share)
{
    share->watchers++;
}

void share_unwatch(struct share *share)
{
    ASSERT(share->watchers > 0);
    if (--share->watchers || !share->gone)
        return;
    ASSERT(list_empty(&share->polls));
    competing_deinit(&share->competing);
    free(share);
}

/* --- in the log -------------------------------------------------------------------------------------------------------- */

int share_find(struct shares *shares, const struct share_name *name, struct share **ret_share, struct edda_error *error)
{
    struct store_record record;
    buffer_clear(&shares->state);
    path_put(name, &shares->state);
    struct slice path = buffer_slice(&shares->state);
    if (!buffer_ok(&shares->state))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a group");
    *ret_share = known(shares, path);
    if (*ret_share)
        return 1;
    int rc = store_stream_last(shares->store, SLICE(TOPIC_GROUPS), path, &record);
    if (rc == EDDA_ENOTFOUND || (rc == 0 && !record.record.value.data))
        return 0;
    if (rc == 0 && shares->counts.groups == SHARES_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "more than %d groups of topics are in use", SHARES_MAX);
    struct share *share = rc == 0 ? share_new(shares, path) : NULL;
    if (rc == 0)
        rc = share ? competing_read(&share->competing, record.record.value) : EDDA_ENOMEM;
    if (rc < 0) {
        if (share)
            share_forget(shares, share);
        return edda_fail_with(error, rc, "the state of the group cannot be read: %s", edda_code_info(rc)->sentence);
    }
    *ret_share = share;
    return 1;
}

/* `value` data NULL: it is gone. */
static int append(struct shares *shares, const struct share *share, struct slice value, struct edda_error *error)
{
    struct topic *topic;
    int rc = store_topic_ensure(shares->store, SLICE(TOPIC_GROUPS), 1, &topic, error);
    const struct store_message message = { .topic = rc < 0 ? NULL : topic, .key = path_of(share), .value = value, .partition = -1 };
    return rc < 0 ? rc : store_append(shares->store, NULL, 0, &message, 1, false, NULL, error);
}

int share_write(struct shares *shares, struct share *share, struct edda_error *error)
{
    buffer_clear(&shares->state);
    competing_write(&share->competing, &shares->state);
    return buffer_ok(&shares->state) ? append(shares, share, buffer_slice(&shares->state), error)
                                     : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the state of a group");
}

int share_make(struct shares *shares, const struct share_name *name, uint64_t place, struct share **ret_share, struct edda_error *error)
{
    if (name->group.len == 0 || name->group.len > SHARE_NAME_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "group", "the name of a group has 1 to %d bytes", SHARE_NAME_MAX);
    if (shares->counts.groups == SHARES_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "more than %d groups of topics are in use", SHARES_MAX);
    buffer_clear(&shares->state);
    path_put(name, &shares->state);
    struct share *share = buffer_ok(&shares->state) ? share_new(shares, buffer_slice(&shares->state)) : NULL;
    if (!share)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a group");
    competing_seek(&share->competing, place);
    int rc = share_write(shares, share, error);
    if (rc < 0)
        share_forget(shares, share);
    else
        *ret_share = share;
    return rc < 0 ? rc : 0;
}

int share_destroy(struct shares *shares, struct share *share, struct edda_error *error)
{
    int rc = append(shares, share, slice_of(NULL, 0), error);
    if (rc >= 0)
        share_forget(shares, share);
    return rc < 0 ? rc : 0;
}

/* --- records ------------------------------------------------------------------------------------------------------------ */

struct filling {
    struct share *share;
    uint64_t until;
    int rc;
};

static int fill_visit(void *user, const struct store_record *record, int64_t version)
{
    struct filling *filling = user;
    if (record->position >= filling->until)
        return 1;
    filling->rc = competing_add(&filling->share->competing, version >= 0 ? (uint64_t)version : record->position);
    return filling->rc < 0;
}

static int fill_of_topic(struct shares *shares, struct filling *filling, uint32_t wanted, struct edda_error *error)
{
    struct topic *topic = store_topic(shares->store, filling->share->name.topic);
    uint64_t next = filling->share->competing.next;
    struct store_cursor cursor;
    struct store_record record;
    int rc = 0;
    if (!topic || next >= filling->until)
        return 0;
    store_cursor_init(&cursor, next, topic);
    for (uint32_t n = 0; n < wanted && n < LOOKED_MAX; n++) {
        rc = store_cursor_next(shares->store, &cursor, &record, error);
        if (rc != 1 || fill_visit(filling, &record, -1))
            break;
    }
    store_cursor_deinit(&cursor);
    return rc < 0 ? rc : 0;
}

static int read_failed(struct shares *shares, int64_t code, struct edda_error *error)
{
    const struct edda_error *said = store_read_error(shares->store);
    return edda_fail_with(error, (int)code, "%s", said && said->message[0] ? said->message : edda_code_info((int)code)->sentence);
}

int share_fill(struct shares *shares, struct share *share, uint32_t wanted, uint64_t until, struct edda_error *error)
{
    struct filling filling = { .share = share, .until = until };
    int64_t n = 0;
    if (wanted == 0)
        return 0;
    if (share->name.key.data)
        n = store_stream_read(shares->store, share->name.topic, share->name.key, (int64_t)share->competing.next, false, wanted, fill_visit, &filling);
    else
        n = fill_of_topic(shares, &filling, wanted, error);
    if (n < 0 && share->name.key.data)
        return read_failed(shares, n, error);
    share->held_up = filling.rc == EDDA_ELIMIT;
    if (n < 0 || filling.rc == 0 || filling.rc == EDDA_ELIMIT)
        return n < 0 ? (int)n : 0;
    return edda_fail_with(error, filling.rc, "out of memory for a group");
}

struct reading {
    struct store_record *record;
    int64_t version;
};

static int read_visit(void *user, const struct store_record *record, int64_t version)
{
    struct reading *reading = user;
    *reading->record = *record;
    reading->version = version;
    return 1;
}

int share_read(struct shares *shares, const struct share *share, uint64_t place, struct store_record *ret_record, struct edda_error *error)
{
    struct reading reading = { .record = ret_record, .version = -1 };
    int64_t rc = 0;
    if (share->name.key.data) {
        rc = store_stream_read(shares->store, share->name.topic, share->name.key, (int64_t)place, false, 1, read_visit, &reading);
        if (rc >= 0)
            rc = reading.version == (int64_t)place ? 0 : EDDA_ENOTFOUND;
    } else {
        rc = store_position_read(shares->store, place, ret_record);
    }
    if (rc < 0 && rc != EDDA_ENOTFOUND)
        return read_failed(shares, rc, error);
    return rc == 0;
}

int share_take(struct shares *shares, struct share *share, struct competing_consumer *consumer, int64_t again_ms, uint32_t wanted, uint64_t until, struct share_taken *ret_taken, bool *ret_changed,
               struct edda_error *error)
{
    int64_t now_ms = store_time_ms(shares->store);
    for (;;) {
        if (competing_take(&share->competing, consumer, now_ms, again_ms, &ret_taken->place, &ret_taken->deliveries) == 0) {
            uint64_t next = share->competing.next;
            int rc = share_fill(shares, share, wanted, until, error);
            if (rc < 0 || share->competing.next == next)
                return rc;
            continue;
        }
        int there = share_read(shares, share, ret_taken->place, &ret_taken->record, error);
        if (there < 0)
            return there;
        *ret_changed = true;
        if (there == 0) {
            (void)competing_ack(&share->competing, ret_taken->place);
            continue;
        }
        shares->counts.delivered++;
        shares->counts.redelivered += ret_taken->deliveries > 1;
        return 1;
    }
}

int64_t share_due_ms(const struct share *share)
{
    if (share->gone || (share->held_up && share->competing.open_count < COMPETING_OPEN_MAX))
        return 0;
    return competing_due(&share->competing);
}

/* --- all of them --------------------------------------------------------------------------------------------------------- */

static int load_visit(void *user, const struct store_record *record, int64_t version)
{
    struct shares *shares = user;
    (void)version;
    if (known(shares, record->record.key))
        return 0;
    struct share *share = share_new(shares, record->record.key);
    if (share && competing_read(&share->competing, record->record.value) < 0)
        share_forget(shares, share);
    return share ? 0 : EDDA_ENOMEM;
}

/* The topic has a record of each time that a state was written, so it is walked once only. */
static int shares_load(struct shares *shares, struct edda_error *error)
{
    struct topic *groups = store_topic(shares->store, SLICE(TOPIC_GROUPS));
    int64_t n = groups && !shares->loaded ? store_table_scan(shares->store, groups, load_visit, shares) : 0;
    shares->loaded = n >= 0;
    return n < 0 ? edda_fail_with(error, (int)n, "reading the groups: %s", edda_code_info((int)n)->sentence) : 0;
}

int shares_each(struct shares *shares, share_visit_fn *visit, void *user, struct edda_error *error)
{
    int rc = shares_load(shares, error);
    for (struct list *link = shares->all.next; rc == 0 && link != &shares->all; link = link->next)
        rc = visit(user, container_of(link, struct share, all));
    return rc;
}

int shares_open(struct server *server, struct shares **ret_shares, struct edda_error *error)
{
    struct shares *shares = calloc(1, sizeof *shares);
    if (!shares)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for groups");
    shares->server = server;
    shares->store = server_store(server);
    table_init(&shares->by_name);
    list_init(&shares->polls);
    list_init(&shares->all);
    *ret_shares = shares;
    return 0;
}

void shares_close(struct shares *shares)
{
    struct table_link *link;
    if (!shares)
        return;
    while ((link = table_each(&shares->by_name, NULL)))
        share_forget(shares, container_of(link, struct share, by_name));
    table_deinit(&shares->by_name);
    buffer_deinit(&shares->state);
    free(shares);
}
