/* The engine and journal of server_fake.h, and the application that the tests of the server serve. */
#include "server_fake.h"

#include <stdio.h>

#include "engine/trace.h"
#include "wire/json/json.h"

/* --- the application ------------------------------------------------------------------------------------------ */

static const struct edda_field PlaceOrder_fields[] = {
    EDDA_FIELD(PlaceOrder, holderId, .len_min = 1, .len_max = 64),
    EDDA_FIELD(PlaceOrder, amount, .min = 1),
};
static const struct edda_type PlaceOrder = EDDA_COMMAND(PlaceOrder, holderId, .topic = "orders");
static const struct edda_type PlaceNumbered = EDDA_COMMAND(PlaceOrder, amount, .topic = "orders");
static const struct edda_field Order_fields[] = {
    EDDA_FIELD(Order, id),
    EDDA_FIELD(Order, holderId),
    EDDA_FIELD(Order, amount),
};
static const struct edda_type Order = EDDA_VALUE(Order);

EDDA_REQUEST(place_order, PlaceOrder);
static int place_order(struct edda_request *request, const struct PlaceOrder *body)
{
    return edda_call_struct(request, &PlaceOrder, body);
}

static int show_order(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct edda_text id = edda_parameter(request, "id");
    char *text = edda_request_alloc(request, 256);
    int len = snprintf(text, 256, "id=%.*s note=%.*s", (int)id.len, id.data, (int)edda_query(request, "note").len,
                       edda_query(request, "note").data);
    return edda_respond_text(request, 200, "text/plain", (struct edda_text){ text, (size_t)len });
}

unsigned fake_big_count;

static int big(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    size_t len = FAKE_BIG_BYTES;
    char *text = edda_request_alloc(request, len);
    fake_big_count++;
    memset(text, 'x', len);
    return edda_respond_text(request, 200, "text/plain", (struct edda_text){ text, len });
}

static int refuse_here(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return edda_fail_field(edda_request_error(request), EDDA_EREJECTED, "sku", "unknown sku");
}

static int in_own_words(struct edda_request *request, const struct edda_error *error, void *user)
{
    (void)user;
    return edda_respond_text(request, 400, "text/plain", edda_text_of(error->message));
}

static bool deadline_row(void *row, const struct edda_deadline_info *deadline)
{
    struct Order *order = row;
    *order = (struct Order){ .id = deadline->set_ms, .holderId = deadline->key, .amount = 1.5 };
    return true;
}

static int own_deadlines(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return edda_respond_deadlines(request, fake_app.services[0], "timers", "/timers/{id}", &Order, deadline_row);
}

static bool fill_nothing(void *row, struct edda_text key, const void *state)
{
    (void)row, (void)key, (void)state;
    return false;
}

static const struct edda_service order_service = {
    .name = "order",
    .description = "takes orders",
    .view =
        &(const struct edda_view){
            .name = "orders", .path = "/orders", .item = "/orders/{id}", .row = &Order, .fill = fill_nothing },
    .routes =
        (const struct edda_route[]){ EDDA_POST("/orders", PlaceOrder, place_order, .reply = &Order,
                                               .location = "/orders/{id}", .description = "places an order"),
                                     EDDA_POST("/batches", PlaceOrder, place_order, .status = 202, .text = "\"OK\""),
                                     EDDA_POST("/goods", PlaceOrder, place_order, .status = 201, .text = "OK",
                                               .text_type = "text/plain", .rejected = in_own_words),
                                     { .method = "GET", .path = "/orders/{id}/note", .handle = show_order },
                                     { .method = "GET", .path = "/orders/latest/note", .handle = show_order },
                                     { .method = "DELETE", .path = "/orders/{id}/note", .handle = refuse_here },
                                     { .method = "GET", .path = "/big", .handle = big },
                                     EDDA_ROUTE("POST", "/holders/{holderId}/orders", PlaceOrder, .reply = &Order),
                                     EDDA_ROUTE("DELETE", "/holders/{holderId}/orders", PlaceOrder, .reply = &Order),
                                     EDDA_ROUTE("DELETE", "/holders/{holderId}/orders/{amount}", PlaceOrder, .reply = &Order),
                                     EDDA_ROUTE("POST", "/numbered", PlaceNumbered, .sequence = "orders"),
                                     { .method = "GET", .path = "/timers", .handle = own_deadlines },
                                     EDDA_ROUTES_END },
};

