/*
 * kafka: Kafka's protocol as a protocol of connections. A request is a length and a frame; the broker handles it, and its answer is appended with the
 * stamp that the broker gave it. A Produce is answered at once and waits at the gate, so that further ones of the same connection are handled meanwhile and all of
 * them may share a sync; a call that has to wait for others holds its connection up, as the protocol wants it.
 *
 * A client that sends what is no request of the protocol is not answered, because nothing it would understand can be said: what was answered before is still
 * sent, and the connection ends.
 */
#include "server/kafka.h"

#include "base/assert.h"
#include "base/cursor.h"

#define LENGTH_BYTES 4
#define HEAD_BYTES_USUAL 4096 /* of an answer with records, beside them */
#define IPV4_IN_IPV6 "::ffff:"

static struct kafka_session *session_of(struct connection *connection)
{
    return container_of(connection, struct kafka_session, connection);
}

/* An IPv4 address that came in on a socket for both families is told as what it is. */
static void address_plain(char host[ADDRESS_TEXT_BYTES])
{
    size_t prefix = sizeof IPV4_IN_IPV6 - 1;
    if (strncmp(host, IPV4_IN_IPV6, prefix) == 0 && strchr(host, '.'))
        memmove(host, host + prefix, strlen(host + prefix) + 1);
}

static void kafka_opened(struct connection *connection)
{
    struct kafka_session *session = session_of(connection);
    broker_call_init(&session->call);
    (void)connection_peer_address(connection, session->host);
    session->call.local_port = connection_local_address(connection, session->local_host);
    address_plain(session->host);
    address_plain(session->local_host);
    session->call.host = session->host;
    session->call.local_host = session->local_host;
    session->call.user = session;
    session->login = server_users(connection->server) ? KAFKA_LOGIN_WANTED : KAFKA_LOGIN_NONE;
    /* Clients keep connections that they may need again; strangers do not. */
    connection->pushes = session->login == KAFKA_LOGIN_NONE;
}

/* The broker is done with the call: what it says is appended. */
static void on_answered(void *user, struct broker_call *call)
{
    struct kafka_session *session = call->user;
    struct connection *connection = &session->connection;
    struct edda_error error = { .code = 0 };
    (void)user;
    size_t before = connection->out.len;
    if (call->records_bytes > 0 && !call->fatal)
        connection_reserve(connection, call->records_bytes + HEAD_BYTES_USUAL);
    if (!call->fatal && !call->silent && broker_response_put(call, &connection->out, &error) < 0) {
        server_log(connection->server, "kafka.response", "%s: an answer could not be encoded: %s", session->host, error.message);
        if (buffer_ok(&connection->out))
            buffer_truncate(&connection->out, before);
        call->fatal = true;
    }
    broker_call_trim(call);
    if (call->fatal)
        connection_end(connection);
    else if (!call->silent)
        connection_stamp(connection, call->gate);
    if (session->taking)
        return;
    connection_resume(connection);
    connection_flush(connection);
}

/* A stranger may ask what is offered, and say who he is. */
static bool may_ask(const struct kafka_session *session, struct slice frame)
{
    struct cursor cursor = cursor_of(frame);
    int16_t key = (int16_t)cursor_be16(&cursor);
    return session->login == KAFKA_LOGIN_NONE || session->login == KAFKA_LOGIN_DONE || (cursor_ok(&cursor) && broker_api_is_open(key));
}

static void handle(struct connection *connection, struct slice frame)
{
    struct kafka_session *session = session_of(connection);
    if (session->raw) {
        if (kafka_sasl_raw(session, frame) < 0)
            connection_end(connection);
        return;
    }
    if (!may_ask(session, frame)) {
        server_log(connection->server, "kafka.login", "%s asks for something and has not said who it is", session->host);
        connection_end(connection);
        return;
    }
    session->taking = true;
    broker_handle(connection->host, &session->call, frame, io_clock_boot_ns(server_io(connection->server)));
    session->taking = false;
    connection->busy = session->call.state == BROKER_CALL_PARKED;
    connection->watched = connection->busy && !broker_call_borrows(&session->call);
}

