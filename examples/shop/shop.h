/* What all modules share, and no more. */
#ifndef SHOP_H
#define SHOP_H

#include "edda/edda.h"

/*
 * shop-naive is the same code built with NAIVE=1, as such a saga is usually written: an order that is cancelled looks at the payment it knows of.
 * One that is under way it does not know yet, and nobody discards it. The simulator finds what comes of it.
 */
#ifndef NAIVE
#define NAIVE 0
#endif

/* A payment that is not completed this long after it was requested has timed out. */
extern int64_t payment_deadline_ms;

#endif
