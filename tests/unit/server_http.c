/* What is said over HTTP, byte for byte but for the Date. */
#include "server_talk.h"

#include <sys/socket.h>

#define PLACE "{\"holderId\":\"jjy\",\"amount\":500}"
#define POST(path, headers) \
    "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" headers "Content-Length: 31\r\n\r\n" PLACE
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define JSON(length, body) \
    "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\nContent-Type: application/json\r\n\r\n" body "\n"
#define PROBLEM(line, length, more, body) \
    "HTTP/1.1 " line "\r\nContent-Length: " #length "\r\nContent-Type: application/problem+json\r\n" more "\r\n" body "\n"

#define ORDER(id) \
    "{\"id\":" #id ",\"holderId\":\"jjy\",\"amount\":500.0,\"_links\":{\"self\":{\"href\":\"http://h/orders/" #id \
    "\"}}}"
#define PLACED(id) \
    "HTTP/1.1 201 Created\r\nContent-Length: 88\r\nContent-Type: application/json\r\nLocation: http://h/orders/" #id \
    "\r\n" \
    "ETag: \"4\"\r\n\r\n" ORDER(id) "\n"

#define SHOWN_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 88\r\nContent-Type: application/json\r\nETag: \"4\"\r\n\r\n"
#define SHOWN SHOWN_HEAD ORDER(1) "\n"

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

static void call_gives_201_with_links(void **state)
{
    struct talk *talk = *state;
    talk_expect(talk, POST("/orders", ""), PLACED(1));
    assert_int_equal(talk->engine.amount, 500);
    assert_int_equal(talk->engine.expected, JOURNAL_ANY);
    assert_string_equal(talk->engine.id, "");
}

#define BODY(path, length, body) "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: " #length "\r\n\r\n" body
#define DELETE(path) "DELETE " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* What the path names comes from there, whatever else the body says of it; the rest of a DELETE is in its query. */
static void a_command_is_made_of_path_body_and_query(void **state)
{
    static const struct { const char *sent; int64_t amount; const char *part; } good[] = {
        { BODY("/holders/j%20y/orders", 12, "{\"amount\":7}"), 7, "\"holderId\":\"j y\"" },
        { BODY("/holders/42/orders", 31, "{\"amount\":\"8\",\"holderId\":\"jjy\"}"), 8, "\"holderId\":\"42\"" },
        { DELETE("/holders/jjy/orders?amount=9"), 9, "jjy" },
        { DELETE("/holders/jjy/orders/10"), 10, "jjy" },
        { BODY("/numbered", 31, "{\"amount\":\"8\",\"holderId\":\"jjy\"}"), 1, "jjy" },
    };
    static const char *const wrong[] = {
        DELETE("/holders/jjy/orders/x"), DELETE("/holders/jjy/orders/1.0"), DELETE("/holders/jjy/orders/1e0"), DELETE("/holders/jjy/orders/01"),
        DELETE("/holders/jjy/orders/-"), DELETE("/holders/jjy/orders/0"), DELETE("/holders/jjy/orders/99999999999999999999"),
        DELETE("/holders/jjy/orders"), DELETE("/holders/jjy/orders?amount="), DELETE("/holders/jjy/orders?amount=much"),
        BODY("/holders/jjy/orders", 2, "{}"),
    };
    struct talk *talk = *state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        talk_expect_part(talk, good[i].sent, 200, good[i].part);
        assert_int_equal(talk->engine.amount, good[i].amount);
    }
    talk->engine.amount = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        talk_expect_part(talk, wrong[i], 422, "\"field\":\"amount\"");
    talk_expect_part(talk, BODY("/holders/12345678901234567890123456789012345678901234567890123456789012345/orders", 12, "{\"amount\":7}"), 422,
                     "\"field\":\"holderId\"");
    talk_expect_part(talk, "POST /holders/jjy/orders HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 400, "a JSON body is missing");
    assert_int_equal(talk->engine.amount, 0);
}

