/*
 * support: what unit tests of several layers need: seeds that are printed, and assertions that must
 * end a process.
 */
#ifndef EDDA_TESTS_UNIT_SUPPORT_H
#define EDDA_TESTS_UNIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline uint64_t random_seed(const char *test)
{
    const char *given = getenv("EDDA_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    print_message("%s: EDDA_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

static inline void fill_random(struct prng *p, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)prng_u64(p);
}

/* Runs `misuse` in a child and asserts that an assertion whose text contains `condition` ends it. */
static inline void assert_dies(void (*misuse)(void), const char *condition)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = { 0, 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    char text[4096] = "";
    size_t len = 0;
    ssize_t got;
    while (len < sizeof(text) - 1 && (got = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "assertion failed"));
    assert_non_null(strstr(text, condition));
}

#endif
