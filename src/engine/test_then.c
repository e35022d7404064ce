/*
 * What a step gave, compared with what a test expects: in the order in which the handler did it, as JSON, field by field. What
 * differs is printed, the one thing that this part of the library is for. Functions that are also macros (edda/test.h) have their names in parentheses.
 *
 *     tests.c:31: service exchange, when OrderCreated {"id":1,"currencyId":1,"amount":500.0,"holderId":"jjy"}
 *       expected  ExchangeSucceed {"orderId":1,"userId":"jjy","point":500.0}
 *       got       ExchangeSucceed {"orderId":1,"userId":"jjy","point":600.0}
 *       differs   point: expected 500.0, got 600.0
 */
#include "engine/schedule.h"
#include "engine/test.h"

#include <stdarg.h>
#include <stdio.h>

/* --- printing ------------------------------------------------------------------------------------------- */

/* Begins what is printed of a mismatch, in the scratch; what is said of it follows, and print(). */
static struct buffer *mismatch(struct edda_test *test)
{
    buffer_clear(&test->text);
    if (test->file)
        buffer_printf(&test->text, "%s:%d: ", test->file, test->line);
    buffer_printf(&test->text, "%s %s", test->projection ? "projection" : "service", test->def->name ? test->def->name : "(none)");
    if (test->when.len) {
        buffer_append_str(&test->text, ", ");
        buffer_append_slice(&test->text, buffer_slice(&test->when));
    }
    return &test->text;
}

/* Counts a mismatch and prints it. */
static void print(struct edda_test *test)
{
    if (test->muted)
        return;
    test->mismatches++;
    buffer_append_byte(&test->text, '\n');
    fputs(buffer_ok(&test->text) ? buffer_cstr(&test->text) : "out of memory for a mismatch\n", stderr);
}

void test_wrong(struct edda_test *test, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    buffer_printf(mismatch(test), "\n  %s", sentence);
    print(test);
}

static const char *outcome_name(const struct edda_test *test)
{
    static const char *const names[] = { "nothing", "skipped", "rejected", "failed" };
    return names[test->outcome];
}

static void put_outcome(const struct edda_test *test, struct buffer *out)
{
    buffer_append_str(out, outcome_name(test));
    if (test->outcome != TEST_DONE)
        buffer_printf(out, ": %s", test->reason);
}

/* What the step gave after all that was asked about. */
static void put_rest(const struct edda_test *test, struct buffer *out)
{
    if (!test->step && !test->projection)
        buffer_append_str(out, "no step: nothing was handled");
    else if (test->outcome != TEST_DONE)
        put_outcome(test, out);
    else if (test->projection)
        buffer_append_str(out, "it was applied");
    else if (test->step->aborted && !test->asked_end)
        buffer_printf(out, "the process aborted: %s", test->step->reason);
    else if (test->step->finished && !test->asked_end)
        buffer_append_str(out, "the process finished");
    else
        buffer_append_str(out, "nothing more");
}

static void put_emission(const struct edda_test *test, const struct emission *emission, struct buffer *out)
{
    switch (emission->kind) {
    case EMIT_MESSAGE:
        break;
    case EMIT_DEADLINE:
        if (emission->repeats.data) {
            buffer_printf(out, "schedule %.*s, %.*s: ", (int)emission->name.len, (const char *)emission->name.data, (int)emission->repeats.len,
                          (const char *)emission->repeats.data);
            break;
        }
        buffer_printf(out, "deadline %.*s in %lld ms: ", (int)emission->name.len, (const char *)emission->name.data,
                      (long long)(emission->due_ms - test->clock_ms));
        break;
    case EMIT_DEADLINE_CANCEL:
        buffer_printf(out, "deadline %.*s cancelled", (int)emission->name.len, (const char *)emission->name.data);
        return;
    case EMIT_COMPENSATION:
        buffer_append_str(out, "compensation ");
        break;
    }
    buffer_printf(out, "%s ", emission->type->name);
    buffer_append_slice(out, emission->value);
}

/* --- comparing ------------------------------------------------------------------------------------------ */

static void put_member(bool found, struct slice raw, bool is_string, struct buffer *out)
{
    if (!found)
        buffer_append_str(out, "none");
    if (is_string)
        buffer_append_byte(out, '"');
    buffer_append_slice(out, raw);
    if (is_string)
        buffer_append_byte(out, '"');
}

