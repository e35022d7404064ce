/*
 * taken: how many records of which streams compaction has taken from a batch, as it lies behind a thin batch (store/frame.h): versions outlive their records.
 *
 *     uvarint number of streams; per stream uvarint records, and uvarint 0 and the hash of the stream (u64 low half, u64 high half, little-endian),
 *     or uvarint n and the n - 1 bytes of the key
 *
 * The key stands where a hash would not fit: what was taken leaves little room.
 */
#ifndef EDDA_STORE_TAKEN_H
#define EDDA_STORE_TAKEN_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/hash.h"

struct taken {
    uint32_t count;
    struct hash128 stream;
    struct slice key;          /* data NULL: `stream` says it */
};

/* How many streams follow, at the start; then each of them. The cursor fails when it is malformed. */
uint32_t taken_begin(struct cursor *c);
struct taken taken_next(struct cursor *c);

void taken_put_count(struct buffer *out, uint32_t streams);
void taken_put(struct buffer *out, const struct taken *taken);

/* The bytes at the start of `bytes` that are such a list, and the sum of its counts. False when it is malformed. */
bool taken_measure(struct slice bytes, size_t *ret_bytes, uint64_t *ret_records);

/* The stream that is meant, of this topic. */
struct hash128 taken_stream(const struct taken *taken, uint64_t seed, struct slice topic);

#endif
