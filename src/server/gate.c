/*
 * gate: the output gate. Everything that is computed may have seen what is sequenced and not yet durable, so an answer is stamped with
 * the journal's tail of that moment, and its bytes leave when that is durable: successes, refusals and reads alike. The answers of
 * one connection lie in one buffer, in order; stamps only grow, so what may leave is always its front.
 *
 * A connection remembers at most GATE_MARKS_MAX stamps; further answers wait with the last of them, which is later than they
 * need and never earlier.
 *
 * The memory of a large answer goes on to the next one. Fresh memory costs a consumer more than reading the log does: the kernel clears each of its pages, and
 * takes them back.
 */
#include <errno.h>

#include "server/parts.h"

#define OUTPUT_KEPT_BYTES 4096  /* an output that is empty keeps no more memory than this */
#define OUTPUT_SPARE_BYTES_MAX (UINT32_C(16) << 20)
#define OUTPUT_SPARE_NS INT64_C(1000000000)
#define OUTPUT_SENT_BYTES 65536 /* what is sent is forgotten from here on, when it is the greater part */

size_t connection_unsent(const struct connection *connection)
{
    return connection->out.len - connection->sent;
}

size_t output_max(const struct connection *connection)
{
    return connection->out_bytes_max ? connection->out_bytes_max : connection->server->limits.out_bytes_max;
}

size_t connection_room(struct connection *connection)
{
    size_t unsent = connection_unsent(connection), max = output_max(connection);
    if (connection->state == CONNECTION_OPEN && unsent < max && !server_is_full(connection->server))
        return max - unsent;
    connection->full = connection->state == CONNECTION_OPEN;
    return 0;
}

uint64_t server_gate(const struct server *server)
{
    return journal_tail(server->journal);
}

void connection_stamp(struct connection *connection, uint64_t gate)
{
    size_t end = connection->out.len;
    struct gate_mark *last = connection->mark_count ? &connection->marks[connection->mark_count - 1] : NULL;
    connection_weigh(connection);
    if (end == (last ? last->end : connection->open))
        return; /* nothing was appended: who waits has no answer yet */
    if (!last && gate <= journal_durable(connection->server->journal)) {
        connection->open = end;
        return;
    }
    if (last && (gate <= last->gate || connection->mark_count == GATE_MARKS_MAX)) {
        last->end = end;
        last->gate = gate > last->gate ? gate : last->gate;
    } else {
        connection->marks[connection->mark_count++] = (struct gate_mark){ end, gate };
    }
    if (!list_linked(&connection->waiting)) {
        list_push_back(&connection->server->waiting, &connection->waiting);
        gather_return(&connection->server->gather, connection->answered_in);
    }
}

/* Moves the marks that are durable over to what is open. */
static void output_open(struct connection *connection, uint64_t durable)
{
    uint32_t passed = 0;
    while (passed < connection->mark_count && connection->marks[passed].gate <= durable)
        connection->open = connection->marks[passed++].end;
    if (passed == 0)
        return;
    connection->mark_count -= passed;
    memmove(connection->marks, connection->marks + passed, connection->mark_count * sizeof *connection->marks);
    if (connection->mark_count == 0)
        list_remove(&connection->waiting);
}

static void output_shift(struct connection *connection)
{
    size_t sent = connection->sent;
    memmove(connection->out.data, connection->out.data + sent, connection->out.len - sent);
    buffer_truncate(&connection->out, connection->out.len - sent);
    for (uint32_t i = 0; i < connection->mark_count; i++)
        connection->marks[i].end -= sent;
    connection->open -= sent;
    connection->sent = 0;
}

void connection_reserve(struct connection *connection, size_t bytes)
{
    struct buffer *out = &connection->out, *spare = &connection->server->spare_out;
    if (bytes > OUTPUT_KEPT_BYTES && out->len == 0 && out->capacity < bytes && spare->data) {
        buffer_deinit(out);
        *out = *spare;
        *spare = BUFFER_EMPTY;
    }
    (void)buffer_reserve(out, bytes);
}

