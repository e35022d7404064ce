/* gather: see gather.h. */
#include "server/gather.h"

#define AVERAGE_OF 8

/* One slow sync shall not make the next ones wait. */
static int64_t average(int64_t before_ns, int64_t sync_ns)
{
    if (before_ns == 0)
        return sync_ns;
    sync_ns = sync_ns < 2 * before_ns ? sync_ns : 2 * before_ns;
    return before_ns + (sync_ns - before_ns) / AVERAGE_OF;
}

void gather_begin(struct gather *gather, uint32_t answered, int64_t sync_ns, int64_t now_ns)
{
    gather->round++;
    gather->answered = sync_ns > 0 ? answered : 0;
    gather->returned = gather->seen = 0;
    gather->vain -= gather->vain > 0;
    gather->sync_ns = sync_ns > 0 ? average(gather->sync_ns, sync_ns) : gather->sync_ns;
    gather->since_ns = gather->last_ns = now_ns;
    gather->waiting = false;
}

void gather_return(struct gather *gather, uint32_t round)
{
    gather->returned += round == gather->round;
}

bool gather_waits(struct gather *gather, int64_t now_ns)
{
    if (gather->answered < 2 || gather->vain > 0 || gather->returned >= gather->answered)
        return gather->waiting = false;
    if (gather->returned != gather->seen) {
        gather->seen = gather->returned;
        gather->last_ns = now_ns;
    }
    if (now_ns - gather->since_ns < gather->sync_ns && now_ns - gather->last_ns < gather->sync_ns / 4)
        return gather->waiting = true;
    if (gather->returned < gather->answered / 2)
        gather->vain = GATHER_VAIN_FLUSHES;
    return gather->waiting = false;
}
