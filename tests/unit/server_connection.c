/*
 * What a connection does for any protocol: here one of lines, which answers, waits, pushes and fails as its words say.
 *
 *   ping          answers "pong"
 *   wait, watch   busy until the test lets it go, then "done"; a watched one notices that its client goes away
 *   take N        and N bytes behind the line; answers "took"
 *   give N        answers N bytes
 *   subscribe     is pushed what the test publishes
 *   bad           breaks the connection
 */
#include "server_talk.h"

#include <errno.h>
#include <sys/socket.h>

#include "server/connection.h"

#define LINE_IN_MAX (300 << 10)
#define OUT_MAX (256 << 10)
#define IDLE_MS 300 /* of those who are not waited for long */
#define PUSH_BYTES 1000

struct line_session {
    struct connection connection;
    struct list link; /* of the host: waiting or subscribed */
    bool expired;
};

struct line_host {
    struct server *server;
    struct list waiting, subscribed;
    unsigned sessions, takes, turns, drained, ends;
    bool let_go;           /* those who wait are answered in the next turn */
    uint64_t to_push;      /* to each subscriber */
    uint64_t unsent_max;   /* seen */
    int64_t next_ns;
    struct fake_journal *appends; /* each turn appends, once */
};
static struct line_host host;

static int host_open(struct server *server, void **ret_host, struct edda_error *error)
{
    (void)error;
    struct fake_journal *appends = host.appends;
    host = (struct line_host){ .server = server, .next_ns = INT64_MAX, .appends = appends };
    list_init(&host.waiting);
    list_init(&host.subscribed);
    *ret_host = &host;
    return 0;
}

static void push(struct line_session *session)
{
    struct connection *c = &session->connection;
    static const uint8_t bytes[PUSH_BYTES] = "push";
    while (host.to_push && connection_room(c)) {
        buffer_append(&c->out, bytes, sizeof bytes);
        host.to_push--;
    }
    connection_stamp(c, server_gate(c->server));
    if (connection_unsent(c) > host.unsent_max)
        host.unsent_max = connection_unsent(c);
}

static void answer(struct connection *c, const char *text)
{
    buffer_append_str(&c->out, text);
    connection_stamp(c, server_gate(c->server));
}

static int64_t host_turn(void *user, int64_t now_ns)
{
    assert_ptr_equal(user, &host);
    (void)now_ns;
    host.turns++;
    while (host.let_go && !list_empty(&host.waiting)) {
        struct line_session *session = container_of(list_pop_front(&host.waiting), struct line_session, link);
        answer(&session->connection, "done\n");
        connection_resume(&session->connection);
    }
    for (struct list *at = host.subscribed.next, *next; at != &host.subscribed; at = next) {
        struct line_session *session = container_of(at, struct line_session, link);
        next = at->next;
        if (host.to_push) {
            push(session);
            connection_flush(&session->connection);
        }
    }
    if (host.appends)
        host.appends->tail++;
    host.appends = NULL;
    return host.next_ns;
}

static void host_close(void *user)
{
    assert_ptr_equal(user, &host);
    assert_int_equal(host.sessions, 0);
}

static struct line_session *session_of(struct connection *connection)
{
    return container_of(connection, struct line_session, connection);
}

static void line_opened(struct connection *c)
{
    host.sessions++;
    list_init(&session_of(c)->link);
    assert_ptr_equal(c->host, &host);
}

static void line_closed(struct connection *c)
{
    host.sessions--;
    list_remove(&session_of(c)->link);
}

static int line_take(struct connection *c)
{
    struct slice in = connection_in(c);
    const uint8_t *end = memchr(in.data, '\n', in.len);
    char line[40] = "";
    host.takes++;
    if (!end || (size_t)(end - in.data) >= sizeof line)
        return 0;
    size_t len = (size_t)(end - in.data) + 1, more = 0;
    memcpy(line, in.data, len - 1);
    if (sscanf(line, "take %zu", &more) == 1) {
        if (in.len < len + more) {
            c->in_needed = len + more;
            return 0;
        }
        answer(c, "took\n");
    } else if (strcmp(line, "ping") == 0) {
        answer(c, "pong\n");
    } else if (strcmp(line, "wait") == 0 || strcmp(line, "watch") == 0) {
        c->busy = true;
        c->watched = strcmp(line, "watch") == 0;
        list_push_back(&host.waiting, &session_of(c)->link);
    } else if (sscanf(line, "give %zu", &more) == 1) {
        memset(buffer_extend(&c->out, more), 'g', more);
        connection_stamp(c, server_gate(c->server));
        more = 0;
    } else if (strcmp(line, "subscribe") == 0) {
        c->pushes = true;
        list_push_back(&host.subscribed, &session_of(c)->link);
    } else {
        return EDDA_EMALFORMED;
    }
    c->in_at += len + more;
    return 1;
}

