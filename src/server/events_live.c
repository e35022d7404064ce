/*
 * events: subscriptions, as Server-Sent Events (HTML 9.2). A subscriber gets what is there and then what comes, without gap or repetition, and only what is durable.
 *
 * All subscribers that have caught up stand at one place, `position`, and one cursor goes on from there for all of them: a record is looked at once, written once for all who get it
 * in the same words, and costs nothing to those who do not. The others are behind: each reads the log on its own, a bit in each turn, until it has reached that place. A client that
 * does not take what it is sent falls behind and is left alone until it has taken most of it; so what is kept for it is bounded, and what it has missed is in the log.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/table.h"
#include "server/events.h"

#define HEARTBEAT_NS (INT64_C(15) * 1000000000)
#define BEHIND_RECORDS 256                    /* read for one subscriber at a time */
#define BEHIND_TURN_RECORDS 4096              /* for all of them in one turn */
#define LIVE_TURN_RECORDS 16384

/* Those who want a stream, a topic, or everything. */
struct feed {
    struct table_link by_name;
    struct list live;       /* subscribers that have caught up */
    size_t subscribers;     /* those behind too */
    int64_t next_version;   /* of its stream, at the live position; while there are live ones */
    bool keyed;
    struct slice topic, key;
    uint8_t names[];
};

struct subscriber {
    struct hold hold;
    struct live *service;
    struct edda_request *request;
    struct feed *feed;
    struct list link;       /* of its feed, or of those behind */
    struct list all;        /* of the service: the one to whom nothing was sent for the longest time first */
    struct list sent;       /* of the service: it has something to be flushed */
    struct selection selection;
    int64_t from;           /* version or position: nothing before it is given */
    int64_t next;           /* while behind: the one to be looked at next */
    bool paused;            /* it waits for its client, on no list */
    int64_t sent_ns;        /* when something was sent last */
    uint8_t names[];
};

struct live {
    struct server *server;
    struct store *store;
    struct table feeds;
    struct list behind, all, sent;
    uint64_t position;      /* everything before it has been handed out to those that are live */
    struct store_cursor cursor;
    bool walking;           /* the cursor is in use */
    int64_t now_ns;         /* boot clock, of this turn */
    uint64_t reloads;       /* of users, that those who are there have outlasted */
    struct buffer by_version, by_position; /* the record that is handed out, in words */
    struct live_counts counts;
};

static struct connection *connection_of(const struct subscriber *subscriber)
{
    return &subscriber->request->session->connection;
}

/* --- feeds ------------------------------------------------------------------------------------------------------ */

static uint64_t feed_hash(struct slice topic, struct slice key, bool keyed)
{
    return hash128(topic, 1).lo ^ (keyed ? hash128(key, 2).lo : 0);
}

static struct feed *feed_find(struct live *live, struct slice topic, struct slice key, bool keyed)
{
    uint64_t hash = feed_hash(topic, key, keyed);
    for (struct table_link *link = table_find(&live->feeds, hash); link; link = table_find_next(link)) {
        struct feed *feed = container_of(link, struct feed, by_name);
        if (feed->keyed == keyed && slice_eq(feed->topic, topic) && slice_eq(feed->key, key))
            return feed;
    }
    return NULL;
}

static struct feed *feed_ref(struct live *live, const struct selection *selection)
{
    bool keyed = selection->key.data != NULL;
    struct slice topic = selection->topic, key = selection->key;
    struct feed *feed = feed_find(live, topic, key, keyed);
    if (!feed) {
        feed = calloc(1, sizeof *feed + topic.len + key.len);
        if (!feed)
            return NULL;
        if (topic.len)
            memcpy(feed->names, topic.data, topic.len);
        if (key.len)
            memcpy(feed->names + topic.len, key.data, key.len);
        list_init(&feed->live);
        feed->keyed = keyed;
        feed->topic = slice_of(feed->names, topic.len);
        feed->key = slice_of(feed->names + topic.len, key.len);
        if (!table_insert(&live->feeds, &feed->by_name, feed_hash(topic, key, keyed))) {
            free(feed);
            return NULL;
        }
    }
    feed->subscribers++;
    return feed;
}

static void feed_unref(struct live *live, struct feed *feed)
{
    if (--feed->subscribers)
        return;
    table_remove(&live->feeds, &feed->by_name);
    free(feed);
}

/* --- what is sent ----------------------------------------------------------------------------------------------- */

