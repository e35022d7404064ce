/*
 * run_write: the writer of runs. Directory and data grow side by side, each through a buffer of its own, which is
 * written in whole blocks whose sums are kept; sums and header come last. Everything is written once and nothing is
 * read back.
 *
 * A failure is kept and ends the writer; what it leaves is a file without a name that any reader would take.
 */
#include "store/run.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/crc32c.h"
#include "store/run_entry.h"

#define LINES_BLOCKS 8
#define DATA_BLOCKS 30
#define SYNC_BYTES (UINT64_C(16) << 20)
#define ENTRY_ROOM (RUN_ENTRY_BYTES_MAX + RUN_ENTRY_SLACK)

/* One of the two streams: blocks that are not full yet. */
struct stream {
    uint8_t *bytes;
    size_t len;
    size_t capacity; /* a multiple of the block */
    uint64_t at;     /* in the file, of the first byte here */
};

struct run_writer {
    struct io *io;
    struct io_file *file;
    struct run_header header;
    int failure;
    uint64_t unsynced;
    uint64_t written;

    struct stream lines;
    struct stream data;
    struct buffer sums; /* u32 for each block; those of the directory first */

    /* the bucket that is being filled */
    uint64_t bucket;
    struct run_line line;
    struct buffer highs; /* u64 */
    struct buffer keys;  /* struct run_key, with `at` counted from the first list */
    struct buffer lists;

    /* the list that is being written */
    struct hash128 key;
    uint64_t list_count;
    uint64_t list_done;
    struct index_entry before;
    struct buffer pieces; /* struct run_piece, when the list is long */
};

static int fail(struct run_writer *w, int code)
{
    if (w->failure == 0)
        w->failure = code;
    return w->failure;
}

static void file_write(struct run_writer *w, const void *bytes, size_t len, uint64_t at)
{
    struct slice part = slice_of(bytes, len);
    int r = w->failure;

    if (r == 0)
        r = io_file_write(w->io, w->file, &part, 1, at);
    w->unsynced += len;
    w->written += len;
    if (r == 0 && w->unsynced >= SYNC_BYTES) {
        r = io_file_sync(w->io, w->file);
        w->unsynced = 0;
    }
    if (r < 0)
        fail(w, r);
}

/* Writes the full blocks of a stream and notes their sums. */
static void stream_flush(struct run_writer *w, struct stream *s)
{
    size_t full = s->len - s->len % RUN_BLOCK_BYTES;
    uint64_t block = s->at / RUN_BLOCK_BYTES - 1;
    size_t missing;

    if (full == 0)
        return;
    missing = (size_t)(block + full / RUN_BLOCK_BYTES) * sizeof(uint32_t);
    if (missing > w->sums.len)
        buffer_append_zeros(&w->sums, missing - w->sums.len);
    if (!buffer_ok(&w->sums)) {
        fail(w, EDDA_ENOMEM);
        s->len = 0;
        return;
    }
    for (size_t at = 0; at < full; at += RUN_BLOCK_BYTES, block++) {
        uint32_t sum = crc32c(slice_of(s->bytes + at, RUN_BLOCK_BYTES));

        memcpy(w->sums.data + block * sizeof(sum), &sum, sizeof(sum));
    }
    file_write(w, s->bytes, full, s->at);
    memmove(s->bytes, s->bytes + full, s->len - full);
    s->at += full;
    s->len -= full;
}

/* A place for up to `len` bytes, at most a block; the caller adds to the stream's length what it used. */
static uint8_t *stream_room(struct run_writer *w, struct stream *s, size_t len)
{
    if (len > s->capacity - s->len)
        stream_flush(w, s);
    return s->bytes + s->len;
}

static void stream_append(struct run_writer *w, struct stream *s, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    while (len > 0) {
        size_t part = len < RUN_BLOCK_BYTES ? len : RUN_BLOCK_BYTES;

        memcpy(stream_room(w, s, part), from, part);
        s->len += part;
        from += part;
        len -= part;
    }
}

/* Zeros up to a multiple of `unit`, which divides a block. */
static void stream_align(struct run_writer *w, struct stream *s, size_t unit)
{
    size_t over = (size_t)((s->at + s->len) % unit);

    if (over) {
        memset(stream_room(w, s, unit - over), 0, unit - over);
        s->len += unit - over;
    }
}

