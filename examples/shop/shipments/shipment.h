/* The inside of the shipments module. No other module includes this. */
#ifndef SHOP_SHIPMENT_H
#define SHOP_SHIPMENT_H

#include "shipments/shipments.h"

#define SHIPMENTS "shipments"
#define STOCK "stock"

/* Of a shipment, keyed by order. ProductPicked and ProductLacked are the stock's answers. */
struct PackageRequested { int64_t orderId; struct edda_list productItems; };
struct ProductPicked { int64_t orderId; int64_t productId; int64_t quantity; };
struct ProductLacked { int64_t orderId; int64_t productId; };
struct PackageSent { int64_t orderId; };
struct PackageDropped { int64_t orderId; };

/* Of the stock, keyed by product. */
struct StockAdded { int64_t productId; int64_t quantity; };
struct StockTaken { int64_t productId; int64_t orderId; int64_t quantity; };
struct StockReturned { int64_t productId; int64_t orderId; int64_t quantity; };

struct AddStock { int64_t productId; int64_t quantity; };
struct TakeStock { int64_t productId; int64_t orderId; int64_t quantity; };
struct ReturnStock { int64_t productId; int64_t orderId; int64_t quantity; };

extern const struct edda_type PackageRequested, ProductPicked, ProductLacked, PackageSent, PackageDropped, StockAdded, StockTaken,
    StockReturned, AddStock, TakeStock, ReturnStock;

enum shipment_status { SHIPMENT_NONE, SHIPMENT_PICKING, SHIPMENT_SENT, SHIPMENT_DROPPED };
struct shipment {
    int64_t status;
    struct edda_list items;  /* that are to be sent; of struct PackageItem */
    struct edda_list picked; /* those there were; of struct PackageItem */
    int64_t lacking;         /* how many there were not enough of */
    int64_t lackingProduct;  /* the first of them */
};
/* available: what was added and not taken; never negative. */
struct stock { int64_t added; int64_t available; };
extern const struct edda_type shipment, stock;

#endif
