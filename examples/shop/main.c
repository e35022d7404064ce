/*
 * shop: a cart becomes an order, the order a payment, the payment a package; and what cannot go on goes back.
 *
 *   cart confirmed → cart finalized → order initialized → payment requested → paid → package sent → order completed
 *   refused, too late, out of stock, or the client thinks better of it → order cancelled → payment discarded, money given back
 *   the third completed order → the client is a VIP
 *
 * A folder is a module. X/Xs.h is what others may know of it, external events and commands; everything else in the folder is its own business.
 * Read orders/saga.c first, then carts/, orders/order.c, payments/, shipments/ and clients/loyalty.c.
 */
#include "app.h"

int main(int argc, char **argv)
{
    return edda_main(&shop_app, argc, argv);
}
