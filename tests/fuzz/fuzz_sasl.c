/*
 * Messages of any bytes in an exchange of SASL: the input's first byte says which mechanism, line feeds part the messages, and of a message the sign % stands for the nonce of the last
 * challenge, so that what follows it is reached. Whatever comes: an exchange goes on with an answer, is refused with a reason, or is over; and nobody gets in without the password,
 * which no input has.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "io/simulated.h"
#include "server/users_parts.h"

#define INPUT_MAX 4096
#define MESSAGES_MAX 8
#define PATH "users"

static struct users *users_make(struct io *io)
{
    const struct user_change change = { .name = SLICE("alice"), .password = SLICE("a password that is not guessed"), .names = { SLICE("*"), SLICE(""), SLICE("") } };
    struct users *users;
    int rc = users_change(io, PATH, &change, NULL);
    ASSERT(rc == 0);
    rc = users_open(io, PATH, &users, NULL);
    ASSERT(rc == 0);
    return users;
}

/* The nonce of a challenge: "r=NONCE,s=…". */
static struct slice nonce_of(const struct buffer *challenge)
{
    struct slice rest = challenge->len > 2 ? slice_from(buffer_slice(challenge), 2) : slice_of(NULL, 0);
    const uint8_t *comma = rest.len ? memchr(rest.data, ',', rest.len) : NULL;
    return slice_of(rest.data, comma ? (size_t)(comma - rest.data) : 0);
}

static struct slice message_next(struct slice *input, const struct buffer *challenge, struct buffer *message)
{
    buffer_clear(message);
    while (input->len && input->data[0] != '\n') {
        if (input->data[0] == '%')
            buffer_append_slice(message, nonce_of(challenge));
        else
            buffer_append_byte(message, input->data[0]);
        *input = slice_from(*input, 1);
    }
    if (input->len)
        *input = slice_from(*input, 1);
    return buffer_slice(message);
}

static void exchange(struct sasl *sasl, struct slice input)
{
    struct buffer message = BUFFER_EMPTY, challenge = BUFFER_EMPTY, answer = BUFFER_EMPTY;
    bool over = false;
    for (int i = 0; i < MESSAGES_MAX && (i == 0 || input.len); i++) {
        struct principal *principal = NULL;
        struct edda_error error = { .code = 0 };
        struct slice given = message_next(&input, &challenge, &message);
        buffer_clear(&answer);
        int rc = sasl_step(sasl, given, &answer, &principal, &error);
        ASSERT(rc <= 0 && !principal);
        ASSERT(rc == 0 || (error.code == rc && error.message[0]));
        ASSERT(rc == 0 || rc == EDDA_EMALFORMED || rc == EDDA_EUNAUTHORIZED || rc == EDDA_EBUSY);
        ASSERT(!over || rc == EDDA_EMALFORMED);
        over = over || rc < 0;
        if (rc == 0) {
            buffer_clear(&challenge);
            buffer_append_slice(&challenge, buffer_slice(&answer));
        }
    }
    buffer_deinit(&message);
    buffer_deinit(&challenge);
    buffer_deinit(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct io_simulated_options options = { .seed = 1 };
    static struct users *users;
    struct sasl *sasl;
    unsigned mechanisms = 0;
    if (size == 0 || size > INPUT_MAX || !users_supported())
        return 0;
    if (!users)
        users = users_make(io_simulated_new(&options));
    while (sasl_mechanism(mechanisms))
        mechanisms++;
    int rc = sasl_start(users, slice_str(sasl_mechanism(data[0] % mechanisms)), &sasl, NULL);
    ASSERT(rc == 0);
    exchange(sasl, slice_of(data + 1, size - 1));
    sasl_free(sasl);
    return 0;
}
