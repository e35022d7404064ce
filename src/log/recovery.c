/*
 * Recovery: finding the end of the log at open, and telling a torn tail from damage.
 *
 * Segments are checked by their headers, all but the last also by their footer, which must be the one that the next header
 * names. The last segment is walked frame by frame. Where the walk stops, nothing whole follows in order:
 *
 *   - A frame behind, the header of a later segment, or the note says that this place had been synced: damage, and refused.
 *   - Nothing says so: a tail that a crash tore. What is there is overwritten with zeros, so
 *     that nothing of it is ever taken for a frame again.
 *
 * What a process wrote and did not sync is read back from memory of the system as if it were on the disk; after a failed sync it
 * may even stay there and never get to the disk. So all that is not known to have been synced is written
 * again and synced before it counts as durable.
 *
 * A crash during any of this leaves something that the next recovery ends the same way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/parts.h"

#define COPY_BYTES 16384

/* --- listing ------------------------------------------------------------------------------------------ */

/* The number in the name of a segment, or 0. */
static uint64_t number_of_name(const char *name)
{
    uint64_t number = 0;

    if (strlen(name) != SEGMENT_NAME_BYTES - 1 || strcmp(name + 16, ".seg") != 0)
        return 0;
    for (size_t i = 0; i < 16; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = 10 * number + (uint64_t)(name[i] - '0');
    }
    return number;
}

/* Files that are none of ours are left alone. */
static int listing_entry(void *user, const char *name)
{
    struct log_listing *l = user;
    uint64_t number = number_of_name(name);

    if (!number && l->log && !l->log->read_only)
        rewrite_left_remove(l->log, name);
    if (!number)
        return 0;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 16;
        uint64_t *numbers = realloc(l->numbers, capacity * sizeof(*numbers));

        if (!numbers)
            return EDDA_ENOMEM;
        l->numbers = numbers;
        l->capacity = capacity;
    }
    l->numbers[l->count++] = number;
    return 0;
}

int log_list(struct log *log, struct log_listing *ret_listing, struct edda_error *error)
{
    struct log_listing l = { .log = log };
    int r = io_dir_list(log->io, log->dir, listing_entry, &l);

    if (r < 0) {
        log_listing_deinit(&l);
        return edda_fail_with(error, r, "cannot list the directory %s", log->dir);
    }
    *ret_listing = l;
    return 0;
}

void log_listing_deinit(struct log_listing *l)
{
    free(l->numbers);
}

/* --- headers ------------------------------------------------------------------------------------------ */

int segment_head_read(struct io *io, struct io_file *file, enum head *ret_head, struct segment_header *ret_header)
{
    uint8_t bytes[LOG_SEGMENT_HEADER_BYTES];
    size_t len;
    int r = io_file_read(io, file, bytes, sizeof(bytes), 0, &len);

    if (r < 0)
        return r;
    memset(bytes + len, 0, sizeof(bytes) - len);
    if (zeros_at(bytes, sizeof(bytes)) == sizeof(bytes))
        *ret_head = HEAD_ZERO;
    else
        *ret_head = segment_header_decode(bytes, ret_header) ? HEAD_WHOLE : HEAD_TORN;
    return 0;
}

int segment_format_check(const struct log *log, const struct segment_header *h, uint64_t number, struct edda_error *error)
{
    uint64_t unknown = h->incompatible & ~FORMAT_INCOMPATIBLE;
    char name[SEGMENT_NAME_BYTES];

    segment_name(number, name);
    if (h->format > FORMAT_NUMBER || h->format == 0)
        return edda_fail_with(error, EDDA_EFORMAT,
                              "segment %s was written by Edda %s in format %u; this release, %s, reads formats up to %d: use Edda %s or a later one",
                              name, h->release, h->format, EDDA_VERSION, FORMAT_NUMBER, h->release);
    if (unknown)
        return edda_fail_with(error, EDDA_EFORMAT,
                              "segment %s was written by Edda %s with features 0x%llx, which this release, %s, does not know: use Edda %s or a later one",
                              name, h->release, (unsigned long long)unknown, EDDA_VERSION, h->release);
    if (h->contents != log->contents)
        return edda_fail_with(error, EDDA_EFORMAT,
                              "segment %s was written by Edda %s with records in format %" PRIu32 "; this release, %s, reads format %" PRIu32 ": %s",
                              name, h->release, h->contents, EDDA_VERSION, log->contents,
                              h->contents > log->contents ? "use the release that wrote it, or a later one" : "use the build that wrote it, or take another directory");
    return 0;
}

