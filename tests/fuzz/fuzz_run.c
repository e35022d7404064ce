/*
 * Runs of the index in which anything is changed. The input says which keys a run has and how long their lists are, then which bytes are changed; the sums over what was changed are made
 * anew, so that what they would hide is reached. Whatever lies there: nothing is read outside of it, and it is refused or found damaged, or all of it can be read. A run that was not
 * changed is whole.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "fuzz.h"
#include "io/simulated.h"
#include "store/run.h"

#define INPUT_MAX 512
#define KEYS_MAX 32
#define LIST_FACTOR 3 /* so that some lists are long, and in pieces */
#define READ_MAX 1000
#define PATH "run"

static const struct run_identity identity = { 1, 2, 3, 1000000 };

static int order(const void *a, const void *b)
{
    return hash128_compare(*(const struct hash128 *)a, *(const struct hash128 *)b);
}

static uint32_t keys_draw(struct cursor *input, struct hash128 keys[KEYS_MAX])
{
    uint32_t count = cursor_u8(input) % KEYS_MAX;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (struct hash128){ .hi = hash64_mix(i, 1), .lo = hash64_mix(i, 2) };
    qsort(keys, count, sizeof *keys, order);
    return count;
}

static void list_write(struct run_writer *writer, struct hash128 key, uint64_t count)
{
    int rc = run_writer_list(writer, key, count);
    ASSERT(rc == 0);
    for (uint64_t i = 0; i < count; i++) {
        const struct index_entry entry = { .position = 10 + i * 7, .batch = 100 + (key.lo + i * 13) % 5000, .record = (uint32_t)(i * 11) };
        rc = run_writer_entries(writer, &entry, 1);
        ASSERT(rc == 0);
    }
}

static void run_write(struct io *io, struct cursor *input, const struct hash128 *keys, uint32_t count)
{
    struct io_file *file;
    struct run_writer *writer;
    const struct run_writer_options options = { .identity = identity, .keys_estimate = count, .position_min = 10, .batch_min = 100 };
    int rc = io_file_open(io, PATH, IO_WRITE | IO_CREATE, &file, NULL);
    ASSERT(rc == 0);
    rc = run_writer_new(io, file, &options, &writer);
    ASSERT(rc == 0);
    for (uint32_t i = 0; i < count; i++)
        list_write(writer, keys[i], 1 + (uint64_t)cursor_u8(input) * LIST_FACTOR);
    rc = run_writer_end(writer);
    ASSERT(rc == 0);
    run_writer_free(writer);
    io_file_close(io, file);
}

/* Makes the sums of a run anew, as far as its header says where they are. */
static void sums_make(uint8_t *bytes, uint64_t len)
{
    struct run_header header;
    memcpy(&header, bytes, sizeof header);
    if (header.sums_at % RUN_BLOCK_BYTES || header.sums_at < RUN_BLOCK_BYTES || header.sums_at > len)
        return;
    uint64_t blocks = header.sums_at / RUN_BLOCK_BYTES - 1;
    if (len - header.sums_at < blocks * sizeof(uint32_t))
        return;
    for (uint64_t i = 0; i < blocks; i++) {
        uint32_t sum = crc32c(slice_of(bytes + (i + 1) * RUN_BLOCK_BYTES, RUN_BLOCK_BYTES));
        memcpy(bytes + header.sums_at + i * sizeof sum, &sum, sizeof sum);
    }
    header.sums_sum = crc32c(slice_of(bytes + header.sums_at, len - header.sums_at));
    header.header_sum = 0;
    memcpy(bytes, &header, sizeof header);
    header.header_sum = crc32c(slice_of(bytes, RUN_BLOCK_BYTES));
    memcpy(bytes, &header, sizeof header);
}

/* Changes what the input says; whether it is anything. */
static bool run_change(struct io *io, struct cursor *input)
{
    struct io_file *file;
    uint64_t len;
    size_t read;
    bool changed = false;
    int rc = io_file_open(io, PATH, IO_WRITE, &file, NULL);
    ASSERT(rc == 0);
    rc = io_file_size(io, file, &len);
    ASSERT(rc == 0 && len > 0);
    uint8_t *bytes = malloc((size_t)len);
    ASSERT(bytes);
    rc = io_file_read(io, file, bytes, (size_t)len, 0, &read);
    ASSERT(rc == 0 && read == len);
    while (cursor_left(input) >= 3) {
        uint32_t low = cursor_u8(input), at = low | (uint32_t)cursor_u8(input) << 8;
        uint8_t value = cursor_u8(input), *byte = &bytes[at % len];
        changed = changed || *byte != value;
        *byte = value;
    }
    sums_make(bytes, len);
    const struct slice all = slice_of(bytes, (size_t)len);
    rc = io_file_write(io, file, &all, 1, 0);
    ASSERT(rc == 0);
    io_file_close(io, file);
    free(bytes);
    return changed;
}

static int list_read(const struct run_view *view, const struct run_list *list)
{
    struct index_entry entries[64];
    struct run_cursor cursor;
    uint64_t ordinal = 0;
    int r = run_find_position(view, list, 10 + READ_MAX / 2, &ordinal);
    ASSERT(r < 0 || ordinal <= list->count);
    r = run_cursor_init(view, list, r < 0 || ordinal > READ_MAX ? 0 : ordinal, &cursor);
    int64_t n = r;
    for (uint64_t done = 0; r == 0 && done < READ_MAX; done += (uint64_t)n) {
        n = run_cursor_read(view, &cursor, entries, sizeof entries / sizeof entries[0]);
        if (n <= 0)
            break;
    }
    ASSERT(n >= 0 || n == EDDA_ECORRUPT);
    return n < 0 ? (int)n : 0;
}

static void run_look(struct run *run, const struct hash128 *keys, uint32_t count, bool changed)
{
    struct run_view view = run_view(run);
    struct run_list list;
    struct run_scan scan;
    for (uint32_t i = 0; i < count; i++) {
        run_prefetch(run, keys[i]);
        run_prefetch_list(run, keys[i]);
        int r = run_find(&view, keys[i], &list);
        ASSERT(changed ? r == 0 || r == 1 || r == EDDA_ECORRUPT : r == 1);
        r = r == 1 ? list_read(&view, &list) : 0;
        ASSERT(changed || r == 0);
    }
    run_scan_init(&view, &scan);
    for (uint32_t i = 0; i < READ_MAX && run_scan_next(&scan) == 1; i++)
        (void)list_read(&view, &scan.list);
    struct edda_error error = { .code = 0 };
    int r = run_verify(run, &error);
    ASSERT(r == 0 || (changed && r == EDDA_ECORRUPT && error.code == r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct io_simulated_options options = { .seed = 1 };
    static struct io *io;
    struct hash128 keys[KEYS_MAX];
    struct cursor input = cursor_of(slice_of(data, size));
    struct edda_error error = { .code = 0 };
    struct run *run;
    if (size > INPUT_MAX)
        return 0;
    if (!io)
        io = io_simulated_new(&options);
    ASSERT(io);
    io_simulated_reset(io, &options);
    uint32_t count = keys_draw(&input, keys);
    run_write(io, &input, keys, count);
    bool changed = run_change(io, &input);
    int rc = run_open(io, PATH, &identity, &run, &error);
    ASSERT(rc == 0 || (changed && (rc == EDDA_ECORRUPT || rc == EDDA_EFORMAT) && error.code == rc));
    if (rc < 0)
        return 0;
    run_look(run, keys, count, changed);
    run_close(run);
    return 0;
}
