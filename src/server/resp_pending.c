/* What consumers of a group have and have not acknowledged: XACK, XPENDING, XCLAIM, XAUTOCLAIM. */
#include <stdio.h>

#include "server/resp.h"

/* --- XACK -------------------------------------------------------------------------------------------------------- */

int resp_xack(struct resp_call *call)
{
    struct resp_stream stream;
    struct resp_id id;
    struct share *share;
    int64_t done = 0;
    if (server_is_behind(call->host->server))
        return EDDA_EBUSY;
    int rc = resp_group_named(call, &stream, &share);
    int found = rc;
    for (uint32_t i = 3; rc >= 0 && i < call->count; i++)
        if (!resp_id_parse(call->args[i], 0, &id))
            return resp_fail_id(call);
    for (uint32_t i = 3; rc >= 0 && found > 0 && i < call->count; i++) {
        uint64_t place;
        (void)resp_id_parse(call->args[i], 0, &id);
        rc = resp_stream_at(call->host, &stream, id, &place, &call->error);
        done += rc > 0 && competing_ack(&share->competing, place) == 1;
    }
    if (done) {
        int written = share_write(call->host->shares, share, &call->error);
        rc = rc < 0 ? rc : written;
        call->host->shares->counts.acknowledged += (uint64_t)done;
    }
    if (rc < 0)
        return rc;
    resp_int(call->out, done);
    return RESP_ANSWERED;
}

/* --- XPENDING ---------------------------------------------------------------------------------------------------- */

static struct slice consumer_name(const struct competing_consumer *consumer)
{
    return consumer ? slice_of(consumer->name, consumer->name_len) : SLICE("");
}

/* The first or the last record that is in somebody's hands, and still there: 1; 0: there is none. */
static int pending_end(struct resp_call *call, const struct resp_stream *stream, const struct share *share, bool last, struct resp_id *ret_id)
{
    uint64_t low = 0, high = UINT64_MAX;
    for (;;) {
        const struct competing_record *found = NULL;
        for (const struct competing_record *at = NULL; (!found || last) && (at = competing_each(&share->competing, false, at));)
            if (at->deliveries && at->position >= low && at->position < high)
                found = at;
        int rc = found ? resp_group_entry(call->host, stream, share, found->position, ret_id, NULL, &call->error) : 0;
        if (rc != 0 || !found)
            return rc;
        if (last)
            high = found->position;
        else
            low = found->position + 1;
    }
}

static int pending_summary(struct resp_call *call, const struct resp_stream *stream, const struct share *share)
{
    const struct competing *competing = &share->competing;
    struct resp_id first, last;
    char text[RESP_ID_TEXT_BYTES];
    uint32_t pending = 0, named = 0, consumers = 0;
    for (const struct competing_record *at = NULL; (at = competing_each(competing, false, at));)
        pending += at->deliveries > 0;
    for (const struct competing_consumer *at = NULL; (at = competing_consumer_each(competing, at)); consumers += at->pending > 0)
        named += at->pending;
    int rc = pending ? pending_end(call, stream, share, false, &first) : 0;
    if (rc > 0)
        rc = pending_end(call, stream, share, true, &last);
    if (rc < 0)
        return rc;
    resp_array(call->out, 4);
    resp_int(call->out, rc ? pending : 0);
    if (rc == 0) {
        resp_null(call->out);
        resp_null(call->out);
        resp_null_array(call->out);
        return RESP_ANSWERED;
    }
    resp_bulk(call->out, resp_id_text(first, text));
    resp_bulk(call->out, resp_id_text(last, text));
    /* What was given to one without a name, over HTTP, is told as of the consumer "". */
    resp_array(call->out, consumers + (pending > named));
    const struct competing_consumer *at = NULL;
    for (uint32_t i = pending > named ? 0 : 1; i == 0 || (at = competing_consumer_each(competing, at)); i = 1) {
        uint32_t has = i == 0 ? pending - named : at->pending;
        int len = snprintf(text, sizeof text, "%u", has);
        if (has == 0)
            continue;
        resp_array(call->out, 2);
        resp_bulk(call->out, consumer_name(at));
        resp_bulk(call->out, slice_of(text, (size_t)len));
    }
    return RESP_ANSWERED;
}

struct pending {
    struct resp_id from, to;
    int64_t idle_ms, count;
    struct slice consumer; /* data NULL: of any */
};

