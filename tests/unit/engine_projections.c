/* Read models over the database in memory: each event once, whatever fails; quarantine of one key; building anew; queries. */
#include <stdio.h>
#include <string.h>

#include "engine/database.h"
#include "engine_rig.h"

struct Total {
    struct edda_text id;
    int64_t total, count;
};
static const struct edda_field Total_fields[] = { EDDA_FIELD(Total, id), EDDA_FIELD(Total, total), EDDA_FIELD(Total, count, .max = 1000) };
static const struct edda_type Total = EDDA_VALUE(Total);
static const char *const total_indexes[] = { "total", NULL };
static const struct edda_table totals = EDDA_TABLE("totals", Total, 1, .indexes = total_indexes);

static const char *poisoned; /* the id of which events fail */
static int64_t factor;       /* what another version does differently */

EDDA_PROJECT(add, Done);
static int add(struct edda_rows *rows, const struct Done *e)
{
    struct Total row = { .id = e->id };
    if (edda_get_struct(rows, &totals, &row) < 0)
        return EDDA_EIO;
    int rc = edda_put(rows, totals, Total, .id = e->id, .total = row.total + e->n * factor, .count = row.count + 1);
    /* After it has changed something: that must not stay. */
    return poisoned && edda_text_is(e->id, poisoned) ? edda_fail_with(NULL, EDDA_EINVAL, "poison") : rc;
}

EDDA_PROJECT(forget, Lifted);
static int forget(struct edda_rows *rows, const struct Lifted *e)
{
    return edda_delete(rows, totals, Total, .id = e->id);
}

static const struct edda_table *const totals_tables[] = { &totals, NULL };
struct Odd { struct edda_text id; };
static const struct edda_field Odd_fields[] = { EDDA_FIELD(Odd, id) };
static const struct edda_type Odd = EDDA_EVENT(Odd, id, .topic = "odd");

/* Fails always, and goes by the record's key. */
static int never(struct edda_rows *rows, const void *event, void *user)
{
    (void)rows, (void)event, (void)user;
    return EDDA_EIO;
}

static const struct edda_projecting totals_on[] = {
    EDDA_APPLY(Done, add, id), EDDA_APPLY(Lifted, forget, id), { .type = &Odd, .project = never }, EDDA_APPLY_END,
};
static struct edda_projection projection = { .name = "sums", .tables = totals_tables, .on = totals_on, .version = 1 };
static const struct edda_projection *const projections[] = { &projection, NULL };

static void set_up(struct rig *rig)
{
    rig_new(rig);
    poisoned = NULL;
    factor = 1;
    projection.version = 1;
    rig->projections = projections;
    rig->database = database_memory_new(NULL);
    rig_open(rig);
}

static void tear_down(struct rig *rig)
{
    struct database *database = rig->database;
    rig_free(rig);
    database_close(database);
}

static const struct Total *total_of(struct rig *rig, const char *id)
{
    const void *rows;
    size_t count = database_memory_rows(rig->database, &totals, &rows);
    for (size_t i = 0; i < count; i++)
        if (edda_text_is(((const struct Total *)rows)[i].id, id))
            return (const struct Total *)rows + i;
    return NULL;
}

static void expect_total(struct rig *rig, const char *id, int64_t total, int64_t count)
{
    const struct Total *row = total_of(rig, id);
    assert_non_null(row);
    assert_int_equal(row->total, total);
    assert_int_equal(row->count, count);
}

static struct engine_projection_info info_of(struct rig *rig)
{
    struct engine_projection_info info;
    assert_true(engine_projection(rig->engine, 0, &info));
    return info;
}

/* --- each event once ------------------------------------------------------------------------------------------ */

