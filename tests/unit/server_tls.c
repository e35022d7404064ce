/* TLS under a protocol: a byte at a time, handshakes that do not end, what is decrypted before it is asked for, and a client that takes nothing. */
#include "server_talk.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/posix.h"
#include "server/connection.h"

#define GET "GET /orders HTTP/1.1\r\nHost: h\r\n\r\n"
#define BIG "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
#define WAIT_NS INT64_C(10000000000)

static char directory[] = "/tmp/edda-tls-XXXXXX", certificate_path[64], key_path[64];

/* A client in TLS that lives in memory: what it has to say goes to the socket by the test, in whatever pieces. */
struct client {
    SSL *ssl;
    BIO *in, *out;
    int fd;
};

static void client_open(struct client *client, struct talk *talk)
{
    static SSL_CTX *context;
    if (!context)
        context = SSL_CTX_new(TLS_client_method());
    client->fd = talk_connect(talk);
    client->ssl = SSL_new(context);
    client->in = BIO_new(BIO_s_mem());
    client->out = BIO_new(BIO_s_mem());
    SSL_set_bio(client->ssl, client->in, client->out);
    SSL_set_connect_state(client->ssl);
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

/* Moves bytes both ways, `piece` at a time, while the server takes turns. False when the server has closed. */
static bool shuttle(struct talk *talk, struct client *client, int piece)
{
    char bytes[65536];
    int n = BIO_read(client->out, bytes, piece < (int)sizeof bytes ? piece : (int)sizeof bytes);
    if (n > 0)
        talk_send(talk, client->fd, bytes, (size_t)n);
    talk_turns(talk, 1);
    ssize_t got = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0)
        assert_int_equal(BIO_write(client->in, bytes, (int)got), got);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

/* Asks, and counts the answers until there are so many. */
static void expect_answers(struct talk *talk, struct client *client, int piece, int wanted)
{
    int64_t until_ns = io_clock_boot_ns(talk->io) + WAIT_NS;
    char bytes[16384 + 1];
    int count = 0;
    while (count < wanted && io_clock_boot_ns(talk->io) < until_ns) {
        int n = SSL_read(client->ssl, bytes, sizeof bytes - 1);
        if (n > 0) {
            bytes[n] = '\0';
            for (const char *at = bytes; (at = strstr(at, "HTTP/1.1 200")); at++)
                count++;
        } else if (!shuttle(talk, client, piece)) {
            break;
        }
    }
    assert_int_equal(count, wanted);
}

static void say(struct talk *talk, struct client *client, const char *text, int piece)
{
    int64_t until_ns = io_clock_boot_ns(talk->io) + WAIT_NS;
    while (SSL_write(client->ssl, text, (int)strlen(text)) <= 0 && io_clock_boot_ns(talk->io) < until_ns)
        assert_true(shuttle(talk, client, piece));
}

static void talk_open_tls(struct talk *talk, const struct server_limits *limits)
{
    struct edda_error error = { 0 };
    fake_init(&talk->journal, &talk->engine);
    talk->io = io_posix_new(1);
    struct server_options options = {
        .engine = &talk->engine, .io = talk->io, .listeners = { { .protocol = &http_protocol, .tls = true } }, .tls_certificate = certificate_path, .tls_key = key_path
    };
    if (limits)
        options.limits = *limits;
    if (server_open(&options, &talk->server, &error) < 0)
        fail_msg("%s", error.message);
    talk->fd = talk_connect(talk);
}

static void a_byte_at_a_time_is_as_good(void **state)
{
    struct talk talk;
    struct client client;
    (void)state;
    talk_open_tls(&talk, NULL);
    for (int piece = 1; piece <= 65536; piece *= 256) {
        client_open(&client, &talk);
        say(&talk, &client, GET GET GET, piece);
        expect_answers(&talk, &client, piece, 3);
        client_close(&client);
    }
    talk_close(&talk);
}

static void large_answers_and_many_requests_pass(void **state)
{
    struct talk talk;
    struct client client;
    char *many = malloc(1000 * strlen(GET) + 1);
    (void)state;
    talk_open_tls(&talk, NULL);
    client_open(&client, &talk);
    for (int i = 0; i < 5; i++)
        say(&talk, &client, BIG, 65536);
    expect_answers(&talk, &client, 65536, 5);
    many[0] = '\0';
    for (size_t i = 0; i < 1000; i++)
        memcpy(many + i * strlen(GET), GET, sizeof GET);
    say(&talk, &client, many, 65536);
    expect_answers(&talk, &client, 65536, 1000);
    free(many);
    client_close(&client);
    talk_close(&talk);
}

/* The server ends it. */
static void expect_end(struct talk *talk, int fd)
{
    int64_t until_ns = io_clock_boot_ns(talk->io) + WAIT_NS;
    char bytes[4096];
    ssize_t n = -1;
    while (io_clock_boot_ns(talk->io) < until_ns) {
        talk_turns(talk, 1);
        n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return;
    }
    fail_msg("the connection goes on");
}

static void a_handshake_that_does_not_end_is_ended(void **state)
{
    struct talk talk;
    struct client client, good;
    char bytes[4096];
    const struct server_limits limits = { .handshake_ms = 100, .idle_ms = 60000 };
    (void)state;
    talk_open_tls(&talk, &limits);
    client_open(&good, &talk);
    say(&talk, &good, GET, 65536);
    expect_answers(&talk, &good, 65536, 1);
    /* One says nothing, one a part of its hello, one words that are no TLS. */
    client_open(&client, &talk);
    assert_true(SSL_connect(client.ssl) <= 0);
    int n = BIO_read(client.out, bytes, 100);
    assert_int_equal(n, 100);
    talk_send(&talk, client.fd, bytes, 100);
    int plain = talk_connect(&talk);
    talk_send(&talk, plain, GET, strlen(GET));
    expect_end(&talk, plain);
    expect_end(&talk, talk.fd);
    expect_end(&talk, client.fd);
    /* Those who are through with it have the patience of others. */
    say(&talk, &good, GET, 65536);
    expect_answers(&talk, &good, 65536, 1);
    close(plain);
    client_close(&client);
    client_close(&good);
    talk_close(&talk);
}

static void who_takes_nothing_is_closed(void **state)
{
    struct talk talk;
    struct client client;
    char bytes[65536];
    const struct server_limits limits = { .idle_ms = 200, .linger_ms = 200, .out_bytes_max = 1 << 20 };
    (void)state;
    talk_open_tls(&talk, &limits);
    client_open(&client, &talk);
    say(&talk, &client, GET, 65536);
    expect_answers(&talk, &client, 65536, 1);
    fake_big_count = 0;
    for (int i = 0; i < 200; i++)
        assert_true(SSL_write(client.ssl, BIG, (int)strlen(BIG)) > 0);
    int64_t until_ns = io_clock_boot_ns(talk.io) + 1000000000;
    while (io_clock_boot_ns(talk.io) < until_ns) {
        int n = BIO_read(client.out, bytes, sizeof bytes);
        if (n > 0)
            (void)send(client.fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        talk_turns(&talk, 1);
    }
    /* What the kernel holds, and so many unsent bytes, is all that was made for it. */
    assert_true(fake_big_count < 60);
    expect_end(&talk, client.fd);
    client_close(&client);
    talk_close(&talk);
}

static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    assert_non_null(mkdtemp(directory));
    (void)snprintf(certificate_path, sizeof certificate_path, "%s/crt", directory);
    (void)snprintf(key_path, sizeof key_path, "%s/key", directory);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate_path, "w");
    assert_int_equal(PEM_write_X509(file, x), 1);
    (void)fclose(file);
    file = fopen(key_path, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

static int group_setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    make_certificate();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    (void)unlink(certificate_path);
    (void)unlink(key_path);
    (void)rmdir(directory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_at_a_time_is_as_good),
        cmocka_unit_test(large_answers_and_many_requests_pass),
        cmocka_unit_test(a_handshake_that_does_not_end_is_ended),
        cmocka_unit_test(who_takes_nothing_is_closed),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
