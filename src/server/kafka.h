/* kafka: Kafka's protocol over connections; what it means is the broker's (broker/broker.h). */
#ifndef EDDA_SERVER_KAFKA_H
#define EDDA_SERVER_KAFKA_H

#include <stdint.h>

#define KAFKA_REQUEST_BYTES_MAX (UINT32_C(32) << 20)

struct protocol;

extern const struct protocol kafka_protocol;

#endif
