/*
 * resp: the listener of Redis's protocol: topics as channels and as streams. What the files resp*.c share; the commands are rows of the table in resp_commands.c, and what each
 * means over a log is told to users in docs/reference/resp.md.
 *
 * A command borrows its words from the connection's input and answers into its output. One that finds the log too far behind its disk is run again when it has
 * caught up (connection.h, stall), so a handler changes nothing before the append that may be refused. One that waits for records (XREAD BLOCK) keeps what it needs
 * in a struct resp_wait, and its connection is busy meanwhile.
 *
 * What is appended reaches subscribers and those that wait by one cursor of the whole server, in the host's turn, when it is durable: a record is looked at once, and costs what
 * those who want it cost, however many others there are.
 */
#ifndef EDDA_SERVER_RESP_H
#define EDDA_SERVER_RESP_H

#include "base/arena.h"
#include "base/heap.h"
#include "base/table.h"
#include "broker/broker.h"
#include "server/connection.h"
#include "server/shares.h"
#include "server/users.h"
#include "store/store.h"
#include "wire/resp/resp.h"

#define RESP_COMMAND_BYTES_MAX ((UINT32_C(4) << 20) - 65536)
#define RESP_ARGUMENTS_MAX 65536      /* words of a command */
#define RESP_NAME_BYTES_MAX 1024      /* of a pattern */
#define RESP_SUBSCRIPTIONS_MAX 10000  /* of one connection */
#define RESP_UNSENT_BYTES_MAX (UINT64_C(8) << 20) /* a subscriber with more is closed */
#define RESP_ANSWER_BYTES_MAX (UINT64_C(16) << 20)
#define RESP_STREAMS_MAX 256          /* of one XREAD */

struct resp_call;
struct resp_host;
struct resp_session;
struct resp_wait;

/* --- resp_name.c: names of Redis and names of topics ------------------------------------------------------- */

/*
 * A topic's name has letters, digits, '.', '_' and '-' only, and names of Redis have ':' and much else. Each other byte becomes "_x3A" (its two digits in upper case), and so
 * does an '_' that would look like the start of one; all others stand for themselves. So every name has one topic, and every topic one name. EDDA_EINVAL: it is
 * empty, too long for a topic, or of the names that Edda keeps to itself.
 */
int resp_topic_name(struct slice name, struct buffer *ret_topic, struct edda_error *error);
/* The other way. */
void resp_name_of_topic(struct slice topic, struct buffer *ret_name);
/* Redis's patterns: * ? [a-z] [^a] \x. */
bool resp_matches(struct slice pattern, struct slice name);

/* --- resp_entry.c: records as entries of a stream ---------------------------------------------------------- */

struct resp_id {
    uint64_t ms, seq;
};
#define RESP_ID_MAX ((struct resp_id){ UINT64_MAX, UINT64_MAX })
/* From here on ids are of positions: record 17 has the id 1000000000000017-0 unless XADD has given it a smaller one, which stands in its header. */
#define RESP_ID_OF_POSITION UINT64_C(1000000000000000)
#define RESP_ID_TEXT_BYTES 48

static inline int resp_id_compare(struct resp_id a, struct resp_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}
/* The id behind; false behind the last. */
bool resp_id_next(struct resp_id *id);
bool resp_id_previous(struct resp_id *id);
struct slice resp_id_text(struct resp_id id, char text[RESP_ID_TEXT_BYTES]);
/* "5-1", "5" (then `seq` is what it means). */
bool resp_id_parse(struct slice text, uint64_t seq, struct resp_id *ret_id);

/* `keyed`: as an entry of the stream of its key, else of the whole topic. */
struct resp_id resp_entry_id(const struct store *store, const struct store_record *record, bool keyed);
/* The header of an entry that XADD makes, for the offset it will have; `id` NULL: the one of its position. */
void resp_entry_header(const struct store *store, const struct topic *topic, int64_t offset, const struct resp_id *id, struct buffer *out);
/* The value of an entry with these fields, names and values in turn. */
void resp_entry_value(const struct slice *fields, size_t count, struct buffer *out);
/* Writes the entry: its id and its fields. */
void resp_entry_write(const struct store *store, const struct store_record *record, bool keyed, struct arena *arena, struct resp_writer out);

/* --- resp_stream.c: streams ------------------------------------------------------------------------------------ */

