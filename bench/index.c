/*
 * bench index: what the index costs. Claims: an addition takes no more than 60 ns; a million additions a second go on
 * for as long as one likes while another core seals and merges; a look-up touches few cache lines; opening is quick.
 *
 *      bench_index [seconds] [additions per second, 0: as many as possible] [directory]
 *
 * The sustained part adds, for each record, what the store adds: its stream (10 records in each on average), its
 * process (8), its identity (met once), and for one in ten the batch of its partition (16 of them).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/prng.h"
#include "io/posix.h"
#include "store/index.h"
#include "store/tail.h"

#define BATCH 256
#define TAIL_ENTRIES 1000000
#define LOOKUPS 200000

static double seconds_now(void)
{
    struct timespec now;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The key of a number: as good as a hash, and cheaper. */
static struct hash128 key_of(uint64_t number)
{
    struct hash128 key;

    key.hi = hash64_mix(1, number);
    key.lo = hash64_mix(2, number);
    return key;
}

/* ---- the tail ---- */

enum tail_kind { UNIQUE, TEN_EACH, HOT };

static struct index_addition *tail_additions(enum tail_kind kind)
{
    struct index_addition *a = malloc(TAIL_ENTRIES * sizeof(*a));
    struct prng p;

    ASSERT(a);
    prng_init(&p, 1);
    for (uint64_t i = 0; i < TAIL_ENTRIES; i++) {
        uint64_t number = kind == UNIQUE ? i : prng_below(&p, kind == TEN_EACH ? TAIL_ENTRIES / 10 : 16);

        a[i] = (struct index_addition){ key_of(number), { i, i * 120, (uint32_t)i & 0xfff } };
    }
    return a;
}

static void bench_tail(const char *name, enum tail_kind kind)
{
    struct index_addition *a = tail_additions(kind);
    struct index_addition *array = malloc(TAIL_ENTRIES * sizeof(*array));
    struct tail *t = tail_new(TAIL_ENTRIES);
    double start, batched, again, single, baseline;

    ASSERT(array && t);
    start = seconds_now();
    for (size_t i = 0; i < TAIL_ENTRIES; i += BATCH)
        memcpy(array + i, a + i, (TAIL_ENTRIES - i < BATCH ? TAIL_ENTRIES - i : BATCH) * sizeof(*a));
    baseline = seconds_now() - start;
    start = seconds_now();
    for (size_t i = 0; i < TAIL_ENTRIES; i += BATCH)
        ASSERT(tail_add(t, a + i, TAIL_ENTRIES - i < BATCH ? TAIL_ENTRIES - i : BATCH) == 0);
    batched = seconds_now() - start;
    tail_clear(t);
    start = seconds_now();
    for (size_t i = 0; i < TAIL_ENTRIES; i += BATCH)
        ASSERT(tail_add(t, a + i, TAIL_ENTRIES - i < BATCH ? TAIL_ENTRIES - i : BATCH) == 0);
    again = seconds_now() - start;
    tail_clear(t);
    start = seconds_now();
    for (size_t i = 0; i < TAIL_ENTRIES; i++)
        ASSERT(tail_add(t, a + i, 1) == 0);
    single = seconds_now() - start;
    printf("%-22s %10.1f %10.1f %10.1f %10.1f %10.1f\n", name, batched * 1e9 / TAIL_ENTRIES, again * 1e9 / TAIL_ENTRIES,
           single * 1e9 / TAIL_ENTRIES, baseline * 1e9 / TAIL_ENTRIES, (double)tail_bytes(t) / TAIL_ENTRIES);
    tail_free(t);
    free(array);
    free(a);
}

/* ---- sustained additions ---- */

#define STREAM UINT64_C(0)
#define PROCESS (UINT64_C(1) << 60)
#define IDENTITY (UINT64_C(2) << 60)
#define PARTITION (UINT64_C(3) << 60)
#define STREAMS_ALIVE 500000

struct load {
    struct prng prng;
    uint64_t records;
    uint64_t indexed; /* records that the index has */
    uint64_t additions;
    double waited; /* seconds in which an addition was refused */
    uint64_t waits;
    double longest_add;  /* seconds of the longest call */
    double longest_turn; /* seconds of the longest starting and finishing of jobs */
    size_t runs_most;
    uint64_t tail_most;
};

