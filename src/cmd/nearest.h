/* nearest: of the words that there are, the one that was probably meant by a word that there is not. */
#ifndef EDDA_CMD_NEAREST_H
#define EDDA_CMD_NEAREST_H

#include "base/slice.h"

struct nearest {
    struct slice word;
    const char *name; /* the nearest seen so far; NULL when none is near enough */
    unsigned wrong;   /* letters that are missing, too many, different or in the wrong order */
};

/* Looks for a word, which is borrowed. */
struct nearest nearest_to(struct slice word);
/* Sees one of those there are, which is borrowed too. At most two letters may be wrong, and fewer than half of them. */
void nearest_see(struct nearest *nearest, const char *name);

#endif
