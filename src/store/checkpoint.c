/*
 * checkpoint: what is derived from the log up to a position, in a file of its own. It saves work and is never the truth: one
 * that is missing, torn, damaged, of another log or ahead of this one is as good as none.
 *
 *      0  "EDDA-CHK"               8  u32 crc32c of all from 12
 *     12  u32 format, 1           16  u64 id of the log
 *     24  u64 position            32  u32 checksum of the batch that holds the record before the position; 0 for position 0
 *     36  u32 bytes of the name   40  u64 bytes of the contents
 *     48  name, contents
 *
 * Integers are little-endian. The file is written under another name, synced, and then renamed, so a crash leaves the old or the new
 * one; by a job or on the store's thread, never both at once. The batch's checksum ties it to what the log held: a log that lost its tail and went on differently does not match.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/put.h"
#include "store/internal.h"

#define CHECKPOINT_MAGIC "EDDA-CHK"
#define CHECKPOINT_FORMAT 1
#define CHECKPOINT_NAME_MAX 64
#define CHECKPOINT_BYTES_MAX (UINT64_C(1) << 32)

struct checkpoint_layout {
    uint8_t magic[8];
    uint8_t crc[4];
    uint8_t format[4];
    uint8_t log_id[8];
    uint8_t position[8];
    uint8_t batch_crc[4];
    uint8_t name_bytes[4];
    uint8_t bytes[8];
};
#define HEADER_BYTES sizeof(struct checkpoint_layout)
#define CHECKED_AT offsetof(struct checkpoint_layout, format)
_Static_assert(HEADER_BYTES == 48, "layout of a checkpoint");
_Static_assert(offsetof(struct checkpoint_layout, log_id) == 16, "layout of a checkpoint");
_Static_assert(offsetof(struct checkpoint_layout, position) == 24, "layout of a checkpoint");
_Static_assert(offsetof(struct checkpoint_layout, batch_crc) == 32, "layout of a checkpoint");
_Static_assert(offsetof(struct checkpoint_layout, bytes) == 40, "layout of a checkpoint");

static int checkpoint_path(const struct store *store, const char *name, const char *suffix, char path[4096],
                           struct edda_error *error)
{
    size_t len = strlen(name);
    bool ok = len > 0 && len <= CHECKPOINT_NAME_MAX && name[0] != '.';
    for (size_t i = 0; i < len && ok; i++)
        ok = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", name[i]) != NULL;
    if (!ok)
        return edda_fail_field(error, EDDA_EINVAL, "name", "'%.64s' cannot be the name of a checkpoint", name);
    int written = snprintf(path, 4096, "%s/checkpoint/%s%s", store->path, name, suffix);
    if (written < 0 || written >= 4096)
        return edda_fail_field(error, EDDA_EINVAL, "name", "the path of the checkpoint is too long");
    return 0;
}

/* The batch of the frame that holds an ordinal; for one whose record lies elsewhere, any that is always the same. */
static const struct frame_batch *batch_of(const struct frame *frame, uint32_t ordinal)
{
    const struct frame_ref *ref = &frame->refs[ordinal];
    return &frame->batches[ref->remote ? 0 : ref->batch];
}

/* What ties a checkpoint to the log. */
static int batch_crc_before(struct store *store, uint64_t position, uint32_t *ret_crc, struct edda_error *error)
{
    struct frame *frame;
    *ret_crc = 0;
    if (position == 0)
        return 0;
    int r = frame_at(store, position - 1, &store->reader, &frame, error);
    if (r == 0 && frame->first_position < position)
        *ret_crc = batch_of(frame, (uint32_t)(position - 1 - frame->first_position))->batch.crc;
    return r;
}

static int file_write_all(struct store *store, const char *path, struct slice header, struct slice name, struct slice bytes,
                          struct edda_error *error)
{
    struct io_file *file;
    const struct slice parts[] = { header, name, bytes };
    int r = io_file_open(store->io, path, IO_WRITE | IO_CREATE, &file, error);
    if (r < 0)
        return r;
    r = io_file_truncate(store->io, file, 0);
    if (r == 0)
        r = io_file_write(store->io, file, parts, sizeof(parts) / sizeof(parts[0]), 0);
    if (r == 0)
        r = io_file_sync(store->io, file);
    io_file_close(store->io, file);
    return r < 0 ? edda_fail_with(error, r, "the checkpoint %s cannot be written: %s", path, edda_code_info(r)->sentence) : 0;
}

