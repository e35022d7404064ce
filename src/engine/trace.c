/*
 * The reading of a trace: records become entries, then entries are linked: a message to what it caused, a deadline's end to its
 * beginning. Causes are looked for by id (causation), and by position where the engine has noted one, which also holds for records
 * of others that have no id.
 */
#include "engine/trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/table.h"
#include "engine/records.h"
#include "wire/json/json.h"
#include "wire/json/text.h"

#define NO_POSITION UINT64_MAX
#define NONE (-1)
/* How far from the end of a deadline its message is looked for: both are of one step. */
#define FIRED_DISTANCE_MAX 64

static const struct slice outside = { (const uint8_t *)"outside", sizeof "outside" - 1 };

/* --- records to entries --------------------------------------------------------------------------------- */

struct reading {
    struct arena *arena;
    struct trace_entry *entries;
    size_t count;
    size_t capacity;
    bool more;
    int code;
};

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_' && c != '.')
            return false;
    }
    return text.len > 0;
}

static struct slice before(struct slice text, uint8_t byte)
{
    const uint8_t *at = text.len ? memchr(text.data, byte, text.len) : NULL;
    return at ? slice_of(text.data, (size_t)(at - text.data)) : slice_of(NULL, 0);
}

static struct slice behind_last(struct slice text, uint8_t byte)
{
    const uint8_t *at = text.len ? memrchr(text.data, byte, text.len) : NULL;
    return at ? slice_from(text, (size_t)(at - text.data) + 1) : slice_of(NULL, 0);
}

/* "application/service" gives the service; all other sources are outside. */
static struct slice service_of(struct slice source)
{
    struct slice application = before(source, '/');
    struct slice service = slice_from(source, application.len + 1);
    return is_name(application) && is_name(service) ? service : outside;
}

static bool number_of(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    }
    if (text.len == 0)
        return false;
    *ret_number = number;
    return true;
}

static bool header_number(const struct record *record, const char *name, uint64_t *ret_number)
{
    struct slice text;
    return record_header_find(record, name, &text) && number_of(text, ret_number);
}

static struct slice copy(struct reading *reading, struct slice text)
{
    if (!text.data)
        return slice_of(NULL, 0);
    struct slice mine = arena_copy(reading->arena, text);
    if (!mine.data)
        reading->code = EDDA_ENOMEM;
    return mine;
}

/* A member of the entry's payload, decoded; empty when there is none. */
static struct slice member(struct reading *reading, const struct trace_entry *entry, const char *name,
                           bool *ret_is_string)
{
    struct slice raw;
    size_t wrong;
    if (!entry->value.data || !json_valid(entry->value, &wrong) || !json_find(entry->value, name, &raw, ret_is_string))
        return slice_of(NULL, 0);
    if (!*ret_is_string)
        return raw;
    uint8_t *text = arena_bytes(reading->arena, raw.len);
    if (!text) {
        reading->code = EDDA_ENOMEM;
        return slice_of(NULL, 0);
    }
    return slice_of(text, text_unescape(raw, text));
}

static struct slice member_text(struct reading *reading, const struct trace_entry *entry, const char *name)
{
    bool is_string;
    struct slice text = member(reading, entry, name, &is_string);
    return text.data && is_string ? text : slice_of(NULL, 0);
}

static void fill_skip(struct reading *reading, struct trace_entry *entry)
{
    bool is_string;
    struct slice position = member(reading, entry, "position", &is_string);
    entry->kind = TRACE_SKIPPED;
    entry->reason = member_text(reading, entry, "reason");
    if (!number_of(position, &entry->about))
        entry->about = NO_POSITION;
}

static void fill_quarantine(struct reading *reading, const struct record *record, struct trace_entry *entry)
{
    uint64_t attempts;
    struct slice reason;
    entry->kind = record->value.data ? TRACE_QUARANTINED : TRACE_RELEASED;
    if (!header_number(record, HEADER_POSITION, &entry->about))
        entry->about = NO_POSITION;
    if (entry->kind == TRACE_QUARANTINED && header_number(record, HEADER_ATTEMPTS, &attempts) && attempts == 0)
        entry->reason = SLICE("held behind another");
    else if (record_header_find(record, HEADER_REASON, &reason))
        entry->reason = copy(reading, reason);
}

static void fill_deadline(const struct record *record, struct trace_entry *entry)
{
    struct slice due;
    entry->kind = record->value.data ? TRACE_DEADLINE_SET : TRACE_DEADLINE_CANCELLED;
    entry->name = behind_last(entry->key, '/');
    if (record_header_find(record, HEADER_DUE, &due))
        entry->due_ms = edda_text_int((struct edda_text){ (const char *)due.data, due.len });
}