static void test_events_become_rows(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 3, NULL);
    DO(&rig, "b", 5, NULL);
    DO(&rig, "a", 4, NULL);
    rig_run(&rig);
    expect_total(&rig, "a", 7, 2);
    expect_total(&rig, "b", 5, 1);
    struct engine_projection_info info = info_of(&rig);
    assert_string_equal(info.state, "running");
    assert_int_equal(info.applied, 3);
    assert_int_equal(info.lag, 0);
    assert_true(engine_projected(rig.engine));
    /* What it does not want costs no transaction. */
    ASK(&rig, "a", 1);
    script.on_ask = NULL;
    rig_run(&rig);
    uint64_t before = info_of(&rig).transactions;
    ASK(&rig, "a", 1);
    rig_run(&rig);
    assert_int_equal(info_of(&rig).transactions, before);
    assert_int_equal(info_of(&rig).lag, 0);
    LIFT(&rig, "b", 1);
    rig_run(&rig);
    assert_null(total_of(&rig, "b"));
    tear_down(&rig);
}

static void test_only_what_is_durable_is_applied(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    rig_run(&rig);
    struct engine_call *call = rig_call_begin(&rig, &Do, &(struct Do){ .id = T("a"), .n = 1 }, NULL, JOURNAL_ANY);
    for (int i = 0; i < 20; i++) {
        (void)engine_turn(rig.engine, NULL);
        io_simulated_advance(rig.io, 10000000);
        io_jobs_finish(rig.io);
    }
    assert_int_equal(call->code, 0);
    assert_true(journal_tail(rig.journal) > journal_durable(rig.journal));
    assert_null(total_of(&rig, "a"));
    rig_run(&rig);
    expect_total(&rig, "a", 1, 1);
    tear_down(&rig);
}

/* A transaction whose commit was not answered happens after all, when the next one is about to. Without the comparison of the checkpoint its events would
 * be applied twice. */
static void test_transaction_of_a_zombie(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    database_memory_hold_next(rig.database);
    DO(&rig, "a", 10, NULL);
    rig_pass(&rig, 1000);
    expect_total(&rig, "a", 11, 2);
    assert_int_equal(info_of(&rig).conflicts, 1);
    DO(&rig, "a", 100, NULL);
    rig_run(&rig);
    expect_total(&rig, "a", 111, 3);
    tear_down(&rig);
}

static void test_crash_after_the_commit(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    rig_crash(&rig, false);
    DO(&rig, "a", 2, NULL);
    rig_run(&rig);
    rig_crash(&rig, true);
    rig_run(&rig);
    expect_total(&rig, "a", 3, 2);
    tear_down(&rig);
}

static void test_database_that_is_away(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    rig_run(&rig);
    database_memory_cut(rig.database, true);
    DO(&rig, "a", 1, NULL);
    rig_pass(&rig, 60000);
    assert_null(total_of(&rig, "a"));
    struct engine_projection_info info = info_of(&rig);
    assert_string_equal(info.state, "unreachable");
    assert_true(info.lag > 0);
    assert_int_equal(info.held, 0);
    assert_int_equal(info.failures, 0);
    database_memory_cut(rig.database, false);
    rig_pass(&rig, 11000);
    expect_total(&rig, "a", 1, 1);
    assert_string_equal(info_of(&rig).state, "running");
    /* Away when the program starts: it starts all the same. */
    database_memory_cut(rig.database, true);
    rig_crash(&rig, true);
    DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    database_memory_cut(rig.database, false);
    rig_pass(&rig, 11000);
    expect_total(&rig, "a", 2, 2);
    tear_down(&rig);
}

/* --- quarantine ----------------------------------------------------------------------------------------------- */

static struct engine_quarantine_info held;
static char held_reason[256];

static int look(void *user, const struct engine_quarantine_info *info)
{
    held = *info;
    assert_true(slice_eq_str(info->service, "sums"));
    (void)snprintf(held_reason, sizeof held_reason, "%.*s", (int)info->reason.len, (const char *)info->reason.data);
    ++*(int *)user;
    return 0;
}

static int quarantined(struct rig *rig)
{
    int count = 0;
    assert_int_equal(engine_quarantine_each(rig->engine, look, &count), 0);
    return count;
}

