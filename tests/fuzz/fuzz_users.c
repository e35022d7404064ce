/*
 * A file of users of any bytes: it is refused, and told why, or what was taken is written to a file that is taken again and written to the same. What a user may do is asked for
 * with names out of the file: who may write or manage something may read it.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "io/simulated.h"
#include "server/users_parts.h"

#define INPUT_MAX 8192
#define PATH "users"

static void file_write(struct io *io, struct slice bytes)
{
    struct io_file *file;
    int rc = io_file_open(io, PATH, IO_WRITE | IO_CREATE, &file, NULL);
    ASSERT(rc == 0);
    rc = io_file_truncate(io, file, 0);
    ASSERT(rc == 0);
    rc = io_file_write(io, file, &bytes, 1, 0);
    ASSERT(rc == 0);
    io_file_close(io, file);
}

static void may_check(const struct principal *principal, struct slice name)
{
    bool read = principal_may(principal, BROKER_READ, name);
    ASSERT(read || !principal_may(principal, BROKER_WRITE, name));
    ASSERT(read || !principal_may(principal, BROKER_MANAGE, name));
    for (int i = 0; i < VERBS; i++)
        ASSERT(!principal->names[i] || strcmp(principal->names[i], "*") != 0 || principal_may(principal, (enum broker_verb)(1u << i), name));
}

/* Reads the file; what was taken is appended to `out` as it is written. */
static int users_take(struct io *io, struct slice name, struct buffer *out)
{
    struct list principals, *link;
    struct edda_error error = { .code = 0 };
    int rc = users_file_read(io, PATH, &principals, &error);
    ASSERT(rc == 0 || (error.code == rc && error.message[0]));
    ASSERT(rc == 0 || rc == EDDA_EMALFORMED || rc == EDDA_ETOOLARGE);
    if (rc < 0)
        return rc;
    while ((link = list_pop_front(&principals))) {
        struct principal *principal = container_of(link, struct principal, order);
        principal_put(principal, out);
        may_check(principal, name);
        may_check(principal, slice_str(principal->name));
        principal_free(principal);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct io_simulated_options options = { .seed = 1 };
    static struct io *io;
    struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    if (size > INPUT_MAX)
        return 0;
    if (!io)
        io = io_simulated_new(&options);
    ASSERT(io);
    io_simulated_reset(io, &options);
    struct slice bytes = slice_of(data, size), name = slice_from(bytes, size - size / 4);
    file_write(io, bytes);
    if (users_take(io, name, &first) == 0) {
        file_write(io, buffer_slice(&first));
        int rc = users_take(io, name, &second);
        ASSERT(rc == 0 && slice_eq(buffer_slice(&first), buffer_slice(&second)));
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
    return 0;
}