static void line_expired(struct connection *c)
{
    answer(c, "late\n");
}

static void line_drained(struct connection *c)
{
    host.drained++;
    push(session_of(c));
}

static void line_stopping(struct connection *c, bool last)
{
    host.ends += last;
    if (last && c->busy) {
        list_remove(&session_of(c)->link);
        answer(c, "stop\n");
        c->busy = false;
    }
}

static void line_refused(struct server *server, const char *why, struct buffer *out)
{
    (void)server, (void)why;
    buffer_append_str(out, "full\n");
}

static const struct protocol line_protocol = {
    .name = "line", .session_bytes = sizeof(struct line_session), .in_bytes_max = LINE_IN_MAX,
    .opened = line_opened, .take = line_take, .expired = line_expired, .drained = line_drained, .stopping = line_stopping, .closed = line_closed,
    .refused = line_refused, .host_open = host_open, .host_turn = host_turn, .host_close = host_close,
};

static int open_with_patience(void **state, uint32_t idle_ms)
{
    static struct talk talk;
    const struct server_limits limits = { .idle_ms = idle_ms, .linger_ms = 60, .out_bytes_max = OUT_MAX, .stop_ms = 1000 };
    host = (struct line_host){ .let_go = false };
    talk_open_speaking(&talk, &limits, &line_protocol);
    *state = &talk;
    return 0;
}

/* Nobody is idle, however busy the machine is. */
static int setup(void **state)
{
    return open_with_patience(state, 600000);
}

static int setup_impatient(void **state)
{
    return open_with_patience(state, IDLE_MS);
}

static int teardown(void **state)
{
    talk_close(*state);
    return 0;
}

/* Turns until `*value` is `wanted`, within 30 seconds. */
static void until(struct talk *talk, const unsigned *value, unsigned wanted)
{
    struct edda_error error = { 0 };
    int64_t end_ns = io_clock_boot_ns(talk->io) + INT64_C(30000000000);
    while (*value != wanted && io_clock_boot_ns(talk->io) < end_ns)
        assert_true(server_turn(talk->server, false, &error) >= 0);
    assert_int_equal(*value, wanted);
}

static void pass(struct talk *talk, int64_t ms)
{
    struct edda_error error = { 0 };
    int64_t end_ns = io_clock_boot_ns(talk->io) + ms * 1000000;
    while (io_clock_boot_ns(talk->io) < end_ns)
        assert_true(server_turn(talk->server, false, &error) >= 0);
}

