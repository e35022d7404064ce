/*
 * Reading a message that was recorded in an older version of its type: decoded into the struct that it had then, and lifted from version to
 * version by the application's functions. Whatever the engine decodes of messages passes here.
 */
#include "engine/upcast.h"

#include "wire/json/json.h"

uint32_t type_version(const struct edda_type *type)
{
    return type->version ? type->version : 1;
}

static const struct edda_older *older_of(const struct edda_type *type, uint32_t version)
{
    for (const struct edda_older *row = type->older; row && row->type; row++)
        if (row->version == version)
            return row;
    return NULL;
}

int message_lift(const struct edda_type *type, uint32_t version, const void *older, struct arena *arena, void *ret_value,
                 struct edda_error *error)
{
    for (; version < type_version(type); version++) {
        const struct edda_older *row = older_of(type, version), *next = older_of(type, version + 1);
        void *newer = next ? arena_alloc(arena, next->type->size) : ret_value;
        if (!row || !newer)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a %s", type->name);
        memset(newer, 0, next ? next->type->size : type->size);
        row->upcast(newer, older);
        older = newer;
    }
    return 0;
}

int message_decode(const struct edda_type *type, uint32_t version, struct slice json, struct arena *arena, void *ret_value,
                   struct edda_error *error)
{
    if (version == 0)
        version = 1;
    if (version > type_version(type))
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "%s is of version %u, and this application knows it up to version %u", type->name,
                              version, type_version(type));
    const struct edda_older *row = version < type_version(type) ? older_of(type, version) : NULL;
    if (!row)
        return json_decode(type, json, JSON_STORED, arena, ret_value, error);
    void *older = arena_alloc(arena, row->type->size);
    if (!older)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a %s", type->name);
    int rc = json_decode(row->type, json, JSON_STORED, arena, older, error);
    return rc < 0 ? rc : message_lift(type, version, older, arena, ret_value, error);
}
