/*
 * compression_parts: what compression.c and the files of the single forms share. Each form is a row of functions; a form whose library is not in the build has none.
 */
#ifndef EDDA_WIRE_KAFKA_COMPRESSION_PARTS_H
#define EDDA_WIRE_KAFKA_COMPRESSION_PARTS_H

#include "wire/kafka/compression.h"

/* Where decompressed bytes go, and how many there may be. */
struct decompression {
    struct buffer *out;
    size_t start; /* of them in `out` */
    size_t bytes_max;
    bool at_limit; /* the room given is `over` */
    uint8_t over;  /* stands for the memory behind the limit */
    struct edda_error *error;
    const char *name; /* of the form, for errors */
};

/* Memory for at most `want` further bytes, never more than the limit leaves; at the limit a single byte outside of the buffer, so that a library can be asked whether there is
 * more. NULL: EDDA_ENOMEM. Every call is followed by decompression_took(). */
uint8_t *decompression_room(struct decompression *d, size_t want, size_t *ret_len);
/* Of `len` bytes of room `used` are filled. EDDA_ETOOLARGE when they were behind the limit. */
int decompression_took(struct decompression *d, size_t len, size_t used);

int decompression_malformed(const struct decompression *d, const char *what);
int decompression_too_large(const struct decompression *d);
int decompression_no_memory(const struct decompression *d);

/* Functions of a form. What they appended before they failed is taken back by their caller, compression.c. */
int gzip_decompress(struct decompression *d, struct slice compressed);
int gzip_compress(struct slice plain, struct buffer *out, struct edda_error *error);
int snappy_forms_decompress(struct decompression *d, struct slice compressed);
int snappy_framed_compress(struct slice plain, struct buffer *out, struct edda_error *error);
int lz4_decompress(struct decompression *d, struct slice compressed);
int lz4_compress(struct slice plain, struct buffer *out, struct edda_error *error);
int zstd_decompress(struct decompression *d, struct slice compressed);
int zstd_compress(struct slice plain, struct buffer *out, struct edda_error *error);

#endif
