/*
 * What src/base promises: integers, sums, hashes, random numbers and error codes.
 * The random tests print their seed first; run again with EDDA_SEED=<seed> to replay one.
 */
#include "support.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/put.h"
#include "edda/error.h"

/* ---- put.h and cursor.h ---- */

static void what_was_put_is_read_back(void **state)
{
    (void)state;
    uint8_t bytes[64];
    uint8_t *at = put_u8(bytes, 0xfe);
    at = put_be16(at, 0x0102);
    at = put_be32(at, 0x03040506);
    at = put_be64(at, 0x0708090a0b0c0d0e);
    at = put_le32(at, 0x03040506);
    at = put_le64(at, 0x0708090a0b0c0d0e);
    at = put_slice(at, SLICE("key"));
    at = put_slice(at, slice_of(NULL, 0));
    const uint8_t expected[] = { 0xfe, 1, 2, 3, 4,  5,  6,  7,  8,  9, 10, 11, 12,  13,  14,
                                 6,    5, 4, 3, 14, 13, 12, 11, 10, 9, 8,  7,  'k', 'e', 'y' };
    assert_int_equal(at - bytes, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));

    struct cursor c = cursor_of(slice_of(bytes, sizeof(expected)));
    assert_int_equal(cursor_u8(&c), 0xfe);
    assert_int_equal(cursor_be16(&c), 0x0102);
    assert_int_equal(cursor_be32(&c), 0x03040506);
    assert_int_equal(cursor_be64(&c), 0x0708090a0b0c0d0e);
    assert_int_equal(cursor_le32(&c), 0x03040506);
    assert_int_equal(cursor_le64(&c), 0x0708090a0b0c0d0e);
    cursor_skip(&c, 1);
    assert_true(slice_eq_str(cursor_bytes(&c, 2), "ey"));
    assert_int_equal(cursor_left(&c), 0);
    assert_true(cursor_ok(&c));
    assert_int_equal(cursor_bytes(&c, 0).len, 0);
    cursor_skip(&c, 0);
    assert_true(cursor_ok(&c));
}

enum reader {
    READ_U8,
    READ_BE16,
    READ_BE32,
    READ_BE64,
    READ_LE32,
    READ_LE64,
    READ_UVARINT32,
    READ_UVARINT64,
    READ_VARINT32,
    READ_VARINT64,
    READ_BYTES,
    READ_SKIP,
    READERS
};

static const size_t reader_bytes[READERS] = { 1, 2, 4, 8, 4, 8, 1, 1, 1, 1, 3, 3 };

static uint64_t read_one(struct cursor *c, enum reader reader)
{
    switch (reader) {
    case READ_U8:
        return cursor_u8(c);
    case READ_BE16:
        return cursor_be16(c);
    case READ_BE32:
        return cursor_be32(c);
    case READ_BE64:
        return cursor_be64(c);
    case READ_LE32:
        return cursor_le32(c);
    case READ_LE64:
        return cursor_le64(c);
    case READ_UVARINT32:
        return cursor_uvarint32(c);
    case READ_UVARINT64:
        return cursor_uvarint64(c);
    case READ_VARINT32:
        return (uint64_t)cursor_varint32(c);
    case READ_VARINT64:
        return (uint64_t)cursor_varint64(c);
    case READ_BYTES:
        return cursor_bytes(c, 3).len;
    case READ_SKIP:
        cursor_skip(c, 3);
        return 0;
    case READERS:
        break;
    }
    UNREACHABLE();
}

static void a_cursor_cannot_leave_its_bytes(void **state)
{
    (void)state;
    for (unsigned reader = 0; reader < READERS; reader++) {
        for (size_t len = 0; len < reader_bytes[reader]; len++) {
            /* Memory of its own, so that the address sanitizer sees every byte too many. */
            uint8_t *bytes = malloc(len ? len : 1);
            assert_non_null(bytes);
            memset(bytes, 0x81, len);
            struct cursor c = cursor_of(slice_of(len ? bytes : NULL, len));
            assert_int_equal(read_one(&c, (enum reader)reader), 0);
            assert_false(cursor_ok(&c));
            assert_int_equal(cursor_left(&c), 0);
            for (unsigned again = 0; again < READERS; again++)
                assert_int_equal(read_one(&c, (enum reader)again), 0);
            assert_null(cursor_bytes(&c, 0).data);
            assert_false(cursor_ok(&c));
            free(bytes);
        }
    }
    struct cursor c = cursor_of(SLICE("abc"));
    cursor_skip(&c, SIZE_MAX);
    assert_false(cursor_ok(&c));
    c = cursor_of(SLICE("abc"));
    cursor_fail(&c);
    assert_int_equal(cursor_left(&c), 0);
    assert_int_equal(cursor_u8(&c), 0);
}

