/*
 * Streams: a whole topic, or the stream of a key. Where an id stands is found by halving: ids grow along a stream and each is read from its record, so
 * no index of them is kept. Who reads on behind the last id that a read has given is remembered, and need not search.
 *
 * A place is a version in the stream of a key, and a position in a topic.
 */
#include "server/resp.h"

#include "store/partition.h"

int resp_stream_find(struct resp_host *host, struct slice name, struct resp_stream *ret_stream, struct edda_error *error)
{
    struct resp_stream stream = { .name = name };
    const uint8_t *slash = name.len ? memchr(name.data, '/', name.len) : NULL;
    size_t category = slash ? (size_t)(slash - name.data) : name.len;
    if (slash)
        stream.key = slice_from(name, category + 1);
    if (slash && stream.key.len == 0)
        return edda_fail_with(error, EDDA_EINVAL, "a stream is named TOPIC or TOPIC/KEY, and this one has no key behind its slash");
    int rc = resp_topic_name(slice_of(name.data, category), &host->text, error);
    if (rc < 0)
        return rc;
    stream.topic = arena_copy(&host->arena, buffer_slice(&host->text));
    if (!stream.topic.data)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a name");
    stream.found = store_topic(host->store, stream.topic);
    *ret_stream = stream;
    return 0;
}

static struct hash128 hash_of(const struct resp_host *host, const struct resp_stream *stream)
{
    return hash128(stream->name, store_id(host->store));
}

static uint64_t records_of(const struct topic *topic)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < topic->partition_count; i++)
        records += (uint64_t)store_next_offset(topic, i);
    return records;
}

/* --- the last entry ------------------------------------------------------------------------------------------- */

static int read_failed(struct resp_host *host, int code, struct edda_error *error)
{
    const struct edda_error *said = store_read_error(host->store);
    return edda_fail_with(error, code, "%s", said && said->message[0] ? said->message : edda_code_info(code)->sentence);
}

/* 1 and the last record, 0 when there is none. */
static int last_record(struct resp_host *host, const struct resp_stream *stream, struct store_record *ret_record, struct edda_error *error)
{
    if (!stream->found)
        return 0;
    if (stream->key.data) {
        int rc = store_stream_last(host->store, stream->topic, stream->key, ret_record);
        if (rc == EDDA_ENOTFOUND)
            return 0;
        return rc < 0 ? read_failed(host, rc, error) : 1;
    }
    struct store_cursor cursor;
    store_cursor_init(&cursor, UINT64_MAX, stream->found);
    int rc = store_cursor_previous(host->store, &cursor, ret_record, error);
    store_cursor_deinit(&cursor);
    return rc;
}

static struct resp_last *last_of(struct resp_host *host, const struct resp_stream *stream)
{
    struct hash128 hash = hash_of(host, stream);
    return &host->lasts[hash.lo % RESP_LASTS];
}

static void last_keep(struct resp_host *host, const struct resp_stream *stream, struct resp_id id)
{
    *last_of(host, stream) = (struct resp_last){ hash_of(host, stream), records_of(stream->found), id };
}

int resp_stream_last(struct resp_host *host, const struct resp_stream *stream, struct resp_id *ret_id, struct edda_error *error)
{
    struct resp_id id = { 0, 0 };
    if (stream->found) {
        const struct resp_last *known = last_of(host, stream);
        struct store_record record;
        if (hash128_eq(known->stream, hash_of(host, stream)) && known->records == records_of(stream->found)) {
            *ret_id = known->id;
            return 0;
        }
        int rc = last_record(host, stream, &record, error);
        if (rc < 0)
            return rc;
        if (rc > 0)
            id = resp_entry_id(host->store, &record, stream->key.data != NULL);
        last_keep(host, stream, id);
    }
    *ret_id = id;
    return 0;
}

int64_t resp_stream_length(struct resp_host *host, const struct resp_stream *stream)
{
    struct stream_info info;
    if (!stream->found)
        return 0;
    if (!stream->key.data) {
        int64_t length = 0;
        for (uint32_t i = 0; i < stream->found->partition_count; i++) {
            struct store_bounds bounds;
            store_partition_bounds(host->store, stream->found, i, &bounds);
            length += bounds.next - bounds.start;
        }
        return length;
    }
    int rc = store_stream_info(host->store, stream->topic, stream->key, &info);
    return rc < 0 ? rc : info.deleted ? 0 : info.next_version - info.first_version;
}

/* --- places --------------------------------------------------------------------------------------------------- */

