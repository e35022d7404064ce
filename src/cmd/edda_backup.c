/*
 * backup: a copy of the log as it is, taken beside a running process. Segments are only ever appended to, so a copy of the bytes up to
 * the end of a whole frame is a whole log; and what a backup has, the next one to the same place need not copy again.
 *
 * What has been read may still be on its way to the disk. Each segment is synced before its copy counts, so that a backup never holds
 * what the log could lose.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "cmd/edda_manifest.h"
#include "cmd/edda_tool.h"

#define PIECE_BYTES ((size_t)4 << 20)

struct backup_values {
    const char *dir, *to;
    bool check, json;
};

struct backup {
    struct tool *tool;
    const struct backup_values *v;
    struct log *log;
    struct io_file *lock;
    struct arena arena;
    struct manifest before;    /* `format` 0: there was none */
    struct manifest after;
    struct buffer front;       /* the file log/front; empty: there is none */
    uint64_t copied_bytes;
};

/* What the backup has of a segment. The first segments of either may have been removed from the log since, or before. */
static const struct manifest_segment *segment_before(const struct backup *b, const struct log_segment_info *info)
{
    const struct manifest_segment *segments = b->before.segments.items;
    uint64_t first = b->before.segments.count ? manifest_number(&segments[0]) : 0;
    uint64_t ordinal = info->number - first;
    return info->number >= first && ordinal < b->before.segments.count ? &segments[ordinal] : NULL;
}

static int visit_nothing(void *user, const struct log_frame *frame)
{
    struct backup *b = user;
    (void)frame;
    io_jobs_finish(b->tool->io);
    return 0;
}

/* Reads the manifest that is there, and refuses a target that is something else. */
static int target_open(struct backup *b)
{
    struct tool *tool = b->tool;
    char path[TOOL_PATH_BYTES];
    int r = manifest_read(tool->io, b->v->to, &b->arena, &b->before, &tool->error);
    if (r < 0 && r != EDDA_ENOTFOUND)
        return r;
    if (r == EDDA_ENOTFOUND) {
        int64_t names = data_names(tool->io, b->v->to);
        b->before = (struct manifest){ 0 };
        if (names < 0)
            return edda_fail_with(&tool->error, (int)names, "%.300s is no directory", b->v->to);
        /* The lock and segments without a manifest, are of a first backup that did not end. */
        if (names > 0 && !(path_join(path, b->v->to, MANIFEST_NAME ".lock") && io_file_open(tool->io, path, IO_READ, &b->lock, NULL) == 0))
            return edda_fail_with(&tool->error, EDDA_EEXISTS, "%.300s is neither empty nor a backup", b->v->to);
        io_file_close(tool->io, b->lock);
        b->lock = NULL;
    }
    if (!path_join(path, b->v->to, "log"))
        return edda_fail_with(&tool->error, EDDA_EINVAL, "the path of the backup is too long");
    r = io_dir_make(tool->io, path, &tool->error);
    if (r < 0)
        return r;
    path_join(path, b->v->to, MANIFEST_NAME ".lock");
    r = io_file_open(tool->io, path, IO_WRITE | IO_CREATE, &b->lock, &tool->error);
    return r < 0 ? r : io_file_lock(tool->io, b->lock, &tool->error);
}

/* Whether the log is the one that was backed up, and has gone on. */
static int source_check(struct backup *b)
{
    struct edda_error *error = &b->tool->error;
    char id[17];
    if (!b->before.format)
        return 0;
    snprintf(id, sizeof(id), "%016" PRIx64, log_id(b->log));
    if (!slice_eq_str(slice_of(b->before.log.data, b->before.log.len), id))
        return edda_fail_with(error, EDDA_EINVAL, "%.120s is a backup of another log, %.*s; %.120s has log %s", b->v->to,
                              (int)b->before.log.len, b->before.log.data, b->v->dir, id);
    if ((uint64_t)b->before.end > log_durable_end(b->log))
        return edda_fail_with(error, EDDA_EINVAL, "%.120s reaches to position %" PRId64 " and %.120s only to %" PRIu64
                              ": it is not the log that was backed up, or an older copy of it",
                              b->v->to, b->before.positions, b->v->dir, log_durable_position(b->log));
    return 0;
}

/* The checksum of the first bytes of a segment of the source. */
static uint32_t source_checksum(struct backup *b, const struct log_segment_info *info, uint64_t bytes)
{
    struct slice s = log_bytes(b->log, info->first_address);
    return s.len >= bytes ? crc32c(slice_of(s.data, (size_t)bytes)) : 0;
}

