/*
 * competing: see competing.h. Its state as bytes: a version (1), `next`, the number of open records and for each, by position, the distance to the one before, its deliveries and when
 * it is due, the number of parked records and for each the distance, its deliveries, the length of its reason and the reason. All integers are unsigned varints.
 */
#include "broker/competing.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/put.h"

#define STATE_VERSION 1

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
    table_init(&competing->records);
    heap_init(&competing->due);
}

static void record_free(struct competing *competing, struct competing_record *record)
{
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

static void put_list(const struct list *head, uint32_t count, struct buffer *out)
{
    uint64_t before = 0;
    put_number(out, count);
    for (const struct list *link = head->next; link != head; link = link->next) {
        const struct competing_record *record = container_of(link, struct competing_record, link);
        put_number(out, record->position - before);
        put_number(out, record->deliveries);
        put_number(out, record->parked ? record->reason_len : (uint64_t)record->due.key);
        if (record->parked)
            buffer_append(out, record->reason, record->reason_len);
        before = record->position;
    }
}

void competing_write(const struct competing *competing, struct buffer *out)
{
    put_number(out, STATE_VERSION);
    put_number(out, competing->next);
    put_list(&competing->open, competing->open_count, out);
    put_list(&competing->parked, competing->parked_count, out);
}

static int read_list(struct competing *competing, struct cursor *cursor, bool parked)
{
    uint64_t count = cursor_uvarint64(cursor), position = 0;
    if (count > (parked ? COMPETING_PARKED_MAX : COMPETING_OPEN_MAX))
        return EDDA_ECORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = cursor_uvarint64(cursor), deliveries = cursor_uvarint64(cursor), number = cursor_uvarint64(cursor);
        bool fits = !__builtin_add_overflow(position, step, &position);
        if (parked && number > COMPETING_REASON_MAX)
            return EDDA_ECORRUPT;
        struct slice reason = parked ? cursor_bytes(cursor, (size_t)number) : slice_of(NULL, 0);
        if (!cursor_ok(cursor) || !fits || (i > 0 && step == 0) || position >= competing->next || deliveries > UINT32_MAX || number > INT64_MAX ||
            find(competing, position))
            return EDDA_ECORRUPT;
        int rc = record_new(competing, position, (uint32_t)deliveries, (int64_t)number, parked ? &reason : NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int competing_read(struct competing *competing, struct slice bytes)
{
    struct cursor cursor = cursor_of(bytes);
    ASSERT(competing->open_count == 0 && competing->parked_count == 0);
    if (cursor_uvarint64(&cursor) != STATE_VERSION)
        return EDDA_ECORRUPT;
    competing->next = cursor_uvarint64(&cursor);
    int rc = read_list(competing, &cursor, false);
    if (rc == 0)
        rc = read_list(competing, &cursor, true);
    return rc < 0 ? rc : cursor_ok(&cursor) && cursor_left(&cursor) == 0 ? 0 : EDDA_ECORRUPT;
}

/* --- records ---------------------------------------------------------------------------------------------------------- */

uint64_t competing_watermark(const struct competing *competing)
{
    return list_empty(&competing->open) ? competing->next : container_of(competing->open.next, struct competing_record, link)->position;
}

int competing_add(struct competing *competing, uint64_t position)
{
    ASSERT(position >= competing->next);
    if (competing->open_count == COMPETING_OPEN_MAX)
        return EDDA_ELIMIT;
    int rc = record_new(competing, position, 0, 0, NULL);
    if (rc == 0)
        competing->next = position + 1;
    return rc;
}

void competing_pass(struct competing *competing, uint64_t position)
{
    if (position > competing->next)
        competing->next = position;
}

int competing_take(struct competing *competing, int64_t now_ms, int64_t again_ms, uint64_t *ret_position, uint32_t *ret_deliveries)
{
    struct heap_node *first = heap_first(&competing->due);
    if (!first || first->key > now_ms)
        return 0;
    struct competing_record *record = container_of(first, struct competing_record, due);
    heap_update(&competing->due, first, again_ms > now_ms ? again_ms : now_ms + 1);
    if (record->deliveries < UINT32_MAX)
        record->deliveries++;
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
