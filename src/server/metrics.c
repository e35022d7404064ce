/* metrics: what can be measured, as a table: for GET /metrics in the text format of Prometheus (0.0.4), and for its documentation. */
#include <inttypes.h>

#include "server/groups.h"
#include "server/handlers.h"
#include "server/kafka.h"
#include "server/resp.h"
#include "server/parts.h"
#include "server/reference.h"
#include "wire/json/text.h"

struct metric {
    const char *name;
    const char *kind; /* "counter" or "gauge" */
    const char *help;
    const char *label; /* what its rows differ in; NULL: there is one */
    uint64_t (*value)(const struct server *server);
    uint64_t (*of_protocol)(const struct spoken *spoken);
    uint64_t (*of_broker)(const struct broker_counts *counts);
    uint64_t (*of_api)(const struct broker_api_counts *counts);
    uint64_t (*of_service)(const struct engine_service_info *info);
    uint64_t (*of_projection)(const struct engine_projection_info *info);
    uint64_t (*of_effect)(const struct engine_effect_info *info);
    void (*rows)(const struct metric *metric, const struct server *server, struct buffer *out);
};

#define OF_PROTOCOL(name, expression) \
    static uint64_t name(const struct spoken *spoken) \
    { \
        return (uint64_t)(expression); \
    }
#define OF_BROKER(name, expression) \
    static uint64_t name(const struct broker_counts *counts) \
    { \
        return (uint64_t)(expression); \
    }
#define OF_API(name, expression) \
    static uint64_t name(const struct broker_api_counts *counts) \
    { \
        return (uint64_t)(expression); \
    }
#define VALUE(name, expression) \
    static uint64_t name(const struct server *server) \
    { \
        return (uint64_t)(expression); \
    }
#define OF_SERVICE(name, expression) \
    static uint64_t name(const struct engine_service_info *info) \
    { \
        return (uint64_t)(expression); \
    }

#define OF_PROJECTION(name, expression) \
    static uint64_t name(const struct engine_projection_info *info) \
    { \
        return (uint64_t)(expression); \
    }
#define OF_EFFECT(name, expression) \
    static uint64_t name(const struct engine_effect_info *info) \
    { \
        return (uint64_t)(expression); \
    }

VALUE(journal_tail_now, journal_tail(server->journal))
VALUE(journal_durable_now, journal_durable(server->journal))
static struct store_scavenged scavenged(const struct server *server)
{
    struct store_scavenged done = { 0 };
    if (server->options.store)
        store_scavenged(server->options.store, &done);
    return done;
}
VALUE(log_freed, scavenged(server).gap_bytes)
VALUE(scavenger_passes, scavenged(server).passes)
VALUE(scavenger_segments, scavenged(server).segments)
VALUE(scavenger_thinned, scavenged(server).thinned_frames)
VALUE(scavenger_removed, scavenged(server).removed_segments)
VALUE(scavenger_failures, scavenged(server).failures)
VALUE(deadlines_pending, engine_deadline_count(server->engine, NULL))
VALUE(handlers_running, engine_running(server->engine))
static struct engine_channels_info channels(const struct server *server)
{
    struct engine_channels_info info = { 0 };
    (void)engine_channels(server->engine, &info);
    return info;
}
VALUE(channels_published, channels(server).published)
VALUE(channels_received, channels(server).received)
VALUE(channels_malformed, channels(server).malformed)
VALUE(channels_lag, channels(server).lag)
VALUE(channels_connects, channels(server).connects)
VALUE(channels_out, channels(server).connected_out)
VALUE(channels_in, channels(server).connected_in)
VALUE(requests_stalled, server->counts.stalls)
OF_PROTOCOL(connections_open, spoken->counts.open)
OF_PROTOCOL(connections_accepted, spoken->counts.accepted)
OF_PROTOCOL(connections_refused, spoken->counts.refused)
OF_PROTOCOL(connections_expired, spoken->counts.expired)
OF_PROTOCOL(connections_shed_total, spoken->counts.shed)
OF_PROTOCOL(buffered_bytes, spoken->counts.held)
OF_PROTOCOL(received_bytes, spoken->counts.bytes_in)
OF_PROTOCOL(sent_bytes, spoken->counts.bytes_out)
static struct resp_info resp(const struct server *server)
{
    struct resp_info info = { .counts = { 0 } };
    resp_look(server, &info);
    return info;
}
VALUE(resp_commands, resp(server).counts.commands)
VALUE(resp_errors, resp(server).counts.failed)
VALUE(resp_messages, resp(server).counts.messages)
VALUE(resp_overruns, resp(server).counts.overruns)
static struct live_counts live(const struct server *server)
{
    const struct http_host *host = server_host(server, &http_protocol);
    struct live_counts counts = { .subscribers = 0 };
    if (host)
        live_counts(host->live, &counts);
    return counts;
}

