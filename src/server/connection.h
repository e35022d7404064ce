/*
 * connection: bytes in and bytes out, whatever is spoken over them: plain or TLS, TCP of either family. A listener says which protocol its
 * connections speak; the protocol takes whole requests out of what has arrived, and appends what it answers.
 *
 * What every protocol gets from here: reading only while it can take more; at most so many unsent bytes, then no further request; so many requests in
 * a turn, then the others; answers that wait behind the output gate until what they tell of is durable; patience with slow clients that
 * ends; one bound for what all of them hold (server_is_full()); an end in order (what is answered is still sent, the sending side is shut, what arrives is dropped). See connection.c for why.
 *
 * A protocol embeds a struct connection at the front of its own session, and is added to the table in protocols.c. All calls belong to the owner's
 * thread.
 */
#ifndef EDDA_SERVER_CONNECTION_H
#define EDDA_SERVER_CONNECTION_H

#include <event2/event_struct.h>

#include "base/buffer.h"
#include "base/list.h"
#include "server/server.h"

struct connection;
struct spoken;
struct principal; /* server/users.h: who it is; NULL: nobody has been named */

struct protocol {
    const char *name;     /* "http", "kafka", "resp": of metrics, flags and messages */
    size_t session_bytes; /* of the struct that has a struct connection at its front; zeroed before `opened` */
    /* What a connection may hold that `take` has not taken, which is the longest request there can be: with so much and still no request in it the connection is
     * closed, so a protocol that has words for that refuses before. 0: the protocol bounds itself. */
    size_t in_bytes_max;
    bool authenticates; /* asks who a client is when the server has users */
    /* May be NULL. */
    void (*opened)(struct connection *connection);
    /* Takes the next request out of `in`, from `in_at` on, and moves that behind it: 1 when one was taken, also if its answer is to come later (then `busy` is set and no
     * further one is taken); 0 when more bytes are needed, `in_needed` of them if that is known; a negative code closes the connection at once. */
    int (*take)(struct connection *connection);
    /* A request has begun to arrive and not ended in time: say so if the protocol can; the connection then ends. May be NULL. */
    void (*expired)(struct connection *connection);
    /* connection_room() was 0, and less than half of what is allowed is unsent now: push on. What it appends is stamped by it and flushed after it. */
    void (*drained)(struct connection *connection);
    /* The server stops, no further request will be taken. `last`: nobody will answer what is under way, so it is to be answered now, or given up. May be NULL. */
    void (*stopping)(struct connection *connection, bool last);
    /* The connection is gone: what is under way goes on without it, the session's own memory is to be given back. May be NULL. */
    void (*closed)(struct connection *connection);
    /* Best effort words for a client that there is no room for, as one sentence says: a connection too many, or one that is closed because memory is short. May be NULL. */
    void (*refused)(struct server *server, const char *why, struct buffer *out);
    /* Bytes that the session holds for the client besides `in` and `out`; may be NULL. */
    size_t (*held)(const struct connection *connection);

    /* What the protocol keeps for all of a server's connections, made before it listens; all three may be NULL. */
    int (*host_open)(struct server *server, void **ret_host, struct edda_error *error);
    /* Called in each turn of the loop, after the flush, when what was flushed is durable: so whoever waits for records looks for them here. Returns the boot clock
     * time at which it wants to be called again at the latest, INT64_MAX: whenever. It may append to the journal, and to any connection. */
    int64_t (*host_turn)(void *host, int64_t now_ns);
    /* After the last connection is gone. */
    void (*host_close)(void *host);
};

extern const struct protocol http_protocol;

enum connection_state {
    CONNECTION_OPEN,     /* takes requests */
    CONNECTION_ENDING,   /* takes none; what is answered is still sent */
    CONNECTION_LINGERING /* all is sent; waits for the peer to close, so that the last answer is not lost to a reset */
};

/* Bytes up to `end` of the output may leave when the journal is durable up to `gate`. */
struct gate_mark {
    size_t end;
    uint64_t gate;
};
#define GATE_MARKS_MAX 8

struct connection {
    /* For protocols to read: */
    struct server *server;
    const struct protocol *protocol;
    void *host;            /* of its protocol in this server */
    enum connection_state state;
    bool peer_ended;       /* nothing more arrives */
    struct buffer in;      /* not taken yet, from `in_at` on. It does not change while the connection is busy, unless that is watched */
    /* For protocols to change: */
    size_t in_at;
    size_t in_needed;      /* `take` is called again when so many bytes are there from `in_at` on; it is reset before each call */
    bool busy;             /* a request is under way. Its answer is not the client's fault, and not waited for with the client's patience */
    bool watched;          /* while it is busy the socket is still read, so that a client that goes away is noticed, and the connection closed, at once */
    bool pushes;           /* there is a subscription: the client may keep still for as long as it takes what it is sent */
    struct buffer out;     /* to be appended to; see connection_stamp() */
    uint32_t out_bytes_max; /* with more unsent there is no room; 0: the limit of the server */
    struct principal *principal; /* the protocol's, which gives it back in `closed` */

