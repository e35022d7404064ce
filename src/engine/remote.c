/*
 * Steps of remote services (edda/remote.h): the message is posted with the entity's state, and the answer is turned into what a handler here would have
 * done. All of it happens on the thread of the step: types are looked up in tables that do not change any more.
 */
#include <stdio.h>
#include <string.h>

#include "edda/remote.h"
#include "engine/internal.h"

#define PATH_BYTES 160

/* --- the answer, as declared types ------------------------------------------------------------------------ */

struct answer_message {
    struct edda_text type;
    struct edda_text data;
};
static const struct edda_field answer_message_fields[] = {
    EDDA_FIELD(answer_message, type, .len_min = 1, .description = "name of a message type of the application"),
    EDDA_FIELD_JSON(answer_message, data, .description = "its fields"),
};
static const struct edda_type answer_message = EDDA_VALUE(answer_message);

struct answer_deadline {
    struct edda_text name;
    int64_t at;
    int64_t after_ms;
    struct edda_text type;
    struct edda_text data;
    bool cancel;
};
static const struct edda_field answer_deadline_fields[] = {
    EDDA_FIELD(answer_deadline, name, .len_min = 1, .len_max = DEADLINE_NAME_MAX, .description = "of this entity's; the same name moves it"),
    EDDA_FIELD_TIME(answer_deadline, at, .optional = true, .description = "when it is due; this or after_ms"),
    EDDA_FIELD(answer_deadline, after_ms, .optional = true, .min = 1, .max = 1e15, .description = "milliseconds from `now` of the request"),
    EDDA_FIELD(answer_deadline, type, .optional = true, .description = "of the message that is delivered then"),
    EDDA_FIELD_JSON(answer_deadline, data, .optional = true, .description = "its fields"),
    EDDA_FIELD(answer_deadline, cancel, .optional = true, .description = "takes it back; nothing but the name stands beside it"),
};
static const struct edda_type answer_deadline = EDDA_VALUE(answer_deadline);

struct answer_reject {
    struct edda_text field;
    struct edda_text message;
};
static const struct edda_field answer_reject_fields[] = {
    EDDA_FIELD(answer_reject, field, .optional = true, .len_max = 63, .description = "of the command that is to blame"),
    EDDA_FIELD(answer_reject, message, .len_min = 1, .description = "a sentence without a full stop"),
};
static const struct edda_type answer_reject = EDDA_VALUE(answer_reject);

struct answer {
    struct edda_list messages;
    struct edda_list deadlines;
    struct edda_list compensate;
    struct answer_message reply;
    struct answer_reject reject;
    struct edda_text skip;
    struct edda_text abort;
    bool finish;
};
static const struct edda_field answer_fields[] = {
    EDDA_FIELD_LIST_OF(answer, messages, answer_message, .optional = true, .description = "events and commands, in order"),
    EDDA_FIELD_LIST_OF(answer, deadlines, answer_deadline, .optional = true, .description = "set, moved or cancelled"),
    EDDA_FIELD_LIST_OF(answer, compensate, answer_message, .optional = true, .description = "commands that undo this step if the process aborts"),
    EDDA_FIELD_STRUCT(answer, reply, answer_message, .optional = true, .description = "to whoever sent this command"),
    EDDA_FIELD_STRUCT(answer, reject, answer_reject, .optional = true, .description = "a rule says no; nothing else stands beside it"),
    EDDA_FIELD(answer, skip, .optional = true, .description = "why nothing is done; nothing else stands beside it"),
    EDDA_FIELD(answer, abort, .optional = true, .description = "why the process has failed: what was declared to undo it is sent"),
    EDDA_FIELD(answer, finish, .optional = true, .description = "the process has ended well"),
};
static const struct edda_type answer_type = {
    .name = "answer", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct answer), .fields = answer_fields, .field_count = sizeof answer_fields / sizeof answer_fields[0],
};

void remote_answer_schema(struct buffer *out)
{
    json_schema(&answer_type, out);
}

/* --- the request ------------------------------------------------------------------------------------------ */

static void put_member(struct buffer *out, const char *name, struct edda_text text)
{
    if (!text.len)
        return;
    buffer_printf(out, ",\"%s\":", name);
    json_put_string(out, slice_of(text.data, text.len));
}

