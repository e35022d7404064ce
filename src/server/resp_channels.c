/*
 * Channels: who wants what, and the one cursor that hands it out.
 *
 * What is wanted is in one table by its name: channels, patterns and streams that are waited for. Which of them a topic's records go to is remembered with the topic, until
 * something is wanted for the first time or no more; so a record costs a look-up and its subscribers, not a look at every pattern.
 *
 * A subscription gets what was appended after it: what lies before its `from` is not for it, though the cursor may still have it before itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "server/resp.h"

#define RECORDS_PER_TURN 4096
#define RUN_BYTES_MAX (UINT32_C(256) << 10) /* with the message that reaches it, a run is sent */
#define RUN_BYTES_SENT (UINT32_C(16) << 10) /* from here on it is worth a system call of its own when others follow */

/* What a topic's records go to. */
struct heard {
    struct table_link by_topic;
    const struct topic *topic;
    uint64_t generation;
    struct resp_wanted *channel; /* or NULL */
    struct resp_wanted *awaited;
    struct resp_wanted **patterns;
    size_t pattern_count, pattern_capacity;
};

static uint64_t name_hash(const struct resp_host *host, enum resp_interest kind, struct slice name)
{
    return hash64(name, store_id(host->store) + kind);
}

static uint64_t pair_hash(const struct resp_session *session, const struct resp_wanted *wanted)
{
    return hash64_mix(session->id, wanted->by_name.hash);
}

static uint64_t topic_hash(const struct topic *topic)
{
    return hash64_mix(0, (uint64_t)(uintptr_t)topic);
}

static struct resp_wanted *wanted_find(struct resp_host *host, enum resp_interest kind, struct slice name)
{
    struct table_link *link = table_find(&host->channels.wanted, name_hash(host, kind, name));
    for (; link; link = table_find_next(link)) {
        struct resp_wanted *wanted = container_of(link, struct resp_wanted, by_name);
        if (wanted->kind == kind && slice_eq(name, slice_of(wanted->name, wanted->name_len)))
            return wanted;
    }
    return NULL;
}

static struct resp_wanted *wanted_ensure(struct resp_host *host, enum resp_interest kind, struct slice name)
{
    struct resp_channels *channels = &host->channels;
    struct resp_wanted *wanted = wanted_find(host, kind, name);
    if (wanted)
        return wanted;
    wanted = calloc(1, sizeof *wanted + name.len);
    if (!wanted)
        return NULL;
    wanted->kind = kind;
    wanted->name_len = name.len;
    if (name.len)
        memcpy(wanted->name, name.data, name.len);
    list_init(&wanted->subscribers);
    if (!table_insert(&channels->wanted, &wanted->by_name, name_hash(host, kind, name))) {
        free(wanted);
        return NULL;
    }
    list_push_back(&channels->by_kind[kind], &wanted->link);
    channels->counts[kind]++;
    channels->generation++;
    return wanted;
}

static void wanted_drop(struct resp_host *host, struct resp_wanted *wanted)
{
    struct resp_channels *channels = &host->channels;
    if (wanted->count)
        return;
    table_remove(&channels->wanted, &wanted->by_name);
    list_remove(&wanted->link);
    channels->counts[wanted->kind]--;
    channels->generation++;
    free(wanted);
}

static struct resp_subscription *subscription_find(struct resp_session *session, const struct resp_wanted *wanted)
{
    struct table_link *link = table_find(&session->host->channels.subscriptions, pair_hash(session, wanted));
    for (; link; link = table_find_next(link)) {
        struct resp_subscription *subscription = container_of(link, struct resp_subscription, by_session);
        if (subscription->session == session && subscription->wanted == wanted)
            return subscription;
    }
    return NULL;
}

/* Nothing that came before this moment is of interest to anybody. */
static void listen_from_now(struct resp_host *host)
{
    struct resp_channels *channels = &host->channels;
    if (channels->listening)
        return;
    channels->listening = true;
    store_cursor_init(&channels->cursor, store_tail(host->store), NULL);
}

