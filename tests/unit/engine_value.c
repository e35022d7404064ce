/* What a state owns: texts and lists that an evolve function has assigned as if they were numbers. Leaks are the sanitizer's to find. */
#include "engine/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"

struct line { int64_t id; struct edda_text name; struct edda_list marks; };
static const struct edda_field line_fields[] = {
    EDDA_FIELD(line, id), EDDA_FIELD(line, name), EDDA_FIELD_LIST(line, marks, EDDA_KIND_INT) };
static const struct edda_type line = EDDA_VALUE(line);
struct cart { struct edda_text owner; struct edda_list lines; struct edda_list copies; };
static const struct edda_field cart_fields[] = {
    EDDA_FIELD(cart, owner), EDDA_FIELD_LIST_OF(cart, lines, line), EDDA_FIELD_LIST_OF(cart, copies, line) };
static const struct edda_type cart = EDDA_STATE(cart);

static struct state *fresh(void)
{
    struct state *state = state_new(&cart);
    assert_non_null(state);
    return state;
}

static void what_an_event_lent_is_owned_afterwards(void **unused)
{
    (void)unused;
    struct state *state = fresh();
    struct cart *c = state->value;
    char owner[] = "jjy", name[] = "lamp";
    int64_t marks[] = { 1, 2, 3 };
    struct line lines[] = { { 7, { name, 4 }, { marks, 3, 0 } } };
    c->owner = (struct edda_text){ owner, 3 };
    c->lines = (struct edda_list){ lines, 1, 0 };
    assert_int_equal(state_adopt(&cart, state), 0);
    memset(owner, 'x', sizeof owner);
    memset(name, 'x', sizeof name);
    memset(marks, 0, sizeof marks);
    memset(lines, 0, sizeof lines);
    const struct line *first = c->lines.items;
    assert_true(edda_text_is(c->owner, "jjy"));
    assert_true(edda_text_is(first->name, "lamp"));
    assert_int_equal(((const int64_t *)first->marks.items)[2], 3);
    state_free(state);
}

static void what_is_dropped_is_freed(void **unused)
{
    (void)unused;
    struct state *state = fresh();
    struct cart *c = state->value;
    for (int round = 0; round < 100; round++) {
        struct line *added = edda_list_add(&c->lines, sizeof *added);
        added->id = round;
        for (int64_t i = 0; i < 20; i++)
            *(int64_t *)edda_list_add(&added->marks, sizeof i) = i;
        assert_int_equal(state_adopt(&cart, state), 0);
    }
    size_t most = state->list_bytes;
    while (c->lines.count > 1)
        edda_list_remove(&c->lines, sizeof(struct line), 0); /* their marks go with them */
    assert_int_equal(state_adopt(&cart, state), 0);
    assert_true(state->list_bytes < most);
    *c = (struct cart){ .owner = c->owner };
    assert_int_equal(state_adopt(&cart, state), 0);
    assert_int_equal(state->list_bytes, 0);
    state_free(state);
}

/* Any order of adding, removing, assigning whole lists to each other and dropping leaves nothing behind and frees nothing twice. */
static void any_order_of_changes_is_safe(void **unused)
{
    (void)unused;
    uint64_t seed = 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct prng p;
    prng_init(&p, seed);
    struct state *state = fresh();
    struct cart *c = state->value;
    for (int i = 0; i < 20000; i++) {
        struct line lent[2] = { { i, { "abc", 3 }, { 0 } }, { i + 1, { "def", 3 }, { 0 } } };
        /* One change in an evolve: what has grown in it must not be dropped in it. */
        if (prng_below(&p, 4) > 0) {
            switch (prng_below(&p, 6)) {
            case 0:
                c->lines = c->copies;
                break;
            case 1:
                c->copies = c->lines;
                break;
            case 2:
                c->lines = (struct edda_list){ lent, 2, 0 };
                break;
            case 3:
                c->copies = (struct edda_list){ 0 };
                break;
            case 4:
                edda_list_remove(&c->lines, sizeof(struct line), 0);
                break;
            default:
                for (int k = 0; k < 5; k++) {
                    struct line *added = edda_list_put(&c->lines, sizeof *added, (int64_t)prng_below(&p, 50));
                    assert_non_null(added);
                    added->name = (struct edda_text){ "ghi", 3 };
                }
            }
        }
        assert_int_equal(state_adopt(&cart, state), 0);
        for (uint32_t k = 0; k < c->lines.count; k++)
            assert_int_equal(((const struct line *)c->lines.items)[k].name.len, 3);
    }
    state_free(state);
}

