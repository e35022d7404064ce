/*
 * rental: what others may know of it: its three events, and the answer it waits for. Each has a topic of its own, and looks as the services of the original
 * write and read it: plain JSON of these members and no others.
 */
#ifndef LIBRARY_RENTAL_H
#define LIBRARY_RENTAL_H

#include "edda/edda.h"

#define RENT "RENT"
#define RETURN "RETURN"
#define OVERDUE "OVERDUE"

struct IdName { struct edda_text id, name; };
struct Item { int64_t no; struct edda_text title; };

struct ItemRented { struct IdName idName; struct Item item; int64_t point; };   /* point: what the member gets for it */
struct ItemReturned { struct IdName idName; struct Item item; int64_t point; };
struct OverdueCleared { struct IdName idName; int64_t point; };                 /* point: what the member pays */
/* The answer to one of them, by whoever can say no to it: the book to a rent or a return, the member to a fee. */
struct EventResult { struct edda_text eventType; bool success; struct IdName idName; struct Item item; int64_t point; };

extern const struct edda_type IdName, Item, ItemRented, ItemReturned, OverdueCleared, EventResult;
extern const struct edda_service rental_service;
/* The late fee of a book grows with every one of these. */
extern int64_t late_day_ms;

#endif