static void test_poison_holds_its_key_alone(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 1, NULL);
    DO(&rig, "p", 1, NULL);
    rig_run(&rig);
    poisoned = "p";
    DO(&rig, "p", 10, NULL);
    DO(&rig, "a", 2, NULL);
    DO(&rig, "p", 100, NULL);
    rig_pass(&rig, 5000);
    expect_total(&rig, "a", 3, 2);
    expect_total(&rig, "p", 1, 1);
    assert_int_equal(quarantined(&rig), 1);
    assert_int_equal(held.held, 2);
    assert_true(slice_eq_str(held.key, "p") && slice_eq_str(held.type, "Done"));
    assert_non_null(strstr(held_reason, "EDDA_EINVAL"));
    assert_int_equal(info_of(&rig).failures, 3);
    /* It is so after a restart, and what comes later waits behind. */
    rig_crash(&rig, true);
    DO(&rig, "p", 1000, NULL);
    DO(&rig, "a", 4, NULL);
    rig_pass(&rig, 5000);
    expect_total(&rig, "a", 7, 3);
    expect_total(&rig, "p", 1, 1);
    assert_int_equal(quarantined(&rig), 1);
    assert_int_equal(held.held, 3);
    assert_non_null(strstr(held_reason, "EDDA_EINVAL"));
    /* Tried again in vain, it stays. */
    assert_int_equal(engine_quarantine_retry(rig.engine, SLICE("sums"), SLICE("p"), NULL), 0);
    rig_pass(&rig, 5000);
    assert_int_equal(quarantined(&rig), 1);
    assert_int_equal(held.held, 3);
    expect_total(&rig, "p", 1, 1);
    /* The first is left out, then those behind it are applied in order. */
    poisoned = NULL;
    assert_int_equal(engine_quarantine_skip(rig.engine, SLICE("sums"), SLICE("p"), NULL), 0);
    rig_pass(&rig, 5000);
    assert_int_equal(quarantined(&rig), 0);
    expect_total(&rig, "p", 1101, 3);
    assert_int_equal(engine_quarantine_retry(rig.engine, SLICE("sums"), SLICE("p"), NULL), EDDA_ENOTFOUND);
    rig_crash(&rig, true);
    rig_run(&rig);
    assert_int_equal(quarantined(&rig), 0);
    tear_down(&rig);
}

/* A record's key may be any bytes; what is put into the database is text. */
static void test_key_that_is_no_text(void **state)
{
    struct rig rig;
    const struct cloudevent event = { .id = SLICE("t1"), .source = SLICE("else\xff"), .type = SLICE("Odd"), .correlation = SLICE("\xc3") };
    (void)state;
    set_up(&rig);
    rig_raw(&rig, Odd.topic, "k\xff", "{\"id\":\"x\"}", &event, NULL, NULL);
    rig_pass(&rig, 5000);
    assert_int_equal(quarantined(&rig), 1);
    assert_true(slice_eq_str(held.key, "k?"));
    assert_true(slice_eq_str(held.correlation, "?"));
    tear_down(&rig);
}

/* Like the first of the tests above, but for a repair. */
static void test_repair_of_a_zombie(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    poisoned = "p";
    DO(&rig, "p", 10, NULL);
    DO(&rig, "p", 100, NULL);
    rig_pass(&rig, 5000);
    assert_int_equal(quarantined(&rig), 1);
    poisoned = NULL;
    database_memory_hold_next(rig.database);
    assert_int_equal(engine_quarantine_retry(rig.engine, SLICE("sums"), SLICE("p"), NULL), 0);
    rig_pass(&rig, 1000);
    /* The connection was lost, so the key may still be in quarantine; asked again it must find out. */
    (void)engine_quarantine_retry(rig.engine, SLICE("sums"), SLICE("p"), NULL);
    rig_pass(&rig, 1000);
    expect_total(&rig, "p", 110, 2);
    assert_int_equal(quarantined(&rig), 0);
    tear_down(&rig);
}

