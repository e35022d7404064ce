/*
 * Records as entries of a stream: their ids, and their fields.
 *
 * Ids must grow along a stream, and be the same after a restart, for records that anybody has written. So an id is a function of the record alone: 10^15 and its
 * position, unless XADD has given it another, smaller one, which stands in a header with the offset and the topic for which it was given: a header that somebody has
 * copied to another record counts for nothing. XADD gives such an id only when it is above that of the entry before, so those of XADD come first, and from the
 * first record of another origin on all have ids of positions.
 */
#include <stdio.h>

#include "server/resp.h"
#include "wire/json/json.h"
#include "wire/json/reader.h"

#define HEADER "edda_redis_id"
#define HEX "$hex" /* the one member of a value whose fields are not all UTF-8: a list of their bytes */

bool resp_id_next(struct resp_id *id)
{
    if (id->seq == UINT64_MAX && id->ms == UINT64_MAX)
        return false;
    id->ms += id->seq == UINT64_MAX;
    id->seq++;
    return true;
}

bool resp_id_previous(struct resp_id *id)
{
    if (id->seq == 0 && id->ms == 0)
        return false;
    id->ms -= id->seq == 0;
    id->seq--;
    return true;
}

struct slice resp_id_text(struct resp_id id, char text[RESP_ID_TEXT_BYTES])
{
    int len = snprintf(text, RESP_ID_TEXT_BYTES, "%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
    return slice_of(text, (size_t)len);
}

/* Takes the decimal digits at the start of a text. */
static bool digits(struct slice *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text->len && text->data[i] >= '0' && text->data[i] <= '9'; i++)
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, (uint64_t)(text->data[i] - '0'), &number))
            return false;
    *text = slice_from(*text, i);
    *ret_number = number;
    return i > 0;
}

bool resp_id_parse(struct slice text, uint64_t seq, struct resp_id *ret_id)
{
    struct resp_id id = { 0, seq };
    if (!digits(&text, &id.ms))
        return false;
    if (text.len && text.data[0] == '-') {
        text = slice_from(text, 1);
        if (!digits(&text, &id.seq))
            return false;
    }
    *ret_id = id;
    return text.len == 0;
}

/* Ties an id to the topic it was given in, and to the log. */
static uint64_t tag_of(const struct store *store, const struct topic *topic)
{
    return hash64(slice_str(topic->name), store_id(store)) & UINT32_MAX;
}

void resp_entry_header(const struct store *store, const struct topic *topic, int64_t offset, const struct resp_id *id, struct buffer *out)
{
    char text[RESP_ID_TEXT_BYTES + 64], given[RESP_ID_TEXT_BYTES];
    struct slice is = id ? resp_id_text(*id, given) : SLICE("*");
    int len = snprintf(text, sizeof text, "%.*s %lld %llu", (int)is.len, (const char *)is.data, (long long)offset,
                       (unsigned long long)tag_of(store, topic));
    record_headers_put(out, SLICE(HEADER), slice_of(text, (size_t)len));
}

/* Whether it is an entry that XADD has made; *ret_id is what stands in its header, of which data is NULL when it is of its position. */
static bool is_entry(const struct store *store, const struct store_record *record, bool *ret_given, struct resp_id *ret_id)
{
    struct slice header, given;
    uint64_t offset, tag;
    *ret_given = false;
    if (!record->record.header_count || !record_header_find(&record->record, HEADER, &header))
        return false;
    const uint8_t *space = header.len ? memchr(header.data, ' ', header.len) : NULL;
    if (!space)
        return false;
    given = slice_of(header.data, (size_t)(space - header.data));
    struct slice rest = slice_from(header, given.len + 1);
    if (!digits(&rest, &offset) || rest.len == 0 || rest.data[0] != ' ')
        return false;
    rest = slice_from(rest, 1);
    if (!digits(&rest, &tag) || rest.len)
        return false;
    bool mine = offset == (uint64_t)record->record.offset && tag == tag_of(store, record->topic);
    *ret_given = mine && resp_id_parse(given, 0, ret_id) && ret_id->ms < RESP_ID_OF_POSITION;
    return true;
}

struct resp_id resp_entry_id(const struct store *store, const struct store_record *record, bool keyed)
{
    struct resp_id id = { RESP_ID_OF_POSITION + record->position, 0 }, given_id;
    bool given = false;
    /* A record with a key has got its id in the stream of that: in the whole topic others may lie between. */
    if (keyed == (record->record.key.data != NULL))
        (void)is_entry(store, record, &given, &given_id);
    return given ? given_id : id;
}

/* --- fields -------------------------------------------------------------------------------------------------- */

