/* See redis.h. */
#include "outside/redis.h"

#ifdef EDDA_WITH_REDIS

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/slice.h"

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS 5000
#define ANSWER_MS 10000
#define UNANSWERED_MAX 1024
#define UNANSWERED_BYTES_MAX (UINT64_C(8) << 20)
#define WAITING_MAX 1000
#define WAITING_BYTES_MAX (UINT64_C(16) << 20)
#define KEY_BYTES 256
#define MARK_BYTES 24

/* What Redis runs; an Edda has EDDA.PUBLISH for it. ARGV: the mark that the one before this has left, its own, channel, payload. When the one before was refused this must be, too. */
static const char publish_script[] = "local at = redis.call('GET', KEYS[1]) or '' "
                                     "if at ~= ARGV[1] then "
                                     "if (tonumber(at) or -1) >= tonumber(ARGV[2]) then return -1 end "
                                     "return redis.error_reply('ERR ' .. KEYS[1] .. ' was to be ' .. ARGV[1] .. ', and is ' .. at) end "
                                     "redis.call('SET', KEYS[1], ARGV[2]) "
                                     "return redis.call('PUBLISH', ARGV[3], ARGV[4])";

struct link {
    struct redis *redis;
    enum edda_direction direction;
    redisAsyncContext *context; /* NULL: not connected */
    struct event readable, writable, again;
    struct event unanswered;    /* runs while the server owes us something */
    int64_t delay_ms;
    bool told;                  /* that it is lost; until it is there again */
    bool refused;               /* the server answered, and said no; until it has done something for us */
};

/* Came in while the log had no room. */
struct waiting {
    struct list link;
    size_t channel_len;
    size_t payload_len;
    char bytes[];
};

struct redis {
    struct redis_options options;
    char host[256];
    int port;
    char *password;
    char key[KEY_BYTES];
    struct link out, in;
    char source[KEY_BYTES];     /* who publishes, to a server that is an Edda */
    bool ready;                 /* the server has said how far it has come */
    bool edda;                  /* the server is an Edda: it runs no scripts, and knows by itself what it has */
    char mark[MARK_BYTES];      /* what the last publication that was sent leaves in the key */
    struct event more;          /* there is more of the log to look through */
    uint32_t unanswered;
    uint64_t unanswered_bytes;
    struct list waiting;
    uint32_t waiting_count;
    uint64_t waiting_bytes;
    uint64_t dropped;
    bool closing;
};

