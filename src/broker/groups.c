/*
 * groups: what clients ask of consumer groups (broker/group.h), and of the offsets that these have committed. One broker coordinates all of them.
 *
 * A join or a sync that has to wait for others is parked with its group. When it is over the group says so in the middle of somebody else's request: the
 * response is filled there and then, because the answer is borrowed, and leaves in the broker's turn.
 */
#include <strings.h>

#include "broker/internal.h"

#define MEMBER_ID_REQUIRED_FROM 4 /* KIP-394 */
#define SKIP_ASSIGNMENT_FROM 9    /* KIP-814 */

static int16_t group_permitted(struct broker_call *call, enum broker_verb verb, struct slice group)
{
    return call_code(call, call_may(call, verb, group) ? KAFKA_NONE : KAFKA_GROUP_AUTHORIZATION_FAILED);
}

static int16_t group_visible(struct broker_call *call, struct slice group)
{
    return call_code(call, call_sees(call, group) ? KAFKA_NONE : KAFKA_GROUP_AUTHORIZATION_FAILED);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* `waiting` is the call itself for as long as its group has it. */
static void group_call_forget(struct broker *broker, struct broker_call *call)
{
    if (call->waiting)
        group_forget(broker->groups, call);
    call->waiting = NULL;
}

static void group_call_resume(struct broker *broker, struct broker_call *call)
{
    (void)broker, (void)call;
}

static void group_call_park(struct broker_call *call)
{
    call->waiting = call;
    call_park(call, INT64_MAX, group_call_resume, group_call_forget);
}

/* --- JoinGroup ------------------------------------------------------------------------------------------ */

static void fill_joined(struct broker_call *call, const struct group_joined *joined)
{
    struct kafka_join_group_response *response = call->response;
    response->error_code = call_code(call, joined->error);
    response->generation_id = joined->generation;
    response->protocol_type = call_keep(call, joined->protocol_type);
    response->protocol_name = call_keep(call, joined->protocol);
    response->leader = call_keep(call, joined->leader);
    response->member_id = call_keep(call, joined->member);
    response->skip_assignment = joined->skip_assignment;
    if (!(response->members = call_rows(call, joined->member_count, sizeof *response->members)))
        return;
    response->members_count = (int32_t)joined->member_count;
    for (uint32_t i = 0; i < joined->member_count; i++) {
        response->members[i].member_id = call_keep(call, joined->members[i].member);
        response->members[i].group_instance_id = call_keep(call, joined->members[i].instance);
        response->members[i].metadata = call_keep(call, joined->members[i].metadata);
    }
}

void groups_on_joined(void *user, void *waiter)
{
    struct broker *broker = user;
    struct broker_call *call = waiter;
    struct group_joined joined;
    group_join_result(broker->groups, waiter, &joined);
    call->waiting = NULL;
    fill_joined(call, &joined);
    call_ready(call);
}

void join_group_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_join_group_request *request = call->request;
    struct kafka_join_group_response *response = call->response;
    struct group_joined joined;
    response->member_id = request->member_id;
    response->error_code = group_permitted(call, BROKER_READ, request->group_id);
    if (response->error_code != KAFKA_NONE)
        return;
    struct group_protocol *protocols = call_rows(call, request->protocols_count, sizeof *protocols);
    if (!protocols)
        return;
    for (int32_t i = 0; i < request->protocols_count; i++)
        protocols[i] = (struct group_protocol){ .name = request->protocols[i].name, .metadata = request->protocols[i].metadata };
    int rc = group_join(broker->groups,
                        &(struct group_join){
                            .group = request->group_id,
                            .member = request->member_id,
                            .instance = request->group_instance_id,
                            .client_id = call->head.client_id,
                            .client_host = slice_str(call->host),
                            .session_timeout_ms = request->session_timeout_ms,
                            .rebalance_timeout_ms = request->rebalance_timeout_ms < 0 ? request->session_timeout_ms : request->rebalance_timeout_ms,
                            .protocol_type = request->protocol_type,
                            .protocols = protocols,
                            .protocol_count = (uint32_t)request->protocols_count,
                            .member_id_required = call->head.api_version >= MEMBER_ID_REQUIRED_FROM,
                            .skip_assignment = call->head.api_version >= SKIP_ASSIGNMENT_FROM,
                        },
                        broker->now_ns, call, &joined);
    if (rc == 0)
        group_call_park(call);
    else
        fill_joined(call, &joined);
}

/* --- SyncGroup, Heartbeat, LeaveGroup ------------------------------------------------------------------- */

static void fill_synced(struct broker_call *call, const struct group_synced *synced)
{
    struct kafka_sync_group_response *response = call->response;
    response->error_code = call_code(call, synced->error);
    response->protocol_type = call_keep(call, synced->protocol_type);
    response->protocol_name = call_keep(call, synced->protocol);
    response->assignment = call_keep(call, synced->assignment);
}

