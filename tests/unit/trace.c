/*
 * A trace: from the records of a process to linked entries, JSON, and the sequence diagram. The journal is a list in memory that
 * only knows correlation_read(); the diagrams are compared as a whole, as a reader sees them.
 */
#include "support.h"

#include "base/list.h"
#include "engine/records.h"
#include "engine/trace.h"
#include "wire/json/json.h"

#define START_MS INT64_C(1769853600000) /* 2026-01-31T10:00:00.000Z */
#define RECORDS_MAX 10100

/* --- a journal of lists --------------------------------------------------------------------------------- */

struct fake {
    struct journal journal;
    struct arena arena;
    struct journal_record records[RECORDS_MAX];
    char correlations[RECORDS_MAX][24];
    size_t count;
    uint64_t position;
    int64_t now_ms;
    int failure; /* of correlation_read() */
};

static int64_t fake_correlation_read(struct journal *journal, struct slice correlation, uint64_t max,
                                     journal_visit_fn *visit, void *user)
{
    struct fake *fake = container_of(journal, struct fake, journal);
    int64_t visited = 0;
    if (fake->failure)
        return fake->failure;
    for (size_t i = 0; i < fake->count && (uint64_t)visited < max; i++) {
        if (!slice_eq_str(correlation, fake->correlations[i]))
            continue;
        visited++;
        if (visit(user, &fake->records[i], -1) != 0)
            break;
    }
    return visited;
}

static const struct journal_ops fake_ops = { .correlation_read = fake_correlation_read };

static int fake_setup(void **state)
{
    struct fake *fake = calloc(1, sizeof *fake);
    if (!fake)
        return -1;
    fake->journal.ops = &fake_ops;
    fake->now_ms = START_MS;
    fake->position = 100;
    arena_init(&fake->arena, 0, 0);
    *state = fake;
    return 0;
}

static int fake_teardown(void **state)
{
    struct fake *fake = *state;
    arena_deinit(&fake->arena);
    free(fake);
    return 0;
}

/* What a record is made of; texts may be NULL. */
struct made {
    const char *topic; /* "choreography.deadline" */
    const char *key;   /* "1" */
    const char *source;
    const char *type;
    const char *id;
    const char *cause;
    const char *value;       /* NULL: null */
    const char *headers[8];  /* name, value, …, NULL */
    const char *correlation; /* "1" */
};

static struct slice kept(struct fake *fake, struct slice text)
{
    return arena_copy(&fake->arena, text);
}

static void record_put(struct fake *fake, const struct made *made)
{
    struct journal_topic *topic = arena_alloc(&fake->arena, sizeof *topic);
    struct buffer headers = BUFFER_EMPTY;
    const struct cloudevent event = { .id = slice_str(made->id),
                                      .source = slice_str(made->source),
                                      .type = slice_str(made->type),
                                      .correlation = slice_str(made->correlation ? made->correlation : "1"),
                                      .causation = slice_str(made->cause) };
    uint32_t count = cloudevent_put(&event, &headers);
    for (size_t i = 0; made->headers[i]; i += 2, count++)
        record_headers_put(&headers, slice_str(made->headers[i]), slice_str(made->headers[i + 1]));
    assert_true(fake->count < RECORDS_MAX);
    topic->name = made->topic ? made->topic : "choreography.deadline";
    snprintf(fake->correlations[fake->count], sizeof fake->correlations[0], "%s",
             made->correlation ? made->correlation : "1");
    fake->records[fake->count++] =
        (struct journal_record){ .position = fake->position++,
                                 .topic = topic,
                                 .record = { .timestamp_ms = fake->now_ms,
                                             .key = kept(fake, slice_str(made->key ? made->key : "1")),
                                             .value =
                                                 made->value ? kept(fake, slice_str(made->value)) : slice_of(NULL, 0),
                                             .headers = kept(fake, buffer_slice(&headers)),
                                             .header_count = count } };
    buffer_deinit(&headers);
}

#define RECORD(fake, ...) record_put(fake, &(const struct made){ __VA_ARGS__ })

static void read_trace(struct fake *fake, struct trace *ret_trace)
{
    struct edda_error error = { 0 };
    assert_int_equal(trace_read(&fake->journal, SLICE("1"), &fake->arena, ret_trace, &error), 0);
}

/* No line is longer than `columns`; counts characters, so only for texts without wide ones. */
static void assert_columns(const char *text, size_t columns)
{
    size_t line = 0;
    for (; *text; text++) {
        line = *text == '\n' ? 0 : line + (((unsigned char)*text & 0xc0) != 0x80);
        assert_true(line <= columns);
    }
}

static void assert_json_valid(const struct trace *trace)
{
    struct buffer out = BUFFER_EMPTY;
    size_t wrong;
    trace_json(trace, &out);
    assert_true(buffer_ok(&out));
    assert_true(json_valid(buffer_slice(&out), &wrong));
    buffer_deinit(&out);
}

/* EDDA_SHOW prints the diagrams instead of comparing them. */
static void assert_text(struct fake *fake, const char *expected)
{
    struct trace trace;
    struct buffer out = BUFFER_EMPTY;
    read_trace(fake, &trace);
    trace_text(&trace, &out);
    assert_true(buffer_ok(&out));
    if (getenv("EDDA_SHOW"))
        fputs(buffer_cstr(&out), stdout);
    else
        assert_string_equal(buffer_cstr(&out), expected);
    assert_columns(buffer_cstr(&out), 120);
    assert_json_valid(&trace);
    buffer_deinit(&out);
}

/* --- the choreography ----------------------------------------------------------------------------------- */

#define ORDER "choreography/order"
#define EXCHANGE "choreography/exchange"
#define POINT "choreography/point"
#define DEADLINE "choreography/deadline"
#define STAMP(type) "{\"eventType\":\"" type "\",\"timestamp\":1769853600000,"
#define DUE HEADER_DUE, "1769853605000", HEADER_TOPIC, "choreography.deadline"

static void order_placed_by(struct fake *fake, const char *currency, const char *amount)
{
    char command[128];
    char created[192];
    snprintf(command, sizeof command, "{\"id\":1,\"holderId\":\"jjy\",\"currencyId\":%s,\"amount\":%s}", currency,
             amount);
    snprintf(created, sizeof created,
             STAMP("OrderCreated") "\"id\":1,\"currencyId\":%s,\"amount\":%s,\"holderId\":\"jjy\"}", currency, amount);
    RECORD(fake, "orders", .source = "choreography", .type = "CreateOrder", .id = "c1", .value = command,
           .headers = { HEADER_HANDLED, "1" });
    RECORD(fake, .source = ORDER, .type = "OrderCreated", .id = "o1", .cause = "c1", .value = created);
    RECORD(fake, TOPIC_DEADLINES, "deadline/1/decision", .source = DEADLINE, .type = "DeadlineReached", .id = "d1",
           .cause = "o1", .value = "{\"id\":1,\"deadline\":1769853605000,\"orderId\":1}", .headers = { DUE });
}

