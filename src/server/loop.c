/*
 * loop: the turns of the server. See server.h for their order and its reasons.
 *
 * Nothing is waited for while there is something to do. When there is not, the loop sleeps until a socket, a job that has
 * run, a signal or the engine's next time wakes it.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/notify.h"
#include "server/parts.h"
#include "server/shares.h"
#include "server/users.h"

#define STALL_WAIT_NS INT64_C(20000000)
#define SOCKETS_WAIT_NS INT64_C(20000000)
#define STOP_WAIT_MS 100
#define TICK_MS_MAX 1000
#define TICK_MS_MIN 10

static struct timeval interval(int64_t ms)
{
    return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

static void on_nothing(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what, (void)user;
}

/* The second signal of a kind meets what the system does by default. */
static void on_signal(evutil_socket_t fd, short what, void *user)
{
    struct server *server = user;
    (void)fd, (void)what;
    for (size_t i = 0; i < sizeof server->signals / sizeof server->signals[0]; i++)
        (void)event_del(&server->signals[i]);
    server_stop(server);
}

static void on_hangup(evutil_socket_t fd, short what, void *user)
{
    struct edda_error error = { 0 };
    (void)fd, (void)what;
    (void)server_reload(user, &error);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct server *server = user;
    (void)fd, (void)what;
    server->now_ns = io_clock_boot_ns(server->io);
    connections_expire(server);
    output_spare_expire(server);
}

/* --- one turn ----------------------------------------------------------------------------------------------------- */

/* Arms the alarm for the next time of the engine or of a protocol. */
static void arm_wake(struct server *server)
{
    if (server->next_ms == INT64_MAX && server->hosts_ns == INT64_MAX) {
        (void)event_del(&server->wake);
        return;
    }
    int64_t left_ms = server->next_ms == INT64_MAX ? INT64_MAX : server->next_ms - journal_time_ms(server->journal);
    if (server->hosts_ns != INT64_MAX) {
        int64_t hosts_ms = (server->hosts_ns - io_clock_boot_ns(server->io) + NS_PER_MS - 1) / NS_PER_MS;
        left_ms = hosts_ms < left_ms ? hosts_ms : left_ms;
    }
    struct timeval after = interval(left_ms < 0 ? 0 : left_ms > 3600000 ? 3600000 : left_ms);
    (void)event_add(&server->wake, &after);
}

static void read_sockets(struct server *server, bool wait)
{
    bool at_once = server->gather.waiting || server->next_ms == 0 || server->hosts_ns == 0 || !list_empty(&server->resumed) || !wait;
    if (!at_once)
        arm_wake(server);
    /* Without the second flag the loop would stay inside for as long as anything is ready, such as a job that has run. */
    (void)event_base_loop(server->base, at_once ? EVLOOP_NONBLOCK | EVLOOP_ONCE : EVLOOP_ONCE);
}

static void run_resumed(struct server *server)
{
    struct list resumed, *link;
    list_init(&resumed);
    list_insert_before(&server->resumed, &resumed);
    list_remove(&server->resumed);
    while ((link = list_pop_front(&resumed)))
        connection_run(container_of(link, struct connection, resumed));
}

bool server_makes_topics(const struct server *server)
{
    return !server->options.topics_asked_for;
}

bool server_is_behind(const struct server *server)
{
    return journal_flushing(server->journal);
}

void server_stall(struct server *server, struct stall *stall)
{
    server->counts.stalls++;
    list_push_back(&server->stalled, &stall->link);
}

/* Tries again what found the log too far behind. What is still refused when nothing is behind is refused for good. */
static void run_stalled(struct server *server)
{
    struct list stalled, *link;
    if (list_empty(&server->stalled) || server_is_behind(server))
        return;
    list_init(&stalled);
    list_insert_before(&server->stalled, &stalled);
    list_remove(&server->stalled);
    while ((link = list_pop_front(&stalled))) {
        struct stall *stall = container_of(link, struct stall, link);
        stall->retry(stall);
    }
    /* The engine has something new, and may be able to go on at once. */
    server->next_ms = 0;
}

/* The protocols' turns. What they append has the engine look at it, and is flushed, in the next turn, at once. */
static void run_hosts(struct server *server)
{
    uint64_t tail = journal_tail(server->journal);
    server->hosts_ns = INT64_MAX;
    for (size_t i = 0; i < server->spoken_count; i++) {
        const struct spoken *spoken = &server->spoken[i];
        int64_t next_ns = spoken->protocol->host_turn ? spoken->protocol->host_turn(spoken->host, server->now_ns) : INT64_MAX;
        server->hosts_ns = next_ns < server->hosts_ns ? next_ns : server->hosts_ns;
    }
    if (server->hosts_ns <= server->now_ns || journal_tail(server->journal) != tail)
        server->hosts_ns = 0;
}

/*
 * Steps of running processes go before new requests: while the engine has more to do at once the sockets wait, but not for long, or a look at what goes on
 * would wait behind all of it.
 */