    /* Not for protocols. */
    struct spoken *spoken;
    size_t held;           /* what it was last found to hold, counted in the server's */
    struct tls_channel *tls; /* NULL: the bytes are plain */
    bool turned;           /* TLS waits for the socket to become writable before it can be read */
    struct list link;      /* of the server */
    struct list patience;  /* of the server, by state: the one that has waited longest first */
    struct list resumed;   /* of the server: it can go on, in the next turn */
    int64_t since_ns;      /* when it last got on */
    int fd;
    bool reading, writing; /* which events are awaited */
    bool blocked;          /* takes no request until the client has taken answers */
    bool full;             /* there was no room for what is pushed */
    bool drained;          /* and now there is */
    struct event readable, writable;
    size_t sent;                            /* of `out` */
    size_t open;                            /* may be sent */
    struct gate_mark marks[GATE_MARKS_MAX]; /* of what is behind `open`, both members growing */
    uint32_t mark_count;
    struct list waiting;                    /* of the server, while there are marks */
    uint32_t answered_in;                   /* the round of the gate in which it last had an answer; see gather.h */
};

/* The bytes not taken yet. */
static inline struct slice connection_in(const struct connection *connection)
{
    return slice_of(connection->in.data + connection->in_at, connection->in.len - connection->in_at);
}

#define ADDRESS_TEXT_BYTES 64 /* of an IP address and a port, with the zero */
/* The address of the client, or of our end, as text without its port: "127.0.0.1", "::1"; empty when it is gone. Returns the port. */
uint16_t connection_peer_address(const struct connection *connection, char ret_host[ADDRESS_TEXT_BYTES]);
uint16_t connection_local_address(const struct connection *connection, char ret_host[ADDRESS_TEXT_BYTES]);
/* The client's address with its port, "127.0.0.1:50312"; until the next call. */
const char *connection_peer(const struct connection *connection);
bool connection_is_tls(const struct connection *connection);

/* Before about so many bytes are appended to `out`: memory for them, which large answers take over from those before. It need not be called, and cannot fail: what is
 * appended tells. */
void connection_reserve(struct connection *connection, size_t bytes);
/* Everything appended to `out` so far leaves when the journal is durable up to `gate`; server_gate() is the tail of this moment. To be called after each answer. */
void connection_stamp(struct connection *connection, uint64_t gate);
uint64_t server_gate(const struct server *server);
/* The request under way has been answered, outside of `take`: it is not busy any more. Further ones are taken in the next turn, and what may leave leaves. */
void connection_resume(struct connection *connection);
/* Sends what may leave. The connection may be gone afterwards, after `closed`; not to be called within the functions of its own protocol other than host_turn. */
void connection_flush(struct connection *connection);
/* No further request is taken; it closes when all is sent. */
void connection_end(struct connection *connection);
/* Closes it at once; it is gone afterwards, after `closed`. Not to be called within the functions of its own protocol other than host_turn. */
void connection_close(struct connection *connection);
/* Unsent bytes, and how many more may be appended without being asked for: a protocol that pushes stops at 0 and goes on in `drained`. 0 also when it ends. */
size_t connection_unsent(const struct connection *connection);
size_t connection_room(struct connection *connection);
/*
 * All connections together hold as much as they may (server_limits.memory_bytes_max). Nothing more is read in this turn, and at its end those that hold most are closed until
 * it is less. A protocol that answers many clients in one turn asks before each, and leaves the others for the next turn; one that cannot wait with what it pushes calls
 * connection_push(), which sends what may leave at once: EDDA_ECLOSED when the client does not take all of it; what it has not taken is dropped, and it is to be closed.
 */
bool server_is_full(const struct server *server);
/* Counts anew what it holds; connection_stamp() and connection_flush() do. */
void connection_weigh(struct connection *connection);
int connection_push(struct connection *connection);
/* Sends what may leave at once out of the caller's memory, when nothing is unsent, so that what many get is copied for nobody. How many bytes the client has taken; the rest is to be
 * appended to `out`, or the connection to be closed. EDDA_ECLOSED: the peer is gone. */
int64_t connection_send_now(struct connection *connection, struct slice bytes);

/* What the server was given and has: the store beside the engine, NULL when there is none; limits; who keeps what of a protocol. */
struct store *server_store(const struct server *server);
struct io *server_io(const struct server *server);
const struct server_limits *server_limits(const struct server *server);
void *server_host(const struct server *server, const struct protocol *protocol);
struct users *server_users(const struct server *server);
int32_t server_kafka_group_delay_ms(const struct server *server);
/* Whether a topic is made by being used. */
bool server_makes_topics(const struct server *server);
void server_log(const struct server *server, const char *event, const char *format, ...) EDDA_PRINTF(3, 4);

/*
 * What found the log too far behind its disk (EDDA_EBUSY while server_is_behind()) is not refused but stalled: nothing is read from any client until the
 * log has caught up, and then it is tried again.
 */
struct stall {
    struct list link; /* list_init() at first */
    void (*retry)(struct stall *stall);
};
bool server_is_behind(const struct server *server);
void server_stall(struct server *server, struct stall *stall);

#endif
