/*
 * sasl: the exchanges by which a client of Kafka's protocol says who it is: PLAIN (RFC 4616), SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), without
 * channel binding.
 *
 *     START -> CHALLENGED -> OVER     SCRAM: the first message is answered by salt and nonce, the second by the server's signature
 *     START -> OVER                   PLAIN
 *
 * A user who does not exist is challenged like others, with a salt that stays the same for the name, and refused at the end.
 */
#include "server/users_parts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"

#define NONCE_BYTES 18
#define MESSAGE_BYTES_MAX 8192

enum sasl_state { SASL_START, SASL_CHALLENGED, SASL_OVER };

struct sasl_row {
    const char *name;
    bool plain;
    enum scram_hash hash;
};
static const struct sasl_row mechanisms[] = {
    { "PLAIN", true, SCRAM_SHA_256 },
    { "SCRAM-SHA-256", false, SCRAM_SHA_256 },
    { "SCRAM-SHA-512", false, SCRAM_SHA_512 },
};
#define MECHANISMS (sizeof mechanisms / sizeof mechanisms[0])

struct sasl {
    struct users *users;
    const struct sasl_row *row;
    enum sasl_state state;
    struct principal *principal; /* whom it claims to be; NULL: there is no such user */
    struct scram_key key;        /* his, as it was when he was challenged */
    struct buffer gs2;           /* the header of the first message, in base64 */
    struct buffer nonce;         /* the client's and ours */
    size_t nonce_theirs_bytes;
    struct buffer exchanged;     /* the client's first message without its header, and the challenge */
};

const char *sasl_mechanism(unsigned ordinal)
{
    return ordinal < MECHANISMS ? mechanisms[ordinal].name : NULL;
}

int sasl_start(struct users *users, struct slice mechanism, struct sasl **ret_sasl, struct edda_error *error)
{
    for (size_t i = 0; i < MECHANISMS; i++) {
        if (!slice_eq_str(mechanism, mechanisms[i].name))
            continue;
        struct sasl *sasl = calloc(1, sizeof *sasl);
        if (!sasl)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a login");
        sasl->users = users;
        sasl->row = &mechanisms[i];
        *ret_sasl = sasl;
        return 0;
    }
    return edda_fail_with(error, EDDA_EUNSUPPORTED, "the mechanism is none of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512");
}

void sasl_free(struct sasl *sasl)
{
    if (!sasl)
        return;
    principal_unref(sasl->principal);
    buffer_deinit(&sasl->gs2);
    buffer_deinit(&sasl->nonce);
    buffer_deinit(&sasl->exchanged);
    secret_clear(&sasl->key, sizeof sasl->key);
    free(sasl);
}

static int malformed(struct edda_error *error, const char *what)
{
    return edda_fail_with(error, EDDA_EMALFORMED, "the login is malformed: %s", what);
}

/* --- PLAIN -------------------------------------------------------------------------------------------------------- */

static int plain_step(struct sasl *sasl, struct slice message, struct principal **ret_principal, struct edda_error *error)
{
    struct slice parts[3];
    for (int i = 0; i < 3; i++) {
        const uint8_t *end = message.len ? memchr(message.data, 0, message.len) : NULL;
        if ((i < 2) != (end != NULL))
            return malformed(error, "PLAIN is two zero bytes, between authorization id, name and password");
        parts[i] = slice_of(message.data, end ? (size_t)(end - message.data) : message.len);
        message = slice_from(message, parts[i].len + (end != NULL));
    }
    if (parts[0].len && !slice_eq(parts[0], parts[1]))
        return edda_fail_with(error, EDDA_EUNAUTHORIZED, "nobody may act for another user");
    int r = users_login(sasl->users, parts[1], parts[2], ret_principal, error);
    return r < 0 ? r : 1;
}

/* --- SCRAM -------------------------------------------------------------------------------------------------------- */

