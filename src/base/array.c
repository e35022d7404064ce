/* array: see array.h. */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 8
#define CAPACITY_MAX (UINT64_C(1) << 31)

bool array_reserve(void *array, uint32_t *capacity, uint64_t wanted, size_t item_bytes)
{
    void *items;
    uint64_t grown = *capacity ? *capacity : CAPACITY_MIN;
    if (wanted <= *capacity)
        return true;
    if (wanted > CAPACITY_MAX)
        return false;
    while (grown < wanted)
        grown *= 2;
    /* The pointer may be of any type, so that its bytes are copied. */
    memcpy(&items, array, sizeof(items));
    void *moved = realloc(items, grown * item_bytes);
    if (!moved)
        return false;
    memcpy(array, &moved, sizeof(moved));
    *capacity = (uint32_t)grown;
    return true;
}