static bool sockets_are_next(struct server *server)
{
    int64_t now_ns = io_clock_boot_ns(server->io);
    if (server->next_ms == 0 && now_ns - server->read_ns < SOCKETS_WAIT_NS)
        return false;
    server->read_ns = now_ns;
    return true;
}

/* Flushes the journal, unless it is worth while to wait for more, and opens the gate for what is durable. */
static int flush(struct server *server, bool idle, struct edda_error *error)
{
    struct journal *journal = server->journal;
    uint64_t durable = journal_durable(journal);
    int64_t begun_ns = io_clock_boot_ns(server->io);
    bool due = durable < journal_tail(journal);
    if (due && idle && list_empty(&server->stalled) && gather_waits(&server->gather, begun_ns))
        return 0;
    int rc = journal_flush(journal, idle, error);
    if (rc < 0)
        return rc;
    bool here = journal_durable(journal) > durable;
    gate_open(server, here ? io_clock_boot_ns(server->io) - begun_ns : 0);
    return 0;
}

int server_turn(struct server *server, bool wait, struct edda_error *error)
{
    struct journal *journal = server->journal;
    bool stalled = !list_empty(&server->stalled);
    if (!stalled && sockets_are_next(server))
        read_sockets(server, wait);
    else if (stalled && journal_flushing(journal))
        (void)io_jobs_wait(server->io, STALL_WAIT_NS);
    server->now_ns = io_clock_boot_ns(server->io);
    run_resumed(server);
    int64_t next = engine_drive(server->engine, error);
    if (next < 0)
        return (int)next;
    server->next_ms = next;
    int rc = flush(server, next != 0 || stalled, error);
    if (rc < 0)
        return rc;
    if (engine_flushed(server->engine))
        server->next_ms = 0;
    run_hosts(server);
    run_stalled(server);
    connections_shed(server);
    if (server->options.after_turn)
        server->options.after_turn(server->options.after_turn_user);
    return 0;
}

/* --- starting and stopping ------------------------------------------------------------------------------------- */

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static int events_init(struct server *server, struct edda_error *error)
{
    static const int signals[] = { SIGINT, SIGTERM };
    const uint32_t limits_ms[] = { server->limits.idle_ms, server->limits.handshake_ms, server->limits.linger_ms };
    uint32_t least_ms = limits_ms[0];
    for (size_t i = 1; i < sizeof limits_ms / sizeof limits_ms[0]; i++)
        least_ms = limits_ms[i] < least_ms ? limits_ms[i] : least_ms;
    int64_t tick_ms = least_ms / 4 < TICK_MS_MIN   ? TICK_MS_MIN
                      : least_ms / 4 > TICK_MS_MAX ? TICK_MS_MAX
                                                   : least_ms / 4;
    struct timeval tick = interval(tick_ms);
    int worked = io_wake_fd(server->io);
    server->base = base_new();
    if (!server->base)
        return edda_fail_with(error, EDDA_ENOMEM, "no event loop can be made");
    (void)event_assign(&server->wake, server->base, -1, 0, on_nothing, server);
    (void)event_assign(&server->tick, server->base, -1, EV_PERSIST, on_tick, server);
    (void)event_add(&server->tick, &tick);
    (void)event_assign(&server->worked, server->base, worked, EV_READ | EV_PERSIST, on_nothing, server);
    if (worked >= 0)
        (void)event_add(&server->worked, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)event_assign(&server->signals[i], server->base, signals[i], EV_SIGNAL | EV_PERSIST, on_signal, server);
        if (server->options.stop_on_signals)
            (void)event_add(&server->signals[i], NULL);
    }
    (void)event_assign(&server->hangup, server->base, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, server);
    return 0;
}

int server_open(const struct server_options *options, struct server **ret_server, struct edda_error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the server");
    server->options = *options;
    server->limits = options->limits;
    server->engine = options->engine;
    server->journal = engine_journal(options->engine);
    server->app = engine_app(options->engine);
    server->io = options->io;
    server->date_s = -1;
    struct list *lists[] = { &server->connections,
                             &server->patience[PATIENCE_IDLE],
                             &server->patience[PATIENCE_HANDSHAKE],
                             &server->patience[PATIENCE_LINGER],
                             &server->resumed,
                             &server->waiting,
                             &server->stalled,
                             &server->free_requests,
                             &server->requests };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    buffer_init(&server->content, CONTENT_BYTES_MAX);
    limits_init(&server->limits);
    server->now_ns = io_clock_boot_ns(server->io);
    server->opened = journal_durable(server->journal);
    int rc = router_init(&server->router, server->app, error);
    if (rc == 0)
        rc = shares_open(server, &server->shares, error);
    if (rc == 0)
        rc = events_init(server, error);
    if (rc == 0)
        rc = listeners_open(server, error);
    if (rc == 0 && options->stop_on_signals && (server->tls || server->options.users))
        (void)event_add(&server->hangup, NULL);
    if (rc < 0) {
        server_close(server);
        return rc;
    }
    *ret_server = server;
    return 0;
}

