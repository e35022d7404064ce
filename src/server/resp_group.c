/*
 * Groups of consumers over streams. They are the groups of competing consumers that HTTP has (server/shares.h); what is Redis's own is that what a consumer was given stays its own until
 * it is acknowledged or claimed, however long that takes, and that entries have ids.
 */
#include "server/resp.h"

#define LAG_LOOKED_MAX 10000 /* records that are counted for a lag; with more before a group it is not told */
#define TAKEN_AT_ONCE 128    /* records taken from the log in one go */

/* --- finding ------------------------------------------------------------------------------------------------------- */

static struct share_name name_of(const struct resp_stream *stream, struct slice group)
{
    return (struct share_name){ stream->topic, stream->key, group };
}

int resp_group_find(struct resp_host *host, const struct resp_stream *stream, struct slice group, struct share **ret_share, struct edda_error *error)
{
    struct share_name name = name_of(stream, group);
    return stream->found ? share_find(host->shares, &name, ret_share, error) : 0;
}

bool resp_group_is_of(const struct share *share, const struct resp_stream *stream)
{
    return slice_eq(share->name.topic, stream->topic) && (share->name.key.data != NULL) == (stream->key.data != NULL) && slice_eq(share->name.key, stream->key);
}

int resp_group_may(struct resp_call *call, struct slice group)
{
    if (resp_session_may(call->session, BROKER_READ, group))
        return 0;
    return edda_fail_with(&call->error, EDDA_EFORBIDDEN, "this user has no permission to read as the group '%.*s'", (int)group.len, (const char *)group.data);
}

int resp_group_named(struct resp_call *call, struct resp_stream *ret_stream, struct share **ret_share)
{
    int rc = resp_stream_named(call, call->args[1], BROKER_READ, ret_stream);
    if (rc >= 0)
        rc = resp_group_may(call, call->args[2]);
    return rc < 0 ? rc : resp_group_find(call->host, ret_stream, call->args[2], ret_share, &call->error);
}

int resp_fail_group(struct resp_call *call, struct slice key, struct slice group)
{
    return resp_fail_as(call, "NOGROUP", "No such key '%.*s' or consumer group '%.*s'", (int)key.len, (const char *)key.data, (int)group.len, (const char *)group.data);
}

