/*
 * connection: bytes in and bytes out, whatever is spoken over them: plain or TLS, TCP of either family. A listener says which protocol its
 * connections speak; the protocol takes whole requests out of what has arrived, and appends what it answers.
 *
 * What every protocol gets from here: reading only while it can take more; at most so many unsent bytes, then no further request; so many requests in
 * a turn, then the others; answers that wait behind the output gate until what they tell of is durable; patience with slow clients that
 * ends; an end in order (what is answered is still sent, the sending side is shut, what arrives is dropped). See session.c for why.
 *
 * A protocol embeds a struct connection at the front of its own session.
 */
#ifndef EDDA_SERVER_CONNECTION_H
#define EDDA_SERVER_CONNECTION_H

#include <event2/event_struct.h>

#include "base/buffer.h"
#include "base/list.h"
#include "server/server.h"

struct connection;
struct principal; /* server/users.h: who it is; NULL: nobody has been named */

struct protocol {
    const char *name;          /* "http", "kafka", "resp": of metrics and messages */
    size_t session_bytes;      /* of the struct that has a struct connection at its front; zeroed before `opened` */
    void (*opened)(struct connection *connection);
    /* Takes the next request out of `in`, from `in_at` on, and moves that behind it: 1 when one was taken, also if its answer is to come later (then `busy` is set and no
     * further one is taken); 0 when more bytes are needed; a negative code closes the connection at once. */
    int (*take)(struct connection *connection);
    /* A request has begun to arrive and not ended in time, or the client takes nothing: say so if the protocol can; the connection then ends. May be NULL. */
    void (*expired)(struct connection *connection);
    /* The connection is gone: what is under way goes on without it, the session's own memory is to be given back. */
    void (*closed)(struct connection *connection);
    /* Best effort words for one connection too many; may be NULL. */
    void (*refused)(struct server *server, struct buffer *out);
};

/* For protocols to read: */
bool connection_peer_ended(const struct connection *connection);
/* The peer's address as text, "127.0.0.1:50312". */
const char *connection_peer(const struct connection *connection);
bool connection_is_tls(const struct connection *connection);

/* Everything appended to `out` so far leaves when the journal is durable up to `gate`; server_gate() is the tail of this moment. To be called after each answer. */
void connection_stamp(struct connection *connection, uint64_t gate);
uint64_t server_gate(const struct server *server);
/* The request under way has been answered, outside of `take`: further ones are taken in the next turn, and what may leave leaves. */
void connection_resume(struct connection *connection);
/* Sends what may leave. The connection may be gone afterwards. */
void connection_flush(struct connection *connection);
/* No further request is taken; it closes when all is sent. */
void connection_end(struct connection *connection);
/* Unsent bytes: a protocol that pushes (subscriptions, events) stops at connection_room() 0 and goes on in `drained`. */
size_t connection_unsent(const struct connection *connection);

#endif