static void say(struct redis *redis, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void say(struct redis *redis, const char *event, const char *format, ...)
{
    char text[512];
    va_list args;
    if (!redis->options.log)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    redis->options.log(redis->options.log_user, event, text);
}

static const char *way(const struct link *link)
{
    return link->direction == EDDA_CHANNEL_OUT ? "publishing" : "subscribing";
}

/* --- the loop under a connection ------------------------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    struct link *link = user;
    if (link->context)
        redisAsyncHandleRead(link->context);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    struct link *link = user;
    if (link->context)
        redisAsyncHandleWrite(link->context);
}

static void read_add(void *user)
{
    (void)event_add(&((struct link *)user)->readable, NULL);
}

static void read_del(void *user)
{
    (void)event_del(&((struct link *)user)->readable);
}

static void write_add(void *user)
{
    (void)event_add(&((struct link *)user)->writable, NULL);
}

static void write_del(void *user)
{
    (void)event_del(&((struct link *)user)->writable);
}

static void cleanup(void *user)
{
    read_del(user);
    write_del(user);
}

/* --- a server that does not answer ----------------------------------------------------------------------------------------- */

static void expect_answer(struct link *link)
{
    const struct timeval after = { .tv_sec = ANSWER_MS / 1000 };
    (void)event_add(&link->unanswered, &after);
}

static void lost(struct link *link, const char *why);

/* The system would hold on to a connection whose other end is silent for a quarter of an hour. */
static void on_unanswered(evutil_socket_t fd, short what, void *user)
{
    struct link *link = user;
    redisAsyncContext *context = link->context;
    (void)fd, (void)what;
    if (!context)
        return;
    lost(link, "the server does not answer");
    redisAsyncFree(context);
}

/* --- connecting ------------------------------------------------------------------------------------------------------------ */

static void try_again_later(struct link *link)
{
    if (link->redis->closing)
        return;
    link->delay_ms = link->delay_ms ? link->delay_ms * 2 : DELAY_FIRST_MS;
    if (link->delay_ms > DELAY_MAX_MS)
        link->delay_ms = DELAY_MAX_MS;
    struct timeval after = { .tv_sec = link->delay_ms / 1000, .tv_usec = link->delay_ms % 1000 * 1000 };
    (void)event_add(&link->again, &after);
}

static void lost(struct link *link, const char *why)
{
    struct redis *redis = link->redis;
    link->context = NULL;
    (void)event_del(&link->unanswered);
    if (link->direction == EDDA_CHANNEL_OUT) {
        redis->ready = false;
        redis->unanswered = 0;
        redis->unanswered_bytes = 0;
    }
    engine_channels_connected(redis->options.engine, link->direction, false);
    if (!redis->closing && !link->told)
        say(redis, "redis.lost", "%s: the connection for %s: %s; it is tried again", redis->options.address, way(link), why);
    link->told = true;
    try_again_later(link);
}

static void is_there(struct link *link)
{
    struct redis *redis = link->redis;
    (void)event_del(&link->unanswered);
    if (!link->refused)
        link->delay_ms = 0; /* else it would be asked in vain ten times a second */
    link->told = false;
    engine_channels_connected(redis->options.engine, link->direction, true);
    say(redis, "redis.connected", "%s: connected for %s", redis->options.address, way(link));
}

/* The server's answer is an error: what was asked cannot go on over this connection. */
static void refused(struct link *link, const redisReply *reply)
{
    say(link->redis, "redis.refused", "%s, %s: %s", link->redis->options.address, way(link),
        reply->str ? reply->str : "an answer of another kind");
    link->told = link->refused = true;
    redisAsyncDisconnect(link->context);
}

static void on_auth(redisAsyncContext *context, void *reply_, void *user)
{
    const redisReply *reply = reply_;
    if (reply && reply->type == REDIS_REPLY_ERROR)
        refused(user, reply);
    (void)context;
}

/* Whether the text is a number of a position, and nothing else. */
static bool decimal(const char *text, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno == ERANGE)
        return false;
    *ret_number = number;
    return true;
}

/* --- out ------------------------------------------------------------------------------------------------------------------- */

static void on_position(redisAsyncContext *context, void *reply_, void *user)
{
    const redisReply *reply = reply_;
    struct link *link = user;
    struct redis *redis = link->redis;
    (void)context;
    if (!reply)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        refused(link, reply);
        return;
    }
    uint64_t position = 0;
    bool there = reply->type == REDIS_REPLY_STRING;
    if (there && (size_t)reply->len >= sizeof redis->mark) {
        refused(link, &(const redisReply){ .str = "the key of the position holds something else" });
        return;
    }
    (void)snprintf(redis->mark, sizeof redis->mark, "%s", there ? reply->str : "");
    bool known = there && decimal(reply->str, &position);
    engine_publish_from(redis->options.engine, known, position);
    redis->ready = true;
    is_there(link);
}

/* An Edda recognises what it has by its identity, so it is asked nothing, and gets what is behind our own note again. */
static void on_hello(redisAsyncContext *context, void *reply_, void *user)
{
    const redisReply *reply = reply_;
    struct link *link = user;
    struct redis *redis = link->redis;
    (void)context;
    if (!reply)
        return;
    redis->edda = false;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2)
        redis->edda |= reply->element[i]->type == REDIS_REPLY_STRING && strcmp(reply->element[i]->str, "server") == 0 &&
                       reply->element[i + 1]->type == REDIS_REPLY_STRING && strcmp(reply->element[i + 1]->str, "edda") == 0;
    if (!redis->edda) {
        (void)redisAsyncCommand(link->context, on_position, link, "GET %s", redis->key);
        return;
    }
    redis->mark[0] = '\0';
    engine_publish_from(redis->options.engine, false, 0);
    redis->ready = true;
    is_there(link);
}

