/* crc32c (Castagnoli, RFC 3720 appendix B.4), with the processor's instruction where there is one. */
#ifndef EDDA_BASE_CRC32C_H
#define EDDA_BASE_CRC32C_H

#include "base/slice.h"

uint32_t crc32c(struct slice s);
/* Continues a checksum: crc32c_extend(crc32c(a), b) == crc32c(a then b). */
uint32_t crc32c_extend(uint32_t crc, struct slice s);

/* The same without the instruction; crc32c_extend() is this where the processor has none. */
uint32_t crc32c_extend_portable(uint32_t crc, struct slice s);

#endif
