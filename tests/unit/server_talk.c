/* See server_talk.h. */
#include "server_talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/posix.h"
#include "server/connection.h"

#define WAIT_S 2

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void talk_open_speaking(struct talk *talk, const struct server_limits *limits, const struct protocol *protocol)
{
    struct edda_error error = { 0 };
    fake_init(&talk->journal, &talk->engine);
    talk->io = io_posix_new(1);
    assert_non_null(talk->io);
    struct server_options options = { .engine = &talk->engine, .io = talk->io };
    if (protocol) {
        options.listeners[0].protocol = protocol;
        options.listeners[1].protocol = &http_protocol;
    }
    if (limits)
        options.limits = *limits;
    int rc = server_open(&options, &talk->server, &error);
    if (rc < 0)
        fail_msg("%s", error.message);
    talk->fd = talk_connect(talk);
}

void talk_open(struct talk *talk, const struct server_limits *limits)
{
    talk_open_speaking(talk, limits, NULL);
}

void talk_close(struct talk *talk)
{
    close(talk->fd);
    server_close(talk->server);
    io_posix_free(talk->io);
}

int talk_connect(struct talk *talk)
{
    return talk_connect_to(talk, 0);
}

int talk_connect_to(struct talk *talk, size_t ordinal)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(server_port(talk->server, ordinal)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void talk_turns(struct talk *talk, int turns)
{
    struct edda_error error = { 0 };
    for (int i = 0; i < turns; i++)
        if (server_turn(talk->server, false, &error) < 0)
            fail_msg("%s", error.message);
}

void talk_send(struct talk *talk, int fd, const char *bytes, size_t len)
{
    int64_t until = now_ms() + WAIT_S * 1000;
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
        talk_turns(talk, 1);
        assert_true(now_ms() < until);
    }
}

/* Takes the Date headers out, in place. */
static size_t without_dates(char *text, size_t len)
{
    char *at;
    text[len] = '\0';
    while ((at = strstr(text, "\r\nDate: "))) {
        char *end = strstr(at + 2, "\r\n");
        if (!end)
            break;
        memmove(at, end, len - (size_t)(end - text) + 1);
        len -= (size_t)(end - at);
    }
    return len;
}

/* Whether the text begins with an answer that is whole. */
static bool answer_is_whole(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "\r\nContent-Length: ");
    if (!end)
        return false;
    return !length || length > end || strlen(end + 4) >= strtoul(length + 18, NULL, 10);
}

char *talk_receive(struct talk *talk, int fd, size_t len_min, bool *ret_ended)
{
    size_t len = 0, capacity = len_min + 65536;
    char *text = malloc(capacity + 1);
    int64_t until = now_ms() + WAIT_S * 1000;
    assert_non_null(text);
    *text = '\0';
    *ret_ended = false;
    while ((len_min ? len < len_min : !answer_is_whole(text)) && now_ms() < until) {
        talk_turns(talk, 1);
        ssize_t n = recv(fd, text + len, capacity - len, MSG_DONTWAIT);
        *ret_ended = n == 0 || (n < 0 && errno == ECONNRESET);
        if (*ret_ended)
            break;
        if (n > 0)
            len = without_dates(text, len + (size_t)n);
    }
    text[len] = '\0';
    return text;
}

void talk_expect(struct talk *talk, const char *sent, const char *expected)
{
    bool ended;
    talk_send(talk, talk->fd, sent, strlen(sent));
    char *got = talk_receive(talk, talk->fd, strlen(expected), &ended);
    assert_string_equal(got, expected);
    assert_false(ended);
    free(got);
    /* And nothing more. */
    char more;
    talk_turns(talk, 3);
    assert_int_equal(recv(talk->fd, &more, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

void talk_expect_end(struct talk *talk, const char *sent, const char *expected)
{
    bool ended;
    talk_send(talk, talk->fd, sent, strlen(sent));
    char *got = talk_receive(talk, talk->fd, strlen(expected) + 1, &ended);
    assert_string_equal(got, expected);
    assert_true(ended);
    free(got);
}

void talk_expect_part(struct talk *talk, const char *sent, int status, const char *part)
{
    bool ended;
    talk_send(talk, talk->fd, sent, strlen(sent));
    char *head = talk_receive(talk, talk->fd, 0, &ended);
    if (strncmp(head, "HTTP/1.1 ", 9) != 0 || strtol(head + 9, NULL, 10) != status || !strstr(head, part))
        fail_msg("expected %d and %s, got: %s", status, part, head);
    free(head);
}
