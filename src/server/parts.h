/* What the files of the server share. The way through them is told in server.h. */
#ifndef EDDA_SERVER_PARTS_H
#define EDDA_SERVER_PARTS_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/assert.h"
#include "base/list.h"
#include "broker/broker.h"
#include "server/connection.h"
#include "server/gather.h"
#include "server/router.h"
#include "server/server.h"
#include "server/tls.h"
#include "wire/http/http.h"
#include "wire/json/json.h"

#define STATUS_MAX 600
#define CONTENT_BYTES_MAX (64 << 20) /* of one answer */
#define NS_PER_MS 1000000

/* --- http.c: a connection that speaks HTTP -------------------------------------------------------------------- */

struct http_session {
    struct connection connection;
    bool continued;               /* "100 Continue" was sent for the request that is arriving */
    struct buffer body;           /* of a request with chunks, those that are there */
    struct edda_request *request; /* under way; at most one. It points into the connection's input */
};

/* --- request.c ------------------------------------------------------------------------------------------------ */

/* A request that is answered later, or bit by bit, by somebody other than the engine: the connection is busy, and watched. */
struct hold {
    /* The connection is gone: what it waits for is to be forgotten, at once. */
    void (*forget)(struct hold *hold);
    /* The server stops: it is to be answered, or to end its answer, now. */
    void (*stopping)(struct hold *hold);
    /* connection_room() was 0, and is not any more. May be NULL. */
    void (*drained)(struct hold *hold);
};

/* What HTTP keeps for all connections of a server. */
struct http_host {
    struct server *server;
    struct live *live;     /* events.h */
};

struct edda_request {
    struct server *server;
    struct http_session *session; /* NULL: the connection is gone, the call goes on */
    struct list link;        /* of the server: free or in use */
    struct stall stall;      /* to be tried again */
    struct arena arena;
    struct http_request head;
    struct slice body;
    const struct route *route;
    struct slice parameters[ROUTE_SEGMENTS_MAX];
    struct edda_error error;
    struct engine_call call;
    bool in_handler; /* request_run() is on the stack: the connection goes on by itself */
    bool calling;    /* the engine has it, or it is stalled */
    struct hold *hold; /* NULL: nobody keeps it */
    struct principal *principal; /* who asks; NULL: nobody need say */
    struct slice cors;           /* the origin of a page of another site that may read the answer; empty: none */
    bool called;     /* a request makes one call */
    bool answered;
    bool keep_alive;
};

/* What the server counts; shown by metrics.c. */
struct server_counts {
    uint64_t stalls;
    uint64_t responses[STATUS_MAX];
};

/* --- connection.c, listener.c: see connection.h ----------------------------------------------------------------- */

/* A protocol that one or more listeners of the server speak. */
struct spoken {
    const struct protocol *protocol;
    void *host;
    struct {
        uint64_t accepted, refused, open, expired, shed, held, bytes_in, bytes_out; /* held: bytes */
    } counts;
};

struct listener {
    struct server *server;
    struct spoken *spoken;
    const char *address;
    uint16_t port;
    int fd;
    bool accepting;
    bool tls;
    struct event acceptable;
};

enum { PATIENCE_IDLE, PATIENCE_HANDSHAKE, PATIENCE_LINGER, PATIENCE_COUNT };

