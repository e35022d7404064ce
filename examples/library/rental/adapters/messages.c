/* The tables behind rental.h and messages.h. */
#include "rental/adapters/messages.h"

#define USER_ID .len_min = 1, .len_max = 64
#define BOOK_NO .min = 1, .max = 1e15
#define NUMBER .min = 1, .max = 1e15

/* --- what others see ------------------------------------------------------------------------------------- */

static const struct edda_field IdName_fields[] = { EDDA_FIELD(IdName, id, USER_ID), EDDA_FIELD(IdName, name, .optional = true) };
const struct edda_type IdName = EDDA_VALUE(IdName);

static const struct edda_field Item_fields[] = {
    EDDA_FIELD(Item, no, BOOK_NO), EDDA_FIELD(Item, title, .optional = true, .len_max = TITLE_MAX) };
const struct edda_type Item = EDDA_VALUE(Item);

/* All of them are keyed by the member, so that what one member does keeps its order, and answers come to where the card is kept. */
static const struct edda_field ItemRented_fields[] = {
    EDDA_FIELD_STRUCT(ItemRented, idName, IdName), EDDA_FIELD_STRUCT(ItemRented, item, Item), EDDA_FIELD(ItemRented, point) };
const struct edda_type ItemRented = EDDA_EVENT(ItemRented, idName.id, .topic = "rental_rent");

static const struct edda_field ItemReturned_fields[] = {
    EDDA_FIELD_STRUCT(ItemReturned, idName, IdName), EDDA_FIELD_STRUCT(ItemReturned, item, Item), EDDA_FIELD(ItemReturned, point) };
const struct edda_type ItemReturned = EDDA_EVENT(ItemReturned, idName.id, .topic = "rental_return");

static const struct edda_field OverdueCleared_fields[] = { EDDA_FIELD_STRUCT(OverdueCleared, idName, IdName), EDDA_FIELD(OverdueCleared, point) };
const struct edda_type OverdueCleared = EDDA_EVENT(OverdueCleared, idName.id, .topic = "overdue_clear");

static const struct edda_field EventResult_fields[] = {
    EDDA_FIELD(EventResult, eventType, .values = (const char *const[]){ RENT, RETURN, OVERDUE, NULL }),
    EDDA_FIELD(EventResult, success),
    EDDA_FIELD_STRUCT(EventResult, idName, IdName),
    EDDA_FIELD_STRUCT(EventResult, item, Item, .optional = true),
    EDDA_FIELD(EventResult, point),
};
const struct edda_type EventResult = EDDA_EVENT(EventResult, idName.id, .topic = "rental_result");

/* --- commands -------------------------------------------------------------------------------------------- */

#define COMMANDS .topic = "rental.commands"

static const struct edda_field CreateCard_fields[] = {
    EDDA_FIELD(CreateCard, userId, USER_ID), EDDA_FIELD(CreateCard, userName, .len_min = 1, .len_max = 64) };
const struct edda_type CreateCard = EDDA_COMMAND(CreateCard, userId, COMMANDS);

static const struct edda_field RentItem_fields[] = {
    EDDA_FIELD(RentItem, userId, USER_ID), EDDA_FIELD(RentItem, request, NUMBER), EDDA_FIELD_STRUCT(RentItem, item, Item) };
const struct edda_type RentItem = EDDA_COMMAND(RentItem, userId, COMMANDS, .correlation = "request");

static const struct edda_field ReturnItem_fields[] = {
    EDDA_FIELD(ReturnItem, userId, USER_ID), EDDA_FIELD(ReturnItem, request, .optional = true), EDDA_FIELD(ReturnItem, no, BOOK_NO) };
const struct edda_type ReturnItem = EDDA_COMMAND(ReturnItem, userId, COMMANDS, .correlation = "request");

static const struct edda_field MarkOverdue_fields[] = { EDDA_FIELD(MarkOverdue, userId, USER_ID), EDDA_FIELD(MarkOverdue, no, BOOK_NO) };
const struct edda_type MarkOverdue = EDDA_COMMAND(MarkOverdue, userId, COMMANDS);

static const struct edda_field ClearOverdue_fields[] = {
    EDDA_FIELD(ClearOverdue, userId, USER_ID), EDDA_FIELD(ClearOverdue, request, NUMBER), EDDA_FIELD(ClearOverdue, point, .min = 1, .max = 1e9) };
const struct edda_type ClearOverdue = EDDA_COMMAND(ClearOverdue, userId, COMMANDS, .correlation = "request");

/* --- what a card is folded from -------------------------------------------------------------------------- */

static const struct edda_field CardCreated_fields[] = { EDDA_FIELD(CardCreated, userId), EDDA_FIELD(CardCreated, userName) };
const struct edda_type CardCreated = EDDA_EVENT(CardCreated, userId, .topic = CARDS);