int resp_group_consumer(struct resp_host *host, struct share *share, struct slice name, struct competing_consumer **ret_consumer, bool *ret_made, struct edda_error *error)
{
    int64_t now_ms = store_time_ms(host->store);
    int rc = competing_consumer_make(&share->competing, name, now_ms, ret_consumer);
    if (rc == EDDA_EINVAL)
        return edda_fail_with(error, rc, "the name of a consumer has 1 to %d bytes", COMPETING_CONSUMER_NAME_MAX);
    if (rc < 0)
        return edda_fail_with(error, rc, rc == EDDA_ELIMIT ? "a group has at most %d consumers" : "out of memory for a consumer", COMPETING_CONSUMERS_MAX);
    *ret_made = rc == 1;
    (*ret_consumer)->seen_ms = now_ms;
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static struct resp_id put_entry(struct resp_host *host, const struct resp_stream *stream, const struct store_record *record, uint64_t place, struct resp_writer out)
{
    bool keyed = stream->key.data != NULL;
    struct resp_id id = resp_entry_id(host->store, record, keyed);
    arena_reset(&host->entry_arena);
    resp_entry_write(host->store, record, keyed, &host->entry_arena, out);
    resp_stream_given(host, stream, id, place);
    return id;
}

int resp_group_entry(struct resp_host *host, const struct resp_stream *stream, const struct share *share, uint64_t place, struct resp_id *ret_id, const struct resp_writer *out,
                     struct edda_error *error)
{
    struct store_record record;
    int rc = share_read(host->shares, share, place, &record, error);
    if (rc <= 0)
        return rc;
    *ret_id = resp_entry_id(host->store, &record, stream->key.data != NULL);
    if (out)
        (void)put_entry(host, stream, &record, place, *out);
    return 1;
}

struct giving {
    struct resp_host *host;
    const struct resp_reader *reader;
    const struct resp_stream *stream;
    struct share *share;
    struct competing_consumer *consumer;
    struct resp_writer out;
    size_t bytes_max;
    bool changed;
};

/* What nobody has. */
static int64_t give_fresh(struct giving *giving, struct edda_error *error)
{
    struct resp_host *host = giving->host;
    struct competing *competing = &giving->share->competing;
    uint64_t tail = store_tail(host->store), max = giving->reader->count;
    size_t begin = giving->out.out->len;
    int64_t n = 0;
    while ((uint64_t)n < max && giving->out.out->len - begin < giving->bytes_max) {
        uint64_t left = max - (uint64_t)n;
        struct share_taken taken;
        int rc = share_take(host->shares, giving->share, giving->consumer, COMPETING_NEVER, left < TAKEN_AT_ONCE ? (uint32_t)left : TAKEN_AT_ONCE, tail, &taken, &giving->changed, error);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        (void)put_entry(host, giving->stream, &taken.record, taken.place, giving->out);
        if (giving->reader->noack)
            (void)competing_ack(competing, taken.place);
        n++;
    }
    return n;
}

/* What the consumer has, behind an id. */
static int64_t give_again(struct giving *giving, struct resp_id after, struct edda_error *error)
{
    struct resp_host *host = giving->host;
    struct competing *competing = &giving->share->competing;
    int64_t n = 0, now_ms = store_time_ms(host->store);
    size_t begin = giving->out.out->len;
    uint64_t from;
    if (!resp_id_next(&after))
        return 0;
    int rc = resp_stream_seek(host, giving->stream, after, &from, error);
    if (rc < 0)
        return rc;
    const struct competing_record *next = competing_each(competing, false, NULL);
    while (next && (uint64_t)n < giving->reader->count && giving->out.out->len - begin < giving->bytes_max) {
        const struct competing_record *record = next;
        struct resp_id id;
        next = competing_each(competing, false, record);
        if (record->consumer != giving->consumer || record->position < from)
            continue;
        rc = resp_group_entry(host, giving->stream, giving->share, record->position, &id, &giving->out, error);
        if (rc < 0)
            return rc;
        giving->changed |= rc == 0;
        if (rc == 0)
            (void)competing_ack(competing, record->position);
        else
            (void)competing_claim(competing, record->position, giving->consumer, now_ms, record->deliveries + 1);
        n += rc;
    }
    return n;
}

int64_t resp_group_read(struct resp_host *host, const struct resp_reader *reader, const struct resp_read *read, const struct resp_stream *stream, size_t bytes_max,
                        struct resp_writer out, struct edda_error *error)
{
    struct giving giving = { .host = host, .reader = reader, .stream = stream, .out = out, .bytes_max = bytes_max };
    int rc = resp_group_find(host, stream, reader->group, &giving.share, error);
    if (rc <= 0)
        return rc;
    rc = resp_group_consumer(host, giving.share, reader->consumer, &giving.consumer, &giving.changed, error);
    if (rc < 0)
        return rc;
    int64_t n = read->fresh ? give_fresh(&giving, error) : give_again(&giving, read->after, error);
    if (n > 0)
        giving.consumer->active_ms = giving.consumer->seen_ms;
    /* What was given before something failed is kept as given, so that its consumer can ask for it again. */
    if (giving.changed && (rc = share_write(host->shares, giving.share, n < 0 ? NULL : error)) < 0 && n >= 0)
        return rc;
    return n;
}

/* --- XGROUP ---------------------------------------------------------------------------------------------------------- */

static int fail_no_group(struct resp_call *call, struct slice key, struct slice group)
{
    return resp_fail_as(call, "NOGROUP", "No such consumer group '%.*s' for key name '%.*s'", (int)group.len, (const char *)group.data, (int)key.len, (const char *)key.data);
}

static int fail_no_key(struct resp_call *call)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty "
                                                     "stream automatically.");
}

/* Whether there is something of that name: 1. */
static int stream_exists(struct resp_call *call, const struct resp_stream *stream)
{
    if (!stream->key.data)
        return stream->found != NULL;
    int64_t length = resp_stream_length(call->host, stream);
    return length < 0 ? (int)length : length > 0;
}

/* Where a group goes on behind an id. */
static int parse_place(struct resp_call *call, const struct resp_stream *stream, struct slice word, uint64_t *ret_place)
{
    struct resp_id id;
    if (slice_eq(word, SLICE("$")))
        id = RESP_ID_MAX;
    else if (!resp_id_parse(word, 0, &id))
        return resp_fail_id(call);
    else
        (void)resp_id_next(&id);
    return resp_stream_seek(call->host, stream, id, ret_place, &call->error);
}

/* XGROUP CREATE key group id [MKSTREAM] [ENTRIESREAD n], XGROUP SETID key group id [ENTRIESREAD n]. */
static int parse_options(struct resp_call *call, bool *ret_make)
{
    int64_t number;
    *ret_make = false;
    for (uint32_t i = 5; i < call->count; i++) {
        if (resp_is(call->args[i], "MKSTREAM") && resp_is(call->args[1], "CREATE"))
            *ret_make = true;
        else if (!resp_is(call->args[i], "ENTRIESREAD") || ++i == call->count)
            return edda_fail_with(&call->error, EDDA_EINVAL, "unknown subcommand or wrong number of arguments for '%.*s'. Try XGROUP HELP.", (int)call->args[1].len,
                                  (const char *)call->args[1].data);
        else if (!resp_number(call->args[i], &number))
            return resp_fail_number(call);
        else if (number < -1)
            return edda_fail_with(&call->error, EDDA_EINVAL, "value for ENTRIESREAD must be positive or -1");
    }
    return 0;
}

