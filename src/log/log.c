/* Opening and closing the log, and what is known of an open one. */
#include <stdlib.h>

#include "log/parts.h"

#define PAGE_BYTES 4096
#define BODY_OVERHEAD_BYTES (LOG_SEGMENT_HEADER_BYTES + LOG_FRAME_HEADER_BYTES + SEGMENT_RESERVED_BYTES)

static int options_take(struct log *log, const struct log_options *options, struct edda_error *error)
{
    uint64_t segment_bytes = options->segment_bytes ? options->segment_bytes : LOG_SEGMENT_BYTES_DEFAULT;
    uint64_t body_bytes_max;

    if (segment_bytes < LOG_SEGMENT_BYTES_MIN || segment_bytes > LOG_SEGMENT_BYTES_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "segment_bytes", "a segment has %llu to %llu bytes, not %llu",
                               (unsigned long long)LOG_SEGMENT_BYTES_MIN, (unsigned long long)LOG_SEGMENT_BYTES_MAX,
                               (unsigned long long)segment_bytes);
    segment_bytes = (segment_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    body_bytes_max = segment_bytes - BODY_OVERHEAD_BYTES;
    if (options->body_bytes_max > body_bytes_max)
        return edda_fail_field(error, EDDA_EINVAL, "body_bytes_max", "a body of %llu bytes does not fit a segment",
                               (unsigned long long)options->body_bytes_max);
    if (options->body_bytes_max)
        body_bytes_max = options->body_bytes_max;
    else if (body_bytes_max > LOG_BODY_BYTES_MAX)
        body_bytes_max = LOG_BODY_BYTES_MAX;
    log->segment_bytes = segment_bytes;
    log->body_bytes_max = body_bytes_max;
    log->contents = options->contents;
    log->salvage = options->salvage;
    log->read_only = options->read_only || options->salvage;
    log->rest_of = options->rest_of;
    log->has_gaps = options->rest_of && !log->read_only;
    log->sync_off = options->sync_off;
    return 0;
}

static struct log *log_new(struct io *io, const char *path, size_t path_len)
{
    static const char suffix[] = "/log";
    struct log *log = calloc(1, sizeof(*log) + path_len + sizeof(suffix));

    if (!log)
        return NULL;
    log->io = io;
    memcpy(log->dir, path, path_len);
    memcpy(log->dir + path_len, suffix, sizeof(suffix));
    atomic_init(&log->table, NULL);
    atomic_init(&log->segment_count, 0);
    atomic_init(&log->removed, 0);
    atomic_init(&log->durable_end, 0);
    atomic_init(&log->zeroing_failed, false);
    for (size_t i = 0; i < LOG_FLUSHES_MAX + 1; i++)
        log->flushes[i].log = log;
    log->open = &log->flushes[0];
    return log;
}

static void log_free(struct log *log)
{
    ahead_end(log);
    segments_free(log);
    segment_free(log->io, log->spare);
    for (size_t i = 0; i < LOG_FLUSHES_MAX + 1; i++)
        flush_deinit(&log->flushes[i]);
    io_file_close(log->io, log->note_file);
    io_file_close(log->io, log->lock_file);
    free(log);
}

/* Makes the directories and takes the lock, which stands beside the log for all that the data directory holds. */
static int dir_take(struct log *log, size_t path_len, struct edda_error *error)
{
    char path[LOG_PATH_BYTES];
    int r = io_dir_make(log->io, log->dir, error);

    if (r < 0)
        return r;
    memcpy(path, log->dir, path_len);
    memcpy(path + path_len, "/lock", sizeof("/lock"));
    r = io_file_open(log->io, path, IO_WRITE | IO_CREATE, &log->lock_file, error);
    return r < 0 ? r : io_file_lock(log->io, log->lock_file, error);
}

/*
 * Makes the names of the data directory and of those above it durable, which this or an earlier process may have
 * made. One further up that may not even be read cannot have been made by us.
 */
static int dirs_sync(struct log *log, size_t path_len, struct edda_error *error)
{
    char path[LOG_PATH_BYTES];
    size_t len = path_len;

    memcpy(path, log->dir, path_len);
    for (unsigned level = 0;; level++) {
        bool top = len == 0 || (len == 1 && (path[0] == '/' || path[0] == '.'));
        int r;

        path[len] = '\0';
        r = io_dir_sync(log->io, len ? path : log->dir[0] == '/' ? "/" : ".");
        if (r < 0 && level < 2)
            return edda_fail_with(error, r, "cannot sync the directory %s", len ? path : "above the log");
        if (top)
            return 0;
        while (len > 0 && path[len - 1] != '/')
            len--;
        while (len > 0 && path[len - 1] == '/')
            len--;
    }
}

int log_open(struct io *io, const char *path, const struct log_options *options, struct log **ret_log,
             struct log_recovery *ret_recovery, struct edda_error *error)
{
    struct log_recovery recovery = { 0 };
    size_t path_len = strlen(path);
    struct log *log;
    int r;

    while (path_len > 1 && path[path_len - 1] == '/')
        path_len--;
    if (path_len == 0 || path_len + sizeof("/log/") + SEGMENT_NAME_BYTES > LOG_PATH_BYTES)
        return edda_fail_field(error, EDDA_EINVAL, "path", "the path of the data directory is empty or too long");
    log = log_new(io, path, path_len);
    if (!log)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    r = options_take(log, options, error);
    if (r == 0 && !log->read_only)
        r = dir_take(log, path_len, error);
    if (r == 0)
        r = log_recover(log, &recovery, error);
    if (r == 0 && !log->read_only)
        r = dirs_sync(log, path_len, error);
    /* A file that took the place of another may have been seen before its name was durable. */
    if (r == 0 && !log->read_only && log->has_gaps && (r = io_dir_sync(io, log->dir)) < 0)
        edda_fail_with(error, r, "cannot sync the directory %s", log->dir);
    if (r < 0) {
        log_free(log);
        return r;
    }
    log_clock_init(&log->clock, io, log->last_time_ms);
    log->noted_ms = log_time_ms(log);
    if (ret_recovery)
        *ret_recovery = recovery;
    *ret_log = log;
    return 0;
}

static void flush_all(struct log *log)
{
    struct log_flush *f;

    while (!log->broken && (f = log_flush_begin(log))) {
        log_flush_run(f);
        (void)log_flush_end(log, f, NULL);
    }
}

void log_close(struct log *log)
{
    if (!log)
        return;
    ASSERT(log->under_way_count == 0);
    log->closing = true;
    ahead_end(log);
    if (!log->read_only && !log->broken) {
        /* Frames first, on their own: a clean end says that all before it had been synced. */
        log->sync_off = false;
        flush_all(log);
        if (!log->broken && !log->ends_clean && flush_reserve(log->open) == 0 &&
            log->current->end + SEGMENT_RESERVED_BYTES <= log->current->bytes) {
            log_append_closing(log, FRAME_CLEAN);
            flush_all(log);
        }
    }
    log_free(log);
}

void log_abandon(struct log *log)
{
    if (log)
        log_free(log);
}

uint64_t log_id(const struct log *log)
{
    uint64_t id = 0;

    for (size_t i = 0; i < sizeof(id); i++)
        id |= (uint64_t)log->id[i] << (8 * i);
    return id;
}

uint64_t log_next_position(const struct log *log)
{
    return log->next_position;
}

uint64_t log_durable_position(const struct log *log)
{
    return log->durable_position;
}

uint64_t log_body_bytes_max(const struct log *log)
{
    return log->body_bytes_max;
}

log_address log_end(const struct log *log)
{
    const struct segment *segment = log->current;

    return segment->first_address + (segment->header_pending ? 0 : segment->end);
}

log_address log_durable_end(const struct log *log)
{
    return atomic_load_explicit(&log->durable_end, memory_order_acquire);
}

log_address log_start(const struct log *log)
{
    return segment_at(log, segments_first(log))->first_address;
}

uint64_t log_unflushed_bytes(const struct log *log)
{
    return log_end(log) - log_durable_end(log);
}

log_address log_find_segment(struct log *log, uint64_t position)
{
    size_t first = segments_first(log), low = first;
    size_t high = segments_count(log);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (segment_at(log, middle)->first_position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return segment_at(log, low > first ? low - 1 : first)->first_address;
}

void log_rest(struct log *log)
{
    for (size_t i = 0; i < segments_count(log); i++) {
        const struct segment_view *view = atomic_load(&segment_at(log, i)->view);
        if (view)
            io_file_map_rest(log->io, view->file, view->data, view->len);
    }
}

uint64_t log_rewrites(const struct log *log)
{
    return log->rewrites;
}

bool log_has_removed(const struct log *log)
{
    return log->has_gaps;
}

bool log_segment(struct log *log, size_t ordinal, struct log_segment_info *ret_info)
{
    const struct segment *segment;
    struct log_segment_info info;

    if (ordinal >= segments_count(log) - segments_first(log))
        return false;
    ordinal += segments_first(log);
    segment = segment_at(log, ordinal);
    info = (struct log_segment_info){
        .number = segment->number,
        .first_address = segment->first_address,
        .first_position = segment->first_position,
        .used_bytes = segment_durable_bytes(log, ordinal),
    };
    segment_name(segment->number, info.name);
    info.rewritten = segment->rewritten;
    info.thinned = segment->thinned;
    info.rewriting = segment->rewritten ? segment->footer_is : 0;
    info.freed_bytes = segment->freed;
    info.sealed = ordinal + 1 < segments_count(log) &&
                  log_durable_end(log) >= segment_at(log, ordinal + 1)->first_address;
    *ret_info = info;
    return true;
}
