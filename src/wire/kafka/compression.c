/*
 * compression: the table of the forms, and what holds for all of them: the limit, and that a failure leaves the buffer as it was.
 */
#include "wire/kafka/compression.h"

#include "base/assert.h"
#include "wire/kafka/compression_parts.h"

static int none_decompress(struct decompression *d, struct slice plain)
{
    if (plain.len > d->bytes_max)
        return decompression_too_large(d);
    buffer_append_slice(d->out, plain);
    return 0;
}

static int none_compress(struct slice plain, struct buffer *out, struct edda_error *error)
{
    (void)error;
    buffer_append_slice(out, plain);
    return 0;
}

struct form {
    const char *name;
    int (*decompress)(struct decompression *d, struct slice compressed);
    int (*compress)(struct slice plain, struct buffer *out, struct edda_error *error);
};

static const struct form forms[] = {
    [COMPRESSION_NONE] = { "none", none_decompress, none_compress },
#if EDDA_WITH_ZLIB
    [COMPRESSION_GZIP] = { "gzip", gzip_decompress, gzip_compress },
#else
    [COMPRESSION_GZIP] = { "gzip", NULL, NULL },
#endif
#if EDDA_WITH_SNAPPY
    [COMPRESSION_SNAPPY] = { "snappy", snappy_forms_decompress, snappy_framed_compress },
#else
    [COMPRESSION_SNAPPY] = { "snappy", NULL, NULL },
#endif
#if EDDA_WITH_LZ4
    [COMPRESSION_LZ4] = { "lz4", lz4_decompress, lz4_compress },
#else
    [COMPRESSION_LZ4] = { "lz4", NULL, NULL },
#endif
#if EDDA_WITH_ZSTD
    [COMPRESSION_ZSTD] = { "zstd", zstd_decompress, zstd_compress },
#else
    [COMPRESSION_ZSTD] = { "zstd", NULL, NULL },
#endif
};

_Static_assert(sizeof(forms) / sizeof(forms[0]) == COMPRESSION_COUNT, "each form has a row");

/* The attributes of a batch have room for forms that there are not. */
static bool known(enum compression compression)
{
    return (unsigned)compression < COMPRESSION_COUNT;
}

const char *compression_name(enum compression compression)
{
    return known(compression) ? forms[compression].name : "unknown";
}

bool compression_supported(enum compression compression)
{
    return known(compression) && forms[compression].compress;
}

static int supported_check(enum compression compression, struct edda_error *error)
{
    if (!known(compression))
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "%u is no form of compression", (unsigned)compression);
    if (!compression_supported(compression))
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "this build is without compression %s", compression_name(compression));
    return 0;
}

uint8_t *decompression_room(struct decompression *d, size_t want, size_t *ret_len)
{
    size_t allowed = d->bytes_max - (d->out->len - d->start);
    d->at_limit = allowed == 0;
    *ret_len = d->at_limit ? 1 : want < allowed ? want : allowed;
    return d->at_limit ? &d->over : buffer_extend(d->out, *ret_len);
}

int decompression_took(struct decompression *d, size_t len, size_t used)
{
    ASSERT(used <= len);
    if (d->at_limit)
        return used ? decompression_too_large(d) : 0;
    buffer_truncate(d->out, d->out->len - (len - used));
    return 0;
}

int decompression_malformed(const struct decompression *d, const char *what)
{
    return edda_fail_with(d->error, EDDA_EMALFORMED, "compressed bytes (%s): %s", d->name, what);
}

int decompression_too_large(const struct decompression *d)
{
    return edda_fail_with(d->error, EDDA_ETOOLARGE, "compressed bytes (%s): they hold more than %zu bytes", d->name, d->bytes_max);
}

int decompression_no_memory(const struct decompression *d)
{
    return edda_fail_with(d->error, EDDA_ENOMEM, "no memory to decompress (%s)", d->name);
}

int compression_decompress(enum compression compression, struct slice compressed, size_t bytes_max, struct buffer *out, struct edda_error *error)
{
    int r = supported_check(compression, error);
    if (r < 0)
        return r;
    struct decompression d = {
        .out = out, .start = out->len, .bytes_max = bytes_max, .error = error, .name = forms[compression].name,
    };
    r = forms[compression].decompress(&d, compressed);
    if (r == 0 && !buffer_ok(out))
        r = decompression_no_memory(&d);
    if (r < 0 && buffer_ok(out))
        buffer_truncate(out, d.start);
    return r;
}

int compression_compress(enum compression compression, struct slice plain, struct buffer *out, struct edda_error *error)
{
    int r = supported_check(compression, error);
    if (r < 0)
        return r;
    size_t start = out->len;
    r = forms[compression].compress(plain, out, error);
    if (r == 0 && !buffer_ok(out))
        r = edda_fail_with(error, EDDA_ENOMEM, "no memory to compress (%s)", forms[compression].name);
    if (r < 0 && buffer_ok(out))
        buffer_truncate(out, start);
    return r;
}
