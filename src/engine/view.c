/*
 * Views: which of a service's entities are listed, in the order in which they first were. Memory holds the keys; a row is filled
 * from the entity's state when it is asked for. Rows are counted by blocks, so that a page far behind is found without a walk.
 */
#include "base/put.h"
#include "engine/internal.h"

#include <stdlib.h>

#define BLOCK_ROWS 512

struct row {
    struct table_link link;
    uint64_t ordinal;
    bool listed;
    uint32_t key_len;
    uint8_t key[];
};

struct view {
    struct table rows;        /* by key */
    struct row **order;
    uint64_t count;           /* of rows, listed or not */
    uint64_t capacity;
    uint32_t *blocks;         /* listed rows of each BLOCK_ROWS */
    uint64_t listed;
    void *scratch;            /* one row */
};

int view_open(struct service *service)
{
    const struct edda_view *def = service->def->view;
    struct view *view = calloc(1, sizeof *view);
    if (!view)
        return EDDA_ENOMEM;
    service->view = view;
    table_init(&view->rows);
    view->scratch = calloc(1, def->row->size);
    return view->scratch ? 0 : EDDA_ENOMEM;
}

void view_close(struct service *service)
{
    struct view *view = service->view;
    if (!view)
        return;
    for (uint64_t i = 0; i < view->count; i++)
        free(view->order[i]);
    free(view->order);
    free(view->blocks);
    free(view->scratch);
    table_deinit(&view->rows);
    free(view);
    service->view = NULL;
}

static struct row *row_find(const struct view *view, struct slice key, uint64_t hash)
{
    for (struct table_link *link = table_find(&view->rows, hash); link; link = table_find_next(link)) {
        struct row *row = container_of(link, struct row, link);
        if (slice_eq(slice_of(row->key, row->key_len), key))
            return row;
    }
    return NULL;
}

static bool grow(struct view *view)
{
    if (view->count < view->capacity)
        return true;
    uint64_t capacity = view->capacity ? view->capacity * 2 : BLOCK_ROWS;
    struct row **order = realloc(view->order, capacity * sizeof(struct row *));
    if (!order)
        return false;
    view->order = order;
    uint32_t *blocks = realloc(view->blocks, capacity / BLOCK_ROWS * sizeof *blocks);
    if (!blocks)
        return false;
    view->blocks = blocks;
    memset(blocks + view->capacity / BLOCK_ROWS, 0, (capacity - view->capacity) / BLOCK_ROWS * sizeof *blocks);
    view->capacity = capacity;
    return true;
}

static struct row *row_add(struct view *view, struct slice key, uint64_t hash)
{
    struct row *row = malloc(sizeof *row + key.len);
    if (!row || !grow(view) || !table_insert(&view->rows, &row->link, hash)) {
        free(row);
        return NULL;
    }
    row->ordinal = view->count;
    row->listed = false;
    row->key_len = (uint32_t)key.len;
    memcpy(row->key, key.data, key.len);
    view->order[view->count++] = row;
    return row;
}

static void row_list(struct view *view, struct row *row, bool listed)
{
    if (row->listed == listed)
        return;
    row->listed = listed;
    view->blocks[row->ordinal / BLOCK_ROWS] += listed ? 1 : UINT32_MAX;
    view->listed += listed ? 1 : UINT64_MAX;
}

int view_update(const struct version *version, struct slice key, const void *state)
{
    struct view *view = version->service->view;
    const struct edda_view *def = version->def->view;
    memset(view->scratch, 0, def->row->size);
    bool listed = def->fill(view->scratch, (struct edda_text){ (const char *)key.data, key.len }, state);
    uint64_t hash = hash64(key, 3);
    struct row *row = row_find(view, key, hash);
    /* One that is not listed has its place all the same: the order is that of the first events, live and after a restart. */
    if (!row)
        row = row_add(view, key, hash);
    if (!row)
        return EDDA_ENOMEM;
    row_list(view, row, listed);
    return 0;
}

bool view_has(const struct service *service, struct slice key)
{
    return service->view && row_find(service->view, key, hash64(key, 3));
}