bool segment_header_sound(const struct segment_header *h)
{
    return h->segment_bytes >= LOG_SEGMENT_BYTES_MIN && h->segment_bytes <= LOG_SEGMENT_BYTES_MAX &&
           h->segment_bytes % FRAME_ALIGNMENT == 0 && h->first_address % FRAME_ALIGNMENT == 0 &&
           h->first_address <= UINT64_MAX / 2 && h->first_position <= UINT64_MAX / 2 && h->created_ms >= 0 && h->created_ms <= FRAME_TIME_MS_MAX;
}

/* Recovery as it goes through the segments. */
struct recovery {
    struct log *log;
    struct log_listing listing;
    const struct note *note;    /* NULL: there is none */
    struct segment *last;       /* with a whole header */
    struct segment_header last_header;
    size_t last_at;             /* in the listing */
    struct io_file *file;       /* of `last`, for reading */
    struct edda_error *error;
};

/* A whole header that is the next one: the segment before must end with the footer that it names. */
static int footer_check(struct recovery *rec, const struct segment_header *next)
{
    struct log *log = rec->log;
    struct segment *segment = rec->last;
    uint64_t used = next->first_address - segment->first_address;
    uint8_t bytes[LOG_FRAME_HEADER_BYTES];
    struct frame_header footer;
    const char *reason;
    size_t len;
    int r;

    if (next->first_address < segment->first_address || used > segment->bytes ||
        used < LOG_SEGMENT_HEADER_BYTES + LOG_FRAME_HEADER_BYTES)
        return segment_damaged(segment, 0, "the segment behind it begins at an address that cannot be", rec->error);
    r = io_file_read(log->io, rec->file, bytes, sizeof(bytes), used - LOG_FRAME_HEADER_BYTES, &len);
    if (r < 0)
        return edda_fail_with(rec->error, r, "cannot read a segment in %s", log->dir);
    reason = len < sizeof(bytes) ? "its footer is missing" : frame_header_decode(bytes, segment->seed, &footer);
    if (!reason && (footer.address != next->first_address - LOG_FRAME_HEADER_BYTES ||
                    !(footer.flags & FRAME_FOOTER) || (segment->rewritten ? segment->footer_was : footer.crc) != next->previous ||
                    footer.first_position != next->first_position))
        reason = "its footer is not the one that the next segment follows";
    if (reason)
        return segment_damaged(segment, used - LOG_FRAME_HEADER_BYTES, reason, rec->error);
    segment->end = used;
    segment->sealed = true;
    segment->freed = footer.stored;
    segment->footer_is = footer.crc;
    return 0;
}

/* Takes the segment with this header, which has been read from `file`. */
static int segment_take(struct recovery *rec, size_t at, const struct segment_header *h, struct io_file *file)
{
    struct log *log = rec->log;
    uint64_t number = rec->listing.numbers[at];
    struct segment *segment;
    int r = segment_format_check(rec->log, h, number, rec->error);

    if (r < 0)
        return r;
    if (!rec->last) {
        memcpy(log->id, h->id, sizeof(log->id));
        if (!front_fits(log, h))
            return edda_fail_with(rec->error, EDDA_ECORRUPT, "the first segment in %s is not the one with which the log begins by its file " FRONT_NAME, log->dir);
        if (h->number == 1 && (h->first_address || h->first_position || h->previous))
            return edda_fail_with(rec->error, EDDA_ECORRUPT, "the first segment in %s does not begin the log", log->dir);
    }
    if (h->number != number || memcmp(log->id, h->id, sizeof(log->id)) != 0 || !segment_header_sound(h))
        return edda_fail_with(rec->error, EDDA_ECORRUPT, "%s/%016llu.seg is a segment of another place or log",
                              log->dir, (unsigned long long)number);
    if (rec->last) {
        r = footer_check(rec, h);
        if (r < 0)
            return r;
    }
    segment = segments_reserve(log) == 0 ? segment_new(log, number, h->segment_bytes) : NULL;
    if (!segment)
        return edda_fail_with(rec->error, EDDA_ENOMEM, "out of memory");
    segment->first_address = h->first_address;
    segment->first_position = h->first_position;
    segment->created_ms = h->created_ms;
    segment->rewritten = h->incompatible & FORMAT_REWRITTEN;
    segment->thinned = h->incompatible & FORMAT_THINNED;
    segment->footer_was = h->footer_was;
    log->has_gaps |= (h->incompatible & (FORMAT_REWRITTEN | FORMAT_GAPS)) != 0;
    segments_add(log, segment);
    io_file_close(log->io, rec->file);
    rec->file = file;
    rec->last = segment;
    rec->last_header = *h;
    rec->last_at = at;
    return 0;
}

