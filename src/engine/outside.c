/*
 * What a handler does outside (edda/effect.h): its arguments are checked here, and its idempotency key is made; who does it is the engine's option
 * `outside`, on the thread of the step. Results are copied into the step, with which they live.
 */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

/* Keys must differ from the ids of messages, which are made of the same. */
#define KEY_SEED UINT64_C(0x6f75747369646521)

struct slice hex_id(struct arena *arena, struct hash128 hash)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *out = arena_bytes(arena, 32);
    if (!out)
        return slice_of(NULL, 0);
    for (int i = 0; i < 16; i++) {
        out[i] = (uint8_t)digits[hash.hi >> (60 - 4 * i) & 15];
        out[16 + i] = (uint8_t)digits[hash.lo >> (60 - 4 * i) & 15];
    }
    return slice_of(out, 32);
}

struct hash128 step_cause(const struct edda_step *step)
{
    uint64_t seed = step->handler ? step->handler->id_seed : 0;
    struct hash128 id = hash128(slice_of(step->info.id.data, step->info.id.len), seed);
    struct hash128 source = hash128(slice_of(step->info.source.data, step->info.source.len), id.lo);
    return (struct hash128){ id.hi ^ source.hi, source.lo };
}

struct edda_text edda_idempotency_key(struct edda_step *step, uint32_t ordinal)
{
    struct hash128 cause = step_cause(step);
    uint64_t number = ordinal;
    struct hash128 hash = hash128(slice_of(&number, sizeof number), hash64_mix(cause.lo, KEY_SEED));
    struct slice hex = hex_id(&step->arena, (struct hash128){ hash.hi ^ cause.hi, hash.lo });
    return (struct edda_text){ (const char *)hex.data, hex.len };
}

/* --- doing it -------------------------------------------------------------------------------------------- */

static int wrong(struct edda_step *step, const char *field, const char *problem)
{
    return edda_fail_field(&step->outside_error, EDDA_EINVAL, field, "%s %s", field, problem);
}

/* What it gave belongs to the thread, and must outlive its next call. */
static bool keep(struct edda_step *step, struct edda_text *text)
{
    struct slice copy = arena_copy(&step->arena, slice_of(text->data, text->len));
    bool kept = copy.data || text->len == 0;
    *text = kept ? (struct edda_text){ (const char *)copy.data, copy.len } : (struct edda_text){ NULL, 0 };
    return kept;
}

static bool keep_results(struct edda_step *step, const struct edda_outside_call *call)
{
    if (call->http_answer)
        return keep(step, &call->http_answer->content_type) && keep(step, &call->http_answer->body);
    return !call->program_result || keep(step, &call->program_result->output);
}

static void count(struct edda_step *step, int code)
{
    step->unavailable = step->unavailable || code == EDDA_EUNAVAILABLE;
    step->effects.succeeded += code == 0;
    step->effects.refused += code == EDDA_EREFUSED;
    step->effects.failed += code < 0 && code != EDDA_EREFUSED;
}

int outside_do(struct edda_step *step, struct edda_outside_call *call)
{
    const struct engine_options *options = &step->engine->options;
    const struct pool *pool = step->handler->pool;
    call->idempotency_key = edda_idempotency_key(step, (uint32_t)step->effects.begun);
    call->timeout_ms = pool->effect.timeout_ms;
    call->now_ms = step->now_ms;
    call->error = &step->outside_error;
    step->outside_error = (struct edda_error){ 0 };
    if (call->idempotency_key.len == 0)
        return edda_fail_with(&step->outside_error, EDDA_ENOMEM, "out of memory for an effect");
    step->effects.begun++;
    int rc = options->outside(call, options->outside_user);
    rc = rc > 0 ? 0 : rc;
    if (rc < 0 && step->outside_error.code != rc)
        (void)edda_fail_with(&step->outside_error, rc, "%s", edda_code_info(rc)->sentence);
    if (rc == EDDA_ECLOSED && step->code == 0) {
        step->interrupted = true;
        step->code = rc;
    }
    if (!keep_results(step, call))
        rc = edda_fail_with(&step->outside_error, EDDA_ENOMEM, "out of memory for the result of an effect");
    count(step, rc);
    return rc;
}