uint16_t server_port(const struct server *server, size_t ordinal)
{
    return ordinal < server->listener_count ? server->listeners[ordinal].port : 0;
}

struct store *server_store(const struct server *server)
{
    return server->options.store;
}

int32_t server_kafka_group_delay_ms(const struct server *server)
{
    return server->options.kafka_group_delay_ms;
}

struct shares *server_shares(const struct server *server)
{
    return server->shares;
}

struct io *server_io(const struct server *server)
{
    return server->io;
}

const struct server_limits *server_limits(const struct server *server)
{
    return &server->limits;
}

void *server_host(const struct server *server, const struct protocol *protocol)
{
    for (size_t i = 0; i < server->spoken_count; i++)
        if (server->spoken[i].protocol == protocol)
            return server->spoken[i].host;
    return NULL;
}

struct users *server_users(const struct server *server)
{
    return server->options.users;
}

void server_log(const struct server *server, const char *event, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (!server->options.log)
        return;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    server->options.log(server->options.log_user, event, len < 0 ? "" : text);
}

struct event_base *server_base(struct server *server)
{
    return server->base;
}

int server_reload(struct server *server, struct edda_error *error)
{
    int rc = server->tls ? tls_reload(server->tls, error) : 0;
    if (rc == 0 && server->options.users)
        rc = users_reload(server->options.users, error);
    server->reloads++; /* also when that has failed, for it may have done so half way */
    if (rc < 0) {
        char text[sizeof error->message + 60];
        (void)snprintf(text, sizeof text, "%s; what was read before stays in force", error->message);
        server_log(server, "reload.failed", "%s", text);
    } else {
        server_log(server, "reload", "what is in the files now is in force");
    }
    return rc;
}

void server_stop(struct server *server)
{
    notify(server->options.notify_socket, "STOPPING=1");
    server->stopping = true;
}

/* Lets every connection finish what is under way, and nothing more. */
static void end_connections(struct server *server, bool last)
{
    struct list *link = server->connections.next;
    while (link != &server->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        link = link->next;
        if (connection->protocol->stopping)
            connection->protocol->stopping(connection, last);
        connection_end(connection);
        connection_flush(connection);
    }
}

static bool stop_is_done(struct server *server, int64_t until_ns)
{
    bool unsent = server->connection_count > 0 && io_clock_boot_ns(server->io) < until_ns;
    return engine_running(server->engine) == 0 && !unsent && !journal_flushing(server->journal);
}

static int drain(struct server *server, struct edda_error *error)
{
    struct timeval often = interval(STOP_WAIT_MS);
    int64_t until_ns = io_clock_boot_ns(server->io) + (int64_t)server->limits.stop_ms * NS_PER_MS;
    bool refused = false;
    (void)event_del(&server->tick);
    (void)event_add(&server->tick, &often);
    while (!stop_is_done(server, until_ns)) {
        int rc = server_turn(server, true, error);
        if (rc < 0)
            return rc;
        if (!refused && engine_running(server->engine) == 0) {
            refused = true;
            end_connections(server, true);
        }
    }
    return 0;
}

int server_run(struct server *server, struct edda_error *error)
{
    int rc = 0;
    while (rc == 0 && !server->stopping)
        rc = server_turn(server, true, error);
    if (rc < 0)
        return rc;
    listeners_close(server);
    engine_stop(server->engine);
    io_shutdown(server->io);
    end_connections(server, false);
    return drain(server, error);
}

static void close_connections(struct server *server)
{
    while (!list_empty(&server->connections))
        connection_close(container_of(server->connections.next, struct connection, link));
}

static void close_hosts(struct server *server)
{
    for (; server->spoken_count; server->spoken_count--) {
        const struct spoken *spoken = &server->spoken[server->spoken_count - 1];
        if (spoken->protocol->host_close)
            spoken->protocol->host_close(spoken->host);
    }
}

static void free_requests(struct list *requests)
{
    struct list *link;
    while ((link = list_pop_front(requests))) {
        struct edda_request *request = container_of(link, struct edda_request, link);
        arena_deinit(&request->arena);
        free(request);
    }
}

void server_close(struct server *server)
{
    if (!server)
        return;
    server->stopping = true;
    close_connections(server);
    listeners_close(server);
    close_hosts(server);
    shares_close(server->shares);
    free_requests(&server->requests);
    free_requests(&server->free_requests);
    if (server->base) {
        struct event *events[] = { &server->wake, &server->tick, &server->worked, &server->signals[0],
                                   &server->signals[1], &server->hangup };
        for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
            (void)event_del(events[i]);
        event_base_free(server->base);
    }
    tls_close(server->tls);
    router_deinit(&server->router);
    buffer_deinit(&server->spare_in);
    buffer_deinit(&server->spare_out);
    buffer_deinit(&server->content);
    buffer_deinit(&server->extra);
    free(server);
}
