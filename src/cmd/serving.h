/*
 * serving: a process that opens its data, listens, serves, and ends in order when it is told to: what `edda serve` and the `run` of every application are.
 * What happens is said on standard output, a line for each event, as text or as JSON.
 */
#ifndef EDDA_CMD_SERVING_H
#define EDDA_CMD_SERVING_H

#include "cmd/options.h"
#include "edda/app.h"
#include "engine/engine.h"
#include "log/log.h"
#include "server/protocols.h"
#include "server/server.h"

/* Of the command line. */
struct serving_values {
    const char *data;
    bool json;
    const char *listen[PROTOCOL_COUNT]; /* "HOST:PORT", or "off" */
    const char *tls_cert, *tls_key;
    const char *tls; /* "all", or names of protocols with commas */
    bool insecure;
    const char *config, *users, *cors;
    int64_t group_delay_ms;
    uint64_t connections_max, memory_max, partitions, message_bytes_max;
    bool topics_asked_for;
};

/* The rows of these values, which lie at the front of the command's own; each protocol is on where its clients look for it. Ends with a NULL name. */
#define SERVING_OPTIONS_MAX 24
extern const struct option_row serving_options[];

struct serving {
    const struct edda_app *app;
    const char *command; /* for errors: "run" */
    struct serving_values values;
    const char *port_flag; /* what is advised when the first listener's port is taken; NULL: its flag */
    unsigned threads;    /* for handlers that block */
    /* Of the command: what is done besides, each before the step that it is named after. They may be NULL; `turn` and `ended` get the user's. */
    int (*open_journal)(struct serving *serving, struct edda_error *error);
    int (*open_engine)(struct serving *serving, struct engine_options *options, struct edda_error *error);
    int (*listened)(struct serving *serving, struct edda_error *error);
    void (*turn)(void *user);
    void (*close_engine)(struct serving *serving);
    void (*close_journal)(struct serving *serving);
    void (*said)(struct serving *serving); /* where it listens, and how it found its data */
    void *user;

    /* Filled by serving_run(). */
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct server *server;
    struct users *users; /* NULL: everybody may do everything */
    struct {
        const char *name;
        char host[48];
        bool tls;
    } listeners[SERVER_LISTENERS_MAX];
    size_t listener_count;
    uint64_t shown_percent;
};

/* Says that something has happened; for the lines of a log. */
void serving_say(struct serving *serving, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same as engine_options.log wants it; the user is the serving. */
void serving_says(void *user, const char *event, const char *text);

/* Serves until a signal says that it is enough. Returns the exit status. */
int serving_run(struct serving *serving);

/* "HOST:PORT", or a port of 127.0.0.1: into its parts, the host as an IP address. EDDA_EINVAL names the flag. */
int listen_parse(const char *flag, const char *text, char *ret_host, size_t host_size, uint16_t *ret_port, struct edda_error *error);

#endif
