/* The test kit's outside: effects are noted, and answered as the test has said before. */
#include "engine/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_BYTES_MAX (UINT32_C(1) << 20)

struct test_effect {
    struct list link;
    char *target;
    char *content;
};

struct test_answer {
    struct list link;
    int code, status;
    char *body;
};

static struct test_answer *answer_take(struct edda_test *test)
{
    struct list *link = list_pop_front(&test->answers);
    free(test->answer);
    test->answer = link ? container_of(link, struct test_answer, link) : NULL;
    return test->answer;
}

void edda_given_answer(struct edda_test *test, int code, int status, const char *body)
{
    if (!test)
        return;
    size_t len = body ? strlen(body) : 0;
    struct test_answer *answer = calloc(1, sizeof *answer + len + 1);
    if (!answer) {
        test_wrong(test, "out of memory for an answer");
        return;
    }
    *answer = (struct test_answer){ .code = code, .status = status, .body = (char *)(answer + 1) };
    if (len)
        memcpy(answer->body, body, len);
    list_push_back(&test->answers, &answer->link);
}

/* What is asked, in words: "mail ADDRESS", "METHOD URL", "program NAME". */
static void describe(const struct edda_outside_call *call, struct buffer *target, struct buffer *content)
{
    if (call->mail) {
        buffer_printf(target, "mail %.*s", (int)call->mail->to.len, call->mail->to.data);
        buffer_printf(content, "%.*s\n%.*s", (int)call->mail->subject.len, call->mail->subject.data, (int)call->mail->text.len, call->mail->text.data);
    } else if (call->remote) {
        buffer_printf(target, "remote %s", call->remote->name);
        buffer_append(content, call->http->body.data, call->http->body.len);
    } else if (call->http) {
        const char *method = call->http->method ? call->http->method : call->http->body.len ? "POST" : "GET";
        buffer_printf(target, "%s %.*s", method, (int)call->http->url.len, call->http->url.data);
        buffer_append(content, call->http->body.data, call->http->body.len);
    } else {
        buffer_printf(target, "program %s", call->program->arguments[0]);
        for (const char *const *argument = call->program->arguments + 1; *argument; argument++)
            buffer_printf(content, "%s ", *argument);
        buffer_append(content, call->program->input.data, call->program->input.len);
    }
}

static bool note(struct edda_test *test, const struct edda_outside_call *call)
{
    struct buffer target, content;
    buffer_init(&target, WHAT_BYTES_MAX);
    buffer_init(&content, WHAT_BYTES_MAX);
    describe(call, &target, &content);
    size_t target_len = target.len, content_len = content.len;
    struct test_effect *effect = calloc(1, sizeof *effect + target_len + content_len + 2);
    if (effect && buffer_ok(&target) && buffer_ok(&content)) {
        effect->target = (char *)(effect + 1);
        effect->content = effect->target + target_len + 1;
        memcpy(effect->target, target.data, target_len);
        if (content_len)
            memcpy(effect->content, content.data, content_len);
        list_push_back(&test->effects, &effect->link);
    }
    buffer_deinit(&target);
    buffer_deinit(&content);
    return effect != NULL;
}

int test_outside(const struct edda_outside_call *call, void *user)
{
    struct edda_test *test = user;
    const struct test_answer *answer = answer_take(test);
    if (!note(test, call))
        return EDDA_ENOMEM;
    struct edda_text body = edda_text_of(answer ? answer->body : "");
    int code = answer ? answer->code : 0;
    if (call->http_answer)
        *call->http_answer = (struct edda_http_answer){ .status = answer ? answer->status : 200, .content_type = EDDA_TEXT("application/json"), .body = body };
    if (call->program_result)
        *call->program_result = (struct edda_program_result){ .status = answer ? answer->status : 0, .output = body };
    return code < 0 ? edda_fail_with(call->error, code, "the test says: %s", edda_code_info(code)->sentence) : 0;
}

void (edda_then_effect)(struct edda_test *test, const char *target, const char *part)
{
    if (!test)
        return;
    struct list *link = list_pop_front(&test->effects);
    struct test_effect *got = link ? container_of(link, struct test_effect, link) : NULL;
    if (!got)
        test_wrong(test, "expected  %s (…%s…)\n  got       nothing more outside", target, part ? part : "");
    else if (strcmp(got->target, target) != 0 || (part && !strstr(got->content, part)))
        test_wrong(test, "expected  %s (…%s…)\n  got       %s (%s)", target, part ? part : "", got->target, got->content);
    free(got);
}

const char *test_effect_unasked(const struct edda_test *test)
{
    return list_empty(&test->effects) ? NULL : container_of(test->effects.next, struct test_effect, link)->target;
}

void test_effects_forget(struct edda_test *test)
{
    struct list *link;
    while ((link = list_pop_front(&test->effects)))
        free(container_of(link, struct test_effect, link));
}

void test_outside_free(struct edda_test *test)
{
    test_effects_forget(test);
    while (answer_take(test))
        ;
}
