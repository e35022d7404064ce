/*
 * hotel: checks groups of guests out of a hotel, written three ways that do the same.
 *
 *   group initiated → each account checks out, or says why not → answers noted → group completed, or failed with those that did not
 *
 * Read messages.h, stay.c and group.c first, which all three share; then saga.c, process.c and choreography.c, one beside the other.
 */
#include "app.h"

int main(int argc, char **argv)
{
    return edda_main(&hotel_app, argc, argv);
}