static struct slice request_make(struct edda_step *step)
{
    const struct edda_message_info *info = &step->info;
    const struct edda_service *def = step->handler->version->def;
    struct buffer *out = &step->encoded;
    buffer_clear(out);
    buffer_append_str(out, "{\"specversion\":\"1.0\"");
    put_member(out, "id", info->id);
    put_member(out, "source", info->source);
    put_member(out, "type", info->type);
    put_member(out, "subject", info->key);
    buffer_append_str(out, ",\"time\":");
    json_put_time(out, info->time_ms);
    put_member(out, "service", edda_text_of(def->name));
    put_member(out, "entitykey", (struct edda_text){ (const char *)step->key.data, step->key.len });
    put_member(out, "correlationid", info->correlation);
    put_member(out, "causationid", info->causation);
    buffer_printf(out, ",\"attempt\":%u,\"now\":", info->attempt);
    json_put_time(out, step->now_ms);
    if (info->expiry_ms) {
        buffer_append_str(out, ",\"expirytime\":");
        json_put_time(out, info->expiry_ms);
    }
    buffer_append_str(out, ",\"state\":");
    if (def->entity.state && step->state_version)
        json_encode(def->entity.state, step->state, out);
    else
        buffer_append_str(out, "null");
    buffer_append_str(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    json_encode(step->handler->row->type, step->message, out);
    buffer_append_byte(out, '}');
    return buffer_ok(out) ? arena_copy(&step->arena, buffer_slice(out)) : slice_of(NULL, 0);
}

/* What a status that is no success means: 400, 413 and 422 speak of this message; any other says that the service is not (rightly) there. */
static int refusal(struct edda_step *step, int status)
{
    if (status == 0 || status == 400 || status == 413 || status == 422)
        return EDDA_EREFUSED;
    step->unavailable = true;
    step->effects.refused--;
    step->effects.failed++;
    return step->outside_error.code = EDDA_EUNAVAILABLE;
}

/* --- from the answer to the step -------------------------------------------------------------------------- */


/* The answer is wrong at `path`: that fails the step. */
static int wrong(struct edda_step *step, int code, const char *path, const char *words)
{
    if (step->code == 0 || step->error.code == step->code) {
        struct edda_error error = { 0 };
        (void)edda_fail_with(&error, code, "the answer of service %s is wrong: %s%s%s", step->service->def->name, path, path[0] ? ": " : "", words);
        step->code = code;
        step->error = error;
    }
    return code;
}

static const struct edda_type *among(const struct edda_row *rows, struct edda_text name)
{
    for (const struct edda_row *row = rows; row && row->type; row++)
        if (edda_text_is(name, row->type->name))
            return row->type;
    return NULL;
}

/* A type by its name: of the service's own tables first, then of all that the application's services speak of. `*ret_many`: there are several. */
static const struct edda_type *find_type(const struct edda_step *step, struct edda_text name, bool *ret_many)
{
    const struct edda_service *def = step->handler->version->def;
    const struct edda_type *found = NULL;
    *ret_many = false;
    for (const struct edda_type *const *type = def->emits; type && *type; type++)
        if (edda_text_is(name, (*type)->name))
            return *type;
    found = among(def->on, name);
    found = found ? found : among(def->evolve, name);
    for (uint32_t i = 0; !found && i < step->engine->type_count; i++) {
        if (!edda_text_is(name, step->engine->types[i]->name))
            continue;
        found = step->engine->types[i];
        for (uint32_t more = i + 1; more < step->engine->type_count; more++)
            *ret_many = *ret_many || edda_text_is(name, step->engine->types[more]->name);
    }
    return found;
}

/* Reads a message of the answer; NULL when the step has failed for it. */
static void *read_message(struct edda_step *step, struct edda_text name, struct edda_text data, const char *path, const struct edda_type **ret_type)
{
    char at[PATH_BYTES + 128], unknown[128];
    bool many;
    struct edda_error error = { 0 };
    const struct edda_type *type = find_type(step, name, &many);
    (void)snprintf(at, sizeof at, "%s.type", path);
    if (!type || many) {
        char words[256];
        (void)snprintf(words, sizeof words, "there %s %.*s", many ? "are several message types named" : "is no message type", (int)(name.len < 128 ? name.len : 128),
                       name.data);
        (void)wrong(step, EDDA_EINVAL, at, words);
        return NULL;
    }
    struct slice json = data.len ? slice_of(data.data, data.len) : SLICE("{}");
    if (json_unknown(type, json, unknown, sizeof unknown)) {
        (void)snprintf(at, sizeof at, "%s.data.%s", path, unknown);
        (void)wrong(step, EDDA_EINVAL, at, "there is no such field");
        return NULL;
    }
    void *value = arena_alloc(&step->arena, type->size);
    int rc = value ? json_decode(type, json, JSON_REQUEST, &step->arena, value, &error) : EDDA_ENOMEM;
    if (rc < 0) {
        (void)snprintf(at, sizeof at, "%s.data%s%s", path, error.field[0] ? "." : "", error.field);
        (void)wrong(step, rc, at, error.message);
        return NULL;
    }
    *ret_type = type;
    return value;
}

/* A function of the step has refused what the answer wants: its words get the path. */
static void blame(struct edda_step *step, const char *path)
{
    char words[sizeof step->error.message];
    memcpy(words, step->error.message, sizeof words);
    (void)wrong(step, step->code, path, words);
}

typedef int add_fn(struct edda_step *step, const struct edda_type *type, const void *value);

static void add_all(struct edda_step *step, const struct edda_list *list, const char *name, add_fn *add)
{
    const struct answer_message *messages = list->items;
    for (uint32_t i = 0; i < list->count && step->code == 0; i++) {
        char path[PATH_BYTES];
        const struct edda_type *type;
        (void)snprintf(path, sizeof path, "%s[%u]", name, i);
        const void *value = read_message(step, messages[i].type, messages[i].data, path, &type);
        if (value && add(step, type, value) < 0)
            blame(step, path);
    }
}

static void add_deadline(struct edda_step *step, const struct answer_deadline *deadline, const char *path)
{
    const char *name = arena_cstr(&step->arena, slice_of(deadline->name.data, deadline->name.len));
    const struct edda_type *type;
    const void *value;
    bool more = deadline->at || deadline->after_ms || deadline->type.len || deadline->data.len;
    if (deadline->cancel) {
        if (more)
            (void)wrong(step, EDDA_EINVAL, path, "cancel stands with a name only");
        else if (edda_deadline_cancel(step, name) < 0)
            blame(step, path);
        return;
    }
    if ((deadline->at != 0) == (deadline->after_ms != 0)) {
        (void)wrong(step, EDDA_EINVAL, path, "at or after_ms must be given, and not both");
        return;
    }
    value = read_message(step, deadline->type, deadline->data, path, &type);
    int64_t due_ms = deadline->at ? deadline->at : step->now_ms + deadline->after_ms;
    if (value && edda_deadline_set_struct(step, name, due_ms, type, value) < 0)
        blame(step, path);
}

static void add_deadlines(struct edda_step *step, const struct edda_list *list)
{
    const struct answer_deadline *deadlines = list->items;
    for (uint32_t i = 0; i < list->count && step->code == 0; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "deadlines[%u]", i);
        add_deadline(step, &deadlines[i], path);
    }
}