static void put_hex(struct buffer *out, struct slice bytes)
{
    static const char letters[] = "0123456789abcdef";
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < bytes.len; i++) {
        buffer_append_byte(out, (uint8_t)letters[bytes.data[i] >> 4]);
        buffer_append_byte(out, (uint8_t)letters[bytes.data[i] & 15]);
    }
    buffer_append_byte(out, '"');
}

void resp_entry_value(const struct slice *fields, size_t count, struct buffer *out)
{
    bool text = true;
    for (size_t i = 0; i < count && text; i++)
        text = text_utf8_valid(fields[i]);
    buffer_append_str(out, text ? "{" : "{\"" HEX "\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_append_byte(out, text && i % 2 ? ':' : ',');
        if (text)
            json_put_string(out, fields[i]);
        else
            put_hex(out, fields[i]);
    }
    buffer_append_str(out, text ? "}" : "]}");
}

static int hex_of(uint8_t byte)
{
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Takes a string into the arena; as bytes when it is of hexadecimal digits. */
static bool take_string(struct reader *r, bool hex, struct arena *arena, struct slice *ret_text)
{
    struct slice raw;
    bool escaped;
    if (reader_peek(r) != '"' || !reader_string(r, &raw, &escaped))
        return false;
    uint8_t *copy = arena_bytes(arena, raw.len + 1);
    if (!copy || (hex && (escaped || raw.len % 2)))
        return false;
    size_t len = hex ? raw.len / 2 : text_unescape(raw, copy);
    for (size_t i = 0; hex && i < len; i++) {
        int high = hex_of(raw.data[2 * i]), low = hex_of(raw.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        copy[i] = (uint8_t)(high * 16 + low);
    }
    *ret_text = slice_of(copy, len);
    return true;
}

struct fields {
    struct slice *at;
    size_t count, capacity;
    struct arena *arena;
};

static bool field_add(struct fields *fields, struct slice text)
{
    if (fields->count == fields->capacity) {
        size_t capacity = fields->capacity ? fields->capacity * 2 : 16;
        struct slice *more = arena_alloc(fields->arena, capacity * sizeof *more);
        if (!more)
            return false;
        if (fields->count)
            memcpy(more, fields->at, fields->count * sizeof *more);
        fields->at = more;
        fields->capacity = capacity;
    }
    fields->at[fields->count++] = text;
    return true;
}

/* The fields of a value as resp_entry_value() writes it; false when it is another. */
static bool fields_of_value(struct slice value, struct fields *fields)
{
    struct reader r = reader_of(value);
    struct slice text;
    bool hex = slice_has_prefix(value, SLICE("{\"" HEX "\":["));
    if (reader_peek(&r) != '{' || !reader_enter(&r))
        return false;
    if (hex && (!take_string(&r, false, fields->arena, &text) || !reader_take(&r, ':', READER_WRONG_COLON) || reader_peek(&r) != '[' ||
                !reader_enter(&r)))
        return false;
    do {
        if (!take_string(&r, hex, fields->arena, &text) || !field_add(fields, text))
            return false;
        if (!hex && (!reader_take(&r, ':', READER_WRONG_COLON) || !take_string(&r, false, fields->arena, &text) || !field_add(fields, text)))
            return false;
    } while (reader_more(&r, hex ? ']' : '}', READER_WRONG_OBJECT));
    return !r.wrong && fields->count % 2 == 0;
}

/* What somebody else has written: its value, its key and its headers. */
static bool fields_of_record(const struct record *record, struct fields *fields)
{
    bool added = true;
    if (record->value.data)
        added = field_add(fields, SLICE("value")) && field_add(fields, record->value);
    if (record->key.data)
        added = added && field_add(fields, SLICE("key")) && field_add(fields, record->key);
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    for (uint32_t i = 0; added && i < record->header_count && record_header_next(&headers, &header); i++)
        added = field_add(fields, header.key) && field_add(fields, header.value);
    return added;
}

void resp_entry_write(const struct store *store, const struct store_record *record, bool keyed, struct arena *arena, struct resp_writer out)
{
    char text[RESP_ID_TEXT_BYTES];
    struct fields fields = { .arena = arena };
    struct resp_id id;
    bool given;
    bool whole = is_entry(store, record, &given, &id) && fields_of_value(record->record.value, &fields);
    if (!whole) {
        fields.count = 0;
        whole = fields_of_record(&record->record, &fields);
    }
    if (!whole)
        out.out->failed = true; /* out of memory */
    resp_array(out, 2);
    resp_bulk(out, resp_id_text(resp_entry_id(store, record, keyed), text));
    resp_array(out, fields.count);
    for (size_t i = 0; i < fields.count; i++)
        resp_bulk(out, fields.at[i]);
}
