/* member over HTTP. */
#include "member/adapters/messages.h"

EDDA_ROW(member_row, Member, account);
static bool member_row(struct Member *row, struct edda_text key, const struct account *a)
{
    *row = (struct Member){ key, a->name, a->point };
    return true;
}

const struct edda_view members = EDDA_VIEW("members", Member, member_row, .path = "/members", .item = "/members/{id}");

EDDA_REQUEST(post_member, RegisterMember);
static int post_member(struct edda_request *request, const struct RegisterMember *body)
{
    return edda_call_struct(request, &RegisterMember, body);
}

struct Bought { int64_t point; };
static const struct edda_field Bought_fields[] = { EDDA_FIELD(Bought, point, .min = 1, .max = 1e9) };
static const struct edda_type Bought = EDDA_VALUE(Bought);

EDDA_REQUEST(post_points, Bought);
static int post_points(struct edda_request *request, const struct Bought *body)
{
    return edda_call(request, BuyPoints, .id = edda_parameter(request, "id"), .point = body->point);
}

const struct edda_route member_routes[] = {
    EDDA_POST("/members", RegisterMember, post_member, .reply = &Member, .location = "/members/{id}",
              .description = "Registers a member; who rents is one without it"),
    EDDA_POST("/members/{id}/points", Bought, post_points, .reply = &Member, .description = "Sells points at the desk"),
    EDDA_ROUTES_END,
};
