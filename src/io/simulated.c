/*
 * The simulated io as a whole: its options, its reset, its crash, the faults that are planned, and
 * the table of its operations. simulated_parts.h says where the rest is.
 *
 * What a cut counts as one operation: every write, file or directory sync, allocation, truncation,
 * rename and removal, the making of a file by io_file_open(), and each directory that
 * io_dir_make() makes. Those that fail before they change anything (no such file) are not counted.
 */
#include "io/simulated.h"

#include <stdlib.h>

#include "base/assert.h"
#include "io/simulated_parts.h"

#define WALL_START_NS INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define DISK_BYTES (UINT64_C(64) * 1024 * 1024)
#define SYNC_LATENCY_MIN_NS 50000
#define SYNC_LATENCY_MAX_NS 500000
#define HANDLER_LATENCY_MAX_NS 1000000

int sim_operation(struct io_simulated *s)
{
    if (s->is_cut)
        return EDDA_ECLOSED;
    s->operations++;
    if (s->cut_left && --s->cut_left == 0) {
        s->is_cut = true;
        return EDDA_ECLOSED;
    }
    return 0;
}

bool sim_sync_fails(struct io_simulated *s)
{
    return s->sync_fail_left && --s->sync_fail_left == 0;
}

static void sim_random_fill(struct io *io, void *data, size_t len)
{
    struct io_simulated *s = sim_of(io);
    uint8_t *at = data;

    while (len > 0) {
        uint64_t random = prng_u64(&s->prng);

        /* Byte by byte, so that a seed gives the same on every machine. */
        for (size_t i = 0; i < sizeof(random) && len > 0; i++, len--, random >>= 8)
            *at++ = (uint8_t)random;
    }
}

static const struct io_ops simulated_ops = {
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_read = sim_file_read,
    .file_write = sim_file_write,
    .file_sync = sim_file_sync,
    .file_allocate = sim_file_allocate,
    .file_truncate = sim_file_truncate,
    .file_size = sim_file_size,
    .file_map = sim_file_map,
    .file_unmap = sim_file_unmap,
    .file_map_rest = sim_file_map_rest,
    .file_map_is_loaded = sim_file_map_is_loaded,
    .file_map_load = sim_file_map_load,
    .file_map_in_order = sim_file_map_in_order,
    .file_lock = sim_file_lock,
    .file_rename = sim_file_rename,
    .file_remove = sim_file_remove,
    .dir_make = sim_dir_make,
    .dir_list = sim_dir_list,
    .dir_sync = sim_dir_sync,
    .clock_wall_ns = sim_clock_wall_ns,
    .clock_boot_ns = sim_clock_boot_ns,
    .random_fill = sim_random_fill,
    .job_submit = sim_job_submit,
    .jobs_finish = sim_jobs_finish,
    .jobs_wait = sim_jobs_wait,
    .wake_fd = sim_wake_fd,
    .sleep = sim_sleep,
    .shutdown = sim_shutdown,
};

static void set_options(struct io_simulated *s, const struct io_simulated_options *options)
{
    struct io_simulated_options *o = &s->options;

    *o = *options;
    if (!o->wall_start_ns)
        o->wall_start_ns = WALL_START_NS;
    if (!o->disk_bytes)
        o->disk_bytes = DISK_BYTES;
    if (!o->sync_latency_min_ns)
        o->sync_latency_min_ns = SYNC_LATENCY_MIN_NS;
    if (!o->sync_latency_max_ns)
        o->sync_latency_max_ns = SYNC_LATENCY_MAX_NS;
    if (!o->handler_latency_max_ns)
        o->handler_latency_max_ns = HANDLER_LATENCY_MAX_NS;
    ASSERT(o->sync_latency_min_ns > 0 && o->sync_latency_min_ns <= o->sync_latency_max_ns);
    ASSERT(o->handler_latency_max_ns > 0);
}