static int stream_init(struct stream *s, size_t blocks, uint64_t at)
{
    s->capacity = blocks * RUN_BLOCK_BYTES;
    s->at = at;
    s->bytes = malloc(s->capacity);
    return s->bytes ? 0 : EDDA_ENOMEM;
}

int run_writer_new(struct io *io, struct io_file *file, const struct run_writer_options *options,
                   struct run_writer **ret_writer)
{
    struct run_writer *w = calloc(1, sizeof(*w));
    struct run_header *h;
    uint64_t lines_bytes;

    if (!w)
        return EDDA_ENOMEM;
    w->io = io;
    w->file = file;
    h = &w->header;
    memcpy(h->magic, RUN_MAGIC, sizeof(h->magic));
    h->format = RUN_FORMAT;
    h->log_id = options->identity.log_id;
    h->seed = options->identity.seed;
    h->from = options->identity.from;
    h->to = options->identity.to;
    h->position_min = options->position_min;
    h->batch_min = options->batch_min;
    h->buckets = options->keys_estimate / RUN_BUCKET_KEYS + 1;
    if (h->buckets > UINT32_MAX)
        h->buckets = UINT32_MAX;
    lines_bytes = h->buckets * RUN_LINE_BYTES;
    h->data_at = (1 + (lines_bytes + RUN_BLOCK_BYTES - 1) / RUN_BLOCK_BYTES) * RUN_BLOCK_BYTES;
    if (stream_init(&w->lines, LINES_BLOCKS, RUN_BLOCK_BYTES) < 0 ||
        stream_init(&w->data, DATA_BLOCKS, h->data_at) < 0) {
        run_writer_free(w);
        return EDDA_ENOMEM;
    }
    *ret_writer = w;
    return 0;
}

void run_writer_free(struct run_writer *w)
{
    if (!w)
        return;
    free(w->lines.bytes);
    free(w->data.bytes);
    buffer_deinit(&w->sums);
    buffer_deinit(&w->highs);
    buffer_deinit(&w->keys);
    buffer_deinit(&w->lists);
    buffer_deinit(&w->pieces);
    free(w);
}

/* Puts out the bucket and its line, and goes to the next. */
static void bucket_end(struct run_writer *w)
{
    if (w->line.keys) {
        uint32_t lists_at = w->line.keys * (uint32_t)(sizeof(uint64_t) + sizeof(struct run_key));
        uint64_t bytes = lists_at + w->lists.len;

        stream_align(w, &w->data, 8);
        ASSERT(bytes <= UINT32_MAX - 8);
        for (size_t at = 0; at < w->keys.len; at += sizeof(struct run_key)) {
            uint32_t list_at;

            memcpy(&list_at, w->keys.data + at + offsetof(struct run_key, at), sizeof(list_at));
            list_at += lists_at;
            memcpy(w->keys.data + at + offsetof(struct run_key, at), &list_at, sizeof(list_at));
        }
        w->line.at = w->data.at + w->data.len;
        w->line.bytes = (uint32_t)bytes;
        stream_append(w, &w->data, w->highs.data, w->highs.len);
        stream_append(w, &w->data, w->keys.data, w->keys.len);
        stream_append(w, &w->data, w->lists.data, w->lists.len);
    }
    stream_append(w, &w->lines, &w->line, sizeof(w->line));
    w->line = (struct run_line){ 0 };
    w->bucket++;
    buffer_clear(&w->highs);
    buffer_clear(&w->keys);
    buffer_clear(&w->lists);
}

/* Puts the list of pieces behind the last one, and what points to it into the bucket. */
static void long_list_end(struct run_writer *w)
{
    struct run_long list = { w->list_count, w->data.at + w->data.len };

    stream_append(w, &w->data, w->pieces.data, w->pieces.len);
    buffer_append(&w->lists, &list, sizeof(list));
    buffer_clear(&w->pieces);
}

