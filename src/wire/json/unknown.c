/* Finding members that a type does not have. The decoder passes over them, as most readers should; who checks what an author wrote wants them named. */
#include <stdio.h>
#include <string.h>

#include "wire/json/json.h"
#include "wire/json/reader.h"
#include "wire/json/text.h"

struct walk {
    struct reader reader;
    char *path;
    size_t size;
    bool found;
};

static bool walk_value(struct walk *walk, const struct edda_field *field, size_t used);

static const struct edda_field *field_of(const struct edda_type *type, struct slice name)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (text_unescaped_is(name, type->fields[i].name))
            return &type->fields[i];
    return NULL;
}

/* Writes the name of a member behind what leads to it; returns the new length. */
static size_t path_put(struct walk *walk, size_t used, struct slice name)
{
    int len = snprintf(walk->path + used, walk->size - used, "%s%.*s", used ? "." : "", (int)name.len, (const char *)name.data);
    return used + (size_t)len < walk->size ? used + (size_t)len : walk->size - 1;
}

/* The object whose brace is next. False at the first member that is unknown, and when it is no JSON. */
static bool walk_object(struct walk *walk, const struct edda_type *type, size_t used)
{
    struct reader *r = &walk->reader;
    if (!reader_enter(r))
        return false;
    if (reader_peek(r) == '}') {
        reader_leave(r);
        return true;
    }
    do {
        struct slice name;
        bool escaped;
        if (reader_peek(r) != '"' || !reader_string(r, &name, &escaped) || !reader_take(r, ':', READER_WRONG_COLON))
            return false;
        const struct edda_field *field = field_of(type, name);
        size_t here = path_put(walk, used, name);
        walk->found = !field;
        if (!field || !walk_value(walk, field, here))
            return false;
        walk->path[used] = '\0';
    } while (reader_more(r, '}', READER_WRONG_OBJECT));
    return !r->wrong;
}

static bool walk_list(struct walk *walk, const struct edda_type *type, size_t used)
{
    struct reader *r = &walk->reader;
    size_t index = 0;
    if (!reader_enter(r))
        return false;
    if (reader_peek(r) == ']') {
        reader_leave(r);
        return true;
    }
    do {
        int len = snprintf(walk->path + used, walk->size - used, "[%zu]", index++);
        size_t here = used + (size_t)len < walk->size ? used + (size_t)len : walk->size - 1;
        bool fits = reader_peek(r) == '{' ? walk_object(walk, type, here) : reader_skip(r);
        if (!fits)
            return false;
        walk->path[used] = '\0';
    } while (reader_more(r, ']', READER_WRONG_LIST));
    return !r->wrong;
}

static bool walk_value(struct walk *walk, const struct edda_field *field, size_t used)
{
    uint8_t first = reader_peek(&walk->reader);
    if (field->kind == EDDA_KIND_STRUCT && first == '{')
        return walk_object(walk, field->type, used);
    if (field->kind == EDDA_KIND_LIST && field->item_kind == EDDA_KIND_STRUCT && first == '[')
        return walk_list(walk, field->type, used);
    return reader_skip(&walk->reader);
}

bool json_unknown(const struct edda_type *type, struct slice json, char *ret_path, size_t size)
{
    struct walk walk = { .reader = reader_of(json), .path = ret_path, .size = size };
    ret_path[0] = '\0';
    if (reader_peek(&walk.reader) == '{')
        (void)walk_object(&walk, type, 0);
    return walk.found;
}
