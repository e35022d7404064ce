/*
 * frame: the body of a log frame as the store fills it, in memory and on the disk: record batches, and the order in which their
 * records take positions. A batch is one that the store has filled from single records, or a producer's, as it came.
 *
 *      0  u32 batch_count, u32 remote_count, u32 hole_count, u32 order_bytes, u32 identified_bytes, u32 reserved (0)
 *     24  batch_count rows: u32 partition number (log-wide), u32 bytes of the batch, u32 records in it
 *         remote_count rows: u64 address of a batch of an earlier frame, u32 its partition number, u32 records in it
 *         order: pairs of varints (batch index, run length): which batch gives the next records; an index from batch_count on is
 *             that of a remote row. Empty when there are no remote rows and the batches follow one another whole, in the order of the rows
 *         identified: pairs of varints (records to pass, records that are identified): whose source and id
 *             are to be remembered. Empty when there are none
 *         zeros up to a multiple of 8
 *         per batch: a tag, the Kafka record batch (wire/kafka/batch.h), zeros up to a multiple of 8
 *
 * A tag is u32 partition number, u32 crc32c over the partition number and the first 21 bytes of the batch: it makes a
 * batch that is found through the index tell its partition, and it covers what Kafka's own checksum does not. The
 * address of a batch is that of its first byte, behind the tag. All integers here are little-endian, the varints
 * unsigned.
 *
 * Transactions. The records of a batch whose attributes say that it is transactional, or a control batch, take no position with it. When
 * its transaction commits, a later frame names it in a remote row, and its records take their positions there. A frame must have a position all the same, since by
 * positions is told what is durable: one that begins with a batch without any has a hole first, a position of no record.
 *
 * Thin batches. Compaction may have taken records from a batch, in its place: the others keep their positions and offset deltas, and the batch its address. The rows still tell how many bytes and records there were.
 * Behind the shorter batch lies how many of the records of which streams were taken (store/taken.h); then zeros, up to where the batch ended with its padding. They count as versions at the position of the
 * first one that was taken. A batch of which no record is left is its header.
 *
 * The position of a record is the frame's first position plus the holes plus the record's ordinal in the order. Validity: lengths add up to
 * the body to the byte, the order names each record that has a position once, reserved bytes and padding are zero. What a crash may leave is the
 * log's matter: a body is there whole or not at all.
 *
 * `struct frame` serves three purposes: the open frame, to which records are added; a closed frame that stays in
 * memory until it is durable and a little longer; and a frame loaded from the log, for readers.
 */
#ifndef EDDA_STORE_FRAME_H
#define EDDA_STORE_FRAME_H

#include "base/list.h"
#include "log/log.h"
#include "store/plain.h"

#define FRAME_BATCHES_MAX 1000 /* with the head, within what log_frame_append() takes */
#define FRAME_ALIGNMENT 8
#define FRAME_RECORD_OVERHEAD 36 /* most bytes of a record that are not key, value or headers */

struct frame_body_layout {
    uint32_t batch_count;
    uint32_t remote_count;
    uint32_t hole_count;
    uint32_t order_bytes;
    uint32_t identified_bytes;
    uint32_t reserved;
};

struct frame_row_layout {
    uint32_t partition;
    uint32_t batch_bytes;
    uint32_t record_count;
};

struct frame_remote_layout {
    uint64_t address;
    uint32_t partition;
    uint32_t record_count;
};

struct frame_tag_layout {
    uint32_t partition;
    uint32_t check;
};

#define FRAME_HEADER_BYTES 24
#define FRAME_ROW_BYTES 12
#define FRAME_REMOTE_BYTES 16
#define FRAME_TAG_BYTES 8
_Static_assert(sizeof(struct frame_body_layout) == FRAME_HEADER_BYTES, "layout of the head of a body");
_Static_assert(offsetof(struct frame_body_layout, hole_count) == 8, "layout of the head of a body");
_Static_assert(offsetof(struct frame_body_layout, identified_bytes) == 16, "layout of the head of a body");
_Static_assert(sizeof(struct frame_row_layout) == FRAME_ROW_BYTES, "layout of a row");
_Static_assert(offsetof(struct frame_row_layout, record_count) == 8, "layout of a row");
_Static_assert(sizeof(struct frame_remote_layout) == FRAME_REMOTE_BYTES, "layout of a remote row");
_Static_assert(offsetof(struct frame_remote_layout, partition) == 8, "layout of a remote row");
_Static_assert(sizeof(struct frame_tag_layout) == FRAME_TAG_BYTES, "layout of a tag");
_Static_assert(offsetof(struct frame_tag_layout, check) == 4, "layout of a tag");

