/*
 * What the tests of the io layer share: a world (an io and an empty directory in it), and short
 * forms of the calls, which fail the test when the call fails.
 */
#ifndef EDDA_TESTS_UNIT_IO_WORLD_H
#define EDDA_TESTS_UNIT_IO_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/posix.h"
#include "io/simulated.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define SECTOR 512
#define HANDLER_THREADS 4
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct test {
    const char *says;
    CMUnitTestFunction run;
};

struct world {
    const char *name;
    bool simulated;
    struct io *io;
    char dir[64];   /* an empty directory */
    uint64_t seed;  /* of the last restart(), printed when the test fails */
    const struct test *test; /* the one that runs */
    const struct test *next;
    bool passed;
};

/* Each ends with a row of NULL. */
extern const struct test io_promised_tests[];
extern const struct test io_posix_tests[];
extern const struct test io_crashes_tests[];
extern const struct test io_faults_tests[];
extern const struct test io_simulated_tests[];

/* A path in the world's directory; good until the fourth next call. */
const char *path_of(const struct world *w, const char *name);

/* ---- files ---- */

struct io_file *open_file(struct io *io, const char *path, unsigned flags);
struct io_file *create(struct io *io, const char *path);
int try_write(struct io *io, struct io_file *file, const void *data, size_t len, uint64_t offset);
void write_at(struct io *io, struct io_file *file, const char *text, uint64_t offset);
void expect_bytes(struct io *io, struct io_file *file, uint64_t offset, const void *bytes, size_t len);
void expect_size(struct io *io, struct io_file *file, uint64_t expected);
void put_file(struct world *w, const char *name, const char *text);
void expect_file(struct world *w, const char *name, const char *text);
bool exists(struct io *io, const char *path);

/* Fills sectors [from, from + count) of a file with a letter each. */
void write_letter(struct io *io, struct io_file *file, unsigned from, unsigned count, char letter);
/* The letter a sector is filled with; a sector is never torn. '.' stands for zero. */
char sector_letter(struct io *io, struct io_file *file, unsigned sector);

/* For io_dir_list(): the names, each followed by a space. */
int gather(void *user, const char *name);

struct gathered {
    char text[256];
    size_t count;
    int result;
    struct world *remove_in; /* each listed file is removed from here */
};

/* ---- jobs ---- */

struct test_job {
    struct io_job job;
    struct io *io;
    pthread_t owner;
    size_t number;    /* in the order of submission */
    size_t ran_as;
    size_t *ran;      /* how many have run: touched by the pool's only thread; NULL: any order will do */
    size_t *finished; /* how many are done: touched by the owner */
    int64_t sleep_ns;
    bool slept;
    int64_t took_ns;
    pthread_barrier_t *meet;
    size_t again;     /* `done` submits it so many times again */
};

/* A job that runs, sleeps, notes what it saw, and counts itself in `finished`. */
struct test_job test_job_of(struct world *w, size_t *finished);
/* Until so many are done and none is under way. */
void finish_all(struct io *io, const size_t *finished, size_t expected);

/* ---- the simulated world ---- */

/* A new disk, with the world's directory on it, durable. */
void restart(struct world *w, uint64_t seed);
/* A file of so many sectors of a letter, name and contents durable. */
struct io_file *durable_file(struct world *w, const char *name, unsigned sectors, char letter);
/* The machine dies; the file is opened anew. */
struct io_file *crash_and_open(struct world *w, struct io_file *file, const char *name);

#endif
