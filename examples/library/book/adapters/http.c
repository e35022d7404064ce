/* book over HTTP. */
#include "book/adapters/messages.h"

EDDA_ROW(book_row, Book, copy);
static bool book_row(struct Book *row, struct edda_text key, const struct copy *c)
{
    const char *status = c->lost ? "LOST" : c->borrower.len ? "UNAVAILABLE" : "AVAILABLE";
    *row = (struct Book){ edda_text_int(key), c->title, edda_text_of(status), c->borrower, c->lent };
    return c->title.len > 0;
}

const struct edda_view books = EDDA_VIEW("books", Book, book_row, .path = "/books", .item = "/books/{no}");

EDDA_REQUEST(post_book, AddBook);
static int post_book(struct edda_request *request, const struct AddBook *body)
{
    return edda_call_struct(request, &AddBook, body);
}

static int report(struct edda_request *request, bool lost)
{
    struct edda_text no = edda_parameter(request, "no");
    const struct copy *c = edda_state(request, &book_service, no);
    if (!c || !c->title.len)
        return edda_fail_field(edda_request_error(request), EDDA_ENOTFOUND, "no", "there is no book %.*s", (int)no.len, no.data);
    return edda_call(request, ReportBook, .no = edda_text_int(no), .lost = lost);
}

static int post_lost(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return report(request, true);
}

static int post_found(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return report(request, false);
}

const struct edda_route book_routes[] = {
    EDDA_POST("/books", AddBook, post_book, .reply = &Book, .location = "/books/{no}", .description = "Puts a book on the shelf"),
    { .method = "POST", .path = "/books/{no}/lost", .handle = post_lost, .description = "A lost book can be neither rented nor returned" },
    { .method = "POST", .path = "/books/{no}/found", .handle = post_found, .description = "It is there again" },
    EDDA_ROUTES_END,
};
