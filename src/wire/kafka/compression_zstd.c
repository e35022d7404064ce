/*
 * compression_zstd: Zstandard (RFC 8878); several frames one after the other are one run of bytes.
 *
 * A frame may ask a streaming reader for a window of up to 128 MiB, whatever it holds. So frames are read in one go into memory for the result alone: the length that the
 * frame names, or a guess that is doubled up to the limit. Clients that do not know the length beforehand do not name it.
 */
#include <zstd.h>
#include <zstd_errors.h>

#include "wire/kafka/compression_parts.h"

#define GUESS_RATIO 8
#define GUESS_BYTES_MIN ((size_t)64 * 1024)

/* The length that the first frame names, or a guess. */
static int first_room(const struct decompression *d, struct slice compressed, size_t *ret_room)
{
    unsigned long long named = ZSTD_getFrameContentSize(compressed.data, compressed.len);
    if (named == ZSTD_CONTENTSIZE_ERROR)
        return decompression_malformed(d, "not zstd");
    if (named != ZSTD_CONTENTSIZE_UNKNOWN && named > d->bytes_max)
        return decompression_too_large(d);
    size_t guess = compressed.len > d->bytes_max / GUESS_RATIO ? d->bytes_max : compressed.len * GUESS_RATIO;
    if (guess < GUESS_BYTES_MIN)
        guess = GUESS_BYTES_MIN;
    *ret_room = named == ZSTD_CONTENTSIZE_UNKNOWN || named < 1 ? guess : (size_t)named;
    return 0;
}

/* One attempt with `room` bytes; 1: it is too small. */
static int attempt(struct decompression *d, ZSTD_DCtx *context, struct slice compressed, size_t *room)
{
    uint8_t *at = decompression_room(d, *room, room);
    if (!at)
        return decompression_no_memory(d);
    size_t used = ZSTD_decompressDCtx(context, at, *room, compressed.data, compressed.len);
    bool small = ZSTD_isError(used) && ZSTD_getErrorCode(used) == ZSTD_error_dstSize_tooSmall;
    if (small && *room >= d->bytes_max)
        return decompression_too_large(d);
    int r = decompression_took(d, *room, ZSTD_isError(used) ? 0 : used);
    if (r < 0 || small)
        return r < 0 ? r : 1;
    if (!ZSTD_isError(used))
        return 0;
    return ZSTD_getErrorCode(used) == ZSTD_error_memory_allocation ? decompression_no_memory(d) : decompression_malformed(d, ZSTD_getErrorName(used));
}

int zstd_decompress(struct decompression *d, struct slice compressed)
{
    size_t room;
    int r = first_room(d, compressed, &room);
    if (r < 0)
        return r;
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context)
        return decompression_no_memory(d);
    while ((r = attempt(d, context, compressed, &room)) == 1)
        room = room > d->bytes_max / 2 ? d->bytes_max : room * 2;
    (void)ZSTD_freeDCtx(context);
    return r;
}

int zstd_compress(struct slice plain, struct buffer *out, struct edda_error *error)
{
    size_t room = ZSTD_compressBound(plain.len);
    uint8_t *at = buffer_extend(out, room);
    if (!at)
        return 0;
    size_t used = ZSTD_compress(at, room, plain.data, plain.len, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(used))
        return edda_fail_with(error, EDDA_ENOMEM, "zstd could not compress %zu bytes: %s", plain.len, ZSTD_getErrorName(used));
    buffer_truncate(out, out->len - (room - used));
    return 0;
}
