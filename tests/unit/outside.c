/* The outside for real: the text of e-mails, e-mails as files, programs; what libcurl does is shown by tests/scenario/effects.py against servers. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/posix.h"
#include "outside/parts.h"

#define T(literal) EDDA_TEXT(literal)
#define KEY T("0123456789abcdef0123456789abcdef")

struct world {
    struct io *io;
    struct outside *outside;
    struct edda_error error;
    struct edda_outside_call call;
    int code;
    struct io_job job;
    struct edda_program_result result;
    int64_t took_ms;
    char dir[64];
};

static int setup(void **state)
{
    static struct world w;
    w = (struct world){ .io = io_posix_new(2) };
    assert_non_null(w.io);
    (void)snprintf(w.dir, sizeof w.dir, "outside-test-%d", (int)getpid());
    assert_int_equal(outside_new(&(struct outside_options){ .io = w.io, .mail_dir = w.dir, .mail_from = "Shop <shop@example.com>" }, &w.outside, &w.error), 0);
    *state = &w;
    return 0;
}

static int remove_entry(void *user, const char *name)
{
    struct world *w = user;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
    return io_file_remove(w->io, path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    (void)io_dir_list(w->io, w->dir, remove_entry, w);
    (void)rmdir(w->dir);
    io_posix_free(w->io);
    outside_free(w->outside);
    return 0;
}

/* On a thread of the pool, as in an application. */
static void job_run(struct io_job *job)
{
    struct world *w = container_of(job, struct world, job);
    w->code = outside_call(&w->call, w->outside);
}

static void job_done(struct io_job *job)
{
    (void)job;
}

static int finish(struct world *w, int64_t from_ns)
{
    while (io_jobs_finish(w->io) == 0)
        (void)io_jobs_wait(w->io, -1);
    w->took_ms = (io_clock_boot_ns(w->io) - from_ns) / 1000000;
    return w->code;
}

static int64_t begin(struct world *w, const struct edda_outside_call *call)
{
    w->call = *call;
    w->error = (struct edda_error){ 0 };
    w->call.error = &w->error;
    w->call.idempotency_key = KEY;
    if (!w->call.timeout_ms)
        w->call.timeout_ms = 20000;
    w->job = (struct io_job){ .run = job_run, .done = job_done };
    list_init(&w->job.link);
    int64_t from_ns = io_clock_boot_ns(w->io);
    io_job_submit(w->io, IO_POOL_HANDLERS, &w->job);
    return from_ns;
}

static int64_t begin_program(struct world *w, struct edda_text input, uint32_t timeout_ms, const char *const *arguments)
{
    static struct edda_program program;
    program = (struct edda_program){ .arguments = arguments, .input = input };
    return begin(w, &(struct edda_outside_call){ .program = &program, .program_result = &w->result, .timeout_ms = timeout_ms });
}

static int program(struct world *w, struct edda_text input, uint32_t timeout_ms, const char *const *arguments)
{
    return finish(w, begin_program(w, input, timeout_ms, arguments));
}

#define PROGRAM(w, input, timeout_ms, ...) program(w, input, timeout_ms, (const char *const[]){ __VA_ARGS__, NULL })

static void assert_output(const struct world *w, const char *expected)
{
    assert_int_equal(w->result.output.len, strlen(expected));
    assert_memory_equal(w->result.output.data, expected, strlen(expected));
}

/* --- programs ------------------------------------------------------------------------------------------------- */

static void programs_get_input_arguments_and_key(void **state)
{
    struct world *w = *state;
    assert_int_equal(PROGRAM(w, T("hello"), 0, "cat"), 0);
    assert_output(w, "hello");
    assert_int_equal(PROGRAM(w, T(""), 0, "printf", "%s;", "a b", "$HOME", "`x`"), 0);
    assert_output(w, "a b;$HOME;`x`;"); /* no shell */
    assert_int_equal(PROGRAM(w, T(""), 0, "sh", "-c", "printf %s \"$EDDA_IDEMPOTENCY_KEY\""), 0);
    assert_output(w, "0123456789abcdef0123456789abcdef");
    assert_int_equal(PROGRAM(w, T("not read"), 0, "true"), 0);
}

static void exit_statuses_mean_something(void **state)
{
    struct world *w = *state;
    assert_int_equal(PROGRAM(w, T(""), 0, "sh", "-c", "exit 3"), EDDA_EREFUSED);
    assert_int_equal(w->result.status, 3);
    assert_string_equal(w->error.message, "sh ended with status 3");
    assert_int_equal(PROGRAM(w, T(""), 0, "sh", "-c", "exit 75"), EDDA_EUNAVAILABLE);
    assert_int_equal(PROGRAM(w, T(""), 0, "sh", "-c", "kill -9 $$"), EDDA_EUNAVAILABLE);
    assert_int_equal(w->result.status, 128 + 9);
    assert_int_equal(PROGRAM(w, T(""), 0, "no-such-program-at-all"), EDDA_EREFUSED);
    assert_non_null(strstr(w->error.message, "no-such-program-at-all cannot be run"));
}

