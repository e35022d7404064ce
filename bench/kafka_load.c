/* See kafka_load.h. */
#include "kafka_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cursor.h"
#include "base/put.h"
#include "bench.h"
#include "wire/kafka/batch.h"
#include "wire/kafka/messages.h"

#define CONNECTIONS_MAX 256
#define IN_FLIGHT_MAX 64
#define VARIANTS 16 /* requests made for a connection, sent in turn: their keys differ */
#define SAMPLES_MAX 4000000
#define ANSWER_MAX 4096
#define NAME_BYTES 9
/* Of an answer to Produce: correlation id, one topic and its name, one partition and its number. */
#define ERROR_AT (4 + 4 + 2 + NAME_BYTES + 4 + 4)
#define FETCH_BYTES (4 << 20)

struct request {
    uint8_t *bytes;
    size_t len;
};

struct connection {
    struct request requests[VARIANTS];
    int64_t sent_ns[IN_FLIGHT_MAX]; /* by correlation id, modulo */
    uint8_t input[ANSWER_MAX];
    size_t input_len;
    size_t rest;   /* bytes of the request under way that the socket has not taken yet */
    uint32_t sent; /* also the next correlation id */
    uint32_t answered;
    int fd;
};

struct load {
    struct connection *connections;
    const struct kafka_case *of;
    int64_t *samples;
    size_t sample_count;
    uint64_t answered;
    int64_t measured_from_ns, end_ns;
    int epoll;
};

