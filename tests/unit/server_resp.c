/*
 * Redis's protocol where a running server need not be seen from outside: names, patterns, and what users may do, over a server with a log of its own and users in a file.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "edda/app.h"
#include "engine/engine.h"
#include "io/posix.h"
#include "journal/local.h"
#include "server/parts.h"
#include "server/resp.h"
#include "server/users_parts.h"

#define TURNS_MAX 20000

/* --- names ------------------------------------------------------------------------------------------------- */

static void topic_is(const char *name, const char *wanted)
{
    struct buffer topic = BUFFER_EMPTY, back = BUFFER_EMPTY;
    assert_int_equal(resp_topic_name(slice_str(name), &topic, NULL), 0);
    assert_string_equal(buffer_cstr(&topic), wanted);
    resp_name_of_topic(buffer_slice(&topic), &back);
    assert_string_equal(buffer_cstr(&back), name);
    buffer_deinit(&topic);
    buffer_deinit(&back);
}

static void names_of_channels_are_names_of_topics(void **state)
{
    (void)state;
    topic_is("choreography.deadline-1_x", "choreography.deadline-1_x");
    topic_is("user:7", "user_x3A7");
    topic_is("user_x3A7", "user_x5Fx3A7");
    topic_is("_x41", "_x41");
    topic_is("_x5Fx3A", "_x5Fx5Fx3A");
    topic_is("_x5Fa", "_x5Fa");
    topic_is("_x3:", "_x3_x3A");
    topic_is("/", "_x2F");
}

/* Every topic has one name, and every name one topic: there and back again, over all short texts of the bytes that matter. */
static void no_two_names_are_one_topic(void **state)
{
    (void)state;
    static const char letters[] = "_x35FA:";
    struct buffer topic = BUFFER_EMPTY, back = BUFFER_EMPTY;
    for (size_t n = 0; n < 7 * 7 * 7 * 7 * 7; n++) {
        char name[6] = "";
        size_t rest = n;
        for (size_t i = 0; i < 5; i++, rest /= 7)
            name[i] = letters[rest % 7];
        if (resp_topic_name(slice_of(name, 5), &topic, NULL) < 0)
            continue; /* the server's own */
        resp_name_of_topic(buffer_slice(&topic), &back);
        assert_true(slice_eq(buffer_slice(&back), slice_of(name, 5)));
        /* As a topic's name it has a name, too, which gives it back. */
        if (memchr(name, ':', 5))
            continue;
        resp_name_of_topic(slice_of(name, 5), &back);
        if (resp_topic_name(buffer_slice(&back), &topic, NULL) == 0)
            assert_true(slice_eq(buffer_slice(&topic), slice_of(name, 5)));
    }
    buffer_deinit(&topic);
    buffer_deinit(&back);
}

