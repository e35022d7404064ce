/*
 * verify: everything against everything. The log checks its frames and segments; here every frame is decoded, every batch
 * checked, offsets must follow each other, and the index must hold exactly what the log gives it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/internal.h"

struct verify {
    struct store *store;
    struct frame *frame;
    struct additions additions;
    int64_t *next_offsets;      /* by partition number; -1: not seen yet */
    uint64_t entries;           /* what the index should hold */
    int64_t found;
    log_damage_fn *damage;
    void *user;
};

static void tell(struct verify *v, const char *where, uint64_t from, uint64_t to, const char *reason)
{
    v->found++;
    if (v->damage)
        v->damage(v->user, where, from, to, reason);
}

/* Tells of damage to a frame that the log finds whole. */
static void tell_frame(struct verify *v, const struct log_frame *frame, const char *reason)
{
    struct log_segment_info info = { .name = "?" }, next;
    for (size_t i = 0; log_segment(v->store->log, i, &next) && next.first_address <= frame->address; i++)
        info = next;
    tell(v, info.name, frame->address - info.first_address, frame->next - info.first_address, reason);
}

static void batches_verify(struct verify *v, const struct log_frame *from)
{
    for (uint32_t i = 0; i < v->frame->batch_count; i++) {
        const struct frame_batch *b = &v->frame->batches[i];
        struct edda_error error;
        if (batch_check_stored(&b->batch, &error) < 0)
            tell_frame(v, from, error.message);
        if (b->partition >= v->store->place_count) {
            tell_frame(v, from, "a batch is of an unknown partition");
            continue;
        }
        int64_t *next = &v->next_offsets[b->partition];
        if (*next >= 0 && *next != b->batch.base_offset && !(*next < b->batch.base_offset && log_has_removed(v->store->log)))
            tell_frame(v, from, "the offsets of a batch do not follow those of the one before");
        *next = b->batch.base_offset + b->batch.last_offset_delta + 1;
    }
}

/* Whether a batch has become thin, and its records no longer lie where the index has them. */
static bool is_thin(const struct verify *v, uint64_t address)
{
    struct batch batch;
    return log_has_removed(v->store->log) && batch_parse(log_bytes(v->store->log, address), &batch, NULL) > 0 && batch_is_thin(&batch);
}

/* Several batches of a partition may share a position, when their records have none. */
static bool entry_is_there(struct verify *v, const struct index_addition *wanted)
{
    struct index_entry entry;
    uint64_t ordinal;
    bool same = false;
    if (index_find_position(v->store->index, wanted->key, wanted->entry.position, &ordinal) < 0)
        return false;
    while (!same && index_read(v->store->index, wanted->key, ordinal++, false, &entry, 1) == 1 &&
           entry.position == wanted->entry.position)
        same = entry.batch == wanted->entry.batch && (entry.record == wanted->entry.record || is_thin(v, entry.batch));
    return same;
}

static int frame_verify(void *user, const struct log_frame *from)
{
    struct verify *v = user;
    struct edda_error error;
    if (from->position_count == 0 || from->removed)
        return 0;
    int r = frame_load(v->frame, from, &v->store->source, &error);
    if (r == EDDA_ENOMEM)
        return r;
    if (r < 0) {
        tell_frame(v, from, error.message);
        return 0;
    }
    batches_verify(v, from);
    additions_clear(&v->additions);
    r = frame_additions(v->store, v->frame, &v->additions);
    if (r == EDDA_ENOMEM)
        return r;
    if (r < 0)
        tell_frame(v, from, "a record is malformed or of an unknown partition");
    v->entries += v->additions.count;
    for (uint32_t i = 0; r == 0 && i < v->additions.count; i++)
        if (v->additions.items[i].entry.batch != 0 && !entry_is_there(v, &v->additions.items[i]))
            tell(v, "index", v->additions.items[i].entry.position, v->additions.items[i].entry.position + 1,
                 "the index lacks the record at this position, or has it elsewhere");
    return 0;
}

static int verify_run(struct verify *v, struct edda_error *error)
{
    struct store *store = v->store;
    struct index_stats stats;
    int64_t found = log_verify(store->log, v->damage, v->user, error);
    if (found < 0)
        return (int)found;
    v->found += found;
    struct edda_error index_error;
    int r = index_verify(store->index, &index_error);
    if (r == EDDA_ECORRUPT)
        tell(v, "index", 0, 0, index_error.message);
    else if (r < 0)
        return edda_fail_with(error, r, "%s", index_error.message);
    r = log_scan(store->log, 0, frame_verify, NULL, v, error);
    /* What the scan stops at, log_verify() has told of. */
    if (r == EDDA_ECORRUPT && found > 0)
        return 0;
    if (r < 0)
        return r;
    index_stats(store->index, &stats);
    /* Of what was removed the index may know all that it knew, or only how many there were. */
    if (v->found == 0 && (log_has_removed(store->log) ? stats.entries < v->entries : stats.entries != v->entries)) {
        char reason[96];
        snprintf(reason, sizeof(reason), "the index has %" PRIu64 " entries, the log gives %" PRIu64, stats.entries, v->entries);
        tell(v, "index", 0, 0, reason);
    }
    return 0;
}

int64_t store_verify(struct store *store, log_damage_fn *damage, void *user, struct edda_error *error)
{
    int r = store->options.log.read_only || store->options.log.salvage ? 0 : store_flush(store, error);
    if (r < 0)
        return r;
    struct verify v = {
        .store = store,
        .frame = frame_new(),
        .next_offsets = malloc((store->place_count + 1) * sizeof(int64_t)),
        .damage = damage,
        .user = user,
    };
    additions_init(&v.additions);
    for (uint32_t i = 0; v.next_offsets && i < store->place_count; i++)
        v.next_offsets[i] = -1;
    r = v.frame && v.next_offsets ? verify_run(&v, error) : edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    frame_free(v.frame);
    free(v.next_offsets);
    additions_deinit(&v.additions);
    return r < 0 ? r : v.found;
}