static void exchanged(struct fake *fake, const char *point)
{
    char value[192];
    snprintf(value, sizeof value, STAMP("ExchangeSucceed") "\"orderId\":1,\"userId\":\"jjy\",\"point\":%s}", point);
    RECORD(fake, .source = EXCHANGE, .type = "ExchangeSucceed", .id = "x1", .cause = "o1", .value = value);
}

static void happy_path(struct fake *fake)
{
    order_placed_by(fake, "1", "500.0");
    fake->now_ms += 1;
    exchanged(fake, "500.0");
    fake->now_ms += 1;
    RECORD(fake, "points", "jjy", .source = POINT, .type = "PointsTaken", .id = "p1", .cause = "x1",
           .value = "{\"userId\":\"jjy\",\"orderId\":1,\"point\":500.0}");
    RECORD(fake, .source = POINT, .type = "PointUsed", .id = "p2", .cause = "x1",
           .value = STAMP("PointUsed") "\"userId\":\"jjy\",\"point\":9500.0,\"orderId\":1}");
    fake->now_ms += 1;
    RECORD(fake, .source = ORDER, .type = "OrderPlaced", .id = "o2", .cause = "p2",
           .value = STAMP("OrderPlaced") "\"id\":1,\"holderId\":\"jjy\"}");
    RECORD(fake, TOPIC_PROCESSES, .source = ORDER, .type = "edda.process", .id = "o3", .cause = "p2",
           .value = "{\"state\":\"finished\"}");
    RECORD(fake, TOPIC_DEADLINES, "deadline/1/decision", .source = DEADLINE, .type = "edda.deadline", .id = "d2",
           .cause = "o2");
}

static void test_happy_path(void **state)
{
    happy_path(*state);
    assert_text(
        *state,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 0.003 s · 6 messages\n"
        "\n"
        "        outside         order         deadline  exchange             point\n"
        "           │              │               │         │                  │\n"
        " +0.000 s  ●─CreateOrder─►│               │         │                  │   holderId=jjy amount=500 id=1 currencyId=1\n"
        " +0.000 s  │              ●─OrderCreated─►├────────►│                  │   amount=500 holderId=jjy id=1 currencyId=1\n"
        " +0.000 s  │              │               ⏱ set \"decision\" due +5.000 s\n"
        " +0.001 s  │              │               │         ●─ExchangeSucceed─►│   userId=jjy point=500 orderId=1\n"
        " +0.002 s  │              │               │         │                  ● PointsTaken  userId=jjy point=500 orderId=1\n"
        " +0.002 s  │              │◄──────────────┼─────────┼────────PointUsed─●   userId=jjy point=9500 orderId=1\n"
        " +0.003 s  │              ●─OrderPlaced──►│         │                  │   holderId=jjy id=1\n"
        " +0.003 s  │              ✓ process finished        │                  │\n"
        " +0.003 s  │              │               ⏱ cancelled \"decision\"       │\n"
        "\n"
        "✓ finished after 0.003 s\n");
}

static void test_point_limit(void **state)
{
    struct fake *fake = *state;
    order_placed_by(fake, "1", "50000.0");
    fake->now_ms += 1;
    exchanged(fake, "50000.0");
    fake->now_ms += 1;
    RECORD(fake, .source = POINT, .type = "PointUseFailed", .id = "p1", .cause = "x1",
           .value = STAMP("PointUseFailed") "\"orderId\":1,\"reason\":\"50000 asked for, 9500 there\"}");
    fake->now_ms += 1;
    RECORD(fake, .source = ORDER, .type = "OrderRejected", .id = "o2", .cause = "p1",
           .value = STAMP("OrderRejected") "\"id\":1,\"currencyId\":1,\"amount\":50000.0,\"holderId\":\"jjy\"}");
    RECORD(fake, TOPIC_PROCESSES, .source = ORDER, .type = "edda.process", .id = "o3", .cause = "p1",
           .value = "{\"state\":\"failed\",\"reason\":\"point limit\"}");
    fake->now_ms += 1;
    RECORD(fake, .source = EXCHANGE, .type = "ExchangeCompensated", .id = "x2", .cause = "o2",
           .value = STAMP("ExchangeCompensated") "\"orderId\":1,\"userId\":\"jjy\",\"point\":50000.0}");
    RECORD(fake, TOPIC_DEADLINES, "deadline/1/decision", .source = DEADLINE, .type = "edda.deadline", .id = "d2",
           .cause = "o2");
    fake->now_ms += 1;
    RECORD(fake, TOPIC_SKIPS, "point/jjy", .source = POINT, .type = "ExchangeCompensated", .id = "p2", .cause = "x2",
           .value = "{\"reason\":\"no points were taken for this order\",\"position\":107}");
    assert_text(
        fake,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 0.005 s · 6 messages\n"
        "\n"
        "        outside         order          deadline  exchange                 point\n"
        "           │              │                │         │                      │\n"
        " +0.000 s  ●─CreateOrder─►│                │         │                      │   holderId=jjy amount=50000 id=1 …\n"
        " +0.000 s  │              ●─OrderCreated──►├────────►│                      │   amount=50000 holderId=jjy id=1 …\n"
        " +0.000 s  │              │                ⏱ set \"decision\" due +5.000 s    │\n"
        " +0.001 s  │              │                │         ●─ExchangeSucceed─────►│   userId=jjy point=50000 orderId=1\n"
        " +0.002 s  │              │◄───────────────┼─────────┼───────PointUseFailed─●   reason=\"50000 asked for, 9500 there\" …\n"
        " +0.003 s  │              ●─OrderRejected─►├────────►│                      │   amount=50000 holderId=jjy id=1 …\n"
        " +0.003 s  │              ✗ process failed: point limit                     │\n"
        " +0.004 s  │              │                │         ●─ExchangeCompensated─✗│   userId=jjy point=50000 orderId=1\n"
        " +0.004 s  │              │                ⏱ cancelled \"decision\"           │\n"
        " +0.005 s  │              │                │         │                      ✗ skipped ExchangeCompensated: no points\n"
        "           │              │                │         │                      │ were taken for this order\n"
        "\n"
        "✗ failed after 0.003 s: point limit\n");
}

