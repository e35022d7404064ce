/*
 * batch: Kafka's record batch, magic 2 (KIP-98, KIP-101): the form in which records lie on the disk and go to
 * clients.
 *
 *      0  i64  base offset              8  i32  length of what follows (batch bytes - 12)
 *     12  i32  partition leader epoch  16  i8   magic, 2
 *     17  u32  crc32c of all from 21   21  i16  attributes: 0-2 compression, 3 timestamp type
 *                                               (0 create, 1 log append), 4 transactional, 5 control
 *     23  i32  last offset delta       27  i64  base timestamp, ms
 *     35  i64  max timestamp, ms       43  i64  producer id, or -1
 *     51  i16  producer epoch, or -1   53  i32  base sequence, or -1
 *     57  i32  record count            61  records, compressed as a whole when compressed
 *
 * A record: varint length of the rest, i8 attributes (0), varint64 timestamp delta, varint offset delta, varint
 * key length (-1: null), key, varint value length (-1: null), value, varint header count, and per header varint key length,
 * key, varint value length (-1: null), value. All varints are zigzag.
 *
 * All integers are big-endian. Nothing here compresses or decompresses: a reader of a compressed batch
 * is given the decompressed records.
 */
#ifndef EDDA_WIRE_KAFKA_BATCH_H
#define EDDA_WIRE_KAFKA_BATCH_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "edda/error.h"

#define BATCH_HEADER_BYTES 61

enum batch_attributes {
    BATCH_COMPRESSION = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20
};

struct batch {
    struct slice bytes;   /* the whole batch */
    struct slice records; /* what follows the header, compressed or not */
    int64_t base_offset;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    int32_t last_offset_delta;
    int32_t base_sequence;
    int32_t record_count;
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int16_t producer_epoch;
};

struct record_header {
    struct slice key;
    struct slice value; /* data NULL: null */
};

/* One record, borrowed from its batch. */
struct record {
    int64_t offset;
    int64_t timestamp_ms;
    struct slice key;     /* data NULL: none */
    struct slice value;   /* data NULL: null */
    struct slice headers; /* encoded, after the count */
    uint32_t header_count;
};

/* Reads the header of the batch at the start of `bytes`, which may be longer. Returns its length in bytes, 0 when
 * more bytes are needed (the length is in the first 12), EDDA_EMALFORMED when the lengths or the magic are
 * impossible. The checksum is checked by batch_check(). */
int64_t batch_parse(struct slice bytes, struct batch *ret_batch, struct edda_error *error);

/* Checks all a broker checks before it stores an uncompressed batch: checksum, counts, offset deltas 0, 1, 2 …, every record's lengths
 * adding up, timestamps. Of a compressed batch only the header and checksum. EDDA_ECORRUPT or EDDA_EMALFORMED. */
int batch_check(const struct batch *batch, struct edda_error *error);
/* The same of a batch that lies in the log, which may be thin. */
int batch_check_stored(const struct batch *batch, struct edda_error *error);
/* The part of it that looks at no record: checksum and header. */
int batch_check_header(const struct batch *batch, struct edda_error *error);
/* The part of it that looks at one record, which batch_next() gave and which should be number `ordinal` of its batch. NULL when it is right, else
 * what is wrong: "is out of sequence", … */
const char *batch_check_record(const struct batch *batch, const struct record *record, int32_t ordinal);

/* Whether compaction has taken records from the batch since it came: the others keep their offset deltas, and may be none. */
static inline bool batch_is_thin(const struct batch *batch)
{
    return batch->record_count <= batch->last_offset_delta;
}

/* Reads the record at the cursor, which stands in uncompressed records, and moves behind it; false at the end
 * or when malformed (then the cursor has failed). */
bool batch_next(const struct batch *batch, struct cursor *records, struct record *ret_record);

/* The header named `key`, the first if there are several; false when there is none. */
bool record_header_find(const struct record *record, const char *key, struct slice *ret_value);
/* Steps through the headers: start with a cursor over record->headers. */
bool record_header_next(struct cursor *headers, struct record_header *ret_header);

/* Rewrites the fields that the store assigns and that the checksum does not cover: base offset and leader epoch. */
void batch_assign(uint8_t *batch_bytes, int64_t base_offset, int32_t leader_epoch);
/* Rewrites whose batch it is, and the checksum. */
void batch_set_producer(uint8_t *batch_bytes, size_t len, int64_t producer_id, int16_t epoch, int32_t base_sequence);
/* Rewrites the greatest timestamp of a batch, with `append_time` also its kind, and the checksum. */
void batch_stamp(uint8_t *batch_bytes, size_t len, int64_t max_timestamp_ms, bool append_time);

/*
 * Builds one uncompressed batch in a buffer of the caller's, record by record; the header is written by
 * batch_builder_finish(). Several builders may be under way, each with a buffer of its own.
 */
struct batch_builder {
    struct buffer *out;
    size_t start;              /* of the batch in the buffer */
    int64_t base_timestamp_ms; /* of the first record */
    int64_t max_timestamp_ms;
    int32_t record_count;
};

void batch_builder_init(struct batch_builder *builder, struct buffer *out);

/* Appends a record. `headers` are already encoded (record_headers_put()), without their count. Returns the byte offset of
 * the record from the start of the records section. The buffer's stickiness tells of lack of memory. */
uint32_t batch_builder_add(struct batch_builder *builder, int64_t timestamp_ms, struct slice key, struct slice value,
                           struct slice headers, uint32_t header_count);
/* Takes back everything from the record that began at byte `record` of the records section on; `count` and the two timestamps
 * as they were before. */
void batch_builder_rewind(struct batch_builder *builder, uint32_t record, int32_t count, int64_t max_timestamp_ms);
/* Writes header and checksum; at least one record must be there. */
void batch_builder_finish(struct batch_builder *builder, int64_t base_offset, int16_t attributes);

/* Appends a batch with the header of `from`, but for the records, which are some of its own: `records`, as they are to lie, compressed as `from` says unless there are none, their number and their
 * greatest timestamp. The buffer tells of a lack of memory. */
void batch_thin_put(struct buffer *out, const struct batch *from, struct slice records, int32_t record_count, int64_t max_timestamp_ms);

/* Appends one encoded header to a buffer. */
void record_headers_put(struct buffer *out, struct slice key, struct slice value);

#endif
