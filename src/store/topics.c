/*
 * topics: topics, their partitions, and the table "_edda.topics" in which they are recorded.
 *
 * A row's key is the topic's name, its value {"id":…,"partitions":[{"first":…,"count":…}],"mixed":…}: the numbers of the
 * partitions in the log as ranges, in the order of the partitions, and whether streams may lie in other partitions than
 * their key's hash says; further what is set for it ("settings"), and what became of it when it was deleted ("deleted", "emptied", "count").
 * A topic that is deleted keeps its row, because the numbers of its partitions are never given again, and its offsets and versions go on. A row is sequenced before the first record of its topic, so whoever reads the log in order knows each
 * partition by the time it is needed. The table itself has partition number 0 and no row.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/internal.h"
#include "store/uuid.h"
#include "wire/json/json.h"

struct topic_range {
    int64_t first;
    int64_t count;
};
static const struct edda_field topic_range_fields[] = {
    EDDA_FIELD(topic_range, first, .min = 0, .max = UINT32_MAX),
    EDDA_FIELD(topic_range, count, .min = 1, .max = STORE_PARTITIONS_MAX),
};
static const struct edda_type topic_range_type = EDDA_VALUE(topic_range);

struct setting_row {
    struct edda_text name;
    struct edda_text value;
};
static const struct edda_field setting_row_fields[] = {
    EDDA_FIELD(setting_row, name),
    EDDA_FIELD(setting_row, value),
};
static const struct edda_type setting_row_type = EDDA_VALUE(setting_row);

struct topic_row {
    struct edda_text id;
    struct edda_list partitions;
    bool mixed;
    struct edda_list settings;
    int64_t count;             /* partitions that it has, when they are not all; the first of them */
    bool deleted;
    int64_t emptied;           /* when it was deleted last, this was the next position, */
    struct edda_list ends;     /* and these the next offsets of its partitions */
};
static const struct edda_field topic_row_fields[] = {
    EDDA_FIELD(topic_row, id),
    EDDA_FIELD_LIST_OF(topic_row, partitions, topic_range_type),
    EDDA_FIELD(topic_row, mixed, .optional = true),
    EDDA_FIELD_LIST_OF(topic_row, settings, setting_row_type, .optional = true),
    EDDA_FIELD(topic_row, count, .optional = true, .min = 0, .max = STORE_PARTITIONS_MAX),
    EDDA_FIELD(topic_row, deleted, .optional = true),
    EDDA_FIELD(topic_row, emptied, .optional = true),
    EDDA_FIELD_LIST(topic_row, ends, EDDA_KIND_INT, .optional = true),
};
static const struct edda_type topic_row_type = EDDA_VALUE(topic_row);

static bool has_prefix(struct slice name, const char *prefix)
{
    return slice_has_prefix(name, slice_str(prefix));
}

struct topic_entry *topic_entry_find(const struct store *store, struct slice name)
{
    struct table_link *link = table_find(&store->topics_by_name, hash64(name, 0));
    while (link && !slice_eq(topic_name(&container_of(link, struct topic_entry, link)->topic), name))
        link = table_find_next(link);
    return link ? container_of(link, struct topic_entry, link) : NULL;
}

static uint64_t id_hash(const uint8_t id[16])
{
    return hash64(slice_of(id, 16), 0);
}

/* Gives a topic its id: a new one when it is made, also when it was there before and deleted. It is in the table already, with another, so there is room. */
static void entry_identify(struct store *store, struct topic_entry *entry, const uint8_t id[16])
{
    table_remove(&store->topics_by_id, &entry->by_id);
    memmove(entry->topic.id, id, sizeof entry->topic.id);
    bool there = table_insert(&store->topics_by_id, &entry->by_id, id_hash(entry->topic.id));
    ASSERT(there);
}

/* Internal topics of which the last record of a key is all that counts. Of the others, such as what is in quarantine, earlier records are read too. */
static bool is_table(struct slice name)
{
    static const char *const names[] = {
        TOPIC_TOPICS, TOPIC_STREAMS, TOPIC_STARTS, TOPIC_SNAPSHOTS, TOPIC_OFFSETS, "_edda.producers", "_edda.progress",
        "_edda.groups", "_edda.services", "_edda.sequences", "_edda.versions", "_edda.channels",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_eq_str(name, names[i]))
            return true;
    return false;
}