/* The fields of an event. Its type is left out where it would be more than one line. */
static void message_put(const struct store_record *record, int64_t version, struct buffer *out)
{
    const struct event_out event = event_out_of(record, version);
    buffer_printf(out, "id: %lld\nevent: ", version >= 0 ? (long long)version : (long long)record->position);
    buffer_append_slice(out, event_type_of(&event));
    buffer_append_str(out, "\ndata: ");
    event_put_structured(&event, out);
    buffer_append_str(out, "\n\n");
}

static void mark_sent(struct subscriber *subscriber)
{
    subscriber->sent_ns = subscriber->service->now_ns;
    list_remove(&subscriber->all);
    list_push_back(&subscriber->service->all, &subscriber->all);
    if (!list_linked(&subscriber->sent))
        list_push_back(&subscriber->service->sent, &subscriber->sent);
}

/* Whether its client has taken enough to be sent more; else it is paused until it has. */
static bool has_room(struct subscriber *subscriber)
{
    if (connection_room(connection_of(subscriber)))
        return true;
    list_remove(&subscriber->link);
    subscriber->paused = true;
    subscriber->service->counts.paused++;
    return false;
}

/* --- those behind --------------------------------------------------------------------------------------------------- */

struct catching {
    struct subscriber *subscriber;
    bool reached;           /* a record that is to be handed out live */
};

static int catch_visit(void *user, const struct store_record *record, int64_t version)
{
    struct catching *catching = user;
    struct subscriber *subscriber = catching->subscriber;
    bool keyed = subscriber->feed->keyed;
    if (record->position >= subscriber->service->position) {
        catching->reached = true;
        return 1;
    }
    if (!has_room(subscriber))
        return 1;
    subscriber->next = keyed ? version + 1 : (int64_t)record->position + 1;
    if (!selection_takes(&subscriber->selection, record) || (keyed ? version : (int64_t)record->position) < subscriber->from)
        return 0;
    message_put(record, keyed ? version : -1, &connection_of(subscriber)->out);
    subscriber->service->counts.events++;
    mark_sent(subscriber);
    return 0;
}

/* Reads on; the number of records, or a code. */
static int64_t catch_stream(struct catching *catching, struct store *store)
{
    struct subscriber *subscriber = catching->subscriber;
    return store_stream_read(store, subscriber->selection.topic, subscriber->selection.key, subscriber->next, false, BEHIND_RECORDS, catch_visit, catching);
}

/* What is sequenced and not handed out yet, from the newest back. */
struct ahead {
    uint64_t position;
    int64_t version;
};

static int ahead_visit(void *user, const struct store_record *record, int64_t version)
{
    struct ahead *ahead = user;
    if (record->position < ahead->position)
        return 1;
    ahead->version = version;
    return 0;
}

/* The version that the next event of the feed's stream to be handed out has. */
static int64_t version_at(struct live *live, const struct feed *feed)
{
    struct stream_info info;
    int rc = store_stream_info(live->store, feed->topic, feed->key, &info);
    if (rc < 0)
        return rc == EDDA_ENOTFOUND ? 0 : rc;
    struct ahead ahead = { .position = live->position, .version = info.next_version };
    int64_t n = store_stream_read(live->store, feed->topic, feed->key, -1, true, UINT64_MAX, ahead_visit, &ahead);
    return n < 0 ? n : ahead.version;
}

static int64_t catch_by_position(struct catching *catching, struct store *store)
{
    struct subscriber *subscriber = catching->subscriber;
    struct topic *topic = subscriber->selection.topic.data ? store_topic(store, subscriber->selection.topic) : NULL;
    struct edda_error error;
    struct store_cursor cursor;
    struct store_record record;
    int64_t n = 0;
    int rc = 0;
    if (subscriber->selection.topic.data && !topic)
        return 0;
    store_cursor_init(&cursor, (uint64_t)subscriber->next, topic);
    while (n < BEHIND_RECORDS && (rc = store_cursor_next(store, &cursor, &record, &error)) == 1) {
        n++;
        if (catch_visit(catching, &record, -1) != 0)
            break;
    }
    store_cursor_deinit(&cursor);
    return rc < 0 ? rc : n;
}

static void subscriber_end(struct subscriber *subscriber);

static int64_t join(struct live *live, struct subscriber *subscriber)
{
    struct feed *feed = subscriber->feed;
    if (feed->keyed && list_empty(&feed->live)) {
        int64_t version = version_at(live, feed);
        if (version < 0)
            return version;
        feed->next_version = version;
    }
    list_remove(&subscriber->link);
    list_push_back(&feed->live, &subscriber->link);
    return 0;
}