static void listen_no_more(struct resp_channels *channels)
{
    if (channels->subscribers[RESP_CHANNEL] || channels->subscribers[RESP_PATTERN] || channels->subscribers[RESP_AWAITED] || !channels->listening)
        return;
    channels->listening = false;
    store_cursor_deinit(&channels->cursor);
}

static size_t subscription_bytes(const struct resp_wanted *wanted)
{
    return sizeof(struct resp_subscription) + sizeof *wanted + wanted->name_len;
}

int resp_subscribe(struct resp_session *session, enum resp_interest kind, struct slice name)
{
    struct resp_host *host = session->host;
    if (session->counts[kind] >= RESP_SUBSCRIPTIONS_MAX)
        return EDDA_ELIMIT;
    struct resp_wanted *wanted = wanted_ensure(host, kind, name);
    if (!wanted)
        return EDDA_ENOMEM;
    if (subscription_find(session, wanted))
        return 0;
    struct resp_subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription || !table_insert(&host->channels.subscriptions, &subscription->by_session, pair_hash(session, wanted))) {
        free(subscription);
        wanted_drop(host, wanted);
        return EDDA_ENOMEM;
    }
    subscription->session = session;
    subscription->wanted = wanted;
    subscription->from = store_tail(host->store);
    list_push_back(&wanted->subscribers, &subscription->of_wanted);
    list_push_back(&session->subscriptions, &subscription->of_session);
    wanted->count++;
    session->counts[kind]++;
    session->subscribed_bytes += subscription_bytes(wanted);
    host->channels.subscribers[kind]++;
    session->connection.pushes = session->counts[RESP_CHANNEL] || session->counts[RESP_PATTERN];
    listen_from_now(host);
    return 1;
}

static void subscription_end(struct resp_subscription *subscription)
{
    struct resp_session *session = subscription->session;
    struct resp_wanted *wanted = subscription->wanted;
    struct resp_host *host = session->host;
    table_remove(&host->channels.subscriptions, &subscription->by_session);
    list_remove(&subscription->of_wanted);
    list_remove(&subscription->of_session);
    wanted->count--;
    session->counts[wanted->kind]--;
    session->subscribed_bytes -= subscription_bytes(wanted);
    host->channels.subscribers[wanted->kind]--;
    session->connection.pushes = session->counts[RESP_CHANNEL] || session->counts[RESP_PATTERN];
    wanted_drop(host, wanted);
    free(subscription);
    listen_no_more(&host->channels);
}

bool resp_unsubscribe(struct resp_session *session, enum resp_interest kind, struct slice name)
{
    struct resp_wanted *wanted = wanted_find(session->host, kind, name);
    struct resp_subscription *subscription = wanted ? subscription_find(session, wanted) : NULL;
    if (subscription)
        subscription_end(subscription);
    return subscription != NULL;
}

void resp_unsubscribe_all(struct resp_session *session)
{
    while (!list_empty(&session->subscriptions))
        subscription_end(container_of(session->subscriptions.next, struct resp_subscription, of_session));
}

/* --- what a topic's records go to ------------------------------------------------------------------------------ */

static bool heard_pattern(struct heard *heard, struct resp_wanted *pattern)
{
    if (heard->pattern_count == heard->pattern_capacity) {
        size_t capacity = heard->pattern_capacity ? heard->pattern_capacity * 2 : 4;
        struct resp_wanted **more = realloc(heard->patterns, capacity * sizeof(struct resp_wanted *));
        if (!more)
            return false;
        heard->patterns = more;
        heard->pattern_capacity = capacity;
    }
    heard->patterns[heard->pattern_count++] = pattern;
    return true;
}

