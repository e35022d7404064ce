/*
 * bench open: how long a store takes to open, to make its index again, and an application to be there.
 *
 * A log of --scale gigabytes of events of 256 bytes is written and closed. It is opened with its index, from the page cache and with its files thrown out
 * of it; then without its index, which is made again. Baselines: reading the log's files and nothing else, from the page cache and from the
 * disk. Then the choreography of this build is started on an empty directory: the time to its first answer, and its memory when idle;
 * baseline: starting a program that ends at once.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/posix.h"
#include "store/store.h"

#include "bench.h"

#define LOG_BYTES 1e9
#define EVENT_BYTES 256
#define BATCH 1000
#define STREAMS 1000000
#define ROUNDS 5
#define STARTS 7
#define PORT 21139
#define IDLE_US 1000000

static void must(int64_t rc, const struct edda_error *error)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "bench open: %d %s\n", (int)rc, error->message);
    exit(1);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

/* --- the log -------------------------------------------------------------------------------------------- */

static struct store *open_store(struct io *io, const char *path)
{
    struct edda_error error = { 0 };
    struct store_options options = { .frame_bytes = 0 };
    struct store *store;
    must(store_open(io, path, &options, &store, NULL, &error), &error);
    return store;
}

static void turn(struct io *io, struct store *store, bool wait)
{
    struct edda_error error = { 0 };
    if (wait)
        (void)io_jobs_wait(io, -1);
    io_jobs_finish(io);
    store_maintain(store);
    int rc = store_flush_start(store, &error);
    must(rc == EDDA_EBUSY ? 0 : rc, &error);
}

static void write_log(struct io *io, const char *path, double bytes, struct store_stats *ret_stats)
{
    static struct store_message messages[BATCH];
    static char keys[BATCH][16], value[EVENT_BYTES];
    struct edda_error error = { 0 };
    struct topic *topic;
    struct store *store = open_store(io, path);
    must(store_topic_ensure(store, SLICE("orders"), 1, &topic, &error), &error);
    memset(value, 'x', sizeof value);
    for (uint64_t number = 0;;) {
        for (size_t k = 0; k < BATCH; k++, number++) {
            int len = snprintf(keys[k], sizeof keys[k], "%u", (unsigned)(number * 7919 % STREAMS));
            messages[k] = (struct store_message){ .topic = topic, .key = slice_of(keys[k], (size_t)len), .value = slice_of(value, sizeof value),
                                                  .partition = -1, .event = { .type = SLICE("OrderPlaced") } };
        }
        int rc;
        while ((rc = store_append(store, NULL, 0, messages, BATCH, false, NULL, &error)) == EDDA_EBUSY)
            turn(io, store, true);
        must(rc, &error);
        turn(io, store, false);
        store_stats(store, ret_stats);
        if ((double)ret_stats->log_bytes >= bytes)
            break;
    }
    store_close(store);
}

/* Each file of a directory: read whole (the bytes are returned), thrown out of the page cache, or removed. */
enum file_work { FILE_READ, FILE_FORGET, FILE_REMOVE };

static double files(const char *path, const char *below, enum file_work work)
{
    static char block[1 << 20];
    char name[700];
    double bytes = 0;
    struct dirent *entry;
    (void)snprintf(name, sizeof name, "%s/%s", path, below);
    DIR *dir = opendir(name);
    while (dir && (entry = readdir(dir))) {
        (void)snprintf(name, sizeof name, "%s/%s/%s", path, below, entry->d_name);
        if (work == FILE_REMOVE) {
            (void)unlink(name);
            continue;
        }
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && work == FILE_FORGET) {
            (void)fdatasync(fd);
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        }
        for (ssize_t n; fd >= 0 && work == FILE_READ && (n = read(fd, block, sizeof block)) > 0;)
            bytes += (double)n;
        if (fd >= 0)
            (void)close(fd);
    }
    if (dir)
        (void)closedir(dir);
    return bytes;
}

/* Milliseconds, at the median. */
static double open_ms(struct io *io, const char *path, bool cold)
{
    int64_t ns[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        if (cold) {
            (void)files(path, "log", FILE_FORGET);
            (void)files(path, "index", FILE_FORGET);
        }
        int64_t start = bench_now_ns();
        struct store *store = open_store(io, path);
        ns[i] = bench_now_ns() - start;
        store_close(store);
    }
    return (double)bench_percentile(ns, ROUNDS, 0.5) / 1e6;
}

