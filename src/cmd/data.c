/* data: see data.h. */
#include "cmd/data.h"

#include <stdio.h>

#define PATH_BYTES 4096

static int name_count(void *user, const char *name)
{
    int64_t *count = user;
    (void)name;
    ++*count;
    return 0;
}

int64_t data_names(struct io *io, const char *dir)
{
    int64_t count = 0;
    int r = io_dir_list(io, dir, name_count, &count);
    return r == EDDA_ENOTFOUND ? 0 : r < 0 ? r : count;
}

static bool is_file(struct io *io, const char *path)
{
    struct io_file *file;
    if (io_file_open(io, path, IO_READ, &file, NULL) < 0)
        return false;
    io_file_close(io, file);
    return true;
}

bool data_missing(struct io *io, const char *dir, struct edda_error *error)
{
    char path[PATH_BYTES];
    int64_t ignored = 0;
    int len = snprintf(path, sizeof path, "%s/log", dir);
    if (len < 0 || (size_t)len >= sizeof path || data_names(io, path) != 0)
        return false;
    const char *why = is_file(io, dir)                                             ? ": that is a file"
                      : io_dir_list(io, dir, name_count, &ignored) == EDDA_ENOTFOUND ? ": there is no such directory"
                                                                                   : "";
    (void)edda_fail_with(error, EDDA_ENOTFOUND, "there is no log in %.300s%s", dir, why);
    return true;
}