/* A stream as a client names it: `orders` is a whole topic, in order of position, and `orders/7` the stream of a key. */
struct resp_stream {
    struct slice name;   /* as the client says it */
    struct slice topic;  /* as the store has it; in an arena */
    struct slice key;    /* data NULL: the whole topic */
    struct topic *found; /* NULL: there is none yet */
};
/* The topic that is written to, made if that is how it is done here; EDDA_ENOTFOUND. */
int resp_topic_ensure(struct resp_host *host, struct slice topic, struct topic **ret_topic, struct edda_error *error);
int resp_stream_find(struct resp_host *host, struct slice name, struct resp_stream *ret_stream, struct edda_error *error);
/* The id of its last entry; 0-0 when there are none. */
int resp_stream_last(struct resp_host *host, const struct resp_stream *stream, struct resp_id *ret_id, struct edda_error *error);
int64_t resp_stream_length(struct resp_host *host, const struct resp_stream *stream);
/* The place (a version in the stream of a key, a position in a topic) of the first entry with an id of at least `id`, the end when there is none; 0, before whatever was there, when every
 * id is that great. */
int resp_stream_seek(struct resp_host *host, const struct resp_stream *stream, struct resp_id id, uint64_t *ret_place, struct edda_error *error);
/* 1 and the place of the entry with this id, 0 when there is none. */
int resp_stream_at(struct resp_host *host, const struct resp_stream *stream, struct resp_id id, uint64_t *ret_place, struct edda_error *error);
/* The id of the last entry before a place; 0-0 when there is none. */
int resp_stream_before(struct resp_host *host, const struct resp_stream *stream, uint64_t place, struct resp_id *ret_id, struct edda_error *error);
/* The entry was given, and somebody may come back with its id. */
void resp_stream_given(struct resp_host *host, const struct resp_stream *stream, struct resp_id id, uint64_t place);

struct resp_range {
    struct resp_id from, to; /* both belong to it */
    bool backward;
    uint64_t count;          /* at most so many entries */
    size_t bytes_max;        /* of what is written; with the entry that reaches it the range ends */
};
/* Writes the entries one behind the other, and returns how many; *ret_cut says that bytes_max has ended it. */
int64_t resp_stream_range(struct resp_host *host, const struct resp_stream *stream, const struct resp_range *range, struct resp_writer out,
                          bool *ret_cut, struct edda_error *error);

/* Appends an entry. `id` NULL: any; `any_seq`: only its ms is given. *ret_id is what it has got. */
int resp_stream_add(struct resp_host *host, const struct resp_stream *stream, const struct resp_id *id, bool any_seq, const struct slice *fields,
                    size_t count, struct resp_id *ret_id, struct edda_error *error);

/* --- resp_channels.c: who wants what ----------------------------------------------------------------------- */

enum resp_interest { RESP_CHANNEL, RESP_PATTERN, RESP_AWAITED, RESP_INTERESTS };

/* What somebody wants: a channel, a pattern, or a stream that is waited for. */
struct resp_wanted {
    struct table_link by_name;
    struct list link;        /* of the host, by kind */
    struct list subscribers; /* struct resp_subscription */
    size_t count;
    enum resp_interest kind;
    size_t name_len;
    char name[];
};

struct resp_subscription {
    struct table_link by_session;
    struct list of_wanted, of_session;
    struct resp_wanted *wanted;
    struct resp_session *session;
    uint64_t from;           /* what lies before is not for it */
};

/* Messages to the same that come one behind the other: written once for all who get them, and sent from there. */
struct resp_run {
    struct resp_wanted *to;        /* NULL: there are none */
    const struct topic *topic;
    uint64_t position;             /* of the first */
    uint64_t count;
    bool alone;                    /* some who are subscribed get the first no more, and may get the next */
    struct buffer texts[2];        /* for those of version 2, and of 3; empty when there is none */
    bool used[2];
};

struct resp_channels {
    struct table wanted, subscriptions, heard;
    struct list by_kind[RESP_INTERESTS];
    size_t counts[RESP_INTERESTS]; /* of what is wanted */
    size_t subscribers[RESP_INTERESTS];
    uint64_t generation;           /* grows when something is wanted for the first time, or no more */
    bool listening;                /* the cursor is in use */
    struct store_cursor cursor;
    struct resp_run run;
    struct buffer name;
    struct list told;              /* sessions that have something to be sent */
    struct list over;              /* sessions that are to be closed */
};

void resp_channels_init(struct resp_host *host);
void resp_channels_deinit(struct resp_host *host);
/* 1 when it is new, 0 when it was there; EDDA_ENOMEM, EDDA_ELIMIT. */
int resp_subscribe(struct resp_session *session, enum resp_interest kind, struct slice name);
bool resp_unsubscribe(struct resp_session *session, enum resp_interest kind, struct slice name);
void resp_unsubscribe_all(struct resp_session *session);
/* How many would get a message on the channel: by its name, and by patterns too. */
size_t resp_channel_subscribers(struct resp_host *host, struct slice channel);
size_t resp_subscribers(struct resp_host *host, struct slice channel);
/* Closes the connection at the end of the turn, at once. */
void resp_let_go(struct resp_session *session);
/* Hands out what has become durable. True when there is more at once. */
bool resp_channels_turn(struct resp_host *host);

