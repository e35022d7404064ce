/*
 * run: one immutable file of the index, described in prose in docs/internals/index-format.md:
 *
 *      header     one block: struct run_header, zeros
 *      directory  a line of 64 bytes for each bucket: where it is, and a filter of its keys; zeros to a full block
 *      data       buckets in the order of their keys; the pieces of a long list before the bucket that names it;
 *                 at least RUN_SLACK_BYTES zeros to a full block
 *      sums       u32 crc32c of each block of directory and data
 *
 * A key's bucket is its high half times the number of buckets, divided by 2^64: keys are hashes, so the buckets fill
 * evenly and no search leads to them. Integers are little-endian and aligned, but in entries (store/run_entry.h).
 *
 * Valid is a run whose header has the right sum, log and seed, and the name's part of the log; whose size is the
 * header's; and whose sums have the sum that the header says. That is checked by run_open(). A block is checked
 * against its sum when it is first touched, and nothing of it is believed before.
 *
 * What a crash may leave: files under a temporary name, in any state. A file gets its name when it is durable.
 */
#ifndef EDDA_STORE_RUN_H
#define EDDA_STORE_RUN_H

#include "store/index.h"

#define RUN_FORMAT 1
#define RUN_BLOCK_BYTES UINT64_C(4096)
#define RUN_LINE_BYTES 64
#define RUN_FILTER_WORDS 6
#define RUN_BUCKET_KEYS 36   /* on average: 10.7 bits of filter for each key */
#define RUN_SHORT_ENTRIES 32 /* a longer list is cut into pieces */
#define RUN_PIECE_ENTRIES 128
#define RUN_SLACK_BYTES 64

struct run_header {
    uint8_t magic[8];    /* RUN_MAGIC */
    uint32_t format;     /* RUN_FORMAT */
    uint32_t header_sum; /* crc32c of the block of the header with this field 0 */
    uint32_t sums_sum;   /* crc32c of the sums */
    uint32_t reserved;   /* 0 */
    uint64_t log_id;
    uint64_t seed;
    uint64_t from; /* it covers the log's addresses from here */
    uint64_t to;   /* to before here */
    uint64_t keys;
    uint64_t entries;
    uint64_t position_min; /* the first entry of a short list and of a piece is written after one with this position */
    uint64_t position_max;
    uint64_t batch_min; /* and this batch */
    uint64_t buckets;
    uint64_t data_at; /* bytes from the start of the file; the directory begins at RUN_BLOCK_BYTES */
    uint64_t sums_at;
    uint64_t file_bytes;
};
#define RUN_MAGIC "EddaRun\n"
_Static_assert(sizeof(struct run_header) == 128, "the header's fields take 128 bytes");
_Static_assert(offsetof(struct run_header, log_id) == 24 && offsetof(struct run_header, keys) == 56 &&
                   offsetof(struct run_header, buckets) == 96,
               "the header has no holes");

struct run_line {
    uint64_t at; /* of the bucket, in the file */
    uint32_t bytes;
    uint32_t keys;
    uint64_t filter[RUN_FILTER_WORDS]; /* bit (lo >> 6 * i) mod 64 of word i is set for each key */
};
_Static_assert(sizeof(struct run_line) == RUN_LINE_BYTES && offsetof(struct run_line, filter) == 16,
               "a line of the directory takes 64 bytes");

/* A bucket is u64 hi[keys], struct run_key[keys], both in the order of the keys, the short lists, zeros to 8 bytes. */
struct run_key {
    uint64_t lo;
    uint32_t at;    /* in the bucket: the list's entries, or its struct run_long */
    uint32_t count; /* 0: a long list */
};
_Static_assert(sizeof(struct run_key) == 16, "a key takes 16 bytes and its high half");

struct run_long {
    uint64_t count;
    uint64_t at; /* in the file: struct run_piece for each piece, directly behind the last piece */
};
_Static_assert(sizeof(struct run_long) == 16, "a long list takes 16 bytes in its bucket");

struct run_piece {
    uint64_t position; /* of its first entry */
    uint64_t at;       /* in the file; it ends where the next one or, the last, where the pieces' list begins */
};
_Static_assert(sizeof(struct run_piece) == 16, "a piece takes 16 bytes in the list of pieces");

/* What ties a run to its log, and the part that it covers. */
struct run_identity {
    uint64_t log_id;
    uint64_t seed;
    uint64_t from;
    uint64_t to;
};

struct run {
    struct io *io;
    struct io_file *file;
    struct run_header header;
    const uint8_t *map; /* the whole file */
    uint8_t *checked;   /* a bit for each block that had the right sum; the owner's */
    bool damaged;       /* a block had not */
    char *path;
};

