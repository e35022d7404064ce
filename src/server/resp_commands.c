/* The table of commands, and how one is run. COMMAND tells of it. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/resp.h"

#define RESP_SUBCOMMAND_BYTES_MAX 32

static int resp_command(struct resp_call *call);

/* clang-format off */
static const struct resp_command rows[] = {
    { "auth", -2, RESP_BEFORE_LOGIN, resp_auth, "Says who is connected" },
    { "client", -2, 0, resp_client, "Looks at connections, and names this one" },
    { "command", -1, RESP_BEFORE_LOGIN, resp_command, "Tells of the commands there are" },
    { "config", -2, 0, resp_config, "There is nothing to configure over this protocol: GET finds nothing" },
    { "echo", 2, 0, resp_echo, "Gives back what it is given" },
    { "edda.publish", -3, RESP_WRITES, resp_edda_publish, "Publishes a message with an identity: a repeat is recognised" },
    { "hello", -1, RESP_BEFORE_LOGIN, resp_hello, "Chooses the protocol's version, and may say who is connected" },
    { "info", -1, 0, resp_info, "Tells of the server" },
    { "ping", -1, RESP_WHILE_SUBSCRIBED, resp_ping, "Answers" },
    { "psubscribe", -2, RESP_WHILE_SUBSCRIBED, resp_on_psubscribe, "Subscribes to the channels that match patterns" },
    { "publish", 3, RESP_WRITES, resp_publish, "Appends a message to the topic of a channel" },
    { "pubsub", -2, 0, resp_pubsub, "Tells who is subscribed to what" },
    { "punsubscribe", -1, RESP_WHILE_SUBSCRIBED, resp_on_punsubscribe, "Ends subscriptions to patterns" },
    { "quit", -1, RESP_WHILE_SUBSCRIBED | RESP_BEFORE_LOGIN, resp_quit, "Ends the connection" },
    { "reset", 1, RESP_WHILE_SUBSCRIBED | RESP_BEFORE_LOGIN, resp_reset, "Makes the connection as it was at first" },
    { "select", 2, 0, resp_select, "There is one database, 0" },
    { "subscribe", -2, RESP_WHILE_SUBSCRIBED, resp_on_subscribe, "Subscribes to channels" },
    { "time", 1, 0, resp_time, "Tells the time of the log" },
    { "unsubscribe", -1, RESP_WHILE_SUBSCRIBED, resp_on_unsubscribe, "Ends subscriptions to channels" },
    { "xack", -4, RESP_WRITES | RESP_FIRST_IS_KEY, resp_xack, "Entries are done, for a group" },
    { "xadd", -5, RESP_WRITES | RESP_FIRST_IS_KEY, resp_xadd, "Appends an entry to a stream" },
    { "xautoclaim", -6, RESP_WRITES | RESP_FIRST_IS_KEY, resp_xautoclaim, "Gives a consumer what others of its group have had for long" },
    { "xclaim", -6, RESP_WRITES | RESP_FIRST_IS_KEY, resp_xclaim, "Gives a consumer entries that others of its group have" },
    { "xgroup", -2, RESP_WRITES, resp_xgroup, "Makes, moves and destroys groups of consumers" },
    { "xinfo", -2, 0, resp_xinfo, "Tells of a stream, its groups and their consumers" },
    { "xlen", 2, RESP_FIRST_IS_KEY, resp_xlen, "Counts the entries of a stream" },
    { "xpending", -3, RESP_FIRST_IS_KEY, resp_xpending, "Tells which entries of a group are not acknowledged, and who has them" },
    { "xrange", -4, RESP_FIRST_IS_KEY, resp_xrange, "Reads the entries between two ids" },
    { "xread", -4, 0, resp_xread, "Reads the entries behind an id, and may wait for them" },
    { "xreadgroup", -7, RESP_WRITES, resp_xreadgroup, "Gives a consumer of a group entries that no other has, and may wait for them" },
    { "xrevrange", -4, RESP_FIRST_IS_KEY, resp_xrevrange, "Reads the entries between two ids, the last one first" },
};
/* clang-format on */
#define ROWS (sizeof rows / sizeof rows[0])

bool resp_is(struct slice word, const char *upper_case)
{
    size_t i = 0;
    for (; i < word.len && upper_case[i]; i++)
        if (toupper(word.data[i]) != upper_case[i])
            return false;
    return i == word.len && !upper_case[i];
}