static int file_publish(struct store *store, const char *temporary, const char *path, struct edda_error *error)
{
    char dir[4096];
    snprintf(dir, sizeof(dir), "%s/checkpoint", store->path);
    int r = io_file_rename(store->io, temporary, path);
    if (r == 0)
        r = io_dir_sync(store->io, dir);
    return r < 0 ? edda_fail_with(error, r, "the checkpoint %s cannot be renamed: %s", path, edda_code_info(r)->sentence) : 0;
}

/* Makes the directory and its name durable, once. */
static int dir_ensure(struct store *store, struct edda_error *error)
{
    char dir[4096];
    if (store->checkpoint_dir)
        return 0;
    snprintf(dir, sizeof(dir), "%s/checkpoint", store->path);
    int r = io_dir_make(store->io, dir, NULL);
    if (r == 0)
        r = io_dir_sync(store->io, store->path);
    if (r < 0)
        return edda_fail_with(error, r, "the directory %s cannot be made", dir);
    store->checkpoint_dir = true;
    return 0;
}

/* One that is to be written: of the store, what is looked at on its own thread only is in here already. */
struct checkpoint_writing {
    struct io_job job;
    struct store *store;
    char name[CHECKPOINT_NAME_MAX + 1];
    char temporary[4096], path[4096];
    uint8_t header[HEADER_BYTES]; /* but its checksum */
    struct buffer bytes;          /* of one that is written by a job */
    bool ended;
    bool own;                     /* nobody asks what became of it */
    int code;
    struct edda_error error;
};

static int writing_prepare(struct checkpoint_writing *w, struct store *store, const char *name, uint64_t position, uint64_t bytes,
                           struct edda_error *error)
{
    uint32_t batch_crc;
    w->store = store;
    int r = checkpoint_path(store, name, ".tmp", w->temporary, error);
    if (r == 0)
        r = checkpoint_path(store, name, "", w->path, error);
    if (r == 0)
        r = batch_crc_before(store, position, &batch_crc, error);
    if (r < 0)
        return r;
    memcpy(w->name, name, strlen(name) + 1);
    uint8_t *at = put_slice(w->header, SLICE(CHECKPOINT_MAGIC));
    at = put_le32(at, 0);
    at = put_le32(at, CHECKPOINT_FORMAT);
    at = put_le64(at, log_id(store->log));
    at = put_le64(at, position);
    at = put_le32(at, batch_crc);
    at = put_le32(at, (uint32_t)strlen(name));
    put_le64(at, bytes);
    return 0;
}

static int writing_write(struct checkpoint_writing *w, struct slice bytes, struct edda_error *error)
{
    struct slice header = slice_of(w->header, sizeof(w->header)), name = slice_str(w->name);
    uint32_t crc = crc32c(slice_from(header, CHECKED_AT));
    crc = crc32c_extend(crc32c_extend(crc, name), bytes);
    put_le32(w->header + offsetof(struct checkpoint_layout, crc), crc);
    int r = dir_ensure(w->store, error);
    if (r == 0)
        r = file_write_all(w->store, w->temporary, header, name, bytes, error);
    return r < 0 ? r : file_publish(w->store, w->temporary, w->path, error);
}

int store_checkpoint_put(struct store *store, const char *name, uint64_t position, struct slice bytes,
                         struct edda_error *error)
{
    struct checkpoint_writing w;
    int r = 0;
    if (position > store_tail(store))
        r = edda_fail_field(error, EDDA_EINVAL, "position", "position %" PRIu64 " is behind the tail", position);
    checkpoint_wait(store);
    /* Derived from what may yet be lost, it could outlive its cause. */
    if (r == 0 && position > store_durable_position(store))
        r = store_flush(store, error);
    if (r == 0)
        r = writing_prepare(&w, store, name, position, bytes.len, error);
    return r < 0 ? r : writing_write(&w, bytes, error);
}

/* --- in the background ---------------------------------------------------------------------------------- */

static void writing_run(struct io_job *job)
{
    struct checkpoint_writing *w = container_of(job, struct checkpoint_writing, job);
    w->code = writing_write(w, buffer_slice(&w->bytes), &w->error);
}

static void writing_free(struct checkpoint_writing *w)
{
    buffer_deinit(&w->bytes);
    free(w);
}

static void writing_done(struct io_job *job)
{
    struct checkpoint_writing *w = container_of(job, struct checkpoint_writing, job);
    w->ended = true;
    if (w->own) {
        w->store->checkpoint = NULL;
        writing_free(w);
    }
}