VALUE(shares_waiting, server->shares->counts.waiting)
VALUE(shares_delivered, server->shares->counts.delivered)
VALUE(shares_redelivered, server->shares->counts.redelivered)
VALUE(shares_acknowledged, server->shares->counts.acknowledged)
VALUE(shares_parked, server->shares->counts.parked)
VALUE(live_subscribers, live(server).subscribers)
VALUE(live_events, live(server).events)
VALUE(live_heartbeats, live(server).heartbeats)
VALUE(live_paused, live(server).paused)
VALUE(resp_subscriptions, resp(server).subscriptions)
VALUE(resp_waiting, resp(server).waiting)
OF_API(kafka_requests, counts->requests)
OF_API(kafka_errors, counts->errors)
OF_BROKER(kafka_malformed, counts->malformed)
OF_BROKER(kafka_waiting, counts->parked)
OF_BROKER(kafka_stalled, counts->stalled)
OF_BROKER(kafka_produced, counts->produced_bytes)
OF_BROKER(kafka_fetched, counts->fetched_bytes)
OF_BROKER(kafka_groups, counts->groups)
OF_SERVICE(service_steps, info->steps)
OF_SERVICE(service_skips, info->skips)
OF_SERVICE(service_failures, info->failures)
OF_SERVICE(service_quarantined, info->quarantined)
OF_SERVICE(service_pending, info->pending)
OF_SERVICE(service_lag, info->lag)
OF_SERVICE(service_paused, info->paused)
OF_PROJECTION(projection_lag, info->lag)
OF_PROJECTION(projection_position, info->position)
OF_PROJECTION(projection_applied, info->applied)
OF_PROJECTION(projection_transactions, info->transactions)
OF_PROJECTION(projection_conflicts, info->conflicts)
OF_PROJECTION(projection_failures, info->failures)
OF_PROJECTION(projection_quarantined, info->quarantined)
OF_PROJECTION(projection_held, info->held)
OF_PROJECTION(projection_rebuilt, info->rebuilt)
OF_PROJECTION(projection_running, strcmp(info->state, "running") == 0)
OF_EFFECT(effect_begun, info->counts.begun)
OF_EFFECT(effect_succeeded, info->counts.succeeded)
OF_EFFECT(effect_failed, info->counts.failed)
OF_EFFECT(effect_refused, info->counts.refused)
OF_EFFECT(effect_running, info->running)
OF_EFFECT(effect_waiting, info->waiting)
OF_EFFECT(effect_breaker, info->breaker_open)

static void put_responses(const struct metric *metric, const struct server *server, struct buffer *out)
{
    for (int status = 0; status < STATUS_MAX; status++)
        if (server->counts.responses[status])
            buffer_printf(out, "%s{status=\"%d\"} %" PRIu64 "\n", metric->name, status,
                          server->counts.responses[status]);
}

static void put_release(const struct metric *metric, const struct server *server, struct buffer *out)
{
    buffer_printf(out, "%s{application=\"%s\",release=\"%s\"} 1\n", metric->name, server->app->name, edda_version());
}

