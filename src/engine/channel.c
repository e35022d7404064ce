/*
 * Channels: messages out to another broker and in from it. This is the half that knows the log; the other, which talks to the broker, asks here what to publish and
 * says what it has published (outside/redis.c).
 *
 * Out: a cursor of its own walks the log behind what is durable. How far the broker has come it says itself when it is connected; what is noted in TOPIC_CHANNELS is for one that has
 * forgotten. In: a message is one record, with an id of its own, handled like any from outside.
 */
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define NOTE_AFTER_MS 1000
#define CHANNEL_NAME_MAX 512
#define KEY_PUBLISHED "published"
#define LOOK_AT_ONCE 4096

struct channels {
    struct journal_cursor *cursor;
    struct arena arena;
    struct buffer payload;
    uint64_t next;         /* everything before it has been looked at */
    uint64_t published;    /* + 1; the broker has everything before it */
    uint64_t noted;
    int64_t noted_ms;
    struct engine_channels_info info;
};

static const struct edda_channel *channel_of(const struct engine *engine, enum edda_direction direction, struct slice name)
{
    for (const struct edda_channel *channel = engine->app->channels; channel && channel->name; channel++)
        if (channel->direction == direction && slice_eq_str(name, channel->name))
            return channel;
    return NULL;
}

static int check(struct engine *engine, const struct edda_channel *channel, struct edda_error *error)
{
    size_t len = strlen(channel->name);
    struct message_type *type;
    if (len == 0 || len > CHANNEL_NAME_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "a channel's name has 1 to %d bytes", CHANNEL_NAME_MAX);
    if (channel->direction != EDDA_CHANNEL_IN && channel->direction != EDDA_CHANNEL_OUT)
        return edda_fail_with(error, EDDA_EINVAL, "channel %s goes neither in nor out", channel->name);
    if (!channel->type || (channel->type->kind != EDDA_TYPE_EVENT && channel->type->kind != EDDA_TYPE_COMMAND))
        return edda_fail_with(error, EDDA_EINVAL, "channel %s is of no event or command", channel->name);
    if (channel_of(engine, channel->direction, slice_str(channel->name)) != channel)
        return edda_fail_with(error, EDDA_EINVAL, "channel %s is there twice", channel->name);
    if (channel->direction == EDDA_CHANNEL_IN && channel_of(engine, EDDA_CHANNEL_OUT, slice_str(channel->name)))
        return edda_fail_with(error, EDDA_EINVAL, "channel %s goes in and out: what is published there would come back", channel->name);
    for (const struct edda_channel *other = engine->app->channels; other != channel; other++)
        if (other->direction == EDDA_CHANNEL_OUT && other->direction == channel->direction && other->type == channel->type)
            return edda_fail_with(error, EDDA_EINVAL, "%s goes out on two channels, %s and %s", channel->type->name, other->name, channel->name);
    return registry_type_ensure(engine, channel->type, &type, error);
}

static uint64_t decimal(struct slice text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    return value;
}

int channels_open(struct engine *engine, struct edda_error *error)
{
    if (!engine->app->channels || !engine->app->channels->name)
        return 0;
    for (const struct edda_channel *channel = engine->app->channels; channel->name; channel++) {
        int rc = check(engine, channel, error);
        if (rc < 0)
            return rc;
    }
    struct channels *channels = calloc(1, sizeof *channels);
    if (!channels)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for channels");
    engine->channels = channels;
    arena_init(&channels->arena, 0, 0);
    buffer_init(&channels->payload, 0);
    struct journal_record record;
    int rc = journal_stream_last(engine->journal, engine->channel_table, SLICE(KEY_PUBLISHED), &record);
    if (rc < 0 && rc != EDDA_ENOTFOUND)
        return edda_fail_with(error, rc, "what was published last cannot be read");
    channels->noted = rc == 0 ? decimal(record.record.value) + 1 : 0;
    channels->next = channels->published = channels->noted;
    return 0;
}

static void cursor_drop(struct engine *engine)
{
    journal_cursor_close(engine->journal, engine->channels->cursor);
    engine->channels->cursor = NULL;
}