/* Most bytes that opening a further batch adds to a body, and that a record adds beyond itself. */
#define FRAME_BATCH_COST (FRAME_ROW_BYTES + FRAME_TAG_BYTES + BATCH_HEADER_BYTES + FRAME_ALIGNMENT)
#define FRAME_RUN_COST 20

/* Where a record of the frame is. */
struct frame_ref {
    uint32_t batch : 30;   /* or which of the remote ones */
    uint32_t remote : 1;
    uint32_t identified : 1;
    uint32_t record;       /* its byte in the decompressed records of the batch; or FRAME_REF_TAKEN */
};
#define FRAME_REF_TAKEN UINT32_MAX /* the record was taken from its batch, which is thin */
#define FRAME_REF_MAX ((UINT32_C(1) << 30) - 1)
#define FRAME_REF_HOLE ((struct frame_ref){ .batch = FRAME_REF_MAX, .remote = 1 })

/* How far the records of a batch have got positions, while loading. */
struct frame_next {
    uint32_t record;              /* byte of the next one */
    uint32_t delta, count;        /* of a thin one: the next delta, and records met; */
    uint32_t taken;               /* and the ordinal in the frame of the first that was taken, UINT32_MAX for none: good beyond loading */
};

struct frame_batch {
    uint32_t partition;           /* number in the log */
    uint32_t at;                  /* byte of the batch in the body; once closed or loaded */
    uint32_t first;               /* ordinal of its first record in the frame; of one without positions, of the last batch before it that has some */
    struct frame_next next;
    uint32_t room;                /* bytes from the tag on up to the next batch, once loaded */
    bool whole;                   /* came as it is, and has no builder */
    uint64_t plain_key;           /* under which its decompressed records are kept */
    struct slice left;            /* of a thin one: what is left of the records that were taken: store/taken.h */
    struct batch batch;           /* what reading needs; `records` once closed or loaded, or when it came whole */
    struct batch_builder builder; /* of a frame that is filled here */
    struct buffer bytes;          /* likewise: tag, batch, padding */
};

/* A batch of an earlier frame, whose records take positions in this one. */
struct frame_remote {
    log_address address;
    uint32_t partition;
    uint32_t record_count;
    uint32_t first;
    struct frame_next next;
    struct slice left;            /* as of a batch */
    bool lost;                    /* only in salvage: the batch is not whole, and its records are none */
};

struct frame {
    struct list link;             /* the store's, while the frame is free */
    uint64_t first_position;
    uint32_t record_count;
    uint32_t batch_count;
    uint32_t batch_capacity;      /* batches beyond the count keep the memory of their buffers */
    uint32_t ref_capacity;
    uint32_t part_capacity;
    uint32_t remote_count;
    uint32_t remote_capacity;
    uint32_t holes;               /* positions at the start that are of no record: 0 or 1; record_count has them in it */
    uint32_t order_runs;
    uint32_t identified_runs;
    bool open;
    bool last_identified;         /* whether the last record was */
    int64_t opened_ns;            /* boot clock */
    int64_t time_ms;              /* log time of the last append */
    uint64_t body_bytes;          /* while open: an upper bound */
    uint64_t spare;               /* bytes of the body that thin batches do not need, when loaded */
    log_address address;          /* of the frame, once closed or loaded */
    log_address body;             /* of its first byte */
    log_address next;             /* of the frame behind it, when loaded */
    struct frame_batch *batches;
    struct frame_remote *remotes;
    struct frame_ref *refs;       /* one for each record or hole, in the order of positions */
    struct slice *parts;          /* what the log borrows */
    struct buffer head;
};

/* NULL when out of memory. */
struct frame *frame_new(void);
void frame_free(struct frame *frame);
/* Forgets the contents and keeps some of the memory. */
void frame_reset(struct frame *frame);

/* Makes an empty frame the open one. */
void frame_open(struct frame *frame, uint64_t first_position, int64_t now_ns);

/* Adds a batch for a partition; *ret_batch is its index. EDDA_ENOMEM; EDDA_ELIMIT when there are FRAME_BATCHES_MAX. */
int frame_batch_open(struct frame *frame, uint32_t partition, int64_t base_offset, uint32_t *ret_batch);

/* Adds a record to a batch; *ret_record is its byte in the records of the batch. EDDA_ENOMEM leaves the frame as it was. */
int frame_add(struct frame *frame, uint32_t batch, int64_t timestamp_ms, const struct record *record, bool identified,
              uint32_t *ret_record);

/* A batch as it came, and what the store assigns. */
struct frame_whole {
    uint32_t partition;
    const struct batch *batch;
    int64_t base_offset;
    bool stamp;               /* its greatest timestamp is to be this, and its timestamps may be those of the log */
    bool append_time;
    int64_t max_timestamp_ms;
    uint64_t plain_key;
    const uint32_t *records;  /* the bytes at which its records begin, or FRAME_REF_TAKEN; unless they take no positions */
    struct slice left;        /* of a thin one; not empty then */
};
/* Adds a whole batch, copied, and the positions of its records, unless it is one without. *ret_batch may be NULL. EDDA_ENOMEM, EDDA_ELIMIT: the frame is
 * as it was. */