/* Reads a bit for one that is behind, which then is so no more, or paused, or is still. Returns the number of records; -1: it has ended, since the log cannot be read. */
static int64_t catch_up(struct live *live, struct subscriber *subscriber)
{
    struct catching catching = { .subscriber = subscriber };
    int64_t n = subscriber->feed->keyed ? catch_stream(&catching, live->store) : catch_by_position(&catching, live->store);
    int64_t rc = n >= 0 && !subscriber->paused && (catching.reached || n < BEHIND_RECORDS) ? join(live, subscriber) : n;
    if (rc < 0) {
        server_log(live->server, "http.subscription", "a subscription has ended, because the log could not be read: %s", store_read_error(live->store)->message);
        subscriber_end(subscriber);
        return -1;
    }
    return n;
}

/* True when there is more to be read. */
static bool behind_turn(struct live *live)
{
    int64_t left = BEHIND_TURN_RECORDS;
    struct list later;
    list_init(&later);
    while (left > 0 && !list_empty(&live->behind)) {
        struct subscriber *subscriber = container_of(live->behind.next, struct subscriber, link);
        int64_t n = catch_up(live, subscriber);
        left -= n > 0 ? n : 1;
        if (n >= 0 && !subscriber->paused && list_linked(&subscriber->link) && live->behind.next == &subscriber->link) {
            list_remove(&subscriber->link);
            list_push_back(&later, &subscriber->link);
        }
    }
    struct list *link;
    while ((link = list_pop_front(&later)))
        list_push_back(&live->behind, link);
    return !list_empty(&live->behind);
}

/* --- those that are live ------------------------------------------------------------------------------------------- */

static void deliver(struct live *live, struct feed *feed, const struct store_record *record)
{
    int64_t version = feed && feed->keyed ? feed->next_version++ : -1;
    struct buffer *text = version >= 0 ? &live->by_version : &live->by_position;
    int64_t place = version >= 0 ? version : (int64_t)record->position;
    struct list *link = feed ? feed->live.next : NULL;
    while (feed && link != &feed->live) {
        struct subscriber *subscriber = container_of(link, struct subscriber, link);
        link = link->next;
        if (place < subscriber->from || !selection_takes(&subscriber->selection, record))
            continue;
        subscriber->next = place;
        if (!has_room(subscriber))
            continue;
        if (text->len == 0)
            message_put(record, version, text);
        buffer_append_slice(&connection_of(subscriber)->out, buffer_slice(text));
        live->counts.events++;
        mark_sent(subscriber);
    }
}

static void hand_out(struct live *live, const struct store_record *record)
{
    struct slice topic = slice_str(record->topic->name), key = record->record.key, none = { NULL, 0 };
    buffer_clear(&live->by_version);
    buffer_clear(&live->by_position);
    if (key.data)
        deliver(live, feed_find(live, topic, key, true), record);
    deliver(live, feed_find(live, topic, none, false), record);
    deliver(live, feed_find(live, none, none, false), record);
}

/* True when there is more. */
static bool live_walk(struct live *live, uint64_t durable)
{
    struct edda_error error;
    struct store_record record;
    if (live->position == durable)
        return false;
    if (live->feeds.count == 0) {
        store_cursor_deinit(&live->cursor);
        live->walking = false;
        live->position = durable;
        return false;
    }
    if (!live->walking)
        store_cursor_init(&live->cursor, live->position, NULL);
    live->walking = true;
    for (int n = 0; n < LIVE_TURN_RECORDS; n++) {
        int rc = store_cursor_next(live->store, &live->cursor, &record, &error);
        if (rc < 0)
            server_log(live->server, "http.subscription", "what is new could not be read: %s", error.message);
        if (rc != 1 || record.position >= durable) {
            /* The cursor stands behind a record that is not durable: it is looked at again. */
            live->cursor.position = live->position = durable;
            return false;
        }
        hand_out(live, &record);
        live->position = record.position + 1;
    }
    return true;
}

/* --- turns ------------------------------------------------------------------------------------------------------------ */

static void flush_sent(struct live *live)
{
    uint64_t durable = store_durable_position(live->store);
    struct list *link;
    while ((link = list_pop_front(&live->sent))) {
        struct connection *connection = connection_of(container_of(link, struct subscriber, sent));
        connection_stamp(connection, durable);
        connection_flush(connection);
    }
}

