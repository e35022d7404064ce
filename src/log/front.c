/*
 * The front: the oldest segments are removed when nothing in them is worth keeping. That they were removed and not lost says a file beside the segments,
 * "front": which segment is the first now, where it begins, and what is left in the stead of all before it, for whoever scans the log.
 *
 * The order makes every crash harmless. The file is written beside its name, synced and renamed, and the directory synced; only then are segments
 * removed, from the oldest on. What lies before the first segment by then is removed by the next opening for writing, and ignored by others.
 *
 * When it is not known whether the name is durable, nothing is removed, and nothing further as long as the log is open: what the file says and what the log
 * has here would differ in what they count.
 */
#include <stdlib.h>

#include "base/crc32c.h"
#include "log/parts.h"

#define FRONT_TMP FRONT_NAME ".tmp"

struct log_front {
    struct log *log;
    size_t count;              /* of segments that go */
    struct front front;
    struct slice left;
    bool named;                /* the file may have its name */
    bool taken;
    int result;
    char path[LOG_PATH_BYTES];
    char tmp_path[LOG_PATH_BYTES];
};

/* --- reading --------------------------------------------------------------------------------------------- */

static int front_damaged(const struct log *log, const char *reason, struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ECORRUPT, "%s/" FRONT_NAME ", which says where the log begins, %s", log->dir, reason);
}

static int front_decode_all(const struct log *log, struct io_file *file, uint64_t size, struct front *ret_front, struct buffer *left,
                            struct edda_error *error)
{
    uint8_t head[FRONT_BYTES], *bytes = NULL;
    size_t len = 0;
    int r;

    if (size < FRONT_BYTES || size > FRONT_BYTES + LOG_FRONT_LEFT_MAX)
        return front_damaged(log, "has an impossible size", error);
    r = io_file_read(log->io, file, head, sizeof(head), 0, &len);
    bytes = r == 0 ? malloc(size - FRONT_BYTES + 1) : NULL;
    if (r == 0 && !bytes)
        r = EDDA_ENOMEM;
    if (r == 0 && len == sizeof(head))
        r = io_file_read(log->io, file, bytes, size - FRONT_BYTES, FRONT_BYTES, &len);
    if (r < 0)
        edda_fail_with(error, r, "cannot read %s/" FRONT_NAME, log->dir);
    else if (len != size - FRONT_BYTES || !front_decode(head, slice_of(bytes, (size_t)(size - FRONT_BYTES)), ret_front))
        r = front_damaged(log, "is damaged", error);
    if (r == 0 && left) {
        buffer_clear(left);
        buffer_append(left, bytes, size - FRONT_BYTES);
        r = buffer_ok(left) ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    }
    free(bytes);
    return r;
}

int front_read(const struct log *log, struct front *ret_front, struct buffer *left, struct edda_error *error)
{
    char path[LOG_PATH_BYTES];
    struct edda_error ignored;
    struct io_file *file;
    uint64_t size;
    int r = log_path(log, FRONT_NAME, path, error);

    if (r == 0)
        r = io_file_open(log->io, path, IO_READ, &file, &ignored);
    if (r == EDDA_ENOTFOUND)
        return 0;
    if (r < 0)
        return edda_fail_with(error, r, "cannot open %s/" FRONT_NAME, log->dir);
    r = io_file_size(log->io, file, &size);
    if (r < 0)
        edda_fail_with(error, r, "cannot read %s/" FRONT_NAME, log->dir);
    else
        r = front_decode_all(log, file, size, ret_front, left, error);
    io_file_close(log->io, file);
    return r < 0 ? r : 1;
}

int log_front_left(const struct log *log, struct buffer *ret_left, uint64_t *ret_position, struct edda_error *error)
{
    struct front front;
    int r;

    buffer_clear(ret_left);
    if (ret_position)
        *ret_position = log->front.position;
    if (!log->front.number)
        return 0;
    r = front_read(log, &front, ret_left, error);
    if (r < 0)
        return r;
    if (r == 1 && log->read_only && front.number > log->front.number)
        return edda_fail_with(error, EDDA_EBUSY, "segments of the log were removed while it was opened; try again");
    if (r == 0 || memcmp(front.id, log->id, sizeof(front.id)) != 0 || front.number != log->front.number)
        return front_damaged(log, "is another than when the log was opened", error);
    return 0;
}

int log_front_bytes(const struct log *log, struct buffer *ret_bytes, struct edda_error *error)
{
    struct buffer left = BUFFER_EMPTY;
    uint8_t head[FRONT_BYTES];
    int r = log_front_left(log, &left, NULL, error);

    buffer_clear(ret_bytes);
    if (r == 0 && log->front.number) {
        front_encode(head, &log->front, buffer_slice(&left));
        buffer_append(ret_bytes, head, sizeof(head));
        buffer_append_slice(ret_bytes, buffer_slice(&left));
        if (!buffer_ok(ret_bytes))
            r = edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    }
    buffer_deinit(&left);
    return r;
}

