/*
 * The step that a handler builds: what it emits, sends, sets, declares and answers is encoded at once into the step's arena, and
 * recorded later, all together, by commit.c. A step touches nothing but itself, so that a blocking handler builds it on another thread.
 */
#include "engine/internal.h"
#include "engine/schedule.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SLEEP_MS_MAX (INT64_C(3650) * 24 * 60 * 60 * 1000)
#define STEP_ARENA_BLOCK (UINT32_C(8) << 10)

struct edda_step *step_new(struct engine *engine)
{
    struct edda_step *step;
    struct list *link = list_pop_front(&engine->free_steps);
    if (link) {
        step = container_of(link, struct edda_step, link);
        step_reset(step);
        return step;
    }
    step = calloc(1, sizeof *step);
    if (!step)
        return NULL;
    step->engine = engine;
    list_init(&step->link);
    arena_init(&step->arena, STEP_ARENA_BLOCK, 0);
    buffer_init(&step->encoded, ENGINE_STEP_BYTES_MAX);
    return step;
}

void step_reset(struct edda_step *step)
{
    struct engine *engine = step->engine;
    struct arena arena = step->arena;
    struct buffer encoded = step->encoded;
    arena_reset(&arena);
    buffer_clear(&encoded);
    *step = (struct edda_step){ .engine = engine, .arena = arena, .encoded = encoded };
    list_init(&step->link);
}

void step_free(struct edda_step *step)
{
    if (step)
        list_push_front(&step->engine->free_steps, &step->link);
}

int step_run(struct edda_step *step)
{
    const struct edda_row *row = step->handler->row;
    int rc = row->handle ? row->handle(step, step->message, step->state, row->user) : remote_run(step);
    if (rc < 0 && step->code == 0) {
        step->code = rc;
        if (step->error.code == 0 && step->outside_error.code == rc)
            step->error = step->outside_error;
        else if (step->error.code == 0)
            (void)edda_fail_with(&step->error, rc, "handler of %s in service %s: %s", row->type->name, step->service->def->name,
                                 edda_code_info(rc)->sentence);
    }
    return step->code;
}

bool step_is_bound(const struct edda_step *step)
{
    return step->effects.begun > 0 && step->handler->row->handle; /* a remote handler only decides */
}

/* --- encoding ------------------------------------------------------------------------------------------- */

void step_encode(const struct edda_type *type, const struct edda_topic *look, const void *value, int64_t time_ms, struct buffer *out)
{
    buffer_append_byte(out, '{');
    bool comma = false;
    if (look && look->type_field) {
        json_put_string(out, slice_str(look->type_field));
        buffer_append_byte(out, ':');
        json_put_string(out, slice_str(type->name));
        comma = true;
    }
    if (look && look->time_field) {
        if (comma)
            buffer_append_byte(out, ',');
        json_put_string(out, slice_str(look->time_field));
        buffer_append_byte(out, ':');
        json_put_int(out, time_ms);
        comma = true;
    }
    json_encode_members(type, value, comma, out);
    buffer_append_byte(out, '}');
}

static int step_fail(struct edda_step *step, const struct edda_error *error)
{
    if (step->code == 0) {
        step->code = error->code;
        step->error = *error;
    }
    return error->code;
}

/* A message that the step makes is wrong: "PointUsed.point: must be …". The field is none of what the step handles, so it is not named as such. */
static int step_fail_in(struct edda_step *step, const struct edda_type *type, const struct edda_error *wrong)
{
    struct edda_error error = { 0 };
    (void)edda_fail_with(&error, wrong->code, "%s%s%s: %s", type->name, wrong->field[0] ? "." : "", wrong->field, wrong->message);
    return step_fail(step, &error);
}

static int step_fail_with(struct edda_step *step, int code, const char *what, const char *name)
{
    struct edda_error error = { 0 };
    (void)edda_fail_with(&error, code, "%s: %s", name, what);
    return step_fail(step, &error);
}

/* Whether the step can still do something; it cannot once it was skipped. */
static bool may_do(struct edda_step *step, const char *what)
{
    if (step->code == 0 && step->skipped)
        (void)step_fail_with(step, EDDA_EINVAL, "a skipped step does nothing else", what);
    return step->code == 0;
}