struct server {
    struct server_options options;
    struct server_limits limits;
    struct engine *engine;
    struct journal *journal;
    struct io *io;
    const struct edda_app *app;
    struct event_base *base;
    struct event wake, tick, worked, signals[2], hangup;
    bool stopping;
    struct listener listeners[SERVER_LISTENERS_MAX];
    size_t listener_count;
    struct spoken spoken[SERVER_LISTENERS_MAX];
    size_t spoken_count;
    int64_t now_ns;       /* boot clock, of this turn */
    int64_t read_ns;      /* when the sockets were last read */
    int64_t next_ms;      /* log time at which the engine wants its turn; 0: at once */
    int64_t hosts_ns;     /* boot clock: when a protocol wants its turn; 0: at once */
    uint64_t opened;      /* durable position for which the gate was last opened */
    struct list connections;
    uint64_t held_bytes;  /* by all of them */
    size_t connection_count;
    struct list patience[PATIENCE_COUNT];
    struct list resumed;
    struct list waiting;    /* connections with answers behind the gate */
    struct gather gather;
    struct list stalled;
    struct buffer spare_in; /* the memory of inputs goes from one connection to the next */
    struct buffer spare_out; /* and so does that of large outputs */
    int64_t spare_out_ns;    /* when it was given back */
    char peer[ADDRESS_TEXT_BYTES + 8]; /* what connection_peer() has last said */
    struct server_counts counts;
    struct tls *tls; /* NULL: no listener has it */
    uint64_t reloads; /* of users: who waits is asked again whether he may */
    struct shares *shares; /* shares.h */

    /* Of HTTP. */
    struct router router;
    char authority[ADDRESS_TEXT_BYTES + 8]; /* of links, for clients that name no host */
    struct list free_requests, requests;
    uint32_t free_request_count;
    struct buffer content; /* scratch of one answer */
    struct buffer extra;   /* its header lines */
    char date[40];         /* of the second `date_s` */
    int64_t date_s;
};

/* listener.c */
int listeners_open(struct server *server, struct edda_error *error);
void listeners_close(struct server *server);
/* Accept again after they had to pause for want of descriptors. */
void listeners_resume(struct server *server);

/* connection.c */
/* Takes over `fd`; closes it when that fails. */
void connection_open(struct server *server, const struct listener *listener, int fd);
/* Handles the requests that have arrived and sends what may leave. The connection may be gone afterwards. */
void connection_run(struct connection *connection);
/* It has got on: its time to wait begins anew. */
void connection_touch(struct connection *connection);
/* Closes those that have waited too long. */
void connections_expire(struct server *server);
/* Closes those that hold most while server_is_full(). */
void connections_shed(struct server *server);

/* The socket's bytes, in TLS or plain, as recv() and send() have them, with errno. */
ssize_t connection_receive(struct connection *connection, void *bytes, size_t size);
ssize_t connection_send(struct connection *connection, const void *bytes, size_t size);

/* limits.c */
/* What is not given takes its default. */
void limits_init(struct server_limits *limits);
/* The rows of two metrics: each limit, and of those that are quantities how much there is now. */
void limits_put(const struct server *server, const char *metric, struct buffer *out);
void limits_put_used(const struct server *server, const char *metric, struct buffer *out);

/* gate.c */
/* So many unsent bytes a connection may have. */
size_t output_max(const struct connection *connection);
/* Sends what may leave. EDDA_ECLOSED: the peer is gone. */
int output_send(struct connection *connection);
/* Gives up the spare memory when nobody has wanted it for a while. */
void output_spare_expire(struct server *server);
/* Sends what has become durable, of all connections, after a flush that took `sync_ns` on this thread; 0: it was another one's. */
void gate_open(struct server *server, int64_t sync_ns);

/* http.c */
/* The request is the one under way of the session from now on, until request_free(). */
void http_begin(struct http_session *session, struct edda_request *request);
/* Forgets the request: it lives on without its connection. */
void http_part(struct http_session *session);

/* arrival.c: the next request out of a session's bytes; see protocol.take. What is no request is answered, and ends the session. */
int http_take(struct connection *connection);

