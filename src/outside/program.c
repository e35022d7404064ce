/*
 * Programs: run without a shell, in a process group of their own, with a pipe on either side. When the time is over, or the application stops, the group gets
 * SIGTERM, and a second later SIGKILL. What it writes to its standard error goes where ours does.
 */
#include "outside/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY_VARIABLE "EDDA_IDEMPOTENCY_KEY="
#define NS_PER_MS INT64_C(1000000)
#define KILL_AFTER_MS 1000
#define LOOK_MS 20           /* how often an exit is looked for while pipes are open */
#define READ_BYTES 65536
#define EXIT_TEMPORARY 75    /* EX_TEMPFAIL of sysexits.h */

extern char **environ;

/* Not every descriptor is ours to mark: libcurl's stay open in whoever inherits them. */
#if defined __GLIBC__ && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
#define CLOSE_FROM(actions, fd) posix_spawn_file_actions_addclosefrom_np(actions, fd)
#else
#define CLOSE_FROM(actions, fd) 0
#endif

struct run {
    struct outside *outside;
    struct scratch *scratch;
    const struct edda_outside_call *call;
    pid_t pid;
    int in, out;                   /* our ends of its pipes; -1: closed */
    struct slice left;             /* of its input */
    int64_t end_ns;                /* of its time */
    int64_t kill_ns;               /* when SIGTERM has not helped; 0: it was not sent */
    int64_t checked_ns;
    bool too_long, too_much, stopped;
    bool exited, unknown;          /* somebody else has taken its status */
    int status;
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Our environment, with the key. */
static char **environment(struct scratch *scratch, struct edda_text key)
{
    size_t count = 0, kept = 0;
    while (environ && environ[count])
        count++;
    char **all = arena_alloc(&scratch->arena, (count + 2) * sizeof *all);
    if (!all)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], KEY_VARIABLE, sizeof KEY_VARIABLE - 1) != 0)
            all[kept++] = environ[i];
    all[kept++] = arena_printf(&scratch->arena, KEY_VARIABLE "%.*s", (int)key.len, key.data);
    all[kept] = NULL;
    return all[kept - 1] ? all : NULL;
}

