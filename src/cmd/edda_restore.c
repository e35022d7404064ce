/*
 * restore: a data directory from a backup. All of the backup is checked before anything is made, and again as it is copied. The
 * index is not in a backup: the store makes it anew when it is opened, which is done here, as the last check.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "cmd/edda_manifest.h"
#include "cmd/edda_tool.h"

#define PIECE_BYTES ((size_t)1 << 20)

struct restore_values {
    const char *backup, *to;
};

static const struct edda_text front_name = { MANIFEST_FRONT, sizeof(MANIFEST_FRONT) - 1 };

struct restore {
    struct tool *tool;
    const struct restore_values *v;
    struct arena arena;
    struct manifest manifest;
};

/* dir/log/name; the name is only ever that of a segment, or of the file that says where the log begins. */
static int segment_path(struct restore *r, const char *dir, const struct manifest_segment *s, char path[TOOL_PATH_BYTES])
{
    char name[80];
    bool front = slice_eq_str(slice_of(s->name.data, s->name.len), MANIFEST_FRONT);
    for (size_t i = 0; !front && i < s->name.len; i++)
        if (!strchr("0123456789.seg", s->name.data[i]) || s->name.data[i] == '\0')
            return edda_fail_with(&r->tool->error, EDDA_ECORRUPT, "the backup names a segment that cannot be");
    snprintf(name, sizeof(name), "log/%.*s", (int)s->name.len, s->name.data);
    return path_join(path, dir, name) ? 0 : edda_fail_with(&r->tool->error, EDDA_EINVAL, "the path %.300s is too long", dir);
}

static int segment_check(struct restore *r, const struct manifest_segment *s)
{
    char path[TOOL_PATH_BYTES];
    uint32_t checksum;
    int rc = segment_path(r, r->v->backup, s, path);
    if (rc == 0)
        rc = file_checksum(r->tool->io, path, (uint64_t)s->bytes, &checksum, &r->tool->error);
    if (rc == 0 && checksum != (uint32_t)s->checksum)
        rc = edda_fail_with(&r->tool->error, EDDA_ECORRUPT, "%s fails its checksum: the backup is damaged", path);
    return rc;
}

static int pieces_copy(struct io *io, struct io_file *from, struct io_file *to, const struct manifest_segment *s)
{
    uint8_t *piece = malloc(PIECE_BYTES);
    uint32_t checksum = 0;
    int r = piece ? 0 : EDDA_ENOMEM;
    for (uint64_t at = 0; r == 0 && at < (uint64_t)s->bytes;) {
        uint64_t left = (uint64_t)s->bytes - at;
        size_t len;
        r = io_file_read(io, from, piece, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, at, &len);
        if (r == 0 && len == 0)
            r = EDDA_ECORRUPT;
        if (r == 0) {
            struct slice part = slice_of(piece, len);
            checksum = crc32c_extend(checksum, part);
            /* A sealed segment ends with its footer. */
            r = s->freed > 0 ? file_write_sparse(io, to, part, at) : io_file_write(io, to, &part, 1, at);
            at += len;
        }
    }
    if (r == 0 && checksum != (uint32_t)s->checksum)
        r = EDDA_ECORRUPT;
    if (r == 0)
        r = io_file_sync(io, to);
    free(piece);
    return r;
}

static int segment_copy(struct restore *r, const struct manifest_segment *s)
{
    struct io *io = r->tool->io;
    char from_path[TOOL_PATH_BYTES], to_path[TOOL_PATH_BYTES];
    struct io_file *from = NULL, *to = NULL;
    struct edda_error *error = &r->tool->error;
    int rc = segment_path(r, r->v->backup, s, from_path);
    if (rc == 0)
        rc = segment_path(r, r->v->to, s, to_path);
    if (rc == 0)
        rc = io_file_open(io, from_path, IO_READ, &from, error);
    if (rc == 0)
        rc = io_file_open(io, to_path, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &to, error);
    if (rc == 0) {
        rc = pieces_copy(io, from, to, s);
        if (rc < 0)
            edda_fail_with(error, rc, "cannot copy %s: %s", from_path, edda_code_info(rc)->sentence);
    }
    io_file_close(io, from);
    io_file_close(io, to);
    return rc;
}

