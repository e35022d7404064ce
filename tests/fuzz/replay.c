/*
 * Runs a fuzz target without a fuzzer: over files and the files of directories as they are, then over random
 * mutations of them. So the corpus and some noise are part of every test run, and a crash that a fuzzer
 * has found is run again by naming its file.
 *
 *     fuzz_json [-seed=N] [-runs=N] path...
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/prng.h"
#include "fuzz.h"

#define INPUTS_MAX 4096
#define INPUT_BYTES_MAX ((size_t)1 << 20)

static struct buffer inputs[INPUTS_MAX];
static size_t input_count;

/* The input that is running, to be printed when it breaks something. */
static struct slice running;

static bool file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buffer bytes;
    uint8_t chunk[4096];
    size_t len;
    if (!file || input_count == INPUTS_MAX) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    buffer_init(&bytes, INPUT_BYTES_MAX);
    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(&bytes, chunk, len);
    fclose(file);
    inputs[input_count++] = bytes;
    return buffer_ok(&bytes);
}

/* An abort prints the input as a string of C, so that it can be run again without repeating all before it. */
static void abort_caught(int number)
{
    (void)number;
    fputs("input: \"", stderr);
    for (size_t i = 0; i < running.len; i++)
        fprintf(stderr, "\\x%02x", running.data[i]);
    fputs("\"\n", stderr);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of a directory in the order of their names, which differs from file system to file system otherwise. */
static bool directory_read(DIR *directory, const char *path)
{
    static char *names[INPUTS_MAX];
    size_t count = 0;
    bool ok = true;
    for (const struct dirent *entry = readdir(directory); entry && count < INPUTS_MAX; entry = readdir(directory)) {
        size_t size = strlen(path) + strlen(entry->d_name) + 2;
        if (entry->d_name[0] == '.')
            continue;
        names[count] = malloc(size);
        if (!names[count])
            abort();
        snprintf(names[count++], size, "%s/%s", path, entry->d_name);
    }
    qsort(names, count, sizeof(names[0]), name_compare);
    for (size_t i = 0; i < count; i++) {
        ok = file_read(names[i]) && ok;
        free(names[i]);
    }
    return ok;
}

static bool path_read(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return file_read(path);
    bool ok = directory_read(directory, path);
    closedir(directory);
    return ok;
}

/* Exactly as many bytes as the input has, so that a sanitizer sees a read behind them. */
static void input_run(struct slice input)
{
    uint8_t *copy = malloc(input.len ? input.len : 1);
    if (!copy)
        abort();
    if (input.len)
        memcpy(copy, input.data, input.len);
    running = slice_of(copy, input.len);
    (void)LLVMFuzzerTestOneInput(copy, input.len);
    running = slice_of(NULL, 0);
    free(copy);
}

static void splice(struct prng *random, struct buffer *bytes)
{
    struct slice other = buffer_slice(&inputs[prng_below(random, input_count)]);
    if (other.len == 0)
        return;
    size_t from = (size_t)prng_below(random, other.len);
    size_t len = (size_t)prng_below(random, other.len - from) + 1;
    size_t at = (size_t)prng_below(random, bytes->len + 1);
    size_t tail = bytes->len - at;
    if (!buffer_extend(bytes, len))
        return;
    memmove(bytes->data + at + len, bytes->data + at, tail);
    memcpy(bytes->data + at, other.data + from, len);
}

static void mutate(struct prng *random, struct buffer *bytes)
{
    size_t at = bytes->len ? (size_t)prng_below(random, bytes->len) : 0;
    switch (bytes->len ? prng_below(random, 6) : 5) {
    case 0: /* a bit */
        bytes->data[at] ^= (uint8_t)(1u << prng_below(random, 8));
        break;
    case 1: /* a byte */
        bytes->data[at] = (uint8_t)prng_u64(random);
        break;
    case 2: /* a byte of its own, elsewhere */
        bytes->data[at] = bytes->data[prng_below(random, bytes->len)];
        break;
    case 3: /* cut the end */
        buffer_truncate(bytes, at);
        break;
    case 4: { /* cut out a part */
        size_t len = (size_t)prng_below(random, bytes->len - at) + 1;
        memmove(bytes->data + at, bytes->data + at + len, bytes->len - at - len);
        buffer_truncate(bytes, bytes->len - len);
        break;
    }
    default: /* put in a part of another one */
        splice(random, bytes);
        break;
    }
}

static void mutations_run(uint64_t seed, unsigned long runs)
{
    struct prng random;
    struct buffer bytes = BUFFER_EMPTY;
    prng_init(&random, seed);
    buffer_init(&bytes, INPUT_BYTES_MAX);
    for (unsigned long i = 0; i < runs; i++) {
        buffer_clear(&bytes);
        buffer_append_slice(&bytes, buffer_slice(&inputs[prng_below(&random, input_count)]));
        for (uint64_t n = 1 + prng_below(&random, 4); n > 0; n--)
            mutate(&random, &bytes);
        if (buffer_ok(&bytes))
            input_run(buffer_slice(&bytes));
    }
    buffer_deinit(&bytes);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    unsigned long runs = 20000;
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoull(argv[i] + 6, NULL, 0);
        else if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoul(argv[i] + 6, NULL, 0);
        else
            ok = path_read(argv[i]) && ok;
    }
    if (input_count == 0 || !ok) {
        fprintf(stderr, "usage: %s [-seed=N] [-runs=N] path...\n", argv[0]);
        return EXIT_FAILURE;
    }
    printf("%zu inputs, then %lu mutations, -seed=%llu\n", input_count, runs, (unsigned long long)seed);
    fflush(stdout);
    signal(SIGABRT, abort_caught);
    for (size_t i = 0; i < input_count; i++)
        input_run(buffer_slice(&inputs[i]));
    mutations_run(seed, runs);
    for (size_t i = 0; i < input_count; i++)
        buffer_deinit(&inputs[i]);
    return EXIT_SUCCESS;
}
