/*
 * router: the table of routes of an application, its own and the built-in ones, as it is looked up. Where two
 * rows have the same method and path, the application's own goes before its views', and those before the built-in ones; where two paths match, the one
 * with the word goes before the one with the parameter.
 */
#ifndef EDDA_SERVER_ROUTER_H
#define EDDA_SERVER_ROUTER_H

#include "base/arena.h"
#include "edda/app.h"

#define ROUTE_SEGMENTS_MAX 10
#define ROUTES_MAX 1024

/* What an answer is, for the documentation. */
enum route_answer {
    ROUTE_ANSWERS_REPLY,      /* the row's reply type, if it has one */
    ROUTE_ANSWERS_COLLECTION, /* a page of rows of that type */
    ROUTE_ANSWERS_ITEM,       /* one such row with its link */
    ROUTE_ANSWERS_JSON,       /* an object that no type describes */
    ROUTE_ANSWERS_TEXT,
    ROUTE_ANSWERS_EVENT       /* the data of an event, with its attributes as headers, or the event as one object */
};

enum route_rank { ROUTE_OF_APP, ROUTE_OF_VIEW, ROUTE_BUILT_IN };

/* A parameter of the query, for the documentation. */
struct route_query {
    const char *name;
    const char *schema;      /* as JSON */
    const char *description;
};

/* A row before it is compiled. */
struct route_row {
    struct edda_route route;
    enum route_answer answer;
    const char *collection; /* name of the rows in a collection */
    const char *example;    /* of a body, as JSON, for the documentation; or NULL */
    bool unless_taken;      /* left out when the application has routes that begin with the same word */
    bool of_entity;         /* its path goes behind "/<entity_word>s"; left out when there is no such word */
    bool of_log;            /* it is about the log itself: If-Match, If-None-Match and Idempotency-Key are its handler's, not the engine's. It is there
                               under "/edda" too, always, and under its own path unless that is taken */
    bool open;              /* anybody may ask for it, also who has not said who he is */
    unsigned verb;          /* enum broker_verb: what its caller must be allowed to; 0: to read what is got, and to manage what is changed */
    const char *about;      /* the parameter of its path that names the topic or group that this is for; NULL: the broker as a whole */
    bool any_name;          /* its handler looks at permissions itself: it is about topics that its path does not name */
    bool takes_events;      /* its body is an event, or a batch of them */
    bool gives_events;      /* its answer may also be a batch of events, or a stream of them */
    const struct route_query *query; /* ends with a NULL name; or NULL */
};

struct route {
    struct route_row row;
    enum route_rank rank;
    const char *owner;                  /* the service or projection it belongs to; "edda": built-in */
    const struct edda_service *service; /* of a view; else NULL */
    uint32_t order;                     /* in which it was added */
    uint32_t words;                     /* bit n from the left: segment n is a word */
    uint32_t segment_count;
    struct slice segments[ROUTE_SEGMENTS_MAX]; /* words, and names of parameters */
    /* Of the row's body type, by where a request brings them; the rest of each is the type's own. */
    struct edda_type in_path, in_body;
    bool from_query;                    /* what is not in the path is in the query: the method has no body */
    const struct edda_field *numbered;  /* the field that gets the next number of the row's sequence; or NULL */
};

struct router {
    struct arena arena;
    struct route *routes; /* sorted for looking up */
    uint32_t count;
    uint32_t begin[ROUTE_SEGMENTS_MAX + 2]; /* of those with n segments */
};

/* Built-in routes of builtin.c; ends with a NULL method. `app` decides which apply. */
extern const struct route_row builtin_routes[];

int router_init(struct router *router, const struct edda_app *app, struct edda_error *error);
void router_deinit(struct router *router);

/* Sorts the fields of its row's body type into those parts. body.c. */
int route_sort_fields(struct route *route, struct arena *arena, struct edda_error *error);

/* The row for a request, with its parameters decoded, in the order in which the path names them. EDDA_ENOTFOUND; EDDA_EMETHOD: *ret_allow
 * lists the methods there are; EDDA_EMALFORMED: the path does not decode. HEAD is answered by the row of GET. */
int router_find(const struct router *router, struct slice method, struct slice path, struct arena *arena,
                const struct route **ret_route, struct slice ret_parameters[ROUTE_SEGMENTS_MAX],
                struct slice *ret_allow);

#endif
