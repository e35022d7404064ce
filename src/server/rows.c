/* rows: see rows.h. */
#include "server/rows.h"

/* clang-format off */
static const struct edda_field Deadline_fields[] = {
    EDDA_FIELD(Deadline, id, .description = "service/key/name"),
    EDDA_FIELD(Deadline, service),
    EDDA_FIELD(Deadline, key, .description = "of the entity that has set it"),
    EDDA_FIELD(Deadline, name),
    EDDA_FIELD_TIME(Deadline, setTime),
    EDDA_FIELD_TIME(Deadline, dueTime),
    EDDA_FIELD(Deadline, type, .description = "of the message that is delivered when it is due"),
    EDDA_FIELD_JSON(Deadline, data, .description = "the fields of that message"),
    EDDA_FIELD(Deadline, repeats, .optional = true, .description = "how a schedule repeats; a deadline without it happens once") };
const struct edda_type Deadline_type = EDDA_VALUE(Deadline);

static const struct edda_field DeadlineMove_fields[] = {
    EDDA_FIELD_TIME(DeadlineMove, dueTime) };
const struct edda_type DeadlineMove_type = EDDA_VALUE(DeadlineMove);

static const struct edda_field Quarantined_fields[] = {
    EDDA_FIELD(Quarantined, service),
    EDDA_FIELD(Quarantined, key, .description = "of the entity"),
    EDDA_FIELD(Quarantined, type, .description = "of the message that failed"),
    EDDA_FIELD(Quarantined, correlationId, .description = "of its process"),
    EDDA_FIELD(Quarantined, reason),
    EDDA_FIELD(Quarantined, position, .description = "of the message that failed"),
    EDDA_FIELD(Quarantined, held, .description = "messages that wait, with the one that failed"),
    EDDA_FIELD_TIME(Quarantined, since) };
const struct edda_type Quarantined_type = EDDA_VALUE(Quarantined);

static const struct edda_field Service_fields[] = {
    EDDA_FIELD(Service, name),
    EDDA_FIELD(Service, description, .optional = true),
    EDDA_FIELD(Service, paused),
    EDDA_FIELD(Service, position, .description = "everything before it was taken"),
    EDDA_FIELD(Service, lag, .description = "records of the journal behind it"),
    EDDA_FIELD(Service, pending, .description = "messages taken and not done"),
    EDDA_FIELD(Service, steps, .description = "since the start"),
    EDDA_FIELD(Service, skips, .description = "since the start"),
    EDDA_FIELD(Service, failures, .description = "since the start"),
    EDDA_FIELD(Service, quarantined, .description = "since the start"),
    EDDA_FIELD_LIST(Service, versions, EDDA_KIND_INT, .optional = true, .description = "that run side by side, the highest first"),
    EDDA_FIELD_LIST(Service, openBreakers, EDDA_KIND_TEXT, .optional = true,
                    .description = "types of messages whose effects are tried now and then only, because the other side is unavailable; * for a remote service") };
const struct edda_type Service_type = EDDA_VALUE(Service);

static const struct edda_field Migration_fields[] = {
    EDDA_FIELD(Migration, from, .min = 1, .max = UINT32_MAX, .description = "the version that entities belong to"),
    EDDA_FIELD(Migration, to, .min = 1, .max = UINT32_MAX, .description = "the version that they are to belong to"),
    EDDA_FIELD(Migration, dryRun, .optional = true, .description = "only says what would be") };
const struct edda_type Migration_type = EDDA_VALUE(Migration);

static const struct edda_field Unfit_fields[] = {
    EDDA_FIELD(Unfit, key, .description = "of the entity"),
    EDDA_FIELD(Unfit, reason) };
const struct edda_type Unfit_type = EDDA_VALUE(Unfit);

static const struct edda_field Migrated_fields[] = {
    EDDA_FIELD(Migrated, fits, .description = "entities that were moved, or would be"),
    EDDA_FIELD(Migrated, unfits, .description = "entities that stay behind"),
    EDDA_FIELD(Migrated, dryRun),
    EDDA_FIELD_LIST_OF(Migrated, unfit, Unfit_type, .description = "the first 1,000 that stay behind") };
const struct edda_type Migrated_type = EDDA_VALUE(Migrated);

static const struct edda_field Projection_fields[] = {
    EDDA_FIELD(Projection, name),
    EDDA_FIELD(Projection, description, .optional = true),
    EDDA_FIELD(Projection, version, .description = "of this program's"),
    EDDA_FIELD(Projection, state, .description = "running, rebuilding, retrying, starting, unreachable, superseded or diverged"),
    EDDA_FIELD(Projection, error, .optional = true, .description = "what is wrong now"),
    EDDA_FIELD(Projection, position, .description = "everything before it is in the tables in use"),
    EDDA_FIELD(Projection, lag, .description = "records of the journal behind it"),
    EDDA_FIELD(Projection, buildPosition, .optional = true, .description = "of the tables that are being built"),
    EDDA_FIELD(Projection, applied, .description = "events, since the start"),
    EDDA_FIELD(Projection, transactions, .description = "since the start"),
    EDDA_FIELD(Projection, conflicts, .description = "transactions lost to somebody else, since the start"),
    EDDA_FIELD(Projection, failures, .description = "attempts to apply an event that failed, since the start"),
    EDDA_FIELD(Projection, held, .description = "events that wait in quarantine") };
const struct edda_type Projection_type = EDDA_VALUE(Projection);