/* Takes "x=value" up to the next comma; false when the attribute is another. */
static bool attribute_next(struct slice *message, char name, struct slice *ret_value)
{
    if (message->len < 2 || message->data[0] != (uint8_t)name || message->data[1] != '=')
        return false;
    struct slice rest = slice_from(*message, 2);
    const uint8_t *comma = rest.len ? memchr(rest.data, ',', rest.len) : NULL;
    *ret_value = slice_of(rest.data, comma ? (size_t)(comma - rest.data) : rest.len);
    *message = slice_from(rest, ret_value->len + (comma != NULL));
    return true;
}

/* A name in which "=2C" is a comma and "=3D" an equals sign. */
static bool name_decode(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        struct slice rest = slice_from(text, i);
        bool comma = slice_has_prefix(rest, SLICE("=2C")), equals = slice_has_prefix(rest, SLICE("=3D"));
        if (text.data[i] == '=' && !comma && !equals)
            return false;
        buffer_append_byte(out, comma ? ',' : equals ? '=' : text.data[i]);
        i += comma || equals ? 2 : 0;
    }
    return text.len > 0 && buffer_ok(out);
}

/* The key with which the user is challenged; one that fits nobody when there is none. */
static bool key_choose(struct sasl *sasl, struct slice name)
{
    enum scram_hash hash = sasl->row->hash;
    uint8_t salt[SCRAM_KEY_MAX];
    struct principal *found = name.len <= USER_NAME_MAX ? users_find(sasl->users, name) : NULL;
    if (found && found->keys[hash].iterations) {
        sasl->principal = principal_ref(found);
        sasl->key = found->keys[hash];
        return true;
    }
    if (!scram_hmac(SCRAM_SHA_256, slice_of(sasl->users->secret, sizeof sasl->users->secret), name, salt))
        return false;
    sasl->key = (struct scram_key){ .iterations = USER_ITERATIONS_DEFAULT, .salt_bytes = 16 };
    memcpy(sasl->key.salt, salt, 16);
    return true;
}

/* The header before the first message: "n,," or "y,,", with an authorization id at most. Its length, 0 when malformed. */
static size_t gs2_bytes(struct slice message)
{
    const uint8_t *first = message.len ? memchr(message.data, ',', message.len) : NULL;
    size_t at = first ? (size_t)(first - message.data) + 1 : 0;
    struct slice rest = slice_from(message, at);
    const uint8_t *second = rest.len ? memchr(rest.data, ',', rest.len) : NULL;
    bool flag = at == 2 && (message.data[0] == 'n' || message.data[0] == 'y');
    return flag && second ? (size_t)(second - message.data) + 1 : 0;
}

