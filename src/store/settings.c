/*
 * settings: the tables, values and their texts. Storing them is topics.c's: they are part of a topic's row.
 *
 * Where Kafka's default would lose records or make no sense for a log that is always synced, the default is another, and the documentation says so.
 */
#include "store/settings.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "store/internal.h"

#define RATIO_ONE 1000000
#define DAY_MS 86400000

static const char *const cleanup_words[] = { "delete", "compact", NULL };
static const char *const timestamp_words[] = { "CreateTime", "LogAppendTime", NULL };
static const char *const compression_words[] = { "producer", "gzip", "snappy", "lz4", "zstd", "uncompressed", NULL };
static const char *const no_words[] = { NULL };
static const char *const role_words[] = { "controller", "broker", NULL };

#define IDLE_SEGMENTS "No effect: all topics share the segments of one log."
#define IDLE_REPLICAS "No effect: there is one replica, and what is acknowledged is synced."

const struct setting topic_setting_table[TOPIC_SETTING_COUNT] = {
    [TOPIC_CLEANUP_POLICY] = { "cleanup.policy", SETTING_WORDS, .initial = CLEANUP_DELETE, .words = cleanup_words, .needed = true,
        .documentation = "delete: records go when their retention is over. compact: of each key the last record stays. Compaction is refused for a topic to which deciders write." },
    [TOPIC_COMPRESSION_GZIP_LEVEL] = { "compression.gzip.level", SETTING_INT, .initial = -1, .min = -1, .max = 9, .idle = true,
        .documentation = "No effect: batches are kept as producers compressed them." },
    [TOPIC_COMPRESSION_LZ4_LEVEL] = { "compression.lz4.level", SETTING_INT, .initial = 9, .min = 1, .max = 17, .idle = true,
        .documentation = "No effect: batches are kept as producers compressed them." },
    [TOPIC_COMPRESSION_TYPE] = { "compression.type", SETTING_WORD, .initial = COMPRESSION_OF_PRODUCER, .words = compression_words, .idle = true,
        .documentation = "No effect: batches are kept as producers compressed them (producer)." },
    [TOPIC_COMPRESSION_ZSTD_LEVEL] = { "compression.zstd.level", SETTING_INT, .initial = 3, .min = -131072, .max = 22, .idle = true,
        .documentation = "No effect: batches are kept as producers compressed them." },
    [TOPIC_DELETE_RETENTION_MS] = { "delete.retention.ms", SETTING_LONG, .initial = DAY_MS, .min = 0, .max = INT64_MAX,
        .documentation = "How long compaction keeps the last record of a key when its value is null." },
    [TOPIC_FILE_DELETE_DELAY_MS] = { "file.delete.delay.ms", SETTING_LONG, .initial = 60000, .min = 0, .max = INT64_MAX, .idle = true,
        .documentation = IDLE_SEGMENTS },
    [TOPIC_FLUSH_MESSAGES] = { "flush.messages", SETTING_LONG, .initial = 1, .min = 1, .max = INT64_MAX, .idle = true,
        .documentation = "No effect: every record is synced before it is acknowledged (1)." },
    [TOPIC_FLUSH_MS] = { "flush.ms", SETTING_LONG, .initial = INT64_MAX, .min = 0, .max = INT64_MAX, .idle = true,
        .documentation = "No effect: every record is synced before it is acknowledged." },
    [TOPIC_FOLLOWER_THROTTLED] = { "follower.replication.throttled.replicas", SETTING_WORDS, .words = no_words, .idle = true,
        .documentation = IDLE_REPLICAS },
    [TOPIC_INDEX_INTERVAL_BYTES] = { "index.interval.bytes", SETTING_INT, .initial = 4096, .min = 0, .max = INT32_MAX, .idle = true,
        .documentation = "No effect: every batch is in the index." },
    [TOPIC_LEADER_THROTTLED] = { "leader.replication.throttled.replicas", SETTING_WORDS, .words = no_words, .idle = true,
        .documentation = IDLE_REPLICAS },
    [TOPIC_LOCAL_RETENTION_BYTES] = { "local.retention.bytes", SETTING_LONG, .initial = -2, .min = -2, .max = INT64_MAX, .idle = true,
        .documentation = "No effect: there is no remote storage." },
    [TOPIC_LOCAL_RETENTION_MS] = { "local.retention.ms", SETTING_LONG, .initial = -2, .min = -2, .max = INT64_MAX, .idle = true,
        .documentation = "No effect: there is no remote storage." },
    [TOPIC_MAX_COMPACTION_LAG_MS] = { "max.compaction.lag.ms", SETTING_LONG, .initial = INT64_MAX, .min = 1, .max = INT64_MAX, .idle = true,
        .documentation = "No effect: compaction goes by how much has been appended since the last." },
    [TOPIC_MAX_MESSAGE_BYTES] = { "max.message.bytes", SETTING_INT, .initial = STORE_BATCH_BYTES_DEFAULT, .min = 0, .max = STORE_BATCH_BYTES_MAX,
        .documentation = "The largest batch that a producer may append, in bytes." },
    [TOPIC_MESSAGE_DOWNCONVERSION] = { "message.downconversion.enable", SETTING_BOOL, .initial = 1, .idle = true,
        .documentation = "No effect: batches are never converted." },
    [TOPIC_TIMESTAMP_AFTER_MAX_MS] = { "message.timestamp.after.max.ms", SETTING_LONG, .initial = 3600000, .min = 0, .max = INT64_MAX,
        .documentation = "How far a record's timestamp may lie ahead of log time, in milliseconds. Not for LogAppendTime." },
    [TOPIC_TIMESTAMP_BEFORE_MAX_MS] = { "message.timestamp.before.max.ms", SETTING_LONG, .initial = INT64_MAX, .min = 0, .max = INT64_MAX,
        .documentation = "How far a record's timestamp may lie behind log time, in milliseconds. Not for LogAppendTime." },
    [TOPIC_TIMESTAMP_TYPE] = { "message.timestamp.type", SETTING_WORD, .initial = TIMESTAMP_CREATE, .words = timestamp_words,
        .documentation = "CreateTime: the producer's timestamps. LogAppendTime: the log's." },
    [TOPIC_MIN_CLEANABLE_DIRTY_RATIO] = { "min.cleanable.dirty.ratio", SETTING_RATIO, .initial = RATIO_ONE / 2, .min = 0, .max = RATIO_ONE, .idle = true,
        .documentation = "No effect: compaction goes by how much has been appended since the last." },
    [TOPIC_MIN_COMPACTION_LAG_MS] = { "min.compaction.lag.ms", SETTING_LONG, .initial = 0, .min = 0, .max = INT64_MAX,
        .documentation = "How long a record is kept before compaction may remove it." },
    [TOPIC_MIN_INSYNC_REPLICAS] = { "min.insync.replicas", SETTING_INT, .initial = 1, .min = 1, .max = INT32_MAX, .idle = true,
        .documentation = IDLE_REPLICAS },
    [TOPIC_PREALLOCATE] = { "preallocate", SETTING_BOOL, .initial = 0, .idle = true, .documentation = IDLE_SEGMENTS },
    [TOPIC_REMOTE_STORAGE_ENABLE] = { "remote.storage.enable", SETTING_BOOL, .initial = 0, .max = 0,
        .documentation = "There is no remote storage: false only." },
    [TOPIC_RETENTION_BYTES] = { "retention.bytes", SETTING_LONG, .initial = -1, .min = -1, .max = INT64_MAX,
        .documentation = "The most bytes that a partition keeps; its oldest records go first. -1: no limit." },
    [TOPIC_RETENTION_MS] = { "retention.ms", SETTING_LONG, .initial = -1, .min = -1, .max = INT64_MAX,
        .documentation = "How long records are kept, in milliseconds. -1, the default here: for ever." },
    [TOPIC_SEGMENT_BYTES] = { "segment.bytes", SETTING_INT, .initial = 1073741824, .min = 14, .max = INT32_MAX, .idle = true,
        .documentation = IDLE_SEGMENTS },
    [TOPIC_SEGMENT_INDEX_BYTES] = { "segment.index.bytes", SETTING_INT, .initial = 10485760, .min = 4, .max = INT32_MAX, .idle = true,
        .documentation = IDLE_SEGMENTS },
    [TOPIC_SEGMENT_JITTER_MS] = { "segment.jitter.ms", SETTING_LONG, .initial = 0, .min = 0, .max = INT64_MAX, .idle = true,
        .documentation = IDLE_SEGMENTS },
    [TOPIC_SEGMENT_MS] = { "segment.ms", SETTING_LONG, .initial = INT64_C(7) * DAY_MS, .min = 1, .max = INT64_MAX, .idle = true,
        .documentation = IDLE_SEGMENTS },
    [TOPIC_UNCLEAN_LEADER_ELECTION] = { "unclean.leader.election.enable", SETTING_BOOL, .initial = 0, .idle = true,
        .documentation = IDLE_REPLICAS },
};
_Static_assert(TOPIC_SETTING_COUNT <= 64, "a bit for each setting");

