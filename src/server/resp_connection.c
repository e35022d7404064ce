/* Commands of the connection itself: what clients say before they say what they want. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "edda/app.h"
#include "server/resp.h"

#define NS_PER_S INT64_C(1000000000)
#define CLIENT_NAME_MAX 256
#define REDIS_VERSION "7.2.0" /* whose commands those here are like, for clients that ask */

static int ok(struct resp_call *call)
{
    resp_simple(call->out, "OK");
    return RESP_ANSWERED;
}

static int syntax(struct resp_call *call)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "syntax error");
}

/* --- who is connected -------------------------------------------------------------------------------------------- */

/* `name` and `password`, of which the name may be left out: then it is that of Redis's default user. */
static int login(struct resp_call *call, struct slice name, struct slice password)
{
    struct users *users = server_users(call->host->server);
    struct principal *principal;
    if (!users) /* Redis's own words to that */
        return edda_fail_with(&call->error, EDDA_EINVAL, "AUTH <password> called without any password configured for the default user. "
                                                         "Are you sure your configuration is correct?");
    int rc = users_login(users, name, password, &principal, &call->error);
    if (rc == EDDA_EUNAUTHORIZED) {
        server_log(call->host->server, "resp.login", "%s was not let in", connection_peer(&call->session->connection));
        call->answered = true;
        resp_error(call->out, "WRONGPASS", "invalid username-password pair or user is disabled.");
    }
    if (rc < 0)
        return rc;
    if (call->session->connection.principal)
        principal_unref(call->session->connection.principal);
    call->session->connection.principal = principal;
    return 0;
}

int resp_auth(struct resp_call *call)
{
    if (call->count > 3)
        return syntax(call);
    int rc = login(call, call->count == 3 ? call->args[1] : SLICE("default"), call->args[call->count - 1]);
    return rc < 0 ? rc : ok(call);
}

bool resp_is_known(const struct resp_session *session)
{
    return session->connection.principal || !server_users(session->host->server);
}

bool resp_session_may(const struct resp_session *session, enum broker_verb verb, struct slice topic)
{
    const struct principal *principal = session->connection.principal;
    return !server_users(session->host->server) || (principal && principal_may(principal, verb, topic));
}

int resp_may(struct resp_call *call, enum broker_verb verb, struct slice topic)
{
    if (resp_session_may(call->session, verb, topic))
        return 0;
    return edda_fail_with(&call->error, EDDA_EFORBIDDEN, "this user has no permission to %s the topic '%.*s'", verb == BROKER_READ ? "read" : "write to",
                          (int)topic.len, (const char *)topic.data);
}

/* --- names ------------------------------------------------------------------------------------------------------- */

/* Keeps a word of the client's; it stands in lists of words later. */
static int keep(struct resp_call *call, struct buffer *to, struct slice word, const char *what)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.data[i] <= ' ' || word.data[i] > '~')
            return edda_fail_with(&call->error, EDDA_EINVAL, "%s cannot contain spaces, newlines or special characters.", what);
    if (word.len > CLIENT_NAME_MAX)
        return edda_fail_with(&call->error, EDDA_EINVAL, "%s has at most %d bytes", what, CLIENT_NAME_MAX);
    buffer_clear(to);
    buffer_append_slice(to, word);
    return buffer_ok(to) ? 0 : edda_fail_with(&call->error, EDDA_ENOMEM, "out of memory for a name");
}

static void put_pair(struct resp_writer out, const char *name, const char *value)
{
    resp_bulk_str(out, name);
    resp_bulk_str(out, value);
}

static int hello_version(struct resp_call *call, int *ret_version)
{
    int64_t version;
    if (!resp_number(call->args[1], &version))
        return edda_fail_with(&call->error, EDDA_EINVAL, "Protocol version is not an integer or out of range");
    *ret_version = (int)(version < 2 || version > 3 ? 0 : version);
    return 0;
}

int resp_hello(struct resp_call *call)
{
    struct resp_session *session = call->session;
    struct slice name = { .data = NULL };
    int version = session->version, rc = call->count > 1 ? hello_version(call, &version) : 0;
    if (rc < 0)
        return rc;
    if (version == 0) {
        resp_error(call->out, "NOPROTO", "unsupported protocol version");
        return RESP_ANSWERED;
    }
    for (uint32_t i = 2; i < call->count; i++) {
        if (resp_is(call->args[i], "AUTH") && call->count - i > 2) {
            rc = login(call, call->args[i + 1], call->args[i + 2]);
            i += 2;
        } else if (resp_is(call->args[i], "SETNAME") && call->count - i > 1) {
            name = call->args[++i];
        } else {
            return edda_fail_with(&call->error, EDDA_EINVAL, "Syntax error in HELLO option '%.*s'", (int)(call->args[i].len < 64 ? call->args[i].len : 64),
                                  (const char *)call->args[i].data);
        }
        if (rc < 0)
            return rc;
    }
    if (!resp_is_known(session))
        return edda_fail_with(&call->error, EDDA_EUNAUTHORIZED, "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
                                                                "<user> <pass> option can be used to authenticate the client and select the RESP protocol version "
                                                                "at the same time");
    rc = name.data ? keep(call, &session->name, name, "Client names") : 0;
    if (rc < 0)
        return rc;
    session->version = call->out.version = version;
    resp_map(call->out, 7);
    put_pair(call->out, "server", "edda");
    put_pair(call->out, "version", REDIS_VERSION);
    resp_bulk_str(call->out, "proto");
    resp_int(call->out, version);
    resp_bulk_str(call->out, "id");
    resp_int(call->out, (int64_t)session->id);
    put_pair(call->out, "mode", "standalone");
    put_pair(call->out, "role", "master");
    resp_bulk_str(call->out, "modules");
    resp_array(call->out, 0);
    return RESP_ANSWERED;
}

