/*
 * competing: see competing.h. Its state as bytes, all integers as unsigned varints:
 *
 *     version (2), `next`
 *     number of consumers, and for each the length of its name, the name, when it was last seen and last active, in ms and one more, 0: never
 *     number of open records, and for each, by place, the distance to the one before, its deliveries, when it is due in ms and one more, 0: never,
 *         and if it was delivered the number of its consumer from 1 on, 0: one without a name, and when
 *     number of parked records, and for each the distance, its deliveries, the length of its reason and the reason
 *
 * Version 1 has no consumers, and of an open record the distance, its deliveries and when it is due.
 */
#include "broker/competing.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/put.h"

#define STATE_VERSION 2

static uint64_t hash_of(uint64_t position)
{
    return position * UINT64_C(0x9e3779b97f4a7c15);
}

static struct competing_record *find(const struct competing *competing, uint64_t position)
{
    for (struct table_link *link = table_find(&competing->records, hash_of(position)); link; link = table_find_next(link)) {
        struct competing_record *record = container_of(link, struct competing_record, by_position);
        if (record->position == position)
            return record;
    }
    return NULL;
}

/* New ones come at the end; what is retried goes further to the front. */
static void list_sort_in(struct list *head, struct competing_record *record)
{
    struct list *place = head;
    while (place->prev != head && container_of(place->prev, struct competing_record, link)->position > record->position)
        place = place->prev;
    list_insert_before(place, &record->link);
}

void competing_init(struct competing *competing, uint64_t position)
{
    *competing = (struct competing){ .next = position };
    list_init(&competing->open);
    list_init(&competing->parked);
    list_init(&competing->consumers);
    table_init(&competing->records);
    heap_init(&competing->due);
}

/* Whose it is; NULL: nobody's. */
static void give_to(struct competing_record *record, struct competing_consumer *consumer)
{
    if (record->consumer)
        record->consumer->pending--;
    record->consumer = consumer;
    if (consumer)
        consumer->pending++;
}

static void record_free(struct competing *competing, struct competing_record *record)
{
    give_to(record, NULL);
    if (heap_contains(&record->due))
        heap_remove(&competing->due, &record->due);
    list_remove(&record->link);
    table_remove(&competing->records, &record->by_position);
    if (record->parked)
        competing->parked_count--;
    else
        competing->open_count--;
    free(record->reason);
    free(record);
}

void competing_deinit(struct competing *competing)
{
    struct list *lists[] = { &competing->open, &competing->parked };
    for (size_t i = 0; i < 2; i++)
        while (!list_empty(lists[i]))
            record_free(competing, container_of(lists[i]->next, struct competing_record, link));
    while (!list_empty(&competing->consumers))
        (void)competing_consumer_drop(competing, competing_consumer_each(competing, NULL));
    table_deinit(&competing->records);
    heap_deinit(&competing->due);
}

/* An open record, or with a reason (which may be empty) a parked one. */
static int record_new(struct competing *competing, uint64_t position, uint32_t deliveries, int64_t due_ms, const struct slice *reason)
{
    struct competing_record *record = calloc(1, sizeof *record);
    if (!record)
        return EDDA_ENOMEM;
    *record = (struct competing_record){ .due = HEAP_NODE_INIT, .position = position, .deliveries = deliveries, .parked = reason != NULL };
    list_init(&record->link);
    if (reason && reason->len) {
        record->reason = malloc(reason->len);
        record->reason_len = (uint16_t)reason->len;
        if (record->reason)
            memcpy(record->reason, reason->data, reason->len);
    }
    if ((reason && reason->len && !record->reason) || !table_insert(&competing->records, &record->by_position, hash_of(position))) {
        free(record->reason);
        free(record);
        return EDDA_ENOMEM;
    }
    if (!reason && !heap_insert(&competing->due, &record->due, due_ms, position)) {
        table_remove(&competing->records, &record->by_position);
        free(record);
        return EDDA_ENOMEM;
    }
    list_sort_in(reason ? &competing->parked : &competing->open, record);
    if (reason)
        competing->parked_count++;
    else
        competing->open_count++;
    return 0;
}

/* --- the state as bytes --------------------------------------------------------------------------------------------- */

static void put_number(struct buffer *out, uint64_t number)
{
    uint8_t bytes[VARINT64_BYTES_MAX];
    buffer_append(out, bytes, (size_t)(put_uvarint64(bytes, number) - bytes));
}

/* A time that may be missing. */
static uint64_t coded(int64_t ms, int64_t missing)
{
    return ms == missing ? 0 : (uint64_t)ms + 1;
}

