/*
 * choreography: exchanges points for currency, without a coordinator: four services that react to each other's events.
 *
 *   order created → deadline set
 *   order created → exchanged → points used → order approved → deadline dropped
 *   any failure, or the deadline → order rejected → exchange compensated → points given back
 *
 * Read messages.h and app.c first, then order.c, exchange.c, point.c and deadline.c.
 */
#include "app.h"

int main(int argc, char **argv)
{
    return edda_main(&choreography_app, argc, argv);
}