/* Walks the records of a stream from a place on. */
struct walk {
    struct resp_host *host;
    const struct resp_stream *stream;
    struct edda_error *error;
    struct store_cursor cursor;
    /* Given each record with its place; not 0 ends the walk. */
    int (*visit)(struct walk *walk, const struct store_record *record, uint64_t place);
    struct resp_id id; /* of the first record, for a look at it */
    uint64_t place;
    bool found;
};

static int visit_version(void *user, const struct store_record *record, int64_t version)
{
    struct walk *walk = user;
    return walk->visit(walk, record, (uint64_t)version);
}

/* Backward: from the record before `place`. */
static int walk_from(struct walk *walk, uint64_t place, bool backward, uint64_t max)
{
    struct resp_host *host = walk->host;
    const struct resp_stream *stream = walk->stream;
    if (stream->key.data) {
        if (backward && place == 0)
            return 0;
        int64_t n = store_stream_read(host->store, stream->topic, stream->key, (int64_t)(backward ? place - 1 : place), backward, max, visit_version, walk);
        return n < 0 ? read_failed(host, (int)n, walk->error) : 0;
    }
    struct store_record record;
    store_cursor_init(&walk->cursor, place, stream->found);
    int rc = 0;
    while (max--) {
        rc = backward ? store_cursor_previous(host->store, &walk->cursor, &record, walk->error)
                      : store_cursor_next(host->store, &walk->cursor, &record, walk->error);
        if (rc <= 0 || walk->visit(walk, &record, record.position))
            break;
    }
    store_cursor_deinit(&walk->cursor);
    return rc < 0 ? rc : 0;
}

static int visit_look(struct walk *walk, const struct store_record *record, uint64_t place)
{
    walk->id = resp_entry_id(walk->host->store, record, walk->stream->key.data != NULL);
    walk->place = place;
    walk->found = true;
    return 1;
}

/* The first place at or behind `low` whose record has an id of at least `id`; the stream's end when there is none. */
static int place_of(struct walk *walk, struct resp_id id, uint64_t low, uint64_t end, uint64_t *ret_place)
{
    uint64_t high = end;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        walk->found = false;
        int rc = walk_from(walk, middle, false, 1);
        if (rc < 0)
            return rc;
        if (!walk->found || walk->place >= high || resp_id_compare(walk->id, id) >= 0)
            high = middle;
        else
            low = walk->place + 1;
    }
    *ret_place = low;
    return 0;
}

static int bounds_of(struct resp_host *host, const struct resp_stream *stream, uint64_t *ret_begin, uint64_t *ret_end, struct edda_error *error)
{
    struct stream_info info;
    if (!stream->key.data) {
        *ret_begin = 0;
        *ret_end = store_tail(host->store);
        return 0;
    }
    int rc = store_stream_info(host->store, stream->topic, stream->key, &info);
    if (rc < 0)
        return read_failed(host, rc, error);
    *ret_begin = (uint64_t)info.first_version;
    *ret_end = info.deleted ? *ret_begin : (uint64_t)info.next_version;
    return 0;
}

static struct resp_hint *hint_of(struct resp_host *host, const struct resp_stream *stream, struct resp_id id)
{
    uint64_t hash = hash64_mix(hash64_mix(hash_of(host, stream).lo, id.ms), id.seq);
    return &host->hints[hash % RESP_HINTS];
}

/* Where the first entry with an id of at least `id` is. */
static int seek(struct walk *walk, struct resp_id id, uint64_t *ret_place)
{
    struct resp_host *host = walk->host;
    struct resp_id before = id;
    uint64_t begin, end;
    int rc = bounds_of(host, walk->stream, &begin, &end, walk->error);
    if (rc < 0)
        return rc;
    if (resp_id_previous(&before)) {
        const struct resp_hint *hint = hint_of(host, walk->stream, before);
        if (resp_id_compare(hint->id, before) == 0 && hash128_eq(hint->stream, hash_of(host, walk->stream)) && hint->place >= begin) {
            *ret_place = hint->place;
            return 0;
        }
    } else {
        *ret_place = begin;
        return 0;
    }
    /* An id of a position says where it is in a topic. */
    bool positional = !walk->stream->key.data && id.ms >= RESP_ID_OF_POSITION;
    uint64_t position = positional ? id.ms - RESP_ID_OF_POSITION + (id.seq > 0) : begin;
    if (position >= end) {
        *ret_place = end;
        return 0;
    }
    if (positional) {
        walk->found = false;
        rc = walk_from(walk, position, false, 1);
        if (rc < 0)
            return rc;
        if (!walk->found || resp_id_compare(walk->id, id) >= 0) {
            *ret_place = position;
            return 0;
        }
    }
    return place_of(walk, id, position, end, ret_place);
}

