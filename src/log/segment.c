/*
 * Segments: their names, their files, the table that finds them by address, and their mappings.
 *
 * The table is read by other threads while the owner adds to it. It is therefore never changed in
 * place except behind its count: one that is outgrown is copied, published and kept until the log is closed.
 * A segment is mapped when it is first read, by whichever thread that is, and stays so.
 */
#include <stdio.h>
#include <stdlib.h>

#include "log/parts.h"

#define TABLE_CAPACITY_MIN 8
#define ZERO_PART_BYTES 65536
#define ZERO_PARTS 16

void segment_name(uint64_t number, char name[SEGMENT_NAME_BYTES])
{
    snprintf(name, SEGMENT_NAME_BYTES, "%016llu.seg", (unsigned long long)number % 10000000000000000u);
}

int log_path(const struct log *log, const char *name, char path[LOG_PATH_BYTES], struct edda_error *error)
{
    size_t dir_len = strlen(log->dir);
    size_t name_len = strlen(name);

    if (dir_len + name_len + 2 > LOG_PATH_BYTES)
        return edda_fail_with(error, EDDA_EINVAL, "the path of the log is too long");
    memcpy(path, log->dir, dir_len);
    path[dir_len] = '/';
    memcpy(path + dir_len + 1, name, name_len + 1);
    return 0;
}

struct segment *segment_new(const struct log *log, uint64_t number, uint64_t bytes)
{
    struct segment *segment = calloc(1, sizeof(*segment));

    if (!segment)
        return NULL;
    segment->number = number;
    segment->bytes = bytes;
    segment->seed = frame_seed(log->id, number);
    segment->end = segment->zeroed = LOG_SEGMENT_HEADER_BYTES;
    atomic_init(&segment->view, NULL);
    return segment;
}

void view_free(struct io *io, struct segment_view *view)
{
    if (!view)
        return;
    io_file_unmap(io, view->file, view->data, view->len);
    io_file_close(io, view->file);
    free(atomic_load(&view->gaps));
    free(view);
}

void segment_free(struct io *io, struct segment *segment)
{
    if (!segment)
        return;
    view_free(io, atomic_load(&segment->view));
    io_file_close(io, segment->file);
    free(segment);
}

int segments_reserve(struct log *log)
{
    struct segment_table *old = atomic_load_explicit(&log->table, memory_order_relaxed);
    size_t count = segments_count(log);
    size_t capacity = old ? 2 * old->capacity : TABLE_CAPACITY_MIN;
    struct segment_table *table;

    if (old && count < old->capacity)
        return 0;
    table = malloc(sizeof(*table) + capacity * sizeof(table->segments[0]));
    if (!table)
        return EDDA_ENOMEM;
    table->older = old;
    table->capacity = capacity;
    if (count)
        memcpy(table->segments, old->segments, count * sizeof(table->segments[0]));
    atomic_store_explicit(&log->table, table, memory_order_release);
    return 0;
}

void segments_add(struct log *log, struct segment *segment)
{
    struct segment_table *table = atomic_load_explicit(&log->table, memory_order_relaxed);
    size_t count = segments_count(log);

    ASSERT(table && count < table->capacity);
    table->segments[count] = segment;
    atomic_store_explicit(&log->segment_count, count + 1, memory_order_release);
}

void segments_free(struct log *log)
{
    struct segment_table *table = atomic_load(&log->table);

    for (size_t i = 0; i < segments_count(log); i++)
        segment_free(log->io, table->segments[i]);
    while (table) {
        struct segment_table *older = table->older;

        free(table);
        table = older;
    }
    atomic_store(&log->table, NULL);
    atomic_store(&log->segment_count, 0);
}

struct segment *segment_at(const struct log *log, size_t ordinal)
{
    return atomic_load_explicit(&log->table, memory_order_acquire)->segments[ordinal];
}

