/* CloudEvents over HTTP: the examples of the specification's rules, both ways, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/cloudevents/event.h"
#include "wire/json/json.h"

struct world {
    struct arena arena;
    struct http_request head;
    struct event_in event;
    struct edda_error error;
    struct record record;
    struct buffer headers, out;
};

static int setup(void **state)
{
    static struct world world;
    world = (struct world){ .error = { .code = 0 } };
    arena_init(&world.arena, 0, 0);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_deinit(&w->arena);
    buffer_deinit(&w->headers);
    buffer_deinit(&w->out);
    return 0;
}

static int read_binary(struct world *w, const char *headers, const char *body)
{
    char *bytes = arena_printf(&w->arena, "POST / HTTP/1.1\r\nHost: h\r\n%s\r\n", headers);
    assert_true(http_parse(slice_str(bytes), 65536, &w->head, &w->error) > 0);
    w->error = (struct edda_error){ .code = 0 };
    return event_read_binary(&w->head, slice_str(body), &w->arena, &w->event, &w->error);
}

static int read_structured(struct world *w, const char *json)
{
    w->error = (struct edda_error){ .code = 0 };
    return event_read_structured(slice_str(json), &w->arena, &w->event, &w->error);
}

static const char *text(struct world *w, struct slice slice)
{
    return arena_cstr(&w->arena, slice);
}

/* The record that the store would make of the event. */
static const struct record *record_made(struct world *w, const char *key)
{
    buffer_clear(&w->headers);
    uint32_t count = cloudevent_put(&w->event.event, &w->headers);
    buffer_append_slice(&w->headers, w->event.headers);
    w->record = (struct record){ .offset = 7, .timestamp_ms = w->event.time_ms, .key = slice_str(key), .value = w->event.data,
                                 .headers = buffer_slice(&w->headers), .header_count = count + w->event.header_count };
    return &w->record;
}

static const char *structured(struct world *w, const struct record *record, int64_t version)
{
    const struct event_out out = { .record = record, .topic = SLICE("orders"), .partition = 2, .version = version, .position = UINT64_MAX };
    buffer_clear(&w->out);
    event_put_structured(&out, &w->out);
    size_t wrong;
    assert_true(json_valid(buffer_slice(&w->out), &wrong));
    return buffer_cstr(&w->out);
}

#define MINIMAL "ce-specversion: 1.0\r\nce-id: 1\r\nce-type: T\r\nce-source: /s\r\n"

static void binary_mode_is_read(void **state)
{
    struct world *w = *state;
    assert_int_equal(read_binary(w, "CE-SpecVersion: 1.0\r\nce-type: com.example.someevent\r\nce-time: 2018-04-05T03:56:24Z\r\nce-id: 1234-1234-1234\r\n"
                                    "ce-source: /mycontext/subcontext\r\nce-subject: 7\r\nce-correlationid: c\r\nce-causationid: b\r\n"
                                    "ce-expirytime: 2018-04-05T03:56:25Z\r\nce-dataversion: 2\r\nce-myextension: kept\r\n"
                                    "traceparent: 00-1-2-01\r\nContent-Type: application/json; charset=utf-8\r\n", "{\"a\":1}"), 0);
    const struct event_in *e = &w->event;
    assert_string_equal(text(w, e->event.type), "com.example.someevent");
    assert_string_equal(text(w, e->event.id), "1234-1234-1234");
    assert_string_equal(text(w, e->event.source), "/mycontext/subcontext");
    assert_string_equal(text(w, e->event.correlation), "c");
    assert_string_equal(text(w, e->event.causation), "b");
    assert_string_equal(text(w, e->event.traceparent), "00-1-2-01");
    assert_string_equal(text(w, e->subject), "7");
    assert_string_equal(text(w, e->data), "{\"a\":1}");
    assert_int_equal(e->event.data_version, 2);
    assert_int_equal(e->time_ms, 1522900584000);
    assert_int_equal(e->event.expiry_ms, 1522900585000);
    assert_int_equal(e->header_count, 2);
    struct slice value;
    const struct record *record = record_made(w, "7");
    assert_true(record_header_find(record, "ce_myextension", &value));
    assert_string_equal(text(w, value), "kept");
    assert_true(record_header_find(record, "content-type", &value));
    assert_string_equal(text(w, value), "application/json; charset=utf-8");
}

