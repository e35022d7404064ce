/* groups: see groups.h. */
#include "server/groups.h"

#include <stdlib.h>

#include "base/hash.h"
#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

#define TOPIC_GROUPS "_edda.groups"
#define LOOKED_MAX 10000 /* records of the log that one poll looks at */

/* What one group has of one topic. */
struct share {
    struct table_link by_name;
    struct competing competing;
    struct list waiting;        /* struct poll, the one that has waited longest first */
    struct slice topic, group;
    uint8_t name[];             /* "TOPIC/GROUP" */
};

struct shares {
    struct server *server;
    struct store *store;
    struct table by_name;
    struct list waiting;        /* all polls that wait */
    uint64_t reloads;           /* of users, that those who wait have outlasted */
    uint64_t looked;            /* durable position at which polls that wait were last tried */
    struct buffer state;
    struct share_counts counts;
};

/* A poll that waits. */
struct poll {
    struct hold hold;
    struct list of_share, of_all;
    struct shares *shares;
    struct share *share;
    struct edda_request *request;
    int64_t until_ns;
    uint32_t max, deliveries_max;
    int64_t timeout_ms;
};

/* --- shares --------------------------------------------------------------------------------------------------------- */

static struct slice share_name(struct edda_request *request, struct slice topic, struct slice group)
{
    return slice_str(arena_printf(&request->arena, "%.*s/%.*s", (int)topic.len, (const char *)topic.data, (int)group.len, (const char *)group.data));
}

static struct share *share_known(const struct shares *shares, struct slice name)
{
    for (struct table_link *link = table_find(&shares->by_name, hash128(name, 0).lo); link; link = table_find_next(link)) {
        struct share *share = container_of(link, struct share, by_name);
        if (slice_eq(slice_of(share->name, share->topic.len + 1 + share->group.len), name))
            return share;
    }
    return NULL;
}

static void share_free(struct shares *shares, struct share *share)
{
    ASSERT(list_empty(&share->waiting));
    table_remove(&shares->by_name, &share->by_name);
    competing_deinit(&share->competing);
    shares->counts.groups--;
    free(share);
}

static struct share *share_new(struct shares *shares, struct slice name, size_t topic_len)
{
    struct share *share = calloc(1, sizeof *share + name.len);
    if (!share)
        return NULL;
    memcpy(share->name, name.data, name.len);
    share->topic = slice_of(share->name, topic_len);
    share->group = slice_of(share->name + topic_len + 1, name.len - topic_len - 1);
    list_init(&share->waiting);
    competing_init(&share->competing, 0);
    if (!table_insert(&shares->by_name, &share->by_name, hash128(name, 0).lo)) {
        competing_deinit(&share->competing);
        free(share);
        return NULL;
    }
    shares->counts.groups++;
    return share;
}

/* The state as it was last written: 1; 0: there is none. */
static int share_read(struct shares *shares, struct share *share, struct edda_error *error)
{
    struct store_record record;
    int rc = store_stream_last(shares->store, SLICE(TOPIC_GROUPS), slice_of(share->name, share->topic.len + 1 + share->group.len), &record);
    if (rc == EDDA_ENOTFOUND || (rc == 0 && !record.record.value.data))
        return 0;
    if (rc == 0)
        rc = competing_read(&share->competing, record.record.value);
    return rc == 0 ? 1 : edda_fail_with(error, rc, "the state of the group cannot be read: %s", edda_code_info(rc)->sentence);
}

