/* loss: see edda_loss.h. */
#include "cmd/edda_loss.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/hash.h"
#include "store/front.h"
#include "store/producers.h"
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
    free(plan->slots);
    free(plan->places);
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

static int filling_add(struct loss_plan *plan, struct filling filling)
{
    if (!filling.name.data || !filling.row.data || !array_reserve(&plan->fillings, &plan->filling_capacity, plan->filling_count + 1, sizeof(filling)))
        return EDDA_ENOMEM;
    plan->fillings[plan->filling_count++] = filling;
    return 0;
}

static int slot_add(struct loss_plan *plan, size_t since, uint64_t missing)
{
    if (!array_reserve(&plan->slots, &plan->slot_capacity, plan->slot_count + 1, sizeof(struct loss_slot)))
        return EDDA_ENOMEM;
    plan->slots[plan->slot_count++] = (struct loss_slot){ since, plan->loss_count, missing };
    return 0;
}

static int batch_take(struct loss_plan *plan, const struct frame_batch *b, uint64_t position)
{
    struct loss_place *place;
    int r = place_get(plan, b->partition, &place);
    if (r == 0 && b->partition == 0 && b->batch.base_offset > place->next_offset)
        r = slot_add(plan, place->losses_seen, (uint64_t)(b->batch.base_offset - place->next_offset));
    if (r < 0)
        return r;
    if (!place->seen)
        place->used = position;
    place->seen = true;
    place->losses_seen = plan->loss_count;
    place->next_offset = b->batch.base_offset + b->batch.last_offset_delta + 1;
    return 0;
}

/* A row of the table of topics. One for partitions that were used before, at `used`, takes the place of a lost one. */
static int row_take(struct loss_plan *plan, struct slice name, struct slice value, uint64_t used)
{
    struct loss_row row;
    struct arena arena;
    bool late = used != UINT64_MAX;
    arena_init(&arena, 0, 0);
    int r = value.data ? json_decode(&loss_row_type, value, JSON_REQUEST, &arena, &row, NULL) : EDDA_EINVAL;
    const struct loss_range *ranges = r == 0 ? row.partitions.items : NULL;
    if (r != 0 && r != EDDA_ENOMEM) { /* its row is none */
        arena_deinit(&arena);
        return 0;
    }
    for (uint32_t i = 0; r == 0 && i < row.partitions.count; i++)
        for (int64_t n = 0; r == 0 && n < ranges[i].count; n++) {
            struct loss_place *place;
            r = place_get(plan, (uint32_t)(ranges[i].first + n), &place);
            if (r == 0) {
                if (place->seen && !place->named && place->used < used)
                    used = place->used;
                late |= place->seen && !place->named;
                place->named = true;
            }
        }
    if (r == 0 && row.partitions.count > 0 && slice_eq_str(name, TOPIC_PRODUCERS))
        plan->producers = (uint32_t)ranges[0].first;
    struct filling filling = { .used = used };
    if (r == 0 && late) {
        /* What became of the topic, the later row says. */
        struct buffer json = BUFFER_EMPTY;
        json_encode(&loss_row_type, &row, &json);
        filling.name = arena_copy(&plan->arena, name);
        filling.row = arena_copy(&plan->arena, buffer_slice(&json));
        buffer_deinit(&json);
        r = filling_add(plan, filling);
    }
    arena_deinit(&arena);
    return r;
}

/* What lies between the next position and this one is lost. */
static int position_take(struct loss_plan *plan, uint64_t position)
{
    if (position == plan->next_position)
        return 0;
    if (!array_reserve(&plan->losses, &plan->loss_capacity, plan->loss_count + 1, sizeof(struct loss)))
        return EDDA_ENOMEM;
    uint64_t count = position - plan->next_position;
    plan->losses[plan->loss_count++] = (struct loss){ .first = plan->next_position, .count = count, .left = count };
    return 0;
}

int loss_plan_front(struct loss_plan *plan, uint64_t position_count, struct slice rows)
{
    struct cursor c = cursor_of(rows);
    struct slice name, row;
    int r = position_take(plan, position_count);
    if (r < 0 || plan->loss_count == 0)
        return r;
    plan->losses[0].removed = true;
    plan->next_position = position_count;
    /* They come before any record, whatever that is of. */
    while (r == 0 && front_row_next(&c, &name, &row))
        r = row_take(plan, name, row, 1);
    return r;
}

