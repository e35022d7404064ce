/*
 * assert: the end of a process that has found itself broken. It is the only place below src/cmd
 * that writes to standard error, because there is nobody left to return to.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
