/*
 * compression: the four forms in which Kafka clients compress the records of a batch (KIP-110 added zstd): gzip (RFC 1952), snappy (raw, or in the frames
 * of the Java library: "\x82SNAPPY\0"), lz4 (its frame format) and zstd. Pure functions over well-kept libraries, each of which a build may be without.
 */
#ifndef EDDA_WIRE_KAFKA_COMPRESSION_H
#define EDDA_WIRE_KAFKA_COMPRESSION_H

#include "base/buffer.h"
#include "edda/error.h"

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_SNAPPY, COMPRESSION_LZ4, COMPRESSION_ZSTD, COMPRESSION_COUNT };

/* "none", "gzip", "snappy", "lz4", "zstd": as in the setting compression.type. */
const char *compression_name(enum compression compression);
/* Whether this build has it. */
bool compression_supported(enum compression compression);

/* Appends what `compressed` holds to `out`, at most `bytes_max`. EDDA_EMALFORMED, EDDA_ETOOLARGE (before more memory than the limit is taken),
 * EDDA_EUNSUPPORTED (not in this build, or no such form), EDDA_ENOMEM; `out` is then as it was, unless memory was lacking. Any thread. */
int compression_decompress(enum compression compression, struct slice compressed, size_t bytes_max, struct buffer *out,
                           struct edda_error *error);
/* Appends `plain` compressed; snappy in the frames of the Java library. */
int compression_compress(enum compression compression, struct slice plain, struct buffer *out, struct edda_error *error);

#endif