static int head_check(struct recovery *rec, size_t at)
{
    struct log *log = rec->log;
    uint64_t number = rec->listing.numbers[at];
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    size_t wanted = rec->last ? rec->last_at + 1 : 0; /* the only place where a header may be torn */
    struct segment_header h;
    struct io_file *file;
    enum head head;
    int r;

    segment_name(number, name);
    if (number != front_number(log) + at)
        return edda_fail_with(rec->error, EDDA_ECORRUPT, "segment %llu is missing in %s; the next one there is %s",
                              (unsigned long long)(front_number(log) + at), log->dir, name);
    r = log_path(log, name, path, rec->error);
    if (r == 0)
        r = io_file_open(log->io, path, IO_READ, &file, rec->error);
    if (r < 0)
        return r;
    r = segment_head_read(log->io, file, &head, &h);
    if (r < 0)
        edda_fail_with(rec->error, r, "cannot read %s", path);
    else if (head != HEAD_ZERO && at != wanted && at > 0)
        r = edda_fail_with(rec->error, EDDA_ECORRUPT, "segment %016llu.seg, byte 0: its header is damaged, "
                           "and there are segments behind it; edda verify lists what is damaged",
                           (unsigned long long)(front_number(log) + wanted));
    else if (head == HEAD_WHOLE)
        r = segment_take(rec, at, &h, file);
    if (rec->file != file)
        io_file_close(log->io, file);
    return r;
}

/* --- the end ------------------------------------------------------------------------------------------- */

/* Opens a segment to go on writing in it, at its whole length. */
static int segment_open(struct log *log, struct segment *segment, struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    uint64_t size;
    int r;

    if (log->read_only)
        return 0;
    segment_name(segment->number, name);
    r = log_path(log, name, path, error);
    if (r == 0)
        r = io_file_open(log->io, path, IO_WRITE, &segment->file, error);
    if (r < 0)
        return r;
    r = io_file_size(log->io, segment->file, &size);
    /* A copy of a log may have been made without the unused end. */
    if (r == 0 && size < segment->bytes)
        r = io_file_allocate(log->io, segment->file, segment->bytes);
    return r < 0 ? edda_fail_with(error, r, "cannot open %s for writing", path) : 0;
}

/* The same for one that has not been used: it keeps the size that it was made with. */
static int next_open(struct log *log, struct segment *segment, struct edda_error *error)
{
    int r;

    if (log->read_only) {
        segment->bytes = LOG_SEGMENT_BYTES_MAX;
        return 0;
    }
    r = segment_open(log, segment, error);
    if (r < 0)
        return r;
    r = io_file_size(log->io, segment->file, &segment->bytes);
    if (r == 0 && segment->bytes < LOG_SEGMENT_BYTES_MIN) {
        segment->bytes = log->segment_bytes;
        r = io_file_allocate(log->io, segment->file, segment->bytes);
    }
    if (r < 0)
        return edda_fail_with(error, r, "cannot make segment %llu in %s", (unsigned long long)segment->number, log->dir);
    if (segment->bytes > LOG_SEGMENT_BYTES_MAX)
        segment->bytes = LOG_SEGMENT_BYTES_MAX;
    segment->bytes -= segment->bytes % FRAME_ALIGNMENT;
    return 0;
}

