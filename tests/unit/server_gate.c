/* When answers leave: not before what they tell of is durable, in order, and within limits. And how the server ends. */
#include "server_talk.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "server/connection.h"

#define POST "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\n{\"holderId\":\"jjy\",\"amount\":500}"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void send_text(struct talk *talk, int fd, const char *text)
{
    talk_send(talk, fd, text, strlen(text));
    talk_turns(talk, 3);
}

static bool is_silent(struct talk *talk, int fd)
{
    char byte;
    talk_turns(talk, 3);
    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Asserts that answers with these statuses, and nothing else, have come. */
static void expect_statuses(struct talk *talk, int fd, const char *const *statuses)
{
    bool ended;
    char *got = talk_receive(talk, fd, 40, &ended);
    char *at = got;
    for (; *statuses; statuses++) {
        at = strstr(at, "HTTP/1.1 ");
        if (!at || strncmp(at + 9, *statuses, 3) != 0)
            fail_msg("expected %s at: %s", *statuses, at ? at : "(nothing)");
        at += 9;
    }
    assert_null(strstr(at, "HTTP/1.1 "));
    free(got);
}

#define EXPECT(talk, fd, ...) expect_statuses(talk, fd, (const char *const[]){ __VA_ARGS__, NULL })

static void answer_waits_for_the_disk(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    talk.journal.hold = true;
    send_text(&talk, talk.fd, POST);
    assert_int_equal(talk.engine.call_count, 1);
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.durable = 1;
    EXPECT(&talk, talk.fd, "201");
    talk_close(&talk);
}

/* How many answers have come by now; they are taken. */
static int answers(int fd)
{
    static char got[1 << 16];
    int count = 0;
    ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    got[n > 0 ? n : 0] = '\0';
    for (const char *at = got; (at = strstr(at, "HTTP/1.1 200")); at++)
        count++;
    return count;
}

static void many_requests_at_once_do_not_keep_others_waiting(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    int other = talk_connect(&talk), first = 0, rest = 0;
    talk_turns(&talk, 3);
    static const char get[] = GET("/health");
    static char many[200 * (sizeof get - 1)];
    for (size_t i = 0; i < 200; i++)
        memcpy(many + i * (sizeof get - 1), get, sizeof get - 1);
    talk_send(&talk, talk.fd, many, sizeof many);
    talk_send(&talk, other, GET("/health"), strlen(GET("/health")));
    first = answers(talk.fd);
    for (int turns = 0; answers(other) == 0; turns++) {
        assert_true(turns < 3);
        talk_turns(&talk, 1);
        rest += answers(talk.fd);
    }
    assert_in_range(first + rest, 1, 150);
    for (int turns = 0; first + rest < 200; turns++) {
        assert_true(turns < 50);
        talk_turns(&talk, 1);
        rest += answers(talk.fd);
    }
    close(other);
    talk_close(&talk);
}

static void reads_and_refusals_wait_as_well(void **state)
{
    static const char *const sent[] = { GET("/orders"), GET("/orders/9"), "DELETE /orders HTTP/1.1\r\nHost: h\r\n\r\n",
                                        GET("/metrics"), GET("/orders/1"),
                                        "GET /orders/1 HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"4\"\r\n\r\n" };
    static const char *const status[] = { "200", "404", "405", "200", "200", "304" };
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    talk.journal.tail = 5;
    talk.journal.durable = 4;
    talk.journal.hold = true;
    for (size_t i = 0; i < COUNT(sent); i++) {
        int fd = talk_connect(&talk);
        send_text(&talk, fd, sent[i]);
        assert_true(is_silent(&talk, fd));
        talk.journal.durable = talk.journal.tail;
        EXPECT(&talk, fd, status[i]);
        talk.journal.tail++;
        close(fd);
    }
    talk_close(&talk);
}

static void answers_stay_in_order(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    talk.journal.hold = true;
    send_text(&talk, talk.fd, GET("/orders") POST GET("/orders") POST GET("/nowhere"));
    EXPECT(&talk, talk.fd, "200");
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.durable = 1;
    EXPECT(&talk, talk.fd, "201", "200");
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.durable = 2;
    EXPECT(&talk, talk.fd, "201", "404");
    talk_close(&talk);
}

static void more_answers_than_marks(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    talk.journal.hold = true;
    for (int i = 0; i < 20; i++)
        send_text(&talk, talk.fd, POST);
    assert_int_equal(talk.engine.call_count, 20);
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.durable = 3;
    EXPECT(&talk, talk.fd, "201", "201", "201");
    talk.journal.durable = 19;
    EXPECT(&talk, talk.fd, "201", "201", "201", "201");
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.durable = 20;
    bool ended;
    char *rest = talk_receive(&talk, talk.fd, 13 * 200, &ended);
    int count = 0;
    for (const char *at = rest; (at = strstr(at, "HTTP/1.1 201")); at++)
        count++;
    assert_int_equal(count, 13);
    free(rest);
    talk_close(&talk);
}

static void many_connections_share_a_sync(void **state)
{
    struct talk talk;
    int fds[32];
    (void)state;
    talk_open(&talk, NULL);
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = talk_connect(&talk);
    talk_turns(&talk, 3);
    for (size_t i = 0; i < COUNT(fds); i++)
        assert_int_equal(send(fds[i], POST, sizeof POST - 1, 0), sizeof POST - 1);
    talk_turns(&talk, 3);
    for (size_t i = 0; i < COUNT(fds); i++) {
        EXPECT(&talk, fds[i], "201");
        close(fds[i]);
    }
    assert_true(talk.journal.syncs <= 2);
    talk_close(&talk);
}

static void call_that_waits_holds_its_connection_only(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    int other = talk_connect(&talk);
    talk.engine.defer = true;
    send_text(&talk, talk.fd, POST GET("/orders"));
    assert_true(is_silent(&talk, talk.fd));
    send_text(&talk, other, GET("/orders"));
    EXPECT(&talk, other, "200");
    assert_true(fake_answer(&talk.engine));
    EXPECT(&talk, talk.fd, "201", "200");
    close(other);
    talk_close(&talk);
}

static void client_that_leaves_does_not_disturb_its_call(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    talk.engine.defer = true;
    int fd = talk_connect(&talk);
    send_text(&talk, fd, POST);
    shutdown(fd, SHUT_RDWR);
    close(fd);
    talk_turns(&talk, 3);
    assert_true(fake_answer(&talk.engine));
    talk_turns(&talk, 3);
    assert_int_equal(talk.engine.call_count, 1);
    talk.engine.defer = false;
    send_text(&talk, talk.fd, POST);
    EXPECT(&talk, talk.fd, "201");
    talk_close(&talk);
}

static void log_that_is_behind_stops_the_reading(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    int other = talk_connect(&talk);
    talk_turns(&talk, 3);
    talk.journal.tail = 1;
    talk.journal.hold = true;
    talk.engine.refuse = 1;
    send_text(&talk, talk.fd, POST);
    send_text(&talk, other, POST);
    assert_int_equal(talk.engine.call_count, 0);
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.hold = false;
    EXPECT(&talk, talk.fd, "201");
    EXPECT(&talk, other, "201");
    assert_int_equal(talk.engine.call_count, 2);
    close(other);
    talk_close(&talk);
}

static void busy_for_another_reason_is_refused(void **state)
{
    struct talk talk;
    (void)state;
    talk_open(&talk, NULL);
    talk.engine.refuse = 1;
    send_text(&talk, talk.fd, POST);
    EXPECT(&talk, talk.fd, "503");
    talk_close(&talk);
}

static void slow_client_is_not_read(void **state)
{
    const struct server_limits limits = { .out_bytes_max = 500000 };
    struct talk talk;
    int small = 65536;
    (void)state;
    talk_open(&talk, &limits);
    assert_int_equal(setsockopt(talk.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    const unsigned requests = 60; /* more than the socket's buffers hold of their answers */
    for (unsigned i = 0; i < requests; i++)
        talk_send(&talk, talk.fd, GET("/big"), sizeof GET("/big") - 1);
    talk_turns(&talk, 50);
    assert_in_range(fake_big_count, 1, requests / 2);
    /* All the same they come once the client reads. */
    size_t len = 0;
    bool ended = false;
    while (len < (size_t)requests * FAKE_BIG_BYTES) {
        char *got = talk_receive(&talk, talk.fd, 1, &ended);
        assert_true(*got != '\0' && !ended);
        for (const char *at = got; *at; at++)
            len += *at == 'x';
        free(got);
    }
    assert_int_equal(fake_big_count, requests);
    assert_true(is_silent(&talk, talk.fd));
    talk_close(&talk);
}

static void connection_over_the_limit_is_told_so(void **state)
{
    const struct server_limits limits = { .connections_max = 1 };
    struct talk talk;
    bool ended;
    (void)state;
    talk_open(&talk, &limits);
    talk_turns(&talk, 3);
    int fd = talk_connect(&talk);
    char *got = talk_receive(&talk, fd, 10000, &ended);
    assert_true(ended);
    assert_non_null(strstr(got, "HTTP/1.1 503 "));
    assert_non_null(strstr(got, "urn:edda:error:limit"));
    free(got);
    close(fd);
    talk_close(&talk);
}

static void client_that_keeps_still_is_let_go(void **state)
{
    const struct server_limits limits = { .idle_ms = 60, .linger_ms = 60 };
    struct talk talk;
    bool ended;
    (void)state;
    talk_open(&talk, &limits);
    char *got = talk_receive(&talk, talk.fd, 1, &ended);
    assert_true(ended);
    assert_string_equal(got, "");
    free(got);
    int fd = talk_connect(&talk);
    send_text(&talk, fd, "GET / HT");
    got = talk_receive(&talk, fd, 10000, &ended);
    assert_true(ended);
    assert_non_null(strstr(got, "HTTP/1.1 408 "));
    free(got);
    close(fd);
    talk_close(&talk);
}

static void stop_sends_what_is_answered(void **state)
{
    struct talk talk;
    struct edda_error error = { 0 };
    bool ended;
    (void)state;
    talk_open(&talk, NULL);
    int other = talk_connect(&talk), waiting = talk_connect(&talk);
    send_text(&talk, other, GET("/orders"));
    EXPECT(&talk, other, "200");
    talk.engine.defer = true;
    send_text(&talk, waiting, POST);
    talk.engine.defer = false;
    talk.journal.hold = true;
    send_text(&talk, talk.fd, POST);
    assert_true(is_silent(&talk, talk.fd));
    talk.journal.hold = false;
    server_stop(talk.server);
    assert_int_equal(server_run(talk.server, &error), 0);
    assert_true(talk.engine.stopped);
    assert_int_equal(talk.journal.durable, talk.journal.tail);
    EXPECT(&talk, talk.fd, "201");
    EXPECT(&talk, waiting, "503");
    char *got = talk_receive(&talk, other, 1, &ended);
    assert_true(ended);
    free(got);
    /* The engine may still end the call of a connection that is gone. */
    assert_true(fake_answer(&talk.engine));
    close(other);
    close(waiting);
    talk_close(&talk);
}

static void job_run(struct io_job *job)
{
    (void)job;
}

static void job_done(struct io_job *job)
{
    job->done_at_ns = 1;
}

/* A job that has run makes its descriptor ready until the engine finishes it, which is after the sockets. */
static void job_that_has_run_does_not_hold_the_turn(void **state)
{
    struct talk talk;
    struct io_job job = { .run = job_run, .done = job_done };
    (void)state;
    talk_open(&talk, NULL);
    io_job_submit(talk.io, IO_POOL_BACKGROUND, &job);
    assert_int_equal(io_jobs_wait(talk.io, -1), 1);
    send_text(&talk, talk.fd, GET("/orders"));
    EXPECT(&talk, talk.fd, "200");
    assert_int_equal(io_jobs_finish(talk.io), 1);
    assert_int_equal(job.done_at_ns, 1);
    talk_close(&talk);
}

static void taken_port_is_named(void **state)
{
    struct talk talk;
    struct server *second = NULL;
    struct edda_error error = { 0 };
    (void)state;
    talk_open(&talk, NULL);
    const struct server_options options = { .engine = &talk.engine, .io = talk.io, .listeners = { { .protocol = &http_protocol, .port = server_port(talk.server, 0) } } };
    assert_int_equal(server_open(&options, &second, &error), EDDA_EEXISTS);
    assert_non_null(strstr(error.message, "of 127.0.0.1 is taken"));
    const struct server_options nowhere = { .engine = &talk.engine, .io = talk.io, .listeners = { { .protocol = &http_protocol, .address = "here" } } };
    assert_int_equal(server_open(&nowhere, &second, &error), EDDA_EINVAL);
    talk_close(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_waits_for_the_disk),
        cmocka_unit_test(many_requests_at_once_do_not_keep_others_waiting),
        cmocka_unit_test(reads_and_refusals_wait_as_well),
        cmocka_unit_test(answers_stay_in_order),
        cmocka_unit_test(more_answers_than_marks),
        cmocka_unit_test(many_connections_share_a_sync),
        cmocka_unit_test(call_that_waits_holds_its_connection_only),
        cmocka_unit_test(client_that_leaves_does_not_disturb_its_call),
        cmocka_unit_test(log_that_is_behind_stops_the_reading),
        cmocka_unit_test(busy_for_another_reason_is_refused),
        cmocka_unit_test(slow_client_is_not_read),
        cmocka_unit_test(connection_over_the_limit_is_told_so),
        cmocka_unit_test(client_that_keeps_still_is_let_go),
        cmocka_unit_test(stop_sends_what_is_answered),
        cmocka_unit_test(job_that_has_run_does_not_hold_the_turn),
        cmocka_unit_test(taken_port_is_named),
    };
    return cmocka_run_group_tests_name("server gate", tests, NULL, NULL);
}
