/* streams: the routes of streams and of everything, and what all routes of the log share. */
#include "server/events.h"
#include "server/handlers.h"
#include "server/rows.h"

struct store *events_store(struct edda_request *request)
{
    struct store *store = server_store(request->server);
    if (!store)
        (void)edda_fail_with(&request->error, EDDA_EUNSUPPORTED, "the log of this process is not here: ask the broker that keeps it");
    return store;
}

struct slice events_parameter(const struct edda_request *request, const char *name)
{
    struct edda_text text = edda_parameter(request, name);
    return slice_of(text.data, text.len);
}

bool events_topic_is_internal(struct slice name)
{
    return slice_has_prefix(name, SLICE("__")) || slice_has_prefix(name, SLICE("_edda."));
}

int events_number(struct edda_request *request, const char *name, int64_t least, int64_t most, int64_t *ret_number)
{
    struct slice text;
    if (!http_query_find(request->head.query, name, &request->arena, &text))
        return 0;
    int64_t number = 0;
    bool good = text.len > 0 && text.len <= 18;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        number = number * 10 + (text.data[i] - '0');
    }
    if (!good || number < least || number > most)
        return edda_fail_field(&request->error, EDDA_EINVAL, name, "%s must be a whole number from %lld to %lld", name, (long long)least, (long long)most);
    *ret_number = number;
    return 1;
}

int events_flag(struct edda_request *request, const char *name, bool *ret_flag)
{
    struct slice text;
    if (!http_query_find(request->head.query, name, &request->arena, &text))
        return 0;
    *ret_flag = slice_eq_str(text, "true");
    return *ret_flag || slice_eq_str(text, "false") ? 0 : edda_fail_field(&request->error, EDDA_EINVAL, name, "%s must be true or false", name);
}

static int types_read(struct edda_request *request, struct selection *selection)
{
    struct slice list;
    if (!http_query_find(request->head.query, "type", &request->arena, &list))
        return 0;
    while (list.len) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        struct slice type = slice_of(list.data, comma ? (size_t)(comma - list.data) : list.len);
        list = slice_from(list, type.len + 1);
        if (selection->type_count == EVENTS_TYPES_MAX)
            return edda_fail_field(&request->error, EDDA_ELIMIT, "type", "at most %d types can be asked for at once", EVENTS_TYPES_MAX);
        selection->types[selection->type_count++] = type;
    }
    return selection->type_count ? 0 : edda_fail_field(&request->error, EDDA_EINVAL, "type", "type is empty");
}

int events_select(struct edda_request *request, struct selection *selection)
{
    struct slice text;
    selection->partition = -1;
    int rc = types_read(request, selection);
    if (rc == 0 && !selection->topic.data && http_query_find(request->head.query, "category", &request->arena, &text)) {
        selection->topic = text;
        rc = store_topic_name_check(text, &request->error);
    }
    if (rc == 0 && selection->topic.data && !selection->key.data)
        rc = events_number(request, "partition", 0, STORE_PARTITIONS_MAX - 1, &selection->partition);
    return rc < 0 ? rc : events_flag(request, "internal", &selection->internal);
}

bool selection_takes(const struct selection *selection, const struct store_record *record)
{
    if (selection->partition >= 0 && record->partition != (uint32_t)selection->partition)
        return false;
    if (!selection->topic.data && record->topic->internal && !selection->internal)
        return false;
    if (selection->type_count == 0)
        return true;
    const struct event_out out = event_out_of(record, -1);
    struct slice type = event_type_of(&out);
    for (uint32_t i = 0; i < selection->type_count; i++)
        if (slice_eq(selection->types[i], type))
            return true;
    return false;
}

struct event_out event_out_of(const struct store_record *record, int64_t version)
{
    return (struct event_out){ .record = &record->record, .topic = slice_str(record->topic->name), .partition = record->partition, .version = version,
                               .position = record->position };
}

void stream_path_put(struct edda_request *request, struct slice topic, struct slice key, struct buffer *out)
{
    buffer_append_str(out, strncmp(request->route->row.route.path, "/edda/", 6) == 0 ? "/edda/streams/" : "/streams/");
    link_put_encoded(out, topic);
    buffer_append_byte(out, '/');
    link_put_encoded(out, key);
}

/* --- routes ----------------------------------------------------------------------------------------------------- */

/* The stream that the path names. EDDA_EINVAL when none can have this name. */
static int stream_of(struct edda_request *request, struct slice *ret_topic, struct slice *ret_key)
{
    *ret_topic = events_parameter(request, "category");
    *ret_key = events_parameter(request, "key");
    return store_topic_name_check(*ret_topic, &request->error);
}

