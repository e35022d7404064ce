/*
 * library: rents books and takes them back, over a topic for each kind of event.
 *
 *   rented → the book is unavailable, the member gets points, the best book is counted → answered → confirmed
 *   the answer is a no → the rent is cancelled, the points are taken back
 *
 * Each service is a folder: what it shows to others, its domain, and its adapters: messages.h, service.c, http.c. Read rental/rental.h and app.c first, then
 * rental/domain/card.h and rental/adapters/service.c.
 */
#include "app.h"

int main(int argc, char **argv)
{
    return edda_main(&library_app, argc, argv);
}
