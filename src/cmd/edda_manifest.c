/* manifest: see edda_manifest.h. */
#include "cmd/edda_manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "cmd/edda_tool.h"
#include "wire/json/json.h"

#define MANIFEST_BYTES_MAX ((uint64_t)64 << 20)
#define CHECK_LINE_BYTES 9 /* eight digits and a line break */
#define BLOCK_BYTES ((size_t)4096)
#define PIECE_BYTES ((size_t)1 << 20)

static const struct edda_field manifest_segment_fields[] = {
    EDDA_FIELD(manifest_segment, name, .len_min = 1, .len_max = 64),
    EDDA_FIELD(manifest_segment, bytes, .min = 0, .max = -1),
    EDDA_FIELD(manifest_segment, checksum, .min = 0, .max = UINT32_MAX),
    EDDA_FIELD(manifest_segment, freed, .optional = true, .min = 0, .max = UINT32_MAX),
    EDDA_FIELD(manifest_segment, rewriting, .optional = true, .min = 0, .max = UINT32_MAX),
};
static const struct edda_type manifest_segment_type = EDDA_VALUE(manifest_segment);

static const struct edda_field manifest_fields[] = {
    EDDA_FIELD(manifest, format, .min = 1, .max = -1),
    EDDA_FIELD(manifest, release),
    EDDA_FIELD(manifest, log),
    EDDA_FIELD_TIME(manifest, time),
    EDDA_FIELD(manifest, end, .min = 0, .max = -1),
    EDDA_FIELD(manifest, positions, .min = 0, .max = -1),
    EDDA_FIELD(manifest, front_bytes, .optional = true, .min = 0, .max = -1),
    EDDA_FIELD(manifest, front_checksum, .optional = true, .min = 0, .max = UINT32_MAX),
    EDDA_FIELD_LIST_OF(manifest, segments, manifest_segment_type),
};
static const struct edda_type manifest_type = EDDA_VALUE(manifest);

static int manifest_decode(struct slice text, struct arena *arena, struct manifest *ret_manifest, const char *path,
                           struct edda_error *error)
{
    struct edda_error why;
    char check[CHECK_LINE_BYTES + 1];
    if (text.len <= CHECK_LINE_BYTES)
        return edda_fail_with(error, EDDA_ECORRUPT, "%s is cut short", path);
    struct slice json = slice_of(text.data, text.len - CHECK_LINE_BYTES);
    snprintf(check, sizeof(check), "%08" PRIx32 "\n", crc32c(json));
    if (!slice_eq(slice_from(text, json.len), slice_str(check)))
        return edda_fail_with(error, EDDA_ECORRUPT, "%s fails its checksum", path);
    int r = json_decode(&manifest_type, json, JSON_REQUEST, arena, ret_manifest, &why);
    if (r == EDDA_ENOMEM)
        return edda_fail_with(error, r, "out of memory");
    if (r < 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "%s: %s", path, why.message);
    if (ret_manifest->format > MANIFEST_FORMAT)
        return edda_fail_with(error, EDDA_EFORMAT, "%s was written by Edda %.*s in format %" PRId64 "; this release reads formats up to %d", path,
                              (int)ret_manifest->release.len, ret_manifest->release.data, ret_manifest->format, MANIFEST_FORMAT);
    return 0;
}

int manifest_read(struct io *io, const char *dir, struct arena *arena, struct manifest *ret_manifest, struct edda_error *error)
{
    char path[TOOL_PATH_BYTES];
    struct io_file *file;
    uint64_t size;
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!path_join(path, dir, MANIFEST_NAME))
        return edda_fail_with(error, EDDA_EINVAL, "the path of the backup is too long");
    int r = io_file_open(io, path, IO_READ, &file, error);
    if (r < 0)
        return r;
    r = io_file_size(io, file, &size);
    if (r == 0 && size <= MANIFEST_BYTES_MAX)
        bytes = arena_bytes(arena, (size_t)size);
    if (bytes)
        r = io_file_read(io, file, bytes, (size_t)size, 0, &len);
    io_file_close(io, file);
    if (r < 0)
        return edda_fail_with(error, r, "cannot read %s", path);
    if (!bytes)
        return edda_fail_with(error, EDDA_ENOMEM, "%s is too large", path);
    return manifest_decode(slice_of(bytes, len), arena, ret_manifest, path, error);
}

