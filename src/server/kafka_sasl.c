/*
 * kafka_sasl: how a client of Kafka's protocol says who it is (KIP-12, KIP-43, KIP-152): SaslHandshake names the mechanism, SaslAuthenticate carries its
 * messages. After version 0 of the handshake they come in bare frames instead, and a failure is told by closing the connection.
 */
#include "base/put.h"
#include "server/kafka.h"
#include "wire/kafka/errors.h"
#include "wire/kafka/messages.h"

#define LENGTH_BYTES 4
#define MECHANISMS_MAX 8

void kafka_sasl_close(struct kafka_session *session)
{
    if (session->sasl)
        sasl_free(session->sasl);
    session->sasl = NULL;
    buffer_deinit(&session->sasl_out);
    if (session->connection.principal)
        principal_unref(session->connection.principal);
    session->connection.principal = NULL;
}

/* One message of the exchange: 0 and an answer, or EDDA_EUNAUTHORIZED. */
static int step(struct kafka_session *session, struct slice message, struct edda_error *error)
{
    struct connection *connection = &session->connection;
    struct principal *principal = NULL;
    buffer_clear(&session->sasl_out);
    int rc = sasl_step(session->sasl, message, &session->sasl_out, &principal, error);
    if (rc == 0)
        return buffer_ok(&session->sasl_out) ? 0 : EDDA_ENOMEM;
    sasl_free(session->sasl);
    session->sasl = NULL;
    session->raw = false;
    if (rc < 0) {
        session->login = KAFKA_LOGIN_WANTED;
        server_log(connection->server, "kafka.login", "%s was not let in: %s", session->host, error->message);
        return EDDA_EUNAUTHORIZED;
    }
    if (connection->principal)
        principal_unref(connection->principal);
    connection->principal = principal;
    connection->pushes = true; /* it is known, and may keep its connection for when it needs it */
    session->call.principal = principal;
    session->login = KAFKA_LOGIN_DONE;
    return 0;
}

static void handshake(struct kafka_session *session, struct broker_call *call)
{
    const struct kafka_sasl_handshake_request *request = call->request;
    struct kafka_sasl_handshake_response *response = call->response;
    static struct slice mechanisms[MECHANISMS_MAX];
    int32_t count = 0;
    for (const char *name; count < MECHANISMS_MAX && (name = sasl_mechanism((unsigned)count)); count++)
        mechanisms[count] = slice_str(name);
    response->mechanisms = mechanisms;
    response->mechanisms_count = count;
    if (session->sasl)
        sasl_free(session->sasl);
    session->sasl = NULL;
    /* What was begun before is over, whether or not something begins now. */
    if (session->login == KAFKA_LOGIN_BEGUN)
        session->login = KAFKA_LOGIN_WANTED;
    if (sasl_start(server_users(session->connection.server), request->mechanism, &session->sasl, NULL) < 0) {
        session->sasl = NULL;
        response->error_code = KAFKA_UNSUPPORTED_SASL_MECHANISM;
        return;
    }
    session->login = KAFKA_LOGIN_BEGUN;
    session->raw = call->head.api_version == 0;
}

static void authenticate(struct kafka_session *session, struct broker_call *call)
{
    const struct kafka_sasl_authenticate_request *request = call->request;
    struct kafka_sasl_authenticate_response *response = call->response;
    struct edda_error error = { .code = 0 };
    if (session->login != KAFKA_LOGIN_BEGUN) {
        response->error_code = KAFKA_ILLEGAL_SASL_STATE;
        response->error_message = SLICE("SaslHandshake comes first");
        return;
    }
    if (step(session, request->auth_bytes, &error) < 0) {
        response->error_code = KAFKA_SASL_AUTHENTICATION_FAILED;
        response->error_message = SLICE("the name or the password is wrong");
        connection_end(&session->connection);
        return;
    }
    response->auth_bytes = buffer_slice(&session->sasl_out);
}

void kafka_sasl(struct kafka_session *session, struct broker_call *call)
{
    if (call->head.api_key == kafka_message_key(&kafka_sasl_handshake_request_message))
        handshake(session, call);
    else
        authenticate(session, call);
}

int kafka_sasl_raw(struct kafka_session *session, struct slice frame)
{
    struct edda_error error = { .code = 0 };
    struct buffer *out = &session->connection.out;
    uint8_t length[LENGTH_BYTES];
    int rc = step(session, frame, &error);
    if (rc < 0)
        return rc;
    put_be32(length, (uint32_t)session->sasl_out.len);
    buffer_append(out, length, sizeof length);
    buffer_append_slice(out, buffer_slice(&session->sasl_out));
    connection_stamp(&session->connection, 0);
    return 0;
}