void kafka_die(const char *what)
{
    (void)fprintf(stderr, "bench_kafka: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static int connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        kafka_die("cannot connect to the broker");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void put(struct buffer *out, int version, const struct kafka_message *message, const void *value)
{
    struct edda_error error = { 0 };
    struct kafka_request_head head = { .api_key = (int16_t)kafka_message_key(message),
                                       .api_version = (int16_t)version,
                                       .client_id = slice_str("bench") };
    errno = 0;
    if (kafka_request_put(out, &head, message, value, &error) < 0)
        kafka_die(error.message);
    if (!buffer_ok(out))
        kafka_die("out of memory");
}

/* Sends one request and waits for its answer, decoded into `ret_answer`. */
static void ask(int fd, int version, const struct kafka_message *message, const void *value,
                const struct kafka_message *answer, struct buffer *bytes, struct arena *arena, void *ret_answer)
{
    struct edda_error error = { 0 };
    uint8_t head[8];
    buffer_clear(bytes);
    arena_reset(arena);
    put(bytes, version, message, value);
    for (size_t at = 0; at < bytes->len;) {
        ssize_t sent = send(fd, bytes->data + at, bytes->len - at, MSG_NOSIGNAL);
        if (sent < 0)
            kafka_die("send");
        at += (size_t)sent;
    }
    if (recv(fd, head, sizeof head, MSG_WAITALL) != (ssize_t)sizeof head)
        kafka_die("the broker has closed the connection");
    size_t len = (((size_t)head[0] << 24) | ((size_t)head[1] << 16) | ((size_t)head[2] << 8) | head[3]) - 4;
    buffer_clear(bytes);
    uint8_t *body = buffer_extend(bytes, len);
    if (!body || recv(fd, body, len, MSG_WAITALL) != (ssize_t)len)
        kafka_die("an answer that is not whole");
    errno = 0;
    if (kafka_decode(answer, version, slice_of(body, len), arena, ret_answer, &error) < 0)
        kafka_die(error.message);
}

/* Asks for what is in a partition from an offset on; waits for nothing when that is its end. */
static void fetch(int fd, const char *topic, int partition, int64_t at, struct buffer *bytes, struct arena *arena,
                  struct kafka_fetch_response *ret_answer)
{
    struct kafka_fetch_request_fetch_partition part = kafka_fetch_request_fetch_partition_default;
    part.partition = partition;
    part.fetch_offset = at;
    part.partition_max_bytes = FETCH_BYTES;
    struct kafka_fetch_request_fetch_topic row = { .topic = slice_str(topic),
                                                   .partitions = &part,
                                                   .partitions_count = 1 };
    struct kafka_fetch_request request = kafka_fetch_request_default;
    request.max_bytes = FETCH_BYTES;
    request.topics = &row;
    request.topics_count = 1;
    ask(fd, 4, &kafka_fetch_request_message, &request, &kafka_fetch_response_message, bytes, arena, ret_answer);
}

void kafka_topic_make(int port, const char *topic, int partitions, bool synced)
{
    struct kafka_create_topics_request_creatable_topic_config config = { .name = slice_str("flush.messages"),
                                                                         .value = slice_str("1") };
    struct kafka_create_topics_request_creatable_topic row = { .name = slice_str(topic),
                                                               .num_partitions = partitions,
                                                               .replication_factor = 1,
                                                               .configs = &config,
                                                               .configs_count = synced };
    struct kafka_create_topics_request request = { .topics = &row, .topics_count = 1, .timeout_ms = 10000 };
    struct kafka_create_topics_response answer;
    struct buffer bytes;
    struct arena arena;
    buffer_init(&bytes, 1 << 20);
    arena_init(&arena, 1 << 16, 1 << 20);
    int fd = connect_to(port);
    ask(fd, 2, &kafka_create_topics_request_message, &request, &kafka_create_topics_response_message, &bytes, &arena,
        &answer);
    errno = 0;
    if (answer.topics_count != 1 || answer.topics[0].error_code != 0) {
        (void)fprintf(stderr, "bench_kafka: topic %s: error %d\n", topic,
                      answer.topics_count == 1 ? answer.topics[0].error_code : 0);
        exit(1);
    }
    /* Kafka has a topic somewhat later than it says so. */
    int64_t limit_ns = bench_now_ns() + INT64_C(10000000000);
    for (int partition = 0; partition < partitions;) {
        struct kafka_fetch_response found;
        fetch(fd, topic, partition, 0, &bytes, &arena, &found);
        if (found.responses_count == 1 && found.responses[0].partitions_count == 1 &&
            found.responses[0].partitions[0].error_code == 0)
            partition++;
        else if (bench_now_ns() > limit_ns)
            kafka_die("a topic that was made is not there after ten seconds");
    }
    (void)close(fd);
    arena_deinit(&arena);
    buffer_deinit(&bytes);
}

/* One request with one batch. */
static struct request request_make(const struct kafka_case *of, const char *topic, int partition, uint64_t seed)
{
    static char value[1 << 20];
    struct buffer batch, out;
    struct batch_builder builder;
    buffer_init(&batch, 16 << 20);
    buffer_init(&out, 16 << 20);
    memset(value, 'v', sizeof value);
    batch_builder_init(&builder, &batch);
    for (int i = 0; i < of->records; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%010llu",
                       (unsigned long long)((seed * 1000003 + (uint64_t)i * 7919) % 10000000000ULL));
        struct slice none = { 0 };
        /* Of now, or Kafka's retention removes what is to be read again. */
        (void)batch_builder_add(&builder, (int64_t)time(NULL) * 1000 + i, of->keyed ? slice_str(key) : none,
                                slice_of(value, (size_t)of->value_bytes), none, 0);
    }
    batch_builder_finish(&builder, 0, 0);
    struct kafka_produce_request_partition_produce_data data = { .index = partition, .records = buffer_slice(&batch) };
    struct kafka_produce_request_topic_produce_data row = { .name = slice_str(topic),
                                                            .partition_data = &data,
                                                            .partition_data_count = 1 };
    struct kafka_produce_request request = {
        .acks = -1, .timeout_ms = 10000, .topic_data = &row, .topic_data_count = 1
    };
    put(&out, 3, &kafka_produce_request_message, &request);
    struct request made = { .bytes = malloc(out.len), .len = out.len };
    if (!made.bytes)
        kafka_die("out of memory");
    memcpy(made.bytes, out.data, out.len);
    buffer_deinit(&batch);
    buffer_deinit(&out);
    return made;
}

/* Sends as much as may be under way. */
static void connection_send(struct load *load, struct connection *c, int64_t now_ns)
{
    while (c->rest > 0 || (c->sent - c->answered < (uint32_t)load->of->in_flight && now_ns < load->end_ns)) {
        struct request *request = &c->requests[c->sent % VARIANTS];
        if (c->rest == 0) {
            (void)put_be32(request->bytes + 8, c->sent);
            c->rest = request->len;
            c->sent_ns[c->sent % IN_FLIGHT_MAX] = bench_now_ns();
        }
        ssize_t sent = send(c->fd, request->bytes + request->len - c->rest, c->rest, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            kafka_die("send");
        c->rest -= sent > 0 ? (size_t)sent : 0;
        bool blocked = c->rest > 0;
        struct epoll_event event = { .events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = { .ptr = c } };
        if (blocked) {
            (void)epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event);
            return;
        }
        c->sent++;
    }
}

static void answer_take(struct load *load, struct connection *c, const uint8_t *answer, size_t len, int64_t now_ns)
{
    uint32_t correlation =
        ((uint32_t)answer[4] << 24) | ((uint32_t)answer[5] << 16) | ((uint32_t)answer[6] << 8) | answer[7];
    errno = 0;
    if (correlation != c->answered || len < 4 + ERROR_AT + 2)
        kafka_die("an answer out of turn");
    int code = (int16_t)((answer[4 + ERROR_AT] << 8) | answer[5 + ERROR_AT]);
    if (code != 0) {
        (void)fprintf(stderr, "bench_kafka: Produce is answered with error %d\n", code);
        exit(1);
    }
    int64_t sent_ns = c->sent_ns[c->answered % IN_FLIGHT_MAX];
    c->answered++;
    if (now_ns < load->measured_from_ns || now_ns > load->end_ns)
        return;
    load->answered++;
    if (load->sample_count < SAMPLES_MAX)
        load->samples[load->sample_count++] = now_ns - sent_ns;
}

static void connection_read(struct load *load, struct connection *c)
{
    ssize_t got = recv(c->fd, c->input + c->input_len, sizeof c->input - c->input_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        kafka_die("the broker has closed the connection");
    c->input_len += (size_t)got;
    int64_t now_ns = bench_now_ns();
    size_t at = 0;
    while (c->input_len - at >= 8) {
        const uint8_t *answer = c->input + at;
        size_t len = 4 + (((size_t)answer[0] << 24) | ((size_t)answer[1] << 16) | ((size_t)answer[2] << 8) | answer[3]);
        errno = 0;
        if (len > sizeof c->input)
            kafka_die("an answer that is too long");
        if (c->input_len - at < len)
            break;
        answer_take(load, c, answer, len, now_ns);
        at += len;
    }
    memmove(c->input, c->input + at, c->input_len - at);
    c->input_len -= at;
    if (c->rest == 0)
        connection_send(load, c, now_ns);
}

static bool is_under_way(const struct load *load)
{
    for (int i = 0; i < load->of->connections; i++)
        if (load->connections[i].sent != load->connections[i].answered)
            return true;
    return false;
}

static void load_run(struct load *load)
{
    for (int i = 0; i < load->of->connections; i++)
        connection_send(load, &load->connections[i], bench_now_ns());
    while (bench_now_ns() < load->end_ns || is_under_way(load)) {
        struct epoll_event events[CONNECTIONS_MAX];
        int count = epoll_wait(load->epoll, events, CONNECTIONS_MAX, 10000);
        errno = 0;
        if (count == 0)
            kafka_die("no answer for ten seconds");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = c } };
                (void)epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event);
                connection_send(load, c, bench_now_ns());
            }
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                connection_read(load, c);
        }
    }
}