struct sent {
    struct link *link;
    uint64_t position;
    uint64_t bytes;
};

static void on_published(redisAsyncContext *context, void *reply_, void *user)
{
    const redisReply *reply = reply_;
    struct sent *sent = user;
    struct redis *redis = sent->link->redis;
    (void)context;
    if (reply && reply->type == REDIS_REPLY_INTEGER && redis->ready) {
        redis->unanswered--;
        redis->unanswered_bytes -= sent->bytes;
        sent->link->refused = false;
        sent->link->delay_ms = 0;
        if (redis->unanswered)
            expect_answer(sent->link);
        else
            (void)event_del(&sent->link->unanswered);
        engine_published(redis->options.engine, sent->position);
    } else if (reply && redis->ready) {
        redis->ready = false; /* those behind it are not published either, or we would leave one out */
        refused(sent->link, reply);
    }
    free(sent);
}

/* The position is the message's id. AFTER names the one that was sent before it over this connection: when that was refused this is, too. */
static int send_to_edda(struct redis *redis, struct sent *sent, const struct engine_publication *publication, const char *mark)
{
    if (redis->mark[0] == '\0')
        return redisAsyncCommand(redis->out.context, on_published, sent, "EDDA.PUBLISH %s %b SOURCE %s ID %s", publication->channel,
                                 publication->payload.data, publication->payload.len, redis->source, mark);
    return redisAsyncCommand(redis->out.context, on_published, sent, "EDDA.PUBLISH %s %b SOURCE %s ID %s AFTER %s", publication->channel,
                             publication->payload.data, publication->payload.len, redis->source, mark, redis->mark);
}

/* False when it could not be handed over; the connection is then at its end. */
static bool publish(struct redis *redis, const struct engine_publication *publication)
{
    struct sent *sent = malloc(sizeof *sent);
    if (!sent)
        return false;
    *sent = (struct sent){ &redis->out, publication->position, publication->payload.len };
    char mark[MARK_BYTES];
    (void)snprintf(mark, sizeof mark, "%llu", (unsigned long long)publication->position);
    int rc = redis->edda ? send_to_edda(redis, sent, publication, mark)
                         : redisAsyncCommand(redis->out.context, on_published, sent, "EVAL %s 1 %s %s %s %s %b", publish_script, redis->key, redis->mark, mark,
                                             publication->channel, publication->payload.data, publication->payload.len);
    if (rc != REDIS_OK) {
        free(sent);
        return false;
    }
    memcpy(redis->mark, mark, sizeof mark);
    if (redis->unanswered++ == 0)
        expect_answer(&redis->out);
    redis->unanswered_bytes += sent->bytes;
    return true;
}

static void on_more(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what, (void)user;
}

static void publish_all(struct redis *redis)
{
    struct edda_error error = { 0 };
    while (redis->ready && redis->unanswered < UNANSWERED_MAX && redis->unanswered_bytes < UNANSWERED_BYTES_MAX) {
        struct engine_publication publication;
        int rc = engine_publish_next(redis->options.engine, &publication, &error);
        if (rc < 0)
            say(redis, "redis.failed", "%s", error.message);
        if (rc == ENGINE_PUBLISH_MORE)
            event_active(&redis->more, EV_TIMEOUT, 0); /* the loop is to come back although nothing happens */
        if (rc != 1)
            return;
        if (!publish(redis, &publication)) {
            /* It was taken from the engine and not sent: begin again where the server is. */
            redis->ready = false;
            redisAsyncDisconnect(redis->out.context);
        }
    }
}

/* --- in -------------------------------------------------------------------------------------------------------------------- */

static bool must_wait(int rc)
{
    return rc == EDDA_EBUSY || rc == EDDA_EFULL;
}

