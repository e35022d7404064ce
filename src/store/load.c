/*
 * load: the part of a log that is not in memory is asked for before it is read. A page that is touched and is not there stops the thread until the disk has it; asking for it
 * does not, and the disk can be asked for much at once, in the order in which it lies there.
 *
 * It is not done on another thread, though waiting there would cost nobody anything: that was built, and was slower by more than half; see docs/decisions/0012.
 */
#include "store/internal.h"
#include "wire/kafka/batch.h"

#define HEAD_BYTES UINT64_C(65536) /* asked for where a batch begins that nobody knows more of; and gaps between batches are worth reading up to this */

static bool head_is_loaded(struct store *store, uint64_t address, struct log_range *known)
{
    return log_is_loaded(store->log, address - FRAME_TAG_BYTES, FRAME_TAG_BYTES + BATCH_HEADER_BYTES, known);
}

bool batch_is_loaded(struct store *store, uint64_t address, bool ask, struct log_range *known)
{
    struct batch batch;
    uint64_t bytes = HEAD_BYTES;
    if (head_is_loaded(store, address, known)) {
        if (batch_parse(log_bytes(store->log, address), &batch, NULL) <= 0 || log_is_loaded(store->log, address, batch.bytes.len, known))
            return true;
        bytes = batch.bytes.len;
    }
    if (ask)
        log_load(store->log, address - FRAME_TAG_BYTES, bytes + FRAME_TAG_BYTES);
    return false;
}

void batches_load(struct store *store, const struct partition *partition, uint64_t ordinal, uint64_t bytes, uint64_t mean)
{
    struct index_entry entries[64];
    struct log_range known = { 0 };
    size_t max = sizeof entries / sizeof entries[0], count = 0;
    uint64_t likely = (mean ? mean : HEAD_BYTES) + FRAME_TAG_BYTES, from = 0, to = 0;
    if (bytes / likely + 1 < max)
        max = bytes / likely + 1;
    int64_t n = lookup_read(store, key_partition(store->seed, partition->number), ordinal, false, entries, max);
    while ((int64_t)count < n && entries[count].batch < log_durable_end(store->log))
        count++;
    /* All of it was asked for, or is read so often that it is there. */
    if (count == 0 || (head_is_loaded(store, entries[0].batch, &known) && head_is_loaded(store, entries[count - 1].batch, &known)))
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t begin = entries[i].batch - FRAME_TAG_BYTES;
        if (begin > to + HEAD_BYTES) {
            log_load(store->log, from, to - from);
            from = begin;
        }
        to = begin + likely;
    }
    log_load(store->log, from, to - from);
}
