/* Redis's protocol as a protocol of connections. See resp.h. */
#include "server/resp.h"

#include <stdlib.h>

#include "base/assert.h"

#define IN_BYTES_MAX (RESP_COMMAND_BYTES_MAX + 65536)

static const struct resp_limits limits = {
    .arguments_max = RESP_ARGUMENTS_MAX, .argument_bytes_max = STORE_RECORD_MAX, .command_bytes_max = RESP_COMMAND_BYTES_MAX
};

static struct resp_session *session_of(struct connection *connection)
{
    return container_of(connection, struct resp_session, connection);
}

static void session_retry(struct stall *stall);

static void resp_opened(struct connection *connection)
{
    struct resp_session *session = session_of(connection);
    struct resp_host *host = connection->host;
    session->host = host;
    session->id = ++host->next_id;
    session->since_ns = io_clock_boot_ns(server_io(host->server));
    session->version = 2;
    session->stall.retry = session_retry;
    list_init(&session->stall.link);
    list_init(&session->told);
    list_init(&session->over);
    list_init(&session->subscriptions);
    list_push_back(&host->sessions, &session->link);
    host->session_count++;
    resp_parser_reset(&session->parser);
}

static void resp_closed(struct connection *connection)
{
    struct resp_session *session = session_of(connection);
    resp_wait_end(session);
    resp_unsubscribe_all(session);
    list_remove(&session->stall.link);
    list_remove(&session->told);
    list_remove(&session->over);
    list_remove(&session->link);
    session->host->session_count--;
    if (connection->principal)
        principal_unref(connection->principal);
    connection->principal = NULL;
    resp_parser_deinit(&session->parser);
    buffer_deinit(&session->name);
    buffer_deinit(&session->library);
    buffer_deinit(&session->library_version);
}

/* Runs the command that the parser holds. False when it waits for the log. */
static bool run(struct resp_session *session)
{
    struct connection *connection = &session->connection;
    size_t answered = connection->out.len;
    int rc = resp_command_run(session);
    if (rc == EDDA_EBUSY) {
        buffer_truncate(&connection->out, answered);
        connection->busy = true;
        server_stall(connection->server, &session->stall);
        return false;
    }
    connection->in_at += session->command_bytes;
    resp_parser_reset(&session->parser);
    connection_stamp(connection, server_gate(connection->server));
    if (rc == RESP_ENDS)
        connection_end(connection);
    return true;
}

static void session_retry(struct stall *stall)
{
    struct resp_session *session = container_of(stall, struct resp_session, stall);
    if (!run(session))
        return;
    if (session->wait)
        connection_flush(&session->connection); /* its socket is watched again */
    else
        connection_resume(&session->connection);
}

static int resp_take(struct connection *connection)
{
    struct resp_session *session = session_of(connection);
    struct edda_error error = { 0 };
    int64_t consumed = resp_parse(&session->parser, connection_in(connection), &limits, &error);
    if (consumed == 0) {
        connection->in_needed = session->parser.needed;
        return 0;
    }
    if (consumed < 0) {
        resp_error((struct resp_writer){ &connection->out, session->version }, "ERR", "%s", error.message);
        connection_stamp(connection, server_gate(connection->server));
        connection_end(connection);
        return 1;
    }
    session->command_bytes = (size_t)consumed;
    (void)run(session);
    return 1;
}

static void resp_expired(struct connection *connection)
{
    resp_error((struct resp_writer){ &connection->out, session_of(connection)->version }, "ERR", "the command did not arrive in time");
    connection_stamp(connection, server_gate(connection->server));
}

static void resp_stopping(struct connection *connection, bool last)
{
    struct resp_session *session = session_of(connection);
    (void)last;
    if (!session->wait)
        return;
    resp_null_array((struct resp_writer){ &connection->out, session->version });
    resp_wait_end(session);
    connection->busy = false;
    connection_stamp(connection, server_gate(connection->server));
}

static void resp_refused(struct server *server, const char *why, struct buffer *out)
{
    (void)server;
    resp_error((struct resp_writer){ out, 2 }, "ERR", "max number of clients reached: %s", why);
}

static size_t resp_held(const struct connection *connection)
{
    const struct resp_session *session = container_of(connection, const struct resp_session, connection);
    return session->parser.capacity * (sizeof *session->parser.parts + sizeof *session->parser.args) + session->parser.text.capacity + session->subscribed_bytes;
}

static int resp_host_open(struct server *server, void **ret_host, struct edda_error *error)
{
    struct store *store = server_store(server);
    if (!store)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "clients of Redis can be served over a log in this process only");
    struct resp_host *host = calloc(1, sizeof *host);
    if (!host)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for clients of Redis");
    host->server = server;
    host->store = store;
    host->partitions = server_limits(server)->partitions_default;
    host->opened_ns = io_clock_boot_ns(server_io(server));
    list_init(&host->sessions);
    host->shares = server_shares(server);
    list_init(&host->woken);
    list_init(&host->group_waits);
    heap_init(&host->waits);
    arena_init(&host->arena, 0, 0);
    arena_init(&host->entry_arena, 0, 0);
    resp_channels_init(host);
    *ret_host = host;
    return 0;
}

static int64_t resp_host_turn(void *user, int64_t now_ns)
{
    struct resp_host *host = user;
    bool more = resp_channels_turn(host);
    resp_waits_turn(host, now_ns);
    return more ? now_ns : resp_waits_due(host, now_ns);
}

static void resp_host_close(void *user)
{
    struct resp_host *host = user;
    if (!host)
        return;
    resp_channels_deinit(host);
    heap_deinit(&host->waits);
    arena_deinit(&host->arena);
    arena_deinit(&host->entry_arena);
    buffer_deinit(&host->scratch);
    buffer_deinit(&host->text);
    buffer_deinit(&host->entries);
    free(host);
}

void resp_look(const struct server *server, struct resp_info *ret_info)
{
    const struct resp_host *host = server_host(server, &resp_protocol);
    if (!host)
        return;
    *ret_info = (struct resp_info){ .counts = host->counts, .waiting = host->channels.subscribers[RESP_AWAITED] };
    ret_info->subscriptions = host->channels.subscribers[RESP_CHANNEL] + host->channels.subscribers[RESP_PATTERN];
    for (const struct list *link = host->sessions.next; link != &host->sessions; link = link->next) {
        const struct resp_session *session = container_of(link, const struct resp_session, link);
        for (int kind = 0; kind < RESP_AWAITED; kind++)
            ret_info->subscriptions_max = session->counts[kind] > ret_info->subscriptions_max ? session->counts[kind] : ret_info->subscriptions_max;
        ret_info->blocked += session->wait != NULL;
    }
}

const struct protocol resp_protocol = {
    .name = "resp",
    .authenticates = true,
    .session_bytes = sizeof(struct resp_session),
    .in_bytes_max = IN_BYTES_MAX,
    .opened = resp_opened,
    .take = resp_take,
    .expired = resp_expired,
    .stopping = resp_stopping,
    .closed = resp_closed,
    .refused = resp_refused,
    .held = resp_held,
    .host_open = resp_host_open,
    .host_turn = resp_host_turn,
    .host_close = resp_host_close
};