/* Sends, and nothing comes back. */
static void expect_nothing(struct talk *talk, const char *sent)
{
    char byte;
    talk_send(talk, talk->fd, sent, strlen(sent));
    talk_turns(talk, 5);
    assert_int_equal(recv(talk->fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void requests_are_taken_in_order(void **state)
{
    struct talk *talk = *state;
    talk_expect(talk, "ping\nping\nping\npi", "pong\npong\npong\n");
    expect_nothing(talk, "n");
    talk_expect(talk, "g\n", "pong\n");
    /* What is behind a request that waits is taken when that is answered. */
    expect_nothing(talk, "wait\nping\n");
    host.let_go = true;
    talk_expect(talk, "ping\n", "done\npong\npong\n");
    talk_expect_end(talk, "bad\n", "");
    until(talk, &host.sessions, 0);
}

static void a_large_request_in_pieces_is_not_parsed_again_for_each(void **state)
{
    struct talk *talk = *state;
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    talk_send(talk, talk->fd, "take 200000\n", 12);
    for (int i = 0; i < 199; i++)
        talk_send(talk, talk->fd, piece, sizeof piece);
    talk_turns(talk, 10);
    assert_int_equal(host.takes, 1);
    talk_send(talk, talk->fd, piece, sizeof piece);
    talk_expect(talk, "", "took\n");
    assert_int_equal(host.takes, 2);
}

static void more_than_a_protocol_takes_closes_the_connection(void **state)
{
    struct talk *talk = *state;
    char piece[50000];
    memset(piece, 'x', sizeof piece);
    for (size_t sent = 0; sent < LINE_IN_MAX + sizeof piece; sent += sizeof piece)
        talk_send(talk, talk->fd, piece, sizeof piece);
    until(talk, &host.sessions, 0);
    /* Also when the request says that it will be longer. */
    int fd = talk_connect(talk);
    talk_send(talk, fd, "take 1000000000\n", 16);
    until(talk, &host.sessions, 1);
    for (size_t sent = 0; sent < LINE_IN_MAX + sizeof piece; sent += sizeof piece)
        talk_send(talk, fd, piece, sizeof piece);
    until(talk, &host.sessions, 0);
    close(fd);
}

static void patience_ends_with_clients_only(void **state)
{
    struct talk *talk = *state;
    bool ended;
    int waits = talk_connect(talk), half = talk_connect(talk), subscribed = talk_connect(talk);
    talk_send(talk, waits, "wait\n", 5);
    talk_send(talk, half, "pin", 3);
    talk_send(talk, subscribed, "subscribe\n", 10);
    until(talk, &host.sessions, 4);
    /* The idle one and the one with half a request are ended, the latter with a word. */
    char *got = talk_receive(talk, half, 6, &ended);
    assert_string_equal(got, "late\n");
    assert_true(ended);
    free(got);
    until(talk, &host.sessions, 2);
    pass(talk, 3 * IDLE_MS);
    assert_int_equal(host.sessions, 2);
    host.let_go = true;
    got = talk_receive(talk, waits, 5, &ended);
    assert_string_equal(got, "done\n");
    free(got);
    /* Subscribed it is still, and is served; but not when half a request does not go on. */
    host.to_push = 1;
    got = talk_receive(talk, subscribed, PUSH_BYTES, &ended);
    assert_string_equal(got, "push");
    assert_false(ended);
    free(got);
    talk_send(talk, subscribed, "pi", 2);
    until(talk, &host.sessions, 0);
    close(waits), close(half), close(subscribed);
}

static void a_subscriber_that_takes_nothing_costs_bounded_memory_and_is_closed(void **state)
{
    struct talk *talk = *state;
    talk_send(talk, talk->fd, "subscribe\n", 10);
    host.to_push = UINT64_MAX;
    until(talk, &host.sessions, 1);
    until(talk, &host.sessions, 0);
    assert_true(host.unsent_max >= OUT_MAX && host.unsent_max <= OUT_MAX + PUSH_BYTES);
}

static void a_subscriber_that_takes_slowly_gets_all(void **state)
{
    struct talk *talk = *state;
    const uint64_t all = 20000;
    static char bytes[64 << 10];
    uint64_t got = 0;
    int64_t end_ns = io_clock_boot_ns(talk->io) + INT64_C(60000000000);
    talk_send(talk, talk->fd, "subscribe\n", 10);
    talk_turns(talk, 3);
    host.to_push = all;
    while (got < all * PUSH_BYTES && io_clock_boot_ns(talk->io) < end_ns) {
        talk_turns(talk, 2);
        ssize_t n = recv(talk->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        got += n > 0 ? (uint64_t)n : 0;
    }
    assert_int_equal(got, all * PUSH_BYTES);
    assert_true(host.drained > 0);
    assert_true(host.unsent_max <= OUT_MAX + PUSH_BYTES);
}

static void a_watched_client_that_goes_away_is_noticed(void **state)
{
    struct talk *talk = *state;
    int waits = talk_connect(talk), watched = talk_connect(talk);
    talk_send(talk, waits, "wait\n", 5);
    talk_send(talk, watched, "watch\nping\n", 11);
    until(talk, &host.sessions, 3);
    close(waits), close(watched);
    until(talk, &host.sessions, 1); /* the watched one and, for its idleness, the first */
    host.let_go = true;
    until(talk, &host.sessions, 0);
}

static void a_client_that_has_said_all_gets_its_answers(void **state)
{
    struct talk *talk = *state;
    bool ended;
    talk_send(talk, talk->fd, "wait\nping\n", 10);
    assert_int_equal(shutdown(talk->fd, SHUT_WR), 0);
    talk_turns(talk, 5);
    host.let_go = true;
    char *got = talk_receive(talk, talk->fd, 11, &ended);
    assert_string_equal(got, "done\npong\n");
    assert_true(ended);
    free(got);
}

static void protocols_have_their_turns(void **state)
{
    struct talk *talk = *state;
    struct edda_error error = { 0 };
    int64_t begin_ns = io_clock_boot_ns(talk->io);
    talk_turns(talk, 3);
    assert_true(host.turns >= 3);
    /* The loop sleeps until a protocol wants its turn: the engine wants none. */
    host.next_ns = begin_ns + 30000000;
    unsigned turns = host.turns;
    assert_int_equal(server_turn(talk->server, false, &error), 0);
    while (io_clock_boot_ns(talk->io) < begin_ns + 30000000) {
        assert_int_equal(server_turn(talk->server, true, &error), 0);
        assert_true(io_clock_boot_ns(talk->io) < begin_ns + 1000000000);
    }
    assert_true(host.turns - turns < 20);
    /* What a turn appends is durable before the loop sleeps again, and what it pushes leaves not before. */
    host.next_ns = INT64_MAX;
    host.appends = &talk->journal;
    talk->journal.hold = true;
    talk_turns(talk, 1);
    expect_nothing(talk, "ping\n");
    talk->journal.hold = false;
    talk_expect(talk, "", "pong\n");
    assert_int_equal(talk->journal.durable, talk->journal.tail);
}

static void each_listener_speaks_its_protocol(void **state)
{
    struct talk *talk = *state;
    bool ended;
    assert_int_equal(server_port(talk->server, 2), 0);
    assert_true(server_port(talk->server, 0) != server_port(talk->server, 1));
    talk_expect(talk, "ping\n", "pong\n");
    int fd = talk_connect_to(talk, 1);
    static const char get[] = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    talk_send(talk, fd, get, strlen(get));
    char *got = talk_receive(talk, fd, 0, &ended);
    static const char *const parts[] = { "edda_connections{protocol=\"line\"} 1\n", "edda_connections{protocol=\"http\"} 1\n",
                                         "edda_received_bytes_total{protocol=\"line\"} 5\n", "edda_sent_bytes_total{protocol=\"line\"} 5\n",
                                         "edda_connections_total{protocol=\"http\"} 1\n" };
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!strstr(got, parts[i]))
            fail_msg("%s is missing in %s", parts[i], got);
    free(got);
    close(fd);
}

static void one_too_many_is_told_so(void **state)
{
    static struct talk talk;
    const struct server_limits one = { .connections_max = 1 };
    bool ended;
    (void)state;
    talk_open_speaking(&talk, &one, &line_protocol);
    talk_expect(&talk, "ping\n", "pong\n");
    int fd = talk_connect(&talk);
    char *got = talk_receive(&talk, fd, 6, &ended);
    assert_string_equal(got, "full\n");
    assert_true(ended);
    free(got);
    close(fd);
    talk_close(&talk);
}

/* --- what all connections hold together ----------------------------------------------------------------------------- */

#define BUDGET (4u << 20)
#define MANY 60

static void budget_open(struct talk *talk)
{
    const struct server_limits little = { .memory_bytes_max = BUDGET, .idle_ms = 60000, .out_bytes_max = 1u << 20 };
    host = (struct line_host){ .let_go = false };
    talk_open_speaking(talk, &little, &line_protocol);
}

/* The value of a metric of the lines' protocol. */
static uint64_t metric(struct talk *talk, const char *name)
{
    static const char get[] = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    char row[80];
    bool ended;
    int fd = talk_connect_to(talk, 1);
    talk_send(talk, fd, get, strlen(get));
    char *got = talk_receive(talk, fd, 0, &ended);
    (void)snprintf(row, sizeof row, "\n%s{protocol=\"line\"} ", name);
    const char *at = strstr(got, row);
    if (!at)
        fail_msg("%s is missing in %s", row, got);
    uint64_t value = strtoull(at + strlen(row), NULL, 10);
    free(got);
    close(fd);
    return value;
}

/* Each sends most of a request, which is within what one connection may; all together is not. */
static void what_all_have_sent_is_bounded(void **state)
{
    static struct talk talk;
    static char piece[200000];
    int fds[MANY];
    (void)state;
    budget_open(&talk);
    memcpy(piece, "take 250000\n", 12);
    for (int i = 0; i < MANY; i++) {
        fds[i] = talk_connect(&talk);
        talk_send(&talk, fds[i], piece, 20000 + (size_t)i * 3000);
        talk_turns(&talk, 2);
        assert_true(metric(&talk, "edda_buffered_bytes") <= BUDGET);
    }
    uint64_t shed = metric(&talk, "edda_connections_shed_total");
    assert_true(shed > 0 && shed < MANY);
    until(&talk, &host.sessions, (unsigned)(MANY + 1 - shed));
    /* Those who hold little are served as before, the first among them. */
    talk_expect(&talk, "ping\n", "pong\n");
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    until(&talk, &host.sessions, 1);
    assert_true(metric(&talk, "edda_buffered_bytes") <= 4096);
    talk_close(&talk);
}

/* Who holds most is told why, and closed; the others get what they have asked for. */
static void who_holds_most_is_told_and_closed(void **state)
{
    static struct talk talk;
    static char piece[250000];
    const struct server_limits little = { .memory_bytes_max = 200000, .idle_ms = 60000 };
    bool ended;
    (void)state;
    host = (struct line_host){ .let_go = false };
    talk_open_speaking(&talk, &little, &line_protocol);
    int small = talk_connect(&talk), large = talk_connect(&talk);
    talk_send(&talk, small, "take 5\nab", 9);
    memcpy(piece, "take 280000\n", 12);
    talk_send(&talk, large, piece, sizeof piece);
    char *got = talk_receive(&talk, large, 6, &ended);
    assert_string_equal(got, "full\n");
    assert_true(ended);
    free(got);
    talk_send(&talk, small, "cde", 3);
    got = talk_receive(&talk, small, 5, &ended);
    assert_string_equal(got, "took\n");
    assert_false(ended);
    free(got);
    close(small), close(large);
    talk_close(&talk);
}

/* Each asks for much and takes nothing. */
static void what_nobody_takes_is_bounded(void **state)
{
    static struct talk talk;
    static const char ask[] = "give 3000000\n";
    int fds[MANY];
    (void)state;
    budget_open(&talk);
    for (int i = 0; i < MANY; i++) {
        fds[i] = talk_connect(&talk);
        talk_send(&talk, fds[i], ask, sizeof ask - 1);
        talk_send(&talk, fds[i], ask, sizeof ask - 1);
    }
    talk_turns(&talk, 50);
    for (int i = 0; i < 20; i++) {
        talk_turns(&talk, 2);
        assert_true(metric(&talk, "edda_buffered_bytes") <= BUDGET);
    }
    assert_true(metric(&talk, "edda_connections_shed_total") > 0);
    talk_expect(&talk, "ping\n", "pong\n");
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    talk_close(&talk);
}

/* Subscribers find no room while there is none for anybody, and get the rest when there is again. */
static void who_is_pushed_waits_while_memory_is_short(void **state)
{
    static struct talk talk;
    static char piece[150000];
    const struct server_limits little = { .memory_bytes_max = 300000, .idle_ms = 60000 };
    bool ended;
    (void)state;
    host = (struct line_host){ .let_go = false };
    talk_open_speaking(&talk, &little, &line_protocol);
    int fds[2];
    for (int i = 0; i < 2; i++)
        fds[i] = talk_connect(&talk);
    memcpy(piece, "take 280000\n", 12);
    talk_send(&talk, talk.fd, "subscribe\n", 10);
    talk_turns(&talk, 3);
    /* In one turn memory gets short and there is something to push: a subscriber that would be pushed at then is not. */
    host.to_push = 3;
    for (int i = 0; i < 2; i++)
        talk_send(&talk, fds[i], piece, sizeof piece);
    char *got = talk_receive(&talk, talk.fd, (size_t)3 * PUSH_BYTES, &ended);
    assert_false(ended);
    free(got);
    assert_int_equal(host.to_push, 0);
    close(fds[0]), close(fds[1]);
    talk_close(&talk);
}

static void a_server_that_stops_answers_what_waits(void **state)
{
    struct talk *talk = *state;
    struct edda_error error = { 0 };
    bool ended;
    talk_send(talk, talk->fd, "wait\n", 5);
    talk_turns(talk, 3);
    server_stop(talk->server);
    assert_int_equal(server_run(talk->server, &error), 0);
    char *got = talk_receive(talk, talk->fd, 6, &ended);
    assert_string_equal(got, "stop\n");
    assert_true(ended);
    free(got);
    assert_int_equal(host.sessions, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_IMPATIENT(name) cmocka_unit_test_setup_teardown(name, setup_impatient, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_taken_in_order),
        TEST(a_large_request_in_pieces_is_not_parsed_again_for_each),
        TEST(more_than_a_protocol_takes_closes_the_connection),
        TEST_IMPATIENT(patience_ends_with_clients_only),
        TEST_IMPATIENT(a_subscriber_that_takes_nothing_costs_bounded_memory_and_is_closed),
        TEST(a_subscriber_that_takes_slowly_gets_all),
        TEST_IMPATIENT(a_watched_client_that_goes_away_is_noticed),
        TEST(a_client_that_has_said_all_gets_its_answers),
        TEST(protocols_have_their_turns),
        TEST(each_listener_speaks_its_protocol),
        cmocka_unit_test(one_too_many_is_told_so),
        cmocka_unit_test(what_all_have_sent_is_bounded),
        cmocka_unit_test(who_holds_most_is_told_and_closed),
        cmocka_unit_test(what_nobody_takes_is_bounded),
        cmocka_unit_test(who_is_pushed_waits_while_memory_is_short),
        TEST(a_server_that_stops_answers_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
