/* member: what others may know of it: the command that takes points back, on a topic of its own. */
#ifndef LIBRARY_MEMBER_H
#define LIBRARY_MEMBER_H

#include "rental/rental.h"

struct UsePoints { struct IdName idName; int64_t point; };

extern const struct edda_type UsePoints;
extern const struct edda_service member_service;

#endif