/* Writes bytes of a file once more, as they are read. */
static int rewrite(struct io *io, struct io_file *file, const uint8_t *data, uint64_t from, uint64_t to)
{
    uint8_t bytes[COPY_BYTES];
    int r = 0;

    while (r == 0 && from < to) {
        size_t part = to - from < sizeof(bytes) ? (size_t)(to - from) : sizeof(bytes);
        struct slice slice = slice_of(bytes, part);

        memcpy(bytes, data + from, part);
        r = io_file_write(io, file, &slice, 1, from);
        from += part;
    }
    return r;
}

/* What a damaged place is refused with. */
static int refuse(const struct segment *segment, uint64_t byte, const char *reason, bool by_note, struct edda_error *error)
{
    char sentence[256];

    snprintf(sentence, sizeof(sentence), "%s, and %s says that it had been synced; edda verify lists what is damaged",
             reason, by_note ? "the file " NOTE_NAME " beside it" : "a frame behind it");
    return segment_damaged(segment, byte, sentence, error);
}

/*
 * Whether what was not whole where `w` stopped is so now: a reader may look while another process writes. Then that was written since, all
 * behind it too, and the log ends here for this reader.
 */
static bool written_since(const struct log *log, const struct walk *w)
{
    struct walk again = *w;
    struct segment_header segment;
    struct frame_header frame;

    if (!log->read_only)
        return false;
    return w->offset == 0 ? segment_header_decode(w->data, &segment) : !walk_next(&again, &frame);
}

/*
 * Judges what lies behind `w`, which cannot go on for `reason`, and cuts it when it is torn. What of the
 * segment is not known to be on the disk is written again.
 */
static int tail_settle(struct log *log, struct segment *segment, const struct walk *w, const char *reason,
                       uint64_t *ret_torn, struct edda_error *error)
{
    uint64_t address = w->first_address + w->offset;
    struct tail tail = walk_tail(w);
    uint64_t synced_from;
    int r = 0;

    if (tail.durable > address && written_since(log, w)) {
        *ret_torn = 0;
        return 0;
    }
    if (tail.durable > address)
        return refuse(segment, w->offset, reason, false, error);
    if (log->noted > address)
        return refuse(segment, w->offset, reason, true, error);
    *ret_torn = tail.used - w->offset;
    if (log->read_only)
        return 0;
    if (tail.used > w->offset)
        r = segment_file_zero(log->io, segment->file, w->offset, tail.used);
    /* What no frame says to be synced begins where the last one says; before the first, with the header. */
    synced_from = w->durable > w->first_address + LOG_SEGMENT_HEADER_BYTES ? w->durable - w->first_address : 0;
    if (segment->header_pending)
        synced_from = w->offset;
    if (r == 0)
        r = rewrite(log->io, segment->file, w->data, synced_from, w->offset);
    if (r == 0)
        r = io_file_sync(log->io, segment->file);
    return r < 0 ? edda_fail_with(error, r, "cannot write to the last segment in %s", log->dir) : 0;
}

/*
 * The last segment is sealed, so the next one must be there. Its header has not been written, or was torn; frames
 * in it that say more than that are damage.
 */
static int next_take(struct recovery *rec, const struct walk *before, uint64_t *ret_torn)
{
    struct log *log = rec->log;
    const struct segment_view *view;
    struct segment *segment;
    struct walk w;
    int r;

    if (rec->last_at + 1 == rec->listing.count)
        return 0; /* for a reader, who may have looked before it was made */
    segment = segments_reserve(log) == 0 ? segment_new(log, rec->last->number + 1, 0) : NULL;
    if (!segment)
        return edda_fail_with(rec->error, EDDA_ENOMEM, "out of memory");
    segment->first_address = rec->last->first_address + before->offset;
    segment->first_position = before->position;
    segment->created_ms = before->time_ms;
    segment->header_pending = true;
    segments_add(log, segment);
    r = next_open(log, segment, rec->error);
    if (r < 0)
        return r;
    r = segment_view(log, segment, &view, rec->error);
    if (r < 0)
        return r;
    walk_init(&w, segment, view->data, view->len);
    w.offset = 0;
    return tail_settle(log, segment, &w, "its header is damaged", ret_torn, rec->error);
}

