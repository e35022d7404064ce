/*
 * The simulated clock and the jobs. A job runs when it is submitted, on a clock of its own that
 * starts at the submitter's time and that its sleeps move; only its end lies in the future. The
 * pools of one thread end their jobs in order, though each job starts at once.
 *
 * Time passes by io_simulated_advance(), and in io_jobs_wait(), which without that would be the
 * one call that can never return.
 */
#include "base/assert.h"
#include "io/simulated_parts.h"

void sim_clock_reset(struct io_simulated *s)
{
    ASSERT(list_empty(&s->jobs));
    s->now_ns = s->boot_at_ns = 0;
    s->wall_offset_ns = s->options.wall_start_ns;
    s->job_elapsed_ns = 0;
    s->shut_down = false;
    memset(s->pool_done_at_ns, 0, sizeof(s->pool_done_at_ns));
}

void sim_clock_crash(struct io_simulated *s, bool machine)
{
    ASSERT(!s->in_job);
    while (list_pop_front(&s->jobs))
        continue;
    if (machine)
        s->boot_at_ns = s->now_ns;
    s->shut_down = false;
    memset(s->pool_done_at_ns, 0, sizeof(s->pool_done_at_ns));
}

int64_t sim_clock_wall_ns(struct io *io)
{
    struct io_simulated *s = sim_of(io);

    return s->now_ns + s->wall_offset_ns + s->job_elapsed_ns;
}

int64_t sim_clock_boot_ns(struct io *io)
{
    struct io_simulated *s = sim_of(io);

    return s->now_ns - s->boot_at_ns + s->job_elapsed_ns;
}

void io_simulated_advance(struct io *io, int64_t duration_ns)
{
    struct io_simulated *s = sim_of(io);

    ASSERT(!s->in_job && duration_ns >= 0);
    s->now_ns += duration_ns;
}

void io_simulated_wall_step(struct io *io, int64_t delta_ns)
{
    sim_of(io)->wall_offset_ns += delta_ns;
}

static int64_t job_latency_ns(struct io_simulated *s, enum io_pool pool)
{
    const struct io_simulated_options *o = &s->options;
    uint64_t range;

    if (pool == IO_POOL_HANDLERS)
        return 1 + (int64_t)prng_below(&s->prng, (uint64_t)o->handler_latency_max_ns);
    range = (uint64_t)(o->sync_latency_max_ns - o->sync_latency_min_ns) + 1;
    return o->sync_latency_min_ns + (int64_t)prng_below(&s->prng, range);
}

/* Puts the job behind all that end no later. */
static void job_insert(struct io_simulated *s, struct io_job *job)
{
    struct list *place = &s->jobs;

    while (place->prev != &s->jobs &&
           container_of(place->prev, struct io_job, link)->done_at_ns > job->done_at_ns)
        place = place->prev;
    list_insert_before(place, &job->link);
}

void sim_job_submit(struct io *io, enum io_pool pool, struct io_job *job)
{
    struct io_simulated *s = sim_of(io);
    int64_t *pool_done_at_ns = &s->pool_done_at_ns[pool];

    ASSERT(!s->in_job);
    s->in_job = true;
    job->run(job);
    job->done_at_ns = sim_clock_boot_ns(io) + job_latency_ns(s, pool);
    s->in_job = false;
    s->job_elapsed_ns = 0;
    if (pool != IO_POOL_HANDLERS) {
        if (job->done_at_ns < *pool_done_at_ns)
            job->done_at_ns = *pool_done_at_ns;
        *pool_done_at_ns = job->done_at_ns;
    }
    job_insert(s, job);
}

int64_t io_simulated_next_job_ns(struct io *io)
{
    struct io_simulated *s = sim_of(io);

    return list_empty(&s->jobs) ? INT64_MAX : container_of(s->jobs.next, struct io_job, link)->done_at_ns;
}

size_t sim_jobs_finish(struct io *io)
{
    struct io_simulated *s = sim_of(io);
    uint64_t life = s->life;
    size_t count = 0;

    ASSERT(!s->in_job);
    /* A job ends later than it was submitted, so that what `done` submits is not finished here. */
    while (s->life == life && io_simulated_next_job_ns(io) <= sim_clock_boot_ns(io)) {
        struct io_job *job = container_of(list_pop_front(&s->jobs), struct io_job, link);

        count++;
        job->done(job);
    }
    return count;
}

int sim_jobs_wait(struct io *io, int64_t timeout_ns)
{
    struct io_simulated *s = sim_of(io);
    int64_t next_ns = io_simulated_next_job_ns(io);
    int64_t left_ns = next_ns - sim_clock_boot_ns(io);

    ASSERT(!s->in_job);
    if (next_ns == INT64_MAX && timeout_ns < 0)
        return 0;
    if (timeout_ns >= 0 && left_ns > timeout_ns) {
        s->now_ns += timeout_ns;
        return 0;
    }
    if (left_ns > 0)
        s->now_ns += left_ns;
    return 1;
}

int sim_wake_fd(struct io *io)
{
    (void)io;
    return -1;
}

bool sim_sleep(struct io *io, int64_t duration_ns)
{
    struct io_simulated *s = sim_of(io);

    ASSERT(s->in_job);
    if (s->shut_down)
        return false;
    if (duration_ns > 0)
        s->job_elapsed_ns += duration_ns;
    return true;
}

void sim_shutdown(struct io *io)
{
    sim_of(io)->shut_down = true;
}