/* The topic and group of the path. *ret_new: nothing is known of it; `make`: then it is made, at the topic's beginning. */
static int share_of(struct edda_request *request, bool make, struct shares **ret_shares, struct share **ret_share, bool *ret_new)
{
    struct slice group = events_parameter(request, "group"), topic = events_parameter(request, "topic");
    struct store *store = events_store(request);
    struct shares *shares = ((struct http_host *)request->session->connection.host)->shares;
    *ret_shares = shares;
    *ret_new = false;
    if (!store)
        return EDDA_EUNSUPPORTED;
    int rc = request_permit(request, BROKER_READ, topic);
    if (rc == 0 && group.len > SHARE_NAME_MAX)
        return edda_fail_field(&request->error, EDDA_EINVAL, "group", "the name of a group has at most %d bytes", SHARE_NAME_MAX);
    if (rc == 0 && !store_topic(store, topic))
        return edda_fail_field(&request->error, EDDA_ENOTFOUND, "topic", "there is no topic %.*s", (int)topic.len, (const char *)topic.data);
    struct slice name = share_name(request, topic, group);
    if (rc < 0 || !name.data)
        return rc < 0 ? rc : EDDA_ENOMEM;
    *ret_share = share_known(shares, name);
    if (*ret_share)
        return 0;
    if (shares->counts.groups == SHARES_MAX)
        return edda_fail_with(&request->error, EDDA_ELIMIT, "more than %d groups of topics are in use", SHARES_MAX);
    *ret_share = share_new(shares, name, topic.len);
    if (!*ret_share)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for a group");
    rc = share_read(shares, *ret_share, &request->error);
    if (rc > 0)
        return 0;
    *ret_new = rc == 0;
    if (rc == 0 && make)
        return 0;
    share_free(shares, *ret_share);
    return rc < 0 ? rc : edda_fail_field(&request->error, EDDA_ENOTFOUND, "group", "group %.*s has taken nothing from the topic", (int)group.len, (const char *)group.data);
}

/* Writes the state; it is durable when the request is answered. When that fails the memory is ahead of it, and is read anew. */
static int share_write(struct shares *shares, struct share *share, struct edda_error *error)
{
    struct topic *topic;
    buffer_clear(&shares->state);
    competing_write(&share->competing, &shares->state);
    int rc = buffer_ok(&shares->state) ? store_topic_ensure(shares->store, SLICE(TOPIC_GROUPS), 1, &topic, error)
                                       : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the state of a group");
    if (rc < 0)
        return rc;
    const struct store_message message = { .topic = topic, .key = slice_of(share->name, share->topic.len + 1 + share->group.len),
                                           .value = buffer_slice(&shares->state), .partition = -1 };
    return store_append(shares->store, NULL, 0, &message, 1, false, NULL, error);
}

/* --- polls ------------------------------------------------------------------------------------------------------------ */

/* Takes further records of the topic, until so many are due. */
static int fill(struct shares *shares, struct share *share, uint32_t wanted, struct edda_error *error)
{
    struct topic *topic = store_topic(shares->store, share->topic);
    uint64_t durable = store_durable_position(shares->store);
    struct store_cursor cursor;
    struct store_record record;
    int rc = 0;
    if (!topic || wanted == 0)
        return 0;
    store_cursor_init(&cursor, share->competing.next, topic);
    for (uint32_t n = 0, looked = 0; n < wanted && looked < LOOKED_MAX; looked++) {
        rc = store_cursor_next(shares->store, &cursor, &record, error);
        if (rc != 1 || record.position >= durable)
            break;
        rc = competing_add(&share->competing, record.position);
        if (rc < 0)
            break;
        n++;
    }
    store_cursor_deinit(&cursor);
    return rc == EDDA_ELIMIT || rc > 0 ? 0 : rc;
}

static void row_put(struct buffer *out, const struct store_record *record, uint32_t deliveries)
{
    const struct event_out event = event_out_of(record, -1);
    buffer_printf(out, "{\"position\":%llu,\"deliveries\":%u,\"partition\":%u,\"offset\":%lld,\"event\":", (unsigned long long)record->position, deliveries,
                  record->partition, (long long)record->record.offset);
    event_put_structured(&event, out);
    buffer_append_byte(out, '}');
}