static void varints_are_kafkas(void **state)
{
    (void)state;
    const struct {
        int64_t value;
        struct slice bytes;
    } known[] = {
        { 0, SLICE("\x00") },
        { -1, SLICE("\x01") },
        { 1, SLICE("\x02") },
        { 63, SLICE("\x7e") },
        { -64, SLICE("\x7f") },
        { 64, SLICE("\x80\x01") },
        { -65, SLICE("\x81\x01") },
        { 8191, SLICE("\xfe\x7f") },
        { INT32_MAX, SLICE("\xfe\xff\xff\xff\x0f") },
        { INT32_MIN, SLICE("\xff\xff\xff\xff\x0f") },
        { INT64_MAX, SLICE("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
        { INT64_MIN, SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint8_t bytes[VARINT64_BYTES_MAX];
        size_t len = (size_t)(put_varint64(bytes, known[i].value) - bytes);
        assert_true(slice_eq(slice_of(bytes, len), known[i].bytes));
        assert_int_equal(varint64_size(known[i].value), len);
        struct cursor c = cursor_of(known[i].bytes);
        assert_true(cursor_varint64(&c) == known[i].value);
        assert_true(cursor_ok(&c) && cursor_left(&c) == 0);
        c = cursor_of(known[i].bytes);
        int32_t narrow = cursor_varint32(&c);
        bool fits = known[i].value >= INT32_MIN && known[i].value <= INT32_MAX;
        assert_int_equal(cursor_ok(&c), fits);
        assert_true(narrow == (fits ? known[i].value : 0));
    }
    /* Every boundary of length, and its neighbours. */
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int64_t off = -1; off <= 1; off++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)off;
            uint8_t bytes[VARINT64_BYTES_MAX];
            size_t len = (size_t)(put_uvarint64(bytes, value) - bytes);
            assert_int_equal(uvarint64_size(value), len);
            struct cursor c = cursor_of(slice_of(bytes, len));
            assert_true(cursor_uvarint64(&c) == value);
            assert_true(cursor_ok(&c) && cursor_left(&c) == 0);
            c = cursor_of(slice_of(bytes, len));
            assert_true(cursor_uvarint32(&c) == (value <= UINT32_MAX ? value : 0));
            assert_int_equal(cursor_ok(&c), value <= UINT32_MAX);
        }
    }
}

