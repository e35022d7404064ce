/* See engine_rig.h. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wire/json/json.h"

#define TURNS_MAX 200000

void rig_new(struct rig *rig)
{
    *rig = (struct rig){ .services = { &worker, &lifter, &watcher, NULL } };
    struct io_simulated_options options = { .seed = 7 };
    rig->io = io_simulated_new(&options);
    assert_non_null(rig->io);
    rig->store.log.segment_bytes = UINT64_C(1) << 20;
    arena_init(&rig->arena, 0, 0);
    script = (struct rig_script){ .on_do = do_done, .on_ask = ask_done, .on_tick = tick_done, .on_lift = lift_lifted };
    rig_ran[0] = '\0';
    rig_runs = 0;
}

static void close_world(struct rig *rig, bool abandon)
{
    if (rig->engine)
        engine_close(rig->engine, abandon);
    rig->engine = NULL;
    journal_close(rig->journal, abandon);
    rig->journal = NULL;
}

void rig_free(struct rig *rig)
{
    io_simulated_cut_after(rig->io, 0);
    io_simulated_crash(rig->io, true);
    close_world(rig, true);
    io_simulated_free(rig->io);
    arena_deinit(&rig->arena);
}

static void told(void *user, const char *event, const char *text)
{
    struct rig *rig = user;
    (void)snprintf(rig->said, sizeof rig->said, "%s", text);
    (void)snprintf(rig->log, sizeof rig->log, "%s", event);
}

int rig_try_open(struct rig *rig, struct edda_error *error)
{
    rig->failed = 0;
    rig->app = (struct edda_app){
        .name = rig->name ? rig->name : "tests", .services = rig->services, .topics = rig->topics, .entity_word = rig->entity_word, .channels = rig->channels,
        .projections = rig->projections,
    };
    int rc = journal_local_open(rig->io, "data", &rig->store, &rig->journal, NULL, error);
    if (rc < 0)
        return rc;
    struct engine_options options = {
        .app = &rig->app, .io = rig->io, .journal = rig->journal, .state_bytes_max = rig->state_bytes_max, .chance = rig->chance,
        .pending_max = rig->pending_max, .checkpoint_records = rig->checkpoint_records,
        .checkpoint_rows = rig->checkpoint_rows, .database = rig->database, .log = told, .log_user = rig, .outside = rig->outside,
    };
    return engine_open(&options, &rig->engine, error);
}

void rig_open(struct rig *rig)
{
    struct edda_error error = { 0 };
    if (rig_try_open(rig, &error) < 0)
        fail_msg("cannot open: %s", error.message);
}

void rig_close(struct rig *rig)
{
    rig_run(rig);
    close_world(rig, false);
}

void rig_crash(struct rig *rig, bool lose_nothing)
{
    io_simulated_cut_after(rig->io, 0);
    io_simulated_crash(rig->io, lose_nothing);
    close_world(rig, true);
    rig_open(rig);
}

int64_t rig_now(struct rig *rig)
{
    return journal_time_ms(rig->journal);
}

int64_t rig_run(struct rig *rig)
{
    struct edda_error error = { 0 };
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        io_jobs_finish(rig->io);
        uint64_t tail = journal_tail(rig->journal);
        int64_t wake = engine_turn(rig->engine, &error);
        int rc = wake < 0 ? (int)wake : journal_flush(rig->journal, wake != 0, &error);
        if (rc < 0) {
            rig->failed = rc;
            return rc;
        }
        if (wake == 0 || journal_tail(rig->journal) != tail || engine_flushed(rig->engine))
            continue; /* a flush adds the engine's progress, which the engine passes over */
        int64_t job_ns = io_simulated_next_job_ns(rig->io);
        if (job_ns != INT64_MAX) {
            int64_t by_ns = job_ns - io_clock_boot_ns(rig->io);
            io_simulated_advance(rig->io, by_ns > 0 ? by_ns : 1);
        } else if (!journal_flushing(rig->journal) && wake > rig_now(rig)) {
            return wake;
        } else {
            io_simulated_advance(rig->io, 1000);
        }
    }
    fail_msg("the engine does not come to rest");
    return 0;
}

void rig_pass(struct rig *rig, int64_t ms)
{
    int64_t until = rig_now(rig) + ms;
    for (;;) {
        int64_t wake = rig_run(rig), now = rig_now(rig);
        if (rig->failed || now >= until)
            return;
        int64_t next = wake < until ? wake : until;
        io_simulated_advance(rig->io, (next > now ? next - now : 1) * 1000000);
    }
}

/* --- calls ---------------------------------------------------------------------------------------------------- */

static void call_is_done(struct engine_call *call)
{
    struct rig *rig = call->user;
    rig->calls_done++;
    call->user = NULL;
}

struct engine_call *rig_call_begin(struct rig *rig, const struct edda_type *type, const void *value, const char *id, int64_t expected)
{
    struct engine_call *call = arena_alloc(&rig->arena, sizeof *call);
    void *copy = arena_alloc(&rig->arena, type->size);
    memcpy(copy, value, type->size);
    *call = (struct engine_call){
        .type = type, .value = copy, .expected = expected, .row_type = script.row_type, .done = call_is_done, .user = rig, .arena = &rig->arena,
    };
    if (id) {
        call->source = SLICE("client");
        call->id = slice_str(arena_printf(&rig->arena, "%s", id));
    }
    engine_call(rig->engine, call);
    return call;
}