size_t segment_find(const struct log *log, uint64_t address)
{
    size_t first = segments_first(log), low = first;
    size_t high = segments_count(log);

    /* All before `low` begin at or before the address, all from `high` on behind it. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (segment_at(log, middle)->first_address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > first ? low - 1 : SIZE_MAX;
}

static int view_open(const struct log *log, const struct segment *segment, struct segment_view *view,
                     struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    uint64_t size;
    int r;

    segment_name(segment->number, name);
    r = log_path(log, name, path, error);
    if (r == 0)
        r = io_file_open(log->io, path, IO_READ, &view->file, error);
    if (r < 0)
        return r;
    r = io_file_size(log->io, view->file, &size);
    view->len = r == 0 && size < segment->bytes ? size : segment->bytes;
    if (r == 0)
        r = io_file_map(log->io, view->file, view->len, &view->data);
    if (r == 0)
        io_file_map_in_order(log->io, view->file, view->data, view->len);
    if (r < 0) {
        io_file_close(log->io, view->file);
        return edda_fail_with(error, r, "cannot map %s", path);
    }
    return 0;
}

int segment_view_renew(const struct log *log, struct segment *segment)
{
    struct segment_view *view = calloc(1, sizeof(*view));
    int r = view ? view_open(log, segment, view, NULL) : EDDA_ENOMEM;

    if (r < 0) {
        free(view);
        return r;
    }
    view_free(log->io, atomic_exchange(&segment->view, view));
    return 0;
}

int segment_view(const struct log *log, struct segment *segment, const struct segment_view **ret_view,
                 struct edda_error *error)
{
    struct segment_view *view = atomic_load_explicit(&segment->view, memory_order_acquire);
    struct segment_view *expected = NULL;
    int r;

    if (view) {
        *ret_view = view;
        return 0;
    }
    view = calloc(1, sizeof(*view));
    if (!view)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    r = view_open(log, segment, view, error);
    if (r < 0) {
        free(view);
        return r;
    }
    /* Another thread may have been first. */
    if (!atomic_compare_exchange_strong(&segment->view, &expected, view)) {
        view_free(log->io, view);
        view = expected;
    }
    *ret_view = view;
    return 0;
}

uint64_t segment_durable_bytes(const struct log *log, size_t ordinal)
{
    const struct segment *segment = segment_at(log, ordinal);
    uint64_t end = atomic_load_explicit(&log->durable_end, memory_order_acquire);

    if (ordinal + 1 < segments_count(log) && segment_at(log, ordinal + 1)->first_address < end)
        end = segment_at(log, ordinal + 1)->first_address;
    return end > segment->first_address ? end - segment->first_address : 0;
}

int segment_file_zero(struct io *io, struct io_file *file, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[ZERO_PART_BYTES];
    struct slice parts[ZERO_PARTS];
    int r = 0;

    while (r == 0 && from < to) {
        uint64_t start = from;
        size_t count = 0;

        for (; count < ZERO_PARTS && from < to; count++) {
            uint64_t part = to - from < ZERO_PART_BYTES ? to - from : ZERO_PART_BYTES;

            parts[count] = slice_of(zeros, (size_t)part);
            from += part;
        }
        r = io_file_write(io, file, parts, count, start);
    }
    return r;
}

static int file_prepare(struct io *io, const char *dir, struct io_file *file, uint64_t bytes, uint64_t zeros)
{
    uint64_t size;
    int r = io_file_size(io, file, &size);

    /* Left from before, when segments had another size. */
    if (r == 0 && size > bytes)
        r = io_file_truncate(io, file, bytes);
    if (r == 0 && size < bytes)
        r = io_file_allocate(io, file, bytes);
    if (r == 0 && zeros)
        r = segment_file_zero(io, file, 0, LOG_SEGMENT_HEADER_BYTES + zeros);
    if (r == 0)
        r = io_file_sync(io, file);
    if (r == 0)
        r = io_dir_sync(io, dir);
    return r;
}

int segment_file_make(struct io *io, const char *dir, const char *path, uint64_t bytes, uint64_t zeros,
                      struct io_file **ret_file, struct edda_error *error)
{
    struct io_file *file;
    int r = io_file_open(io, path, IO_WRITE | IO_CREATE, &file, error);

    if (r < 0)
        return r;
    r = file_prepare(io, dir, file, bytes, zeros);
    if (r < 0) {
        io_file_close(io, file);
        if (r == EDDA_EFULL)
            return edda_fail_with(error, r, "the disk has no space for the next segment of %llu bytes, %s",
                                  (unsigned long long)bytes, path);
        return edda_fail_with(error, r, "cannot make the segment %s", path);
    }
    *ret_file = file;
    return 0;
}

struct segment_header segment_header_of(const struct log *log, const struct segment *segment, uint32_t previous)
{
    struct segment_header h = {
        .format = FORMAT_NUMBER,
        .compatible = FORMAT_COMPATIBLE,
        .incompatible = log->rest_of ? FORMAT_GAPS : 0,
        .number = segment->number,
        .segment_bytes = segment->bytes,
        .first_address = segment->first_address,
        .first_position = segment->first_position,
        .created_ms = segment->created_ms,
        .previous = previous,
        .release = EDDA_VERSION,
        .contents = log->contents,
    };

    memcpy(h.id, log->id, sizeof(h.id));
    return h;
}

int segment_damaged(const struct segment *segment, uint64_t byte, const char *reason, struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(segment->number, name);
    return edda_fail_with(error, EDDA_ECORRUPT, "segment %s, byte %llu: %s", name, (unsigned long long)byte, reason);
}
