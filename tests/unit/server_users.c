/* Users: the file, passwords, tokens, permissions, and SASL against the exchange that RFC 7677 gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "io/simulated.h"
#include "base/base64.h"
#include "server/users_parts.h"

#define FILE_NAME "users"

struct world {
    struct io *io;
    struct users *users;
    struct edda_error error;
};

static int setup(void **state)
{
    static struct world w;
    w = (struct world){ .io = io_simulated_new(&(struct io_simulated_options){ .seed = 7 }) };
    assert_non_null(w.io);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    users_close(w->users);
    io_simulated_free(w->io);
    return 0;
}

static void file_write(struct world *w, const char *text)
{
    struct io_file *file;
    struct slice bytes = slice_str(text);
    (void)io_file_remove(w->io, FILE_NAME);
    assert_int_equal(io_file_open(w->io, FILE_NAME, IO_WRITE | IO_CREATE, &file, &w->error), 0);
    assert_int_equal(io_file_write(w->io, file, &bytes, 1, 0), 0);
    assert_int_equal(io_file_sync(w->io, file), 0);
    io_file_close(w->io, file);
}

static void user_add(struct world *w, const char *name, const char *password, const char *read, const char *write, const char *manage)
{
    const struct user_change change = { .name = slice_str(name), .password = slice_str(password), .iterations = 4096,
                                        .names = { slice_str(read), slice_str(write), slice_str(manage) } };
    assert_int_equal(users_change(w->io, FILE_NAME, &change, &w->error), 0);
}

static struct principal *login(struct world *w, const char *name, const char *password, int expected)
{
    struct principal *principal = NULL;
    assert_int_equal(users_login(w->users, slice_str(name), slice_str(password), &principal, &w->error), expected);
    return principal;
}

static bool may(const struct principal *principal, enum broker_verb verb, const char *name)
{
    return principal_may(principal, verb, slice_str(name));
}

static void a_right_password_opens_and_a_wrong_one_does_not(void **state)
{
    struct world *w = *state;
    user_add(w, "alice", "correct horse", NULL, NULL, NULL);
    user_add(w, "bob", "battery staple", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    for (int i = 0; i < 2; i++) { /* derived at first, remembered then */
        struct principal *alice = login(w, "alice", "correct horse", 0);
        assert_string_equal(principal_name(alice), "alice");
        principal_unref(alice);
        assert_null(login(w, "alice", "battery staple", EDDA_EUNAUTHORIZED));
        assert_null(login(w, "alice", "", EDDA_EUNAUTHORIZED));
    }
    assert_null(login(w, "carol", "correct horse", EDDA_EUNAUTHORIZED));
    principal_unref(login(w, "bob", "battery staple", 0));
}