void groups_on_synced(void *user, void *waiter)
{
    struct broker *broker = user;
    struct broker_call *call = waiter;
    struct group_synced synced;
    group_sync_result(broker->groups, waiter, &synced);
    call->waiting = NULL;
    fill_synced(call, &synced);
    call_ready(call);
}

void sync_group_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_sync_group_request *request = call->request;
    struct kafka_sync_group_response *response = call->response;
    struct group_synced synced;
    response->error_code = group_permitted(call, BROKER_READ, request->group_id);
    if (response->error_code != KAFKA_NONE)
        return;
    struct group_assignment *assignments = call_rows(call, request->assignments_count, sizeof *assignments);
    if (!assignments)
        return;
    for (int32_t i = 0; i < request->assignments_count; i++)
        assignments[i] = (struct group_assignment){ .member = request->assignments[i].member_id, .assignment = request->assignments[i].assignment };
    int rc = group_sync(broker->groups,
                        &(struct group_sync){ .group = request->group_id, .member = request->member_id, .instance = request->group_instance_id,
                                              .protocol_type = request->protocol_type, .protocol = request->protocol_name,
                                              .generation = request->generation_id, .assignments = assignments,
                                              .assignment_count = (uint32_t)request->assignments_count },
                        broker->now_ns, call, &synced);
    if (rc == 0)
        group_call_park(call);
    else
        fill_synced(call, &synced);
}

void heartbeat_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_heartbeat_request *request = call->request;
    struct kafka_heartbeat_response *response = call->response;
    response->error_code = group_permitted(call, BROKER_READ, request->group_id);
    if (response->error_code == KAFKA_NONE)
        response->error_code = call_code(call, group_heartbeat(broker->groups, request->group_id, request->member_id, request->group_instance_id,
                                                               request->generation_id, broker->now_ns));
}

void leave_group_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_leave_group_request *request = call->request;
    struct kafka_leave_group_response *response = call->response;
    response->error_code = group_permitted(call, BROKER_READ, request->group_id);
    if (response->error_code != KAFKA_NONE)
        return;
    if (!call_has_many(call)) {
        response->error_code = call_code(call, group_leave(broker->groups, request->group_id, request->member_id, slice_of(NULL, 0), broker->now_ns));
        return;
    }
    if (!call_rows_into(call, &response->members, &response->members_count, request->members_count, sizeof *response->members))
        return;
    for (int32_t i = 0; i < request->members_count; i++) {
        response->members[i].member_id = request->members[i].member_id;
        response->members[i].group_instance_id = request->members[i].group_instance_id;
        response->members[i].error_code = call_code(call, group_leave(broker->groups, request->group_id, request->members[i].member_id,
                                                                      request->members[i].group_instance_id, broker->now_ns));
    }
}

/* --- FindCoordinator ------------------------------------------------------------------------------------ */

static int16_t coordinator_code(struct broker_call *call, int8_t type, struct slice key)
{
    if (type == 0)
        return group_visible(call, key);
    if (type == 1)
        return call_code(call, call_sees(call, key) ? KAFKA_NONE : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    return call_code(call, KAFKA_INVALID_REQUEST);
}

void find_coordinator_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_find_coordinator_request *request = call->request;
    struct kafka_find_coordinator_response *response = call->response;
    (void)broker;
    if (!call_has_many(call)) {
        response->error_code = coordinator_code(call, request->key_type, request->key);
        response->node_id = response->error_code == KAFKA_NONE ? BROKER_NODE_ID : -1;
        response->host = slice_str(response->error_code == KAFKA_NONE ? call->local_host : "");
        response->port = response->error_code == KAFKA_NONE ? call->local_port : -1;
        return;
    }
    if (!call_rows_into(call, &response->coordinators, &response->coordinators_count, request->coordinator_keys_count, sizeof *response->coordinators))
        return;
    for (int32_t i = 0; i < request->coordinator_keys_count; i++) {
        struct kafka_find_coordinator_response_coordinator *answer = &response->coordinators[i];
        *answer = kafka_find_coordinator_response_coordinator_default;
        answer->key = request->coordinator_keys[i];
        answer->error_code = coordinator_code(call, request->key_type, answer->key);
        answer->node_id = answer->error_code == KAFKA_NONE ? BROKER_NODE_ID : -1;
        answer->host = slice_str(answer->error_code == KAFKA_NONE ? call->local_host : "");
        answer->port = answer->error_code == KAFKA_NONE ? call->local_port : -1;
    }
}

/* --- ListGroups, DescribeGroups, DeleteGroups ----------------------------------------------------------- */

