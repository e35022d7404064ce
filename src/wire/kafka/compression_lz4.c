/*
 * compression_lz4: LZ4's frame format; several frames one after the other are one run of bytes. What is written has independent blocks of 64 KiB, since
 * Kafka's Java client reads no others (KIP-57).
 */
#include <lz4frame.h>

#include "wire/kafka/compression_parts.h"

#define ROOM_BYTES ((size_t)64 * 1024)

static int decompress_all(struct decompression *d, LZ4F_dctx *context, struct slice compressed)
{
    size_t wanted = 1; /* 0 only at the end of a frame */
    for (;;) {
        size_t room;
        size_t taken = compressed.len;
        uint8_t *at = decompression_room(d, ROOM_BYTES, &room);
        if (!at)
            return decompression_no_memory(d);
        size_t used = room;
        wanted = LZ4F_decompress(context, at, &used, compressed.data, &taken, NULL);
        int r = decompression_took(d, room, LZ4F_isError(wanted) ? 0 : used);
        if (r < 0)
            return r;
        if (LZ4F_isError(wanted))
            return decompression_malformed(d, LZ4F_getErrorName(wanted));
        compressed = slice_from(compressed, taken);
        if (compressed.len == 0 && wanted == 0)
            return 0;
        if (taken == 0 && used == 0)
            return decompression_malformed(d, "they end too early");
    }
}

int lz4_decompress(struct decompression *d, struct slice compressed)
{
    LZ4F_dctx *context;
    if (compressed.len == 0)
        return decompression_malformed(d, "they end too early");
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return decompression_no_memory(d);
    int r = decompress_all(d, context, compressed);
    (void)LZ4F_freeDecompressionContext(context);
    return r;
}

int lz4_compress(struct slice plain, struct buffer *out, struct edda_error *error)
{
    LZ4F_preferences_t preferences = { .frameInfo = { .blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent } };
    size_t room = LZ4F_compressFrameBound(plain.len, &preferences);
    uint8_t *at = buffer_extend(out, room);
    if (!at)
        return 0;
    size_t used = LZ4F_compressFrame(at, room, plain.data, plain.len, &preferences);
    if (LZ4F_isError(used))
        return edda_fail_with(error, EDDA_ENOMEM, "lz4 could not compress %zu bytes: %s", plain.len, LZ4F_getErrorName(used));
    buffer_truncate(out, out->len - (room - used));
    return 0;
}
