/* Commands of streams. What Redis can do to the entries of a stream but an append-only log cannot (trimming by count, deleting one) is refused by name. */
#include "server/resp.h"

int resp_stream_named(struct resp_call *call, struct slice name, enum broker_verb verb, struct resp_stream *ret_stream)
{
    int rc = resp_stream_find(call->host, name, ret_stream, &call->error);
    return rc < 0 ? rc : resp_may(call, verb, ret_stream->topic);
}

/* --- XADD -------------------------------------------------------------------------------------------------------- */

/* "*", "5-1", "5-*". *ret_given: false for "*". */
static int parse_new_id(struct resp_call *call, struct slice word, bool *ret_given, struct resp_id *ret_id, bool *ret_any_seq)
{
    *ret_given = !slice_eq(word, SLICE("*"));
    *ret_any_seq = word.len > 2 && slice_eq(slice_from(word, word.len - 2), SLICE("-*"));
    if (*ret_given && !resp_id_parse(slice_of(word.data, word.len - (*ret_any_seq ? 2 : 0)), 0, ret_id))
        return resp_fail_id(call);
    return 0;
}

int resp_xadd(struct resp_call *call)
{
    struct resp_stream stream;
    struct resp_id id;
    char text[RESP_ID_TEXT_BYTES];
    bool make = true, given, any_seq;
    uint32_t at = 2;
    for (; at < call->count; at++) {
        if (resp_is(call->args[at], "NOMKSTREAM"))
            make = false;
        else if (resp_is(call->args[at], "MAXLEN") || resp_is(call->args[at], "MINID"))
            return edda_fail_with(&call->error, EDDA_EUNSUPPORTED,
                                  "XADD cannot trim: entries of a log are kept as long as its topic's retention says (retention.ms, retention.bytes)");
        else
            break;
    }
    if (call->count < at + 3 || (call->count - at) % 2 == 0)
        return edda_fail_with(&call->error, EDDA_EINVAL, "wrong number of arguments for 'xadd' command");
    int rc = parse_new_id(call, call->args[at], &given, &id, &any_seq);
    if (rc >= 0)
        rc = resp_stream_named(call, call->args[1], BROKER_WRITE, &stream);
    if (rc < 0)
        return rc;
    int64_t length = make ? 1 : resp_stream_length(call->host, &stream);
    if (length < 0)
        return (int)length;
    if (length == 0) {
        resp_null(call->out);
        return RESP_ANSWERED;
    }
    rc = resp_stream_add(call->host, &stream, given ? &id : NULL, any_seq, call->args + at + 1, call->count - at - 1, &id, &call->error);
    if (rc >= 0)
        resp_bulk(call->out, resp_id_text(id, text));
    return rc;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

int resp_xlen(struct resp_call *call)
{
    struct resp_stream stream;
    int rc = resp_stream_named(call, call->args[1], BROKER_READ, &stream);
    int64_t length = rc < 0 ? rc : resp_stream_length(call->host, &stream);
    if (length >= 0)
        resp_int(call->out, length);
    return length < 0 ? (int)length : RESP_ANSWERED;
}

int resp_range_end(struct resp_call *call, struct slice word, bool last, struct resp_id *ret_id)
{
    bool exclusive = word.len > 1 && word.data[0] == '(';
    if (slice_eq(word, SLICE("-")) || slice_eq(word, SLICE("+"))) {
        *ret_id = word.data[0] == '-' ? (struct resp_id){ 0, 0 } : RESP_ID_MAX;
        return 0;
    }
    if (!resp_id_parse(slice_from(word, exclusive), last ? UINT64_MAX : 0, ret_id))
        return resp_fail_id(call);
    if (exclusive && !(last ? resp_id_previous(ret_id) : resp_id_next(ret_id)))
        return edda_fail_with(&call->error, EDDA_EINVAL, "invalid %s ID for the interval", last ? "end" : "start");
    return 0;
}

static int range(struct resp_call *call, bool backward)
{
    struct resp_range range = { .backward = backward, .count = UINT64_MAX, .bytes_max = RESP_ANSWER_BYTES_MAX };
    struct resp_stream stream;
    int64_t count = 0;
    bool cut;
    int rc = resp_range_end(call, call->args[backward ? 3 : 2], false, &range.from);
    if (rc >= 0)
        rc = resp_range_end(call, call->args[backward ? 2 : 3], true, &range.to);
    if (rc < 0)
        return rc;
    if (call->count == 5 || call->count > 6 || (call->count == 6 && !resp_is(call->args[4], "COUNT")))
        return resp_fail_syntax(call);
    if (call->count == 6) {
        if (!resp_number(call->args[5], &count))
            return resp_fail_number(call);
        range.count = count < 0 ? UINT64_MAX : (uint64_t)count;
    }
    rc = resp_stream_named(call, call->args[1], BROKER_READ, &stream);
    if (rc < 0)
        return rc;
    buffer_clear(&call->host->entries);
    int64_t n = resp_stream_range(call->host, &stream, &range, (struct resp_writer){ &call->host->entries, call->out.version }, &cut, &call->error);
    if (n < 0)
        return (int)n;
    if (cut)
        return edda_fail_with(&call->error, EDDA_ELIMIT, "the answer would have more than %llu bytes: ask for less with COUNT, and go on behind the last id",
                              (unsigned long long)RESP_ANSWER_BYTES_MAX);
    resp_array(call->out, (size_t)n);
    buffer_append_slice(call->out.out, buffer_slice(&call->host->entries));
    return RESP_ANSWERED;
}

int resp_xrange(struct resp_call *call)
{
    return range(call, false);
}

int resp_xrevrange(struct resp_call *call)
{
    return range(call, true);
}

struct xread {
    struct resp_reader reader;
    int64_t block_ms; /* -1: it does not wait */
    uint32_t streams; /* the first word behind STREAMS */
};

static int wrong_xread(struct resp_call *call, const char *option)
{
    return edda_fail_with(&call->error, EDDA_EINVAL, "The %s option is only supported by XREADGROUP. You called XREAD instead.", option);
}

/* An option with its values: how many words; or a negative code. */
static int parse_option(struct resp_call *call, bool group, uint32_t at, struct xread *read)
{
    struct slice word = call->args[at];
    int64_t number;
    bool block = resp_is(word, "BLOCK");
    if (resp_is(word, "NOACK")) {
        read->reader.noack = true;
        return group ? 1 : wrong_xread(call, "NOACK");
    }
    if (resp_is(word, "GROUP") && call->count - at > 2) {
        read->reader.group = call->args[at + 1];
        read->reader.consumer = call->args[at + 2];
        return group ? 3 : wrong_xread(call, "GROUP");
    }
    if ((!block && !resp_is(word, "COUNT")) || at + 1 == call->count)
        return resp_fail_syntax(call);
    if (!resp_number(call->args[at + 1], &number))
        return edda_fail_with(&call->error, EDDA_EINVAL, block ? "timeout is not an integer or out of range" : "value is not an integer or out of range");
    if (block && (number < 0 || number > INT64_C(1000000000000)))
        return edda_fail_with(&call->error, EDDA_EINVAL, number < 0 ? "timeout is negative" : "timeout is out of range");
    if (block)
        read->block_ms = number;
    else
        read->reader.count = number <= 0 ? UINT64_MAX : (uint64_t)number;
    return 2;
}

static int parse_xread(struct resp_call *call, bool group, struct xread *ret_read)
{
    struct xread read = { .reader = { .group = { NULL, 0 }, .count = UINT64_MAX }, .block_ms = -1 };
    uint32_t at = 1;
    for (int words; at < call->count && !resp_is(call->args[at], "STREAMS"); at += (uint32_t)words)
        if ((words = parse_option(call, group, at, &read)) < 0)
            return words;
    read.streams = at + 1;
    if (at >= call->count)
        return resp_fail_syntax(call);
    if (call->count - read.streams == 0 || (call->count - read.streams) % 2)
        return edda_fail_with(&call->error, EDDA_EINVAL, "Unbalanced '%s' list of streams: for each stream key an ID or '%s' must be specified.", group ? "xreadgroup" : "xread",
                              group ? ">" : "$");
    if (group && !read.reader.group.data)
        return edda_fail_with(&call->error, EDDA_EINVAL, "Missing GROUP option for XREADGROUP");
    if ((call->count - read.streams) / 2 > RESP_STREAMS_MAX)
        return edda_fail_with(&call->error, EDDA_ELIMIT, "one XREAD is of at most %d streams", RESP_STREAMS_MAX);
    *ret_read = read;
    return 0;
}

/* Where the read of one stream begins. */
static int parse_begin(struct resp_call *call, const struct resp_reader *reader, struct slice id, const struct resp_stream *stream, struct resp_read *read)
{
    bool group = reader->group.data != NULL;
    struct share *share;
    read->fresh = slice_eq(id, SLICE(">"));
    if (read->fresh && !group)
        return edda_fail_with(&call->error, EDDA_EINVAL, "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.");
    if (slice_eq(id, SLICE("$")) && group)
        return edda_fail_with(&call->error, EDDA_EINVAL,
                              "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get "
                              "new messages. The $ ID would just return an empty result set.");
    if (!read->fresh && !slice_eq(id, SLICE("$")) && !resp_id_parse(id, 0, &read->after))
        return resp_fail_id(call);
    if (slice_eq(id, SLICE("$")))
        return resp_stream_last(call->host, stream, &read->after, &call->error);
    if (!group)
        return 0;
    int rc = resp_group_find(call->host, stream, reader->group, &share, &call->error);
    return rc != 0 ? rc
                   : resp_fail_as(call, "NOGROUP", "No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP option", (int)read->name.len,
                                  (const char *)read->name.data, (int)reader->group.len, (const char *)reader->group.data);
}

static int xread(struct resp_call *call, bool group)
{
    struct resp_read reads[RESP_STREAMS_MAX];
    struct xread read = { .block_ms = -1 };
    bool history = false;
    int rc = parse_xread(call, group, &read);
    if (rc < 0)
        return rc;
    /* What is given is kept, so it is as if something were written. */
    if (group && server_is_behind(call->host->server))
        return EDDA_EBUSY;
    if (group && (rc = resp_group_may(call, read.reader.group)) < 0)
        return rc;
    uint32_t count = (call->count - read.streams) / 2;
    for (uint32_t i = 0; i < count; i++) {
        struct resp_stream stream;
        reads[i] = (struct resp_read){ .name = call->args[read.streams + i] };
        rc = resp_stream_named(call, reads[i].name, BROKER_READ, &stream);
        if (rc >= 0)
            rc = parse_begin(call, &read.reader, call->args[read.streams + count + i], &stream, &reads[i]);
        if (rc < 0)
            return rc;
        history |= group && !reads[i].fresh;
    }
    rc = resp_read_now(call->session, &read.reader, reads, count, &call->error);
    if (rc != 0)
        return rc < 0 ? rc : RESP_ANSWERED;
    if (read.block_ms < 0 || history) {
        resp_null_array(call->out);
        return RESP_ANSWERED;
    }
    rc = resp_wait_begin(call->session, &read.reader, reads, count, read.block_ms, &call->error);
    return rc < 0 ? rc : RESP_WAITS;
}

int resp_xread(struct resp_call *call)
{
    return xread(call, false);
}

int resp_xreadgroup(struct resp_call *call)
{
    return xread(call, true);
}

/* --- XINFO -------------------------------------------------------------------------------------------------------- */

static void put_id(struct resp_writer out, const char *name, struct resp_id id)
{
    char text[RESP_ID_TEXT_BYTES];
    resp_bulk_str(out, name);
    resp_bulk(out, resp_id_text(id, text));
}

static void put_int(struct resp_writer out, const char *name, int64_t value)
{
    resp_bulk_str(out, name);
    resp_int(out, value);
}

static int put_entry(struct resp_call *call, const struct resp_stream *stream, const char *name, bool last)
{
    const struct resp_range one = { .to = RESP_ID_MAX, .backward = last, .count = 1, .bytes_max = RESP_ANSWER_BYTES_MAX };
    bool cut;
    resp_bulk_str(call->out, name);
    buffer_clear(&call->host->entries);
    int64_t n = resp_stream_range(call->host, stream, &one, (struct resp_writer){ &call->host->entries, call->out.version }, &cut, &call->error);
    if (n == 0)
        resp_null_array(call->out);
    buffer_append_slice(call->out.out, buffer_slice(&call->host->entries));
    return n < 0 ? (int)n : 0;
}

struct counting {
    const struct resp_stream *stream;
    int64_t groups;
};

static int count_visit(void *user, struct share *share)
{
    struct counting *counting = user;
    counting->groups += resp_group_is_of(share, counting->stream);
    return 0;
}

int resp_xinfo(struct resp_call *call)
{
    struct resp_stream stream;
    struct resp_id last;
    if (resp_is(call->args[1], "GROUPS") && call->count == 3)
        return resp_xinfo_groups(call);
    if (resp_is(call->args[1], "CONSUMERS") && call->count == 4)
        return resp_xinfo_consumers(call);
    if (!resp_is(call->args[1], "STREAM") || call->count != 3)
        return resp_fail_subcommand(call, "STREAM GROUPS CONSUMERS");
    int rc = resp_stream_named(call, call->args[2], BROKER_READ, &stream);
    int64_t length = rc < 0 ? rc : resp_stream_length(call->host, &stream);
    struct counting counting = { .stream = &stream };
    if (length >= 0)
        rc = shares_each(call->host->shares, count_visit, &counting, &call->error);
    if (length == 0 && rc >= 0 && counting.groups == 0)
        return edda_fail_with(&call->error, EDDA_EINVAL, "no such key");
    rc = length < 0 || rc < 0 ? (length < 0 ? (int)length : rc) : resp_stream_last(call->host, &stream, &last, &call->error);
    if (rc < 0)
        return rc;
    resp_map(call->out, 6);
    put_int(call->out, "length", length);
    put_id(call->out, "last-generated-id", last);
    put_int(call->out, "entries-added", length);
    put_int(call->out, "groups", counting.groups);
    rc = put_entry(call, &stream, "first-entry", false);
    return rc < 0 ? rc : put_entry(call, &stream, "last-entry", true);
}
