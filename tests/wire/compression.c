/*
 * Compression of records: what goes in comes out, what other implementations write is read, no input makes it take more memory than it may, and no part of an input
 * passes for the whole.
 */
#include "../unit/support.h"
#include "base/put.h"
#include "wire/kafka/compression.h"

#define LIMIT ((size_t)1 << 20)
#define BOMB_BYTES ((size_t)64 << 20)

/* Skips the form if the build is without it; true if there is something to test. */
static bool there(enum compression form)
{
    if (!compression_supported(form))
        print_message("this build is without %s\n", compression_name(form));
    return compression_supported(form);
}

/* Exactly as many bytes as there are, so that a sanitizer sees a read behind them. */
static int read_exact(enum compression form, struct slice compressed, size_t bytes_max, struct buffer *out, struct edda_error *error)
{
    uint8_t *copy = malloc(compressed.len ? compressed.len : 1);
    assert_non_null(copy);
    if (compressed.len)
        memcpy(copy, compressed.data, compressed.len);
    int r = compression_decompress(form, slice_of(copy, compressed.len), bytes_max, out, error);
    free(copy);
    return r;
}

static void assert_gives(enum compression form, struct slice compressed, size_t bytes_max, struct slice plain)
{
    struct buffer out = BUFFER_EMPTY;
    struct edda_error error = { .message = "" };
    buffer_append_str(&out, "before");
    int r = read_exact(form, compressed, bytes_max, &out, &error);
    if (r < 0)
        fail_msg("%s: %s", compression_name(form), error.message);
    assert_true(slice_has_prefix(buffer_slice(&out), SLICE("before")));
    assert_true(slice_eq(slice_from(buffer_slice(&out), 6), plain));
    buffer_deinit(&out);
}

static void assert_fails(enum compression form, struct slice compressed, size_t bytes_max, int code)
{
    struct buffer out = BUFFER_EMPTY;
    struct edda_error error = { .message = "" };
    buffer_append_str(&out, "before");
    int r = read_exact(form, compressed, bytes_max, &out, &error);
    if (r != code)
        fail_msg("%s: %d instead of %d: %s", compression_name(form), r, code, error.message);
    assert_string_not_equal(error.message, "");
    assert_true(slice_eq_str(buffer_slice(&out), "before"));
    assert_true(out.capacity <= 2 * (bytes_max + 64));
    buffer_deinit(&out);
}

/* Words, so that there is something to compress, and noise. */
static void text_make(struct prng *random, struct buffer *out, size_t len)
{
    bool noise = prng_one_in(random, 3);
    buffer_clear(out);
    while (out->len < len) {
        if (noise)
            buffer_append_byte(out, (uint8_t)prng_u64(random));
        else
            buffer_printf(out, "word%d ", (int)prng_below(random, 50));
    }
    buffer_truncate(out, len);
}

static void round_trips(void **state)
{
    (void)state;
    static const size_t lengths[] = { 0, 1, 2, 100, 32767, 32768, 32769, 65536, 200000, 500000 };
    struct prng random;
    struct buffer plain = BUFFER_EMPTY, compressed = BUFFER_EMPTY;
    prng_init(&random, random_seed("round trips"));
    for (enum compression form = COMPRESSION_NONE; form < COMPRESSION_COUNT; form++) {
        for (size_t i = 0; there(form) && i < COUNT(lengths); i++) {
            text_make(&random, &plain, lengths[i]);
            buffer_clear(&compressed);
            buffer_append_str(&compressed, "before");
            assert_int_equal(compression_compress(form, buffer_slice(&plain), &compressed, NULL), 0);
            struct slice written = slice_from(buffer_slice(&compressed), 6);
            assert_gives(form, written, LIMIT, buffer_slice(&plain));
            assert_gives(form, written, plain.len, buffer_slice(&plain));
            if (plain.len > 0)
                assert_fails(form, written, plain.len - 1, EDDA_ETOOLARGE);
        }
    }
    buffer_deinit(&plain);
    buffer_deinit(&compressed);
}