static struct topic_entry *entry_new(struct store *store, struct slice name)
{
    if (store->topic_count == store->topic_capacity) {
        uint32_t capacity = store->topic_capacity ? store->topic_capacity * 2 : 16;
        struct topic_entry **topics = realloc(store->topics, capacity * sizeof(struct topic_entry *));
        if (!topics)
            return NULL;
        store->topics = topics;
        store->topic_capacity = capacity;
    }
    struct topic_entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    memcpy(entry->topic.name, name.data, name.len);
    entry->topic.internal = has_prefix(name, "_edda.") || has_prefix(name, "__");
    entry->table = is_table(name);
    entry->topic.message_bytes_max = (int64_t)store->options.message_bytes_max;
    entry->topic.deleted = true; /* until its row is applied */
    if (!table_insert(&store->topics_by_name, &entry->link, hash64(name, 0))) {
        free(entry);
        return NULL;
    }
    if (!table_insert(&store->topics_by_id, &entry->by_id, id_hash(entry->topic.id))) {
        table_remove(&store->topics_by_name, &entry->link);
        free(entry);
        return NULL;
    }
    entry->ordinal = store->topic_count;
    store->topics[store->topic_count++] = entry;
    return entry;
}

/* Room for the partitions that a topic is to have, and for their numbers. */
static int partitions_reserve(struct store *store, struct topic *topic, uint32_t count, uint64_t numbers)
{
    struct partition *partitions = realloc(topic->partitions, count * sizeof(*partitions));
    if (!partitions)
        return EDDA_ENOMEM;
    topic->partitions = partitions;
    if (numbers > store->place_capacity) {
        uint64_t capacity = store->place_capacity ? store->place_capacity : 16;
        while (capacity < numbers)
            capacity *= 2;
        struct partition_place *places = realloc(store->places, capacity * sizeof(*places));
        if (!places)
            return EDDA_ENOMEM;
        memset(places + store->place_capacity, 0, (capacity - store->place_capacity) * sizeof(*places));
        store->places = places;
        store->place_capacity = (uint32_t)capacity;
    }
    return 0;
}

/* The offset behind the partition's last batch in the index. */
static int next_offset_read(struct store *store, uint32_t number, int64_t *ret_offset, struct edda_error *error)
{
    struct index_entry entry;
    struct batch batch;
    uint32_t its_number;
    int r = index_last(store->index, key_partition(store->seed, number), &entry);
    if (r == EDDA_ENOTFOUND)
        return 0;
    if (r == 0)
        r = batch_at(store, entry.batch, &its_number, &batch, error);
    /* The newest batch is removed only when it lies before the start of its partition, which tells the offset then. */
    if (r < 0)
        return r == EDDA_ENOTFOUND ? 0 : r;
    if (its_number != number)
        return edda_fail_with(error, EDDA_ECORRUPT, "the batch at address %" PRIu64 " is of another partition", entry.batch);
    *ret_offset = batch.base_offset + batch.last_offset_delta + 1;
    return 0;
}

static int partition_add(struct store *store, struct topic_entry *entry, uint32_t number, bool offsets,
                         struct edda_error *error)
{
    struct topic *topic = &entry->topic;
    struct partition *partition = &topic->partitions[entry->partitions_known];
    if (store->places[number].entry)
        return edda_fail_with(error, EDDA_ECORRUPT, "the row of topic %s names the partition %" PRIu32 " of topic %s",
                              topic->name, number, store->places[number].entry->topic.name);
    *partition = (struct partition){ .number = number };
    if (offsets) {
        int r = next_offset_read(store, number, &partition->next_offset, error);
        if (r < 0)
            return r;
    }
    store->places[number] = (struct partition_place){ entry, entry->partitions_known };
    if (number >= store->place_count)
        store->place_count = number + 1;
    entry->partitions_known++;
    return 0;
}

/* Room for what a topic will have set; false when out of memory. */
static bool settings_reserve(struct topic *topic, bool any)
{
    if (!any || topic->settings)
        return true;
    topic->settings = malloc(sizeof(*topic->settings));
    if (topic->settings)
        topic_settings_default(topic->settings);
    return topic->settings != NULL;
}