static void guessing_is_limited_and_known_passwords_are_not(void **state)
{
    struct world *w = *state;
    user_add(w, "alice", "correct horse", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    principal_unref(login(w, "alice", "correct horse", 0));
    for (int i = 0; i < USERS_FAILURES_PER_S; i++)
        (void)login(w, "alice", "guess", EDDA_EUNAUTHORIZED);
    (void)login(w, "alice", "guess", EDDA_EBUSY);
    principal_unref(login(w, "alice", "correct horse", 0));
    io_simulated_advance(w->io, INT64_C(1000000000));
    (void)login(w, "alice", "guess", EDDA_EUNAUTHORIZED);
}

static void names_are_exact_or_prefixes(void **state)
{
    struct world *w = *state;
    user_add(w, "alice", "a", "audit,reports-*", "orders", "*");
    user_add(w, "bob", "b", "audit,reports-*", "orders", "");
    user_add(w, "carol", "c", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    struct principal *alice = login(w, "alice", "a", 0), *bob = login(w, "bob", "b", 0), *carol = login(w, "carol", "c", 0);
    assert_true(may(bob, BROKER_READ, "audit"));
    assert_false(may(bob, BROKER_READ, "audits"));
    assert_true(may(bob, BROKER_READ, "reports-2026"));
    assert_false(may(bob, BROKER_WRITE, "reports-2026"));
    assert_true(may(bob, BROKER_WRITE, "orders"));
    assert_true(may(bob, BROKER_READ, "orders"));
    assert_false(may(bob, BROKER_MANAGE, "orders"));
    assert_false(may(bob, BROKER_READ, "order"));
    assert_true(may(alice, BROKER_MANAGE, "anything"));
    assert_true(principal_may(alice, BROKER_MANAGE, slice_of(NULL, 0)));
    assert_false(principal_may(bob, BROKER_MANAGE, slice_of(NULL, 0)));
    assert_false(may(carol, BROKER_READ, "audit"));
    assert_true(principal_may_any(alice, BROKER_MANAGE));
    assert_true(principal_may_any(bob, BROKER_READ));
    assert_false(principal_may_any(bob, BROKER_MANAGE));
    principal_unref(alice);
    principal_unref(bob);
    principal_unref(carol);
}

static void a_change_reaches_those_who_are_connected(void **state)
{
    struct world *w = *state;
    user_add(w, "alice", "a", "orders", NULL, NULL);
    user_add(w, "bob", "b", "orders", NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    struct principal *alice = login(w, "alice", "a", 0), *bob = login(w, "bob", "b", 0);
    user_add(w, "alice", "new", "stock", NULL, NULL);
    assert_int_equal(users_change(w->io, FILE_NAME, &(struct user_change){ .name = SLICE("bob"), .remove = true }, &w->error), 0);
    assert_int_equal(users_reload(w->users, &w->error), 0);
    assert_int_equal(users_count(w->users), 1);
    assert_true(may(alice, BROKER_READ, "stock"));
    assert_false(may(alice, BROKER_READ, "orders"));
    assert_false(may(bob, BROKER_READ, "orders"));
    assert_string_equal(principal_name(bob), "bob");
    assert_null(login(w, "alice", "a", EDDA_EUNAUTHORIZED));
    principal_unref(login(w, "alice", "new", 0));
    assert_null(login(w, "bob", "b", EDDA_EUNAUTHORIZED));
    assert_int_equal(users_change(w->io, FILE_NAME, &(struct user_change){ .name = SLICE("bob"), .remove = true }, &w->error), EDDA_ENOTFOUND);
    principal_unref(alice);
    principal_unref(bob);
}

static void a_token_is_somebody(void **state)
{
    struct world *w = *state;
    char token[USER_TOKEN_BYTES + 1], other[USER_TOKEN_BYTES + 1];
    struct principal *principal = NULL;
    users_token(w->io, token);
    users_token(w->io, other);
    assert_string_not_equal(token, other);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), USER_TOKEN_BYTES);
    const struct user_change change = { .name = SLICE("robot"), .token = slice_str(token) };
    assert_int_equal(users_change(w->io, FILE_NAME, &change, &w->error), 0);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    assert_int_equal(users_login_token(w->users, slice_str(token), &principal, &w->error), 0);
    assert_string_equal(principal_name(principal), "robot");
    principal_unref(principal);
    assert_int_equal(users_login_token(w->users, slice_str(other), &principal, &w->error), EDDA_EUNAUTHORIZED);
    (void)login(w, "robot", "", EDDA_EUNAUTHORIZED);
}

/* Each wrong file names its line, and leaves those who were there. */
static void a_wrong_file_is_refused_whole(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "alice read=x\nbob red=x\n", "line 2" },
        { "alice read=x read=y\n", "twice" },
        { "al,ice\n", "a name" },
        { "alice\nalice\n", "already" },
        { "alice scram-sha-256=1:AAAAAAAAAAAAAAAAAAAAAA==:AA==:AA==\n", "iterations" },
        { "alice scram-sha-256=4096:AAAAAAAAAAAAAAAAAAAAAA==:AA==:AA==\n", "password" },
        { "alice token=AAAA\n", "token" },
        { "alice token=A\n", "token" },
    };
    struct world *w = *state;
    user_add(w, "zoe", "z", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        file_write(w, wrong[i].text);
        assert_int_equal(users_reload(w->users, &w->error), EDDA_EMALFORMED);
        assert_non_null(strstr(w->error.message, wrong[i].says));
    }
    assert_int_equal(users_count(w->users), 1);
    file_write(w, "# nobody\n\n  \r\n");
    assert_int_equal(users_reload(w->users, &w->error), 0);
    assert_int_equal(users_count(w->users), 0);
}

