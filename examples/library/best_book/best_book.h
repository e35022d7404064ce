/* best-book: counts how often each book is rented. Nobody hears of it. */
#ifndef LIBRARY_BEST_BOOK_H
#define LIBRARY_BEST_BOOK_H

#include "edda/edda.h"

/* The state of a count, and its row as well. */
struct BestBook { int64_t no; struct edda_text title; int64_t rentCount; };

extern const struct edda_service best_book_service;

#endif