/* XPENDING key group [IDLE ms] start end count [consumer] */
static int parse_pending(struct resp_call *call, struct pending *ret_pending)
{
    struct pending pending = { .idle_ms = 0 };
    bool idle = resp_is(call->args[3], "IDLE");
    uint32_t at = idle ? 5 : 3;
    if (idle && (call->count < 8 || !resp_number(call->args[4], &pending.idle_ms)))
        return call->count < 8 ? resp_fail_syntax(call) : resp_fail_number(call);
    if (call->count - at < 3 || call->count - at > 4)
        return resp_fail_syntax(call);
    if (!resp_number(call->args[at + 2], &pending.count))
        return resp_fail_number(call);
    int rc = resp_range_end(call, call->args[at], false, &pending.from);
    if (rc >= 0)
        rc = resp_range_end(call, call->args[at + 1], true, &pending.to);
    if (call->count - at == 4)
        pending.consumer = call->args[at + 3];
    *ret_pending = pending;
    return rc;
}

static int pending_range(struct resp_call *call, const struct resp_stream *stream, const struct share *share, const struct pending *asked)
{
    struct resp_writer rows = { &call->host->entries, call->out.version };
    const struct competing_consumer *only = asked->consumer.data ? competing_consumer(&share->competing, asked->consumer) : NULL;
    bool any = !asked->consumer.data, nobody = !any && !only && asked->consumer.len > 0;
    int64_t now_ms = store_time_ms(call->host->store), n = 0;
    uint64_t from;
    int rc = resp_stream_seek(call->host, stream, asked->from, &from, &call->error);
    buffer_clear(rows.out);
    for (const struct competing_record *at = NULL; rc >= 0 && n < asked->count && !nobody && (at = competing_each(&share->competing, false, at));) {
        struct resp_id id;
        char text[RESP_ID_TEXT_BYTES];
        int64_t idle_ms = now_ms > at->delivered_ms ? now_ms - at->delivered_ms : 0;
        if (at->deliveries == 0 || at->position < from || idle_ms < asked->idle_ms || (!any && at->consumer != only))
            continue;
        rc = resp_group_entry(call->host, stream, share, at->position, &id, NULL, &call->error);
        if (rc > 0 && resp_id_compare(id, asked->to) > 0)
            break;
        if (rc <= 0)
            continue;
        n++;
        resp_stream_given(call->host, stream, id, at->position);
        resp_array(rows, 4);
        resp_bulk(rows, resp_id_text(id, text));
        resp_bulk(rows, consumer_name(at->consumer));
        resp_int(rows, idle_ms);
        resp_int(rows, at->deliveries);
    }
    if (rc < 0)
        return rc;
    resp_array(call->out, (size_t)n);
    buffer_append_slice(call->out.out, buffer_slice(rows.out));
    return RESP_ANSWERED;
}

int resp_xpending(struct resp_call *call)
{
    struct resp_stream stream;
    struct share *share;
    struct pending asked = { .count = 0 };
    int rc = call->count > 3 ? parse_pending(call, &asked) : 0;
    if (rc >= 0)
        rc = resp_group_named(call, &stream, &share);
    if (rc <= 0)
        return rc < 0 ? rc : resp_fail_group(call, call->args[1], call->args[2]);
    return call->count > 3 ? pending_range(call, &stream, share, &asked) : pending_summary(call, &stream, share);
}

/* --- XCLAIM, XAUTOCLAIM ------------------------------------------------------------------------------------------ */

struct claim {
    int64_t least_idle_ms;
    int64_t delivered_ms;  /* as which moment it counts */
    int64_t deliveries;    /* -1: one more */
    bool force, just_id;
    struct resp_id last;   /* LASTID */
    uint32_t ids;          /* how many words are ids, from args[5] on */
    struct resp_id start;  /* of XAUTOCLAIM */
    int64_t count;
};

static int parse_least_idle(struct resp_call *call, struct claim *claim)
{
    if (!resp_number(call->args[4], &claim->least_idle_ms))
        return edda_fail_with(&call->error, EDDA_EINVAL, "Invalid min-idle-time argument for %s", resp_is(call->args[0], "XCLAIM") ? "XCLAIM" : "XAUTOCLAIM");
    if (claim->least_idle_ms < 0)
        claim->least_idle_ms = 0;
    return 0;
}