static void put_consumers(const struct competing *competing, struct buffer *out)
{
    uint32_t ordinal = 0;
    put_number(out, competing->consumer_count);
    for (struct competing_consumer *at = NULL; (at = competing_consumer_each(competing, at));) {
        at->ordinal = ++ordinal;
        put_number(out, at->name_len);
        buffer_append(out, at->name, at->name_len);
        put_number(out, coded(at->seen_ms, -1));
        put_number(out, coded(at->active_ms, -1));
    }
}

static void put_list(const struct list *head, uint32_t count, struct buffer *out)
{
    uint64_t before = 0;
    put_number(out, count);
    for (const struct list *link = head->next; link != head; link = link->next) {
        const struct competing_record *record = container_of(link, struct competing_record, link);
        put_number(out, record->position - before);
        put_number(out, record->deliveries);
        put_number(out, record->parked ? record->reason_len : coded(record->due.key, COMPETING_NEVER));
        if (record->parked) {
            buffer_append(out, record->reason, record->reason_len);
        } else if (record->deliveries) {
            put_number(out, record->consumer ? record->consumer->ordinal : 0);
            put_number(out, (uint64_t)record->delivered_ms);
        }
        before = record->position;
    }
}

void competing_write(const struct competing *competing, struct buffer *out)
{
    put_number(out, STATE_VERSION);
    put_number(out, competing->next);
    put_consumers(competing, out);
    put_list(&competing->open, competing->open_count, out);
    put_list(&competing->parked, competing->parked_count, out);
}

/* A state that is read. */
struct reading {
    struct cursor cursor;
    uint64_t version;
    struct competing_consumer *consumers[COMPETING_CONSUMERS_MAX];
};

static bool read_time(struct reading *reading, int64_t missing, int64_t *ret_ms)
{
    uint64_t number = cursor_uvarint64(&reading->cursor);
    *ret_ms = number ? (int64_t)(number - 1) : missing;
    return number <= INT64_MAX;
}

static int read_consumers(struct competing *competing, struct reading *reading)
{
    uint64_t count = reading->version > 1 ? cursor_uvarint64(&reading->cursor) : 0;
    if (count > COMPETING_CONSUMERS_MAX)
        return EDDA_ECORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = cursor_uvarint64(&reading->cursor);
        struct slice name = cursor_bytes(&reading->cursor, len <= COMPETING_CONSUMER_NAME_MAX ? (size_t)len : 0);
        int64_t seen_ms, active_ms;
        bool timed = read_time(reading, -1, &seen_ms);
        timed = read_time(reading, -1, &active_ms) && timed;
        if (!timed || !cursor_ok(&reading->cursor))
            return EDDA_ECORRUPT;
        int rc = competing_consumer_make(competing, name, seen_ms, &reading->consumers[i]);
        if (rc != 1)
            return rc == EDDA_ENOMEM ? rc : EDDA_ECORRUPT;
        reading->consumers[i]->active_ms = active_ms;
    }
    return 0;
}

/* When an open record is due, and who has it. */
static int read_open(struct reading *reading, const struct competing *competing, uint64_t deliveries, uint64_t due, uint64_t *ret_consumer,
                     int64_t *ret_delivered_ms, int64_t *ret_due_ms)
{
    *ret_consumer = 0;
    *ret_delivered_ms = 0;
    *ret_due_ms = reading->version == 1 ? (int64_t)due : due ? (int64_t)(due - 1) : COMPETING_NEVER;
    if (due > INT64_MAX)
        return EDDA_ECORRUPT;
    if (reading->version == 1 || deliveries == 0)
        return 0;
    *ret_consumer = cursor_uvarint64(&reading->cursor);
    *ret_delivered_ms = (int64_t)cursor_uvarint64(&reading->cursor);
    return *ret_consumer > competing->consumer_count || *ret_delivered_ms < 0 ? EDDA_ECORRUPT : 0;
}

static int read_list(struct competing *competing, struct reading *reading, bool parked)
{
    struct cursor *cursor = &reading->cursor;
    uint64_t count = cursor_uvarint64(cursor), position = 0;
    if (count > (parked ? COMPETING_PARKED_MAX : COMPETING_OPEN_MAX))
        return EDDA_ECORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = cursor_uvarint64(cursor), deliveries = cursor_uvarint64(cursor), number = cursor_uvarint64(cursor), consumer = 0;
        int64_t delivered_ms = 0, due_ms = 0;
        bool fits = !__builtin_add_overflow(position, step, &position);
        if (parked && number > COMPETING_REASON_MAX)
            return EDDA_ECORRUPT;
        struct slice reason = parked ? cursor_bytes(cursor, (size_t)number) : slice_of(NULL, 0);
        int rc = parked ? 0 : read_open(reading, competing, deliveries, number, &consumer, &delivered_ms, &due_ms);
        if (rc < 0 || !cursor_ok(cursor) || !fits || (i > 0 && step == 0) || deliveries > UINT32_MAX || find(competing, position))
            return EDDA_ECORRUPT;
        rc = record_new(competing, position, (uint32_t)deliveries, due_ms, parked ? &reason : NULL);
        if (rc < 0)
            return rc;
        struct competing_record *record = find(competing, position);
        record->delivered_ms = delivered_ms;
        give_to(record, consumer ? reading->consumers[consumer - 1] : NULL);
    }
    return 0;
}