/* NULL when out of memory. The topic's name as a channel's is left in channels->name. */
static struct heard *heard_of(struct resp_host *host, const struct topic *topic)
{
    struct resp_channels *channels = &host->channels;
    struct heard *heard = NULL;
    for (struct table_link *link = table_find(&channels->heard, topic_hash(topic)); link && !heard; link = table_find_next(link)) {
        heard = container_of(link, struct heard, by_topic);
        heard = heard->topic == topic ? heard : NULL;
    }
    if (!heard) {
        heard = calloc(1, sizeof *heard);
        if (!heard || !table_insert(&channels->heard, &heard->by_topic, topic_hash(topic))) {
            free(heard);
            return NULL;
        }
        heard->topic = topic;
    }
    if (heard->generation == channels->generation)
        return heard;
    resp_name_of_topic(slice_str(topic->name), &channels->name);
    struct slice name = buffer_slice(&channels->name);
    heard->channel = wanted_find(host, RESP_CHANNEL, name);
    heard->awaited = wanted_find(host, RESP_AWAITED, name);
    heard->pattern_count = 0;
    for (struct list *link = channels->by_kind[RESP_PATTERN].next; link != &channels->by_kind[RESP_PATTERN]; link = link->next) {
        struct resp_wanted *pattern = container_of(link, struct resp_wanted, link);
        if (resp_matches(slice_of(pattern->name, pattern->name_len), name) && !heard_pattern(heard, pattern))
            return NULL;
    }
    heard->generation = channels->generation;
    return heard;
}

size_t resp_channel_subscribers(struct resp_host *host, struct slice channel)
{
    const struct resp_wanted *wanted = wanted_find(host, RESP_CHANNEL, channel);
    return wanted ? wanted->count : 0;
}

size_t resp_subscribers(struct resp_host *host, struct slice channel)
{
    struct resp_channels *channels = &host->channels;
    size_t count = resp_channel_subscribers(host, channel);
    struct topic *topic = channels->counts[RESP_PATTERN] && resp_topic_name(channel, &channels->name, NULL) == 0
                              ? store_topic(host->store, buffer_slice(&channels->name)) : NULL;
    const struct heard *heard = topic ? heard_of(host, topic) : NULL;
    for (size_t i = 0; heard && i < heard->pattern_count; i++)
        count += heard->patterns[i]->count;
    return count;
}

/* --- handing out ------------------------------------------------------------------------------------------------ */

void resp_tell(struct resp_session *session)
{
    if (!list_linked(&session->told))
        list_push_back(&session->host->channels.told, &session->told);
}

void resp_let_go(struct resp_session *session)
{
    if (!list_linked(&session->over))
        list_push_back(&session->host->channels.over, &session->over);
}

static void let_go_slow(struct resp_session *session, const char *why)
{
    struct resp_host *host = session->host;
    host->counts.overruns++;
    server_log(host->server, "resp.slow", "%s does not take what it is subscribed to: %s, and it is closed", connection_peer(&session->connection), why);
    resp_let_go(session);
}

/* What could not be sent at once. One who takes less than comes is let go: he would cost more and more, and what he misses he can read from the topic. */
static void keep(struct resp_session *session, struct slice text)
{
    struct resp_host *host = session->host;
    struct buffer *out = &session->connection.out;
    char why[64];
    if (connection_unsent(&session->connection) + text.len > RESP_UNSENT_BYTES_MAX) {
        (void)snprintf(why, sizeof why, "%zu bytes wait", connection_unsent(&session->connection));
        let_go_slow(session, why);
        return;
    }
    bool full = server_is_full(host->server);
    buffer_append_slice(out, text);
    if (!buffer_ok(out)) {
        resp_let_go(session);
        return;
    }
    if (!full) {
        resp_tell(session);
        connection_weigh(&session->connection);
        return;
    }
    connection_stamp(&session->connection, store_durable_position(host->store));
    if (connection_push(&session->connection) < 0)
        let_go_slow(session, "memory is short");
}