/* A record that nobody has managed to deal with is put aside; one that is not there any more (retention, a deleted topic) is done. */
static bool give_up(struct share *share, uint64_t position, uint32_t deliveries, const struct poll *poll, bool there)
{
    if (!there)
        (void)competing_ack(&share->competing, position);
    else if (!poll->deliveries_max || deliveries <= poll->deliveries_max || competing_park(&share->competing, position, SLICE("it was delivered too often")) < 0)
        return false;
    return true;
}

/* Writes what is due into the server's content: how many; 0 when there is nothing. */
static int poll_try(const struct poll *poll, struct buffer *content, struct edda_error *error)
{
    struct shares *shares = poll->shares;
    struct share *share = poll->share;
    int64_t now_ms = store_time_ms(shares->store);
    uint64_t position;
    uint32_t deliveries, count = 0;
    bool gave_up = false;
    int rc = competing_due(&share->competing) > now_ms ? fill(shares, share, poll->max, error) : 0;
    buffer_clear(content);
    buffer_append_str(content, "{\"_embedded\":{\"events\":[");
    while (rc >= 0 && count < poll->max && content->len < EVENTS_PAGE_BYTES) {
        struct store_record record;
        if (competing_take(&share->competing, now_ms, now_ms + poll->timeout_ms, &position, &deliveries) == 0) {
            uint64_t next = share->competing.next;
            rc = fill(shares, share, poll->max - count, error);
            if (rc < 0 || share->competing.next == next)
                break;
            continue;
        }
        int read = store_position_read(shares->store, position, &record);
        if (read < 0 && read != EDDA_ENOTFOUND)
            return edda_fail_with(error, read, "%s", store_read_error(shares->store)->message);
        if (give_up(share, position, deliveries, poll, read == 0)) {
            gave_up = true;
            continue;
        }
        if (count++)
            buffer_append_byte(content, ',');
        row_put(content, &record, deliveries);
        shares->counts.delivered++;
        shares->counts.redelivered += deliveries > 1;
    }
    buffer_append_str(content, "]}}");
    if (rc >= 0 && gave_up)
        rc = share_write(shares, share, error);
    return rc < 0 ? rc : (int)count;
}

static void poll_end(struct poll *poll)
{
    list_remove(&poll->of_share);
    list_remove(&poll->of_all);
    poll->shares->counts.waiting--;
    free(poll);
}

static void poll_forget(struct hold *hold)
{
    poll_end(container_of(hold, struct poll, hold));
}

static void poll_answer(struct poll *poll, int rc)
{
    struct edda_request *request = poll->request;
    request->hold = NULL;
    if (rc < 0)
        request_fail(request, 0, rc);
    else
        response_content(request, 200, "application/json", buffer_slice(&request->server->content));
    poll_end(poll);
    request_release(request);
}

static void poll_stopping(struct hold *hold)
{
    struct poll *poll = container_of(hold, struct poll, hold);
    struct buffer *content = &poll->request->server->content;
    buffer_clear(content);
    buffer_append_str(content, "{\"_embedded\":{\"events\":[]}}");
    poll_answer(poll, 0);
}

static int poll_wait(struct edda_request *request, const struct poll *asked)
{
    struct poll *poll = malloc(sizeof *poll);
    if (!poll)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory to wait");
    *poll = *asked;
    poll->hold = (struct hold){ .forget = poll_forget, .stopping = poll_stopping };
    list_push_back(&poll->share->waiting, &poll->of_share);
    list_push_back(&poll->shares->waiting, &poll->of_all);
    poll->shares->counts.waiting++;
    request_hold(request, &poll->hold);
    return 0;
}

/* The users were read again: who waits and may not any more is told so. */
static void permit_again(struct shares *shares)
{
    struct list *link = shares->waiting.next;
    shares->reloads = shares->server->reloads;
    while (link != &shares->waiting) {
        struct poll *poll = container_of(link, struct poll, of_all);
        link = link->next;
        int rc = request_permit_route(poll->request);
        if (rc == 0)
            rc = request_permit(poll->request, BROKER_READ, poll->share->topic);
        if (rc == 0)
            continue;
        struct connection *connection = &poll->request->session->connection;
        poll_answer(poll, rc);
        connection_flush(connection);
    }
}