static void fill_process(struct reading *reading, const struct record *record, struct trace_entry *entry)
{
    struct slice topic;
    if (record_header_find(record, HEADER_TOPIC, &topic)) {
        entry->kind = TRACE_COMPENSATION;
        return;
    }
    entry->kind = TRACE_PROCESS;
    entry->name = member_text(reading, entry, "state");
    entry->reason = member_text(reading, entry, "reason");
}

static void fill_message(struct reading *reading, const struct record *record, struct trace_entry *entry)
{
    struct slice header;
    entry->kind = TRACE_EVENT;
    entry->undo = record_header_find(record, HEADER_UNDO, &header);
    if (entry->type.len == 0 && record_header_find(record, "type", &header))
        entry->type = copy(reading, header);
    if (entry->type.len == 0)
        entry->type = member_text(reading, entry, "eventType");
    if (entry->type.len == 0)
        entry->type = SLICE("(no type)");
}

/* Fills an entry; false when the record is the engine's own book-keeping and tells nothing. */
static bool fill(struct reading *reading, const struct journal_record *record, struct trace_entry *entry)
{
    struct cloudevent event = { 0 };
    struct slice topic = slice_str(record->topic->name);
    (void)cloudevent_get(&record->record, &event);
    *entry = (struct trace_entry){ .position = record->position,
                                   .time_ms = record->record.timestamp_ms,
                                   .about = NO_POSITION,
                                   .id = copy(reading, event.id),
                                   .causation = copy(reading, event.causation),
                                   .source = copy(reading, service_of(event.source)),
                                   .type = copy(reading, event.type),
                                   .topic = copy(reading, topic),
                                   .key = copy(reading, record->record.key),
                                   .value = copy(reading, record->record.value),
                                   .cause = NONE,
                                   .effect = NONE,
                                   .effect_next = NONE };
    if (slice_eq_str(topic, TOPIC_SKIPS))
        fill_skip(reading, entry);
    else if (slice_eq_str(topic, TOPIC_QUARANTINE))
        fill_quarantine(reading, &record->record, entry);
    else if (slice_eq_str(topic, TOPIC_DEADLINES))
        fill_deadline(&record->record, entry);
    else if (slice_eq_str(topic, TOPIC_PROCESSES))
        fill_process(reading, &record->record, entry);
    else if (slice_has_prefix(topic, SLICE("_edda.")))
        return false;
    else
        fill_message(reading, &record->record, entry);
    /* These happen to a service, whoever recorded them. */
    bool of_service = entry->kind == TRACE_SKIPPED || entry->kind == TRACE_QUARANTINED || entry->kind == TRACE_RELEASED;
    if (of_service && before(entry->key, '/').len)
        entry->source = before(entry->key, '/');
    return true;
}

static int visit_record(void *user, const struct journal_record *record, int64_t version)
{
    (void)version;
    struct reading *reading = user;
    struct trace_entry entry;
    if (!fill(reading, record, &entry))
        return reading->code;
    if (reading->count == TRACE_ENTRIES_MAX) {
        reading->more = true;
        return 1;
    }
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity ? reading->capacity * 2 : 32;
        struct trace_entry *grown = arena_alloc(reading->arena, capacity * sizeof *grown);
        if (!grown)
            return reading->code = EDDA_ENOMEM;
        if (reading->count)
            memcpy(grown, reading->entries, reading->count * sizeof *grown);
        reading->entries = grown;
        reading->capacity = capacity;
    }
    reading->entries[reading->count++] = entry;
    return reading->code;
}

/* --- links ---------------------------------------------------------------------------------------------- */

struct entry_link {
    struct table_link link;
    int32_t ordinal;
};

/* Entries by one of their texts, or by that and what they are about. Of several the one put last counts, unless `first`. */
struct lookup {
    struct table table;
    bool by_about;
    struct entry_link *links; /* one per entry of the trace */
    const struct trace_entry *entries;
    size_t text_offset; /* of the text in an entry */
};

static struct slice lookup_text(const struct lookup *lookup, int32_t ordinal)
{
    struct slice text;
    memcpy(&text, (const uint8_t *)&lookup->entries[ordinal] + lookup->text_offset, sizeof text);
    return text;
}