static void varints_too_long_or_too_wide_fail(void **state)
{
    (void)state;
    const struct {
        struct slice bytes;
        bool ok32;
        bool ok64;
    } cases[] = {
        { SLICE("\x80\x00"), true, true },
        { SLICE("\xff\xff\xff\xff\x0f"), true, true },
        { SLICE("\xff\xff\xff\xff\x10"), false, true },
        { SLICE("\x80\x80\x80\x80\x80\x00"), false, true },
        { SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, true },
        { SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false, false },
        { SLICE("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), false, false },
        { SLICE("\x80\x80\x80"), false, false },
        { SLICE(""), false, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cursor c = cursor_of(cases[i].bytes);
        cursor_uvarint32(&c);
        assert_int_equal(cursor_ok(&c), cases[i].ok32);
        c = cursor_of(cases[i].bytes);
        cursor_uvarint64(&c);
        assert_int_equal(cursor_ok(&c), cases[i].ok64);
    }
}

/* ---- crc32c.h ---- */

static void crc32c_gives_the_sums_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t zeros[32] = { 0 };
    uint8_t ones[32];
    uint8_t up[32];
    uint8_t down[32];
    for (uint8_t i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    const uint8_t command[48] = { 0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02 };
    const struct {
        struct slice bytes;
        uint32_t sum;
    } known[] = {
        { slice_of(zeros, 32), 0x8a9136aa },
        { slice_of(ones, 32), 0x62a8ab43 },
        { slice_of(up, 32), 0x46dd794e },
        { slice_of(down, 32), 0x113fdb5c },
        { slice_of(command, 48), 0xd9963a56 },
        { SLICE("123456789"), 0xe3069283 },
        { slice_of(NULL, 0), 0 },
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        assert_int_equal(crc32c(known[i].bytes), known[i].sum);
        assert_int_equal(crc32c_extend_portable(0, known[i].bytes), known[i].sum);
    }
}

static uint32_t crc32c_bit_by_bit(uint32_t crc, struct slice s)
{
    crc = ~crc;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= s.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
    }
    return ~crc;
}

static void crc32c_is_the_same_every_way(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, random_seed("crc32c"));
    const size_t lens[] = {
        191, 192, 193, 767, 768, 769, 959, 960, 6143, 6144, 6145, 6144 + 768 + 192 + 7, 20000, 65536
    };
    for (size_t i = 0; i < 400 + COUNT(lens); i++) {
        size_t len = i < 400 ? i : lens[i - 400];
        uint8_t *bytes = malloc(len + 1);
        assert_non_null(bytes);
        fill_random(&p, bytes, len + 1);
        /* Not aligned, and ending where the memory ends. */
        struct slice s = slice_of(bytes + 1, len);
        uint32_t start = (uint32_t)prng_u64(&p);
        uint32_t sum = crc32c_bit_by_bit(start, s);
        assert_int_equal(crc32c_extend(start, s), sum);
        assert_int_equal(crc32c_extend_portable(start, s), sum);
        size_t cut = prng_below(&p, len + 1);
        uint32_t first = crc32c_extend(start, slice_of(s.data, cut));
        assert_int_equal(crc32c_extend(first, slice_from(s, cut)), sum);
        free(bytes);
    }
}

/* ---- hash.h ---- */

static void murmur2_is_that_of_kafkas_java_client(void **state)
{
    (void)state;
    const struct {
        const char *key;
        int32_t hash;
    } known[] = {
        { "21", -973932308 },
        { "foobar", -790332482 },
        { "a-little-bit-long-string", -985981536 },
        { "a-little-bit-longer-string", -1486304829 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
        { "abc", 479470107 },
        { "", 275646681 },
    };
    for (size_t i = 0; i < COUNT(known); i++)
        assert_true((int32_t)hash_murmur2(slice_str(known[i].key)) == known[i].hash);
    assert_true(hash_murmur2(slice_of(NULL, 0)) == hash_murmur2(SLICE("")));
}

static void stored_hashes_never_change(void **state)
{
    (void)state;
    const char *hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef!";
    const struct {
        struct slice key;
        uint64_t seed;
        struct hash128 hash;
    } known[] = {
        { SLICE(""), 0, { 0x9559b68625192277, 0xab72ca9d68a448b3 } },
        { SLICE("a"), 0, { 0x61c7375c81c8ab57, 0x5e005f23b5c696a3 } },
        { SLICE("abcdefg"), 0, { 0x943ef638a1d4da8f, 0x452b36d05c52dc39 } },
        { SLICE("order-4711"), 1, { 0x54499a328ddf1e0d, 0x217f06ec110f707c } },
        { slice_of(hex, 16), 0, { 0xa7bfe18f37d877f2, 0x15e1519959aa483b } },
        { slice_of(hex, 17), 0, { 0xed543d7191b8fc4e, 0xebad7f83d37dfbdf } },
        { SLICE("The quick brown fox jumps over the lazy dog"), 0, { 0x93a5c537dfd8390e, 0x56100a359bc81928 } },
        { slice_of(hex, 64), 7, { 0xd64c0f9d182c8d39, 0xb00dfee71edb412f } },
        { slice_of(hex, 65), 7, { 0x9838e3fadeb5e212, 0x5492c4dffb0c9726 } },
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        struct hash128 hash = hash128(known[i].key, known[i].seed);
        assert_true(hash128_eq(hash, known[i].hash));
        assert_true(hash64(known[i].key, known[i].seed) == hash.lo);
    }
    assert_true(hash64_mix(1, 2) == 0xbf29ba86f8aa2a79);
    assert_true(hash64_mix(2, 1) == 0xea889d7000c17e48);
}

static int hash128_order(const void *a, const void *b)
{
    return hash128_compare(*(const struct hash128 *)a, *(const struct hash128 *)b);
}

static void assert_all_differ(struct hash128 *hashes, size_t count)
{
    qsort(hashes, count, sizeof(*hashes), hash128_order);
    for (size_t i = 1; i < count; i++) {
        assert_false(hash128_eq(hashes[i - 1], hashes[i]));
        assert_true(hashes[i - 1].lo != hashes[i].lo);
    }
}

/* Runs of one byte of every length with another byte at the end: what a hash that lets the length
 * and the words cancel each other out gets wrong. */
static void keys_alike_have_hashes_apart(void **state)
{
    (void)state;
    const size_t lens = 256;
    struct hash128 *hashes = malloc(lens * 256 * 4 * sizeof(*hashes));
    assert_non_null(hashes);
    size_t count = 0;
    for (unsigned fill = 0; fill < 256; fill++) {
        for (unsigned last = 0; last < 4; last++) {
            uint8_t key[256];
            memset(key, (int)fill, sizeof(key));
            for (size_t len = 2; len <= lens; len++) {
                key[len - 1] = (uint8_t)last;
                hashes[count++] = hash128(slice_of(key, len), 6);
                key[len - 1] = (uint8_t)fill;
            }
        }
    }
    assert_all_differ(hashes, count);
    free(hashes);
}

/* Flips every bit of keys of every length, and of the seed; each flip must change about half of the
 * bits of the hash, and the reads must stay inside of the key. */
static void every_bit_of_a_key_matters(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, random_seed("hash128"));
    for (size_t len = 0; len < 200; len++) {
        uint8_t *key = malloc(len ? len : 1);
        assert_non_null(key);
        fill_random(&p, key, len);
        uint64_t seed = prng_u64(&p);
        struct hash128 hash = hash128(slice_of(key, len), seed);
        assert_true(hash128_eq(hash, hash128(slice_of(key, len), seed)));
        for (size_t bit = 0; bit < len * 8 + 64; bit++) {
            uint64_t other_seed = bit < len * 8 ? seed : seed ^ UINT64_C(1) << (bit - len * 8);
            if (bit < len * 8)
                key[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct hash128 other = hash128(slice_of(key, len), other_seed);
            if (bit < len * 8)
                key[bit / 8] ^= (uint8_t)(1u << bit % 8);
            int flipped = __builtin_popcountll(hash.hi ^ other.hi) + __builtin_popcountll(hash.lo ^ other.lo);
            /* 7 standard deviations of 128 fair coins are 40. */
            assert_in_range(flipped, 64 - 45, 64 + 45);
        }
        free(key);
    }
}

static void mixing_depends_on_both_and_their_order(void **state)
{
    (void)state;
    const uint64_t values = 300;
    struct hash128 *hashes = malloc(values * values * sizeof(*hashes));
    assert_non_null(hashes);
    size_t count = 0;
    for (uint64_t a = 0; a < values; a++) {
        for (uint64_t b = 0; b < values; b++)
            hashes[count++] = (struct hash128){ 0, hash64_mix(a, b) };
    }
    assert_all_differ(hashes, count);
    free(hashes);
}

static void hashes_are_ordered_by_their_high_half_first(void **state)
{
    (void)state;
    const struct hash128 low = { 1, UINT64_MAX };
    const struct hash128 middle = { 2, 0 };
    const struct hash128 high = { 2, 1 };
    assert_true(hash128_compare(low, middle) < 0);
    assert_true(hash128_compare(middle, high) < 0);
    assert_true(hash128_compare(high, low) > 0);
    assert_int_equal(hash128_compare(high, high), 0);
    assert_false(hash128_eq(middle, high));
}

/* ---- prng.h ---- */

static void prng_is_xoshiro256_starstar_seeded_by_splitmix64(void **state)
{
    (void)state;
    struct prng p = { { 1, 2, 3, 4 } };
    const uint64_t known[] = { 11520, 0, 1509978240, 1215971899390074240, 1216172134540287360 };
    for (size_t i = 0; i < COUNT(known); i++)
        assert_true(prng_u64(&p) == known[i]);

    prng_init(&p, 1477776061723855037);
    const uint64_t seeded[] = { 1985237415132408290, 2979275885539914483, UINT64_C(13511426838097143398),
                                8488337342461049707 };
    for (size_t i = 0; i < COUNT(seeded); i++)
        assert_true(p.state[i] == seeded[i]);

    struct prng q;
    struct prng r;
    prng_init(&p, 7);
    prng_init(&q, 7);
    prng_init(&r, 8);
    size_t same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = prng_u64(&p);
        assert_true(value == prng_u64(&q));
        same += value == prng_u64(&r);
    }
    assert_int_equal(same, 0);
}

static void prng_below_is_even_and_within_its_bound(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 42);
    unsigned seen[7] = { 0 };
    for (int i = 0; i < 70000; i++)
        seen[prng_below(&p, 7)]++;
    for (size_t i = 0; i < COUNT(seen); i++)
        assert_in_range(seen[i], 9500, 10500);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(prng_below(&p, 1), 0);
        /* Nearly half of all numbers have to be drawn again for this bound. */
        assert_true(prng_below(&p, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
    /* Without the second draw, the lower third would come up half of the time. */
    unsigned lower = 0;
    for (int i = 0; i < 30000; i++)
        lower += prng_below(&p, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    assert_in_range(lower, 9500, 10500);
    unsigned hits = 0;
    for (int i = 0; i < 100000; i++) {
        assert_false(prng_one_in(&p, 0));
        assert_true(prng_one_in(&p, 1));
        hits += prng_one_in(&p, 10);
    }
    assert_in_range(hits, 9500, 10500);
}

static void misuse_below(void)
{
    struct prng p;
    prng_init(&p, 1);
    prng_below(&p, 0);
}

static void prng_below_nothing_is_misuse(void **state)
{
    (void)state;
    assert_dies(misuse_below, "bound != 0");
}

/* ---- edda/error.h ---- */

static void every_code_has_a_whole_row(void **state)
{
    (void)state;
    for (int code = EDDA_EOFFSET; code <= EDDA_OK; code++) {
        const struct edda_code_info *info = edda_code_info(code);
        assert_int_equal(info->code, code);
        assert_int_equal(strncmp(info->name, "EDDA_", 5), 0);
        assert_true(strlen(info->sentence) > 0);
        assert_null(strchr(info->sentence, '.'));
        assert_true(strlen(info->resp_prefix) > 0);
        assert_true(code == EDDA_OK ? info->http_status == 200 : info->http_status >= 400 && info->http_status < 600);
        assert_int_equal(code == EDDA_OK, info->kafka_code == 0);
        assert_in_range(info->kafka_code + 1, 0, 134);
        assert_false(info->retriable && info->fatal);
        for (int other = EDDA_EOFFSET; other < code; other++)
            assert_string_not_equal(edda_code_info(other)->name, info->name);
    }
}

static void the_table_answers_for_known_codes(void **state)
{
    (void)state;
    const struct {
        int code;
        const char *name;
        int http_status;
        int kafka_code;
        const char *resp_prefix;
    } known[] = {
        { EDDA_OK, "EDDA_OK", 200, 0, "OK" },
        { EDDA_EINVAL, "EDDA_EINVAL", 422, 42, "ERR" },
        { EDDA_EMALFORMED, "EDDA_EMALFORMED", 400, 42, "ERR" },
        { EDDA_ENOTFOUND, "EDDA_ENOTFOUND", 404, 3, "NOTFOUND" },
        { EDDA_EVERSION, "EDDA_EVERSION", 412, 87, "VERSION" },
        { EDDA_ELIMIT, "EDDA_ELIMIT", 429, 44, "LIMIT" },
        { EDDA_EFULL, "EDDA_EFULL", 507, 56, "MISCONF" },
        { EDDA_ETOOLARGE, "EDDA_ETOOLARGE", 413, 10, "TOOLARGE" },
        { EDDA_EUNAUTHORIZED, "EDDA_EUNAUTHORIZED", 401, 58, "NOAUTH" },
        { EDDA_ERETRY, "EDDA_ERETRY", 503, 14, "TRYAGAIN" },
        { EDDA_EUNHANDLED, "EDDA_EUNHANDLED", 501, 35, "UNHANDLED" },
        { EDDA_EUNAVAILABLE, "EDDA_EUNAVAILABLE", 503, 7, "UNAVAILABLE" },
        { EDDA_EREFUSED, "EDDA_EREFUSED", 502, 44, "REFUSED" },
        { EDDA_EFENCED, "EDDA_EFENCED", 409, 47, "FENCED" },
        { EDDA_ESEQUENCE, "EDDA_ESEQUENCE", 409, 45, "SEQUENCE" },
        { EDDA_EPRODUCER, "EDDA_EPRODUCER", 409, 49, "PRODUCER" },
        { EDDA_ETRANSACTION, "EDDA_ETRANSACTION", 409, 48, "TRANSACTION" },
        { EDDA_EOFFSET, "EDDA_EOFFSET", 416, 1, "OFFSET" },
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        const struct edda_code_info *info = edda_code_info(known[i].code);
        assert_string_equal(info->name, known[i].name);
        assert_int_equal(info->http_status, known[i].http_status);
        assert_int_equal(info->kafka_code, known[i].kafka_code);
        assert_string_equal(info->resp_prefix, known[i].resp_prefix);
    }
    const int unknown[] = { 1, EDDA_EOFFSET - 1, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_int_equal(edda_code_info(unknown[i])->code, EDDA_EIO);
    assert_true(edda_code_info(EDDA_EIO)->fatal);
    assert_true(edda_code_info(EDDA_EBUSY)->retriable);
    assert_false(edda_code_info(EDDA_EVERSION)->retriable);
}

static void failures_are_put_into_words(void **state)
{
    (void)state;
    assert_int_equal(edda_fail_with(NULL, EDDA_EIO, "%d", 1), EDDA_EIO);
    assert_int_equal(edda_fail_field(NULL, EDDA_EINVAL, "id", "%d", 1), EDDA_EINVAL);

    struct edda_error error;
    assert_int_equal(edda_fail_field(&error, EDDA_EINVAL, "topic", "%s is %d bytes", "it", 300), EDDA_EINVAL);
    assert_int_equal(error.code, EDDA_EINVAL);
    assert_string_equal(error.field, "topic");
    assert_string_equal(error.message, "it is 300 bytes");
    /* A message may quote the one before it. */
    edda_fail_field(&error, EDDA_EINVAL, error.field, "row 7: %s", error.message);
    assert_string_equal(error.field, "topic");
    assert_string_equal(error.message, "row 7: it is 300 bytes");
    assert_int_equal(edda_fail_with(&error, EDDA_EIO, "write failed"), EDDA_EIO);
    assert_int_equal(error.code, EDDA_EIO);
    assert_string_equal(error.field, "");
    assert_string_equal(error.message, "write failed");
    edda_fail_field(&error, EDDA_EINVAL, NULL, "no field");
    assert_string_equal(error.field, "");
}

static void words_too_long_are_cut_between_characters(void **state)
{
    (void)state;
    struct edda_error error;
    /* With 1 to 4 letters in front, the cut falls on each byte of a character of 4 bytes. */
    for (size_t letters = 0; letters < 4; letters++) {
        char text[1000] = "";
        memset(text, 'x', letters);
        for (size_t len = letters; len < 900; len += 4)
            memcpy(text + len, "\xf0\x9f\x8c\xb3", 5);
        edda_fail_field(&error, EDDA_EINVAL, text, "%s", text);
        size_t message_len = strlen(error.message);
        size_t field_len = strlen(error.field);
        assert_int_equal(message_len % 4, letters);
        assert_int_equal(field_len % 4, letters);
        assert_in_range(message_len, sizeof(error.message) - 4, sizeof(error.message) - 1);
        assert_in_range(field_len, sizeof(error.field) - 4, sizeof(error.field) - 1);
        assert_memory_equal(error.message, text, message_len);
        assert_memory_equal(error.field, text, field_len);
    }
}

static const struct CMUnitTest cursor_tests[] = {
    cmocka_unit_test(what_was_put_is_read_back),
    cmocka_unit_test(a_cursor_cannot_leave_its_bytes),
    cmocka_unit_test(varints_are_kafkas),
    cmocka_unit_test(varints_too_long_or_too_wide_fail),
};

static const struct CMUnitTest crc32c_tests[] = {
    cmocka_unit_test(crc32c_gives_the_sums_of_rfc_3720),
    cmocka_unit_test(crc32c_is_the_same_every_way),
};

static const struct CMUnitTest hash_tests[] = {
    cmocka_unit_test(murmur2_is_that_of_kafkas_java_client),
    cmocka_unit_test(stored_hashes_never_change),
    cmocka_unit_test(keys_alike_have_hashes_apart),
    cmocka_unit_test(every_bit_of_a_key_matters),
    cmocka_unit_test(mixing_depends_on_both_and_their_order),
    cmocka_unit_test(hashes_are_ordered_by_their_high_half_first),
};

static const struct CMUnitTest prng_tests[] = {
    cmocka_unit_test(prng_is_xoshiro256_starstar_seeded_by_splitmix64),
    cmocka_unit_test(prng_below_is_even_and_within_its_bound),
    cmocka_unit_test(prng_below_nothing_is_misuse),
};

static const struct CMUnitTest error_tests[] = {
    cmocka_unit_test(every_code_has_a_whole_row),
    cmocka_unit_test(the_table_answers_for_known_codes),
    cmocka_unit_test(failures_are_put_into_words),
    cmocka_unit_test(words_too_long_are_cut_between_characters),
};

int main(void)
{
    int failed = 0;
    failed += cmocka_run_group_tests_name("cursor", cursor_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("crc32c", crc32c_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("hash", hash_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("prng", prng_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("error", error_tests, NULL, NULL);
    return failed != 0;
}