/* XCLAIM key group consumer min-idle-time id … [IDLE ms] [TIME unix-ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id] */
static int parse_claim(struct resp_call *call, struct claim *claim)
{
    int64_t now_ms = store_time_ms(call->host->store), number;
    struct resp_id id;
    int rc = parse_least_idle(call, claim);
    if (rc < 0)
        return rc;
    while (5 + claim->ids < call->count && resp_id_parse(call->args[5 + claim->ids], 0, &id))
        claim->ids++;
    for (uint32_t at = 5 + claim->ids; at < call->count; at++) {
        struct slice word = call->args[at];
        bool idle = resp_is(word, "IDLE"), time = resp_is(word, "TIME"), retries = resp_is(word, "RETRYCOUNT"), last = resp_is(word, "LASTID");
        if (resp_is(word, "FORCE"))
            claim->force = true;
        else if (resp_is(word, "JUSTID"))
            claim->just_id = true;
        else if ((!idle && !time && !retries && !last) || at + 1 == call->count)
            return edda_fail_with(&call->error, EDDA_EINVAL, "Unrecognized XCLAIM option '%.*s'", (int)word.len, (const char *)word.data);
        else if (last && !resp_id_parse(call->args[++at], 0, &claim->last))
            return resp_fail_id(call);
        else if (!last && !resp_number(call->args[++at], &number))
            return edda_fail_with(&call->error, EDDA_EINVAL, "Invalid %s option argument for XCLAIM", idle ? "IDLE" : time ? "TIME" : "RETRYCOUNT");
        else if (retries)
            claim->deliveries = number < 0 ? 0 : number > INT32_MAX ? INT32_MAX : number;
        else if (idle || time)
            claim->delivered_ms = idle ? now_ms - (number < 0 ? 0 : number) : number;
    }
    if (claim->delivered_ms > now_ms || claim->delivered_ms < 0)
        claim->delivered_ms = now_ms;
    return 0;
}

/* One that gets what others have. */
struct claiming {
    struct resp_call *call;
    const struct claim *claim;
    struct resp_stream stream;
    struct share *share;
    struct competing_consumer *consumer;
    struct resp_writer out;
    int64_t now_ms, given;
    bool changed;
};

/* The record is known to be in somebody's hands, or to be taken by force. What is not there any more is done. */
static int claim_one(struct claiming *claiming, uint64_t place)
{
    struct resp_call *call = claiming->call;
    const struct claim *claim = claiming->claim;
    struct competing *competing = &claiming->share->competing;
    const struct competing_record *record = competing_find(competing, place);
    char text[RESP_ID_TEXT_BYTES];
    struct resp_id id;
    uint32_t deliveries = record ? record->deliveries : 0;
    if (record && claiming->now_ms - record->delivered_ms < claim->least_idle_ms)
        return 0;
    int rc = resp_group_entry(call->host, &claiming->stream, claiming->share, place, &id, claim->just_id ? NULL : &claiming->out, &call->error);
    if (rc < 0)
        return rc;
    claiming->changed = true;
    if (rc == 0) {
        (void)competing_ack(competing, place);
        return 0;
    }
    if (claim->just_id)
        resp_bulk(claiming->out, resp_id_text(id, text));
    deliveries = claim->deliveries >= 0 ? (uint32_t)claim->deliveries : deliveries + !claim->just_id;
    (void)competing_claim(competing, place, claiming->consumer, claim->delivered_ms, deliveries);
    claiming->given++;
    return 1;
}

static int claim_begin(struct claiming *claiming)
{
    struct resp_call *call = claiming->call;
    if (server_is_behind(call->host->server))
        return EDDA_EBUSY;
    int rc = resp_group_named(call, &claiming->stream, &claiming->share);
    if (rc <= 0)
        return rc < 0 ? rc : resp_fail_group(call, call->args[1], call->args[2]);
    claiming->now_ms = store_time_ms(call->host->store);
    claiming->out = (struct resp_writer){ &call->host->entries, call->out.version };
    buffer_clear(&call->host->entries);
    return resp_group_consumer(call->host, claiming->share, call->args[3], &claiming->consumer, &claiming->changed, &call->error);
}

static int claim_end(struct claiming *claiming, int rc)
{
    struct resp_call *call = claiming->call;
    if (claiming->given)
        claiming->consumer->active_ms = claiming->now_ms;
    int written = claiming->changed ? share_write(call->host->shares, claiming->share, rc < 0 ? NULL : &call->error) : 0;
    return rc < 0 ? rc : written;
}