/* --- CLIENT ------------------------------------------------------------------------------------------------------ */

static void put_client(struct resp_host *host, const struct resp_session *session, struct buffer *out)
{
    char address[ADDRESS_TEXT_BYTES];
    uint16_t port = connection_local_address(&session->connection, address);
    int64_t age_s = (io_clock_boot_ns(server_io(host->server)) - session->since_ns) / NS_PER_S;
    buffer_printf(out, "id=%" PRIu64 " addr=%s laddr=%s:%u name=", session->id, connection_peer(&session->connection), address, (unsigned)port);
    buffer_append_slice(out, buffer_slice(&session->name));
    buffer_printf(out, " age=%" PRId64 " flags=%s db=0 sub=%zu psub=%zu omem=%zu cmd=%s resp=%d lib-name=", age_s,
                  session->wait ? "b" : session->counts[RESP_CHANNEL] || session->counts[RESP_PATTERN] ? "P" : "N", session->counts[RESP_CHANNEL],
                  session->counts[RESP_PATTERN], connection_unsent(&session->connection), session->last ? session->last->name : "NULL", session->version);
    buffer_append_slice(out, buffer_slice(&session->library));
    buffer_append_str(out, " lib-ver=");
    buffer_append_slice(out, buffer_slice(&session->library_version));
    buffer_append_byte(out, '\n');
}

static int client_list(struct resp_call *call, bool all)
{
    struct resp_host *host = call->host;
    buffer_clear(&host->scratch);
    for (struct list *link = host->sessions.next; link != &host->sessions && host->scratch.len < RESP_ANSWER_BYTES_MAX; link = link->next) {
        struct resp_session *session = container_of(link, struct resp_session, link);
        if (all || session == call->session)
            put_client(host, session, &host->scratch);
    }
    if (!buffer_ok(&host->scratch))
        return edda_fail_with(&call->error, EDDA_ENOMEM, "out of memory for the list");
    resp_verbatim(call->out, "txt", buffer_slice(&host->scratch));
    return RESP_ANSWERED;
}

/* It ends at the end of the turn, for it may be this one. */
static int client_kill(struct resp_call *call)
{
    int64_t id;
    if (!resp_is(call->args[2], "ID") || !resp_number(call->args[3], &id))
        return syntax(call);
    for (struct list *link = call->host->sessions.next; link != &call->host->sessions; link = link->next) {
        struct resp_session *session = container_of(link, struct resp_session, link);
        if (session->id != (uint64_t)id)
            continue;
        resp_let_go(session);
        resp_int(call->out, 1);
        return session == call->session ? RESP_ENDS : RESP_ANSWERED;
    }
    resp_int(call->out, 0);
    return RESP_ANSWERED;
}

static int client_setinfo(struct resp_call *call)
{
    struct resp_session *session = call->session;
    bool version = resp_is(call->args[2], "LIB-VER");
    if (!version && !resp_is(call->args[2], "LIB-NAME"))
        return edda_fail_with(&call->error, EDDA_EINVAL, "Unrecognized option '%.*s'", (int)(call->args[2].len < 64 ? call->args[2].len : 64),
                              (const char *)call->args[2].data);
    int rc = keep(call, version ? &session->library_version : &session->library, call->args[3], version ? "lib-ver" : "lib-name");
    return rc < 0 ? rc : ok(call);
}