static void put_limits(const struct metric *metric, const struct server *server, struct buffer *out)
{
    limits_put(server, metric->name, out);
}

static void put_limits_used(const struct metric *metric, const struct server *server, struct buffer *out)
{
    limits_put_used(server, metric->name, out);
}

/* Whatever a client has chosen as a name, as the value of a label, which is UTF-8: a byte that is no part of it is written as its two hexadecimal digits, with \x before them. */
static void put_label(struct buffer *out, struct slice value)
{
    for (const uint8_t *at = value.data, *end = at + value.len; at < end;) {
        size_t len = text_utf8_len(at, end);
        if (len == 0)
            buffer_printf(out, "\\\\x%02x", *at);
        else if (*at == '\n')
            buffer_append_str(out, "\\n");
        else if (*at == '"' || *at == '\\')
            buffer_printf(out, "\\%c", *at);
        else
            buffer_append(out, at, len);
        at += len ? len : 1;
    }
}

/* Groups may have long names, of bytes that take several each; who scrapes is to get the other metrics all the same. */
#define LAG_ROWS_BYTES_MAX (4 << 20)
struct lag_rows {
    const char *name;
    struct buffer *out;
    size_t end;
};

static bool put_lag(void *user, const struct broker_lag *lag)
{
    struct lag_rows *rows = user;
    buffer_printf(rows->out, "%s{group=\"", rows->name);
    put_label(rows->out, lag->group);
    buffer_append_str(rows->out, "\",topic=\"");
    put_label(rows->out, lag->topic);
    buffer_printf(rows->out, "\",partition=\"%" PRIu32 "\"} %" PRIu64 "\n", lag->partition, lag->offsets);
    return rows->out->len < rows->end;
}

static void put_group_lags(const struct metric *metric, const struct server *server, struct buffer *out)
{
    const struct broker *broker = server_host(server, &kafka_protocol);
    struct lag_rows rows = { metric->name, out, out->len + LAG_ROWS_BYTES_MAX };
    if (broker)
        broker_lags_each(broker, put_lag, &rows);
}

