/* The routes that every application has, and the pages of the reference that are written from tables. */
#include "server_talk.h"

#include "server/client.h"
#include "server/reference.h"
#include "server/router.h"
#include "wire/json/json.h"

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET(path) REQUEST("GET", path)
#define MIGRATE(length, body) \
    "POST /services/order/migrate HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n" body

static int setup(void **state)
{
    struct talk *talk = calloc(1, sizeof *talk);
    assert_non_null(talk);
    talk_open(talk, NULL);
    *state = talk;
    return 0;
}

static int teardown(void **state)
{
    talk_close(*state);
    free(*state);
    return 0;
}

static void traces_are_json_or_text(void **state)
{
    static const char json[] = "{\"correlationId\":\"1\"", text[] = "a -> b\n";
    talk_expect_part(*state, GET("/traces/1"), 200, json);
    talk_expect_part(*state, GET("/traces/1?format=text"), 200, text);
    talk_expect_part(*state, "GET /traces/1 HTTP/1.1\r\nHost: h\r\nAccept: a/b;q=1, Text/Plain;q=0.5\r\n\r\n", 200,
                     text);
    talk_expect_part(*state, GET("/orders/1/trace"), 200, text);
    talk_expect_part(*state, "GET /orders/1/trace HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n", 200, json);
    talk_expect_part(*state, "GET /orders/1/trace HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n", 200, text);
    talk_expect_part(*state, GET("/traces/1?format=xml"), 400, "\"field\":\"format\"");
    talk_expect_part(*state, GET("/traces/2"), 404, "there is nothing of process 2, says fake");
}

static void services_are_listed_and_paused(void **state)
{
    struct talk *talk = *state;
    talk_expect_part(talk, REQUEST("POST", "/services/order/pause"), 204, "");
    assert_true(talk->engine.paused);
    talk_expect_part(
        talk, GET("/services"), 200,
        "{\"_embedded\":{\"services\":[{\"name\":\"order\",\"description\":\"takes orders\",\"paused\":true,\"position\":9,"
        "\"lag\":0,\"pending\":0,\"steps\":3,\"skips\":0,\"failures\":0,\"quarantined\":0,\"openBreakers\":[\"OutOfStock\"]}]},"
        "\"page\":{\"size\":20,\"totalElements\":1,\"totalPages\":1,\"number\":0}}");
    talk_expect_part(talk, REQUEST("POST", "/services/order/resume"), 204, "");
    assert_false(talk->engine.paused);
    talk_expect_part(talk, REQUEST("POST", "/services/none/pause"), 404, "there is no such service");
}

static void processes_are_migrated(void **state)
{
    struct talk *talk = *state;
    talk_expect_part(talk, MIGRATE("31", "{\"from\":1,\"to\":2,\"dryRun\":true}"), 200,
                     "{\"fits\":3,\"unfits\":1,\"dryRun\":true,\"unfit\":[{\"key\":\"7\",\"reason\":\"it is at work\"}]");
    talk_expect_part(talk, MIGRATE("17", "{\"from\":1,\"to\":2}"), 200, "{\"fits\":2,");
    talk_expect_part(talk, MIGRATE("17", "{\"from\":1,\"to\":3}"), 404, "there is no such version");
    talk_expect_part(talk, MIGRATE("17", "{\"from\":0,\"to\":3}"), 422, "from");
}

