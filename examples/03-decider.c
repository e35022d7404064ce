/*
 * A decider: a bank account. Commands ask, the state decides, events record what was decided; and the state is nothing but what the
 * events add up to. However many clients there are, no account is overdrawn: commands to one account are taken one at a time.
 *
 *     03-decider run
 *     curl localhost:8080/deposits -H 'Content-Type: application/json' -d '{"account":"ann","cents":500}'
 *     curl localhost:8080/withdrawals -H 'Content-Type: application/json' -d '{"account":"ann","cents":501}'
 *     curl localhost:8080/accounts/ann
 *
 * 03-decider --test runs its tests: given events, when a command, then events.
 */
#include "edda/edda.h"

#include <string.h>

/* --- commands and events -------------------------------------------------------------------------------- */

#define FIELDS(message) { EDDA_FIELD(message, account, .len_min = 1, .len_max = 64), EDDA_FIELD(message, cents, .min = 1, .max = 1e12) }

struct Deposit { struct edda_text account; int64_t cents; };
static const struct edda_field Deposit_fields[] = FIELDS(Deposit);
static const struct edda_type Deposit = EDDA_COMMAND(Deposit, account, .topic = "account.commands");

struct Withdraw { struct edda_text account; int64_t cents; };
static const struct edda_field Withdraw_fields[] = FIELDS(Withdraw);
static const struct edda_type Withdraw = EDDA_COMMAND(Withdraw, account, .topic = "account.commands");

struct Deposited { struct edda_text account; int64_t cents; };
static const struct edda_field Deposited_fields[] = FIELDS(Deposited);
static const struct edda_type Deposited = EDDA_EVENT(Deposited, account, .topic = "accounts");

struct Withdrawn { struct edda_text account; int64_t cents; };
static const struct edda_field Withdrawn_fields[] = FIELDS(Withdrawn);
static const struct edda_type Withdrawn = EDDA_EVENT(Withdrawn, account, .topic = "accounts");

/* --- the state, and how events change it ---------------------------------------------------------------- */

struct account { bool open; int64_t cents; };
static const struct edda_field account_fields[] = { EDDA_FIELD(account, open), EDDA_FIELD(account, cents) };
static const struct edda_type account = EDDA_STATE(account);

EDDA_EVOLVE(deposited, account, Deposited);
static void deposited(struct account *a, const struct Deposited *e)
{
    a->open = true;
    a->cents += e->cents;
}

EDDA_EVOLVE(withdrawn, account, Withdrawn);
static void withdrawn(struct account *a, const struct Withdrawn *e)
{
    a->cents -= e->cents;
}

/* --- decisions ------------------------------------------------------------------------------------------ */

struct Balance { struct edda_text account; int64_t cents; };
static const struct edda_field Balance_fields[] = { EDDA_FIELD(Balance, account), EDDA_FIELD(Balance, cents) };
static const struct edda_type Balance = EDDA_VALUE(Balance);

EDDA_HANDLER(deposit, Deposit, account);
static int deposit(struct edda_step *step, const struct Deposit *c, const struct account *a)
{
    (void)a;
    return edda_emit(step, Deposited, .account = c->account, .cents = c->cents);
}

EDDA_HANDLER(withdraw, Withdraw, account);
static int withdraw(struct edda_step *step, const struct Withdraw *c, const struct account *a)
{
    if (c->cents > a->cents)
        return edda_reject(step, "cents", "the account holds %lld", (long long)a->cents);
    return edda_emit(step, Withdrawn, .account = c->account, .cents = c->cents);
}

EDDA_ROW(balance, Balance, account);
static bool balance(struct Balance *row, struct edda_text key, const struct account *a)
{
    *row = (struct Balance){ key, a->cents };
    return a->open;
}

static const struct edda_service account_service = {
    .name = "account",
    .entity = EDDA_ENTITY(account, "accounts"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Deposited, deposited), EDDA_WHEN(Withdrawn, withdrawn), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Deposit, deposit, account), EDDA_ON(Withdraw, withdraw, account), EDDA_END },
    .view = &(const struct edda_view)EDDA_VIEW("accounts", Balance, balance, .path = "/accounts", .item = "/accounts/{account}"),
    .routes = (const struct edda_route[]){ EDDA_ROUTE("POST", "/deposits", Deposit, .reply = &Balance),
                                           EDDA_ROUTE("POST", "/withdrawals", Withdraw, .reply = &Balance), EDDA_ROUTES_END },
};

static int test(void)
{
    struct edda_test *t = edda_test_new(&account_service);
    edda_given(t, Deposited, .account = EDDA_TEXT("ann"), .cents = 500);
    edda_when(t, Withdraw, .account = EDDA_TEXT("ann"), .cents = 501);
    edda_then_rejected(t, "the account holds 500");
    edda_when(t, Withdraw, .account = EDDA_TEXT("ann"), .cents = 500);
    edda_then(t, Withdrawn, .account = EDDA_TEXT("ann"), .cents = 500);
    edda_then_nothing(t);
    return edda_test_end(t) ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct edda_service *const services[] = { &account_service, NULL };
    static const struct edda_app app = { .name = "bank", .version = "1.0", .summary = "Keeps accounts.", .services = services };
    return argc == 2 && strcmp(argv[1], "--test") == 0 ? test() : edda_main(&app, argc, argv);
}