/* Point is slow: the order is rejected meanwhile, and its points, taken too late, are given back. */
static void deadline_passed(struct fake *fake)
{
    order_placed_by(fake, "1", "500.0");
    fake->now_ms += 2;
    exchanged(fake, "500.0");
    fake->now_ms += 4999;
    RECORD(fake, .source = DEADLINE, .type = "DeadlineReached", .id = "d2", .cause = "d1",
           .value = STAMP("DeadlineReached") "\"id\":1,\"deadline\":1769853605000,\"orderId\":1}");
    RECORD(fake, TOPIC_DEADLINES, "deadline/1/decision", .source = DEADLINE, .type = "DeadlineReached", .id = "d3",
           .cause = "d1");
    fake->now_ms += 1;
    RECORD(fake, .source = ORDER, .type = "OrderRejected", .id = "o2", .cause = "d2",
           .value = STAMP("OrderRejected") "\"id\":1,\"currencyId\":1,\"amount\":500.0,\"holderId\":\"jjy\"}");
    RECORD(fake, TOPIC_PROCESSES, .source = ORDER, .type = "edda.process", .id = "o3", .cause = "d2",
           .value = "{\"state\":\"failed\",\"reason\":\"deadline\"}");
    fake->now_ms += 5000;
    RECORD(fake, "points", "jjy", .source = POINT, .type = "PointsTaken", .id = "p1", .cause = "x1",
           .value = "{\"userId\":\"jjy\",\"orderId\":1,\"point\":500.0}");
    RECORD(fake, .source = POINT, .type = "PointUsed", .id = "p2", .cause = "x1",
           .value = STAMP("PointUsed") "\"userId\":\"jjy\",\"point\":9500.0,\"orderId\":1}");
    RECORD(fake, TOPIC_SKIPS, "order/1", .source = ORDER, .type = "PointUsed", .id = "o4", .cause = "p2",
           .value = "{\"reason\":\"the order is decided\",\"position\":109}");
    RECORD(fake, .source = EXCHANGE, .type = "ExchangeCompensated", .id = "x2", .cause = "o2",
           .value = STAMP("ExchangeCompensated") "\"orderId\":1,\"userId\":\"jjy\",\"point\":500.0}");
    fake->now_ms += 1;
    RECORD(fake, .source = POINT, .type = "PointUseCompensated", .id = "p3", .cause = "x2",
           .value = STAMP("PointUseCompensated") "\"orderId\":1,\"userId\":\"jjy\",\"point\":500.0}");
}

static void test_deadline_passed(void **state)
{
    deadline_passed(*state);
    assert_text(
        *state,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 10.003 s · 9 messages\n"
        "\n"
        "         outside         order            deadline  exchange                 point\n"
        "            │              │                  │         │                      │\n"
        "  +0.000 s  ●─CreateOrder─►│                  │         │                      │   holderId=jjy amount=500 id=1 …\n"
        "  +0.000 s  │              ●─OrderCreated────►├────────►│                      │   amount=500 holderId=jjy id=1 …\n"
        "  +0.000 s  │              │                  ⏱ set \"decision\" due +5.000 s    │\n"
        "  +0.002 s  │              │                  │         ●─ExchangeSucceed─────►│   userId=jjy point=500 orderId=1\n"
        "            ┊              ┊                  ┊         ┊                      ┊\n"
        "  +5.001 s  │              │◄─DeadlineReached─⏱         │                      │   deadline=1769853605000 id=1 orderId=1\n"
        "  +5.002 s  │              ●─OrderRejected────┼────────►│                      │   amount=500 holderId=jjy id=1 …\n"
        "  +5.002 s  │              ✗ process failed: deadline   │                      │\n"
        "            ┊              ┊                  ┊         ┊                      ┊\n"
        " +10.002 s  │              │                  │         │                      ● PointsTaken  userId=jjy point=500 …\n"
        " +10.002 s  │              │✗─────────────────┼─────────┼────────────PointUsed─●   userId=jjy point=9500 orderId=1\n"
        " +10.002 s  │              ✗ skipped PointUsed: the order is decided           │\n"
        " +10.002 s  │              │                  │         ●─ExchangeCompensated─►│   userId=jjy point=500 orderId=1\n"
        " +10.003 s  │              │                  │         │                      ● PointUseCompensated  userId=jjy …\n"
        "\n"
        "✗ failed after 5.002 s: deadline\n");
}

/* Exchange was stopped; when it starts again the order has long expired. */
static void test_exchange_stopped(void **state)
{
    struct fake *fake = *state;
    order_placed_by(fake, "1", "500.0");
    fake->now_ms += 5000;
    RECORD(fake, TOPIC_DEADLINES, "deadline/1/decision", .source = DEADLINE, .type = "DeadlineReached", .id = "d3",
           .cause = "o1");
    RECORD(fake, .source = DEADLINE, .type = "DeadlineReached", .id = "d2", .cause = "o1",
           .value = STAMP("DeadlineReached") "\"id\":1,\"deadline\":1769853605000,\"orderId\":1}");
    fake->now_ms += 1;
    RECORD(fake, .source = ORDER, .type = "OrderRejected", .id = "o2", .cause = "d2",
           .value = STAMP("OrderRejected") "\"id\":1,\"currencyId\":1,\"amount\":500.0,\"holderId\":\"jjy\"}");
    fake->now_ms += 754321;
    RECORD(fake, TOPIC_SKIPS, "exchange/1", .source = EXCHANGE, .type = "OrderCreated", .id = "x1", .cause = "o1",
           .value = "{\"reason\":\"expired\",\"position\":101}");
    RECORD(fake, TOPIC_SKIPS, "exchange/1", .source = EXCHANGE, .type = "OrderRejected", .id = "x2", .cause = "o2",
           .value = "{\"reason\":\"no exchange stands\",\"position\":105}");
    assert_text(
        fake,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 12 min 39 s · 4 messages\n"
        "\n"
        "            outside         order            deadline  exchange\n"
        "               │              │                  │         │\n"
        "     +0.000 s  ●─CreateOrder─►│                  │         │   holderId=jjy amount=500 id=1 currencyId=1\n"
        "     +0.000 s  │              ●─OrderCreated────►├────────✗│   amount=500 holderId=jjy id=1 currencyId=1\n"
        "     +0.000 s  │              │                  ⏱ set \"decision\" due +5.000 s\n"
        "     +5.000 s  │              │◄─DeadlineReached─⏱         │   deadline=1769853605000 id=1 orderId=1\n"
        "     +5.001 s  │              ●─OrderRejected────┼────────✗│   amount=500 holderId=jjy id=1 currencyId=1\n"
        "               ┊              ┊                  ┊         ┊\n"
        " +12 min 39 s  │              │                  │         ✗ skipped OrderCreated: expired\n"
        " +12 min 39 s  │              │                  │         ✗ skipped OrderRejected: no exchange stands\n"
        "\n");
}


/* --- what else a process can hold ----------------------------------------------------------------------- */