int64_t shares_turn(struct shares *shares, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    if (shares->reloads != shares->server->reloads)
        permit_again(shares);
    if (list_empty(&shares->waiting))
        return next_ns;
    int64_t now_ms = store_time_ms(shares->store);
    uint64_t durable = store_durable_position(shares->store);
    bool more = durable != shares->looked;
    shares->looked = durable;
    struct list *link = shares->waiting.next;
    while (link != &shares->waiting) {
        struct poll *poll = container_of(link, struct poll, of_all);
        struct buffer *content = &shares->server->content;
        struct edda_error *error = &poll->request->error;
        link = link->next;
        int64_t due_ms = competing_due(&poll->share->competing);
        bool first = poll->share->waiting.next == &poll->of_share, over = now_ns >= poll->until_ns;
        int rc = first && (more || due_ms <= now_ms || over) ? poll_try(poll, content, error) : 0;
        if (!first && over) {
            buffer_clear(content);
            buffer_append_str(content, "{\"_embedded\":{\"events\":[]}}");
        }
        if (rc != 0 || over) {
            /* There may be more for the one that waits behind it. */
            shares->looked = UINT64_MAX;
            struct connection *connection = &poll->request->session->connection;
            poll_answer(poll, rc);
            connection_flush(connection);
            next_ns = now_ns;
            continue;
        }
        int64_t wake_ns = due_ms == INT64_MAX || !first ? INT64_MAX : now_ns + (due_ms > now_ms ? due_ms - now_ms : 1) * NS_PER_MS;
        wake_ns = poll->until_ns < wake_ns ? poll->until_ns : wake_ns;
        next_ns = wake_ns < next_ns ? wake_ns : next_ns;
    }
    return next_ns;
}

/* --- routes ------------------------------------------------------------------------------------------------------------- */

int group_poll(struct edda_request *request, const void *body, void *user)
{
    const struct GroupPoll *asked = body;
    struct poll poll = { .request = request };
    bool fresh;
    (void)user;
    if (asked->from.len && !edda_text_is(asked->from, "now") && !edda_text_is(asked->from, "start"))
        return edda_fail_field(&request->error, EDDA_EINVAL, "from", "from must be start or now");
    int rc = share_of(request, true, &poll.shares, &poll.share, &fresh);
    if (rc < 0)
        return rc;
    if (fresh && edda_text_is(asked->from, "now"))
        competing_pass(&poll.share->competing, store_tail(poll.shares->store));
    if (fresh && (rc = share_write(poll.shares, poll.share, &request->error)) < 0) {
        share_free(poll.shares, poll.share);
        return rc;
    }
    poll.max = asked->max ? (uint32_t)asked->max : POLL_DEFAULT;
    poll.timeout_ms = asked->timeoutMs ? asked->timeoutMs : POLL_TIMEOUT_DEFAULT_MS;
    poll.deliveries_max = (uint32_t)asked->maxDeliveries;
    poll.until_ns = request->server->now_ns + asked->waitMs * NS_PER_MS;
    rc = list_empty(&poll.share->waiting) ? poll_try(&poll, &request->server->content, &request->error) : 0;
    if (rc < 0)
        return rc;
    if (rc == 0 && asked->waitMs > 0 && !request->server->stopping)
        return poll_wait(request, &poll);
    if (rc == 0) {
        buffer_clear(&request->server->content);
        buffer_append_str(&request->server->content, "{\"_embedded\":{\"events\":[]}}");
    }
    response_content(request, 200, "application/json", buffer_slice(&request->server->content));
    return 0;
}

