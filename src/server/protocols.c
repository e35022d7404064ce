/* protocols: what a listener can speak. This is the only place where one is added. */
#include "server/protocols.h"

#include "server/connection.h"

/* clang-format off */
static const struct protocol_row rows[] = {
    { &http_protocol, "http", 2113 },
};
/* clang-format on */

const struct protocol_row *protocol_row(size_t ordinal)
{
    return ordinal < sizeof rows / sizeof rows[0] ? &rows[ordinal] : NULL;
}
