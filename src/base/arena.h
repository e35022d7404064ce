/*
 * arena: memory that is given back all at once: one per request, per batch, per step. An
 * arena_reset() keeps the blocks, so that a warm arena allocates nothing from the system.
 */
#ifndef EDDA_BASE_ARENA_H
#define EDDA_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *first;
    struct arena_block *current;
    size_t block_bytes; /* size of an ordinary block */
    size_t used;        /* bytes handed out since the last reset */
    size_t used_max;    /* 0: no limit */
};

/* `block_bytes` 0 takes 16 KiB; `used_max` 0 means no limit. Allocates nothing yet. */
void arena_init(struct arena *a, size_t block_bytes, size_t used_max);
void arena_deinit(struct arena *a);
void arena_reset(struct arena *a);

/* Zeroed memory aligned to 16 bytes, or NULL when out of memory or past the limit. A size of 0
 * gives a pointer that must not be read. */
void *arena_alloc(struct arena *a, size_t size);
/* The same, of uninitialised bytes aligned to 1. */
uint8_t *arena_bytes(struct arena *a, size_t size);

/* Copies into the arena; a failed copy has data NULL and len 0. */
struct slice arena_copy(struct arena *a, struct slice s);
/* A zero-terminated copy, or NULL. */
char *arena_cstr(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