/* Fills a batch with records' additions; how many. */
static size_t load_next(struct load *l, struct index_addition *additions)
{
    size_t count = 0;

    while (count + 4 <= BATCH) {
        uint64_t i = l->records++;
        struct index_entry entry = { i, i * 120, (uint32_t)i & 0xfff };

        additions[count++] =
            (struct index_addition){ key_of(STREAM + i / 10 + prng_below(&l->prng, STREAMS_ALIVE)), entry };
        additions[count++] = (struct index_addition){ key_of(PROCESS + i / 8), entry };
        additions[count++] = (struct index_addition){ key_of(IDENTITY + i), entry };
        if (i % 10 == 0)
            additions[count++] = (struct index_addition){ key_of(PARTITION + i / 10 % 16), entry };
    }
    return count;
}

static void load_add(struct io *io, struct index *index, struct load *l, const struct index_addition *additions,
                     size_t count)
{
    double start = seconds_now();
    int r = index_add_many(index, additions, count);
    double took = seconds_now() - start;

    if (took > l->longest_add)
        l->longest_add = took;
    if (r == EDDA_EBUSY) {
        l->waits++;
        start = seconds_now();
        do {
            io_jobs_wait(io, -1);
            io_jobs_finish(io);
            if (index_seal_wanted(index))
                index_seal(index, l->indexed * 120);
            r = index_add_many(index, additions, count);
        } while (r == EDDA_EBUSY);
        l->waited += seconds_now() - start;
    }
    ASSERT(r == 0);
    l->indexed = l->records;
    l->additions += count;
}

static void bench_sustained(struct io *io, struct index *index, struct load *l, double seconds, double rate)
{
    struct index_addition additions[BATCH];
    struct index_stats stats;
    double start = seconds_now();
    double next_line = start + 10;
    uint64_t at_line = 0;
    double now;

    while ((now = seconds_now()) - start < seconds) {
        if (rate > 0 && (double)l->additions > (now - start) * rate) {
            struct timespec nap = { .tv_nsec = 200000 };

            nanosleep(&nap, NULL);
            io_jobs_finish(io);
            continue;
        }
        load_add(io, index, l, additions, load_next(l, additions));
        now = seconds_now();
        io_jobs_finish(io);
        if (index_seal_wanted(index))
            index_seal(index, l->indexed * 120);
        if (seconds_now() - now > l->longest_turn)
            l->longest_turn = seconds_now() - now;
        index_stats(index, &stats);
        if (stats.runs > l->runs_most)
            l->runs_most = stats.runs;
        if (stats.tail_bytes > l->tail_most)
            l->tail_most = stats.tail_bytes;
        if (now > next_line) {
            printf("  %3.0f s: %9.0f additions/s, %2llu runs, %.1f M entries, %.2f GB\n", now - start,
                   (double)(l->additions - at_line) / (now - next_line + 10), (unsigned long long)stats.runs,
                   (double)stats.entries / 1e6, (double)stats.run_bytes / 1e9);
            fflush(stdout);
            at_line = l->additions;
            next_line = now + 10;
        }
    }
    now = seconds_now();
    printf("%.0f additions/s over %.0f s; refused %llu times, %.2f s in all; "
           "longest call %.2f ms, longest turn of jobs %.2f ms; at most %zu runs; "
           "tails at most %.0f MB\n",
           (double)l->additions / (now - start), now - start, (unsigned long long)l->waits, l->waited,
           l->longest_add * 1e3, l->longest_turn * 1e3, l->runs_most, (double)l->tail_most / 1e6);
    ASSERT(index_wait(index) == 0);
    index_seal(index, l->indexed * 120);
    ASSERT(index_wait(index) == 0);
    printf("the rest of the background work took %.2f s\n", seconds_now() - now);
}

/* ---- look-ups ---- */

enum lookup { COUNT_PRESENT, COUNT_ABSENT, COUNT_STREAM, READ_TEN, LAST, FIND_POSITION };

