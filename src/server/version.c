/* version: the release, as the build knows it. */
#include "edda/app.h"

const char *edda_version(void)
{
    return EDDA_RELEASE;
}