/* `now`: nothing is to come for it in this turn, or enough is there. */
static void push(struct resp_session *session, struct slice text, uint64_t count, bool now)
{
    struct connection *connection = &session->connection;
    if (list_linked(&session->over) || connection->state != CONNECTION_OPEN)
        return;
    session->host->counts.messages += count;
    if (now && connection_unsent(connection) == 0) {
        int64_t n = connection_send_now(connection, text);
        if (n < 0)
            resp_let_go(session);
        else if ((size_t)n < text.len)
            keep(session, slice_from(text, (size_t)n));
        return;
    }
    keep(session, text);
}

/* --- runs ------------------------------------------------------------------------------------------------------- */

static void run_begin(struct resp_run *run, struct resp_wanted *to, const struct store_record *record)
{
    run->to = to;
    run->topic = record->topic;
    run->position = record->position;
    run->count = 0;
    run->alone = run->used[0] = run->used[1] = false;
    for (struct list *link = to->subscribers.next; link != &to->subscribers; link = link->next) {
        const struct resp_subscription *subscription = container_of(link, struct resp_subscription, of_wanted);
        run->alone |= subscription->from > record->position;
        run->used[subscription->session->version != 2] = true;
    }
}

static void run_end(struct resp_host *host, bool now)
{
    struct resp_run *run = &host->channels.run;
    if (!run->to)
        return;
    for (struct list *link = run->to->subscribers.next; link != &run->to->subscribers; link = link->next) {
        struct resp_subscription *subscription = container_of(link, struct resp_subscription, of_wanted);
        const struct buffer *text = &run->texts[subscription->session->version != 2];
        if (subscription->from > run->position)
            continue;
        /* Who may read it no more since the users were read again is let go, as who would ask now is refused. */
        if (!buffer_ok(text) || !resp_session_may(subscription->session, BROKER_READ, slice_str(run->topic->name)))
            resp_let_go(subscription->session);
        else
            push(subscription->session, buffer_slice(text), run->count, now);
    }
    run->to = NULL;
    buffer_clear(&run->texts[0]);
    buffer_clear(&run->texts[1]);
}

static void run_put(struct resp_run *run, int version, struct slice channel, struct slice value)
{
    const struct resp_wanted *to = run->to;
    struct resp_writer out = { &run->texts[version != 2], version };
    bool pattern = to->kind == RESP_PATTERN;
    if (!run->used[version != 2])
        return;
    resp_push(out, pattern ? 4 : 3);
    resp_bulk_str(out, pattern ? "pmessage" : "message");
    if (pattern)
        resp_bulk(out, slice_of(to->name, to->name_len));
    resp_bulk(out, channel);
    resp_bulk(out, value);
}

static void hand_out(struct resp_host *host, struct resp_wanted *to, struct slice channel, const struct store_record *record)
{
    struct resp_run *run = &host->channels.run;
    if (run->to && (run->to != to || run->topic != record->topic))
        run_end(host, run->texts[0].len + run->texts[1].len >= RUN_BYTES_SENT);
    if (!run->to)
        run_begin(run, to, record);
    run_put(run, 2, channel, record->record.value);
    run_put(run, 3, channel, record->record.value);
    run->count++;
    bool enough = run->texts[0].len + run->texts[1].len >= RUN_BYTES_MAX;
    if (run->alone || enough)
        run_end(host, enough);
}

static void wake(const struct resp_wanted *awaited, const struct store_record *record)
{
    for (struct list *link = awaited->subscribers.next; link != &awaited->subscribers; link = link->next) {
        struct resp_subscription *subscription = container_of(link, struct resp_subscription, of_wanted);
        if (record->position >= subscription->from)
            resp_wait_wake(subscription->session);
    }
}

