/*
 * The rental card of a member: what may be done with it, and what becomes of it. Nothing here knows how it is asked, or whom it tells.
 *
 * A rent, a return and the clearing of a fee are asked for, and stand when somebody else has agreed. Until then they are marked as what they are, so that
 * nothing is built on them; when the answer is no, the mark is taken away, and the card is as it was before.
 */
#ifndef LIBRARY_CARD_H
#define LIBRARY_CARD_H

#include "edda/type.h"

#define CARD_RENTALS_MAX 5
#define POINTS_A_RENT 10
#define POINTS_A_RETURN 10
#define LATE_FEE_A_DAY 10

/* What a rental is: asked for; standing; on its way back. */
#define RENTING "RENTING"
#define RENTED "RENTED"
#define RETURNING "RETURNING"

struct rental {
    int64_t no; /* of the book */
    struct edda_text title;
    struct edda_text status;
    int64_t overdueSince; /* 0: it is not */
    int64_t fee;          /* of the return that is under way */
    int64_t request;      /* the number under which it was asked for */
};

struct card {
    struct edda_text name; /* of the member; empty: there is no card */
    struct edda_list rentals;
    int64_t lateFee;
    int64_t clearing;                /* what is being paid for it now */
    int64_t rents, returns, cleared; /* that stand: how many, how many, how many points */
    int64_t request;                 /* the number of the last rent or clearing that was asked for */
};

/* Why not, as a sentence; NULL: nothing is in the way. */
const char *card_cannot_rent(const struct card *card, int64_t no);
const char *card_cannot_return(const struct card *card, int64_t no);
const char *card_cannot_be_overdue(const struct card *card, int64_t no);
const char *card_cannot_clear(const struct card *card, int64_t points);

/* With something overdue, or a fee to pay, nothing more is lent. */
bool card_is_suspended(const struct card *card);
/* What a return costs now, with days of that length; 0 in time. */
int64_t card_fee(const struct card *card, int64_t no, int64_t now_ms, int64_t day_ms);
/* Whether an answer to this is waited for: of a book, of the fee. */
bool card_awaits(const struct card *card, int64_t no, const char *status);
bool card_awaits_clearing(const struct card *card);

void card_rent(struct card *card, int64_t no, struct edda_text title, int64_t request);
void card_rent_confirmed(struct card *card, int64_t no);
void card_rent_cancelled(struct card *card, int64_t no);
void card_return(struct card *card, int64_t no, int64_t fee);
void card_return_confirmed(struct card *card, int64_t no);
void card_return_cancelled(struct card *card, int64_t no, struct edda_text title);
void card_overdue(struct card *card, int64_t no, int64_t since_ms);
void card_clear(struct card *card, int64_t points, int64_t request);
void card_clear_confirmed(struct card *card);
void card_clear_cancelled(struct card *card);

#endif