/* request.c */
struct edda_request *request_new(struct server *server);
void request_free(struct edda_request *request);
/* Handles a request that has arrived as a whole: it is answered, or under way, when this returns. */
void request_run(struct edda_request *request);
/* Answers with what went wrong; `status` 0: that of the code. */
void request_fail(struct edda_request *request, int status, int code);
/* Gives the answer of a row whose handler gave none. */
void request_answer_by_row(struct edda_request *request);
/* Whether the client's Accept header names this type itself, and not only by a wildcard. */
bool request_accepts(const struct edda_request *request, const char *content_type);
/* The expected version that If-Match and If-None-Match ask for: a version, or one of enum store_expected. */
int request_expected(struct edda_request *request, int64_t *ret_expected);
/* Who the request is, by its Idempotency-Key; empty when it does not say. */
int request_id(struct edda_request *request, struct slice *ret_id);
/* Keeps the request until request_release(), which ends it: what its answer is has been appended by then. To be called in the handler. */
void request_hold(struct edda_request *request, struct hold *hold);
void request_release(struct edda_request *request);
/* Whether If-None-Match names this version, weak or not, among others or by * (RFC 9110 13.1.2): the client has it. */
bool request_has_version(const struct edda_request *request, int64_t version);

/* body.c: the struct of the route's body type, out of the request's body or query, and its path. */
int body_make(struct edda_request *request, void **ret_body);
/* Whether there are no control characters in it. */
bool text_is_printable(struct slice text);
/* EDDA_EMALFORMED names a parameter of the query that a built-in route does not have. */
int query_check(struct edda_request *request);

/* origin.c: EDDA_EFORBIDDEN when a page of another site asks for more than a look. */
int origin_check(struct edda_request *request);
/* Notes the origin of a page that may read the answer, and appends the lines that say so; `allow` is not empty when it asks beforehand (a preflight). */
void origin_note(struct edda_request *request);
void origin_put(const struct edda_request *request, struct slice allow, struct buffer *lines);

/* permission.c: who asks, and whether he may. Without users everybody may everything. EDDA_EUNAUTHORIZED, EDDA_EFORBIDDEN. */
int request_authenticate(struct edda_request *request);
/* What the route's row says. */
int request_permit_route(struct edda_request *request);
/* `name`: of a topic, a group or a service; data NULL: the broker as a whole. */
bool request_may(const struct edda_request *request, enum broker_verb verb, struct slice name);
int request_permit(struct edda_request *request, enum broker_verb verb, struct slice name);

/* link.c: where the parameters of a path's template come from: a key that stands for all of them, or the fields of a value, or
 * those of a JSON object. */
struct link_source {
    struct slice key;
    const struct edda_type *type;
    const void *value;
    struct slice json;
};
/* Appends "http://host", by which the client has asked; a text with what has a meaning in a path or a query percent-encoded. */
void link_put_host(struct edda_request *request, struct buffer *out);
void link_put_encoded(struct buffer *out, struct slice text);
/* The absolute link, in the request's arena; empty when a parameter has no value or memory is out. It stands for itself in JSON. */
struct slice link_make(struct edda_request *request, const char *path, const struct link_source *source);
/* Appends "_links":{"self":{"href":"…"}} for a link that is not empty; a comma before it when `comma`. */
void link_put(struct buffer *out, bool comma, struct slice link);

/* response.c */
struct response {
    int status;
    const char *content_type; /* NULL: there is no content */
    struct slice content;
    struct slice location; /* of a 201 */
    struct slice allow;    /* of a 405 */
    int64_t version;       /* ETag; -1: none */
    struct slice headers;  /* further lines of headers */
    uint64_t gate;
    bool retriable;
    bool exact;            /* JSON is sent as it is, without a line feed behind it: it is somebody's data */
};
/* Appends it to the output of the request's session. A request is answered once: what comes later is dropped. */
void response_put(struct edda_request *request, const struct response *response);
/* An answer of this moment, with `content` of a type. */
void response_content(struct edda_request *request, int status, const char *content_type, struct slice content);
void response_problem(struct edda_request *request, int status, const struct edda_error *error, struct slice allow,
                      uint64_t gate);
/* The head of an answer that ends with the connection. */
void response_endless(struct edda_request *request, const char *content_type);
/* "HTTP/1.1 100 Continue". */
void response_continue(struct http_session *session);

#endif