struct place { struct edda_text street, town; };
static const struct edda_field place_fields[] = { EDDA_FIELD(place, street), EDDA_FIELD(place, town) };
static const struct edda_type place = EDDA_VALUE(place);
struct friend { int64_t id; struct edda_text name; struct place home; };
static const struct edda_field friend_fields[] = {
    EDDA_FIELD(friend, id), EDDA_FIELD(friend, name), EDDA_FIELD_STRUCT(friend, home, place) };
static const struct edda_type friend = EDDA_VALUE(friend);
struct person { struct edda_list friends; struct edda_list words; };
static const struct edda_field person_fields[] = {
    EDDA_FIELD_LIST_OF(person, friends, friend), EDDA_FIELD_LIST(person, words, EDDA_KIND_TEXT) };
static const struct edda_type person = EDDA_STATE(person);

#define FRIENDS 50

static struct edda_text lend(char text[16], uint64_t number)
{
    return (struct edda_text){ text, (size_t)snprintf(text, 16, "%llu", (unsigned long long)number) };
}

static void assert_number(struct edda_text text, uint64_t number)
{
    char wanted[16];
    struct edda_text expected = lend(wanted, number);
    assert_true(edda_text_equal(text, expected));
}

/* Items with texts and without lists: whichever of them an event assigns to, it is the state's own afterwards, and the others stay as they were. */
static void texts_of_items_are_owned(void **unused)
{
    (void)unused;
    uint64_t seed = 20261122, names[FRIENDS] = { 0 }, towns[FRIENDS] = { 0 };
    print_message("seed %llu\n", (unsigned long long)seed);
    struct prng p;
    prng_init(&p, seed);
    struct state *state = state_new(&person);
    struct person *who = state->value;
    for (uint64_t i = 1; i <= 20000; i++) {
        char name[16], town[16], word[16];
        uint64_t id = prng_below(&p, FRIENDS), was = who->words.count;
        struct friend *f = edda_list_put(&who->friends, sizeof *f, (int64_t)id);
        assert_non_null(f);
        f->name = lend(name, names[id] = prng_below(&p, 1000000000));
        if (prng_below(&p, 2))
            f->home.town = lend(town, towns[id] = i);
        if (i % 100 == 0)
            *(struct edda_text *)edda_list_add(&who->words, sizeof(struct edda_text)) = lend(word, i);
        assert_int_equal(state_adopt(&person, state), 0);
        memset(name, 'x', sizeof name);
        memset(town, 'x', sizeof town);
        memset(word, 'x', sizeof word);
        for (uint32_t k = 0; k < who->friends.count; k++) {
            const struct friend *one = (const struct friend *)who->friends.items + k;
            assert_number(one->name, names[one->id]);
            if (towns[one->id])
                assert_number(one->home.town, towns[one->id]);
        }
        if (who->words.count > was)
            assert_number(((const struct edda_text *)who->words.items)[was], i);
    }
    assert_int_equal(who->words.count, 200);
    assert_true(state->text_bytes < 64 * 1024); /* replaced texts have been moved out */
    state_free(state);
}

struct greeting { struct edda_text name, word; int64_t number; };
static const struct edda_field greeting_fields[] = {
    EDDA_FIELD(greeting, name), EDDA_FIELD(greeting, word), EDDA_FIELD(greeting, number) };
static const struct edda_type greeting = EDDA_EVENT(greeting, name, .topic = "greetings");
struct word { struct edda_text word; int64_t number; };
static const struct edda_field word_fields[] = { EDDA_FIELD(word, word), EDDA_FIELD(word, number) };
static const struct edda_type word = EDDA_VALUE(word);
struct book { struct edda_text last; struct edda_list words; };
static const struct edda_field book_fields[] = { EDDA_FIELD(book, last), EDDA_FIELD_LIST_OF(book, words, word) };
static const struct edda_type book = EDDA_STATE(book);