static int spawn(struct run *run, int in[2], int out[2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    const char *const *arguments = run->call->program->arguments;
    char **variables = environment(run->scratch, run->call->idempotency_key);
    if (!variables || posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int rc = posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    rc = rc ? rc : CLOSE_FROM(&actions, STDERR_FILENO + 1);
    rc = rc ? rc : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = rc ? rc : posix_spawnattr_setpgroup(&attributes, 0);
    rc = rc ? rc : posix_spawnattr_setsigmask(&attributes, &none);
    rc = rc ? rc : posix_spawnattr_setsigdefault(&attributes, &all);
    /* The arguments are not written to; the interface is older than const. */
    char *const *words = (char *const *)(uintptr_t)arguments;
    rc = rc ? rc : posix_spawnp(&run->pid, arguments[0], &actions, &attributes, words, variables);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int begin(struct run *run)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 };
    int rc = pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ? errno : 0;
    bool away = rc != 0; /* no descriptors: that passes */
    rc = rc ? rc : spawn(run, in, out);
    close_end(&in[0]);
    close_end(&out[1]);
    run->in = in[1];
    run->out = out[0];
    if (rc == 0) {
        (void)fcntl(run->in, F_SETFL, O_NONBLOCK);
        (void)fcntl(run->out, F_SETFL, O_NONBLOCK);
        return 0;
    }
    close_end(&run->in);
    close_end(&run->out);
    away = away || rc == EAGAIN || rc == ENOMEM;
    return edda_fail_with(run->call->error, away ? EDDA_EUNAVAILABLE : EDDA_EREFUSED, "%s cannot be run: %s", run->call->program->arguments[0],
                          strerror(rc));
}

/* Signals are blocked on the threads of the pool, so that a pipe without reader is an error only. */
static void feed(struct run *run)
{
    ssize_t n = run->left.len ? write(run->in, run->left.data, run->left.len) : 0;
    if (n > 0)
        run->left = slice_from(run->left, (size_t)n);
    if (run->left.len == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_end(&run->in);
}

static void keep(struct run *run, const uint8_t *bytes, size_t len)
{
    if (!run->too_much)
        buffer_append(&run->scratch->in, bytes, len);
    run->too_much = !buffer_ok(&run->scratch->in);
}

static void drain(struct run *run)
{
    uint8_t bytes[READ_BYTES];
    ssize_t n = read(run->out, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_end(&run->out);
    if (n > 0)
        keep(run, bytes, (size_t)n);
}

/* Ends it when it must be ended. */
static void limit(struct run *run)
{
    int64_t now_ns = io_clock_boot_ns(run->outside->options.io);
    if (run->kill_ns) {
        if (now_ns >= run->kill_ns)
            (void)kill(-run->pid, SIGKILL);
        return;
    }
    run->stopped = outside_must_stop(run->outside, &run->checked_ns);
    run->too_long = !run->stopped && now_ns >= run->end_ns;
    if (run->stopped || run->too_long || run->too_much) {
        (void)kill(-run->pid, SIGTERM);
        run->kill_ns = now_ns + KILL_AFTER_MS * NS_PER_MS;
    }
}

static void look_for_exit(struct run *run)
{
    pid_t pid = waitpid(run->pid, &run->status, WNOHANG);
    run->unknown = pid < 0 && errno != EINTR;
    run->exited = run->unknown || pid == run->pid;
}

/* What it had written when it ended. What it left behind may write for ever. */
static void drain_rest(struct run *run)
{
    int there = 0;
    bool known = run->out >= 0 && ioctl(run->out, FIONREAD, &there) == 0;
    while (known && there > 0 && run->out >= 0) {
        uint8_t bytes[READ_BYTES];
        ssize_t n = read(run->out, bytes, there < READ_BYTES ? (size_t)there : READ_BYTES);
        if (n <= 0)
            break;
        keep(run, bytes, (size_t)n);
        there -= (int)n;
    }
}

/* Until it has ended; what processes that it left behind still write is not waited for. */
static void attend(struct run *run)
{
    int wait_ms = 0;
    while (!run->exited) {
        struct pollfd fds[2] = { { .fd = run->in, .events = POLLOUT }, { .fd = run->out, .events = POLLIN } };
        bool open = run->in >= 0 || run->out >= 0;
        (void)poll(fds, 2, open ? LOOK_MS : wait_ms);
        wait_ms = wait_ms < LOOK_MS ? wait_ms + 1 : LOOK_MS;
        if (run->in >= 0 && fds[0].revents)
            feed(run);
        if (run->out >= 0 && fds[1].revents)
            drain(run);
        look_for_exit(run);
        if (!run->exited) /* then its number may be somebody else's */
            limit(run);
    }
    drain_rest(run);
    close_end(&run->in);
    close_end(&run->out);
}

static int outcome(const struct run *run, struct edda_program_result *result)
{
    struct edda_error *error = run->call->error;
    const char *name = run->call->program->arguments[0];
    struct slice output = buffer_slice(&run->scratch->in);
    bool signalled = WIFSIGNALED(run->status);
    *result = (struct edda_program_result){ .status = signalled ? 128 + WTERMSIG(run->status) : WEXITSTATUS(run->status) };
    if (run->stopped)
        return edda_fail_with(error, EDDA_ECLOSED, "the application is stopping");
    if (run->too_long)
        return edda_fail_with(error, EDDA_EUNAVAILABLE, "%s did not end within %u ms", name, run->call->timeout_ms);
    if (run->too_much)
        return edda_fail_with(error, EDDA_EREFUSED, "%s wrote more than 16 MiB", name);
    result->output = (struct edda_text){ (const char *)output.data, output.len };
    if (run->unknown)
        return edda_fail_with(error, EDDA_EUNAVAILABLE, "%s has ended, and nobody knows how: this process does not let it wait for programs", name);
    if (signalled)
        return edda_fail_with(error, EDDA_EUNAVAILABLE, "%s was ended by signal %d", name, WTERMSIG(run->status));
    if (result->status == 0)
        return 0;
    return edda_fail_with(error, result->status == EXIT_TEMPORARY ? EDDA_EUNAVAILABLE : EDDA_EREFUSED, "%s ended with status %d", name, result->status);
}

int program_do(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call)
{
    struct run run = { .outside = outside, .scratch = scratch, .call = call, .in = -1, .out = -1 };
    run.left = slice_of(call->program->input.data, call->program->input.len);
    run.end_ns = io_clock_boot_ns(outside->options.io) + (int64_t)call->timeout_ms * NS_PER_MS;
    int rc = begin(&run);
    if (rc < 0)
        return rc;
    attend(&run);
    return outcome(&run, call->program_result);
}