void channels_close(struct engine *engine)
{
    struct channels *channels = engine->channels;
    if (!channels)
        return;
    cursor_drop(engine);
    arena_deinit(&channels->arena);
    buffer_deinit(&channels->payload);
    free(channels);
    engine->channels = NULL;
}

/* --- out ---------------------------------------------------------------------------------------------------- */

void engine_publish_from(struct engine *engine, bool known, uint64_t position)
{
    struct channels *channels = engine->channels;
    uint64_t tail = journal_tail(engine->journal);
    if (known && position >= tail) {
        engine_log(engine, "channel.behind", "the broker has published up to position %llu, and the log ends before %llu: it goes on as if it had published nothing",
                   (unsigned long long)position, (unsigned long long)tail);
        known = false;
    }
    uint64_t has = known ? position + 1 : 0;
    if (has > channels->published)
        channels->published = has;
    cursor_drop(engine);
    channels->next = channels->published;
}

/* Puts the message's fields as they are declared, without what the topic's look adds. */
static int make_payload(struct engine *engine, const struct message_type *type, uint32_t version, const struct journal_record *record)
{
    struct channels *channels = engine->channels;
    arena_reset(&channels->arena);
    void *value = arena_alloc(&channels->arena, type->type->size);
    if (!value)
        return EDDA_ENOMEM;
    struct edda_error error = { 0 };
    int rc = message_decode(type->type, version, record->record.value, &channels->arena, value, &error);
    if (rc == EDDA_EUNSUPPORTED)
        engine_log(engine, "channel.malformed", "a message at position %llu is not published: %s", (unsigned long long)record->position, error.message);
    if (rc < 0)
        return 0;
    buffer_clear(&channels->payload);
    json_encode(type->type, value, &channels->payload);
    return buffer_ok(&channels->payload) ? 1 : EDDA_ENOMEM;
}

/* 1 when the record is to be published. */
static int look_at(struct engine *engine, const struct journal_record *record, struct engine_publication *ret_publication)
{
    const struct category *category = record->topic->user;
    if (!category || category->fold || !record->record.value.data)
        return 0;
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    const struct message_type *type = registry_type(category, registry_type_name(category, record, &event));
    for (const struct edda_channel *channel = engine->app->channels; type && channel->name; channel++) {
        if (channel->direction != EDDA_CHANNEL_OUT || channel->type != type->type)
            continue;
        int rc = make_payload(engine, type, event.data_version, record);
        *ret_publication = (struct engine_publication){ record->position, channel->name, buffer_slice(&engine->channels->payload) };
        return rc;
    }
    return 0;
}

int engine_publish_next(struct engine *engine, struct engine_publication *ret_publication, struct edda_error *error)
{
    struct channels *channels = engine->channels;
    uint64_t durable = journal_durable(engine->journal);
    if (!channels->cursor) {
        int rc = channels->next < durable ? journal_cursor_open(engine->journal, channels->next, &channels->cursor) : 0;
        if (rc < 0)
            return edda_fail_with(error, rc, "the log cannot be read from position %llu", (unsigned long long)channels->next);
    }
    for (int looked = 0; channels->next < durable && looked < LOOK_AT_ONCE; looked++) {
        struct journal_record record;
        int rc = journal_cursor_next(engine->journal, channels->cursor, &record, error);
        if (rc <= 0)
            return rc;
        if (record.position >= durable) {
            cursor_drop(engine); /* it is read again when it is durable */
            channels->next = durable;
            return 0;
        }
        channels->next = record.position + 1;
        rc = look_at(engine, &record, ret_publication);
        if (rc != 0)
            return rc < 0 ? edda_fail_with(error, rc, "out of memory for what is to be published") : 1;
    }
    return channels->next < durable ? ENGINE_PUBLISH_MORE : 0;
}

static void note(struct engine *engine)
{
    struct channels *channels = engine->channels;
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)(channels->published - 1));
    const struct journal_message message = {
        .topic = engine->channel_table, .key = SLICE(KEY_PUBLISHED), .value = slice_of(text, (size_t)len)
    };
    channels->noted_ms = journal_time_ms(engine->journal);
    /* When there is no room for it, it is noted later: it matters only to a broker that has forgotten. */
    if (commit_records(engine, &message, 1, NULL) == 0)
        channels->noted = channels->published;
}