struct engine_call *rig_call_expected(struct rig *rig, const struct edda_type *type, const void *value, const char *id, int64_t expected)
{
    struct engine_call *call = rig_call_begin(rig, type, value, id, expected);
    rig_run(rig);
    if (call->user)
        fail_msg("the call was not answered");
    return call;
}

struct engine_call *rig_call(struct rig *rig, const struct edda_type *type, const void *value, const char *id)
{
    return rig_call_expected(rig, type, value, id, JOURNAL_ANY);
}

/* --- from outside --------------------------------------------------------------------------------------------- */

void rig_raw(struct rig *rig, const char *topic, const char *key, const char *json, const struct cloudevent *event, const char *header,
             const char *header_value)
{
    struct journal_message message = { .key = slice_str(key), .value = slice_str(json) };
    struct buffer headers;
    struct edda_error error = { 0 };
    uint64_t position;
    buffer_init(&headers, 0);
    if (event) {
        message.event = *event;
        message.identify = event->id.len > 0;
    }
    if (header) {
        record_headers_put(&headers, slice_str(header), slice_str(header_value));
        message.headers = buffer_slice(&headers);
        message.header_count = 1;
    }
    if (journal_topic(rig->journal, topic, 0, &message.topic, &error) < 0 ||
        journal_append(rig->journal, NULL, &message, 1, &position, &error) < 0)
        fail_msg("cannot append: %s", error.message);
    buffer_deinit(&headers);
}

void rig_event_expiring(struct rig *rig, const struct edda_type *type, const void *value, const char *id, int64_t expiry_ms)
{
    struct buffer json;
    struct slice key;
    buffer_init(&json, 0);
    json_encode(type, value, &json);
    buffer_append_byte(&json, 0);
    assert_true(json_field_text(type, value, type->key, &rig->arena, &key));
    struct cloudevent event = { .type = slice_str(type->name), .source = SLICE("outside"), .expiry_ms = expiry_ms };
    if (id)
        event.id = slice_str(id);
    rig_raw(rig, type->topic, arena_cstr(&rig->arena, key), (const char *)json.data, &event, NULL, NULL);
    buffer_deinit(&json);
}

void rig_event(struct rig *rig, const struct edda_type *type, const void *value, const char *id)
{
    rig_event_expiring(rig, type, value, id, 0);
}

/* --- looking -------------------------------------------------------------------------------------------------- */

/* Counts; with `ret_record` ends at the one wanted. */
static uint64_t walk(struct rig *rig, const char *topic, const char *type, uint64_t wanted, struct journal_record *ret_record)
{
    struct journal_cursor *cursor;
    struct journal_record record;
    uint64_t count = 0;
    assert_int_equal(journal_cursor_open(rig->journal, 0, &cursor), 0);
    while (journal_cursor_next(rig->journal, cursor, &record, NULL) > 0) {
        struct cloudevent event;
        cloudevent_get(&record.record, &event);
        if (strcmp(record.topic->name, topic) != 0 || (type && !slice_eq_str(event.type, type)))
            continue;
        if (count++ == wanted && ret_record) {
            /* By its position it outlives the cursor. */
            assert_int_equal(journal_record_at(rig->journal, record.position, ret_record), 0);
            break;
        }
    }
    journal_cursor_close(rig->journal, cursor);
    return count;
}

uint64_t rig_count(struct rig *rig, const char *topic, const char *type)
{
    return walk(rig, topic, type, UINT64_MAX, NULL);
}

struct journal_record rig_record(struct rig *rig, const char *topic, const char *type, uint64_t ordinal)
{
    struct journal_record record = { 0 };
    if (walk(rig, topic, type, ordinal, &record) != ordinal + 1)
        fail_msg("no record %llu of %s on %s", (unsigned long long)ordinal, type ? type : "any type", topic);
    return record;
}

struct cloudevent rig_cloudevent(struct rig *rig, const char *topic, const char *type, uint64_t ordinal)
{
    struct journal_record record = rig_record(rig, topic, type, ordinal);
    struct cloudevent event;
    cloudevent_get(&record.record, &event);
    return event;
}

const struct tally *rig_tally(struct rig *rig, const char *key)
{
    return engine_state(rig->engine, &worker, slice_str(key));
}

int64_t rig_total(struct rig *rig, const char *key)
{
    const struct tally *t = rig_tally(rig, key);
    return t ? t->total : 0;
}

int64_t rig_loaded(struct rig *rig, const char *key)
{
    const struct load *l = engine_state(rig->engine, &lifter, slice_str(key));
    return l ? l->total : 0;
}

struct held {
    struct slice key;
    uint64_t held;
};

static int visit_held(void *user, const struct engine_quarantine_info *info)
{
    struct held *held = user;
    if (slice_eq(held->key, info->key))
        held->held = info->held;
    return 0;
}

uint64_t rig_held(struct rig *rig, const char *key)
{
    struct held held = { .key = slice_str(key) };
    assert_int_equal(engine_quarantine_each(rig->engine, visit_held, &held), 0);
    return held.held;
}