/* A client that still has something to take sees by that that the connection lives. Returns when the next one is due. */
static int64_t heartbeat(struct live *live)
{
    while (!list_empty(&live->all)) {
        struct subscriber *subscriber = container_of(live->all.next, struct subscriber, all);
        if (subscriber->sent_ns + HEARTBEAT_NS > live->now_ns)
            return subscriber->sent_ns + HEARTBEAT_NS;
        if (connection_unsent(connection_of(subscriber)) == 0) {
            buffer_append_str(&connection_of(subscriber)->out, ":\n\n");
            live->counts.heartbeats++;
        }
        mark_sent(subscriber);
    }
    return INT64_MAX;
}

/* The users were read again: who may read no more what he is subscribed to is let go, and told why when he comes back. */
static void permit_again(struct live *live)
{
    struct list *link = live->all.next;
    live->reloads = live->server->reloads;
    while (link != &live->all) {
        struct subscriber *subscriber = container_of(link, struct subscriber, all);
        link = link->next;
        if (request_permit_route(subscriber->request) == 0)
            continue;
        server_log(live->server, "http.subscription", "a subscription has ended: %s", subscriber->request->error.message);
        struct connection *connection = connection_of(subscriber);
        subscriber_end(subscriber);
        connection_flush(connection);
    }
}

int64_t live_turn(struct live *live, int64_t now_ns)
{
    if (!live->store)
        return INT64_MAX;
    live->now_ns = now_ns;
    if (live->reloads != live->server->reloads)
        permit_again(live);
    bool more = live_walk(live, store_durable_position(live->store));
    more |= !list_empty(&live->behind) && behind_turn(live);
    int64_t next_ns = heartbeat(live);
    flush_sent(live);
    return more ? now_ns : next_ns;
}

/* --- subscribers ------------------------------------------------------------------------------------------------------- */

static void subscriber_free(struct subscriber *subscriber)
{
    struct live *live = subscriber->service;
    list_remove(&subscriber->link);
    list_remove(&subscriber->all);
    list_remove(&subscriber->sent);
    live->counts.subscribers--;
    feed_unref(live, subscriber->feed);
    free(subscriber);
}

static void subscriber_forget(struct hold *hold)
{
    subscriber_free(container_of(hold, struct subscriber, hold));
}

/* Its answer ends where it is; the client comes back with the id of what it has got last. */
static void subscriber_end(struct subscriber *subscriber)
{
    struct edda_request *request = subscriber->request;
    connection_stamp(connection_of(subscriber), store_durable_position(subscriber->service->store));
    connection_end(connection_of(subscriber));
    subscriber_free(subscriber);
    request_release(request);
}

static void subscriber_stopping(struct hold *hold)
{
    subscriber_end(container_of(hold, struct subscriber, hold));
}

static void subscriber_drained(struct hold *hold)
{
    struct subscriber *subscriber = container_of(hold, struct subscriber, hold);
    if (!subscriber->paused)
        return;
    subscriber->paused = false;
    list_push_back(&subscriber->service->behind, &subscriber->link);
}

/* Where it begins: behind Last-Event-ID, else at ?from=, a number or `now`. */
static int begin_find(struct edda_request *request, struct store *store, const struct selection *selection, int64_t *ret_from)
{
    struct slice last, text;
    struct stream_info info;
    *ret_from = 0;
    if (http_header_find(&request->head, "last-event-id", &last)) {
        int64_t id = 0;
        for (size_t i = 0; i < last.len; i++) {
            if (last.data[i] < '0' || last.data[i] > '9' || last.len > 18)
                return edda_fail_field(&request->error, EDDA_EMALFORMED, "Last-Event-ID", "Last-Event-ID must be an id that this subscription has given");
            id = id * 10 + (last.data[i] - '0');
        }
        if (last.len) {
            *ret_from = id + 1;
            return 0;
        }
    }
    if (!http_query_find(request->head.query, "from", &request->arena, &text) || !slice_eq_str(text, "now")) {
        int rc = events_number(request, "from", 0, INT64_C(999999999999999999), ret_from);
        return rc < 0 ? rc : 0;
    }
    if (!selection->key.data)
        *ret_from = (int64_t)store_tail(store);
    else if (store_stream_info(store, selection->topic, selection->key, &info) == 0)
        *ret_from = info.next_version;
    return 0;
}