/* Appends a line for each field that differs; returns whether any does. Both are encoded by the same table, so equal values are equal bytes. */
static bool put_differences(const struct edda_type *type, struct slice expected, struct slice got, struct buffer *out)
{
    bool differs = false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const char *name = type->fields[i].name;
        struct slice want = { 0 }, have = { 0 };
        bool want_string = false, have_string = false;
        bool wanted = json_find(expected, name, &want, &want_string), had = json_find(got, name, &have, &have_string);
        if (wanted == had && want_string == have_string && slice_eq(want, have))
            continue;
        differs = true;
        if (!out)
            continue;
        buffer_printf(out, "\n  differs   %s: expected ", name);
        put_member(wanted, want, want_string, out);
        buffer_append_str(out, ", got ");
        put_member(had, have, have_string, out);
    }
    return differs;
}

void test_differs(struct edda_test *test, const char *expected, const struct edda_type *type, const void *want, const void *got)
{
    struct buffer want_json = BUFFER_EMPTY, got_json = BUFFER_EMPTY;
    struct buffer *out = mismatch(test);
    json_encode(type, want, &want_json);
    if (got)
        json_encode(type, got, &got_json);
    buffer_printf(out, "\n  expected  %s %s\n  got       %s", expected, buffer_cstr(&want_json), got ? buffer_cstr(&got_json) : "none");
    if (got)
        (void)put_differences(type, buffer_slice(&want_json), buffer_slice(&got_json), out);
    print(test);
    buffer_deinit(&want_json);
    buffer_deinit(&got_json);
}

static bool matches(const struct emission *want, const struct emission *got)
{
    return got && want->kind == got->kind && want->type == got->type && slice_eq(want->name, got->name) && want->due_ms == got->due_ms &&
           slice_eq(want->repeats, got->repeats) &&
           !(want->type && put_differences(want->type, want->value, got->value, NULL));
}

/* The next thing the step gave is `want`. */
static void expect(struct edda_test *test, const struct emission *want)
{
    struct edda_step *step = test->step;
    const struct emission *got = step && test->next < step->emission_count ? &step->emissions[test->next++] : NULL;
    test->unmet = !matches(want, got);
    if (!test->unmet)
        return;
    struct buffer *out = mismatch(test);
    buffer_append_str(out, "\n  expected  ");
    put_emission(test, want, out);
    buffer_append_str(out, "\n  got       ");
    if (!got) {
        put_rest(test, out);
        test->asked_outcome = test->asked_end = true;
    } else {
        put_emission(test, got, out);
        if (want->type == got->type && want->type)
            (void)put_differences(want->type, want->value, got->value, out);
        else if (want->type && got->type && strcmp(want->type->name, got->type->name) == 0)
            buffer_printf(out, "\n  differs   the table of the type; that of topic %s, got that of topic %s", want->type->topic, got->type->topic);
    }
    print(test);
}

/* Expects a message that is given as a struct. */
static void expect_struct(struct edda_test *test, enum emission_kind kind, const struct edda_type *type, const void *value, const char *name,
                          int64_t after_ms)
{
    if (!test)
        return;
    struct buffer json;
    buffer_init(&json, 0);
    json_encode(type, value, &json);
    struct emission want = { .kind = kind, .type = type, .value = buffer_slice(&json), .name = slice_str(name) };
    if (kind == EMIT_DEADLINE)
        want.due_ms = test->clock_ms + after_ms;
    expect(test, &want);
    buffer_deinit(&json);
}

void edda_then_struct(struct edda_test *test, const struct edda_type *message, const void *value)
{
    expect_struct(test, EMIT_MESSAGE, message, value, NULL, 0);
}

void edda_then_deadline_struct(struct edda_test *test, const char *name, int64_t after_ms, const struct edda_type *message,
                               const void *value)
{
    expect_struct(test, EMIT_DEADLINE, message, value, name, after_ms);
}

void edda_then_schedule_struct(struct edda_test *test, const char *name, const char *repeats, const struct edda_type *message, const void *value)
{
    if (!test)
        return;
    struct schedule schedule;
    struct edda_error error = { 0 };
    if (schedule_parse(slice_str(repeats), &schedule, &error) < 0) {
        test->next++;
        test_wrong(test, "what is expected cannot be read: %s", error.message);
        return;
    }
    struct buffer json;
    buffer_init(&json, 0);
    json_encode(message, value, &json);
    expect(test, &(struct emission){ .kind = EMIT_DEADLINE, .type = message, .value = buffer_slice(&json), .name = slice_str(name),
                                     .repeats = slice_str(repeats), .due_ms = schedule_next(&schedule, test->clock_ms, test->clock_ms) });
    buffer_deinit(&json);
}