/* The last segment is not sealed, so that the one behind it, if there is one, has not been written. */
static int unused_check(struct recovery *rec, const struct walk *before, const char *reason)
{
    struct log *log = rec->log;
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    struct segment_header h;
    struct io_file *file;
    enum head head;
    int r;

    if (rec->last_at + 1 == rec->listing.count)
        return 0;
    segment_name(rec->last->number + 1, name);
    r = log_path(log, name, path, rec->error);
    if (r == 0)
        r = io_file_open(log->io, path, IO_READ, &file, rec->error);
    if (r < 0)
        return r;
    r = segment_head_read(log->io, file, &head, &h);
    io_file_close(log->io, file);
    if (r < 0)
        return edda_fail_with(rec->error, r, "cannot read %s", path);
    if (head == HEAD_ZERO || written_since(log, before))
        return 0;
    return segment_damaged(rec->last, before->offset, reason, rec->error);
}

/* Takes over where the walk through the last segment has ended. */
static int end_take(struct recovery *rec, const struct walk *w, const char *reason, struct log_recovery *recovery)
{
    struct log *log = rec->log;
    struct segment *segment = rec->last;
    uint64_t torn = 0;
    int r;

    if (w->flags & FRAME_FOOTER && rec->last_at + 1 == rec->listing.count && (!log->read_only || log->noted > w->first_address + w->offset))
        return edda_fail_with(rec->error, EDDA_ECORRUPT, "segment %llu is missing in %s: the one before it is sealed",
                              (unsigned long long)segment->number + 1, log->dir);
    r = tail_settle(log, segment, w, reason, &torn, rec->error);
    recovery->torn_bytes = torn;
    if (r < 0)
        return r;
    if (!(w->flags & FRAME_FOOTER) && w->offset + LOG_FRAME_HEADER_BYTES > segment->bytes)
        return segment_damaged(segment, w->offset, "there is no room for its footer", rec->error);
    segment->end = segment->zeroed = w->offset;
    log->next_position = log->durable_position = w->position;
    log->last_time_ms = w->time_ms;
    log->ends_clean = w->flags & FRAME_CLEAN || (segment->number == 1 && w->offset == LOG_SEGMENT_HEADER_BYTES);
    log->runner.chain = w->chain;
    if (w->flags & FRAME_FOOTER) {
        segment->sealed = true;
        r = next_take(rec, w, &torn);
        recovery->torn_bytes += torn;
        if (r < 0)
            return r;
        io_file_close(log->io, segment->file);
        segment->file = NULL;
        return 0;
    }
    return unused_check(rec, w, reason);
}

static int last_walk(struct recovery *rec, struct log_recovery *recovery)
{
    struct log *log = rec->log;
    struct segment *segment = rec->last;
    const struct segment_view *view;
    struct frame_header h;
    const char *reason;
    struct walk w;
    int r = segment_open(log, segment, rec->error);

    if (r == 0)
        r = segment_view(log, segment, &view, rec->error);
    if (r < 0)
        return r;
    walk_init(&w, segment, view->data, view->len);
    w.chained = true;
    w.chain = rec->last_header.crc;
    w.position = segment->first_position;
    w.time_ms = segment->created_ms;
    for (;;) {
        if (w.flags & FRAME_FOOTER) {
            reason = "something lies behind the footer";
            break;
        }
        reason = walk_next(&w, &h);
        if (reason)
            break;
        recovery->frames_scanned++;
    }
    return end_take(rec, &w, reason, recovery);
}

/* --- opening -------------------------------------------------------------------------------------------- */

