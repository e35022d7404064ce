/*
 * Telling of a seed that broke an invariant: everything that can be left out of it is left out, one thing after the other, as long as it still
 * breaks; what remains is listed, with the diagram of the process.
 */
#include "engine/simulator_parts.h"

#include <inttypes.h>

#include "engine/trace.h"
#include "wire/json/json.h"

struct shrunk {
    unsigned faults;
    bool disabled[SIM_ACTIONS_MAX];
};

static bool still_fails(struct edda_sim *sim, uint64_t seed, const struct shrunk *shrunk, int as)
{
    int rc = simulate(sim, seed, shrunk->faults, shrunk->disabled);
    simulate_end(sim);
    return rc == as;
}

/* Leaves out what does not matter. Deterministic: the same seed gives the same end. */
static void shrink(struct edda_sim *sim, uint64_t seed, int as, struct shrunk *shrunk)
{
    static const unsigned faults[] = { SIM_SYNC_FAILURE, SIM_DATABASE, SIM_CRASH, SIM_OUTSIDE, SIM_REPEAT, SIM_DELAY };
    *shrunk = (struct shrunk){ .faults = SIM_FAULTS_ALL };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct shrunk less = *shrunk;
        less.faults &= ~faults[i];
        if (still_fails(sim, seed, &less, as))
            *shrunk = less;
    }
    size_t count = sim->action_count;
    for (size_t i = 0; i < count; i++) {
        struct shrunk less = *shrunk;
        less.disabled[count - 1 - i] = true;
        if (still_fails(sim, seed, &less, as))
            *shrunk = less;
    }
}

static void put_actions(const struct edda_sim *sim, struct buffer *out)
{
    for (size_t i = 0; i < sim->action_count; i++) {
        const struct sim_action *action = &sim->actions[i];
        if (action->disabled)
            continue;
        if (action->kind == SIM_PAUSE) {
            buffer_printf(out, "  %8" PRId64 " ms  service %s is stopped until %" PRId64 " ms\n", action->planned_ms, action->service->name,
                          action->until_ms);
            continue;
        }
        buffer_printf(out, "  %8" PRId64 " ms  %s ", action->planned_ms, action->type->name);
        json_encode(action->type, action->value, out);
        buffer_append_byte(out, '\n');
    }
}

static void put_process(const struct edda_sim *sim, struct slice correlation, struct buffer *out)
{
    struct trace trace;
    struct arena arena;
    struct edda_error error = { 0 };
    arena_init(&arena, 0, 0);
    buffer_append_byte(out, '\n');
    if (trace_read(sim->journal, correlation, &arena, &trace, &error) == 0) {
        trace_text(&trace, out);
    } else {
        trace_explain(sim->app, &error);
        buffer_printf(out, "Nothing to draw: %s\n", error.message);
    }
    arena_deinit(&arena);
}

void simulate_report(struct edda_sim *sim, uint64_t seed, struct buffer *out)
{
    int as = sim->failures ? 1 : sim->code;
    struct shrunk shrunk;
    shrink(sim, seed, as, &shrunk);
    int rc = simulate(sim, seed, shrunk.faults, shrunk.disabled);
    buffer_printf(out, "seed %" PRIu64 ": ", seed);
    if (rc < 0)
        buffer_printf(out, "the run failed: %s\n", sim->error.message[0] ? sim->error.message : edda_code_info(rc)->sentence);
    else
        buffer_printf(out, "%u invariant%s broken\n", sim->failures, sim->failures == 1 ? " is" : "s are");
    buffer_append_slice(out, buffer_slice(&sim->failure));
    buffer_printf(out, "\nThe fewest steps that show it (of %zu, restarts: %u):\n", sim->action_count, sim->restarts);
    put_actions(sim, out);
    if (sim->correlation.len && sim->journal)
        put_process(sim, slice_of(sim->correlation.data, sim->correlation.len), out);
    simulate_end(sim);
}
