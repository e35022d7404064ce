/* uuid: see uuid.h. Random bytes are fetched some ids ahead, because a system call for each would cost as much as an append. */
#include "store/uuid.h"

#include "base/put.h"
#include "store/internal.h"

static void random_take(struct store *store, uint8_t *at, uint32_t len)
{
    if (store->random_used + len > sizeof(store->random)) {
        io_random_fill(store->io, store->random, sizeof(store->random));
        store->random_used = 0;
    }
    memcpy(at, store->random + store->random_used, len);
    store->random_used += len;
}

static void set_version(uint8_t id[16], unsigned version)
{
    id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

void uuid_random(struct store *store, uint8_t id[16])
{
    random_take(store, id, 16);
    set_version(id, 4);
}

void uuid_of_time(struct store *store, int64_t time_ms, char text[UUID_TEXT_BYTES])
{
    uint8_t id[16];
    uint8_t time[8];
    put_be64(time, (uint64_t)time_ms);
    memcpy(id, time + 2, 6);
    random_take(store, id + 6, 10);
    set_version(id, 7);
    uuid_print(id, text);
}

void uuid_print(const uint8_t id[16], char text[UUID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[id[i] >> 4];
        *at++ = digits[id[i] & 15];
    }
}

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool uuid_parse(struct slice text, uint8_t id[16])
{
    uint8_t parsed[16];
    size_t at = 0;
    if (text.len != UUID_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.data[at++] != '-')
            return false;
        int high = digit_value(text.data[at]), low = digit_value(text.data[at + 1]);
        if (high < 0 || low < 0)
            return false;
        parsed[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    memcpy(id, parsed, sizeof(parsed));
    return true;
}
