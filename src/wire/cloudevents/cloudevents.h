/*
 * cloudevents: the attributes of a message (CloudEvents 1.0) as headers of a Kafka record, binary mode of
 * the CloudEvents Kafka protocol binding 1.0: ce_specversion, ce_id, ce_source, ce_type; and Edda's
 * extensions ce_correlationid, ce_causationid, ce_expirytime (RFC 3339, milliseconds), ce_dataversion (decimal, when it is more than 1) and
 * ce_replyto, and traceparent as it is. Time and
 * subject are the record's timestamp and key and are not written.
 */
#ifndef EDDA_WIRE_CLOUDEVENTS_H
#define EDDA_WIRE_CLOUDEVENTS_H

#include "wire/kafka/batch.h"

struct cloudevent {
    struct slice id;
    struct slice source;
    struct slice type;
    struct slice correlation;
    struct slice causation;
    struct slice traceparent;
    struct slice reply_to; /* the topic for the answer to a command */
    int64_t expiry_ms; /* since 1970; 0: never */
    uint32_t data_version; /* of the type; 0 is as good as 1. UINT32_MAX: one that is no number, or none that fits */
};

/* Appends the attributes that are set as encoded record headers; returns how many headers were written. */
uint32_t cloudevent_put(const struct cloudevent *event, struct buffer *out);

/* Reads the attributes of a record in one pass over its headers; what is missing is empty. False when there is no ce_id
 * and ce_type: a foreign record. A header that does not parse is left empty. */
bool cloudevent_get(const struct record *record, struct cloudevent *ret_event);

#endif