static void header_values_are_percent_encoded(void **state)
{
    struct world *w = *state;
    /* The specification's own: a euro sign and a smiley; and what other encoders than ours make of a quoted string. */
    assert_int_equal(read_binary(w, MINIMAL "ce-one: Euro%20%E2%82%AC%20%F0%9F%98%80\r\nce-two: \"a \\\"b\\\" %25\"\r\nce-three: plain text\r\n", ""), 0);
    const struct record *record = record_made(w, "k");
    struct slice value;
    assert_true(record_header_find(record, "ce_one", &value));
    assert_string_equal(text(w, value), "Euro \xE2\x82\xAC \xF0\x9F\x98\x80");
    assert_true(record_header_find(record, "ce_two", &value));
    assert_string_equal(text(w, value), "a \"b\" %");
    assert_true(record_header_find(record, "ce_three", &value));
    assert_string_equal(text(w, value), "plain text");
    const struct event_out out = { .record = record, .topic = SLICE("t"), .version = 4, .position = 9 };
    const char *type;
    event_put_binary(&out, &w->out, &w->arena, &type);
    assert_null(type);
    assert_string_equal(buffer_cstr(&w->out), "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: T\r\nce-time: 1970-01-01T00:00:00.000Z\r\nce-subject: k\r\n"
                                              "ce-one: Euro%20%E2%82%AC%20%F0%9F%98%80\r\nce-two: a%20%22b%22%20%25\r\nce-three: plain%20text\r\n"
                                              "ce-streamversion: 4\r\nce-logposition: 9\r\n");
}

static void wrong_headers_are_named(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *headers, *field, *part;
    } wrong[] = {
        { "ce-specversion: 0.3\r\n", "ce-specversion", "must be 1.0" }, { "ce-id:\r\n", "ce-id", "is empty" },
        { "ce-id: %zz\r\n", "ce-id", "percent-encoded" }, { "ce-id: %FF\r\n", "ce-id", "percent-encoded" }, { "ce-id: %E2%8\r\n", "ce-id", "percent-encoded" },
        { "ce-id: a%0Ab\r\n", "ce-id", "control character" }, { "ce-id: 1\r\nCE-ID: 2\r\n", "ce-id", "twice" }, { "ce-x: 1\r\nce-x: 1\r\n", "ce-x", "twice" },
        { "ce-time: today\r\n", "ce-time", "RFC 3339" }, { "ce-expirytime: 1\r\n", "ce-expirytime", "RFC 3339" },
        { "ce-dataversion: 4294967295\r\n", "ce-dataversion", "32 bits" }, { "ce-my_extension: 1\r\n", "ce-my_extension", "no name of an attribute" },
        { "ce-datacontenttype: a/b\r\n", "ce-datacontenttype", "Content-Type" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(read_binary(w, wrong[i].headers, ""), EDDA_EMALFORMED);
        assert_string_equal(w->error.field, wrong[i].field);
        assert_non_null(strstr(w->error.message, wrong[i].part));
    }
    assert_int_equal(read_binary(w, "Content-Type: application/json\r\n", "{\"a\":}"), EDDA_EMALFORMED);
    assert_non_null(strstr(w->error.message, "no JSON at byte 5"));
    assert_int_equal(read_binary(w, "Content-Type: text/plain\r\n", "{\"a\":}"), 0);
}

static void structured_mode_is_read(void **state)
{
    struct world *w = *state;
    assert_int_equal(read_structured(w, "{\"specversion\":\"1.0\",\"type\":\"com.example.someevent\",\"source\":\"/mycontext\",\"subject\":null,\"id\":\"C234-1234\\u0021\","
                                        "\"time\":\"2018-04-05T17:31:00Z\",\"comexampleextension1\":\"value\",\"comexampleothervalue\":5,\"flag\":true,"
                                        "\"datacontenttype\":\"application/json\",\"data\":{\"appinfoA\":\"abc\"}}"), 0);
    assert_string_equal(text(w, w->event.event.id), "C234-1234!");
    assert_string_equal(text(w, w->event.data), "{\"appinfoA\":\"abc\"}");
    assert_int_equal(w->event.subject.len, 0);
    assert_string_equal(structured(w, record_made(w, "7"), 3),
                        "{\"specversion\":\"1.0\",\"id\":\"C234-1234!\",\"source\":\"/mycontext\",\"type\":\"com.example.someevent\",\"time\":\"2018-04-05T17:31:00.000Z\","
                        "\"subject\":\"7\",\"comexampleextension1\":\"value\",\"comexampleothervalue\":\"5\",\"flag\":\"true\",\"streamversion\":\"3\","
                        "\"datacontenttype\":\"application/json\",\"data\":{\"appinfoA\":\"abc\"}}");
}

