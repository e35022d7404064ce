/*
 * edda/http.h: the HTTP interface of a service, as a table of routes.
 *
 * Most routes need no function: the row names a command, which is made of the path and the body, and called. A route handler gets a request whose body has been
 * decoded and checked, and returns at once: it calls a command (edda_call(): the answer leaves when its step is durable) or responds from a view. Failures become problem+json (RFC 9457) with the status of their
 * code and the name of the field. Views (edda/service.h) bring their routes with them. What every application answers besides is in docs/reference/routes.md.
 */
#ifndef EDDA_HTTP_H
#define EDDA_HTTP_H

#include "edda/service.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A request under way. Good until its handler returns. */
struct edda_request;

/* `body` is a struct of the route's body type, or NULL. 0, or a negative code with edda_request_error() filled. */
typedef int edda_route_fn(struct edda_request *request, const void *body, void *user);
/* Answers a call to which a rule has said no (edda_reject(), EDDA_ENOTFOUND, EDDA_EEXISTS) in a shape of the application's own: edda_respond() or
 * edda_respond_text(). When it does not, the answer is problem+json. */
typedef int edda_rejected_fn(struct edda_request *request, const struct edda_error *error, void *user);

struct edda_route {
    const char *method;            /* "POST" */
    const char *path;              /* "/orders/{id}/cancel"; parameters stand for one segment */
    const struct edda_type *body;  /* what is wrong in it is a 4xx that names the field; a number may come as a
                                      text, unknown members are ignored. Fields that have the name of a parameter of the path come
                                      from the path alone, the others of a GET or DELETE from the query. NULL: no body is read */
    edda_route_fn *handle;         /* NULL: `body` is a command, and is called */
    const struct edda_type *reply; /* of a success, for the documentation. When it is the row of the view of the service that is called, a step that
                                      gives no reply is answered with the entity's row, as it is after the step (but for a call with an Idempotency-Key of what is outside: it is recorded before); or NULL */
    const char *location;          /* "/orders/{id}": with it a reply is 201, has this Location and _links.self.href, filled from its fields */
    int status;                    /* of a success without location; 0: 200, or 204 without a reply */
    const char *text;              /* body of a success, in place of the reply: "OK" */
    const char *text_type;         /* its content type; NULL: "application/json" */
    edda_rejected_fn *rejected;    /* or NULL */
    const char *description;
    void *user;
    const char *sequence;          /* without handler: the command's key, an int64_t, is the next number of this sequence; or NULL */
    uint32_t reserved;
};

/* Runs a command through the service that handles it, as one step together with the command's record. The response is the
 * step's reply, with ETag when the entity has a stream; If-Match and If-None-Match of the request are its expected version;
 * Idempotency-Key makes a repeat get the first response. Returns 0 when it is under way or done. A request makes one call, and is answered once. A
 * command that no service of the application handles is answered with 501 (EDDA_EUNHANDLED). */
EDDA_PUBLIC int edda_call_struct(struct edda_request *request, const struct edda_type *command, const void *value);
/* Responds now, with a body. JSON is sent with a line feed behind it, which is no part of its value. */
EDDA_PUBLIC int edda_respond_struct(struct edda_request *request, int status, const struct edda_type *type, const void *value);
/* Responds with ready bytes. */
EDDA_PUBLIC int edda_respond_text(struct edda_request *request, int status, const char *content_type, struct edda_text text);

/* A parameter of the path, decoded; empty when there is none of that name. */
EDDA_PUBLIC struct edda_text edda_parameter(const struct edda_request *request, const char *name);
/* A parameter of the query, decoded; empty when missing. */
EDDA_PUBLIC struct edda_text edda_query(const struct edda_request *request, const char *name);
EDDA_PUBLIC struct edda_error *edda_request_error(struct edda_request *request);
/* Memory that lives as long as the request; NULL when out of memory. */
EDDA_PUBLIC void *edda_request_alloc(struct edda_request *request, size_t size);

/* The next number of a sequence: 1, 2, 3 … Durable no later than the step it is used in; a request that fails leaves a hole. Negative: a code. */
EDDA_PUBLIC int64_t edda_sequence(struct edda_request *request, const char *name);
/* The state of an entity as of now; NULL when its stream is empty, or with EDDA_ENOTFOUND in the request's error when there is no such service. */
EDDA_PUBLIC const void *edda_state(struct edda_request *request, const struct edda_service *service, struct edda_text key);

/* Pending deadlines of a service, in order of their setting, as a collection: `fill` gets the deadline's name, entity key, times and its message. */
struct edda_deadline_info {
    struct edda_text id;      /* "service/key/name" */
    struct edda_text service;
    struct edda_text key;
    struct edda_text name;
    int64_t set_ms;
    int64_t due_ms;
    const struct edda_type *type; /* NULL: no service knows it, or not in its version */
    const void *message;      /* a struct of that type */
    struct edda_text repeats; /* of a schedule, in its words; empty: it happens once */
};
/* False leaves the deadline out of its page; one whose message the application no longer knows is left out unasked. */
typedef bool edda_deadline_row_fn(void *row, const struct edda_deadline_info *deadline);
EDDA_PUBLIC int edda_respond_deadlines(struct edda_request *request, const struct edda_service *service, const char *name,
                                       const char *item, const struct edda_type *row, edda_deadline_row_fn *fill);
/* The one pending deadline called `name` of the entity `key`, as a row with its link; EDDA_ENOTFOUND when there is none. */
EDDA_PUBLIC int edda_respond_deadline(struct edda_request *request, const struct edda_service *service, struct edda_text key, const char *name,
                                      const char *item, const struct edda_type *row, edda_deadline_row_fn *fill);

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define edda_call(request, type_name, ...) \
    edda_call_struct(request, &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_respond(request, status, type_name, ...) \
    edda_respond_struct(request, status, &type_name, &(const struct type_name){ __VA_ARGS__ })

/* Declares static int name(struct edda_request *, const struct body_name *). */
#define EDDA_REQUEST(name, body_name) \
    static int name(struct edda_request *request, const struct body_name *body); \
    static int name##_route(struct edda_request *request, const void *body, void *user) \
    { \
        (void)user; \
        return name(request, (const struct body_name *)body); \
    } \
    extern int edda_declared
#define EDDA_POST(its_path, body_name, ...) EDDA_POST_(its_path, body_name, __VA_ARGS__, .reserved = 0)
#define EDDA_POST_(its_path, body_name, handler, ...) \
    { .method = "POST", .path = its_path, .body = &body_name, .handle = handler##_route, __VA_ARGS__ }
/* Calls the command made of the path and the body (or query): EDDA_ROUTE("POST", "/orders/{orderId}/cancel", CancelOrder, .description = "…"). */
#define EDDA_ROUTE(its_method, its_path, ...) EDDA_ROUTE_(its_method, its_path, __VA_ARGS__, .reserved = 0)
#define EDDA_ROUTE_(its_method, its_path, body_name, ...) { .method = its_method, .path = its_path, .body = &body_name, __VA_ARGS__ }
#define EDDA_ROUTES_END { .method = NULL }
#endif

#ifdef __cplusplus
}
#endif
#endif