enum verdict { VERDICT_ACK, VERDICT_NACK, VERDICT_PARK };

/* Does it to each position; those that are not open are told. */
static int judge(struct edda_request *request, const struct GroupVerdict *asked, enum verdict verdict)
{
    const int64_t *positions = asked->positions.items;
    struct buffer *content = &request->server->content, unknown = BUFFER_EMPTY;
    struct shares *shares;
    struct share *share;
    size_t done = 0;
    bool fresh;
    int rc = share_of(request, false, &shares, &share, &fresh);
    int64_t due_ms = rc == 0 ? store_time_ms(shares->store) + asked->delayMs : 0;
    for (size_t i = 0; rc == 0 && i < asked->positions.count; i++) {
        uint64_t position = (uint64_t)positions[i];
        int one = verdict == VERDICT_ACK    ? competing_ack(&share->competing, position)
                  : verdict == VERDICT_NACK ? competing_nack(&share->competing, position, due_ms)
                                            : competing_park(&share->competing, position, slice_of(asked->reason.data, asked->reason.len));
        if (one == EDDA_ENOTFOUND)
            buffer_printf(&unknown, "%s%lld", unknown.len ? "," : "", (long long)positions[i]);
        else if (one < 0)
            rc = edda_fail_with(&request->error, one, one == EDDA_ELIMIT ? "a group has at most %d parked records of a topic" : "out of memory for a group",
                                COMPETING_PARKED_MAX);
        else
            done++;
    }
    if (done) {
        int written = share_write(shares, share, &request->error);
        rc = rc < 0 ? rc : written;
        shares->counts.acknowledged += verdict == VERDICT_ACK ? done : 0;
        shares->counts.parked += verdict == VERDICT_PARK ? done : 0;
    }
    if (rc == 0) {
        buffer_clear(content);
        buffer_printf(content, "{\"done\":%zu,\"unknown\":[", done);
        buffer_append_slice(content, buffer_slice(&unknown));
        buffer_append_str(content, "]}");
        response_content(request, 200, "application/json", buffer_slice(content));
    }
    buffer_deinit(&unknown);
    return rc;
}

int group_ack(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    return judge(request, body, VERDICT_ACK);
}

int group_nack(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    return judge(request, body, VERDICT_NACK);
}

int group_park(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    return judge(request, body, VERDICT_PARK);
}

static struct Group row_of(const struct shares *shares, const struct share *share)
{
    return (struct Group){ .group = { (const char *)share->group.data, share->group.len }, .topic = { (const char *)share->topic.data, share->topic.len },
                           .watermark = (int64_t)competing_watermark(&share->competing), .next = (int64_t)share->competing.next,
                           .open = share->competing.open_count, .parked = share->competing.parked_count,
                           .behind = (int64_t)(store_durable_position(shares->store) > share->competing.next ? store_durable_position(shares->store) - share->competing.next : 0) };
}

int group_show(struct edda_request *request, const void *body, void *user)
{
    struct shares *shares;
    struct share *share;
    bool fresh;
    (void)body, (void)user;
    int rc = share_of(request, false, &shares, &share, &fresh);
    if (rc < 0)
        return rc;
    const struct Group row = row_of(shares, share);
    return collection_item(request, &Group_type, &row, slice_of(NULL, 0), -1);
}

struct listing {
    struct collection collection;
    struct shares *shares;
};

static int list_visit(void *user, const struct store_record *record, int64_t version)
{
    struct listing *listing = user;
    struct slice key = record->record.key;
    const uint8_t *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
    (void)version;
    if (!slash)
        return 0;
    struct slice topic = slice_of(key.data, (size_t)(slash - key.data)), group = slice_from(key, topic.len + 1);
    if (!request_may(listing->collection.request, BROKER_READ, group) || !collection_wants(&listing->collection))
        return 0;
    struct share *known = share_known(listing->shares, key), *share = known ? known : share_new(listing->shares, key, topic.len);
    if (!share)
        return EDDA_ENOMEM;
    if (known || competing_read(&share->competing, record->record.value) == 0) {
        const struct Group row = row_of(listing->shares, share);
        collection_row(&listing->collection, &Group_type, &row, slice_of(NULL, 0));
    }
    if (!known)
        share_free(listing->shares, share);
    return 0;
}

