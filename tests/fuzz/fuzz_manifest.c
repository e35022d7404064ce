/*
 * A backup's manifest: any text with the right checksum behind it, and the input as it is. What is refused is told why; what was taken and written is taken again, and written to the same.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/crc32c.h"
#include "cmd/edda_manifest.h"
#include "fuzz.h"
#include "io/simulated.h"

#define INPUT_MAX 8192
#define DIR "backup"
#define PATH DIR "/" MANIFEST_NAME

static void file_write(struct io *io, struct slice bytes)
{
    struct io_file *file;
    int rc = io_file_open(io, PATH, IO_WRITE | IO_CREATE, &file, NULL);
    ASSERT(rc == 0);
    rc = io_file_truncate(io, file, 0);
    ASSERT(rc == 0);
    rc = io_file_write(io, file, &bytes, 1, 0);
    ASSERT(rc == 0);
    io_file_close(io, file);
}

static void file_read(struct io *io, struct buffer *out)
{
    struct io_file *file;
    uint64_t bytes;
    size_t len;
    int rc = io_file_open(io, PATH, IO_READ, &file, NULL);
    ASSERT(rc == 0);
    rc = io_file_size(io, file, &bytes);
    ASSERT(rc == 0);
    uint8_t *data = buffer_extend(out, (size_t)bytes);
    ASSERT(data);
    rc = io_file_read(io, file, data, (size_t)bytes, 0, &len);
    ASSERT(rc == 0 && len == bytes);
    io_file_close(io, file);
}

static int manifest_again(struct io *io, struct buffer *out)
{
    struct manifest manifest;
    struct arena arena;
    struct edda_error error = { .code = 0 };
    arena_init(&arena, 0, 0);
    int rc = manifest_read(io, DIR, &arena, &manifest, &error);
    ASSERT(rc == 0 || ((rc == EDDA_ECORRUPT || rc == EDDA_EFORMAT) && error.code == rc && error.message[0]));
    if (rc == 0) {
        ASSERT(manifest.format >= 1 && manifest.format <= MANIFEST_FORMAT && manifest.end >= 0 && manifest.positions >= 0);
        int written = manifest_write(io, DIR, &manifest, NULL);
        ASSERT(written == 0);
        file_read(io, out);
    }
    arena_deinit(&arena);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct io_simulated_options options = { .seed = 1 };
    static struct io *io;
    struct buffer text = BUFFER_EMPTY, first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    if (size > INPUT_MAX)
        return 0;
    if (!io)
        io = io_simulated_new(&options);
    ASSERT(io);
    io_simulated_reset(io, &options);
    int rc = io_dir_make(io, DIR, NULL);
    ASSERT(rc == 0);
    file_write(io, slice_of(data, size));
    (void)manifest_again(io, &first);
    buffer_append(&text, data, size);
    buffer_printf(&text, "%08" PRIx32 "\n", crc32c(slice_of(data, size)));
    buffer_clear(&first);
    file_write(io, buffer_slice(&text));
    if (manifest_again(io, &first) == 0) {
        rc = manifest_again(io, &second);
        ASSERT(rc == 0 && slice_eq(buffer_slice(&first), buffer_slice(&second)));
    }
    buffer_deinit(&text);
    buffer_deinit(&first);
    buffer_deinit(&second);
    return 0;
}
