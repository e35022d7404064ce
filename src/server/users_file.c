/*
 * users_file: the file of users, read and replaced. It is written beside, synced and renamed, so a crash leaves the old one or the new one.
 */
#include "server/users_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 10000000
#define SALT_BYTES 16
#define PATH_BYTES_MAX 4096

const char *const scram_words[SCRAM_HASHES] = { "scram-sha-256", "scram-sha-512" };

void principal_free(struct principal *principal)
{
    if (!principal)
        return;
    for (int i = 0; i < VERBS; i++)
        free(principal->names[i]);
    secret_clear(principal, sizeof *principal);
    free(principal);
}

/* --- reading ----------------------------------------------------------------------------------------------------------- */

struct reading {
    const char *path;
    uint32_t line;
    struct edda_error *error;
};

static int line_fail(const struct reading *reading, const char *what)
{
    return edda_fail_with(reading->error, EDDA_EMALFORMED, "%s, line %" PRIu32 ": %s", reading->path, reading->line, what);
}

/* The next word; empty at the end of the line. */
static struct slice word_next(struct slice *line)
{
    size_t at = 0;
    while (at < line->len && (line->data[at] == ' ' || line->data[at] == '\t' || line->data[at] == '\r'))
        at++;
    *line = slice_from(*line, at);
    at = 0;
    while (at < line->len && line->data[at] != ' ' && line->data[at] != '\t' && line->data[at] != '\r')
        at++;
    struct slice word = slice_of(line->data, at);
    *line = slice_from(*line, at);
    return word;
}

/* Cuts off what is before the separator, or all. */
static struct slice part_next(struct slice *text, char separator)
{
    const uint8_t *at = text->len ? memchr(text->data, separator, text->len) : NULL;
    struct slice part = slice_of(text->data, at ? (size_t)(at - text->data) : text->len);
    *text = slice_from(*text, part.len + (at != NULL));
    return part;
}

static bool name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] == 0x7f || name.data[i] == ',' || name.data[i] == '=' || (i == 0 && name.data[i] == '#'))
            return false;
    return name.len > 0 && name.len <= USER_NAME_MAX;
}

static int key_read(const struct reading *reading, enum scram_hash hash, struct slice text, struct scram_key *key)
{
    int64_t len = scram_bytes(hash);
    struct slice iterations = part_next(&text, ':');
    uint64_t count = 0;
    for (size_t i = 0; i < iterations.len && count <= ITERATIONS_MAX; i++)
        count = iterations.data[i] >= '0' && iterations.data[i] <= '9' ? count * 10 + (uint64_t)(iterations.data[i] - '0') : ITERATIONS_MAX + UINT64_C(1);
    if (count < ITERATIONS_MIN || count > ITERATIONS_MAX)
        return line_fail(reading, "the iterations of a password are out of range");
    int64_t salt = base64_get(part_next(&text, ':'), key->salt, sizeof key->salt);
    if (salt < 8 || base64_get(part_next(&text, ':'), key->stored, sizeof key->stored) != len ||
        base64_get(text, key->server, sizeof key->server) != len)
        return line_fail(reading, "what is kept of a password is malformed");
    key->iterations = (uint32_t)count;
    key->salt_bytes = (uint32_t)salt;
    return 0;
}

