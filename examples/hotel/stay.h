/* The account of a guest's stay, the same in all three ways. */
#ifndef HOTEL_STAY_H
#define HOTEL_STAY_H

#include "messages.h"

enum stay_status { STAY_NONE, STAY_OPEN, STAY_CHECKED_OUT };

/* Times a check-out that a group has asked for is tried before its failure is recorded. */
#define CHECK_OUT_TRIES 4
/* The room whose lock never answers: a check-out from it fails, and no rule says so. */
#define ROOM_WITH_SILENT_LOCK 13

struct stay { struct edda_text guest; int64_t room, status, charges, payments, checkOuts; struct edda_text groupCheckoutId; };

/* The answer to a check-out. */
struct CheckOut { int64_t guestStayAccountId; bool checkedOut; struct edda_text reason; };
extern const struct edda_type CheckOut;

extern const struct edda_service stay_service;

#endif