/* Appends, replaces or drops, as an evolve function does. */
static void noted(struct book *b, const struct greeting *e, uint64_t how)
{
    struct word *words = b->words.items;
    b->last = how == 0 ? EDDA_TEXT("none") : e->name;
    if (how == 0 && b->words.count)
        edda_list_remove(&b->words, sizeof(struct word), b->words.count - 1);
    else if (how == 1 && b->words.count)
        words[(uint64_t)e->number % b->words.count] = (struct word){ e->word, e->number };
    else
        *(struct word *)edda_list_add(&b->words, sizeof(struct word)) = (struct word){ e->word, e->number };
}

/* With many items a state owns an event's texts before it is evolved; whatever is done with them, they are there afterwards, and what is dropped does not pile up. */
static void texts_may_be_owned_beforehand(void **unused)
{
    (void)unused;
    uint64_t seed = 20261123, most = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct prng p;
    prng_init(&p, seed);
    struct arena arena;
    arena_init(&arena, 1024, 1 << 20);
    struct state *state = state_new(&book);
    struct book *b = state->value;
    bool lent = false;
    for (int64_t i = 1; i <= 20000; i++) {
        char name[16], said[16];
        const struct greeting e = { lend(name, (uint64_t)i), lend(said, (uint64_t)i), i };
        uint64_t how = prng_below(&p, i < 500 ? 8 : 4);
        const struct greeting *given = state_lend(state, &greeting, &e, &arena);
        assert_non_null(given);
        lent = lent || given != &e;
        noted(b, given, how > 2 && b->words.count > 500 ? 0 : how);
        assert_int_equal(state_adopt(&book, state), 0);
        arena_reset(&arena);
        memset(name, 'x', sizeof name);
        memset(said, 'x', sizeof said);
        if (!edda_text_is(b->last, "none"))
            assert_number(b->last, (uint64_t)i);
        for (uint32_t k = 0; k < b->words.count; k++)
            assert_number(((const struct word *)b->words.items)[k].word, (uint64_t)((const struct word *)b->words.items)[k].number);
        most = state->text_bytes > most ? state->text_bytes : most;
    }
    assert_true(lent);
    assert_true(most < 16 * 1024);
    state_free(state);
    arena_deinit(&arena);
}

/* What the index of a list finds is what looking through it finds, the last first, however the list has come about. */
static void lists_are_searched_by_text(void **unused)
{
    (void)unused;
    uint64_t seed = 20261124, found = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct prng p;
    prng_init(&p, seed);
    static char names[200][16];
    struct edda_list list = { 0 };
    for (int round = 0; round < 30000; round++) {
        uint64_t name = prng_below(&p, 200), what = prng_below(&p, 100);
        if (what < 40 && list.count < 300)
            ((struct word *)edda_list_add(&list, sizeof(struct word)))->word = lend(names[name], name);
        else if (what < 70 && list.count)
            edda_list_remove(&list, sizeof(struct word), list.count - 1);
        else if (what < 72 && list.count)
            edda_list_remove(&list, sizeof(struct word), (uint32_t)prng_below(&p, list.count));
        else if (what < 73)
            list.count -= list.count / 2;
        char wanted[16];
        struct edda_text text = lend(wanted, name);
        const struct word *items = list.items, *at = NULL;
        for (uint32_t i = list.count; i-- > 0;) {
            if (!edda_text_equal(items[i].word, text))
                continue;
            at = edda_list_find_text(&list, sizeof *at, text, at);
            assert_ptr_equal(at, &items[i]);
            found++;
        }
        assert_null(edda_list_find_text(&list, sizeof *at, text, at));
    }
    assert_true(found > 1000);
    edda_list_free(&list);
    assert_null(edda_list_find_text(&list, sizeof(struct word), EDDA_TEXT("1"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_event_lent_is_owned_afterwards),
        cmocka_unit_test(what_is_dropped_is_freed),
        cmocka_unit_test(any_order_of_changes_is_safe),
        cmocka_unit_test(texts_of_items_are_owned),
        cmocka_unit_test(texts_may_be_owned_beforehand),
        cmocka_unit_test(lists_are_searched_by_text),
    };
    return cmocka_run_group_tests_name("engine value", tests, NULL, NULL);
}
