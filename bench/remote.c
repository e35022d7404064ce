/*
 * bench remote: steps a second of a remote service, against a small echo service in C in a process beside: each step is a command called, recorded, made durable,
 * posted, answered with a message, and that recorded. The baseline is the bare client in the same run: the same requests by the same threads, with no log behind.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "edda/edda.h"
#include "engine/engine.h"
#include "io/posix.h"
#include "journal/local.h"
#include "outside/outside.h"

#define STEPS 40000
#define BURST 2000
#define THREADS 32
#define ENTITIES 64
#define SECRET "a secret for a bench"

/* --- the echo service ----------------------------------------------------------------------------------------- */

#define CONNECTIONS_MAX 128
#define REQUEST_BYTES 8192

static const char answer_text[] = "{\"messages\":[{\"type\":\"Counted\",\"data\":{\"id\":\"entity\",\"n\":1}}]}";

struct connection {
    size_t used;
    char bytes[REQUEST_BYTES];
};

/* The bytes of the first whole request; 0: it is not there yet. */
static size_t whole_request(const struct connection *c)
{
    const char *end = memmem(c->bytes, c->used, "\r\n\r\n", 4);
    const char *length = end ? strcasestr(c->bytes, "content-length:") : NULL;
    size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    size_t head = end ? (size_t)(end + 4 - c->bytes) : 0;
    return end && c->used >= head + body ? head + body : 0;
}

