/*
 * bench: what the programs of this folder share: a clock, percentiles, a directory of their own, a baseline taken in the same run, and figures printed
 * for people or, with --json, one object a line.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
    const char *name;   /* of the program */
    bool json;
    double scale;       /* --scale: how much work, 1 is the claim's size */
    char dir[256];      /* empty, removed by bench_end() */
};

/* Reads --json, --scale N and --dir PARENT (default /tmp); makes the directory. Ends the program on bad usage. */
void bench_begin(struct bench *b, const char *name, int argc, char **argv);
void bench_end(struct bench *b);

/* Removes a part of the bench's directory. */
void bench_remove(const struct bench *b, const char *part);

/* One figure; `target` says what it must reach, in words, or NULL. */
void bench_figure(const struct bench *b, const char *what, double value, const char *unit, const char *target);

int64_t bench_now_ns(void);
/* The value at a share (0.5, 0.99) of sorted or unsorted samples, which are sorted by it. */
int64_t bench_percentile(int64_t *samples, size_t count, double share);

/* The baseline: microseconds at the median of a bare 4 KiB write and fdatasync into zeroed space, in the bench's directory. */
double bench_sync_us(const struct bench *b, size_t syncs);

#endif
