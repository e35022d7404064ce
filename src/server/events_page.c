/*
 * events: pages. A page of a stream is told by versions, one of a partition by offsets, all others by positions; whichever it is, `from` is the first that may be on it, or the
 * last when it goes backward. Its links carry on where it ends, also at the end of what there is, so that a client may ask the same again until more has come.
 */
#include "server/events.h"

enum page_by { PAGE_BY_VERSION, PAGE_BY_OFFSET, PAGE_BY_POSITION };

struct page {
    struct edda_request *request;
    const struct selection *selection;
    struct buffer *content;
    enum page_by by;
    bool batch;            /* as application/cloudevents-batch+json */
    bool backward;
    int64_t from;          /* -1: from the beginning, or from the end */
    int64_t limit;
    int64_t count;         /* of events on it */
    uint64_t looked;
    int64_t first, last;   /* places on it, in its order; -1: none */
    int64_t reached;       /* the place looked at last; -1: none */
    bool more;             /* it ended before its end was reached */
};

static bool page_is_full(const struct page *page)
{
    return page->count == page->limit || page->content->len >= EVENTS_PAGE_BYTES || page->looked == EVENTS_LOOKED_MAX;
}

static void row_put(struct page *page, const struct store_record *record, int64_t version)
{
    struct buffer *out = page->content;
    const struct event_out event = event_out_of(record, version);
    if (page->count++)
        buffer_append_byte(out, ',');
    if (!page->batch) {
        buffer_append_byte(out, '{');
        if (version >= 0)
            buffer_printf(out, "\"version\":%lld,", (long long)version);
        buffer_printf(out, "\"position\":%llu,\"topic\":\"%s\",\"partition\":%u,\"offset\":%lld,\"event\":", (unsigned long long)record->position, record->topic->name,
                      record->partition, (long long)record->record.offset);
    }
    event_put_structured(&event, out);
    if (!page->batch)
        buffer_append_byte(out, '}');
}

/* Ends the reading with 1. */
static int page_visit(void *user, const struct store_record *record, int64_t version)
{
    struct page *page = user;
    if (page_is_full(page)) {
        page->more = true;
        return 1;
    }
    int64_t place = page->by == PAGE_BY_VERSION ? version : page->by == PAGE_BY_OFFSET ? record->record.offset : (int64_t)record->position;
    page->looked++;
    page->reached = place;
    if (!selection_takes(page->selection, record))
        return 0;
    if (page->count == 0)
        page->first = place;
    page->last = place;
    row_put(page, record, page->by == PAGE_BY_VERSION ? version : -1);
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static int read_by_position(struct page *page, struct store *store, struct topic *topic)
{
    struct store_cursor cursor;
    struct store_record record;
    uint64_t start = page->from >= 0 ? (uint64_t)page->from + page->backward : page->backward ? UINT64_MAX : 0;
    int rc;
    store_cursor_init(&cursor, start, topic);
    do {
        rc = page->backward ? store_cursor_previous(store, &cursor, &record, &page->request->error)
                            : store_cursor_next(store, &cursor, &record, &page->request->error);
        if (rc == 1 && page_visit(page, &record, -1) != 0)
            rc = 0;
    } while (rc == 1);
    store_cursor_deinit(&cursor);
    return rc;
}

static int read_failed(struct page *page, struct store *store, int code)
{
    return edda_fail_with(&page->request->error, code, "%s", store_read_error(store)->message);
}

static int read_partition(struct page *page, struct store *store, struct topic *topic)
{
    uint32_t partition = (uint32_t)page->selection->partition;
    if (page->backward)
        return edda_fail_field(&page->request->error, EDDA_EINVAL, "direction", "a partition is read forward");
    if (partition >= topic->partition_count)
        return edda_fail_field(&page->request->error, EDDA_ENOTFOUND, "partition", "topic %s has %u partitions", topic->name, topic->partition_count);
    int64_t n = store_partition_read(store, topic, partition, page->from < 0 ? 0 : page->from, EVENTS_LOOKED_MAX + 1, page_visit, page);
    return n < 0 ? read_failed(page, store, (int)n) : 0;
}

static int read_stream(struct page *page, struct store *store, const struct stream_info *info)
{
    struct slice topic = page->selection->topic, key = page->selection->key;
    int64_t from = page->from >= 0 ? page->from : page->backward ? -1 : 0;
    if (page->backward && from >= info->next_version)
        from = -1;
    if (!page->backward && from >= info->next_version)
        return 0;
    int64_t n = store_stream_read(store, topic, key, from, page->backward, EVENTS_LOOKED_MAX + 1, page_visit, page);
    return n < 0 ? read_failed(page, store, (int)n) : 0;
}

/* --- links -------------------------------------------------------------------------------------------------------- */

/* What came in a request line, where quotes and angle brackets may stand; in a link they may not. */
static void put_target(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '<' || byte == '>' || byte == '\\')
            buffer_printf(out, "%%%02X", byte);
        else
            buffer_append_byte(out, byte);
    }
}