int run_writer_list(struct run_writer *w, struct hash128 key, uint64_t count)
{
    struct run_key row = { .lo = key.lo, .at = (uint32_t)w->lists.len };
    uint64_t rest;
    uint64_t bucket = run_bucket(key.hi, w->header.buckets, &rest);

    ASSERT(w->list_done == w->list_count && count > 0);
    ASSERT(w->header.keys == 0 || hash128_compare(w->key, key) < 0);
    if (w->failure)
        return w->failure;
    if (w->bucket < bucket) {
        while (w->bucket < bucket)
            bucket_end(w);
        row.at = 0;
    }
    row.count = count <= RUN_SHORT_ENTRIES ? (uint32_t)count : 0;
    buffer_append(&w->highs, &key.hi, sizeof(key.hi));
    buffer_append(&w->keys, &row, sizeof(row));
    for (unsigned i = 0; i < RUN_FILTER_WORDS; i++)
        w->line.filter[i] |= run_filter_bit(key, i);
    w->line.keys++;
    w->key = key;
    w->list_count = count;
    w->list_done = 0;
    w->before = (struct index_entry){ w->header.position_min, w->header.batch_min, 0 };
    w->header.keys++;
    w->header.entries += count;
    return buffer_ok(&w->highs) && buffer_ok(&w->keys) ? w->failure : fail(w, EDDA_ENOMEM);
}

/* An entry of a long list goes to the data at once. */
static void long_entry(struct run_writer *w, const struct index_entry *entry)
{
    uint8_t *at = stream_room(w, &w->data, ENTRY_ROOM);

    if (w->list_done % RUN_PIECE_ENTRIES == 0) {
        struct run_piece piece = { entry->position, w->data.at + w->data.len };

        buffer_append(&w->pieces, &piece, sizeof(piece));
        w->before = (struct index_entry){ entry->position, w->header.batch_min, 0 };
    }
    w->data.len += (size_t)(run_entry_put(at, &w->before, entry) - at);
}

static void short_entry(struct run_writer *w, const struct index_entry *entry)
{
    uint8_t *at;

    if (!buffer_reserve(&w->lists, ENTRY_ROOM))
        return;
    at = w->lists.data + w->lists.len;
    w->lists.len += (size_t)(run_entry_put(at, &w->before, entry) - at);
}

int run_writer_entries(struct run_writer *w, const struct index_entry *entries, size_t count)
{
    ASSERT(count <= w->list_count - w->list_done);
    for (size_t i = 0; i < count && w->failure == 0; i++) {
        ASSERT(entries[i].position >= w->before.position);
        if (w->list_count > RUN_SHORT_ENTRIES)
            long_entry(w, &entries[i]);
        else
            short_entry(w, &entries[i]);
        w->before = entries[i];
        w->list_done++;
    }
    if (w->before.position > w->header.position_max)
        w->header.position_max = w->before.position;
    if (w->list_done == w->list_count && w->list_count > RUN_SHORT_ENTRIES)
        long_list_end(w);
    return buffer_ok(&w->lists) && buffer_ok(&w->pieces) ? w->failure : fail(w, EDDA_ENOMEM);
}

int run_writer_end(struct run_writer *w)
{
    struct run_header *h = &w->header;
    uint8_t block[RUN_BLOCK_BYTES] = { 0 };
    uint8_t slack[RUN_SLACK_BYTES] = { 0 };
    int r;

    ASSERT(w->list_done == w->list_count);
    while (w->bucket < h->buckets && w->failure == 0)
        bucket_end(w);
    stream_align(w, &w->lines, RUN_BLOCK_BYTES);
    stream_flush(w, &w->lines);
    stream_append(w, &w->data, slack, sizeof(slack));
    stream_align(w, &w->data, RUN_BLOCK_BYTES);
    stream_flush(w, &w->data);
    if (w->failure)
        return w->failure;
    ASSERT(w->lines.at == h->data_at && w->lines.len == 0 && w->data.len == 0);
    h->sums_at = w->data.at;
    h->file_bytes = h->sums_at + w->sums.len;
    h->sums_sum = crc32c(buffer_slice(&w->sums));
    memcpy(block, h, sizeof(*h));
    h->header_sum = crc32c(slice_of(block, sizeof(block)));
    memcpy(block, h, sizeof(*h));
    file_write(w, w->sums.data, w->sums.len, h->sums_at);
    file_write(w, block, sizeof(block), 0);
    if (w->failure)
        return w->failure;
    r = io_file_sync(w->io, w->file);
    return r < 0 ? fail(w, r) : 0;
}