int outside_pretend(const struct edda_outside_call *call, void *user)
{
    (void)user;
    if (call->http_answer)
        call->http_answer->status = 200;
    return 0;
}

/* A handler that is no effect could be run again at any time, before its message is durable, and must not wait. */
static bool may_do(struct edda_step *step, const char *what)
{
    const struct pool *pool = step->handler->pool;
    if (pool && pool->outside)
        return true;
    (void)edda_fail_with(&step->outside_error, EDDA_EINVAL, "%s(): the row of %s in service %s does not say .effect", what,
                         step->handler->row->type->name, step->service->def->name);
    return false;
}

/* --- checks ---------------------------------------------------------------------------------------------- */

/* Text that goes on a line of its own, such as a header: no control characters, which would begin another. */
static bool is_one_line(struct edda_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return true;
}

static bool is_token(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return len > 0 && len <= 255 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") == len;
}

/* Addresses may stand as they are or in '<' and '>' behind a name; they are ASCII (RFC 5321), without spaces. */
static bool is_address_list(struct edda_text text)
{
    size_t at_signs = 0;
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
        at_signs += text.data[i] == '@';
    }
    return is_one_line(text) && at_signs > 0;
}

static int mail_check(struct edda_step *step, const struct edda_mail *mail)
{
    if (!is_address_list(mail->to))
        return wrong(step, "to", "must be addresses in ASCII, on one line");
    if (mail->from.len && !is_address_list(mail->from))
        return wrong(step, "from", "must be an address in ASCII, on one line");
    if (!is_one_line(mail->subject))
        return wrong(step, "subject", "must be on one line");
    return 0;
}

static bool has_scheme(struct edda_text url, const char *scheme)
{
    size_t len = strlen(scheme);
    return url.len > len && memcmp(url.data, scheme, len) == 0;
}

static int http_check(struct edda_step *step, const struct edda_http_call *call)
{
    if (!has_scheme(call->url, "http://") && !has_scheme(call->url, "https://"))
        return wrong(step, "url", "must begin with http:// or https://");
    if (!is_one_line(call->url) || memchr(call->url.data, ' ', call->url.len))
        return wrong(step, "url", "must not have spaces or control characters");
    if (call->method && !is_token(call->method))
        return wrong(step, "method", "must be a word");
    if (call->content_type && !is_one_line(edda_text_of(call->content_type)))
        return wrong(step, "content_type", "must be on one line");
    for (const char *const *header = call->headers; header && header[0]; header += 2) {
        if (!is_token(header[0]))
            return wrong(step, "headers", "must have names that are words");
        if (!header[1] || !is_one_line(edda_text_of(header[1])))
            return wrong(step, "headers", "must have values, each on one line");
    }
    return 0;
}

/* --- what a handler calls -------------------------------------------------------------------------------- */

int edda_mail(struct edda_step *step, const struct edda_mail *mail)
{
    if (!may_do(step, "edda_mail"))
        return EDDA_EINVAL;
    int rc = mail_check(step, mail);
    return rc < 0 ? rc : outside_do(step, &(struct edda_outside_call){ .mail = mail });
}

int edda_http(struct edda_step *step, const struct edda_http_call *call, struct edda_http_answer *ret_answer)
{
    struct edda_http_answer own, *answer = ret_answer ? ret_answer : &own;
    if (!may_do(step, "edda_http"))
        return EDDA_EINVAL;
    int rc = http_check(step, call);
    if (rc < 0)
        return rc;
    *answer = (struct edda_http_answer){ .status = 0 };
    return outside_do(step, &(struct edda_outside_call){ .http = call, .http_answer = answer });
}

int edda_program(struct edda_step *step, const struct edda_program *program, struct edda_program_result *ret_result)
{
    struct edda_program_result own, *result = ret_result ? ret_result : &own;
    if (!may_do(step, "edda_program"))
        return EDDA_EINVAL;
    if (!program->arguments || !program->arguments[0] || !program->arguments[0][0])
        return wrong(step, "arguments", "must begin with a program");
    *result = (struct edda_program_result){ .status = -1 };
    return outside_do(step, &(struct edda_outside_call){ .program = program, .program_result = result });
}