const struct setting broker_setting_table[] = {
    { "auto.create.topics.enable", SETTING_BOOL, .initial = 1, .documentation = "Whether a topic is made when it is first asked for." },
    { "broker.id", SETTING_INT, .initial = 1, .max = INT32_MAX, .documentation = "The number of this broker, which is the only one." },
    { "compression.type", SETTING_WORD, .initial = COMPRESSION_OF_PRODUCER, .words = compression_words, .documentation = "Batches are kept as producers compressed them." },
    { "default.replication.factor", SETTING_INT, .initial = 1, .min = 1, .max = 1, .documentation = "There is one replica." },
    { "delete.topic.enable", SETTING_BOOL, .initial = 1, .documentation = "Whether topics can be deleted." },
    { "fetch.max.bytes", SETTING_INT, .initial = 57671680, .min = 1024, .max = INT32_MAX, .documentation = "The most bytes that one fetch gives." },
    { "group.initial.rebalance.delay.ms", SETTING_INT, .initial = 3000, .max = INT32_MAX, .documentation = "How long an empty group waits for further members." },
    { "group.max.session.timeout.ms", SETTING_INT, .initial = 1800000, .max = INT32_MAX, .documentation = "The longest session timeout of a group's member." },
    { "group.min.session.timeout.ms", SETTING_INT, .initial = 6000, .max = INT32_MAX, .documentation = "The shortest session timeout of a group's member." },
    { "log.cleaner.delete.retention.ms", SETTING_LONG, .initial = DAY_MS, .max = INT64_MAX, .documentation = "The default of delete.retention.ms." },
    { "log.cleaner.enable", SETTING_BOOL, .initial = 1, .documentation = "Whether topics are compacted." },
    { "log.cleanup.policy", SETTING_WORDS, .initial = CLEANUP_DELETE, .words = cleanup_words, .documentation = "The default of cleanup.policy." },
    { "log.flush.interval.messages", SETTING_LONG, .initial = 1, .min = 1, .max = INT64_MAX, .documentation = "Every record is synced before it is acknowledged." },
    { "log.message.timestamp.type", SETTING_WORD, .initial = TIMESTAMP_CREATE, .words = timestamp_words, .documentation = "The default of message.timestamp.type." },
    { "log.retention.bytes", SETTING_LONG, .initial = -1, .min = -1, .max = INT64_MAX, .documentation = "The default of retention.bytes." },
    { "log.retention.check.interval.ms", SETTING_LONG, .initial = 300000, .min = 1, .max = INT64_MAX, .documentation = "How often retention is looked after." },
    { "log.retention.ms", SETTING_LONG, .initial = -1, .min = -1, .max = INT64_MAX, .documentation = "The default of retention.ms: for ever." },
    { "log.segment.bytes", SETTING_INT, .initial = (int64_t)LOG_SEGMENT_BYTES_DEFAULT, .max = INT32_MAX, .documentation = "The size of the log's segments." },
    { "message.max.bytes", SETTING_INT, .initial = STORE_BATCH_BYTES_DEFAULT, .max = STORE_BATCH_BYTES_MAX, .documentation = "The default of max.message.bytes." },
    { "min.insync.replicas", SETTING_INT, .initial = 1, .min = 1, .max = 1, .documentation = "There is one replica." },
    { "node.id", SETTING_INT, .initial = 1, .max = INT32_MAX, .documentation = "The number of this broker, which is the only one." },
    { "num.partitions", SETTING_INT, .initial = 4, .min = 1, .max = STORE_PARTITIONS_MAX, .documentation = "How many partitions a topic has that says nothing about it." },
    { "offsets.retention.minutes", SETTING_INT, .initial = 10080, .min = 1, .max = INT32_MAX, .documentation = "How long the offsets of an empty group are kept." },
    { "offsets.topic.num.partitions", SETTING_INT, .initial = 1, .min = 1, .max = 1, .documentation = "The partitions of __consumer_offsets." },
    { "process.roles", SETTING_WORDS, .initial = 2, .words = role_words, .documentation = "There is no controller beside this broker." },
    { "transaction.max.timeout.ms", SETTING_INT, .initial = 900000, .min = 1, .max = INT32_MAX, .documentation = "The longest timeout of a transaction." },
    { "transactional.id.expiration.ms", SETTING_INT, .initial = 604800000, .min = 1, .max = INT32_MAX, .documentation = "How long an unused transactional id is kept." },
    { "unclean.leader.election.enable", SETTING_BOOL, .initial = 0, .documentation = "There is one replica." },
};
const size_t broker_setting_count = sizeof(broker_setting_table) / sizeof(broker_setting_table[0]);

