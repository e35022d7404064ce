/*
 * The note: a file beside the segments that says up to which address the log is durable. It is written now and then,
 * in one sector, without a sync, and only after what it speaks of has been synced. So it may be old or missing, but what it
 * says is true: bytes before that address that are not whole were damaged, not torn. It is also written when the log is
 * closed: a clean end that is cut off together with what it speaks of says nothing.
 */
#include "log/parts.h"

#define NOTE_INTERVAL_MS 1000

bool note_read(const struct log *log, struct note *ret_note)
{
    char path[LOG_PATH_BYTES];
    uint8_t bytes[NOTE_BYTES];
    struct io_file *file;
    bool whole;
    size_t len;

    if (log_path(log, NOTE_NAME, path, NULL) < 0 || io_file_open(log->io, path, IO_READ, &file, NULL) < 0)
        return false;
    whole = io_file_read(log->io, file, bytes, sizeof(bytes), 0, &len) == 0 && len == sizeof(bytes) &&
            note_decode(bytes, ret_note);
    io_file_close(log->io, file);
    return whole;
}

void note_write(struct log *log, int64_t time_ms)
{
    char path[LOG_PATH_BYTES];
    uint8_t bytes[NOTE_BYTES];
    struct slice part = slice_of(bytes, sizeof(bytes));
    struct note note = { .durable = log_durable_end(log), .position = log->durable_position, .time_ms = time_ms };
    bool early = log->noted_ms && time_ms - log->noted_ms < NOTE_INTERVAL_MS;

    if (log->sync_off || (early && !log->closing))
        return;
    log->noted_ms = time_ms;
    if (!log->note_file && (log_path(log, NOTE_NAME, path, NULL) < 0 ||
                            io_file_open(log->io, path, IO_WRITE | IO_CREATE, &log->note_file, NULL) < 0))
        return;
    memcpy(note.id, log->id, sizeof(note.id));
    note_encode(bytes, &note);
    if (io_file_write(log->io, log->note_file, &part, 1, 0) == 0)
        log->noted = note.durable;
}
