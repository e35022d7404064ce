/* What users.c, users_file.c and sasl.c share. */
#ifndef EDDA_SERVER_USERS_PARTS_H
#define EDDA_SERVER_USERS_PARTS_H

#include "base/list.h"
#include "base/table.h"
#include "server/users.h"

#define SCRAM_KEY_MAX 64 /* bytes of SHA-512 */
#define SCRAM_SALT_MAX 64
#define TOKEN_HASH_BYTES 32
#define VERBS 3

enum scram_hash { SCRAM_SHA_256, SCRAM_SHA_512, SCRAM_HASHES };

/* What is kept of a password for one hash; iterations 0: nothing. */
struct scram_key {
    uint32_t iterations;
    uint32_t salt_bytes;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored[SCRAM_KEY_MAX];
    uint8_t server[SCRAM_KEY_MAX];
};

struct principal {
    struct table_link link;
    struct list order;         /* of the users, as in the file */
    uint32_t refs;             /* the users' own, while it is in the file, and those of connections */
    char name[USER_NAME_MAX + 1];
    struct scram_key keys[SCRAM_HASHES];
    bool has_token;
    uint8_t token[TOKEN_HASH_BYTES];
    char *names[VERBS];        /* of read, write, manage; NULL: none */
    bool proven;               /* `proof` is the keyed hash of the right password */
    uint8_t proof[32];
};

struct users {
    struct io *io;
    char *path;
    struct table by_name;
    struct list order;
    uint32_t count;
    uint8_t secret[32];        /* of this process: keys proofs, and makes salts for users that do not exist */
    int64_t failures_s;        /* the second of `failures` */
    uint32_t failures;
};

extern const char *const verb_words[VERBS];           /* "read", "write", "manage" */
extern const char *const scram_words[SCRAM_HASHES];   /* "scram-sha-256", ... */

struct principal *users_find(const struct users *users, struct slice name);

/* users_file.c */
/* Reads the file into a list of principals, linked by `order`. */
int users_file_read(struct io *io, const char *path, struct list *ret_principals, struct edda_error *error);
void principal_free(struct principal *principal);
/* Appends the line of a user, with its line feed. */
void principal_put(const struct principal *principal, struct buffer *out);

/* scram.c */
uint32_t scram_bytes(enum scram_hash hash);
/* Derives what is kept of a password; false when the library fails. */
bool scram_derive(enum scram_hash hash, struct slice password, struct slice salt, uint32_t iterations, struct scram_key *ret_key);
bool scram_hmac(enum scram_hash hash, struct slice key, struct slice text, uint8_t ret_mac[SCRAM_KEY_MAX]);
bool scram_digest(enum scram_hash hash, struct slice text, uint8_t ret_digest[SCRAM_KEY_MAX]);
/* In a time that depends on the lengths only. */
bool secret_eq(struct slice a, struct slice b);
void secret_clear(void *data, size_t len);

#endif
