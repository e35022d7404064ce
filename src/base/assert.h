/*
 * Assertions state what the code relies on. They stay on in release builds: a broken invariant in
 * a store must end the process, never be carried to the disk.
 */
#ifndef EDDA_BASE_ASSERT_H
#define EDDA_BASE_ASSERT_H

/* Writes the broken condition and its place to standard error and aborts. */
_Noreturn void assert_failed(const char *condition, const char *file, int line);

#define ASSERT(condition) \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))

/* Marks a place that cannot be reached. */
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

#endif