static int source_sync(struct backup *b, const char *name)
{
    char path[TOOL_PATH_BYTES], file_name[64];
    struct io_file *file;
    snprintf(file_name, sizeof(file_name), "log/%s", name);
    if (!path_join(path, b->v->dir, file_name))
        return edda_fail_with(&b->tool->error, EDDA_EINVAL, "the path of the log is too long");
    int r = io_file_open(b->tool->io, path, IO_READ, &file, &b->tool->error);
    if (r == EDDA_ENOTFOUND)
        return 0; /* it was removed from the front meanwhile, so it had been synced for long, and is still mapped */
    if (r < 0)
        return r;
    r = io_file_sync(b->tool->io, file);
    io_file_close(b->tool->io, file);
    return r < 0 ? edda_fail_with(&b->tool->error, r, "cannot sync %s", path) : 0;
}

/* A segment that was rewritten since the last backup takes the place of its older copy when it is whole. */
static bool is_rewritten(const struct log_segment_info *info, const struct manifest_segment *before)
{
    return before && ((uint64_t)before->freed != info->freed_bytes || before->rewriting != (int64_t)info->rewriting);
}

static int bytes_copy(struct backup *b, const struct log_segment_info *info, const char *path, struct manifest_segment *segment)
{
    struct io *io = b->tool->io;
    struct io_file *file;
    uint64_t size;
    bool fresh = segment->bytes == 0 && info->freed_bytes > 0;
    if (fresh)
        (void)io_file_remove(io, path);
    int r = io_file_open(io, path, IO_WRITE | IO_CREATE, &file, &b->tool->error);
    if (r < 0)
        return r;
    r = io_file_size(io, file, &size);
    while (r == 0 && (uint64_t)segment->bytes < info->used_bytes) {
        struct slice piece = log_bytes(b->log, info->first_address + (uint64_t)segment->bytes);
        piece.len = piece.len < PIECE_BYTES ? piece.len : PIECE_BYTES;
        if (piece.len == 0)
            r = EDDA_EIO;
        else
            r = fresh ? file_write_sparse(io, file, piece, (uint64_t)segment->bytes) :
                        io_file_write(io, file, &piece, 1, (uint64_t)segment->bytes);
        segment->checksum = crc32c_extend((uint32_t)segment->checksum, piece);
        segment->bytes += (int64_t)piece.len;
        b->copied_bytes += piece.len;
        progress_say("copying", (uint64_t)segment->bytes, info->used_bytes);
    }
    /* What a backup that did not end left behind. */
    if (r == 0 && size > info->used_bytes)
        r = io_file_truncate(io, file, info->used_bytes);
    if (r == 0)
        r = io_file_sync(io, file);
    io_file_close(io, file);
    return r < 0 ? edda_fail_with(&b->tool->error, r, "cannot write %s", path) : 0;
}

static int copy_path(struct backup *b, const struct log_segment_info *info, char path[TOOL_PATH_BYTES])
{
    char name[64];
    snprintf(name, sizeof(name), "log/%s", info->name);
    return path_join(path, b->v->to, name) ? 0 : edda_fail_with(&b->tool->error, EDDA_EINVAL, "the path of the backup is too long");
}

/* Whether the backup still has as much of a segment as it says. */
static int copy_check(struct backup *b, const struct log_segment_info *info, const struct manifest_segment *before)
{
    char path[TOOL_PATH_BYTES];
    struct io_file *file;
    uint64_t size = 0;
    int r = copy_path(b, info, path);
    if (r == 0)
        r = io_file_open(b->tool->io, path, IO_READ, &file, &b->tool->error);
    if (r < 0)
        return r;
    r = io_file_size(b->tool->io, file, &size);
    io_file_close(b->tool->io, file);
    if (r < 0)
        return edda_fail_with(&b->tool->error, r, "cannot read %s", path);
    if (size < (uint64_t)before->bytes)
        return edda_fail_with(&b->tool->error, EDDA_ECORRUPT, "%s is shorter than the backup says: it is damaged", path);
    return 0;
}

