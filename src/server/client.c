/* client: see client.h. Speaks HTTP/1.0, so that the end of the connection is the end of the answer, whoever answers. */
#include "server/client.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/tls.h"

#define HOST_MAX 256
#define TIMEOUT_S 10
#define ANSWER_BYTES_MAX (256 << 20)
#define WANTS_TLS "; if it wants TLS, its URL begins with https://"

struct place {
    bool tls;
    char host[HOST_MAX]; /* without brackets */
    char port[8];
    char authority[HOST_MAX + 16];
};

/* A connection: bytes as they are, or in TLS. */
struct line {
    int fd;
    struct tls_channel *tls; /* or NULL */
};

static int place_parse(const char *url, struct place *place, struct edda_error *error)
{
    static const char plain[] = "http://", tls[] = "https://";
    const char *at = url;
    place->tls = strncmp(at, tls, sizeof tls - 1) == 0;
    if (place->tls)
        at += sizeof tls - 1;
    else if (strncmp(at, plain, sizeof plain - 1) == 0)
        at += sizeof plain - 1;
    else if (strstr(at, "://"))
        return edda_fail_field(error, EDDA_EINVAL, "url", "%s does not begin with http:// or https://", url);
    size_t len = strcspn(at, "/?#");
    bool bracketed = at[0] == '[';
    size_t host = bracketed ? strcspn(at, "]") + 1 : strcspn(at, ":/?#");
    if (len == 0 || host > len || host >= sizeof place->host || len >= sizeof place->authority)
        return edda_fail_field(error, EDDA_EINVAL, "url", "%s names no host", url);
    (void)snprintf(place->authority, sizeof place->authority, "%.*s", (int)len, at);
    (void)snprintf(place->host, sizeof place->host, "%.*s", (int)(bracketed ? host - 2 : host),
                   bracketed ? at + 1 : at);
    const char *port = at + host;
    size_t port_len = len - host;
    if (port_len == 0)
        (void)snprintf(place->port, sizeof place->port, place->tls ? "443" : "80");
    else if (*port == ':' && port_len > 1 && port_len <= 6 && strspn(port + 1, "0123456789") >= port_len - 1)
        (void)snprintf(place->port, sizeof place->port, "%.*s", (int)port_len - 1, port + 1);
    else
        return edda_fail_field(error, EDDA_EINVAL, "url", "%s has no valid port", url);
    return 0;
}

static const char *scheme(const struct place *place)
{
    return place->tls ? "https" : "http";
}

static int place_connect(const struct place *place, struct edda_error *error)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    const struct timeval timeout = { .tv_sec = TIMEOUT_S };
    struct addrinfo *found = NULL;
    int fd = -1;
    int why = getaddrinfo(place->host, place->port, &hints, &found);
    if (why)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no host %s: %s", place->host, gai_strerror(why));
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
            why = errno;
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0)
        return edda_fail_with(error, EDDA_ENOTFOUND, "nobody answers at %s://%s: %s", scheme(place), place->authority,
                              strerror(why ? why : ENETUNREACH));
    return fd;
}

static int lost(const struct place *place, struct edda_error *error)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return edda_fail_with(error, EDDA_ETIMEOUT, "%s://%s did not answer within %d s", scheme(place), place->authority,
                              TIMEOUT_S);
    bool reset = errno == ECONNRESET;
    return edda_fail_with(error, EDDA_EIO, "the connection to %s://%s was lost: %s%s", scheme(place), place->authority, strerror(errno),
                          reset && !place->tls ? WANTS_TLS : "");
}

/* Of the socket, or of TLS over it, which waits as well: a wait that was in vain is the time-out. */
static ssize_t line_outcome(ssize_t n)
{
    if (n == TLS_WANTS_READ || n == TLS_WANTS_WRITE)
        errno = EAGAIN;
    else if (n == TLS_BROKEN)
        errno = ECONNRESET;
    return n < 0 ? -1 : n;
}

