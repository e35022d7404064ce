/*
 * A service in another language: this program keeps the log, the state and the deadlines of loans, and asks a service over HTTP what to decide. The service
 * is service.py or service.mjs, which do the same; docs/guides/remote-handlers.md walks through it.
 *
 *     EDDA_REMOTE_SECRET=correct-horse-battery python3 service.py 9001 &
 *     EDDA_REMOTE_SECRET=correct-horse-battery remote run
 *     curl localhost:8080/loans -H 'Content-Type: application/json' -d '{"loan":"l1","member":"ann","amount":500}'
 */
#include "edda/edda.h"

/* What is asked, what has happened, what is answered. */
struct AskLoan { struct edda_text loan; struct edda_text member; double amount; };
static const struct edda_field AskLoan_fields[] = { EDDA_FIELD(AskLoan, loan, .len_min = 1), EDDA_FIELD(AskLoan, member), EDDA_FIELD(AskLoan, amount, .min = 1) };
static const struct edda_type AskLoan = EDDA_COMMAND(AskLoan, loan, .topic = "loan.commands", .correlation = "loan");

struct PayBack { struct edda_text loan; double amount; };
static const struct edda_field PayBack_fields[] = { EDDA_FIELD(PayBack, loan, .len_min = 1), EDDA_FIELD(PayBack, amount, .min = 1) };
static const struct edda_type PayBack = EDDA_COMMAND(PayBack, loan, .topic = "loan.commands", .correlation = "loan");

struct LoanGranted { struct edda_text loan; struct edda_text member; double amount; double interest; };
static const struct edda_field LoanGranted_fields[] = { EDDA_FIELD(LoanGranted, loan), EDDA_FIELD(LoanGranted, member), EDDA_FIELD(LoanGranted, amount, .min = 0, .max = -1),
                                                        EDDA_FIELD(LoanGranted, interest, .min = 0, .max = -1) };
static const struct edda_type LoanGranted = EDDA_EVENT(LoanGranted, loan, .topic = "loans", .correlation = "loan");

struct Instalment { struct edda_text loan; double amount; };
static const struct edda_field Instalment_fields[] = { EDDA_FIELD(Instalment, loan), EDDA_FIELD(Instalment, amount, .min = 0, .max = -1) };
static const struct edda_type Instalment = EDDA_EVENT(Instalment, loan, .topic = "loans", .correlation = "loan");

struct LoanClosed { struct edda_text loan; };
static const struct edda_field LoanClosed_fields[] = { EDDA_FIELD(LoanClosed, loan) };
static const struct edda_type LoanClosed = EDDA_EVENT(LoanClosed, loan, .topic = "loans", .correlation = "loan");

struct LoanOverdue { struct edda_text loan; };
static const struct edda_field LoanOverdue_fields[] = { EDDA_FIELD(LoanOverdue, loan) };
static const struct edda_type LoanOverdue = EDDA_EVENT(LoanOverdue, loan, .topic = "loan.deadlines", .correlation = "loan");

struct Reminded { struct edda_text loan; double left; };
static const struct edda_field Reminded_fields[] = { EDDA_FIELD(Reminded, loan), EDDA_FIELD(Reminded, left) };
static const struct edda_type Reminded = EDDA_EVENT(Reminded, loan, .topic = "loans", .correlation = "loan");

struct Loan { struct edda_text loan; double left; };
static const struct edda_field Loan_fields[] = { EDDA_FIELD(Loan, loan), EDDA_FIELD(Loan, left) };
static const struct edda_type Loan = EDDA_VALUE(Loan);

/* The state goes to the service with each message; it is folded here. */
struct loan { struct edda_text member; double left; int64_t reminders; bool closed; };
static const struct edda_field loan_fields[] = { EDDA_FIELD(loan, member), EDDA_FIELD(loan, left), EDDA_FIELD(loan, reminders), EDDA_FIELD(loan, closed) };
static const struct edda_type loan = EDDA_STATE(loan);