static void test_row_out_of_range_names_its_field(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    factor = 1;
    for (int i = 0; i < 1001; i++)
        DO(&rig, "a", 0, NULL);
    rig_pass(&rig, 5000);
    assert_int_equal(quarantined(&rig), 1);
    assert_non_null(strstr(held_reason, "count"));
    expect_total(&rig, "a", 0, 1000);
    tear_down(&rig);
}

/* --- building anew -------------------------------------------------------------------------------------------- */

static void test_another_version_is_built_beside(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    for (int i = 0; i < 10; i++)
        DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    expect_total(&rig, "a", 10, 10);
    projection.version = 2;
    factor = 2;
    rig_crash(&rig, true);
    expect_total(&rig, "a", 10, 10); /* readers see a whole one all the time */
    rig_run(&rig);
    expect_total(&rig, "a", 20, 10);
    assert_int_equal(info_of(&rig).rebuilt, 1);
    /* An older program leaves it alone, until it is told to build its own. */
    projection.version = 1;
    factor = 1;
    rig_crash(&rig, true);
    DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    assert_string_equal(info_of(&rig).state, "superseded");
    expect_total(&rig, "a", 20, 10);
    assert_int_equal(engine_rebuild(rig.engine, SLICE("sums"), NULL), 0);
    rig_run(&rig);
    expect_total(&rig, "a", 11, 11);
    assert_int_equal(engine_rebuild(rig.engine, SLICE("none"), NULL), EDDA_ENOTFOUND);
    tear_down(&rig);
}

static void test_building_that_is_interrupted(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    for (int i = 0; i < 10; i++)
        DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    for (int turns = 0; turns < 12; turns++) {
        assert_int_equal(engine_rebuild(rig.engine, SLICE("sums"), NULL), 0);
        for (int i = 0; i < turns; i++) {
            (void)engine_turn(rig.engine, NULL);
            io_simulated_advance(rig.io, 1000000);
            io_jobs_finish(rig.io);
        }
        rig_crash(&rig, turns % 2);
        expect_total(&rig, "a", 10 + turns, 10 + turns);
        DO(&rig, "a", 1, NULL);
        rig_run(&rig);
        expect_total(&rig, "a", 11 + turns, 11 + turns);
    }
    tear_down(&rig);
}

/* --- the wrong database --------------------------------------------------------------------------------------- */

static void test_another_log_is_refused(void **state)
{
    struct rig rig, other;
    struct edda_error error = { 0 };
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    rig_new(&other);
    struct io_simulated_options options = { .seed = 8 };
    io_simulated_reset(other.io, &options);
    other.projections = projections;
    other.database = rig.database;
    assert_int_equal(rig_try_open(&other, &error), EDDA_EINVAL);
    char own[20], foreign[20];
    (void)snprintf(own, sizeof own, "%016llx", (unsigned long long)journal_id(other.journal));
    (void)snprintf(foreign, sizeof foreign, "%016llx", (unsigned long long)journal_id(rig.journal));
    assert_non_null(strstr(error.message, own));
    assert_non_null(strstr(error.message, foreign));
    rig_free(&other);
    tear_down(&rig);
}

