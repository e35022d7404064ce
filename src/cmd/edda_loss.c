/* loss: see edda_loss.h. */
#include "cmd/edda_loss.h"

#include <stdlib.h>

#include "base/hash.h"
#include "store/store.h"
#include "store/uuid.h"
#include "wire/json/json.h"

#define PARTITION_NUMBER_MAX (UINT32_C(1) << 27) /* all topics with all their partitions */

/* A row of the table of topics, as store/topics.c writes it. */
struct loss_range {
    int64_t first;
    int64_t count;
};
static const struct edda_field loss_range_fields[] = {
    EDDA_FIELD(loss_range, first, .min = 0, .max = PARTITION_NUMBER_MAX),
    EDDA_FIELD(loss_range, count, .min = 1, .max = STORE_PARTITIONS_MAX),
};
static const struct edda_type loss_range_type = EDDA_VALUE(loss_range);

struct loss_row {
    struct edda_text id;
    struct edda_list partitions;
    bool mixed;
};
static const struct edda_field loss_row_fields[] = {
    EDDA_FIELD(loss_row, id),
    EDDA_FIELD_LIST_OF(loss_row, partitions, loss_range_type),
    EDDA_FIELD(loss_row, mixed, .optional = true),
};
static const struct edda_type loss_row_type = EDDA_VALUE(loss_row);

void loss_plan_init(struct loss_plan *plan, struct io *io)
{
    *plan = (struct loss_plan){ .io = io };
    arena_init(&plan->arena, 0, 0);
}

void loss_plan_deinit(struct loss_plan *plan)
{
    arena_deinit(&plan->arena);
    free(plan->losses);
    free(plan->fillings);
    free(plan->places);
}

/* Room for one more in an array. */
static bool grow(void *array, size_t count, size_t *capacity, size_t item_bytes)
{
    void **items = array;
    if (count < *capacity)
        return true;
    size_t more = *capacity ? 2 * *capacity : 16;
    void *moved = realloc(*items, more * item_bytes);
    if (!moved)
        return false;
    *items = moved;
    *capacity = more;
    return true;
}

static int place_get(struct loss_plan *plan, uint32_t number, struct loss_place **ret_place)
{
    if (number > PARTITION_NUMBER_MAX)
        return EDDA_ELIMIT;
    while (plan->place_capacity <= number) {
        uint32_t capacity = plan->place_capacity ? 2 * plan->place_capacity : 64;
        struct loss_place *places = realloc(plan->places, capacity * sizeof(*places));
        if (!places)
            return EDDA_ENOMEM;
        memset(places + plan->place_capacity, 0, (capacity - plan->place_capacity) * sizeof(*places));
        plan->places = places;
        plan->place_capacity = capacity;
    }
    if (plan->place_count <= number)
        plan->place_count = number + 1;
    *ret_place = &plan->places[number];
    return 0;
}

/* The first loss from `from` on that has a position left; loss_count when there is none. */
static size_t loss_with_room(const struct loss_plan *plan, size_t from)
{
    while (from < plan->loss_count && plan->losses[from].left == 0)
        from++;
    return from;
}

static int filling_add(struct loss_plan *plan, struct filling filling)
{
    if (!grow((void *)&plan->fillings, plan->filling_count, &plan->filling_capacity, sizeof(filling)))
        return EDDA_ENOMEM;
    plan->losses[filling.loss].left -= filling.count;
    plan->fillings[plan->filling_count++] = filling;
    return 0;
}

/* Offsets that are missing in a partition were lost since it was last seen. */
static int offsets_fill(struct loss_plan *plan, uint32_t partition, size_t since, uint64_t missing)
{
    for (size_t i = loss_with_room(plan, since); missing > 0 && i < plan->loss_count; i = loss_with_room(plan, i + 1)) {
        uint64_t count = missing < plan->losses[i].left ? missing : plan->losses[i].left;
        int r = filling_add(plan, (struct filling){ .loss = i, .partition = partition, .count = count });
        if (r < 0)
            return r;
        missing -= count;
    }
    plan->shifted += missing;
    return 0;
}

static int batch_take(struct loss_plan *plan, const struct frame_batch *b)
{
    struct loss_place *place;
    int r = place_get(plan, b->partition, &place);
    if (r < 0)
        return r;
    if (b->partition != 0 && !place->named && !plan->anonymous) {
        plan->anonymous_loss = loss_with_room(plan, 0);
        if (plan->anonymous_loss == plan->loss_count)
            return EDDA_ECORRUPT;
        plan->losses[plan->anonymous_loss].left--;
        plan->anonymous = true;
    }
    if (b->batch.base_offset > place->next_offset)
        r = offsets_fill(plan, b->partition, place->losses_seen, (uint64_t)(b->batch.base_offset - place->next_offset));
    place->seen = true;
    place->losses_seen = plan->loss_count;
    place->next_offset = b->batch.base_offset + b->batch.last_offset_delta + 1;
    return r;
}