static void a_wrong_change_leaves_the_file(void **state)
{
    struct world *w = *state;
    user_add(w, "alice", "a", NULL, NULL, NULL);
    static const struct user_change wrong[] = {
        { .name = { (const uint8_t *)"a b", 3 }, .password = { (const uint8_t *)"x", 1 } },
        { .name = { (const uint8_t *)"", 0 }, .password = { (const uint8_t *)"x", 1 } },
        { .name = { (const uint8_t *)"bob", 3 }, .password = { (const uint8_t *)"", 0 } },
        { .name = { (const uint8_t *)"bob", 3 }, .names = { { (const uint8_t *)"a b", 3 } } },
        { .name = { (const uint8_t *)"bob", 3 }, .password = { (const uint8_t *)"x", 1 }, .iterations = 5 },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(users_change(w->io, FILE_NAME, &wrong[i], &w->error), EDDA_EINVAL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    assert_int_equal(users_count(w->users), 1);
}

/* --- SASL ----------------------------------------------------------------------------------------------------------------- */

static int say(struct world *w, struct sasl *sasl, struct slice message, struct buffer *out, struct principal **ret_principal)
{
    buffer_clear(out);
    return sasl_step(sasl, message, out, ret_principal, &w->error);
}

static void the_arithmetic_is_that_of_rfc_7677(void **state)
{
    static const char exchanged[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
                                    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    struct scram_key key;
    uint8_t salt[SCRAM_SALT_MAX], signature[SCRAM_KEY_MAX];
    struct buffer text = BUFFER_EMPTY;
    (void)state;
    int64_t len = base64_get(SLICE("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, sizeof salt);
    assert_int_equal(len, 16);
    assert_true(scram_derive(SCRAM_SHA_256, SLICE("pencil"), slice_of(salt, 16), 4096, &key));
    assert_true(scram_hmac(SCRAM_SHA_256, slice_of(key.server, 32), slice_str(exchanged), signature));
    base64_put(slice_of(signature, 32), &text);
    assert_string_equal(buffer_cstr(&text), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    buffer_deinit(&text);
}

/* The client key, which the server does not keep. */
static void client_key_of(enum scram_hash hash, const char *password, struct slice salt, unsigned iterations, uint8_t ret_key[SCRAM_KEY_MAX])
{
    uint8_t salted[SCRAM_KEY_MAX];
    int len = (int)scram_bytes(hash);
    const EVP_MD *digest = hash == SCRAM_SHA_512 ? EVP_sha512() : EVP_sha256();
    assert_int_equal(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt.data, (int)salt.len, (int)iterations, digest, len, salted), 1);
    assert_true(scram_hmac(hash, slice_of(salted, (size_t)len), SLICE("Client Key"), ret_key));
}

/* The client's side of one exchange, with a password; what becomes of it. `again`: what it says before the nonce when it says that again. */
static int scram_login_again(struct world *w, enum scram_hash hash, const char *name, const char *password, const char *again, struct principal **ret_principal)
{
    struct sasl *sasl;
    struct buffer out = BUFFER_EMPTY, text = BUFFER_EMPTY, proof_text = BUFFER_EMPTY;
    char first[64], nonce[64], salt_text[64];
    unsigned iterations = 0;
    uint8_t salt[SCRAM_SALT_MAX], proof[SCRAM_KEY_MAX], signature[SCRAM_KEY_MAX];
    struct scram_key key;
    const char *mechanism = hash == SCRAM_SHA_256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512";
    assert_int_equal(sasl_start(w->users, slice_str(mechanism), &sasl, &w->error), 0);
    (void)snprintf(first, sizeof first, "n=%s,r=abcdef", name);
    buffer_printf(&text, "n,,%s", first);
    assert_int_equal(say(w, sasl, buffer_slice(&text), &out, ret_principal), 0);
    assert_int_equal(sscanf(buffer_cstr(&out), "r=%63[^,],s=%63[^,],i=%u", nonce, salt_text, &iterations), 3);
    assert_int_equal(strncmp(nonce, "abcdef", 6), 0);
    int64_t len = base64_get(slice_str(salt_text), salt, sizeof salt);
    assert_true(len > 0);
    assert_true(scram_derive(hash, slice_str(password), slice_of(salt, (size_t)len), iterations, &key));
    buffer_clear(&text);
    buffer_printf(&text, "%s,%s,c=biws,r=%s%s", first, buffer_cstr(&out), again, nonce);
    assert_true(scram_hmac(hash, slice_of(key.stored, scram_bytes(hash)), buffer_slice(&text), signature));
    client_key_of(hash, password, slice_of(salt, (size_t)len), iterations, proof);
    for (uint32_t i = 0; i < scram_bytes(hash); i++)
        proof[i] ^= signature[i];
    base64_put(slice_of(proof, scram_bytes(hash)), &proof_text);
    buffer_clear(&text);
    buffer_printf(&text, "c=biws,r=%s%s,p=%s", again, nonce, buffer_cstr(&proof_text));
    int r = say(w, sasl, buffer_slice(&text), &out, ret_principal);
    if (r == 1)
        assert_int_equal(strncmp(buffer_cstr(&out), "v=", 2), 0);
    assert_int_equal(say(w, sasl, buffer_slice(&text), &out, ret_principal), EDDA_EMALFORMED); /* it is over */
    sasl_free(sasl);
    buffer_deinit(&out);
    buffer_deinit(&text);
    buffer_deinit(&proof_text);
    return r;
}

static int scram_login(struct world *w, enum scram_hash hash, const char *name, const char *password, struct principal **ret_principal)
{
    return scram_login_again(w, hash, name, password, "", ret_principal);
}

/* As librdkafka before 2.6.1 says it, which is what distributions have; nothing else before the nonce will do. */
static void a_client_may_say_its_nonce_twice(void **state)
{
    struct world *w = *state;
    struct principal *principal = NULL;
    user_add(w, "alice", "correct horse", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    assert_int_equal(scram_login_again(w, SCRAM_SHA_256, "alice", "correct horse", "abcdef", &principal), 1);
    principal_unref(principal);
    assert_int_equal(scram_login_again(w, SCRAM_SHA_256, "alice", "wrong", "abcdef", &principal), EDDA_EUNAUTHORIZED);
    assert_int_equal(scram_login_again(w, SCRAM_SHA_256, "alice", "correct horse", "abcde", &principal), EDDA_EMALFORMED);
    assert_int_equal(scram_login_again(w, SCRAM_SHA_256, "alice", "correct horse", "abcdefabcdef", &principal), EDDA_EMALFORMED);
}

static void scram_opens_with_both_hashes(void **state)
{
    struct world *w = *state;
    struct principal *principal = NULL;
    user_add(w, "alice", "correct horse", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    for (int i = 0; i < SCRAM_HASHES; i++) {
        assert_int_equal(scram_login(w, (enum scram_hash)i, "alice", "correct horse", &principal), 1);
        assert_string_equal(principal_name(principal), "alice");
        principal_unref(principal);
        assert_int_equal(scram_login(w, (enum scram_hash)i, "alice", "wrong", &principal), EDDA_EUNAUTHORIZED);
        assert_int_equal(scram_login(w, (enum scram_hash)i, "nobody", "correct horse", &principal), EDDA_EUNAUTHORIZED);
    }
}

static void plain_opens_for_oneself_only(void **state)
{
    static const struct {
        struct slice message;
        int expected;
    } rows[] = {
        { { (const uint8_t *)"\0alice\0secret", 13 }, 1 },
        { { (const uint8_t *)"alice\0alice\0secret", 18 }, 1 },
        { { (const uint8_t *)"bob\0alice\0secret", 16 }, EDDA_EUNAUTHORIZED },
        { { (const uint8_t *)"\0alice\0wrong", 12 }, EDDA_EUNAUTHORIZED },
        { { (const uint8_t *)"alice\0secret", 12 }, EDDA_EMALFORMED },
        { { (const uint8_t *)"\0alice\0sec\0ret", 14 }, EDDA_EMALFORMED },
        { { (const uint8_t *)"", 0 }, EDDA_EMALFORMED },
    };
    struct world *w = *state;
    struct buffer out = BUFFER_EMPTY;
    user_add(w, "alice", "secret", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl *sasl;
        struct principal *principal = NULL;
        assert_int_equal(sasl_start(w->users, SLICE("PLAIN"), &sasl, &w->error), 0);
        assert_int_equal(say(w, sasl, rows[i].message, &out, &principal), rows[i].expected);
        principal_unref(principal);
        sasl_free(sasl);
    }
    struct sasl *none;
    assert_int_equal(sasl_start(w->users, SLICE("GSSAPI"), &none, &w->error), EDDA_EUNSUPPORTED);
    buffer_deinit(&out);
}

static void malformed_first_messages_are_refused(void **state)
{
    static const char *const messages[] = { "", "n", "n,", "n,,", "p=tls-unique,,n=a,r=b", "n,,n=,r=b", "n,,n=a", "n,,n=a,r=", "n,,n==2X,r=b", "n,,r=b,n=a", "x,,n=a,r=b" };
    struct world *w = *state;
    struct buffer out = BUFFER_EMPTY;
    struct principal *principal = NULL;
    user_add(w, "alice", "secret", NULL, NULL, NULL);
    assert_int_equal(users_open(w->io, FILE_NAME, &w->users, &w->error), 0);
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct sasl *sasl;
        assert_int_equal(sasl_start(w->users, SLICE("SCRAM-SHA-256"), &sasl, &w->error), 0);
        assert_int_equal(say(w, sasl, slice_str(messages[i]), &out, &principal), EDDA_EMALFORMED);
        sasl_free(sasl);
    }
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_right_password_opens_and_a_wrong_one_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(guessing_is_limited_and_known_passwords_are_not, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_exact_or_prefixes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_reaches_those_who_are_connected, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_is_somebody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_file_is_refused_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_change_leaves_the_file, setup, teardown),
        cmocka_unit_test(the_arithmetic_is_that_of_rfc_7677),
        cmocka_unit_test_setup_teardown(scram_opens_with_both_hashes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_may_say_its_nonce_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_opens_for_oneself_only, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_first_messages_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
