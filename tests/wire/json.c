/* The codec of declared types and the reader: src/wire/json. A failure of anything random can be run again with the
 * seed that it printed: EDDA_TEST_SEED=… */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json_tests.h"

uint64_t test_seed(void)
{
    static uint64_t seed;
    const char *given = getenv("EDDA_TEST_SEED");
    struct timespec now;
    if (seed == 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
        seed = seed ? seed : 1;
        printf("EDDA_TEST_SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
    }
    return seed;
}

int main(void)
{
    int failed = 0;
    (void)test_seed();
    failed += json_decode_tests();
    failed += json_encode_tests();
    failed += json_number_tests();
    failed += json_time_tests();
    failed += json_type_tests();
    failed += json_oracle_tests();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