static void test_compensations_and_quarantine(void **state)
{
    struct fake *fake = *state;
    RECORD(fake, "carts", .source = "shop", .type = "ConfirmCart", .id = "a", .value = "{\"cartId\":\"1\"}");
    RECORD(fake, "orders", .source = "shop/order", .type = "OrderInitialized", .id = "b", .cause = "a",
           .value = "{\"orderId\":\"1\",\"total\":12.50,\"items\":[{\"sku\":\"lamp\", \"qty\":2}]}");
    fake->now_ms += 3;
    RECORD(fake, "stock", .source = "shop/stock", .type = "StockReserved", .id = "c", .cause = "b",
           .value = "{\"sku\":\"lamp\"}");
    RECORD(fake, TOPIC_PROCESSES, .source = "shop/stock", .type = "ReleaseStock", .id = "d", .cause = "b",
           .value = "{\"sku\":\"lamp\",\"qty\":2}", .headers = { HEADER_TOPIC, "stock" });
    RECORD(fake, TOPIC_QUARANTINE, "payment/1", .source = "shop/payment", .type = "StockReserved", .id = "e",
           .cause = "c", .value = "{\"sku\":\"lamp\"}",
           .headers = { HEADER_POSITION, "102", HEADER_ATTEMPTS, "9", HEADER_REASON, "the bank does not answer" });
    RECORD(fake, TOPIC_QUARANTINE, "payment/1", .source = "shop/payment", .type = "OrderInitialized", .id = "f",
           .cause = "b", .value = "{\"sku\":\"lamp\"}",
           .headers = { HEADER_POSITION, "101", HEADER_ATTEMPTS, "0", HEADER_REASON, "the bank does not answer" });
    fake->now_ms += 200;
    RECORD(fake, TOPIC_QUARANTINE, "payment/1", .source = "shop/payment", .type = "StockReserved", .id = "g",
           .cause = "c", .headers = { HEADER_POSITION, "102" });
    RECORD(fake, TOPIC_QUARANTINE, "payment/1", .source = "shop/payment", .type = "OrderInitialized", .id = "g2",
           .cause = "b", .headers = { HEADER_POSITION, "101", HEADER_REASON, "left out by an operator" });
    RECORD(fake, "payments", .source = "shop/payment", .type = "PaymentRefused", .id = "h", .cause = "c",
           .value = "{\"reason\":\"expired card\"}");
    RECORD(fake, TOPIC_PROCESSES, .source = "shop/order", .type = "edda.process", .id = "i", .cause = "h",
           .value = "{\"state\":\"failed\",\"reason\":\"payment was refused\"}");
    RECORD(fake, "stock", .source = "shop/order", .type = "ReleaseStock", .id = "j", .cause = "h",
           .value = "{\"sku\":\"lamp\",\"qty\":2}", .headers = { HEADER_UNDO, "0" });
    fake->now_ms += 1;
    RECORD(fake, "stock", .source = "shop/stock", .type = "StockReleased", .id = "k", .cause = "j",
           .value = "{\"sku\":\"lamp\"}");
    RECORD(fake, TOPIC_PROCESSES, .source = "shop/stock", .type = "edda.process", .id = "l", .cause = "j",
           .value = "{\"state\":\"compensated\"}");
    RECORD(fake, TOPIC_QUARANTINE, "order/1", .source = "shop/order", .type = "StockReleased", .id = "m", .cause = "k",
           .value = "{}", .headers = { HEADER_REASON, "out of luck" });
    RECORD(fake, "_edda.replies", .source = "shop/order", .type = "reply", .id = "n", .value = "{}");
    assert_text(
        fake,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 0.204 s · 6 messages\n"
        "\n"
        "        outside         order               stock           payment\n"
        "           │              │                   │                │\n"
        " +0.000 s  ●─ConfirmCart─►│                   │                │   cartId=1\n"
        " +0.000 s  │              ●─OrderInitialized─►├───────────────⊘│   total=12.50 items=[{\"sku\":\"lamp\",\"qty\":2}] orderId=1\n"
        " +0.003 s  │              │                   ●─StockReserved─►│   sku=lamp\n"
        " +0.003 s  │              │                   ↶ to undo: ReleaseStock sku=lamp qty=2\n"
        " +0.003 s  │              │                   │                ⊘ quarantined StockReserved: the bank does not answer\n"
        " +0.003 s  │              │                   │                ⊘ quarantined OrderInitialized: held behind another\n"
        " +0.203 s  │              │                   │                ○ released StockReserved\n"
        " +0.203 s  │              │                   │                ○ released OrderInitialized: left out by an operator\n"
        " +0.203 s  │              │◄──────────────────┼─PaymentRefused─●   reason=\"expired card\"\n"
        " +0.203 s  │              ✗ process failed: payment was refused\n"
        " +0.203 s  │              ↶─ReleaseStock─────►│                │   sku=lamp qty=2\n"
        " +0.204 s  │              │⊘────StockReleased─●                │   sku=lamp\n"
        " +0.204 s  │              │                   ↶ process compensated\n"
        " +0.204 s  │              ⊘ quarantined StockReleased: out of luck\n"
        "\n"
        "✗ failed after 0.203 s: payment was refused\n"
        "↶ compensated after 0.204 s\n"
        "⊘ in quarantine: StockReleased (order/1): out of luck\n");
}

static void test_deadline_moved(void **state)
{
    struct fake *fake = *state;
    RECORD(fake, .source = "library/rental", .type = "ItemRented", .id = "a", .value = "{}");
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/return", .source = "library/rental", .type = "ItemOverdue", .id = "b",
           .cause = "a", .value = "{}", .headers = { HEADER_DUE, "1771063200000" });
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/reminder", .source = "library/rental", .type = "ReturnReminded",
           .id = "c", .cause = "a", .value = "{}", .headers = { HEADER_DUE, "1769853660000" });
    fake->now_ms += 3600 * 1000;
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/return", .source = "library", .type = "ItemOverdue", .id = "d",
           .value = "{}", .headers = { HEADER_DUE, "1772272800000", HEADER_SET, "1769853600000" });
    /* Neither caused by the other: the message and the end of its deadline are of one step. */
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/reminder", .source = "library/rental", .type = "ReturnReminded",
           .id = "e");
    RECORD(fake, .source = "library/rental", .type = "ReturnReminded", .id = "f", .value = "{}");
    /* What was moved from outside is still the service's when it fires. */
    fake->now_ms += 3600 * 1000;
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/visit", .source = "library/rental", .type = "VisitDue", .id = "v1",
           .cause = "f", .value = "{}", .headers = { HEADER_DUE, "1769853660000" });
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/visit", .source = "library", .type = "VisitDue", .id = "v2",
           .cause = "v1", .value = "{}", .headers = { HEADER_DUE, "1769860800000" });
    RECORD(fake, .source = "library", .type = "VisitDue", .id = "v3", .cause = "v2", .value = "{}");
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/visit", .source = "library", .type = "edda.deadline", .id = "v4",
           .cause = "v2");
    /* A deadline that is not of this process's records. */
    RECORD(fake, TOPIC_DEADLINES, "rental/jjy/1/other", .source = "library/rental", .type = "edda.deadline", .id = "g");
    assert_text(fake, "process 1\n"
                      "started 2026-01-31T10:00:00.000Z · took 2 h 00 min · 3 messages\n"
                      "\n"
                      "           outside  rental\n"
                      "              │        │\n"
                      "    +0.000 s  │        ● ItemRented ↺\n"
                      "    +0.000 s  │        ⏱ set \"return\" due +14 d 00 h\n"
                      "    +0.000 s  │        ⏱ set \"reminder\" due +60.000 s\n"
                      "              ┊        ┊\n"
                      " +1 h 00 min  ⏱ moved \"return\" due +28 d 00 h\n"
                      " +1 h 00 min  │        ⏱ ReturnReminded ↺\n"
                      "              ┊        ┊\n"
                      " +2 h 00 min  │        ⏱ set \"visit\" due +60.000 s\n"
                      " +2 h 00 min  ⏱ moved \"visit\" due +2 h 00 min\n"
                      " +2 h 00 min  │        ⏱ VisitDue\n"
                      " +2 h 00 min  │        ⏱ cancelled \"other\"\n"
                      "\n"
                      "⏱ pending: \"return\" due +28 d 00 h (rental/jjy/1/return)\n");
}

