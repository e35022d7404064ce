/* What the simulator tells of a seed that broke an invariant. */
#include "engine_rig.h"

#include <string.h>

#include "edda/simulate.h"
#include "engine/simulator.h"

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    edda_sim_call(sim, 5, Do, .id = T("a"), .n = 3);
}

static void breaks(struct edda_sim *sim, void *user)
{
    edda_sim_fail(sim, edda_text_of(user), "never holds");
}

static void reports(const char *process, struct buffer *out)
{
    const struct edda_simulation simulation = { .plan = plan, .check = breaks, .user = (void *)(uintptr_t)process };
    const struct edda_service *const services[] = { &worker, NULL };
    const struct edda_app app = { .name = "tests", .services = services, .simulation = &simulation };
    struct simulator *simulator = simulator_new(&app);
    assert_non_null(simulator);
    script = (struct rig_script){ .on_do = do_done };
    buffer_clear(out);
    assert_int_equal(simulator_run(simulator, 1, out), 1);
    simulator_free(simulator);
}

static void it_says_why_there_is_nothing_to_draw(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    reports("a", &out);
    assert_non_null(strstr(buffer_cstr(&out), "1 invariant is broken\n"));
    assert_non_null(strstr(buffer_cstr(&out), "Nothing to draw: there is no process a; without .correlation a message that begins a process names it "
                                              "by its own id: Do, Undo, Tick\n"));
    reports("", &out); /* no process was named */
    assert_null(strstr(buffer_cstr(&out), "Nothing to draw"));
    buffer_deinit(&out);
}

static int do_if_even(struct edda_step *step, const void *message, const void *state)
{
    return ((const struct Do *)message)->n % 2 ? edda_reject(step, "n", "odd") : do_done(step, message, state);
}

static void plan_three(struct edda_sim *sim, void *user)
{
    (void)user;
    for (int64_t n = 2; n <= 4; n++)
        edda_sim_call(sim, n, Do, .id = T("a"), .n = n);
    edda_sim_pause(sim, &worker, 1, 1);
}

static void asks_for_answers(struct edda_sim *sim, void *user)
{
    struct edda_sim_answer answer;
    size_t count = 0;
    for (; edda_sim_answer(sim, count, &answer); count++) {
        int64_t n = ((const struct Do *)answer.command)->n;
        assert_ptr_equal(answer.type, &Do);
        assert_int_equal(answer.code, n % 2 ? EDDA_EREJECTED : 0);
    }
    size_t *most = user;
    *most = count > *most ? count : *most;
    if (count > 1) /* so it is run with fewer calls */
        edda_sim_fail(sim, T(""), "%zu calls", count);
}

static void answers_are_those_of_the_calls_that_were_made(void **state)
{
    (void)state;
    size_t most = 0;
    const struct edda_simulation simulation = { .plan = plan_three, .check = asks_for_answers, .user = &most };
    const struct edda_service *const services[] = { &worker, NULL };
    const struct edda_app app = { .name = "tests", .services = services, .simulation = &simulation };
    struct simulator *simulator = simulator_new(&app);
    struct buffer out = BUFFER_EMPTY;
    assert_non_null(simulator);
    script = (struct rig_script){ .on_do = do_if_even };
    assert_int_equal(simulator_run(simulator, 1, &out), 1);
    assert_non_null(strstr(buffer_cstr(&out), "\n  2 calls\n"));
    assert_int_equal(most, 3);
    simulator_free(simulator);
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(it_says_why_there_is_nothing_to_draw),
                                        cmocka_unit_test(answers_are_those_of_the_calls_that_were_made) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