void engine_publish_note(struct engine *engine)
{
    if (engine->channels->published > engine->channels->noted)
        note(engine);
}

void engine_published(struct engine *engine, uint64_t position)
{
    struct channels *channels = engine->channels;
    if (position < channels->published)
        return;
    channels->published = position + 1;
    channels->info.published++;
    if (journal_time_ms(engine->journal) - channels->noted_ms >= NOTE_AFTER_MS)
        engine_publish_note(engine);
}

/* --- in ----------------------------------------------------------------------------------------------------- */

static int record_received(struct engine *engine, const struct edda_channel *channel, const void *value, struct edda_error *error)
{
    struct channels *channels = engine->channels;
    struct message_type *type = registry_type_of(engine, channel->type);
    struct slice key;
    if (!json_field_text(channel->type, value, channel->type->key, &channels->arena, &key) || key.len == 0)
        return edda_fail_field(error, EDDA_EINVAL, channel->type->key, "must not be empty");
    if (key.len > ENGINE_KEY_MAX)
        return edda_fail_field(error, EDDA_EINVAL, channel->type->key, "must not be longer than %d bytes", ENGINE_KEY_MAX);
    buffer_clear(&channels->payload);
    step_encode(channel->type, type->look, value, journal_time_ms(engine->journal), &channels->payload);
    struct journal_message message = { .topic = type->category->topic, .key = key, .value = buffer_slice(&channels->payload) };
    message.event.id = call_id_new(engine, &channels->arena);
    message.event.source = slice_str(arena_printf(&channels->arena, "redis/%s", channel->name));
    message.event.type = slice_str(channel->type->name);
    message.event.data_version = type_version(channel->type);
    if (channel->type->correlation &&
        !json_field_text(channel->type, value, channel->type->correlation, &channels->arena, &message.event.correlation))
        message.event.correlation = slice_of(NULL, 0);
    message.headers = buffer_slice(&type->headers);
    message.header_count = type->header_count;
    if (!buffer_ok(&channels->payload) || !message.event.id.data || !message.event.source.data)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a message");
    return commit_records(engine, &message, 1, error);
}

int engine_receive(struct engine *engine, struct slice name, struct slice payload, struct edda_error *error)
{
    struct channels *channels = engine->channels;
    const struct edda_channel *channel = channel_of(engine, EDDA_CHANNEL_IN, name);
    struct edda_error own = { 0 };
    if (!channel)
        return edda_fail_with(error, EDDA_ENOTFOUND, "no channel %.*s comes in", (int)name.len, (const char *)name.data);
    arena_reset(&channels->arena);
    void *value = arena_alloc(&channels->arena, channel->type->size);
    int rc = value ? json_decode(channel->type, payload, JSON_REQUEST, &channels->arena, value, &own) : EDDA_ENOMEM;
    if (rc >= 0)
        rc = record_received(engine, channel, value, &own);
    if (rc >= 0) {
        channels->info.received++;
        return 0;
    }
    if (error)
        *error = own;
    if (rc == EDDA_EBUSY || rc == EDDA_EFULL || engine->broken)
        return rc;
    channels->info.malformed++;
    engine_log(engine, "channel.malformed", "a message on channel %s is passed over: %s%s%s", channel->name, own.field, own.field[0] ? ": " : "",
               own.message[0] ? own.message : edda_code_info(rc)->sentence);
    return rc;
}

void engine_channels_connected(struct engine *engine, enum edda_direction direction, bool connected)
{
    struct engine_channels_info *info = &engine->channels->info;
    *(direction == EDDA_CHANNEL_IN ? &info->connected_in : &info->connected_out) = connected;
    info->connects += connected;
}

bool engine_channels(const struct engine *engine, struct engine_channels_info *ret_info)
{
    const struct channels *channels = engine->channels;
    if (!channels)
        return false;
    uint64_t tail = journal_tail(engine->journal);
    *ret_info = channels->info;
    ret_info->lag = tail > channels->next ? tail - channels->next : 0;
    return true;
}