/* What the row has set. A name or value that this release does not know was written by a newer one, and says nothing here. */
static int row_settings(struct topic *topic, const struct topic_row *row)
{
    const struct setting_row *rows = row->settings.items;
    if (row->settings.count == 0) {
        free(topic->settings);
        topic->settings = NULL;
        return 0;
    }
    if (!settings_reserve(topic, true))
        return EDDA_ENOMEM;
    topic_settings_default(topic->settings);
    for (uint32_t i = 0; i < row->settings.count; i++) {
        const struct setting *setting = topic_setting_find(slice_of(rows[i].name.data, rows[i].name.len));
        int64_t value;
        if (!setting || setting_parse(setting, slice_of(rows[i].value.data, rows[i].value.len), &value, NULL) < 0)
            continue;
        topic->settings->values[setting - topic_setting_table] = value;
        topic->settings->set |= UINT64_C(1) << (setting - topic_setting_table);
    }
    return 0;
}

/* Makes the topic as the row has it, or gives it what the row has more. */
static int row_apply(struct store *store, struct slice name, const struct topic_row *row, bool offsets,
                     struct topic **ret_topic, struct edda_error *error)
{
    const struct topic_range *ranges = row->partitions.items;
    uint64_t count = 0, numbers = 0;
    for (uint32_t i = 0; i < row->partitions.count; i++) {
        count += (uint64_t)ranges[i].count;
        uint64_t end = (uint64_t)ranges[i].first + (uint64_t)ranges[i].count;
        numbers = end > numbers ? end : numbers;
    }
    if (count == 0 || count > STORE_PARTITIONS_MAX || numbers > UINT32_MAX / 2)
        return edda_fail_with(error, EDDA_ECORRUPT, "a row of the table of topics is malformed");
    struct topic_entry *entry = topic_entry_find(store, name);
    if (!entry)
        entry = entry_new(store, name);
    if (!entry || partitions_reserve(store, &entry->topic, (uint32_t)count, numbers) < 0)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a topic of %" PRIu64 " partitions", count);

    struct topic *topic = &entry->topic;
    uint32_t known = entry->partitions_known, seen = 0;
    int r = row_settings(topic, row);
    for (uint32_t i = 0; i < row->partitions.count; i++)
        for (int64_t n = 0; n < ranges[i].count && r == 0; n++)
            if (seen++ >= known)
                r = partition_add(store, entry, (uint32_t)(ranges[i].first + n), offsets, error);
    topic->partition_count = row->count > 0 && row->count < entry->partitions_known ? (uint32_t)row->count : entry->partitions_known;
    topic->first_partition = entry->partitions_known ? topic->partitions[0].number : 0;
    topic->deleted = row->deleted;
    entry->emptied = (uint64_t)row->emptied;
    entry->recorded = store->topics_topic ? store_tail(store) : 0;
    const int64_t *ends = row->ends.items;
    for (uint32_t i = 0; i < row->ends.count && i < entry->partitions_known; i++)
        start_apply(entry, &topic->partitions[i], ends[i], entry->emptied, entry->recorded);
    entry->mixed |= row->mixed;
    if (r == 0)
        *ret_topic = topic;
    return r;
}

int topics_init(struct store *store)
{
    struct topic_range range = { .first = 0, .count = 1 };
    struct topic_row row = { .partitions = { .items = &range, .count = 1 } };
    return row_apply(store, SLICE(TOPIC_TOPICS), &row, false, &store->topics_topic, NULL);
}

void topics_deinit(struct store *store)
{
    for (uint32_t i = 0; i < store->topic_count; i++) {
        free(store->topics[i]->topic.partitions);
        free(store->topics[i]->topic.settings);
        free(store->topics[i]);
    }
    free(store->topics);
    free(store->places);
    table_deinit(&store->topics_by_name);
    table_deinit(&store->topics_by_id);
}

static void topic_known(struct store *store, struct topic *topic)
{
    struct slice name = topic_name(topic);
    if (slice_eq_str(name, TOPIC_STREAMS))
        store->streams_topic = topic;
    else if (slice_eq_str(name, TOPIC_SNAPSHOTS))
        store->snapshots_topic = topic;
    else if (slice_eq_str(name, TOPIC_OFFSETS))
        store->offsets_topic = topic;
    else if (slice_eq_str(name, TOPIC_STARTS))
        store->starts_topic = topic;
}

int store_topic_name_check(struct slice name, struct edda_error *error)
{
    if (name.len == 0 || name.len > STORE_TOPIC_NAME_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "topic", "the name of a topic has 1 to %d bytes, not %zu",
                               STORE_TOPIC_NAME_MAX, name.len);
    if (slice_eq_str(name, ".") || slice_eq_str(name, ".."))
        return edda_fail_field(error, EDDA_EINVAL, "topic", "a topic cannot be named '.' or '..'");
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return edda_fail_field(error, EDDA_EINVAL, "topic",
                                   "the name of a topic is of letters, digits, '.', '_' and '-'; byte %zu is 0x%02x", i, c);
    }
    return 0;
}

