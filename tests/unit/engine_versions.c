/* Versions of a process: an entity stays with the one that took its first step; both run side by side; migration, and what does not fit. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/prng.h"

struct Order { struct edda_text id; int64_t n; };
struct Took { struct edda_text id; int64_t by; };
struct Gift { struct edda_text id; };
struct Late { struct edda_text id; };
struct flow { int64_t first, second, gifts; };

static const struct edda_field Order_fields[] = { EDDA_FIELD(Order, id), EDDA_FIELD(Order, n) };
static const struct edda_type Order = EDDA_EVENT(Order, id, .topic = "flow.inbox");
static const struct edda_field Took_fields[] = { EDDA_FIELD(Took, id), EDDA_FIELD(Took, by) };
static const struct edda_type Took = EDDA_EVENT(Took, id, .topic = "flows");
static const struct edda_field Gift_fields[] = { EDDA_FIELD(Gift, id) };
static const struct edda_type Gift = EDDA_EVENT(Gift, id, .topic = "flows");
static const struct edda_field Late_fields[] = { EDDA_FIELD(Late, id) };
static const struct edda_type Late = EDDA_EVENT(Late, id, .topic = "flow.late");
static const struct edda_field flow_fields[] = { EDDA_FIELD(flow, first), EDDA_FIELD(flow, second), EDDA_FIELD(flow, gifts) };
static const struct edda_type flow = EDDA_STATE(flow);

EDDA_EVOLVE(evolve_took, flow, Took);
static void evolve_took(struct flow *f, const struct Took *e)
{
    f->first += e->by == 1;
    f->second += e->by == 2;
}

EDDA_EVOLVE(evolve_gift, flow, Gift);
static void evolve_gift(struct flow *f, const struct Gift *e)
{
    (void)e;
    f->gifts++;
}

static int take(struct edda_step *step, const struct Order *o, int64_t by)
{
    switch (o->n) {
    case 0:
        return edda_finish(step);
    case 2:
        edda_emit(step, Gift, .id = o->id);
        break;
    case 3:
        edda_deadline_set(step, "late", edda_now_ms(step) + 1000, Late, .id = o->id);
        break;
    case 4:
        return edda_skip(step, "nothing to do");
    case 5:
        return EDDA_EIO;
    default:
        break;
    }
    return edda_emit(step, Took, .id = o->id, .by = by);
}

EDDA_HANDLER(take_1, Order, flow);
static int take_1(struct edda_step *step, const struct Order *o, const struct flow *f)
{
    (void)f;
    return take(step, o, 1);
}

EDDA_HANDLER(take_2, Order, flow);
static int take_2(struct edda_step *step, const struct Order *o, const struct flow *f)
{
    (void)f;
    return take(step, o, 2);
}

EDDA_HANDLER(late_1, Late, flow);
static int late_1(struct edda_step *step, const struct Late *l, const struct flow *f)
{
    (void)f;
    return edda_emit(step, Took, .id = l->id, .by = 1);
}

static int only_few(const void *before, const void *after, struct edda_error *error)
{
    const struct flow *f = after;
    (void)before;
    if (f->first < 3)
        return 0;
    error->code = EDDA_EINVAL;
    (void)snprintf(error->message, sizeof error->message, "it has taken %lld", (long long)f->first);
    return error->code;
}

static const struct edda_row evolve_1[] = { EDDA_WHEN(Took, evolve_took), EDDA_WHEN(Gift, evolve_gift), EDDA_END };
static const struct edda_row evolve_2[] = { EDDA_WHEN(Took, evolve_took), EDDA_END };
static const struct edda_row on_1[] = { EDDA_ON(Order, take_1, id), EDDA_ON(Late, late_1, id), EDDA_END };
static const struct edda_row on_2[] = { EDDA_ON(Order, take_2, id, .retry = { .never = true }), EDDA_END };
static const struct edda_service plain = { .name = "flow", .entity = EDDA_ENTITY(flow, "flows"), .evolve = evolve_1, .on = on_1 };
static const struct edda_service flow_1 = { .name = "flow", .version = 1, .entity = EDDA_ENTITY(flow, "flows"), .evolve = evolve_1, .on = on_1 };
static const struct edda_service flow_2 = {
    .name = "flow", .version = 2, .entity = EDDA_ENTITY(flow, "flows"), .evolve = evolve_2, .on = on_2, .fits = only_few
};

static void use(struct rig *rig, const struct edda_service *a, const struct edda_service *b)
{
    rig->services[0] = a;
    rig->services[1] = b;
    rig->services[2] = NULL;
}

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    use(&rig, &flow_1, NULL);
    rig_open(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void order(struct rig *rig, const char *id, int64_t n)
{
    rig_event(rig, &Order, &(struct Order){ .id = edda_text_of(id), .n = n }, NULL);
    rig_run(rig);
}

/* What the versions have taken of an entity: 10 × the first's + the second's. */
static int64_t took(struct rig *rig, const char *id)
{
    const struct flow *f = engine_state(rig->engine, rig->services[0], slice_str(id));
    return f ? f->first * 10 + f->second : 0;
}