/* Whether a segment begins as what the backup has of it: in the log, and in the backup. */
static int segment_check(struct backup *b, const struct log_segment_info *info, const struct manifest_segment *before)
{
    char path[TOOL_PATH_BYTES];
    struct edda_error *error = &b->tool->error;
    uint32_t checksum = 0;
    if (is_rewritten(info, before) && slice_eq_str(slice_of(before->name.data, before->name.len), info->name))
        return 0; /* it is copied anew */
    if ((uint64_t)before->bytes > info->used_bytes || !slice_eq_str(slice_of(before->name.data, before->name.len), info->name))
        return edda_fail_with(error, EDDA_EINVAL, "segment %s has less than %.200s has of it: it is not the log that was backed up",
                              info->name, b->v->to);
    int r = copy_check(b, info, before);
    if (r < 0 || ((uint64_t)before->bytes == info->used_bytes && !b->v->check))
        return r;
    if (source_checksum(b, info, (uint64_t)before->bytes) != (uint32_t)before->checksum)
        return edda_fail_with(error, EDDA_EINVAL, "segment %s begins otherwise than what %.200s has of it: it is not the log that was backed up",
                              info->name, b->v->to);
    r = copy_path(b, info, path);
    if (r == 0)
        r = file_checksum(b->tool->io, path, (uint64_t)before->bytes, &checksum, error);
    if (r == 0 && checksum != (uint32_t)before->checksum)
        r = edda_fail_with(error, EDDA_ECORRUPT, "%s fails its checksum: the backup is damaged", path);
    return r;
}

/* Checks what the backup has, and that what is new in the log is whole. */
static int segments_check(struct backup *b)
{
    struct log_segment_info info;
    const struct manifest_segment *before;
    int r = 0;
    for (size_t i = 0; r == 0 && log_segment(b->log, i, &info); i++)
        if ((before = segment_before(b, &info)))
            r = segment_check(b, &info, before);
    bool from_start = !b->before.format || (uint64_t)b->before.end < log_start(b->log);
    return r < 0 ? r : log_scan(b->log, from_start ? 0 : (uint64_t)b->before.end, visit_nothing, NULL, b, &b->tool->error);
}

static int segment_copy(struct backup *b, const struct log_segment_info *info)
{
    const struct manifest_segment *before = segment_before(b, info);
    struct manifest_segment *segment = edda_list_add(&b->after.segments, sizeof(*segment));
    char *name = arena_cstr(&b->arena, slice_str(info->name));
    char path[TOOL_PATH_BYTES];
    if (!segment || !name)
        return edda_fail_with(&b->tool->error, EDDA_ENOMEM, "out of memory");
    segment->name = edda_text_of(name);
    bool anew = is_rewritten(info, before);
    segment->bytes = before && !anew ? before->bytes : 0;
    segment->checksum = before && !anew ? before->checksum : 0;
    segment->freed = (int64_t)info->freed_bytes;
    segment->rewriting = (int64_t)info->rewriting;
    if ((uint64_t)segment->bytes == info->used_bytes)
        return 0;
    int r = source_sync(b, info->name);
    if (r == 0)
        r = copy_path(b, info, path);
    if (r < 0 || !anew)
        return r < 0 ? r : bytes_copy(b, info, path, segment);
    char *beside = arena_printf(&b->arena, "%s.tmp", path);
    r = beside ? bytes_copy(b, info, beside, segment) : edda_fail_with(&b->tool->error, EDDA_ENOMEM, "out of memory");
    if (r == 0 && (r = io_file_rename(b->tool->io, beside, path)) < 0)
        edda_fail_with(&b->tool->error, r, "cannot rename %s", beside);
    return r;
}

static int segments_copy(struct backup *b)
{
    struct log_segment_info info;
    char path[TOOL_PATH_BYTES];
    int r = 0;
    /* One without bytes was made and not begun. */
    for (size_t i = 0; r == 0 && log_segment(b->log, i, &info) && info.used_bytes > 0; i++)
        r = segment_copy(b, &info);
    progress_end();
    if (r == 0 && path_join(path, b->v->to, "log")) {
        r = io_dir_sync(b->tool->io, path);
        if (r < 0)
            edda_fail_with(&b->tool->error, r, "cannot sync the directory %s", path);
    }
    return r;
}

/* What says where the log begins. From now on no segment is missed that the process beside removes: all are mapped. */
static int front_load(struct backup *b)
{
    struct log_segment_info info;
    for (size_t i = 0; log_segment(b->log, i, &info) && info.used_bytes > 0; i++)
        if (!log_bytes(b->log, info.first_address).data)
            return edda_fail_with(&b->tool->error, EDDA_EBUSY, "segment %s cannot be opened; it may have been removed just now: try again", info.name);
    return log_front_bytes(b->log, &b->front, &b->tool->error);
}