const struct edda_app fake_app = {
    .name = "fake",
    .version = "1.2.3",
    .summary = "what the tests serve",
    .services = (const struct edda_service *const[]){ &order_service, NULL },
    .entity_word = "order",
};

/* --- the journal --------------------------------------------------------------------------------------------------- */

static struct fake_journal *fake_of(struct journal *journal)
{
    return container_of(journal, struct fake_journal, journal);
}

static int fake_flush(struct journal *journal, bool idle, struct edda_error *error)
{
    struct fake_journal *fake = fake_of(journal);
    (void)idle, (void)error;
    fake->flushes++;
    if (fake->hold)
        return 0;
    fake->syncs += fake->durable < fake->tail;
    fake->durable = fake->tail;
    return 0;
}

static bool fake_flushing(struct journal *journal)
{
    return fake_of(journal)->durable < fake_of(journal)->tail;
}

static uint64_t fake_tail(struct journal *journal)
{
    return fake_of(journal)->tail;
}

static uint64_t fake_durable(struct journal *journal)
{
    return fake_of(journal)->durable;
}

static int64_t fake_time_ms(struct journal *journal)
{
    (void)journal;
    return 1000;
}

static const struct journal_ops fake_ops = {
    .flush = fake_flush,
    .flushing = fake_flushing,
    .tail = fake_tail,
    .durable = fake_durable,
    .time_ms = fake_time_ms,
};

void fake_init(struct fake_journal *journal, struct engine *engine)
{
    *journal = (struct fake_journal){ .journal = { .ops = &fake_ops } };
    *engine = (struct engine){ .app = &fake_app, .journal = &journal->journal };
    list_init(&engine->calls);
}

/* --- the engine ------------------------------------------------------------------------------------------------------ */