static bool serve(int fd, struct connection *c)
{
    char out[512];
    ssize_t n = recv(fd, c->bytes + c->used, sizeof c->bytes - 1 - c->used, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    c->used += (size_t)n;
    c->bytes[c->used] = '\0';
    size_t taken;
    while ((taken = whole_request(c)) > 0) {
        int len = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", sizeof answer_text - 1, answer_text);
        if (send(fd, out, (size_t)len, MSG_NOSIGNAL) != len)
            return false;
        c->used -= taken;
        memmove(c->bytes, c->bytes + taken, c->used + 1);
    }
    return true;
}

static void echo_service(int listener)
{
    static struct connection connections[CONNECTIONS_MAX];
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[64];
    int epoll = epoll_create1(0), one = 1;
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (!serve(fd, &connections[fd]))
                    (void)close(fd);
                continue;
            }
            fd = accept(listener, NULL, NULL);
            if (fd < 0 || fd >= CONNECTIONS_MAX)
                _exit(1);
            connections[fd].used = 0;
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
            (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}

static pid_t echo_start(char *url, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        exit(1);
    (void)snprintf(url, size, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        echo_service(listener);
    }
    (void)close(listener);
    return pid;
}

/* --- the application ------------------------------------------------------------------------------------------- */

struct Count { struct edda_text id; int64_t n; };
static const struct edda_field Count_fields[] = { EDDA_FIELD(Count, id), EDDA_FIELD(Count, n) };
static const struct edda_type Count = EDDA_COMMAND(Count, id, .topic = "count.commands");
struct Counted { struct edda_text id; int64_t n; };
static const struct edda_field Counted_fields[] = { EDDA_FIELD(Counted, id), EDDA_FIELD(Counted, n) };
static const struct edda_type Counted = EDDA_EVENT(Counted, id, .topic = "counts");
static char url[64];
static const struct edda_remote remote = { .url = url, .effect = { .threads = THREADS } };
static const struct edda_type *const emits[] = { &Counted, NULL };
static const struct edda_row rows[] = { EDDA_ON_REMOTE(Count, id), EDDA_END };
static const struct edda_service counter = { .name = "counter", .on = rows, .remote = &remote, .emits = emits };
static const struct edda_service *const services[] = { &counter, NULL };
static const struct edda_app app = { .name = "remote-bench", .services = services };

struct world {
    struct io *io;
    struct outside *outside;
    struct journal *journal;
    struct engine *engine;
    struct arena arena;
    size_t answered, failed;
};

static void die(const char *what, const struct edda_error *error)
{
    (void)fprintf(stderr, "bench remote: %s: %s\n", what, error->message);
    exit(1);
}

static void call_done(struct engine_call *call)
{
    struct world *w = call->user;
    w->answered++;
    w->failed += call->code < 0 || call->accepted;
}

static void call(struct world *w, size_t n)
{
    struct engine_call *made = arena_alloc(&w->arena, sizeof *made);
    struct Count *count = arena_alloc(&w->arena, sizeof *count);
    char *id = arena_printf(&w->arena, "entity-%zu", n % ENTITIES);
    if (!made || !count || !id)
        exit(1);
    *count = (struct Count){ .id = edda_text_of(id), .n = (int64_t)n };
    *made = (struct engine_call){ .type = &Count, .value = count, .expected = JOURNAL_ANY, .done = call_done, .user = w, .arena = &w->arena };
    engine_call(w->engine, made);
}

static void settle(struct world *w, size_t until)
{
    struct edda_error error = { 0 };
    while (w->answered < until || journal_flushing(w->journal)) {
        int64_t next = engine_drive(w->engine, &error);
        int rc = next < 0 ? (int)next : journal_flush(w->journal, next != 0, &error);
        if (rc < 0)
            die("the engine", &error);
        if (next != 0 && !engine_flushed(w->engine))
            (void)io_jobs_wait(w->io, 1000000);
    }
}

static double steps(const struct bench *b, struct world *w)
{
    size_t all = (size_t)(STEPS * b->scale) / BURST * BURST + BURST;
    int64_t from_ns = bench_now_ns();
    for (size_t n = 0; n < all; n += BURST) {
        for (size_t k = 0; k < BURST; k++)
            call(w, n + k);
        settle(w, n + BURST);
        arena_reset(&w->arena);
    }
    if (w->failed)
        (void)fprintf(stderr, "bench remote: %zu steps failed\n", w->failed);
    return (double)all / ((double)(bench_now_ns() - from_ns) / 1e9);
}

/* --- the baseline ------------------------------------------------------------------------------------------------ */

struct post {
    struct io_job job;
    struct world *w;
    size_t times;
};

static void post_run(struct io_job *job)
{
    /* As long as what a step posts. */
    static const char body[] = "{\"specversion\":\"1.0\",\"id\":\"0193437c-7a5e-7c22-a1b1-7f4b0b6c2f11\",\"source\":\"remote-bench\",\"type\":\"Count\",\"subject\":\"entity-1\","
                               "\"time\":\"2026-01-01T00:00:00.000Z\",\"service\":\"counter\",\"entitykey\":\"entity-1\",\"correlationid\":"
                               "\"0193437c-7a5e-7c22-a1b1-7f4b0b6c2f11\",\"attempt\":0,\"now\":\"2026-01-01T00:00:00.000Z\",\"state\":null,\"datacontenttype\":"
                               "\"application/json\",\"data\":{\"id\":\"entity-1\",\"n\":1}}";
    struct post *post = container_of(job, struct post, job);
    struct edda_error error = { 0 };
    struct edda_http_answer answer;
    const struct edda_http_call http = { .method = "POST", .body = { body, sizeof body - 1 }, .content_type = "application/cloudevents+json" };
    const struct edda_outside_call made = {
        .idempotency_key = EDDA_TEXT("0123456789abcdef0123456789abcdef"), .timeout_ms = 30000, .http = &http, .http_answer = &answer, .remote = &counter, .error = &error,
    };
    for (size_t i = 0; i < post->times; i++)
        if (outside_call(&made, post->w->outside) < 0)
            die("the bare client", &error);
}

static void post_done(struct io_job *job)
{
    (void)job;
}

static double posts(const struct bench *b, struct world *w)
{
    static struct post all[THREADS];
    size_t each = (size_t)(STEPS * b->scale) / THREADS + 1, done = 0;
    int64_t from_ns = bench_now_ns();
    for (size_t i = 0; i < THREADS; i++) {
        all[i] = (struct post){ .job = { .run = post_run, .done = post_done }, .w = w, .times = each };
        list_init(&all[i].job.link);
        io_job_submit(w->io, IO_POOL_HANDLERS, &all[i].job);
    }
    while (done < THREADS) {
        (void)io_jobs_wait(w->io, -1);
        done += io_jobs_finish(w->io);
    }
    return (double)(each * THREADS) / ((double)(bench_now_ns() - from_ns) / 1e9);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w = { .answered = 0 };
    struct edda_error error = { 0 };
    char data[300];
    bench_begin(&b, "remote", argc, argv);
    pid_t echo = echo_start(url, sizeof url);
    const struct outside_remote where = { .service = &counter, .url = url, .secret = SECRET };
    const struct store_options store = { .frame_bytes = 0 };
    (void)snprintf(data, sizeof data, "%s/data", b.dir);
    arena_init(&w.arena, 0, 0);
    w.io = io_posix_new(THREADS);
    if (!w.io || outside_new(&(struct outside_options){ .io = w.io, .remotes = &where, .remote_count = 1 }, &w.outside, &error) < 0 ||
        journal_local_open(w.io, data, &store, &w.journal, NULL, &error) < 0)
        die("opening", &error);
    const struct engine_options options = { .app = &app, .io = w.io, .journal = w.journal, .outside = outside_call, .outside_user = w.outside };
    if (engine_open(&options, &w.engine, &error) < 0)
        die("opening", &error);
    double bare = posts(&b, &w), whole = steps(&b, &w), bare_again = posts(&b, &w);
    bare = (bare + bare_again) / 2;
    bench_figure(&b, "baseline: the same requests by the bare client", bare, "requests/s", NULL);
    bench_figure(&b, "steps of a remote service, durable before and after", whole, "steps/s", ">= 5000");
    bench_figure(&b, "bare requests to steps", bare / whole, "ratio", NULL);
    engine_close(w.engine, true);
    journal_close(w.journal, false);
    io_posix_free(w.io);
    outside_free(w.outside);
    arena_deinit(&w.arena);
    (void)kill(echo, SIGKILL);
    (void)waitpid(echo, NULL, 0);
    bench_end(&b);
    return 0;
}
