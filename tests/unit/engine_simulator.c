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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(it_says_why_there_is_nothing_to_draw) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
