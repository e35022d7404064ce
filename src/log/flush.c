/*
 * Flushing. log_flush_begin() hands out what was sequenced; log_flush_run() encodes it, and for each segment that it touches, in order, writes it
 * with one write and syncs it. A segment is therefore durable, with its footer, before the header of the next is
 * written: wherever a whole header stands, the segment before it is whole or damaged, never torn.
 *
 * What can go wrong: a write or a sync fails. Then nothing is known of what the disk holds, a later sync that succeeds proves
 * nothing, and frames behind may refer to this one. So it is final: this flush and all later ones fail,
 * and the log is broken.
 */
#include <stdlib.h>

#include "base/crc32c.h"
#include "log/parts.h"

bool log_flush_wanted(const struct log *log)
{
    return !log->broken && log->open->frame_count > 0 && log->under_way_count < LOG_FLUSHES_MAX;
}

static struct log_flush *flush_idle(struct log *log)
{
    for (size_t i = 0; i < LOG_FLUSHES_MAX + 1; i++) {
        struct log_flush *f = &log->flushes[i];
        bool used = f == log->open;

        for (size_t k = 0; k < log->under_way_count; k++)
            used = used || f == log->under_way[k];
        if (!used)
            return f;
    }
    return NULL;
}

struct log_flush *log_flush_begin(struct log *log)
{
    struct log_flush *f = log->open;

    if (log->open->frame_count == 0 || log->under_way_count == LOG_FLUSHES_MAX)
        return NULL;
    log->under_way[log->under_way_count++] = f;
    log->open = flush_idle(log);
    ASSERT(log->open && log->open->frame_count == 0);
    f->result = 0;
    ahead_yield(f);
    return f;
}

static void frame_encode(struct log_flush *f, struct pending *p, uint32_t seed)
{
    struct log *log = f->log;
    uint32_t crc = 0;

    for (size_t i = 0; i < p->body_parts; i++)
        crc = crc32c_extend(crc, f->parts[p->first_part + 1 + i]);
    p->header.body_crc = crc;
    p->header.previous = log->runner.chain;
    p->header.durable = log->runner.durable;
    frame_header_encode(p->bytes, seed, &p->header);
    f->parts[p->first_part] = slice_of(p->bytes, sizeof(p->bytes));
    log->runner.chain = p->header.crc;
}

static int extent_write(struct log_flush *f, struct extent *e, bool last)
{
    struct log *log = f->log;
    bool sync = !log->sync_off || !last; /* also without syncs, a segment is durable before the next begins */
    int r;

    if (e->with_header) {
        struct segment_header h = segment_header_of(log, e->segment, log->runner.chain);

        segment_header_encode(e->header, &h);
        f->parts[e->first_part] = slice_of(e->header, sizeof(e->header));
        log->runner.chain = h.crc;
    }
    for (size_t i = 0; i < e->frame_count; i++)
        frame_encode(f, &f->frames[e->first_frame + i], e->segment->seed);
    r = io_file_write(log->io, e->segment->file, f->parts + e->first_part, e->part_count, e->from);
    if (r == 0 && sync)
        r = io_file_sync(log->io, e->segment->file);
    if (r == 0 && atomic_load(&log->zeroing_failed))
        r = EDDA_EIO;
    if (r == 0 && sync)
        log->runner.durable = e->segment->first_address + e->from + e->bytes;
    return r;
}

void log_flush_run(struct log_flush *f)
{
    struct log *log = f->log;
    int r = log->runner.failed || atomic_load(&log->zeroing_failed) ? EDDA_EIO : 0;

    if (r == 0)
        ahead_wait(f);
    for (size_t i = 0; r == 0 && i < f->extent_count; i++)
        r = extent_write(f, &f->extents[i], i + 1 == f->extent_count);
    if (r < 0)
        log->runner.failed = true;
    f->result = r;
}

static void flush_clear(struct log_flush *f)
{
    f->part_count = f->frame_count = f->extent_count = 0;
    f->bytes = 0;
}

/* Files of segments that are sealed and durable are written no more. */
static void sealed_files_close(struct log_flush *f)
{
    for (size_t i = 0; i < f->extent_count; i++) {
        struct segment *segment = f->extents[i].segment;

        if (segment->sealed && i + 1 < f->extent_count) {
            io_file_close(f->log->io, segment->file);
            segment->file = NULL;
        }
    }
}

int log_flush_end(struct log *log, struct log_flush *f, struct edda_error *error)
{
    int r = f->result;

    ASSERT(log->under_way_count > 0 && log->under_way[0] == f);
    log->under_way_count--;
    for (size_t i = 0; i < log->under_way_count; i++)
        log->under_way[i] = log->under_way[i + 1];
    if (r < 0) {
        log->broken = true;
        flush_clear(f);
        return edda_fail_with(error, EDDA_EIO, "writing to the log failed (%s); what was not acknowledged is in doubt",
                              edda_code_info(r)->sentence);
    }
    ASSERT(f->end > log_durable_end(log));
    sealed_files_close(f);
    atomic_store_explicit(&log->durable_end, f->end, memory_order_release);
    log->durable_position = f->end_position;
    log->flush_average = (7 * log->flush_average + f->bytes) / 8;
    note_write(log, f->end_time_ms);
    ahead_want(log);
    flush_clear(f);
    return 0;
}