/* --- values ------------------------------------------------------------------------------------------- */

int64_t topic_setting_get(const struct topic *topic, enum topic_setting id)
{
    if (id == TOPIC_CLEANUP_POLICY && topic->internal)
        return topic_entry_of(topic)->table ? CLEANUP_COMPACT : CLEANUP_DELETE;
    if (id == TOPIC_MAX_MESSAGE_BYTES && !topic_setting_is_set(topic, id))
        return topic->message_bytes_max;
    return topic->settings ? topic->settings->values[id] : topic_setting_table[id].initial;
}

bool topic_setting_is_set(const struct topic *topic, enum topic_setting id)
{
    return topic->settings && (topic->settings->set >> id & 1);
}

const struct setting *topic_setting_find(struct slice name)
{
    for (size_t i = 0; i < TOPIC_SETTING_COUNT; i++)
        if (slice_eq_str(name, topic_setting_table[i].name))
            return &topic_setting_table[i];
    return NULL;
}

void setting_print(const struct setting *setting, int64_t value, char ret_text[SETTING_TEXT_MAX])
{
    size_t len = 0;
    ret_text[0] = '\0';
    switch (setting->kind) {
    case SETTING_BOOL:
        snprintf(ret_text, SETTING_TEXT_MAX, "%s", value ? "true" : "false");
        break;
    case SETTING_WORD:
        snprintf(ret_text, SETTING_TEXT_MAX, "%s", setting->words[value]);
        break;
    case SETTING_INT:
    case SETTING_LONG:
        snprintf(ret_text, SETTING_TEXT_MAX, "%" PRId64, value);
        break;
    case SETTING_RATIO:
        len = (size_t)snprintf(ret_text, SETTING_TEXT_MAX, "%" PRId64 ".%06" PRId64, value / RATIO_ONE, value % RATIO_ONE);
        while (ret_text[len - 1] == '0' && ret_text[len - 2] != '.')
            ret_text[--len] = '\0';
        break;
    case SETTING_WORDS:
        for (size_t i = 0; setting->words[i]; i++)
            if (value >> i & 1)
                len += (size_t)snprintf(ret_text + len, SETTING_TEXT_MAX - len, "%s%s", len ? "," : "", setting->words[i]);
        break;
    }
}

