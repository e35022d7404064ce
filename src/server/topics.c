/* topics: the routes that list, make, change and delete them. */
#include <stdio.h>

#include "broker/broker.h"
#include "server/collection.h"
#include "server/events.h"
#include "server/handlers.h"
#include "server/rows.h"
#include "store/partition.h"
#include "store/settings.h"
#include "store/uuid.h"
#include "wire/json/reader.h"

#define CHANGES_MAX TOPIC_SETTING_COUNT

/* What is set, as an object; empty: nothing. */
static struct edda_text settings_json(struct edda_request *request, const struct topic *topic)
{
    struct buffer json = BUFFER_EMPTY;
    for (int i = 0; i < TOPIC_SETTING_COUNT; i++) {
        char text[SETTING_TEXT_MAX];
        if (!topic_setting_is_set(topic, (enum topic_setting)i))
            continue;
        setting_print(&topic_setting_table[i], topic_setting_get(topic, (enum topic_setting)i), text);
        buffer_append_byte(&json, json.len ? ',' : '{');
        json_put_string(&json, slice_str(topic_setting_table[i].name));
        buffer_append_byte(&json, ':');
        json_put_string(&json, slice_str(text));
    }
    if (json.len)
        buffer_append_byte(&json, '}');
    struct slice made = arena_copy(&request->arena, buffer_slice(&json));
    buffer_deinit(&json);
    return (struct edda_text){ (const char *)made.data, made.len };
}

static void row_fill(struct edda_request *request, struct store *store, const struct topic *topic, char id[UUID_TEXT_BYTES], struct Topic *ret_row)
{
    int64_t records = 0;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        struct store_bounds bounds;
        store_partition_bounds(store, topic, i, &bounds);
        records += bounds.next - bounds.start;
    }
    uuid_print(topic->id, id);
    *ret_row = (struct Topic){ .name = { topic->name, strlen(topic->name) }, .id = { id, UUID_TEXT_BYTES }, .partitions = topic->partition_count, .records = records,
                               .internal = topic->internal, .settings = settings_json(request, topic) };
}

static struct slice topic_link(struct edda_request *request, const struct topic *topic)
{
    const struct link_source source = { .key = slice_str(topic->name) };
    return link_make(request, strncmp(request->route->row.route.path, "/edda/", 6) == 0 ? "/edda/topics/{topic}" : "/topics/{topic}", &source);
}

int topics_list(struct edda_request *request, const void *body, void *user)
{
    struct store *store = events_store(request);
    struct collection collection;
    bool internal = false;
    (void)body, (void)user;
    int rc = store ? events_flag(request, "internal", &internal) : EDDA_EUNSUPPORTED;
    if (rc < 0)
        return rc;
    if (collection_begin(&collection, request, "topics") < 0)
        return 0;
    for (struct topic *topic = store_topic_each(store, NULL); topic; topic = store_topic_each(store, topic)) {
        char id[UUID_TEXT_BYTES];
        struct Topic row;
        if ((topic->internal && !internal) || !request_may(request, BROKER_READ, slice_str(topic->name)) || !collection_wants(&collection))
            continue;
        row_fill(request, store, topic, id, &row);
        collection_row(&collection, &Topic_type, &row, topic_link(request, topic));
    }
    return collection_end(&collection, collection.seen);
}

/* --- settings ------------------------------------------------------------------------------------------------------- */

static int settings_fail(struct edda_request *request, const char *problem)
{
    return edda_fail_field(&request->error, EDDA_EINVAL, "settings", "settings %s", problem);
}

/* One member: a text, a number or a boolean sets, null sets back. */
static int change_read(struct edda_request *request, struct reader *reader, struct setting_change *ret_change)
{
    struct slice raw, name;
    bool escaped;
    (void)reader_peek(reader);
    if (!reader_string(reader, &name, &escaped) || escaped || !reader_take(reader, ':', READER_WRONG_COLON))
        return settings_fail(request, "has a member that names no setting");
    uint8_t first = reader_peek(reader);
    const uint8_t *begin = reader->at;
    *ret_change = (struct setting_change){ .name = name, .kind = SETTING_SET };
    if (first == '"') {
        if (!reader_string(reader, &raw, &escaped) || escaped)
            return settings_fail(request, "has a value that no setting has");
    } else {
        if (first == '{' || first == '[' || !reader_skip(reader))
            return settings_fail(request, "is an object of texts and numbers");
        raw = slice_of(begin, (size_t)(reader->at - begin));
        if (slice_eq_str(raw, "null"))
            ret_change->kind = SETTING_RESET;
    }
    ret_change->value = raw;
    return name.len ? 0 : settings_fail(request, "has a member without a name");
}

