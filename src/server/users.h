/*
 * users: who may connect, and what each may do. A file with a line for each user, edited by `edda user`, which keeps no password: of each only what SCRAM needs
 * (RFC 5802, 7677: salt, iterations, StoredKey and ServerKey of both hashes), against which a password in clear (PLAIN, AUTH, Basic) is checked too; of a token its SHA-256.
 *
 *     name  scram-sha-256:ITERATIONS:SALT:STOREDKEY:SERVERKEY  scram-sha-512:...  token:HASH  read=PREFIX  write=PREFIX  manage=PREFIX
 *
 * A permission names a verb and the topics, groups and transactional ids it holds for: those that begin with the prefix, `*` for all. Whoever may write may also
 * describe. Without any permission a user may do nothing but connect. The file is read again on SIGHUP: those connected keep who they are, and get the new permissions.
 *
 * Threads: the owner's.
 */
#ifndef EDDA_SERVER_USERS_H
#define EDDA_SERVER_USERS_H

#include "base/buffer.h"
#include "broker/broker.h"
#include "edda/error.h"
#include "io/io.h"

struct users;
struct principal;  /* a user that has authenticated; counted */

int users_open(struct io *io, const char *path, struct users **ret_users, struct edda_error *error);
void users_close(struct users *users);
/* Reads the file again; on a failure all stays as it was. */
int users_reload(struct users *users, struct edda_error *error);

const char *principal_name(const struct principal *principal);
bool principal_may(const struct principal *principal, enum broker_verb verb, struct slice name);
struct principal *principal_ref(struct principal *principal);
void principal_unref(struct principal *principal);

/* A name and password in clear: SASL PLAIN (RFC 4616), AUTH of RESP, Basic of HTTP. Takes the same time whether or not the user exists. EDDA_EUNAUTHORIZED. */
int users_login(struct users *users, struct slice name, struct slice password, struct principal **ret_principal, struct edda_error *error);
/* A bearer token of HTTP (RFC 6750). */
int users_login_token(struct users *users, struct slice token, struct principal **ret_principal, struct edda_error *error);

/* One exchange of SASL: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512". */
struct sasl;
int sasl_start(struct users *users, struct slice mechanism, struct sasl **ret_sasl, struct edda_error *error);
/* A message of the client: 0 and an answer in `out` while it goes on; 1 when it is over, with the last answer and who it is. EDDA_EUNAUTHORIZED, EDDA_EMALFORMED: over. */
int sasl_step(struct sasl *sasl, struct slice message, struct buffer *out, struct principal **ret_principal, struct edda_error *error);
void sasl_free(struct sasl *sasl);
/* The n-th mechanism, NULL past the last. */
const char *sasl_mechanism(unsigned ordinal);

#endif