int topics_apply(struct store *store, struct slice name, struct slice row, bool offsets, struct edda_error *error)
{
    struct topic_row decoded;
    struct topic *topic;
    if (store_topic_name_check(name, NULL) < 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "a row of the table of topics has no valid name");
    if (!row.data) {
        struct topic_entry *entry = topic_entry_find(store, name);
        if (entry)
            entry->topic.deleted = true;
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 0, 0);
    int r = json_decode(&topic_row_type, row, JSON_REQUEST, &arena, &decoded, error);
    if (r == 0)
        r = row_apply(store, name, &decoded, offsets, &topic, error);
    if (r == 0) {
        uint8_t id[sizeof topic->id];
        memcpy(id, topic->id, sizeof id);
        uuid_parse(slice_of(decoded.id.data, decoded.id.len), id);
        entry_identify(store, topic_entry_of(topic), id);
        topic_known(store, topic);
    } else if (r != EDDA_ENOMEM) {
        r = EDDA_ECORRUPT;
    }
    arena_deinit(&arena);
    return r;
}

/* The partitions of a topic as ranges of their numbers, and `more` further ones from `next` on; false when out of memory. */
static bool ranges_of(const struct topic_entry *entry, uint32_t more, uint32_t next, struct arena *arena,
                      struct edda_list *ret_ranges)
{
    const struct partition *p = entry->topic.partitions;
    uint32_t count = more > 0;
    for (uint32_t i = 0; i < entry->partitions_known; i++)
        count += i == 0 || p[i].number != p[i - 1].number + 1;
    struct topic_range *ranges = arena_alloc(arena, count * sizeof(*ranges));
    if (!ranges)
        return false;
    struct topic_range *range = ranges;
    for (uint32_t i = 0; i < entry->partitions_known; i++) {
        bool first = i == 0 || p[i].number != p[i - 1].number + 1;
        range += first && i > 0;
        range->first = first ? p[i].number : range->first;
        range->count++;
    }
    if (more > 0)
        ranges[count - 1] = (struct topic_range){ .first = next, .count = more };
    *ret_ranges = (struct edda_list){ .items = ranges, .count = count };
    return true;
}

/* The settings as a row has them; false when out of memory. */
static bool settings_rows(const struct topic_settings *settings, struct arena *arena, struct edda_list *ret_rows)
{
    uint32_t count = settings ? (uint32_t)__builtin_popcountll(settings->set) : 0;
    struct setting_row *rows = count ? arena_alloc(arena, count * sizeof(*rows)) : NULL;
    if (count && !rows)
        return false;
    *ret_rows = (struct edda_list){ .items = rows, .count = count };
    for (size_t i = 0; count && i < TOPIC_SETTING_COUNT; i++) {
        const struct setting *setting = &topic_setting_table[i];
        char text[SETTING_TEXT_MAX];
        if (!(settings->set >> i & 1))
            continue;
        setting_print(setting, settings->values[i], text);
        struct slice value = arena_copy(arena, slice_str(text));
        if (!value.data)
            return false;
        *rows++ = (struct setting_row){ { setting->name, (uint32_t)strlen(setting->name) }, { (const char *)value.data, (uint32_t)value.len } };
    }
    return true;
}

/* What the next row of a topic says that differs from what it is now. */
struct row_change {
    const uint8_t *id;
    uint32_t count;            /* partitions that it has then */
    bool mixed;
    bool deleted;
    const struct topic_settings *settings;
};

static struct row_change change_of(const struct topic_entry *entry)
{
    return (struct row_change){ entry->topic.id, entry->topic.partition_count, entry->mixed, entry->topic.deleted, entry->topic.settings };
}

/* Where the partitions of a topic ended when it was deleted, or where they begin since then. */
static bool ends_of(const struct topic_entry *entry, bool now, struct arena *arena, struct edda_list *ret_ends)
{
    if (!now && entry->emptied == 0)
        return true;
    int64_t *ends = arena_alloc(arena, entry->partitions_known * sizeof(*ends));
    for (uint32_t i = 0; ends && i < entry->partitions_known; i++)
        ends[i] = now ? entry->topic.partitions[i].next_offset : entry->topic.partitions[i].start_offset;
    *ret_ends = (struct edda_list){ .items = ends, .count = entry->partitions_known };
    return ends != NULL;
}

