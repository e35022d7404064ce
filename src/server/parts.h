/* What the files of the server share. The way through them is told in server.h. */
#ifndef EDDA_SERVER_PARTS_H
#define EDDA_SERVER_PARTS_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/assert.h"
#include "base/list.h"
#include "server/connection.h"
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
        uint64_t accepted, refused, open, expired, bytes_in, bytes_out;
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
    size_t connection_count;
    struct list patience[PATIENCE_COUNT];
    struct list resumed;
    struct list waiting;    /* connections with answers behind the gate */
    struct list stalled;
    struct buffer spare_in; /* the memory of inputs goes from one connection to the next */
    char peer[ADDRESS_TEXT_BYTES + 8]; /* what connection_peer() has last said */
    struct server_counts counts;
    struct tls *tls; /* NULL: no listener has it */

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

/* The socket's bytes, in TLS or plain, as recv() and send() have them, with errno. */
ssize_t connection_receive(struct connection *connection, void *bytes, size_t size);
ssize_t connection_send(struct connection *connection, const void *bytes, size_t size);

/* gate.c */
/* Sends what may leave. EDDA_ECLOSED: the peer is gone. */
int output_send(struct connection *connection);
/* Sends what has become durable, of all connections. */
void gate_open(struct server *server);

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
/* Whether If-None-Match names this version, weak or not, among others or by * (RFC 9110 13.1.2): the client has it. */
bool request_has_version(const struct edda_request *request, int64_t version);

/* body.c: the struct of the route's body type, out of the request's body or query, and its path. */
int body_make(struct edda_request *request, void **ret_body);

/* origin.c: EDDA_EFORBIDDEN when a page of another site asks for more than a look. */
int origin_check(struct edda_request *request);

/* link.c: where the parameters of a path's template come from: a key that stands for all of them, or the fields of a value, or
 * those of a JSON object. */
struct link_source {
    struct slice key;
    const struct edda_type *type;
    const void *value;
    struct slice json;
};
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
    uint64_t gate;
    bool retriable;
};
/* Appends it to the output of the request's session. A request is answered once: what comes later is dropped. */
void response_put(struct edda_request *request, const struct response *response);
/* An answer of this moment, with `content` of a type. */
void response_content(struct edda_request *request, int status, const char *content_type, struct slice content);
void response_problem(struct edda_request *request, int status, const struct edda_error *error, struct slice allow,
                      uint64_t gate);
/* "HTTP/1.1 100 Continue". */
void response_continue(struct http_session *session);

#endif