static double rebuild_seconds(struct io *io, const char *path, bool cold)
{
    (void)files(path, "index", FILE_REMOVE);
    if (cold)
        (void)files(path, "log", FILE_FORGET);
    int64_t start = bench_now_ns();
    struct store *store = open_store(io, path);
    double seconds = seconds_since(start);
    store_close(store);
    return seconds;
}

static double read_seconds(const char *path, bool cold)
{
    if (cold)
        (void)files(path, "log", FILE_FORGET);
    int64_t start = bench_now_ns();
    (void)files(path, "log", FILE_READ);
    return seconds_since(start);
}

static void log_figures(const struct bench *b)
{
    struct io *io = io_posix_new(1);
    struct store_stats stats;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/data", b->dir);
    write_log(io, path, LOG_BYTES * b->scale, &stats);
    double mb = (double)stats.log_bytes / 1e6;
    bench_figure(b, "log", mb, "MB", "4000 for the claim (--scale 4)");
    bench_figure(b, "records", (double)stats.records, "records", NULL);
    bench_figure(b, "opened with its index, from the page cache, p50", open_ms(io, path, false), "ms", "<= 1000");
    bench_figure(b, "opened with its index, from the disk, p50", open_ms(io, path, true), "ms", "<= 1000");
    (void)read_seconds(path, false);
    bench_figure(b, "baseline: reading the log, from the page cache", mb / read_seconds(path, false), "MB/s", NULL);
    bench_figure(b, "index made again, from the page cache", mb / rebuild_seconds(io, path, false), "MB/s", ">= 300");
    bench_figure(b, "baseline: reading the log, from the disk", mb / read_seconds(path, true), "MB/s", NULL);
    bench_figure(b, "index made again, from the disk", mb / rebuild_seconds(io, path, true), "MB/s", ">= 300");
    io_posix_free(io);
}

/* --- the application ------------------------------------------------------------------------------------ */

static pid_t start_program(char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    return pid;
}

/* Whether a request to the application was answered. */
static bool answered(void)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    char answer[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1 && recv(fd, answer, sizeof answer, 0) > 0;
    if (fd >= 0)
        (void)close(fd);
    return done;
}

static double resident_mb(pid_t pid)
{
    char line[256];
    double kib = 0;
    (void)snprintf(line, sizeof line, "/proc/%d/status", (int)pid);
    FILE *file = fopen(line, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (file)
        (void)fclose(file);
    return kib * 1024 / 1e6;
}

static void application_figures(const struct bench *b, const char *program)
{
    int64_t base_ns[STARTS], answer_ns[STARTS];
    double idle_mb = 0;
    char data[300], path[4200], port[8];
    (void)snprintf(path, sizeof path, "%s", program);
    char *slash = strrchr(path, '/');
    (void)snprintf(slash ? slash + 1 : path, 64, "../examples/choreography");
    (void)snprintf(port, sizeof port, "%d", PORT);
    if (access(path, X_OK) != 0 || answered()) {
        (void)fprintf(stderr, "bench open: no start of an application: %s is not there, or port %s is taken\n", path, port);
        return;
    }
    for (int i = 0; i < STARTS; i++) {
        char *nothing[] = { "/bin/true", NULL };
        char *run[] = { path, "run", "--data", data, "--port", port, NULL };
        int64_t start = bench_now_ns();
        (void)waitpid(start_program(nothing), NULL, 0);
        base_ns[i] = bench_now_ns() - start;
        (void)snprintf(data, sizeof data, "%s/app%d", b->dir, i);
        start = bench_now_ns();
        pid_t pid = start_program(run);
        while (!answered() && waitpid(pid, NULL, WNOHANG) == 0)
            (void)usleep(200);
        answer_ns[i] = bench_now_ns() - start;
        if (i == STARTS - 1) {
            (void)usleep(IDLE_US);
            idle_mb = resident_mb(pid);
        }
        (void)kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
    }
    bench_figure(b, "baseline: a program that ends at once, p50", (double)bench_percentile(base_ns, STARTS, 0.5) / 1e6, "ms", NULL);
    bench_figure(b, "choreography: start to first answer, p50", (double)bench_percentile(answer_ns, STARTS, 0.5) / 1e6, "ms", "<= 50");
    bench_figure(b, "choreography: resident when idle", idle_mb, "MB", "<= 15");
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, "open", argc, argv);
    application_figures(&b, argv[0]);
    log_figures(&b);
    bench_end(&b);
    return 0;
}