static void release(struct rig *rig, const struct edda_service *a, const struct edda_service *b)
{
    rig_close(rig);
    use(rig, a, b);
    rig_open(rig);
}

static void an_entity_stays_with_its_first_version(void **state)
{
    struct rig *rig = *state;
    order(rig, "a", 1);
    release(rig, &flow_2, &flow_1);
    order(rig, "a", 1);
    order(rig, "b", 1);
    order(rig, "b", 1);
    assert_int_equal(took(rig, "a"), 20);
    assert_int_equal(took(rig, "b"), 2);
    assert_int_equal(rig_count(rig, TOPIC_VERSIONS, NULL), 2);
    rig_crash(rig, false);
    order(rig, "a", 1);
    order(rig, "b", 1);
    assert_int_equal(took(rig, "a"), 30);
    assert_int_equal(took(rig, "b"), 3);
    assert_int_equal(rig_count(rig, TOPIC_VERSIONS, NULL), 2);
}

static void one_from_before_versions_is_the_first_ones(void **state)
{
    struct rig *rig = *state;
    release(rig, &plain, NULL);
    order(rig, "a", 1);
    assert_int_equal(rig_count(rig, TOPIC_VERSIONS, NULL), 0);
    release(rig, &flow_1, &flow_2);
    order(rig, "a", 1);
    order(rig, "b", 1);
    assert_int_equal(took(rig, "a"), 20);
    assert_int_equal(took(rig, "b"), 1);
}

static void a_skip_does_not_bind(void **state)
{
    struct rig *rig = *state;
    order(rig, "a", 4);
    assert_int_equal(rig_count(rig, TOPIC_VERSIONS, NULL), 0);
    release(rig, &flow_1, &flow_2);
    order(rig, "a", 1);
    assert_int_equal(took(rig, "a"), 1);
}

static void a_message_that_only_the_other_version_handles_is_passed_over(void **state)
{
    struct rig *rig = *state;
    release(rig, &flow_1, &flow_2);
    order(rig, "b", 1);
    rig_event(rig, &Late, &(struct Late){ .id = T("b") }, NULL);
    rig_run(rig);
    assert_int_equal(took(rig, "b"), 1);
    assert_true(engine_settled(rig->engine));
}

static void of_a_version_that_is_gone_it_waits_in_quarantine(void **state)
{
    struct rig *rig = *state;
    order(rig, "a", 1);
    release(rig, &flow_2, NULL);
    order(rig, "a", 1);
    order(rig, "b", 1);
    assert_int_equal(rig_held(rig, "a"), 1);
    assert_int_equal(took(rig, "b"), 1);
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_held(rig, "a"), 1);
    release(rig, &flow_1, &flow_2);
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("flow"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_held(rig, "a"), 0);
    assert_int_equal(took(rig, "a"), 20);
}