/* What is wrong with a value: the setting, the value, and what is allowed. */
static int value_fail(const struct setting *setting, struct slice text, struct edda_error *error)
{
    char allowed[160];
    char low[SETTING_TEXT_MAX], high[SETTING_TEXT_MAX];
    size_t len = 0;
    int shown = text.len > 64 ? 64 : (int)text.len;
    if (setting->kind == SETTING_BOOL) {
        snprintf(allowed, sizeof(allowed), "%s", setting->max || setting->initial || setting->idle ? "true or false" : "false");
    } else if (setting->words) {
        len = (size_t)snprintf(allowed, sizeof(allowed), "%s", !setting->words[0] ? "an empty list" :
                               setting->kind == SETTING_WORD ? "one of " : setting->needed ? "some of " : "none or some of ");
        for (size_t i = 0; setting->words[i] && len < sizeof(allowed); i++)
            len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, "%s%s", i ? ", " : "", setting->words[i]);
    } else {
        setting_print(setting, setting->min, low);
        setting_print(setting, setting->max, high);
        snprintf(allowed, sizeof(allowed), "%s to %s", low, high);
    }
    return edda_fail_field(error, EDDA_EINVAL, setting->name, "%s is %s, not '%.*s'", setting->name, allowed, shown,
                           text.data ? (const char *)text.data : "");
}

static struct slice trimmed(struct slice s)
{
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* A decimal number with up to `places` places behind the point, as a multiple of the last one. */
static bool number_parse(struct slice text, unsigned places, int64_t *ret_value)
{
    bool negative = text.len && text.data[0] == '-';
    int64_t value = 0;
    bool digits = false, point = false;
    for (size_t i = negative; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '.' && !point && places > 0) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || (point && places == 0) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -(c - '0') : c - '0', &value))
            return false;
        digits = true;
        places -= point;
    }
    for (; places > 0; places--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    *ret_value = value;
    return digits;
}

static bool word_find(const struct setting *setting, struct slice word, int64_t *ret_at)
{
    for (size_t i = 0; setting->words[i]; i++) {
        if (slice_eq_str(word, setting->words[i])) {
            *ret_at = (int64_t)i;
            return true;
        }
    }
    return false;
}

