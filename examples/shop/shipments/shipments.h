/* shipments: what other modules may know of it: one command, and its external events. */
#ifndef SHOP_SHIPMENTS_H
#define SHOP_SHIPMENTS_H

#include "edda/edda.h"

#define SHIPMENTS_EXTERNAL "shipments__external-events"
#define PACKAGE_ITEMS_MAX 100

struct PackageItem { int64_t productId; int64_t quantity; };
/* productItems: of struct PackageItem, each product once, at most PACKAGE_ITEMS_MAX. */
struct SendPackage { int64_t orderId; struct edda_list productItems; };

struct PackageWasSent { int64_t orderId; struct edda_list productItems; int64_t sentAt; };
struct ProductWasOutOfStock { int64_t orderId; int64_t productId; int64_t checkedAt; };

extern const struct edda_type PackageItem, SendPackage, PackageWasSent, ProductWasOutOfStock;
extern const struct edda_service shipment_service, stock_service;

#endif