static struct slice name_keep(uint8_t **at, struct slice name)
{
    uint8_t *kept = *at;
    if (!name.data)
        return name;
    if (name.len)
        memcpy(kept, name.data, name.len);
    *at += name.len;
    return slice_of(kept, name.len);
}

static struct subscriber *subscriber_new(struct live *live, struct edda_request *request, const struct selection *selection)
{
    size_t bytes = 1 + selection->topic.len + selection->key.len;
    for (uint32_t i = 0; i < selection->type_count; i++)
        bytes += selection->types[i].len;
    struct subscriber *subscriber = calloc(1, sizeof *subscriber + bytes);
    if (!subscriber)
        return NULL;
    uint8_t *at = subscriber->names;
    subscriber->selection = *selection;
    subscriber->selection.topic = name_keep(&at, selection->topic);
    subscriber->selection.key = name_keep(&at, selection->key);
    for (uint32_t i = 0; i < selection->type_count; i++)
        subscriber->selection.types[i] = name_keep(&at, selection->types[i]);
    subscriber->feed = feed_ref(live, &subscriber->selection);
    if (!subscriber->feed) {
        free(subscriber);
        return NULL;
    }
    subscriber->hold = (struct hold){ .forget = subscriber_forget, .stopping = subscriber_stopping, .drained = subscriber_drained };
    subscriber->service = live;
    subscriber->request = request;
    list_init(&subscriber->link);
    list_init(&subscriber->sent);
    list_push_back(&live->all, &subscriber->all);
    live->counts.subscribers++;
    return subscriber;
}

/* A stream may be waited for before it has an event, and so may a topic that whoever writes to it makes; who misspells one that is to be asked for is told. */
static int there_check(struct edda_request *request, struct store *store, const struct selection *selection)
{
    struct slice name = selection->topic;
    const struct topic *topic = name.data ? store_topic(store, name) : NULL;
    if (!name.data || selection->key.data)
        return 0;
    if (!topic && !server_makes_topics(request->server))
        return edda_fail_field(&request->error, EDDA_ENOTFOUND, "topic", "there is no topic %.*s", (int)name.len, (const char *)name.data);
    if (topic && selection->partition >= (int64_t)topic->partition_count)
        return edda_fail_field(&request->error, EDDA_ENOTFOUND, "partition", "topic %s has %u partitions", topic->name, topic->partition_count);
    return 0;
}

int events_subscribe(struct edda_request *request, const struct selection *selection)
{
    struct store *store = events_store(request);
    struct http_host *host = request->session->connection.host;
    struct live *live = host->live;
    int64_t from;
    int rc = there_check(request, store, selection);
    if (rc == 0)
        rc = begin_find(request, store, selection, &from);
    if (rc < 0)
        return rc;
    if (selection->partition >= 0 && from > 0)
        return edda_fail_field(&request->error, EDDA_EINVAL, "from", "the subscription of a partition begins at its beginning, or behind an id: ids are positions, not offsets");
    struct subscriber *subscriber = subscriber_new(live, request, selection);
    if (!subscriber)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for a subscription");
    live->now_ns = io_clock_boot_ns(server_io(request->server));
    subscriber->from = subscriber->next = from;
    list_push_back(&live->behind, &subscriber->link);
    struct connection *connection = connection_of(subscriber);
    connection->out_bytes_max = EVENTS_UNSENT_BYTES_MAX;
    connection->pushes = true;
    response_endless(request, "text/event-stream");
    buffer_append_str(&connection->out, ": subscribed\n\n");
    mark_sent(subscriber);
    request_hold(request, &subscriber->hold);
    return 0;
}

/* --- the service ----------------------------------------------------------------------------------------------------------- */

int live_open(struct server *server, struct live **ret_live, struct edda_error *error)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for subscriptions");
    live->server = server;
    live->store = server_store(server);
    live->position = live->store ? store_durable_position(live->store) : 0;
    table_init(&live->feeds);
    list_init(&live->behind);
    list_init(&live->all);
    list_init(&live->sent);
    *ret_live = live;
    return 0;
}

void live_close(struct live *live)
{
    if (!live)
        return;
    ASSERT(list_empty(&live->all));
    store_cursor_deinit(&live->cursor);
    table_deinit(&live->feeds);
    buffer_deinit(&live->by_version);
    buffer_deinit(&live->by_position);
    free(live);
}

void live_counts(const struct live *live, struct live_counts *ret_counts)
{
    *ret_counts = live->counts;
}
