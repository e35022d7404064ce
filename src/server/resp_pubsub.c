/* Commands of channels. A message that is published is a record of the channel's topic: its value, without a key. */
#include "server/resp.h"

static void put_confirmation(struct resp_call *call, const char *what, const struct slice *name)
{
    const struct resp_session *session = call->session;
    resp_push(call->out, 3);
    resp_bulk_str(call->out, what);
    if (name)
        resp_bulk(call->out, *name);
    else
        resp_null(call->out);
    resp_int(call->out, (int64_t)(session->counts[RESP_CHANNEL] + session->counts[RESP_PATTERN]));
}

static int check_name(struct resp_call *call, enum resp_interest kind, struct slice name)
{
    int rc = 0;
    if (kind == RESP_PATTERN) {
        if (name.len > RESP_NAME_BYTES_MAX)
            return edda_fail_with(&call->error, EDDA_EINVAL, "a pattern has at most %d bytes", RESP_NAME_BYTES_MAX);
        size_t fixed = 0;
        while (fixed < name.len && !strchr("*?[\\", name.data[fixed]))
            fixed++;
        buffer_clear(&call->host->text);
        if (fixed)
            rc = resp_topic_name(slice_of(name.data, fixed), &call->host->text, &call->error);
        /* It may match whatever begins so: with this sign behind it, it is no topic's name, and only who may read all of those may read it. */
        if (rc >= 0 && fixed < name.len)
            buffer_append_byte(&call->host->text, '*');
        return rc < 0 ? rc : resp_may(call, BROKER_READ, buffer_slice(&call->host->text));
    }
    rc = resp_topic_name(name, &call->host->text, &call->error);
    return rc < 0 ? rc : resp_may(call, BROKER_READ, buffer_slice(&call->host->text));
}

static int subscribe(struct resp_call *call, enum resp_interest kind)
{
    struct resp_session *session = call->session;
    for (uint32_t i = 1; i < call->count; i++) {
        int rc = check_name(call, kind, call->args[i]);
        if (rc < 0)
            return rc;
    }
    if (session->counts[kind] + call->count - 1 > RESP_SUBSCRIPTIONS_MAX)
        return edda_fail_with(&call->error, EDDA_ELIMIT, "a connection has at most %d subscriptions", RESP_SUBSCRIPTIONS_MAX);
    for (uint32_t i = 1; i < call->count; i++) {
        int rc = resp_subscribe(session, kind, call->args[i]);
        if (rc < 0)
            return edda_fail_with(&call->error, rc, "out of memory for a subscription");
        put_confirmation(call, kind == RESP_PATTERN ? "psubscribe" : "subscribe", &call->args[i]);
    }
    return RESP_ANSWERED;
}

/* Without names, all of the kind end; with none there, that is still said once. */
static int unsubscribe(struct resp_call *call, enum resp_interest kind)
{
    struct resp_session *session = call->session;
    const char *what = kind == RESP_PATTERN ? "punsubscribe" : "unsubscribe";
    for (uint32_t i = 1; i < call->count; i++) {
        (void)resp_unsubscribe(session, kind, call->args[i]);
        put_confirmation(call, what, &call->args[i]);
    }
    if (call->count > 1)
        return RESP_ANSWERED;
    if (session->counts[kind] == 0)
        put_confirmation(call, what, NULL);
    for (struct list *link = session->subscriptions.next, *next; link != &session->subscriptions; link = next) {
        const struct resp_wanted *wanted = container_of(link, struct resp_subscription, of_session)->wanted;
        next = link->next;
        if (wanted->kind != kind)
            continue;
        struct slice name = arena_copy(&call->host->arena, slice_of(wanted->name, wanted->name_len));
        if (!name.data)
            return edda_fail_with(&call->error, EDDA_ENOMEM, "out of memory for a name");
        (void)resp_unsubscribe(session, kind, name);
        put_confirmation(call, what, &name);
    }
    return RESP_ANSWERED;
}

int resp_on_subscribe(struct resp_call *call)
{
    return subscribe(call, RESP_CHANNEL);
}

int resp_on_psubscribe(struct resp_call *call)
{
    return subscribe(call, RESP_PATTERN);
}

int resp_on_unsubscribe(struct resp_call *call)
{
    return unsubscribe(call, RESP_CHANNEL);
}

int resp_on_punsubscribe(struct resp_call *call)
{
    return unsubscribe(call, RESP_PATTERN);
}

/* --- publishing -------------------------------------------------------------------------------------------------- */