static void chain(struct fake *fake, const char *const *services, const char *const *types, size_t count)
{
    char ids[2][32] = { "", "" };
    for (size_t i = 0; i < count; i++) {
        char source[64];
        snprintf(source, sizeof source, "%s%s%s", services[i][0] ? "app/" : "app", services[i], "");
        snprintf(ids[i % 2], sizeof ids[0], "m%zu", i);
        RECORD(fake, .source = source, .type = types[i], .id = ids[i % 2], .cause = ids[1 - i % 2],
               .value = "{\"amount\":12.0,\"to\":\"jjy\"}");
        fake->now_ms += 1;
    }
}

/* More than fits with the names on the arrows. */
static void test_eight_participants(void **state)
{
    static const char *const services[] = { "",      "cart",  "order",    "payment",  "fraud",
                                            "order", "stock", "shipment", "customer", "order" };
    static const char *const types[] = { "ConfirmShoppingCart", "ShoppingCartFinalized", "RequestPayment",
                                         "CheckForFraud",       "PaymentFinalized",      "SendPackage",
                                         "PackageWasPicked",    "PackageWasSent",        "ClientBecameVip",
                                         "OrderCompleted" };
    chain(*state, services, types, 10);
    assert_text(
        *state,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 0.009 s · 10 messages\n"
        "\n"
        "        outside  cart    order  payment  fraud   stock  shipment  customer\n"
        "           │       │       │       │       │       │        │         │\n"
        " +0.000 s  ●──────►│       │       │       │       │        │         │   ConfirmShoppingCart    amount=12 to=jjy\n"
        " +0.001 s  │       ●──────►│       │       │       │        │         │   ShoppingCartFinalized  amount=12 to=jjy\n"
        " +0.002 s  │       │       ●──────►│       │       │        │         │   RequestPayment         amount=12 to=jjy\n"
        " +0.003 s  │       │       │       ●──────►│       │        │         │   CheckForFraud          amount=12 to=jjy\n"
        " +0.004 s  │       │       │◄──────┼───────●       │        │         │   PaymentFinalized       amount=12 to=jjy\n"
        " +0.005 s  │       │       ●───────┼───────┼──────►│        │         │   SendPackage            amount=12 to=jjy\n"
        " +0.006 s  │       │       │       │       │       ●───────►│         │   PackageWasPicked       amount=12 to=jjy\n"
        " +0.007 s  │       │       │       │       │       │        ●────────►│   PackageWasSent         amount=12 to=jjy\n"
        " +0.008 s  │       │       │◄──────┼───────┼───────┼────────┼─────────●   ClientBecameVip        amount=12 to=jjy\n"
        " +0.009 s  │       │       ●       │       │       │        │         │   OrderCompleted         amount=12 to=jjy\n"
        "\n");
}

static void test_many_participants(void **state)
{
    char names[40][24];
    char texts[40][24];
    const char *services[40];
    const char *types[40];
    for (size_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "service-number-%zu", i);
        snprintf(texts[i], sizeof texts[i], "Message%zuHappened", i);
        services[i] = names[i];
        types[i] = texts[i];
    }
    chain(*state, services, types, 12);
    assert_text(
        *state,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 0.011 s · 12 messages\n"
        "\n"
        "           service-number-0\n"
        "           │     service-number-1\n"
        "           │     │     service-number-2\n"
        "           │     │     │     service-number-3\n"
        "           │     │     │     │     service-number-4\n"
        "           │     │     │     │     │     service-number-5\n"
        "           │     │     │     │     │     │     service-number-6\n"
        "           │     │     │     │     │     │     │     service-number-7\n"
        "           │     │     │     │     │     │     │     │     service-number-8\n"
        "           │     │     │     │     │     │     │     │     │     service-number-9\n"
        "           │     │     │     │     │     │     │     │     │     │     service-number-10\n"
        "           │     │     │     │     │     │     │     │     │     │     │     service-number-11\n"
        "           │     │     │     │     │     │     │     │     │     │     │     │\n"
        " +0.000 s  ●────►│     │     │     │     │     │     │     │     │     │     │   Message0Happened   amount=12 to=jjy\n"
        " +0.001 s  │     ●────►│     │     │     │     │     │     │     │     │     │   Message1Happened   amount=12 to=jjy\n"
        " +0.002 s  │     │     ●────►│     │     │     │     │     │     │     │     │   Message2Happened   amount=12 to=jjy\n"
        " +0.003 s  │     │     │     ●────►│     │     │     │     │     │     │     │   Message3Happened   amount=12 to=jjy\n"
        " +0.004 s  │     │     │     │     ●────►│     │     │     │     │     │     │   Message4Happened   amount=12 to=jjy\n"
        " +0.005 s  │     │     │     │     │     ●────►│     │     │     │     │     │   Message5Happened   amount=12 to=jjy\n"
        " +0.006 s  │     │     │     │     │     │     ●────►│     │     │     │     │   Message6Happened   amount=12 to=jjy\n"
        " +0.007 s  │     │     │     │     │     │     │     ●────►│     │     │     │   Message7Happened   amount=12 to=jjy\n"
        " +0.008 s  │     │     │     │     │     │     │     │     ●────►│     │     │   Message8Happened   amount=12 to=jjy\n"
        " +0.009 s  │     │     │     │     │     │     │     │     │     ●────►│     │   Message9Happened   amount=12 to=jjy\n"
        " +0.010 s  │     │     │     │     │     │     │     │     │     │     ●────►│   Message10Happened  amount=12 to=jjy\n"
        " +0.011 s  │     │     │     │     │     │     │     │     │     │     │     ●   Message11Happened  amount=12 to=jjy\n"
        "\n");
    chain(*state, services, types, 40);
    /* With forty, some share the last lifeline, and lines are longer. */
    struct trace trace;
    struct buffer out = BUFFER_EMPTY;
    read_trace(*state, &trace);
    trace_text(&trace, &out);
    assert_true(buffer_ok(&out));
    assert_columns(buffer_cstr(&out), 180);
    assert_non_null(strstr(buffer_cstr(&out), "(others)\n"));
    assert_null(strstr(buffer_cstr(&out), "service-number-31"));
    assert_non_null(strstr(buffer_cstr(&out), "Message39Happened"));
    buffer_deinit(&out);
}

static void test_one_message(void **state)
{
    RECORD(*state, .source = "app/order", .type = "OrderCreated", .id = "a", .value = "{}");
    assert_text(*state, "process 1\n"
                        "started 2026-01-31T10:00:00.000Z · took 0.000 s · 1 message\n"
                        "\n"
                        "         order\n"
                        "           │\n"
                        " +0.000 s  ● OrderCreated\n"
                        "\n");
}

