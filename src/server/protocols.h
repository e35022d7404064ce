/*
 * protocols: what a listener can speak. This is the only place where one is added: from the rows come the flags of those who start a server, the ports where
 * clients look for it, and the names in metrics.
 */
#ifndef EDDA_SERVER_PROTOCOLS_H
#define EDDA_SERVER_PROTOCOLS_H

#include <stddef.h>
#include <stdint.h>

struct protocol;

/* Its name in lower case, of which `NAME_protocol` is the struct; its port; who speaks it. HTTP is the first. */
#define PROTOCOLS(ROW) \
    ROW(http, 2113, "HTTP") \
    ROW(kafka, 9092, "Kafka's protocol") \
    ROW(resp, 6379, "Redis")

#define PROTOCOL_ORDINAL(name, port, title) PROTOCOL_##name,
enum { PROTOCOLS(PROTOCOL_ORDINAL) PROTOCOL_COUNT };
#undef PROTOCOL_ORDINAL

struct protocol_row {
    const struct protocol *protocol;
    const char *name;
    uint16_t port;
};
extern const struct protocol_row protocol_rows[PROTOCOL_COUNT];

#endif
