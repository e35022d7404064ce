/* The copy of a book that is on the shelf, with a member, or lost. Nothing here knows how it is asked, or whom it tells. */
#ifndef LIBRARY_COPY_H
#define LIBRARY_COPY_H

#include "edda/type.h"

struct copy {
    struct edda_text title;    /* empty: there is no such book */
    struct edda_text borrower; /* empty: nobody has it */
    bool lost;
    int64_t lent;              /* how often */
};

/* Why not, as a sentence; NULL: nothing is in the way. */
const char *copy_cannot_be_lent(const struct copy *copy);
const char *copy_cannot_come_back(const struct copy *copy, struct edda_text from);

void copy_lent(struct copy *copy, struct edda_text to);
void copy_came_back(struct copy *copy);

#endif