static int scram_first(struct sasl *sasl, struct slice message, struct buffer *out, struct edda_error *error)
{
    uint8_t random[NONCE_BYTES];
    struct slice name, nonce;
    struct buffer decoded = BUFFER_EMPTY;
    size_t header = gs2_bytes(message);
    if (!header)
        return malformed(error, "no header without channel binding begins it");
    struct slice bare = slice_from(message, header), left = bare;
    if (!attribute_next(&left, 'n', &name) || !attribute_next(&left, 'r', &nonce) || nonce.len == 0)
        return malformed(error, "it has no name and nonce");
    bool ok = name_decode(name, &decoded) && key_choose(sasl, buffer_slice(&decoded));
    buffer_deinit(&decoded);
    if (!ok)
        return malformed(error, "the name does not decode");
    base64_put(slice_of(message.data, header), &sasl->gs2);
    io_random_fill(sasl->users->io, random, sizeof random);
    buffer_append_slice(&sasl->nonce, nonce);
    sasl->nonce_theirs_bytes = nonce.len;
    base64_put(slice_of(random, sizeof random), &sasl->nonce);
    size_t start = out->len;
    buffer_append_str(out, "r=");
    buffer_append_slice(out, buffer_slice(&sasl->nonce));
    buffer_append_str(out, ",s=");
    base64_put(slice_of(sasl->key.salt, sasl->key.salt_bytes), out);
    buffer_printf(out, ",i=%" PRIu32, sasl->key.iterations);
    buffer_append_slice(&sasl->exchanged, bare);
    buffer_append_byte(&sasl->exchanged, ',');
    if (!buffer_ok(out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a login");
    buffer_append_slice(&sasl->exchanged, slice_from(buffer_slice(out), start));
    if (!buffer_ok(&sasl->gs2) || !buffer_ok(&sasl->nonce) || !buffer_ok(&sasl->exchanged))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a login");
    sasl->state = SASL_CHALLENGED;
    return 0;
}

/* Whether the proof shows that the client knows the password: H(proof ^ HMAC(stored key, what was exchanged)) is the stored key. */
static bool proof_is_right(const struct sasl *sasl, struct slice proof_text)
{
    enum scram_hash hash = sasl->row->hash;
    uint8_t proof[SCRAM_KEY_MAX], signature[SCRAM_KEY_MAX], digest[SCRAM_KEY_MAX];
    uint32_t len = scram_bytes(hash);
    if (base64_get(proof_text, proof, sizeof proof) != (int64_t)len ||
        !scram_hmac(hash, slice_of(sasl->key.stored, len), buffer_slice(&sasl->exchanged), signature))
        return false;
    for (uint32_t i = 0; i < len; i++)
        proof[i] ^= signature[i];
    bool right = scram_digest(hash, slice_of(proof, len), digest) && secret_eq(slice_of(digest, len), slice_of(sasl->key.stored, len));
    secret_clear(proof, sizeof proof);
    return right && sasl->principal;
}

/* librdkafka before 2.6.1 puts its own nonce before the whole one once more. */
static bool nonce_is_right(const struct sasl *sasl, struct slice nonce)
{
    struct slice whole = buffer_slice(&sasl->nonce), theirs = slice_of(whole.data, sasl->nonce_theirs_bytes);
    return slice_eq(nonce, whole) || (slice_has_prefix(nonce, theirs) && slice_eq(slice_from(nonce, theirs.len), whole));
}

static int scram_final(struct sasl *sasl, struct slice message, struct buffer *out, struct principal **ret_principal, struct edda_error *error)
{
    enum scram_hash hash = sasl->row->hash;
    uint8_t signature[SCRAM_KEY_MAX];
    struct slice binding, nonce, proof, left = message;
    if (!attribute_next(&left, 'c', &binding) || !attribute_next(&left, 'r', &nonce))
        return malformed(error, "it has no channel binding and nonce");
    /* Extensions may stand before the proof, which is last. */
    size_t at = message.len;
    while (at > 0 && message.data[at - 1] != ',')
        at--;
    left = slice_from(message, at);
    if (at == 0 || !attribute_next(&left, 'p', &proof))
        return malformed(error, "it has no proof");
    if (!slice_eq(binding, buffer_slice(&sasl->gs2)) || !nonce_is_right(sasl, nonce))
        return malformed(error, "it does not go on with what it began");
    buffer_append_byte(&sasl->exchanged, ',');
    buffer_append_slice(&sasl->exchanged, slice_of(message.data, at - 1));
    if (!buffer_ok(&sasl->exchanged))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a login");
    if (!proof_is_right(sasl, proof))
        return edda_fail_with(error, EDDA_EUNAUTHORIZED, "the name or the password is wrong");
    if (!scram_hmac(hash, slice_of(sasl->key.server, scram_bytes(hash)), buffer_slice(&sasl->exchanged), signature))
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "the library of hashes has failed");
    buffer_append_str(out, "v=");
    base64_put(slice_of(signature, scram_bytes(hash)), out);
    *ret_principal = principal_ref(sasl->principal);
    return 1;
}

int sasl_step(struct sasl *sasl, struct slice message, struct buffer *out, struct principal **ret_principal, struct edda_error *error)
{
    enum sasl_state before = sasl->state;
    sasl->state = SASL_OVER;
    if (before == SASL_OVER)
        return malformed(error, "it is over");
    if (message.len > MESSAGE_BYTES_MAX)
        return malformed(error, "it is longer than 8,192 bytes");
    if (sasl->row->plain)
        return plain_step(sasl, message, ret_principal, error);
    return before == SASL_START ? scram_first(sasl, message, out, error) : scram_final(sasl, message, out, ret_principal, error);
}