static void patterns_match_as_in_redis(void **state)
{
    (void)state;
    static const struct { const char *pattern, *name; bool matches; } rows[] = {
        { "*", "", true }, { "", "", true }, { "", "a", false }, { "a*c", "abbc", true }, { "a*c", "abb", false }, { "h?llo", "hello", true },
        { "h?llo", "hllo", false }, { "h[ae]llo", "hallo", true }, { "h[ae]llo", "hillo", false }, { "h[^e]llo", "hallo", true }, { "h[^e]llo", "hello", false },
        { "h[a-c]llo", "hbllo", true }, { "h[c-a]llo", "hbllo", true }, { "h\\*", "h*", true }, { "h\\*", "hh", false }, { "[\\]]", "]", true },
        { "[a", "a", true }, { "*a*b*c*", "xxaxxbxxcxx", true }, { "*a*b*c*", "xxaxxcxxbxx", false }, { "a\\", "a\\", true }, { "**", "x", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (resp_matches(slice_str(rows[i].pattern), slice_str(rows[i].name)) != rows[i].matches)
            fail_msg("%s %s", rows[i].pattern, rows[i].name);
}

/* --- users --------------------------------------------------------------------------------------------------- */

struct world {
    char directory[64], path[128], data[128];
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct users *users;
    struct server *server;
    int fd;
    char answer[4096];
};

static int setup(void **state)
{
    static const struct edda_service *const services[] = { NULL };
    static const struct edda_app app = { .name = "test", .services = services };
    struct world *w = calloc(1, sizeof *w);
    struct edda_error error = { 0 };
    (void)snprintf(w->directory, sizeof w->directory, "/tmp/edda-resp-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    (void)snprintf(w->path, sizeof w->path, "%s/users", w->directory);
    (void)snprintf(w->data, sizeof w->data, "%s/data", w->directory);
    w->io = io_posix_new(1);
    const struct user_change change = { .name = SLICE("jjy"), .password = SLICE("sesame"), .iterations = 4096,
                                        .names = { SLICE("orders.*,news"), SLICE("mail*"), slice_of(NULL, 0) } };
    assert_int_equal(users_change(w->io, w->path, &change, &error), 0);
    assert_int_equal(users_open(w->io, w->path, &w->users, &error), 0);
    assert_int_equal(journal_local_open(w->io, w->data, &(const struct store_options){ .frame_bytes = 0 }, &w->journal, NULL, &error), 0);
    assert_int_equal(engine_open(&(const struct engine_options){ .app = &app, .io = w->io, .journal = w->journal }, &w->engine, &error), 0);
    const struct server_options options = {
        .engine = w->engine, .io = w->io, .store = journal_local_store(w->journal), .listeners = { { .protocol = &resp_protocol } }, .users = w->users
    };
    assert_int_equal(server_open(&options, &w->server, &error), 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(server_port(w->server, 0)), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    w->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(w->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(w->fd, F_SETFL, O_NONBLOCK), 0);
    *state = w;
    return 0;
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *at)
{
    (void)about, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    (void)close(w->fd);
    engine_stop(w->engine);
    io_shutdown(w->io);
    engine_close(w->engine, false);
    server_close(w->server);
    journal_close(w->journal, false);
    users_close(w->users);
    io_posix_free(w->io);
    int failed = nftw(w->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return failed;
}

/* Sends a line, and takes turns until its answer is there. */
static void says(struct world *w, const char *line, const char *wanted)
{
    struct edda_error error = { 0 };
    ssize_t n = -1;
    assert_true(send(w->fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) && send(w->fd, "\r\n", 2, MSG_NOSIGNAL) == 2);
    for (int turns = 0; turns < TURNS_MAX && n < 0; turns++) {
        assert_int_equal(server_turn(w->server, true, &error), 0);
        n = recv(w->fd, w->answer, sizeof w->answer - 1, 0);
    }
    if (n <= 0)
        fail_msg("%s: no answer, %zd", line, n);
    w->answer[n] = '\0';
    if (strncmp(w->answer, wanted, strlen(wanted)) != 0)
        fail_msg("%s: %s, wanted %s", line, w->answer, wanted);
}

static void who_has_not_said_who_it_is_may_nothing(void **state)
{
    struct world *w = *state;
    says(w, "PING", "-NOAUTH Authentication required.");
    says(w, "nothing", "-NOAUTH Authentication required.");
    says(w, "HELLO 3", "-NOAUTH HELLO must be called with the client already authenticated");
    says(w, "AUTH jjy wrong", "-WRONGPASS ");
    says(w, "AUTH nobody sesame", "-WRONGPASS ");
    says(w, "AUTH sesame", "-WRONGPASS ");
    says(w, "HELLO 3 AUTH jjy wrong", "-WRONGPASS ");
    says(w, "PING", "-NOAUTH ");
    says(w, "HELLO 3 AUTH jjy sesame", "%7\r\n");
    says(w, "PING", "+PONG");
    says(w, "RESET", "+RESET");
    says(w, "PING", "-NOAUTH ");
    says(w, "AUTH jjy sesame", "+OK");
    says(w, "PING", "+PONG");
}

static void each_may_what_stands_in_the_file(void **state)
{
    struct world *w = *state;
    says(w, "HELLO 3 AUTH jjy sesame", "%7\r\n");
    says(w, "PUBLISH orders.new x", "-NOPERM ");
    says(w, "XADD orders.new * a 1", "-NOPERM ");
    says(w, "PUBLISH mail:out x", ":0");
    says(w, "XADD mail:out/7 * a 1", "$");
    says(w, "EDDA.PUBLISH orders.new x SOURCE a ID 1", "-NOPERM ");
    says(w, "SUBSCRIBE orders.new", ">3");
    says(w, "SUBSCRIBE secret:out", "-NOPERM ");
    says(w, "SUBSCRIBE news", ">3");
    says(w, "PSUBSCRIBE news*", "-NOPERM ");
    says(w, "PSUBSCRIBE orders.*", ">3");
    says(w, "PSUBSCRIBE *", "-NOPERM ");
    says(w, "PSUBSCRIBE [o]rders.*", "-NOPERM ");
    says(w, "XRANGE orders.new - +", "*0");
    says(w, "XRANGE secret:out - +", "-NOPERM ");
    says(w, "XREAD STREAMS orders.new secret:out 0 0", "-NOPERM ");
    says(w, "XLEN secret:out", "-NOPERM ");
    says(w, "XINFO STREAM secret:out", "-NOPERM ");
}

/* A record of a topic, sequenced and not yet durable. */
static void put(struct world *w, const char *name)
{
    struct store *store = journal_local_store(w->journal);
    struct store_appended appended;
    struct topic *topic;
    struct edda_error error = { 0 };
    assert_int_equal(store_topic_ensure(store, slice_str(name), 1, &topic, &error), 0);
    const struct store_message message = { .topic = topic, .value = SLICE("v"), .partition = -1 };
    assert_int_equal(store_append(store, NULL, 0, &message, 1, false, &appended, &error), 0);
}

/* The user may read mail from now on, and nothing else. */
static void read_mail_only(struct world *w)
{
    struct edda_error error = { 0 };
    const struct user_change change = { .name = SLICE("jjy"), .names = { SLICE("mail"), slice_of(NULL, 0), slice_of(NULL, 0) } };
    assert_int_equal(users_change(w->io, w->path, &change, &error), 0);
    assert_int_equal(users_reload(w->users, &error), 0);
}

static ssize_t next_bytes(struct world *w)
{
    struct edda_error error = { 0 };
    ssize_t n = -1;
    for (int turns = 0; turns < TURNS_MAX && n < 0; turns++) {
        assert_int_equal(server_turn(w->server, true, &error), 0);
        n = recv(w->fd, w->answer, sizeof w->answer - 1, 0);
    }
    return n;
}

static void who_may_no_more_hears_no_more(void **state)
{
    struct world *w = *state;
    says(w, "HELLO 3 AUTH jjy sesame", "%7\r\n");
    says(w, "SUBSCRIBE news", ">3");
    put(w, "news");
    assert_true(next_bytes(w) > 0);
    read_mail_only(w);
    put(w, "news");
    assert_int_equal(next_bytes(w), 0);
}

static void who_may_no_more_waits_for_nothing(void **state)
{
    struct world *w = *state;
    struct edda_error error = { 0 };
    static const char wait[] = "XREAD BLOCK 0 STREAMS news $\r\n";
    says(w, "AUTH jjy sesame", "+OK");
    assert_int_equal(send(w->fd, wait, sizeof wait - 1, MSG_NOSIGNAL), sizeof wait - 1);
    struct resp_info info = { .waiting = 0 };
    for (int turns = 0; turns < TURNS_MAX && info.waiting == 0; turns++) {
        assert_int_equal(server_turn(w->server, true, &error), 0);
        resp_look(w->server, &info);
    }
    assert_int_equal(info.waiting, 1);
    read_mail_only(w);
    put(w, "news");
    assert_true(next_bytes(w) > 0);
    assert_memory_equal(w->answer, "-NOPERM ", 8);
}

/* Too many logins have failed within a second, and the log is behind: that is no reason for anybody to wait. */
static void guessing_holds_nobody_up(void **state)
{
    struct world *w = *state;
    bool busy = false;
    /* Once in a while the second ends in between, and counting begins anew. */
    for (int i = 0; i < 10 && !busy; i++) {
        w->users->failures_s = io_clock_boot_ns(w->io) / INT64_C(1000000000);
        w->users->failures = USERS_FAILURES_PER_S;
        put(w, "news");
        says(w, "AUTH jjy wrong", "-");
        busy = strncmp(w->answer, "-BUSY", 5) == 0;
    }
    assert_true(busy);
    assert_int_equal(w->server->counts.stalls, 0);
}

int main(void)
{
    const struct CMUnitTest names[] = {
        cmocka_unit_test(names_of_channels_are_names_of_topics), cmocka_unit_test(no_two_names_are_one_topic), cmocka_unit_test(patterns_match_as_in_redis),
    };
    const struct CMUnitTest users[] = {
        cmocka_unit_test_setup_teardown(who_has_not_said_who_it_is_may_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(each_may_what_stands_in_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_no_more_hears_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_no_more_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(guessing_holds_nobody_up, setup, teardown),
    };
    int failed = cmocka_run_group_tests(names, NULL, NULL);
    return users_supported() ? failed + cmocka_run_group_tests(users, NULL, NULL) : failed;
}