int groups_list(struct edda_request *request, const void *body, void *user)
{
    struct store *store = events_store(request);
    struct listing listing = { .shares = ((struct http_host *)request->session->connection.host)->shares };
    (void)body, (void)user;
    if (!store)
        return EDDA_EUNSUPPORTED;
    if (collection_begin(&listing.collection, request, "groups") < 0)
        return 0;
    struct topic *topic = store_topic(store, SLICE(TOPIC_GROUPS));
    int64_t n = topic ? store_table_scan(store, topic, list_visit, &listing) : 0;
    if (n < 0)
        return edda_fail_with(&request->error, (int)n, "reading the groups: %s", edda_code_info((int)n)->sentence);
    return collection_end(&listing.collection, listing.collection.seen);
}

int group_parked(struct edda_request *request, const void *body, void *user)
{
    struct collection collection;
    struct shares *shares;
    struct share *share;
    bool fresh;
    (void)body, (void)user;
    int rc = share_of(request, false, &shares, &share, &fresh);
    if (rc < 0)
        return rc;
    if (collection_begin(&collection, request, "parked") < 0)
        return 0;
    const struct competing_record *at = NULL;
    while ((at = competing_each(&share->competing, true, at))) {
        if (!collection_wants(&collection))
            continue;
        const struct ParkedRecord row = { .position = (int64_t)at->position, .deliveries = at->deliveries, .reason = { at->reason, at->reason_len } };
        collection_row(&collection, &ParkedRecord_type, &row, slice_of(NULL, 0));
    }
    return collection_end(&collection, collection.seen);
}

static int unpark(struct edda_request *request, int (*change)(struct competing *competing, uint64_t position))
{
    struct slice text = events_parameter(request, "position");
    struct shares *shares;
    struct share *share;
    uint64_t position = 0;
    bool fresh;
    int rc = share_of(request, false, &shares, &share, &fresh);
    for (size_t i = 0; rc == 0 && i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || text.len > 18)
            return edda_fail_field(&request->error, EDDA_EINVAL, "position", "position must be a whole number");
        position = position * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (rc < 0)
        return rc;
    if (server_is_behind(request->server))
        return edda_fail_with(&request->error, EDDA_EBUSY, "the log is too far behind its disk");
    rc = change(&share->competing, position);
    if (rc < 0)
        return edda_fail_field(&request->error, rc, "position", rc == EDDA_ENOTFOUND ? "record %llu is not parked" : "record %llu cannot be open, as many others are",
                               (unsigned long long)position);
    return share_write(shares, share, &request->error);
}

int group_retry(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return unpark(request, competing_retry);
}

int group_discard(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return unpark(request, competing_discard);
}

/* --- all of them ---------------------------------------------------------------------------------------------------------- */

int shares_open(struct server *server, struct shares **ret_shares, struct edda_error *error)
{
    struct shares *shares = calloc(1, sizeof *shares);
    if (!shares)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for groups");
    shares->server = server;
    shares->store = server_store(server);
    table_init(&shares->by_name);
    list_init(&shares->waiting);
    *ret_shares = shares;
    return 0;
}

void shares_close(struct shares *shares)
{
    struct table_link *link;
    if (!shares)
        return;
    while ((link = table_each(&shares->by_name, NULL)))
        share_free(shares, container_of(link, struct share, by_name));
    table_deinit(&shares->by_name);
    buffer_deinit(&shares->state);
    free(shares);
}

void share_counts(const struct shares *shares, struct share_counts *ret_counts)
{
    *ret_counts = shares->counts;
}
