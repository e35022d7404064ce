/*
 * bench simulator: how many whole choreographies a second one core crash-tests: processes of seeds with a few orders each, with pauses, slow
 * handlers, repeated calls and crashes, checked against the invariants. By processor time, so that others on the machine do not count. Baseline: the
 * same processes with no simulated world around them, on the disk of this machine, in bursts.
 */
#include <stdlib.h>
#include <time.h>

#include "choreography/app.h"
#include "choreography/simulation.h"
#include "engine/simulator.h"
#include "world.h"

#define SEEDS 20000
#define BASELINE_ORDERS 20000
#define BURST 1000

static uint64_t orders;

/* The application's own check, and a count of the orders that it looks at. */
static void check(struct edda_sim *sim, void *user)
{
    struct edda_text key;
    const void *state;
    for (size_t i = 0; edda_sim_entity(sim, &order_service, i, &key, &state); i++)
        orders++;
    choreography_simulation.check(sim, user);
}

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void baseline(const struct bench *b)
{
    struct world w;
    size_t count = (size_t)(BASELINE_ORDERS * b->scale) / BURST * BURST + BURST;
    world_open_journal(&w, b, "data");
    world_open_engine(&w, &choreography_app);
    world_deposit(&w);
    double start = cpu_seconds();
    for (size_t i = 0; i < count; i += BURST) {
        for (size_t k = 0; k < BURST; k++)
            world_order(&w);
        world_settle(&w);
    }
    bench_figure(b, "baseline: processes on the disk, by processor time", (double)count / (cpu_seconds() - start), "processes/s", NULL);
    world_close(&w, false);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct simulator_stats stats;
    struct edda_simulation simulation = choreography_simulation;
    struct edda_app app = choreography_app;
    uint64_t seeds, failed = 0;
    bench_begin(&b, "simulator", argc, argv);
    seeds = (uint64_t)(SEEDS * b.scale) + 1;
    simulation.check = check;
    app.simulation = &simulation;
    struct simulator *simulator = simulator_new(&app);
    if (!simulator)
        return 1;
    baseline(&b);
    double start = cpu_seconds();
    for (uint64_t seed = 1; seed <= seeds; seed++)
        failed += simulator_run(simulator, seed, NULL) != 0;
    double seconds = cpu_seconds() - start;
    simulator_stats(simulator, &stats);
    bench_figure(&b, "processes simulated, by processor time", (double)orders / seconds, "processes/s", ">= 5000");
    bench_figure(&b, "seeds", (double)seeds / seconds, "seeds/s", NULL);
    bench_figure(&b, "restarts", (double)stats.restarts / seconds, "restarts/s", NULL);
    bench_figure(&b, "records", (double)stats.records / seconds, "records/s", NULL);
    bench_figure(&b, "seeds that failed", (double)failed, "seeds", "0");
    simulator_free(simulator);
    bench_end(&b);
    return 0;
}