/* Everything but memory and the names, as at the very start. */
static void start_over(struct io_simulated *s, const struct io_simulated_options *options)
{
    set_options(s, options);
    prng_init(&s->prng, options->seed);
    s->life = 1;
    s->operations = s->loads = s->cut_left = 0;
    s->unloaded_one_in = 0;
    s->is_cut = false;
    s->sync_fail_left = s->misdirect_left = 0;
    sim_clock_reset(s);
}

struct io *io_simulated_new(const struct io_simulated_options *options)
{
    struct io_simulated *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->io.ops = &simulated_ops;
    list_init(&s->nodes);
    list_init(&s->nodes_spare);
    list_init(&s->names_listed);
    list_init(&s->jobs);
    arena_init(&s->arena, 0, 0);
    table_init(&s->names);
    start_over(s, options);
    if (!sim_names_init(s)) {
        io_simulated_free(&s->io);
        return NULL;
    }
    return &s->io;
}

void io_simulated_free(struct io *io)
{
    struct io_simulated *s;
    struct io_file *file;
    struct list *link;

    if (!io)
        return;
    s = sim_of(io);
    ASSERT(s->open_files == 0);
    sim_names_clear(s);
    while ((link = list_pop_front(&s->nodes_spare)))
        sim_node_free(container_of(link, struct sim_node, link));
    /* One that never got a name, when memory ran out. */
    while ((link = list_pop_front(&s->nodes)))
        sim_node_free(container_of(link, struct sim_node, link));
    while ((file = s->files_spare)) {
        s->files_spare = file->next_spare;
        free(file);
    }
    table_deinit(&s->names);
    arena_deinit(&s->arena);
    free(s->changes);
    free(s);
}

void io_simulated_reset(struct io *io, const struct io_simulated_options *options)
{
    struct io_simulated *s = sim_of(io);

    ASSERT(s->open_files == 0);
    sim_names_clear(s);
    ASSERT(list_empty(&s->nodes) && s->used == 0);
    start_over(s, options);
    ASSERT(sim_names_init(s));
}

void io_simulated_cut_after(struct io *io, uint64_t operations)
{
    sim_of(io)->cut_left = operations;
}

bool io_simulated_is_cut(struct io *io)
{
    return sim_of(io)->is_cut;
}

void io_simulated_unload(struct io *io, uint32_t one_in)
{
    sim_of(io)->unloaded_one_in = one_in;
}

uint64_t io_simulated_loads(struct io *io)
{
    return sim_of(io)->loads;
}

uint64_t io_simulated_operations(struct io *io)
{
    return sim_of(io)->operations;
}

void io_simulated_crash(struct io *io, bool lose_nothing)
{
    struct io_simulated *s = sim_of(io);

    sim_clock_crash(s, !lose_nothing);
    s->life++;
    s->is_cut = false;
    s->cut_left = 0;
    if (!lose_nothing)
        sim_names_crash(s);
    for (struct list *l = s->nodes.next; l != &s->nodes; l = l->next) {
        struct sim_node *node = container_of(l, struct sim_node, link);

        node->holder = NULL;
        if (!lose_nothing)
            sim_node_crash(s, node);
    }
}

void io_simulated_flip_bit(struct io *io, const char *path, uint64_t bit)
{
    struct sim_name *name = sim_name_find(sim_of(io), path);
    struct sim_node *node;

    ASSERT(name && !name->node->is_dir && bit / 8 < name->node->size);
    node = name->node;
    node->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (node->dirty_end <= bit / 8)
        node->dirty_end = bit / 8 + 1;
}

void io_simulated_fail_sync(struct io *io, uint64_t nth_sync)
{
    sim_of(io)->sync_fail_left = nth_sync;
}

void io_simulated_misdirect(struct io *io, uint64_t nth_write, int64_t by_bytes)
{
    struct io_simulated *s = sim_of(io);

    s->misdirect_left = nth_write;
    s->misdirect_by = by_bytes;
}

void io_simulated_set_capacity(struct io *io, uint64_t disk_bytes)
{
    sim_of(io)->options.disk_bytes = disk_bytes;
}

uint64_t io_simulated_random(struct io *io)
{
    return prng_u64(&sim_of(io)->prng);
}