/* Producers of Kafka's protocol may have given longer ones: such a stream is read only. */
static int key_check(struct edda_request *request, struct slice key)
{
    if (key.len <= STORE_KEY_MAX)
        return 0;
    return edda_fail_field(&request->error, EDDA_EINVAL, "key", "a key has at most %d bytes; a stream whose key is longer can only be read", STORE_KEY_MAX);
}

int stream_append(struct edda_request *request, const void *body, void *user)
{
    struct slice topic, key;
    (void)body, (void)user;
    int rc = stream_of(request, &topic, &key);
    if (rc == 0)
        rc = key_check(request, key);
    return rc < 0 ? rc : events_append(request, topic, key);
}

/* A page, or a subscription. */
static int give(struct edda_request *request, struct selection *selection)
{
    if (!events_store(request))
        return EDDA_EUNSUPPORTED;
    int rc = events_select(request, selection);
    if (rc < 0)
        return rc;
    if (request_accepts(request, "text/event-stream") && !slice_eq_str(request->head.method, "HEAD"))
        return events_subscribe(request, selection);
    return events_page(request, selection);
}

int stream_read(struct edda_request *request, const void *body, void *user)
{
    struct selection selection = { .partition = -1 };
    (void)body, (void)user;
    int rc = stream_of(request, &selection.topic, &selection.key);
    return rc < 0 ? rc : give(request, &selection);
}

int topic_read(struct edda_request *request, const void *body, void *user)
{
    struct selection selection = { .topic = events_parameter(request, "topic"), .partition = -1 };
    (void)body, (void)user;
    int rc = store_topic_name_check(selection.topic, &request->error);
    return rc < 0 ? rc : give(request, &selection);
}

int everything_read(struct edda_request *request, const void *body, void *user)
{
    struct selection selection = { .partition = -1 };
    (void)body, (void)user;
    return give(request, &selection);
}

int stream_event_read(struct edda_request *request, const void *body, void *user)
{
    struct slice topic, key, text = events_parameter(request, "version");
    int64_t version = 0;
    (void)body, (void)user;
    int rc = stream_of(request, &topic, &key);
    for (size_t i = 0; rc == 0 && i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || text.len > 18)
            return edda_fail_field(&request->error, EDDA_EINVAL, "version", "version must be a whole number, is \"%.*s\"",
                                   (int)(text.len < 64 ? text.len : 64), (const char *)text.data);
        version = version * 10 + (text.data[i] - '0');
    }
    return rc < 0 ? rc : events_one(request, topic, key, version);
}

/* A stream is changed at its version, or at any. The store's own tables are not. */
static int change_check(struct edda_request *request, struct store **ret_store, struct slice *ret_topic, struct slice *ret_key, int64_t *ret_expected)
{
    int rc = stream_of(request, ret_topic, ret_key);
    if (rc == 0)
        rc = key_check(request, *ret_key);
    if (rc == 0)
        rc = request_expected(request, ret_expected);
    if (rc < 0)
        return rc;
    if (events_topic_is_internal(*ret_topic))
        return edda_fail_field(&request->error, EDDA_EFORBIDDEN, "category", "names that begin with __ or _edda. are internal");
    *ret_store = events_store(request);
    return *ret_store ? 0 : EDDA_EUNSUPPORTED;
}

int stream_delete(struct edda_request *request, const void *body, void *user)
{
    struct store *store;
    struct slice topic, key;
    int64_t expected;
    (void)body, (void)user;
    int rc = change_check(request, &store, &topic, &key, &expected);
    return rc < 0 ? rc : store_stream_delete(store, topic, key, expected, &request->error);
}

int stream_truncate(struct edda_request *request, const void *body, void *user)
{
    const struct StreamChange *change = body;
    struct store *store;
    struct stream_info info;
    struct slice topic, key;
    int64_t expected;
    (void)user;
    int rc = change_check(request, &store, &topic, &key, &expected);
    if (rc < 0)
        return rc;
    if (expected >= 0 && store_stream_info(store, topic, key, &info) == 0 && info.next_version != expected + 1)
        return edda_fail_with(&request->error, EDDA_EVERSION, "the stream is at version %lld, expected version %lld", (long long)info.next_version - 1,
                              (long long)expected);
    return store_stream_truncate(store, topic, key, change->truncateBefore, &request->error);
}
