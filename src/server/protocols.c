/* protocols: see protocols.h. */
#include "server/protocols.h"

#include "server/connection.h"

#define DECLARATION(name, port, title) extern const struct protocol name##_protocol;
PROTOCOLS(DECLARATION)

#define ROW(its_name, its_port, title) [PROTOCOL_##its_name] = { &its_name##_protocol, #its_name, its_port },
const struct protocol_row protocol_rows[PROTOCOL_COUNT] = { PROTOCOLS(ROW) };

_Static_assert(PROTOCOL_COUNT <= SERVER_LISTENERS_MAX, "a server has a listener for each");
