/* Tests of the deciders, given/when/then: what all three ways share is in tests.c, the rest in a file for each. */
#ifndef HOTEL_TESTS_H
#define HOTEL_TESTS_H

#include "group.h"
#include "stay.h"

#define KIM EDDA_TEXT("kim")
#define TOUR EDDA_TEXT("tour-1")
#define ACCOUNTS(...) EDDA_LIST(int64_t, __VA_ARGS__)
#define FAILURES(...) EDDA_LIST(struct failure, __VA_ARGS__)

struct hotel_test { const char *name; int (*run)(void); };
#define TEST(name) { #name, name }
#define TESTS_END { NULL, NULL }

/* Of the way that the program is built with. */
extern const struct hotel_test way_tests[];

#endif