static void deadlines_are_listed_moved_and_cancelled(void **state)
{
    struct talk *talk = *state;
    talk->engine.deadlines = 1;
    talk->engine.deadlines_known = true;
    talk_expect_part(
        talk, GET("/edda/deadlines"), 200,
        "{\"_embedded\":{\"deadlines\":[{\"id\":\"order/7/pay\",\"service\":\"order\",\"key\":\"7\",\"name\":\"pay\","
        "\"setTime\":\"1970-01-01T00:00:01.000Z\",\"dueTime\":\"1970-01-01T00:00:06.000Z\",\"type\":\"PlaceOrder\","
        "\"data\":{\"holderId\":\"jjy\",\"amount\":7},\"repeats\":\"every 5m\","
        "\"_links\":{\"self\":{\"href\":\"http://h/edda/deadlines/order%2F7%2Fpay\"}}}]},"
        "\"page\":{\"size\":20,\"totalElements\":1,\"totalPages\":1,\"number\":0}}");
    talk_expect_part(talk, GET("/deadlines"), 200, "http://h/deadlines/order%2F7%2Fpay");
    talk_expect_part(talk,
                     "PATCH /edda/deadlines/order%2F7%2Fpay HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\n"
                     "{\"dueTime\":\"1970-01-01T00:01:00.000Z\"}",
                     204, "");
    assert_string_equal(talk->engine.moved_id, "order/7/pay");
    assert_int_equal(talk->engine.moved_ms, 60000);
    talk_expect_part(talk, REQUEST("DELETE", "/deadlines/order%2F7%2Fpay"), 204, "");
    assert_true(talk->engine.cancelled);
    talk_expect_part(talk, REQUEST("DELETE", "/deadlines/none"), 404, "there is no such deadline");
    talk_expect_part(talk, GET("/timers"), 200,
                     "{\"_embedded\":{\"timers\":[{\"id\":1000,\"holderId\":\"7\",\"amount\":1.5,"
                     "\"_links\":{\"self\":{\"href\":\"http://h/timers/1000\"}}}]},");
}

/* After an older release of the application was started again, say. */
static void a_deadline_with_an_unknown_message_is_shown_as_it_is_recorded(void **state)
{
    struct talk *talk = *state;
    talk->engine.deadlines = 1;
    talk_expect_part(talk, GET("/edda/deadlines"), 200,
                     "\"dueTime\":\"1970-01-01T00:00:06.000Z\",\"type\":\"Gone\",\"data\":{\"holderId\":\"jjy\",\"amount\":7},\"_links\"");
    talk_expect_part(talk, GET("/timers"), 200, "{\"_embedded\":{\"timers\":[]},");
}

static void quarantine_is_listed_and_repaired(void **state)
{
    talk_expect_part(
        *state, GET("/quarantine"), 200,
        "{\"_embedded\":{\"quarantine\":[{\"service\":\"order\",\"key\":\"7\",\"type\":\"PlaceOrder\",\"correlationId\":\"c\","
        "\"reason\":\"it \\\"failed\\\"\",\"position\":12,\"held\":2,\"since\":\"1970-01-01T00:00:00.000Z\"}]},"
        "\"page\":{\"size\":20,\"totalElements\":1,\"totalPages\":1,\"number\":0}}");
    talk_expect_part(*state, GET("/quarantine?page=1"), 200,
                     "\"quarantine\":[]},\"page\":{\"size\":20,\"totalElements\":1,");
    talk_expect_part(*state, REQUEST("POST", "/quarantine/order/a%2Fb/retry"), 204, "");
    talk_expect_part(*state, REQUEST("POST", "/quarantine/order/7/skip"), 404, "it is not quarantined");
}

static void health_and_metrics_are_shown(void **state)
{
    talk_expect_part(*state, GET("/health"), 200, "\"live\":true,\"ready\":true}");
    talk_expect_part(*state, GET("/metrics"), 200, "# TYPE edda_journal_tail gauge\nedda_journal_tail 0\n");
    talk_expect_part(*state, GET("/metrics"), 200, "edda_service_steps_total{service=\"order\"} 3\n");
    talk_expect_part(*state, GET("/metrics"), 200, "edda_effects_begun_total{service=\"order\",type=\"OutOfStock\"} 9\n");
    talk_expect_part(*state, GET("/metrics"), 200, "edda_effects_breaker_open{service=\"order\",type=\"OutOfStock\"} 1\n");
    talk_expect_part(*state, GET("/metrics"), 200, "edda_http_responses_total{status=\"200\"} 5\n");
}

