/*
 * run_entry: how an entry is written in a run, as the difference to the one before it in its list. A control byte
 * tells how many bytes each of the three numbers takes, so that decoding is loads and masks without a branch per byte:
 *
 *      bits 0-2  position less the position before, unsigned: 0 to 6 bytes, or 7 for 8 bytes
 *      bits 3-5  batch less the batch before, zigzag: the same
 *      bits 6-7  record: 0, 1, 2 or 3 for 0, 1, 2 or 4 bytes
 *
 * Differences are taken modulo 2^64, so that every entry can be written after every other.
 */
#ifndef EDDA_STORE_RUN_ENTRY_H
#define EDDA_STORE_RUN_ENTRY_H

#include "store/index.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "runs are written as a little-endian machine lays them out");

#define RUN_ENTRY_BYTES_MAX 21
/* Writing and reading go in words; so many bytes behind an entry must be there to be touched. */
#define RUN_ENTRY_SLACK 8

static inline unsigned run_entry_class(uint64_t value)
{
    unsigned bytes = value ? (71 - (unsigned)__builtin_clzll(value)) / 8 : 0;

    return bytes < 7 ? bytes : 7;
}

static inline unsigned run_entry_bytes(unsigned class)
{
    return class + (class == 7);
}

/* The low so many bytes, of a class. */
static inline uint64_t run_entry_mask(unsigned class)
{
    static const uint64_t masks[8] = {
        0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, UINT64_MAX,
    };

    return masks[class];
}

static inline unsigned run_record_bytes(unsigned class)
{
    return class + (class == 3);
}

/* Writes `entry` after `before`; returns the place behind it. */
static inline uint8_t *run_entry_put(uint8_t *at, const struct index_entry *before, const struct index_entry *entry)
{
    uint64_t position = entry->position - before->position;
    uint64_t difference = entry->batch - before->batch;
    uint64_t batch = difference << 1 ^ (0 - (difference >> 63));
    uint64_t record = entry->record;
    unsigned position_class = run_entry_class(position);
    unsigned batch_class = run_entry_class(batch);
    unsigned record_class = record > 0xffff ? 3 : record > 0xff ? 2 : record > 0;

    *at++ = (uint8_t)(position_class | batch_class << 3 | record_class << 6);
    memcpy(at, &position, sizeof(position));
    at += run_entry_bytes(position_class);
    memcpy(at, &batch, sizeof(batch));
    at += run_entry_bytes(batch_class);
    memcpy(at, &record, sizeof(record));
    return at + run_record_bytes(record_class);
}

/* Reads the entry after `*entry` into it; NULL when it does not fit before `end`. */
static inline const uint8_t *run_entry_get(const uint8_t *at, const uint8_t *end, struct index_entry *entry)
{
    static const uint32_t record_masks[4] = { 0, 0xff, 0xffff, UINT32_MAX };
    unsigned position_class, batch_class, record_class;
    uint64_t position, batch;
    uint32_t record;
    uint8_t control;

    if (at >= end)
        return NULL;
    control = *at++;
    position_class = control & 7;
    batch_class = control >> 3 & 7;
    record_class = control >> 6;
    memcpy(&position, at, sizeof(position));
    at += run_entry_bytes(position_class);
    memcpy(&batch, at, sizeof(batch));
    at += run_entry_bytes(batch_class);
    memcpy(&record, at, sizeof(record));
    at += run_record_bytes(record_class);
    batch &= run_entry_mask(batch_class);
    entry->position += position & run_entry_mask(position_class);
    entry->batch += batch >> 1 ^ (0 - (batch & 1));
    entry->record = record & record_masks[record_class];
    return at <= end ? at : NULL;
}

#endif
