/*
 * bench connections: what an idle connection costs `edda serve` of this build, in memory: for each listener in plain and, with openssl(1) to make a certificate, in TLS.
 *
 * The process is a new one for each figure, so nothing that another has freed is used again. In TLS the handshake is done by this program's own connections to the
 * last: what is measured is the server alone. Baseline: the process without connections.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "server/protocols.h"

#define CONNECTIONS 10000
#define WAIT_MS 20000
#define PATH_BYTES 4400

static void die(const char *what)
{
    perror(what);
    exit(1);
}

struct served {
    pid_t pid;
    int port;
};

static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        (void)fclose(file);
    return kib;
}

/* Starts it with one listener on, and reads from its first line where that is. */
static struct served start(const struct bench *b, const char *program, const char *protocol, bool tls)
{
    char path[PATH_BYTES], data[PATH_BYTES], certificate[PATH_BYTES], key[PATH_BYTES], flags[PROTOCOL_COUNT][40];
    char *run[8 + 2 * PROTOCOL_COUNT + 4] = { path, "serve", "--data", data }, line[400] = "";
    int count = 4, out[2];
    (void)snprintf(path, sizeof path, "%s", program);
    char *slash = strrchr(path, '/');
    (void)snprintf(slash ? slash + 1 : path, 16, "../edda");
    (void)snprintf(data, sizeof data, "%s/data", b->dir);
    (void)snprintf(certificate, sizeof certificate, "%s/crt", b->dir);
    (void)snprintf(key, sizeof key, "%s/key", b->dir);
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        bool on = strcmp(protocol_rows[i].name, protocol) == 0;
        (void)snprintf(flags[i], sizeof flags[i], "--%s=%s", protocol_rows[i].name, on ? "127.0.0.1:0" : "off");
        run[count++] = flags[i];
    }
    if (tls) {
        run[count++] = "--tls-cert", run[count++] = certificate;
        run[count++] = "--tls-key", run[count++] = key;
    }
    bench_remove(b, "data");
    if (pipe(out) < 0)
        die("pipe");
    struct served served = { .pid = fork() };
    if (served.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(out[1], 1);
        (void)execv(path, run);
        _exit(127);
    }
    (void)close(out[1]);
    FILE *said = fdopen(out[0], "r");
    char *colon = said && fgets(line, sizeof line, said) ? strstr(line, "127.0.0.1:") : NULL;
    if (!colon || sscanf(colon, "127.0.0.1:%d", &served.port) != 1) {
        (void)fprintf(stderr, "bench connections: %s does not serve %s: %s\n", path, protocol, line);
        exit(1);
    }
    return served;
}

static int connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bench connections: connect");
    return fd;
}

/* The memory has been the same for a while: all that was accepted is there. */
static long settled_kib(pid_t pid)
{
    long last = -1;
    for (int quiet = 0, ms = 0; quiet < 5 && ms < WAIT_MS; ms += 20) {
        long now = resident_kib(pid);
        quiet = now == last ? quiet + 1 : 0;
        last = now;
        (void)usleep(20000);
    }
    return last;
}

static void measure(const struct bench *b, const char *program, const char *protocol, bool tls, int connections)
{
    struct served served = start(b, program, protocol, tls);
    SSL_CTX *context = tls ? SSL_CTX_new(TLS_client_method()) : NULL;
    int *fds = calloc((size_t)connections, sizeof *fds);
    char what[120];
    if (!fds)
        die("calloc");
    long before = settled_kib(served.pid);
    for (int i = 0; i < connections; i++) {
        fds[i] = connect_to(served.port);
        SSL *ssl = tls ? SSL_new(context) : NULL;
        if (ssl && (SSL_set_fd(ssl, fds[i]) != 1 || SSL_connect(ssl) != 1))
            die("bench connections: TLS");
        SSL_free(ssl); /* the socket stays */
    }
    long after = settled_kib(served.pid);
    (void)snprintf(what, sizeof what, "%s%s: process without connections", protocol, tls ? " in TLS" : "");
    bench_figure(b, what, (double)before / 1024, "MiB", "<= 15");
    (void)snprintf(what, sizeof what, "%s%s: process with %d idle connections", protocol, tls ? " in TLS" : "", connections);
    bench_figure(b, what, (double)after / 1024, "MiB", "<= 200 with 10,000");
    (void)snprintf(what, sizeof what, "%s%s: each", protocol, tls ? " in TLS" : "");
    bench_figure(b, what, (double)(after - before) * 1024 / connections, "bytes", NULL);
    for (int i = 0; i < connections; i++)
        (void)close(fds[i]);
    free(fds);
    SSL_CTX_free(context);
    (void)kill(served.pid, SIGKILL);
    (void)waitpid(served.pid, NULL, 0);
}

static bool make_certificate(const struct bench *b)
{
    char certificate[PATH_BYTES], key[PATH_BYTES];
    (void)snprintf(certificate, sizeof certificate, "%s/crt", b->dir);
    (void)snprintf(key, sizeof key, "%s/key", b->dir);
    char *words[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                      "-out", certificate, "-keyout", key, NULL };
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 2);
        (void)execvp(words[0], words);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct rlimit limit;
    bench_begin(&b, "connections", argc, argv);
    int connections = (int)(CONNECTIONS * b.scale) > 0 ? (int)(CONNECTIONS * b.scale) : 1;
    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    bool tls = make_certificate(&b);
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        measure(&b, argv[0], protocol_rows[i].name, false, connections);
        if (tls)
            measure(&b, argv[0], protocol_rows[i].name, true, connections);
    }
    bench_end(&b);
    return 0;
}
