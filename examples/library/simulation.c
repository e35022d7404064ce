/*
 * A few members who rent the same few books, return them, and pay what is late; books get lost and are found;
 * a service is stopped for a while. See simulation.h.
 */
#include "simulation.h"

#include <stdio.h>

#include "best_book/best_book.h"
#include "book/adapters/messages.h"
#include "member/adapters/messages.h"
#include "rental/adapters/messages.h"

static const char *const users[] = { "jenny", "tom" };
#define USERS (sizeof users / sizeof users[0])
#define BOOKS 2
#define ACTS_MAX 8
#define HORIZON_MS 10000

static int64_t chance(struct edda_sim *sim, int64_t below)
{
    return (int64_t)edda_sim_random(sim, (uint64_t)below);
}

/* Now and then of a book that nobody has put on the shelf. */
static int64_t some_book(struct edda_sim *sim)
{
    return chance(sim, 20) ? 1 + chance(sim, BOOKS) : 99;
}

/* A member acts; what makes no sense is refused, and soon after a rent mostly comes a return. */
static void act(struct edda_sim *sim, int64_t request, int64_t at)
{
    struct edda_text user = edda_text_of(users[edda_sim_random(sim, USERS)]);
    int64_t no = some_book(sim), soon = chance(sim, chance(sim, 2) ? 2 : 3000);
    int64_t days = chance(sim, 6), later = at + 3000 + days * late_day_ms;
    switch (chance(sim, 8)) {
    case 0:
    case 1:
        edda_sim_call(sim, at, RentItem, .userId = user, .request = request, .item = { no, EDDA_TEXT("a book") });
        edda_sim_call(sim, at + 3000, MarkOverdue, .userId = user, .no = no);
        edda_sim_call(sim, later, ReturnItem, .userId = user, .request = request, .no = no);
        for (int64_t try = 0; try < 2; try++)
            edda_sim_call(sim, later + 1000 * (1 + try), ClearOverdue, .userId = user, .request = 100 + 2 * request + try,
                          .point = LATE_FEE_A_DAY * (1 + days));
        break;
    case 2:
        edda_sim_call(sim, at, ReportBook, .no = no, .lost = true);
        edda_sim_call(sim, at + soon, ReportBook, .no = no, .lost = false);
        break;
    default:
        edda_sim_call(sim, at, RentItem, .userId = user, .request = request, .item = { no, EDDA_TEXT("a book") });
        edda_sim_call(sim, at + soon, ReturnItem, .userId = user, .request = request, .no = no);
    }
}

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    for (size_t i = 0; i < USERS; i++)
        edda_sim_call(sim, 0, CreateCard, .userId = edda_text_of(users[i]), .userName = EDDA_TEXT("a member"));
    for (int64_t no = 1; no <= BOOKS; no++)
        edda_sim_call(sim, 0, AddBook, .no = no, .title = EDDA_TEXT("a book"));
    int64_t acts = 1 + chance(sim, ACTS_MAX);
    for (int64_t i = 0; i < acts; i++)
        act(sim, i + 1, 100 + chance(sim, HORIZON_MS));
    if (chance(sim, 4) == 0) {
        static const struct edda_service *const stoppable[] = { &rental_service, &book_service, &member_service };
        edda_sim_pause(sim, stoppable[chance(sim, 3)], chance(sim, HORIZON_MS), chance(sim, 5000));
    }
}

/* --- what must be true ---------------------------------------------------------------------------------- */

#define TEXT(text) (int)(text).len, (text).data

/* The text of a number, in storage of the caller's. */
static struct edda_text text_of(int64_t number, char storage[24])
{
    (void)snprintf(storage, 24, "%lld", (long long)number);
    return edda_text_of(storage);
}

