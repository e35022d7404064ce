/* The rules of a rental card. See card.h. */
#include "rental/domain/card.h"

#include "naive.h"

static const struct rental *rental_of(const struct card *card, int64_t no)
{
    return edda_list_find(&card->rentals, sizeof(struct rental), no);
}

static bool any_overdue(const struct card *card)
{
    const struct rental *rentals = card->rentals.items;
    for (uint32_t i = 0; i < card->rentals.count; i++)
        if (rentals[i].overdueSince)
            return true;
    return false;
}

bool card_is_suspended(const struct card *card)
{
    return card->lateFee > 0 || any_overdue(card);
}

/* --- what may be done ------------------------------------------------------------------------------------ */

const char *card_cannot_rent(const struct card *card, int64_t no)
{
    if (rental_of(card, no))
        return "the card has this book";
    if (card_is_suspended(card))
        return "the card is suspended until what is overdue is back and the fee is paid";
    return card->rentals.count >= CARD_RENTALS_MAX ? "the card has as many books as it may" : NULL;
}

/* A book that is not known to be lent cannot be given back: its return could arrive before its rent is refused, and would be believed. */
static const char *not_standing(const struct rental *r)
{
    if (!r)
        return "the card does not have this book";
    if (edda_text_is(r->status, RENTING) && !NAIVE)
        return "the rent of this book is not confirmed yet";
    return edda_text_is(r->status, RETURNING) ? "this book is on its way back" : NULL;
}

const char *card_cannot_return(const struct card *card, int64_t no)
{
    return not_standing(rental_of(card, no));
}

const char *card_cannot_be_overdue(const struct card *card, int64_t no)
{
    const struct rental *r = rental_of(card, no);
    return r && r->overdueSince ? "this book is overdue already" : not_standing(r);
}

const char *card_cannot_clear(const struct card *card, int64_t points)
{
    if (card->clearing)
        return "the fee is being paid";
    if (any_overdue(card))
        return "the card has a book that is overdue";
    if (!card->lateFee)
        return "there is no fee to pay";
    return points == card->lateFee ? NULL : "the fee is another one";
}

int64_t card_fee(const struct card *card, int64_t no, int64_t now_ms, int64_t day_ms)
{
    const struct rental *r = rental_of(card, no);
    return r && r->overdueSince ? LATE_FEE_A_DAY * (1 + (now_ms - r->overdueSince) / day_ms) : 0;
}

bool card_awaits(const struct card *card, int64_t no, const char *status)
{
    const struct rental *r = rental_of(card, no);
    return NAIVE || (r && edda_text_is(r->status, status));
}

bool card_awaits_clearing(const struct card *card)
{
    return NAIVE || card->clearing > 0;
}

/* --- what becomes of it ---------------------------------------------------------------------------------- */

static struct rental *put(struct card *card, int64_t no, struct edda_text title, const char *status)
{
    struct rental *r = edda_list_put(&card->rentals, sizeof *r, no);
    if (r) {
        r->title = title;
        r->status = edda_text_of(status);
        r->fee = 0;
    }
    return r;
}

static void take(struct card *card, int64_t no)
{
    const struct rental *r = rental_of(card, no);
    if (r)
        edda_list_remove(&card->rentals, sizeof *r, (uint32_t)(r - (const struct rental *)card->rentals.items));
}

void card_rent(struct card *card, int64_t no, struct edda_text title, int64_t request)
{
    struct rental *r = put(card, no, title, RENTING);
    if (r)
        r->request = request;
    card->request = request;
}

void card_rent_confirmed(struct card *card, int64_t no)
{
    struct rental *r = edda_list_find(&card->rentals, sizeof *r, no);
    card->rents++;
    if (r && edda_text_is(r->status, RENTING))
        r->status = edda_text_of(RENTED);
}

void card_rent_cancelled(struct card *card, int64_t no)
{
    take(card, no);
}

void card_return(struct card *card, int64_t no, int64_t fee)
{
    struct rental *r = edda_list_find(&card->rentals, sizeof *r, no);
    if (!r)
        return;
    r->status = edda_text_of(RETURNING);
    r->fee = fee;
}

void card_return_confirmed(struct card *card, int64_t no)
{
    const struct rental *r = rental_of(card, no);
    card->returns++;
    card->lateFee += r ? r->fee : 0;
    take(card, no);
}

void card_return_cancelled(struct card *card, int64_t no, struct edda_text title)
{
    (void)put(card, no, title, RENTED);
}

void card_overdue(struct card *card, int64_t no, int64_t since_ms)
{
    struct rental *r = edda_list_find(&card->rentals, sizeof *r, no);
    if (r)
        r->overdueSince = since_ms;
}

void card_clear(struct card *card, int64_t points, int64_t request)
{
    card->request = request;
    card->clearing = points;
}

void card_clear_confirmed(struct card *card)
{
    card->cleared += card->clearing;
    card->lateFee -= card->clearing;
    card->clearing = 0;
}

void card_clear_cancelled(struct card *card)
{
    card->clearing = 0;
}