/* Records of others: no id, no source, no cause that is known; a type from a header or the payload, or none. */
static void test_foreign_records(void **state)
{
    struct fake *fake = *state;
    RECORD(fake, .source = "app/order", .type = "OrderCreated", .id = "a", .cause = "unknown",
           .value = "{\"amount\":1}");
    RECORD(fake, .value = "{\"eventType\":\"ExchangeSucceed\",\"timestamp\":1}");
    RECORD(fake, .value = "{}", .headers = { "type", "PointUsed" });
    RECORD(fake, .value = "not JSON");
    RECORD(fake, .value = "\xff\xfe");
    RECORD(fake, .source = "https://example.com/a/b", .type = "Itself", .id = "self", .cause = "self",
           .value = "[1, 2, \"a b\"]");
    RECORD(fake, .source = "app/order", .type = "Duplicate", .id = "a", .cause = "a", .value = "17");
    fake->now_ms -= 2500;
    RECORD(fake, .source = "app/order", .type = "OrderDeleted", .id = "z", .cause = "a");
    assert_text(fake, "process 1\n"
                      "started 2026-01-31T10:00:00.000Z · took 0.000 s · 8 messages\n"
                      "\n"
                      "        outside            order\n"
                      "           │                 │\n"
                      " +0.000 s  │                 ● OrderCreated ↺  amount=1\n"
                      " +0.000 s  ● ExchangeSucceed │\n"
                      " +0.000 s  ● PointUsed       │\n"
                      " +0.000 s  ● (no type)       │   \"not JSON\"\n"
                      " +0.000 s  ● (no type)       │   (2 bytes)\n"
                      " +0.000 s  ● Itself          │   [1,2,\"a b\"]\n"
                      " +0.000 s  │                 ● Duplicate  17\n"
                      " -2.500 s  │                 ● OrderDeleted  null\n"
                      "\n");
}

static void test_words(void **state)
{
    struct fake *fake = *state;
    RECORD(
        fake, .source = "app/order", .type = "주문생성", .id = "a",
        .value =
            "{\"holderId\":\"\xec\xa0\x95\xec\xa7\x84\xec\x98\x81\",\"note\":\"a\\u001b[31mb\\n\",\"eta\":null,\"ok\":true}");
    RECORD(fake, .source = "app/exchange", .type = "e\xcc\x81tat", .id = "b", .cause = "a",
           .value = "{\"long\":\"0123456789012345678901234567890123456789012345678901234567890123456789\",\"x\":1}");
    RECORD(fake, .source = "app/exchange", .type = "\x1b[2JRed", .id = "c", .cause = "b",
           .value =
               "{\"face\":\"\\ud83d\\ude00\",\"list\":[ 1, {\"a\": \"b c\\\" d\"} ],\"empty\":\"\",\"n\":-1.50e3}");
    RECORD(fake, .source = "app/order", .type = "AMessageWhoseNameIsSoVeryLongThatNoArrowCouldEverCarryAllOfIt",
           .id = "d", .cause = "c", .value = "{\"a\":1}");
    RECORD(fake, .source = "app/exchange", .type = "Done", .id = "e", .cause = "d",
           .value = "{\"process\":\"1\",\"a\":2}");
    RECORD(
        fake, TOPIC_SKIPS, "exchange/1", .source = "app/exchange", .type = "Done", .id = "f", .cause = "e",
        .value =
            "{\"reason\":\"this was done before, and what was done before is not done again, for what would be the use of it; "
            "a reason can also be so long that it has to go on in the next line\"}");
    assert_text(
        fake,
        "process 1\n"
        "started 2026-01-31T10:00:00.000Z · took 0.000 s · 5 messages\n"
        "\n"
        "         order                             exchange\n"
        "           │                                   │\n"
        " +0.000 s  ●─주문생성─────────────────────────►│   holderId=정진영 note=\"a\\u001b[31mb\\n\" eta=null ok=true\n"
        " +0.000 s  │                                   ● état ↺  long=0123456789012345678901234567890123456789… x=1\n"
        " +0.000 s  │◄──────────────────────────�[2JRed─●   face=😀 list=[1,{\"a\":\"b c\\\" d\"}] empty=\"\" n=-1.50e3\n"
        " +0.000 s  ●─AMessageWhoseNameIsSoVeryLongTh…─►│   AMessageWhoseNameIsSoVeryLongThatNoArrowCouldEverCarryAllOfIt  a=1\n"
        " +0.000 s  │                                   ● Done ↺  a=2 process=1\n"
        " +0.000 s  │                                   ✗ skipped Done: this was done before, and what was done before is not\n"
        "           │                                   │ done again, for what would be the use of it; a reason can also be so\n"
        "           │                                   │ long that it has to go on in the next line\n"
        "\n");
}

/* --- limits and failures -------------------------------------------------------------------------------- */

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static void test_five_hundred_messages(void **state)
{
    static const char *const types[] = { "GroupCheckoutInitiated", "GuestCheckedOut", "GuestCheckoutRecorded", "Done" };
    struct fake *fake = *state;
    char id[32];
    char cause[32] = "";
    for (size_t i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "m%zu", i);
        RECORD(fake, .source = i % 2 ? "hotel/group" : "hotel/stay", .type = types[i % 4], .id = id, .cause = cause,
               .value = "{\"room\":17}");
        snprintf(cause, sizeof cause, "m%zu", i);
        fake->now_ms += 7;
    }
    struct trace trace;
    struct buffer first = BUFFER_EMPTY;
    struct buffer second = BUFFER_EMPTY;
    read_trace(fake, &trace);
    trace_text(&trace, &first);
    trace_text(&trace, &second);
    assert_string_equal(buffer_cstr(&first), buffer_cstr(&second));
    assert_columns(buffer_cstr(&first), 120);
    assert_int_equal(count_of(buffer_cstr(&first), "room=17\n"), 500);
    assert_int_equal(count_of(buffer_cstr(&first), "►"), 250);
    assert_int_equal(count_of(buffer_cstr(&first), "◄"), 249);
    assert_int_equal(count_of(buffer_cstr(&first), "stay "), 10); /* the participants, every 50 rows */
    assert_json_valid(&trace);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void test_entries_limit(void **state)
{
    struct fake *fake = *state;
    char id[32];
    for (size_t i = 0; i < TRACE_ENTRIES_MAX + 50; i++) {
        snprintf(id, sizeof id, "m%zu", i);
        RECORD(fake, .source = "app/a", .type = "Counted", .id = id, .cause = "m0", .value = "{}");
    }
    struct trace trace;
    struct buffer out = BUFFER_EMPTY;
    read_trace(fake, &trace);
    assert_int_equal(trace.count, TRACE_ENTRIES_MAX);
    assert_true(trace.more);
    assert_int_equal(trace.entries[0].effect, 1);
    assert_int_equal(trace.entries[9998].effect_next, 9999);
    assert_int_equal(trace.entries[9999].effect_next, -1);
    trace_text(&trace, &out);
    assert_non_null(strstr(buffer_cstr(&out), "there is more; this is the beginning, 10000 records\n"));
    assert_json_valid(&trace);
    buffer_deinit(&out);
}

