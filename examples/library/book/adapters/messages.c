/* The tables behind messages.h. */
#include "book/adapters/messages.h"

#define NO .min = 1, .max = 1e15
#define COMMANDS .topic = "book.commands"
#define BOOKS .topic = "books"

static const struct edda_field AddBook_fields[] = { EDDA_FIELD(AddBook, no, NO), EDDA_FIELD(AddBook, title, .len_min = 1, .len_max = 200) };
const struct edda_type AddBook = EDDA_COMMAND(AddBook, no, COMMANDS);

static const struct edda_field ReportBook_fields[] = { EDDA_FIELD(ReportBook, no, NO), EDDA_FIELD(ReportBook, lost) };
const struct edda_type ReportBook = EDDA_COMMAND(ReportBook, no, COMMANDS);

static const struct edda_field BookAdded_fields[] = { EDDA_FIELD(BookAdded, no), EDDA_FIELD(BookAdded, title) };
const struct edda_type BookAdded = EDDA_EVENT(BookAdded, no, BOOKS);

static const struct edda_field BookLent_fields[] = { EDDA_FIELD(BookLent, no), EDDA_FIELD(BookLent, userId) };
const struct edda_type BookLent = EDDA_EVENT(BookLent, no, BOOKS);

static const struct edda_field BookCameBack_fields[] = { EDDA_FIELD(BookCameBack, no), EDDA_FIELD(BookCameBack, userId) };
const struct edda_type BookCameBack = EDDA_EVENT(BookCameBack, no, BOOKS);

static const struct edda_field BookRefused_fields[] = {
    EDDA_FIELD(BookRefused, no), EDDA_FIELD(BookRefused, reason), EDDA_FIELD(BookRefused, userId) };
const struct edda_type BookRefused = EDDA_EVENT(BookRefused, no, BOOKS);

static const struct edda_field BookReported_fields[] = { EDDA_FIELD(BookReported, no), EDDA_FIELD(BookReported, lost) };
const struct edda_type BookReported = EDDA_EVENT(BookReported, no, BOOKS);

static const struct edda_field copy_fields[] = {
    EDDA_FIELD(copy, title), EDDA_FIELD(copy, borrower), EDDA_FIELD(copy, lost), EDDA_FIELD(copy, lent) };
const struct edda_type copy = EDDA_STATE(copy);

static const struct edda_field Book_fields[] = {
    EDDA_FIELD(Book, no),
    EDDA_FIELD(Book, title),
    EDDA_FIELD(Book, bookStatus),
    EDDA_FIELD(Book, borrower, .optional = true),
    EDDA_FIELD(Book, lent, .description = "How often it was lent"),
};
const struct edda_type Book = EDDA_VALUE(Book);
