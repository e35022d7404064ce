/*
 * The rules of the allocation, each as far as one service can show it: given what has happened, when a message comes, then what the service does. What
 * they give together is for the simulator (simulation.c).
 */
#include "product.h"
#include "view.h"

#include <stdio.h>

#define LAMP .sku = EDDA_TEXT("LAMP")
#define ORDER(name) .orderid = EDDA_TEXT(name)
#define REF(name) .ref = EDDA_TEXT(name)
#define BATCH(name) .batchref = EDDA_TEXT(name)
#define TOMORROW INT64_C(1767312000000)
#define LATER (TOMORROW + 86400000)

/* --- product: where a line goes ------------------------------------------------------------------------- */

static struct edda_test *given_batch(int64_t qty)
{
    struct edda_test *t = edda_test_new(&product_service);
    edda_given(t, BatchAdded, LAMP, REF("b1"), .qty = qty);
    return t;
}

static int what_is_in_stock_goes_first(void)
{
    struct edda_test *t = edda_test_new(&product_service);
    edda_given(t, BatchAdded, LAMP, REF("coming"), .qty = 100, .eta = TOMORROW);
    edda_given(t, BatchAdded, LAMP, REF("here"), .qty = 100, .eta = IN_STOCK);
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 10);
    edda_then(t, Allocated, ORDER("o1"), LAMP, .qty = 10, BATCH("here"));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int what_comes_early_goes_before_what_comes_late(void)
{
    struct edda_test *t = edda_test_new(&product_service);
    edda_given(t, BatchAdded, LAMP, REF("late"), .qty = 100, .eta = LATER);
    edda_given(t, BatchAdded, LAMP, REF("early"), .qty = 100, .eta = TOMORROW);
    edda_given(t, BatchAdded, LAMP, REF("as early"), .qty = 100, .eta = TOMORROW);
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 10);
    edda_then(t, Allocated, ORDER("o1"), LAMP, .qty = 10, BATCH("early"));
    return edda_test_end(t);
}

static int a_batch_takes_what_fits(void)
{
    struct edda_test *t = given_batch(10);
    edda_given(t, BatchAdded, LAMP, REF("b2"), .qty = 100, .eta = TOMORROW);
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 9);
    edda_then(t, Allocated, ORDER("o1"), LAMP, .qty = 9, BATCH("b1"));
    edda_when(t, Allocate, ORDER("o2"), LAMP, .qty = 2);
    edda_then(t, Allocated, ORDER("o2"), LAMP, .qty = 2, BATCH("b2"));
    edda_when(t, Allocate, ORDER("o3"), LAMP, .qty = 1);
    edda_then(t, Allocated, ORDER("o3"), LAMP, .qty = 1, BATCH("b1"));
    return edda_test_end(t);
}

static int what_fits_nowhere_is_out_of_stock(void)
{
    struct edda_test *t = given_batch(10);
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 11);
    edda_then(t, OutOfStock, LAMP, ORDER("o1"), .qty = 11);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int what_nobody_sells_is_rejected(void)
{
    struct edda_test *t = edda_test_new(&product_service);
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 1);
    edda_then_rejected(t, "sku: Invalid sku LAMP");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int the_same_line_changes_nothing(void)
{
    struct edda_test *t = given_batch(10);
    edda_given(t, Allocated, ORDER("o1"), LAMP, .qty = 4, BATCH("b1"));
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 4);
    edda_then_skipped(t, "allocated already");
    edda_then_nothing(t);
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 2); /* another line of the order */
    edda_then(t, Allocated, ORDER("o1"), LAMP, .qty = 2, BATCH("b1"));
    edda_when(t, Allocate, ORDER("o1"), LAMP, .qty = 4);
    edda_then_skipped(t, "allocated already");
    return edda_test_end(t);
}

static int a_batch_is_added_once(void)
{
    struct edda_test *t = edda_test_new(&product_service);
    edda_when(t, AddBatch, REF("b1"), LAMP, .qty = 10, .eta = TOMORROW);
    edda_then(t, BatchAdded, LAMP, REF("b1"), .qty = 10, .eta = TOMORROW);
    edda_then(t, BatchNamed, REF("b1"), LAMP);
    edda_then_nothing(t);
    edda_when(t, AddBatch, REF("b1"), LAMP, .qty = 10, .eta = TOMORROW);
    edda_then_skipped(t, "there already");
    edda_when(t, AddBatch, REF("b1"), LAMP, .qty = 11, .eta = TOMORROW);
    edda_then_rejected(t, "ref: batch b1 is there already");
    return edda_test_end(t);
}

/* --- product: a batch that changes ---------------------------------------------------------------------- */

static void then_let_go(struct edda_test *t, const char *order, int64_t qty)
{
    edda_then(t, Deallocated, .orderid = edda_text_of(order), LAMP, .qty = qty, BATCH("b1"));
    edda_then(t, Allocate, .orderid = edda_text_of(order), LAMP, .qty = qty);
}

static int a_smaller_batch_lets_go_of_the_latest_lines(void)
{
    struct edda_test *t = given_batch(50);
    edda_given(t, Allocated, ORDER("o1"), LAMP, .qty = 20, BATCH("b1"));
    edda_given(t, Allocated, ORDER("o2"), LAMP, .qty = 20, BATCH("b1"));
    edda_given(t, Allocated, ORDER("o3"), LAMP, .qty = 10, BATCH("b1"));
    edda_when(t, AdjustBatch, LAMP, BATCH("b1"), .qty = 25);
    edda_then(t, BatchQuantityChanged, LAMP, BATCH("b1"), .qty = 25);
    then_let_go(t, "o3", 10);
    then_let_go(t, "o2", 20);
    edda_then_nothing(t);
    struct edda_list lines = EDDA_LIST(struct line, { EDDA_TEXT("o1"), 20 });
    edda_then_state(t, product, .batches = EDDA_LIST(struct batch, { REF("b1"), .added = 50, .qty = 25, .allocated = 20, .lines = lines }));
    edda_when(t, AdjustBatch, LAMP, BATCH("b1"), .qty = 25);
    edda_then_skipped(t, "has this quantity");
    return edda_test_end(t);
}

