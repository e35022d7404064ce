/*
 * Compressed bytes of any kind. The first byte chooses the form: no input makes more than the limit of it or takes more memory, a failure leaves nothing behind, and what is
 * decompressed is, compressed and decompressed again, the same.
 */
#include "base/assert.h"
#include "fuzz.h"
#include "wire/kafka/compression.h"

#define LIMIT ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct edda_error error = { .message = "" };
    struct buffer plain = BUFFER_EMPTY, compressed = BUFFER_EMPTY, again = BUFFER_EMPTY;
    if (size < 1)
        return 0;
    enum compression form = data[0] % COMPRESSION_COUNT;
    int r = compression_decompress(form, slice_of(data + 1, size - 1), LIMIT, &plain, &error);
    ASSERT(plain.len <= LIMIT && plain.capacity <= LIMIT * 2);
    if (r < 0) {
        ASSERT(plain.len == 0 && error.code == r && error.message[0]);
        ASSERT(r == EDDA_EMALFORMED || r == EDDA_ETOOLARGE || (r == EDDA_EUNSUPPORTED && !compression_supported(form)));
    } else {
        ASSERT(compression_compress(form, buffer_slice(&plain), &compressed, &error) == 0);
        ASSERT(compression_decompress(form, buffer_slice(&compressed), plain.len, &again, &error) == 0);
        ASSERT(slice_eq(buffer_slice(&plain), buffer_slice(&again)));
    }
    buffer_deinit(&plain);
    buffer_deinit(&compressed);
    buffer_deinit(&again);
    return 0;
}
