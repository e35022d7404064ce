/* See tree.h. */
#include "cmd/tree.h"

#include <stdio.h>
#include <unistd.h>

struct removal {
    struct io *io;
    const char *dir;
};

static int name_remove(void *user, const char *name)
{
    const struct removal *removal = user;
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", removal->dir, name);
    if (len > 0 && (size_t)len < sizeof path && io_file_remove(removal->io, path) < 0)
        tree_remove(removal->io, path);
    return 0;
}

void tree_remove(struct io *io, const char *path)
{
    struct removal removal = { io, path };
    (void)io_dir_list(io, path, name_remove, &removal);
    (void)rmdir(path);
}
