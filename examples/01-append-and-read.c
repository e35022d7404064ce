/*
 * Events of a shopping cart: appended to its stream, held together by expected versions, and read back.
 *
 *     01-append-and-read [DIRECTORY]
 *
 * Run it twice with the same directory: the second cart comes behind the first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "edda/store.h"

static struct edda_error error;

static void must(int64_t result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s\n", edda_code_info((int)result)->name, error.message);
    exit(1);
}

/* Appends one event to a cart, which must be at a version; returns the version that the event has got. */
static int64_t record(struct edda_store *store, const char *cart, const char *type, const char *body, int64_t expected_version)
{
    struct edda_append_message message = {
        .category = EDDA_TEXT("carts"),
        .key = edda_text_of(cart),
        .type = edda_text_of(type),
        .body = edda_text_of(body),
    };
    struct edda_expected expected = { message.category, message.key, expected_version };
    struct edda_append_request request = { .messages = &message, .count = 1, .expected = &expected, .expected_count = 1 };
    struct edda_appended appended;
    int r = edda_append(store, &request, &appended, &error);
    return r < 0 ? r : appended.version;
}

static int print(void *user, const struct edda_record *r)
{
    printf("%s%.*s/%.*s", (const char *)user, (int)r->category.len, r->category.data, (int)r->key.len, r->key.data);
    if (r->version >= 0)
        printf(" @%lld", (long long)r->version);
    printf(" %.*s %.*s\n", (int)r->type.len, r->type.data, (int)r->body.len, r->body.data);
    return 0;
}

/* A payment that may be sent again, by a client that never saw the answer: its id makes the second one harmless. */
static bool pay(struct edda_store *store, const char *cart, const char *id)
{
    struct edda_append_message message = {
        .category = EDDA_TEXT("payments"),
        .key = edda_text_of(cart),
        .type = EDDA_TEXT("Paid"),
        .body = EDDA_TEXT("{\"amount\":500}"),
        .id = edda_text_of(id),
        .source = EDDA_TEXT("/checkout"),
    };
    struct edda_appended appended;
    must(edda_append(store, &(struct edda_append_request){ .messages = &message, .count = 1 }, &appended, &error));
    return appended.repeated;
}

int main(int argc, char **argv)
{
    struct edda_store *store;
    must(edda_store_open(argc > 1 ? argv[1] : "example-01", NULL, &store, &error));

    /* A name that is not taken yet. */
    char cart[32], payment[48];
    snprintf(cart, sizeof(cart), "cart-%llu", (unsigned long long)edda_store_tail(store));
    snprintf(payment, sizeof(payment), "payment-of-%s", cart);

    int64_t version = record(store, cart, "CartOpened", "{\"client\":\"jjy\"}", EDDA_EXPECT_NONE);
    must(version);
    version = record(store, cart, "ProductAdded", "{\"sku\":\"lamp\",\"price\":500}", version);
    must(version);

    /* Somebody who believes that the cart is still empty: the append fails, and nothing has happened. */
    int64_t late = record(store, cart, "CartConfirmed", "{}", 0);
    if (late != EDDA_EVERSION)
        return 1;
    printf("refused: %s\n", error.message);
    must(record(store, cart, "CartConfirmed", "{}", version));

    bool first = pay(store, cart, payment), second = pay(store, cart, payment);
    printf("paid: repeated %s, then %s\n", first ? "yes" : "no", second ? "yes" : "no");
    if (first || !second)
        return 1;

    printf("the cart:\n");
    int64_t events = edda_read_stream(store, EDDA_TEXT("carts"), edda_text_of(cart), NULL, print, "  ", &error);
    must(events);

    printf("the newest two of everything:\n");
    must(edda_read_all(store, &(struct edda_read_options){ .from = EDDA_FROM_END, .backward = true, .max = 2 }, print, "  ", &error));

    edda_store_close(store);
    return events == 3 ? 0 : 1;
}
