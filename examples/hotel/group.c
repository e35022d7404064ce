/* group: see group.h. A group's stream says who asked for which accounts, and how it ended. */
#include "group.h"

/* --- progress -------------------------------------------------------------------------------------------- */

static const struct edda_field account_fields[] = { EDDA_FIELD(account, guestStayAccountId), EDDA_FIELD(account, status) };
static const struct edda_type account = EDDA_VALUE(account);
static const struct edda_field progress_fields[] = {
    EDDA_FIELD_LIST_OF(progress, accounts, account),
    EDDA_FIELD_LIST_OF(progress, failed, failure),
    EDDA_FIELD(progress, outstanding),
    EDDA_FIELD(progress, answers),
};
const struct edda_type progress = EDDA_STATE(progress);

void progress_begin(struct progress *p, const struct edda_list *account_ids)
{
    const int64_t *ids = account_ids->items;
    for (uint32_t i = 0; i < account_ids->count; i++) {
        struct account *a = edda_list_put(&p->accounts, sizeof *a, ids[i]);
        if (a)
            a->status = ACCOUNT_WAITED_FOR;
    }
    p->outstanding = account_ids->count;
    p->failed.count = 0;
}

void progress_answered(struct progress *p, int64_t account_id, struct edda_text reason)
{
    struct account *a = edda_list_find(&p->accounts, sizeof *a, account_id);
    struct failure *f = reason.len ? edda_list_put(&p->failed, sizeof *f, account_id) : NULL;
    if (f)
        f->reason = reason;
    if (a)
        a->status = reason.len ? ACCOUNT_FAILED : ACCOUNT_DONE;
    p->outstanding--;
    p->answers++;
}

bool progress_waits_for(struct edda_step *step, const struct progress *p, int64_t account_id)
{
    const struct account *a = edda_list_find(&p->accounts, sizeof *a, account_id);
    if (a && a->status == ACCOUNT_WAITED_FOR)
        return true;
    (void)edda_skip(step, "the group does not wait for account %lld", (long long)account_id);
    return false;
}

int progress_end(struct edda_step *step, struct edda_text group_id, const struct progress *p, int64_t account_id, struct edda_text reason)
{
    if (NAIVE ? p->answers + 1 < p->accounts.count : p->outstanding > 1)
        return 0;
    struct edda_list failed = { p->failed.items, p->failed.count, 0 }; /* borrowed: what is added goes to a copy */
    if (reason.len && !edda_list_find(&failed, sizeof(struct failure), account_id)) {
        struct failure *last = edda_list_put(&failed, sizeof *last, account_id);
        if (!last)
            return EDDA_ENOMEM;
        last->reason = reason;
    }
    int rc = failed.count ? edda_emit(step, GroupCheckoutFailed, .groupCheckoutId = group_id, .failed = failed)
                          : edda_emit(step, GroupCheckoutCompleted, .groupCheckoutId = group_id);
    edda_list_free(&failed);
    return rc;
}

struct edda_text group_reason(struct edda_text reason)
{
    return edda_text_equal(reason, GONE_ALREADY) ? EDDA_TEXT("") : reason;
}

/* --- what has happened to a group ------------------------------------------------------------------------ */

static const struct edda_field group_fields[] = {
    EDDA_FIELD(group, clerkId), EDDA_FIELD(group, status), EDDA_FIELD_STRUCT(group, progress, progress) };
const struct edda_type group = EDDA_STATE(group);

EDDA_EVOLVE(initiated, group, GroupCheckoutInitiated);
static void initiated(struct group *g, const struct GroupCheckoutInitiated *e)
{
    g->clerkId = e->clerkId;
    g->status = GROUP_UNDER_WAY;
    progress_begin(&g->progress, &e->guestStayAccountIds);
}

EDDA_EVOLVE(completion_recorded, group, GuestCheckoutCompletionRecorded);
static void completion_recorded(struct group *g, const struct GuestCheckoutCompletionRecorded *e)
{
    progress_answered(&g->progress, e->guestStayAccountId, EDDA_TEXT(""));
}

EDDA_EVOLVE(failure_recorded, group, GuestCheckoutFailureRecorded);
static void failure_recorded(struct group *g, const struct GuestCheckoutFailureRecorded *e)
{
    progress_answered(&g->progress, e->guestStayAccountId, e->reason);
}

EDDA_EVOLVE_SET(completed, group, GroupCheckoutCompleted, status, GROUP_COMPLETED);

/* All that is known of a failed group is in this event: whoever folds nothing else knows what is left to do. */
EDDA_EVOLVE(failed, group, GroupCheckoutFailed);
static void failed(struct group *g, const struct GroupCheckoutFailed *e)
{
    struct account *accounts = g->progress.accounts.items;
    for (uint32_t i = 0; i < g->progress.accounts.count; i++)
        accounts[i].status = edda_list_find(&e->failed, sizeof(struct failure), accounts[i].guestStayAccountId) ? ACCOUNT_FAILED : ACCOUNT_DONE;
    g->progress.failed = e->failed;
    g->status = GROUP_FAILED;
}

