/* The application: its services, how its topic looks to others, its options. */
#include "app.h"
#include "simulation.h"

static const struct edda_service *const services[] = {
    &order_service, &exchange_service, &point_service, &deadline_service, &transaction_service, NULL,
};

/* Clients that know the original select by its payload members and headers. */
static const struct edda_topic topics[] = {
    { .name = TOPIC, .partitions = 1, .type_field = "eventType", .time_field = "timestamp", .type_header = "type",
      .headers = (const char *const[]){ "contentType", "\"application/json\"", "spring_json_header_types",
                                        "{\"type\":\"java.lang.String\"}", NULL } },
    { .name = NULL },
};

static const struct edda_option options[] = {
    { "deadline", "5s", &deadline_ms, "An order that is not decided this long after its creation is rejected" },
    { "injected-delay", "10s", &injected_delay_ms, "What currencies 100 and 200 make the exchange sleep" },
    { .name = NULL },
};

const struct edda_app choreography_app = {
    .name = NAIVE ? "choreography-naive" : "choreography",
    .version = "1.0",
    .summary = "Exchanges points for currency, with a deadline: a choreography of four services.",
    .services = services,
    .topics = topics,
    .options = options,
    .simulation = &choreography_simulation,
    .entity_word = "order",
    .port = 8088,
};