bool resp_number(struct slice word, int64_t *ret_number)
{
    bool negative = word.len && word.data[0] == '-';
    int64_t number = 0;
    if (word.len == (size_t)negative)
        return false;
    for (size_t i = negative; i < word.len; i++)
        if (word.data[i] < '0' || word.data[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, word.data[i] - '0', &number))
            return false;
    *ret_number = negative ? -number : number;
    return true;
}

static const struct resp_command *row_of(struct slice name)
{
    for (size_t i = 0; i < ROWS; i++) {
        size_t k = 0;
        while (k < name.len && rows[i].name[k] && tolower(name.data[k]) == rows[i].name[k])
            k++;
        if (k == name.len && !rows[i].name[k])
            return &rows[i];
    }
    return NULL;
}

/* --- errors ---------------------------------------------------------------------------------------------------- */

void resp_fail(struct resp_writer out, int code, const struct edda_error *error)
{
    const struct edda_code_info *info = edda_code_info(code);
    resp_error(out, info->resp_prefix, "%s", error->message[0] ? error->message : info->sentence);
}

/* What a client sent, as it can stand in a message. */
static int shown(struct slice word)
{
    return (int)(word.len < 128 ? word.len : 128);
}

static int fail_unknown(struct resp_call *call)
{
    char args[256] = "";
    size_t len = 0;
    for (uint32_t i = 1; i < call->count && len < 128; i++) {
        int n = snprintf(args + len, sizeof args - len, "'%.*s' ", (int)(call->args[i].len < 96 ? call->args[i].len : 96),
                         (const char *)call->args[i].data);
        len += n > 0 ? (size_t)n : 0;
        if (len >= sizeof args)
            break;
    }
    return edda_fail_with(&call->error, EDDA_EINVAL, "unknown command '%.*s', with args beginning with: %s", shown(call->args[0]),
                          (const char *)call->args[0].data, args);
}

static int fail_arity(struct resp_call *call, const char *name)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "wrong number of arguments for '%s' command", name);
}

int resp_fail_as(struct resp_call *call, const char *prefix, const char *format, ...)
{
    char text[RESP_ERROR_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    resp_error(call->out, prefix, "%s", text);
    call->answered = true;
    return EDDA_EINVAL;
}

int resp_fail_syntax(struct resp_call *call)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "syntax error");
}

int resp_fail_id(struct resp_call *call)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "Invalid stream ID specified as stream command argument");
}

int resp_fail_number(struct resp_call *call)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "value is not an integer or out of range");
}

int resp_fail_subcommand(struct resp_call *call, const char *known)
{
    struct slice word = call->args[1], at = slice_str(known);
    char lower[RESP_SUBCOMMAND_BYTES_MAX];
    while (at.len) {
        const uint8_t *space = memchr(at.data, ' ', at.len);
        struct slice one = slice_of(at.data, space ? (size_t)(space - at.data) : at.len);
        bool same = one.len == word.len && one.len < sizeof lower;
        for (size_t i = 0; same && i < one.len; i++) {
            same = toupper(word.data[i]) == one.data[i];
            lower[i] = (char)tolower(one.data[i]);
        }
        if (same)
            return edda_fail_with(&call->error, EDDA_EINVAL, "wrong number of arguments for '%s|%.*s' command", row_of(call->args[0])->name, (int)one.len, lower);
        at = slice_from(at, one.len + (space != NULL));
    }
    return edda_fail_with(&call->error, EDDA_EINVAL, "unknown subcommand '%.*s'. Try %.*s HELP.", shown(word), (const char *)word.data, shown(call->args[0]),
                          (const char *)call->args[0].data);
}

/* --- running --------------------------------------------------------------------------------------------------- */

static bool subscribed(const struct resp_session *session)
{
    return session->counts[RESP_CHANNEL] || session->counts[RESP_PATTERN];
}

static int run(struct resp_call *call, const struct resp_command *row)
{
    struct resp_session *session = call->session;
    if (!row && resp_is_known(session))
        return fail_unknown(call);
    if (!row)
        return edda_fail_with(&call->error, EDDA_EUNAUTHORIZED, "Authentication required.");
    if (!resp_is_known(session) && !(row->flags & RESP_BEFORE_LOGIN))
        return edda_fail_with(&call->error, EDDA_EUNAUTHORIZED, "Authentication required.");
    if (row->arity > 0 ? call->count != (uint32_t)row->arity : call->count < (uint32_t)-row->arity)
        return fail_arity(call, row->name);
    if (session->version == 2 && subscribed(session) && !(row->flags & RESP_WHILE_SUBSCRIBED))
        return edda_fail_with(&call->error, EDDA_EINVAL,
                              "Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", row->name);
    session->last = row;
    return row->handler(call);
}

