/*
 * front: what the store leaves in the stead of the segments that were removed from the front of the log (log_front_begin()).
 *
 *      0  u64 the next offset of the table of topics behind what was removed
 *      8  u32 number of rows, u32 their bytes
 *     16  rows of the table of topics, the last of each topic: u32 bytes of the key, u32 of the value, or 2^32-1 when it is null; both
 *         what is left of removed frames (store/scavenge.h), of all frames that were ever there
 *
 * Little-endian. The table of topics must be known before the first record that is still there; everything else that the front held was gone.
 */
#ifndef EDDA_STORE_FRONT_H
#define EDDA_STORE_FRONT_H

#include "base/buffer.h"
#include "base/cursor.h"

struct front_left {
    int64_t topics_end;
    uint32_t row_count;
    struct slice rows;
    struct slice removed;      /* for removed_each() */
};

/* EDDA_ECORRUPT. What is empty says nothing of anything. */
int front_left_parse(struct slice left, struct front_left *ret_left);
/* The next row; false at the end. The rows were parsed. */
bool front_row_next(struct cursor *rows, struct slice *ret_key, struct slice *ret_value);
/* The buffer tells of a lack of memory. */
void front_row_put(struct buffer *rows, struct slice key, struct slice value);
/* The head alone, behind which come the rows and what is left of frames. */
void front_left_put(struct buffer *out, int64_t topics_end, uint32_t row_count, size_t row_bytes);

#endif