static void large_input_and_output_pass_through(void **state)
{
    struct world *w = *state;
    size_t len = 3 << 20;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)('a' + i % 23);
    assert_int_equal(PROGRAM(w, ((struct edda_text){ bytes, len }), 0, "cat"), 0);
    assert_int_equal(w->result.output.len, len);
    assert_memory_equal(w->result.output.data, bytes, len);
    free(bytes);
    assert_int_equal(PROGRAM(w, T(""), 0, "head", "-c", "17000000", "/dev/zero"), EDDA_EREFUSED);
    assert_non_null(strstr(w->error.message, "16 MiB"));
}

static void a_program_and_what_it_began_end_with_its_time(void **state)
{
    struct world *w = *state;
    assert_int_equal(PROGRAM(w, T(""), 200, "sh", "-c", "sleep 100 & echo $!; wait"), EDDA_EUNAVAILABLE);
    assert_in_range(w->took_ms, 200, 5000);
    assert_string_equal(w->error.message, "sh did not end within 200 ms");
    /* One that does not listen to SIGTERM is killed. */
    assert_int_equal(PROGRAM(w, T(""), 200, "sh", "-c", "trap '' TERM; while :; do sleep 1; done"), EDDA_EUNAVAILABLE);
    assert_in_range(w->took_ms, 1000, 10000);
}

static void what_a_program_leaves_behind_is_not_waited_for(void **state)
{
    struct world *w = *state;
    assert_int_equal(PROGRAM(w, T(""), 0, "sh", "-c", "echo begun; sleep 15 &"), 0);
    assert_in_range(w->took_ms, 0, 5000);
    assert_output(w, "begun\n");
}

static void what_a_program_leaves_behind_may_write_for_ever(void **state)
{
    struct world *w = *state;
    char kill[64];
    int64_t from_ns = io_clock_boot_ns(w->io);
    assert_int_equal(PROGRAM(w, T(""), 10000, "sh", "-c", "echo $$; yes & yes & yes & exit 0"), 0);
    assert_in_range((io_clock_boot_ns(w->io) - from_ns) / 1000000, 0, 9000);
    /* It has lost its reader, and ends by itself; if not, it ends here. */
    (void)snprintf(kill, sizeof kill, "kill -9 -%ld 2>&1 || true", strtol(w->result.output.data, NULL, 10));
    assert_int_equal(PROGRAM(w, T(""), 0, "sh", "-c", kill), 0);
}