int resp_command_run(struct resp_session *session)
{
    struct resp_host *host = session->host;
    struct resp_call call = {
        .host = host, .session = session, .args = session->parser.args, .count = session->parser.count,
        .out = { &session->connection.out, session->version }
    };
    if (call.count == 0)
        return RESP_ANSWERED;
    arena_reset(&host->arena);
    size_t begin = call.out.out->len;
    const struct resp_command *row = row_of(call.args[0]);
    int rc = run(&call, row);
    /* Only who appends waits for the log: a login that is refused because too many have failed would hold up everybody. */
    if (rc == EDDA_EBUSY && row && row->flags & RESP_WRITES && server_is_behind(host->server))
        return rc;
    host->counts.commands++;
    if (rc >= 0)
        return rc;
    host->counts.failed++;
    if (call.answered)
        return RESP_ANSWERED;
    buffer_truncate(call.out.out, begin);
    resp_fail(call.out, rc, &call.error);
    return RESP_ANSWERED;
}

/* --- COMMAND ---------------------------------------------------------------------------------------------------- */

static void put_row(struct resp_writer out, const struct resp_command *row)
{
    int key = row->flags & RESP_FIRST_IS_KEY ? 1 : 0;
    bool channel = row->flags & RESP_WHILE_SUBSCRIBED && strstr(row->name, "subscribe");
    resp_array(out, 6);
    resp_bulk_str(out, row->name);
    resp_int(out, row->arity);
    resp_set(out, channel ? 2 : 1);
    resp_simple(out, row->flags & RESP_WRITES ? "write" : "readonly");
    if (channel)
        resp_simple(out, "pubsub");
    resp_int(out, key);
    resp_int(out, key);
    resp_int(out, key);
}

static void put_docs(struct resp_writer out, const struct resp_command *row)
{
    resp_bulk_str(out, row->name);
    resp_map(out, 3);
    resp_bulk_str(out, "summary");
    resp_bulk_str(out, row->summary);
    resp_bulk_str(out, "since");
    resp_bulk_str(out, "1.0.0");
    resp_bulk_str(out, "group");
    resp_bulk_str(out, row->name[0] == 'x' ? "stream" : strstr(row->name, "sub") || strstr(row->name, "publish") ? "pubsub" : "connection");
}

static int command_info(struct resp_call *call)
{
    if (call->count <= 2) {
        resp_array(call->out, ROWS);
        for (size_t i = 0; i < ROWS; i++)
            put_row(call->out, &rows[i]);
        return RESP_ANSWERED;
    }
    resp_array(call->out, call->count - 2);
    for (uint32_t i = 2; i < call->count; i++) {
        const struct resp_command *row = row_of(call->args[i]);
        if (row)
            put_row(call->out, row);
        else
            resp_null_array(call->out);
    }
    return RESP_ANSWERED;
}

static int command_docs(struct resp_call *call)
{
    size_t found = 0;
    for (uint32_t i = 2; i < call->count; i++)
        found += row_of(call->args[i]) != NULL;
    resp_map(call->out, call->count == 2 ? ROWS : found);
    for (size_t i = 0; call->count == 2 && i < ROWS; i++)
        put_docs(call->out, &rows[i]);
    for (uint32_t i = 2; i < call->count; i++)
        if (row_of(call->args[i]))
            put_docs(call->out, row_of(call->args[i]));
    return RESP_ANSWERED;
}

static int resp_command(struct resp_call *call)
{
    if (call->count == 1 || resp_is(call->args[1], "INFO"))
        return command_info(call);
    if (resp_is(call->args[1], "DOCS"))
        return command_docs(call);
    if (resp_is(call->args[1], "COUNT") && call->count == 2) {
        resp_int(call->out, ROWS);
        return RESP_ANSWERED;
    }
    if (resp_is(call->args[1], "LIST") && call->count == 2) {
        resp_array(call->out, ROWS);
        for (size_t i = 0; i < ROWS; i++)
            resp_bulk_str(call->out, rows[i].name);
        return RESP_ANSWERED;
    }
    return resp_fail_subcommand(call, "COUNT LIST");
}
