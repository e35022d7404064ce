/*
 * XREAD BLOCK, XREADGROUP BLOCK: a session that waits for records of some streams. Its connection is busy, and watched, so that it ends with its client. What wakes it is the
 * cursor of the channels, for which a stream that is waited for is wanted like a channel; and one that waits for a group is woken too when what others had is due again.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "server/resp.h"

#define NS_PER_MS 1000000

struct resp_wait {
    struct resp_session *session;
    struct heap_node due;
    struct list woken;
    struct list of_group;     /* of the host, when it waits for a group */
    struct resp_reader reader;
    size_t count;
    struct resp_read reads[]; /* the names lie behind them */
};

/* Writes what one stream has for the reader: how many entries. */
static int64_t read_one(struct resp_host *host, const struct resp_reader *reader, const struct resp_read *read, size_t bytes_max, struct resp_writer out, struct edda_error *error)
{
    struct resp_range range = { .from = read->after, .to = RESP_ID_MAX, .count = reader->count, .bytes_max = bytes_max };
    struct resp_stream stream;
    bool cut;
    int rc = resp_stream_find(host, read->name, &stream, error);
    if (rc < 0)
        return rc;
    if (reader->group.data)
        return resp_group_read(host, reader, read, &stream, bytes_max, out, error);
    return resp_id_next(&range.from) ? resp_stream_range(host, &stream, &range, out, &cut, error) : 0;
}

int resp_read_now(struct resp_session *session, const struct resp_reader *reader, const struct resp_read *reads, size_t count, struct edda_error *error)
{
    struct resp_host *host = session->host;
    struct resp_writer out = { &session->connection.out, session->version }, streams = { &host->scratch, session->version };
    size_t given = 0, bytes = 0;
    buffer_clear(&host->scratch);
    for (size_t i = 0; i < count && bytes < RESP_ANSWER_BYTES_MAX / 2; i++) {
        bool history = reader->group.data && !reads[i].fresh;
        buffer_clear(&host->entries);
        int64_t n = read_one(host, reader, &reads[i], RESP_ANSWER_BYTES_MAX / 2 - bytes, (struct resp_writer){ &host->entries, session->version }, error);
        if (n < 0)
            return (int)n;
        if (n == 0 && !history)
            continue;
        if (session->version == 2)
            resp_array(streams, 2);
        resp_bulk(streams, reads[i].name);
        resp_array(streams, (size_t)n);
        buffer_append_slice(&host->scratch, buffer_slice(&host->entries));
        bytes = host->scratch.len;
        given++;
    }
    if (given == 0)
        return 0;
    if (session->version == 2)
        resp_array(out, given);
    else
        resp_map(out, given);
    buffer_append_slice(out.out, buffer_slice(&host->scratch));
    return buffer_ok(&host->scratch) && buffer_ok(out.out) ? 1 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for entries");
}

static struct slice name_keep(uint8_t **at, struct slice name)
{
    uint8_t *kept = *at;
    if (name.len)
        memcpy(kept, name.data, name.len);
    *at += name.len;
    return name.data ? slice_of(kept, name.len) : name;
}

static struct resp_wait *wait_new(const struct resp_reader *reader, const struct resp_read *reads, size_t count)
{
    size_t bytes = 1 + reader->group.len + reader->consumer.len;
    for (size_t i = 0; i < count; i++)
        bytes += reads[i].name.len;
    struct resp_wait *wait = calloc(1, sizeof *wait + count * sizeof *reads + bytes);
    if (!wait)
        return NULL;
    uint8_t *at = (uint8_t *)&wait->reads[count];
    for (size_t i = 0; i < count; i++) {
        wait->reads[i] = reads[i];
        wait->reads[i].name = name_keep(&at, reads[i].name);
    }
    wait->reader = *reader;
    wait->reader.group = name_keep(&at, reader->group);
    wait->reader.consumer = name_keep(&at, reader->consumer);
    wait->count = count;
    wait->due = HEAP_NODE_INIT;
    list_init(&wait->woken);
    list_init(&wait->of_group);
    return wait;
}

/* Wants the stream, and watches the group. */
static int wait_for(struct resp_session *session, const struct resp_reader *reader, struct resp_read *read, struct edda_error *error)
{
    struct resp_stream stream;
    int rc = resp_subscribe(session, RESP_AWAITED, read->name);
    if (rc < 0)
        return edda_fail_with(error, rc, "too much is waited for");
    if (!reader->group.data)
        return 0;
    rc = resp_stream_find(session->host, read->name, &stream, error);
    if (rc == 0)
        rc = resp_group_find(session->host, &stream, reader->group, &read->share, error);
    if (rc <= 0)
        return rc < 0 ? rc : edda_fail_with(error, EDDA_ENOTFOUND, "the group is gone");
    share_watch(read->share);
    return 0;
}

int resp_wait_begin(struct resp_session *session, const struct resp_reader *reader, const struct resp_read *reads, size_t count, int64_t timeout_ms, struct edda_error *error)
{
    struct resp_host *host = session->host;
    struct resp_wait *wait = wait_new(reader, reads, count);
    int64_t now_ns = io_clock_boot_ns(server_io(host->server));
    ASSERT(!session->wait);
    if (!wait || (timeout_ms && !heap_insert(&host->waits, &wait->due, now_ns + timeout_ms * NS_PER_MS, session->id))) {
        free(wait);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory to wait");
    }
    wait->session = session;
    session->wait = wait;
    if (reader->group.data)
        list_push_back(&host->group_waits, &wait->of_group);
    for (size_t i = 0; i < count; i++) {
        int rc = wait_for(session, reader, &wait->reads[i], error);
        if (rc < 0) {
            resp_wait_end(session);
            return rc;
        }
    }
    session->connection.busy = session->connection.watched = true;
    return 0;
}