int resp_client(struct resp_call *call)
{
    struct resp_session *session = call->session;
    struct slice word = call->args[1];
    if (resp_is(word, "ID") && call->count == 2) {
        resp_int(call->out, (int64_t)session->id);
        return RESP_ANSWERED;
    }
    if (resp_is(word, "SETNAME") && call->count == 3) {
        int rc = keep(call, &session->name, call->args[2], "Client names");
        return rc < 0 ? rc : ok(call);
    }
    if (resp_is(word, "GETNAME") && call->count == 2) {
        if (session->name.len)
            resp_bulk(call->out, buffer_slice(&session->name));
        else
            resp_null(call->out);
        return RESP_ANSWERED;
    }
    if (resp_is(word, "SETINFO") && call->count == 4)
        return client_setinfo(call);
    if (resp_is(word, "INFO") && call->count == 2)
        return client_list(call, false);
    if (resp_is(word, "LIST"))
        return client_list(call, true);
    if (resp_is(word, "KILL") && call->count == 4)
        return client_kill(call);
    if ((resp_is(word, "NO-EVICT") || resp_is(word, "NO-TOUCH")) && call->count == 3 && (resp_is(call->args[2], "ON") || resp_is(call->args[2], "OFF")))
        return ok(call);
    return resp_fail_subcommand(call, "ID SETNAME GETNAME SETINFO INFO KILL NO-EVICT NO-TOUCH");
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

int resp_ping(struct resp_call *call)
{
    struct resp_session *session = call->session;
    bool subscribed = session->counts[RESP_CHANNEL] || session->counts[RESP_PATTERN];
    if (call->count > 2)
        return edda_fail_with(&call->error, EDDA_EINVAL, "wrong number of arguments for 'ping' command");
    if (session->version == 2 && subscribed) {
        resp_array(call->out, 2);
        resp_bulk_str(call->out, "pong");
        resp_bulk(call->out, call->count == 2 ? call->args[1] : slice_of(NULL, 0));
    } else if (call->count == 2) {
        resp_bulk(call->out, call->args[1]);
    } else {
        resp_simple(call->out, "PONG");
    }
    return RESP_ANSWERED;
}

int resp_echo(struct resp_call *call)
{
    resp_bulk(call->out, call->args[1]);
    return RESP_ANSWERED;
}

int resp_select(struct resp_call *call)
{
    int64_t number;
    if (!resp_number(call->args[1], &number))
        return edda_fail_with(&call->error, EDDA_EINVAL, "value is not an integer or out of range");
    return number == 0 ? ok(call) : edda_fail_with(&call->error, EDDA_EINVAL, "DB index is out of range");
}

int resp_info(struct resp_call *call)
{
    struct resp_host *host = call->host;
    struct buffer *out = &host->scratch;
    struct store_stats stats;
    char address[ADDRESS_TEXT_BYTES];
    store_stats(host->store, &stats);
    buffer_clear(out);
    buffer_printf(out, "# Server\r\nredis_version:" REDIS_VERSION "\r\nredis_mode:standalone\r\nserver_name:edda\r\nedda_version:%s\r\nprocess_id:%ld\r\ntcp_port:%u\r\n"
                       "uptime_in_seconds:%" PRId64 "\r\n\r\n",
                  edda_version(), (long)getpid(), (unsigned)connection_local_address(&call->session->connection, address),
                  (io_clock_boot_ns(server_io(host->server)) - host->opened_ns) / NS_PER_S);
    buffer_printf(out, "# Clients\r\nconnected_clients:%zu\r\nblocked_clients:%zu\r\npubsub_clients:%zu\r\n\r\n", host->session_count,
                  host->channels.subscribers[RESP_AWAITED], host->channels.subscribers[RESP_CHANNEL] + host->channels.subscribers[RESP_PATTERN]);
    buffer_printf(out, "# Persistence\r\nloading:0\r\naof_enabled:1\r\nedda_position:%" PRIu64 "\r\nedda_durable_position:%" PRIu64 "\r\nedda_log_bytes:%" PRIu64 "\r\n\r\n",
                  store_tail(host->store), store_durable_position(host->store), stats.log_bytes);
    buffer_printf(out, "# Stats\r\ntotal_commands_processed:%" PRIu64 "\r\ntotal_error_replies:%" PRIu64 "\r\npubsub_channels:%zu\r\npubsub_patterns:%zu\r\n"
                       "edda_messages_delivered:%" PRIu64 "\r\nclient_output_buffer_limit_disconnections:%" PRIu64 "\r\n\r\n",
                  host->counts.commands, host->counts.failed, host->channels.counts[RESP_CHANNEL], host->channels.counts[RESP_PATTERN], host->counts.messages,
                  host->counts.overruns);
    buffer_append_str(out, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n");
    resp_verbatim(call->out, "txt", buffer_slice(out));
    return RESP_ANSWERED;
}

int resp_config(struct resp_call *call)
{
    if (!resp_is(call->args[1], "GET") || call->count < 3)
        return edda_fail_with(&call->error, EDDA_EINVAL, "CONFIG over this protocol has GET only, which finds nothing: Edda is configured by its own flags");
    resp_map(call->out, 0);
    return RESP_ANSWERED;
}

int resp_reset(struct resp_call *call)
{
    struct resp_session *session = call->session;
    resp_unsubscribe_all(session);
    buffer_clear(&session->name);
    session->version = 2;
    if (session->connection.principal)
        principal_unref(session->connection.principal);
    session->connection.principal = NULL;
    resp_simple(call->out, "RESET");
    return RESP_ANSWERED;
}

int resp_quit(struct resp_call *call)
{
    (void)ok(call);
    return RESP_ENDS;
}

int resp_time(struct resp_call *call)
{
    char text[24];
    int64_t now_ms = store_time_ms(call->host->store);
    resp_array(call->out, 2);
    (void)snprintf(text, sizeof text, "%" PRId64, now_ms / 1000);
    resp_bulk_str(call->out, text);
    (void)snprintf(text, sizeof text, "%" PRId64, now_ms % 1000 * 1000);
    resp_bulk_str(call->out, text);
    return RESP_ANSWERED;
}