static const struct edda_field Topic_fields[] = {
    EDDA_FIELD(Topic, name),
    EDDA_FIELD(Topic, id, .description = "a UUID; one that is made again under the name has another"),
    EDDA_FIELD(Topic, partitions),
    EDDA_FIELD(Topic, records, .description = "offsets given and not removed, in all partitions"),
    EDDA_FIELD(Topic, internal, .description = "it is one of Edda's own tables"),
    EDDA_FIELD_JSON(Topic, settings, .optional = true, .description = "those that it has set, under Kafka's names") };
const struct edda_type Topic_type = EDDA_VALUE(Topic);

static const struct edda_field TopicCreation_fields[] = {
    EDDA_FIELD(TopicCreation, name, .max = 249),
    EDDA_FIELD(TopicCreation, partitions, .optional = true, .max = 10000, .description = "4 when it is missing"),
    EDDA_FIELD_JSON(TopicCreation, settings, .optional = true, .description = "an object of settings under Kafka's names, as retention.ms") };
const struct edda_type TopicCreation_type = EDDA_VALUE(TopicCreation);

static const struct edda_field TopicChange_fields[] = {
    EDDA_FIELD(TopicChange, partitions, .optional = true, .max = 10000, .description = "more than there are"),
    EDDA_FIELD_JSON(TopicChange, settings, .optional = true, .description = "an object of settings under Kafka's names; null sets one back") };
const struct edda_type TopicChange_type = EDDA_VALUE(TopicChange);

static const struct edda_field StreamChange_fields[] = {
    EDDA_FIELD(StreamChange, truncateBefore, .min = 0, .max = 9007199254740991, .description = "events before this version are read no more") };
const struct edda_type StreamChange_type = EDDA_VALUE(StreamChange);

static const struct edda_field GroupPoll_fields[] = {
    EDDA_FIELD(GroupPoll, max, .optional = true, .min = 1, .max = 1000, .description = "records that are given; 10 when it is missing"),
    EDDA_FIELD(GroupPoll, waitMs, .optional = true, .max = 60000, .description = "how long to wait for the first one"),
    EDDA_FIELD(GroupPoll, timeoutMs, .optional = true, .min = 1, .max = 43200000, .description = "until a record that is not acknowledged is given to somebody again; 30,000 when it is missing"),
    EDDA_FIELD(GroupPoll, maxDeliveries, .optional = true, .max = 1000000, .description = "a record that was given so often is parked; missing or 0: never"),
    EDDA_FIELD(GroupPoll, from, .optional = true, .description = "where a group that is new begins: start, as without it, or now") };
const struct edda_type GroupPoll_type = EDDA_VALUE(GroupPoll);

#define POSITIONS EDDA_FIELD_LIST(GroupVerdict, positions, EDDA_KIND_INT, .description = "of records, as they were given")
static const struct edda_field GroupAck_fields[] = { POSITIONS };
const struct edda_type GroupAck_type = { .name = "GroupAck", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct GroupVerdict), .fields = GroupAck_fields, .field_count = 1 };
static const struct edda_field GroupNack_fields[] = {
    POSITIONS,
    EDDA_FIELD(GroupVerdict, delayMs, .optional = true, .max = 86400000, .description = "until they are given to somebody again") };
const struct edda_type GroupNack_type = { .name = "GroupNack", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct GroupVerdict), .fields = GroupNack_fields, .field_count = 2 };
static const struct edda_field GroupPark_fields[] = {
    POSITIONS,
    EDDA_FIELD(GroupVerdict, reason, .optional = true, .description = "why; at most 256 bytes of it are kept") };
const struct edda_type GroupPark_type = { .name = "GroupPark", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct GroupVerdict), .fields = GroupPark_fields, .field_count = 2 };

static const struct edda_field Group_fields[] = {
    EDDA_FIELD(Group, group),
    EDDA_FIELD(Group, topic),
    EDDA_FIELD(Group, key, .optional = true, .description = "of the stream, of a group of one stream; positions are then its versions"),
    EDDA_FIELD(Group, watermark, .description = "everything before this position is done, or parked"),
    EDDA_FIELD(Group, next, .description = "everything before this position was given at least once"),
    EDDA_FIELD(Group, behind, .description = "positions of the log behind that"),
    EDDA_FIELD(Group, open, .description = "records that are to be acknowledged, or to be given again"),
    EDDA_FIELD(Group, parked),
    EDDA_FIELD(Group, consumers, .description = "those that have a name, over Redis's protocol") };
const struct edda_type Group_type = EDDA_VALUE(Group);

static const struct edda_field ParkedRecord_fields[] = {
    EDDA_FIELD(ParkedRecord, position),
    EDDA_FIELD(ParkedRecord, deliveries),
    EDDA_FIELD(ParkedRecord, reason) };
const struct edda_type ParkedRecord_type = EDDA_VALUE(ParkedRecord);

static const struct edda_field Health_fields[] = {
    EDDA_FIELD(Health, application, .description = "its name"),
    EDDA_FIELD(Health, live, .description = "it answers"),
    EDDA_FIELD(Health, ready, .description = "it takes requests; false while it is stopping") };
const struct edda_type Health_type = EDDA_VALUE(Health);

static const struct edda_field Problem_fields[] = {
    EDDA_FIELD(Problem, type, .description = "urn:edda:error: and the code's name"),
    EDDA_FIELD(Problem, title, .description = "the same for every error of that type"),
    EDDA_FIELD(Problem, status),
    EDDA_FIELD(Problem, detail, .description = "what was wrong this time"),
    EDDA_FIELD(Problem, field, .optional = true, .description = "the field, parameter or header that was wrong"),
    EDDA_FIELD(Problem, instance, .optional = true, .description = "the path that was asked for") };
const struct edda_type Problem_type = EDDA_VALUE(Problem);
/* clang-format on */
