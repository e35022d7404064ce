/*
 * Values of declared types: deep copies, and the owning of texts and lists by a state. An evolve function assigns texts and lists of
 * an event to a state as if they were numbers; afterwards state_adopt() makes the state's own what it borrowed.
 */
#include "engine/value.h"

#include "base/assert.h"
#include "wire/json/field.h"
#include "wire/json/list_block.h"

#include <stdlib.h>

struct text_chunk {
    struct text_chunk *next;
    size_t used;
    size_t capacity;
    char data[];
};

#define TEXT_CHUNK_MIN 64
#define LEND_FROM 64      /* items with texts in a state: fewer are looked through as quickly */
#define ITEM_TEXTS_MAX 16 /* of one item, looked through by the quick way */

static size_t item_size(const struct edda_field *field)
{
    return field_size(field->item_kind, field->type);
}

/* Whether values of this type, or one of its items, point to texts or lists. */
static bool has_pointers(const struct edda_type *type)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        if (field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON || field->kind == EDDA_KIND_LIST)
            return true;
        if (field->kind == EDDA_KIND_STRUCT && has_pointers(field->type))
            return true;
    }
    return false;
}

static bool items_have_pointers(const struct edda_field *field)
{
    return field->item_kind == EDDA_KIND_TEXT || (field->item_kind == EDDA_KIND_STRUCT && has_pointers(field->type));
}

/* --- copies into an arena ------------------------------------------------------------------------------- */

static bool copy_pointers(const struct edda_type *type, void *value, struct arena *arena);

static bool copy_text(struct edda_text *text, struct arena *arena)
{
    if (text->len == 0)
        return true;
    struct slice copy = arena_copy(arena, slice_of(text->data, text->len));
    text->data = (const char *)copy.data;
    return copy.data != NULL;
}

static bool copy_list(const struct edda_field *field, struct edda_list *list, struct arena *arena)
{
    size_t size = item_size(field);
    if (list->count == 0) {
        *list = (struct edda_list){ 0 };
        return true;
    }
    char *items = arena_alloc(arena, size * list->count);
    if (!items)
        return false;
    memcpy(items, list->items, size * list->count);
    list->items = items;
    list->capacity = 0;
    if (!items_have_pointers(field))
        return true;
    for (uint32_t i = 0; i < list->count; i++) {
        void *item = items + i * size;
        bool ok = field->item_kind == EDDA_KIND_TEXT ? copy_text(item, arena) : copy_pointers(field->type, item, arena);
        if (!ok)
            return false;
    }
    return true;
}

static bool copy_pointers(const struct edda_type *type, void *value, struct arena *arena)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        void *member = (char *)value + field->offset;
        bool ok = true;
        if (field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON)
            ok = copy_text(member, arena);
        else if (field->kind == EDDA_KIND_STRUCT)
            ok = copy_pointers(field->type, member, arena);
        else if (field->kind == EDDA_KIND_LIST)
            ok = copy_list(field, member, arena);
        if (!ok)
            return false;
    }
    return true;
}

void *value_copy(const struct edda_type *type, const void *value, struct arena *arena)
{
    void *copy = arena_alloc(arena, type->size);
    if (!copy)
        return NULL;
    memcpy(copy, value, type->size);
    return copy_pointers(type, copy, arena) ? copy : NULL;
}

/* --- comparing ------------------------------------------------------------------------------------------ */

/* Zeroes what points elsewhere. */
static void blank(const struct edda_type *type, void *value)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        void *member = (char *)value + field->offset;
        if (field->kind == EDDA_KIND_STRUCT)
            blank(field->type, member);
        else if (field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON || field->kind == EDDA_KIND_LIST)
            memset(member, 0, field_size(field->kind, field->type));
    }
}

static bool texts_same(const struct edda_text *a, const struct edda_text *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool lists_same(const struct edda_field *field, const struct edda_list *a, const struct edda_list *b, struct arena *arena)
{
    size_t size = item_size(field);
    if (a->count != b->count || a->count == 0)
        return a->count == b->count;
    if (!items_have_pointers(field))
        return memcmp(a->items, b->items, size * a->count) == 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const void *x = (const char *)a->items + i * size, *y = (const char *)b->items + i * size;
        if (!(field->item_kind == EDDA_KIND_TEXT ? texts_same(x, y) : value_same(field->type, x, y, arena)))
            return false;
    }
    return true;
}

static bool pointers_same(const struct edda_type *type, const void *a, const void *b, struct arena *arena)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        const void *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
        bool same = true;
        if (field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON)
            same = texts_same(x, y);
        else if (field->kind == EDDA_KIND_STRUCT)
            same = pointers_same(field->type, x, y, arena);
        else if (field->kind == EDDA_KIND_LIST)
            same = lists_same(field, x, y, arena);
        if (!same)
            return false;
    }
    return true;
}