int competing_read(struct competing *competing, struct slice bytes)
{
    struct reading reading = { .cursor = cursor_of(bytes) };
    ASSERT(competing->open_count == 0 && competing->parked_count == 0 && competing->consumer_count == 0);
    reading.version = cursor_uvarint64(&reading.cursor);
    if (reading.version < 1 || reading.version > STATE_VERSION)
        return EDDA_ECORRUPT;
    competing->next = cursor_uvarint64(&reading.cursor);
    int rc = read_consumers(competing, &reading);
    if (rc == 0)
        rc = read_list(competing, &reading, false);
    if (rc == 0)
        rc = read_list(competing, &reading, true);
    return rc < 0 ? rc : cursor_ok(&reading.cursor) && cursor_left(&reading.cursor) == 0 ? 0 : EDDA_ECORRUPT;
}

/* --- records ---------------------------------------------------------------------------------------------------------- */

uint64_t competing_watermark(const struct competing *competing)
{
    const struct competing_record *first = competing_each(competing, false, NULL);
    return first && first->position < competing->next ? first->position : competing->next;
}

int competing_add(struct competing *competing, uint64_t position)
{
    ASSERT(position >= competing->next);
    struct competing_record *known = find(competing, position);
    if (!known && competing->open_count == COMPETING_OPEN_MAX)
        return EDDA_ELIMIT;
    int rc = known ? 0 : record_new(competing, position, 0, 0, NULL);
    if (known && !known->parked) {
        give_to(known, NULL);
        known->deliveries = 0;
        heap_update(&competing->due, &known->due, 0);
    }
    if (rc == 0)
        competing->next = position + 1;
    return rc;
}

void competing_pass(struct competing *competing, uint64_t position)
{
    if (position > competing->next)
        competing->next = position;
}

void competing_seek(struct competing *competing, uint64_t position)
{
    competing->next = position;
}

int competing_take(struct competing *competing, struct competing_consumer *consumer, int64_t now_ms, int64_t again_ms, uint64_t *ret_position,
                   uint32_t *ret_deliveries)
{
    struct heap_node *first = heap_first(&competing->due);
    if (!first || first->key > now_ms)
        return 0;
    struct competing_record *record = container_of(first, struct competing_record, due);
    heap_update(&competing->due, first, again_ms > now_ms ? again_ms : now_ms + 1);
    if (record->deliveries < UINT32_MAX)
        record->deliveries++;
    record->delivered_ms = now_ms;
    give_to(record, consumer);
    *ret_position = record->position;
    *ret_deliveries = record->deliveries;
    return 1;
}

int64_t competing_due(const struct competing *competing)
{
    const struct heap_node *first = heap_first(&competing->due);
    return first ? first->key : INT64_MAX;
}

/* An open record that has been delivered. */
static struct competing_record *find_open(const struct competing *competing, uint64_t position)
{
    struct competing_record *record = find(competing, position);
    return record && !record->parked && record->deliveries ? record : NULL;
}

int competing_ack(struct competing *competing, uint64_t position)
{
    struct competing_record *record = find_open(competing, position);
    if (!record)
        return position < competing->next && !find(competing, position) ? 0 : EDDA_ENOTFOUND;
    record_free(competing, record);
    return 1;
}

int competing_nack(struct competing *competing, uint64_t position, int64_t due_ms)
{
    struct competing_record *record = find_open(competing, position);
    if (!record)
        return EDDA_ENOTFOUND;
    heap_update(&competing->due, &record->due, due_ms);
    return 0;
}

int competing_park(struct competing *competing, uint64_t position, struct slice reason)
{
    struct competing_record *record = find(competing, position);
    if (record && record->parked)
        return 0;
    record = find_open(competing, position);
    if (!record)
        return EDDA_ENOTFOUND;
    if (competing->parked_count == COMPETING_PARKED_MAX)
        return EDDA_ELIMIT;
    if (reason.len > COMPETING_REASON_MAX)
        reason.len = COMPETING_REASON_MAX;
    if (reason.len) {
        record->reason = malloc(reason.len);
        if (!record->reason)
            return EDDA_ENOMEM;
        memcpy(record->reason, reason.data, reason.len);
        record->reason_len = (uint16_t)reason.len;
    }
    heap_remove(&competing->due, &record->due);
    list_remove(&record->link);
    give_to(record, NULL);
    list_sort_in(&competing->parked, record);
    record->parked = true;
    competing->open_count--;
    competing->parked_count++;
    return 0;
}