/* A row of the table of topics. One for partitions that were used before takes the place of a lost one. */
static int row_take(struct loss_plan *plan, const struct record *record)
{
    struct loss_row row;
    struct arena arena;
    bool late = false;
    arena_init(&arena, 0, 0);
    int r = record->value.data ? json_decode(&loss_row_type, record->value, JSON_REQUEST, &arena, &row, NULL) : EDDA_EINVAL;
    const struct loss_range *ranges = r == 0 ? row.partitions.items : NULL;
    if (r != 0 && r != EDDA_ENOMEM) { /* a topic was deleted, or its row is none */
        arena_deinit(&arena);
        return 0;
    }
    for (uint32_t i = 0; r == 0 && i < row.partitions.count; i++)
        for (int64_t n = 0; r == 0 && n < ranges[i].count; n++) {
            struct loss_place *place;
            r = place_get(plan, (uint32_t)(ranges[i].first + n), &place);
            if (r == 0) {
                late |= place->seen && !place->named;
                place->named = true;
            }
        }
    arena_deinit(&arena);
    size_t room = loss_with_room(plan, 0);
    if (r < 0 || !late || room == plan->loss_count)
        return r;
    struct filling filling = {
        .loss = room, .count = 1, .name = arena_copy(&plan->arena, record->key), .row = arena_copy(&plan->arena, record->value),
    };
    return filling.name.data && filling.row.data ? filling_add(plan, filling) : EDDA_ENOMEM;
}

int loss_plan_frame(struct loss_plan *plan, const struct frame *frame, const struct frame_source *source)
{
    struct record record;
    int r = 0;
    if (frame->first_position > plan->next_position) {
        uint64_t count = frame->first_position - plan->next_position;
        if (!grow((void *)&plan->losses, plan->loss_count, &plan->loss_capacity, sizeof(struct loss)))
            return EDDA_ENOMEM;
        plan->losses[plan->loss_count++] = (struct loss){ plan->next_position, count, count };
    }
    if (frame->body_bytes > plan->body_bytes_max)
        plan->body_bytes_max = frame->body_bytes;
    plan->next_position = frame_end(frame);
    for (uint32_t i = frame->holes; r == 0 && i < frame->record_count; i++)
        if (frame_partition_of(frame, i) == 0 && frame_record(frame, i, source, &record, NULL) == 0)
            r = row_take(plan, &record);
    for (uint32_t i = 0; r == 0 && i < frame->batch_count; i++)
        r = batch_take(plan, &frame->batches[i]);
    return r;
}

/* A row of its own for partitions, as a filling of a loss. */
static int row_make(struct loss_plan *plan, size_t loss, const char *topic, const struct edda_list *ranges)
{
    uint8_t id[16];
    char text[UUID_TEXT_BYTES];
    struct buffer json = BUFFER_EMPTY;
    io_random_fill(plan->io, id, sizeof(id));
    uuid_print(id, text);
    struct loss_row row = { .id = { text, sizeof(text) }, .partitions = *ranges };
    json_encode(&loss_row_type, &row, &json);
    struct filling filling = { .loss = loss, .count = 1, .name = slice_str(topic), .row = arena_copy(&plan->arena, buffer_slice(&json)) };
    buffer_deinit(&json);
    return filling.row.data ? filling_add(plan, filling) : EDDA_ENOMEM;
}

/* The partitions that nobody names become one topic. */
static int anonymous_name(struct loss_plan *plan)
{
    struct edda_list ranges = { 0 };
    int r = 0;
    for (uint32_t i = 1; i < plan->place_count; i++) {
        struct loss_range *range;
        if (!plan->places[i].seen || plan->places[i].named)
            continue;
        range = edda_list_add(&ranges, sizeof(*range));
        if (!range) {
            edda_list_free(&ranges);
            return EDDA_ENOMEM;
        }
        *range = (struct loss_range){ .first = i, .count = 1 };
    }
    plan->losses[plan->anonymous_loss].left++;
    if (ranges.count)
        r = row_make(plan, plan->anonymous_loss, LOSS_PARTITIONS_TOPIC, &ranges);
    edda_list_free(&ranges);
    return r;
}

/* By their losses; rows first, since they name the partitions of others. */
static int compare_fillings(const void *a, const void *b)
{
    const struct filling *x = a, *y = b;
    if (x->loss != y->loss)
        return x->loss < y->loss ? -1 : 1;
    if (!x->name.data != !y->name.data)
        return x->name.data ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

int loss_plan_end(struct loss_plan *plan)
{
    struct loss_range range = { .first = plan->place_count ? plan->place_count : 1, .count = 1 };
    struct edda_list ranges = { .items = &range, .count = 1 };
    int r = plan->anonymous ? anonymous_name(plan) : 0;
    size_t i = loss_with_room(plan, 0);
    if (r == 0 && i < plan->loss_count)
        r = row_make(plan, i, LOSS_POSITIONS_TOPIC, &ranges);
    for (i = loss_with_room(plan, i); r == 0 && i < plan->loss_count; i = loss_with_room(plan, i))
        r = filling_add(plan, (struct filling){ .loss = i, .partition = (uint32_t)range.first, .count = plan->losses[i].left });
    if (r == 0 && plan->filling_count)
        qsort(plan->fillings, plan->filling_count, sizeof(*plan->fillings), compare_fillings);
    return r;
}
