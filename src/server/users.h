/*
 * users: who may connect, and what each may do. A file with a line for each user, edited by `edda user`, which keeps no password: of each only what SCRAM needs
 * (RFC 5802, 7677: salt, iterations, StoredKey and ServerKey of both hashes), against which a password in clear (PLAIN, AUTH, Basic) is checked too; of a token its SHA-256.
 *
 *     name scram-sha-256=ITERATIONS:SALT:STOREDKEY:SERVERKEY scram-sha-512=... token=HASH read=NAMES write=NAMES manage=NAMES
 *
 * Binary values are in base64; "#" begins a line of comment. NAMES are separated by commas: of topics, groups and transactional ids; one that ends in `*` stands for all that begin
 * so. Whoever may write or manage something may also read it. Without any permission a user may do nothing but connect. What concerns the broker as a whole needs `manage=*`.
 * The file is read again on SIGHUP: those connected keep who they are, and get the new permissions.
 *
 * A password in clear costs a derivation of some milliseconds the first time; then its keyed hash is remembered, so that a client may send it with each request. Derivations
 * that fail are limited to USERS_FAILURES_PER_S, or guessing would hold up everybody else.
 *
 * Threads: the owner's.
 */
#ifndef EDDA_SERVER_USERS_H
#define EDDA_SERVER_USERS_H

#include "base/buffer.h"
#include "broker/broker.h"
#include "edda/error.h"
#include "io/io.h"

#define USERS_MAX 10000
#define USERS_FILE_BYTES_MAX (UINT32_C(16) << 20)
#define USER_NAME_MAX 128        /* bytes: no space, control character, ',' or '=' */
#define USER_PASSWORD_MAX 512
#define USER_ITERATIONS_DEFAULT 8192
#define USERS_FAILURES_PER_S 20

struct users;
struct principal;  /* a user that has authenticated; counted */

/* Whether this build can: it needs OpenSSL. */
bool users_supported(void);
/* EDDA_ENOTFOUND without the file, EDDA_EMALFORMED names the line, EDDA_EUNSUPPORTED. */
int users_open(struct io *io, const char *path, struct users **ret_users, struct edda_error *error);
void users_close(struct users *users);
/* Reads the file again; on a failure all stays as it was. */
int users_reload(struct users *users, struct edda_error *error);
uint32_t users_count(const struct users *users);

const char *principal_name(const struct principal *principal);
bool principal_may(const struct principal *principal, enum broker_verb verb, struct slice name);
/* Whether there is a name that he may do this with. */
bool principal_may_any(const struct principal *principal, enum broker_verb verb);
struct principal *principal_ref(struct principal *principal);
void principal_unref(struct principal *principal);

/* A name and password in clear: SASL PLAIN (RFC 4616), AUTH of RESP, Basic of HTTP. Takes the same time whether or not the user exists. EDDA_EUNAUTHORIZED;
 * EDDA_EBUSY: too many have failed in this second. */
int users_login(struct users *users, struct slice name, struct slice password, struct principal **ret_principal, struct edda_error *error);
/* A bearer token of HTTP (RFC 6750). */
int users_login_token(struct users *users, struct slice token, struct principal **ret_principal, struct edda_error *error);

/* --- editing the file ------------------------------------------------------------------------------------- */

/* What `edda user` changes of one user: data NULL leaves it as it is. */
struct user_change {
    struct slice name;
    struct slice password;
    struct slice token;           /* in clear */
    struct slice names[3];        /* of read, write, manage; empty: none */
    uint32_t iterations;          /* of a new password; 0: the default */
    bool remove;
};
/* Replaces the file by one in which the user is changed, added or removed: written beside, synced, renamed; made when missing, readable by its owner alone. EDDA_EINVAL names the
 * field; EDDA_ENOTFOUND: no such user to remove. */
int users_change(struct io *io, const char *path, const struct user_change *change, struct edda_error *error);
/* A fresh token: 32 random bytes in base64url. */
#define USER_TOKEN_BYTES 43
void users_token(struct io *io, char ret_token[USER_TOKEN_BYTES + 1]);
/* Each user, in the order of the file. */
int users_each(struct users *users, int (*visit)(void *user, const struct principal *principal), void *user);
/* Appends what the user has, as in the file but without secrets: "scram-sha-256 token read=a*". */
void principal_describe(const struct principal *principal, struct buffer *out);

/* --- SASL ---------------------------------------------------------------------------------------------------- */

/* One exchange of SASL: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512". */
struct sasl;
int sasl_start(struct users *users, struct slice mechanism, struct sasl **ret_sasl, struct edda_error *error);
/* A message of the client: 0 and an answer in `out` while it goes on; 1 when it is over, with the last answer and who it is. EDDA_EUNAUTHORIZED, EDDA_EMALFORMED: over. */
int sasl_step(struct sasl *sasl, struct slice message, struct buffer *out, struct principal **ret_principal, struct edda_error *error);
void sasl_free(struct sasl *sasl);
/* The n-th mechanism, NULL past the last. */
const char *sasl_mechanism(unsigned ordinal);

#endif