void resp_wait_end(struct resp_session *session)
{
    struct resp_wait *wait = session->wait;
    if (!wait)
        return;
    for (size_t i = 0; i < wait->count; i++) {
        (void)resp_unsubscribe(session, RESP_AWAITED, wait->reads[i].name);
        if (wait->reads[i].share)
            share_unwatch(wait->reads[i].share);
    }
    if (heap_contains(&wait->due))
        heap_remove(&session->host->waits, &wait->due);
    list_remove(&wait->woken);
    list_remove(&wait->of_group);
    session->wait = NULL;
    session->connection.watched = false;
    free(wait);
}

void resp_wait_wake(struct resp_session *session)
{
    if (session->wait && !list_linked(&session->wait->woken))
        list_push_back(&session->host->woken, &session->wait->woken);
}

/* The users may have been read again since it was asked for. */
static int still_may(const struct resp_session *session, const struct resp_wait *wait, struct edda_error *error)
{
    struct slice group = wait->reader.group;
    if (group.data && !resp_session_may(session, BROKER_READ, group))
        return edda_fail_with(error, EDDA_EFORBIDDEN, "this user has no permission to read as the group '%.*s' any more", (int)group.len, (const char *)group.data);
    for (size_t i = 0; i < wait->count; i++) {
        struct resp_stream stream;
        int rc = resp_stream_find(session->host, wait->reads[i].name, &stream, error);
        if (rc < 0)
            return rc;
        if (!resp_session_may(session, BROKER_READ, stream.topic))
            return edda_fail_with(error, EDDA_EFORBIDDEN, "this user has no permission to read the topic '%.*s' any more", (int)stream.topic.len,
                                  (const char *)stream.topic.data);
    }
    return 0;
}

static void answered(struct resp_session *session)
{
    resp_wait_end(session);
    connection_stamp(&session->connection, server_gate(session->host->server));
    connection_resume(&session->connection);
}

/* Log time at which a group may have something again for one that waits. */
static int64_t group_due_ms(const struct resp_wait *wait)
{
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < wait->count; i++) {
        int64_t share_ms = share_due_ms(wait->reads[i].share);
        due_ms = share_ms < due_ms ? share_ms : due_ms;
    }
    return due_ms;
}

static void wake_groups(struct resp_host *host)
{
    int64_t now_ms = list_empty(&host->group_waits) ? 0 : store_time_ms(host->store);
    for (struct list *link = host->group_waits.next; link != &host->group_waits; link = link->next) {
        const struct resp_wait *wait = container_of(link, struct resp_wait, of_group);
        if (group_due_ms(wait) <= now_ms)
            resp_wait_wake(wait->session);
    }
}

static bool group_is_gone(const struct resp_wait *wait)
{
    bool gone = false;
    for (size_t i = 0; wait->reader.group.data && i < wait->count; i++)
        gone |= wait->reads[i].share->gone;
    return gone;
}

/* One that was woken: it is answered, or waits on. */
static void try_again(struct resp_session *session)
{
    struct resp_host *host = session->host;
    const struct resp_wait *wait = session->wait;
    struct resp_writer out = { &session->connection.out, session->version };
    struct edda_error error = { 0 };
    size_t begin = out.out->len;
    bool gone = group_is_gone(wait);
    arena_reset(&host->arena);
    int rc = gone ? EDDA_ENOTFOUND : still_may(session, wait, &error);
    if (rc == 0)
        rc = resp_read_now(session, &wait->reader, wait->reads, wait->count, &error);
    if (rc < 0)
        buffer_truncate(out.out, begin);
    if (gone)
        resp_error(out, "NOGROUP", "the consumer group this client was blocked on no longer exists");
    else if (rc < 0)
        resp_fail(out, rc, &error);
    if (rc != 0)
        answered(session);
}

void resp_waits_turn(struct resp_host *host, int64_t now_ns)
{
    struct list *link;
    struct heap_node *due;
    wake_groups(host);
    /* The others have their turn when there is room for what they are answered, and the log takes what groups keep. */
    while (!server_is_full(host->server) && !server_is_behind(host->server) && (link = list_pop_front(&host->woken)))
        try_again(container_of(link, struct resp_wait, woken)->session);
    while ((due = heap_first(&host->waits)) && due->key <= now_ns) {
        struct resp_session *session = container_of(due, struct resp_wait, due)->session;
        resp_null_array((struct resp_writer){ &session->connection.out, session->version });
        answered(session);
    }
}

int64_t resp_waits_due(const struct resp_host *host, int64_t now_ns)
{
    const struct heap_node *due = heap_first(&host->waits);
    int64_t next_ns = due ? due->key : INT64_MAX;
    if (!list_empty(&host->woken))
        return server_is_behind(host->server) ? now_ns + NS_PER_MS : 0;
    int64_t now_ms = list_empty(&host->group_waits) ? 0 : store_time_ms(host->store);
    for (const struct list *link = host->group_waits.next; link != &host->group_waits; link = link->next) {
        int64_t due_ms = group_due_ms(container_of(link, struct resp_wait, of_group));
        int64_t wake_ns = due_ms == INT64_MAX ? INT64_MAX : now_ns + (due_ms > now_ms ? due_ms - now_ms : 1) * NS_PER_MS;
        next_ns = wake_ns < next_ns ? wake_ns : next_ns;
    }
    return next_ns;
}
