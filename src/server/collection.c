/*
 * collection: see collection.h; and the list of pending deadlines that an application asks for.
 */
#include "server/collection.h"

/* A number of the query; missing: `fallback`. */
static int query_number(struct edda_request *request, const char *name, uint64_t least, uint64_t most,
                        uint64_t fallback, uint64_t *ret_number)
{
    struct slice text;
    if (!http_query_find(request->head.query, name, &request->arena, &text)) {
        *ret_number = fallback;
        return 0;
    }
    uint64_t number = 0;
    bool good = text.len > 0 && text.len <= 10;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (good && number >= least && number <= most) {
        *ret_number = number;
        return 0;
    }
    (void)edda_fail_field(&request->error, EDDA_EINVAL, name, "%s must be a whole number from %llu to %llu", name,
                          (unsigned long long)least, (unsigned long long)most);
    request_fail(request, 400, EDDA_EINVAL);
    return EDDA_EINVAL;
}

int collection_begin(struct collection *collection, struct edda_request *request, const char *name)
{
    *collection = (struct collection){ .request = request, .name = name };
    int rc = query_number(request, "size", 1, COLLECTION_SIZE_MAX, COLLECTION_SIZE_DEFAULT, &collection->size);
    if (rc == 0)
        rc = query_number(request, "page", 0, UINT32_MAX, 0, &collection->number);
    if (rc < 0)
        return rc;
    collection->from = collection->size * collection->number;
    struct buffer *content = &request->server->content;
    buffer_clear(content);
    buffer_append_str(content, "{\"_embedded\":{\"");
    buffer_append_str(content, name);
    buffer_append_str(content, "\":[");
    return 0;
}

bool collection_wants(struct collection *collection)
{
    uint64_t ordinal = collection->seen++;
    return ordinal >= collection->from && ordinal - collection->from < collection->size;
}

static void row_put(struct buffer *content, const struct edda_type *type, const void *row, struct slice link)
{
    buffer_append_byte(content, '{');
    bool any = json_encode_members(type, row, false, content);
    link_put(content, any, link);
    buffer_append_byte(content, '}');
}

void collection_row(struct collection *collection, const struct edda_type *type, const void *row, struct slice link)
{
    struct buffer *content = &collection->request->server->content;
    if (collection->rows++)
        buffer_append_byte(content, ',');
    row_put(content, type, row, link);
}

int collection_end(struct collection *collection, uint64_t total)
{
    struct buffer *content = &collection->request->server->content;
    uint64_t pages = total / collection->size + (total % collection->size != 0);
    buffer_printf(content, "]},\"page\":{\"size\":%llu,\"totalElements\":%llu,\"totalPages\":%llu,\"number\":%llu}}",
                  (unsigned long long)collection->size, (unsigned long long)total, (unsigned long long)pages,
                  (unsigned long long)collection->number);
    response_content(collection->request, 200, "application/json", buffer_slice(content));
    return 0;
}

int collection_item(struct edda_request *request, const struct edda_type *type, const void *row, struct slice link, int64_t version)
{
    struct response response = { .status = 304, .version = version, .gate = journal_tail(request->server->journal) };
    buffer_clear(&request->server->content);
    if (version < 0 || !request_has_version(request, version)) {
        row_put(&request->server->content, type, row, link);
        response.status = 200;
        response.content_type = "application/json";
        response.content = buffer_slice(&request->server->content);
    }
    response_put(request, &response);
    return 0;
}

/* --- edda_respond_deadlines() ---------------------------------------------------------------------------------- */

struct deadline_rows {
    struct collection collection;
    const struct edda_type *type;
    const char *item;
    edda_deadline_row_fn *fill;
    void *row;
};

static int deadline_visit(void *user, const struct edda_deadline_info *deadline, struct slice type, struct slice json)
{
    struct deadline_rows *rows = user;
    (void)type, (void)json;
    memset(rows->row, 0, rows->type->size);
    if (!deadline->message || !rows->fill(rows->row, deadline))
        return 0;
    const struct link_source source = { .type = rows->type, .value = rows->row };
    struct slice link = { NULL, 0 };
    if (rows->item)
        link = link_make(rows->collection.request, rows->item, &source);
    collection_row(&rows->collection, rows->type, rows->row, link);
    return 0;
}

int edda_respond_deadlines(struct edda_request *request, const struct edda_service *service, const char *name,
                           const char *item, const struct edda_type *row, edda_deadline_row_fn *fill)
{
    struct deadline_rows rows = { .type = row, .item = item, .fill = fill };
    struct engine *engine = request->server->engine;
    if (collection_begin(&rows.collection, request, name) < 0)
        return 0;
    rows.row = arena_alloc(&request->arena, row->size);
    if (!rows.row)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the rows");
    int rc = engine_deadlines(engine, service, rows.collection.from, rows.collection.size, deadline_visit, &rows);
    if (rc < 0)
        return edda_fail_with(&request->error, rc, "reading deadlines: %s", edda_code_info(rc)->sentence);
    return collection_end(&rows.collection, engine_deadline_count(engine, service));
}

static int deadline_item(void *user, const struct edda_deadline_info *deadline, struct slice type, struct slice json)
{
    struct deadline_rows *rows = user;
    (void)type, (void)json;
    if (!deadline->message || !rows->fill(rows->row, deadline))
        return EDDA_ENOTFOUND;
    const struct link_source source = { .type = rows->type, .value = rows->row };
    struct edda_request *request = rows->collection.request;
    return collection_item(request, rows->type, rows->row, rows->item ? link_make(request, rows->item, &source) : slice_of(NULL, 0),
                           -1);
}

int edda_respond_deadline(struct edda_request *request, const struct edda_service *service, struct edda_text key, const char *name,
                          const char *item, const struct edda_type *row, edda_deadline_row_fn *fill)
{
    struct deadline_rows rows = { .collection = { .request = request }, .type = row, .item = item, .fill = fill };
    const char *id = arena_printf(&request->arena, "%s/%.*s/%s", service->name, (int)key.len, key.data, name);
    rows.row = arena_alloc(&request->arena, row->size);
    if (!rows.row || !id)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the row");
    int rc = engine_deadline(request->server->engine, slice_str(id), deadline_item, &rows);
    return rc == EDDA_ENOTFOUND ? edda_fail_with(&request->error, rc, "no deadline %s of %.*s is pending", name, (int)key.len, key.data) : rc;
}