#define HEAD "{\"specversion\":\"1.0\",\"type\":\"T\",\"id\":\"1\",\"source\":\"/s\""

static void data_is_json_text_or_bytes(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *members, *data, *out;
    } cases[] = {
        { "", NULL, NULL },
        { ",\"data\":null", NULL, NULL },
        { ",\"data\":\"a\\\"b\"", "\"a\\\"b\"", "\"datacontenttype\":\"application/json\",\"data\":\"a\\\"b\"}" },
        { ",\"data\":[1,\n2]", "[1,\n2]", "\"data\":[1, 2]}" },
        { ",\"datacontenttype\":\"text/xml\",\"data\":\"<much wow=\\\"xml\\\"/>\"", "<much wow=\"xml\"/>",
          "\"datacontenttype\":\"text/xml\",\"data\":\"<much wow=\\\"xml\\\"/>\"}" },
        { ",\"datacontenttype\":\"application/octet-stream\",\"data_base64\":\"//4=\"", "\xff\xfe",
          "\"datacontenttype\":\"application/octet-stream\",\"data_base64\":\"//4=\"}" },
        { ",\"datacontenttype\":\"application/vnd.x+json\",\"data\":{}", "{}", "\"datacontenttype\":\"application/vnd.x+json\",\"data\":{}}" },
        { ",\"data_base64\":\"bm9uZQ==\"", "none", "\"datacontenttype\":\"text/plain\",\"data\":\"none\"}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_structured(w, arena_printf(&w->arena, HEAD "%s}", cases[i].members)), 0);
        if (!cases[i].data) {
            assert_null(w->event.data.data);
            assert_null(strstr(structured(w, record_made(w, "7"), -1), "data"));
            continue;
        }
        assert_string_equal(text(w, w->event.data), cases[i].data);
        assert_non_null(strstr(structured(w, record_made(w, "7"), -1), cases[i].out));
    }
}

static void wrong_members_are_named(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *json;
        int code;
        const char *field, *part;
    } wrong[] = {
        { "", EDDA_EMALFORMED, "", "JSON object" }, { "[]", EDDA_EMALFORMED, "", "JSON object" }, { "{}", EDDA_EINVAL, "specversion", "missing" },
        { "{\"specversion\":\"1.0\"}", EDDA_EINVAL, "type", "missing" }, { "{\"specversion\":1.0,\"type\":\"T\"}", EDDA_EINVAL, "specversion", "a string" },
        { HEAD ",\"x\":{}}", EDDA_EINVAL, "x", "a string, a boolean or an integer" }, { HEAD ",\"X\":\"1\"}", EDDA_EINVAL, "X", "no name" },
        { HEAD ",\"id\":\"2\"}", EDDA_EINVAL, "id", "twice" }, { HEAD ",\"subject\":\"\"}", EDDA_EINVAL, "subject", "empty" },
        { HEAD ",\"data\":1,\"data_base64\":\"\"}", EDDA_EINVAL, "data_base64", "exclude" }, { HEAD ",\"data_base64\":\"*\"}", EDDA_EINVAL, "data_base64", "base64" },
        { HEAD ",\"data_base64\":5}", EDDA_EINVAL, "data_base64", "base64" }, { HEAD, EDDA_EMALFORMED, "", "byte" }, { HEAD "} {", EDDA_EMALFORMED, "", "goes on" },
        { HEAD ",1:2}", EDDA_EMALFORMED, "", "name of a member" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(read_structured(w, wrong[i].json), wrong[i].code);
        assert_string_equal(w->error.field, wrong[i].field);
        assert_non_null(strstr(w->error.message, wrong[i].part));
    }
}