int competing_retry(struct competing *competing, uint64_t position)
{
    struct competing_record *record = find(competing, position);
    if (!record || !record->parked)
        return EDDA_ENOTFOUND;
    if (competing->open_count == COMPETING_OPEN_MAX)
        return EDDA_ELIMIT;
    if (!heap_insert(&competing->due, &record->due, 0, position))
        return EDDA_ENOMEM;
    list_remove(&record->link);
    list_sort_in(&competing->open, record);
    free(record->reason);
    record->reason = NULL;
    record->reason_len = 0;
    record->parked = false;
    record->deliveries = 0;
    competing->parked_count--;
    competing->open_count++;
    return 0;
}

int competing_discard(struct competing *competing, uint64_t position)
{
    struct competing_record *record = find(competing, position);
    if (!record || !record->parked)
        return EDDA_ENOTFOUND;
    record_free(competing, record);
    return 0;
}

const struct competing_record *competing_each(const struct competing *competing, bool parked, const struct competing_record *previous)
{
    const struct list *head = parked ? &competing->parked : &competing->open;
    const struct list *link = previous ? previous->link.next : head->next;
    return link == head ? NULL : container_of(link, struct competing_record, link);
}

/* --- who has what ------------------------------------------------------------------------------------------------------ */

const struct competing_record *competing_find(const struct competing *competing, uint64_t position)
{
    return find_open(competing, position);
}

int competing_claim(struct competing *competing, uint64_t position, struct competing_consumer *consumer, int64_t delivered_ms, uint32_t deliveries)
{
    struct competing_record *record = find(competing, position);
    if (!record || record->parked)
        return EDDA_ENOTFOUND;
    record->delivered_ms = delivered_ms;
    record->deliveries = deliveries ? deliveries : 1;
    give_to(record, consumer);
    heap_update(&competing->due, &record->due, COMPETING_NEVER);
    return 0;
}

int competing_reopen(struct competing *competing, uint64_t position)
{
    const struct competing_record *record = find(competing, position);
    if (record)
        return record->parked ? EDDA_ENOTFOUND : 0;
    return competing->open_count == COMPETING_OPEN_MAX ? EDDA_ELIMIT : record_new(competing, position, 0, 0, NULL);
}

struct competing_consumer *competing_consumer_each(const struct competing *competing, const struct competing_consumer *previous)
{
    struct list *link = previous ? previous->link.next : competing->consumers.next;
    return link == &competing->consumers ? NULL : container_of(link, struct competing_consumer, link);
}

struct competing_consumer *competing_consumer(const struct competing *competing, struct slice name)
{
    struct competing_consumer *at = NULL;
    while ((at = competing_consumer_each(competing, at)) && !slice_eq(slice_of(at->name, at->name_len), name))
        continue;
    return at;
}

int competing_consumer_make(struct competing *competing, struct slice name, int64_t now_ms, struct competing_consumer **ret_consumer)
{
    struct competing_consumer *made = competing_consumer(competing, name), *behind = NULL;
    if (made) {
        *ret_consumer = made;
        return 0;
    }
    if (name.len == 0 || name.len > COMPETING_CONSUMER_NAME_MAX)
        return EDDA_EINVAL;
    if (competing->consumer_count == COMPETING_CONSUMERS_MAX)
        return EDDA_ELIMIT;
    made = calloc(1, sizeof *made + name.len);
    if (!made)
        return EDDA_ENOMEM;
    made->seen_ms = now_ms;
    made->active_ms = -1;
    made->name_len = (uint16_t)name.len;
    memcpy(made->name, name.data, name.len);
    while ((behind = competing_consumer_each(competing, behind)) && slice_compare(slice_of(behind->name, behind->name_len), name) < 0)
        continue;
    list_insert_before(behind ? &behind->link : &competing->consumers, &made->link);
    competing->consumer_count++;
    *ret_consumer = made;
    return 1;
}

uint32_t competing_consumer_drop(struct competing *competing, struct competing_consumer *consumer)
{
    uint32_t had = consumer->pending;
    for (struct list *link = competing->open.next, *next; consumer->pending; link = next) {
        struct competing_record *record = container_of(link, struct competing_record, link);
        next = link->next;
        if (record->consumer == consumer)
            record_free(competing, record);
    }
    list_remove(&consumer->link);
    competing->consumer_count--;
    free(consumer);
    return had;
}
