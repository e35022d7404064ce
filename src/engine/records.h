/*
 * records: what the engine writes beside the application's own messages. All of it is records of internal topics with CloudEvents headers like any other,
 * so that a trace finds it by correlation id; the headers below are the engine's own.
 *
 *   topic             key                    value                                   type (ce_type)
 *   _edda.deadlines   service/entity/name    the message's fields, JSON; null: gone  the message's
 *                                            (a schedule is one that repeats)
 *   _edda.skips       service/entity         {"reason":…,"position":…}               the skipped message's
 *   _edda.quarantine  service/entity         the failed or held message's value;     the message's
 *                                            null: that message is out of it
 *   _edda.processes   correlation id         {"state":"failed","reason":…}           edda.process
 *                                            {"state":"finished"|"compensated"}
 *                                            {"state":"compensating","left":chains}
 *                                            a command's fields: a compensation      the command's
 *   _edda.progress    application            {"at":position,"services":{…}}          –
 *   _edda.sequences   name                   the last number given                   –
 *   _edda.services    service                {"paused":true}; null: not paused       –
 *   _edda.replies     hash of source and id  the first reply to a call               –
 *   _edda.channels    "published"            the last position published, decimal    –
 *   _edda.versions    service/entity         {"version":2}: the one it belongs to;   –
 *                                            with "ended":true when its process has
 *   _edda.snapshots   service/entity or      u64 version (big-endian), then the      edda.snapshot
 *                     service@2/entity       state's fields, JSON
 */
#ifndef EDDA_ENGINE_RECORDS_H
#define EDDA_ENGINE_RECORDS_H

#define TOPIC_DEADLINES "_edda.deadlines"
#define TOPIC_SKIPS "_edda.skips"
#define TOPIC_QUARANTINE "_edda.quarantine"
#define TOPIC_PROCESSES "_edda.processes"
#define TOPIC_PROGRESS "_edda.progress"
#define TOPIC_SEQUENCES "_edda.sequences"
#define TOPIC_SERVICES "_edda.services"
#define TOPIC_REPLIES "_edda.replies"
#define TOPIC_VERSIONS "_edda.versions"
#define TOPIC_CHANNELS "_edda.channels"
#define TOPIC_SNAPSHOTS "_edda.snapshots"

#define HEADER_DUE "edda_due"           /* of a deadline: milliseconds since 1970, decimal */
#define HEADER_TOPIC "edda_topic"       /* of a deadline or compensation: where its message belongs */
#define HEADER_HANDLED "edda_handled"   /* of a command: its step is recorded beside it */
#define HEADER_REQUEST "edda_request"   /* of a command that was recorded before it is handled: hash of what was asked with its identity */
#define HEADER_REASON "edda_reason"     /* of a quarantined message */
#define HEADER_POSITION "edda_position" /* of a quarantined message: its original's; of a snapshot: its last event's; decimal */
#define HEADER_ATTEMPTS "edda_attempts" /* of a quarantined message; 0: held behind another */
#define HEADER_UNDO "edda_undo"         /* of a compensation that is sent: how many were declared before it */
#define HEADER_UNDO_FIRST "edda_undo_first" /* the ordinal that its chain ends with; none: 0 */
#define HEADER_SET "edda_set"           /* of a moved deadline: when it was first set, milliseconds since 1970, decimal */
#define HEADER_REPEATS "edda_repeats"   /* of a schedule: in its words, "every 5m" */
#define HEADER_REGULAR "edda_regular"   /* of a schedule whose next time was moved: what it would have been, milliseconds since 1970, decimal */
#define HEADER_SCHEDULE "edda_schedule" /* of a schedule from a service's table: what its row hashes to */
#define HEADER_PRINT "edda_print"       /* of a snapshot: what the state's table and the rows that made it hash to, decimal */
#define HEADER_FOLDS "edda_folds"       /* of a snapshot: how many events it was folded from, decimal */

/* On the topics that commands name for their answers: edda.done and edda.rejected, and the replies of handlers (answer.c).
 *
 * A service's messages have the source "application/service"; those from outside "application". */

#endif
