/*
 * Commands of Redis's protocol of any bytes: nothing is read outside of them, and bytes that come in pieces give what they give when they come at once.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/resp/resp.h"

#define INPUT_MAX 4096
#define COMMANDS_MAX 256

static const struct resp_limits limits = { .arguments_max = 64, .argument_bytes_max = 512, .command_bytes_max = 2048 };

struct taken {
    int64_t consumed[COMMANDS_MAX];
    uint64_t args[COMMANDS_MAX]; /* a sum over them */
    size_t count;
};

static bool inside(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static uint64_t sum_of(const struct resp_parser *parser, struct slice bytes)
{
    uint64_t sum = parser->count;
    for (uint32_t i = 0; i < parser->count; i++) {
        struct slice arg = parser->args[i];
        ASSERT(inside(arg, bytes) || inside(arg, buffer_slice(&parser->text)));
        ASSERT(arg.len <= RESP_INLINE_BYTES_MAX);
        sum = sum * 31 + arg.len;
        for (size_t k = 0; k < arg.len; k++)
            sum = sum * 31 + arg.data[k];
    }
    return sum;
}

/* Takes what is there, byte by byte or at once. Each call sees memory of its own size, so that a sanitizer sees a read past it. */
static void take_all(struct slice bytes, size_t piece, struct taken *taken)
{
    struct resp_parser parser = { .args = NULL };
    size_t at = 0;
    taken->count = 0;
    for (size_t there = piece < bytes.len ? piece : bytes.len; taken->count < COMMANDS_MAX;) {
        size_t len = there - at;
        uint8_t *copy = malloc(len + !len);
        ASSERT(copy);
        memcpy(copy, bytes.data + at, len);
        int64_t r = resp_parse(&parser, slice_of(copy, len), &limits, NULL);
        ASSERT(r != 0 || parser.needed > len);
        ASSERT(r <= (int64_t)len);
        if (r != 0) {
            taken->consumed[taken->count] = r;
            taken->args[taken->count++] = r > 0 ? sum_of(&parser, slice_of(copy, len)) : 0;
            resp_parser_reset(&parser);
        }
        free(copy);
        if (r < 0 || (r == 0 && there == bytes.len))
            break;
        if (r > 0)
            at += (size_t)r;
        else
            there = bytes.len - there > piece ? there + piece : bytes.len;
    }
    resp_parser_deinit(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    static struct taken whole, pieces;
    struct slice bytes = size ? slice_of(data, size < INPUT_MAX ? size : INPUT_MAX) : slice_of(nothing, 0);
    take_all(bytes, INPUT_MAX, &whole);
    for (size_t piece = 1; piece <= 7; piece += 3) {
        take_all(bytes, piece, &pieces);
        ASSERT(pieces.count == whole.count);
        for (size_t i = 0; i < whole.count; i++)
            ASSERT(pieces.consumed[i] == whole.consumed[i] && pieces.args[i] == whole.args[i]);
    }
    return 0;
}