EDDA_EVOLVE(granted, loan, LoanGranted);
static void granted(struct loan *l, const struct LoanGranted *e) { *l = (struct loan){ .member = e->member, .left = e->amount + e->interest }; }
EDDA_EVOLVE(paid, loan, Instalment);
static void paid(struct loan *l, const struct Instalment *e) { l->left -= e->amount; }
EDDA_EVOLVE_SET(closed, loan, LoanClosed, closed, true);
EDDA_EVOLVE(reminded, loan, Reminded);
static void reminded(struct loan *l, const struct Reminded *e) { (void)e, l->reminders++; }

EDDA_ROW(show, Loan, loan);
static bool show(struct Loan *row, struct edda_text key, const struct loan *l)
{
    *row = (struct Loan){ .loan = key, .left = l->left };
    return true;
}

static const struct edda_view loans = { .name = "loans", .path = "/loans", .item = "/loans/{loan}", .row = &Loan, .fill = show_row };
static const struct edda_remote remote = { .url = "http://127.0.0.1:9001/",
                                           .effect = { .threads = 16, .timeout_ms = 2000, .breaker_failures = 5, .breaker_ms = 500 } };
static const struct edda_service lending = {
    .name = "lending",
    .description = "decides on loans; in another language",
    .entity = EDDA_ENTITY(loan, "loans"),
    .remote = &remote,
    .evolve = (const struct edda_row[]){ EDDA_WHEN(LoanGranted, granted), EDDA_WHEN(Instalment, paid), EDDA_WHEN(LoanClosed, closed),
                                         EDDA_WHEN(Reminded, reminded), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON_REMOTE(AskLoan, loan, .retry = { .immediate = 1, .delayed = 2, .delay_first_ms = 100 }),
                                     EDDA_ON_REMOTE(PayBack, loan), EDDA_ON_REMOTE(LoanOverdue, loan), EDDA_END },
    .emits = (const struct edda_type *const[]){ &Loan, NULL },
    .view = &loans,
    .routes = (const struct edda_route[]){ EDDA_ROUTE("POST", "/loans", AskLoan, .reply = &Loan, .location = "/loans/{loan}"),
                                           EDDA_ROUTE("POST", "/payments", PayBack, .reply = &Loan), EDDA_ROUTES_END },
};

/* --- the simulator: the service is played here -------------------------------------------------------------------------------- */

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    for (int i = 0; i < 4; i++)
        edda_sim_call(sim, (int64_t)edda_sim_random(sim, 2000), AskLoan, .loan = EDDA_TEXT("l1"), .member = EDDA_TEXT("ann"), .amount = 100);
}

static int outside(const struct edda_outside_call *asked, void *user)
{
    static const char grant[] = "{\"messages\":[{\"type\":\"LoanGranted\",\"data\":{\"loan\":\"l1\",\"member\":\"ann\",\"amount\":100,\"interest\":5}}]}";
    static const char no[] = "{\"reject\":{\"field\":\"loan\",\"message\":\"there is one\"}}";
    static const char first[] = "\"state\":null";
    struct edda_text body = asked->http->body;
    bool fresh = false;
    (void)user;
    for (size_t i = 0; i + sizeof first <= body.len && !fresh; i++)
        fresh = edda_text_equal((struct edda_text){ body.data + i, sizeof first - 1 }, (struct edda_text){ first, sizeof first - 1 });
    *asked->http_answer = (struct edda_http_answer){ .status = 200, .body = edda_text_of(fresh ? grant : no) };
    return 0;
}

static void check(struct edda_sim *sim, void *user)
{
    const struct loan *l = edda_sim_state(sim, &lending, EDDA_TEXT("l1"));
    (void)user;
    if (!l || l->left != 105)
        edda_sim_fail(sim, EDDA_TEXT("l1"), "what is left of the loan is %g", l ? l->left : 0.0);
}

int main(int argc, char **argv)
{
    static const struct edda_service *const services[] = { &lending, NULL };
    static const struct edda_simulation simulation = { .plan = plan, .check = check, .outside = outside };
    static const struct edda_app app = { "lending", "1.0", "Lends money, as a service in another language decides.", services, .simulation = &simulation,
                                         .entity_word = "loan" };
    return edda_main(&app, argc, argv);
}
