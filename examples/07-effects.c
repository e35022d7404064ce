/*
 * What is done outside: when a product is sold out, an e-mail is sent, the supplier is asked over HTTP for more, and every sale goes through a program to
 * a ledger. None of it is done before what it answers to is durable; each is done again, with the same key, when nobody knows whether it was.
 *
 *     07-effects run --mail-dir ./mail          or --smtp localhost:25 --mail-from shop@example.com          (and --test runs its tests)
 *     curl localhost:8080/sales -H 'Content-Type: application/json' -d '{"product":"tea","quantity":10}'
 */
#include <stdlib.h>

#include "edda/edda.h"

#define IN_STOCK 10

/* All messages look the same. */
#define MESSAGE(name, its_kind, its_topic) \
    struct name { struct edda_text product; int64_t quantity; }; \
    static const struct edda_field name##_fields[] = { EDDA_FIELD(name, product, .len_min = 1, .len_max = 40), \
                                                       EDDA_FIELD(name, quantity, .min = 0, .max = 1000) }; \
    static const struct edda_type name = its_kind(name, product, .topic = its_topic)
MESSAGE(Sell, EDDA_COMMAND, "stock.commands"); MESSAGE(Sold, EDDA_EVENT, "stock"); MESSAGE(SoldOut, EDDA_EVENT, "stock");
MESSAGE(Stocked, EDDA_EVENT, "stock"); MESSAGE(Told, EDDA_EVENT, "told"); MESSAGE(Ordered, EDDA_EVENT, "supply");
MESSAGE(NotOrdered, EDDA_EVENT, "supply"); MESSAGE(Noted, EDDA_EVENT, "ledger");

/* stock: a decider, with no effects */
struct stock { int64_t left; int64_t orders; bool known; };
static const struct edda_field stock_fields[] = { EDDA_FIELD(stock, left), EDDA_FIELD(stock, orders), EDDA_FIELD(stock, known) };
static const struct edda_type stock = EDDA_STATE(stock);

EDDA_EVOLVE(sold, stock, Sold);
static void sold(struct stock *s, const struct Sold *e) { s->left = (s->known ? s->left : IN_STOCK) - e->quantity, s->known = true; }
EDDA_EVOLVE(sold_out, stock, SoldOut);
static void sold_out(struct stock *s, const struct SoldOut *e) { (void)e, s->orders++; }
EDDA_EVOLVE(stocked, stock, Stocked);
static void stocked(struct stock *s, const struct Stocked *e) { s->left += e->quantity; }

EDDA_HANDLER(sell, Sell, stock);
static int sell(struct edda_step *step, const struct Sell *c, const struct stock *s)
{
    int64_t left = s->known ? s->left : IN_STOCK;
    if (c->quantity > left)
        return edda_reject(step, "quantity", "there are %lld left", (long long)left);
    edda_emit(step, Sold, .product = c->product, .quantity = c->quantity);
    return c->quantity == left ? edda_emit(step, SoldOut, .product = c->product) : 0;
}

EDDA_HANDLER(stock_up, Ordered, stock);
static int stock_up(struct edda_step *step, const struct Ordered *e, const struct stock *s)
{
    (void)s;
    return edda_emit(step, Stocked, .product = e->product, .quantity = e->quantity);
}

/* outside: a saga of effects */
EDDA_SAGA(tell, SoldOut);
static int tell(struct edda_step *step, const struct SoldOut *e)
{
    int rc = edda_mail(step, &(struct edda_mail){ .to = EDDA_TEXT("stock@example.com"), .subject = EDDA_TEXT("Sold out – ausverkauft"), .text = e->product });
    return rc < 0 ? rc : edda_emit(step, Told, .product = e->product);
}

EDDA_SAGA(note, Sold);
static int note(struct edda_step *step, const struct Sold *e)
{
    const char *const arguments[] = { "tee", "-a", "ledger.txt", NULL };
    struct edda_program_result result;
    int rc = edda_program(step, &(struct edda_program){ .arguments = arguments, .input = e->product }, &result);
    return rc < 0 ? rc : edda_emit(step, Noted, .product = e->product, .quantity = (int64_t)result.output.len);
}

EDDA_SAGA(order_more, SoldOut);
static int order_more(struct edda_step *step, const struct SoldOut *e)
{
    const char *url = getenv("SUPPLIER_URL");
    struct edda_http_answer answer;
    int rc = edda_http(step, &(struct edda_http_call){ .url = edda_text_of(url ? url : "http://127.0.0.1:8099/orders"), .body = e->product,
                                                       .content_type = "text/plain" }, &answer);
    if (rc == EDDA_EREFUSED) /* the supplier has no more of it: that is a fact, not a failure */
        return edda_emit(step, NotOrdered, .product = e->product, .quantity = answer.status);
    return rc < 0 ? rc : edda_emit(step, Ordered, .product = e->product, .quantity = edda_text_int(answer.body));
}

