/*
 * Files of this machine: pread, pwritev, fdatasync, fallocate, mmap and a lock that belongs to the
 * open file description.
 *
 * The lock is F_OFD_SETLK and not F_SETLK: the older kind belongs to the process, so it would
 * neither refuse a second open in the same process nor survive the closing of any other descriptor
 * of the file. It cannot name its holder; therefore the holder writes its process id into the
 * file, which for this reason must be a file of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/posix_parts.h"

#define WRITE_PARTS_MAX 64 /* of one pwritev(); more are written in turns */
#define ZEROS_BYTES 65536
#define LOADED_PAGES_MAX 1024 /* asked about at once */
#define LOAD_PART_BYTES (UINT64_C(512) << 10) /* asked for at once: the kernel has a bound of its own */

int posix_file_open(struct io *io, const char *path, unsigned flags, struct io_file **ret_file,
                    struct edda_error *error)
{
    /* Opening what is no file must not wait for its other end. */
    int mode = O_CLOEXEC | O_NONBLOCK | (flags & IO_WRITE ? O_RDWR : O_RDONLY);
    size_t path_bytes = strlen(path) + 1;
    struct io_file *file;
    struct stat st;

    (void)io;
    ASSERT(!(flags & IO_CREATE) || (flags & IO_WRITE));
    ASSERT(!(flags & IO_EXCLUSIVE) || (flags & IO_CREATE));
    if (flags & IO_CREATE)
        mode |= O_CREAT;
    if (flags & IO_EXCLUSIVE)
        mode |= O_EXCL;

    file = malloc(sizeof(*file) + path_bytes);
    if (!file)
        return edda_fail_with(error, EDDA_ENOMEM, "cannot open %s: out of memory", path);
    memcpy(file->path, path, path_bytes);
    do
        file->fd = open(path, mode, 0600);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int system_error = errno;

        free(file);
        return edda_fail_with(error, posix_code(system_error), "cannot open %s: %s", path, strerror(system_error));
    }
    if (fstat(file->fd, &st) < 0 || S_ISDIR(st.st_mode) || S_ISFIFO(st.st_mode)) {
        posix_file_close(file);
        return edda_fail_with(error, EDDA_EIO, "cannot open %s: it is not a file", path);
    }
    *ret_file = file;
    return 0;
}

void posix_file_close(struct io_file *file)
{
    close(file->fd);
    free(file);
}

int posix_file_read(struct io_file *file, void *data, size_t len, uint64_t offset, size_t *ret_len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(file->fd, (uint8_t *)data + done, len - done, (off_t)(offset + done));

        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return posix_code(errno);
    }
    *ret_len = done;
    return 0;
}

/* Writes all of `vector`, which is used up on the way. */
static int write_vector(int fd, struct iovec *vector, int count, uint64_t offset)
{
    while (count > 0) {
        ssize_t n;

        if (vector->iov_len == 0) {
            vector++;
            count--;
            continue;
        }
        n = pwritev(fd, vector, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? posix_code(errno) : EDDA_EIO;
        offset += (uint64_t)n;
        for (size_t left = (size_t)n; left > 0;) {
            if (left < vector->iov_len) {
                vector->iov_base = (uint8_t *)vector->iov_base + left;
                vector->iov_len -= left;
                break;
            }
            left -= vector->iov_len;
            vector++;
            count--;
        }
    }
    return 0;
}

int posix_file_write(struct io_file *file, const struct slice *parts, size_t count, uint64_t offset)
{
    struct iovec vector[WRITE_PARTS_MAX];

    while (count > 0) {
        size_t turn = count < WRITE_PARTS_MAX ? count : WRITE_PARTS_MAX;
        uint64_t len = 0;
        int r;

        for (size_t i = 0; i < turn; i++) {
            vector[i].iov_base = (void *)(uintptr_t)parts[i].data;
            vector[i].iov_len = parts[i].len;
            len += parts[i].len;
        }
        r = write_vector(file->fd, vector, (int)turn, offset);
        if (r < 0)
            return r;
        parts += turn;
        count -= turn;
        offset += len;
    }
    return 0;
}

int posix_file_sync(struct io_file *file)
{
    int r;

    do
        r = fdatasync(file->fd);
    while (r < 0 && errno == EINTR);
    /* Never EDDA_EFULL, after which a caller goes on: here, something written has been lost. */
    return r < 0 ? EDDA_EIO : 0;
}

/* For file systems without fallocate(): space is reserved by writing zeros behind the end. */
static int allocate_by_zeros(int fd, uint64_t from, uint64_t len)
{
    static const uint8_t zeros[ZEROS_BYTES];

    while (from < len) {
        uint64_t part = len - from < ZEROS_BYTES ? len - from : ZEROS_BYTES;
        struct iovec vector = { (void *)(uintptr_t)zeros, (size_t)part };
        int r = write_vector(fd, &vector, 1, from);

        if (r < 0)
            return r;
        from += part;
    }
    return 0;
}

int posix_file_allocate(struct io_file *file, uint64_t len)
{
    uint64_t before;
    int r = posix_file_size(file, &before);

    if (r < 0 || len == 0)
        return r;
    do
        r = fallocate(file->fd, 0, 0, (off_t)len);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return 0;
    r = errno == EOPNOTSUPP ? allocate_by_zeros(file->fd, before, len) : posix_code(errno);
    /* A full disk may have left some of it behind; if it stays, that is space lost and no harm. */
    if (r < 0 && before < len && ftruncate(file->fd, (off_t)before) < 0)
        return r;
    return r;
}

int posix_file_truncate(struct io_file *file, uint64_t len)
{
    int r;

    do
        r = ftruncate(file->fd, (off_t)len);
    while (r < 0 && errno == EINTR);
    return r < 0 ? posix_code(errno) : 0;
}

int posix_file_size(struct io_file *file, uint64_t *ret_len)
{
    struct stat st;

    if (fstat(file->fd, &st) < 0)
        return posix_code(errno);
    *ret_len = (uint64_t)st.st_size;
    return 0;
}

int posix_file_map(struct io_file *file, uint64_t len, const uint8_t **ret_data)
{
    uint64_t size;
    void *data;
    int r = posix_file_size(file, &size);

    if (r < 0)
        return r;
    /* Touching a mapping past the end of its file would kill the process. */
    if (size < len)
        return EDDA_EIO;
    if (len == 0) {
        *ret_data = NULL;
        return 0;
    }
    data = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, file->fd, 0);
    if (data == MAP_FAILED)
        return posix_code(errno);
    *ret_data = data;
    return 0;
}

