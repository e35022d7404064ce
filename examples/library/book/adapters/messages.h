/* What book is asked, and what it remembers. */
#ifndef LIBRARY_BOOK_MESSAGES_H
#define LIBRARY_BOOK_MESSAGES_H

#include "book/book.h"
#include "book/domain/copy.h"

struct AddBook { int64_t no; struct edda_text title; };
struct ReportBook { int64_t no; bool lost; };

struct BookAdded { int64_t no; struct edda_text title; };
struct BookLent { int64_t no; struct edda_text userId; };
struct BookCameBack { int64_t no; struct edda_text userId; };
struct BookRefused { int64_t no; struct edda_text reason, userId; }; /* changes nothing; an EventResult has no room for the reason */
struct BookReported { int64_t no; bool lost; };

/* How a book looks to the outside. */
struct Book { int64_t no; struct edda_text title, bookStatus, borrower; int64_t lent; };

extern const struct edda_type AddBook, ReportBook, BookAdded, BookLent, BookCameBack, BookRefused, BookReported, copy, Book;
extern const struct edda_view books;
extern const struct edda_route book_routes[];

#endif