static void keep(struct redis *redis, struct slice channel, struct slice payload)
{
    bool room = redis->waiting_count < WAITING_MAX && redis->waiting_bytes + payload.len <= WAITING_BYTES_MAX;
    struct waiting *waiting = room ? malloc(sizeof *waiting + channel.len + payload.len) : NULL;
    if (!waiting) {
        if (redis->dropped++ == 0)
            say(redis, "redis.dropped", "the log has no room, and %u messages of %llu bytes wait: those that come now are lost",
                redis->waiting_count, (unsigned long long)redis->waiting_bytes);
        return;
    }
    waiting->channel_len = channel.len;
    waiting->payload_len = payload.len;
    memcpy(waiting->bytes, channel.data, channel.len);
    if (payload.len)
        memcpy(waiting->bytes + channel.len, payload.data, payload.len);
    list_push_back(&redis->waiting, &waiting->link);
    redis->waiting_count++;
    redis->waiting_bytes += payload.len;
}

static void receive(struct redis *redis, struct slice channel, struct slice payload)
{
    struct edda_error error = { 0 };
    if (redis->waiting_count || must_wait(engine_receive(redis->options.engine, channel, payload, &error)))
        keep(redis, channel, payload);
}

static void receive_waiting(struct redis *redis)
{
    while (redis->waiting_count) {
        struct waiting *waiting = container_of(redis->waiting.next, struct waiting, link);
        struct edda_error error = { 0 };
        int rc = engine_receive(redis->options.engine, slice_of(waiting->bytes, waiting->channel_len),
                                slice_of(waiting->bytes + waiting->channel_len, waiting->payload_len), &error);
        if (must_wait(rc))
            return;
        redis->waiting_bytes -= waiting->payload_len;
        list_remove(&waiting->link);
        free(waiting);
        if (--redis->waiting_count == 0)
            redis->dropped = 0;
    }
}

/* A message is an array: "message", channel, payload; the answer to a subscription: "subscribe", channel, how many there are. */
static void on_message(redisAsyncContext *context, void *reply_, void *user)
{
    const redisReply *reply = reply_;
    struct link *link = user;
    (void)context;
    if (!reply)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        refused(link, reply);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || reply->element[0]->type != REDIS_REPLY_STRING)
        return;
    const redisReply *kind = reply->element[0], *channel = reply->element[1], *payload = reply->element[2];
    if (strcmp(kind->str, "subscribe") == 0 && payload->type == REDIS_REPLY_INTEGER && payload->integer == 1)
        is_there(link);
    else if (strcmp(kind->str, "message") == 0 && payload->type == REDIS_REPLY_STRING)
        receive(link->redis, slice_of(channel->str, channel->len), slice_of(payload->str, payload->len));
}

/* --- a connection's life --------------------------------------------------------------------------------------------------- */

static const struct edda_channel *next_channel(const struct edda_channel *channel, enum edda_direction direction)
{
    while (channel && channel->name && channel->direction != direction)
        channel++;
    return channel && channel->name ? channel : NULL;
}

/* Says who we are, and what is wanted. */
static void begin(struct link *link)
{
    struct redis *redis = link->redis;
    const struct edda_channel *channels = engine_app(redis->options.engine)->channels;
    if (redis->password)
        (void)redisAsyncCommand(link->context, on_auth, link, "AUTH %s", redis->password);
    if (link->direction == EDDA_CHANNEL_OUT)
        (void)redisAsyncCommand(link->context, on_hello, link, "HELLO 2");
    else
        for (const struct edda_channel *in = next_channel(channels, link->direction); in; in = next_channel(in + 1, link->direction))
            (void)redisAsyncCommand(link->context, on_message, link, "SUBSCRIBE %s", in->name);
}

static void on_connect(const redisAsyncContext *context, int status)
{
    struct link *link = context->data;
    if (status == REDIS_OK)
        begin(link);
    else if (link->context == context)
        lost(link, context->errstr);
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
    struct link *link = context->data;
    if (link->context == context) /* else it was given up before */
        lost(link, status == REDIS_OK ? "it was closed" : context->errstr);
}

