/* users: see users.h. A user that is in the file is held by the users once; what connections hold outlives it, without permissions. */
#include "server/users_parts.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"

#define NS_PER_S INT64_C(1000000000)

const char *const verb_words[VERBS] = { "read", "write", "manage" };

struct principal *principal_ref(struct principal *principal)
{
    if (principal)
        principal->refs++;
    return principal;
}

void principal_unref(struct principal *principal)
{
    if (!principal)
        return;
    ASSERT(principal->refs > 0);
    if (--principal->refs == 0)
        principal_free(principal);
}

const char *principal_name(const struct principal *principal)
{
    return principal->name;
}

static uint64_t name_hash(const struct users *users, struct slice name)
{
    uint64_t seed;
    memcpy(&seed, users->secret, sizeof seed);
    return hash64(name, seed);
}

struct principal *users_find(const struct users *users, struct slice name)
{
    struct table_link *link = table_find(&users->by_name, name_hash(users, name));
    while (link && !slice_eq_str(name, container_of(link, struct principal, link)->name))
        link = table_find_next(link);
    return link ? container_of(link, struct principal, link) : NULL;
}

/* --- permissions --------------------------------------------------------------------------------------------------- */

/* Whether one of the names, separated by commas, stands for `name`; data NULL: the whole, which only `*` stands for. */
static bool names_hold(const char *names, struct slice name)
{
    for (const char *at = names; at && *at;) {
        size_t len = strcspn(at, ",");
        bool prefix = len > 0 && at[len - 1] == '*';
        struct slice word = slice_of(at, len - prefix);
        if (!name.data ? prefix && word.len == 0 : prefix ? slice_has_prefix(name, word) : slice_eq(name, word))
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

static const enum broker_verb verbs[VERBS] = { BROKER_READ, BROKER_WRITE, BROKER_MANAGE };

bool principal_may(const struct principal *principal, enum broker_verb verb, struct slice name)
{
    for (int i = 0; i < VERBS; i++)
        if ((verb == verbs[i] || verb == BROKER_READ) && names_hold(principal->names[i], name))
            return true;
    return false;
}

bool principal_may_any(const struct principal *principal, enum broker_verb verb)
{
    for (int i = 0; i < VERBS; i++)
        if ((verb == verbs[i] || verb == BROKER_READ) && principal->names[i] && *principal->names[i])
            return true;
    return false;
}

/* --- the file ------------------------------------------------------------------------------------------------------ */

static void principals_unref(struct list *principals)
{
    struct list *link;
    while ((link = list_pop_front(principals)))
        principal_unref(container_of(link, struct principal, order));
}

/* What is known of a user that is connected becomes what the file says now. */
static void principal_take(struct principal *known, struct principal *read)
{
    memcpy(known->keys, read->keys, sizeof known->keys);
    known->has_token = read->has_token;
    memcpy(known->token, read->token, sizeof known->token);
    for (int i = 0; i < VERBS; i++) {
        char *names = known->names[i];
        known->names[i] = read->names[i];
        read->names[i] = names;
    }
    known->proven = false;
}

static void principal_forget(struct users *users, struct principal *principal)
{
    table_remove(&users->by_name, &principal->link);
    list_remove(&principal->order);
    for (int i = 0; i < VERBS; i++) {
        free(principal->names[i]);
        principal->names[i] = NULL;
    }
    users->count--;
    principal_unref(principal);
}

int users_reload(struct users *users, struct edda_error *error)
{
    struct list fresh, before, *link;
    int r = users_file_read(users->io, users->path, &fresh, error);
    if (r < 0)
        return r;
    list_init(&before);
    while ((link = list_pop_front(&users->order)))
        list_push_back(&before, link);
    while ((link = list_pop_front(&fresh))) {
        struct principal *read = container_of(link, struct principal, order);
        struct principal *known = users_find(users, slice_str(read->name));
        if (known) {
            principal_take(known, read);
            principal_unref(read);
            list_remove(&known->order);
            list_push_back(&users->order, &known->order);
        } else if (table_insert(&users->by_name, &read->link, name_hash(users, slice_str(read->name)))) {
            list_push_back(&users->order, &read->order);
            users->count++;
        } else {
            principal_unref(read);
            r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for the users of %s", users->path);
        }
    }
    /* Those that are left are in the file no more. */
    while ((link = list_pop_front(&before))) {
        struct principal *gone = container_of(link, struct principal, order);
        list_init(&gone->order);
        principal_forget(users, gone);
    }
    return r;
}

int users_open(struct io *io, const char *path, struct users **ret_users, struct edda_error *error)
{
    if (!users_supported())
        return edda_fail_field(error, EDDA_EUNSUPPORTED, "users", "this build has no OpenSSL, which users need");
    struct users *users = calloc(1, sizeof *users);
    char *copy = strdup(path);
    if (!users || !copy) {
        free(users);
        free(copy);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the users of %s", path);
    }
    users->io = io;
    users->path = copy;
    list_init(&users->order);
    table_init(&users->by_name);
    io_random_fill(io, users->secret, sizeof users->secret);
    int r = users_reload(users, error);
    if (r < 0) {
        users_close(users);
        return r;
    }
    *ret_users = users;
    return 0;
}

void users_close(struct users *users)
{
    if (!users)
        return;
    principals_unref(&users->order);
    table_deinit(&users->by_name);
    secret_clear(users->secret, sizeof users->secret);
    free(users->path);
    free(users);
}

uint32_t users_count(const struct users *users)
{
    return users->count;
}

int users_each(struct users *users, int (*visit)(void *user, const struct principal *principal), void *user)
{
    int r = 0;
    for (struct list *link = users->order.next; link != &users->order && r == 0; link = link->next)
        r = visit(user, container_of(link, struct principal, order));
    return r;
}

/* --- a password or token in clear ------------------------------------------------------------------------------------ */

static int refuse(struct edda_error *error)
{
    return edda_fail_with(error, EDDA_EUNAUTHORIZED, "the name or the password is wrong");
}

/* Whether another derivation may be spent in this second. */
static bool failures_allow(struct users *users)
{
    int64_t now_s = io_clock_boot_ns(users->io) / NS_PER_S;
    if (now_s != users->failures_s) {
        users->failures_s = now_s;
        users->failures = 0;
    }
    return users->failures < USERS_FAILURES_PER_S;
}

int users_login(struct users *users, struct slice name, struct slice password, struct principal **ret_principal, struct edda_error *error)
{
    struct principal *found = name.len <= USER_NAME_MAX ? users_find(users, name) : NULL;
    struct scram_key derived, none = { .iterations = USER_ITERATIONS_DEFAULT, .salt_bytes = 16 };
    uint8_t proof[SCRAM_KEY_MAX];
    if (password.len > USER_PASSWORD_MAX || !scram_hmac(SCRAM_SHA_256, slice_of(users->secret, sizeof users->secret), password, proof))
        return refuse(error);
    if (found && found->proven && secret_eq(slice_of(proof, 32), slice_of(found->proof, 32))) {
        *ret_principal = principal_ref(found);
        return 0;
    }
    if (!failures_allow(users))
        return edda_fail_with(error, EDDA_EBUSY, "%d logins have failed within a second; try again in the next", USERS_FAILURES_PER_S);
    const struct scram_key *key = found && found->keys[SCRAM_SHA_256].iterations ? &found->keys[SCRAM_SHA_256] : &none;
    bool right = scram_derive(SCRAM_SHA_256, password, slice_of(key->salt, key->salt_bytes), key->iterations, &derived) && key != &none &&
                 secret_eq(slice_of(derived.stored, 32), slice_of(key->stored, 32));
    secret_clear(&derived, sizeof derived);
    if (!right) {
        users->failures++;
        return refuse(error);
    }
    memcpy(found->proof, proof, sizeof found->proof);
    found->proven = true;
    *ret_principal = principal_ref(found);
    return 0;
}

int users_login_token(struct users *users, struct slice token, struct principal **ret_principal, struct edda_error *error)
{
    uint8_t digest[SCRAM_KEY_MAX];
    struct principal *found = NULL;
    if (!scram_digest(SCRAM_SHA_256, token, digest))
        return refuse(error);
    for (struct list *link = users->order.next; link != &users->order; link = link->next) {
        struct principal *at = container_of(link, struct principal, order);
        if (at->has_token && secret_eq(slice_of(digest, TOKEN_HASH_BYTES), slice_of(at->token, TOKEN_HASH_BYTES)))
            found = at;
    }
    if (!found)
        return edda_fail_with(error, EDDA_EUNAUTHORIZED, "the token is nobody's");
    *ret_principal = principal_ref(found);
    return 0;
}
