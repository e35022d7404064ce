/*
 * condition: what an append is checked against before it is sequenced.
 *
 * Identities come before expected versions: the repeat of an append that succeeded finds the version moved, by itself, and
 * must get its first result.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "store/internal.h"

/* "at version 4", "new", "deleted", for messages. */
static void describe(const struct stream_info *info, char *text, size_t size)
{
    if (info->deleted)
        snprintf(text, size, "deleted");
    else if (info->next_version == 0)
        snprintf(text, size, "new");
    else
        snprintf(text, size, "at version %" PRId64, info->next_version - 1);
}

static int condition_fail(const struct store_condition *c, const struct stream_info *info, struct edda_error *error)
{
    char is[32], expected[32];
    describe(info, is, sizeof(is));
    if (c->expected == STORE_NONE)
        snprintf(expected, sizeof(expected), "new");
    else if (c->expected == STORE_EXISTS)
        snprintf(expected, sizeof(expected), "there");
    else
        snprintf(expected, sizeof(expected), "at version %" PRId64, c->expected);
    return edda_fail_with(error, EDDA_EVERSION, "stream %.*s/%.*s is %s, expected %s", (int)c->topic.len,
                          (const char *)c->topic.data, (int)(c->key.len < 128 ? c->key.len : 128),
                          (const char *)c->key.data, is, expected);
}

int conditions_check(struct store *store, const struct store_condition *conditions, size_t count, struct edda_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_condition *c = &conditions[i];
        struct stream_info info;
        if (c->expected < STORE_EXISTS)
            return edda_fail_field(error, EDDA_EINVAL, "expected", "there is no expected version %" PRId64, c->expected);
        if (c->expected == STORE_ANY)
            continue;
        int r = store_stream_info(store, c->topic, c->key, &info);
        if (r < 0)
            return edda_fail_with(error, r, "%s", store->read_error.message);
        bool there = info.next_version > 0 && !info.deleted;
        bool met = c->expected == STORE_NONE ? !there :
                   c->expected == STORE_EXISTS ? there : there && c->expected == info.next_version - 1;
        if (!met)
            return condition_fail(c, &info, error);
    }
    return 0;
}

/* Null and empty are two things. */
static bool is_equal(struct slice a, struct slice b)
{
    return !a.data == !b.data && slice_eq(a, b);
}

static bool is_same(const struct store_message *m, const struct store_record *record)
{
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    return record->topic == m->topic && is_equal(record->record.key, m->key) && is_equal(record->record.value, m->value) &&
           slice_eq(event.type, m->event.type);
}

/* 1 and the first record with the message's identity, 0 when there is none. */
static int identity_find(struct store *store, const struct store_message *m, struct store_record *ret_record,
                         struct edda_error *error)
{
    struct index_entry entry;
    if (!m->identify || m->event.id.len == 0)
        return 0;
    /* An identity is remembered as long as its record is kept; one that was removed may have come again. */
    int r = lookup_last(store, key_identity(store->seed, m->event.source, m->event.id), &entry);
    if (r < 0)
        return r == EDDA_ENOTFOUND ? 0 : edda_fail_with(error, r, "the index cannot be read");
    r = record_at(store, &entry, ret_record, error);
    return r == EDDA_ENOTFOUND ? 0 : r < 0 ? r : 1;
}

static int duplicate_fail(const struct store_message *m, const char *what, struct edda_error *error)
{
    return edda_fail_field(error, EDDA_EDUPLICATE, "id", "the id %.*s of source %.*s %s",
                           (int)(m->event.id.len < 64 ? m->event.id.len : 64), (const char *)m->event.id.data,
                           (int)(m->event.source.len < 64 ? m->event.source.len : 64),
                           (const char *)m->event.source.data, what);
}

/* What the first append of these messages returned. They took positions one after the other, and the one with ordinal
 * `known` took `position`; that the others are there too is looked at, for not all need bear an identity. */
static int repeat_result(struct store *store, const struct store_message *messages, size_t count, size_t known,
                         uint64_t position, struct store_appended *ret_appended, struct edda_error *error)
{
    const struct store_message *last = &messages[count - 1];
    struct store_record record;
    uint64_t ordinal;
    uint64_t first = position - known;
    if (position < known)
        return duplicate_fail(&messages[known], "was recorded before, by another append", error);
    for (size_t i = 0; i < count; i++) {
        int r = store_position_read(store, first + i, &record);
        if (r < 0 && r != EDDA_ENOTFOUND)
            return edda_fail_with(error, r, "%s", store->read_error.message);
        if (r < 0 || !is_same(&messages[i], &record))
            return duplicate_fail(&messages[known], "was recorded before, by another append", error);
        if (i == 0)
            ret_appended->offset = record.record.offset;
    }
    ret_appended->repeated = true;
    ret_appended->position = first;
    if (!last->key.data)
        return 0;
    struct hash128 stream = key_stream(store->seed, topic_name(last->topic), last->key);
    int r = lookup_find_position(store, stream, first + count - 1, &ordinal);
    if (r == 0)
        ret_appended->version = (int64_t)ordinal;
    return r < 0 ? edda_fail_with(error, r, "the index cannot be read") : 0;
}

/* Whether two messages of the append bear one identity. */
static int twins_check(struct store *store, const struct store_message *messages, size_t count, struct edda_error *error)
{
    struct additions seen;
    int r = 0;
    additions_init(&seen);
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct store_message *m = &messages[i];
        if (!m->identify || m->event.id.len == 0)
            continue;
        struct hash128 key = key_identity(store->seed, m->event.source, m->event.id);
        if (additions_find(&seen, key, NULL) > 0)
            r = duplicate_fail(m, "is on two messages of one append", error);
        else if (!additions_reserve(&seen, 1))
            r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for %zu messages", count);
        else
            additions_put(&seen, key, &(struct index_entry){ .position = i });
    }
    additions_deinit(&seen);
    return r;
}

int identities_check(struct store *store, const struct store_message *messages, size_t count,
                     struct store_appended *ret_appended, struct edda_error *error)
{
    size_t identified = 0, known = 0, first = 0;
    uint64_t position = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_record record;
        identified += messages[i].identify && messages[i].event.id.len > 0;
        int r = identity_find(store, &messages[i], &record, error);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (!is_same(&messages[i], &record))
            return duplicate_fail(&messages[i], "was recorded before, on another message", error);
        if (known++ == 0) {
            first = i;
            position = record.position;
        } else if (record.position != position + (i - first)) {
            return duplicate_fail(&messages[i], "was recorded before, by another append", error);
        }
    }
    if (known == 0)
        return identified > 1 ? twins_check(store, messages, count, error) : 0;
    if (known < identified)
        return duplicate_fail(&messages[first], "was recorded before, and others of the append were not", error);
    int r = repeat_result(store, messages, count, first, position, ret_appended, error);
    return r < 0 ? r : 1;
}
