/* uuid: random ids (RFC 9562): version 4 for what has no order, version 7, which sorts by time, for messages. */
#ifndef EDDA_STORE_UUID_H
#define EDDA_STORE_UUID_H

#include "base/slice.h"

#define UUID_TEXT_BYTES 36

struct store;

void uuid_random(struct store *store, uint8_t id[16]);
/* Version 7 of a time in milliseconds, as text. */
void uuid_of_time(struct store *store, int64_t time_ms, char text[UUID_TEXT_BYTES]);

void uuid_print(const uint8_t id[16], char text[UUID_TEXT_BYTES]);
/* False, and `id` untouched, when the text is no UUID. */
bool uuid_parse(struct slice text, uint8_t id[16]);

#endif