/* The log of an older copy: what it appends has positions that were applied already, for other events. */
static void test_log_that_lacks_what_was_applied(void **state)
{
    struct rig rig, copy;
    (void)state;
    set_up(&rig);
    rig_new(&copy); /* the same seed: the same log, so far */
    copy.projections = projections;
    copy.database = database_memory_new(NULL);
    rig_open(&copy);
    assert_int_equal(journal_id(rig.journal), journal_id(copy.journal));
    for (int i = 0; i < 5; i++)
        DO(&rig, "a", 1, NULL);
    rig_run(&rig);
    DO(&copy, "b", 1, NULL);
    rig_run(&copy);
    struct database *own = copy.database;
    copy.database = rig.database;
    rig_crash(&copy, true);
    rig_run(&copy);
    assert_string_equal(info_of(&copy).state, "diverged");
    assert_null(total_of(&copy, "b"));
    expect_total(&rig, "a", 5, 5);
    for (int i = 0; i < 20; i++)
        DO(&copy, "b", 1, NULL);
    rig_crash(&copy, true); /* now it is as long, and still another */
    rig_run(&copy);
    assert_string_equal(info_of(&copy).state, "diverged");
    assert_int_equal(engine_rebuild(copy.engine, SLICE("sums"), NULL), 0);
    rig_run(&copy);
    assert_null(total_of(&copy, "a"));
    expect_total(&copy, "b", 21, 21);
    rig_free(&copy);
    database_close(own);
    tear_down(&rig);
}

/* --- queries -------------------------------------------------------------------------------------------------- */

static int answered;

static void query_done(struct engine_query *query)
{
    (void)query;
    answered++;
}

static struct engine_query query_of(struct rig *rig, const struct edda_query *query)
{
    answered = 0;
    return (struct engine_query){ .query = *query, .arena = &rig->arena, .done = query_done };
}

static void test_query_reads_what_was_written(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    rig_run(&rig);
    DO(&rig, "a", 3, NULL);
    DO(&rig, "b", 9, NULL);
    DO(&rig, "c", 5, NULL);
    struct engine_query query = query_of(&rig, &(struct edda_query){ .table = &totals, .order_by = "total", .descending = true, .limit = 2 });
    assert_int_equal(engine_select(rig.engine, &query, NULL), 0);
    assert_int_equal(answered, 0);
    rig_run(&rig);
    assert_int_equal(answered, 1);
    assert_int_equal(query.code, 0);
    assert_int_equal(query.count, 2);
    const struct Total *rows = query.rows;
    assert_int_equal(rows[0].total, 9);
    assert_int_equal(rows[1].total, 5);
    const struct Total b = { .id = T("b") };
    query = query_of(&rig, &(struct edda_query){ .table = &totals, .equal = &b, .equal_fields = 1 });
    assert_int_equal(engine_select(rig.engine, &query, NULL), 0);
    rig_run(&rig);
    assert_int_equal(query.count, 1);
    assert_int_equal(((const struct Total *)query.rows)->total, 9);
    tear_down(&rig);
}

static void test_query_that_is_wrong(void **state)
{
    static const struct edda_table stranger = EDDA_TABLE("stranger", Total, 1);
    struct rig rig;
    struct edda_error error = { 0 };
    (void)state;
    set_up(&rig);
    struct engine_query query = query_of(&rig, &(struct edda_query){ .table = &stranger });
    assert_int_equal(engine_select(rig.engine, &query, &error), EDDA_EINVAL);
    assert_non_null(strstr(error.message, "stranger"));
    query = query_of(&rig, &(struct edda_query){ .table = &totals, .order_by = "sum" });
    assert_int_equal(engine_select(rig.engine, &query, &error), EDDA_EINVAL);
    assert_non_null(strstr(error.message, "sum"));
    query = query_of(&rig, &(struct edda_query){ .table = &totals, .limit = 10001 });
    assert_int_equal(engine_select(rig.engine, &query, &error), EDDA_EINVAL);
    query = query_of(&rig, &(struct edda_query){ .table = &totals, .equal = &rig, .equal_fields = 4 });
    assert_int_equal(engine_select(rig.engine, &query, &error), EDDA_EINVAL);
    tear_down(&rig);
}

