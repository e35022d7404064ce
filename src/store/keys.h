/*
 * keys: the 128-bit keys under which the index answers the store's questions. A key is the seeded hash of a byte that
 * names the question and of what is asked for:
 *
 *   's'  topic, key                the records of a stream
 *   'c'  correlation id, nothing   the records of a process
 *   'i'  source, id                the first record with this identity, and later ones
 *   'p'  partition number, nothing its batches: position of the first record, record = how many
 *   'f'  nothing, nothing          the frames: first position, batch = address, record = how many positions
 *
 * Each part has its length before it, as u32; integers are little-endian. A part of more than KEY_PART_MAX bytes is
 * replaced by its own hash: its length tells.
 */
#ifndef EDDA_STORE_KEYS_H
#define EDDA_STORE_KEYS_H

#include "base/hash.h"

#define KEY_PART_MAX 256

struct hash128 key_stream(uint64_t seed, struct slice topic, struct slice key);
struct hash128 key_correlation(uint64_t seed, struct slice correlation);
struct hash128 key_identity(uint64_t seed, struct slice source, struct slice id);
struct hash128 key_partition(uint64_t seed, uint32_t partition);
struct hash128 key_frames(uint64_t seed);

#endif
