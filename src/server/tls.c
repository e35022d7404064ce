/* tls: see tls.h. */
#include "server/tls.h"

#if EDDA_WITH_OPENSSL

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

struct tls {
    SSL_CTX *in_force;
    char *certificate_path, *key_path;
};

/* Its pointer is an SSL itself, which costs nothing besides. */
static SSL *ssl_of(const struct tls_channel *channel)
{
    return (SSL *)(uintptr_t)channel;
}

/* What OpenSSL says of a failure; the first thing it has met is what matters to others. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return words ? words : "it cannot be used";
}

/* A key behind a passphrase is an error, and not a question on the terminal. */
static int no_passphrase(char *bytes, int size, int writing, void *user)
{
    (void)bytes, (void)size, (void)writing, (void)user;
    return -1;
}

static int context_fail(SSL_CTX *context, const char *flag, const char *what, const char *path, struct edda_error *error)
{
    int rc = edda_fail_field(error, EDDA_EINVAL, flag, "%s %.200s: %s", what, path, reason());
    SSL_CTX_free(context);
    ERR_clear_error();
    return rc;
}

static int context_new(const struct tls *tls, SSL_CTX **ret_context, struct edda_error *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for TLS");
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate_path) != 1)
        return context_fail(context, "tls-cert", "the certificate in", tls->certificate_path, error);
    if (SSL_CTX_use_PrivateKey_file(context, tls->key_path, SSL_FILETYPE_PEM) != 1)
        return context_fail(context, "tls-key", "the key in", tls->key_path, error);
    if (SSL_CTX_check_private_key(context) != 1)
        return context_fail(context, "tls-key", "the key in", tls->key_path, error);
    *ret_context = context;
    return 0;
}

int tls_open(const char *certificate_path, const char *key_path, struct tls **ret_tls, struct edda_error *error)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls) {
        tls->certificate_path = strdup(certificate_path);
        tls->key_path = strdup(key_path);
    }
    int rc = tls && tls->certificate_path && tls->key_path ? context_new(tls, &tls->in_force, error)
                                                           : edda_fail_with(error, EDDA_ENOMEM, "out of memory for TLS");
    if (rc < 0) {
        tls_close(tls);
        return rc;
    }
    *ret_tls = tls;
    return 0;
}

int tls_reload(struct tls *tls, struct edda_error *error)
{
    SSL_CTX *context;
    int rc = context_new(tls, &context, error);
    if (rc < 0)
        return rc;
    SSL_CTX_free(tls->in_force); /* channels count it as well */
    tls->in_force = context;
    return 0;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->in_force);
    free(tls->certificate_path);
    free(tls->key_path);
    free(tls);
}

struct tls_channel *tls_accept(struct tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->in_force);
    if (ssl && SSL_set_fd(ssl, fd) == 1) {
        SSL_set_accept_state(ssl);
        return (struct tls_channel *)(void *)ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

/* Who the other end must be: SNI is for names only. */
static bool expect_host(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int handshake_fail(SSL *ssl, const char *host, struct edda_error *error)
{
    long verified = SSL_get_verify_result(ssl);
    if (verified == X509_V_OK)
        return edda_fail_with(error, EDDA_EUNAVAILABLE, "no TLS with %s: %s", host, ERR_peek_error() ? reason() : "it ended the connection");
    return edda_fail_with(error, EDDA_EUNAVAILABLE, "the certificate that %s shows is not trusted: %s", host, X509_verify_cert_error_string(verified));
}

int tls_connect(int fd, const char *host, const char *ca_path, struct tls_channel **ret_channel, struct edda_error *error)
{
    int rc = 0;
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for TLS");
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (ca_path ? SSL_CTX_load_verify_locations(context, ca_path, NULL) != 1 : SSL_CTX_set_default_verify_paths(context) != 1)
        return context_fail(context, "ca-file", "the certificates in", ca_path ? ca_path : "the system's store", error);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context); /* the SSL counts it as well */
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || !expect_host(ssl, host))
        rc = edda_fail_with(error, EDDA_ENOMEM, "out of memory for TLS");
    else if (SSL_connect(ssl) != 1)
        rc = handshake_fail(ssl, host, error);
    ERR_clear_error();
    if (rc < 0)
        SSL_free(ssl);
    else
        *ret_channel = (struct tls_channel *)(void *)ssl;
    return rc;
}

void tls_free(struct tls_channel *channel)
{
    SSL_free(ssl_of(channel));
}

bool tls_is_ready(const struct tls_channel *channel)
{
    return SSL_is_init_finished(ssl_of(channel));
}

/* What a call that gave nothing has to say. */
static ssize_t outcome(SSL *ssl, int given)
{
    int kind = SSL_get_error(ssl, given);
    ERR_clear_error();
    if (kind == SSL_ERROR_WANT_READ)
        return TLS_WANTS_READ;
    if (kind == SSL_ERROR_WANT_WRITE)
        return TLS_WANTS_WRITE;
    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    return TLS_BROKEN;
}

static int at_most(size_t size)
{
    return size > INT_MAX ? INT_MAX : (int)size;
}

ssize_t tls_receive(struct tls_channel *channel, void *bytes, size_t size)
{
    int n = SSL_read(ssl_of(channel), bytes, at_most(size));
    return n > 0 ? n : outcome(ssl_of(channel), n);
}

ssize_t tls_send(struct tls_channel *channel, const void *bytes, size_t size)
{
    int n = SSL_write(ssl_of(channel), bytes, at_most(size));
    ssize_t out = n > 0 ? n : outcome(ssl_of(channel), n);
    return out == 0 ? TLS_BROKEN : out;
}

bool tls_has_more(const struct tls_channel *channel)
{
    return SSL_pending(ssl_of(channel)) > 0;
}

void tls_end(struct tls_channel *channel)
{
    if (tls_is_ready(channel))
        (void)SSL_shutdown(ssl_of(channel));
    ERR_clear_error();
}

#else

int tls_open(const char *certificate_path, const char *key_path, struct tls **ret_tls, struct edda_error *error)
{
    (void)certificate_path, (void)key_path, (void)ret_tls;
    return edda_fail_field(error, EDDA_EUNSUPPORTED, "tls-cert", "this program was built without OpenSSL, so it has no TLS");
}

int tls_reload(struct tls *tls, struct edda_error *error)
{
    (void)tls, (void)error;
    return 0;
}

void tls_close(struct tls *tls)
{
    (void)tls;
}

struct tls_channel *tls_accept(struct tls *tls, int fd)
{
    (void)tls, (void)fd;
    return NULL;
}

int tls_connect(int fd, const char *host, const char *ca_path, struct tls_channel **ret_channel, struct edda_error *error)
{
    (void)fd, (void)host, (void)ca_path, (void)ret_channel;
    return edda_fail_field(error, EDDA_EUNSUPPORTED, "url", "this program was built without OpenSSL, so it has no TLS");
}

void tls_free(struct tls_channel *channel)
{
    (void)channel;
}

bool tls_is_ready(const struct tls_channel *channel)
{
    (void)channel;
    return false;
}

ssize_t tls_receive(struct tls_channel *channel, void *bytes, size_t size)
{
    (void)channel, (void)bytes, (void)size;
    return TLS_BROKEN;
}

ssize_t tls_send(struct tls_channel *channel, const void *bytes, size_t size)
{
    (void)channel, (void)bytes, (void)size;
    return TLS_BROKEN;
}

bool tls_has_more(const struct tls_channel *channel)
{
    (void)channel;
    return false;
}

void tls_end(struct tls_channel *channel)
{
    (void)channel;
}

#endif
