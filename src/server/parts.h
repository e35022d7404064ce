/* What the files of the server share. The way through them is told in server.h. */
#ifndef EDDA_SERVER_PARTS_H
#define EDDA_SERVER_PARTS_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/assert.h"
#include "base/list.h"
#include "server/router.h"
#include "server/server.h"
#include "wire/http/http.h"
#include "wire/json/json.h"

#define STATUS_MAX 600
#define GATE_MARKS_MAX 8
#define CONTENT_BYTES_MAX (64 << 20) /* of one answer */
#define NS_PER_MS 1000000

/* --- gate.c: answers on their way out -------------------------------------------------------------------- */

/* Bytes up to `end` of the output may leave when the journal is durable up to `gate`. */
struct gate_mark {
    size_t end;
    uint64_t gate;
};

struct output {
    struct buffer bytes;
    size_t sent;
    size_t open;                            /* may be sent */
    struct gate_mark marks[GATE_MARKS_MAX]; /* of what is behind `open`, both members growing */
    uint32_t mark_count;
    struct list waiting; /* of the server, while there are marks */
};

/* --- session.c ---------------------------------------------------------------------------------------------- */

enum session_state {
    SESSION_OPEN,     /* takes requests */
    SESSION_ENDING,   /* takes none; what is answered is still sent */
    SESSION_LINGERING /* all is sent; waits for the peer to close, so that the last answer is not lost to a reset */
};

struct session {
    struct server *server;
    struct list link;     /* of the server */
    struct list patience; /* of the server, by state: the one that has waited longest first */
    struct list resumed;  /* of the server: it can go on, in the next turn */
    int64_t since_ns;     /* when it last got on */
    int fd;
    enum session_state state;
    bool reading, writing; /* which events are awaited */
    bool continued;        /* "100 Continue" was sent for the request that is arriving */
    bool peer_ended;       /* nothing more arrives */
    bool blocked;          /* takes no request until the client has taken answers */
    struct event readable, writable;
    struct buffer in; /* not handled yet; the request under way points into it, and then it does not change */
    size_t in_at;
    struct buffer body;           /* of a request with chunks, those that are there */
    struct edda_request *request; /* under way; at most one */
    struct output output;
};

/* --- request.c ------------------------------------------------------------------------------------------------ */

struct edda_request {
    struct server *server;
    struct session *session; /* NULL: the connection is gone, the call goes on */
    struct list link;        /* of the server: free or in use */
    struct list stalled;     /* of the server: to be tried again */
    struct arena arena;
    struct http_request head;
    struct slice body;
    const struct route *route;
    struct slice parameters[ROUTE_SEGMENTS_MAX];
    struct edda_error error;
    struct engine_call call;
    bool in_handler; /* request_run() is on the stack: session_run() goes on by itself */
    bool calling;    /* the engine has it, or it is stalled */
    bool called;     /* a request makes one call */
    bool answered;
    bool keep_alive;
};

/* What the server counts; shown by metrics.c. */
struct server_counts {
    uint64_t accepted, refused, stalls, expired;
    uint64_t responses[STATUS_MAX];
};

enum { PATIENCE_IDLE, PATIENCE_LINGER, PATIENCE_COUNT };

struct server {
    struct server_options options;
    struct server_limits limits;
    struct engine *engine;
    struct journal *journal;
    struct io *io;
    const struct edda_app *app;
    struct router router;
    struct event_base *base;
    struct event wake, tick, worked, acceptable, signals[2];
    bool accepting;
    bool stopping;
    int listener;
    char authority[64]; /* of links, for clients that name no host */
    int64_t now_ns;     /* boot clock, of this turn */
    int64_t read_ns;               /* when the sockets were last read */
    int64_t next_ms;    /* log time at which the engine wants its turn; 0: at once */
    uint64_t opened;    /* durable position for which the gate was last opened */
    struct list sessions;
    size_t session_count;
    struct list patience[PATIENCE_COUNT];
    struct list resumed;
    struct list waiting; /* outputs behind the gate */
    struct list stalled;
    struct list free_requests, requests;
    uint32_t free_request_count;
    struct buffer spare_in; /* the memory of inputs goes from one session to the next */
    struct buffer content;  /* scratch of one answer */
    struct buffer extra;    /* its header lines */
    char date[40];          /* of the second `date_s` */
    int64_t date_s;
    struct server_counts counts;
};

/* listener.c */
int listener_open(struct server *server, struct edda_error *error);
void listener_close(struct server *server);
/* Accepts again after it had to pause for want of descriptors. */
void listener_resume(struct server *server);

/* session.c */
/* Takes over `fd`; closes it when that fails. */
void session_open(struct server *server, int fd);
void session_close(struct session *session);
/* Handles the requests that have arrived and sends what may leave. The session may be gone afterwards. */
void session_run(struct session *session);
/* Sends what may leave. The session may be gone afterwards. */
void session_flush(struct session *session);
/* session_run() is to be called in the next turn. */
void session_resume(struct session *session);
/* No further request is taken. */
void session_end(struct session *session);
/* It has got on: its time to wait begins anew. */
void session_touch(struct session *session);
/* Closes those that have waited too long. */
void sessions_expire(struct server *server);

/* arrival.c: the next request out of a session's bytes. Returns 1 when one was handled (or is under way), 0 when more bytes are needed. What
 * is no request is answered, and ends the session. */
int session_take(struct session *session);

/* request.c */
struct edda_request *request_new(struct server *server);
void request_free(struct edda_request *request);
/* Handles a request that has arrived as a whole: it is answered, or under way, when this returns. */
void request_run(struct edda_request *request);
/* Answers with what went wrong; `status` 0: that of the code. */
void request_fail(struct edda_request *request, int status, int code);
/* Gives the answer of a row whose handler gave none. */
void request_answer_by_row(struct edda_request *request);
/* Handles it, or calls again, after the log has caught up. */
void request_retry(struct edda_request *request);
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
void response_continue(struct session *session);

/* gate.c */
void output_init(struct output *output);
void output_deinit(struct output *output);
size_t output_unsent(const struct output *output);
/* Everything appended so far leaves when the journal is durable up to `gate`. */
void output_stamp(struct session *session, uint64_t gate);
/* Sends what may leave. EDDA_ECLOSED: the peer is gone. */
int output_send(struct session *session);
/* Sends what has become durable, of all sessions. */
void gate_open(struct server *server);

#endif
