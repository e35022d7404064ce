/*
 * Pools: the threads that the steps of a blocking row run on, and what else those of an effect wait for: the rate of its row, and its breaker. A
 * pool belongs to one row. Lanes wait in it in the order in which they came; none of this waiting is a failure.
 *
 * The rate is virtual scheduling by log time: each step pays 1/per_second of a second, and may begin as long as what is paid ahead is at most a second's worth.
 *
 * The breaker:  CLOSED --failures in a row--> OPEN --its time is over, one step begins--> TRYING --it works--> CLOSED
 *                                                                                         TRYING --it does not--> OPEN
 */
#include "engine/internal.h"

#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define ALL_ROWS "*" /* stands for the message type of what all rows of a remote service share */
#define TIMEOUT_DEFAULT_MS 30000
#define BREAKER_FAILURES_DEFAULT 5
#define BREAKER_DEFAULT_MS 10000

static struct edda_effect effect_of(const struct edda_effect *def)
{
    struct edda_effect effect = *def;
    effect.threads = effect.threads ? effect.threads : 1;
    effect.timeout_ms = effect.timeout_ms ? effect.timeout_ms : TIMEOUT_DEFAULT_MS;
    effect.breaker_failures = effect.breaker_failures ? effect.breaker_failures : BREAKER_FAILURES_DEFAULT;
    effect.breaker_ms = effect.breaker_ms ? effect.breaker_ms : BREAKER_DEFAULT_MS;
    return effect;
}

static bool is_remote(const struct pool *pool)
{
    return strcmp(pool->name, ALL_ROWS) == 0;
}

/* The pool of a remote service that another of its rows has made; NULL: none has yet. */
static struct pool *remote_pool(const struct engine *engine, const struct edda_service *def)
{
    for (uint32_t i = 0; i < engine->pool_count; i++)
        if (engine->pools[i].def == def && is_remote(&engine->pools[i]))
            return &engine->pools[i];
    return NULL;
}

int pool_of_row(struct service *service, const struct edda_service *def, const struct edda_row *row, struct pool **ret_pool, struct edda_error *error)
{
    struct engine *engine = service->engine;
    bool remote = !row->handle && def->remote;
    if (remote && (row->effect || row->blocking))
        return edda_fail_with(error, EDDA_EINVAL, "service %s: %s is handled by a remote service, whose threads are .remote->effect.threads", def->name,
                              row->type->name);
    *ret_pool = remote ? remote_pool(engine, def) : NULL;
    if (*ret_pool)
        return 0;
    const struct edda_effect *effect = remote ? &def->remote->effect : row->effect;
    uint32_t threads = effect ? effect->threads : row->blocking;
    if (threads > 1024)
        return edda_fail_with(error, EDDA_EINVAL, "service %s wants %u threads for %s; at most 1024", service->def->name, threads, row->type->name);
    if (effect && row->blocking)
        return edda_fail_with(error, EDDA_EINVAL, "service %s: %s is an effect, whose threads are .effect->threads and not .blocking",
                              service->def->name, row->type->name);
    if (effect && !engine->options.outside)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "service %s handles %s by what is outside, and nothing here does that", def->name,
                              row->type->name);
    if (!effect && !row->blocking)
        return 0;
    struct pool *pool = &engine->pools[engine->pool_count++];
    *pool = (struct pool){ .engine = engine, .service = service, .def = def, .name = remote ? ALL_ROWS : row->type->name, .threads = row->blocking };
    list_init(&pool->waiting);
    if (effect) {
        pool->outside = true;
        pool->effect = effect_of(effect);
        pool->threads = pool->effect.threads;
    }
    *ret_pool = pool;
    return 0;
}

/* --- who may begin --------------------------------------------------------------------------------------- */

/* When the rate lets the next step begin. */
static int64_t rate_free_ms(const struct pool *pool)
{
    if (!pool->effect.per_second)
        return 0;
    int64_t ahead_ns = NS_PER_S - NS_PER_S / pool->effect.per_second;
    return (pool->paid_until_ns - ahead_ns + NS_PER_MS - 1) / NS_PER_MS;
}

/* When the next step may begin as far as that is a question of time; INT64_MAX: it is not. */
static int64_t free_ms(const struct pool *pool)
{
    if (pool->breaker == BREAKER_TRYING)
        return INT64_MAX;
    int64_t rate = rate_free_ms(pool);
    return pool->breaker == BREAKER_OPEN && pool->open_until_ms > rate ? pool->open_until_ms : rate;
}

bool pool_may_begin(const struct pool *pool, int64_t now_ms)
{
    return pool->running < pool->threads && (!pool->outside || now_ms >= free_ms(pool));
}

