/* book, where messages come in and go out: it hears that a book is rented or returned, looks whether that can be, and answers. */
#include "book/adapters/messages.h"
#include "rental/rental.h"

EDDA_EVOLVE(added, copy, BookAdded);
static void added(struct copy *c, const struct BookAdded *e)
{
    c->title = e->title;
}

EDDA_EVOLVE(lent, copy, BookLent);
static void lent(struct copy *c, const struct BookLent *e)
{
    copy_lent(c, e->userId);
}

EDDA_EVOLVE(came_back, copy, BookCameBack);
static void came_back(struct copy *c, const struct BookCameBack *e)
{
    (void)e;
    copy_came_back(c);
}

EDDA_EVOLVE(reported, copy, BookReported);
static void reported(struct copy *c, const struct BookReported *e)
{
    c->lost = e->lost;
}

EDDA_HANDLER(add, AddBook, copy);
static int add(struct edda_step *step, const struct AddBook *m, const struct copy *c)
{
    if (c->title.len)
        return edda_reject(step, "no", "book %lld exists", (long long)m->no);
    edda_emit(step, BookAdded, .no = m->no, .title = m->title);
    return edda_reply(step, Book, .no = m->no, .title = m->title, .bookStatus = EDDA_TEXT("AVAILABLE"));
}

EDDA_HANDLER(report, ReportBook, copy);
static int report(struct edda_step *step, const struct ReportBook *m, const struct copy *c)
{
    if (c->lost == m->lost)
        return edda_reject(step, NULL, c->lost ? "the book is lost already" : "the book is not lost");
    return edda_emit(step, BookReported, .no = m->no, .lost = m->lost);
}

static int refuse(struct edda_step *step, int64_t no, struct edda_text user, const char *reason)
{
    return edda_emit(step, BookRefused, .no = no, .userId = user, .reason = edda_text_of(reason));
}

EDDA_HANDLER(lend, ItemRented, copy);
static int lend(struct edda_step *step, const struct ItemRented *e, const struct copy *c)
{
    const char *reason = copy_cannot_be_lent(c);
    if (reason)
        refuse(step, e->item.no, e->idName.id, reason);
    else
        edda_emit(step, BookLent, .no = e->item.no, .userId = e->idName.id);
    return edda_emit(step, EventResult, .eventType = EDDA_TEXT(RENT), .success = !reason, .idName = e->idName, .item = e->item, .point = e->point);
}

EDDA_HANDLER(take_back, ItemReturned, copy);
static int take_back(struct edda_step *step, const struct ItemReturned *e, const struct copy *c)
{
    const char *reason = copy_cannot_come_back(c, e->idName.id);
    if (reason)
        refuse(step, e->item.no, e->idName.id, reason);
    else
        edda_emit(step, BookCameBack, .no = e->item.no, .userId = e->idName.id);
    return edda_emit(step, EventResult, .eventType = EDDA_TEXT(RETURN), .success = !reason, .idName = e->idName, .item = e->item, .point = e->point);
}

const struct edda_service book_service = {
    .name = "book",
    .description = "Keeps the books: who has them, and which are lost.",
    .entity = EDDA_ENTITY(copy, "books"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(BookAdded, added),
        EDDA_WHEN(BookLent, lent),
        EDDA_WHEN(BookCameBack, came_back),
        EDDA_WHEN(BookReported, reported),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(AddBook, add, no),
        EDDA_ON(ReportBook, report, no),
        EDDA_ON(ItemRented, lend, item.no),
        EDDA_ON(ItemReturned, take_back, item.no),
        EDDA_END },
    .view = &books,
    .routes = book_routes,
};