/* The set of the words between commas. */
static bool words_parse(const struct setting *setting, struct slice text, int64_t *ret_value)
{
    int64_t value = 0, at;
    if (trimmed(text).len == 0) {
        *ret_value = 0;
        return true;
    }
    for (size_t from = 0, i = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != ',')
            continue;
        if (!word_find(setting, trimmed(slice_of(text.data + from, i - from)), &at))
            return false;
        value |= INT64_C(1) << at;
        from = i + 1;
    }
    *ret_value = value;
    return true;
}

int setting_parse(const struct setting *setting, struct slice text, int64_t *ret_value, struct edda_error *error)
{
    int64_t value = 0;
    bool ok = false;
    switch (setting->kind) {
    case SETTING_BOOL:
        value = slice_eq_str(trimmed(text), "true");
        /* A row that allows nothing but its default says so with a maximum: only remote storage does. */
        ok = (value && (setting->idle || setting->initial || setting->max)) || slice_eq_str(trimmed(text), "false");
        break;
    case SETTING_WORD:
        ok = word_find(setting, trimmed(text), &value);
        break;
    case SETTING_INT:
    case SETTING_LONG:
        ok = number_parse(trimmed(text), 0, &value) && value >= setting->min && value <= setting->max;
        break;
    case SETTING_RATIO:
        ok = number_parse(trimmed(text), 6, &value) && value >= setting->min && value <= setting->max;
        break;
    case SETTING_WORDS:
        ok = words_parse(setting, text, &value) && (value || !setting->needed);
        break;
    }
    if (!ok)
        return value_fail(setting, text, error);
    *ret_value = value;
    return 0;
}

/* --- changes ------------------------------------------------------------------------------------------ */

static int change_apply(struct topic_settings *settings, const struct setting_change *change, struct edda_error *error)
{
    const struct setting *setting = topic_setting_find(change->name);
    int64_t value = 0;
    if (change->kind == SETTING_RESET && change->name.len == 0) {
        topic_settings_default(settings);
        return 0;
    }
    if (!setting)
        return edda_fail_field(error, EDDA_EINVAL, "name", "there is no setting '%.*s' of a topic",
                               change->name.len > 64 ? 64 : (int)change->name.len,
                               change->name.data ? (const char *)change->name.data : "");
    size_t id = (size_t)(setting - topic_setting_table);
    if (change->kind == SETTING_RESET) {
        settings->values[id] = setting->initial;
        settings->set &= ~(UINT64_C(1) << id);
        return 0;
    }
    bool list = change->kind == SETTING_APPEND || change->kind == SETTING_SUBTRACT;
    if (list && setting->kind != SETTING_WORDS)
        return edda_fail_field(error, EDDA_EINVAL, setting->name, "%s is no list, so that nothing can be added to it or taken from it",
                               setting->name);
    int r = setting_parse(setting, change->value, &value, error);
    if (r < 0)
        return r;
    if (change->kind == SETTING_APPEND)
        value |= settings->values[id];
    if (change->kind == SETTING_SUBTRACT)
        value = settings->values[id] & ~value;
    if (value == 0 && setting->needed)
        return value_fail(setting, SLICE(""), error);
    settings->values[id] = value;
    settings->set |= UINT64_C(1) << id;
    return 0;
}

void topic_settings_default(struct topic_settings *ret_settings)
{
    ret_settings->set = 0;
    for (size_t i = 0; i < TOPIC_SETTING_COUNT; i++)
        ret_settings->values[i] = topic_setting_table[i].initial;
}

void topic_settings_of(const struct topic *topic, struct topic_settings *ret_settings)
{
    if (topic && topic->settings)
        *ret_settings = *topic->settings;
    else
        topic_settings_default(ret_settings);
}

int store_topic_settings_alter(struct store *store, struct topic *topic, const struct setting_change *changes, size_t count,
                               bool validate_only, struct edda_error *error)
{
    struct topic_settings settings;
    ASSERT(topic || validate_only);
    if (topic && topic->internal)
        return edda_fail_field(error, EDDA_EINVAL, "topic", "topic %s is a table of Edda's own, whose settings are fixed", topic->name);
    topic_settings_of(topic, &settings);
    for (size_t i = 0; i < count; i++) {
        int r = change_apply(&settings, &changes[i], error);
        if (r < 0)
            return r;
    }
    if (topic && topic->decided && settings.values[TOPIC_CLEANUP_POLICY] & CLEANUP_COMPACT)
        return edda_fail_field(error, EDDA_EINVAL, "cleanup.policy",
                               "topic %s holds the events of a service's entities, and compaction would lose them: cleanup.policy is delete, not compact",
                               topic->name);
    if (validate_only || count == 0)
        return 0;
    return topic_settings_put(store, topic_entry_of(topic), &settings, error);
}
