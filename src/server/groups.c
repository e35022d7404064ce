/* groups: see groups.h. */
#include "server/groups.h"

#include <stdlib.h>

#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

/* A poll that waits. */
struct poll {
    struct hold hold;
    struct list of_share, of_all;
    struct shares *shares;
    struct share *share;
    struct edda_request *request;
    int64_t until_ns;
    uint32_t max, deliveries_max;
    int64_t timeout_ms;
};

/* The topic, or stream, and the group of the path: 1; 0 when nothing is known of the group. */
static int share_of(struct edda_request *request, struct shares **ret_shares, struct share_name *ret_name, struct share **ret_share)
{
    struct share_name name = { events_parameter(request, "topic"), events_parameter(request, "key"), events_parameter(request, "group") };
    struct store *store = events_store(request);
    *ret_shares = server_shares(request->server);
    *ret_name = name;
    if (!store)
        return EDDA_EUNSUPPORTED;
    int rc = request_permit(request, BROKER_READ, name.topic);
    if (rc == 0 && name.key.len > STORE_KEY_MAX)
        return edda_fail_field(&request->error, EDDA_EINVAL, "key", "a key has at most %d bytes", STORE_KEY_MAX);
    if (rc == 0 && !store_topic(store, name.topic))
        return edda_fail_field(&request->error, EDDA_ENOTFOUND, "topic", "there is no topic %.*s", (int)name.topic.len, (const char *)name.topic.data);
    return rc < 0 ? rc : share_find(*ret_shares, &name, ret_share, &request->error);
}

/* The same for one that is there. */
static int share_known(struct edda_request *request, struct shares **ret_shares, struct share **ret_share)
{
    struct share_name name;
    int rc = share_of(request, ret_shares, &name, ret_share);
    return rc > 0    ? 0
           : rc == 0 ? edda_fail_field(&request->error, EDDA_ENOTFOUND, "group", "group %.*s has taken nothing from the %s", (int)name.group.len,
                                       (const char *)name.group.data, name.key.data ? "stream" : "topic")
                     : rc;
}

/* --- polls ------------------------------------------------------------------------------------------------------------ */

static void row_put(struct buffer *out, const struct share *share, const struct share_taken *taken)
{
    const struct store_record *record = &taken->record;
    const struct event_out event = event_out_of(record, share->name.key.data ? (int64_t)taken->place : -1);
    buffer_printf(out, "{\"position\":%llu,\"deliveries\":%u,\"partition\":%u,\"offset\":%lld,\"event\":", (unsigned long long)taken->place, taken->deliveries,
                  record->partition, (long long)record->record.offset);
    event_put_structured(&event, out);
    buffer_append_byte(out, '}');
}

/* Writes what is due into the server's content: how many; 0 when there is nothing. A record that nobody has managed to deal with is put aside. */
static int poll_try(const struct poll *poll, struct buffer *content, struct edda_error *error)
{
    struct shares *shares = poll->shares;
    struct share *share = poll->share;
    int64_t now_ms = store_time_ms(shares->store);
    uint64_t durable = store_durable_position(shares->store);
    uint32_t count = 0;
    bool changed, gave_up = false;
    int rc = competing_due(&share->competing) > now_ms ? share_fill(shares, share, poll->max, durable, error) : 0;
    buffer_clear(content);
    buffer_append_str(content, "{\"_embedded\":{\"events\":[");
    while (rc >= 0 && count < poll->max && content->len < EVENTS_PAGE_BYTES) {
        struct share_taken taken;
        rc = share_take(shares, share, NULL, now_ms + poll->timeout_ms, poll->max - count, durable, &taken, &changed, error);
        if (rc <= 0)
            break;
        if (poll->deliveries_max && taken.deliveries > poll->deliveries_max &&
            competing_park(&share->competing, taken.place, SLICE("it was delivered too often")) == 0) {
            gave_up = true;
            continue;
        }
        if (count++)
            buffer_append_byte(content, ',');
        row_put(content, share, &taken);
    }
    buffer_append_str(content, "]}}");
    if (rc >= 0 && gave_up)
        rc = share_write(shares, share, error);
    return rc < 0 ? rc : (int)count;
}

