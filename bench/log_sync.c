/*
 * What a durable append costs over what the disk asks for. One writer appends frames of 512 bytes to a log and flushes each; beside it, in
 * turns, a bare pwrite() of 4 KiB with fdatasync() into space that was zeroed before. The claim: at most 1.2 times the bare one.
 *
 *     log_sync [DIRECTORY [ROUNDS]]
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/posix.h"
#include "log/log.h"

#define ROUND_SYNCS 500
#define BARE_BYTES 4096
#define FRAME_BODY_BYTES 512
#define SAMPLES_MAX 200000

struct samples {
    double us[SAMPLES_MAX];
    size_t count;
};

static struct samples bare, logged;

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double print_samples(const char *name, struct samples *s)
{
    double sum = 0;

    qsort(s->us, s->count, sizeof(s->us[0]), compare);
    for (size_t i = 0; i < s->count; i++)
        sum += s->us[i];
    printf("%-28s mean %7.1f us  median %7.1f  p99 %7.1f  max %8.1f\n", name, sum / (double)s->count,
           s->us[s->count / 2], s->us[s->count * 99 / 100], s->us[s->count - 1]);
    return sum / (double)s->count;
}

static void bare_round(int fd, off_t *at)
{
    static const char block[BARE_BYTES] = "x";

    for (unsigned i = 0; i < ROUND_SYNCS; i++) {
        double start = now_us();

        ASSERT(pwrite(fd, block, sizeof(block), *at) == (ssize_t)sizeof(block) && fdatasync(fd) == 0);
        bare.us[bare.count++] = now_us() - start;
        *at += BARE_BYTES;
    }
}

static void log_round(struct io *io, struct log *log)
{
    static const uint8_t body[FRAME_BODY_BYTES] = "x";
    struct slice part = slice_of(body, sizeof(body));

    for (unsigned i = 0; i < ROUND_SYNCS; i++) {
        double start = now_us();
        struct log_flush *flush;
        log_address address;

        ASSERT(log_reserve(log, sizeof(body), NULL) == 0);
        log_frame_append(log, &part, 1, 1, log_time_ms(log), &address);
        flush = log_flush_begin(log);
        log_flush_run(flush);
        ASSERT(log_flush_end(log, flush, NULL) == 0);
        io_jobs_finish(io);
        logged.us[logged.count++] = now_us() - start;
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/tmp";
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 40;
    static const char zeros[1 << 20];
    struct edda_error error = { 0 };
    char data[512], file[600];
    struct io *io = io_posix_new(1);
    struct log *log;
    double b, l;
    off_t at = 0;
    int fd;

    if (rounds == 0 || rounds > SAMPLES_MAX / ROUND_SYNCS)
        rounds = 40;
    snprintf(data, sizeof(data), "%s/edda-log-sync-XXXXXX", dir);
    ASSERT(io && mkdtemp(data));
    snprintf(file, sizeof(file), "%s/bare", data);
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT(fd >= 0);
    for (size_t done = 0; done < (size_t)rounds * ROUND_SYNCS * BARE_BYTES; done += sizeof(zeros))
        ASSERT(write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros));
    ASSERT(fdatasync(fd) == 0);
    if (log_open(io, data, &(struct log_options){ 0 }, &log, NULL, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (unsigned i = 0; i < rounds; i++) {
        bare_round(fd, &at);
        log_round(io, log);
    }
    log_close(log);
    close(fd);
    io_posix_free(io);
    b = print_samples("bare 4 KiB pwrite+fdatasync", &bare);
    l = print_samples("log, 512-byte frame", &logged);
    printf("ratio of means %.2f\n", l / b);
    return nftw(data, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : 1;
}