static int hand_out_record(struct resp_host *host, const struct store_record *record)
{
    struct resp_channels *channels = &host->channels;
    if (record->topic->internal)
        return 0;
    struct heard *heard = heard_of(host, record->topic);
    if (!heard)
        return EDDA_ENOMEM;
    bool keyed = record->record.key.data && channels->counts[RESP_AWAITED];
    if (!heard->channel && !heard->awaited && !heard->pattern_count && !keyed)
        return 0;
    if (heard->channel)
        hand_out(host, heard->channel, slice_of(heard->channel->name, heard->channel->name_len), record);
    if (heard->awaited)
        wake(heard->awaited, record);
    if (!heard->pattern_count && !keyed)
        return 0;
    resp_name_of_topic(slice_str(record->topic->name), &channels->name);
    struct slice channel = buffer_slice(&channels->name);
    for (size_t i = 0; i < heard->pattern_count; i++)
        hand_out(host, heard->patterns[i], channel, record);
    if (keyed) {
        buffer_append_byte(&channels->name, '/');
        buffer_append_slice(&channels->name, record->record.key);
        const struct resp_wanted *awaited = wanted_find(host, RESP_AWAITED, buffer_slice(&channels->name));
        if (awaited)
            wake(awaited, record);
    }
    return 0;
}

/* The connections that got something, and those that took too little. */
static void send_all(struct resp_host *host)
{
    struct resp_channels *channels = &host->channels;
    struct list *link;
    while ((link = list_pop_front(&channels->over)))
        connection_close(&container_of(link, struct resp_session, over)->connection);
    while ((link = list_pop_front(&channels->told))) {
        struct resp_session *session = container_of(link, struct resp_session, told);
        connection_stamp(&session->connection, store_durable_position(host->store));
        connection_flush(&session->connection);
    }
}

bool resp_channels_turn(struct resp_host *host)
{
    struct resp_channels *channels = &host->channels;
    uint64_t durable = store_durable_position(host->store);
    struct edda_error error = { 0 };
    int rc = 0;
    for (int looked = 0; channels->listening && channels->cursor.position < durable && looked < RECORDS_PER_TURN && rc >= 0; looked++) {
        struct store_record record;
        rc = store_cursor_next(host->store, &channels->cursor, &record, &error);
        if (rc <= 0)
            break;
        if (record.position >= durable) { /* it is read again when it is durable */
            store_cursor_deinit(&channels->cursor);
            store_cursor_init(&channels->cursor, record.position, NULL);
            rc = 0;
            break;
        }
        rc = hand_out_record(host, &record);
    }
    run_end(host, true);
    if (rc < 0) {
        /* Subscribers cannot be told what they have missed other than by the end of the connection. */
        server_log(host->server, "resp.failed", "what was appended cannot be handed to subscribers, who are closed: %s",
                   error.message[0] ? error.message : edda_code_info(rc)->sentence);
        for (struct list *link = host->sessions.next; link != &host->sessions; link = link->next) {
            struct resp_session *session = container_of(link, struct resp_session, link);
            if (!list_empty(&session->subscriptions))
                resp_let_go(session);
        }
        store_cursor_deinit(&channels->cursor);
        store_cursor_init(&channels->cursor, durable, NULL);
    }
    send_all(host);
    return channels->listening && channels->cursor.position < durable && rc >= 0;
}

void resp_channels_init(struct resp_host *host)
{
    struct resp_channels *channels = &host->channels;
    channels->generation = 1;
    list_init(&channels->told);
    list_init(&channels->over);
    for (int i = 0; i < RESP_INTERESTS; i++)
        list_init(&channels->by_kind[i]);
    table_init(&channels->wanted);
    table_init(&channels->subscriptions);
    table_init(&channels->heard);
}

void resp_channels_deinit(struct resp_host *host)
{
    struct resp_channels *channels = &host->channels;
    ASSERT(list_empty(&host->sessions));
    struct table_link *next = table_each(&channels->heard, NULL);
    while (next) {
        struct heard *heard = container_of(next, struct heard, by_topic);
        next = table_each(&channels->heard, next);
        free(heard->patterns);
        free(heard);
    }
    table_deinit(&channels->wanted);
    table_deinit(&channels->subscriptions);
    table_deinit(&channels->heard);
    buffer_deinit(&channels->run.texts[0]);
    buffer_deinit(&channels->run.texts[1]);
    buffer_deinit(&channels->name);
}
