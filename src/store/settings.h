/*
 * settings: what can be set for a topic, and what a broker says of itself, under Kafka's names. One table for each: name, kind, default,
 * range and documentation; the tools, DescribeConfigs and docs/reference show the same rows.
 *
 * A value is an int64_t whatever its kind is, and its text is made from it: a number as such, true or false as 1 or 0, a ratio in millionths,
 * one of several words as its place among them, a list of words as a set of bits. So reading a setting is reading a number.
 *
 * What a topic has set stands in its row of "_edda.topics"; what it has not set is the default. Of the internal topics nothing can be set: they are tables.
 */
#ifndef EDDA_STORE_SETTINGS_H
#define EDDA_STORE_SETTINGS_H

#include "base/slice.h"
#include "edda/error.h"

struct store;
struct topic;

#define STORE_BATCH_BYTES_DEFAULT 1048588 /* of max.message.bytes, as in Kafka */
#define STORE_BATCH_BYTES_MAX 33554432    /* what fits the log's frames whatever else is configured */
#define SETTING_TEXT_MAX 64 /* bytes of a value as text, with its zero */

/* The numbers are those of Kafka's ConfigDef types. */
enum setting_kind {
    SETTING_BOOL = 1,
    SETTING_WORD = 2,   /* one of `words` */
    SETTING_INT = 3,
    SETTING_LONG = 5,
    SETTING_RATIO = 6,  /* between 0 and 1 */
    SETTING_WORDS = 7   /* some of `words`, with commas */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    int64_t initial;            /* the default */
    int64_t min, max;           /* of numbers */
    const char *const *words;   /* ends with NULL */
    bool needed;                /* of a list: may not be empty */
    bool idle;                  /* accepted and shown because tools set it, and without effect here; the documentation says why */
    const char *documentation;
};

enum topic_setting {
    TOPIC_CLEANUP_POLICY,
    TOPIC_COMPRESSION_GZIP_LEVEL,
    TOPIC_COMPRESSION_LZ4_LEVEL,
    TOPIC_COMPRESSION_TYPE,
    TOPIC_COMPRESSION_ZSTD_LEVEL,
    TOPIC_DELETE_RETENTION_MS,
    TOPIC_FILE_DELETE_DELAY_MS,
    TOPIC_FLUSH_MESSAGES,
    TOPIC_FLUSH_MS,
    TOPIC_FOLLOWER_THROTTLED,
    TOPIC_INDEX_INTERVAL_BYTES,
    TOPIC_LEADER_THROTTLED,
    TOPIC_LOCAL_RETENTION_BYTES,
    TOPIC_LOCAL_RETENTION_MS,
    TOPIC_MAX_COMPACTION_LAG_MS,
    TOPIC_MAX_MESSAGE_BYTES,
    TOPIC_MESSAGE_DOWNCONVERSION,
    TOPIC_TIMESTAMP_AFTER_MAX_MS,
    TOPIC_TIMESTAMP_BEFORE_MAX_MS,
    TOPIC_TIMESTAMP_TYPE,
    TOPIC_MIN_CLEANABLE_DIRTY_RATIO,
    TOPIC_MIN_COMPACTION_LAG_MS,
    TOPIC_MIN_INSYNC_REPLICAS,
    TOPIC_PREALLOCATE,
    TOPIC_REMOTE_STORAGE_ENABLE,
    TOPIC_RETENTION_BYTES,
    TOPIC_RETENTION_MS,
    TOPIC_SEGMENT_BYTES,
    TOPIC_SEGMENT_INDEX_BYTES,
    TOPIC_SEGMENT_JITTER_MS,
    TOPIC_SEGMENT_MS,
    TOPIC_UNCLEAN_LEADER_ELECTION,
    TOPIC_SETTING_COUNT
};

/* Values of TOPIC_CLEANUP_POLICY are bits, those of TOPIC_TIMESTAMP_TYPE and TOPIC_COMPRESSION_TYPE numbers. */
#define CLEANUP_DELETE 1
#define CLEANUP_COMPACT 2
enum timestamp_type {
    TIMESTAMP_CREATE,
    TIMESTAMP_LOG_APPEND
};
#define COMPRESSION_OF_PRODUCER 0 /* the others in the order of `words`: as Kafka numbers them, with 1 for gzip; "uncompressed" comes last */

/* What a topic has set; the rest are defaults. Part of the topic, which has none as long as nothing is set. */
struct topic_settings {
    uint64_t set;              /* a bit for each */
    int64_t values[TOPIC_SETTING_COUNT];
};

extern const struct setting topic_setting_table[TOPIC_SETTING_COUNT];
/* Settings of a broker that Kafka's tools and clients look at. Values that a configuration decides (node.id, listeners, …) are the caller's to fill in. */
extern const struct setting broker_setting_table[];
extern const size_t broker_setting_count;

/* The value in force. */
int64_t topic_setting_get(const struct topic *topic, enum topic_setting id);
/* Whether the topic has set it itself. */
bool topic_setting_is_set(const struct topic *topic, enum topic_setting id);
/* The row of a name, in the table of topics; NULL. */
const struct setting *topic_setting_find(struct slice name);

/* A value as text, and back: EDDA_EINVAL names the setting, the value and the range. */
void setting_print(const struct setting *setting, int64_t value, char ret_text[SETTING_TEXT_MAX]);
int setting_parse(const struct setting *setting, struct slice text, int64_t *ret_value, struct edda_error *error);

/* The numbers are those of IncrementalAlterConfigs. */
enum setting_change_kind {
    SETTING_SET,
    SETTING_RESET,      /* back to the default; without a name: all of them */
    SETTING_APPEND,     /* words to a list */
    SETTING_SUBTRACT    /* words from a list */
};

struct setting_change {
    struct slice name;
    struct slice value;
    enum setting_change_kind kind;
};

/*
 * Changes settings of a topic, in their order, all or none; durable with the frame. With `validate_only` nothing is changed; then `topic` may be NULL: one that
 * is to be made. EDDA_EINVAL names the setting, the value and what is allowed; also when a topic would be compacted to which deciders write, or an internal
 * one changed. Those of store_append().
 */
int store_topic_settings_alter(struct store *store, struct topic *topic, const struct setting_change *changes, size_t count,
                               bool validate_only, struct edda_error *error);

#endif
