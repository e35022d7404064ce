/*
 * The store as a list: what was done, in the order of the positions it took, and what follows from that. A crash cuts
 * the list short, and the rest is worked out anew.
 */
#ifndef EDDA_TESTS_STORE_MODEL_H
#define EDDA_TESTS_STORE_MODEL_H

#include "store/store.h"

#define MODEL_TOPICS 4 /* the last is the hook's */
#define MODEL_HOOK (MODEL_TOPICS - 1)
#define MODEL_KEYS 5
#define MODEL_PARTITIONS 8
#define MODEL_GROUPS 2
#define MODEL_SNAPSHOTS 3
#define MODEL_CORRELATIONS 4
#define MODEL_MESSAGES 4 /* of one append */
#define MODEL_OPS 2048
#define MODEL_RECORDS 4096
#define MODEL_IDS 1024

enum op_kind {
    OP_ROW,      /* of an internal table, which only takes a position */
    OP_APPEND,
    OP_TRUNCATE, /* topic, key, number: the version before which */
    OP_DELETE,   /* topic, key */
    OP_COMMIT,   /* group, topic, partition, number: the offset */
    OP_SNAPSHOT, /* key: its name, number: the version */
    OP_TOPIC,    /* topic, number: partitions */
    OP_GROW,     /* topic, number: partitions */
    OP_MIXED,    /* topic */
    OP_CUT       /* topic, partition, number: the first offset that is kept */
};

struct model_message {
    uint32_t value;      /* 0: null */
    int16_t id;          /* -1: none */
    int8_t topic;
    int8_t key;          /* -1: none */
    int8_t partition;    /* -1: not chosen by the sender */
    int8_t correlation;  /* -1: none */
    bool identify;
};

struct op {
    enum op_kind kind;
    uint64_t position;
    uint32_t count;      /* of positions */
    int topic, key, group, partition;
    int64_t number;
    struct model_message messages[MODEL_MESSAGES];
};

struct model_record {
    struct model_message message;
    uint64_t position;
    int64_t offset;
    int64_t version;     /* -1: no key */
    int partition;
};

struct model_topic {
    bool exists, mixed;
    int partitions;
    int64_t next_offset[MODEL_PARTITIONS];
    int64_t start[MODEL_PARTITIONS];
};

struct model_stream {
    int64_t next_version;
    int64_t truncate_before;
    int64_t deleted_at;
    int last_partition;
    int64_t last_offset;
};

struct model {
    struct op ops[MODEL_OPS];
    size_t op_count;
    size_t applied;
    uint64_t tail;
    struct model_topic topics[MODEL_TOPICS];
    struct model_stream streams[MODEL_TOPICS][MODEL_KEYS];
    struct model_record records[MODEL_RECORDS];
    size_t record_count;
    int64_t offsets[MODEL_GROUPS][MODEL_TOPICS][MODEL_PARTITIONS]; /* -1: none */
    int64_t snapshots[MODEL_SNAPSHOTS];                            /* -1: none */
    int first_with_id[MODEL_IDS];                                  /* the first record that was not gone when the next came, or -1 */
};

extern const char *const model_topic_names[MODEL_TOPICS];
struct slice model_key(int key);
uint32_t model_partition_by_hash(const struct model *m, const struct model_message *message);

void model_init(struct model *m);
/* Notes an operation; its place in the list follows from its position when it is applied. */
struct op *model_note(struct model *m, enum op_kind kind, uint64_t position, uint32_t count);
/* Applies what was noted. Positions up to `tail` that nobody took must be one at most, and a row that marks the topic
 * `mixed` (-1: none). False when positions are missing or taken twice. */
bool model_apply(struct model *m, uint64_t tail, int mixed);
/* Forgets everything from `tail` on; false when that is in the middle of an operation or behind the end. */
bool model_cut(struct model *m, uint64_t tail);

/* Whether a record lies before the start of its partition. */
bool model_gone(const struct model *m, const struct model_record *record);
int64_t model_first_version(const struct model *m, int topic, int key);
bool model_deleted(const struct model_stream *s);

/* What an append will return; when 0, *ret_appended, but for the position of one that is not a repeat. */
int model_predict(const struct model *m, const struct store_condition *conditions, int (*streams)[2], size_t condition_count,
                  const struct model_message *messages, size_t count, struct store_appended *ret_appended);

/* The ordinals of the records that belong into a reading, in its order; returns how many. */
size_t model_stream_records(const struct model *m, int topic, int key, int64_t version, bool backward, uint64_t max,
                            uint32_t *ret_records);
size_t model_correlation_records(const struct model *m, int correlation, uint32_t *ret_records);
size_t model_partition_records(const struct model *m, int topic, int partition, int64_t offset, uint64_t max,
                               uint32_t *ret_records);
size_t model_records_from(const struct model *m, uint64_t position, int topic, uint32_t *ret_records);
/* The last record of each key of a topic whose value is not null. */
size_t model_table_records(const struct model *m, int topic, uint32_t *ret_records);

#endif
