/* See brokers.h. */
#include "brokers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS 10
#define LIMIT_TRIES 50

static void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

static bool serves(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return there;
}

int broker_free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        die("no free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* --- control groups -------------------------------------------------------------------------------------------- */

static bool write_text(const char *dir, const char *name, const char *text)
{
    char path[500];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    int code = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = code;
    return n >= 0;
}

/* The group of this process that bounds memory: its directory, and of which kind it is. */
static bool group_of_self(char dir[256], bool *ret_unified)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[300];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *first = strstr(line, ":memory:");
        *ret_unified = strncmp(line, "0::", 3) == 0;
        found = first || *ret_unified;
        if (found)
            (void)snprintf(dir, 256, "/sys/fs/cgroup%s%.200s", first ? "/memory" : "",
                           first ? first + strlen(":memory:") : line + 3);
    }
    if (file)
        (void)fclose(file);
    return found;
}

bool broker_group_make(struct broker_process *broker, const char *name)
{
    char self[256], leaf[300];
    if (!group_of_self(self, &broker->unified)) {
        printf("no bound of memory: this system has no control groups\n");
        return false;
    }
    /* A group of the second kind that bounds others has no processes itself, so the bench moves to one beside. */
    if (broker->unified && !strstr(self, "/edda-bench-self")) {
        (void)snprintf(leaf, sizeof leaf, "%s/edda-bench-self", self);
        (void)mkdir(leaf, 0755);
        if (!write_text(leaf, "cgroup.procs", "0") || !write_text(self, "cgroup.subtree_control", "+memory")) {
            printf("no bound of memory: %s: %s (try: systemd-run --user --scope -p Delegate=yes …)\n", self,
                   strerror(errno));
            return false;
        }
    } else if (broker->unified) {
        *strstr(self, "/edda-bench-self") = 0;
    }
    (void)snprintf(broker->group, sizeof broker->group, "%s/edda-bench-%s-%ld", self, name, (long)getpid());
    if (mkdir(broker->group, 0755) != 0) {
        printf("no bound of memory: %s: %s\n", broker->group, strerror(errno));
        broker->group[0] = 0;
        return false;
    }
    return true;
}

void broker_group_limit(const struct broker_process *broker, uint64_t bytes)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    /* Pages that are not on the disk yet cannot be given back. */
    sync();
    for (int i = 0; i < LIMIT_TRIES; i++) {
        if (write_text(broker->group, broker->unified ? "memory.max" : "memory.limit_in_bytes", text))
            return;
        nap();
    }
    die("the memory of a broker cannot be bounded");
}

/* --- processes ------------------------------------------------------------------------------------------------- */

/* In the new process. */
static void child_begin(const struct broker_process *broker, int signal_at_end)
{
    (void)prctl(PR_SET_PDEATHSIG, signal_at_end);
    if (broker->group[0] && !write_text(broker->group, "cgroup.procs", "0"))
        _exit(126);
}

void broker_start_edda(struct broker_process *broker, const struct bench *b, const char *program)
{
    char path[500], data[300], at[64];
    const char *slash = strrchr(program, '/');
    (void)snprintf(path, sizeof path, "%.*s/../edda", slash ? (int)(slash - program) : 1, slash ? program : ".");
    (void)snprintf(data, sizeof data, "%s/data", b->dir);
    broker->input = -1;
    broker->port = broker_free_port();
    (void)snprintf(at, sizeof at, "127.0.0.1:%d", broker->port);
    broker->pid = fork();
    if (broker->pid < 0)
        die("fork");
    if (broker->pid == 0) {
        child_begin(broker, SIGKILL);
        if (!freopen("/dev/null", "w", stdout))
            _exit(127);
        execl(path, path, "serve", "--data", data, "--kafka", at, "--http", "off", "--resp", "off", (char *)NULL);
        _exit(127);
    }
    int64_t limit_ns = bench_now_ns() + START_SECONDS * INT64_C(1000000000);
    while (!serves(broker->port)) {
        errno = 0;
        if (waitpid(broker->pid, NULL, WNOHANG) == broker->pid)
            die("edda serve has ended; what it said is above");
        if (bench_now_ns() > limit_ns)
            die("edda serve does not listen");
        nap();
    }
}

bool broker_start_kafka(struct broker_process *broker, const struct bench *b, unsigned heap_mb)
{
    char data[300], heap[32], line[200] = "";
    int in[2], out[2];
    (void)snprintf(data, sizeof data, "%s/kafka", b->dir);
    (void)snprintf(heap, sizeof heap, "%uM", heap_mb);
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || (broker->pid = fork()) < 0)
        die("fork");
    if (broker->pid == 0) {
        child_begin(broker, SIGTERM);
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        execlp("python3", "python3", BENCH_KAFKA_PEER, "--dir", data, "--heap", heap, (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    broker->input = in[1];
    FILE *said = fdopen(out[0], "r");
    while (said && !broker->port && fgets(line, sizeof line, said)) {
        const char *colon = strrchr(line, ':');
        if (strstr(line, "listening on") && colon)
            broker->port = (int)strtol(colon + 1, NULL, 10);
    }
    if (said)
        (void)fclose(said);
    if (!broker->port) {
        printf("without Kafka: it cannot be started; why is above\n");
        broker_stop(broker);
    }
    return broker->port != 0;
}

void broker_stop(struct broker_process *broker)
{
    if (broker->pid > 0) {
        if (broker->input >= 0)
            (void)close(broker->input);
        else
            (void)kill(broker->pid, SIGTERM);
        (void)waitpid(broker->pid, NULL, 0);
    }
    /* The system may take a moment to see that the last process is gone. */
    for (int i = 0; broker->group[0] && rmdir(broker->group) != 0 && errno == EBUSY && i < LIMIT_TRIES; i++)
        nap();
    *broker = (struct broker_process){ .input = -1 };
}

/* The first line of a file of /proc that begins with `name`, behind that; empty: there is none. */
static void proc_line(long pid, const char *file, const char *name, char ret_text[1000])
{
    char path[100], line[1000];
    size_t len = strlen(name);
    ret_text[0] = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/%s", pid, file);
    FILE *lines = fopen(path, "re");
    while (lines && !ret_text[0] && fgets(line, sizeof line, lines))
        if (strncmp(line, name, len) == 0)
            (void)snprintf(ret_text, 1000, "%s", line + len);
    if (lines)
        (void)fclose(lines);
}

/* A process's first child, 0: none. */
static long child_of(long pid)
{
    char file[64], text[1000];
    (void)snprintf(file, sizeof file, "task/%ld/children", pid);
    proc_line(pid, file, "", text);
    return strtol(text, NULL, 10);
}

static double process_cpu_s(long pid)
{
    char text[1000];
    proc_line(pid, "stat", "", text);
    char *at = strrchr(text, ')');
    for (int i = 0; at && i < 12; i++)
        at = strchr(at + 1, ' ');
    unsigned long user = at ? strtoul(at, &at, 10) : 0, system = at ? strtoul(at, NULL, 10) : 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

struct broker_used broker_used(const struct broker_process *broker)
{
    struct broker_used used = { 0 };
    for (long pid = broker->pid; pid > 0; pid = child_of(pid)) {
        char text[1000];
        proc_line(pid, "io", "read_bytes:", text);
        used.disk_bytes += (uint64_t)strtoull(text, NULL, 10);
        used.cpu_s += process_cpu_s(pid);
    }
    return used;
}
