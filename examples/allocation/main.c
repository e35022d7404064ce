/*
 * allocation: allocates the lines of orders to batches of stock, over HTTP and the channels of a Redis server, with a read model in a database.
 *
 *   allocate → allocated → published, and a row of the read model
 *            → out of stock → a mail to those who buy
 *   a batch has become smaller → deallocated → allocated elsewhere, or out of stock
 *
 * Read messages.h and product.c first, then batch.c, notification.c and view.c.
 */
#include "app.h"

int main(int argc, char **argv)
{
    return edda_main(&allocation_app, argc, argv);
}