/* clang-format off */
static const struct metric metrics[] = {
    { "edda_info", "gauge", "Always 1; its labels say what is running.", "application, release", .rows = put_release },
    { "edda_limit", "gauge", "Limits of what clients may have or do: docs/operating/limits.md says what each is.", "limit", .rows = put_limits },
    { "edda_limit_used", "gauge", "How much there is now of what has a limit, for limits of quantities.", "limit", .rows = put_limits_used },
    { "edda_journal_tail", "gauge", "Position that the next record will get.", .value = journal_tail_now },
    { "edda_journal_durable", "gauge", "Position below which every record is on the disk.", .value = journal_durable_now },
    { "edda_log_freed_bytes", "gauge", "Bytes of the log from which records were removed, and which take no space.", .value = log_freed },
    { "edda_scavenger_passes_total", "counter", "Times that retention was looked after, and what was gone removed.", .value = scavenger_passes },
    { "edda_scavenger_segments_total", "counter", "Segments of the log written again without what was gone.", .value = scavenger_segments },
    { "edda_scavenger_thinned_frames_total", "counter", "Frames that lost some of their records, of which others stay.", .value = scavenger_thinned },
    { "edda_scavenger_removed_segments_total", "counter", "Segments deleted, as nothing was left in the oldest.", .value = scavenger_removed },
    { "edda_scavenger_failures_total", "counter", "Passes that ended early; the next one does it again.", .value = scavenger_failures },
    { "edda_deadlines_pending", "gauge", "Deadlines that are set and not due yet.", .value = deadlines_pending },
    { "edda_handlers_running", "gauge", "Blocking handlers, transactions and queries of read models under way.", .value = handlers_running },
    { "edda_service_steps_total", "counter", "Steps recorded.", "service", .of_service = service_steps },
    { "edda_service_skips_total", "counter", "Messages that a service did nothing about, for a reason.", "service", .of_service = service_skips },
    { "edda_service_failures_total", "counter", "Attempts of a handler that failed.", "service", .of_service = service_failures },
    { "edda_service_quarantined_total", "counter", "Entities put into quarantine.", "service", .of_service = service_quarantined },
    { "edda_service_pending", "gauge", "Messages taken and not done.", "service", .of_service = service_pending },
    { "edda_service_lag", "gauge", "Records of the journal that a service has not taken yet.", "service", .of_service = service_lag },
    { "edda_service_paused", "gauge", "1 while the service is paused.", "service", .of_service = service_paused },
    { "edda_channels_published_total", "counter", "Messages published on channels.", .value = channels_published },
    { "edda_channels_received_total", "counter", "Messages recorded that came in on channels.", .value = channels_received },
    { "edda_channels_malformed_total", "counter", "Messages that came in on channels and were not of their type.", .value = channels_malformed },
    { "edda_channels_lag", "gauge", "Records of the journal not looked at for publishing yet.", .value = channels_lag },
    { "edda_channels_connects_total", "counter", "Connections made to the server of the channels.", .value = channels_connects },
    { "edda_channels_publishing", "gauge", "1 while the connection that publishes is there.", .value = channels_out },
    { "edda_channels_subscribed", "gauge", "1 while the connection that is subscribed is there.", .value = channels_in },
    { "edda_projection_lag", "gauge", "Records of the journal that are not in the read model yet.", "projection", .of_projection = projection_lag },
    { "edda_projection_position", "gauge", "Position below which all is in the read model.", "projection", .of_projection = projection_position },
    { "edda_projection_applied_total", "counter", "Events applied to the read model.", "projection", .of_projection = projection_applied },
    { "edda_projection_transactions_total", "counter", "Transactions committed.", "projection", .of_projection = projection_transactions },
    { "edda_projection_conflicts_total", "counter", "Transactions lost because somebody else had applied events.", "projection", .of_projection = projection_conflicts },
    { "edda_projection_failures_total", "counter", "Attempts to apply an event that failed.", "projection", .of_projection = projection_failures },
    { "edda_projection_quarantined_total", "counter", "Keys put into quarantine.", "projection", .of_projection = projection_quarantined },
    { "edda_projection_held", "gauge", "Events that wait in quarantine.", "projection", .of_projection = projection_held },
    { "edda_projection_rebuilt_total", "counter", "Times that it was built anew and took its place.", "projection", .of_projection = projection_rebuilt },
    { "edda_projection_running", "gauge", "1 while it applies events; 0 while it is built, retries, or cannot reach its database.", "projection", .of_projection = projection_running },
    { "edda_effects_begun_total", "counter", "Effects begun: e-mails, calls, programs, steps of remote services.", "service, type", .of_effect = effect_begun },
    { "edda_effects_succeeded_total", "counter", "Effects that worked.", "service, type", .of_effect = effect_succeeded },
    { "edda_effects_failed_total", "counter", "Effects whose other side was unavailable, or that could not be asked for.", "service, type", .of_effect = effect_failed },
    { "edda_effects_refused_total", "counter", "Effects that the other side refused.", "service, type", .of_effect = effect_refused },
    { "edda_effects_running", "gauge", "Steps with effects under way.", "service, type", .of_effect = effect_running },
    { "edda_effects_waiting", "gauge", "Entities whose next step waits for a thread, the rate or the breaker.", "service, type", .of_effect = effect_waiting },
    { "edda_effects_breaker_open", "gauge", "1 while the breaker is open: the other side is tried now and then only.", "service, type", .of_effect = effect_breaker },
    { "edda_http_responses_total", "counter", "Answers given, by status.", "status", .rows = put_responses },
    { "edda_connections", "gauge", "Connections that are open.", "protocol", .of_protocol = connections_open },
    { "edda_connections_total", "counter", "Connections accepted.", "protocol", .of_protocol = connections_accepted },
    { "edda_connections_refused_total", "counter", "Connections over the limit, told so and closed.", "protocol", .of_protocol = connections_refused },
    { "edda_connections_expired_total", "counter", "Connections closed because the client kept still for too long.", "protocol", .of_protocol = connections_expired },
    { "edda_connections_shed_total", "counter", "Connections closed because all together held more memory than they may, and these held most.", "protocol", .of_protocol = connections_shed_total },
    { "edda_buffered_bytes", "gauge", "Bytes that are held for clients: what they have sent and is not done, and what they have not taken.", "protocol", .of_protocol = buffered_bytes },
    { "edda_received_bytes_total", "counter", "Bytes that clients have sent.", "protocol", .of_protocol = received_bytes },
    { "edda_sent_bytes_total", "counter", "Bytes that clients have been sent.", "protocol", .of_protocol = sent_bytes },
    { "edda_requests_stalled_total", "counter", "Requests that waited because the log was too far behind its disk.", .value = requests_stalled },
    { "edda_resp_commands_total", "counter", "Commands of Redis's protocol.", NULL, .value = resp_commands },
    { "edda_resp_errors_total", "counter", "Commands of Redis's protocol that were answered with an error.", NULL, .value = resp_errors },
    { "edda_http_subscriptions", "gauge", "Subscriptions over HTTP, to streams, topics and everything.", NULL, .value = live_subscribers },
    { "edda_http_subscription_events_total", "counter", "Events given to subscribers over HTTP, counted for each of them.", NULL, .value = live_events },
    { "edda_http_subscription_heartbeats_total", "counter", "Comments sent to subscribers over HTTP to whom nothing else was sent for 15 s.", NULL, .value = live_heartbeats },
    { "edda_http_subscriptions_paused_total", "counter", "Times that a subscriber over HTTP was left alone until it had taken what it was sent.", NULL, .value = live_paused },
    { "edda_http_group_polls_waiting", "gauge", "Polls of groups over HTTP that wait for a record.", NULL, .value = shares_waiting },
    { "edda_http_group_deliveries_total", "counter", "Records given to consumers of groups over HTTP and Redis's protocol.", NULL, .value = shares_delivered },
    { "edda_http_group_redeliveries_total", "counter", "Those of them that were given before.", NULL, .value = shares_redelivered },
    { "edda_http_group_acknowledged_total", "counter", "Records acknowledged by them.", NULL, .value = shares_acknowledged },
    { "edda_http_group_parked_total", "counter", "Records parked by consumers of groups over HTTP.", NULL, .value = shares_parked },
    { "edda_resp_messages_total", "counter", "Messages given to subscribers of channels, counted for each of them.", NULL, .value = resp_messages },
    { "edda_resp_subscriptions", "gauge", "Subscriptions to channels and patterns.", NULL, .value = resp_subscriptions },
    { "edda_resp_waiting", "gauge", "Streams that clients wait for with XREAD BLOCK.", NULL, .value = resp_waiting },
    { "edda_resp_overruns_total", "counter", "Subscribers that were closed because they did not take what they were subscribed to.", NULL, .value = resp_overruns },
    { "edda_kafka_requests_total", "counter", "Requests of Kafka's protocol, by API.", "api", .of_api = kafka_requests },
    { "edda_kafka_errors_total", "counter", "Error codes in answers of Kafka's protocol: of topics, partitions, groups each.", "api", .of_api = kafka_errors },
    { "edda_kafka_malformed_total", "counter", "Requests of Kafka's protocol that ended their connection, because they did not parse or were never offered.", .of_broker = kafka_malformed },
    { "edda_kafka_waiting", "gauge", "Requests of Kafka's protocol that wait: for records, for members of a group, for the disk.", .of_broker = kafka_waiting },
    { "edda_kafka_stalled_total", "counter", "Times that a Produce waited because the log was too far behind its disk.", .of_broker = kafka_stalled },
    { "edda_kafka_produced_bytes_total", "counter", "Bytes of record batches appended for producers.", .of_broker = kafka_produced },
    { "edda_kafka_fetched_bytes_total", "counter", "Bytes of record batches given to consumers.", .of_broker = kafka_fetched },
    { "edda_kafka_groups", "gauge", "Consumer groups.", .of_broker = kafka_groups },
    { "edda_kafka_group_lag", "gauge", "Offsets between what a consumer group has committed in a partition and its end; limit `kafka_group_lags`.", "group, topic, partition", .rows = put_group_lags },
};
/* clang-format on */