/* The first segment of a log, with its header; durable on return. */
static int first_make(struct log *log, struct edda_error *error)
{
    struct segment *segment = segments_reserve(log) == 0 ? segment_new(log, 1, log->segment_bytes) : NULL;
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    uint8_t bytes[SECTOR_ATOMIC_BYTES] = { 0 };
    struct slice part = slice_of(bytes, sizeof(bytes));
    struct segment_header h;
    int r;

    if (!segment)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    segments_add(log, segment);
    io_random_fill(log->io, log->id, sizeof(log->id));
    segment->created_ms = io_clock_wall_ns(log->io) / 1000000;
    /* What is left in gaps was hashed with the number that log_id() gives; the rest is another, so that no frame of the one is one of the other. */
    if (log->rest_of) {
        memcpy(log->id, log->rest_of->id, sizeof(uint64_t));
        segment->created_ms = segment_at(log->rest_of, 0)->created_ms;
    }
    segment->seed = frame_seed(log->id, 1);
    segment_name(1, name);
    r = log_path(log, name, path, error);
    if (r == 0)
        r = segment_file_make(log->io, log->dir, path, segment->bytes, 0, &segment->file, error);
    if (r < 0)
        return r;
    h = segment_header_of(log, segment, 0);
    segment_header_encode(bytes, &h);
    r = io_file_write(log->io, segment->file, &part, 1, 0);
    if (r == 0)
        r = io_file_sync(log->io, segment->file);
    if (r < 0)
        return edda_fail_with(error, r, "cannot write %s", path);
    log->runner.chain = h.crc;
    log->ends_clean = true;
    log->last_time_ms = segment->created_ms;
    return 0;
}

/*
 * There is no whole header. If a log was being made here it was the first segment, and nothing but its
 * header can have been written.
 */
static int remake_check(struct log *log, const struct log_listing *listing, struct edda_error *error)
{
    struct segment *segment;
    const struct segment_view *view;
    uint64_t zeros = 0;
    int r;

    if (log->front.number)
        return edda_fail_with(error, EDDA_ECORRUPT, "segment %llu, with which the log in %s begins by its file " FRONT_NAME ", is missing or its header damaged",
                              (unsigned long long)log->front.number, log->dir);
    if (listing->count == 0 && !log->noted)
        return 0;
    if (listing->count == 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "the segments in %s are missing: the file %s speaks of them",
                              log->dir, NOTE_NAME);
    segment = segment_new(log, 1, LOG_SEGMENT_BYTES_MAX);
    if (!segment)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    r = segment_view(log, segment, &view, error);
    if (r == 0 && view->len > SECTOR_ATOMIC_BYTES)
        zeros = SECTOR_ATOMIC_BYTES + zeros_at(view->data + SECTOR_ATOMIC_BYTES, view->len - SECTOR_ATOMIC_BYTES);
    if (r == 0 && (listing->count > 1 || log->noted || (view->len > SECTOR_ATOMIC_BYTES && zeros < view->len)))
        r = segment_damaged(segment, 0, "its header is damaged; edda verify lists what is", error);
    segment_free(log->io, segment);
    return r;
}

static int recover(struct recovery *rec, struct log_recovery *recovery)
{
    struct log *log = rec->log;
    int r = 0;

    for (size_t i = 0; r == 0 && i < rec->listing.count; i++)
        r = head_check(rec, i);
    if (r < 0)
        return r;
    if (rec->note && (!rec->last || memcmp(rec->note->id, log->id, sizeof(log->id)) == 0))
        log->noted = rec->note->durable;
    if (!rec->last) {
        r = remake_check(log, &rec->listing, rec->error);
        if (r < 0)
            return r;
        if (log->read_only)
            return edda_fail_with(rec->error, EDDA_ENOTFOUND, "there is no log in %s", log->dir);
        return first_make(log, rec->error);
    }
    return last_walk(rec, recovery);
}

int log_recover(struct log *log, struct log_recovery *recovery, struct edda_error *error)
{
    struct recovery rec = { .log = log, .error = error };
    struct note note;
    int r;

    /* The note before all else: a reader beside a writer must not learn of what it has not looked for. */
    rec.note = note_read(log, &note) ? &note : NULL;
    r = log_list(log, &rec.listing, error);
    if (r < 0)
        return r;
    /* Behind the listing: what was removed before is then known to have been. */
    r = front_take_listed(log, &rec.listing, error);
    if (r < 0) {
        log_listing_deinit(&rec.listing);
        return r;
    }
    r = log->salvage ? log_recover_salvage(log, &rec.listing, rec.note, recovery, error) : recover(&rec, recovery);
    io_file_close(log->io, rec.file);
    log_listing_deinit(&rec.listing);
    if (r < 0)
        return r;
    log->current = segment_at(log, segments_count(log) - 1);
    log->durable_position = log->next_position;
    atomic_store(&log->durable_end, log_end(log));
    log->runner.durable = log_end(log);
    recovery->segments = segments_count(log);
    recovery->clean = log->ends_clean;
    return 0;
}
