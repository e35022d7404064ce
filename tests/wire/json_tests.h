/* The parts of the test of src/wire/json; json.c runs them all. */
#ifndef EDDA_TESTS_WIRE_JSON_TESTS_H
#define EDDA_TESTS_WIRE_JSON_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/json/json.h"

#define TEXT_LEN(text) ((int)(text).len), (const char *)(text).data

int json_decode_tests(void);
int json_encode_tests(void);
int json_number_tests(void);
int json_time_tests(void);
int json_type_tests(void);
int json_oracle_tests(void);

/* The seed of this run: EDDA_TEST_SEED when it is set, else another one each time. Printed once. */
uint64_t test_seed(void);

#endif