/* The path and query that have been asked for, with another `from` and direction. */
static void href_put(const struct page *page, struct buffer *out, int64_t from, bool backward)
{
    struct slice query = page->request->head.query;
    link_put_host(page->request, out);
    put_target(out, page->request->head.path);
    buffer_printf(out, "?from=%lld", (long long)from);
    if (backward)
        buffer_append_str(out, "&direction=backward");
    while (query.len) {
        const uint8_t *mark = memchr(query.data, '&', query.len);
        struct slice pair = slice_of(query.data, mark ? (size_t)(mark - query.data) : query.len);
        query = slice_from(query, pair.len + 1);
        if (pair.len == 0 || slice_has_prefix(pair, SLICE("from=")) || slice_has_prefix(pair, SLICE("direction=")))
            continue;
        buffer_append_byte(out, '&');
        put_target(out, pair);
    }
}

struct page_link {
    bool there, backward;
    int64_t from;
};

/* Where to go on in the page's direction, and in the other one. */
static void links_make(const struct page *page, struct page_link *ret_next, struct page_link *ret_prev)
{
    int64_t from = page->from >= 0 ? page->from : 0;
    int64_t step = page->backward ? -1 : 1;
    *ret_next = (struct page_link){ .there = true, .backward = page->backward, .from = page->reached >= 0 ? page->reached + step : from };
    *ret_prev = (struct page_link){ .there = page->first >= 0, .backward = !page->backward, .from = page->first - step };
    if (page->backward)
        ret_next->there = page->more && ret_next->from >= 0;
    else
        ret_prev->there = ret_prev->there && ret_prev->from >= 0 && page->by != PAGE_BY_OFFSET;
}

static struct slice link_lines(struct page *page, const struct page_link *next, const struct page_link *prev)
{
    const struct page_link *links[] = { next, prev };
    static const char *const relations[] = { "next", "prev" };
    struct buffer lines = BUFFER_EMPTY;
    for (size_t i = 0; i < 2; i++) {
        if (!links[i]->there)
            continue;
        buffer_append_str(&lines, "Link: <");
        href_put(page, &lines, links[i]->from, links[i]->backward);
        buffer_printf(&lines, ">; rel=\"%s\"\r\n", relations[i]);
    }
    struct slice made = arena_copy(&page->request->arena, buffer_slice(&lines));
    buffer_deinit(&lines);
    return made;
}

static void link_member(struct page *page, const char *name, const struct page_link *link)
{
    if (!link->there)
        return;
    buffer_printf(page->content, ",\"%s\":{\"href\":\"", name);
    href_put(page, page->content, link->from, link->backward);
    buffer_append_str(page->content, "\"}");
}

static void answer(struct page *page, int64_t version)
{
    struct edda_request *request = page->request;
    struct buffer *out = page->content;
    struct page_link next, prev;
    links_make(page, &next, &prev);
    if (page->batch) {
        buffer_append_byte(out, ']');
    } else {
        buffer_printf(out, "]},\"page\":{\"count\":%lld,\"limit\":%lld", (long long)page->count, (long long)page->limit);
        if (version >= 0)
            buffer_printf(out, ",\"streamVersion\":%lld", (long long)version);
        buffer_append_str(out, "},\"_links\":{\"self\":{\"href\":\"");
        link_put_host(request, out);
        put_target(out, request->head.path);
        buffer_append_str(out, request->head.query.len ? "?" : "");
        put_target(out, request->head.query);
        buffer_append_str(out, "\"}");
        link_member(page, "next", &next);
        link_member(page, "prev", &prev);
        buffer_append_str(out, "}}");
    }
    response_put(request, &(struct response){ .status = 200, .content_type = page->batch ? EVENT_BATCH_JSON : "application/json", .content = buffer_slice(out),
                                              .version = version, .headers = link_lines(page, &next, &prev),
                                              .gate = journal_tail(request->server->journal) });
}

/* --- what is asked for ---------------------------------------------------------------------------------------------- */

static int page_begin(struct page *page, struct edda_request *request, const struct selection *selection)
{
    struct slice direction;
    *page = (struct page){ .request = request, .selection = selection, .content = &request->server->content, .from = -1, .limit = EVENTS_LIMIT_DEFAULT,
                           .first = -1, .last = -1, .reached = -1 };
    page->by = selection->key.data ? PAGE_BY_VERSION : selection->partition >= 0 ? PAGE_BY_OFFSET : PAGE_BY_POSITION;
    page->batch = request_accepts(request, EVENT_BATCH_JSON);
    int rc = events_number(request, "from", 0, INT64_C(999999999999999999), &page->from);
    if (rc >= 0)
        rc = events_number(request, "limit", 1, EVENTS_LIMIT_MAX, &page->limit);
    if (rc < 0)
        return rc;
    if (http_query_find(request->head.query, "direction", &request->arena, &direction)) {
        page->backward = slice_eq_str(direction, "backward");
        if (!page->backward && !slice_eq_str(direction, "forward"))
            return edda_fail_field(&request->error, EDDA_EINVAL, "direction", "direction must be forward or backward");
    }
    buffer_clear(page->content);
    buffer_append_str(page->content, page->batch ? "[" : "{\"_embedded\":{\"events\":[");
    return 0;
}

