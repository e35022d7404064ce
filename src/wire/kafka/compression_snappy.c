/*
 * compression_snappy: Snappy as Kafka's clients use it, which is two forms: one raw block, or the frames of the Java library (xerial), which most write:
 *
 *      0  u8[8]  "\x82SNAPPY\0"     8  i32  version, 1     12  i32  oldest compatible version, 1
 *     16  any number of: i32 length, a raw block of so many bytes
 *
 * The head may come again between two blocks, when streams were joined. No raw block begins like the head: it would be a copy of bytes before its first one.
 */
#include <snappy-c.h>

#include "base/cursor.h"
#include "base/put.h"
#include "wire/kafka/compression_parts.h"

#define MAGIC SLICE("\x82SNAPPY\0")
#define HEAD_BYTES 16
#define VERSION 1
#define BLOCK_BYTES ((size_t)32 * 1024)
/* Snappy's densest element makes 64 bytes of 3. */
#define RATIO_MAX 22

static int block_decompress(struct decompression *d, struct slice block)
{
    size_t len, room;
    if (snappy_uncompressed_length((const char *)block.data, block.len, &len) != SNAPPY_OK)
        return decompression_malformed(d, "a block has no length");
    if (len > d->bytes_max - (d->out->len - d->start))
        return decompression_too_large(d);
    if (len / RATIO_MAX > block.len)
        return decompression_malformed(d, "a block cannot hold the length that it claims");
    /* The library writes all or nothing that counts, so an empty block needs a place as well. */
    uint8_t *at = decompression_room(d, len ? len : 1, &room);
    if (!at)
        return decompression_no_memory(d);
    size_t used = len;
    bool ok = snappy_uncompress((const char *)block.data, block.len, (char *)at, &used) == SNAPPY_OK && used == len;
    int r = decompression_took(d, room, len);
    return r < 0 ? r : ok ? 0 : decompression_malformed(d, "a block is damaged");
}

int snappy_forms_decompress(struct decompression *d, struct slice compressed)
{
    if (!slice_has_prefix(compressed, MAGIC))
        return block_decompress(d, compressed);
    struct cursor c = cursor_of(compressed);
    while (cursor_left(&c) > 0) {
        if (slice_has_prefix(slice_of(c.at, cursor_left(&c)), MAGIC)) {
            cursor_skip(&c, HEAD_BYTES);
            if (!cursor_ok(&c))
                return decompression_malformed(d, "they end within the head");
            continue;
        }
        uint32_t len = cursor_be32(&c);
        struct slice block = cursor_bytes(&c, len);
        if (!cursor_ok(&c))
            return decompression_malformed(d, "they end within a block");
        int r = block_decompress(d, block);
        if (r < 0)
            return r;
    }
    return 0;
}

int snappy_framed_compress(struct slice plain, struct buffer *out, struct edda_error *error)
{
    buffer_append_slice(out, MAGIC);
    uint8_t *versions = buffer_extend(out, 8);
    if (versions)
        put_be32(put_be32(versions, VERSION), VERSION);
    for (size_t from = 0; from < plain.len && buffer_ok(out); from += BLOCK_BYTES) {
        size_t len = plain.len - from < BLOCK_BYTES ? plain.len - from : BLOCK_BYTES;
        size_t room = snappy_max_compressed_length(len);
        size_t used = room;
        uint8_t *at = buffer_extend(out, 4 + room);
        if (!at)
            break;
        if (snappy_compress((const char *)plain.data + from, len, (char *)at + 4, &used) != SNAPPY_OK)
            return edda_fail_with(error, EDDA_ENOMEM, "snappy could not compress %zu bytes", len);
        put_be32(at, (uint32_t)used);
        buffer_truncate(out, out->len - (room - used));
    }
    return 0;
}
