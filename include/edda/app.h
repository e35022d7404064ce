/*
 * edda/app.h: an application: a table of services, and edda_main(), which gives it `run`, `simulate`, `trace`, `deadlines`, `quarantine`, `bench`
 * and `--help` without another line of code.
 */
#ifndef EDDA_APP_H
#define EDDA_APP_H

#include "edda/projection.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the records of a topic look to clients that know nothing of Edda, and how theirs are recognised: a record without a ce_type header is of `type`; where
 * there is none, of the type that its `type_header` names, else its `type_field`, else its header "type", else its member "eventType". */
struct edda_topic {
    const char *name;
    uint32_t partitions;         /* 1 to 10,000; 0: 1 */
    const char *type;            /* of all records that say nothing else, where a topic has one kind of message ("ItemRented"); or NULL */
    const char *type_field;      /* payload member that repeats the type's name ("eventType"), written first; or NULL */
    const char *time_field;      /* payload member that repeats the time in ms ("timestamp"); or NULL */
    const char *type_header;     /* record header that holds the type's name ("type"); or NULL */
    const char *const *headers;  /* further headers: name, value, name, value …, NULL; or NULL */
};

enum edda_direction {
    EDDA_CHANNEL_IN = 1, /* what is published there is recorded here as a message of the type */
    EDDA_CHANNEL_OUT     /* messages of the type are published there when they are durable */
};

/*
 * A channel of a Redis server (pub/sub; `run --redis HOST:PORT`). A payload is the JSON of the message's fields.
 *
 * Out: in the order of the log, each once: how far we have come is kept in Redis itself and moves in the same step that publishes, so that nothing is published twice by us, and
 * nothing is lost between the log and Redis. Who is not subscribed at that moment misses it: that is how Redis publishes.
 * In: Redis hands a message to those who are connected, once: what is published while we are not is not seen by us. What arrives is recorded; two equal payloads
 * are two messages, so the service must know a repeat by its meaning. A payload that is not of the type is told to the log hook and counted.
 */
struct edda_channel {
    const char *name;             /* "line_allocated"; 1 to 512 bytes */
    const struct edda_type *type; /* an event or a command */
    enum edda_direction direction;
};

/* A flag of the application's own for `run` and `simulate`: --name VALUE. */
struct edda_option {
    const char *name;            /* "deadline" */
    const char *value;           /* "5s": the default; "5s", "250ms", "2m", "1h" are durations, from 1ms to 5000 years */
    int64_t *duration_ms;        /* set before services run; durations only for now */
    const char *description;
};

/* What the simulator does with an application; see edda/simulate.h. */
struct edda_simulation;

struct edda_app {
    const char *name;            /* "choreography" */
    const char *version;
    const char *summary;         /* one sentence */
    const struct edda_service *const *services; /* NULL-terminated */
    const struct edda_projection *const *projections; /* its read models, NULL-terminated; or NULL */
    const struct edda_topic *topics;            /* ends with a NULL name; or NULL */
    const struct edda_channel *channels;        /* ends with a NULL name; or NULL */
    const struct edda_option *options;          /* ends with a NULL name; or NULL */
    const struct edda_simulation *simulation;   /* or NULL */
    const char *entity_word;     /* what `trace --WORD N` means: "order": the correlation id is an order's, which messages name by
                                    .correlation (refused when none does); or NULL */
    uint16_t port;               /* HTTP port when --port is not given; 0: 8080 */
};

/* Runs an application's command line; returns the exit status. SIGTERM and SIGINT stop it gracefully. */
EDDA_PUBLIC int edda_main(const struct edda_app *app, int argc, char **argv);

/* The release of the library, "0.1.0". */
EDDA_PUBLIC const char *edda_version(void);

#ifdef __cplusplus
}
#endif
#endif