/* --- resp_group.c: groups of consumers over streams: those of server/shares.h ----------------------------------- */

/* Who reads, and how much at most of each stream. `group` data NULL: nobody in particular (XREAD). */
struct resp_reader {
    struct slice group, consumer;
    bool noack;
    uint64_t count;
};
struct resp_read {
    struct slice name;
    struct resp_id after;
    bool fresh;          /* of a group: what nobody has had, not what the consumer has */
    struct share *share; /* of a group, while it waits */
};
/* The group of a stream: 1; 0 when there is none. */
int resp_group_find(struct resp_host *host, const struct resp_stream *stream, struct slice group, struct share **ret_share, struct edda_error *error);
/* The consumer, made when it is not there; it is seen. *ret_made: the state is to be written. */
int resp_group_consumer(struct resp_host *host, struct share *share, struct slice name, struct competing_consumer **ret_consumer, bool *ret_made, struct edda_error *error);
/* Writes the entries that the group's consumer is given, and keeps that it has them: how many. */
int64_t resp_group_read(struct resp_host *host, const struct resp_reader *reader, const struct resp_read *read, const struct resp_stream *stream, size_t bytes_max,
                        struct resp_writer out, struct edda_error *error);
/* The entry at a place that is in the group's hands: 1, 0 when it is not there any more. `out` NULL: only its id. */
int resp_group_entry(struct resp_host *host, const struct resp_stream *stream, const struct share *share, uint64_t place, struct resp_id *ret_id, const struct resp_writer *out,
                     struct edda_error *error);
int resp_group_may(struct resp_call *call, struct slice group);
bool resp_group_is_of(const struct share *share, const struct resp_stream *stream);
/* Finds the group that args[1] and args[2] name, which may be read: 1; 0 when there is none. */
int resp_group_named(struct resp_call *call, struct resp_stream *ret_stream, struct share **ret_share);
/* NOGROUP, in the words of most commands. */
int resp_fail_group(struct resp_call *call, struct slice key, struct slice group);

/* --- resp_wait.c: XREAD BLOCK, XREADGROUP BLOCK ----------------------------------------------------------------- */

/* Answers with what is there of these streams: 1; or 0 when there is nothing, and then nothing is written. */
int resp_read_now(struct resp_session *session, const struct resp_reader *reader, const struct resp_read *reads, size_t count, struct edda_error *error);
/* Makes the session wait, `timeout_ms` 0 for ever. */
int resp_wait_begin(struct resp_session *session, const struct resp_reader *reader, const struct resp_read *reads, size_t count, int64_t timeout_ms, struct edda_error *error);
void resp_wait_end(struct resp_session *session);
/* A record has come that it may be waiting for. */
void resp_wait_wake(struct resp_session *session);
void resp_waits_turn(struct resp_host *host, int64_t now_ns);
/* Boot clock; INT64_MAX: nobody waits, or for ever. */
int64_t resp_waits_due(const struct resp_host *host, int64_t now_ns);

/* --- sessions and commands --------------------------------------------------------------------------------- */

struct resp_session {
    struct connection connection;
    struct resp_host *host;
    struct list link;          /* of the host */
    struct list told, over;    /* of the channels */
    struct list subscriptions;
    size_t subscribed_bytes;   /* that they take; the name of a channel is counted for each of its subscribers */
    size_t counts[RESP_INTERESTS];
    uint64_t id;
    int64_t since_ns;
    int version;               /* 2 or 3 */
    struct resp_parser parser;
    size_t command_bytes;      /* of the command that waits for the log */
    struct stall stall;
    struct resp_wait *wait;
    const struct resp_command *last;
    struct buffer name, library, library_version;
};

/* What a hint remembers: where a read of a stream goes on behind an id. */
struct resp_hint {
    struct hash128 stream;
    struct resp_id id;
    uint64_t place;
};
/* The last id of a stream, while its topic has so many records. */
struct resp_last {
    struct hash128 stream;
    uint64_t records;
    struct resp_id id;
};
#define RESP_HINTS 4096
#define RESP_LASTS 256

struct resp_counts {
    uint64_t commands, failed, messages, overruns;
};

struct resp_host {
    struct server *server;
    struct store *store;
    struct list sessions;
    size_t session_count;
    uint64_t next_id;
    int64_t opened_ns;
    struct resp_channels channels;
    struct shares *shares;
    struct heap waits;
    struct list woken, group_waits;
    uint32_t partitions;       /* of topics that are made by being written to */
    struct arena arena;        /* of the command that runs */
    struct arena entry_arena;  /* of the entry that is written */
    struct buffer scratch, text, entries;
    struct resp_hint hints[RESP_HINTS];
    struct resp_last lasts[RESP_LASTS];
    struct resp_counts counts;
};

