/* nearest: see nearest.h. The distance is that of optimal string alignment: a transposed pair counts once, as it is typed once. */
#include "cmd/nearest.h"

#define WORD_BYTES_MAX 32
#define WRONG_MAX 2

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Row i of `rows` (three that take turns) has the distances of the first i letters of `a` to each beginning of `b`. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *before_that = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            bool same = a.data[i - 1] == b.data[j - 1];
            now[j] = least(least(before[j], now[j - 1]) + 1, before[j - 1] + !same);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                now[j] = least(now[j], before_that[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

struct nearest nearest_to(struct slice word)
{
    return (struct nearest){ .word = word, .wrong = WRONG_MAX + 1 };
}

void nearest_see(struct nearest *nearest, const char *name)
{
    struct slice seen = slice_str(name);
    if (seen.len > WORD_BYTES_MAX || nearest->word.len > WORD_BYTES_MAX)
        return;
    unsigned wrong = distance(nearest->word, seen);
    if (wrong >= nearest->wrong || 2 * wrong >= seen.len)
        return;
    nearest->wrong = wrong;
    nearest->name = name;
}