/* Nothing waits for an answer; what the card has is lent to it; the points are those for what stands. */
static void check_card(struct edda_sim *sim, struct edda_text user, const struct card *c)
{
    char storage[24], last[24];
    struct edda_text process = text_of(c->request, last);
    const struct rental *rentals = c->rentals.items;
    for (uint32_t i = 0; i < c->rentals.count; i++) {
        const struct copy *book = edda_sim_state(sim, &book_service, text_of(rentals[i].no, storage));
        if (!edda_text_is(rentals[i].status, RENTED))
            edda_sim_fail(sim, process, "book %lld is still %.*s on the card of %.*s", (long long)rentals[i].no, TEXT(rentals[i].status), TEXT(user));
        else if (!book || !edda_text_equal(book->borrower, user))
            edda_sim_fail(sim, process, "%.*s has book %lld, which is lent to %.*s", TEXT(user), (long long)rentals[i].no,
                          TEXT(book && book->borrower.len ? book->borrower : EDDA_TEXT("nobody")));
    }
    if (c->clearing || c->lateFee < 0)
        edda_sim_fail(sim, process, "%.*s has a late fee of %lld and is paying %lld", TEXT(user), (long long)c->lateFee, (long long)c->clearing);
    const struct account *a = edda_sim_state(sim, &member_service, user);
    int64_t earned = c->rents * POINTS_A_RENT + c->returns * POINTS_A_RETURN - c->cleared;
    if ((a ? a->point : 0) != earned)
        edda_sim_fail(sim, process, "%.*s has %lld points; %lld rents and %lld returns stand, and %lld points were paid", TEXT(user),
                      a ? (long long)a->point : 0LL, (long long)c->rents, (long long)c->returns, (long long)c->cleared);
}

/* How often the read model says that a book was rented. */
static int64_t rent_count(struct edda_sim *sim, int64_t no)
{
    const void *found;
    size_t count = edda_sim_rows(sim, &best_books, &found);
    const struct BestBook *rows = found;
    for (size_t i = 0; i < count; i++)
        if (rows[i].no == no)
            return rows[i].rentCount;
    return 0;
}

/* Who a book is lent to has it, and it is counted as often as it was lent. */
static void check_book(struct edda_sim *sim, struct edda_text no, const struct copy *book)
{
    const struct card *c = book->borrower.len ? edda_sim_state(sim, &rental_service, book->borrower) : NULL;
    int64_t counted = rent_count(sim, edda_text_int(no));
    if (book->borrower.len && !(c && edda_list_find(&c->rentals, sizeof(struct rental), edda_text_int(no))))
        edda_sim_fail(sim, (struct edda_text){ NULL, 0 }, "book %.*s is lent to %.*s, who does not have it", TEXT(no), TEXT(book->borrower));
    if (book->lent != counted)
        edda_sim_fail(sim, (struct edda_text){ NULL, 0 }, "book %.*s was lent %lld times and is counted %lld times", TEXT(no), (long long)book->lent,
                      (long long)counted);
}

static void check(struct edda_sim *sim, void *user)
{
    (void)user;
    struct edda_text key;
    const void *state;
    for (size_t i = 0; edda_sim_entity(sim, &rental_service, i, &key, &state); i++)
        check_card(sim, key, state);
    for (size_t i = 0; edda_sim_entity(sim, &book_service, i, &key, &state); i++)
        check_book(sim, key, state);
}

/* One book after the other goes to a member of its own, and comes back. */
static void load(struct edda_sim *sim, uint64_t n, void *user)
{
    (void)user;
    char reader[24];
    int64_t no = (int64_t)n + 1;
    edda_sim_call(sim, 0, CreateCard, .userId = text_of(no, reader), .userName = EDDA_TEXT("a member"));
    edda_sim_call(sim, 0, AddBook, .no = no, .title = EDDA_TEXT("a book"));
    edda_sim_call(sim, 0, RentItem, .userId = text_of(no, reader), .request = no, .item = { no, EDDA_TEXT("a book") });
    edda_sim_call(sim, 1, ReturnItem, .userId = text_of(no, reader), .request = no, .no = no);
}

const struct edda_simulation library_simulation = { .plan = plan, .check = check, .load = load };
