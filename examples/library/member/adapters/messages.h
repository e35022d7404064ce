/* What member is asked, and what it remembers. */
#ifndef LIBRARY_MEMBER_MESSAGES_H
#define LIBRARY_MEMBER_MESSAGES_H

#include "member/domain/account.h"
#include "member/member.h"

struct RegisterMember { struct edda_text id, name; };
struct BuyPoints { struct edda_text id; int64_t point; };

struct PointsSaved { struct edda_text id, name; int64_t point; }; /* 0 of them: the member is registered */
struct PointsUsed { struct edda_text id; int64_t point; };
struct PointsLacked { struct edda_text id; int64_t point; }; /* changes nothing */

/* How a member looks to the outside. */
struct Member { struct edda_text id, name; int64_t point; };

extern const struct edda_type RegisterMember, BuyPoints, PointsSaved, PointsUsed, PointsLacked, account, Member;
extern const struct edda_view members;
extern const struct edda_route member_routes[];

#endif