static const struct edda_field RentRequested_fields[] = {
    EDDA_FIELD(RentRequested, userId), EDDA_FIELD(RentRequested, request), EDDA_FIELD_STRUCT(RentRequested, item, Item) };
const struct edda_type RentRequested = EDDA_EVENT(RentRequested, userId, .topic = CARDS);

static const struct edda_field RentConfirmed_fields[] = { EDDA_FIELD(RentConfirmed, userId), EDDA_FIELD(RentConfirmed, no) };
const struct edda_type RentConfirmed = EDDA_EVENT(RentConfirmed, userId, .topic = CARDS);

static const struct edda_field RentCancelled_fields[] = { EDDA_FIELD(RentCancelled, userId), EDDA_FIELD(RentCancelled, no) };
const struct edda_type RentCancelled = EDDA_EVENT(RentCancelled, userId, .topic = CARDS);

static const struct edda_field ReturnRequested_fields[] = {
    EDDA_FIELD(ReturnRequested, userId), EDDA_FIELD(ReturnRequested, no), EDDA_FIELD(ReturnRequested, fee) };
const struct edda_type ReturnRequested = EDDA_EVENT(ReturnRequested, userId, .topic = CARDS);

static const struct edda_field ReturnConfirmed_fields[] = { EDDA_FIELD(ReturnConfirmed, userId), EDDA_FIELD(ReturnConfirmed, no) };
const struct edda_type ReturnConfirmed = EDDA_EVENT(ReturnConfirmed, userId, .topic = CARDS);

static const struct edda_field ReturnCancelled_fields[] = { EDDA_FIELD(ReturnCancelled, userId), EDDA_FIELD_STRUCT(ReturnCancelled, item, Item) };
const struct edda_type ReturnCancelled = EDDA_EVENT(ReturnCancelled, userId, .topic = CARDS);

static const struct edda_field BecameOverdue_fields[] = {
    EDDA_FIELD(BecameOverdue, userId), EDDA_FIELD(BecameOverdue, no), EDDA_FIELD_TIME(BecameOverdue, since) };
const struct edda_type BecameOverdue = EDDA_EVENT(BecameOverdue, userId, .topic = CARDS);

static const struct edda_field ClearRequested_fields[] = {
    EDDA_FIELD(ClearRequested, userId), EDDA_FIELD(ClearRequested, request), EDDA_FIELD(ClearRequested, point) };
const struct edda_type ClearRequested = EDDA_EVENT(ClearRequested, userId, .topic = CARDS);

static const struct edda_field ClearConfirmed_fields[] = { EDDA_FIELD(ClearConfirmed, userId) };
const struct edda_type ClearConfirmed = EDDA_EVENT(ClearConfirmed, userId, .topic = CARDS);

static const struct edda_field ClearCancelled_fields[] = { EDDA_FIELD(ClearCancelled, userId) };
const struct edda_type ClearCancelled = EDDA_EVENT(ClearCancelled, userId, .topic = CARDS);

/* --- the card -------------------------------------------------------------------------------------------- */

static const struct edda_field rental_fields[] = {
    EDDA_FIELD(rental, no),
    EDDA_FIELD(rental, title),
    EDDA_FIELD(rental, status),
    EDDA_FIELD_TIME(rental, overdueSince, .optional = true),
    EDDA_FIELD(rental, fee, .optional = true),
    EDDA_FIELD(rental, request),
};
static const struct edda_type rental = EDDA_VALUE(rental);

static const struct edda_field card_fields[] = {
    EDDA_FIELD(card, name),
    EDDA_FIELD_LIST_OF(card, rentals, rental),
    EDDA_FIELD(card, lateFee),
    EDDA_FIELD(card, clearing),
    EDDA_FIELD(card, rents),
    EDDA_FIELD(card, returns),
    EDDA_FIELD(card, cleared),
    EDDA_FIELD(card, request),
};
const struct edda_type card = EDDA_STATE(card);

static const struct edda_field RentalCard_fields[] = {
    EDDA_FIELD(RentalCard, userId),
    EDDA_FIELD(RentalCard, userName),
    EDDA_FIELD(RentalCard, rentStatus),
    EDDA_FIELD_LIST_OF(RentalCard, rentItems, rental),
    EDDA_FIELD(RentalCard, lateFee),
    EDDA_FIELD(RentalCard, clearing, .optional = true, .description = "What is being paid of the late fee now"),
    EDDA_FIELD(RentalCard, request, .optional = true, .description = "The number of the last rent or clearing that was asked for"),
};
const struct edda_type RentalCard = EDDA_VALUE(RentalCard);

static const struct edda_field Accepted_fields[] = { EDDA_FIELD(Accepted, userId), EDDA_FIELD(Accepted, request) };
const struct edda_type Accepted = EDDA_VALUE(Accepted);