/* A copy as a string; NULL when out of memory. */
static char *text_copy(struct slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy) {
        if (text.len)
            memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

static int names_read(const struct reading *reading, struct slice names, char **ret_names)
{
    if (*ret_names)
        return line_fail(reading, "a permission is there twice");
    for (size_t i = 0; i < names.len; i++)
        if (names.data[i] <= ' ' || names.data[i] == 0x7f)
            return line_fail(reading, "a permission has an invalid character");
    *ret_names = text_copy(names);
    return *ret_names ? 0 : edda_fail_with(reading->error, EDDA_ENOMEM, "out of memory for the users");
}

static int attribute_read(const struct reading *reading, struct slice word, struct principal *principal)
{
    struct slice name = part_next(&word, '=');
    for (int i = 0; i < SCRAM_HASHES; i++)
        if (slice_eq_str(name, scram_words[i]))
            return key_read(reading, (enum scram_hash)i, word, &principal->keys[i]);
    for (int i = 0; i < VERBS; i++)
        if (slice_eq_str(name, verb_words[i]))
            return names_read(reading, word, &principal->names[i]);
    if (!slice_eq_str(name, "token"))
        return line_fail(reading, "a word is none of scram-sha-256=, scram-sha-512=, token=, read=, write=, manage=");
    principal->has_token = true;
    return base64_get(word, principal->token, sizeof principal->token) == TOKEN_HASH_BYTES ? 0 : line_fail(reading, "a token is malformed");
}

/* A user out of a line; NULL when the line has none. */
static int line_read(const struct reading *reading, struct slice line, struct principal **ret_principal)
{
    struct slice name = word_next(&line), word;
    *ret_principal = NULL;
    if (name.len == 0 || name.data[0] == '#')
        return 0;
    if (!name_is_valid(name))
        return line_fail(reading, "a name has 1 to 128 bytes, without control characters, ',' and '='");
    struct principal *principal = calloc(1, sizeof *principal);
    if (!principal)
        return edda_fail_with(reading->error, EDDA_ENOMEM, "out of memory for the users");
    list_init(&principal->order);
    principal->refs = 1;
    memcpy(principal->name, name.data, name.len);
    int r = 0;
    while (r == 0 && (word = word_next(&line)).len)
        r = attribute_read(reading, word, principal);
    if (r < 0) {
        principal_free(principal);
        return r;
    }
    *ret_principal = principal;
    return 0;
}

static int file_load(struct io *io, const char *path, struct buffer *out, struct edda_error *error)
{
    struct io_file *file;
    uint64_t bytes = 0;
    size_t len = 0;
    int r = io_file_open(io, path, IO_READ, &file, error);
    if (r < 0)
        return r;
    r = io_file_size(io, file, &bytes);
    if (r == 0 && bytes > USERS_FILE_BYTES_MAX)
        r = edda_fail_with(error, EDDA_ETOOLARGE, "%s has %" PRIu64 " bytes; a file of users has at most %" PRIu32, path, bytes, USERS_FILE_BYTES_MAX);
    else if (r < 0)
        r = edda_fail_with(error, r, "%s cannot be read", path);
    else if (bytes) {
        uint8_t *data = buffer_extend(out, (size_t)bytes);
        r = data ? io_file_read(io, file, data, (size_t)bytes, 0, &len) : EDDA_ENOMEM;
        if (r < 0)
            r = edda_fail_with(error, r, "%s cannot be read", path);
        else
            buffer_truncate(out, len);
    }
    io_file_close(io, file);
    return r;
}

static bool is_listed(const struct list *principals, const char *name)
{
    for (struct list *link = principals->next; link != principals; link = link->next)
        if (strcmp(container_of(link, struct principal, order)->name, name) == 0)
            return true;
    return false;
}

int users_file_read(struct io *io, const char *path, struct list *ret_principals, struct edda_error *error)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct reading reading = { .path = path, .error = error };
    uint32_t count = 0;
    list_init(ret_principals);
    int r = file_load(io, path, &bytes, error);
    struct slice left = buffer_slice(&bytes);
    while (r == 0 && left.len) {
        struct principal *principal;
        reading.line++;
        r = line_read(&reading, part_next(&left, '\n'), &principal);
        if (r < 0 || !principal)
            continue;
        if (++count > USERS_MAX)
            r = line_fail(&reading, "there are more users than 10,000");
        else if (is_listed(ret_principals, principal->name))
            r = line_fail(&reading, "the user is there already");
        list_push_back(ret_principals, &principal->order);
    }
    secret_clear(bytes.data, bytes.len);
    buffer_deinit(&bytes);
    struct list *link;
    while (r < 0 && (link = list_pop_front(ret_principals)))
        principal_free(container_of(link, struct principal, order));
    return r;
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

void principal_put(const struct principal *principal, struct buffer *out)
{
    buffer_append_str(out, principal->name);
    for (int i = 0; i < SCRAM_HASHES; i++) {
        const struct scram_key *key = &principal->keys[i];
        uint32_t len = scram_bytes((enum scram_hash)i);
        if (!key->iterations)
            continue;
        buffer_printf(out, " %s=%" PRIu32 ":", scram_words[i], key->iterations);
        base64_put(slice_of(key->salt, key->salt_bytes), out);
        buffer_append_byte(out, ':');
        base64_put(slice_of(key->stored, len), out);
        buffer_append_byte(out, ':');
        base64_put(slice_of(key->server, len), out);
    }
    if (principal->has_token) {
        buffer_append_str(out, " token=");
        base64_put(slice_of(principal->token, TOKEN_HASH_BYTES), out);
    }
    for (int i = 0; i < VERBS; i++)
        if (principal->names[i])
            buffer_printf(out, " %s=%s", verb_words[i], principal->names[i]);
    buffer_append_byte(out, '\n');
}

void principal_describe(const struct principal *principal, struct buffer *out)
{
    size_t start = out->len;
    for (int i = 0; i < SCRAM_HASHES; i++)
        if (principal->keys[i].iterations)
            buffer_printf(out, "%s%s", out->len > start ? " " : "", scram_words[i]);
    if (principal->has_token)
        buffer_printf(out, "%stoken", out->len > start ? " " : "");
    for (int i = 0; i < VERBS; i++)
        if (principal->names[i])
            buffer_printf(out, "%s%s=%s", out->len > start ? " " : "", verb_words[i], principal->names[i]);
}

static int password_set(struct io *io, struct principal *principal, const struct user_change *change, struct edda_error *error)
{
    uint8_t salt[SALT_BYTES];
    uint32_t iterations = change->iterations ? change->iterations : USER_ITERATIONS_DEFAULT;
    if (change->password.len == 0 || change->password.len > USER_PASSWORD_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "password", "a password has 1 to %d bytes, not %zu", USER_PASSWORD_MAX, change->password.len);
    if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "iterations", "iterations are %d to %d, not %" PRIu32, ITERATIONS_MIN, ITERATIONS_MAX, iterations);
    for (int i = 0; i < SCRAM_HASHES; i++) {
        io_random_fill(io, salt, sizeof salt);
        if (!scram_derive((enum scram_hash)i, change->password, slice_of(salt, sizeof salt), iterations, &principal->keys[i]))
            return edda_fail_with(error, EDDA_EUNSUPPORTED, "the library of hashes has failed");
    }
    return 0;
}