static int a_batch_that_is_large_enough_keeps_its_lines(void)
{
    struct edda_test *t = given_batch(50);
    edda_given(t, Allocated, ORDER("o1"), LAMP, .qty = 20, BATCH("b1"));
    edda_when(t, AdjustBatch, LAMP, BATCH("b1"), .qty = 20);
    edda_then(t, BatchQuantityChanged, LAMP, BATCH("b1"), .qty = 20);
    edda_then_nothing(t);
    edda_when(t, AdjustBatch, LAMP, BATCH("b2"), .qty = 20);
    edda_then_skipped(t, "there is no such batch");
    return edda_test_end(t);
}

static int many_lines_go_in_several_steps(void)
{
    struct edda_test *t = given_batch(STEP_LINES_MAX + 2);
    char names[STEP_LINES_MAX + 2][16];
    for (int64_t i = 0; i < STEP_LINES_MAX + 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "o%lld", (long long)i);
        edda_given(t, Allocated, .orderid = edda_text_of(names[i]), LAMP, .qty = 1, BATCH("b1"));
    }
    edda_when(t, AdjustBatch, LAMP, BATCH("b1"), .qty = 1);
    edda_then(t, BatchQuantityChanged, LAMP, BATCH("b1"), .qty = 1);
    for (size_t i = STEP_LINES_MAX + 1; i > 1; i--)
        then_let_go(t, names[i], 1);
    edda_then(t, ShrinkBatch, LAMP, BATCH("b1"));
    edda_then_nothing(t);
    edda_when(t, ShrinkBatch, LAMP, BATCH("b1"));
    then_let_go(t, "o1", 1);
    edda_then_nothing(t);
    edda_when(t, ShrinkBatch, LAMP, BATCH("b1"));
    edda_then_nothing(t);
    return edda_test_end(t);
}

/* --- batch, notification, read model -------------------------------------------------------------------- */

static int a_batch_knows_its_product(void)
{
    struct edda_test *t = edda_test_new(&batch_service);
    edda_when(t, ChangeBatchQuantity, BATCH("b1"), .qty = 5);
    edda_then_rejected(t, "batchref: there is no batch b1");
    edda_given(t, BatchNamed, REF("b1"), LAMP);
    edda_when(t, ChangeBatchQuantity, BATCH("b1"), .qty = 5);
    edda_then(t, AdjustBatch, LAMP, BATCH("b1"), .qty = 5);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int who_buys_is_told(void)
{
    struct edda_test *t = edda_test_new(&notification_service);
    edda_when(t, OutOfStock, LAMP, ORDER("o1"), .qty = 7);
    edda_then_effect(t, "mail " STOCK_MAIL, "Out of stock for LAMP: order o1 wants 7");
    edda_then_nothing(t);
    edda_given_answer(t, EDDA_EUNAVAILABLE, 0, NULL);
    edda_when(t, OutOfStock, LAMP, ORDER("o1"), .qty = 7);
    edda_then_effect(t, "mail " STOCK_MAIL, "Out of stock for LAMP");
    edda_then_failed(t, "");
    return edda_test_end(t);
}

static int rows_are_the_lines_that_stand(void)
{
    struct edda_test *t = edda_test_projection(&allocations_projection);
    edda_given(t, Allocated, ORDER("o1"), LAMP, .qty = 7, BATCH("b1"));
    edda_given(t, Allocated, ORDER("o1"), LAMP, .qty = 8, BATCH("b1"));
    edda_when(t, Deallocated, ORDER("o1"), LAMP, .qty = 7, BATCH("b1"));
    edda_then_no_row(t, allocations_view, AllocationRow, ORDER("o1"), LAMP, .qty = 7);
    edda_then_row(t, allocations_view, AllocationRow, ORDER("o1"), LAMP, .qty = 8, BATCH("b1"), .position = 2);
    return edda_test_end(t);
}

int main(void)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } tests[] = {
        { "what is in stock goes first", what_is_in_stock_goes_first },
        { "what comes early goes before what comes late", what_comes_early_goes_before_what_comes_late },
        { "a batch takes what fits", a_batch_takes_what_fits },
        { "what fits nowhere is out of stock", what_fits_nowhere_is_out_of_stock },
        { "what nobody sells is rejected", what_nobody_sells_is_rejected },
        { "the same line changes nothing", the_same_line_changes_nothing },
        { "a batch is added once", a_batch_is_added_once },
        { "a smaller batch lets go of the latest lines", a_smaller_batch_lets_go_of_the_latest_lines },
        { "a batch that is large enough keeps its lines", a_batch_that_is_large_enough_keeps_its_lines },
        { "many lines go in several steps", many_lines_go_in_several_steps },
        { "a batch knows its product", a_batch_knows_its_product },
        { "who buys is told", who_buys_is_told },
        { "rows are the lines that stand", rows_are_the_lines_that_stand },
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int mismatches = tests[i].run();
        failed += mismatches != 0;
        (void)printf("%s %s\n", mismatches ? "FAILED" : "ok", tests[i].name);
    }
    return failed != 0;
}
