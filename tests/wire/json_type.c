/* Tables that are refused, and the texts and lists of a program's structs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "json_sample.h"
#include "json_tests.h"

static void good_tables_pass(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    if (edda_type_check(&sample, &error))
        fail_msg("%s", error.message);
}

struct pair {
    int64_t a;
    int64_t b;
};

#define A EDDA_FIELD(pair, a)

static const char *const no_values[] = { NULL };
static const char name_64[] = "0123456789012345678901234567890123456789012345678901234567890123";

/* Each second field is wrong in one way. */
static const struct {
    struct edda_field field;
    const char *message;
} wrong_fields[] = {
    { { .name = NULL, .offset = 8, .kind = EDDA_KIND_INT }, "must have a name" },
    { { .name = "", .offset = 8, .kind = EDDA_KIND_INT }, "must have a name" },
    { { .name = "a\"b", .offset = 8, .kind = EDDA_KIND_INT }, "must have a name" },
    { { .name = "a\nb", .offset = 8, .kind = EDDA_KIND_INT }, "must have a name" },
    { { .name = "\xff", .offset = 8, .kind = EDDA_KIND_INT }, "must have a name" },
    { { .name = name_64, .offset = 8, .kind = EDDA_KIND_INT }, "must have a name" },
    { { .name = "a", .offset = 8, .kind = EDDA_KIND_INT }, "is there twice" },
    { { .name = "b", .offset = 8, .kind = 0 }, "unknown kind 0" },
    { { .name = "b", .offset = 8, .kind = 9 }, "unknown kind 9" },
    { { .name = "b", .offset = 4, .kind = EDDA_KIND_INT }, "not aligned" },
    { { .name = "b", .offset = 0, .kind = EDDA_KIND_INT }, "lies over a" },
    { { .name = "b", .offset = 7, .kind = EDDA_KIND_BOOL }, "lies over a" },
    { { .name = "b", .offset = 16, .kind = EDDA_KIND_INT }, "within the 16 bytes" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_TEXT }, "within the 16 bytes" },
    { { .name = "b", .offset = UINT32_MAX - 7, .kind = EDDA_KIND_INT }, "within the 16 bytes" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_STRUCT }, "has no type" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_LIST, .item_kind = EDDA_KIND_STRUCT }, "has no type" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_LIST, .item_kind = EDDA_KIND_LIST }, "cannot have items" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_LIST }, "cannot have items" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_INT, .len_max = 3 }, "are for TEXT and LIST" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_TIME, .min = 3 }, "are for INT and DOUBLE" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_INT, .max = (double)NAN }, "must be numbers" },
    { { .name = "b", .offset = 8, .kind = EDDA_KIND_INT, .values = no_values }, "values are for TEXT" },
};

static void wrong_fields_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong_fields) / sizeof(wrong_fields[0]); i++) {
        struct edda_field fields[] = { A, wrong_fields[i].field };
        struct edda_type type = {
            .name = "pair", .kind = EDDA_TYPE_VALUE, .size = 16, .fields = fields, .field_count = 2
        };
        struct edda_error error = { .message = "" };
        assert_int_equal(edda_type_check(&type, &error), EDDA_EINVAL);
        if (!strstr(error.message, wrong_fields[i].message))
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong_fields[i].message);
        assert_int_equal(edda_type_check(&type, NULL), EDDA_EINVAL);
    }
}

static void assert_type_refused(struct edda_type type, const char *message)
{
    struct edda_error error = { .message = "" };
    assert_int_equal(edda_type_check(&type, &error), EDDA_EINVAL);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
}

static void wrong_types_are_named(void **state)
{
    (void)state;
    static const struct edda_field fields[] = { A, EDDA_FIELD(pair, b) };
    const struct edda_type good = { .name = "pair",
                                    .kind = EDDA_TYPE_EVENT,
                                    .size = 16,
                                    .fields = fields,
                                    .field_count = 2,
                                    .topic = "a.b-c_d",
                                    .key = "a" };
    struct edda_type type = good;
    assert_int_equal(edda_type_check(&type, NULL), 0);
    assert_int_equal(edda_type_check(NULL, NULL), EDDA_EINVAL);
    type.name = "a b";
    assert_type_refused(type, "a type's name");
    type.name = NULL;
    assert_type_refused(type, "a type's name");
    type = good;
    type.kind = 5;
    assert_type_refused(type, "unknown kind 5");
    type = good;
    type.field_count = 65;
    assert_type_refused(type, "has 65 fields");
    type = good;
    type.fields = NULL;
    assert_type_refused(type, "no table of fields");
    type = good;
    type.topic = "a/b";
    assert_type_refused(type, "its topic");
    type = good;
    type.key = "c";
    assert_type_refused(type, "its key c");
    type = good;
    type.correlation = "a.b";
    assert_type_refused(type, "its correlation a.b");
}