/* A command that runs. */
struct resp_call {
    struct resp_host *host;
    struct resp_session *session;
    const struct slice *args; /* args[0] is its name */
    uint32_t count;
    struct resp_writer out;
    struct edda_error error;
    bool answered;            /* what went wrong has been answered in other words than those of `error` */
};

enum {
    RESP_WHILE_SUBSCRIBED = 1, /* also on a connection of version 2 that has subscriptions */
    RESP_BEFORE_LOGIN = 2,
    RESP_WRITES = 4,
    RESP_FIRST_IS_KEY = 8
};
enum { RESP_ANSWERED = 0, RESP_WAITS = 1, RESP_ENDS = 2 };

struct resp_command {
    const char *name;    /* in lower case */
    int arity;           /* words, with the name; -n: at least n */
    unsigned flags;
    /* One of the above, or a negative code with its words in call->error, which then are the answer. */
    int (*handler)(struct resp_call *call);
    const char *summary;
};

/* Runs what the session's parser holds. */
int resp_command_run(struct resp_session *session);
/* Writes the answer to what went wrong, as Redis has it. */
void resp_fail(struct resp_writer out, int code, const struct edda_error *error);
/* A command with sub-commands was given one it does not have, or, of those that are `known` (with spaces between them), with the wrong number of words. */
int resp_fail_subcommand(struct resp_call *call, const char *known);
/* Answers with an error that has a prefix of its own. */
int resp_fail_as(struct resp_call *call, const char *prefix, const char *format, ...) EDDA_PRINTF(3, 4);
int resp_fail_syntax(struct resp_call *call);
int resp_fail_id(struct resp_call *call);
int resp_fail_number(struct resp_call *call);
/* The stream that a command names, for who may do this with it. */
int resp_stream_named(struct resp_call *call, struct slice name, enum broker_verb verb, struct resp_stream *ret_stream);
/* An end of a range: "-", "+", an id, an id without its second part, "(" and an id that does not belong to it. */
int resp_range_end(struct resp_call *call, struct slice word, bool last, struct resp_id *ret_id);
bool resp_is(struct slice word, const char *upper_case);
bool resp_number(struct slice word, int64_t *ret_number);
/* Whether it has said who it is, or need not. */
bool resp_is_known(const struct resp_session *session);
/* Whether who is connected may; EDDA_EFORBIDDEN with words. */
int resp_may(struct resp_call *call, enum broker_verb verb, struct slice topic);
/* The same now, for what was asked for before: the users are read again while clients wait. */
bool resp_session_may(const struct resp_session *session, enum broker_verb verb, struct slice topic);
/* Something was appended to its output: it is stamped and sent at the end of the turn. */
void resp_tell(struct resp_session *session);

/* Handlers, by the file they are in. */
int resp_hello(struct resp_call *call);
int resp_auth(struct resp_call *call);
int resp_ping(struct resp_call *call);
int resp_echo(struct resp_call *call);
int resp_select(struct resp_call *call);
int resp_client(struct resp_call *call);
int resp_info(struct resp_call *call);
int resp_config(struct resp_call *call);
int resp_reset(struct resp_call *call);
int resp_quit(struct resp_call *call);
int resp_time(struct resp_call *call);
int resp_on_subscribe(struct resp_call *call);
int resp_on_psubscribe(struct resp_call *call);
int resp_on_unsubscribe(struct resp_call *call);
int resp_on_punsubscribe(struct resp_call *call);
int resp_publish(struct resp_call *call);
int resp_edda_publish(struct resp_call *call);
int resp_pubsub(struct resp_call *call);
int resp_xadd(struct resp_call *call);
int resp_xlen(struct resp_call *call);
int resp_xrange(struct resp_call *call);
int resp_xrevrange(struct resp_call *call);
int resp_xread(struct resp_call *call);
int resp_xreadgroup(struct resp_call *call);
int resp_xinfo(struct resp_call *call);
int resp_xgroup(struct resp_call *call);
int resp_xinfo_groups(struct resp_call *call);
int resp_xinfo_consumers(struct resp_call *call);
int resp_xack(struct resp_call *call);
int resp_xpending(struct resp_call *call);
int resp_xclaim(struct resp_call *call);
int resp_xautoclaim(struct resp_call *call);

extern const struct protocol resp_protocol;

/* For who looks at it; untouched when the server does not speak the protocol. */
struct resp_info {
    struct resp_counts counts;
    uint64_t subscriptions, waiting;     /* waiting: streams that are waited for */
    uint64_t subscriptions_max, blocked; /* subscriptions of the connection with most; connections that wait */
};
void resp_look(const struct server *server, struct resp_info *ret_info);

#endif