static void another_sites_page_may_only_look(void **state)
{
    struct talk *talk = *state;
    static const char *const refused[] = {
        POST("/orders", "Sec-Fetch-Site: cross-site\r\n"), POST("/orders", "Sec-Fetch-Site: same-site\r\n"), POST("/orders", "Origin: http://evil\r\n"),
        POST("/orders", "Origin: null\r\n"), POST("/orders", "Origin: ftp://h\r\n"), POST("/orders", "Origin: \r\n"),
        POST("/orders", "Origin: http://h:80\r\nSec-Fetch-Site: cross-site\r\n"), "POST /services/order/pause HTTP/1.1\r\nHost: h\r\nOrigin: http://evil\r\n\r\n",
    };
    static const char *const taken[] = { POST("/orders", "Sec-Fetch-Site: same-origin\r\nOrigin: http://h\r\n"), POST("/orders", "Sec-Fetch-Site: none\r\n"),
                                         POST("/orders", "Origin: http://h\r\n"), POST("/orders", "Origin: https://h\r\n") };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        talk_expect_part(talk, refused[i], 403, "a page of another site cannot ask for this");
    assert_int_equal(talk->engine.amount, 0);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        talk_expect_part(talk, taken[i], 201, "jjy");
    talk_expect_part(talk, "GET /orders/1 HTTP/1.1\r\nHost: h\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://evil\r\n\r\n", 200, "jjy");
}

#define GET_ORDER_IF(tags) "GET /orders/1 HTTP/1.1\r\nHost: h\r\nIf-None-Match: " tags "\r\n\r\n"

static void a_row_that_the_client_has_is_not_sent_again(void **state)
{
    static const char *const same[] = { GET_ORDER_IF("\"4\""), GET_ORDER_IF("*"), GET_ORDER_IF("W/\"4\""),
                                        GET_ORDER_IF("\"3\" ,\t\"4\" , \"5\"") };
    static const char *const other[] = { GET_ORDER_IF("\"3\""), GET_ORDER_IF("4"), GET_ORDER_IF("\"44\""), GET_ORDER_IF(","),
                                         GET_ORDER_IF("") };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        talk_expect(*state, same[i], "HTTP/1.1 304 Not Modified\r\nETag: \"4\"\r\n\r\n");
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        talk_expect(*state, other[i], SHOWN);
    talk_expect_part(*state, "GET /orders/2 HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n", 404, "notfound");
}

static void connection_is_kept(void **state)
{
    talk_expect(*state, POST("/orders", ""), PLACED(1));
    talk_expect(*state, POST("/orders", ""), PLACED(2));
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    talk_expect(*state, POST("/orders", "") GET("/orders/1") POST("/orders", ""),
                PLACED(1) SHOWN PLACED(2));
}

static void request_may_arrive_in_pieces(void **state)
{
    static const char sent[] = POST("/orders", "");
    struct talk *talk = *state;
    for (size_t i = 0; i < sizeof sent - 2; i++)
        talk_send(talk, talk->fd, sent + i, 1);
    talk_expect(talk, sent + sizeof sent - 2, PLACED(1));
}

static void one_request_costs_one_sync(void **state)
{
    struct talk *talk = *state;
    talk_expect(talk, POST("/orders", ""), PLACED(1));
    assert_int_equal(talk->journal.syncs, 1);
}

static void text_of_a_row_is_the_answer(void **state)
{
    talk_expect(
        *state, POST("/batches", ""),
        "HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\nContent-Type: application/json\r\nETag: \"4\"\r\n\r\n\"OK\"\n");
}

static void a_row_may_answer_in_its_own_words(void **state)
{
    struct talk *talk = *state;
    talk_expect(talk, POST("/goods", ""),
                "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Type: text/plain\r\nETag: \"4\"\r\n\r\nOK");
    talk->engine.fail = EDDA_EREJECTED;
    talk_expect(talk, POST("/goods", ""),
                "HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\nContent-Type: text/plain\r\n\r\nnot today");
    talk_expect_part(talk, POST("/batches", ""), 409, "\"field\":\"amount\"");
    talk->engine.fail = EDDA_EPAUSED; /* no rule has said this */
    talk_expect_part(talk, POST("/goods", ""), 503, "urn:edda:error:");
    talk->engine.fail = 0;
}

