/*
 * The simulator's outside: effects are done in simulated time, by the application's own function when it has one. It outlives crashes of the
 * process, as the real one does. By the seed it is slow, away, or has done what was asked and its answer is lost, and the process dies between an effect and its record.
 */
#include "engine/simulator_parts.h"

#include <stdlib.h>
#include <string.h>

#include "io/simulated.h"

/* So that a policy of few retries stands it: what is asked again and again is done in the end. */
#define FAILURES_MAX 2
#define SLOW_MAX_MS 3000
#define OPERATIONS_TO_CRASH 6

/* What is asked, as text for checks and reports. */
static void describe(struct edda_sim *sim, const struct edda_outside_call *call, struct slice *ret_target, struct slice *ret_content)
{
    struct edda_text target = { NULL, 0 }, content = { NULL, 0 };
    if (call->mail) {
        target = call->mail->to;
        content = call->mail->text;
    } else if (call->http) {
        target = call->remote ? edda_text_of(call->remote->name) : call->http->url;
        content = call->http->body;
    } else {
        target = edda_text_of(call->program->arguments[0]);
        content = call->program->input;
    }
    *ret_target = arena_copy(&sim->arena, slice_of(target.data, target.len));
    *ret_content = arena_copy(&sim->arena, slice_of(content.data, content.len));
}

static struct sim_effect *effect_of(struct edda_sim *sim, const struct edda_outside_call *call)
{
    struct slice key = slice_of(call->idempotency_key.data, call->idempotency_key.len);
    for (size_t i = 0; i < sim->effect_count; i++)
        if (slice_eq(sim->effects[i].key, key))
            return &sim->effects[i];
    if (sim->effect_count == sim->effect_capacity) {
        size_t capacity = sim->effect_capacity ? sim->effect_capacity * 2 : 64;
        struct sim_effect *grown = realloc(sim->effects, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        sim->effects = grown;
        sim->effect_capacity = capacity;
    }
    struct sim_effect *effect = &sim->effects[sim->effect_count++];
    *effect = (struct sim_effect){ .key = arena_copy(&sim->arena, key) };
    describe(sim, call, &effect->target, &effect->content);
    return effect;
}

static bool strikes(struct edda_sim *sim, unsigned fault, uint64_t one_of)
{
    return (sim->faults & fault) && prng_below(&sim->world, one_of) == 0;
}

static int away(struct sim_effect *effect, const struct edda_outside_call *call, const char *how)
{
    effect->failures++;
    return edda_fail_with(call->error, EDDA_EUNAVAILABLE, "simulated: %s", how);
}

/* The process dies soon: in most cases before what the effect gave is recorded and durable. */
static void die_soon(struct edda_sim *sim)
{
    if (sim->restarts < SIM_RESTARTS_MAX)
        io_simulated_cut_after(sim->io, 1 + prng_below(&sim->world, OPERATIONS_TO_CRASH));
}

int sim_outside(const struct edda_outside_call *call, void *user)
{
    struct edda_sim *sim = user;
    const struct edda_simulation *simulation = sim->app->simulation;
    struct sim_effect *effect = effect_of(sim, call);
    if (!effect)
        return EDDA_ENOMEM;
    if (strikes(sim, SIM_OUTSIDE, 8) && !io_sleep(sim->io, (int64_t)prng_below(&sim->world, SLOW_MAX_MS) * 1000000))
        return EDDA_ECLOSED;
    if (effect->failures < FAILURES_MAX && strikes(sim, SIM_OUTSIDE, 8))
        return away(effect, call, "it is away");
    int rc = simulation->outside ? simulation->outside(call, simulation->user) : outside_pretend(call, NULL);
    effect->done += rc >= 0;
    if (strikes(sim, SIM_CRASH, 16))
        die_soon(sim);
    if (rc < 0 || effect->failures == FAILURES_MAX || !strikes(sim, SIM_OUTSIDE, 8))
        return rc;
    if (call->http_answer)
        *call->http_answer = (struct edda_http_answer){ .status = 0 };
    if (call->program_result)
        *call->program_result = (struct edda_program_result){ .status = -1 };
    return away(effect, call, "it was done, and the answer is lost");
}

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

bool edda_sim_effect(struct edda_sim *sim, size_t index, struct edda_sim_effect *ret_effect)
{
    if (index >= sim->effect_count)
        return false;
    const struct sim_effect *effect = &sim->effects[index];
    *ret_effect = (struct edda_sim_effect){
        .idempotency_key = text_of(effect->key), .target = text_of(effect->target), .content = text_of(effect->content), .done = effect->done,
    };
    return true;
}