int front_take_listed(struct log *log, struct log_listing *l, struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    size_t gone = 0;
    int r = front_read(log, &log->front, NULL, error);

    if (r == EDDA_ECORRUPT && log->salvage) {
        log->front_damaged = true;
        return 0;
    }
    if (r <= 0)
        return r;
    log->has_gaps = true;
    while (gone < l->count && l->numbers[gone] < log->front.number)
        gone++;
    /* The name may have been seen before it was durable, and must be so before the files go. */
    if (gone && !log->read_only && (r = io_dir_sync(log->io, log->dir)) < 0)
        return edda_fail_with(error, r, "cannot sync the directory %s", log->dir);
    for (size_t i = 0; i < gone && !log->read_only; i++) {
        segment_name(l->numbers[i], name);
        if (log_path(log, name, path, NULL) == 0)
            (void)io_file_remove(log->io, path);
    }
    memmove(l->numbers, l->numbers + gone, (l->count - gone) * sizeof(l->numbers[0]));
    l->count -= gone;
    return 0;
}

bool front_fits(const struct log *log, const struct segment_header *h)
{
    const struct front *f = &log->front;

    return !f->number || (memcmp(f->id, h->id, sizeof(f->id)) == 0 && f->number == h->number && f->address == h->first_address &&
                          f->position == h->first_position && f->previous == h->previous);
}

/* --- removing -------------------------------------------------------------------------------------------- */

int log_front_begin(struct log *log, size_t count, struct slice left, struct log_front **ret_front, struct edda_error *error)
{
    const struct segment_view *view;
    struct segment_header h;
    struct log_front *f;
    struct segment *first;
    int r;

    if (log->read_only)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "nothing is removed from a log that is opened read-only");
    if (log->front_unsure)
        return edda_fail_with(error, EDDA_EBUSY, "whether the log begins where it did is not known until it is opened again");
    if (left.len > LOG_FRONT_LEFT_MAX)
        return edda_fail_with(error, EDDA_ETOOLARGE, "what is left of removed segments takes %zu bytes", left.len);
    ASSERT(count > 0);
    count += log->removed;
    if (count >= segments_count(log) || log_durable_end(log) <= segment_at(log, count)->first_address + LOG_SEGMENT_HEADER_BYTES)
        return edda_fail_with(error, EDDA_EBUSY, "the segment behind is not durably begun");
    first = segment_at(log, count);
    r = segment_view(log, first, &view, error);
    if (r < 0)
        return r;
    if (view->len < LOG_SEGMENT_HEADER_BYTES || !segment_header_decode(view->data, &h))
        return segment_damaged(first, 0, "its header is damaged", error);
    f = calloc(1, sizeof(*f));
    if (!f)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    f->log = log;
    f->count = count;
    f->left = left;
    f->front = (struct front){ .number = h.number, .address = h.first_address, .position = h.first_position, .previous = h.previous };
    memcpy(f->front.id, log->id, sizeof(log->id));
    r = log_path(log, FRONT_NAME, f->path, error);
    if (r == 0)
        r = log_path(log, FRONT_TMP, f->tmp_path, error);
    if (r < 0) {
        free(f);
        return r;
    }
    *ret_front = f;
    return 0;
}

void log_front_write(struct log_front *f)
{
    struct io *io = f->log->io;
    uint8_t head[FRONT_BYTES];
    struct slice parts[2] = { slice_of(head, sizeof(head)), f->left };
    struct io_file *file = NULL;
    int r;

    front_encode(head, &f->front, f->left);
    (void)io_file_remove(io, f->tmp_path);
    r = io_file_open(io, f->tmp_path, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file, NULL);
    if (r == 0)
        r = io_file_write(io, file, parts, f->left.len ? 2 : 1, 0);
    if (r == 0)
        r = io_file_sync(io, file);
    io_file_close(io, file);
    if (r == 0) {
        f->named = true;
        r = io_file_rename(io, f->tmp_path, f->path);
        if (r == 0)
            r = io_dir_sync(io, f->log->dir);
    }
    if (r < 0 && !f->named)
        (void)io_file_remove(io, f->tmp_path);
    f->result = r;
}

int log_front_take(struct log_front *f)
{
    struct log *log = f->log;

    if (f->result < 0) {
        log->front_unsure |= f->named;
        return f->result;
    }
    ASSERT(f->named);
    log->front = f->front;
    log->has_gaps = true;
    log->rewrites++;
    f->taken = true;
    for (size_t i = log->removed; i < f->count; i++)
        view_free(log->io, atomic_exchange(&segment_at(log, i)->view, NULL));
    atomic_store_explicit(&log->removed, f->count, memory_order_release);
    return 0;
}

void log_front_remove(struct log_front *f)
{
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];

    ASSERT(f->taken);
    /* One that stays is removed when the log is opened again. */
    for (size_t i = 0; i < f->count; i++) {
        segment_name(segment_at(f->log, i)->number, name);
        if (log_path(f->log, name, path, NULL) == 0)
            (void)io_file_remove(f->log->io, path);
    }
}

void log_front_end(struct log_front *f)
{
    free(f);
}