const struct edda_row group_evolve[] = {
    EDDA_WHEN(GroupCheckoutInitiated, initiated),
    EDDA_WHEN(GuestCheckoutCompletionRecorded, completion_recorded),
    EDDA_WHEN(GuestCheckoutFailureRecorded, failure_recorded),
    EDDA_WHEN(GroupCheckoutCompleted, completed),
    EDDA_WHEN(GroupCheckoutFailed, failed),
    EDDA_END,
};

/* --- how it looks to the outside ------------------------------------------------------------------------- */

static const struct edda_field GroupCheckout_fields[] = {
    EDDA_FIELD(GroupCheckout, groupCheckoutId),
    EDDA_FIELD(GroupCheckout, clerkId),
    EDDA_FIELD(GroupCheckout, status),
    EDDA_FIELD(GroupCheckout, accounts, .description = "How many"),
    EDDA_FIELD_LIST_OF(GroupCheckout, failed, failure, .optional = true),
};
const struct edda_type GroupCheckout = EDDA_VALUE(GroupCheckout);

EDDA_ROW(group_row, GroupCheckout, group);
static bool group_row(struct GroupCheckout *row, struct edda_text key, const struct group *g)
{
    static const char *const words[] = { "", "under way", "completed", "failed" };
    *row = (struct GroupCheckout){ key, g->clerkId, edda_text_of(words[g->status]), g->progress.accounts.count, { 0 } };
    if (g->status == GROUP_FAILED)
        row->failed = g->progress.failed;
    return g->status != GROUP_NONE;
}

const struct edda_view group_view =
    EDDA_VIEW("groupCheckouts", GroupCheckout, group_row, .path = "/group-checkouts", .item = "/group-checkouts/{groupCheckoutId}");

/* --- decisions ------------------------------------------------------------------------------------------- */

/* The accounts to ask, each once: of a group that begins those that the command names, of one that has failed those that are not done. */
static int accounts_to_ask(struct edda_step *step, const struct InitiateGroupCheckout *c, const struct group *g, struct edda_list *ret_ids)
{
    const int64_t *named = c->guestStayAccountIds.items;
    const struct account *known = g->progress.accounts.items;
    for (uint32_t i = 0; i < c->guestStayAccountIds.count; i++) {
        if (g->status == GROUP_FAILED && !edda_list_find(&g->progress.accounts, sizeof *known, named[i]))
            return edda_reject(step, "guestStayAccountIds", "account %lld is not in group %.*s", (long long)named[i],
                               (int)c->groupCheckoutId.len, c->groupCheckoutId.data);
        if (g->status == GROUP_NONE && !edda_list_put(ret_ids, sizeof(int64_t), named[i]))
            return EDDA_ENOMEM;
    }
    for (uint32_t i = 0; i < g->progress.accounts.count; i++)
        if (known[i].status != ACCOUNT_DONE && !edda_list_put(ret_ids, sizeof(int64_t), known[i].guestStayAccountId))
            return EDDA_ENOMEM;
    return ret_ids->count ? 0 : edda_reject(step, "guestStayAccountIds", "must name at least one account");
}

int group_initiate(struct edda_step *step, const struct InitiateGroupCheckout *c, const struct group *g)
{
    if (g->status == GROUP_UNDER_WAY || g->status == GROUP_COMPLETED)
        return edda_reject(step, "groupCheckoutId", "group %.*s is %s", (int)c->groupCheckoutId.len, c->groupCheckoutId.data,
                           g->status == GROUP_COMPLETED ? "completed" : "under way");
    struct edda_list ids = { 0 };
    int rc = accounts_to_ask(step, c, g, &ids);
    if (rc == 0)
        rc = edda_emit(step, GroupCheckoutInitiated, .groupCheckoutId = c->groupCheckoutId, .clerkId = c->clerkId, .guestStayAccountIds = ids);
    edda_list_free(&ids);
    return rc;
}

int group_record(struct edda_step *step, struct edda_text group_id, const struct group *g, int64_t account_id, struct edda_text reason)
{
    reason = group_reason(reason);
    if (NAIVE && g->status != GROUP_UNDER_WAY)
        return edda_skip(step, "the group has ended");
    if (!NAIVE && !progress_waits_for(step, &g->progress, account_id))
        return 0;
    if (reason.len)
        edda_emit(step, GuestCheckoutFailureRecorded, .groupCheckoutId = group_id, .guestStayAccountId = account_id, .reason = reason);
    else
        edda_emit(step, GuestCheckoutCompletionRecorded, .groupCheckoutId = group_id, .guestStayAccountId = account_id);
    return progress_end(step, group_id, &g->progress, account_id, reason);
}

/* --- HTTP ------------------------------------------------------------------------------------------------ */

const struct edda_route group_routes[] = {
    EDDA_ROUTE("POST", "/group-checkouts", InitiateGroupCheckout, .reply = &GroupCheckout, .location = "/group-checkouts/{groupCheckoutId}",
               .description = "Checks a group out, or what is left of one that has failed"),
    EDDA_ROUTES_END,
};