void output_spare_expire(struct server *server)
{
    if (server->spare_out.data && server->now_ns - server->spare_out_ns > OUTPUT_SPARE_NS)
        buffer_deinit(&server->spare_out);
}

/* The larger one is kept. */
static void output_give(struct connection *connection)
{
    struct server *server = connection->server;
    struct buffer *out = &connection->out, *spare = &server->spare_out;
    if (out->capacity <= OUTPUT_SPARE_BYTES_MAX && out->capacity > spare->capacity) {
        struct buffer smaller = *spare;
        buffer_clear(out);
        *spare = *out;
        *out = smaller;
        server->spare_out_ns = server->now_ns;
    }
    buffer_deinit(out);
}

/* Forgets what is sent. */
static void output_trim(struct connection *connection)
{
    if (connection->sent < connection->out.len) {
        if (connection->sent >= OUTPUT_SENT_BYTES && connection->sent >= connection->out.len / 2)
            output_shift(connection);
        return;
    }
    ASSERT(connection->mark_count == 0 && connection->open == connection->sent);
    connection->sent = connection->open = 0;
    if (connection->out.capacity > OUTPUT_KEPT_BYTES)
        output_give(connection);
    else
        buffer_clear(&connection->out);
}

static void await_writable(struct connection *connection, bool await)
{
    if (connection->writing == await)
        return;
    connection->writing = await;
    if (await)
        (void)event_add(&connection->writable, NULL);
    else
        (void)event_del(&connection->writable);
}

/* Reading makes the handshake of TLS, and what is to be sent is sent after it. */
static bool is_ready(const struct connection *connection)
{
    return !connection->tls || tls_is_ready(connection->tls);
}

/* As many bytes as the client takes. */
static int64_t send_bytes(struct connection *connection, struct slice bytes)
{
    size_t sent = 0;
    while (is_ready(connection) && sent < bytes.len) {
        ssize_t n = connection_send(connection, bytes.data + sent, bytes.len - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return EDDA_ECLOSED;
        if (n <= 0)
            break;
        sent += (size_t)n;
        connection->spoken->counts.bytes_out += (size_t)n;
        connection_touch(connection);
    }
    return (int64_t)sent;
}

int64_t connection_send_now(struct connection *connection, struct slice bytes)
{
    ASSERT(connection_unsent(connection) == 0);
    return send_bytes(connection, bytes);
}

int output_send(struct connection *connection)
{
    bool ready = is_ready(connection);
    int64_t n = send_bytes(connection, slice_of(connection->out.data + connection->sent, connection->open - connection->sent));
    if (n < 0)
        return EDDA_ECLOSED;
    connection->sent += (size_t)n;
    await_writable(connection, (ready && connection->sent < connection->open) || connection->turned);
    output_trim(connection);
    return 0;
}

int connection_push(struct connection *connection)
{
    int rc = output_send(connection);
    if (rc == 0 && connection_unsent(connection) > 0) {
        connection->mark_count = 0;
        list_remove(&connection->waiting);
        connection->sent = connection->open = connection->out.len;
        output_trim(connection);
        rc = EDDA_ECLOSED;
    }
    connection_weigh(connection);
    return rc;
}

void gate_open(struct server *server, int64_t sync_ns)
{
    uint64_t durable = journal_durable(server->journal);
    if (durable == server->opened)
        return;
    ASSERT(durable > server->opened);
    server->opened = durable;
    uint32_t answered = 0;
    struct list *link = server->waiting.next;
    while (link != &server->waiting) {
        struct connection *connection = container_of(link, struct connection, waiting);
        link = link->next;
        size_t open = connection->open;
        output_open(connection, durable);
        if (connection->open == open)
            continue;
        answered++;
        connection->answered_in = server->gather.round + 1;
        connection_flush(connection);
    }
    gather_begin(&server->gather, answered, sync_ns, io_clock_boot_ns(server->io));
}