static void interface_describes_itself(void **state)
{
    static const char *const parts[] = {
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"fake\",\"version\":\"1.2.3\",\"summary\":\"what the tests serve\"}",
        "\"/orders\":{\"post\":{\"tags\":[\"order\"],\"summary\":\"places an order\"",
        "{\"$ref\":\"#/components/schemas/PlaceOrder\"}",
        "\"201\":{\"description\":\"Created\"",
        "\"Problem\":{\"$schema\"",
        "{\"name\":\"size\",\"in\":\"query\"",
        "{\"name\":\"amount\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"integer\",\"minimum\":1",
        "{\"name\":\"amount\",\"in\":\"query\",\"required\":true,\"schema\":{\"type\":\"integer\",\"minimum\":1",
        "\"title\":\"PlaceOrder\",\"properties\":{\"amount\":{",
    };
    struct talk *talk = *state;
    bool ended;
    talk_send(talk, talk->fd, GET("/openapi.json"), sizeof GET("/openapi.json") - 1);
    char *got = talk_receive(talk, talk->fd, 0, &ended);
    char *body = strstr(got, "\r\n\r\n");
    assert_non_null(body);
    size_t offset;
    if (!json_valid(slice_str(body + 4), &offset))
        fail_msg("no JSON at byte %zu: %s", offset, body + 4 + offset);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!strstr(got, parts[i]))
            fail_msg("%s is missing in %s", parts[i], got);
    free(got);
}

/* --- tables that are wrong ------------------------------------------------------------------------------------------- */

static int nothing(struct edda_request *request, const void *body, void *user)
{
    (void)request, (void)body, (void)user;
    return 0;
}

static void assert_routes_refused(const struct edda_route *routes, const char *part)
{
    const struct edda_service service = { .name = "s", .routes = routes };
    const struct edda_app app = { .name = "a", .services = (const struct edda_service *const[]){ &service, NULL } };
    struct router router;
    struct edda_error error = { 0 };
    assert_int_equal(router_init(&router, &app, &error), EDDA_EINVAL);
    if (!strstr(error.message, part))
        fail_msg("%s", error.message);
}

/* Routes of read models are found beside those of services, documented under the name of theirs, and refused for the same reasons. */
static void a_projection_has_routes(void **state)
{
    (void)state;
    const struct edda_projection projection = {
        .name = "sums", .routes = (const struct edda_route[]){ { .method = "GET", .path = "/sums", .handle = nothing }, EDDA_ROUTES_END } };
    const struct edda_app app = { .name = "a", .projections = (const struct edda_projection *const[]){ &projection, NULL } };
    struct router router;
    struct edda_error error = { 0 };
    assert_int_equal(router_init(&router, &app, &error), 0);
    struct arena arena;
    arena_init(&arena, 1024, 0);
    const struct route *route;
    struct slice parameters[ROUTE_SEGMENTS_MAX], allow;
    assert_int_equal(router_find(&router, SLICE("GET"), SLICE("/sums"), &arena, &route, parameters, &allow), 0);
    assert_string_equal(route->owner, "sums");
    assert_ptr_equal(route->row.route.handle, nothing);
    arena_deinit(&arena);
    router_deinit(&router);
    const struct edda_service service = { .name = "s", .routes = projection.routes };
    const struct edda_app twice = { .name = "a", .services = (const struct edda_service *const[]){ &service, NULL }, .projections = app.projections };
    assert_int_equal(router_init(&router, &twice, &error), EDDA_EINVAL);
    assert_non_null(strstr(error.message, "there are two routes GET /sums"));
}

