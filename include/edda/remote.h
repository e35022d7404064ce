/*
 * edda/remote.h: services in any language, over HTTP.
 *
 * A service whose table says `.remote` has rows without a function: a step of theirs posts the message to a URL, and the answer is what the step does: its
 * messages, deadlines and reply, recorded atomically as if a handler here had made them. The entity's state is folded here, by `evolve` rows in C, and goes
 * with the message; the service keeps nothing. What it is asked and may answer is in docs/guides/remote-handlers.md.
 *
 *     static const struct edda_remote pricing = { .url = "http://127.0.0.1:9001/", .effect = { .threads = 16 } };
 *     const struct edda_service pricing_service = {
 *         .name = "pricing", .entity = EDDA_ENTITY(price, "prices"), .remote = &pricing,
 *         .evolve = (const struct edda_row[]){ EDDA_WHEN(PriceSet, price_set), EDDA_END },
 *         .on = (const struct edda_row[]){ EDDA_ON_REMOTE(SetPrice, product), EDDA_END },
 *         .emits = (const struct edda_type *const[]){ &PriceSet, &Price, NULL },
 *     };
 *
 * A step is begun when its message is durable, like an effect (edda/effect.h), and is retried, quarantined and held by the breaker like one; all rows of the
 * service share its threads, rate and breaker. Like a handler here, and unlike an effect, it is run again when its entity has moved on meanwhile, and what
 * it gave is dropped when its message has expired: a remote handler decides, and should do nothing else.
 */
#ifndef EDDA_REMOTE_H
#define EDDA_REMOTE_H

#include "edda/effect.h"

#ifdef __cplusplus
extern "C" {
#endif

struct edda_remote {
    const char *url;             /* where its steps are posted; `run --remote SERVICE=URL` goes before it. NULL: only that says it */
    const char *secret_variable; /* of the environment: the secret that signs requests; NULL: EDDA_REMOTE_SECRET. `run --remote-secret-file` goes before it */
    struct edda_effect effect;   /* threads, rate, time limit and breaker of all its rows together */
};

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
/* A row of `on` that the remote service handles: EDDA_ON_REMOTE(SetPrice, product) or EDDA_ON_REMOTE(SetPrice, product, .retry = { … }). */
#define EDDA_ON_REMOTE(type_name, ...) EDDA_ON_REMOTE_(type_name, __VA_ARGS__, .reserved = 0)
#define EDDA_ON_REMOTE_(type_name, key_member, ...) { .type = &type_name, .key = #key_member, __VA_ARGS__ }
#endif

#ifdef __cplusplus
}
#endif
#endif