static int names_set(struct principal *principal, int verb, struct slice names, struct edda_error *error)
{
    for (size_t i = 0; i < names.len; i++)
        if (names.data[i] <= ' ' || names.data[i] == 0x7f)
            return edda_fail_field(error, EDDA_EINVAL, verb_words[verb], "names are separated by commas, without spaces");
    char *copy = names.len ? text_copy(names) : NULL;
    if (names.len && !copy)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the users");
    free(principal->names[verb]);
    principal->names[verb] = copy;
    return 0;
}

static int principal_change(struct io *io, struct principal *principal, const struct user_change *change, struct edda_error *error)
{
    uint8_t digest[SCRAM_KEY_MAX];
    int r = change->password.data ? password_set(io, principal, change, error) : 0;
    if (r == 0 && change->token.data) {
        if (!scram_digest(SCRAM_SHA_256, change->token, digest))
            return edda_fail_with(error, EDDA_EUNSUPPORTED, "the library of hashes has failed");
        memcpy(principal->token, digest, sizeof principal->token);
        principal->has_token = true;
    }
    for (int i = 0; i < VERBS && r == 0; i++)
        if (change->names[i].data)
            r = names_set(principal, i, change->names[i], error);
    return r;
}

static int file_replace(struct io *io, const char *path, struct slice bytes, struct edda_error *error)
{
    char beside[PATH_BYTES_MAX], folder[PATH_BYTES_MAX];
    struct io_file *file;
    size_t len = strlen(path);
    if (len + sizeof ".tmp" > sizeof beside)
        return edda_fail_field(error, EDDA_EINVAL, "users", "the path is longer than %d bytes", PATH_BYTES_MAX);
    memcpy(beside, path, len);
    memcpy(beside + len, ".tmp", sizeof ".tmp");
    const char *slash = strrchr(path, '/');
    size_t folder_len = slash ? (size_t)(slash - path) + (slash == path) : 1;
    memcpy(folder, slash ? path : ".", folder_len);
    folder[folder_len] = '\0';
    (void)io_file_remove(io, beside);
    int r = io_file_open(io, beside, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file, error);
    if (r < 0)
        return r;
    r = io_file_write(io, file, &bytes, 1, 0);
    if (r == 0)
        r = io_file_sync(io, file);
    io_file_close(io, file);
    if (r == 0)
        r = io_file_rename(io, beside, path);
    if (r == 0)
        r = io_dir_sync(io, folder);
    return r == 0 ? 0 : edda_fail_with(error, r, "%s cannot be written", path);
}

