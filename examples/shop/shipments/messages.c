/* The tables behind shipments.h and shipment.h. */
#include "shipments/shipment.h"

#define EXTERNAL(name) const struct edda_type name = EDDA_EVENT(name, orderId, .topic = SHIPMENTS_EXTERNAL)
#define OF_SHIPMENT(name) const struct edda_type name = EDDA_EVENT(name, orderId, .topic = SHIPMENTS)
#define OF_STOCK(name) const struct edda_type name = EDDA_EVENT(name, productId, .topic = STOCK)
#define TO_STOCK(name) const struct edda_type name = EDDA_COMMAND(name, productId, .topic = "stock.commands")
#define QUANTITY .min = 1, .max = 1e9

static const struct edda_field PackageItem_fields[] = {
    EDDA_FIELD(PackageItem, productId), EDDA_FIELD(PackageItem, quantity, QUANTITY) };
const struct edda_type PackageItem = EDDA_VALUE(PackageItem);

static const struct edda_field SendPackage_fields[] = {
    EDDA_FIELD(SendPackage, orderId),
    EDDA_FIELD_LIST_OF(SendPackage, productItems, PackageItem, .len_min = 1, .len_max = PACKAGE_ITEMS_MAX),
};
const struct edda_type SendPackage = EDDA_COMMAND(SendPackage, orderId, .topic = "shipments.commands", .correlation = "orderId");

static const struct edda_field PackageWasSent_fields[] = {
    EDDA_FIELD(PackageWasSent, orderId),
    EDDA_FIELD_LIST_OF(PackageWasSent, productItems, PackageItem),
    EDDA_FIELD_TIME(PackageWasSent, sentAt),
};
EXTERNAL(PackageWasSent);

static const struct edda_field ProductWasOutOfStock_fields[] = {
    EDDA_FIELD(ProductWasOutOfStock, orderId),
    EDDA_FIELD(ProductWasOutOfStock, productId),
    EDDA_FIELD_TIME(ProductWasOutOfStock, checkedAt),
};
EXTERNAL(ProductWasOutOfStock);

static const struct edda_field PackageRequested_fields[] = {
    EDDA_FIELD(PackageRequested, orderId), EDDA_FIELD_LIST_OF(PackageRequested, productItems, PackageItem) };
OF_SHIPMENT(PackageRequested);

static const struct edda_field ProductPicked_fields[] = {
    EDDA_FIELD(ProductPicked, orderId), EDDA_FIELD(ProductPicked, productId), EDDA_FIELD(ProductPicked, quantity) };
OF_SHIPMENT(ProductPicked);

static const struct edda_field ProductLacked_fields[] = { EDDA_FIELD(ProductLacked, orderId), EDDA_FIELD(ProductLacked, productId) };
OF_SHIPMENT(ProductLacked);

static const struct edda_field PackageSent_fields[] = { EDDA_FIELD(PackageSent, orderId) };
OF_SHIPMENT(PackageSent);

static const struct edda_field PackageDropped_fields[] = { EDDA_FIELD(PackageDropped, orderId) };
OF_SHIPMENT(PackageDropped);

static const struct edda_field StockAdded_fields[] = { EDDA_FIELD(StockAdded, productId), EDDA_FIELD(StockAdded, quantity) };
OF_STOCK(StockAdded);

static const struct edda_field StockTaken_fields[] = {
    EDDA_FIELD(StockTaken, productId), EDDA_FIELD(StockTaken, orderId), EDDA_FIELD(StockTaken, quantity) };
OF_STOCK(StockTaken);

static const struct edda_field StockReturned_fields[] = {
    EDDA_FIELD(StockReturned, productId), EDDA_FIELD(StockReturned, orderId), EDDA_FIELD(StockReturned, quantity) };
OF_STOCK(StockReturned);

static const struct edda_field AddStock_fields[] = { EDDA_FIELD(AddStock, productId, .min = 1), EDDA_FIELD(AddStock, quantity, QUANTITY) };
TO_STOCK(AddStock);

static const struct edda_field TakeStock_fields[] = {
    EDDA_FIELD(TakeStock, productId), EDDA_FIELD(TakeStock, orderId), EDDA_FIELD(TakeStock, quantity, QUANTITY) };
TO_STOCK(TakeStock);

static const struct edda_field ReturnStock_fields[] = {
    EDDA_FIELD(ReturnStock, productId), EDDA_FIELD(ReturnStock, orderId), EDDA_FIELD(ReturnStock, quantity, QUANTITY) };
TO_STOCK(ReturnStock);
