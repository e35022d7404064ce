/*
 * tls: a connection's bytes in TLS 1.2 or 1.3, over OpenSSL. The certificate and the key in force are for connections that begin; those that are there keep
 * what they began with, so both can be read again at any time.
 *
 * A channel costs about what OpenSSL needs for an idle one: its buffers are given back between records, there are no sessions to resume in memory,
 * and renegotiation is refused. The process must ignore SIGPIPE. All calls belong to the owner's thread.
 */
#ifndef EDDA_SERVER_TLS_H
#define EDDA_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "edda/error.h"

struct tls;
struct tls_channel;

/* What a call of a channel waits for, in place of a number of bytes. */
enum { TLS_WANTS_READ = -1, TLS_WANTS_WRITE = -2, TLS_BROKEN = -3 };

/* Reads the chain of certificates and the key from PEM files, whose names are kept. EDDA_EINVAL names the file and what is wrong with it; EDDA_EUNSUPPORTED: built
 * without OpenSSL. */
int tls_open(const char *certificate_path, const char *key_path, struct tls **ret_tls, struct edda_error *error);
/* Reads them again; on a failure what was read before stays in force. */
int tls_reload(struct tls *tls, struct edda_error *error);
/* NULL is allowed. */
void tls_close(struct tls *tls);

/* The server's end over a socket that does not block, which stays the caller's; NULL when out of memory. The handshake is done by the calls that follow. */
struct tls_channel *tls_accept(struct tls *tls, int fd);
void tls_free(struct tls_channel *channel);
/* The client's end over a socket that blocks, with the handshake done: `host`, a name or an address, must be in the other's certificate, which those of `ca_path` (PEM;
 * NULL: the system's) vouch for. EDDA_EINVAL: `ca_path` cannot be used; EDDA_EUNAVAILABLE: what the other end shows is not trusted, or is no TLS. */
int tls_connect(int fd, const char *host, const char *ca_path, struct tls_channel **ret_channel, struct edda_error *error);
/* Whether the handshake is done. */
bool tls_is_ready(const struct tls_channel *channel);
/* At least one byte; 0: the client has ended; or what is waited for, or TLS_BROKEN. */
ssize_t tls_receive(struct tls_channel *channel, void *bytes, size_t size);
/* The same for sending; after a wait at least the same bytes must be given again. */
ssize_t tls_send(struct tls_channel *channel, const void *bytes, size_t size);
/* Bytes are there that the socket does not tell of. */
bool tls_has_more(const struct tls_channel *channel);
/* Tells the client, best effort, that nothing more comes. */
void tls_end(struct tls_channel *channel);

#endif