static void batches_are_read(void **state)
{
    struct world *w = *state;
    struct event_in *events;
    uint32_t count;
    assert_int_equal(event_read_batch(SLICE(" [" HEAD "}, " HEAD ",\"data\":2}] "), 2, &w->arena, &events, &count, &w->error), 0);
    assert_int_equal(count, 2);
    assert_null(events[0].data.data);
    assert_string_equal(text(w, events[1].data), "2");
    static const struct {
        const char *json;
        int code;
        const char *field;
    } wrong[] = {
        { "[]", EDDA_EINVAL, "" }, { HEAD "}", EDDA_EMALFORMED, "" }, { "[" HEAD "},{\"specversion\":\"1.0\"}]", EDDA_EINVAL, "[1].type" },
        { "[" HEAD "}," HEAD "}," HEAD "}]", EDDA_ELIMIT, "" }, { "[" HEAD "},]", EDDA_EMALFORMED, "" }, { "[" HEAD "}]]", EDDA_EMALFORMED, "" },
        { "[1]", EDDA_EMALFORMED, "" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        w->error = (struct edda_error){ .code = 0 };
        assert_int_equal(event_read_batch(slice_str(wrong[i].json), 2, &w->arena, &events, &count, &w->error), wrong[i].code);
        assert_string_equal(w->error.field, wrong[i].field);
    }
}

static void foreign_records_are_events_too(void **state)
{
    struct world *w = *state;
    record_headers_put(&w->headers, SLICE("any thing"), SLICE("1"));
    record_headers_put(&w->headers, SLICE("ce_bad"), SLICE("a\nb"));
    record_headers_put(&w->headers, SLICE("ce_Bad"), SLICE("1"));
    record_headers_put(&w->headers, SLICE("ce_x"), SLICE("first"));
    record_headers_put(&w->headers, SLICE("ce_x"), SLICE("second"));
    record_headers_put(&w->headers, SLICE("ce_data"), SLICE("1"));
    struct record record = { .offset = 7, .timestamp_ms = 0, .value = SLICE("{\"eventType\":\"Ordered\"}"), .headers = buffer_slice(&w->headers), .header_count = 6 };
    assert_string_equal(structured(w, &record, -1), "{\"specversion\":\"1.0\",\"id\":\"orders-2-7\",\"source\":\"/topics/orders\",\"type\":\"Ordered\",\"time\":\"1970-01-01T00:00:00.000Z\","
                                                    "\"x\":\"first\",\"datacontenttype\":\"application/json\",\"data\":{\"eventType\":\"Ordered\"}}");
    record.value = SLICE("\xff");
    record.key = SLICE("\x01");
    assert_non_null(strstr(structured(w, &record, -1), "\"type\":\"record\",\"time\":\"1970-01-01T00:00:00.000Z\",\"x\":\"first\","
                                                       "\"datacontenttype\":\"application/octet-stream\",\"data_base64\":\"/w==\"}"));
}

static void modes_are_told_by_the_content_type(void **state)
{
    (void)state;
    assert_int_equal(event_mode_of(SLICE("Application/CloudEvents+JSON; charset=utf-8")), EVENT_STRUCTURED);
    assert_int_equal(event_mode_of(SLICE("application/cloudevents-batch+json")), EVENT_BATCH);
    assert_int_equal(event_mode_of(SLICE("application/json")), EVENT_BINARY);
    assert_int_equal(event_mode_of(SLICE("")), EVENT_BINARY);
    assert_true(event_type_is_json(SLICE("text/JSON")));
    assert_false(event_type_is_json(SLICE("+json")));
    assert_false(event_type_is_json(SLICE("application/jsonp")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(binary_mode_is_read),
        TEST(header_values_are_percent_encoded),
        TEST(wrong_headers_are_named),
        TEST(structured_mode_is_read),
        TEST(data_is_json_text_or_bytes),
        TEST(wrong_members_are_named),
        TEST(batches_are_read),
        TEST(foreign_records_are_events_too),
        TEST(modes_are_told_by_the_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