/* Orders for a few entities, releases with and without the second version, and the machine dies between any two writes: what an entity has taken is one
 * version's. */
static void no_entity_is_served_by_two(void **state)
{
    struct rig *rig = *state;
    static const char *const keys[] = { "a", "b", "c", "d", "e" };
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct prng prng;
        prng_init(&prng, seed);
        for (int round = 0; round < 12; round++) {
            io_simulated_cut_after(rig->io, 1 + prng_below(&prng, 12));
            for (int i = 0; i < 4 && !io_simulated_is_cut(rig->io); i++) {
                rig_event(rig, &Order, &(struct Order){ .id = edda_text_of(keys[prng_below(&prng, 5)]), .n = 1 }, NULL);
                (void)engine_turn(rig->engine, NULL);
                (void)journal_flush(rig->journal, true, NULL);
            }
            use(rig, &flow_1, prng_below(&prng, 3) ? &flow_2 : NULL);
            rig_crash(rig, prng_below(&prng, 2));
            rig_run(rig);
        }
        use(rig, &flow_1, &flow_2);
        rig_crash(rig, true);
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            int64_t n = took(rig, keys[i]);
            if (n >= 10 && n % 10)
                fail_msg("seed %llu: %s was served by both: %lld", (unsigned long long)seed, keys[i], (long long)n);
        }
        rig_free(rig);
        rig_new(rig);
        use(rig, &flow_1, NULL);
        rig_open(rig);
    }
}

/* --- migration ------------------------------------------------------------------------------------------------ */

struct unfits {
    char text[512];
};

static void unfit(void *user, struct slice key, const char *reason)
{
    struct unfits *unfits = user;
    size_t used = strlen(unfits->text);
    (void)snprintf(unfits->text + used, sizeof unfits->text - used, "%.*s: %s\n", (int)key.len, (const char *)key.data, reason);
}

static struct unfits migrate(struct rig *rig, bool dry_run, uint64_t fits, uint64_t unfits_count)
{
    struct unfits unfits = { "" };
    struct engine_migration migration = { .service = SLICE("flow"), .from = 1, .to = 2, .dry_run = dry_run, .unfit = unfit, .user = &unfits };
    struct edda_error error = { 0 };
    if (engine_migrate(rig->engine, &migration, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(migration.fits, fits);
    assert_int_equal(migration.unfits, unfits_count);
    return unfits;
}

static void migration_moves_what_fits_and_says_what_does_not(void **state)
{
    struct rig *rig = *state;
    order(rig, "fits", 1);
    order(rig, "gift", 2);
    order(rig, "late", 3);
    order(rig, "many", 1);
    order(rig, "many", 1);
    order(rig, "many", 1);
    order(rig, "ended", 1);
    order(rig, "ended", 0);
    release(rig, &flow_1, &flow_2);
    order(rig, "new", 1);
    struct unfits dry = migrate(rig, true, 1, 3);
    assert_non_null(strstr(dry.text, "gift: event 0 of its stream is Gift, which version 2 does not fold"));
    assert_non_null(strstr(dry.text, "late: it has set a deadline for Late, which version 2 does not handle"));
    assert_non_null(strstr(dry.text, "many: it has taken 3"));
    order(rig, "fits", 1);
    assert_int_equal(took(rig, "fits"), 20); /* nothing was moved */
    struct unfits wet = migrate(rig, false, 1, 3);
    assert_string_equal(wet.text, dry.text);
    rig_run(rig);
    rig_crash(rig, false);
    order(rig, "fits", 1);
    order(rig, "gift", 1);
    assert_int_equal(took(rig, "fits"), 21);
    assert_int_equal(took(rig, "gift"), 20);
    migrate(rig, false, 0, 3);
}

/* What the versions make of an entity's stream, all in one number. */
static int64_t states_of(struct rig *rig, const char *id)
{
    int64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        const struct flow *f = rig->services[i] ? engine_state(rig->engine, rig->services[i], slice_str(id)) : NULL;
        sum = sum * 1000000 + (f ? f->first * 10000 + f->second * 100 + f->gifts : 0);
    }
    return sum;
}

/* Orders, releases with and without the second version, migrations and crashes: whatever a state was read from, it is what the whole stream says. */
static void with_snapshots_and_migrations_states_stay_right(void **state)
{
    struct rig *rig = *state;
    static const char *const keys[] = { "a", "b", "c" };
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct prng prng;
        struct edda_service first = flow_1, second = flow_2;
        prng_init(&prng, seed);
        second.fits = NULL;
        for (int round = 0; round < 12; round++) {
            first.entity.snapshot_every = second.entity.snapshot_every = 2 + (uint32_t)prng_below(&prng, 4);
            rig->state_bytes_max = prng_below(&prng, 2) ? 1 : 0;
            use(rig, &first, prng_below(&prng, 4) ? &second : NULL);
            rig_crash(rig, prng_below(&prng, 2));
            for (int i = 0; i < 12; i++) {
                const char *key = keys[prng_below(&prng, 3)];
                order(rig, key, 1 + (prng_below(&prng, 8) == 0));
                (void)states_of(rig, key);
            }
            struct engine_migration migration = { .service = SLICE("flow"), .from = 1 + round % 2, .to = 2 - round % 2 };
            if (rig->services[1])
                assert_int_equal(engine_migrate(rig->engine, &migration, NULL), 0);
            int64_t with[3];
            for (int i = 0; i < 3; i++)
                with[i] = states_of(rig, keys[i]);
            rig_run(rig);
            first.entity.snapshot_every = second.entity.snapshot_every = UINT32_MAX;
            rig_crash(rig, false);
            for (int i = 0; i < 3; i++)
                if (states_of(rig, keys[i]) != with[i])
                    fail_msg("seed %llu, round %d: %s is %lld, and was read as %lld", (unsigned long long)seed, round, keys[i],
                             (long long)states_of(rig, keys[i]), (long long)with[i]);
        }
        rig_free(rig);
        rig_new(rig);
        use(rig, &flow_1, NULL);
        rig_open(rig);
    }
}