void edda_then_compensation_struct(struct edda_test *test, const struct edda_type *command, const void *value)
{
    expect_struct(test, EMIT_COMPENSATION, command, value, NULL, 0);
}

void (edda_then_deadline_cancelled)(struct edda_test *test, const char *name)
{
    if (test)
        expect(test, &(struct emission){ .kind = EMIT_DEADLINE_CANCEL, .name = slice_str(name) });
}

/* The JSON is read by the table of what the step gave, when that is of this name, so that it may be written in any way. */
void (edda_then_json)(struct edda_test *test, const char *name, const char *json)
{
    if (!test)
        return;
    struct edda_step *step = test->step;
    const struct emission *got = step && test->next < step->emission_count ? &step->emissions[test->next] : NULL;
    if (!got || !got->type || strcmp(got->type->name, name) != 0) {
        struct edda_type unknown = { .name = name };
        expect(test, &(struct emission){ .kind = EMIT_MESSAGE, .type = &unknown, .value = slice_str(json) });
        return;
    }
    struct edda_error error = { 0 };
    void *value = arena_alloc(&step->arena, got->type->size);
    if (value && json_decode(got->type, slice_str(json), JSON_REQUEST, &step->arena, value, &error) == 0) {
        edda_then_struct(test, got->type, value);
        return;
    }
    test->next++;
    test_wrong(test, "what is expected of %s cannot be read: %s", name, value ? error.message : "out of memory");
}

void (edda_then_expires)(struct edda_test *test, int64_t after_ms)
{
    if (!test || test->unmet)
        return;
    const struct edda_step *step = test->step;
    const struct emission *last = step && test->next ? &step->emissions[test->next - 1] : NULL;
    int64_t expected = after_ms ? test->clock_ms + after_ms : 0;
    if (!last || last->kind != EMIT_MESSAGE) {
        test_wrong(test, "what was asked about last is no message, so that it cannot expire");
        return;
    }
    int64_t got = last->type->expires ? step->expiry_ms : 0;
    if (got == expected)
        return;
    struct buffer *out = mismatch(test);
    buffer_printf(out, "\n  expected  %s expires ", last->type->name);
    if (expected)
        buffer_printf(out, "in %lld ms", (long long)after_ms);
    else
        buffer_append_str(out, "never");
    buffer_append_str(out, "\n  got       ");
    if (got)
        buffer_printf(out, "in %lld ms", (long long)(got - test->clock_ms));
    else
        buffer_append_str(out, last->type->expires ? "never" : "never: its type does not expire");
    print(test);
}

/* --- endings and answers -------------------------------------------------------------------------------- */

void edda_then_reply_struct(struct edda_test *test, const struct edda_type *reply, const void *value)
{
    if (!test)
        return;
    const struct edda_step *step = test->step;
    struct buffer want, got;
    test->asked_reply = true;
    buffer_init(&want, 0);
    buffer_init(&got, 0);
    json_encode(reply, value, &want);
    bool replied = step && step->reply;
    if (replied)
        json_encode(step->reply_type, step->reply, &got);
    bool same_type = replied && step->reply_type == reply;
    if (!same_type || put_differences(reply, buffer_slice(&want), buffer_slice(&got), NULL)) {
        struct buffer *out = mismatch(test);
        buffer_printf(out, "\n  expected  the reply %s ", reply->name);
        buffer_append_slice(out, buffer_slice(&want));
        buffer_append_str(out, "\n  got       ");
        if (replied) {
            buffer_printf(out, "the reply %s ", step->reply_type->name);
            buffer_append_slice(out, buffer_slice(&got));
        } else {
            buffer_append_str(out, "no reply");
            if (step && test->outcome != TEST_DONE) {
                buffer_append_str(out, "; ");
                put_outcome(test, out);
            }
            test->asked_outcome = true;
        }
        if (same_type)
            (void)put_differences(reply, buffer_slice(&want), buffer_slice(&got), out);
        print(test);
    }
    buffer_deinit(&want);
    buffer_deinit(&got);
}

void edda_then_state_struct(struct edda_test *test, const struct edda_type *type, const void *value)
{
    const void *state = edda_test_state(test);
    struct buffer want, got;
    if (!test)
        return;
    if (!state || type != test->def->entity.state) {
        test_wrong(test, "%s is not the state of its entity", type->name);
        return;
    }
    buffer_init(&want, 0);
    buffer_init(&got, 0);
    json_encode(type, value, &want);
    json_encode(type, state, &got);
    if (put_differences(type, buffer_slice(&want), buffer_slice(&got), NULL)) {
        struct buffer *out = mismatch(test);
        buffer_printf(out, "\n  expected  the state %s ", type->name);
        buffer_append_slice(out, buffer_slice(&want));
        buffer_append_str(out, "\n  got       ");
        buffer_append_slice(out, buffer_slice(&got));
        (void)put_differences(type, buffer_slice(&want), buffer_slice(&got), out);
        print(test);
    }
    buffer_deinit(&want);
    buffer_deinit(&got);
}