static int group_create(struct resp_call *call, struct resp_stream *stream, bool make)
{
    struct resp_host *host = call->host;
    struct share_name name = name_of(stream, call->args[3]);
    struct share *share;
    uint64_t place;
    int rc = stream_exists(call, stream);
    if (rc == 0 && !make && stream->found)
        rc = share_find(host->shares, &name, &share, &call->error);
    if (rc == 0 && !make)
        return fail_no_key(call);
    if (rc >= 0 && !stream->found) {
        rc = resp_may(call, BROKER_WRITE, stream->topic);
        if (rc >= 0)
            rc = resp_topic_ensure(host, stream->topic, &stream->found, &call->error);
    }
    if (rc >= 0)
        rc = parse_place(call, stream, call->args[4], &place);
    if (rc >= 0)
        rc = share_find(host->shares, &name, &share, &call->error);
    if (rc > 0)
        return resp_fail_as(call, "BUSYGROUP", "Consumer Group name already exists");
    if (rc == 0)
        rc = share_make(host->shares, &name, place, &share, &call->error);
    if (rc >= 0)
        resp_simple(call->out, "OK");
    return rc < 0 ? rc : RESP_ANSWERED;
}

static int group_set(struct resp_call *call, const struct resp_stream *stream, struct share *share)
{
    uint64_t place;
    int rc = parse_place(call, stream, call->args[4], &place);
    if (rc < 0)
        return rc;
    competing_seek(&share->competing, place);
    share->held_up = true; /* whoever waits looks again */
    rc = share_write(call->host->shares, share, &call->error);
    if (rc >= 0)
        resp_simple(call->out, "OK");
    return rc < 0 ? rc : RESP_ANSWERED;
}

static int consumer_create(struct resp_call *call, struct share *share)
{
    struct competing_consumer *consumer;
    bool made;
    int rc = resp_group_consumer(call->host, share, call->args[4], &consumer, &made, &call->error);
    if (rc >= 0 && made)
        rc = share_write(call->host->shares, share, &call->error);
    if (rc >= 0)
        resp_int(call->out, made);
    return rc < 0 ? rc : RESP_ANSWERED;
}

static int consumer_delete(struct resp_call *call, struct share *share)
{
    struct competing_consumer *consumer = competing_consumer(&share->competing, call->args[4]);
    uint32_t had = consumer ? competing_consumer_drop(&share->competing, consumer) : 0;
    int rc = consumer ? share_write(call->host->shares, share, &call->error) : 0;
    if (rc >= 0)
        resp_int(call->out, had);
    return rc < 0 ? rc : RESP_ANSWERED;
}

int resp_xgroup(struct resp_call *call)
{
    struct slice word = call->args[1];
    bool create = resp_is(word, "CREATE"), set = resp_is(word, "SETID"), destroy = resp_is(word, "DESTROY"), consumer = resp_is(word, "CREATECONSUMER"),
         drop = resp_is(word, "DELCONSUMER"), make = false;
    struct resp_stream stream;
    struct share *share;
    if (!((create || set) && call->count >= 5) && !(destroy && call->count == 4) && !((consumer || drop) && call->count == 5))
        return resp_fail_subcommand(call, "CREATE SETID DESTROY CREATECONSUMER DELCONSUMER");
    int rc = create || set ? parse_options(call, &make) : 0;
    if (rc < 0)
        return rc;
    if (server_is_behind(call->host->server))
        return EDDA_EBUSY;
    rc = resp_stream_named(call, call->args[2], BROKER_READ, &stream);
    if (rc >= 0)
        rc = resp_group_may(call, call->args[3]);
    if (rc < 0)
        return rc;
    if (create)
        return group_create(call, &stream, make);
    rc = resp_group_find(call->host, &stream, call->args[3], &share, &call->error);
    int exists = rc == 0 ? stream_exists(call, &stream) : rc;
    if (exists < 0)
        return exists;
    if (exists == 0)
        return fail_no_key(call);
    if (rc == 0 && !destroy)
        return fail_no_group(call, call->args[2], call->args[3]);
    if (!destroy)
        return set ? group_set(call, &stream, share) : consumer ? consumer_create(call, share) : consumer_delete(call, share);
    int destroyed = rc > 0 ? share_destroy(call->host->shares, share, &call->error) : 0;
    if (destroyed >= 0)
        resp_int(call->out, rc > 0);
    return destroyed < 0 ? destroyed : RESP_ANSWERED;
}

/* --- XINFO ------------------------------------------------------------------------------------------------------------ */