/* Behind the segments, and before the manifest: the copy is a whole log at every moment. */
static int front_copy(struct backup *b)
{
    struct slice bytes = buffer_slice(&b->front);
    char path[TOOL_PATH_BYTES], fresh[TOOL_PATH_BYTES];
    struct io *io = b->tool->io;
    struct io_file *file;
    b->after.front_bytes = (int64_t)bytes.len;
    b->after.front_checksum = bytes.len ? crc32c(bytes) : 0;
    if (bytes.len == 0 || (b->after.front_bytes == b->before.front_bytes && b->after.front_checksum == b->before.front_checksum))
        return 0;
    if (!path_join(path, b->v->to, "log/" MANIFEST_FRONT) || !path_join(fresh, b->v->to, "log/" MANIFEST_FRONT ".tmp"))
        return edda_fail_with(&b->tool->error, EDDA_EINVAL, "the path of the backup is too long");
    (void)io_file_remove(io, fresh);
    int r = io_file_open(io, fresh, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file, &b->tool->error);
    if (r < 0)
        return r;
    r = io_file_write(io, file, &bytes, 1, 0);
    if (r == 0)
        r = io_file_sync(io, file);
    io_file_close(io, file);
    if (r == 0)
        r = io_file_rename(io, fresh, path);
    if (r == 0 && path_join(fresh, b->v->to, "log"))
        r = io_dir_sync(io, fresh);
    b->copied_bytes += bytes.len;
    return r < 0 ? edda_fail_with(&b->tool->error, r, "cannot write %s", path) : 0;
}

/* A copy of a segment that the log has no more: nothing reads it, and one that stays is no harm. */
static int front_entry(void *user, const char *name)
{
    struct backup *b = user;
    struct log_segment_info first;
    char file[128], path[TOOL_PATH_BYTES];
    if (log_segment(b->log, 0, &first) && strlen(name) == strlen(first.name) && strcmp(name + strspn(name, "0123456789"), ".seg") == 0 &&
        strcmp(name, first.name) < 0) {
        snprintf(file, sizeof(file), "log/%s", name);
        if (path_join(path, b->v->to, file))
            (void)io_file_remove(b->tool->io, path);
    }
    return 0;
}

static int backup(struct backup *b)
{
    struct tool *tool = b->tool;
    char id[17], path[TOOL_PATH_BYTES];
    int r = tool_open_log(tool, b->v->dir, &b->log);
    if (r == 0)
        r = front_load(b);
    if (r == 0)
        r = target_open(b);
    if (r == 0)
        r = source_check(b);
    if (r == 0)
        r = segments_check(b);
    if (r == 0)
        r = segments_copy(b);
    if (r == 0)
        r = front_copy(b);
    if (r < 0)
        return r;
    snprintf(id, sizeof(id), "%016" PRIx64, log_id(b->log));
    b->after.format = b->after.front_bytes ? MANIFEST_FORMAT : 1;
    b->after.release = edda_text_of(tool_release);
    b->after.log = edda_text_of(id);
    b->after.time = io_clock_wall_ns(tool->io) / 1000000;
    b->after.end = (int64_t)log_durable_end(b->log);
    b->after.positions = (int64_t)log_durable_position(b->log);
    r = manifest_write(tool->io, b->v->to, &b->after, &tool->error);
    if (r == 0 && b->after.front_bytes && path_join(path, b->v->to, "log"))
        (void)io_dir_list(tool->io, path, front_entry, b);
    return r;
}

static int backup_run(const void *values)
{
    struct tool tool;
    if (!tool_init(&tool, "backup"))
        return EXIT_FAILED;
    struct backup b = { .tool = &tool, .v = values };
    int status = EXIT_DONE;
    arena_init(&b.arena, 0, 0);
    if (backup(&b) < 0)
        status = tool_fail(&tool);
    else if (b.v->json)
        printf("{\"segments\":%" PRIu32 ",\"copiedBytes\":%" PRIu64 ",\"positions\":%" PRId64 ",\"end\":%" PRId64 "}\n",
               b.after.segments.count, b.copied_bytes, b.after.positions, b.after.end);
    else
        printf("%s has %" PRId64 " records in %" PRIu32 " segment%s; %" PRIu64 " bytes were copied\n", b.v->to, b.after.positions,
               b.after.segments.count, b.after.segments.count == 1 ? "" : "s", b.copied_bytes);
    if (b.log)
        log_close(b.log);
    io_file_close(tool.io, b.lock);
    edda_list_free(&b.after.segments);
    buffer_deinit(&b.front);
    arena_deinit(&b.arena);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct backup_values, member)
const struct command_row tool_backup = {
    .name = "backup",
    .summary = "Copies a log, also while a process writes it; again to the same place: what is new",
    .notes = "The backup is a directory that read, stat, trace and verify take as it is, and restore makes a data directory of.",
    .values_size = sizeof(struct backup_values),
    .run = backup_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "to", OPTION_NEEDED, AT(to), "DIR", NULL, "The backup: a new or empty directory, or an earlier backup of this log" },
        { "check", OPTION_FLAG, AT(check), NULL, NULL, "Compares all that was copied earlier, too" },
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "Answers in JSON" },
        { .name = NULL } },
};
