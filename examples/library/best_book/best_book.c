/* best-book: counts how often each book is rented. A rent that is refused was counted when it was asked for, and is taken off again. */
#include "best_book/best_book.h"

#include "rental/rental.h"

#define BEST 10

static const struct edda_field BestBook_fields[] = { EDDA_FIELD(BestBook, no), EDDA_FIELD(BestBook, title), EDDA_FIELD(BestBook, rentCount) };
const struct edda_type BestBook = EDDA_VALUE(BestBook);

const struct edda_table best_books = EDDA_TABLE("best_books", BestBook, 1, .indexes = (const char *const[]){ "rentCount", NULL });

static int count(struct edda_rows *rows, const struct Item *item, int64_t by)
{
    struct BestBook row = { .no = item->no };
    int rc = edda_get_struct(rows, &best_books, &row);
    if (rc < 0)
        return rc;
    if (row.rentCount + by == 0)
        return edda_delete_struct(rows, &best_books, &row);
    return edda_put(rows, best_books, BestBook, .no = item->no, .title = rc ? row.title : item->title, .rentCount = row.rentCount + by);
}

EDDA_PROJECT(rented, ItemRented);
static int rented(struct edda_rows *rows, const struct ItemRented *e)
{
    return count(rows, &e->item, 1);
}

EDDA_PROJECT(answered, EventResult);
static int answered(struct edda_rows *rows, const struct EventResult *e)
{
    return !e->success && edda_text_is(e->eventType, RENT) ? count(rows, &e->item, -1) : 0;
}

/* The most rented first. */
static int respond(struct edda_request *request, const void *rows, size_t found, void *user)
{
    (void)user;
    return edda_respond_list(request, 200, &BestBook, rows, found);
}

static int get_best_books(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    const struct edda_query query = { .table = &best_books, .order_by = "rentCount", .descending = true, .limit = BEST };
    return edda_select(request, &query, respond, NULL);
}

const struct edda_projection best_book_projection = {
    .name = "best-book",
    .description = "Counts how often each book is rented.",
    .tables = (const struct edda_table *const[]){ &best_books, NULL },
    .on = (const struct edda_projecting[]){
        EDDA_APPLY(ItemRented, rented, item.no),
        EDDA_APPLY(EventResult, answered, item.no),
        EDDA_APPLY_END },
    .routes = (const struct edda_route[]){
        { .method = "GET", .path = "/best-books", .handle = get_best_books, .reply = &BestBook, .description = "The ten that are rented most" },
        EDDA_ROUTES_END },
    .version = 1,
};