int loss_plan_gap(struct loss_plan *plan, uint64_t first_position, uint32_t position_count, size_t left_bytes)
{
    int r = position_take(plan, first_position);
    if (left_bytes > plan->body_bytes_max)
        plan->body_bytes_max = left_bytes;
    plan->next_position = first_position + position_count;
    return r;
}

int loss_plan_frame(struct loss_plan *plan, const struct frame *frame, const struct frame_source *source)
{
    struct record record;
    int r = position_take(plan, frame->first_position);
    if (frame->body_bytes > plan->body_bytes_max)
        plan->body_bytes_max = frame->body_bytes;
    plan->next_position = frame_end(frame);
    for (uint32_t i = frame->holes; r == 0 && i < frame->record_count; i++)
        if (frame_partition_of(frame, i) == 0 && frame_record(frame, i, source, &record, NULL) == 0)
            r = row_take(plan, record.key, record.value, UINT64_MAX);
    for (uint32_t i = 0; r == 0 && i < frame->batch_count; i++)
        r = batch_take(plan, &frame->batches[i], frame->first_position);
    return r;
}

/* The partitions that nobody names become one topic, whose streams may lie anywhere. */
static int unnamed_name(struct loss_plan *plan)
{
    struct edda_list ranges = { 0 };
    uint8_t id[16];
    char text[UUID_TEXT_BYTES];
    struct buffer json = BUFFER_EMPTY;
    uint64_t used = UINT64_MAX;
    int r = 0;
    for (uint32_t i = 1; r == 0 && i < plan->place_count; i++) {
        if (!plan->places[i].seen || plan->places[i].named)
            continue;
        struct loss_range *range = edda_list_add(&ranges, sizeof(*range));
        if (range)
            *range = (struct loss_range){ .first = i, .count = 1 };
        else
            r = EDDA_ENOMEM;
        if (plan->places[i].used < used)
            used = plan->places[i].used;
    }
    if (r == 0 && ranges.count > 0) {
        io_random_fill(plan->io, id, sizeof(id));
        uuid_print(id, text);
        struct loss_row row = { .id = { text, sizeof(text) }, .partitions = ranges, .mixed = true };
        json_encode(&loss_row_type, &row, &json);
        r = filling_add(plan, (struct filling){
            .used = used, .name = SLICE(LOSS_PARTITIONS_TOPIC), .row = arena_copy(&plan->arena, buffer_slice(&json))
        });
    }
    buffer_deinit(&json);
    edda_list_free(&ranges);
    return r;
}

static int compare_fillings(const void *a, const void *b)
{
    const struct filling *x = a, *y = b;
    return (x->used > y->used) - (x->used < y->used);
}

/* A lost position, and the offset that is missing there. False when there is none before it is needed. */
static bool filling_place(struct loss_plan *plan, struct filling *filling)
{
    for (size_t i = 0; i < plan->slot_count; i++) {
        struct loss_slot *slot = &plan->slots[i];
        for (size_t n = slot->since; slot->missing > 0 && n < slot->until && plan->losses[n].first < filling->used; n++) {
            if (plan->losses[n].left == 0)
                continue;
            plan->losses[n].left--;
            slot->missing--;
            filling->loss = n;
            return true;
        }
    }
    return false;
}

int loss_plan_end(struct loss_plan *plan, struct edda_error *error)
{
    int r = unnamed_name(plan);
    if (r == 0)
        r = slot_add(plan, plan->place_count ? plan->places[0].losses_seen : 0, UINT64_MAX);
    if (r < 0)
        return edda_fail_with(error, r, "out of memory");
    if (plan->filling_count)
        qsort(plan->fillings, plan->filling_count, sizeof(*plan->fillings), compare_fillings);
    for (size_t i = 0; i < plan->filling_count; i++)
        if (!filling_place(plan, &plan->fillings[i]))
            return edda_fail_with(error, EDDA_ECORRUPT, "topic %.*s has records before position %" PRIu64 ", and nothing is lost before them that could have been its row",
                                  (int)plan->fillings[i].name.len, (const char *)plan->fillings[i].name.data, plan->fillings[i].used + 1);
    return 0;
}
