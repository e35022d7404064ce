/* See bench.h. */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char child[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (unlink(child) != 0)
            remove_tree(child);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

void bench_begin(struct bench *b, const char *name, int argc, char **argv)
{
    const char *parent = "/tmp";
    *b = (struct bench){ .name = name, .scale = 1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            b->json = true;
        } else if (strcmp(argv[i], "--scale") == 0 && i + 1 < argc) {
            b->scale = strtod(argv[++i], NULL);
        } else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
            parent = argv[++i];
        } else {
            (void)fprintf(stderr, "usage: %s [--json] [--scale N] [--dir PARENT]\n", name);
            exit(2);
        }
    }
    (void)snprintf(b->dir, sizeof b->dir, "%s/edda-%s-XXXXXX", parent, name);
    if (!mkdtemp(b->dir))
        die(b->dir);
}

void bench_remove(const struct bench *b, const char *part)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", b->dir, part);
    remove_tree(path);
}

void bench_end(struct bench *b)
{
    remove_tree(b->dir);
}

void bench_figure(const struct bench *b, const char *what, double value, const char *unit, const char *target)
{
    if (b->json)
        printf("{\"bench\":\"%s\",\"what\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"target\":\"%s\"}\n", b->name, what, value, unit,
               target ? target : "");
    else
        printf("%-10s %-62s %14.6g %-12s %s%s\n", b->name, what, value, unit, target ? "wanted: " : "", target ? target : "");
    (void)fflush(stdout);
}

int64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t bench_percentile(int64_t *samples, size_t count, double share)
{
    qsort(samples, count, sizeof *samples, compare);
    size_t at = (size_t)((double)count * share);
    return samples[at < count ? at : count - 1];
}

double bench_sync_us(const struct bench *b, size_t syncs)
{
    static char zeros[1 << 16];
    char path[300];
    (void)snprintf(path, sizeof path, "%s/baseline", b->dir);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    int64_t *samples = calloc(syncs, sizeof *samples);
    if (fd < 0 || !samples)
        die(path);
    for (size_t written = 0; written < syncs * 4096; written += sizeof zeros)
        if (pwrite(fd, zeros, sizeof zeros, (off_t)written) < 0)
            die(path);
    if (fsync(fd) != 0)
        die(path);
    for (size_t i = 0; i < syncs; i++) {
        int64_t start = bench_now_ns();
        if (pwrite(fd, zeros, 4096, (off_t)(i * 4096)) < 0 || fdatasync(fd) != 0)
            die(path);
        samples[i] = bench_now_ns() - start;
    }
    double median = (double)bench_percentile(samples, syncs, 0.5) / 1000;
    free(samples);
    (void)close(fd);
    (void)unlink(path);
    return median;
}