static void test_query_of_what_cannot_catch_up(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 3, NULL);
    rig_run(&rig);
    database_memory_cut(rig.database, true);
    DO(&rig, "a", 3, NULL);
    struct engine_query query = query_of(&rig, &(struct edda_query){ .table = &totals });
    assert_int_equal(engine_select(rig.engine, &query, NULL), 0);
    rig_pass(&rig, 4000);
    assert_int_equal(answered, 0);
    rig_pass(&rig, 1500);
    assert_int_equal(answered, 1);
    assert_int_equal(query.code, EDDA_EUNAVAILABLE);
    /* One that waits when the application ends is told. */
    query = query_of(&rig, &(struct edda_query){ .table = &totals });
    assert_int_equal(engine_select(rig.engine, &query, NULL), 0);
    rig_crash(&rig, true);
    assert_int_equal(answered, 1);
    assert_int_equal(query.code, EDDA_ECLOSED);
    tear_down(&rig);
}

static void test_stale_query_does_not_wait(void **state)
{
    struct rig rig;
    (void)state;
    set_up(&rig);
    DO(&rig, "a", 3, NULL);
    rig_run(&rig);
    poisoned = "b";
    DO(&rig, "b", 3, NULL);
    struct engine_query query = query_of(&rig, &(struct edda_query){ .table = &totals, .stale = true });
    assert_int_equal(engine_select(rig.engine, &query, NULL), 0);
    rig_run(&rig);
    assert_int_equal(answered, 1);
    assert_int_equal(query.count, 1);
    tear_down(&rig);
}

/* --- tables that are wrong ------------------------------------------------------------------------------------ */

static void expect_refused(const struct edda_projection *wrong, const char *part)
{
    const struct edda_projection *const list[] = { wrong, NULL };
    struct rig rig;
    struct edda_error error = { 0 };
    rig_new(&rig);
    rig.projections = list;
    rig.database = database_memory_new(NULL);
    assert_int_equal(rig_try_open(&rig, &error), EDDA_EINVAL);
    if (!strstr(error.message, part))
        fail_msg("'%s' does not say '%s'", error.message, part);
    tear_down(&rig);
}

static void test_wrong_tables(void **state)
{
    static const struct edda_table upper = EDDA_TABLE("Totals", Total, 1), keyless = EDDA_TABLE("t", Total, 0);
    static const char *const no_index[] = { "nothing", NULL };
    static const struct edda_table index = EDDA_TABLE("t", Total, 1, .indexes = no_index);
    static const struct edda_table *const lists[][3] = { { &upper, NULL }, { &keyless, NULL }, { &index, NULL }, { &totals, &totals, NULL } };
    static const char *const words[] = { "Totals", "key", "nothing", "two tables totals" };
    struct edda_projection wrong = projection;
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        wrong.tables = lists[i];
        expect_refused(&wrong, words[i]);
    }
    wrong = projection;
    wrong.name = "worker";
    expect_refused(&wrong, "worker");
    wrong = projection;
    wrong.version = 0;
    expect_refused(&wrong, "version");
    static const struct edda_projecting twice[] = { EDDA_APPLY(Done, add, id), EDDA_APPLY(Done, add, id), EDDA_APPLY_END };
    wrong = projection;
    wrong.on = twice;
    expect_refused(&wrong, "twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_become_rows),
        cmocka_unit_test(test_only_what_is_durable_is_applied),
        cmocka_unit_test(test_transaction_of_a_zombie),
        cmocka_unit_test(test_crash_after_the_commit),
        cmocka_unit_test(test_database_that_is_away),
        cmocka_unit_test(test_poison_holds_its_key_alone),
        cmocka_unit_test(test_key_that_is_no_text),
        cmocka_unit_test(test_repair_of_a_zombie),
        cmocka_unit_test(test_row_out_of_range_names_its_field),
        cmocka_unit_test(test_another_version_is_built_beside),
        cmocka_unit_test(test_building_that_is_interrupted),
        cmocka_unit_test(test_another_log_is_refused),
        cmocka_unit_test(test_log_that_lacks_what_was_applied),
        cmocka_unit_test(test_query_reads_what_was_written),
        cmocka_unit_test(test_query_that_is_wrong),
        cmocka_unit_test(test_query_of_what_cannot_catch_up),
        cmocka_unit_test(test_stale_query_does_not_wait),
        cmocka_unit_test(test_wrong_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