static int manifest_store(struct io *io, const char *path, const char *fresh, const struct buffer *text, struct edda_error *error)
{
    struct slice part = buffer_slice(text);
    struct io_file *file;
    int r = io_file_open(io, fresh, IO_WRITE | IO_CREATE, &file, error);
    if (r < 0)
        return r;
    r = io_file_truncate(io, file, 0);
    if (r == 0)
        r = io_file_write(io, file, &part, 1, 0);
    if (r == 0)
        r = io_file_sync(io, file);
    io_file_close(io, file);
    if (r == 0)
        r = io_file_rename(io, fresh, path);
    return r < 0 ? edda_fail_with(error, r, "cannot write %s", fresh) : 0;
}

int manifest_write(struct io *io, const char *dir, const struct manifest *manifest, struct edda_error *error)
{
    char path[TOOL_PATH_BYTES], fresh[TOOL_PATH_BYTES];
    struct buffer text = BUFFER_EMPTY;
    if (!path_join(path, dir, MANIFEST_NAME) || !path_join(fresh, dir, MANIFEST_NAME ".new"))
        return edda_fail_with(error, EDDA_EINVAL, "the path of the backup is too long");
    json_encode(&manifest_type, manifest, &text);
    buffer_append_byte(&text, '\n');
    buffer_printf(&text, "%08" PRIx32 "\n", crc32c(buffer_slice(&text)));
    int r = buffer_ok(&text) ? manifest_store(io, path, fresh, &text, error) : edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    if (r == 0) {
        r = io_dir_sync(io, dir);
        if (r < 0)
            edda_fail_with(error, r, "cannot sync the directory %s", dir);
    }
    buffer_deinit(&text);
    return r;
}

uint64_t manifest_number(const struct manifest_segment *segment)
{
    uint64_t number = 0;
    for (size_t i = 0; i < segment->name.len && i < 19 && segment->name.data[i] >= '0' && segment->name.data[i] <= '9'; i++)
        number = 10 * number + (uint64_t)(segment->name.data[i] - '0');
    return number;
}

static int checksum_pieces(struct io *io, struct io_file *file, uint64_t bytes, uint8_t *piece, uint32_t *ret_checksum)
{
    uint32_t checksum = 0;
    for (uint64_t at = 0; at < bytes;) {
        size_t len, wanted = bytes - at < PIECE_BYTES ? (size_t)(bytes - at) : PIECE_BYTES;
        int r = io_file_read(io, file, piece, wanted, at, &len);
        if (r < 0)
            return r;
        if (len < wanted)
            return EDDA_ECORRUPT;
        checksum = crc32c_extend(checksum, slice_of(piece, len));
        at += len;
    }
    *ret_checksum = checksum;
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i])
            return false;
    return true;
}

int file_write_sparse(struct io *io, struct io_file *file, struct slice piece, uint64_t offset)
{
    int r = 0;
    for (size_t from = 0, at = 0; r == 0 && from < piece.len; from = at) {
        bool zero = false;
        for (; at < piece.len; at += BLOCK_BYTES) {
            size_t len = piece.len - at < BLOCK_BYTES ? piece.len - at : BLOCK_BYTES;
            bool is = is_zero(piece.data + at, len);
            if (at == from)
                zero = is;
            if (is != zero)
                break;
        }
        at = at < piece.len ? at : piece.len;
        struct slice part = slice_of(piece.data + from, at - from);
        if (!zero)
            r = io_file_write(io, file, &part, 1, offset + from);
    }
    return r;
}

int file_checksum(struct io *io, const char *path, uint64_t bytes, uint32_t *ret_checksum, struct edda_error *error)
{
    struct io_file *file;
    uint8_t *piece = malloc(PIECE_BYTES);
    if (!piece)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    int r = io_file_open(io, path, IO_READ, &file, error);
    if (r == 0) {
        r = checksum_pieces(io, file, bytes, piece, ret_checksum);
        io_file_close(io, file);
        if (r == EDDA_ECORRUPT)
            edda_fail_with(error, r, "%s is shorter than %" PRIu64 " bytes", path, bytes);
        else if (r < 0)
            edda_fail_with(error, r, "cannot read %s", path);
    }
    free(piece);
    return r;
}
