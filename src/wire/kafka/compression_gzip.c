/* compression_gzip: RFC 1952 over zlib. Several members one after the other are one run of bytes, as the RFC says. */
#define ZLIB_CONST /* zlib then takes what it reads as const */
#include <limits.h>
#include <zlib.h>

#include "wire/kafka/compression_parts.h"

#define WINDOW_BITS 15
#define GZIP_ONLY 16 /* added to the window bits: gzip, and not zlib's own frame */
#define MEMORY_LEVEL 8
#define ROOM_BYTES ((size_t)64 * 1024)

/* Until the members end or something is wrong. */
static int inflate_all(struct decompression *d, z_stream *stream)
{
    for (;;) {
        size_t room;
        uint8_t *at = decompression_room(d, ROOM_BYTES, &room);
        if (!at)
            return decompression_no_memory(d);
        stream->next_out = at;
        stream->avail_out = (uInt)room;
        int z = inflate(stream, Z_NO_FLUSH);
        int r = decompression_took(d, room, room - stream->avail_out);
        if (r < 0)
            return r;
        if (z == Z_STREAM_END && stream->avail_in == 0)
            return 0;
        if (z == Z_STREAM_END)
            z = inflateReset(stream);
        if (z == Z_MEM_ERROR)
            return decompression_no_memory(d);
        if (z == Z_BUF_ERROR)
            return decompression_malformed(d, "they end too early");
        if (z != Z_OK)
            return decompression_malformed(d, stream->msg ? stream->msg : "not gzip");
    }
}

int gzip_decompress(struct decompression *d, struct slice compressed)
{
    static const Bytef none;
    z_stream stream = { 0 };
    if (compressed.len > UINT_MAX)
        return decompression_too_large(d);
    if (inflateInit2(&stream, WINDOW_BITS + GZIP_ONLY) != Z_OK)
        return decompression_no_memory(d);
    stream.next_in = compressed.len ? compressed.data : &none;
    stream.avail_in = (uInt)compressed.len;
    int r = inflate_all(d, &stream);
    (void)inflateEnd(&stream);
    return r;
}

int gzip_compress(struct slice plain, struct buffer *out, struct edda_error *error)
{
    z_stream stream = { 0 };
    if (plain.len > UINT_MAX / 2)
        return edda_fail_with(error, EDDA_ETOOLARGE, "%zu bytes to compress (gzip); at most %u", plain.len, UINT_MAX / 2);
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + GZIP_ONLY, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return edda_fail_with(error, EDDA_ENOMEM, "no memory to compress (gzip)");
    size_t room = deflateBound(&stream, (uLong)plain.len);
    uint8_t *at = buffer_extend(out, room);
    int z = Z_STREAM_END;
    if (at) {
        stream.next_in = plain.data;
        stream.avail_in = (uInt)plain.len;
        stream.next_out = at;
        stream.avail_out = (uInt)room;
        z = deflate(&stream, Z_FINISH);
        buffer_truncate(out, out->len - stream.avail_out);
    }
    (void)deflateEnd(&stream);
    return z == Z_STREAM_END ? 0 : edda_fail_with(error, EDDA_ENOMEM, "gzip could not compress %zu bytes", plain.len);
}