static int kafka_take(struct connection *connection)
{
    struct kafka_session *session = session_of(connection);
    bool stranger = session->login == KAFKA_LOGIN_WANTED || session->login == KAFKA_LOGIN_BEGUN;
    uint32_t length_max = stranger ? KAFKA_STRANGER_BYTES_MAX : KAFKA_REQUEST_BYTES_MAX;
    struct slice in = connection_in(connection);
    if (in.len < LENGTH_BYTES) {
        connection->in_needed = LENGTH_BYTES;
        return 0;
    }
    struct cursor cursor = cursor_of(in);
    uint32_t length = cursor_be32(&cursor);
    if (length > length_max) {
        server_log(connection->server, "kafka.malformed", "%s: a request of %u bytes is over the limit of %u, or no request at all", session->host,
                   (unsigned)length, (unsigned)length_max);
        connection->in_at = connection->in.len;
        connection_end(connection);
        return 1;
    }
    if (in.len < LENGTH_BYTES + length) {
        connection->in_needed = LENGTH_BYTES + length;
        return 0;
    }
    connection->in_at += LENGTH_BYTES + length;
    handle(connection, slice_of(in.data + LENGTH_BYTES, length));
    return 1;
}

/* A call keeps what it has decoded, and waits for others with a copy of its frame. */
static size_t kafka_held(const struct connection *connection)
{
    const struct kafka_session *session = container_of(connection, const struct kafka_session, connection);
    return session->call.arena.used + session->sasl_out.capacity;
}

static void kafka_closed(struct connection *connection)
{
    struct kafka_session *session = session_of(connection);
    broker_cancel(connection->host, &session->call);
    broker_call_deinit(&session->call);
    kafka_sasl_close(session);
}

/* Whoever waits for others waits no more; a Produce still gets its turn. */
static void kafka_stopping(struct connection *connection, bool last)
{
    struct kafka_session *session = session_of(connection);
    if (session->call.state != BROKER_CALL_PARKED || (broker_call_borrows(&session->call) && !last))
        return;
    broker_cancel(connection->host, &session->call);
    connection->busy = false;
}

/* --- the broker ------------------------------------------------------------------------------------------------------ */

static void on_log(void *user, const char *event, const char *text)
{
    server_log(user, event, "%s", text);
}

static bool on_allowed(void *user, const struct broker_call *call, enum broker_verb verb, struct slice name)
{
    (void)user;
    return call->principal && principal_may(call->principal, verb, name);
}

static bool on_allowed_any(void *user, const struct broker_call *call, enum broker_verb verb)
{
    (void)user;
    return call->principal && principal_may_any(call->principal, verb);
}

static bool on_full(void *user)
{
    return server_is_full(user);
}

static void on_sasl(void *user, struct broker_call *call)
{
    (void)user;
    kafka_sasl(call->user, call);
}

static int kafka_host_open(struct server *server, void **ret_host, struct edda_error *error)
{
    struct broker *broker;
    if (!server_store(server))
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "Kafka's protocol is spoken over a local log only");
    bool users = server_users(server) != NULL;
    const struct broker_options options = { .store = server_store(server), .auto_create_topics = server_makes_topics(server), .partitions_default = server_limits(server)->partitions_default,
                                            .message_bytes_max = server_limits(server)->message_bytes_max, .group_rebalance_delay_ms = server_kafka_group_delay_ms(server),
                                            .allowed = users ? on_allowed : NULL, .allowed_any = users ? on_allowed_any : NULL,
                                            .sasl = users ? on_sasl : NULL, .answered = on_answered, .full = on_full, .log = on_log, .user = server };
    int rc = broker_open(&options, &broker, error);
    if (rc == 0)
        *ret_host = broker;
    return rc;
}

static int64_t kafka_host_turn(void *host, int64_t now_ns)
{
    return broker_turn(host, now_ns);
}

static void kafka_host_close(void *host)
{
    broker_close(host);
}

/* clang-format off */
const struct protocol kafka_protocol = {
    .name = "kafka", .authenticates = true, .session_bytes = sizeof(struct kafka_session), .in_bytes_max = LENGTH_BYTES + (size_t)KAFKA_REQUEST_BYTES_MAX + 1,
    .opened = kafka_opened, .take = kafka_take, .stopping = kafka_stopping, .closed = kafka_closed, .held = kafka_held,
    .host_open = kafka_host_open, .host_turn = kafka_host_turn, .host_close = kafka_host_close,
};
/* clang-format on */