/* Makes the row, what it borrows being in the arena; its further partitions have the numbers from `next` on. False when out of memory. */
static bool row_make(struct store *store, const struct topic_entry *entry, const struct row_change *change, uint32_t next,
                     struct arena *arena, struct topic_row *ret_row, struct buffer *json)
{
    char *text = arena_alloc(arena, UUID_TEXT_BYTES);
    uint32_t more = change->count > entry->partitions_known ? change->count - entry->partitions_known : 0;
    *ret_row = (struct topic_row){
        .id = { text, UUID_TEXT_BYTES },
        .mixed = change->mixed,
        .count = change->count < entry->partitions_known ? change->count : 0,
        .deleted = change->deleted,
        .emptied = (int64_t)(change->deleted && !entry->topic.deleted ? store_tail(store) : entry->emptied),
    };
    bool now = change->deleted && !entry->topic.deleted;
    if (!text || !ends_of(entry, now, arena, &ret_row->ends) || !ranges_of(entry, more, next, arena, &ret_row->partitions) ||
        !settings_rows(change->settings, arena, &ret_row->settings))
        return false;
    uuid_print(change->id, text);
    buffer_clear(json);
    json_encode(&topic_row_type, ret_row, json);
    return buffer_ok(json);
}

/* Records the row of a topic, and then applies it. Memory is found before, so that what is recorded is also known. */
static int row_append(struct store *store, struct topic_entry *entry, const struct row_change *change, struct edda_error *error)
{
    struct topic *topic = &entry->topic;
    uint32_t count = change->count > entry->partitions_known ? change->count : entry->partitions_known;
    uint32_t more = count - entry->partitions_known;
    struct topic_row row = { .count = 0 };
    struct arena arena;
    struct buffer json = BUFFER_EMPTY;
    uint32_t next;
    int r = 0;
    arena_init(&arena, 0, 0);
    do {
        next = store->place_count;
        if (partitions_reserve(store, topic, count, (uint64_t)next + more) < 0 || !settings_reserve(topic, change->settings != NULL) ||
            !row_make(store, entry, change, next, &arena, &row, &json))
            r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for the row of topic %s", topic->name);
        /* The hook may run here and take the numbers for topics of its own. */
        if (r == 0)
            r = append_room(store, append_row_bytes(topic_name(topic), buffer_slice(&json)), 1, error);
    } while (r == 0 && more > 0 && next != store->place_count);
    if (r == 0)
        r = append_row(store, store->topics_topic, topic_name(topic), buffer_slice(&json), error);
    if (r == 0)
        r = row_apply(store, topic_name(topic), &row, false, &topic, error);
    if (r == 0) {
        entry_identify(store, entry, change->id);
        topic_known(store, topic);
    }
    buffer_deinit(&json);
    arena_deinit(&arena);
    return r;
}

struct topic *store_topic(struct store *store, struct slice name)
{
    struct topic_entry *entry = topic_entry_find(store, name);
    return entry && !entry->topic.deleted ? &entry->topic : NULL;
}

/* Whether there may be one topic more. Edda's own tables are always made, or who fills the log with topics would take groups and transactions from everybody. */
static int topics_room(struct store *store, const struct topic_entry *known, bool own, struct edda_error *error)
{
    uint32_t there = 0;
    if (own || store->topic_count < STORE_TOPICS_MAX)
        return 0;
    for (uint32_t i = 0; i < store->topic_count; i++)
        there += !store->topics[i]->topic.deleted && !store->topics[i]->topic.internal;
    if (there >= STORE_TOPICS_MAX)
        return edda_fail_field(error, EDDA_ELIMIT, "topic", "there are %" PRIu32 " topics, as many as there may be", there);
    if (!known && store->topic_count >= STORE_TOPICS_EVER_MAX)
        return edda_fail_field(error, EDDA_ELIMIT, "topic", "there have been %" PRIu32 " topics, as many as a log can have, with those that were deleted: "
                               "only one that was there before can be made", store->topic_count);
    return 0;
}

/* Whether a topic that knows so many partitions may have as many as are asked for. */
static int partitions_allowed(const struct store *store, uint32_t known, uint32_t partitions, struct edda_error *error)
{
    if (partitions <= known || store->place_count + (partitions - known) <= STORE_PARTITIONS_ALL_MAX)
        return 0;
    return edda_fail_field(error, EDDA_ELIMIT, "partitions", "there are %" PRIu32 " partitions of all topics, and at most %d may be, with those that were deleted",
                           store->place_count, STORE_PARTITIONS_ALL_MAX);
}

