/* base64: RFC 4648 4, with padding. */
#ifndef EDDA_BASE_BASE64_H
#define EDDA_BASE_BASE64_H

#include "base/buffer.h"

void base64_put(struct slice bytes, struct buffer *out);
/* Strict: the canonical form and nothing else. The number of bytes, or EDDA_EMALFORMED, also when there are more than `size`. */
int64_t base64_get(struct slice text, uint8_t *out, size_t size);

#endif
