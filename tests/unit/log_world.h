/*
 * What the tests of the log share: a world (an io and a directory in it) with the log that is open there, and short forms of the calls, which fail the
 * test when the call fails.
 */
#ifndef EDDA_TESTS_UNIT_LOG_WORLD_H
#define EDDA_TESTS_UNIT_LOG_WORLD_H

#include "support.h"

#include "base/buffer.h"
#include "io/simulated.h"
#include "log/format.h"
#include "log/log.h"

#define SEGMENT_BYTES (UINT64_C(64) << 10)
#define S_NS INT64_C(1000000000)
#define PATH_BYTES 256
#define NOTE_FILE "durable"
#define FIRST "0000000000000001.seg"
#define SECOND "0000000000000002.seg"

struct world {
    struct io *io;
    bool simulated;
    char dir[64];
    struct log_options options;
    struct log *log;
    struct log_recovery recovery;
    struct edda_error error;
};

/* The one that the running test has. */
extern struct world w;

/* Damage, formats and salvage: log_damage.c. Returns how many failed. */
int log_damage_run(void);

int setup_simulated(void **state);
int setup_posix(void **state);
int teardown(void **state);
int try_open(void);
void open_log(void);
void close_log(void);
/* As if the process had died. */
void leave_log(void);
/* Opening fails with this code, and its message has these words in it. */
void expect_refused(int code, const char *words);
/* The address of the frame. */
log_address append(struct slice body, uint32_t positions);
log_address append_text(const char *text);
/* What log_flush_end() returned. */
int flush(void);
void flush_well(void);
/* One frame, durable. */
log_address put(const char *text);
struct log_frame read_at(log_address address, struct buffer *scratch);
void expect_text(log_address address, const char *text);
/* For log_scan(): counts frames, in a size_t. */
int count_frame(void *user, const struct log_frame *frame);
/* Those that are durable. */
size_t count_frames(void);
/* For log_scan() and log_verify(): counts what is told, in a size_t. */
void count_damage(void *user, const char *segment, uint64_t from, uint64_t to, const char *reason);
/* Bytes of a file of the log, below the api. */
struct io_file *file_open(const char *name, unsigned flags);
void file_get(const char *name, uint64_t offset, void *bytes, size_t len);
void file_put(const char *name, uint64_t offset, const void *bytes, size_t len);
void file_flip(const char *name, uint64_t offset);
void file_remove(const char *name);
/* Fills the log with frames of 1,000 bytes, each a flush, until it has so many segments; how many frames that took. */
size_t fill_segments(size_t segments);

#define BOTH(test) \
    cmocka_unit_test_setup_teardown(test, setup_simulated, teardown), \
    { #test " (posix)", test, setup_posix, teardown, NULL }
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup_simulated, teardown)
#define POSIX(test) cmocka_unit_test_setup_teardown(test, setup_posix, teardown)

#endif