static void nesting_has_an_end(void **state)
{
    (void)state;
    struct edda_field fields[10];
    struct edda_type types[10];
    for (uint32_t i = 0; i < 10; i++) {
        fields[i] = (struct edda_field){
            .name = "x", .offset = 0, .kind = EDDA_KIND_STRUCT, .type = &types[i + 1 < 10 ? i + 1 : i]
        };
        types[i] = (struct edda_type){
            .name = "t", .kind = EDDA_TYPE_VALUE, .size = 8, .fields = &fields[i], .field_count = 1
        };
    }
    fields[9] = (struct edda_field){ .name = "x", .offset = 0, .kind = EDDA_KIND_INT };
    assert_int_equal(edda_type_check(&types[2], NULL), 0);
    assert_type_refused(types[1], "nested more than 8 deep");
    fields[9] = (struct edda_field){ .name = "x", .offset = 0, .kind = EDDA_KIND_STRUCT, .type = &types[9] };
    assert_type_refused(types[9], "within themselves");
}

static void texts_compare(void **state)
{
    (void)state;
    struct edda_text none = { NULL, 0 };
    assert_true(edda_text_is(EDDA_TEXT("abc"), "abc"));
    assert_false(edda_text_is(EDDA_TEXT("abc"), "ab"));
    assert_false(edda_text_is(EDDA_TEXT("ab"), "abc"));
    assert_true(edda_text_is(none, ""));
    assert_true(edda_text_equal(none, edda_text_of("")));
    assert_true(edda_text_equal(none, edda_text_of(NULL)));
    assert_false(edda_text_equal(EDDA_TEXT("a"), EDDA_TEXT("b")));
    assert_int_equal(edda_text_of("xyz").len, 3);
}

#define IDS 64

/* A sorted list against an array of flags. */
static void lists_stay_in_order(void **state)
{
    (void)state;
    struct edda_list list = { NULL, 0, 0 };
    bool there[IDS] = { false };
    struct prng random;
    prng_init(&random, test_seed() + 4);
    for (int i = 0; i < 20000; i++) {
        int64_t id = (int64_t)prng_below(&random, IDS);
        struct pair *found = edda_list_find(&list, sizeof(*found), id);
        assert_int_equal(found != NULL, there[id]);
        if (found && prng_one_in(&random, 2)) {
            assert_int_equal(found->b, id * 3);
            edda_list_remove(&list, sizeof(*found), (uint32_t)(found - (struct pair *)list.items));
            there[id] = false;
        } else if (prng_one_in(&random, 2)) {
            struct pair *put = edda_list_put(&list, sizeof(*put), id);
            assert_non_null(put);
            assert_int_equal(put->a, id);
            assert_int_equal(put->b, there[id] ? id * 3 : 0);
            put->b = id * 3;
            there[id] = true;
        }
        for (uint32_t n = 1; n < list.count; n++)
            assert_true(((struct pair *)list.items)[n - 1].a < ((struct pair *)list.items)[n].a);
    }
    edda_list_free(&list);
}

static void lists_copy_what_they_borrowed(void **state)
{
    (void)state;
    static const int64_t borrowed[] = { 10, 20, 30 };
    struct edda_list list = { (void *)(uintptr_t)borrowed, 3, 0 };
    int64_t *added = edda_list_add(&list, sizeof(*added));
    assert_non_null(added);
    assert_int_equal(*added, 0);
    assert_int_equal(list.count, 4);
    assert_true(list.capacity >= 4);
    assert_int_equal(((int64_t *)list.items)[2], 30);
    edda_list_free(&list);

    list = (struct edda_list){ (void *)(uintptr_t)borrowed, 3, 0 };
    edda_list_remove(&list, sizeof(int64_t), 7); /* not there */
    assert_int_equal(list.count, 3);
    edda_list_remove(&list, sizeof(int64_t), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(((int64_t *)list.items)[1], 30);
    assert_int_equal(borrowed[0], 10);
    edda_list_free(&list);
    list = (struct edda_list){ NULL, 0, 0 };
    assert_null(edda_list_add(&list, SIZE_MAX / 2)); /* no memory for it */
    assert_null(edda_list_add(&list, 0));
    assert_int_equal(list.count, 0);
    assert_null(edda_list_find(&list, 4, 1)); /* too small to begin with an int64_t */
    assert_null(edda_list_put(&list, 4, 1));
}

int json_type_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tables_pass),
        cmocka_unit_test(wrong_fields_are_named),
        cmocka_unit_test(wrong_types_are_named),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(texts_compare),
        cmocka_unit_test(lists_stay_in_order),
        cmocka_unit_test(lists_copy_what_they_borrowed),
    };
    return cmocka_run_group_tests_name("types and lists", tests, NULL, NULL);
}