static int checkpoint_start(struct store *store, const char *name, uint64_t position, struct buffer *bytes, bool own,
                            struct edda_error *error)
{
    if (store->checkpoint || position > store_durable_position(store))
        return edda_fail_with(error, EDDA_EBUSY, "the checkpoint %s must wait for %s", name, store->checkpoint ? "another" : "the log");
    struct checkpoint_writing *w = calloc(1, sizeof(*w));
    if (!w)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the checkpoint %s", name);
    int r = writing_prepare(w, store, name, position, bytes->len, error);
    if (r < 0) {
        free(w);
        return r;
    }
    w->own = own;
    w->bytes = *bytes;
    buffer_init(bytes, 0);
    w->job.run = writing_run;
    w->job.done = writing_done;
    list_init(&w->job.link);
    store->checkpoint = w;
    io_job_submit(store->io, IO_POOL_BACKGROUND, &w->job);
    return 0;
}

int store_checkpoint_start(struct store *store, const char *name, uint64_t position, struct buffer *bytes, struct edda_error *error)
{
    return checkpoint_start(store, name, position, bytes, false, error);
}

int checkpoint_start_own(struct store *store, const char *name, uint64_t position, struct buffer *bytes)
{
    return checkpoint_start(store, name, position, bytes, true, NULL);
}

int store_checkpoint_ended(struct store *store, struct edda_error *error)
{
    struct checkpoint_writing *w = store->checkpoint;
    if (!w || w->own || !w->ended)
        return w && !w->own;
    int r = w->code < 0 && error ? (*error = w->error, w->code) : w->code;
    store->checkpoint = NULL;
    writing_free(w);
    return r;
}

void checkpoint_wait(struct store *store)
{
    while (store->checkpoint && !store->checkpoint->ended) {
        if (io_jobs_wait(store->io, -1) == 0)
            break; /* a simulated crash: the job is gone */
        io_jobs_finish(store->io);
    }
    if (store->checkpoint)
        writing_free(store->checkpoint);
    store->checkpoint = NULL;
}

/* --- reading -------------------------------------------------------------------------------------------- */

/* Reads the whole file; false when there is none or it cannot be read. */
static bool file_read_all(struct store *store, const char *path, struct buffer *bytes)
{
    struct io_file *file;
    uint64_t size = 0;
    size_t read = 0;
    if (io_file_open(store->io, path, IO_READ, &file, NULL) < 0)
        return false;
    buffer_clear(bytes);
    bool ok = io_file_size(store->io, file, &size) == 0 && size >= HEADER_BYTES && size <= CHECKPOINT_BYTES_MAX;
    uint8_t *at = ok ? buffer_extend(bytes, (size_t)size) : NULL;
    ok = at && io_file_read(store->io, file, at, (size_t)size, 0, &read) == 0 && read == size;
    io_file_close(store->io, file);
    return ok;
}

int store_checkpoint_get(struct store *store, const char *name, uint64_t *ret_position, struct buffer *bytes)
{
    char path[4096];
    struct edda_error *error = &store->read_error;
    int r = checkpoint_path(store, name, "", path, error);
    if (r < 0)
        return r;
    if (!file_read_all(store, path, bytes))
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no checkpoint %s", name);
    struct slice all = buffer_slice(bytes);
    struct cursor c = cursor_of(all);
    bool ok = slice_eq(cursor_bytes(&c, 8), SLICE(CHECKPOINT_MAGIC));
    ok &= cursor_le32(&c) == crc32c(slice_from(all, CHECKED_AT));
    ok &= cursor_le32(&c) == CHECKPOINT_FORMAT;
    ok &= cursor_le64(&c) == log_id(store->log);
    uint64_t position = cursor_le64(&c);
    uint32_t batch_crc = cursor_le32(&c), found_crc;
    uint32_t name_bytes = cursor_le32(&c);
    uint64_t content = cursor_le64(&c);
    ok &= slice_eq(cursor_bytes(&c, name_bytes), slice_str(name)) && cursor_left(&c) == content;
    if (!ok || position > store_durable_position(store) ||
        batch_crc_before(store, position, &found_crc, error) < 0 || found_crc != batch_crc) {
        buffer_clear(bytes);
        return edda_fail_with(error, EDDA_ENOTFOUND, "the checkpoint %s is not of this log", name);
    }
    memmove(bytes->data, all.data + (all.len - content), (size_t)content);
    buffer_truncate(bytes, (size_t)content);
    *ret_position = position;
    return 0;
}
