/*
 * The bytes of simulated files. A file's memory shows the newest contents; beside it lies, per
 * change since the last sync, what the change replaced. A sync forgets that list; a crash walks it
 * backward and gives each sector an old content back or not. So a sector ends with any content it
 * had since the sync, and the cost is one copy per write.
 *
 * Sizes are metadata, which file systems journal in order: a crash takes back a suffix of the
 * changes of a file's size, never one from the middle.
 *
 * After a failed sync the kernel takes the pages for clean. The changes it should have covered are
 * then `forgotten`: a later sync succeeds without writing them, unless they were written again.
 *
 * Memory is address space for the whole capacity of the disk, touched as it is used, so that a
 * mapped file can grow in place.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "io/simulated_parts.h"

#define PAGE_BYTES 4096
#define RESERVED_BYTES_MIN 65536
#define CLEAN_BY_HAND_MAX (1024 * 1024) /* more is given back to the system, which zeroes it */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t sector_end(uint64_t offset)
{
    return (offset + SECTOR_BYTES - 1) / SECTOR_BYTES;
}

struct sim_node *sim_node_new(struct io_simulated *s, bool is_dir)
{
    struct list *spare = list_pop_front(&s->nodes_spare);
    struct sim_node *node;

    if (spare) {
        node = container_of(spare, struct sim_node, link);
    } else {
        node = calloc(1, sizeof(*node));
        if (!node)
            return NULL;
        list_init(&node->link);
    }
    ASSERT(node->refs == 0 && node->maps == 0 && node->size == 0 && node->dirty_end == 0);
    node->is_dir = is_dir;
    list_push_back(&s->nodes, &node->link);
    return node;
}

static void node_clean(struct sim_node *node)
{
    if (node->dirty_end <= CLEAN_BY_HAND_MAX) {
        if (node->dirty_end)
            memset(node->data, 0, (size_t)node->dirty_end);
    } else {
        ASSERT(madvise(node->data, node->reserved, MADV_DONTNEED) == 0);
    }
    node->dirty_end = 0;
}

void sim_node_unref(struct io_simulated *s, struct sim_node *node)
{
    if (!node)
        return;
    ASSERT(node->refs > 0);
    if (--node->refs > 0)
        return;
    ASSERT(node->maps == 0 && !node->holder);
    s->used -= node->size;
    node_clean(node);
    node->size = 0;
    node->undo_count = node->forgotten = 0;
    buffer_clear(&node->old);
    list_remove(&node->link);
    list_push_front(&s->nodes_spare, &node->link);
}

void sim_node_free(struct sim_node *node)
{
    if (node->data)
        ASSERT(munmap(node->data, node->reserved) == 0);
    buffer_deinit(&node->old);
    free(node->undos);
    free(node);
}

