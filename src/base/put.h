/*
 * put: the writing counterparts of cursor.h, into memory that the caller has sized. Each returns
 * the place after what it wrote.
 */
#ifndef EDDA_BASE_PUT_H
#define EDDA_BASE_PUT_H

#include "base/slice.h"

#define VARINT32_BYTES_MAX 5
#define VARINT64_BYTES_MAX 10

uint8_t *put_u8(uint8_t *at, uint8_t value);
uint8_t *put_be16(uint8_t *at, uint16_t value);
uint8_t *put_be32(uint8_t *at, uint32_t value);
uint8_t *put_be64(uint8_t *at, uint64_t value);
uint8_t *put_le32(uint8_t *at, uint32_t value);
uint8_t *put_le64(uint8_t *at, uint64_t value);
uint8_t *put_uvarint64(uint8_t *at, uint64_t value);
uint8_t *put_varint64(uint8_t *at, int64_t value);
uint8_t *put_slice(uint8_t *at, struct slice s);

/* Bytes that the varints take. */
size_t uvarint64_size(uint64_t value);
size_t varint64_size(int64_t value);

#endif