static void only_the_whole(void **state)
{
    (void)state;
    struct prng random;
    struct buffer plain = BUFFER_EMPTY, compressed = BUFFER_EMPTY;
    prng_init(&random, random_seed("only the whole"));
    for (enum compression form = COMPRESSION_GZIP; form < COMPRESSION_COUNT; form++) {
        if (!there(form))
            continue;
        do
            text_make(&random, &plain, 700);
        while (!slice_has_prefix(buffer_slice(&plain), SLICE("word")));
        buffer_clear(&compressed);
        assert_int_equal(compression_compress(form, buffer_slice(&plain), &compressed, NULL), 0);
        for (size_t len = 0; len < compressed.len; len++) {
            /* A head of snappy's frames without a block is an empty whole. */
            if (form != COMPRESSION_SNAPPY || len != 16)
                assert_fails(form, slice_of(compressed.data, len), LIMIT, EDDA_EMALFORMED);
        }
        buffer_append_str(&compressed, "x");
        assert_fails(form, buffer_slice(&compressed), LIMIT, EDDA_EMALFORMED);
    }
    buffer_deinit(&plain);
    buffer_deinit(&compressed);
}

/* Two compressed runs after each other are both of them. */
static void joined(void **state)
{
    (void)state;
    struct buffer compressed = BUFFER_EMPTY;
    for (enum compression form = COMPRESSION_GZIP; form < COMPRESSION_COUNT; form++) {
        if (!there(form))
            continue;
        buffer_clear(&compressed);
        assert_int_equal(compression_compress(form, SLICE("first, "), &compressed, NULL), 0);
        assert_int_equal(compression_compress(form, SLICE("and second"), &compressed, NULL), 0);
        assert_gives(form, buffer_slice(&compressed), LIMIT, SLICE("first, and second"));
        assert_gives(form, buffer_slice(&compressed), 17, SLICE("first, and second"));
        assert_fails(form, buffer_slice(&compressed), 16, EDDA_ETOOLARGE);
    }
    buffer_deinit(&compressed);
}

/* 64 MiB of zeros in some tens of kilobytes, and a limit of 1 MiB. */
static void bombs(void **state)
{
    (void)state;
    struct buffer plain = BUFFER_EMPTY, compressed = BUFFER_EMPTY;
    buffer_append_zeros(&plain, BOMB_BYTES);
    for (enum compression form = COMPRESSION_GZIP; form < COMPRESSION_COUNT; form++) {
        if (!there(form))
            continue;
        buffer_clear(&compressed);
        assert_int_equal(compression_compress(form, buffer_slice(&plain), &compressed, NULL), 0);
        assert_true(compressed.len < BOMB_BYTES / 10);
        assert_fails(form, buffer_slice(&compressed), LIMIT, EDDA_ETOOLARGE);
    }
    buffer_deinit(&plain);
    buffer_deinit(&compressed);
}

/* By hand from Snappy's format: the length, a literal of 4 bytes, a copy of 8 bytes from 4 before. */
static const uint8_t snappy_block[] = { 12, 3 << 2, 'e', 'd', 'd', 'a', 1 | (8 - 4) << 2, 4 };
#define SNAPPY_BLOCK slice_of(snappy_block, sizeof(snappy_block))
#define SNAPPY_HEAD SLICE("\x82SNAPPY\0\0\0\0\1\0\0\0\1")

static void snappy_forms(void **state)
{
    (void)state;
    struct buffer framed = BUFFER_EMPTY;
    if (!there(COMPRESSION_SNAPPY))
        skip();
    assert_gives(COMPRESSION_SNAPPY, SNAPPY_BLOCK, LIMIT, SLICE("eddaeddaedda"));
    assert_gives(COMPRESSION_SNAPPY, SLICE("\0"), LIMIT, SLICE(""));
    assert_fails(COMPRESSION_SNAPPY, SNAPPY_BLOCK, 11, EDDA_ETOOLARGE);

    buffer_append_slice(&framed, SNAPPY_HEAD);
    assert_gives(COMPRESSION_SNAPPY, buffer_slice(&framed), LIMIT, SLICE(""));
    for (int i = 0; i < 2; i++) {
        put_be32(buffer_extend(&framed, 4), sizeof(snappy_block));
        buffer_append_slice(&framed, SNAPPY_BLOCK);
    }
    assert_gives(COMPRESSION_SNAPPY, buffer_slice(&framed), LIMIT, SLICE("eddaeddaeddaeddaeddaedda"));
    assert_fails(COMPRESSION_SNAPPY, buffer_slice(&framed), 23, EDDA_ETOOLARGE);
    put_be32(buffer_extend(&framed, 4), UINT32_MAX);
    assert_fails(COMPRESSION_SNAPPY, buffer_slice(&framed), LIMIT, EDDA_EMALFORMED);
    /* One that claims a length no such block can have, and takes no memory for it. */
    assert_fails(COMPRESSION_SNAPPY, SLICE("\x80\x80\x3c\0\0"), LIMIT, EDDA_EMALFORMED);
    buffer_deinit(&framed);
}

