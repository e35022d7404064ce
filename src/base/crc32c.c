/*
 * crc32c: two ways to the same sum.
 *
 * The portable way reads 8 bytes at a time through 8 tables (slicing-by-8). A table entry is the
 * xor of what its bits contribute, so each table is written down as its 8 single-bit entries and
 * spread out by the preprocessor.
 *
 * With SSE 4.2 the crc32 instruction takes 8 bytes, but its result is there only 3 cycles later. So
 * long inputs are cut into stripes of three lanes that are summed side by side and then joined: the
 * sum of a lane is moved past the lanes behind it by a carry-less multiplication with
 * x^(8n - 33) mod P, n being the bytes behind it; the crc32 of that product supplies the other x^33.
 */
#include "base/crc32c.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* clang-format off */
#define BIT(i, b, contribution) ((0u - ((unsigned)(i) >> (b) & 1u)) & (contribution))
#define ENTRY(i, c0, c1, c2, c3, c4, c5, c6, c7) \
    (BIT(i, 0, c0) ^ BIT(i, 1, c1) ^ BIT(i, 2, c2) ^ BIT(i, 3, c3) ^ \
     BIT(i, 4, c4) ^ BIT(i, 5, c5) ^ BIT(i, 6, c6) ^ BIT(i, 7, c7))
#define ENTRIES4(i, ...) \
    ENTRY((i), __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), \
    ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define ENTRIES16(i, ...) \
    ENTRIES4((i), __VA_ARGS__), ENTRIES4((i) + 4, __VA_ARGS__), \
    ENTRIES4((i) + 8, __VA_ARGS__), ENTRIES4((i) + 12, __VA_ARGS__)
#define ENTRIES64(i, ...) \
    ENTRIES16((i), __VA_ARGS__), ENTRIES16((i) + 16, __VA_ARGS__), \
    ENTRIES16((i) + 32, __VA_ARGS__), ENTRIES16((i) + 48, __VA_ARGS__)
#define TABLE(...) \
    { ENTRIES64(0, __VA_ARGS__), ENTRIES64(64, __VA_ARGS__), \
      ENTRIES64(128, __VA_ARGS__), ENTRIES64(192, __VA_ARGS__) }
/* clang-format on */

/* tables[k][i]: the sum of byte i followed by k zero bytes. */
static const uint32_t tables[8][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u),
};

static uint32_t load_le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t crc32c_extend_portable(uint32_t crc, struct slice s)
{
    const uint8_t *at = s.data;
    size_t left = s.len;
    crc = ~crc;
    for (; left >= 8; at += 8, left -= 8) {
        uint32_t low = crc ^ load_le32(at);
        uint32_t high = load_le32(at + 4);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
              tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^
              tables[0][high >> 24];
    }
    for (; left; at++, left--)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

#define ACCELERATED __attribute__((target("sse4.2,pclmul")))

struct stripe {
    size_t lane_bytes;
    uint32_t past_one; /* x^(8 * lane_bytes - 33) mod P, reflected */
    uint32_t past_two; /* x^(16 * lane_bytes - 33) mod P, reflected */
};

/* Longest first: what a long stripe leaves over is still worth a shorter one. */
static const struct stripe stripes[] = {
    { .lane_bytes = 2048, .past_one = 0xa51b6135, .past_two = 0x82f89c77 },
    { .lane_bytes = 256, .past_one = 0xb9e02b86, .past_two = 0xdd7e3b0c },
    { .lane_bytes = 64, .past_one = 0x9e4addf8, .past_two = 0x0d3b6092 },
};

static uint64_t load_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

ACCELERATED static uint64_t multiply(uint64_t sum, uint32_t factor)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)sum), _mm_cvtsi64_si128((long long)factor), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* The sum over one stripe of three lanes, not inverted. */
ACCELERATED static uint64_t stripe_sum(const struct stripe *stripe, uint64_t crc, const uint8_t *at)
{
    size_t lane = stripe->lane_bytes;
    uint64_t first = crc;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t *end = at + lane; at != end; at += 32) {
        for (unsigned i = 0; i < 32; i += 8) {
            first = _mm_crc32_u64(first, load_word(at + i));
            second = _mm_crc32_u64(second, load_word(at + lane + i));
            third = _mm_crc32_u64(third, load_word(at + 2 * lane + i));
        }
    }
    uint64_t moved = multiply(first, stripe->past_two) ^ multiply(second, stripe->past_one);
    return _mm_crc32_u64(0, moved) ^ third;
}

ACCELERATED static uint32_t extend_accelerated(uint32_t crc, struct slice s)
{
    const uint8_t *at = s.data;
    size_t left = s.len;
    uint64_t sum = ~crc;
    for (size_t i = 0; i < sizeof(stripes) / sizeof(stripes[0]); i++) {
        size_t bytes = 3 * stripes[i].lane_bytes;
        for (; left >= bytes; at += bytes, left -= bytes)
            sum = stripe_sum(&stripes[i], sum, at);
    }
    for (; left >= 8; at += 8, left -= 8)
        sum = _mm_crc32_u64(sum, load_word(at));
    uint32_t rest = (uint32_t)sum;
    for (; left; at++, left--)
        rest = _mm_crc32_u8(rest, *at);
    return ~rest;
}

static bool processor_accelerates(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

#else

static uint32_t extend_accelerated(uint32_t crc, struct slice s)
{
    return crc32c_extend_portable(crc, s);
}

static bool processor_accelerates(void)
{
    return false;
}

#endif

uint32_t crc32c_extend(uint32_t crc, struct slice s)
{
    return processor_accelerates() ? extend_accelerated(crc, s) : crc32c_extend_portable(crc, s);
}

uint32_t crc32c(struct slice s)
{
    return crc32c_extend(0, s);
}
