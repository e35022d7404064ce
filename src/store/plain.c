/* plain: see plain.h. */
#include "store/plain.h"

#include <stdlib.h>

#define KEY_WITHOUT_ADDRESS (UINT64_C(1) << 63)

struct plain {
    uint64_t keys;
};

struct plain *plain_new(void)
{
    return calloc(1, sizeof(struct plain));
}

void plain_free(struct plain *plain)
{
    free(plain);
}

uint64_t plain_key(struct plain *plain)
{
    return KEY_WITHOUT_ADDRESS | plain->keys++;
}

int plain_records(struct plain *plain, uint64_t key, const struct batch *batch, struct slice *ret_records, struct edda_error *error)
{
    (void)plain;
    if (batch->attributes & BATCH_COMPRESSION)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "the batch %llu is compressed", (unsigned long long)key);
    *ret_records = batch->records;
    return 0;
}

void plain_release(struct plain *plain)
{
    (void)plain;
}