static void conditions_and_identity_reach_the_engine(void **state)
{
    struct talk *talk = *state;
    talk_expect(talk, POST("/orders", "If-Match: \"17\"\r\nIdempotency-Key: k 1\r\n"), PLACED(1));
    assert_int_equal(talk->engine.expected, 17);
    assert_string_equal(talk->engine.id, "k 1");
    assert_string_equal(talk->engine.source, "POST /orders");
    talk_expect(talk, POST("/orders", "If-None-Match: *\r\n"), PLACED(2));
    assert_int_equal(talk->engine.expected, JOURNAL_NONE);
    talk_expect(talk, POST("/orders", "If-Match: *\r\n"), PLACED(3));
    assert_int_equal(talk->engine.expected, JOURNAL_EXISTS);
    talk_expect_part(talk, POST("/orders", "If-Match: 17\r\n"), 400, "\"field\":\"If-Match\"");
    talk_expect_part(talk, POST("/orders", "If-None-Match: \"1\"\r\n"), 400, "\"field\":\"If-None-Match\"");
    talk_expect_part(talk, POST("/orders", "Idempotency-Key: \r\n"), 400, "\"field\":\"Idempotency-Key\"");
    assert_int_equal(talk->engine.call_count, 3);
}

static void repeated_call_has_the_same_location(void **state)
{
    talk_expect(*state, POST("/orders", "Idempotency-Key: again\r\n"), PLACED(1));
}

static void failed_call_is_a_problem(void **state)
{
    struct talk *talk = *state;
    talk->engine.fail = EDDA_EVERSION;
    talk_expect(
        talk, POST("/orders", "If-Match: \"3\"\r\n"),
        PROBLEM(
            "412 Precondition Failed", 158, "",
            "{\"type\":\"urn:edda:error:version\",\"title\":\"the stream is not at the expected version\",\"status\":412,"
            "\"detail\":\"not today\",\"field\":\"amount\",\"instance\":\"/orders\"}"));
    talk->engine.fail = EDDA_EPAUSED;
    talk_expect_part(talk, POST("/orders", ""), 503, "\r\nRetry-After: 1\r\n");
    talk->engine.fail = EDDA_EFULL;
    talk_expect_part(talk, POST("/orders", ""), 507, "\r\nRetry-After: 1\r\n");
}

static void wrong_field_is_named(void **state)
{
    talk_expect(
        *state, "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 29\r\n\r\n{\"holderId\":\"jjy\",\"amount\":0}",
        PROBLEM("422 Unprocessable Content", 161, "",
                "{\"type\":\"urn:edda:error:inval\",\"title\":\"an argument or a field is wrong\",\"status\":422,"
                "\"detail\":\"must be at least 1, is 0\",\"field\":\"amount\",\"instance\":\"/orders\"}"));
    talk_expect_part(*state, "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{]", 400,
                     "urn:edda:error:malformed");
    talk_expect_part(*state, "POST /orders HTTP/1.1\r\nHost: h\r\n\r\n", 400, "a JSON body is missing");
    talk_expect_part(*state,
                     "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415,
                     "\"field\":\"Content-Type\"");
    talk_expect_part(*state, "DELETE /orders/1/note HTTP/1.1\r\nHost: h\r\n\r\n", 409,
                     "\"detail\":\"unknown sku\",\"field\":\"sku\"");
}

static void unknown_path_is_404(void **state)
{
    talk_expect(*state, GET("/nowhere"),
                PROBLEM("404 Not Found", 169, "",
                        "{\"type\":\"urn:edda:error:notfound\",\"title\":\"it does not exist\",\"status\":404,"
                        "\"detail\":\"there is no /nowhere; GET /openapi.json lists what there is\",\"instance\":\"/nowhere\"}"));
    talk_expect_part(*state, GET("/orders/1/2/3/4/5/6/7/8"), 404, "notfound");
    talk_expect_part(*state, GET("/orders/9"), 404, "orders has none with the key 9");
    talk_expect_part(*state, GET("/%zz"), 400, "percent-encoded");
}

