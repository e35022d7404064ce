/*
 * kafka: Kafka's protocol over connections (kafka.c), and how its clients say who they are (kafka_sasl.c); what it means is the broker's
 * (broker/broker.h).
 */
#ifndef EDDA_SERVER_KAFKA_H
#define EDDA_SERVER_KAFKA_H

#include "broker/broker.h"
#include "server/connection.h"
#include "server/users.h"

#define KAFKA_REQUEST_BYTES_MAX (UINT32_C(32) << 20)
#define KAFKA_STRANGER_BYTES_MAX (UINT32_C(64) << 10) /* of a request, before its sender has said who he is */

extern const struct protocol kafka_protocol;

enum kafka_login {
    KAFKA_LOGIN_NONE,   /* nobody needs to say who he is */
    KAFKA_LOGIN_WANTED, /* nothing but that is answered */
    KAFKA_LOGIN_BEGUN,  /* an exchange is under way */
    KAFKA_LOGIN_DONE
};

struct kafka_session {
    struct connection connection;
    struct broker_call call;
    char host[ADDRESS_TEXT_BYTES];       /* the client's */
    char local_host[ADDRESS_TEXT_BYTES]; /* the one that it has reached, and is told to come back to */
    bool taking;                         /* kafka_take() is on the stack, and does what follows an answer */
    enum kafka_login login;
    bool raw;                            /* the exchange comes in frames without heads (SaslHandshake version 0) */
    struct sasl *sasl;                   /* under way */
    struct buffer sasl_out;              /* what it has answered last */
};

/* SaslHandshake and SaslAuthenticate: fills the response. */
void kafka_sasl(struct kafka_session *session, struct broker_call *call);
/* A frame of an exchange that comes without heads: appends the answer. EDDA_EUNAUTHORIZED ends the connection. */
int kafka_sasl_raw(struct kafka_session *session, struct slice frame);
void kafka_sasl_close(struct kafka_session *session);

#endif