static bool word_among(const struct slice *words, int32_t count, const char *word)
{
    for (int32_t i = 0; i < count; i++)
        if (words[i].len == strlen(word) && strncasecmp((const char *)words[i].data, word, words[i].len) == 0)
            return true;
    return count <= 0;
}

struct group_listing {
    struct broker_call *call;
    bool states[GROUP_DEAD + 1]; /* that are asked for: there are few, while filters and groups may be many */
    int32_t capacity;
};

static int list_group(void *user, const struct group_info *group)
{
    struct group_listing *listing = user;
    struct broker_call *call = listing->call;
    struct kafka_list_groups_response *response = call->response;
    const char *state = group_state_name(group->state);
    if (!listing->states[group->state] || !call_sees(call, group->group))
        return 0;
    if (response->groups_count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 16;
        struct kafka_list_groups_response_listed_group *rows = call_rows(call, listing->capacity, sizeof *rows);
        if (!rows)
            return EDDA_ENOMEM;
        if (response->groups_count)
            memcpy(rows, response->groups, (size_t)response->groups_count * sizeof *rows);
        response->groups = rows;
    }
    response->groups[response->groups_count++] = (struct kafka_list_groups_response_listed_group){
        .group_id = call_keep(call, group->group), .protocol_type = call_keep(call, group->protocol_type), .group_state = slice_str(state), .group_type = SLICE("classic")
    };
    return 0;
}

void list_groups_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_list_groups_request *request = call->request;
    struct group_listing listing = { .call = call };
    for (int i = 0; i <= GROUP_DEAD; i++)
        listing.states[i] = word_among(request->states_filter, request->states_filter_count, group_state_name((enum group_state)i));
    if (word_among(request->types_filter, request->types_filter_count, "classic"))
        (void)groups_each(broker->groups, list_group, &listing);
}

struct member_listing {
    struct broker_call *call;
    struct kafka_describe_groups_response_described_group *answer;
    uint32_t capacity;
};

static int list_member(void *user, const struct group_member_info *member)
{
    struct member_listing *listing = user;
    struct broker_call *call = listing->call;
    if ((uint32_t)listing->answer->members_count == listing->capacity)
        return 1;
    struct kafka_describe_groups_response_described_group_member *row = &listing->answer->members[listing->answer->members_count++];
    row->member_id = call_keep(call, member->member);
    row->group_instance_id = call_keep(call, member->instance);
    row->client_id = call_keep(call, member->client_id);
    row->client_host = call_keep(call, member->client_host);
    row->member_metadata = call_keep(call, member->metadata);
    row->member_assignment = call_keep(call, member->assignment);
    return 0;
}

static void describe_group(struct broker_call *call, struct kafka_describe_groups_response_described_group *answer)
{
    struct groups *groups = call->broker->groups;
    struct group_info info;
    answer->error_code = group_visible(call, answer->group_id);
    if (answer->error_code != KAFKA_NONE)
        return;
    /* In the versions served, a group that is not there is one that is dead. */
    if (group_get(groups, answer->group_id, &info) < 0) {
        answer->group_state = slice_str(group_state_name(GROUP_DEAD));
        return;
    }
    answer->group_state = slice_str(group_state_name(info.state));
    answer->protocol_type = call_keep(call, info.protocol_type);
    answer->protocol_data = call_keep(call, info.protocol);
    if (!(answer->members = call_rows(call, info.member_count, sizeof *answer->members)))
        return;
    struct member_listing listing = { .call = call, .answer = answer, .capacity = info.member_count };
    (void)group_members_each(groups, answer->group_id, list_member, &listing);
}

void describe_groups_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_describe_groups_request *request = call->request;
    struct kafka_describe_groups_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->groups, &response->groups_count, request->groups_count, sizeof *response->groups))
        return;
    for (int32_t i = 0; i < request->groups_count; i++) {
        response->groups[i] = kafka_describe_groups_response_described_group_default;
        response->groups[i].group_id = request->groups[i];
        if (request->include_authorized_operations)
            response->groups[i].authorized_operations = call_group_operations(call, request->groups[i]);
        describe_group(call, &response->groups[i]);
    }
}

void delete_groups_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_delete_groups_request *request = call->request;
    struct kafka_delete_groups_response *response = call->response;
    if (!call_rows_into(call, &response->results, &response->results_count, request->groups_names_count, sizeof *response->results))
        return;
    for (int32_t i = 0; i < request->groups_names_count; i++) {
        struct slice group = request->groups_names[i];
        response->results[i].group_id = group;
        response->results[i].error_code = group_permitted(call, BROKER_MANAGE, group);
        if (response->results[i].error_code == KAFKA_NONE)
            response->results[i].error_code = call_code(call, group_delete(broker->groups, group, broker->now_ns));
    }
}