uint64_t view_save_begin(const struct service *service, struct buffer *out)
{
    const struct view *view = service->view;
    uint8_t *at = buffer_extend(out, uvarint64_size(view->count));
    if (at)
        put_uvarint64(at, view->count);
    return view->count;
}

void view_save_rows(const struct service *service, uint64_t from, uint64_t to, struct buffer *out)
{
    for (uint64_t i = from; i < to; i++) {
        const struct row *row = service->view->order[i];
        uint64_t head = (uint64_t)row->key_len << 1 | row->listed;
        uint8_t *at = buffer_extend(out, uvarint64_size(head) + row->key_len);
        if (at)
            put_slice(put_uvarint64(at, head), slice_of(row->key, row->key_len));
    }
}

bool view_load(struct service *service, struct cursor *in)
{
    uint64_t count = cursor_uvarint64(in);
    while (count-- && cursor_ok(in)) {
        uint64_t head = cursor_uvarint64(in);
        if (head >> 1 > cursor_left(in))
            return false;
        struct slice key = cursor_bytes(in, (size_t)(head >> 1));
        struct row *row = row_add(service->view, key, hash64(key, 3));
        if (!row)
            return false;
        row_list(service->view, row, head & 1);
    }
    return cursor_ok(in);
}

/* --- looking -------------------------------------------------------------------------------------------- */

static bool fill(struct engine *engine, struct service *service, struct slice key, void *ret_row)
{
    int code;
    const struct entity *entity = entity_load(engine, service->category, key, &code);
    const struct version *version = version_of(service, key);
    memset(ret_row, 0, version->def->view->row->size);
    return entity && version->def->view->fill(ret_row, (struct edda_text){ (const char *)key.data, key.len },
                                              entity_state(entity, version));
}

uint64_t engine_view_count(struct engine *engine, const struct edda_service *def)
{
    const struct service *service = registry_service_of(engine, def);
    (void)fold_catch_up(engine, NULL);
    return service && service->view ? service->view->listed : 0;
}

int engine_view_rows(struct engine *engine, const struct edda_service *def, uint64_t from, uint64_t max, engine_row_fn *visit, void *user)
{
    struct service *service = registry_service_of(engine, def);
    if (!service || !service->view)
        return EDDA_ENOTFOUND;
    (void)fold_catch_up(engine, NULL);
    struct view *view = service->view;
    uint64_t at = 0, visited = 0;
    while (at + BLOCK_ROWS <= view->count && view->blocks[at / BLOCK_ROWS] <= from) {
        from -= view->blocks[at / BLOCK_ROWS];
        at += BLOCK_ROWS;
    }
    for (; at < view->count && visited < max; at++) {
        const struct row *row = view->order[at];
        if (!row->listed)
            continue;
        if (from > 0) {
            from--;
            continue;
        }
        struct slice key = slice_of(row->key, row->key_len);
        if (!fill(engine, service, key, view->scratch))
            continue;
        int rc = visit(user, key, view->scratch);
        if (rc)
            return rc;
        visited++;
    }
    return 0;
}

bool engine_view_row(struct engine *engine, const struct edda_service *def, struct slice key, void *ret_row, int64_t *ret_version)
{
    struct service *service = registry_service_of(engine, def);
    if (!service || !service->view || fold_catch_up(engine, NULL) < 0)
        return false;
    const struct row *row = row_find(service->view, key, hash64(key, 3));
    if (!row || !row->listed || !fill(engine, service, key, ret_row))
        return false;
    /* All that is sequenced is folded, so the state that filled the row is that of the stream's last event. */
    *ret_version = journal_stream_next_version(engine->journal, service->category->topic, key) - 1;
    return true;
}

const void *engine_state(struct engine *engine, const struct edda_service *def, struct slice key)
{
    const struct version *version = registry_version_of(engine, def);
    if (!version || !version->service->category || key.len == 0 || fold_catch_up(engine, NULL) < 0)
        return NULL;
    int code;
    const struct entity *entity = entity_load(engine, version->service->category, key, &code);
    return entity && entity->position ? entity_state(entity, version) : NULL;
}
