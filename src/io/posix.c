/*
 * The io of this machine: names and directories, clocks and randomness, and the table of its
 * operations. Files are in posix_files.c, jobs in posix_jobs.c.
 *
 * New files and directories belong to their user alone (0600, 0700): they hold business data.
 */
#include "io/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/posix_parts.h"

int posix_code(int system_error)
{
    switch (system_error) {
    case ENOSPC:
    case EDQUOT:
        return EDDA_EFULL;
    case ENOENT:
    case ENOTDIR:
        return EDDA_ENOTFOUND;
    case EEXIST:
        return EDDA_EEXISTS;
    case ENOMEM:
        return EDDA_ENOMEM;
    default:
        return EDDA_EIO;
    }
}

static int posix_file_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to) < 0 ? posix_code(errno) : 0;
}

static int posix_file_remove(struct io *io, const char *path)
{
    (void)io;
    return unlink(path) < 0 ? posix_code(errno) : 0;
}

/* Makes one directory; what is there already must be one. */
static int make_one(const char *path, struct edda_error *error)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : edda_fail_with(error, EDDA_EEXISTS, "%s is a file, not a directory", path);
    return edda_fail_with(error, posix_code(errno), "cannot make the directory %s: %s", path, strerror(errno));
}

static int posix_dir_make(struct io *io, const char *path, struct edda_error *error)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    int r;

    (void)io;
    if (len >= sizeof(part))
        return edda_fail_with(error, EDDA_EIO, "cannot make a directory: its path of %zu bytes is too long", len);
    for (size_t at = 1; at < len; at++) {
        if (path[at] != '/' || path[at - 1] == '/')
            continue;
        memcpy(part, path, at);
        part[at] = '\0';
        r = make_one(part, error);
        if (r < 0)
            return r;
    }
    return make_one(path, error);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct listing {
    char **names;
    size_t count;
    size_t capacity;
};

static void listing_deinit(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->names[i]);
    free(l->names);
}

static int listing_add(struct listing *l, const char *name)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        char **names = realloc(l->names, capacity * sizeof(*names));

        if (!names)
            return EDDA_ENOMEM;
        l->names = names;
        l->capacity = capacity;
    }
    l->names[l->count] = strdup(name);
    if (!l->names[l->count])
        return EDDA_ENOMEM;
    l->count++;
    return 0;
}

static int listing_read(struct listing *l, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int r = 0;

    if (!dir)
        return posix_code(errno);
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = listing_add(l, entry->d_name);
    }
    if (r == 0 && errno)
        r = posix_code(errno);
    closedir(dir);
    return r;
}

/* The names are gathered first, so that `entry` may change the directory. */
static int posix_dir_list(struct io *io, const char *path, io_dir_entry_fn *entry, void *user)
{
    struct listing l = { 0 };
    int r = listing_read(&l, path);

    (void)io;
    if (r == 0 && l.count)
        qsort(l.names, l.count, sizeof(*l.names), compare_names);
    for (size_t i = 0; r == 0 && i < l.count; i++)
        r = entry(user, l.names[i]);
    listing_deinit(&l);
    return r;
}

static int posix_dir_sync(struct io *io, const char *path)
{
    int r = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)io;
    if (fd < 0)
        return posix_code(errno);
    /* A full disk found this late has lost something, as any other failure here. */
    if (fsync(fd) < 0)
        r = EDDA_EIO;
    close(fd);
    return r;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    ASSERT(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t posix_clock_wall_ns(struct io *io)
{
    (void)io;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t posix_clock_boot_ns(struct io *io)
{
    (void)io;
    return clock_ns(CLOCK_BOOTTIME);
}

static void posix_random_fill(struct io *io, void *data, size_t len)
{
    uint8_t *at = data;

    (void)io;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);

        ASSERT(n >= 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

static const struct io_ops posix_ops = {
    .file_open = posix_file_open,
    .file_close = posix_file_close,
    .file_read = posix_file_read,
    .file_write = posix_file_write,
    .file_sync = posix_file_sync,
    .file_allocate = posix_file_allocate,
    .file_truncate = posix_file_truncate,
    .file_size = posix_file_size,
    .file_map = posix_file_map,
    .file_unmap = posix_file_unmap,
    .file_map_rest = posix_file_map_rest,
    .file_map_is_loaded = posix_file_map_is_loaded,
    .file_map_load = posix_file_map_load,
    .file_map_in_order = posix_file_map_in_order,
    .file_lock = posix_file_lock,
    .file_rename = posix_file_rename,
    .file_remove = posix_file_remove,
    .dir_make = posix_dir_make,
    .dir_list = posix_dir_list,
    .dir_sync = posix_dir_sync,
    .clock_wall_ns = posix_clock_wall_ns,
    .clock_boot_ns = posix_clock_boot_ns,
    .random_fill = posix_random_fill,
    .job_submit = posix_job_submit,
    .jobs_finish = posix_jobs_finish,
    .jobs_wait = posix_jobs_wait,
    .wake_fd = posix_wake_fd,
    .sleep = posix_sleep,
    .shutdown = posix_shutdown,
};

struct io *io_posix_new(unsigned handler_threads)
{
    struct io_posix *p;

    ASSERT(handler_threads >= 1 && handler_threads <= 1024);
    p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->io.ops = &posix_ops;
    if (!posix_jobs_init(p, handler_threads)) {
        free(p);
        return NULL;
    }
    return &p->io;
}

void io_posix_free(struct io *io)
{
    struct io_posix *p;

    if (!io)
        return;
    p = container_of(io, struct io_posix, io);
    posix_jobs_deinit(p);
    free(p);
}
