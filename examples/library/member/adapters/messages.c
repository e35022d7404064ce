/* The tables behind member.h and messages.h. */
#include "member/adapters/messages.h"

#define NAME .len_min = 1, .len_max = 64
#define MEMBERS .topic = "members"

static const struct edda_field UsePoints_fields[] = { EDDA_FIELD_STRUCT(UsePoints, idName, IdName), EDDA_FIELD(UsePoints, point) };
const struct edda_type UsePoints = EDDA_COMMAND(UsePoints, idName.id, .topic = "point_use");

static const struct edda_field RegisterMember_fields[] = { EDDA_FIELD(RegisterMember, id, NAME), EDDA_FIELD(RegisterMember, name, NAME) };
const struct edda_type RegisterMember = EDDA_COMMAND(RegisterMember, id, .topic = "member.commands");

static const struct edda_field BuyPoints_fields[] = { EDDA_FIELD(BuyPoints, id, NAME), EDDA_FIELD(BuyPoints, point, .min = 1, .max = 1e9) };
const struct edda_type BuyPoints = EDDA_COMMAND(BuyPoints, id, .topic = "member.commands");

static const struct edda_field PointsSaved_fields[] = {
    EDDA_FIELD(PointsSaved, id), EDDA_FIELD(PointsSaved, name), EDDA_FIELD(PointsSaved, point) };
const struct edda_type PointsSaved = EDDA_EVENT(PointsSaved, id, MEMBERS);

static const struct edda_field PointsUsed_fields[] = { EDDA_FIELD(PointsUsed, id), EDDA_FIELD(PointsUsed, point) };
const struct edda_type PointsUsed = EDDA_EVENT(PointsUsed, id, MEMBERS);

static const struct edda_field PointsLacked_fields[] = { EDDA_FIELD(PointsLacked, id), EDDA_FIELD(PointsLacked, point) };
const struct edda_type PointsLacked = EDDA_EVENT(PointsLacked, id, MEMBERS);

static const struct edda_field account_fields[] = { EDDA_FIELD(account, name), EDDA_FIELD(account, point) };
const struct edda_type account = EDDA_STATE(account);

static const struct edda_field Member_fields[] = { EDDA_FIELD(Member, id), EDDA_FIELD(Member, name), EDDA_FIELD(Member, point) };
const struct edda_type Member = EDDA_VALUE(Member);
