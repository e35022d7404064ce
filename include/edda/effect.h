/*
 * edda/effect.h: what is done outside: an e-mail, a call over HTTP, a command line.
 *
 * An effect is a row of a service that says `.effect`. Its step differs from others in three things: it starts only when the message it handles is
 * durable, so that nothing is done that a crash could take back; it runs on a thread and may wait; and its handler may call the functions below. What came
 * of it is emitted like anything else: as messages of the step.
 *
 *     EDDA_HANDLER(notify, OutOfStock, product);
 *     static int notify(struct edda_step *step, const struct OutOfStock *e, const struct product *p)
 *     {
 *         return edda_mail(step, &(struct edda_mail){ .to = EDDA_TEXT("stock@made.com"), .subject = EDDA_TEXT("Out of stock"), .text = e->sku });
 *     }
 *     … EDDA_ON(OutOfStock, notify, sku, .effect = &(const struct edda_effect){ .threads = 2, .per_second = 10 })
 *
 * An effect is done at least once: when the machine dies between the effect and the record of its step it is done again, with the same idempotency key, by
 * which the other side can know it. A step that has done something outside is recorded as it is, also when its message has expired or its entity has
 * moved on meanwhile: what was done cannot be taken back.
 *
 * A failure is retried by the row's policy, then its entity is quarantined; EDDA_EREFUSED is not retried. A row whose effects fail again and again stops
 * trying for a while (circuit breaking): messages wait, in order, and nothing is quarantined for that.
 *
 * A command that is called (edda_call()) and handled by an effect is recorded at once, as a message of its own, since it must be durable before its step begins.
 * The caller gets the step's reply when the first attempt succeeds or is rejected; when it fails, or the breaker is open, he is told that the command is
 * accepted (HTTP 202) and will be handled later. It takes no expected version (If-Match): EDDA_EUNSUPPORTED.
 */
#ifndef EDDA_EFFECT_H
#define EDDA_EFFECT_H

#include "edda/service.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a row's effects are done. All zero: one at a time, no limit of rate. */
struct edda_effect {
    uint32_t threads;          /* at most so many steps at once: 1 to 1024; 0: 1 */
    uint32_t per_second;       /* steps begun at most so often, with bursts of a second's worth; 0: no limit. Begins anew with the process */
    uint32_t timeout_ms;       /* of one call below; 0: 30,000 */
    uint32_t breaker_failures; /* steps in a row that met EDDA_EUNAVAILABLE, after which none is begun for a while; 0: 5; UINT32_MAX: never */
    uint32_t breaker_ms;       /* that while; then one is tried, and its outcome decides. 0: 10,000 */
};

/* All of the below: 0; EDDA_EUNAVAILABLE when the other side could not be reached, did not answer in time or said that it failed (worth a retry);
 * EDDA_EREFUSED when it said no (a retry would not help: return it, and the entity is quarantined at once, or go on and emit what it means); EDDA_EINVAL
 * for arguments that name nothing, and in a row that is no effect; EDDA_ECLOSED when the application is stopping (return: the step is dropped and run again
 * at the next start). Failures are not sticky: the handler decides. What is given and got lives as long as the step. */

struct edda_mail {
    struct edda_text to;       /* addresses, separated by ',' */
    struct edda_text from;     /* empty: what `run --mail-from` says */
    struct edda_text subject;
    struct edda_text text;     /* UTF-8 */
};
/* By SMTP (`run --smtp`), or into a directory of files (`run --mail-dir`). The idempotency key is in its Message-ID. */
EDDA_PUBLIC int edda_mail(struct edda_step *step, const struct edda_mail *mail);

struct edda_http_call {
    const char *method;        /* NULL: "POST" with a body, else "GET" */
    struct edda_text url;      /* http:// or https:// */
    struct edda_text body;
    const char *content_type;  /* NULL: "application/json" */
    const char *const *headers; /* further ones: name, value, …, NULL; or NULL */
};
struct edda_http_answer {
    int status;                /* 0: there was no answer */
    struct edda_text content_type;
    struct edda_text body;     /* at most 16 MiB; more is EDDA_EREFUSED */
};
/* Has the header Idempotency-Key. Statuses 408, 425, 429 and 5xx are EDDA_EUNAVAILABLE, others that are no 2xx EDDA_EREFUSED, with the answer filled. Only
 * a GET follows redirects. `ret_answer` may be NULL. */
EDDA_PUBLIC int edda_http(struct edda_step *step, const struct edda_http_call *call, struct edda_http_answer *ret_answer);

struct edda_program {
    const char *const *arguments; /* the program first, found by PATH; NULL-terminated. No shell */
    struct edda_text input;       /* of its standard input */
};
struct edda_program_result {
    int status;                /* of its exit; 128 + the signal that ended it; -1: it did not run */
    struct edda_text output;   /* standard output, at most 16 MiB; more is EDDA_EREFUSED */
};
/* Has EDDA_IDEMPOTENCY_KEY in its environment. An exit status other than 0 is EDDA_EREFUSED, 75 (EX_TEMPFAIL), a signal and the end of its time
 * EDDA_EUNAVAILABLE. It inherits descriptors 0 to 2 only. `ret_result` may be NULL. */
EDDA_PUBLIC int edda_program(struct edda_step *step, const struct edda_program *program, struct edda_program_result *ret_result);

/* What identifies this step's `ordinal`-th effect (0 the first), whenever it is done: 32 hexadecimal digits. Empty when out of memory. */
EDDA_PUBLIC struct edda_text edda_idempotency_key(struct edda_step *step, uint32_t ordinal);

/* --- the outside, for tests and the simulator ------------------------------------------------------------------------------- */

/* An effect that is about to be done: one of mail, http and program is set, with its result to be filled. The arguments have been checked. */
struct edda_outside_call {
    struct edda_text idempotency_key;
    uint32_t timeout_ms;
    int64_t now_ms;            /* log time when the step began */
    const struct edda_mail *mail;
    const struct edda_http_call *http;
    struct edda_http_answer *http_answer;
    const struct edda_program *program;
    struct edda_program_result *program_result;
    const struct edda_service *remote; /* the call is a step of this remote service (edda/remote.h); or NULL */
    struct edda_error *error;  /* to be filled with what went wrong, in words */
};
/* Does it, or plays it: returns as the functions above. Results may point to what lives until the next call on the same thread. Any thread. */
typedef int edda_outside_fn(const struct edda_outside_call *call, void *user);

#ifdef __cplusplus
}
#endif
#endif