static struct emission *emission_add(struct edda_step *step)
{
    if (step->emission_count == ENGINE_STEP_MESSAGES_MAX)
        return NULL;
    if (step->emission_count == step->emission_capacity) {
        uint32_t capacity = step->emission_capacity ? step->emission_capacity * 2 : 8;
        struct emission *grown = arena_alloc(&step->arena, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        if (step->emission_count)
            memcpy(grown, step->emissions, step->emission_count * sizeof *grown);
        step->emissions = grown;
        step->emission_capacity = capacity;
    }
    return &step->emissions[step->emission_count++];
}

/* Checks and encodes a message of the step. A deadline's is encoded plainly: it gets the look of its topic when it is due. */
static int emit(struct edda_step *step, enum emission_kind kind, const struct edda_type *type, const void *value, const char *name,
                int64_t due_ms)
{
    if (!may_do(step, type->name))
        return step->code;
    struct edda_error error = { 0 };
    if (!type->topic || !type->key)
        return step_fail_with(step, EDDA_EINVAL, "is neither an event nor a command: it has no topic or key", type->name);
    if (json_check(type, value, &error) < 0)
        return step_fail_in(step, type, &error);
    const struct edda_topic *look = kind == EMIT_MESSAGE ? registry_look(step->engine->app, type->topic) : NULL;
    buffer_clear(&step->encoded);
    step_encode(type, look, value, step->now_ms, &step->encoded);
    struct emission *emission = emission_add(step);
    if (!emission || step->emitted_bytes + step->encoded.len > ENGINE_STEP_BYTES_MAX)
        return step_fail_with(step, EDDA_ELIMIT, "a step can hold 65,536 messages and 32 MiB", type->name);
    step->emitted_bytes += step->encoded.len;
    *emission = (struct emission){ .kind = kind, .type = type, .due_ms = due_ms };
    emission->value = arena_copy(&step->arena, buffer_slice(&step->encoded));
    emission->name = arena_copy(&step->arena, slice_str(name));
    if (!buffer_ok(&step->encoded) || !emission->value.data || (name && !emission->name.data))
        return step_fail_with(step, EDDA_ENOMEM, "out of memory", type->name);
    if (!json_field_text(type, value, type->key, &step->arena, &emission->key) || emission->key.len == 0)
        return step_fail_with(step, EDDA_EINVAL, "its key is empty", type->name);
    if (emission->key.len > ENGINE_KEY_MAX)
        return step_fail_with(step, EDDA_EINVAL, "its key is longer than 3,840 bytes", type->name);
    emission->key = arena_copy(&step->arena, emission->key);
    if (!emission->key.data)
        return step_fail_with(step, EDDA_ENOMEM, "out of memory", type->name);
    if (type->correlation && json_field_text(type, value, type->correlation, &step->arena, &emission->correlation))
        emission->correlation = arena_copy(&step->arena, emission->correlation);
    return 0;
}

int edda_emit_struct(struct edda_step *step, const struct edda_type *type, const void *value)
{
    return emit(step, EMIT_MESSAGE, type, value, NULL, 0);
}

int edda_emit_json(struct edda_step *step, const struct edda_type *type, const char *json, size_t len)
{
    if (step->code)
        return step->code;
    struct edda_error error = { 0 };
    void *value = arena_alloc(&step->arena, type->size);
    if (!value)
        return step_fail_with(step, EDDA_ENOMEM, "out of memory", type->name);
    if (json_decode(type, slice_of(json, len), JSON_REQUEST, &step->arena, value, &error) < 0)
        return step_fail_in(step, type, &error);
    return edda_emit_struct(step, type, value);
}

static bool name_is_good(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len > 0 && len <= DEADLINE_NAME_MAX && !memchr(name, '/', len);
}

int edda_deadline_set_struct(struct edda_step *step, const char *name, int64_t due_ms, const struct edda_type *type, const void *value)
{
    if (!name_is_good(name))
        return step_fail_with(step, EDDA_EINVAL, "a deadline's name has 1 to 128 bytes and no '/'", name ? name : "(none)");
    return emit(step, EMIT_DEADLINE, type, value, name, due_ms);
}

int edda_schedule_set_struct(struct edda_step *step, const char *name, const char *repeats, const struct edda_type *type, const void *value)
{
    struct schedule schedule;
    struct edda_error error = { 0 };
    if (step->code)
        return step->code;
    if (!repeats || schedule_parse(slice_str(repeats), &schedule, &error) < 0)
        return step_fail_with(step, EDDA_EINVAL, repeats ? error.message : "says not how it repeats", name ? name : "(none)");
    int rc = edda_deadline_set_struct(step, name, schedule_next(&schedule, step->now_ms, step->now_ms), type, value);
    if (rc < 0)
        return rc;
    struct slice words = arena_copy(&step->arena, slice_str(repeats));
    if (!words.data)
        return step_fail_with(step, EDDA_ENOMEM, "out of memory", name);
    step->emissions[step->emission_count - 1].repeats = words;
    return 0;
}

int edda_deadline_cancel(struct edda_step *step, const char *name)
{
    if (!may_do(step, "edda_deadline_cancel"))
        return step->code;
    if (!name_is_good(name))
        return step_fail_with(step, EDDA_EINVAL, "a deadline's name has 1 to 128 bytes and no '/'", name ? name : "(none)");
    struct emission *emission = emission_add(step);
    struct slice copy = arena_copy(&step->arena, slice_str(name));
    if (!emission || !copy.data)
        return step_fail_with(step, EDDA_ELIMIT, "a step can hold 65,536 messages and 32 MiB", name);
    *emission = (struct emission){ .kind = EMIT_DEADLINE_CANCEL, .name = copy };
    return 0;
}

int edda_compensate_struct(struct edda_step *step, const struct edda_type *command, const void *value)
{
    return emit(step, EMIT_COMPENSATION, command, value, NULL, 0);
}

/* --- endings and answers -------------------------------------------------------------------------------- */

int edda_finish(struct edda_step *step)
{
    if (may_do(step, "edda_finish"))
        step->finished = step->finished || !step->aborted;
    return step->code;
}

int edda_abort(struct edda_step *step, const char *format, ...)
{
    if (!may_do(step, "edda_abort") || step->finished || step->aborted)
        return step->code;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(step->reason, sizeof step->reason, format, args);
    va_end(args);
    step->aborted = true;
    return step->code;
}

int edda_reply_struct(struct edda_step *step, const struct edda_type *type, const void *value)
{
    if (step->code)
        return step->code;
    if (step->reply)
        return step_fail_with(step, EDDA_EINVAL, "a step replies once", type->name);
    step->reply = value_copy(type, value, &step->arena);
    step->reply_type = type;
    return step->reply ? 0 : step_fail_with(step, EDDA_ENOMEM, "out of memory", type->name);
}

int edda_fail(struct edda_step *step, int code, const char *field, const char *format, ...)
{
    struct edda_error error = { .code = code };
    va_list args;
    if (code >= 0 || edda_code_info(code)->code != code || code == EDDA_ERETRY)
        return step_fail_with(step, EDDA_EINVAL, "is given what is no code of a failure", "edda_fail");
    va_start(args, format);
    (void)vsnprintf(error.message, sizeof error.message, format, args);
    va_end(args);
    (void)snprintf(error.field, sizeof error.field, "%s", field ? field : "");
    return step_fail(step, &error);
}

bool step_says_no(const struct edda_step *step)
{
    return step->code == EDDA_EREJECTED || step->code == EDDA_ENOTFOUND || step->code == EDDA_EEXISTS;
}

int edda_skip(struct edda_step *step, const char *format, ...)
{
    if (step->code)
        return step->code;
    if (step->emission_count || step->finished || step->aborted)
        return step_fail_with(step, EDDA_EINVAL, "a step that does something cannot be skipped as well", "edda_skip");
    va_list args;
    va_start(args, format);
    (void)vsnprintf(step->reason, sizeof step->reason, format, args);
    va_end(args);
    step->skipped = true;
    return 0;
}

/* --- time ----------------------------------------------------------------------------------------------- */

int64_t edda_now_ms(const struct edda_step *step)
{
    return step->now_ms;
}

bool edda_expired(const struct edda_step *step)
{
    return step->info.expiry_ms && step->now_ms >= step->info.expiry_ms;
}

void edda_expire_at(struct edda_step *step, int64_t expiry_ms)
{
    step->expiry_ms = expiry_ms;
}

bool edda_sleep(struct edda_step *step, int64_t duration_ms)
{
    if (duration_ms <= 0)
        return true;
    if (duration_ms > SLEEP_MS_MAX)
        duration_ms = SLEEP_MS_MAX;
    if (!step->blocking) {
        (void)step_fail_with(step, EDDA_EINVAL, "sleeps, and its row does not say .blocking", step->handler->row->type->name);
        return false;
    }
    if (step->test_clock_ms) {
        *step->test_clock_ms += duration_ms;
        step->now_ms = *step->test_clock_ms;
        return true;
    }
    /* Log time is the core thread's; here it is what it was when the step began and what was slept since. */
    if (!io_sleep(step->engine->io, duration_ms * INT64_C(1000000))) {
        step->interrupted = true;
        if (step->code == 0)
            step->code = EDDA_ECLOSED;
        return false;
    }
    step->now_ms += duration_ms;
    return true;
}

const struct edda_message_info *edda_message(const struct edda_step *step)
{
    return &step->info;
}

struct edda_text edda_entity_key(const struct edda_step *step)
{
    return (struct edda_text){ (const char *)step->key.data, step->key.len };
}