static void connect_link(struct link *link)
{
    struct redis *redis = link->redis;
    redisAsyncContext *context = redisAsyncConnect(redis->host, redis->port);
    if (!context || context->err) {
        char why[128];
        (void)snprintf(why, sizeof why, "%s", context ? context->errstr : "out of memory");
        if (context)
            redisAsyncFree(context);
        lost(link, why);
        return;
    }
    link->context = context;
    context->data = link;
    expect_answer(link);
    (void)redisEnableKeepAlive(&context->c);
    (void)event_assign(&link->readable, redis->options.base, context->c.fd, EV_READ | EV_PERSIST, on_readable, link);
    (void)event_assign(&link->writable, redis->options.base, context->c.fd, EV_WRITE | EV_PERSIST, on_writable, link);
    context->ev.data = link;
    context->ev.addRead = read_add;
    context->ev.delRead = read_del;
    context->ev.addWrite = write_add;
    context->ev.delWrite = write_del;
    context->ev.cleanup = cleanup;
    (void)redisAsyncSetConnectCallback(context, on_connect);
    (void)redisAsyncSetDisconnectCallback(context, on_disconnect);
}

static void on_again(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    connect_link(user);
}

static void link_open(struct redis *redis, struct link *link, enum edda_direction direction)
{
    link->redis = redis;
    link->direction = direction;
    (void)evtimer_assign(&link->again, redis->options.base, on_again, link);
    (void)evtimer_assign(&link->unanswered, redis->options.base, on_unanswered, link);
    if (next_channel(engine_app(redis->options.engine)->channels, direction))
        connect_link(link);
}

static int split_address(struct redis *redis, struct edda_error *error)
{
    const char *address = redis->options.address, *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == address || *end != '\0' || port < 1 || port > 65535 || (size_t)(colon - address) >= sizeof redis->host)
        return edda_fail_field(error, EDDA_EINVAL, "redis", "%s is no HOST:PORT", address);
    (void)snprintf(redis->host, sizeof redis->host, "%.*s", (int)(colon - address), address);
    redis->port = (int)port;
    return 0;
}

int redis_open(const struct redis_options *options, struct redis **ret_redis, struct edda_error *error)
{
    struct redis *redis = calloc(1, sizeof *redis);
    if (!redis)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the channels");
    redis->options = *options;
    list_init(&redis->waiting);
    int rc = split_address(redis, error);
    if (rc == 0 && options->password) {
        redis->password = strdup(options->password);
        rc = redis->password ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the channels");
    }
    if (rc < 0) {
        free(redis);
        return rc;
    }
    (void)snprintf(redis->key, sizeof redis->key, "edda:%s:%016llx:published", engine_app(options->engine)->name,
                   (unsigned long long)journal_id(engine_journal(options->engine)));
    (void)snprintf(redis->source, sizeof redis->source, "edda:%s:%016llx", engine_app(options->engine)->name,
                   (unsigned long long)journal_id(engine_journal(options->engine)));
    (void)evtimer_assign(&redis->more, redis->options.base, on_more, redis);
    link_open(redis, &redis->out, EDDA_CHANNEL_OUT);
    link_open(redis, &redis->in, EDDA_CHANNEL_IN);
    *ret_redis = redis;
    return 0;
}

void redis_turn(struct redis *redis)
{
    receive_waiting(redis);
    publish_all(redis);
}

void redis_close(struct redis *redis)
{
    if (!redis)
        return;
    redis->closing = true;
    struct link *links[] = { &redis->out, &redis->in };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        (void)event_del(&links[i]->again);
        (void)event_del(&links[i]->unanswered);
        if (links[i]->context)
            redisAsyncFree(links[i]->context);
    }
    (void)event_del(&redis->more);
    engine_publish_note(redis->options.engine);
    while (!list_empty(&redis->waiting))
        free(container_of(list_pop_front(&redis->waiting), struct waiting, link));
    free(redis->password);
    free(redis);
}

#else

int redis_open(const struct redis_options *options, struct redis **ret_redis, struct edda_error *error)
{
    (void)options, (void)ret_redis;
    return edda_fail_with(error, EDDA_EUNSUPPORTED, "this build cannot talk to Redis: it was configured with -Dredis=disabled");
}

void redis_turn(struct redis *redis)
{
    (void)redis;
}

void redis_close(struct redis *redis)
{
    (void)redis;
}

#endif