void posix_file_unmap(struct io_file *file, const uint8_t *data, uint64_t len)
{
    (void)file;
    ASSERT(munmap((void *)(uintptr_t)data, (size_t)len) == 0);
}

void posix_file_map_rest(struct io_file *file, const uint8_t *data, uint64_t len)
{
    (void)file;
    (void)madvise((void *)(uintptr_t)data, (size_t)len, MADV_DONTNEED);
}

/* The pages that hold these bytes: where they begin in the file, and their bytes. */
static uint64_t pages_of(uint64_t page, uint64_t from, uint64_t len, uint64_t *ret_bytes)
{
    uint64_t start = from / page * page;

    *ret_bytes = (from + len - start + page - 1) / page * page;
    return start;
}

bool posix_file_map_is_loaded(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len)
{
    unsigned char there[LOADED_PAGES_MAX];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bytes, start = pages_of(page, from, len, &bytes);

    (void)file;
    for (uint64_t at = 0; at < bytes; at += page * LOADED_PAGES_MAX) {
        uint64_t part = bytes - at < page * LOADED_PAGES_MAX ? bytes - at : page * LOADED_PAGES_MAX;

        if (mincore((void *)(uintptr_t)(data + start + at), (size_t)part, there) < 0)
            return true;
        for (uint64_t i = 0; i < part / page; i++)
            if (!(there[i] & 1))
                return false;
    }
    return true;
}

void posix_file_map_load(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bytes, start = pages_of(page, from, len, &bytes);

    (void)data;
    for (uint64_t at = 0; at < bytes; at += LOAD_PART_BYTES)
        (void)posix_fadvise(file->fd, (off_t)(start + at), (off_t)(bytes - at < LOAD_PART_BYTES ? bytes - at : LOAD_PART_BYTES),
                            POSIX_FADV_WILLNEED);
}

void posix_file_map_in_order(struct io_file *file, const uint8_t *data, uint64_t len)
{
    (void)file;
    (void)madvise((void *)(uintptr_t)data, (size_t)len, MADV_SEQUENTIAL);
}

/* Says who holds the lock, as far as the file tells. */
static int locked_by_another(struct io_file *file, struct edda_error *error)
{
    char text[24] = "";
    ssize_t n = pread(file->fd, text, sizeof(text) - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    if (pid == (long)getpid())
        return edda_fail_with(error, EDDA_ELOCKED, "%s is in use by this process already (%ld)", file->path, pid);
    if (pid > 0)
        return edda_fail_with(error, EDDA_ELOCKED, "%s is in use by process %ld", file->path, pid);
    return edda_fail_with(error, EDDA_ELOCKED, "%s is in use by another process", file->path);
}

int posix_file_lock(struct io_file *file, struct edda_error *error)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char text[24];
    int len;

    if (fcntl(file->fd, F_OFD_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            return locked_by_another(file, error);
        return edda_fail_with(error, EDDA_EIO, "cannot lock %s: %s", file->path, strerror(errno));
    }
    /* The lock stands without the process id, also on a full disk; only its error says less. */
    len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (pwrite(file->fd, text, (size_t)len, 0) != len || ftruncate(file->fd, len) < 0)
        return 0;
    return 0;
}
