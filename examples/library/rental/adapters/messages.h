/* What rental is asked, and what it remembers: commands on a topic of their own, and the events that a card is folded from. */
#ifndef LIBRARY_RENTAL_MESSAGES_H
#define LIBRARY_RENTAL_MESSAGES_H

#include "rental/domain/card.h"
#include "rental/rental.h"

#define CARDS "rental_cards"
#define TITLE_MAX 200
#define AVAILABLE "RENT_AVAILABLE"
#define UNAVAILABLE "RENT_UNAVAILABLE"

/* `request` numbers a rent, with the return that ends it, or a clearing; it is the id of the process. */
struct CreateCard { struct edda_text userId, userName; };
struct RentItem { struct edda_text userId; int64_t request; struct Item item; };
struct ReturnItem { struct edda_text userId; int64_t request; int64_t no; };
struct MarkOverdue { struct edda_text userId; int64_t no; };
struct ClearOverdue { struct edda_text userId; int64_t request; int64_t point; };

struct CardCreated { struct edda_text userId, userName; };
struct RentRequested { struct edda_text userId; int64_t request; struct Item item; };
struct RentConfirmed { struct edda_text userId; int64_t no; };
struct RentCancelled { struct edda_text userId; int64_t no; };
struct ReturnRequested { struct edda_text userId; int64_t no; int64_t fee; };
struct ReturnConfirmed { struct edda_text userId; int64_t no; };
struct ReturnCancelled { struct edda_text userId; struct Item item; };
struct BecameOverdue { struct edda_text userId; int64_t no; int64_t since; };
struct ClearRequested { struct edda_text userId; int64_t request; int64_t point; };
struct ClearConfirmed { struct edda_text userId; };
struct ClearCancelled { struct edda_text userId; };

extern const struct edda_type CreateCard, RentItem, ReturnItem, MarkOverdue, ClearOverdue, CardCreated, RentRequested, RentConfirmed,
    RentCancelled, ReturnRequested, ReturnConfirmed, ReturnCancelled, BecameOverdue, ClearRequested, ClearConfirmed, ClearCancelled;

/* The state of a card, and how it looks to the outside. */
struct RentalCard {
    struct edda_text userId, userName, rentStatus;
    struct edda_list rentItems; /* struct rental */
    int64_t lateFee, clearing, request;
};
/* What is answered to a rent, a return or a clearing: it is under way. */
struct Accepted { struct edda_text userId; int64_t request; };
extern const struct edda_type card, RentalCard, Accepted;

extern const struct edda_view rental_cards;
extern const struct edda_route rental_routes[];

#endif
