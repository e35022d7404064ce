/*
 * message: the requests and responses of Kafka's protocol (KIP-482 for the flexible encoding). Each has one description, in protocol.txt beside this file: its fields with their
 * types, versions and defaults. tools/kafka_messages.py turns it into kafka_messages.h, a struct for each message, and the tables that this one
 * walker goes by: decoding, encoding and skipping know no message by name, and handlers know no version.
 *
 * In the structs, names are in lower case with underscores. A message `ProduceRequest` is `struct kafka_produce_request`, with the description
 * `kafka_produce_request_message`; the type TopicProduceData in it is `struct kafka_produce_request_topic_produce_data`, or `struct kafka_leader_id_and_epoch` when the file
 * declares it once for several messages.
 *
 *     bool, int8, int16, int32, int64, float64   bool, int8_t … double
 *     string, bytes, records                     struct slice; data NULL is null
 *     uuid                                       struct kafka_uuid { uint8_t bytes[16] }
 *     []T                                        T *name; int32_t name_count: -1 is null
 *     a nullable struct                          T *name; NULL is null
 *
 * What a version does not have is given its default when decoded, and left out when encoded; a field that is neither default nor ignorable there is EDDA_EUNSUPPORTED.
 * Where a version does not allow null, an encoded string whose data is NULL is the empty one. Decoded slices borrow the input; arrays and structs lie in the arena.
 */
#ifndef EDDA_WIRE_KAFKA_MESSAGE_H
#define EDDA_WIRE_KAFKA_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "edda/error.h"

#define KAFKA_ITEMS_MAX 100000 /* in all arrays of a message that is decoded */

struct kafka_uuid {
    uint8_t bytes[16];
};

/* The description of one message. */
struct kafka_message;

int kafka_message_key(const struct kafka_message *message);
const char *kafka_message_name(const struct kafka_message *message);
size_t kafka_message_size(const struct kafka_message *message);
bool kafka_message_flexible(const struct kafka_message *message, int version);

/* Sets every field to its default: what a handler fills a response upon. For the structs within it there is `kafka_..._default` of each, to be assigned:
 * an arena's zeros are no defaults. */
void kafka_message_init(const struct kafka_message *message, void *ret_value);

/* Decodes a body. Counts are checked against the bytes that are left before memory is taken. What is behind its end is left alone, as Kafka does: librdkafka, when it
 * asks for all topics in a flexible version, writes the count of none in four bytes instead of one. EDDA_EMALFORMED and EDDA_ELIMIT (KAFKA_ITEMS_MAX) name the
 * field; EDDA_ENOMEM. */
int kafka_decode(const struct kafka_message *message, int version, struct slice body, struct arena *arena, void *ret_value,
                 struct edda_error *error);
/* Appends a body. The buffer's stickiness tells of lack of memory. */
int kafka_encode(const struct kafka_message *message, int version, const void *value, struct buffer *out, struct edda_error *error);
/* The same with record batches that lie in several places, so that they are copied once only: the `records` of the value tell how many bytes they are (data is only
 * looked at for whether they are null), and the bytes are those of `pieces`, from the first on and in the order of the fields. A piece belongs to one field. */
int kafka_encode_pieces(const struct kafka_message *message, int version, const void *value, const struct slice *pieces, struct buffer *out,
                        struct edda_error *error);

/* The head of a request: api key, version, correlation id, client id (null: data NULL). `ret_body` is what follows. `flexible` tells of the pair (key,
 * version), so that unknown ones can be answered. EDDA_EMALFORMED. */
struct kafka_request_head {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct slice client_id;
};
int kafka_request_head(struct slice frame, struct kafka_request_head *ret_head, struct edda_error *error);
/* Behind the head; after kafka_request_head(). With `flexible` its tagged fields are skipped. */
int kafka_request_body(struct slice frame, bool flexible, struct slice *ret_body, struct edda_error *error);

/* Appends a response with its length and head before it; `flexible`: of the head (never for ApiVersions, KIP-511). `pieces`: as above, NULL when the records lie
 * where the value says. */
int kafka_response_put(struct buffer *out, int32_t correlation_id, bool flexible, const struct kafka_message *message, int version,
                       const void *value, const struct slice *pieces, struct edda_error *error);
/* The same for clients: tests and benches. */
int kafka_request_put(struct buffer *out, const struct kafka_request_head *head, const struct kafka_message *message, const void *value,
                      struct edda_error *error);

#endif