/* An empty file for the segment behind the last: a log whose last segment is sealed goes on there. */
static int next_make(struct restore *r)
{
    char path[TOOL_PATH_BYTES], name[64];
    struct io_file *file;
    const struct manifest_segment *segments = r->manifest.segments.items;
    uint32_t count = r->manifest.segments.count;
    snprintf(name, sizeof(name), "log/%016" PRIu64 ".seg", count ? manifest_number(&segments[count - 1]) + 1 : 1);
    if (!path_join(path, r->v->to, name))
        return edda_fail_with(&r->tool->error, EDDA_EINVAL, "the path %.300s is too long", r->v->to);
    int rc = io_file_open(r->tool->io, path, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file, &r->tool->error);
    if (rc == 0)
        io_file_close(r->tool->io, file);
    return rc;
}

static int all_copy(struct restore *r)
{
    const struct manifest_segment *segments = r->manifest.segments.items;
    char path[TOOL_PATH_BYTES];
    if (!path_join(path, r->v->to, "log"))
        return edda_fail_with(&r->tool->error, EDDA_EINVAL, "the path --to is too long");
    int rc = io_dir_make(r->tool->io, path, &r->tool->error);
    for (uint32_t i = 0; rc == 0 && i < r->manifest.segments.count; i++) {
        rc = segment_copy(r, &segments[i]);
        progress_say("copying", (uint64_t)(i + 1) * LOG_SEGMENT_BYTES_DEFAULT, (uint64_t)r->manifest.segments.count * LOG_SEGMENT_BYTES_DEFAULT);
    }
    progress_end();
    if (rc == 0 && r->manifest.front_bytes)
        rc = segment_copy(r, &(struct manifest_segment){ .name = front_name, .bytes = r->manifest.front_bytes, .checksum = r->manifest.front_checksum });
    if (rc == 0)
        rc = next_make(r);
    if (rc < 0)
        return rc;
    rc = io_dir_sync(r->tool->io, path);
    return rc < 0 ? edda_fail_with(&r->tool->error, rc, "cannot sync the directory %s", path) : 0;
}

static int restore(struct restore *r)
{
    struct tool *tool = r->tool;
    int rc = manifest_read(tool->io, r->v->backup, &r->arena, &r->manifest, &tool->error);
    const struct manifest_segment *segments = r->manifest.segments.items;
    if (rc == EDDA_ENOTFOUND)
        return edda_fail_with(&tool->error, rc, "there is no backup in %.300s", r->v->backup);
    int64_t names = rc == 0 ? data_names(tool->io, r->v->to) : 0;
    if (names != 0)
        return edda_fail_with(&tool->error, EDDA_EEXISTS, "%.300s is not an empty directory", r->v->to);
    for (uint32_t i = 0; rc == 0 && i < r->manifest.segments.count; i++)
        rc = segment_check(r, &segments[i]);
    if (rc == 0 && r->manifest.front_bytes)
        rc = segment_check(r, &(struct manifest_segment){ .name = front_name, .bytes = r->manifest.front_bytes, .checksum = r->manifest.front_checksum });
    if (rc == 0)
        rc = all_copy(r);
    if (rc == 0)
        rc = tool_open_writing(tool, r->v->to);
    if (rc == 0 && store_tail(tool->store) != (uint64_t)r->manifest.positions)
        rc = edda_fail_with(&tool->error, EDDA_ECORRUPT, "%.200s has %" PRIu64 " positions, the backup had %" PRId64, r->v->to,
                            store_tail(tool->store), r->manifest.positions);
    return rc;
}

static int restore_run(const void *values)
{
    struct tool tool;
    if (!tool_init(&tool, "restore"))
        return EXIT_FAILED;
    struct restore r = { .tool = &tool, .v = values };
    int status = EXIT_DONE;
    arena_init(&r.arena, 0, 0);
    if (restore(&r) < 0)
        status = tool_fail(&tool);
    else
        printf("%s has %" PRId64 " records\n", r.v->to, r.manifest.positions);
    arena_deinit(&r.arena);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct restore_values, member)
const struct command_row tool_restore = {
    .name = "restore",
    .summary = "Makes a data directory from a backup",
    .values_size = sizeof(struct restore_values),
    .run = restore_run,
    .arguments = (const struct argument_row[]){
        { "BACKUP", AT(backup), false, "What edda backup made" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "to", OPTION_NEEDED, AT(to), "DIR", NULL, "The data directory: new or empty" },
        { .name = NULL } },
};