static void put_broker(const struct metric *metric, const struct server *server, struct buffer *out)
{
    const struct broker *broker = server_host(server, &kafka_protocol);
    struct broker_counts counts;
    struct broker_api_counts api;
    if (!broker)
        return;
    if (metric->of_broker) {
        broker_counts(broker, &counts);
        buffer_printf(out, "%s %" PRIu64 "\n", metric->name, metric->of_broker(&counts));
        return;
    }
    for (size_t i = 0; broker_api_counts(broker, i, &api) == 0; i++)
        if (metric->of_api(&api))
            buffer_printf(out, "%s{api=\"%.*s\"} %" PRIu64 "\n", metric->name, (int)api.name.len, (const char *)api.name.data, metric->of_api(&api));
}

static void put_protocols(const struct metric *metric, const struct server *server, struct buffer *out)
{
    for (size_t i = 0; i < server->spoken_count; i++)
        buffer_printf(out, "%s{protocol=\"%s\"} %" PRIu64 "\n", metric->name, server->spoken[i].protocol->name,
                      metric->of_protocol(&server->spoken[i]));
}

static void put_services(const struct metric *metric, const struct server *server, struct buffer *out)
{
    struct engine_service_info info;
    for (size_t i = 0; engine_service(server->engine, i, &info); i++)
        buffer_printf(out, "%s{service=\"%s\"} %" PRIu64 "\n", metric->name, info.service->name,
                      metric->of_service(&info));
}