/* Memory for all bytes up to `end`, rounded up to sectors. */
static int node_reserve(struct io_simulated *s, struct sim_node *node, uint64_t end)
{
    uint64_t bytes = most(most(end, s->options.disk_bytes), RESERVED_BYTES_MIN);
    void *data;

    if (sector_end(end) * SECTOR_BYTES <= node->reserved)
        return 0;
    bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (node->data) {
        ASSERT(node->maps == 0); /* only after the disk's capacity was raised */
        data = mremap(node->data, node->reserved, (size_t)bytes, MREMAP_MAYMOVE);
    } else {
        data = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    if (data == MAP_FAILED)
        return EDDA_ENOMEM;
    /* Huge pages would make many small files large. Where there are none, this fails and is right. */
    (void)madvise(data, (size_t)bytes, MADV_NOHUGEPAGE);
    node->data = data;
    node->reserved = (size_t)bytes;
    return 0;
}

/* Notes that the sectors from `from` to `to` (bytes) will change, and the size. */
static int node_undo_push(struct sim_node *node, uint64_t from, uint64_t to, uint64_t size_after, bool whole)
{
    struct sim_undo *u;

    if (node->undo_count == node->undo_capacity) {
        size_t capacity = node->undo_capacity ? 2 * node->undo_capacity : 64;
        struct sim_undo *undos = realloc(node->undos, capacity * sizeof(*undos));

        if (!undos)
            return EDDA_ENOMEM;
        node->undos = undos;
        node->undo_capacity = capacity;
    }
    u = &node->undos[node->undo_count];
    *u = (struct sim_undo){
        .sector = from / SECTOR_BYTES,
        .sectors = from < to ? sector_end(to) - from / SECTOR_BYTES : 0,
        .size_before = node->size,
        .size_after = size_after,
        .old_at = node->old.len,
        .whole = whole,
    };
    if (u->sectors)
        buffer_append(&node->old, node->data + u->sector * SECTOR_BYTES, (size_t)(u->sectors * SECTOR_BYTES));
    if (!buffer_ok(&node->old))
        return EDDA_ENOMEM;
    node->undo_count++;
    return 0;
}

static uint64_t space_left(const struct io_simulated *s)
{
    return s->used < s->options.disk_bytes ? s->options.disk_bytes - s->used : 0;
}

static void node_set_size(struct io_simulated *s, struct sim_node *node, uint64_t size)
{
    s->used = s->used - node->size + size;
    node->size = size;
}

int sim_node_resize(struct io_simulated *s, struct sim_node *node, uint64_t size)
{
    int r;

    if (size == node->size)
        return 0;
    if (size > node->size) {
        if (size - node->size > space_left(s))
            return EDDA_EFULL;
        r = node_reserve(s, node, size);
        if (r == 0)
            r = node_undo_push(node, 0, 0, size, false);
        if (r < 0)
            return r;
    } else {
        r = node_undo_push(node, size, node->dirty_end, size, true);
        if (r < 0)
            return r;
        if (node->dirty_end > size) {
            memset(node->data + size, 0, (size_t)(node->dirty_end - size));
            node->dirty_end = size;
        }
    }
    node_set_size(s, node, size);
    return 0;
}

int sim_node_write(struct io_simulated *s, struct sim_node *node, const struct slice *parts, size_t count,
                   uint64_t len, uint64_t offset)
{
    bool full = false;
    uint64_t end;
    uint8_t *at;
    int r;

    if (offset + len > node->size && offset + len - node->size > space_left(s)) {
        uint64_t fits = node->size + space_left(s);

        full = true;
        len = fits > offset ? fits - offset : 0;
    }
    if (len == 0)
        return full ? EDDA_EFULL : 0;
    end = offset + len;
    r = node_reserve(s, node, end);
    if (r == 0)
        r = node_undo_push(node, offset, end, most(end, node->size), false);
    if (r < 0)
        return r;

    at = node->data + offset;
    for (size_t i = 0; i < count && len > 0; i++) {
        size_t part = (size_t)least(parts[i].len, len);

        if (part)
            memcpy(at, parts[i].data, part);
        at += part;
        len -= part;
    }
    ASSERT(len == 0);
    node->dirty_end = most(node->dirty_end, end);
    node_set_size(s, node, most(node->size, end));
    return full ? EDDA_EFULL : 0;
}

/* What `u` would take back is durable after all where `newer`, which a sync covers, wrote it again. */
static void undo_supersede(struct sim_node *node, struct sim_undo *u, const struct sim_undo *newer)
{
    uint64_t from = most(u->sector, newer->sector);
    uint64_t to = least(u->sector + u->sectors, newer->sector + newer->sectors);

    if (from < to)
        memcpy(node->old.data + u->old_at + (from - u->sector) * SECTOR_BYTES, node->data + from * SECTOR_BYTES,
               (size_t)((to - from) * SECTOR_BYTES));
}

void sim_node_sync(struct sim_node *node)
{
    size_t keep = node->forgotten;

    for (size_t f = 0; f < keep; f++) {
        struct sim_undo *u = &node->undos[f];

        /* Metadata is not forgotten. */
        u->size_before = u->size_after;
        if (u->whole)
            u->sectors = 0;
        for (size_t i = keep; i < node->undo_count; i++)
            undo_supersede(node, u, &node->undos[i]);
    }
    if (keep < node->undo_count)
        buffer_truncate(&node->old, node->undos[keep].old_at);
    node->undo_count = keep;
}

void sim_node_sync_failed(struct sim_node *node)
{
    node->forgotten = node->undo_count;
}

static void undo_sectors(struct sim_node *node, const struct sim_undo *u, uint64_t first, uint64_t count)
{
    uint64_t sector = u->sector + first;

    memcpy(node->data + sector * SECTOR_BYTES, node->old.data + u->old_at + first * SECTOR_BYTES,
           (size_t)(count * SECTOR_BYTES));
    node->dirty_end = most(node->dirty_end, (sector + count) * SECTOR_BYTES);
}

/*
 * Takes some sectors of a write back. Any subset is possible; whole writes, a lost head, a lost
 * tail and a single lost sector are drawn on their own, because chance alone would hardly ever
 * give them for a large write.
 */
static void undo_some(struct io_simulated *s, struct sim_node *node, const struct sim_undo *u)
{
    uint64_t first;

    switch (prng_below(&s->prng, 6)) {
    case 0:
        return;
    case 1:
        undo_sectors(node, u, 0, u->sectors);
        return;
    case 2:
        first = prng_below(&s->prng, u->sectors);
        undo_sectors(node, u, first, u->sectors - first);
        return;
    case 3:
        undo_sectors(node, u, 0, prng_below(&s->prng, u->sectors));
        return;
    case 4:
        undo_sectors(node, u, prng_below(&s->prng, u->sectors), 1);
        return;
    default:
        break;
    }
    for (uint64_t i = 0, bits = 0; i < u->sectors; i++, bits >>= 1) {
        if (i % 64 == 0)
            bits = prng_u64(&s->prng);
        if (bits & 1)
            undo_sectors(node, u, i, 1);
    }
}

void sim_node_crash(struct io_simulated *s, struct sim_node *node)
{
    bool undoing_size = true;

    for (size_t i = node->undo_count; i-- > 0;) {
        const struct sim_undo *u = &node->undos[i];
        bool resized = u->size_before != u->size_after;

        if (resized && undoing_size) {
            undoing_size = prng_one_in(&s->prng, 2);
            if (undoing_size)
                node_set_size(s, node, u->size_before);
        }
        if (u->sectors == 0)
            continue;
        if (!u->whole)
            undo_some(s, node, u);
        else if (resized && undoing_size)
            undo_sectors(node, u, 0, u->sectors);
    }
    if (node->dirty_end > node->size) {
        memset(node->data + node->size, 0, (size_t)(node->dirty_end - node->size));
        node->dirty_end = node->size;
    }
    node->undo_count = node->forgotten = 0;
    buffer_clear(&node->old);
}
