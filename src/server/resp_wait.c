/*
 * XREAD BLOCK: a session that waits for records of some streams. Its connection is busy, and watched, so that it ends with its client. What wakes it is the
 * cursor of the channels, for which a stream that is waited for is wanted like a channel.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "server/resp.h"

#define NS_PER_MS 1000000

struct resp_wait {
    struct resp_session *session;
    struct heap_node due;
    struct list woken;
    uint64_t max;
    size_t count;
    struct resp_read reads[]; /* their names lie behind them */
};

int resp_read_now(struct resp_session *session, const struct resp_read *reads, size_t count, uint64_t max, struct edda_error *error)
{
    struct resp_host *host = session->host;
    struct resp_writer out = { &session->connection.out, session->version }, streams = { &host->scratch, session->version };
    size_t given = 0, bytes = 0;
    buffer_clear(&host->scratch);
    buffer_clear(&host->entries);
    for (size_t i = 0; i < count && bytes < RESP_ANSWER_BYTES_MAX / 2; i++) {
        struct resp_range range = { .from = reads[i].after, .to = RESP_ID_MAX, .count = max, .bytes_max = RESP_ANSWER_BYTES_MAX / 2 - bytes };
        struct resp_stream stream;
        bool cut;
        buffer_clear(&host->entries);
        int64_t n = resp_id_next(&range.from) ? resp_stream_find(host, reads[i].name, &stream, error) : 0;
        if (n == 0 && resp_id_compare(range.from, reads[i].after) > 0)
            n = resp_stream_range(host, &stream, &range, (struct resp_writer){ &host->entries, session->version }, &cut, error);
        if (n < 0)
            return (int)n;
        if (n == 0)
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

static struct resp_wait *wait_new(const struct resp_read *reads, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += reads[i].name.len;
    struct resp_wait *wait = calloc(1, sizeof *wait + count * sizeof *reads + bytes);
    if (!wait)
        return NULL;
    uint8_t *at = (uint8_t *)&wait->reads[count];
    for (size_t i = 0; i < count; i++) {
        memcpy(at, reads[i].name.data, reads[i].name.len);
        wait->reads[i] = (struct resp_read){ slice_of(at, reads[i].name.len), reads[i].after };
        at += reads[i].name.len;
    }
    wait->count = count;
    wait->due = HEAP_NODE_INIT;
    list_init(&wait->woken);
    return wait;
}

int resp_wait_begin(struct resp_session *session, const struct resp_read *reads, size_t count, uint64_t max, int64_t timeout_ms, struct edda_error *error)
{
    struct resp_host *host = session->host;
    struct resp_wait *wait = wait_new(reads, count);
    int64_t now_ns = io_clock_boot_ns(server_io(host->server));
    ASSERT(!session->wait);
    if (!wait || (timeout_ms && !heap_insert(&host->waits, &wait->due, now_ns + timeout_ms * NS_PER_MS, session->id))) {
        free(wait);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory to wait");
    }
    wait->session = session;
    wait->max = max;
    session->wait = wait;
    for (size_t i = 0; i < count; i++) {
        int rc = resp_subscribe(session, RESP_AWAITED, wait->reads[i].name);
        if (rc < 0) {
            resp_wait_end(session);
            return edda_fail_with(error, rc, "too much is waited for");
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
    for (size_t i = 0; i < wait->count; i++)
        (void)resp_unsubscribe(session, RESP_AWAITED, wait->reads[i].name);
    if (heap_contains(&wait->due))
        heap_remove(&session->host->waits, &wait->due);
    list_remove(&wait->woken);
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

void resp_waits_turn(struct resp_host *host, int64_t now_ns)
{
    struct list *link;
    struct heap_node *due;
    /* The others have their turn when there is room for what they are answered. */
    while (!server_is_full(host->server) && (link = list_pop_front(&host->woken))) {
        struct resp_wait *wait = container_of(link, struct resp_wait, woken);
        struct resp_session *session = wait->session;
        struct edda_error error = { 0 };
        arena_reset(&host->arena);
        int rc = still_may(session, wait, &error);
        if (rc == 0)
            rc = resp_read_now(session, wait->reads, wait->count, wait->max, &error);
        if (rc < 0)
            resp_fail((struct resp_writer){ &session->connection.out, session->version }, rc, &error);
        if (rc != 0)
            answered(session);
    }
    while ((due = heap_first(&host->waits)) && due->key <= now_ns) {
        struct resp_session *session = container_of(due, struct resp_wait, due)->session;
        resp_null_array((struct resp_writer){ &session->connection.out, session->version });
        answered(session);
    }
}

int64_t resp_waits_due(const struct resp_host *host)
{
    const struct heap_node *due = heap_first(&host->waits);
    if (!list_empty(&host->woken))
        return 0;
    return due ? due->key : INT64_MAX;
}