static void poll_end(struct poll *poll)
{
    list_remove(&poll->of_share);
    list_remove(&poll->of_all);
    share_unwatch(poll->share);
    poll->shares->counts.waiting--;
    free(poll);
}

static void poll_forget(struct hold *hold)
{
    poll_end(container_of(hold, struct poll, hold));
}

static void poll_answer(struct poll *poll, int rc)
{
    struct edda_request *request = poll->request;
    request->hold = NULL;
    if (rc < 0)
        request_fail(request, 0, rc);
    else
        response_content(request, 200, "application/json", buffer_slice(&request->server->content));
    poll_end(poll);
    request_release(request);
}

static void poll_stopping(struct hold *hold)
{
    struct poll *poll = container_of(hold, struct poll, hold);
    struct buffer *content = &poll->request->server->content;
    buffer_clear(content);
    buffer_append_str(content, "{\"_embedded\":{\"events\":[]}}");
    poll_answer(poll, 0);
}

static int poll_wait(struct edda_request *request, const struct poll *asked)
{
    struct poll *poll = malloc(sizeof *poll);
    if (!poll)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory to wait");
    *poll = *asked;
    poll->hold = (struct hold){ .forget = poll_forget, .stopping = poll_stopping };
    share_watch(poll->share);
    list_push_back(&poll->share->polls, &poll->of_share);
    list_push_back(&poll->shares->polls, &poll->of_all);
    poll->shares->counts.waiting++;
    request_hold(request, &poll->hold);
    return 0;
}

/* The users were read again: who waits and may not any more is told so. */
static void permit_again(struct shares *shares)
{
    struct list *link = shares->polls.next;
    shares->reloads = shares->server->reloads;
    while (link != &shares->polls) {
        struct poll *poll = container_of(link, struct poll, of_all);
        link = link->next;
        int rc = request_permit_route(poll->request);
        if (rc == 0)
            rc = request_permit(poll->request, BROKER_READ, poll->share->name.topic);
        if (rc == 0)
            continue;
        struct connection *connection = &poll->request->session->connection;
        poll_answer(poll, rc);
        connection_flush(connection);
    }
}

int64_t shares_turn(struct shares *shares, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    if (shares->reloads != shares->server->reloads)
        permit_again(shares);
    if (list_empty(&shares->polls))
        return next_ns;
    int64_t now_ms = store_time_ms(shares->store);
    uint64_t durable = store_durable_position(shares->store);
    bool more = durable != shares->looked;
    shares->looked = durable;
    struct list *link = shares->polls.next;
    while (link != &shares->polls) {
        struct poll *poll = container_of(link, struct poll, of_all);
        struct buffer *content = &shares->server->content;
        struct edda_error *error = &poll->request->error;
        link = link->next;
        int64_t due_ms = share_due_ms(poll->share);
        bool first = poll->share->polls.next == &poll->of_share, over = now_ns >= poll->until_ns || poll->share->gone;
        bool tried = first && !poll->share->gone && (more || due_ms <= now_ms || over);
        int rc = tried ? poll_try(poll, content, error) : 0;
        if (!tried && over) {
            buffer_clear(content);
            buffer_append_str(content, "{\"_embedded\":{\"events\":[]}}");
        }
        if (rc != 0 || over) {
            /* There may be more for the one that waits behind it. */
            shares->looked = UINT64_MAX;
            struct connection *connection = &poll->request->session->connection;
            poll_answer(poll, rc);
            connection_flush(connection);
            next_ns = now_ns;
            continue;
        }
        int64_t wake_ns = due_ms == INT64_MAX || !first ? INT64_MAX : now_ns + (due_ms > now_ms ? due_ms - now_ms : 1) * NS_PER_MS;
        wake_ns = poll->until_ns < wake_ns ? poll->until_ns : wake_ns;
        next_ns = wake_ns < next_ns ? wake_ns : next_ns;
    }
    return next_ns;
}

/* --- routes ------------------------------------------------------------------------------------------------------------- */

