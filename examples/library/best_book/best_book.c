/* best-book: counts how often each book is rented. A rent that is refused was counted when it was asked for, and is taken off again. */
#include "best_book/best_book.h"

#include "rental/rental.h"

struct RentCounted { int64_t no; struct edda_text title; int64_t by; };
static const struct edda_field RentCounted_fields[] = {
    EDDA_FIELD(RentCounted, no), EDDA_FIELD(RentCounted, title), EDDA_FIELD(RentCounted, by) };
static const struct edda_type RentCounted = EDDA_EVENT(RentCounted, no, .topic = "best_books");

static const struct edda_field BestBook_fields[] = { EDDA_FIELD(BestBook, no), EDDA_FIELD(BestBook, title), EDDA_FIELD(BestBook, rentCount) };
static const struct edda_type BestBook_state = EDDA_STATE(BestBook);
static const struct edda_type BestBook = EDDA_VALUE(BestBook);

EDDA_EVOLVE(counted, BestBook, RentCounted);
static void counted(struct BestBook *b, const struct RentCounted *e)
{
    *b = (struct BestBook){ e->no, b->title.len ? b->title : e->title, b->rentCount + e->by };
}

EDDA_HANDLER(count, ItemRented, BestBook);
static int count(struct edda_step *step, const struct ItemRented *e, const struct BestBook *b)
{
    (void)b;
    return edda_emit(step, RentCounted, .no = e->item.no, .title = e->item.title, .by = 1);
}

EDDA_HANDLER(count_off, EventResult, BestBook);
static int count_off(struct edda_step *step, const struct EventResult *e, const struct BestBook *b)
{
    (void)b;
    if (e->success || !edda_text_is(e->eventType, RENT))
        return 0;
    return edda_emit(step, RentCounted, .no = e->item.no, .title = e->item.title, .by = -1);
}

EDDA_ROW(best_book_row, BestBook, BestBook);
static bool best_book_row(struct BestBook *row, struct edda_text key, const struct BestBook *b)
{
    (void)key;
    *row = *b;
    return b->rentCount > 0;
}

static const struct edda_view best_books =
    EDDA_VIEW("bestBooks", BestBook, best_book_row, .path = "/best-books", .item = "/best-books/{no}");

const struct edda_service best_book_service = {
    .name = "best-book",
    .description = "Counts how often each book is rented.",
    .entity = { .state = &BestBook_state, .category = "best_books" },
    .evolve = (const struct edda_row[]){ EDDA_WHEN(RentCounted, counted), EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(ItemRented, count, item.no),
        EDDA_ON(EventResult, count_off, item.no),
        EDDA_END },
    .view = &best_books,
};