int resp_stream_seek(struct resp_host *host, const struct resp_stream *stream, struct resp_id id, uint64_t *ret_place, struct edda_error *error)
{
    struct walk walk = { .host = host, .stream = stream, .error = error, .visit = visit_look };
    bool any = id.ms == 0 && id.seq <= 1;
    *ret_place = 0;
    return stream->found && !any ? seek(&walk, id, ret_place) : 0;
}

/* Whether the entry at a place has this id. */
static int is_at(struct walk *walk, uint64_t place, struct resp_id id)
{
    walk->found = false;
    int rc = walk_from(walk, place, false, 1);
    return rc < 0 ? rc : walk->found && walk->place == place && resp_id_compare(walk->id, id) == 0;
}

int resp_stream_at(struct resp_host *host, const struct resp_stream *stream, struct resp_id id, uint64_t *ret_place, struct edda_error *error)
{
    struct walk walk = { .host = host, .stream = stream, .error = error, .visit = visit_look };
    const struct resp_hint *hint = hint_of(host, stream, id);
    if (!stream->found)
        return 0;
    if (resp_id_compare(hint->id, id) == 0 && hash128_eq(hint->stream, hash_of(host, stream)) && hint->place) {
        *ret_place = hint->place - 1;
        int rc = is_at(&walk, *ret_place, id);
        if (rc != 0)
            return rc;
    }
    int rc = seek(&walk, id, ret_place);
    if (rc == 0)
        rc = is_at(&walk, *ret_place, id);
    /* In a topic records of others may lie before it. */
    bool here = rc >= 0 && walk.found && resp_id_compare(walk.id, id) == 0;
    *ret_place = walk.place;
    return rc < 0 ? rc : here;
}

int resp_stream_before(struct resp_host *host, const struct resp_stream *stream, uint64_t place, struct resp_id *ret_id, struct edda_error *error)
{
    struct walk walk = { .host = host, .stream = stream, .error = error, .visit = visit_look };
    int rc = stream->found ? walk_from(&walk, place, true, 1) : 0;
    *ret_id = walk.found ? walk.id : (struct resp_id){ 0, 0 };
    return rc;
}

void resp_stream_given(struct resp_host *host, const struct resp_stream *stream, struct resp_id id, uint64_t place)
{
    *hint_of(host, stream, id) = (struct resp_hint){ hash_of(host, stream), id, place + 1 };
}

/* --- ranges --------------------------------------------------------------------------------------------------- */

struct range_walk {
    struct walk walk;
    const struct resp_range *range;
    struct resp_writer out;
    size_t begin;
    int64_t given;
    bool cut;
};

static int visit_entry(struct walk *of, const struct store_record *record, uint64_t place)
{
    struct range_walk *walk = (struct range_walk *)(void *)of;
    const struct resp_range *range = walk->range;
    struct resp_host *host = of->host;
    bool keyed = of->stream->key.data != NULL;
    struct resp_id id = resp_entry_id(host->store, record, keyed);
    if (resp_id_compare(id, range->to) > 0)
        return !range->backward;
    if (resp_id_compare(id, range->from) < 0)
        return range->backward;
    if (walk->out.out->len - walk->begin >= range->bytes_max) {
        walk->cut = true;
        return 1;
    }
    arena_reset(&walk->walk.host->entry_arena);
    resp_entry_write(host->store, record, keyed, &host->entry_arena, walk->out);
    walk->given++;
    if (!range->backward)
        resp_stream_given(host, of->stream, id, place);
    return (uint64_t)walk->given == range->count;
}