static void wrong_routes_are_named(void **state)
{
    (void)state;
#define ROUTES(...) (const struct edda_route[]){ __VA_ARGS__, EDDA_ROUTES_END }
    assert_routes_refused(ROUTES({ .method = "get", .path = "/a", .handle = nothing }), "its method");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "a", .handle = nothing }), "begins with '/'");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/a//b", .handle = nothing }), "a segment is empty");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/a-{b}", .handle = nothing }), "a whole segment");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/1/2/3/4/5/6/7/8/9/10/11", .handle = nothing }),
                          "more than 10 segments");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/a" }), "has no handler");
    static const struct edda_type headless = { .name = "T", .kind = EDDA_TYPE_VALUE, .size = 8, .field_count = 1 };
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/a", .handle = nothing, .body = &headless }), "T: has no table");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/a", .handle = nothing, .reply = &headless }), "T: has no table");
    static const struct edda_field list_fields[] = { { .name = "b", .kind = EDDA_KIND_LIST, .item_kind = EDDA_KIND_INT } };
    static const struct edda_type List = { .name = "L", .kind = EDDA_TYPE_COMMAND, .size = sizeof(struct edda_list), .fields = list_fields, .field_count = 1 };
    assert_routes_refused(ROUTES({ .method = "POST", .path = "/a/{b}", .body = &List }), "b cannot come from a path");
    assert_routes_refused(ROUTES({ .method = "DELETE", .path = "/a", .body = &List }), "b cannot come from a path or a query");
    assert_routes_refused(ROUTES({ .method = "POST", .path = "/a", .body = &List, .sequence = "s" }), "the key of L is no int64_t");
    assert_routes_refused(ROUTES({ .method = "POST", .path = "/a", .body = &List, .handle = nothing, .sequence = "s" }), "a command without handler");
    assert_routes_refused(ROUTES({ .method = "GET", .path = "/a/{b}", .handle = nothing },
                                 { .method = "GET", .path = "/a/{c}", .handle = nothing }),
                          "there are two routes GET /a/{c}");
}

/* --- pages of the reference ------------------------------------------------------------------------------------------ */

static void assert_page(const char *name, void (*write_page)(struct buffer *out))
{
    char path[512], page[65536];
    struct buffer out = BUFFER_EMPTY;
    (void)snprintf(path, sizeof path, "%s/docs/reference/%s", getenv("EDDA_ROOT"), name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s is missing", path);
    size_t len = fread(page, 1, sizeof page - 1, file);
    page[len] = '\0';
    fclose(file);
    write_page(&out);
    assert_string_equal(page, buffer_cstr(&out));
    buffer_deinit(&out);
}

static void reference_is_what_the_tables_say(void **state)
{
    (void)state;
    if (!getenv("EDDA_ROOT"))
        skip();
    assert_page("metrics.md", metrics_document);
    assert_page("routes.md", routes_document);
}

static void client_says_what_is_wrong(void **state)
{
    struct buffer content = BUFFER_EMPTY;
    struct edda_error error = { 0 };
    struct client_request request = { .url = "ftp://x", .method = "GET", .path = "/" };
    (void)state;
    assert_int_equal(client_call(&request, &content, &error), EDDA_EINVAL);
    request.url = "http://127.0.0.1:1";
    assert_int_equal(client_call(&request, &content, &error), EDDA_ENOTFOUND);
    assert_non_null(strstr(error.message, "nobody answers at http://127.0.0.1:1: "));
    request.url = "http://127.0.0.1:x/";
    assert_int_equal(client_call(&request, &content, &error), EDDA_EINVAL);
    client_encode(&content, "a/b c");
    assert_string_equal(buffer_cstr(&content), "a%2Fb%20c");
    buffer_deinit(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(traces_are_json_or_text, setup, teardown),
        cmocka_unit_test_setup_teardown(services_are_listed_and_paused, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_are_migrated, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines_are_listed_moved_and_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_with_an_unknown_message_is_shown_as_it_is_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(quarantine_is_listed_and_repaired, setup, teardown),
        cmocka_unit_test_setup_teardown(health_and_metrics_are_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(interface_describes_itself, setup, teardown),
        cmocka_unit_test(a_projection_has_routes),
        cmocka_unit_test(wrong_routes_are_named),
        cmocka_unit_test(reference_is_what_the_tables_say),
        cmocka_unit_test(client_says_what_is_wrong),
    };
    return cmocka_run_group_tests_name("server built-in", tests, NULL, NULL);
}
