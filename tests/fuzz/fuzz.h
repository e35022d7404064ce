/* What every fuzz target is: one function, called by libFuzzer or by replay.c. It aborts when something is broken. */
#ifndef EDDA_TESTS_FUZZ_FUZZ_H
#define EDDA_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