struct Line { struct edda_text id; };
static const struct edda_field Line_fields[] = { EDDA_FIELD(Line, id) };
static const struct edda_type Line = EDDA_VALUE(Line);

EDDA_ROW(all_rows, Line, flow);
static bool all_rows(struct Line *line, struct edda_text key, const struct flow *f)
{
    (void)f;
    *line = (struct Line){ key };
    return true;
}

EDDA_ROW(rows_of_two, Line, flow);
static bool rows_of_two(struct Line *line, struct edda_text key, const struct flow *f)
{
    *line = (struct Line){ key };
    return f->first > 1;
}

/* What the other version does not list is gone from the listing when the entity is moved, and not only after its next event or a start. */
static void the_listing_is_the_other_versions_at_once(void **state)
{
    struct rig *rig = *state;
    static const struct edda_view all = EDDA_VIEW("flows", Line, all_rows), of_two = EDDA_VIEW("flows", Line, rows_of_two);
    struct edda_service first = flow_1, second = flow_2;
    first.view = &all;
    second.view = &of_two;
    release(rig, &first, &second);
    order(rig, "new", 1);
    assert_int_equal(engine_view_count(rig->engine, &second), 0);
    release(rig, &first, NULL);
    order(rig, "a", 1);
    order(rig, "b", 1);
    order(rig, "b", 1);
    release(rig, &first, &second);
    assert_int_equal(engine_view_count(rig->engine, &second), 2);
    migrate(rig, false, 2, 0);
    assert_int_equal(engine_view_count(rig->engine, &second), 1);
    rig_run(rig);
    rig_crash(rig, false);
    assert_int_equal(engine_view_count(rig->engine, &second), 1);
    release(rig, &flow_1, &flow_2); /* the tables above are gone with this function */
}