static int apply(struct edda_step *step, const struct answer *answer)
{
    const struct edda_type *type;
    bool does = answer->messages.count || answer->deadlines.count || answer->compensate.count || answer->finish || answer->abort.len;
    bool rejects = answer->reject.message.len > 0, skips = answer->skip.len > 0;
    if ((rejects && (does || skips || answer->reply.type.len)) || (skips && does))
        return wrong(step, EDDA_EINVAL, rejects ? "reject" : "skip", "nothing else may stand beside it");
    if (rejects) {
        const char *field = arena_cstr(&step->arena, slice_of(answer->reject.field.data, answer->reject.field.len));
        return edda_reject(step, field, "%.*s", (int)answer->reject.message.len, answer->reject.message.data);
    }
    if (skips)
        (void)edda_skip(step, "%.*s", (int)answer->skip.len, answer->skip.data);
    add_all(step, &answer->messages, "messages", edda_emit_struct);
    add_deadlines(step, &answer->deadlines);
    add_all(step, &answer->compensate, "compensate", edda_compensate_struct);
    const void *reply = answer->reply.type.len && step->code == 0 ? read_message(step, answer->reply.type, answer->reply.data, "reply", &type) : NULL;
    if (reply)
        (void)edda_reply_struct(step, type, reply);
    if (answer->finish && step->code == 0)
        (void)edda_finish(step);
    if (answer->abort.len && step->code == 0)
        (void)edda_abort(step, "%.*s", (int)answer->abort.len, answer->abort.data);
    return step->code;
}

static int read_answer(struct edda_step *step, struct edda_text body)
{
    struct slice json = slice_of(body.data, body.len);
    struct edda_error error = { 0 };
    struct answer answer;
    char unknown[PATH_BYTES];
    if (body.len == 0)
        return 0; /* 204: it does nothing */
    if (json_decode(&answer_type, json, JSON_REQUEST, &step->arena, &answer, &error) < 0)
        return wrong(step, error.code, error.field, error.message);
    if (json_unknown(&answer_type, json, unknown, sizeof unknown))
        return wrong(step, EDDA_EINVAL, unknown, "there is no such member");
    return apply(step, &answer);
}

int remote_run(struct edda_step *step)
{
    const struct edda_service *def = step->handler->version->def;
    struct slice body = request_make(step);
    struct edda_http_answer answer = { .status = 0 };
    const struct edda_http_call http = {
        .method = "POST", .url = edda_text_of(def->remote->url ? def->remote->url : ""), .body = { (const char *)body.data, body.len },
        .content_type = "application/cloudevents+json",
    };
    struct edda_outside_call call = { .http = &http, .http_answer = &answer, .remote = def };
    if (!body.data)
        return EDDA_ENOMEM;
    int rc = outside_do(step, &call);
    if (rc == EDDA_EREFUSED)
        rc = refusal(step, answer.status);
    return rc < 0 ? rc : read_answer(step, answer.body);
}
