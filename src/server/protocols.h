/* protocols: the table of what a listener can speak, for those who start a server. */
#ifndef EDDA_SERVER_PROTOCOLS_H
#define EDDA_SERVER_PROTOCOLS_H

#include <stddef.h>
#include <stdint.h>

struct protocol;

struct protocol_row {
    const struct protocol *protocol;
    const char *name; /* of its flag: --http */
    uint16_t port;    /* where its clients look for it */
};

/* The n-th, NULL past the last; HTTP is the first. */
const struct protocol_row *protocol_row(size_t ordinal);

#endif