static void what_is_in_quarantine_is_not_moved(void **state)
{
    struct rig *rig = *state;
    order(rig, "a", 1);
    order(rig, "a", 5);
    rig_pass(rig, 30000);
    release(rig, &flow_1, &flow_2);
    rig_run(rig);
    struct unfits unfits = migrate(rig, false, 0, 1);
    assert_string_equal(unfits.text, "a: it is at work, or in quarantine\n");
}

/* More than the log takes before its disk has it: whoever asks again is told of all that were moved. */
static void a_migration_of_many_counts_them_all(void **state)
{
    struct rig *rig = *state;
    enum { MANY = 2500 };
    rig_close(rig);
    rig->store.unflushed_bytes_max = 4096;
    rig_open(rig);
    for (int i = 0; i < MANY; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%d", i);
        order(rig, id, 1);
    }
    release(rig, &flow_1, &flow_2);
    struct engine_migration migration = { .service = SLICE("flow"), .from = 1, .to = 2 };
    int rc, busy = 0;
    while ((rc = engine_migrate(rig->engine, &migration, NULL)) == EDDA_EBUSY && busy++ < 10)
        rig_run(rig);
    assert_int_equal(rc, 0);
    assert_in_range(busy, 1, 9);
    assert_int_equal(migration.fits, MANY);
    rig_run(rig);
    assert_int_equal(engine_migrate(rig->engine, &migration, NULL), 0);
    assert_int_equal(migration.fits, 0);
}

static void migration_refuses_what_is_not_there(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    struct engine_migration migration = { .service = SLICE("none"), .from = 1, .to = 2 };
    assert_int_equal(engine_migrate(rig->engine, &migration, &error), EDDA_ENOTFOUND);
    migration.service = SLICE("flow");
    assert_int_equal(engine_migrate(rig->engine, &migration, &error), EDDA_ENOTFOUND);
    assert_string_equal(error.message, "service flow has no version 2");
    migration.to = 1;
    assert_int_equal(engine_migrate(rig->engine, &migration, &error), EDDA_EINVAL);
}

/* --- tables --------------------------------------------------------------------------------------------------- */

static void refused(struct rig *rig, const struct edda_service *a, const struct edda_service *b, const char *part)
{
    struct edda_error error = { 0 };
    use(rig, a, b);
    assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
    if (!strstr(error.message, part))
        fail_msg("it says: %s", error.message);
    journal_close(rig->journal, true);
    rig->journal = NULL;
}

static void wrong_tables_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct edda_row by_key[] = { { .type = &Order, .handle = take_1_row }, EDDA_END };
    struct edda_service other = flow_2;
    rig_close(rig);
    refused(rig, &flow_1, &plain, "two services are named flow");
    refused(rig, &flow_1, &flow_1, "two services are named flow");
    other.entity.category = "elsewhere";
    refused(rig, &flow_1, &other, "no entity in common");
    other = flow_2;
    other.on = by_key;
    refused(rig, &flow_1, &other, "different fields");
    other = flow_1;
    static const struct edda_route routes[] = { EDDA_ROUTES_END };
    other.routes = routes;
    refused(rig, &other, &flow_2, "has routes");
    other = (struct edda_service){ .name = "bare", .version = 1 };
    refused(rig, &flow_1, &other, "no entity");
    use(rig, &flow_1, &flow_2);
    rig_open(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entity_stays_with_its_first_version),
        TEST(one_from_before_versions_is_the_first_ones),
        TEST(a_skip_does_not_bind),
        TEST(a_message_that_only_the_other_version_handles_is_passed_over),
        TEST(of_a_version_that_is_gone_it_waits_in_quarantine),
        TEST(no_entity_is_served_by_two),
        TEST(migration_moves_what_fits_and_says_what_does_not),
        TEST(with_snapshots_and_migrations_states_stay_right),
        TEST(the_listing_is_the_other_versions_at_once),
        TEST(what_is_in_quarantine_is_not_moved),
        TEST(a_migration_of_many_counts_them_all),
        TEST(migration_refuses_what_is_not_there),
        TEST(wrong_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