/* EDDA_ECORRUPT, EDDA_EFORMAT: it must not be used. Others: it could not be read. */
int run_open(struct io *io, const char *path, const struct run_identity *identity, struct run **ret_run,
             struct edda_error *error);
/* NULL is allowed. Any thread, when no other uses it. */
void run_close(struct run *run);

/* A reader's own record of the blocks that it has checked, so that a job reads a run beside its owner. */
struct run_view {
    const struct run *run;
    uint8_t *checked;
};
/* The owner's. */
static inline struct run_view run_view(const struct run *run)
{
    return (struct run_view){ run, run->checked };
}
/* Memory for `checked`, zeroed; NULL when out of memory. */
uint8_t *run_checked_new(const struct run *run);

/* A key's list in a run: `at` to `end` are the entries of a short one, `pieces` points to a long one's. */
struct run_list {
    uint64_t count;
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *pieces; /* NULL: short */
    uint64_t pieces_at;    /* in the file */
};

/* 1 and the list, 0 when the run has no such key, or EDDA_ECORRUPT. */
int run_find(const struct run_view *view, struct hash128 key, struct run_list *ret_list);
/* Asks for the memory that run_find() reads first. */
void run_prefetch(const struct run *run, struct hash128 key);
/* Then for what it reads next, when the key may be there. To be called for all runs before any is searched, so that
 * their memory comes at the same time. */
void run_prefetch_list(const struct run *run, struct hash128 key);
/* The ordinal of the first entry whose position is at least `position`, else the count. */
int run_find_position(const struct run_view *view, const struct run_list *list, uint64_t position,
                      uint64_t *ret_ordinal);

/* A place in a list, to read on from. */
struct run_cursor {
    struct run_list list;
    uint64_t ordinal;
    const uint8_t *at;
    const uint8_t *end; /* of the short list or the piece */
    struct index_entry before;
};
/* To the entry with this ordinal, which may be the count. */
int run_cursor_init(const struct run_view *view, const struct run_list *list, uint64_t ordinal,
                    struct run_cursor *ret_cursor);
/* Reads up to `max` entries; how many, 0 at the end, or EDDA_ECORRUPT. */
int64_t run_cursor_read(const struct run_view *view, struct run_cursor *cursor, struct index_entry *ret_entries,
                        size_t max);

/* All keys of a run, in order. */
struct run_scan {
    struct run_view view;
    uint64_t bucket;      /* the next one */
    const uint8_t *bytes; /* the current one's */
    struct run_line line;
    uint32_t at;        /* the next key in it */
    struct hash128 key; /* the current key */
    struct run_list list;
};
void run_scan_init(const struct run_view *view, struct run_scan *ret_scan);
/* 1 when there is a further key, 0 at the end, or EDDA_ECORRUPT. */
int run_scan_next(struct run_scan *scan);

/* Checks every block against its sum, and that all lists can be read and are in order. */
int run_verify(const struct run *run, struct edda_error *error);

/*
 * Writes a run, from keys in order, into an empty file. A writer keeps one bucket and 512 KiB of output in memory, and
 * syncs as it goes, so that no sync is long.
 */
struct run_writer;

struct run_writer_options {
    struct run_identity identity;
    uint64_t keys_estimate; /* how many there will be; sets the number of buckets */
    uint64_t position_min;  /* no entry's position is less */
    uint64_t batch_min;     /* preferably no entry's batch is less */
};
int run_writer_new(struct io *io, struct io_file *file, const struct run_writer_options *options,
                   struct run_writer **ret_writer);
void run_writer_free(struct run_writer *writer);
/* Begins the list of a key, which is greater than the one before. */
int run_writer_list(struct run_writer *writer, struct hash128 key, uint64_t count);
/* Its entries, in one or several calls, up to `count` in all. */
int run_writer_entries(struct run_writer *writer, const struct index_entry *entries, size_t count);
/* Writes what is left, the sums and the header, and syncs. */
int run_writer_end(struct run_writer *writer);

__extension__ typedef unsigned __int128 run_uint128;

/* The bucket of a key, and in *ret_rest how far into the bucket it is, as a part of 2^64. */
static inline uint64_t run_bucket(uint64_t hi, uint64_t buckets, uint64_t *ret_rest)
{
    run_uint128 product = (run_uint128)hi * buckets;

    *ret_rest = (uint64_t)product;
    return (uint64_t)(product >> 64);
}

/* The filter's mask for word `i`. */
static inline uint64_t run_filter_bit(struct hash128 key, unsigned i)
{
    return UINT64_C(1) << (key.lo >> 6 * i & 63);
}

#endif
