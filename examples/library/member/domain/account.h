/*
 * The points of a member. They are bought, or come with every rent and return at once, and go again when it turns out that nothing came of it. A member may have
 * spent them meanwhile: then the account is below 0, which the next points make good. So it does not matter what is heard of first.
 */
#ifndef LIBRARY_ACCOUNT_H
#define LIBRARY_ACCOUNT_H

#include "edda/type.h"

struct account {
    struct edda_text name;
    int64_t point;
};

bool account_can_pay(const struct account *account, int64_t points);

void account_save(struct account *account, struct edda_text name, int64_t points);
void account_use(struct account *account, int64_t points);

#endif
