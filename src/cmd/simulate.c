/* simulate: runs the application in the simulator, seed after seed, until one breaks an invariant. */
#include "cmd/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/options.h"
#include "engine/simulator.h"
#include "io/posix.h"

struct simulate {
    uint64_t seeds;
    uint64_t seed;
    bool all;
    bool json;
    bool quiet;
    int64_t durations_ms[APP_OPTIONS_MAX];
};

static const struct option_row simulate_options[] = {
    { "seeds", OPTION_COUNT, offsetof(struct simulate, seeds), "N", "1000", "How many seeds to run" },
    { "seed", OPTION_NUMBER, offsetof(struct simulate, seed), "S", "1", "The first of them; a failure is repeated by its seed" },
    { "all", OPTION_FLAG, offsetof(struct simulate, all), NULL, NULL, "Go on after a failure, and count them" },
    { "json", OPTION_FLAG, offsetof(struct simulate, json), NULL, NULL, "Print the result as one JSON object" },
    { "quiet", OPTION_FLAG, offsetof(struct simulate, quiet), NULL, NULL, "Print no progress and no speed: the same seeds give the same output to the byte" },
    { .name = NULL },
};

static const struct command_row simulate_command = {
    .name = "simulate",
    .summary = "Crash-tests the application in a simulated world and checks its invariants",
    .notes = "Everything that happens follows from the seed: messages are delayed and interleaved, calls repeated, the process\n"
             "killed between any two writes, the disk loses what was not synced. Ends with 1 when an invariant was broken.",
    .options = simulate_options,
    .values_size = sizeof(struct simulate),
};

struct outcome {
    uint64_t run, failed, first_failed;
    double seconds;
    struct simulator_stats stats;
};

static void show_progress(const struct simulate *values, uint64_t done)
{
    if (!values->quiet && !values->json && done % 10000 == 0)
        (void)fprintf(stderr, "  %" PRIu64 " of %" PRIu64 " seeds\n", done, values->seeds);
}

static void run_seeds(const struct simulate *values, struct simulator *simulator, struct outcome *outcome)
{
    struct buffer report;
    buffer_init(&report, 0);
    for (uint64_t i = 0; i < values->seeds; i++) {
        buffer_clear(&report);
        int rc = simulator_run(simulator, values->seed + i, &report);
        outcome->run++;
        if (rc != 0) {
            if (outcome->failed++ == 0)
                outcome->first_failed = values->seed + i;
            if (!values->json)
                (void)printf("%s\n", buffer_cstr(&report));
            if (!values->all)
                break;
        }
        show_progress(values, i + 1);
    }
    buffer_deinit(&report);
    simulator_stats(simulator, &outcome->stats);
}

/* A word as a shell reads it. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        (void)printf("%s", word);
        return;
    }
    (void)putchar('\'');
    for (; *word; word++)
        (void)printf(*word == '\'' ? "'\\''" : "%c", *word);
    (void)putchar('\'');
}

/* The command that shows the first failure again: the program as it was started, and what the application was told. */
static void print_again(const struct edda_app *app, const struct simulate *values, const char *program, uint64_t seed)
{
    (void)printf("  again: ");
    print_word(program);
    (void)printf(" simulate --seed %" PRIu64 " --seeds 1", seed);
    for (size_t i = 0; app->options && app->options[i].name; i++) {
        int64_t usual_ms = 0;
        if (option_value(OPTION_DURATION, app->options[i].value, &usual_ms) && values->durations_ms[i] != usual_ms)
            (void)printf(" --%s %" PRId64 "ms", app->options[i].name, values->durations_ms[i]);
    }
    (void)putchar('\n');
}

static void print_outcome(const struct edda_app *app, const struct simulate *values, const char *program, const struct outcome *o)
{
    if (values->json) {
        (void)printf("{\"application\":\"%s\",\"seeds\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"firstFailedSeed\":%" PRIu64
                     ",\"calls\":%" PRIu64 ",\"restarts\":%" PRIu64 ",\"records\":%" PRIu64 ",\"simulatedMs\":%" PRId64
                     ",\"seconds\":%.3f}\n",
                     app->name, o->run, o->failed, o->first_failed, o->stats.calls, o->stats.restarts, o->stats.records,
                     o->stats.simulated_ms, values->quiet ? 0 : o->seconds);
        return;
    }
    (void)printf("%s: %" PRIu64 " seed%s from %" PRIu64 ", %" PRIu64 " failed\n", app->name, o->run, o->run == 1 ? "" : "s", values->seed,
                 o->failed);
    if (!values->quiet)
        (void)printf("  %" PRIu64 " calls, %" PRIu64 " restarts, %" PRIu64 " records, %.1f simulated hours in %.1f s: %.0f seeds/s, %.0f calls/s\n",
                     o->stats.calls, o->stats.restarts, o->stats.records, (double)o->stats.simulated_ms / 3600e3, o->seconds,
                     (double)o->run / o->seconds, (double)o->stats.calls / o->seconds);
    if (o->failed)
        print_again(app, values, program, o->first_failed);
}

int cmd_simulate(const struct edda_app *app, int argc, char **argv)
{
    struct simulate values;
    int status;
    if (!cmd_parse_with_app(app, &simulate_command, offsetof(struct simulate, durations_ms), argc, argv, &values, &status))
        return status;
    if (!app->simulation) {
        (void)fprintf(stderr, "%s: the application declares no simulation\n", app->name);
        return EXIT_USAGE;
    }
    struct simulator *simulator = simulator_new(app);
    struct io *io = io_posix_new(1);
    if (!simulator || !io) {
        (void)fprintf(stderr, "%s: out of memory\n", app->name);
        return EXIT_FAILED;
    }
    struct outcome outcome = { 0 };
    int64_t start_ns = io_clock_boot_ns(io);
    run_seeds(&values, simulator, &outcome);
    outcome.seconds = (double)(io_clock_boot_ns(io) - start_ns) / 1e9;
    print_outcome(app, &values, argv[0], &outcome);
    simulator_free(simulator);
    io_posix_free(io);
    return outcome.failed ? EXIT_FAILED : EXIT_DONE;
}