struct topic *store_topic_by_id(struct store *store, const uint8_t id[16])
{
    struct table_link *link = table_find(&store->topics_by_id, id_hash(id));
    while (link && memcmp(container_of(link, struct topic_entry, by_id)->topic.id, id, 16) != 0)
        link = table_find_next(link);
    struct topic_entry *entry = link ? container_of(link, struct topic_entry, by_id) : NULL;
    return entry && !entry->topic.deleted ? &entry->topic : NULL;
}

int store_topic_ensure(struct store *store, struct slice name, uint32_t partitions, struct topic **ret_topic,
                       struct edda_error *error)
{
    struct topic *topic = store_topic(store, name);
    if (topic) {
        *ret_topic = topic;
        return 0;
    }
    if (partitions == 0)
        partitions = STORE_PARTITIONS_DEFAULT;
    int r = store_topic_name_check(name, error);
    if (r < 0)
        return r;
    if (partitions > STORE_PARTITIONS_MAX)
        return edda_fail_field(error, EDDA_ELIMIT, "partitions", "a topic has at most %d partitions, not %" PRIu32,
                               STORE_PARTITIONS_MAX, partitions);
    struct topic_entry *entry = topic_entry_find(store, name);
    bool own = has_prefix(name, "_edda.") || slice_eq_str(name, TOPIC_OFFSETS);
    r = topics_room(store, entry, own, error);
    if (r == 0 && !own)
        r = partitions_allowed(store, entry ? entry->partitions_known : 0, partitions, error);
    if (r < 0)
        return r;
    if (!entry)
        entry = entry_new(store, name);
    if (!entry)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a topic");
    uint8_t id[16];
    uuid_random(store, id);
    /* One that was deleted goes on where it was: offsets and versions never restart, and streams may lie where they did. */
    struct row_change change = { .id = id, .count = partitions, .mixed = entry->mixed || entry->partitions_known > 0 };
    r = row_append(store, entry, &change, error);
    if (r == 0)
        *ret_topic = &entry->topic;
    return r;
}

int store_topic_grow(struct store *store, struct topic *topic, uint32_t partitions, struct edda_error *error)
{
    if (partitions > STORE_PARTITIONS_MAX)
        return edda_fail_field(error, EDDA_ELIMIT, "partitions", "a topic has at most %d partitions, not %" PRIu32,
                               STORE_PARTITIONS_MAX, partitions);
    if (partitions <= topic->partition_count)
        return partitions == topic->partition_count ? 0 :
               edda_fail_field(error, EDDA_EINVAL, "partitions", "topic %s has %" PRIu32 " partitions and keeps them",
                               topic->name, topic->partition_count);
    int r = partitions_allowed(store, topic_entry_of(topic)->partitions_known, partitions, error);
    if (r < 0)
        return r;
    struct row_change change = change_of(topic_entry_of(topic));
    change.count = partitions;
    change.mixed = true;
    return row_append(store, topic_entry_of(topic), &change, error);
}

int topic_mark_mixed(struct store *store, struct topic_entry *entry, struct edda_error *error)
{
    struct row_change change = change_of(entry);
    change.mixed = true;
    return row_append(store, entry, &change, error);
}

int topic_delete_row(struct store *store, struct topic_entry *entry, struct edda_error *error)
{
    struct row_change change = change_of(entry);
    change.deleted = true;
    change.settings = NULL;
    return row_append(store, entry, &change, error);
}

int topic_settings_put(struct store *store, struct topic_entry *entry, const struct topic_settings *settings,
                       struct edda_error *error)
{
    struct row_change change = change_of(entry);
    change.settings = settings->set ? settings : NULL;
    return row_append(store, entry, &change, error);
}

int topic_internal(struct store *store, const char *name, struct topic **topic, struct edda_error *error)
{
    return *topic ? 0 : store_topic_ensure(store, slice_str(name), 1, topic, error);
}

struct topic *store_topic_each(struct store *store, const struct topic *previous)
{
    uint32_t next = previous ? topic_entry_of(previous)->ordinal + 1 : 0;
    while (next < store->topic_count && store->topics[next]->topic.deleted)
        next++;
    return next < store->topic_count ? &store->topics[next]->topic : NULL;
}

int64_t store_next_offset(const struct topic *topic, uint32_t partition)
{
    ASSERT(partition < topic->partition_count);
    return topic->partitions[partition].next_offset;
}
