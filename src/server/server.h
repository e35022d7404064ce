/*
 * server: an application's engine on the network: one event loop that reads requests, lets the engine take its turns, flushes the
 * journal, and lets answers go when what they tell of is durable.
 *
 * One turn of the loop: every connection that is readable is read and its requests are handled; the engine takes its turn;
 * the journal is flushed; the gate opens for what has become durable, and the protocols take their turns. So a lone client pays for one sync, and many share
 * one: gather.h says how long they wait for each other. Steps of running processes go before new requests: while the engine has more to do at once, sockets are looked
 * at without waiting, and when the log is too far behind the disk they are not read at all until it has caught up.
 *
 * How a request travels: listener.c accepts, connection.c reads, the protocol takes it and appends its answer, gate.c holds that until it may leave. Of
 * HTTP: arrival.c parses, router.c finds the row, request.c runs it, response.c writes the answer.
 *
 * Threads: all calls belong to the owner's thread.
 */
#ifndef EDDA_SERVER_SERVER_H
#define EDDA_SERVER_SERVER_H

#include "engine/engine.h"

struct server;

/* 0 takes the default. */
struct server_limits {
    uint32_t connections_max; /* 10,000; one more is told so with a 503 */
    uint32_t head_bytes_max;  /* 16 KiB: request line and headers */
    uint32_t body_bytes_max;  /* 1 MiB */
    uint32_t out_bytes_max;   /* 1 MiB: with more unsent, no further request of the connection is read */
    uint64_t memory_bytes_max; /* 1 GiB: what clients have sent and is not taken, and what they have been answered and have not taken, of all together */
    uint32_t handshake_ms;    /* 10,000: for TLS to be agreed on */
    uint32_t idle_ms;         /* 60,000: for a request to arrive, and for a client to take some of its answer */
    uint32_t linger_ms;       /* 2,000: for a client to close after the last answer */
    uint32_t stop_ms;         /* 5,000: for clients to take their answers when the server stops */
    uint32_t partitions_default; /* 4: of topics that are made by being used */
    uint32_t message_bytes_max;  /* 1,048,588: what the store was given as the default of max.message.bytes */
};

struct protocol; /* server/connection.h */
struct store;
struct users; /* server/users.h */

#define SERVER_LISTENERS_MAX 8

struct server_listener {
    const struct protocol *protocol; /* NULL behind the last */
    const char *address;             /* of IPv4 or IPv6; NULL: "127.0.0.1" */
    uint16_t port;                   /* 0: one that is free */
    bool tls;                        /* with the certificate of the options */
};

struct server_options {
    struct engine *engine;
    struct io *io;
    struct store *store;  /* that of the engine's journal, for protocols that use it beside the engine; NULL: there is none */
    struct server_listener listeners[SERVER_LISTENERS_MAX]; /* none: one of HTTP */
    const char *tls_certificate; /* PEM files of the chain of certificates and of the key, read again by server_reload(). NULL: no listener has TLS */
    const char *tls_key;
    bool insecure;        /* others may reach it without TLS or users: see server_is_safe() */
    void (*log)(void *user, const char *event, const char *text); /* told of log events while it runs; or NULL */
    void *log_user;
    bool stop_on_signals; /* SIGHUP has it reload, when there is anything to. SIGINT and SIGTERM stop it; a second one ends the process at once */
    struct server_limits limits;
    void (*after_turn)(void *user); /* called at the end of each turn, when what was flushed is durable; or NULL */
    void *after_turn_user;
    const char *notify_socket; /* of the service manager, which is told when the server stops; or NULL */
    const char *cors_origins; /* origins whose pages may use HTTP here, with commas: "https://a.example"; "*": all of them. NULL: none */
    int32_t kafka_group_delay_ms; /* group.initial.rebalance.delay.ms of Kafka: how long an empty group waits for further members; 0: not at all */
    bool topics_asked_for; /* a topic is made only when a client asks for that, and not by being written to or asked about */
    struct users *users; /* who may connect, and what each may do; NULL: everybody may do everything */
};

struct event_base;

/* Listens; nothing is answered before server_run(). EDDA_EINVAL names the wrong route of the application or the address, EDDA_EEXISTS says that
 * the port is taken; the error's field is the name of the listener's protocol. */
int server_open(const struct server_options *options, struct server **ret_server, struct edda_error *error);
/* Checks the listeners alone, before anything is opened: their addresses, and that they are safe. EDDA_EINVAL; the error's field is the protocol's name. */
int server_check(const struct server_options *options, struct edda_error *error);
/* Whether a listener may be opened: everybody can connect to an address other than loopback, so there it takes TLS and users, or somebody who says that it does not. */
bool server_is_safe(bool is_loopback, bool has_tls, bool has_users, bool insecure);
/* Where the n-th listener listens; 0 when there is none. */
uint16_t server_port(const struct server *server, size_t ordinal);
/* The loop, for others to wait on. */
struct event_base *server_base(struct server *server);
/* Serves until it is stopped: then accepts nothing more, ends handlers that sleep, waits for those at work, flushes, and lets the last answers go. A
 * negative code: the journal has failed for good. */
int server_run(struct server *server, struct edda_error *error);
/* Reads again what may have changed under the running server: the certificate and its key. What cannot be used is said, and what was there before stays in
 * force; connections are not touched. */
int server_reload(struct server *server, struct edda_error *error);
/* Makes server_run() return. From a callback of the loop or between turns. */
void server_stop(struct server *server);
/* After engine_close(), which may still tell of calls. NULL is allowed. */
void server_close(struct server *server);

/* One turn of the loop; `wait`: until there is something to do, at most 100 ms when the server is stopping. For server_run() and for tests. */
int server_turn(struct server *server, bool wait, struct edda_error *error);

#endif
