/* Snapshots of long streams: what they save, and that they never say anything but what the stream says. */
#include "engine_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "engine/value.h"
#include "journal/local.h"
#include "store/store.h"

struct Changed { struct edda_text id; int64_t what; int64_t n; double price; struct edda_text name; };
static const struct edda_field Changed_fields[] = {
    EDDA_FIELD(Changed, id), EDDA_FIELD(Changed, what), EDDA_FIELD(Changed, n), EDDA_FIELD(Changed, price), EDDA_FIELD(Changed, name) };
static const struct edda_type Changed = EDDA_EVENT(Changed, id, .topic = "carts");

struct line { int64_t id; struct edda_text name; struct edda_list marks; };
static const struct edda_field line_fields[] = {
    EDDA_FIELD(line, id), EDDA_FIELD(line, name), EDDA_FIELD_LIST(line, marks, EDDA_KIND_INT) };
static const struct edda_type line = EDDA_VALUE(line);
struct cart { int64_t count; double price; bool odd; struct edda_text last; struct edda_list lines; struct edda_list names; struct line first; };
static const struct edda_field cart_fields[] = {
    EDDA_FIELD(cart, count), EDDA_FIELD(cart, price), EDDA_FIELD(cart, odd), EDDA_FIELD(cart, last, .optional = true),
    EDDA_FIELD_LIST_OF(cart, lines, line), EDDA_FIELD_LIST(cart, names, EDDA_KIND_TEXT), EDDA_FIELD_STRUCT(cart, first, line) };
static const struct edda_type cart = EDDA_STATE(cart);
struct counter { int64_t count; };
static const struct edda_field counter_fields[] = { EDDA_FIELD(counter, count) };
static const struct edda_type counter = EDDA_STATE(counter);
/* The same state with another table. */
static const struct edda_field cart_2_fields[] = { EDDA_FIELD(cart, count), EDDA_FIELD(cart, price) };
static const struct edda_type cart_2 = { .name = "cart", .kind = EDDA_TYPE_STATE, .size = sizeof(struct cart), .fields = cart_2_fields,
                                         .field_count = 2 };

#define NOT_A_NUMBER 999999999
static int evolves;

EDDA_EVOLVE(changed, cart, Changed);
static void changed(struct cart *c, const struct Changed *e)
{
    evolves++;
    c->count++;
    c->price = e->n == NOT_A_NUMBER ? strtod("nan", NULL) : e->price;
    c->odd = e->n % 2 != 0;
    c->last = e->name;
    struct line *line_ = e->what < 6 ? edda_list_put(&c->lines, sizeof *line_, e->n % 10) : NULL;
    if (line_) {
        line_->name = e->name;
        int64_t *mark = edda_list_add(&line_->marks, sizeof *mark);
        if (mark)
            *mark = e->n;
    }
    if (e->what == 6 && c->lines.count)
        edda_list_remove(&c->lines, sizeof(struct line), (uint32_t)e->n % c->lines.count);
    if (e->what == 7)
        c->names = (struct edda_list){ 0 };
    struct edda_text *name = e->what > 3 ? edda_list_add(&c->names, sizeof *name) : NULL;
    if (name)
        *name = e->name;
    if (e->what == 9)
        c->first = (struct line){ .id = e->n, .name = e->name };
}

/* For the table that leaves members out: lists that no field names would be nobody's to free. */
EDDA_EVOLVE(changed_plainly, cart, Changed);
static void changed_plainly(struct cart *c, const struct Changed *e)
{
    evolves++;
    c->count++;
    c->price = e->price;
    c->odd = true;
}

EDDA_EVOLVE(counted, counter, Changed);
static void counted(struct counter *c, const struct Changed *e)
{
    (void)e;
    c->count++;
}

static const struct edda_row cart_rows[] = { EDDA_WHEN(Changed, changed), EDDA_END };
static const struct edda_row cart_2_rows[] = { EDDA_WHEN(Changed, changed_plainly), EDDA_END };
static const struct edda_row counter_rows[] = { EDDA_WHEN(Changed, counted), EDDA_END };
static struct edda_service carts, counters;

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    carts = (struct edda_service){ .name = "carts", .entity = EDDA_ENTITY(cart, "carts", .snapshot_every = 10), .evolve = cart_rows };
    counters = (struct edda_service){ .name = "counters", .entity = EDDA_ENTITY(counter, "carts"), .evolve = counter_rows };
    memcpy(rig.services, (const struct edda_service *[4]){ &carts, NULL }, sizeof rig.services);
    rig_open(&rig);
    evolves = 0;
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void change(struct rig *rig, const struct Changed *event)
{
    rig_event(rig, &Changed, event, NULL);
    rig_run(rig);
}

static void change_many(struct rig *rig, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        change(rig, &(struct Changed){ .id = T("a"), .what = i % 10, .n = i, .price = 0.1 * (double)i, .name = T("lamp") });
}

static void reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
    evolves = 0;
}

static const struct cart *the_cart(struct rig *rig)
{
    return engine_state(rig->engine, &carts, SLICE("a"));
}