/* Entries that the group has yet to take; -1: too many to be counted. */
static int64_t lag_of(struct resp_host *host, const struct resp_stream *stream, const struct share *share)
{
    struct stream_info info;
    struct store_cursor cursor;
    struct store_record record;
    struct edda_error error;
    int64_t n = 0;
    uint64_t next = share->competing.next;
    if (stream->key.data && store_stream_info(host->store, stream->topic, stream->key, &info) < 0)
        return 0;
    if (stream->key.data) {
        int64_t from = info.first_version > (int64_t)next ? info.first_version : (int64_t)next;
        return info.deleted || info.next_version < from ? 0 : info.next_version - from;
    }
    store_cursor_init(&cursor, next, stream->found);
    while (n <= LAG_LOOKED_MAX && store_cursor_next(host->store, &cursor, &record, &error) == 1)
        n++;
    store_cursor_deinit(&cursor);
    return n > LAG_LOOKED_MAX ? -1 : n;
}

static uint32_t pending_of(const struct share *share)
{
    uint32_t pending = 0;
    for (const struct competing_record *at = NULL; (at = competing_each(&share->competing, false, at));)
        pending += at->deliveries > 0;
    return pending;
}

static void put_named_int(struct resp_writer out, const char *name, int64_t value)
{
    resp_bulk_str(out, name);
    resp_int(out, value);
}

struct telling {
    struct resp_call *call;
    const struct resp_stream *stream;
    struct resp_writer out;
    size_t count;
};

static int tell_visit(void *user, struct share *share)
{
    struct telling *telling = user;
    struct resp_call *call = telling->call;
    char text[RESP_ID_TEXT_BYTES];
    struct resp_id id;
    if (!resp_group_is_of(share, telling->stream))
        return 0;
    int rc = resp_stream_before(call->host, telling->stream, share->competing.next, &id, &call->error);
    if (rc < 0)
        return rc;
    int64_t lag = lag_of(call->host, telling->stream, share);
    telling->count++;
    resp_map(telling->out, 6);
    resp_bulk_str(telling->out, "name");
    resp_bulk(telling->out, share->name.group);
    put_named_int(telling->out, "consumers", share->competing.consumer_count);
    put_named_int(telling->out, "pending", pending_of(share));
    resp_bulk_str(telling->out, "last-delivered-id");
    resp_bulk(telling->out, resp_id_text(id, text));
    resp_bulk_str(telling->out, "entries-read");
    if (telling->stream->key.data)
        resp_int(telling->out, (int64_t)share->competing.next);
    else
        resp_null(telling->out);
    resp_bulk_str(telling->out, "lag");
    if (lag >= 0)
        resp_int(telling->out, lag);
    else
        resp_null(telling->out);
    return 0;
}

int resp_xinfo_groups(struct resp_call *call)
{
    struct resp_stream stream;
    int rc = resp_stream_named(call, call->args[2], BROKER_READ, &stream);
    struct telling telling = { .call = call, .stream = &stream, .out = { &call->host->entries, call->out.version } };
    buffer_clear(&call->host->entries);
    if (rc >= 0)
        rc = shares_each(call->host->shares, tell_visit, &telling, &call->error);
    if (rc >= 0 && telling.count == 0)
        rc = stream_exists(call, &stream);
    if (rc < 0)
        return rc;
    if (telling.count == 0 && rc == 0)
        return edda_fail_with(&call->error, EDDA_EINVAL, "no such key");
    resp_array(call->out, telling.count);
    buffer_append_slice(call->out.out, buffer_slice(&call->host->entries));
    return RESP_ANSWERED;
}

int resp_xinfo_consumers(struct resp_call *call)
{
    struct resp_stream stream;
    struct share *share;
    int rc = resp_stream_named(call, call->args[2], BROKER_READ, &stream);
    if (rc >= 0)
        rc = resp_group_find(call->host, &stream, call->args[3], &share, &call->error);
    int exists = rc == 0 ? stream_exists(call, &stream) : rc;
    if (exists < 0)
        return exists;
    if (exists == 0)
        return edda_fail_with(&call->error, EDDA_EINVAL, "no such key");
    if (rc == 0)
        return fail_no_group(call, call->args[2], call->args[3]);
    int64_t now_ms = store_time_ms(call->host->store);
    resp_array(call->out, share->competing.consumer_count);
    for (const struct competing_consumer *at = NULL; (at = competing_consumer_each(&share->competing, at));) {
        resp_map(call->out, 4);
        resp_bulk_str(call->out, "name");
        resp_bulk(call->out, slice_of(at->name, at->name_len));
        put_named_int(call->out, "pending", at->pending);
        put_named_int(call->out, "idle", now_ms > at->seen_ms ? now_ms - at->seen_ms : 0);
        put_named_int(call->out, "inactive", at->active_ms < 0 ? -1 : now_ms > at->active_ms ? now_ms - at->active_ms : 0);
    }
    return RESP_ANSWERED;
}