static int principals_change(struct io *io, struct list *principals, const struct user_change *change, struct edda_error *error)
{
    struct principal *found = NULL;
    for (struct list *link = principals->next; link != principals; link = link->next)
        if (slice_eq_str(change->name, container_of(link, struct principal, order)->name))
            found = container_of(link, struct principal, order);
    if (change->remove) {
        if (!found)
            return edda_fail_field(error, EDDA_ENOTFOUND, "name", "there is no user %.*s", (int)change->name.len, (const char *)change->name.data);
        list_remove(&found->order);
        principal_free(found);
        return 0;
    }
    if (!found) {
        found = calloc(1, sizeof *found);
        if (!found)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the users");
        memcpy(found->name, change->name.data, change->name.len);
        list_push_back(principals, &found->order);
    }
    return principal_change(io, found, change, error);
}

int users_change(struct io *io, const char *path, const struct user_change *change, struct edda_error *error)
{
    struct buffer bytes;
    struct list principals, *link;
    struct edda_error why = { 0 };
    buffer_init(&bytes, USERS_FILE_BYTES_MAX);
    list_init(&principals);
    if (!users_supported())
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "this build has no OpenSSL, which users need");
    if (!name_is_valid(change->name))
        return edda_fail_field(error, EDDA_EINVAL, "name", "a name has 1 to %d bytes, without spaces, control characters, ',' and '='", USER_NAME_MAX);
    int r = users_file_read(io, path, &principals, &why);
    if (r == EDDA_ENOTFOUND && !change->remove)
        r = 0;
    else if (r < 0)
        (void)edda_fail_with(error, r, "%s", why.message);
    if (r == 0)
        r = principals_change(io, &principals, change, error);
    buffer_append_str(&bytes, "# Users of Edda: written by `edda user`.\n");
    for (link = principals.next; link != &principals; link = link->next)
        principal_put(container_of(link, struct principal, order), &bytes);
    if (r == 0 && !buffer_ok(&bytes))
        r = edda_fail_with(error, EDDA_ELIMIT, "the users take more than %" PRIu32 " bytes", USERS_FILE_BYTES_MAX);
    if (r == 0)
        r = file_replace(io, path, buffer_slice(&bytes), error);
    while ((link = list_pop_front(&principals)))
        principal_free(container_of(link, struct principal, order));
    if (bytes.data)
        secret_clear(bytes.data, bytes.len);
    buffer_deinit(&bytes);
    return r;
}

void users_token(struct io *io, char ret_token[USER_TOKEN_BYTES + 1])
{
    uint8_t random[32];
    struct buffer text = BUFFER_EMPTY;
    io_random_fill(io, random, sizeof random);
    base64_put(slice_of(random, sizeof random), &text);
    for (size_t i = 0; i < USER_TOKEN_BYTES; i++) {
        char c = text.len > i ? (char)text.data[i] : 'A';
        ret_token[i] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
    }
    ret_token[USER_TOKEN_BYTES] = '\0';
    secret_clear(random, sizeof random);
    buffer_deinit(&text);
}