static void a_long_stream_is_read_from_its_snapshot_on(void **state)
{
    struct rig *rig = *state;
    change_many(rig, 9);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 0);
    change_many(rig, 14);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, "edda.snapshot"), 2);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 23);
    assert_int_equal(evolves, 3);
    change_many(rig, 7);
    assert_int_equal(the_cart(rig)->count, 30);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 3);
    rig_crash(rig, false);
    evolves = 0;
    assert_int_equal(the_cart(rig)->count, 30);
    assert_int_equal(evolves, 0);
}

static void without_one_all_of_it_is_read_and_one_is_made(void **state)
{
    struct rig *rig = *state;
    carts.entity.snapshot_every = UINT32_MAX;
    reopen(rig);
    change_many(rig, 25);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 0);
    carts.entity.snapshot_every = 10;
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 25);
    assert_int_equal(evolves, 25);
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 1);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 25);
    assert_int_equal(evolves, 0);
}

/* What has left memory has lost nothing. */
static void a_state_that_left_memory_comes_back(void **state)
{
    struct rig *rig = *state;
    rig->state_bytes_max = 1;
    reopen(rig);
    change_many(rig, 12);
    (void)the_cart(rig);
    rig_run(rig);
    evolves = 0;
    assert_int_equal(the_cart(rig)->count, 12);
    assert_in_range(evolves, 0, 2);
}

static void one_of_another_table_or_version_is_ignored(void **state)
{
    struct rig *rig = *state;
    change_many(rig, 12);
    carts.entity.state_version = 1;
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 12);
    assert_int_equal(evolves, 12);
    rig_run(rig);
    carts.entity.state = &cart_2;
    carts.evolve = cart_2_rows;
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 12);
    assert_int_equal(evolves, 12);
    rig_run(rig);
    carts.entity.state = &cart;
    carts.evolve = cart_rows;
    carts.entity.state_version = 2;
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 12);
    assert_int_equal(evolves, 12);
}

/* The same record with another word in it. */
static void tamper(struct rig *rig, const char *header, const char *value, const char *json)
{
    struct journal_record old = rig_record(rig, TOPIC_SNAPSHOTS, NULL, 0);
    struct record_header h;
    struct buffer headers, body;
    struct journal_message message = { .key = arena_copy(&rig->arena, old.record.key) };
    uint64_t position;
    buffer_init(&headers, 0);
    buffer_init(&body, 0);
    struct cursor in = cursor_of(old.record.headers);
    while (record_header_next(&in, &h)) {
        bool other = header && slice_eq_str(h.key, header);
        record_headers_put(&headers, h.key, other ? slice_str(value) : h.value);
        message.header_count++;
    }
    buffer_append_slice(&body, json ? slice_of(old.record.value.data, 8) : old.record.value);
    buffer_append_str(&body, json ? json : "");
    message.headers = buffer_slice(&headers);
    message.value = buffer_slice(&body);
    assert_int_equal(journal_topic(rig->journal, TOPIC_SNAPSHOTS, 1, &message.topic, NULL), 0);
    assert_int_equal(journal_append(rig->journal, NULL, &message, 1, &position, NULL), 0);
    buffer_deinit(&headers);
    buffer_deinit(&body);
}

static void one_that_does_not_fit_is_ignored(void **state)
{
    struct rig *rig = *state;
    change_many(rig, 12);
    /* That it is used at all shows in a state that no event has made. */
    tamper(rig, NULL, NULL, "{\"count\":1000}");
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 1002);
    static const struct { const char *header, *value, *json; } wrong[] = {
        { HEADER_POSITION, "1", "{\"count\":1000}" }, { HEADER_POSITION, "x", "{\"count\":1000}" }, { HEADER_PRINT, "1", "{\"count\":1000}" },
        { HEADER_FOLDS, "18446744073709551616", "{\"count\":1000}" }, { NULL, NULL, "{\"count\":\"x\"}" }, { NULL, NULL, "{" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rig_run(rig);
        tamper(rig, wrong[i].header, wrong[i].value, wrong[i].json);
        reopen(rig);
        assert_int_equal(the_cart(rig)->count, 12);
        assert_int_equal(evolves, 12);
    }
}

static void a_truncated_stream_still_loads(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    change_many(rig, 12);
    struct store *store = journal_local_store(rig->journal);
    for (int64_t before = 9; before <= 10; before++) {
        assert_int_equal(store_stream_truncate(store, SLICE("carts"), SLICE("a"), before, &error), 0);
        reopen(rig);
        assert_int_equal(the_cart(rig)->count, 12);
        assert_int_equal(evolves, 2);
        store = journal_local_store(rig->journal);
    }
    /* Cut off behind the snapshot there is a gap, which nobody can fill. */
    assert_int_equal(store_stream_truncate(store, SLICE("carts"), SLICE("a"), 11, &error), 0);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 1);
}

static void truncated_to_its_end_it_is_its_snapshot(void **state)
{
    struct rig *rig = *state;
    change_many(rig, 10);
    assert_int_equal(store_stream_truncate(journal_local_store(rig->journal), SLICE("carts"), SLICE("a"), 10, NULL), 0);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 10);
    change_many(rig, 1);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 11);
}