static void test_nothing_of_it(void **state)
{
    struct fake *fake = *state;
    struct trace trace = { .count = 77 };
    struct edda_error error = { 0 };
    RECORD(fake, .source = "app/order", .type = "OrderCreated", .id = "a", .value = "{}", .correlation = "2");
    assert_int_equal(trace_read(&fake->journal, SLICE("1"), &fake->arena, &trace, &error), EDDA_ENOTFOUND);
    assert_string_equal(error.message, "there is no process 1");
    /* The engine's own records alone are no process. */
    RECORD(fake, "_edda.replies", .source = "app/order", .type = "reply", .id = "n", .value = "{}");
    assert_int_equal(trace_read(&fake->journal, SLICE("1"), &fake->arena, &trace, NULL), EDDA_ENOTFOUND);
    assert_int_equal(trace.count, 77);
}

/* A process that was not found may be under the id of a message that does not name it. */
static void test_why_there_is_nothing(void **state)
{
    (void)state;
    const struct edda_type silent[] = { { .name = "A" }, { .name = "B" }, { .name = "C" }, { .name = "D" }, { .name = "E" }, { .name = NULL } };
    const struct edda_type telling = { .name = "Tells", .correlation = "id" };
    const struct edda_row two[] = { { .type = &telling }, { .type = &silent[0] }, { .type = &silent[1] }, EDDA_END };
    const struct edda_row five[] = { { .type = &silent[0] }, { .type = &silent[2] }, { .type = &silent[3] }, { .type = &silent[4] }, EDDA_END };
    struct edda_service first = { .name = "first", .on = two }, second = { .name = "second", .on = five };
    const struct edda_service *services[] = { &first, NULL, NULL };
    const struct edda_app app = { .name = "app", .services = services };
    struct edda_error error = { .code = EDDA_ENOTFOUND, .message = "there is no process 1" };
    trace_explain(&app, &error);
    assert_string_equal(error.message,
                        "there is no process 1; without .correlation a message that begins a process names it by its own id: A, B");
    services[1] = &second;
    error = (struct edda_error){ .code = EDDA_ENOTFOUND, .message = "there is no process 1" };
    trace_explain(&app, &error);
    assert_non_null(strstr(error.message, ": A, B, C, D, …"));
    first.on = (const struct edda_row[]){ { .type = &telling }, EDDA_END };
    services[1] = NULL;
    error = (struct edda_error){ .code = EDDA_ENOTFOUND, .message = "there is no process 1" };
    trace_explain(&app, &error);
    assert_string_equal(error.message, "there is no process 1");
}

static void test_journal_fails(void **state)
{
    struct fake *fake = *state;
    struct trace trace;
    struct edda_error error = { 0 };
    fake->failure = EDDA_EIO;
    assert_int_equal(trace_read(&fake->journal, SLICE("1"), &fake->arena, &trace, &error), EDDA_EIO);
    fake->failure = EDDA_ENOTFOUND;
    assert_int_equal(trace_read(&fake->journal, SLICE("1"), &fake->arena, &trace, &error), EDDA_ENOTFOUND);
}

/* Wherever memory ends, reading says so and drawing marks its buffer. */
static void test_memory_ends(void **state)
{
    struct fake *fake = *state;
    happy_path(fake);
    size_t refused = 0;
    for (size_t limit = 1;; limit += 16) {
        struct arena arena;
        struct trace trace;
        arena_init(&arena, 0, limit);
        int rc = trace_read(&fake->journal, SLICE("1"), &arena, &trace, NULL);
        refused += rc == EDDA_ENOMEM;
        assert_true(rc == 0 || rc == EDDA_ENOMEM);
        for (size_t len = 1; rc == 0 && len < 1000; len += 97) {
            struct buffer out;
            buffer_init(&out, len);
            trace_text(&trace, &out);
            assert_false(buffer_ok(&out));
            buffer_clear(&out);
            trace_json(&trace, &out);
            assert_false(buffer_ok(&out));
            buffer_deinit(&out);
        }
        arena_deinit(&arena);
        if (rc == 0)
            break;
    }
    assert_true(refused > 100);
}

static const char *chosen(struct prng *p, const char *const *texts, size_t count)
{
    return texts[prng_below(p, count)];
}

static void put_random(struct fake *fake, struct prng *p, uint64_t services, size_t ordinal)
{
    static const char *const topics[] = { "orders",   "orders",         "orders",        TOPIC_DEADLINES, TOPIC_SKIPS,
                                          "payments", TOPIC_QUARANTINE, TOPIC_PROCESSES, TOPIC_REPLIES };
    static const char *const keys[] = { "a/1/x", "a/1", "b/2/x", "/", "", "no slash" };
    static const char *const types[] = { "Short",
                                         "주문생성",
                                         "",
                                         "\xff\xfe",
                                         "\xcc\x81",
                                         "AMessageOfSomeLength",
                                         "OneWhoseNameIsLongerThanWhateverStandsOnAnyArrow" };
    static const char *const values[] = { NULL,
                                          "{}",
                                          "{\"state\":\"failed\",\"reason\":\"no \\ud83d\\ude00\"}",
                                          "\"\\u0000\"",
                                          "{\"reason\":\"r\",\"position\":101}",
                                          "[[[]]]",
                                          "{\"a\":",
                                          "\xff",
                                          "",
                                          "-0.0",
                                          "{\"\":{\"\\\"\":\"a  b\"},\"\\u001b\":1}" };
    static const char *const numbers[] = { "0", "101", "1769853605000", "9223372036854775807", "18446744073709551615",
                                           "x", "" };
    char source[48];
    char id[32];
    char cause[32];
    snprintf(source, sizeof source, "app/s%llu", (unsigned long long)prng_below(p, services));
    snprintf(id, sizeof id, "m%zu", ordinal);
    snprintf(cause, sizeof cause, "m%llu", (unsigned long long)prng_below(p, ordinal + 2));
    if (prng_one_in(p, 20))
        fake->now_ms = (int64_t)prng_u64(p);
    else
        fake->now_ms = START_MS + (int64_t)prng_below(p, 20000);
    RECORD(fake, chosen(p, topics, COUNT(topics)), chosen(p, keys, COUNT(keys)),
           .source = prng_one_in(p, 5) ? "app" : source, .type = chosen(p, types, COUNT(types)), .id = id,
           .cause = cause, .value = chosen(p, values, COUNT(values)),
           .headers = { prng_one_in(p, 2) ? HEADER_DUE : HEADER_UNDO, chosen(p, numbers, COUNT(numbers)),
                        HEADER_POSITION, chosen(p, numbers, COUNT(numbers)), HEADER_ATTEMPTS, "0" });
}

