/*
 * message_table: the tables of the messages, as tools/kafka_messages.py writes them and message_decode.c and message_encode.c go by them. Every message has tables of
 * its own, also for the structs that it shares with others, because the least bytes of a struct depend on where it stands.
 */
#ifndef EDDA_WIRE_KAFKA_MESSAGE_TABLE_H
#define EDDA_WIRE_KAFKA_MESSAGE_TABLE_H

#include "base/assert.h"
#include "wire/kafka/message.h"

#define MESSAGE_DEPTH_MAX 8  /* of structs within a message */
#define MESSAGE_VERSION_OPEN 255 /* the last version of what has none; the first of what is never */

enum kafka_kind {
    KAFKA_BOOL,
    KAFKA_INT8,
    KAFKA_INT16,
    KAFKA_INT32,
    KAFKA_INT64,
    KAFKA_FLOAT64,
    KAFKA_UUID,
    KAFKA_STRING,
    KAFKA_BYTES,
    KAFKA_RECORDS,
    KAFKA_STRUCT
};

struct kafka_field {
    const char *name;              /* as Kafka spells it, for errors */
    const struct kafka_type *type; /* of KAFKA_STRUCT */
    uint16_t offset;               /* in the struct */
    uint16_t count_offset;         /* of the count of an array */
    uint16_t item_size;            /* of an item of an array */
    uint8_t kind;                  /* of the field or of the items of the array */
    uint8_t first, last;           /* versions that have it */
    uint8_t null_first, null_last; /* those in which it may be null; first > last: none */
    uint8_t tag_first, tag_last;   /* those in which it is a tagged field; first > last: none */
    uint8_t tag;
    bool array;
    bool pointer;   /* a struct behind a pointer, which may be NULL */
    bool ignorable; /* left out where a version does not have it, whatever it holds */
};

/* A struct within a message, or the message itself. */
struct kafka_type {
    const struct kafka_field *fields;
    const void *initial;       /* a struct whose fields have their defaults */
    const uint16_t *bytes_min; /* encoded, per version of the message from its first on */
    uint16_t field_count;
    uint16_t size; /* of the struct */
    bool tagged;   /* has tagged fields in some version */
};

struct kafka_message {
    const char *name;
    const struct kafka_type *type;
    int16_t key;
    uint8_t first, last; /* valid versions */
    uint8_t flexible;    /* the first version encoded as in KIP-482 */
    bool response;
};

/* Where in a message a walk is, for errors: the fields that hold the one at hand, outermost first. */
struct message_path {
    const struct kafka_message *message;
    struct edda_error *error;
    int depth;
    struct {
        const struct kafka_field *field;
        int32_t index; /* of the item of an array, or -1 */
    } at[MESSAGE_DEPTH_MAX];
};

/* Fills the error of a walk with the path to `field` (NULL: to the struct at hand) and what is wrong with it, and returns `code`. */
int message_path_fail(const struct message_path *path, const struct kafka_field *field, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* EDDA_EUNSUPPORTED when the message does not have the version. */
int message_version_check(const struct kafka_message *message, int version, struct edda_error *error);

static inline void message_path_enter(struct message_path *path, const struct kafka_field *field)
{
    ASSERT(path->depth < MESSAGE_DEPTH_MAX);
    path->at[path->depth].field = field;
    path->at[path->depth++].index = -1;
}

static inline bool field_in(const struct kafka_field *field, int version)
{
    return version >= field->first && version <= field->last;
}

static inline bool field_nullable(const struct kafka_field *field, int version)
{
    return version >= field->null_first && version <= field->null_last;
}

static inline bool field_tagged(const struct kafka_field *field, int version)
{
    return version >= field->tag_first && version <= field->tag_last;
}

#endif