static const struct edda_effect mail = { .threads = 2, .per_second = 50, .timeout_ms = 5000, .breaker_ms = 1000 };
static const struct edda_effect call = { .threads = 4, .timeout_ms = 2000, .breaker_failures = 3, .breaker_ms = 500 };
static const struct edda_effect ledger = { .threads = 1 };
static const struct edda_service stock_service = { .name = "stock", .entity = EDDA_ENTITY(stock, "stock"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Sold, sold), EDDA_WHEN(SoldOut, sold_out), EDDA_WHEN(Stocked, stocked), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Sell, sell, product), EDDA_ON(Ordered, stock_up, product), EDDA_END },
    .routes = (const struct edda_route[]){ EDDA_ROUTE("POST", "/sales", Sell), EDDA_ROUTES_END } };
static const struct edda_service mail_service = { .name = "mail", .on = (const struct edda_row[]){ EDDA_ON(SoldOut, tell, product, .effect = &mail), EDDA_END } };
static const struct edda_service supply_service = { .name = "supply",
    .on = (const struct edda_row[]){ EDDA_ON(SoldOut, order_more, product, .effect = &call), EDDA_END } };
static const struct edda_service ledger_service = { .name = "ledger", .on = (const struct edda_row[]){ EDDA_ON(Sold, note, product, .effect = &ledger), EDDA_END } };

/* --- the simulator: three products are sold; everybody is told of each end of the stock, under one key ------------------------------- */

static void plan(struct edda_sim *sim, void *user)
{
    static const struct edda_text products[] = { { "tea", 3 }, { "rice", 4 }, { "salt", 4 } };
    (void)user;
    for (int i = 0; i < 12; i++)
        edda_sim_call(sim, (int64_t)edda_sim_random(sim, 5000), Sell, .product = products[edda_sim_random(sim, 3)], .quantity = 5);
}

static int outside(const struct edda_outside_call *asked, void *user)
{
    (void)user;
    if (asked->http)
        *asked->http_answer = (struct edda_http_answer){ .status = 200, .body = EDDA_TEXT("15") };
    return 0;
}

static void check(struct edda_sim *sim, void *user)
{
    struct edda_sim_effect effect;
    struct edda_text key;
    const void *state;
    int64_t ends = 0, mails = 0, orders = 0;
    (void)user;
    for (size_t i = 0; edda_sim_effect(sim, i, &effect); i++) {
        mails += effect.done > 0 && edda_text_is(effect.target, "stock@example.com");
        orders += effect.done > 0 && edda_text_is(effect.target, "http://127.0.0.1:8099/orders");
    }
    for (size_t i = 0; edda_sim_entity(sim, &stock_service, i, &key, &state); i++)
        ends += ((const struct stock *)state)->orders;
    if (mails != ends || orders != ends)
        edda_sim_fail(sim, (struct edda_text){ NULL, 0 }, "sold out %lld times, %lld e-mails, %lld orders", (long long)ends, (long long)mails, (long long)orders);
}

/* --- tests --------------------------------------------------------------------------------------------------------------------- */

static int test(void)
{
    struct edda_test *t = edda_test_new(&supply_service);
    edda_given_answer(t, 0, 200, "25");
    edda_when(t, SoldOut, .product = EDDA_TEXT("tea"));
    edda_then_effect(t, "POST http://127.0.0.1:8099/orders", "tea");
    edda_then(t, Ordered, .product = EDDA_TEXT("tea"), .quantity = 25);
    edda_then_nothing(t);
    edda_given_answer(t, EDDA_EREFUSED, 410, "no more tea");
    edda_when(t, SoldOut, .product = EDDA_TEXT("tea"));
    edda_then(t, NotOrdered, .product = EDDA_TEXT("tea"), .quantity = 410);
    edda_given_answer(t, EDDA_EUNAVAILABLE, 0, NULL);
    edda_when(t, SoldOut, .product = EDDA_TEXT("tea"));
    edda_then_failed(t, "could not be reached");
    int mismatches = edda_test_end(t);
    t = edda_test_new(&mail_service);
    edda_when(t, SoldOut, .product = EDDA_TEXT("tea"));
    edda_then_effect(t, "mail stock@example.com", "ausverkauft");
    edda_then(t, Told, .product = EDDA_TEXT("tea"));
    mismatches += edda_test_end(t);
    t = edda_test_new(&ledger_service);
    edda_given_answer(t, 0, 0, "tea");
    edda_when(t, Sold, .product = EDDA_TEXT("tea"), .quantity = 1);
    edda_then_effect(t, "program tee", "-a ledger.txt tea");
    edda_then(t, Noted, .product = EDDA_TEXT("tea"), .quantity = 3);
    return mismatches + edda_test_end(t) ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct edda_service *const services[] = { &stock_service, &mail_service, &supply_service, &ledger_service, NULL };
    static const struct edda_simulation simulation = { .plan = plan, .check = check, .outside = outside };
    static const struct edda_app app = { "stock", "1.0", "Sells what is there, and sees to it that there is more.", services, .simulation = &simulation };
    return argc == 2 && edda_text_is(edda_text_of(argv[1]), "--test") ? test() : edda_main(&app, argc, argv);
}