struct kafka_rate kafka_produce(int port, const char *topic, int partitions, const struct kafka_case *of,
                                double seconds)
{
    struct load load = { .of = of, .epoll = epoll_create1(EPOLL_CLOEXEC) };
    load.connections = calloc((size_t)of->connections, sizeof *load.connections);
    load.samples = malloc(SAMPLES_MAX * sizeof *load.samples);
    if (load.epoll < 0 || !load.connections || !load.samples || strlen(topic) != NAME_BYTES ||
        of->connections > CONNECTIONS_MAX || of->in_flight > IN_FLIGHT_MAX)
        kafka_die("a case that is too large");
    for (int i = 0; i < of->connections; i++) {
        struct connection *c = &load.connections[i];
        struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = c } };
        for (int v = 0; v < VARIANTS; v++)
            c->requests[v] = request_make(of, topic, i % partitions, (uint64_t)(i * VARIANTS + v + 1));
        c->fd = connect_to(port);
        if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            kafka_die("epoll");
    }
    int64_t now_ns = bench_now_ns();
    load.measured_from_ns = now_ns + (int64_t)(seconds * 1e8);
    load.end_ns = load.measured_from_ns + (int64_t)(seconds * 1e9);
    load_run(&load);
    errno = 0;
    if (load.sample_count == 0)
        kafka_die("nothing was answered");
    struct kafka_rate rate = {
        .records_per_s = (double)load.answered * of->records / seconds,
        .p50_us = (double)bench_percentile(load.samples, load.sample_count, 0.5) / 1000,
        .p99_us = (double)bench_percentile(load.samples, load.sample_count, 0.99) / 1000,
    };
    for (int i = 0; i < of->connections; i++) {
        (void)close(load.connections[i].fd);
        for (int v = 0; v < VARIANTS; v++)
            free(load.connections[i].requests[v].bytes);
    }
    (void)close(load.epoll);
    free(load.connections);
    free(load.samples);
    return rate;
}