/* `event` names the message, or is empty. *ret_repeated: it was published before. */
static int publish(struct resp_call *call, const struct cloudevent *event, bool *ret_repeated)
{
    struct resp_host *host = call->host;
    struct topic *topic;
    struct store_appended appended;
    int rc = resp_topic_name(call->args[1], &host->text, &call->error);
    if (rc >= 0)
        rc = resp_may(call, BROKER_WRITE, buffer_slice(&host->text));
    if (rc >= 0)
        rc = resp_topic_ensure(host, buffer_slice(&host->text), &topic, &call->error);
    if (rc < 0)
        return rc;
    static const uint8_t nothing[1];
    struct slice value = call->args[2].len ? call->args[2] : slice_of(nothing, 0);
    const struct store_message message = { .topic = topic, .value = value, .event = *event, .identify = event->id.len > 0, .partition = -1 };
    rc = store_append(host->store, NULL, 0, &message, 1, false, &appended, &call->error);
    *ret_repeated = rc >= 0 && appended.repeated;
    return rc;
}

int resp_publish(struct resp_call *call)
{
    const struct cloudevent event = { .data_version = 0 };
    bool repeated;
    int rc = publish(call, &event, &repeated);
    if (rc < 0)
        return rc;
    resp_int(call->out, (int64_t)resp_subscribers(call->host, call->args[1]));
    return RESP_ANSWERED;
}

/* EDDA.PUBLISH channel message [SOURCE source ID id [AFTER id]]. With AFTER it is published only if that of the same source was: so of many that are sent
 * without waiting none can be left out when one before it is refused. */
int resp_edda_publish(struct resp_call *call)
{
    struct cloudevent event = { .data_version = 0 };
    struct slice after = { .data = NULL };
    bool repeated;
    for (uint32_t i = 3; i < call->count; i += 2) {
        struct slice *to = resp_is(call->args[i], "SOURCE") ? &event.source : resp_is(call->args[i], "ID") ? &event.id
                           : resp_is(call->args[i], "AFTER") ? &after : NULL;
        if (!to || i + 1 == call->count || call->args[i + 1].len == 0)
            return edda_fail_with(&call->error, EDDA_EINVAL, "syntax error: EDDA.PUBLISH channel message [SOURCE source ID id [AFTER id]]");
        *to = call->args[i + 1];
    }
    if ((event.source.len > 0) != (event.id.len > 0) || (after.len && !event.id.len))
        return edda_fail_with(&call->error, EDDA_EINVAL, "a message is identified by SOURCE and ID together");
    uint64_t position;
    int rc = after.len ? store_identity(call->host->store, event.source, after, &position) : 0;
    if (rc == EDDA_ENOTFOUND)
        return edda_fail_with(&call->error, EDDA_ENOTFOUND, "%.*s of %.*s, behind which it is to come, has not been published",
                              (int)(after.len < 64 ? after.len : 64), (const char *)after.data, (int)(event.source.len < 64 ? event.source.len : 64),
                              (const char *)event.source.data);
    if (rc >= 0)
        rc = publish(call, &event, &repeated);
    if (rc < 0)
        return rc;
    resp_int(call->out, repeated ? -1 : (int64_t)resp_subscribers(call->host, call->args[1]));
    return RESP_ANSWERED;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static int pubsub_channels(struct resp_call *call)
{
    struct list *all = &call->host->channels.by_kind[RESP_CHANNEL];
    for (int pass = 0; pass < 2; pass++) {
        size_t count = 0;
        for (struct list *link = all->next; link != all; link = link->next) {
            const struct resp_wanted *wanted = container_of(link, struct resp_wanted, link);
            struct slice name = slice_of(wanted->name, wanted->name_len);
            if (call->count == 3 && !resp_matches(call->args[2], name))
                continue;
            count++;
            if (pass)
                resp_bulk(call->out, name);
        }
        if (!pass)
            resp_array(call->out, count);
    }
    return RESP_ANSWERED;
}

int resp_pubsub(struct resp_call *call)
{
    struct resp_host *host = call->host;
    if (resp_is(call->args[1], "CHANNELS") && call->count <= 3)
        return pubsub_channels(call);
    if (resp_is(call->args[1], "NUMPAT") && call->count == 2) {
        resp_int(call->out, (int64_t)host->channels.counts[RESP_PATTERN]);
        return RESP_ANSWERED;
    }
    if (!resp_is(call->args[1], "NUMSUB"))
        return resp_fail_subcommand(call, "CHANNELS NUMPAT");
    resp_array(call->out, 2 * (size_t)(call->count - 2)); /* in both versions */
    for (uint32_t i = 2; i < call->count; i++) {
        resp_bulk(call->out, call->args[i]);
        resp_int(call->out, (int64_t)resp_channel_subscribers(host, call->args[i]));
    }
    return RESP_ANSWERED;
}