static void expect_end(struct edda_test *test, bool met, const char *expected, const char *part)
{
    const struct edda_step *step = test->step;
    if (!met) {
        struct buffer *out = mismatch(test);
        buffer_printf(out, "\n  expected  the process %s%s%s\n  got       ", expected, part ? ": …" : "", part ? part : "");
        test->asked_end = false; /* how it ended is said here even if it was before */
        if (step && test->outcome == TEST_DONE && !step->finished && !step->aborted)
            buffer_append_str(out, "no end of it");
        else
            put_rest(test, out);
        print(test);
    }
    test->asked_end = test->asked_outcome = true;
}

void (edda_then_finished)(struct edda_test *test)
{
    if (test)
        expect_end(test, test->step && test->step->finished, "finished", NULL);
}

void (edda_then_aborted)(struct edda_test *test, const char *part)
{
    if (test)
        expect_end(test, test->step && test->step->aborted && strstr(test->step->reason, part), "aborted", part);
}

/* Appends a line for each thing the step gave that was not asked about; returns whether there is any. What is told here counts as asked about. */
static bool put_leftovers(struct edda_test *test, struct buffer *out)
{
    const struct edda_step *step = test->step;
    bool emitted = step && test->next < step->emission_count;
    bool ended = step && (step->finished || step->aborted) && !test->asked_end;
    bool replied = step && step->reply && !test->asked_reply;
    bool refused = (test->outcome == TEST_REJECTED || test->outcome == TEST_FAILED) && !test->asked_outcome;
    const char *effect = test_effect_unasked(test);
    if (effect)
        buffer_printf(out, "\n  got       %s", effect);
    for (; emitted && test->next < step->emission_count; test->next++) {
        buffer_append_str(out, "\n  got       ");
        put_emission(test, &step->emissions[test->next], out);
    }
    if (!step || ended || refused) {
        buffer_append_str(out, "\n  got       ");
        put_rest(test, out);
    }
    if (replied) {
        buffer_printf(out, "\n  got       the reply %s ", step->reply_type->name);
        json_encode(step->reply_type, step->reply, out);
    }
    test->asked_end = test->asked_reply = test->asked_outcome = true;
    return !step || emitted || ended || replied || refused || effect;
}

void (edda_then_nothing)(struct edda_test *test)
{
    if (!test)
        return;
    struct buffer *out = mismatch(test);
    buffer_append_str(out, "\n  expected  nothing more");
    if (put_leftovers(test, out))
        print(test);
}

/* --- outcomes ------------------------------------------------------------------------------------------- */

static void expect_outcome(struct edda_test *test, enum test_outcome outcome, const char *name, const char *part)
{
    if (!test)
        return;
    bool met = (test->step || test->projection) && test->outcome == outcome && strstr(test->reason, part);
    test->asked_outcome = true;
    if (met)
        return;
    struct buffer *out = mismatch(test);
    buffer_printf(out, "\n  expected  %s: …%s…", name, part);
    if (!test->step || test->outcome != TEST_DONE || !put_leftovers(test, out)) {
        buffer_append_str(out, "\n  got       ");
        put_rest(test, out);
    }
    print(test);
}

void (edda_then_skipped)(struct edda_test *test, const char *part)
{
    expect_outcome(test, TEST_SKIPPED, "skipped", part);
}

void (edda_then_rejected)(struct edda_test *test, const char *part)
{
    expect_outcome(test, TEST_REJECTED, "rejected", part);
}

void (edda_then_failed)(struct edda_test *test, const char *part)
{
    expect_outcome(test, TEST_FAILED, "failed", part);
}

void test_ask_outcome(struct edda_test *test)
{
    if (test->asked_outcome || test->outcome == TEST_DONE || test->outcome == TEST_SKIPPED)
        return;
    /* It is told when the test goes on, and is of the message before. */
    const char *file = test->file;
    int line = test->line;
    (void)edda_test_at(test, test->when_file, test->when_line);
    struct buffer *out = mismatch(test);
    (void)edda_test_at(test, file, line);
    buffer_append_str(out, "\n  nobody asked, and it was ");
    put_outcome(test, out);
    print(test);
}
