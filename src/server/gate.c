/*
 * gate: the output gate. Everything that is computed may have seen what is sequenced and not yet durable, so an answer is stamped with
 * the journal's tail of that moment, and its bytes leave when that is durable: successes, refusals and reads alike. The answers of
 * one connection lie in one buffer, in order; stamps only grow, so what may leave is always its front.
 *
 * A connection remembers at most GATE_MARKS_MAX stamps; further answers wait with the last of them, which is later than they
 * need and never earlier.
 */
#include <errno.h>
#include <sys/socket.h>

#include "server/parts.h"

#define OUTPUT_KEPT_BYTES 4096  /* an output that is empty keeps no more memory than this */
#define OUTPUT_SENT_BYTES 65536 /* what is sent is forgotten from here on, when it is the greater part */

void output_init(struct output *output)
{
    *output = (struct output){ .sent = 0 };
    list_init(&output->waiting);
}

void output_deinit(struct output *output)
{
    buffer_deinit(&output->bytes);
    list_remove(&output->waiting);
}

size_t output_unsent(const struct output *output)
{
    return output->bytes.len - output->sent;
}

void output_stamp(struct session *session, uint64_t gate)
{
    struct output *output = &session->output;
    size_t end = output->bytes.len;
    struct gate_mark *last = output->mark_count ? &output->marks[output->mark_count - 1] : NULL;
    if (!last && gate <= journal_durable(session->server->journal)) {
        output->open = end;
        return;
    }
    if (last && (gate <= last->gate || output->mark_count == GATE_MARKS_MAX)) {
        last->end = end;
        last->gate = gate > last->gate ? gate : last->gate;
    } else {
        output->marks[output->mark_count++] = (struct gate_mark){ end, gate };
    }
    if (!list_linked(&output->waiting))
        list_push_back(&session->server->waiting, &output->waiting);
}

/* Moves the marks that are durable over to what is open. */
static void output_open(struct output *output, uint64_t durable)
{
    uint32_t passed = 0;
    while (passed < output->mark_count && output->marks[passed].gate <= durable)
        output->open = output->marks[passed++].end;
    if (passed == 0)
        return;
    output->mark_count -= passed;
    memmove(output->marks, output->marks + passed, output->mark_count * sizeof *output->marks);
    if (output->mark_count == 0)
        list_remove(&output->waiting);
}

static void output_shift(struct output *output)
{
    size_t sent = output->sent;
    memmove(output->bytes.data, output->bytes.data + sent, output->bytes.len - sent);
    buffer_truncate(&output->bytes, output->bytes.len - sent);
    for (uint32_t i = 0; i < output->mark_count; i++)
        output->marks[i].end -= sent;
    output->open -= sent;
    output->sent = 0;
}

/* Forgets what is sent. */
static void output_trim(struct output *output)
{
    if (output->sent < output->bytes.len) {
        if (output->sent >= OUTPUT_SENT_BYTES && output->sent >= output->bytes.len / 2)
            output_shift(output);
        return;
    }
    ASSERT(output->mark_count == 0 && output->open == output->sent);
    output->sent = output->open = 0;
    if (output->bytes.capacity > OUTPUT_KEPT_BYTES)
        buffer_deinit(&output->bytes);
    else
        buffer_clear(&output->bytes);
}

static void await_writable(struct session *session, bool await)
{
    if (session->writing == await)
        return;
    session->writing = await;
    if (await)
        (void)event_add(&session->writable, NULL);
    else
        (void)event_del(&session->writable);
}

int output_send(struct session *session)
{
    struct output *output = &session->output;
    while (output->sent < output->open) {
        ssize_t n = send(session->fd, output->bytes.data + output->sent, output->open - output->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return EDDA_ECLOSED;
        if (n <= 0)
            break;
        output->sent += (size_t)n;
        session_touch(session);
    }
    await_writable(session, output->sent < output->open);
    output_trim(output);
    return 0;
}

void gate_open(struct server *server)
{
    uint64_t durable = journal_durable(server->journal);
    if (durable == server->opened)
        return;
    ASSERT(durable > server->opened);
    server->opened = durable;
    struct list *link = server->waiting.next;
    while (link != &server->waiting) {
        struct session *session = container_of(link, struct session, output.waiting);
        link = link->next;
        size_t open = session->output.open;
        output_open(&session->output, durable);
        if (session->output.open > open)
            session_flush(session);
    }
}
