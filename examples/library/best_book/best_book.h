/* best-book: counts how often each book is rented, in a table of a database. Nobody hears of it. */
#ifndef LIBRARY_BEST_BOOK_H
#define LIBRARY_BEST_BOOK_H

#include "edda/edda.h"

struct BestBook { int64_t no; struct edda_text title; int64_t rentCount; };

extern const struct edda_type BestBook;
extern const struct edda_table best_books;
extern const struct edda_projection best_book_projection;

#endif
