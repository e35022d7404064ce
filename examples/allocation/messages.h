/*
 * The messages of the allocation: orders' lines are allocated to batches of stock. A product with its batches and lines is one entity, so lines of one product
 * are allocated one after the other, and never both on the same last piece.
 */
#ifndef ALLOCATION_MESSAGES_H
#define ALLOCATION_MESSAGES_H

#include "edda/edda.h"

/* allocation-naive is the same code built with NAIVE=1: it does not look whether a line is allocated already when it comes a second time. The simulator
 * finds what comes of it. */
#ifndef NAIVE
#define NAIVE 0
#endif

#define IN_STOCK 0          /* eta of a batch that is here */
#define QTY_MAX 1000000000
#define STEP_LINES_MAX 1000 /* that a batch lets go of in one step */

/* Of the product. eta: milliseconds since 1970, or IN_STOCK. */
struct BatchAdded { struct edda_text sku, ref; int64_t qty, eta; };
struct BatchQuantityChanged { struct edda_text sku, batchref; int64_t qty; };
struct Allocated { struct edda_text orderid, sku; int64_t qty; struct edda_text batchref; };
struct Deallocated { struct edda_text orderid, sku; int64_t qty; struct edda_text batchref; };
struct OutOfStock { struct edda_text sku, orderid; int64_t qty; };
/* Of the batch: which product it is of. */
struct BatchNamed { struct edda_text ref, sku; };

/* Commands. ChangeBatchQuantity comes over a channel and names no product; AdjustBatch is the same for the product. ShrinkBatch: the batch lets go of more lines. */
struct AddBatch { struct edda_text ref, sku; int64_t qty, eta; };
struct Allocate { struct edda_text orderid, sku; int64_t qty; };
struct ChangeBatchQuantity { struct edda_text batchref; int64_t qty; };
struct AdjustBatch { struct edda_text sku, batchref; int64_t qty; };
struct ShrinkBatch { struct edda_text sku, batchref; };

extern const struct edda_type BatchAdded, BatchQuantityChanged, Allocated, Deallocated, OutOfStock, BatchNamed, AddBatch, Allocate,
    ChangeBatchQuantity, AdjustBatch, ShrinkBatch;

#define STOCK_MAIL "stock@made.com"

/* The services, one file each, and the read model. */
extern const struct edda_service product_service, batch_service, notification_service;
extern const struct edda_projection allocations_projection;

#endif
