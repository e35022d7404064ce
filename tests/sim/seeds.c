/* See seeds.h. */
#include "seeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct seeds seeds_take(int argc, char **argv, uint64_t first, uint64_t count)
{
    const char *seed = NULL, *seeds = NULL;
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        const char **option = strcmp(argv[i], "--seed") == 0 ? &seed : strcmp(argv[i], "--seeds") == 0 ? &seeds : NULL;
        if (option && i + 1 < argc && strtoull(argv[i + 1], &end, 10) != 0 && *end == '\0') {
            *option = argv[i + 1];
            continue;
        }
        (void)fprintf(stderr, "usage: %s [--seed S] [--seeds N], each from 1 on\n", argv[0]);
        exit(2);
    }
    struct seeds taken = { first ? first : (uint64_t)time(NULL) * 1000000, count };
    if (seed)
        taken = (struct seeds){ strtoull(seed, NULL, 10), 1 };
    if (seeds)
        taken.count = strtoull(seeds, NULL, 10);
    printf("seeds %" PRIu64 " to %" PRIu64 "\n", taken.first, taken.first + taken.count - 1);
    (void)fflush(stdout);
    return taken;
}