static void a_deleted_stream_begins_anew(void **state)
{
    struct rig *rig = *state;
    change_many(rig, 10);
    assert_int_equal(store_stream_delete(journal_local_store(rig->journal), SLICE("carts"), SLICE("a"), JOURNAL_ANY, NULL), 0);
    reopen(rig);
    assert_true(!the_cart(rig) || the_cart(rig)->count == 0);
    change_many(rig, 3);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 3);
}

static void services_of_one_category_have_theirs_together(void **state)
{
    struct rig *rig = *state;
    rig->services[1] = &counters;
    reopen(rig);
    change_many(rig, 12);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 2);
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 12);
    assert_int_equal(evolves, 2);
    assert_int_equal(((const struct counter *)engine_state(rig->engine, &counters, SLICE("a")))->count, 12);
    counters.entity.state_version = 1;
    reopen(rig);
    assert_int_equal(((const struct counter *)engine_state(rig->engine, &counters, SLICE("a")))->count, 12);
    assert_int_equal(the_cart(rig)->count, 12);
    assert_int_equal(evolves, 12);
}

static void a_state_that_json_cannot_hold_gets_none(void **state)
{
    struct rig *rig = *state;
    change_many(rig, 9);
    change(rig, &(struct Changed){ .id = T("a"), .n = NOT_A_NUMBER });
    assert_string_equal(rig->log, "snapshot.impossible");
    rig->log[0] = '\0';
    carts.entity.state = &cart_2; /* members that no field names */
    carts.evolve = cart_2_rows;
    reopen(rig);
    assert_int_equal(the_cart(rig)->count, 10);
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 0);
    assert_string_equal(rig->log, "snapshot.impossible");
}

static void what_cannot_be_is_tried_again_at_twice_the_length(void **state)
{
    struct rig *rig = *state;
    for (int version = 1; version <= 80; version++) {
        rig->log[0] = '\0';
        change(rig, &(struct Changed){ .id = T("a"), .n = NOT_A_NUMBER });
        assert_string_equal(rig->log, version == 10 || version == 20 || version == 40 || version == 80 ? "snapshot.impossible" : "");
    }
}

static struct edda_text random_text(struct prng *prng, char out[64])
{
    static const char *const parts[] = { "a", "\"", "\\", "\n", "\x01", "ö", "€", "𝄞", "/", " ", "0" };
    size_t len = 0;
    for (uint64_t i = prng_below(prng, 8); i > 0; i--)
        len += (size_t)snprintf(out + len, 64 - len, "%s", parts[prng_below(prng, sizeof parts / sizeof parts[0])]);
    return (struct edda_text){ out, len };
}

static void folded_from_the_start_or_from_a_snapshot_it_is_the_same(void **state)
{
    struct rig *rig = *state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct prng prng;
        char key[16], text[64];
        prng_init(&prng, seed);
        (void)snprintf(key, sizeof key, "k%d", (int)seed);
        uint64_t count = prng_below(&prng, 120);
        for (uint64_t i = 0; i < count; i++) {
            static const double prices[] = { 0.0, -0.0, 0.1, 1e300, 5e-324, 3.0, -1234.5678901234567 };
            change(rig, &(struct Changed){ .id = { key, strlen(key) }, .what = (int64_t)prng_below(&prng, 10), .n = (int64_t)prng_below(&prng, 1 << 20),
                                           .price = prices[prng_below(&prng, 7)], .name = random_text(&prng, text) });
            if (prng_below(&prng, 40) == 0) {
                rig_crash(rig, prng_below(&prng, 2) == 0);
                (void)engine_state(rig->engine, &carts, slice_str(key)); /* as its next handler would */
            }
        }
        carts.entity.snapshot_every = UINT32_MAX;
        reopen(rig);
        const void *whole = engine_state(rig->engine, &carts, slice_str(key));
        whole = whole ? value_copy(&cart, whole, &rig->arena) : NULL;
        carts.entity.snapshot_every = 1 + (uint32_t)prng_below(&prng, 20);
        reopen(rig);
        const void *rest = engine_state(rig->engine, &carts, slice_str(key));
        if ((whole != NULL) != (rest != NULL) || (whole && !value_same(&cart, whole, rest, &rig->arena)))
            fail_msg("seed %d: the states differ", (int)seed);
        if (count >= 20)
            assert_true(evolves < 20);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_stream_is_read_from_its_snapshot_on),
        TEST(without_one_all_of_it_is_read_and_one_is_made),
        TEST(a_state_that_left_memory_comes_back),
        TEST(one_of_another_table_or_version_is_ignored),
        TEST(one_that_does_not_fit_is_ignored),
        TEST(a_truncated_stream_still_loads),
        TEST(truncated_to_its_end_it_is_its_snapshot),
        TEST(a_deleted_stream_begins_anew),
        TEST(services_of_one_category_have_theirs_together),
        TEST(a_state_that_json_cannot_hold_gets_none),
        TEST(what_cannot_be_is_tried_again_at_twice_the_length),
        TEST(folded_from_the_start_or_from_a_snapshot_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