/* What nobody has is given by force. */
static int claim_force(struct claiming *claiming, uint64_t place)
{
    int rc = competing_reopen(&claiming->share->competing, place);
    if (rc == EDDA_ENOTFOUND)
        return 0;
    if (rc < 0)
        return edda_fail_with(&claiming->call->error, rc, rc == EDDA_ELIMIT ? "a group has at most %d open records" : "out of memory for a group", COMPETING_OPEN_MAX);
    return claim_one(claiming, place);
}

int resp_xclaim(struct resp_call *call)
{
    struct claim claim = { .deliveries = -1, .delivered_ms = INT64_MAX };
    struct claiming claiming = { .call = call, .claim = &claim };
    struct resp_id id = { 0, 0 };
    uint64_t place;
    int rc = parse_claim(call, &claim);
    if (rc >= 0)
        rc = claim_begin(&claiming);
    if (rc < 0)
        return rc;
    if (resp_id_compare(claim.last, id) > 0 && resp_id_next(&claim.last)) {
        rc = resp_stream_seek(call->host, &claiming.stream, claim.last, &place, &call->error);
        claiming.changed |= rc >= 0 && place > claiming.share->competing.next;
        if (rc >= 0)
            competing_pass(&claiming.share->competing, place);
    }
    for (uint32_t i = 0; rc >= 0 && i < claim.ids; i++) {
        (void)resp_id_parse(call->args[5 + i], 0, &id);
        rc = resp_stream_at(call->host, &claiming.stream, id, &place, &call->error);
        if (rc > 0 && competing_find(&claiming.share->competing, place))
            rc = claim_one(&claiming, place);
        else if (rc > 0 && claim.force)
            rc = claim_force(&claiming, place);
    }
    rc = claim_end(&claiming, rc);
    if (rc < 0)
        return rc;
    resp_array(call->out, (size_t)claiming.given);
    buffer_append_slice(call->out.out, buffer_slice(&call->host->entries));
    return RESP_ANSWERED;
}

/* XAUTOCLAIM key group consumer min-idle-time start [COUNT n] [JUSTID] */
static int parse_autoclaim(struct resp_call *call, struct claim *claim)
{
    int rc = parse_least_idle(call, claim);
    if (rc >= 0)
        rc = resp_range_end(call, call->args[5], false, &claim->start);
    for (uint32_t at = 6; rc >= 0 && at < call->count; at++) {
        if (resp_is(call->args[at], "JUSTID"))
            claim->just_id = true;
        else if (!resp_is(call->args[at], "COUNT") || ++at == call->count)
            return resp_fail_syntax(call);
        else if (!resp_number(call->args[at], &claim->count))
            return resp_fail_number(call);
        else if (claim->count <= 0)
            return edda_fail_with(&call->error, EDDA_EINVAL, "COUNT must be > 0");
    }
    return rc;
}

int resp_xautoclaim(struct resp_call *call)
{
    struct claim claim = { .deliveries = -1, .count = 100 };
    struct claiming claiming = { .call = call, .claim = &claim };
    struct resp_id id = { 0, 0 };
    char text[RESP_ID_TEXT_BYTES];
    uint64_t from = 0;
    int rc = parse_autoclaim(call, &claim);
    if (rc >= 0)
        rc = claim_begin(&claiming);
    if (rc < 0)
        return rc;
    claim.delivered_ms = claiming.now_ms;
    rc = resp_stream_seek(call->host, &claiming.stream, claim.start, &from, &call->error);
    const struct competing_record *next = competing_each(&claiming.share->competing, false, NULL);
    while (rc >= 0 && next && claiming.given < claim.count) {
        const struct competing_record *record = next;
        next = competing_each(&claiming.share->competing, false, record);
        if (record->deliveries && record->position >= from)
            rc = claim_one(&claiming, record->position);
    }
    while (rc >= 0 && next && (next->deliveries == 0 || (rc = resp_group_entry(call->host, &claiming.stream, claiming.share, next->position, &id, NULL, &call->error)) == 0))
        next = competing_each(&claiming.share->competing, false, next);
    rc = claim_end(&claiming, rc);
    if (rc < 0)
        return rc;
    resp_array(call->out, 3);
    resp_bulk(call->out, resp_id_text(id, text));
    resp_array(call->out, (size_t)claiming.given);
    buffer_append_slice(call->out.out, buffer_slice(&call->host->entries));
    resp_array(call->out, 0); /* ids of what is deleted: what retention has taken has none any more */
    return RESP_ANSWERED;
}