static int not_modified(struct edda_request *request, int64_t version)
{
    buffer_clear(&request->server->content);
    response_put(request, &(struct response){ .status = 304, .version = version, .gate = journal_tail(request->server->journal) });
    return 0;
}

static int stream_known(struct edda_request *request, struct store *store, struct slice topic, struct slice key, struct stream_info *ret_info)
{
    int rc = store_stream_info(store, topic, key, ret_info);
    if (rc < 0 && rc != EDDA_ENOTFOUND)
        return edda_fail_with(&request->error, rc, "%s", store_read_error(store)->message);
    if (rc == 0 && ret_info->next_version > 0 && !ret_info->deleted)
        return 0;
    return edda_fail_with(&request->error, EDDA_ENOTFOUND, "stream %.*s/%.*s %s", (int)topic.len, (const char *)topic.data,
                          (int)(key.len < 128 ? key.len : 128), (const char *)key.data, rc == 0 && ret_info->deleted ? "was deleted" : "has no events");
}

int events_page(struct edda_request *request, const struct selection *selection)
{
    struct store *store = events_store(request);
    struct stream_info info;
    struct page page;
    int rc = store ? page_begin(&page, request, selection) : EDDA_EUNSUPPORTED;
    if (rc < 0)
        return rc;
    if (selection->key.data) {
        rc = stream_known(request, store, selection->topic, selection->key, &info);
        if (rc == 0 && request_has_version(request, info.next_version - 1))
            return not_modified(request, info.next_version - 1);
        if (rc == 0)
            rc = read_stream(&page, store, &info);
    } else {
        struct topic *topic = selection->topic.data ? store_topic(store, selection->topic) : NULL;
        if (selection->topic.data && !topic)
            return edda_fail_with(&request->error, EDDA_ENOTFOUND, "there is no topic %.*s", (int)selection->topic.len, (const char *)selection->topic.data);
        rc = page.by == PAGE_BY_OFFSET ? read_partition(&page, store, topic) : read_by_position(&page, store, topic);
    }
    if (rc < 0)
        return rc;
    answer(&page, selection->key.data ? info.next_version - 1 : -1);
    return 0;
}

/* --- one event -------------------------------------------------------------------------------------------------------- */

struct one {
    struct edda_request *request;
    bool found;
};

static int one_visit(void *user, const struct store_record *record, int64_t version)
{
    struct one *one = user;
    struct edda_request *request = one->request;
    const struct event_out event = event_out_of(record, version);
    struct buffer *content = &request->server->content, lines = BUFFER_EMPTY;
    struct response response = { .status = 200, .version = version, .gate = journal_tail(request->server->journal) };
    one->found = true;
    buffer_clear(content);
    if (request_has_version(request, version)) {
        response.status = 304;
    } else if (request_accepts(request, EVENT_JSON)) {
        event_put_structured(&event, content);
        response.content = buffer_slice(content);
        response.content_type = EVENT_JSON;
    } else {
        event_put_binary(&event, &lines, &request->arena, &response.content_type);
        response.headers = buffer_slice(&lines);
        response.content = response.content_type ? record->record.value : slice_of(NULL, 0);
    }
    response.exact = true;
    if (buffer_ok(&lines))
        response_put(request, &response);
    buffer_deinit(&lines);
    return 1;
}

int events_one(struct edda_request *request, struct slice topic, struct slice key, int64_t version)
{
    struct store *store = events_store(request);
    struct stream_info info;
    struct one one = { .request = request };
    int rc = store ? stream_known(request, store, topic, key, &info) : EDDA_EUNSUPPORTED;
    if (rc < 0)
        return rc;
    int64_t n = version >= info.first_version && version < info.next_version ? store_stream_read(store, topic, key, version, false, 1, one_visit, &one) : 0;
    if (n < 0)
        return edda_fail_with(&request->error, (int)n, "%s", store_read_error(store)->message);
    if (one.found)
        return request->answered ? 0 : edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the event");
    return edda_fail_with(&request->error, EDDA_ENOTFOUND, "the stream has no event %lld: it has those from %lld to %lld", (long long)version,
                          (long long)info.first_version, (long long)info.next_version - 1);
}
