/* messages: the structs of all messages of Kafka's protocol with their descriptions, which the build makes of protocol.txt; message.h says how to use them. */
#ifndef EDDA_WIRE_KAFKA_MESSAGES_H
#define EDDA_WIRE_KAFKA_MESSAGES_H

#include "wire/kafka/kafka_messages.h"

#endif