static void other_method_is_405_with_allow(void **state)
{
    talk_expect(
        *state, "DELETE /orders HTTP/1.1\r\nHost: h\r\n\r\n",
        PROBLEM("405 Method Not Allowed", 166, "Allow: POST, GET, HEAD\r\n",
                "{\"type\":\"urn:edda:error:method\",\"title\":\"the path does not have this method\",\"status\":405,"
                "\"detail\":\"/orders has POST, GET, HEAD, but no DELETE\",\"instance\":\"/orders\"}"));
    talk_expect(*state, "OPTIONS /orders HTTP/1.1\r\nHost: h\r\n\r\n",
                "HTTP/1.1 204 No Content\r\nAllow: POST, GET, HEAD\r\n\r\n");
}

static void head_has_no_content(void **state)
{
    talk_expect(*state, "HEAD /orders/1 HTTP/1.1\r\nHost: h\r\n\r\n" GET("/orders/1"),
                SHOWN_HEAD SHOWN);
}

static void malformed_request_is_400_and_the_end(void **state)
{
    talk_expect_end(
        *state, "GET / HTTP/1.1\r\nHost : h\r\n\r\n" GET("/orders/1"),
        PROBLEM("400 Bad Request", 163, "Connection: close\r\n",
                "{\"type\":\"urn:edda:error:malformed\",\"title\":\"the bytes do not parse\",\"status\":400,"
                "\"detail\":\"white space stands before a header's colon, at byte 20 of the request\"}"));
}

static void long_head_is_431(void **state)
{
    struct talk *talk = *state;
    size_t len = 20000;
    char *head = malloc(len + 1);
    assert_non_null(head);
    memset(head, 'x', len);
    memcpy(head, "GET /", 5);
    head[len] = '\0';
    talk_expect_part(talk, head, 431, "Connection: close");
    free(head);
}

static void long_body_is_413_and_not_waited_for(void **state)
{
    talk_expect_end(
        *state, "POST /orders HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
        PROBLEM(
            "413 Content Too Large", 186, "Connection: close\r\n",
            "{\"type\":\"urn:edda:error:toolarge\",\"title\":\"a body, record or batch is over its limit\",\"status\":413,"
            "\"detail\":\"the body has 1048577 bytes; at most 1048576 are taken\",\"instance\":\"/orders\"}"));
}