void pool_begin(struct pool *pool, struct edda_step *step)
{
    pool->running++;
    if (!pool->outside)
        return;
    if (pool->effect.per_second) {
        int64_t now_ns = journal_time_ms(pool->engine->journal) * NS_PER_MS;
        int64_t from_ns = pool->paid_until_ns > now_ns ? pool->paid_until_ns : now_ns;
        pool->paid_until_ns = from_ns + NS_PER_S / pool->effect.per_second;
    }
    if (pool->breaker == BREAKER_OPEN) {
        pool->breaker = BREAKER_TRYING;
        step->trial = true;
    }
}

void pool_wait(struct pool *pool, struct lane *lane)
{
    lane->state = LANE_WAITING_TURN;
    list_push_back(&pool->waiting, &lane->ready);
}

void pool_wake(struct pool *pool)
{
    struct engine *engine = pool->engine;
    if (list_empty(&pool->waiting) || pool->running >= pool->threads)
        return;
    if (!pool->outside || pool_may_begin(pool, journal_time_ms(engine->journal))) {
        lane_go_on(container_of(list_pop_front(&pool->waiting), struct lane, ready));
        return;
    }
    int64_t at_ms = free_ms(pool);
    if (at_ms < engine->pools_wake_ms)
        engine->pools_wake_ms = at_ms;
}

void pools_wake(struct engine *engine, int64_t now_ms)
{
    if (now_ms < engine->pools_wake_ms)
        return;
    engine->pools_wake_ms = INT64_MAX;
    for (uint32_t i = 0; i < engine->pool_count; i++)
        pool_wake(&engine->pools[i]);
}

/* --- the breaker ----------------------------------------------------------------------------------------- */

static void breaker_open(struct pool *pool, const struct edda_step *step)
{
    bool again = pool->breaker == BREAKER_TRYING;
    pool->breaker = BREAKER_OPEN;
    pool->open_until_ms = journal_time_ms(pool->engine->journal) + pool->effect.breaker_ms;
    if (!again)
        engine_log(pool->engine, "breaker.opened", "service %s, %s: %u steps in a row found the outside unavailable (%s); one is tried every %u ms",
                   pool->def->name, pool->name, pool->failures_in_row,
                   step->outside_error.code ? step->outside_error.message : step->error.message, pool->effect.breaker_ms);
    await_accept_pool(pool);
}

static void breaker_count(struct pool *pool, const struct edda_step *step)
{
    bool failed = step->unavailable || step->code == EDDA_EUNAVAILABLE;
    bool worked = !failed && !step->interrupted && (step->effects.begun || (step->code == 0 && !step->skipped));
    if (failed) {
        pool->failures_in_row += pool->failures_in_row < UINT32_MAX - 1;
        if (step->trial || (pool->breaker == BREAKER_CLOSED && pool->failures_in_row >= pool->effect.breaker_failures))
            breaker_open(pool, step);
    } else if (worked) {
        pool->failures_in_row = 0;
        if (step->trial) {
            pool->breaker = BREAKER_CLOSED;
            engine_log(pool->engine, "breaker.closed", "service %s, %s: the outside is there again", pool->def->name, pool->name);
        }
    } else if (step->trial) {
        pool->breaker = BREAKER_OPEN; /* it has not tried: the next one does, at once */
    }
}

void pool_end(struct pool *pool, const struct edda_step *step)
{
    pool->running--;
    if (!pool->outside)
        return;
    pool->counts.begun += step->effects.begun;
    pool->counts.succeeded += step->effects.succeeded;
    pool->counts.failed += step->effects.failed;
    pool->counts.refused += step->effects.refused;
    breaker_count(pool, step);
}

bool pool_holds(const struct pool *pool, int code)
{
    return pool && pool->outside && code == EDDA_EUNAVAILABLE && pool->breaker != BREAKER_CLOSED;
}

/* --- looking --------------------------------------------------------------------------------------------- */

bool engine_effect(const struct engine *engine, size_t ordinal, struct engine_effect_info *ret_info)
{
    for (uint32_t i = 0; i < engine->pool_count; i++) {
        const struct pool *pool = &engine->pools[i];
        if (!pool->outside || ordinal-- > 0)
            continue;
        *ret_info = (struct engine_effect_info){
            .service = pool->def, .type = pool->name, .counts = pool->counts, .running = pool->running,
            .breaker_open = pool->breaker != BREAKER_CLOSED,
        };
        for (const struct list *link = pool->waiting.next; link != &pool->waiting; link = link->next)
            ret_info->waiting++;
        return true;
    }
    return false;
}