static void programs_inherit_three_descriptors(void **state)
{
    struct world *w = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(PROGRAM(w, T(""), 0, "ls", "/proc/self/fd"), 0);
    assert_output(w, "0\n1\n2\n3\n"); /* the last is the directory */
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* As under a parent that ignores the ends of its children. */
static void an_end_that_nobody_saw_is_no_success(void **state)
{
    struct world *w = *state;
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    int rc = PROGRAM(w, T(""), 0, "sh", "-c", "exit 1");
    (void)signal(SIGCHLD, before);
    assert_int_equal(rc, EDDA_EUNAVAILABLE);
    assert_non_null(strstr(w->error.message, "nobody knows how"));
}

static void a_stop_ends_a_program_after_its_grace(void **state)
{
    struct world *w = *state;
    const char *const arguments[] = { "sleep", "100", NULL };
    int64_t from_ns = begin_program(w, T(""), 0, arguments);
    io_shutdown(w->io);
    assert_int_equal(finish(w, from_ns), EDDA_ECLOSED);
    assert_in_range(w->took_ms, OUTSIDE_GRACE_MS, OUTSIDE_GRACE_MS + 5000);
    assert_int_equal(PROGRAM(w, T(""), 0, "true"), EDDA_ECLOSED);
}

/* --- e-mail --------------------------------------------------------------------------------------------------- */

static const char *text_of(const struct edda_mail *mail, struct edda_text from)
{
    static struct buffer out;
    buffer_deinit(&out);
    buffer_init(&out, 0);
    assert_true(mail_text(mail, from, KEY, INT64_C(1709210096789), &out));
    return buffer_cstr(&out);
}

static void a_plain_mail_is_as_the_standard_says(void **state)
{
    (void)state;
    assert_string_equal(text_of(&(struct edda_mail){ .to = T("a@b.example, C <c@d.example>"), .subject = T("Sold out"), .text = T("one\ntwo\r\nthree") },
                                T("Shop <shop@example.com>")),
                        "Date: Thu, 29 Feb 2024 12:34:56 +0000\r\n"
                        "From: Shop <shop@example.com>\r\n"
                        "To: a@b.example,\r\n  C <c@d.example>\r\n"
                        "Subject: Sold out\r\n"
                        "Message-ID: <0123456789abcdef0123456789abcdef@example.com>\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
                        "one\r\ntwo\r\nthree\r\n");
}

static void what_is_not_ascii_is_encoded(void **state)
{
    (void)state;
    const char *text = text_of(&(struct edda_mail){ .to = T("a@b"), .subject = T("재고가 없습니다 – ausverkauft – 在庫切れ"), .text = T("grüße") }, T("s@t"));
    assert_non_null(strstr(text, "Subject: =?UTF-8?B?7J6s6rOg6rCAIOyXhuyKteuLiOuLpCDigJMgYXVzdmVya2F1ZnQg4oCT?=\r\n =?UTF-8?B?"));
    assert_non_null(strstr(text, "Content-Transfer-Encoding: base64\r\n\r\nZ3LDvMOfZQ==\r\n"));
    text = text_of(&(struct edda_mail){ .to = T("a@b"), .subject = T("=?UTF-8?B?eA==?=") }, T("s@t"));
    assert_null(strstr(text, "Subject: =?UTF-8?B?eA==?="));
    for (const char *line = text; *line; line = strstr(line, "\r\n") + 2)
        assert_true(strcspn(line, "\r\n") <= 998);
}

static void addresses_are_taken_from_their_list(void **state)
{
    (void)state;
    struct edda_text list = T(" a@b ,\"Smith, J\" <j@s>,, Dr <d@e> "), address;
    const char *const expected[] = { "a@b", "j@s", "d@e" };
    for (size_t i = 0; i < 3; i++) {
        assert_true(mail_address(&list, &address));
        assert_true(edda_text_is(address, expected[i]));
    }
    assert_false(mail_address(&list, &address));
}

static void mails_become_files_once_for_each_key(void **state)
{
    struct world *w = *state;
    struct edda_mail mail = { .to = T("a@b"), .subject = T("hello"), .text = T("a long text at first") };
    char path[128], bytes[1024];
    struct io_file *file;
    size_t len;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(finish(w, begin(w, &(struct edda_outside_call){ .mail = &mail })), 0);
        mail.text = T("again");
    }
    (void)snprintf(path, sizeof path, "%s/%.32s.eml", w->dir, KEY.data);
    assert_int_equal(io_file_open(w->io, path, IO_READ, &file, NULL), 0);
    assert_int_equal(io_file_read(w->io, file, bytes, sizeof bytes - 1, 0, &len), 0);
    io_file_close(w->io, file);
    bytes[len] = '\0';
    assert_non_null(strstr(bytes, "From: Shop <shop@example.com>\r\n"));
    assert_string_equal(strstr(bytes, "\r\n\r\n"), "\r\n\r\nagain\r\n");
}

static void a_mail_to_nobody_is_not_sent(void **state)
{
    struct world *w = *state;
    static const char *const nobody[] = { "Anna@Home <>", "<> @", ",@,<>,", "a b@c", "a@b,nobody" };
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        struct edda_mail mail = { .to = edda_text_of(nobody[i]), .subject = T("hello") };
        assert_int_equal(finish(w, begin(w, &(struct edda_outside_call){ .mail = &mail })), EDDA_EINVAL);
        assert_string_equal(w->error.field, "to");
    }
}

static void wrong_options_are_named(void **state)
{
    struct world *w = *state;
    const struct outside_options wrong[] = {
        { .io = w->io, .smtp = "localhost" },
        { .io = w->io, .smtp = "http://localhost:25" },
        { .io = w->io, .smtp = "local host:25" },
        { .io = w->io, .mail_from = "nobody" },
        { .io = w->io, .smtp = "localhost:25", .mail_dir = w->dir },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct outside *outside;
        assert_int_equal(outside_new(&wrong[i], &outside, &w->error), EDDA_EINVAL);
        assert_true(w->error.message[0]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(programs_get_input_arguments_and_key),
        TEST(exit_statuses_mean_something),
        TEST(large_input_and_output_pass_through),
        TEST(a_program_and_what_it_began_end_with_its_time),
        TEST(what_a_program_leaves_behind_is_not_waited_for),
        TEST(what_a_program_leaves_behind_may_write_for_ever),
        TEST(programs_inherit_three_descriptors),
        TEST(an_end_that_nobody_saw_is_no_success),
        TEST(a_stop_ends_a_program_after_its_grace),
        TEST(a_plain_mail_is_as_the_standard_says),
        TEST(what_is_not_ascii_is_encoded),
        TEST(addresses_are_taken_from_their_list),
        TEST(mails_become_files_once_for_each_key),
        TEST(a_mail_to_nobody_is_not_sent),
        TEST(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
