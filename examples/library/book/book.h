/* book: what others may know of it. It hears of rents and returns, and answers them; all else of it is its own. */
#ifndef LIBRARY_BOOK_H
#define LIBRARY_BOOK_H

#include "edda/edda.h"

extern const struct edda_service book_service;

#endif