/* Whatever the records hold: links stay within the trace, lines within the screen, JSON is JSON. */
static void test_random_records(void **state)
{
    struct fake *fake = *state;
    struct prng p;
    prng_init(&p, random_seed("random records"));
    for (int round = 0; round < 300; round++) {
        struct trace trace;
        struct buffer out = BUFFER_EMPTY;
        uint64_t services = 1 + prng_below(&p, prng_one_in(&p, 2) ? 5 : 60);
        size_t count = 1 + (size_t)prng_below(&p, 80);
        fake->count = 0;
        fake->position = 100;
        arena_reset(&fake->arena);
        for (size_t i = 0; i < count; i++)
            put_random(fake, &p, services, i);
        if (trace_read(&fake->journal, SLICE("1"), &fake->arena, &trace, NULL) == EDDA_ENOTFOUND)
            continue;
        for (size_t i = 0; i < trace.count; i++) {
            const struct trace_entry *entry = &trace.entries[i];
            assert_true(entry->cause >= -1 && entry->cause < (int32_t)trace.count && entry->cause != (int32_t)i);
            assert_true(entry->effect_next == -1 || entry->effect_next > (int32_t)i);
        }
        trace_text(&trace, &out);
        assert_true(buffer_ok(&out));
        assert_columns(buffer_cstr(&out), 240);
        for (size_t i = 0; i < out.len; i++)
            assert_true(out.data[i] >= ' ' || out.data[i] == '\n');
        assert_json_valid(&trace);
        buffer_deinit(&out);
    }
}

/* --- entries and JSON ----------------------------------------------------------------------------------- */

static void test_links(void **state)
{
    struct fake *fake = *state;
    struct trace trace;
    deadline_passed(fake);
    read_trace(fake, &trace);
    const struct trace_entry *entries = trace.entries;
    assert_int_equal(trace.count, 13);
    assert_int_equal(entries[0].cause, -1);
    assert_true(slice_eq(entries[0].source, SLICE("outside")));
    assert_int_equal(entries[0].effect, 1);
    /* OrderCreated: the deadline, then the exchange. */
    assert_int_equal(entries[1].effect, 2);
    assert_int_equal(entries[2].effect_next, 3);
    assert_int_equal(entries[3].effect_next, -1);
    assert_int_equal(entries[2].kind, TRACE_DEADLINE_SET);
    assert_true(slice_eq(entries[2].name, SLICE("decision")));
    assert_true(entries[2].due_ms == START_MS + 5000);
    assert_false(entries[2].pending);
    assert_true(entries[4].fired);
    assert_int_equal(entries[5].kind, TRACE_DEADLINE_FIRED);
    assert_int_equal(entries[7].kind, TRACE_PROCESS);
    assert_true(slice_eq(entries[7].name, SLICE("failed")));
    assert_true(slice_eq(entries[7].reason, SLICE("deadline")));
    assert_int_equal(entries[10].kind, TRACE_SKIPPED);
    assert_int_equal(entries[10].cause, 9);
}

/* A journal may give records in any order. */
static void test_order(void **state)
{
    struct fake *fake = *state;
    struct trace trace;
    fake->position = 7;
    RECORD(fake, .source = "app/b", .type = "Second", .id = "b", .cause = "a", .value = "{}");
    fake->position = 3;
    RECORD(fake, .source = "app/a", .type = "First", .id = "a", .value = "{}");
    read_trace(fake, &trace);
    assert_int_equal(trace.entries[0].position, 3);
    assert_int_equal(trace.entries[0].effect, 1);
    assert_int_equal(trace.entries[1].cause, 0);
}

static void test_json(void **state)
{
    struct fake *fake = *state;
    struct trace trace;
    struct buffer out = BUFFER_EMPTY;
    RECORD(fake, "orders", .source = "app", .type = "CreateOrder", .id = "a", .value = "{\"id\":1}");
    RECORD(fake, "orders", .source = "app/order", .type = "OrderCreated", .id = "b", .cause = "a",
           .value = "{\"id\":1}");
    RECORD(fake, TOPIC_DEADLINES, "order/1/decision", .source = "app/order", .type = "DeadlineReached", .id = "c",
           .cause = "a", .value = "not JSON \xff", .headers = { DUE });
    RECORD(fake, TOPIC_SKIPS, "stock/1", .source = "app/stock", .type = "OrderCreated", .id = "d", .cause = "b",
           .value = "{\"reason\":\"a \\\"quoted\\\" reason\",\"position\":101}");
    RECORD(fake, "orders", .source = "app/order", .type = "OrderDeleted", .id = "e", .cause = "unknown");
    read_trace(fake, &trace);
    trace_json(&trace, &out);
    assert_string_equal(
        buffer_cstr(&out),
        "{\"correlationId\":\"1\",\"services\":[\"outside\",\"order\",\"stock\"],\"messages\":["
        "{\"position\":100,\"time\":\"2026-01-31T10:00:00.000Z\",\"kind\":\"message\",\"source\":\"outside\",\"type\":\"CreateOrder\","
        "\"topic\":\"orders\",\"key\":\"1\",\"id\":\"a\",\"causes\":[101,102],\"data\":{\"id\":1}},"
        "{\"position\":101,\"time\":\"2026-01-31T10:00:00.000Z\",\"kind\":\"message\",\"source\":\"order\",\"type\":\"OrderCreated\","
        "\"topic\":\"orders\",\"key\":\"1\",\"id\":\"b\",\"causationId\":\"a\",\"cause\":100,\"causes\":[103],\"data\":{\"id\":1}},"
        "{\"position\":102,\"time\":\"2026-01-31T10:00:00.000Z\",\"kind\":\"deadline-set\",\"source\":\"order\","
        "\"type\":\"DeadlineReached\",\"topic\":\"_edda.deadlines\",\"key\":\"order/1/decision\",\"id\":\"c\",\"causationId\":\"a\","
        "\"cause\":100,\"name\":\"decision\",\"due\":\"2026-01-31T10:00:05.000Z\",\"pending\":true,"
        "\"data\":\"not JSON \xef\xbf\xbd\"},"
        "{\"position\":103,\"time\":\"2026-01-31T10:00:00.000Z\",\"kind\":\"skipped\",\"source\":\"stock\",\"type\":\"OrderCreated\","
        "\"topic\":\"_edda.skips\",\"key\":\"stock/1\",\"id\":\"d\",\"causationId\":\"b\",\"cause\":101,"
        "\"reason\":\"a \\\"quoted\\\" reason\",\"data\":{\"reason\":\"a \\\"quoted\\\" reason\",\"position\":101}},"
        "{\"position\":104,\"time\":\"2026-01-31T10:00:00.000Z\",\"kind\":\"message\",\"source\":\"order\",\"type\":\"OrderDeleted\","
        "\"topic\":\"orders\",\"key\":\"1\",\"id\":\"e\",\"causationId\":\"unknown\",\"data\":null}]}");
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_happy_path, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_point_limit, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_deadline_passed, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_exchange_stopped, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_compensations_and_quarantine, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_deadline_moved, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_eight_participants, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_many_participants, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_one_message, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_foreign_records, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_words, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_five_hundred_messages, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_entries_limit, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_of_it, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_why_there_is_nothing, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_journal_fails, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_memory_ends, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_random_records, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_links, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_order, fake_setup, fake_teardown),
        cmocka_unit_test_setup_teardown(test_json, fake_setup, fake_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