/* A group that is new. */
static int share_begin(struct edda_request *request, struct shares *shares, const struct share_name *name, bool now, struct share **ret_share)
{
    struct stream_info info = { .next_version = 0 };
    uint64_t place = now ? store_tail(shares->store) : 0;
    if (now && name->key.data) {
        int rc = store_stream_info(shares->store, name->topic, name->key, &info);
        if (rc < 0 && rc != EDDA_ENOTFOUND)
            return edda_fail_with(&request->error, rc, "%s", store_read_error(shares->store)->message);
        place = (uint64_t)info.next_version;
    }
    return share_make(shares, name, place, ret_share, &request->error);
}

int group_poll(struct edda_request *request, const void *body, void *user)
{
    const struct GroupPoll *asked = body;
    struct poll poll = { .request = request };
    struct share_name name;
    (void)user;
    if (asked->from.len && !edda_text_is(asked->from, "now") && !edda_text_is(asked->from, "start"))
        return edda_fail_field(&request->error, EDDA_EINVAL, "from", "from must be start or now");
    int rc = share_of(request, &poll.shares, &name, &poll.share);
    if (rc == 0)
        rc = share_begin(request, poll.shares, &name, edda_text_is(asked->from, "now"), &poll.share);
    if (rc < 0)
        return rc;
    poll.max = asked->max ? (uint32_t)asked->max : POLL_DEFAULT;
    poll.timeout_ms = asked->timeoutMs ? asked->timeoutMs : POLL_TIMEOUT_DEFAULT_MS;
    poll.deliveries_max = (uint32_t)asked->maxDeliveries;
    poll.until_ns = request->server->now_ns + asked->waitMs * NS_PER_MS;
    rc = list_empty(&poll.share->polls) ? poll_try(&poll, &request->server->content, &request->error) : 0;
    if (rc < 0)
        return rc;
    if (rc == 0 && asked->waitMs > 0 && !request->server->stopping)
        return poll_wait(request, &poll);
    if (rc == 0) {
        buffer_clear(&request->server->content);
        buffer_append_str(&request->server->content, "{\"_embedded\":{\"events\":[]}}");
    }
    response_content(request, 200, "application/json", buffer_slice(&request->server->content));
    return 0;
}

enum verdict { VERDICT_ACK, VERDICT_NACK, VERDICT_PARK };

/* Does it to each position; those that are not open are told. */
static int judge(struct edda_request *request, const struct GroupVerdict *asked, enum verdict verdict)
{
    const int64_t *positions = asked->positions.items;
    struct buffer *content = &request->server->content, unknown = BUFFER_EMPTY;
    struct shares *shares;
    struct share *share;
    size_t done = 0;
    int rc = share_known(request, &shares, &share);
    int64_t due_ms = rc == 0 ? store_time_ms(shares->store) + asked->delayMs : 0;
    for (size_t i = 0; rc == 0 && i < asked->positions.count; i++) {
        uint64_t position = (uint64_t)positions[i];
        int one = verdict == VERDICT_ACK    ? competing_ack(&share->competing, position)
                  : verdict == VERDICT_NACK ? competing_nack(&share->competing, position, due_ms)
                                            : competing_park(&share->competing, position, slice_of(asked->reason.data, asked->reason.len));
        if (one == EDDA_ENOTFOUND)
            buffer_printf(&unknown, "%s%lld", unknown.len ? "," : "", (long long)positions[i]);
        else if (one < 0)
            rc = edda_fail_with(&request->error, one, one == EDDA_ELIMIT ? "a group has at most %d parked records of a topic" : "out of memory for a group",
                                COMPETING_PARKED_MAX);
        else
            done++;
    }
    if (done) {
        int written = share_write(shares, share, &request->error);
        rc = rc < 0 ? rc : written;
        shares->counts.acknowledged += verdict == VERDICT_ACK ? done : 0;
        shares->counts.parked += verdict == VERDICT_PARK ? done : 0;
    }
    if (rc == 0) {
        buffer_clear(content);
        buffer_printf(content, "{\"done\":%zu,\"unknown\":[", done);
        buffer_append_slice(content, buffer_slice(&unknown));
        buffer_append_str(content, "]}");
        response_content(request, 200, "application/json", buffer_slice(content));
    }
    buffer_deinit(&unknown);
    return rc;
}

int group_ack(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    return judge(request, body, VERDICT_ACK);
}

int group_nack(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    return judge(request, body, VERDICT_NACK);
}