bool value_same(const struct edda_type *type, const void *a, const void *b, struct arena *arena)
{
    void *x = arena_alloc(arena, type->size), *y = arena_alloc(arena, type->size);
    if (!x || !y)
        return false;
    memcpy(x, a, type->size);
    memcpy(y, b, type->size);
    blank(type, x);
    blank(type, y);
    return memcmp(x, y, type->size) == 0 && pointers_same(type, a, b, arena);
}

/* --- states --------------------------------------------------------------------------------------------- */

struct state *state_new(const struct edda_type *type)
{
    struct state *state = calloc(1, sizeof *state + type->size);
    if (state)
        state->value = state + 1;
    return state;
}

static void free_chunks(struct text_chunk *chunk)
{
    while (chunk) {
        struct text_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void state_free(struct state *state)
{
    if (!state)
        return;
    for (struct list_block *block = state->blocks; block;) {
        struct list_block *next = block->next;
        list_block_free(block);
        block = next;
    }
    free_chunks(state->texts);
    free(state);
}

static inline bool chunk_has(const struct text_chunk *chunk, const char *data)
{
    return chunk && data >= chunk->data && data < chunk->data + chunk->used;
}

static bool is_own(const struct state *state, const char *data)
{
    for (const struct text_chunk *chunk = state->texts; chunk; chunk = chunk->next)
        if (chunk_has(chunk, data))
            return true;
    return false;
}

static bool chunk_add(struct state *state, size_t capacity)
{
    struct text_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk)
        return false;
    *chunk = (struct text_chunk){ state->texts, 0, capacity };
    state->texts = chunk;
    state->text_bytes += capacity;
    return true;
}

static bool own_text(struct state *state, struct edda_text *text)
{
    struct text_chunk *chunk = state->texts;
    if (!chunk || chunk->capacity - chunk->used < text->len) {
        size_t capacity = state->text_bytes + text->len;
        if (!chunk_add(state, capacity < TEXT_CHUNK_MIN ? TEXT_CHUNK_MIN : capacity))
            return false;
        chunk = state->texts;
    }
    memcpy(chunk->data + chunk->used, text->data, text->len);
    text->data = chunk->data + chunk->used;
    chunk->used += text->len;
    return true;
}

static bool adopt_text(struct state *state, struct edda_text *text)
{
    return state->lent || text->len == 0 || is_own(state, text->data) || own_text(state, text);
}

/* A block that the value still uses: kept by the sweep. */
static void block_meet(struct state *state, struct list_block *block)
{
    if (!block->owned) {
        block->owned = true;
        block->next = state->blocks;
        state->blocks = block;
    }
    block->live = true;
}

/* Frees the blocks that the value no longer uses: outgrown, or dropped by an assignment. */
static void blocks_sweep(struct state *state)
{
    for (struct list_block *block = state->blocks; block; block = block->next) {
        struct list_block *outgrown = block->outgrown;
        block->outgrown = NULL;
        while (outgrown) {
            struct list_block *before = outgrown->outgrown;
            if (!outgrown->owned)
                list_block_free(outgrown); /* it came and went within one evolve */
            outgrown = before;
        }
    }
    struct list_block **at = &state->blocks;
    while (*at) {
        struct list_block *block = *at;
        if (block->live) {
            block->live = false;
            state->list_bytes += list_block_bytes(block);
            at = &block->next;
        } else {
            *at = block->next;
            list_block_free(block);
        }
    }
}

static bool adopt_pointers(struct state *state, const struct edda_type *type, void *value);

/* Where in an item the texts are, when there is nothing else to adopt in it. */
struct item_texts {
    uint32_t offsets[ITEM_TEXTS_MAX];
    uint32_t count;
};

static bool find_texts(const struct edda_type *type, size_t base, struct item_texts *texts)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        if (field->kind == EDDA_KIND_LIST || (field->kind == EDDA_KIND_STRUCT && !find_texts(field->type, base + field->offset, texts)))
            return false;
        if (field->kind != EDDA_KIND_TEXT && field->kind != EDDA_KIND_JSON)
            continue;
        if (texts->count == ITEM_TEXTS_MAX)
            return false;
        texts->offsets[texts->count++] = (uint32_t)(base + field->offset);
    }
    return true;
}

/* Any of the items may have been assigned to. Texts that came one after the other lie in one chunk, which makes the chunk of the last one the best guess. */
static bool adopt_item_texts(struct state *state, const struct item_texts *texts, struct edda_list *list, size_t size)
{
    const struct text_chunk *guess = state->texts;
    state->item_texts += list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        for (uint32_t k = 0; k < texts->count; k++) {
            struct edda_text *text = (struct edda_text *)(void *)((char *)list->items + i * size + texts->offsets[k]);
            if (text->len == 0 || chunk_has(guess, text->data))
                continue;
            if (!adopt_text(state, text))
                return false;
            for (guess = state->texts; !chunk_has(guess, text->data);)
                guess = guess->next;
        }
    }
    return true;
}