static void put_projections(const struct metric *metric, const struct server *server, struct buffer *out)
{
    struct engine_projection_info info;
    for (size_t i = 0; engine_projection(server->engine, i, &info); i++)
        buffer_printf(out, "%s{projection=\"%s\"} %" PRIu64 "\n", metric->name, info.projection->name, metric->of_projection(&info));
}

static void put_effects(const struct metric *metric, const struct server *server, struct buffer *out)
{
    struct engine_effect_info info;
    for (size_t i = 0; engine_effect(server->engine, i, &info); i++)
        buffer_printf(out, "%s{service=\"%s\",type=\"%s\"} %" PRIu64 "\n", metric->name, info.service->name, info.type, metric->of_effect(&info));
}

int metrics_show(struct edda_request *request, const void *body, void *user)
{
    const struct server *server = request->server;
    struct buffer *out = &request->server->content;
    (void)body, (void)user;
    buffer_clear(out);
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        const struct metric *metric = &metrics[i];
        buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->kind);
        if (metric->rows)
            metric->rows(metric, server, out);
        else if (metric->of_protocol)
            put_protocols(metric, server, out);
        else if (metric->of_broker || metric->of_api)
            put_broker(metric, server, out);
        else if (metric->of_service)
            put_services(metric, server, out);
        else if (metric->of_projection)
            put_projections(metric, server, out);
        else if (metric->of_effect)
            put_effects(metric, server, out);
        else
            buffer_printf(out, "%s %" PRIu64 "\n", metric->name, metric->value(server));
    }
    response_content(request, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(out));
    return 0;
}

void metrics_document(struct buffer *out)
{
    buffer_append_str(
        out,
        "# Metrics\n\n`GET /metrics` gives these in the text format of Prometheus. Counters begin at 0 when the program starts.\n\n"
        "| name | kind | labels | what it counts |\n|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        buffer_printf(out, "| `%s` | %s | %s | %s |\n", metrics[i].name, metrics[i].kind,
                      metrics[i].label ? metrics[i].label : "", metrics[i].help);
}
