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

const struct edda_route member_routes[] = {
    EDDA_POST("/members", RegisterMember, post_member, .reply = &Member, .location = "/members/{id}",
              .description = "Registers a member; who rents is one without it"),
    EDDA_ROUTES_END,
};