static void other_version_is_505(void **state)
{
    talk_expect_part(*state, "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "Connection: close");
}

static void chunked_body_is_taken(void **state)
{
    talk_expect(*state,
                "POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5\r\n{\"hol\r\n1a;x=y\r\nderId\":\"jjy\",\"amount\":500}\r\n0\r\nTrailer: t\r\n\r\n" GET("/orders/1"),
                PLACED(1) SHOWN);
}

static void chunked_body_may_arrive_in_pieces(void **state)
{
    static const char sent[] = "POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\n{\"hol\r\n1a\r\nderId\":\"jjy\",\"amount\":500}\r\n0\r\n\r\n";
    struct talk *talk = *state;
    for (size_t i = 0; i < sizeof sent - 2; i++)
        talk_send(talk, talk->fd, sent + i, 1);
    talk_expect(talk, sent + sizeof sent - 2, PLACED(1));
    talk_expect_part(talk, "POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n", 413,
                     "toolarge");
}

static void body_is_waited_for_with_100_continue(void **state)
{
    talk_expect(*state, "POST /orders HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 31\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\n");
    talk_expect(*state, PLACE, PLACED(1));
}

static void connection_ends_when_asked(void **state)
{
    talk_expect_end(
        *state, "GET /orders/1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET("/orders/1"),
        "HTTP/1.1 200 OK\r\nContent-Length: 88\r\nContent-Type: application/json\r\nETag: \"4\"\r\nConnection: close\r\n\r\n" ORDER(
            1) "\n");
}

static void client_that_ends_its_side_still_gets_its_answers(void **state)
{
    struct talk *talk = *state;
    static const char sent[] = GET("/orders/1") GET("/orders/1");
    assert_int_equal(send(talk->fd, sent, sizeof sent - 1, 0), sizeof sent - 1);
    assert_int_equal(shutdown(talk->fd, SHUT_WR), 0);
    talk_expect_end(talk, "", SHOWN SHOWN);
}

static void words_go_before_parameters(void **state)
{
    talk_expect_part(*state, GET("/orders/latest/note"), 200, "id= note=");
    talk_expect_part(*state, GET("/orders/a%2Fb/note?note=1+2%263&x=y"), 200, "id=a/b note=1 2&3");
}

static void page_is_a_collection(void **state)
{
    struct talk *talk = *state;
    talk_expect(
        talk, GET("/orders"),
        JSON(
            91,
            "{\"_embedded\":{\"orders\":[]},\"page\":{\"size\":20,\"totalElements\":0,\"totalPages\":0,\"number\":0}}"));
    talk->engine.rows = 3;
    talk_expect(talk, GET("/orders?size=2&page=1"),
                JSON(177, "{\"_embedded\":{\"orders\":[" ORDER(
                              3) "]},\"page\":{\"size\":2,\"totalElements\":3,\"totalPages\":2,\"number\":1}}"));
    talk_expect_part(talk, GET("/orders?size=0"), 400,
                     "\"detail\":\"size must be a whole number from 1 to 1000\",\"field\":\"size\"");
    talk_expect_part(talk, GET("/orders?page=-1"), 400, "\"field\":\"page\"");
    talk_expect_part(talk, GET("/orders?size=1001"), 400, "\"field\":\"size\"");
    talk_expect_part(talk, GET("/orders/a%2Fb"), 200, "http://h/orders/a%2Fb");
}

static void client_of_1_0_needs_no_host(void **state)
{
    char link[64];
    struct talk *talk = *state;
    (void)snprintf(link, sizeof link, "http://127.0.0.1:%u/orders/1", (unsigned)server_port(talk->server, 0));
    talk_expect_part(talk, "GET /orders/1 HTTP/1.0\r\n\r\n", 200, link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(call_gives_201_with_links, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_the_client_has_is_not_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_is_made_of_path_body_and_query, setup, teardown),
        cmocka_unit_test_setup_teardown(another_sites_page_may_only_look, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_the_client_has_is_not_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(another_sites_page_may_only_look, setup, teardown),
        cmocka_unit_test_setup_teardown(connection_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(request_may_arrive_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(one_request_costs_one_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(text_of_a_row_is_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_may_answer_in_its_own_words, setup, teardown),
        cmocka_unit_test_setup_teardown(conditions_and_identity_reach_the_engine, setup, teardown),
        cmocka_unit_test_setup_teardown(repeated_call_has_the_same_location, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_call_is_a_problem, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_field_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_path_is_404, setup, teardown),
        cmocka_unit_test_setup_teardown(other_method_is_405_with_allow, setup, teardown),
        cmocka_unit_test_setup_teardown(head_has_no_content, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_request_is_400_and_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(long_head_is_431, setup, teardown),
        cmocka_unit_test_setup_teardown(long_body_is_413_and_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(other_version_is_505, setup, teardown),
        cmocka_unit_test_setup_teardown(chunked_body_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(chunked_body_may_arrive_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(body_is_waited_for_with_100_continue, setup, teardown),
        cmocka_unit_test_setup_teardown(connection_ends_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(client_that_ends_its_side_still_gets_its_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(words_go_before_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(page_is_a_collection, setup, teardown),
        cmocka_unit_test_setup_teardown(client_of_1_0_needs_no_host, setup, teardown),
    };
    return cmocka_run_group_tests_name("server http", tests, NULL, NULL);
}
