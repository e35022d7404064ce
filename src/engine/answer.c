/*
 * Answers on a topic: a command from the log may say where it is to be answered. The answer is recorded with the step that handles the command, or leaves it
 * out, so that there is exactly one. Its key is the command's id.
 */
#include "engine/internal.h"

struct rejected {
    struct edda_text command; /* its type */
    struct edda_text outcome; /* "rejected" or "skipped" */
    struct edda_text field;
    struct edda_text message;
};
static const struct edda_field rejected_fields[] = {
    EDDA_FIELD(rejected, command),
    EDDA_FIELD(rejected, outcome),
    EDDA_FIELD(rejected, field, .optional = true),
    EDDA_FIELD(rejected, message),
};
static const struct edda_type rejected = EDDA_VALUE(rejected);

struct done {
    struct edda_text command;
};
static const struct edda_field done_fields[] = { EDDA_FIELD(done, command) };
static const struct edda_type done = EDDA_VALUE(done);

static void refused(const struct edda_step *step, const char *why)
{
    engine_log(step->engine, "reply.refused", "the %s with id %.*s is not answered on topic %.*s: %s", step->handler->row->type->name,
               step->info.id.len > 64 ? 64 : (int)step->info.id.len, step->info.id.data, step->reply_to.len > 64 ? 64 : (int)step->reply_to.len,
               (const char *)step->reply_to.data, why);
}

/* The topic, made when it is not there; NULL when it may not be used, or with the commit's code. */
static struct journal_topic *topic_of(struct commit *commit)
{
    struct edda_step *step = commit->step;
    struct engine *engine = step->engine;
    struct edda_error error = { 0 };
    struct journal_topic *topic = NULL;
    if (step->reply_to.data[0] == '_') {
        refused(step, "it is internal");
        return NULL;
    }
    if (step->info.id.len > ENGINE_KEY_MAX) {
        refused(step, "the id is too long for a key");
        return NULL;
    }
    const char *name = arena_cstr(&step->arena, step->reply_to);
    if (!name || strlen(name) != step->reply_to.len) {
        refused(step, "that is no name of a topic");
        return NULL;
    }
    const struct edda_topic *look = registry_look(engine->app, name);
    int rc = journal_topic(engine->journal, name, look ? look->partitions : 0, &topic, &error);
    if (rc == EDDA_EBUSY || rc == EDDA_EFULL || (rc < 0 && edda_code_info(rc)->fatal)) {
        commit->code = rc;
        return NULL;
    }
    if (rc < 0) {
        refused(step, error.message);
        return NULL;
    }
    const struct category *category = topic->user;
    if (category && category->entity_count) {
        refused(step, "it is the category of an entity");
        return NULL;
    }
    return topic;
}

static struct slice encoded(struct edda_step *step, const struct edda_type *type, const void *value, const struct edda_topic *look)
{
    buffer_clear(&step->encoded);
    step_encode(type, look, value, step->now_ms, &step->encoded);
    return buffer_ok(&step->encoded) ? arena_copy(&step->arena, buffer_slice(&step->encoded)) : slice_of(NULL, 0);
}

/* What the handler replied; with the headers of its topic when the application knows it there. */
static void add_reply(struct commit *commit, struct journal_topic *topic)
{
    struct edda_step *step = commit->step;
    const struct edda_type *type = step->reply_type;
    const struct category *category = topic->user;
    struct slice value = encoded(step, type, step->reply, registry_look(step->engine->app, topic->name));
    struct journal_message *message =
        commit_add(commit, topic, slice_of(step->info.id.data, step->info.id.len), value, slice_str(type->name));
    if (!value.data)
        commit->code = EDDA_ENOMEM;
    if (!message)
        return;
    message->event.data_version = type_version(type);
    const struct message_type *known = category ? registry_type(category, slice_str(type->name)) : NULL;
    if (known) {
        message->headers = buffer_slice(&known->headers);
        message->header_count = known->header_count;
    }
}

void answer_add(struct commit *commit, const char *reason)
{
    struct edda_step *step = commit->step;
    struct journal_topic *topic = step->reply_to.len && !commit->code ? topic_of(commit) : NULL;
    if (!topic)
        return;
    bool replied = step->reply && (!reason || reason == step->reason); /* a handler may reply and skip */
    if (replied) {
        add_reply(commit, topic);
        return;
    }
    struct slice value;
    struct edda_text command = edda_text_of(step->handler->row->type->name);
    if (reason) {
        bool no = step_says_no(step);
        const struct rejected row = {
            .command = command, .outcome = edda_text_of(no ? "rejected" : "skipped"), .field = edda_text_of(no ? step->error.field : ""),
            .message = edda_text_of(no ? step->error.message : reason),
        };
        value = encoded(step, &rejected, &row, NULL);
    } else {
        value = encoded(step, &done, &(const struct done){ command }, NULL);
    }
    (void)commit_add(commit, topic, slice_of(step->info.id.data, step->info.id.len), value, reason ? SLICE("edda.rejected") : SLICE("edda.done"));
    if (!value.data)
        commit->code = EDDA_ENOMEM;
}
