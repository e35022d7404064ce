/*
 * run: opening and reading. The file is mapped; what the map shows is believed once the sum of its block was right.
 * The blocks are checked when they are first touched, for reading all of a large index at the start would take long.
 */
#include "store/run.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "store/run_entry.h"

_Static_assert(RUN_ENTRY_BYTES_MAX + RUN_ENTRY_SLACK <= RUN_SLACK_BYTES, "an entry may be read in words");

static uint64_t load64(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t run_blocks(const struct run *run)
{
    return (run->header.sums_at - RUN_BLOCK_BYTES) / RUN_BLOCK_BYTES;
}

uint8_t *run_checked_new(const struct run *run)
{
    return calloc(run_blocks(run) / 8 + 1, 1);
}

/* What is wrong with a header, or NULL. */
static const char *header_flaw(const struct run_header *h, uint64_t file_bytes, const struct run_identity *identity)
{
    uint64_t blocks;

    if (h->log_id != identity->log_id || h->seed != identity->seed)
        return "it belongs to another log";
    if (h->from != identity->from || h->to != identity->to)
        return "it covers another part of the log than its name says";
    if (h->file_bytes != file_bytes)
        return "its size is not the header's";
    if (h->buckets == 0 || h->buckets > UINT32_MAX || h->sums_at % RUN_BLOCK_BYTES || h->data_at % RUN_BLOCK_BYTES ||
        h->sums_at > file_bytes || h->data_at >= h->sums_at || h->sums_at < RUN_BLOCK_BYTES ||
        h->data_at < RUN_BLOCK_BYTES + h->buckets * RUN_LINE_BYTES)
        return "its header makes no sense";
    blocks = (h->sums_at - RUN_BLOCK_BYTES) / RUN_BLOCK_BYTES;
    if (h->file_bytes - h->sums_at != blocks * sizeof(uint32_t))
        return "its header makes no sense";
    return NULL;
}

/* Checks header and sums of what is mapped. */
static int run_check(struct run *run, uint64_t file_bytes, const struct run_identity *identity,
                     struct edda_error *error)
{
    struct run_header *h = &run->header;
    const char *flaw;
    uint8_t block[RUN_BLOCK_BYTES];

    memcpy(block, run->map, sizeof(block));
    memcpy(h, block, sizeof(*h));
    memset(block + offsetof(struct run_header, header_sum), 0, sizeof(h->header_sum));
    if (memcmp(h->magic, RUN_MAGIC, sizeof(h->magic)) != 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "%s: it is no run of an index", run->path);
    if (h->header_sum != crc32c(slice_of(block, sizeof(block))))
        return edda_fail_with(error, EDDA_ECORRUPT, "%s: the header fails its checksum", run->path);
    if (h->format != RUN_FORMAT)
        return edda_fail_with(error, EDDA_EFORMAT, "%s: format %u is not known", run->path, (unsigned)h->format);
    flaw = header_flaw(h, file_bytes, identity);
    if (!flaw && h->sums_sum != crc32c(slice_of(run->map + h->sums_at, file_bytes - h->sums_at)))
        flaw = "its sums fail their checksum";
    return flaw ? edda_fail_with(error, EDDA_ECORRUPT, "%s: %s", run->path, flaw) : 0;
}

static int run_load(struct run *run, const struct run_identity *identity, struct edda_error *error)
{
    uint64_t file_bytes;
    int r = io_file_open(run->io, run->path, IO_READ, &run->file, error);

    if (r < 0)
        return r;
    r = io_file_size(run->io, run->file, &file_bytes);
    if (r == 0 && file_bytes < 3 * RUN_BLOCK_BYTES)
        return edda_fail_with(error, EDDA_ECORRUPT, "%s: %llu bytes are too few", run->path,
                              (unsigned long long)file_bytes);
    if (r == 0)
        r = io_file_map(run->io, run->file, file_bytes, &run->map);
    if (r < 0)
        return edda_fail_with(error, r, "%s: %s", run->path, edda_code_info(r)->sentence);
    run->header.file_bytes = file_bytes;
    r = run_check(run, file_bytes, identity, error);
    run->header.file_bytes = file_bytes;
    if (r < 0)
        return r;
    run->checked = run_checked_new(run);
    return run->checked ? 0 : edda_fail_with(error, EDDA_ENOMEM, "%s: out of memory", run->path);
}

int run_open(struct io *io, const char *path, const struct run_identity *identity, struct run **ret_run,
             struct edda_error *error)
{
    struct run *run = calloc(1, sizeof(*run));
    int r;

    if (!run || !(run->path = strdup(path))) {
        free(run);
        return edda_fail_with(error, EDDA_ENOMEM, "%s: out of memory", path);
    }
    run->io = io;
    r = run_load(run, identity, error);
    if (r < 0) {
        run_close(run);
        return r;
    }
    *ret_run = run;
    return 0;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    if (run->map)
        io_file_unmap(run->io, run->file, run->map, run->header.file_bytes);
    io_file_close(run->io, run->file);
    free(run->checked);
    free(run->path);
    free(run);
}

/* Checks the blocks from `first` to `last` that were not. */
static bool blocks_check(const struct run_view *view, uint64_t first, uint64_t last)
{
    const struct run *run = view->run;

    for (uint64_t block = first; block <= last; block++) {
        uint8_t bit = (uint8_t)(1u << (block & 7));
        uint32_t sum;

        if (view->checked[block >> 3] & bit)
            continue;
        memcpy(&sum, run->map + run->header.sums_at + block * sizeof(sum), sizeof(sum));
        if (sum != crc32c(slice_of(run->map + (block + 1) * RUN_BLOCK_BYTES, RUN_BLOCK_BYTES)))
            return false;
        view->checked[block >> 3] |= bit;
    }
    return true;
}

/* `len` bytes of directory or data whose blocks have the right sums, or NULL. */
static const uint8_t *run_bytes(const struct run_view *view, uint64_t at, uint64_t len)
{
    const struct run *run = view->run;
    uint64_t first, last;

    if (len == 0 || at < RUN_BLOCK_BYTES || at > run->header.sums_at || len > run->header.sums_at - at)
        return NULL;
    first = at / RUN_BLOCK_BYTES - 1;
    last = (at + len - 1) / RUN_BLOCK_BYTES - 1;
    return blocks_check(view, first, last) ? run->map + at : NULL;
}

void run_prefetch(const struct run *run, struct hash128 key)
{
    uint64_t rest;
    uint64_t bucket = run_bucket(key.hi, run->header.buckets, &rest);
    uint64_t block = bucket / (RUN_BLOCK_BYTES / RUN_LINE_BYTES);

    __builtin_prefetch(run->map + RUN_BLOCK_BYTES + bucket * RUN_LINE_BYTES);
    __builtin_prefetch(run->checked + block / 8);
}

static bool line_may_have(const struct run_line *line, struct hash128 key)
{
    uint64_t missing = 0;

    for (unsigned i = 0; i < RUN_FILTER_WORDS; i++)
        missing |= ~line->filter[i] & run_filter_bit(key, i);
    return !missing && line->keys > 0;
}

/* The line has not been checked yet, so it is only believed not to leave the file. */
void run_prefetch_list(const struct run *run, struct hash128 key)
{
    uint64_t rest;
    uint64_t bucket = run_bucket(key.hi, run->header.buckets, &rest);
    uint64_t keys_bytes, lists_bytes, guess;
    const uint8_t *bytes, *list;
    struct run_line line;

    memcpy(&line, run->map + RUN_BLOCK_BYTES + bucket * RUN_LINE_BYTES, sizeof(line));
    keys_bytes = (uint64_t)line.keys * (sizeof(uint64_t) + sizeof(struct run_key));
    if (!line_may_have(&line, key) || line.bytes <= keys_bytes || line.at > run->header.sums_at ||
        line.bytes > run->header.sums_at - line.at)
        return;
    bytes = run->map + line.at;
    guess = (uint64_t)((run_uint128)rest * line.keys >> 64);
    __builtin_prefetch(bytes + guess * sizeof(uint64_t));
    __builtin_prefetch(bytes + (uint64_t)line.keys * sizeof(uint64_t) + guess * sizeof(struct run_key));
    lists_bytes = line.bytes - keys_bytes;
    list = bytes + keys_bytes + (uint64_t)((run_uint128)rest * lists_bytes >> 64);
    __builtin_prefetch(list);
    if (bytes + line.bytes - list > 64)
        __builtin_prefetch(list + 64);
}

/* A bucket's line, and its bytes unless it is empty. */
static int line_read(const struct run_view *view, uint64_t bucket, struct run_line *ret_line)
{
    const uint8_t *line = run_bytes(view, RUN_BLOCK_BYTES + bucket * RUN_LINE_BYTES, RUN_LINE_BYTES);

    if (!line)
        return EDDA_ECORRUPT;
    memcpy(ret_line, line, sizeof(*ret_line));
    return 0;
}

static int bucket_read(const struct run_view *view, const struct run_line *line, const uint8_t **ret_bytes)
{
    uint64_t keys_bytes = (uint64_t)line->keys * (sizeof(uint64_t) + sizeof(struct run_key));
    const uint8_t *bytes;

    if (line->bytes < keys_bytes)
        return EDDA_ECORRUPT;
    bytes = run_bytes(view, line->at, line->bytes);
    if (!bytes)
        return EDDA_ECORRUPT;
    *ret_bytes = bytes;
    return 0;
}

/* The list of the key with this number in a bucket. */
static int list_read(const struct run_view *view, const struct run_line *line, const uint8_t *bytes, uint32_t number,
                     struct run_list *ret_list)
{
    struct run_long list;
    struct run_key key;
    uint64_t pieces;

    memcpy(&key, bytes + (uint64_t)line->keys * sizeof(uint64_t) + (uint64_t)number * sizeof(key), sizeof(key));
    if (key.at > line->bytes)
        return EDDA_ECORRUPT;
    if (key.count) {
        *ret_list = (struct run_list){ key.count, bytes + key.at, bytes + line->bytes, NULL, 0 };
        return 0;
    }
    if (line->bytes - key.at < sizeof(list))
        return EDDA_ECORRUPT;
    memcpy(&list, bytes + key.at, sizeof(list));
    pieces = list.count / RUN_PIECE_ENTRIES + (list.count % RUN_PIECE_ENTRIES > 0);
    if (list.count == 0 || pieces > view->run->header.file_bytes / sizeof(struct run_piece) ||
        list.at < view->run->header.data_at || list.at > line->at ||
        pieces * sizeof(struct run_piece) > line->at - list.at)
        return EDDA_ECORRUPT;
    *ret_list = (struct run_list){ list.count, NULL, NULL, view->run->map + list.at, list.at };
    return 0;
}

/* The first of the ordered words that is not less than `hi`; begins at `guess`, which is off by a few as a rule. */
static uint32_t words_find(const uint8_t *words, uint32_t count, uint64_t hi, uint32_t guess)
{
    uint32_t low = 0;
    uint32_t high = count;

    if (count <= 4 * RUN_BUCKET_KEYS) {
        while (guess > 0 && load64(words + (uint64_t)(guess - 1) * 8) >= hi)
            guess--;
        while (guess < count && load64(words + (uint64_t)guess * 8) < hi)
            guess++;
        return guess;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (load64(words + (uint64_t)middle * 8) < hi)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int run_find(const struct run_view *view, struct hash128 key, struct run_list *ret_list)
{
    uint64_t rest;
    uint64_t bucket = run_bucket(key.hi, view->run->header.buckets, &rest);
    struct run_line line;
    const uint8_t *bytes, *keys;
    uint32_t guess;
    int r = line_read(view, bucket, &line);

    if (r < 0)
        return r;
    if (!line_may_have(&line, key))
        return 0;
    guess = (uint32_t)((run_uint128)rest * line.keys >> 64);
    r = bucket_read(view, &line, &bytes);
    if (r < 0)
        return r;
    keys = bytes + (uint64_t)line.keys * 8;
    for (guess = words_find(bytes, line.keys, key.hi, guess);
         guess < line.keys && load64(bytes + (uint64_t)guess * 8) == key.hi; guess++) {
        if (load64(keys + (uint64_t)guess * sizeof(struct run_key)) == key.lo) {
            r = list_read(view, &line, bytes, guess, ret_list);
            return r < 0 ? r : 1;
        }
    }
    return 0;
}

static uint64_t list_pieces(const struct run_list *list)
{
    return (list->count + RUN_PIECE_ENTRIES - 1) / RUN_PIECE_ENTRIES;
}

/* Where a piece of a long list begins and ends. */
static int piece_find(const struct run_view *view, const struct run_list *list, uint64_t number,
                      struct run_piece *ret_piece, uint64_t *ret_end)
{
    const uint8_t *row = run_bytes(view, list->pieces_at + number * sizeof(*ret_piece), sizeof(*ret_piece));

    if (!row)
        return EDDA_ECORRUPT;
    memcpy(ret_piece, row, sizeof(*ret_piece));
    *ret_end = list->pieces_at;
    if (number + 1 < list_pieces(list)) {
        row = run_bytes(view, list->pieces_at + (number + 1) * sizeof(*ret_piece), sizeof(*ret_piece));
        if (!row)
            return EDDA_ECORRUPT;
        *ret_end = load64(row + offsetof(struct run_piece, at));
    }
    return ret_piece->at < *ret_end && *ret_end <= list->pieces_at ? 0 : EDDA_ECORRUPT;
}

/* To the first entry of a piece. */
static int cursor_enter(const struct run_view *view, struct run_cursor *c, uint64_t number)
{
    struct run_piece piece;
    uint64_t end;
    int r = piece_find(view, &c->list, number, &piece, &end);

    if (r < 0)
        return r;
    c->at = run_bytes(view, piece.at, end - piece.at);
    if (!c->at)
        return EDDA_ECORRUPT;
    c->end = c->at + (end - piece.at);
    c->before = (struct index_entry){ piece.position, view->run->header.batch_min, 0 };
    c->ordinal = number * RUN_PIECE_ENTRIES;
    return 0;
}

int run_cursor_init(const struct run_view *view, const struct run_list *list, uint64_t ordinal,
                    struct run_cursor *ret_cursor)
{
    const struct run_header *h = &view->run->header;
    struct run_cursor c = { .list = *list, .at = list->at, .end = list->end };
    int r;

    ASSERT(ordinal <= list->count);
    c.before = (struct index_entry){ h->position_min, h->batch_min, 0 };
    if (list->pieces && ordinal < list->count) {
        r = cursor_enter(view, &c, ordinal / RUN_PIECE_ENTRIES);
        if (r < 0)
            return r;
    } else if (list->pieces) {
        c.ordinal = ordinal;
    }
    for (; c.ordinal < ordinal; c.ordinal++) {
        c.at = run_entry_get(c.at, c.end, &c.before);
        if (!c.at)
            return EDDA_ECORRUPT;
    }
    *ret_cursor = c;
    return 0;
}

int64_t run_cursor_read(const struct run_view *view, struct run_cursor *c, struct index_entry *ret_entries, size_t max)
{
    uint64_t left = c->list.count - c->ordinal;
    size_t done = 0;

    if (max > left)
        max = (size_t)left;
    while (done < max) {
        size_t turn = max - done;

        if (c->list.pieces) {
            uint64_t in_piece = c->ordinal % RUN_PIECE_ENTRIES;

            /* Before the first entry of a piece, `at` may still be at the end of the one before. */
            if (in_piece == 0) {
                int r = cursor_enter(view, c, c->ordinal / RUN_PIECE_ENTRIES);

                if (r < 0)
                    return r;
            }
            if (turn > RUN_PIECE_ENTRIES - in_piece)
                turn = (size_t)(RUN_PIECE_ENTRIES - in_piece);
        }
        for (size_t i = 0; i < turn; i++) {
            c->at = run_entry_get(c->at, c->end, &c->before);
            if (!c->at)
                return EDDA_ECORRUPT;
            ret_entries[done++] = c->before;
        }
        c->ordinal += turn;
    }
    return (int64_t)done;
}

/* The last piece that begins before `position`, for its first entry at or behind that lies in it or begins the next. */
static int piece_before(const struct run_view *view, const struct run_list *list, uint64_t position,
                        uint64_t *ret_number)
{
    uint64_t low = 0;
    uint64_t high = list_pieces(list);

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const uint8_t *row =
            run_bytes(view, list->pieces_at + middle * sizeof(struct run_piece), sizeof(struct run_piece));

        if (!row)
            return EDDA_ECORRUPT;
        if (load64(row) < position)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_number = low ? low - 1 : 0;
    return 0;
}

int run_find_position(const struct run_view *view, const struct run_list *list, uint64_t position,
                      uint64_t *ret_ordinal)
{
    struct index_entry entries[RUN_PIECE_ENTRIES];
    struct run_cursor cursor;
    uint64_t number = 0;
    uint64_t ordinal;
    int64_t count;
    int r = 0;

    if (view->run->header.position_max < position) {
        *ret_ordinal = list->count;
        return 0;
    }
    if (list->pieces)
        r = piece_before(view, list, position, &number);
    if (r == 0)
        r = run_cursor_init(view, list, number * RUN_PIECE_ENTRIES, &cursor);
    if (r < 0)
        return r;
    ordinal = cursor.ordinal;
    count = run_cursor_read(view, &cursor, entries, RUN_PIECE_ENTRIES);
    if (count < 0)
        return (int)count;
    for (int64_t i = 0; i < count && entries[i].position < position; i++)
        ordinal++;
    *ret_ordinal = ordinal;
    return 0;
}

void run_scan_init(const struct run_view *view, struct run_scan *ret_scan)
{
    *ret_scan = (struct run_scan){ .view = *view };
}

int run_scan_next(struct run_scan *s)
{
    int r;

    while (s->at >= s->line.keys) {
        if (s->bucket >= s->view.run->header.buckets)
            return 0;
        r = line_read(&s->view, s->bucket, &s->line);
        if (r == 0 && s->line.keys)
            r = bucket_read(&s->view, &s->line, &s->bytes);
        if (r < 0)
            return r;
        s->bucket++;
        s->at = 0;
    }
    s->key.hi = load64(s->bytes + (uint64_t)s->at * 8);
    s->key.lo = load64(s->bytes + (uint64_t)s->line.keys * 8 + (uint64_t)s->at * sizeof(struct run_key));
    r = list_read(&s->view, &s->line, s->bytes, s->at, &s->list);
    if (r < 0)
        return r;
    s->at++;
    return 1;
}

/* Reads a list from end to end. */
static int list_verify(const struct run_view *view, const struct run_list *list)
{
    struct index_entry entries[RUN_PIECE_ENTRIES];
    uint64_t position = view->run->header.position_min;
    struct run_cursor cursor;
    int64_t count;
    int r = run_cursor_init(view, list, 0, &cursor);

    if (r < 0)
        return r;
    while ((count = run_cursor_read(view, &cursor, entries, RUN_PIECE_ENTRIES)) > 0) {
        for (int64_t i = 0; i < count; i++) {
            if (entries[i].position < position || entries[i].position > view->run->header.position_max)
                return EDDA_ECORRUPT;
            position = entries[i].position;
        }
    }
    return (int)count;
}

int run_verify(const struct run *run, struct edda_error *error)
{
    struct run_view view = { run, run_checked_new(run) };
    struct hash128 before = { 0, 0 };
    struct run_scan scan;
    uint64_t keys = 0;
    uint64_t entries = 0;
    int r = EDDA_ENOMEM;

    if (view.checked)
        r = blocks_check(&view, 0, run_blocks(run) - 1) ? 0 : EDDA_ECORRUPT;
    run_scan_init(&view, &scan);
    while (r == 0 && (r = run_scan_next(&scan)) == 1) {
        r = keys && hash128_compare(before, scan.key) >= 0 ? EDDA_ECORRUPT : list_verify(&view, &scan.list);
        before = scan.key;
        keys++;
        entries += scan.list.count;
    }
    free(view.checked);
    if (r == 0 && (keys != run->header.keys || entries != run->header.entries))
        r = EDDA_ECORRUPT;
    return r < 0 ? edda_fail_with(error, r, "%s: %s", run->path, edda_code_info(r)->sentence) : 0;
}