static struct entry_link *lookup_find(const struct lookup *lookup, struct slice text, uint64_t about)
{
    uint64_t hash = hash64(text, lookup->by_about ? about : 0);
    for (struct table_link *at = table_find(&lookup->table, hash); at; at = table_find_next(at)) {
        struct entry_link *link = (struct entry_link *)(void *)at;
        if (slice_eq(lookup_text(lookup, link->ordinal), text) &&
            (!lookup->by_about || lookup->entries[link->ordinal].about == about))
            return link;
    }
    return NULL;
}

static bool lookup_put(struct lookup *lookup, int32_t ordinal, bool first)
{
    struct slice text = lookup_text(lookup, ordinal);
    uint64_t about = lookup->entries[ordinal].about;
    struct entry_link *link = lookup_find(lookup, text, about);
    if (link) {
        link->ordinal = first ? link->ordinal : ordinal;
        return true;
    }
    lookup->links[ordinal].ordinal = ordinal;
    return table_insert(&lookup->table, &lookup->links[ordinal].link, hash64(text, lookup->by_about ? about : 0));
}

static int32_t find_position(const struct trace *trace, uint64_t position)
{
    size_t from = 0;
    size_t to = trace->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (trace->entries[middle].position < position)
            from = middle + 1;
        else
            to = middle;
    }
    return from < trace->count && trace->entries[from].position == position ? (int32_t)from : NONE;
}

/* Messages come before the engine's records, so that an id which both have means the message. */
static bool link_ids(struct trace *trace, struct lookup *ids)
{
    for (int messages = 1; messages >= 0; messages--) {
        for (size_t i = 0; i < trace->count; i++) {
            const struct trace_entry *entry = &trace->entries[i];
            if ((entry->kind == TRACE_EVENT) == messages && entry->id.len && !lookup_put(ids, (int32_t)i, true))
                return false;
        }
    }
    return true;
}

static void link_causes(struct trace *trace, const struct lookup *ids)
{
    for (size_t i = 0; i < trace->count; i++) {
        struct trace_entry *entry = &trace->entries[i];
        int32_t cause = entry->about == NO_POSITION ? NONE : find_position(trace, entry->about);
        const struct entry_link *link =
            cause == NONE && entry->causation.len ? lookup_find(ids, entry->causation, NO_POSITION) : NULL;
        if (link)
            cause = link->ordinal;
        if (cause != NONE && (size_t)cause != i)
            entry->cause = cause;
    }
}

/* Effects are listed in order of position. */
static void link_effects(struct trace *trace)
{
    for (size_t i = trace->count; i > 0; i--) {
        struct trace_entry *entry = &trace->entries[i - 1];
        if (entry->cause == NONE)
            continue;
        entry->effect_next = trace->entries[entry->cause].effect;
        trace->entries[entry->cause].effect = (int32_t)(i - 1);
    }
}

/* Whether `entry` is what the deadline `set` delivered, in the step that recorded `end`. */
static bool is_fired(const struct trace_entry *entry, const struct trace_entry *set, const struct trace_entry *end)
{
    if (entry->kind != TRACE_EVENT || entry->fired || !slice_eq(entry->type, set->type) ||
        entry->time_ms != end->time_ms)
        return false;
    bool caused = set->id.len && slice_eq(entry->causation, set->id);
    return caused || (slice_eq(entry->source, set->source) && set->due_ms && entry->time_ms >= set->due_ms);
}

static struct trace_entry *find_fired(struct trace *trace, const struct trace_entry *set, size_t end)
{
    for (size_t distance = 1; distance <= FIRED_DISTANCE_MAX; distance++) {
        if (distance <= end && is_fired(&trace->entries[end - distance], set, &trace->entries[end]))
            return &trace->entries[end - distance];
        if (end + distance < trace->count && is_fired(&trace->entries[end + distance], set, &trace->entries[end]))
            return &trace->entries[end + distance];
    }
    return NULL;
}

static void end_deadline(struct trace *trace, int32_t set_ordinal, size_t end_ordinal)
{
    struct trace_entry *set = &trace->entries[set_ordinal];
    struct trace_entry *end = &trace->entries[end_ordinal];
    struct trace_entry *fired = find_fired(trace, set, end_ordinal);
    end->due_ms = set->due_ms;
    end->type = set->type;
    if (!fired)
        return;
    end->kind = TRACE_DEADLINE_FIRED;
    fired->fired = true;
    if (before(end->key, '/').len) /* whoever has moved it */
        fired->source = end->source = before(end->key, '/');
    if (fired->cause == NONE)
        fired->cause = set_ordinal;
}