static void keep_text(char *to, size_t size, struct slice text)
{
    (void)snprintf(to, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void answer(struct engine *engine, struct engine_call *call)
{
    struct fake_journal *fake = fake_of(engine->journal);
    const struct PlaceOrder *command = call->value;
    engine->call_count++;
    engine->amount = command->amount;
    if (engine->fail) {
        call->code = edda_fail_field(&call->error, engine->fail, "amount", "not today");
        call->gate = fake->tail;
        call->done(call);
        return;
    }
    fake->tail++;
    struct Order *order = arena_alloc(call->arena, sizeof *order);
    *order = (struct Order){ .id = (int64_t)engine->call_count,
                             .holderId = command->holderId,
                             .amount = (double)command->amount };
    struct buffer json = BUFFER_EMPTY;
    json_encode_members(&Order, order, false, &json);
    call->reply_json = arena_copy(call->arena, buffer_slice(&json));
    buffer_deinit(&json);
    call->repeated = call->id.len && slice_eq_str(call->id, "again");
    call->reply_type = call->repeated ? NULL : &Order;
    call->reply = call->repeated ? NULL : order;
    call->version = 4;
    call->gate = fake->tail;
    call->done(call);
}

bool engine_call_repeated(struct engine *engine, struct engine_call *call)
{
    (void)engine, (void)call; /* the fake knows repeats in engine_call() */
    return false;
}

void engine_call(struct engine *engine, struct engine_call *call)
{
    engine->expected = call->expected;
    keep_text(engine->source, sizeof engine->source, call->source);
    keep_text(engine->id, sizeof engine->id, call->id);
    if (engine->refuse > 0) {
        engine->refuse--;
        call->code = edda_fail_with(&call->error, EDDA_EBUSY, "the log is behind");
        call->done(call);
    } else if (engine->defer) {
        list_push_back(&engine->calls, &call->link);
    } else {
        answer(engine, call);
    }
}

bool fake_answer(struct engine *engine)
{
    struct list *link = list_pop_front(&engine->calls);
    if (!link)
        return false;
    answer(engine, container_of(link, struct engine_call, link));
    return true;
}

int64_t engine_drive(struct engine *engine, struct edda_error *error)
{
    (void)engine, (void)error;
    return INT64_MAX;
}

bool engine_flushed(const struct engine *engine)
{
    (void)engine;
    return false;
}

bool engine_effect(const struct engine *engine, size_t ordinal, struct engine_effect_info *ret_info)
{
    (void)engine;
    *ret_info = (struct engine_effect_info){
        .service = &order_service, .type = "OutOfStock", .counts = { .begun = 9, .succeeded = 6, .failed = 2, .refused = 1 }, .waiting = 3, .breaker_open = true,
    };
    return ordinal == 0;
}

size_t engine_running(const struct engine *engine)
{
    (void)engine;
    return 0;
}

void engine_stop(struct engine *engine)
{
    engine->stopped = true;
}

int64_t engine_sequence(struct engine *engine, struct slice name)
{
    (void)engine, (void)name;
    return 1;
}

const void *engine_state(struct engine *engine, const struct edda_service *service, struct slice key)
{
    (void)engine, (void)service, (void)key;
    return NULL;
}

uint64_t engine_view_count(struct engine *engine, const struct edda_service *service)
{
    (void)service;
    return engine->rows;
}

int engine_view_rows(struct engine *engine, const struct edda_service *service, uint64_t from, uint64_t max,
                     engine_row_fn *visit, void *user)
{
    (void)service;
    for (uint64_t i = from; i < engine->rows && i < from + max; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "%d", (int)i + 1);
        const struct Order row = { .id = (int64_t)i + 1, .holderId = EDDA_TEXT("jjy"), .amount = 500 };
        int rc = visit(user, slice_str(key), &row);
        if (rc)
            return rc;
    }
    return 0;
}

bool engine_view_row(struct engine *engine, const struct edda_service *service, struct slice key, void *ret_row, int64_t *ret_version)
{
    (void)engine, (void)service;
    if (!slice_eq_str(key, "1") && !slice_eq_str(key, "a/b"))
        return false;
    *(struct Order *)ret_row = (struct Order){ .id = 1, .holderId = EDDA_TEXT("jjy"), .amount = 500 };
    *ret_version = 4;
    return true;
}

uint64_t engine_deadline_count(const struct engine *engine, const struct edda_service *service)
{
    (void)service;
    return engine->deadlines;
}

int engine_deadlines(struct engine *engine, const struct edda_service *service, uint64_t from, uint64_t max,
                     engine_deadline_fn *visit, void *user)
{
    (void)service;
    const struct PlaceOrder message = { EDDA_TEXT("jjy"), 7 };
    const bool known = engine->deadlines_known;
    for (uint64_t i = from; i < engine->deadlines && i < from + max; i++) {
        const struct edda_deadline_info info = { .id = EDDA_TEXT("order/7/pay"),
                                                 .service = EDDA_TEXT("order"),
                                                 .key = EDDA_TEXT("7"),
                                                 .name = EDDA_TEXT("pay"),
                                                 .set_ms = 1000,
                                                 .due_ms = 6000,
                                                 .type = known ? &PlaceOrder : NULL,
                                                 .message = known ? &message : NULL,
                                                 .repeats = edda_text_of(known ? "every 5m" : "") };
        int rc = visit(user, &info, known ? SLICE("PlaceOrder") : SLICE("Gone"), SLICE("{\"holderId\":\"jjy\",\"amount\":7}"));
        if (rc)
            return rc;
    }
    return 0;
}

int engine_deadline_move(struct engine *engine, struct slice id, int64_t due_ms, struct edda_error *error)
{
    keep_text(engine->moved_id, sizeof engine->moved_id, id);
    engine->moved_ms = due_ms;
    return slice_eq_str(id, "order/7/pay") ? 0 : edda_fail_with(error, EDDA_ENOTFOUND, "there is no such deadline");
}

int engine_deadline_cancel(struct engine *engine, struct slice id, struct edda_error *error)
{
    engine->cancelled = true;
    return engine_deadline_move(engine, id, 0, error);
}

int engine_quarantine_each(struct engine *engine, engine_quarantine_fn *visit, void *user)
{
    (void)engine;
    const struct engine_quarantine_info info = { .service = SLICE("order"),
                                                 .key = SLICE("7"),
                                                 .position = 12,
                                                 .type = SLICE("PlaceOrder"),
                                                 .correlation = SLICE("c"),
                                                 .reason = SLICE("it \"failed\""),
                                                 .held = 2,
                                                 .since_ms = 0 };
    return visit(user, &info);
}

int engine_quarantine_retry(struct engine *engine, struct slice service, struct slice key, struct edda_error *error)
{
    (void)engine, (void)service;
    return slice_eq_str(key, "a/b") ? 0 : edda_fail_with(error, EDDA_ENOTFOUND, "it is not quarantined");
}

int engine_quarantine_skip(struct engine *engine, struct slice service, struct slice key, struct edda_error *error)
{
    return engine_quarantine_retry(engine, service, key, error);
}

int engine_pause(struct engine *engine, struct slice service, bool pause, struct edda_error *error)
{
    engine->paused = pause;
    return slice_eq_str(service, "order") ? 0 : edda_fail_with(error, EDDA_ENOTFOUND, "there is no such service");
}

int engine_migrate(struct engine *engine, struct engine_migration *migration, struct edda_error *error)
{
    (void)engine;
    if (migration->to != 2)
        return edda_fail_field(error, EDDA_ENOTFOUND, "to", "there is no such version");
    migration->fits = migration->dry_run ? 3 : 2;
    migration->unfits = 1;
    migration->unfit(migration->user, SLICE("7"), "it is at work");
    return 0;
}

bool engine_channels(const struct engine *engine, struct engine_channels_info *ret_info)
{
    (void)engine, (void)ret_info;
    return false;
}

bool engine_service(const struct engine *engine, size_t ordinal, struct engine_service_info *ret_info)
{
    if (ordinal > 0)
        return false;
    *ret_info = (struct engine_service_info){
        .service = engine->app->services[0], .paused = engine->paused, .position = 9, .steps = 3
    };
    return true;
}

bool engine_projection(const struct engine *engine, size_t ordinal, struct engine_projection_info *ret_info)
{
    static const struct edda_projection projection = { .name = "sums", .version = 1 };
    (void)engine;
    if (ordinal > 0)
        return false;
    *ret_info = (struct engine_projection_info){
        .projection = &projection, .state = "running", .position = 40, .lag = 2, .applied = 7, .conflicts = 1, .held = 3,
    };
    return true;
}

int engine_rebuild(struct engine *engine, struct slice name, struct edda_error *error)
{
    (void)engine;
    return slice_eq_str(name, "sums") ? 0 : edda_fail_with(error, EDDA_ENOTFOUND, "there is no projection %.*s", (int)name.len, (const char *)name.data);
}

int engine_select(struct engine *engine, struct engine_query *query, struct edda_error *error)
{
    (void)engine, (void)query;
    return edda_fail_with(error, EDDA_EINVAL, "the fake has no read models");
}

struct journal *engine_journal(struct engine *engine)
{
    return engine->journal;
}

const struct edda_app *engine_app(const struct engine *engine)
{
    return engine->app;
}

/* --- traces -------------------------------------------------------------------------------------------------------------- */

int trace_read(struct journal *journal, struct slice correlation, struct arena *arena, struct trace *ret_trace,
               struct edda_error *error)
{
    (void)journal, (void)arena;
    if (!slice_eq_str(correlation, "1"))
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is nothing of process %.*s", (int)correlation.len,
                              (const char *)correlation.data);
    *ret_trace = (struct trace){ .correlation = correlation };
    return 0;
}

void trace_explain(const struct edda_app *app, struct edda_error *error)
{
    (void)edda_fail_with(error, error->code, "%s, says %s", error->message, app->name);
}

void trace_json(const struct trace *trace, struct buffer *out)
{
    (void)trace;
    buffer_append_str(out, "{\"correlationId\":\"1\",\"messages\":[]}");
}

void trace_text(const struct trace *trace, struct buffer *out)
{
    (void)trace;
    buffer_append_str(out, "a -> b\n");
}

int engine_deadline(struct engine *engine, struct slice id, engine_deadline_fn *visit, void *user)
{
    (void)engine, (void)id, (void)visit, (void)user;
    return EDDA_ENOTFOUND;
}