int64_t resp_stream_range(struct resp_host *host, const struct resp_stream *stream, const struct resp_range *range, struct resp_writer out,
                          bool *ret_cut, struct edda_error *error)
{
    struct range_walk walk = {
        .walk = { .host = host, .stream = stream, .error = error, .visit = visit_look }, .range = range, .out = out, .begin = out.out->len
    };
    struct resp_id from = range->backward ? range->to : range->from;
    uint64_t place;
    *ret_cut = false;
    if (!stream->found || range->count == 0 || resp_id_compare(range->from, range->to) > 0)
        return 0;
    int rc = 0;
    if (range->backward && !resp_id_next(&from)) {
        uint64_t begin;
        rc = bounds_of(host, stream, &begin, &place, error);
    } else {
        rc = seek(&walk.walk, from, &place);
    }
    if (rc < 0)
        return rc;
    walk.walk.visit = visit_entry;
    rc = walk_from(&walk.walk, place, range->backward, UINT64_MAX);
    if (rc < 0)
        return rc;
    if (!buffer_ok(out.out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for entries");
    *ret_cut = walk.cut;
    return walk.given;
}

/* --- appending ------------------------------------------------------------------------------------------------- */

/* Where a message of the stream will lie: with the last one of its key, else where the store puts new keys. */
static int next_place(struct resp_host *host, const struct resp_stream *stream, struct topic *topic, uint32_t *ret_partition, struct edda_error *error)
{
    struct store_record last;
    *ret_partition = 0;
    if (!stream->key.data || topic->partition_count == 1)
        return 0;
    int rc = last_record(host, stream, &last, error);
    if (rc < 0)
        return rc;
    *ret_partition = rc > 0 ? last.partition : (hash_murmur2(stream->key) & INT32_MAX) % topic->partition_count;
    return 0;
}

/* The id that an entry behind `last` gets. *ret_positional: that of its position. */
static int choose_id(struct resp_host *host, struct resp_id last, const struct resp_id *wanted, bool any_seq, struct resp_id *ret_id, bool *ret_positional,
                     struct edda_error *error)
{
    struct resp_id id;
    *ret_positional = false;
    if (!wanted) {
        int64_t now_ms = store_time_ms(host->store);
        id = (struct resp_id){ now_ms > 0 ? (uint64_t)now_ms : 0, 0 };
        if (id.ms <= last.ms)
            id = (struct resp_id){ last.ms, last.seq + 1 };
        *ret_positional = id.ms >= RESP_ID_OF_POSITION || last.seq == UINT64_MAX;
        *ret_id = id;
        return 0;
    }
    id = *wanted;
    if (any_seq)
        id.seq = id.ms == last.ms && last.seq < UINT64_MAX ? last.seq + 1 : 0;
    if (any_seq && id.ms == 0 && id.seq == 0)
        id.seq = 1;
    if (id.ms == 0 && id.seq == 0)
        return edda_fail_with(error, EDDA_EINVAL, "The ID specified in XADD must be greater than 0-0");
    if (resp_id_compare(id, last) <= 0)
        return edda_fail_with(error, EDDA_EINVAL, "The ID specified in XADD is equal or smaller than the target stream top item");
    if (id.ms >= RESP_ID_OF_POSITION)
        return edda_fail_with(error, EDDA_EINVAL, "The ID specified in XADD is too large: from %llu on ids are those of positions in the log",
                              (unsigned long long)RESP_ID_OF_POSITION);
    *ret_id = id;
    return 0;
}

int resp_topic_ensure(struct resp_host *host, struct slice topic, struct topic **ret_topic, struct edda_error *error)
{
    if (!server_makes_topics(host->server) && !store_topic(host->store, topic))
        return edda_fail_field(error, EDDA_ENOTFOUND, "topic", "there is no topic %.*s, and it is not made by being written to (--topics-asked-for)",
                               (int)topic.len, (const char *)topic.data);
    return store_topic_ensure(host->store, topic, host->partitions, ret_topic, error);
}

int resp_stream_add(struct resp_host *host, const struct resp_stream *stream, const struct resp_id *wanted, bool any_seq, const struct slice *fields,
                    size_t count, struct resp_id *ret_id, struct edda_error *error)
{
    struct resp_id last, id;
    bool positional;
    uint32_t partition;
    struct store_appended appended;
    struct resp_stream of = *stream;
    int rc = resp_stream_last(host, stream, &last, error);
    if (rc >= 0)
        rc = choose_id(host, last, wanted, any_seq, &id, &positional, error);
    if (rc >= 0)
        rc = resp_topic_ensure(host, stream->topic, &of.found, error);
    if (rc >= 0)
        rc = next_place(host, &of, of.found, &partition, error);
    if (rc < 0)
        return rc;
    int64_t offset = store_next_offset(of.found, partition);
    buffer_clear(&host->scratch);
    buffer_clear(&host->text);
    resp_entry_value(fields, count, &host->scratch);
    resp_entry_header(host->store, of.found, offset, positional ? NULL : &id, &host->text);
    if (!buffer_ok(&host->scratch) || !buffer_ok(&host->text))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for an entry");
    const struct store_message message = {
        .topic = of.found, .key = stream->key, .value = buffer_slice(&host->scratch), .headers = buffer_slice(&host->text), .header_count = 1, .partition = -1
    };
    rc = store_append(host->store, NULL, 0, &message, 1, false, &appended, error);
    if (rc < 0)
        return rc;
    if (positional || appended.offset != offset)
        id = (struct resp_id){ RESP_ID_OF_POSITION + appended.position, 0 };
    last_keep(host, &of, id);
    *ret_id = id;
    return 0;
}