static bool adopt_items(struct state *state, const struct edda_field *field, struct edda_list *list)
{
    size_t size = item_size(field);
    struct item_texts texts = { .count = 0 };
    if (field->item_kind == EDDA_KIND_TEXT)
        texts.count = 1;
    else if (field->item_kind != EDDA_KIND_STRUCT)
        return true;
    if (texts.count || find_texts(field->type, 0, &texts))
        return texts.count == 0 || state->lent || adopt_item_texts(state, &texts, list, size);
    for (uint32_t i = 0; i < list->count; i++)
        if (!adopt_pointers(state, field->type, (char *)list->items + i * size))
            return false;
    return true;
}

static bool adopt_list(struct state *state, const struct edda_field *field, struct edda_list *list)
{
    bool lent = state->lent;
    size_t size = item_size(field);
    if (list->capacity == 0 && list->count) {
        struct list_block *copy = list_block_new(size * list->count);
        if (!copy)
            return false;
        memcpy(copy->items, list->items, size * list->count);
        list->items = copy->items;
        list->capacity = list->count;
        state->lent = false; /* who knows where its texts come from */
    }
    if (list->capacity)
        block_meet(state, list_block_of(list->items));
    bool ok = adopt_items(state, field, list);
    state->lent = lent;
    return ok;
}

static bool adopt_pointers(struct state *state, const struct edda_type *type, void *value)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        void *member = (char *)value + field->offset;
        bool ok = true;
        if (field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON)
            ok = adopt_text(state, member);
        else if (field->kind == EDDA_KIND_STRUCT)
            ok = adopt_pointers(state, field->type, member);
        else if (field->kind == EDDA_KIND_LIST)
            ok = adopt_list(state, field, member);
        if (!ok)
            return false;
    }
    return true;
}

/* Whether all that values of this type point to are texts of their own fields. */
static bool texts_only(const struct edda_type *type)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        if (field->kind == EDDA_KIND_LIST || (field->kind == EDDA_KIND_STRUCT && !texts_only(field->type)))
            return false;
    }
    return true;
}

static bool lend_texts(struct state *state, const struct edda_type *type, void *value)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        void *member = (char *)value + field->offset;
        bool ok = true;
        if (field->kind == EDDA_KIND_STRUCT)
            ok = lend_texts(state, field->type, member);
        else if ((field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON) && ((struct edda_text *)member)->len)
            ok = own_text(state, member);
        if (!ok)
            return false;
    }
    return true;
}

const void *state_lend(struct state *state, const struct edda_type *type, const void *event, struct arena *arena)
{
    if (state->item_texts < LEND_FROM || !texts_only(type))
        return event;
    void *copy = arena_alloc(arena, type->size);
    if (!copy)
        return NULL;
    memcpy(copy, event, type->size);
    state->lent = true;
    return lend_texts(state, type, copy) ? copy : NULL;
}

static size_t live_text_bytes(const struct edda_type *type, const void *value)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        const void *member = (const char *)value + field->offset;
        if (field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON) {
            bytes += ((const struct edda_text *)member)->len;
        } else if (field->kind == EDDA_KIND_STRUCT) {
            bytes += live_text_bytes(field->type, member);
        } else if (field->kind == EDDA_KIND_LIST && items_have_pointers(field)) {
            const struct edda_list *list = member;
            for (uint32_t k = 0; k < list->count; k++) {
                const void *item = (const char *)list->items + k * item_size(field);
                bytes += field->item_kind == EDDA_KIND_TEXT ? ((const struct edda_text *)item)->len
                                                            : live_text_bytes(field->type, item);
            }
        }
    }
    return bytes;
}

/* Adopts all of the value, also what was lent. */
static bool adopt_all(struct state *state, const struct edda_type *type)
{
    state->lent = false;
    state->item_texts = 0;
    return adopt_pointers(state, type, state->value);
}

int state_adopt(const struct edda_type *type, struct state *state)
{
    bool ok = state->lent ? adopt_pointers(state, type, state->value) : adopt_all(state, type);
    state->lent = false;
    if (!ok)
        return EDDA_ENOMEM;
    state->list_bytes = 0;
    blocks_sweep(state);
    if (state->text_bytes <= state->compact_above)
        return 0;
    /* Replaced texts leave holes: once what is allocated has doubled, the live ones move together. Where there are many, they take their room to double
     * with them, so that the next time is as far away as they are long. */
    size_t live = live_text_bytes(type, state->value);
    if (state->text_bytes > 2 * live + 4 * TEXT_CHUNK_MIN) {
        struct text_chunk *old = state->texts;
        state->texts = NULL;
        state->text_bytes = 0;
        ok = (state->item_texts < LEND_FROM || chunk_add(state, 2 * live + 4 * TEXT_CHUNK_MIN)) && adopt_all(state, type);
        free_chunks(old);
        state->list_bytes = 0;
        blocks_sweep(state);
        if (!ok)
            return EDDA_ENOMEM;
    }
    state->compact_above = 2 * live + 4 * TEXT_CHUNK_MIN;
    return 0;
}

size_t state_bytes(const struct edda_type *type, const struct state *state)
{
    return sizeof *state + type->size + state->text_bytes + state->list_bytes;
}