static ssize_t line_send(const struct line *line, struct slice bytes)
{
    return line->tls ? line_outcome(tls_send(line->tls, bytes.data, bytes.len)) : send(line->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
}

static ssize_t line_receive(const struct line *line, void *bytes, size_t size)
{
    return line->tls ? line_outcome(tls_receive(line->tls, bytes, size)) : recv(line->fd, bytes, size, 0);
}

static int send_all(const struct line *line, struct slice bytes)
{
    while (bytes.len) {
        ssize_t n = line_send(line, bytes);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            bytes = slice_from(bytes, (size_t)n);
    }
    return 0;
}

static int receive_all(const struct line *line, struct buffer *in)
{
    for (;;) {
        uint8_t part[16384];
        ssize_t n = line_receive(line, part, sizeof part);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            buffer_append(in, part, (size_t)n);
    }
}

static void request_put(const struct client_request *request, const struct place *place, struct buffer *out)
{
    buffer_printf(out, "%s %s HTTP/1.0\r\nHost: %s\r\n", request->method, request->path, place->authority);
    if (request->accept)
        buffer_printf(out, "Accept: %s\r\n", request->accept);
    if (request->authorization)
        buffer_printf(out, "Authorization: %s\r\n", request->authorization);
    if (request->json.len)
        buffer_append_str(out, "Content-Type: application/json\r\n");
    buffer_printf(out, "Content-Length: %zu\r\n\r\n", request->json.len);
    buffer_append_slice(out, request->json);
}

static int answer_parse(struct slice answer, const struct place *place, struct buffer *content,
                        struct edda_error *error)
{
    const uint8_t *end = answer.len ? memmem(answer.data, answer.len, "\r\n\r\n", 4) : NULL;
    bool is_http = end && answer.len > 12 && memcmp(answer.data, "HTTP/1.", 7) == 0 && answer.data[8] == ' ';
    int status = 0;
    for (size_t i = 9; is_http && i < 12; i++) {
        is_http = answer.data[i] >= '0' && answer.data[i] <= '9';
        status = status * 10 + (answer.data[i] - '0');
    }
    if (!is_http)
        return edda_fail_with(error, EDDA_EMALFORMED, "what answers at %s://%s speaks no HTTP%s", scheme(place), place->authority,
                              place->tls ? "" : WANTS_TLS);
    buffer_append_slice(content, slice_from(answer, (size_t)(end - answer.data) + 4));
    return buffer_ok(content) ? status : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the answer");
}

int client_call(const struct client_request *request, struct buffer *content, struct edda_error *error)
{
    struct place place;
    struct buffer out = BUFFER_EMPTY, in;
    buffer_init(&in, ANSWER_BYTES_MAX);
    int rc = place_parse(request->url, &place, error);
    if (rc < 0)
        return rc;
    struct line line = { .fd = place_connect(&place, error) };
    if (line.fd < 0)
        return line.fd;
    request_put(request, &place, &out);
    if (place.tls)
        rc = tls_connect(line.fd, place.host, request->ca_file, &line.tls, error);
    if (rc == 0 && !buffer_ok(&out))
        rc = edda_fail_with(error, EDDA_ENOMEM, "out of memory for the request");
    else if (rc == 0 && (send_all(&line, buffer_slice(&out)) < 0 || receive_all(&line, &in) < 0))
        rc = lost(&place, error);
    else if (rc == 0 && !buffer_ok(&in))
        rc = edda_fail_with(error, EDDA_ETOOLARGE, "the answer is longer than %d MiB", ANSWER_BYTES_MAX >> 20);
    else if (rc == 0)
        rc = answer_parse(buffer_slice(&in), &place, content, error);
    tls_free(line.tls);
    (void)close(line.fd);
    buffer_deinit(&out);
    buffer_deinit(&in);
    return rc;
}

void client_encode(struct buffer *out, const char *segment)
{
    for (const char *at = segment; *at; at++) {
        bool plain = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') ||
                     strchr("-._~", *at);
        if (plain)
            buffer_append_byte(out, (uint8_t)*at);
        else
            buffer_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
    }
}