/* Counts the records of the whole batches; returns the offset after the last one. */
static int64_t batches_count(struct slice records, int64_t at, uint64_t *count, uint64_t *bytes)
{
    struct edda_error error = { 0 };
    struct batch batch;
    int64_t len;
    while ((len = batch_parse(records, &batch, &error)) > 0 && (size_t)len <= records.len) {
        *count += (uint64_t)batch.record_count;
        *bytes += (uint64_t)len;
        at = batch.base_offset + batch.last_offset_delta + 1;
        records = slice_of(records.data + len, records.len - (size_t)len);
    }
    errno = 0;
    if (len < 0)
        kafka_die(error.message);
    return at;
}

double kafka_consume(int port, const char *topic, int partitions, double *ret_mb_per_s)
{
    struct buffer bytes;
    struct arena arena;
    uint64_t count = 0, total = 0;
    buffer_init(&bytes, FETCH_BYTES * 4);
    arena_init(&arena, 1 << 16, 1 << 24);
    int fd = connect_to(port);
    int64_t start_ns = bench_now_ns();
    for (int partition = 0; partition < partitions; partition++) {
        int64_t at = 0, end = 1;
        while (at < end) {
            struct kafka_fetch_response answer;
            fetch(fd, topic, partition, at, &bytes, &arena, &answer);
            const struct kafka_fetch_response_partition_data *found =
                answer.responses_count == 1 ? answer.responses[0].partitions : NULL;
            if (!found || answer.responses[0].partitions_count != 1 || found->error_code != 0)
                kafka_die("Fetch is answered with an error");
            end = found->high_watermark;
            int64_t next = batches_count(found->records, at, &count, &total);
            if (next == at && at < end)
                kafka_die("Fetch gives no batch before the end");
            at = next;
        }
    }
    double seconds = (double)(bench_now_ns() - start_ns) / 1e9;
    (void)close(fd);
    arena_deinit(&arena);
    buffer_deinit(&bytes);
    *ret_mb_per_s = (double)total / 1e6 / seconds;
    return (double)count / seconds;
}