/* From Python's gzip and zlib, and the program lz4; zstd by hand. */
static void others(void **state)
{
    (void)state;
    if (there(COMPRESSION_GZIP)) {
        static const uint8_t gzip[] = { 
            0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x4b, 0x4d, 0x49, 0x49, 0x4c, 0x85, 0x62, 0x00, 0x18, 0x47, 0xfa, 0x10, 0x0c,
            0x00, 0x00, 0x00,
        };
        assert_gives(COMPRESSION_GZIP, slice_of(gzip, sizeof(gzip)), LIMIT, SLICE("eddaeddaedda"));
        static const uint8_t zlib[] = { 0x78, 0x9c, 0x4b, 0x4d, 0x49, 0x49, 0x4c, 0x85, 0x62, 0x00, 0x1e, 0x6f, 0x04, 0xab };
        assert_fails(COMPRESSION_GZIP, slice_of(zlib, sizeof(zlib)), LIMIT, EDDA_EMALFORMED);
    }
    if (there(COMPRESSION_LZ4)) {
        static const uint8_t lz4[] = { 
            0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0x0c, 0x00, 0x00, 0x80, 0x65, 0x64, 0x64, 0x61, 0x65, 0x64, 0x64, 0x61, 0x65, 0x64, 0x64, 0x61,
            0x00, 0x00, 0x00, 0x00, 0x49, 0x2d, 0x83, 0xe9,
        };
        assert_gives(COMPRESSION_LZ4, slice_of(lz4, sizeof(lz4)), LIMIT, SLICE("eddaeddaedda"));
    }
    if (there(COMPRESSION_ZSTD)) {
        /* RFC 8878 by hand: no content size, a window of 2 GiB, one last raw block of 4 bytes. Streaming readers would take the window. */
        static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x21, 0x00, 0x00, 'e', 'd', 'd', 'a' };
        assert_gives(COMPRESSION_ZSTD, slice_of(zstd, sizeof(zstd)), LIMIT, SLICE("edda"));
        /* The same with one last block that repeats a byte 128 KiB times. */
        static const uint8_t repeated[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x03, 0x00, 0x10, 'e' };
        struct buffer plain = BUFFER_EMPTY;
        buffer_append_zeros(&plain, (size_t)128 * 1024);
        memset(plain.data, 'e', plain.len);
        assert_gives(COMPRESSION_ZSTD, slice_of(repeated, sizeof(repeated)), LIMIT, buffer_slice(&plain));
        assert_fails(COMPRESSION_ZSTD, slice_of(repeated, sizeof(repeated)), 100000, EDDA_ETOOLARGE);
        buffer_deinit(&plain);
    }
}

static void forms_that_are_none(void **state)
{
    (void)state;
    struct edda_error error;
    struct buffer out = BUFFER_EMPTY;
    enum compression none_such = (enum compression)5;
    assert_false(compression_supported(none_such));
    assert_int_equal(compression_decompress(none_such, SLICE("x"), LIMIT, &out, &error), EDDA_EUNSUPPORTED);
    assert_int_equal(compression_compress(none_such, SLICE("x"), &out, &error), EDDA_EUNSUPPORTED);
    assert_string_equal(error.message, "5 is no form of compression");
    assert_string_equal(compression_name(COMPRESSION_SNAPPY), "snappy");
    assert_true(compression_supported(COMPRESSION_NONE));
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),  cmocka_unit_test(only_the_whole), cmocka_unit_test(joined), cmocka_unit_test(bombs),
        cmocka_unit_test(snappy_forms), cmocka_unit_test(others),         cmocka_unit_test(forms_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
