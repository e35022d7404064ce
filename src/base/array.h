/* array: room in an array of plain items that only grows. */
#ifndef EDDA_BASE_ARRAY_H
#define EDDA_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes room for `wanted` items of `item_bytes` in the array at `*array` (the address of a pointer, NULL at first; the memory is the caller's to free()), and notes in *capacity for
 * how many there is room: at least twice as many as before when it grows. What is new is not initialised. False when out of memory, or for more than 2^31
 * items: then nothing has changed.
 */
bool array_reserve(void *array, uint32_t *capacity, uint64_t wanted, size_t item_bytes);

#endif