int group_park(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    return judge(request, body, VERDICT_PARK);
}

static struct Group row_of(const struct shares *shares, const struct share *share)
{
    const struct share_name *name = &share->name;
    const struct competing *competing = &share->competing;
    struct stream_info info = { .next_version = 0 };
    uint64_t end = store_durable_position(shares->store);
    if (name->key.data)
        end = store_stream_info(shares->store, name->topic, name->key, &info) == 0 ? (uint64_t)info.next_version : 0;
    return (struct Group){ .group = { (const char *)name->group.data, name->group.len }, .topic = { (const char *)name->topic.data, name->topic.len },
                           .key = { (const char *)name->key.data, name->key.len }, .watermark = (int64_t)competing_watermark(competing),
                           .next = (int64_t)competing->next, .behind = (int64_t)(end > competing->next ? end - competing->next : 0),
                           .open = competing->open_count, .parked = competing->parked_count, .consumers = competing->consumer_count };
}

int group_show(struct edda_request *request, const void *body, void *user)
{
    struct shares *shares;
    struct share *share;
    (void)body, (void)user;
    int rc = share_known(request, &shares, &share);
    if (rc < 0)
        return rc;
    const struct Group row = row_of(shares, share);
    return collection_item(request, &Group_type, &row, slice_of(NULL, 0), -1);
}

struct listing {
    struct collection collection;
    struct shares *shares;
};

static int list_visit(void *user, struct share *share)
{
    struct listing *listing = user;
    const struct share_name *name = &share->name;
    const struct edda_request *request = listing->collection.request;
    if (!request_may(request, BROKER_READ, name->group) || !request_may(request, BROKER_READ, name->topic) || !collection_wants(&listing->collection))
        return 0;
    const struct Group row = row_of(listing->shares, share);
    collection_row(&listing->collection, &Group_type, &row, slice_of(NULL, 0));
    return 0;
}

int groups_list(struct edda_request *request, const void *body, void *user)
{
    struct store *store = events_store(request);
    struct listing listing = { .shares = server_shares(request->server) };
    (void)body, (void)user;
    if (!store)
        return EDDA_EUNSUPPORTED;
    if (collection_begin(&listing.collection, request, "groups") < 0)
        return 0;
    int rc = shares_each(listing.shares, list_visit, &listing, &request->error);
    if (rc < 0)
        return rc;
    return collection_end(&listing.collection, listing.collection.seen);
}

int group_parked(struct edda_request *request, const void *body, void *user)
{
    struct collection collection;
    struct shares *shares;
    struct share *share;
    (void)body, (void)user;
    int rc = share_known(request, &shares, &share);
    if (rc < 0)
        return rc;
    if (collection_begin(&collection, request, "parked") < 0)
        return 0;
    const struct competing_record *at = NULL;
    while ((at = competing_each(&share->competing, true, at))) {
        if (!collection_wants(&collection))
            continue;
        const struct ParkedRecord row = { .position = (int64_t)at->position, .deliveries = at->deliveries, .reason = { at->reason, at->reason_len } };
        collection_row(&collection, &ParkedRecord_type, &row, slice_of(NULL, 0));
    }
    return collection_end(&collection, collection.seen);
}

static int unpark(struct edda_request *request, int (*change)(struct competing *competing, uint64_t position))
{
    struct slice text = events_parameter(request, "position");
    struct shares *shares;
    struct share *share;
    uint64_t position = 0;
    int rc = share_known(request, &shares, &share);
    for (size_t i = 0; rc == 0 && i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || text.len > 18)
            return edda_fail_field(&request->error, EDDA_EINVAL, "position", "position must be a whole number");
        position = position * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (rc < 0)
        return rc;
    if (server_is_behind(request->server))
        return edda_fail_with(&request->error, EDDA_EBUSY, "the log is too far behind its disk");
    rc = change(&share->competing, position);
    if (rc < 0)
        return edda_fail_field(&request->error, rc, "position", rc == EDDA_ENOTFOUND ? "record %llu is not parked" : "record %llu cannot be open, as many others are",
                               (unsigned long long)position);
    return share_write(shares, share, &request->error);
}

int group_retry(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return unpark(request, competing_retry);
}

int group_discard(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return unpark(request, competing_discard);
}