/* What a valid JSON text asks for; none: nothing. */
static int changes_read(struct edda_request *request, struct edda_text json, struct setting_change changes[CHANGES_MAX], size_t *ret_count)
{
    struct reader reader = reader_of(slice_of(json.data, json.len));
    size_t count = 0;
    *ret_count = 0;
    if (json.len == 0)
        return 0;
    if (reader_peek(&reader) != '{' || !reader_enter(&reader))
        return settings_fail(request, "is an object");
    bool more = reader_peek(&reader) != '}';
    while (more) {
        if (count == CHANGES_MAX)
            return settings_fail(request, "has more members than there are settings");
        int rc = change_read(request, &reader, &changes[count]);
        if (rc < 0)
            return rc;
        count++;
        more = reader_more(&reader, '}', READER_WRONG_OBJECT);
    }
    *ret_count = count;
    return 0;
}

/* --- making, changing, deleting -------------------------------------------------------------------------------------- */

static void answer(struct edda_request *request, struct store *store, const struct topic *topic, bool created)
{
    char id[UUID_TEXT_BYTES];
    struct Topic row;
    struct slice link = topic_link(request, topic);
    struct buffer *content = &request->server->content;
    row_fill(request, store, topic, id, &row);
    buffer_clear(content);
    buffer_append_byte(content, '{');
    link_put(content, json_encode_members(&Topic_type, &row, false, content), link);
    buffer_append_byte(content, '}');
    response_put(request, &(struct response){ .status = created ? 201 : 200, .content_type = "application/json", .content = buffer_slice(content),
                                              .location = created ? link : slice_of(NULL, 0), .version = -1, .gate = journal_tail(request->server->journal) });
}

int topic_create(struct edda_request *request, const void *body, void *user)
{
    const struct TopicCreation *creation = body;
    struct store *store = events_store(request);
    struct slice name = slice_of(creation->name.data, creation->name.len);
    struct setting_change changes[CHANGES_MAX];
    struct topic *topic;
    size_t count;
    (void)user;
    int rc = store ? request_permit(request, BROKER_MANAGE, name) : EDDA_EUNSUPPORTED;
    if (rc == 0)
        rc = store_topic_name_check(name, &request->error);
    if (rc == 0 && events_topic_is_internal(name))
        return edda_fail_field(&request->error, EDDA_EFORBIDDEN, "name", "names that begin with __ or _edda. are internal");
    if (rc == 0 && store_topic(store, name))
        return edda_fail_field(&request->error, EDDA_EEXISTS, "name", "there is a topic %.*s", (int)name.len, (const char *)name.data);
    if (rc == 0)
        rc = changes_read(request, creation->settings, changes, &count);
    if (rc == 0)
        rc = store_topic_settings_alter(store, NULL, changes, count, true, &request->error);
    if (rc == 0)
        rc = store_topic_ensure(store, name, creation->partitions > 0 ? (uint32_t)creation->partitions : server_limits(request->server)->partitions_default, &topic, &request->error);
    if (rc == 0 && count)
        rc = store_topic_settings_alter(store, topic, changes, count, false, &request->error);
    if (rc == 0)
        answer(request, store, topic, true);
    return rc;
}

/* The topic of the path, which is to be changed. */
static int topic_of(struct edda_request *request, struct store **ret_store, struct topic **ret_topic)
{
    struct slice name = events_parameter(request, "topic");
    *ret_store = events_store(request);
    if (!*ret_store)
        return EDDA_EUNSUPPORTED;
    if (events_topic_is_internal(name))
        return edda_fail_field(&request->error, EDDA_EFORBIDDEN, "topic", "names that begin with __ or _edda. are internal");
    *ret_topic = store_topic(*ret_store, name);
    return *ret_topic ? 0 : edda_fail_with(&request->error, EDDA_ENOTFOUND, "there is no topic %.*s", (int)name.len, (const char *)name.data);
}

int topic_alter(struct edda_request *request, const void *body, void *user)
{
    const struct TopicChange *change = body;
    struct setting_change changes[CHANGES_MAX];
    struct store *store;
    struct topic *topic;
    size_t count;
    (void)user;
    int rc = topic_of(request, &store, &topic);
    if (rc == 0)
        rc = changes_read(request, change->settings, changes, &count);
    if (rc == 0 && change->partitions != 0 && change->partitions < (int64_t)topic->partition_count)
        return edda_fail_field(&request->error, EDDA_EINVAL, "partitions", "the topic has %u partitions, and can have more only", topic->partition_count);
    if (rc == 0)
        rc = store_topic_settings_alter(store, topic, changes, count, false, &request->error);
    if (rc == 0 && change->partitions > (int64_t)topic->partition_count)
        rc = store_topic_grow(store, topic, (uint32_t)change->partitions, &request->error);
    if (rc == 0)
        answer(request, store, topic, false);
    return rc;
}

int topic_delete(struct edda_request *request, const void *body, void *user)
{
    struct store *store;
    struct topic *topic;
    (void)body, (void)user;
    int rc = topic_of(request, &store, &topic);
    return rc < 0 ? rc : store_topic_delete(store, topic, &request->error);
}

int topic_append(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return events_append(request, events_parameter(request, "topic"), slice_of(NULL, 0));
}
