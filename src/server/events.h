/*
 * events: the log over HTTP: streams, topics and everything, to be appended to, read page by page, and subscribed to. What the files behind the routes share:
 *
 *   events_append.c  events out of requests into the log
 *   events_page.c    pages of events, and one event
 *   events_live.c    subscriptions: Server-Sent Events
 *   streams.c        the routes of streams, and of everything
 *   topics.c         the routes of topics
 *
 * They use the store beside the engine, which finds what they append as it finds what any other client has. Over a journal that is no local log they answer 501.
 */
#ifndef EDDA_SERVER_EVENTS_H
#define EDDA_SERVER_EVENTS_H

#include "server/parts.h"
#include "store/store.h"
#include "wire/cloudevents/event.h"

#define EVENTS_BATCH_MAX 10000           /* events of one request */
#define EVENTS_LIMIT_DEFAULT 100         /* of a page */
#define EVENTS_LIMIT_MAX 1000
#define EVENTS_PAGE_BYTES (4 << 20)      /* a page ends with the event that reaches this */
#define EVENTS_LOOKED_MAX 50000          /* records looked at for one page; it then has fewer events, and goes on behind them */
#define EVENTS_UNSENT_BYTES_MAX (UINT32_C(64) << 10) /* of one subscriber */
#define EVENTS_TYPES_MAX 16              /* of a filter */
#define EVENTS_SOURCE "http"             /* of events that name none */

/* What events are asked for. Texts are borrowed from the request. */
struct selection {
    struct slice topic;   /* data NULL: everything */
    struct slice key;     /* data NULL: the whole topic */
    int64_t partition;    /* -1: all of them */
    struct slice types[EVENTS_TYPES_MAX];
    uint32_t type_count;  /* 0: of any type */
    bool internal;        /* of everything: also internal topics */
};

/* The store; NULL, and the request has failed: there is no local log. */
struct store *events_store(struct edda_request *request);
/* A parameter of the path, decoded. */
struct slice events_parameter(const struct edda_request *request, const char *name);
/* Names of topics that are the store's own. */
bool events_topic_is_internal(struct slice name);
/* A whole number of the query. 0: it is not there; 1; EDDA_EINVAL names it and its range. */
int events_number(struct edda_request *request, const char *name, int64_t least, int64_t most, int64_t *ret_number);
/* A flag of the query, true or false; left as it is when it is not there. EDDA_EINVAL names it. */
int events_flag(struct edda_request *request, const char *name, bool *ret_flag);
/* Reads ?type= (several with commas), ?category=, ?partition=, ?internal= into a selection that names its topic and key. */
int events_select(struct edda_request *request, struct selection *selection);
bool selection_takes(const struct selection *selection, const struct store_record *record);

/* Fills what is written of a record. */
struct event_out event_out_of(const struct store_record *record, int64_t version);
/* Appends "/streams/CATEGORY/KEY" under the path by which the request has come: with "/edda" or without. */
void stream_path_put(struct edda_request *request, struct slice topic, struct slice key, struct buffer *out);

/* Appends what the request brings to a topic: to the stream `key`, or, with data NULL, each event under the key that it names itself. Answers. */
int events_append(struct edda_request *request, struct slice topic, struct slice key);
/* Answers with a page of what is selected. */
int events_page(struct edda_request *request, const struct selection *selection);
/* Answers with one event of a stream. */
int events_one(struct edda_request *request, struct slice topic, struct slice key, int64_t version);

/* --- events_live.c ---------------------------------------------------------------------------------------------- */

/* Answers with a stream of events that ends with the connection, or with the server. */
int events_subscribe(struct edda_request *request, const struct selection *selection);

struct live;
int live_open(struct server *server, struct live **ret_live, struct edda_error *error);
void live_close(struct live *live);
/* Hands out what has become durable. When it wants to be called again. */
int64_t live_turn(struct live *live, int64_t now_ns);
struct live_counts {
    uint64_t subscribers, events, heartbeats, paused;
};
void live_counts(const struct live *live, struct live_counts *ret_counts);

#endif
