/* rows: the rows and bodies of the built-in routes as declared types: for the answers, their documentation and the commands that read them. */
#ifndef EDDA_SERVER_ROWS_H
#define EDDA_SERVER_ROWS_H

#include "edda/type.h"

struct Deadline {
    struct edda_text id; /* "service/key/name" */
    struct edda_text service;
    struct edda_text key;
    struct edda_text name;
    int64_t setTime;
    int64_t dueTime;
    struct edda_text type;
    struct edda_text data; /* JSON */
    struct edda_text repeats; /* "every 5m"; empty: it happens once */
};
extern const struct edda_type Deadline_type;

struct DeadlineMove {
    int64_t dueTime;
};
extern const struct edda_type DeadlineMove_type;

struct Quarantined {
    struct edda_text service;
    struct edda_text key;
    struct edda_text type;
    struct edda_text correlationId;
    struct edda_text reason;
    int64_t position;
    int64_t held;
    int64_t since;
};
extern const struct edda_type Quarantined_type;

struct Service {
    struct edda_text name;
    struct edda_text description;
    bool paused;
    int64_t position;
    int64_t lag;
    int64_t pending;
    int64_t steps;
    int64_t skips;
    int64_t failures;
    int64_t quarantined;
    struct edda_list versions; /* int64_t */
    struct edda_list openBreakers; /* of struct edda_text */
};
extern const struct edda_type Service_type;

struct Migration {
    int64_t from;
    int64_t to;
    bool dryRun;
};
extern const struct edda_type Migration_type;

struct Unfit {
    struct edda_text key;
    struct edda_text reason;
};
extern const struct edda_type Unfit_type;

#define MIGRATED_UNFIT_MAX 1000
struct Migrated {
    int64_t fits;
    int64_t unfits;
    bool dryRun;
    struct edda_list unfit; /* of struct Unfit, at most so many */
};
extern const struct edda_type Migrated_type;

struct Projection {
    struct edda_text name;
    struct edda_text description;
    int64_t version;
    struct edda_text state;
    struct edda_text error;
    int64_t position;
    int64_t lag;
    int64_t buildPosition;
    int64_t applied;
    int64_t transactions;
    int64_t conflicts;
    int64_t failures;
    int64_t held;
};
extern const struct edda_type Projection_type;

struct Topic {
    struct edda_text name;
    struct edda_text id;
    int64_t partitions;
    int64_t records;
    bool internal;
    struct edda_text settings; /* JSON */
};
extern const struct edda_type Topic_type;

struct TopicCreation {
    struct edda_text name;
    int64_t partitions;
    struct edda_text settings; /* JSON */
};
extern const struct edda_type TopicCreation_type;

struct TopicChange {
    int64_t partitions;
    struct edda_text settings; /* JSON */
};
extern const struct edda_type TopicChange_type;

struct StreamChange {
    int64_t truncateBefore;
};
extern const struct edda_type StreamChange_type;

struct GroupPoll {
    int64_t max;
    int64_t waitMs;
    int64_t timeoutMs;
    int64_t maxDeliveries;
    struct edda_text from;
};
extern const struct edda_type GroupPoll_type;

struct GroupVerdict {
    struct edda_list positions; /* of int64_t */
    int64_t delayMs;
    struct edda_text reason;
};
extern const struct edda_type GroupAck_type, GroupNack_type, GroupPark_type;

struct Group {
    struct edda_text group;
    struct edda_text topic;
    struct edda_text key;
    int64_t watermark;
    int64_t next;
    int64_t behind;
    int64_t open;
    int64_t parked;
    int64_t consumers;
};
extern const struct edda_type Group_type;

struct ParkedRecord {
    int64_t position;
    int64_t deliveries;
    struct edda_text reason;
};
extern const struct edda_type ParkedRecord_type;

struct Health {
    struct edda_text application;
    bool live;
    bool ready;
};
extern const struct edda_type Health_type;

/* An answer that is no success (RFC 9457). */
struct Problem {
    struct edda_text type;
    struct edda_text title;
    int64_t status;
    struct edda_text detail;
    struct edda_text field;
    struct edda_text instance;
};
extern const struct edda_type Problem_type;

#endif