int frame_add_batch(struct frame *frame, const struct frame_whole *whole, uint32_t *ret_batch);
/* Most bytes that it adds to the body. */
static inline uint64_t frame_batch_bytes_max(size_t batch_bytes)
{
    return FRAME_BATCH_COST + batch_bytes + FRAME_RUN_COST;
}

/* Room for so many further batches, remote batches and records, so that adding them cannot fail for want of it. */
bool frame_reserve(struct frame *frame, uint32_t batches, uint32_t remotes, uint32_t records);
/* Gives positions to the records of a batch of an earlier frame. There must be room. */
void frame_add_remote(struct frame *frame, log_address address, uint32_t partition, const uint32_t *records, uint32_t count);

/* A place to which an append that fails half-way goes back. */
struct frame_mark {
    uint32_t record_count;
    uint32_t batch_count;
    uint32_t order_runs;
    uint32_t identified_runs;
    bool last_identified;
    uint64_t body_bytes;
};
struct frame_mark frame_mark(const struct frame *frame);
/* Takes back all records and batches since the mark. */
void frame_rewind(struct frame *frame, const struct frame_mark *mark);

/* Closes the frame, which must hold a record: afterwards parts[0 .. *ret_count) make up its body. EDDA_ENOMEM leaves
 * it open. The frame's address is the caller's to set. */
int frame_close(struct frame *frame, size_t *ret_count);

/* From where comes what is not in a frame. */
struct frame_source {
    struct plain *plain;
    /* A batch of an earlier frame by its address, checked. */
    int (*batch)(void *user, log_address address, uint32_t *ret_partition, struct batch *ret_batch, struct edda_error *error);
    /* The log from an address on. */
    struct slice (*bytes)(void *user, log_address address);
    void *user;
    bool lacking;             /* salvage: a batch that gives EDDA_ECORRUPT is lost, and the frame that names it is loaded all the same */
};

/* Fills an empty frame from one that was read; it borrows the body. EDDA_ECORRUPT when the body is not valid though its
 * checksum is right; EDDA_EUNSUPPORTED for a form of compression that is not in this build; EDDA_ENOMEM. */
int frame_load(struct frame *frame, const struct log_frame *from, const struct frame_source *source, struct edda_error *error);

/* Visits the batches of a frame that was read, in the order of its rows, by their headers alone; ends at a result other than 0 and returns it. EDDA_ECORRUPT. */
int frame_rows_each(const struct log_frame *from, int (*visit)(void *user, uint32_t partition, log_address address, const struct batch *batch),
                    void *user);

/* The record with this ordinal, which is no hole. EDDA_ENOTFOUND when it was taken from its batch, EDDA_ECORRUPT when its bytes are malformed, and what decompression gives. */
int frame_record(const struct frame *frame, uint32_t ordinal, const struct frame_source *source, struct record *ret_record,
                 struct edda_error *error);

/* The checksum in the tag of a batch. */
uint32_t frame_tag_check(uint32_t partition, const uint8_t *batch_bytes);

/* How many offsets, and positions, a batch takes. */
static inline uint32_t batch_offset_count(const struct batch *batch)
{
    return (uint32_t)batch->last_offset_delta + 1;
}

/* What of a thin batch's room is needed: tag, batch, and what is left of what was taken; a multiple of FRAME_ALIGNMENT. */
static inline size_t frame_thin_bytes(size_t batch_bytes, size_t left_bytes)
{
    return (FRAME_TAG_BYTES + batch_bytes + left_bytes + FRAME_ALIGNMENT - 1) & ~(size_t)(FRAME_ALIGNMENT - 1);
}

/* Whether the records of a batch take no positions in its frame. */
static inline bool batch_is_placeless(const struct batch *batch)
{
    return batch->attributes & (BATCH_TRANSACTIONAL | BATCH_CONTROL);
}

/* The partition number of the record with this ordinal, which is no hole. */
static inline uint32_t frame_partition_of(const struct frame *frame, uint32_t ordinal)
{
    const struct frame_ref *ref = &frame->refs[ordinal];
    return ref->remote ? frame->remotes[ref->batch].partition : frame->batches[ref->batch].partition;
}

/* The position of the frame's first record. */
static inline uint64_t frame_begin(const struct frame *frame)
{
    return frame->first_position + frame->holes;
}

static inline uint64_t frame_end(const struct frame *frame)
{
    return frame->first_position + frame->record_count;
}

#endif
