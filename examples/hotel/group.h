/*
 * A group check-out: what the three ways share. How a group begins and how it ends is decided here; who asks the accounts, and who is
 * told what they answer, is what saga.c, process.c and choreography.c differ in.
 */
#ifndef HOTEL_GROUP_H
#define HOTEL_GROUP_H

#include "messages.h"

enum group_status { GROUP_NONE, GROUP_UNDER_WAY, GROUP_COMPLETED, GROUP_FAILED };
enum account_status { ACCOUNT_WAITED_FOR = 1, ACCOUNT_DONE, ACCOUNT_FAILED };

/* Which accounts have answered. The lists are in order of the accounts. */
struct account { int64_t guestStayAccountId, status; };
struct progress { struct edda_list accounts; struct edda_list failed; /* failure */ int64_t outstanding, answers; };
extern const struct edda_type progress;

void progress_begin(struct progress *p, const struct edda_list *account_ids);
/* An account's answer: `reason` is empty when the guest has gone. */
void progress_answered(struct progress *p, int64_t account_id, struct edda_text reason);
/* Whether the group waits for this account's answer; when not, the step is skipped. */
bool progress_waits_for(struct edda_step *step, const struct progress *p, int64_t account_id);
/* Ends the group when this answer, which is not noted yet, is the last one: emits GroupCheckoutCompleted, or GroupCheckoutFailed with all that failed. */
int progress_end(struct edda_step *step, struct edda_text group_id, const struct progress *p, int64_t account_id, struct edda_text reason);
/* A guest who had gone before the group came is gone: nothing is left to do for this account. */
struct edda_text group_reason(struct edda_text reason);

struct group { struct edda_text clerkId; int64_t status; struct progress progress; };
extern const struct edda_type group;
extern const struct edda_row group_evolve[];
/* How a group looks to the outside. */
struct GroupCheckout { struct edda_text groupCheckoutId, clerkId, status; int64_t accounts; struct edda_list failed; /* failure */ };
extern const struct edda_type GroupCheckout;
extern const struct edda_view group_view;
extern const struct edda_route group_routes[];

/* Begins a group, or runs the rest of one that has failed. */
int group_initiate(struct edda_step *step, const struct InitiateGroupCheckout *c, const struct group *g);
/* Records an account's answer in the group's own stream, and the end when it is the last one. */
int group_record(struct edda_step *step, struct edda_text group_id, const struct group *g, int64_t account_id, struct edda_text reason);

/* Of the way that the program is built with. */
extern const struct edda_service group_service;
extern const struct edda_service *const hotel_services[];
extern const char hotel_name[], hotel_summary[];

#endif
