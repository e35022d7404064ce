/*
 * kafka_values: values of Kafka's messages that are made and compared by the tables: for tests that hold for every message in every version.
 */
#ifndef EDDA_TESTS_WIRE_KAFKA_VALUES_H
#define EDDA_TESTS_WIRE_KAFKA_VALUES_H

#include "base/arena.h"
#include "base/prng.h"
#include "wire/kafka/message_table.h"
#include "wire/kafka/messages.h"

enum value_rule {
    VALUE_FULL,  /* every field of the version, values derived from its name, two items in an array of numbers or strings, one in others */
    VALUE_NULL,  /* the same with null where that may be, and without tagged fields */
    VALUE_RANDOM /* whatever the version can hold, up to three items */
};

/* Fills a struct of `message`; what the version does not have keeps its default. All memory is of the arena. `random` for VALUE_RANDOM. */
void value_make(const struct kafka_message *message, int version, enum value_rule rule, struct prng *random, struct arena *arena, void *ret_value);

/* Whether two structs are the same in all fields, of the version or not. */
bool value_same(const struct kafka_message *message, const void *a, const void *b);

#endif
