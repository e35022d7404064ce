/* rental over HTTP: cards as resources, and what is asked of one under its path. */
#include "rental/adapters/messages.h"

EDDA_ROW(rental_card_row, RentalCard, card);
static bool rental_card_row(struct RentalCard *row, struct edda_text key, const struct card *c)
{
    *row = (struct RentalCard){ key,        c->name,     edda_text_of(card_is_suspended(c) ? UNAVAILABLE : AVAILABLE),
                                c->rentals, c->lateFee, c->clearing, c->request };
    return c->name.len > 0;
}

const struct edda_view rental_cards =
    EDDA_VIEW("rentalCards", RentalCard, rental_card_row, .path = "/rental-cards", .item = "/rental-cards/{userId}");

struct Wanted { int64_t no; struct edda_text title; };
static const struct edda_field Wanted_fields[] = {
    EDDA_FIELD(Wanted, no, .min = 1, .max = 1e15), EDDA_FIELD(Wanted, title, .len_min = 1, .len_max = TITLE_MAX) };
static const struct edda_type Wanted = EDDA_VALUE(Wanted);

struct BookNo { int64_t no; };
static const struct edda_field BookNo_fields[] = { EDDA_FIELD(BookNo, no, .min = 1, .max = 1e15) };
static const struct edda_type BookNo = EDDA_VALUE(BookNo);

struct Points { int64_t point; };
static const struct edda_field Points_fields[] = { EDDA_FIELD(Points, point, .min = 1, .max = 1e9, .description = "All of the late fee") };
static const struct edda_type Points = EDDA_VALUE(Points);

/* The card that the path names. 0, or a negative code when there is none. */
static int card_of(struct edda_request *request, struct edda_text *ret_user_id, const struct card **ret_card)
{
    *ret_user_id = edda_parameter(request, "userId");
    *ret_card = edda_state(request, &rental_service, *ret_user_id);
    if (*ret_card && (*ret_card)->name.len)
        return 0;
    return edda_fail_field(edda_request_error(request), EDDA_ENOTFOUND, "userId", "there is no rental card of %.*s", (int)ret_user_id->len,
                           ret_user_id->data);
}

/* The same, and a number for what is asked of it; or a negative code. */
static int64_t numbered(struct edda_request *request, struct edda_text *ret_user_id)
{
    const struct card *c;
    int rc = card_of(request, ret_user_id, &c);
    return rc < 0 ? rc : edda_sequence(request, "requests");
}

EDDA_REQUEST(post_card, CreateCard);
static int post_card(struct edda_request *request, const struct CreateCard *body)
{
    return edda_call_struct(request, &CreateCard, body);
}

EDDA_REQUEST(post_rent, Wanted);
static int post_rent(struct edda_request *request, const struct Wanted *body)
{
    struct edda_text user;
    int64_t number = numbered(request, &user);
    return number < 0 ? (int)number : edda_call(request, RentItem, .userId = user, .request = number, .item = { body->no, body->title });
}

EDDA_REQUEST(post_return, BookNo);
static int post_return(struct edda_request *request, const struct BookNo *body)
{
    struct edda_text user;
    const struct card *c;
    int rc = card_of(request, &user, &c);
    if (rc < 0)
        return rc;
    const struct rental *r = edda_list_find(&c->rentals, sizeof *r, body->no);
    return edda_call(request, ReturnItem, .userId = user, .request = r ? r->request : 0, .no = body->no);
}

EDDA_REQUEST(post_overdue, BookNo);
static int post_overdue(struct edda_request *request, const struct BookNo *body)
{
    struct edda_text user;
    const struct card *c;
    int rc = card_of(request, &user, &c);
    return rc < 0 ? rc : edda_call(request, MarkOverdue, .userId = user, .no = body->no);
}

EDDA_REQUEST(post_clear, Points);
static int post_clear(struct edda_request *request, const struct Points *body)
{
    struct edda_text user;
    int64_t number = numbered(request, &user);
    return number < 0 ? (int)number : edda_call(request, ClearOverdue, .userId = user, .request = number, .point = body->point);
}

const struct edda_route rental_routes[] = {
    EDDA_POST("/rental-cards", CreateCard, post_card, .reply = &RentalCard, .location = "/rental-cards/{userId}",
              .description = "Gives a member a rental card"),
    EDDA_POST("/rental-cards/{userId}/rent", Wanted, post_rent, .reply = &Accepted, .status = 202,
              .description = "Rents a book; the card shows it as RENTING until the book has agreed"),
    EDDA_POST("/rental-cards/{userId}/return", BookNo, post_return, .reply = &Accepted, .status = 202,
              .description = "Returns a book, under the number of its rent"),
    EDDA_POST("/rental-cards/{userId}/overdue", BookNo, post_overdue, .description = "Marks a rented book as overdue, from now on"),
    EDDA_POST("/rental-cards/{userId}/clear-overdue", Points, post_clear, .reply = &Accepted, .status = 202,
              .description = "Pays the late fee with the member's points"),
    EDDA_ROUTES_END,
};