static uint64_t lookup(struct index *index, const struct load *l, enum lookup kind, uint64_t number)
{
    struct index_entry entries[10];
    uint64_t value = 0;

    switch (kind) {
    case COUNT_PRESENT:
        ASSERT(index_count(index, key_of(IDENTITY + number), &value) == 0 && value == 1);
        return value;
    case COUNT_ABSENT:
        ASSERT(index_count(index, key_of(IDENTITY + l->records + number), &value) == 0 && value == 0);
        return value;
    case COUNT_STREAM:
        ASSERT(index_count(index, key_of(STREAM + number / 10), &value) == 0);
        return value;
    case READ_TEN:
        value = (uint64_t)index_read(index, key_of(PROCESS + number / 8), 0, false, entries, 10);
        ASSERT(value == 8 || number / 8 == (l->records - 1) / 8);
        return value;
    case LAST:
        ASSERT(index_last(index, key_of(PROCESS + number / 8), entries) == 0);
        return entries[0].position;
    case FIND_POSITION:
        ASSERT(index_find_position(index, key_of(PARTITION + number % 16), number, &value) == 0);
        return value;
    }
    UNREACHABLE();
}

static void bench_lookup(struct index *index, const struct load *l, const char *name, enum lookup kind, uint64_t among)
{
    struct prng p;
    double start = 0;
    uint64_t sum = 0;

    for (unsigned round = 0; round < 2; round++) {
        prng_init(&p, 3);
        start = seconds_now();
        for (unsigned i = 0; i < LOOKUPS; i++)
            sum += lookup(index, l, kind, l->records / 2 + prng_below(&p, among));
    }
    printf("%-44s %8.0f ns   (%llu)\n", name, (seconds_now() - start) * 1e9 / LOOKUPS, (unsigned long long)sum);
}

struct directory {
    struct io *io;
    const char *path;
};

static int remove_name(void *user, const char *name)
{
    const struct directory *d = user;
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/%s", d->path, name);
    return io_file_remove(d->io, path);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 10;
    double rate = argc > 2 ? strtod(argv[2], NULL) : 0;
    const char *parent = argc > 3 ? argv[3] : "/tmp";
    char dir[512], path[600];
    struct io *io = io_posix_new(1);
    struct index_stats stats;
    struct index *index;
    struct load load = { .records = 0 };
    double start;

    printf("%-22s %10s %10s %10s %10s %10s\n", "tail, ns/addition", "batched", "used again", "one by one", "array",
           "bytes/entry");
    bench_tail("random keys, met once", UNIQUE);
    bench_tail("random keys, 10 each", TEN_EACH);
    bench_tail("16 keys", HOT);

    prng_init(&load.prng, 2);
    (void)snprintf(dir, sizeof(dir), "%s/edda-bench-index-XXXXXX", parent);
    ASSERT(io && mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/index", dir);
    ASSERT(index_open(io, path, 1, NULL, &index, NULL) == 0);
    bench_sustained(io, index, &load, seconds, rate);
    index_stats(index, &stats);
    printf("%llu runs, %.1f M entries, %.1f bytes/entry\n", (unsigned long long)stats.runs, (double)stats.entries / 1e6,
           (double)stats.run_bytes / (double)stats.entries);
    index_close(index);
    start = seconds_now();
    ASSERT(index_open(io, path, 1, NULL, &index, NULL) == 0);
    printf("opened in %.2f ms\n", (seconds_now() - start) * 1e3);

    start = seconds_now();
    ASSERT(index_verify(index, NULL) == 0);
    printf("verified in %.2f s\n", seconds_now() - start);
    bench_lookup(index, &load, "count, present, of all", COUNT_PRESENT, load.records / 2);
    bench_lookup(index, &load, "count, absent, of all", COUNT_ABSENT, load.records / 2);
    bench_lookup(index, &load, "count of a stream, of all", COUNT_STREAM, load.records / 2);
    bench_lookup(index, &load, "read a list of 8, of all", READ_TEN, load.records / 2);
    bench_lookup(index, &load, "last, of all", LAST, load.records / 2);
    bench_lookup(index, &load, "find a position in a partition, of all", FIND_POSITION, load.records / 2);
    bench_lookup(index, &load, "count, present, among 1,000", COUNT_PRESENT, 1000);
    bench_lookup(index, &load, "count, absent, among 1,000", COUNT_ABSENT, 1000);
    bench_lookup(index, &load, "read a list of 8, among 1,000", READ_TEN, 8000);
    bench_lookup(index, &load, "last, among 1,000", LAST, 8000);
    index_close(index);
    ASSERT(io_dir_list(io, path, remove_name, &(struct directory){ io, path }) == 0);
    io_posix_free(io);
    return rmdir(path) == 0 && rmdir(dir) == 0 ? 0 : 1;
}