/* What stands until a later record of its key: deadlines; messages in quarantine, of which a key can have several. */
static bool link_keys(struct trace *trace, struct lookup *keys, bool deadlines)
{
    for (size_t i = 0; i < trace->count; i++) {
        struct trace_entry *entry = &trace->entries[i];
        bool begins = deadlines ? entry->kind == TRACE_DEADLINE_SET : entry->kind == TRACE_QUARANTINED;
        bool ends = deadlines ? entry->kind == TRACE_DEADLINE_CANCELLED : entry->kind == TRACE_RELEASED;
        if (!begins && !ends)
            continue;
        struct entry_link *link = lookup_find(keys, entry->key, entry->about);
        struct trace_entry *last = link ? &trace->entries[link->ordinal] : NULL;
        bool stands = last && last->pending;
        if (stands)
            last->pending = false;
        if (begins && stands && deadlines)
            entry->kind = TRACE_DEADLINE_MOVED;
        if (ends && stands && deadlines)
            end_deadline(trace, link->ordinal, i);
        entry->pending = begins;
        if (!lookup_put(keys, (int32_t)i, false))
            return false;
    }
    return true;
}

static int link_entries(struct trace *trace, struct arena *arena)
{
    struct entry_link *links = arena_alloc(arena, 3 * trace->count * sizeof *links);
    if (!links)
        return EDDA_ENOMEM;
    struct lookup ids = { .links = links, .entries = trace->entries, .text_offset = offsetof(struct trace_entry, id) };
    struct lookup deadlines = ids;
    struct lookup quarantine = ids;
    deadlines.links = links + trace->count;
    quarantine.links = links + 2 * trace->count;
    deadlines.text_offset = quarantine.text_offset = offsetof(struct trace_entry, key);
    quarantine.by_about = true;
    table_init(&ids.table);
    table_init(&deadlines.table);
    table_init(&quarantine.table);
    bool linked = link_ids(trace, &ids);
    if (linked) {
        link_causes(trace, &ids);
        linked = link_keys(trace, &deadlines, true) && link_keys(trace, &quarantine, false);
        link_effects(trace);
    }
    table_deinit(&ids.table);
    table_deinit(&deadlines.table);
    table_deinit(&quarantine.table);
    return linked ? 0 : EDDA_ENOMEM;
}

static int compare_positions(const void *left, const void *right)
{
    const struct trace_entry *a = left;
    const struct trace_entry *b = right;
    return (a->position > b->position) - (a->position < b->position);
}

#define EXPLAINED_MAX 4

void trace_explain(const struct edda_app *app, struct edda_error *error)
{
    const struct edda_type *silent[EXPLAINED_MAX + 1];
    size_t count = 0;
    char names[EXPLAINED_MAX * 66 + 8] = "";
    for (const struct edda_service *const *service = app->services; service && *service; service++) {
        for (const struct edda_row *row = (*service)->on; row && row->type && count <= EXPLAINED_MAX; row++) {
            bool known = row->type->correlation != NULL;
            for (size_t i = 0; i < count; i++)
                known = known || silent[i] == row->type;
            if (!known)
                silent[count++] = row->type;
        }
    }
    if (count == 0 || error->code != EDDA_ENOTFOUND)
        return;
    for (size_t i = 0, used = 0; i < count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%.*s", i ? ", " : "", 64, i < EXPLAINED_MAX ? silent[i]->name : "…");
    (void)edda_fail_with(error, error->code, "%s; without .correlation a message that begins a process names it by its own id: %s", error->message, names);
}

int trace_read(struct journal *journal, struct slice correlation, struct arena *arena, struct trace *ret_trace,
               struct edda_error *error)
{
    struct reading reading = { .arena = arena };
    int64_t read = journal_correlation_read(journal, correlation, UINT64_MAX, visit_record, &reading);
    if (reading.code)
        return edda_fail_with(error, reading.code, "the process takes more memory than there is");
    if (read < 0 && read != EDDA_ENOTFOUND)
        return edda_fail_with(error, (int)read, "the records of the process cannot be read");
    if (reading.count == 0)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no process %.*s",
                              (int)(correlation.len < 100 ? correlation.len : 100),
                              correlation.len ? (const char *)correlation.data : "");
    struct trace trace = { .entries = reading.entries, .count = reading.count, .more = reading.more };
    trace.correlation = arena_copy(arena, correlation);
    if (!trace.correlation.data)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    qsort(trace.entries, trace.count, sizeof *trace.entries, compare_positions);
    int rc = link_entries(&trace, arena);
    if (rc < 0)
        return edda_fail_with(error, rc, "out of memory");
    *ret_trace = trace;
    return 0;
}
