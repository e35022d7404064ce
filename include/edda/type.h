/*
 * edda/type.h: the one description of a message, a state or a row.
 *
 * A type is a plain C struct and a table of its fields. From the table come JSON both ways, JSON
 * Schema, the errors that name a wrong field, snapshots and the console's forms:
 *
 *     struct OrderPlaced { int64_t id; struct edda_text holderId; };
 *     static const struct edda_field OrderPlaced_fields[] = {
 *         EDDA_FIELD(OrderPlaced, id), EDDA_FIELD(OrderPlaced, holderId, .len_max = 64) };
 *     static const struct edda_type OrderPlaced = EDDA_EVENT(OrderPlaced, id, .topic = "orders");
 *
 * A type must live as long as what uses it. The macros are for C11; other languages fill the same
 * structs at run time.
 */
#ifndef EDDA_TYPE_H
#define EDDA_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edda/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed UTF-8, not zero-terminated. data may be NULL when len is 0. */
struct edda_text {
    const char *data;
    size_t len; /* bytes */
};

/* A list of values of one kind. In a state it may grow (edda_list_add()); in a message it may not. */
struct edda_list {
    void *items;
    uint32_t count;
    uint32_t capacity; /* 0: items are borrowed; else they are the list's own */
};

enum edda_kind {
    EDDA_KIND_BOOL = 1, /* bool */
    EDDA_KIND_INT,      /* int64_t */
    EDDA_KIND_DOUBLE,   /* double; finite */
    EDDA_KIND_TEXT,     /* struct edda_text */
    EDDA_KIND_TIME,     /* int64_t, milliseconds since 1970; in JSON "2026-01-31T23:59:59.123Z"; a request may say "2026-01-31" for its midnight UTC */
    EDDA_KIND_STRUCT,   /* a nested struct with a type of its own */
    EDDA_KIND_LIST,     /* struct edda_list */
    EDDA_KIND_JSON      /* struct edda_text holding any JSON value as it came */
};

struct edda_type;

struct edda_field {
    const char *name;             /* in JSON */
    uint32_t offset;              /* in the struct */
    uint32_t kind;                /* enum edda_kind */
    const struct edda_type *type; /* of a nested struct, or of the items of a list of structs */
    uint32_t item_kind;           /* of a list: BOOL, INT, DOUBLE, TEXT, TIME or STRUCT */
    bool optional;                /* may be missing or null: then it is zero, and zero is not written */
    double min, max;              /* of INT and DOUBLE. 0 and 0: any value; max < min: no upper bound
                                     (.min = 0, .max = -1 is "not negative") */
    uint32_t len_min, len_max;    /* of TEXT in bytes, of LIST in items; len_max 0: 64 KiB / 1,000,000 */
    const char *const *values;    /* of TEXT: NULL-terminated, the only ones allowed; or NULL */
    const char *description;      /* one sentence, for schemas and help; or NULL */
    uint32_t reserved;
};

enum edda_type_kind {
    EDDA_TYPE_EVENT = 1, /* has happened; many may read it */
    EDDA_TYPE_COMMAND,   /* asks; one service handles it */
    EDDA_TYPE_STATE,     /* of an entity */
    EDDA_TYPE_VALUE      /* a request, a reply, a row, a nested struct */
};

/* Fills a struct of the next newer version from an older one. Pure; it cannot fail. `newer` is all zero; texts and lists of `older` may be assigned
 * to it, and lists may not grow. */
typedef void edda_upcast_fn(void *newer, const void *older);

/* What a message type was in an older version. Written with EDDA_OLDER(). */
struct edda_older {
    uint32_t version;             /* 1 and up */
    const char *name;             /* of the type then, on the same topic; NULL: as it is now */
    const struct edda_type *type; /* its struct and fields; a type of its own, with any name */
    edda_upcast_fn *upcast;       /* to the next version */
};

struct edda_type {
    const char *name;   /* "OrderPlaced"; at most 127 bytes of letters, digits, '.', '_', '-' */
    uint32_t kind;      /* enum edda_type_kind */
    uint32_t size;      /* of the struct, bytes */
    const struct edda_field *fields;
    uint32_t field_count; /* at most 64 */
    const char *topic;  /* of an event or command: where it is recorded */
    const char *key;    /* of an event or command: the field whose value is the record's key; "idName.id" is one of a nested struct, here and below */
    const char *correlation; /* the field that names the process it belongs to, when nothing else does; or NULL */
    bool expires;       /* an emission of this type takes the expiry of its cause */
    const char *description;
    const char *reply_to; /* of a command: the topic on which it is answered when a handler sends it (edda_reply(), edda/service.h); or NULL */
    /*
     * An event or command whose meaning has changed gets a new version, and a table of what it was in each older one, which ends with
     * EDDA_OLDER_END. What lies in the log is lifted step by step when it is read; handlers and evolve functions see the newest version only.
     * What says that it is newer than `version` is not read: a handler's message is quarantined, and an application that would have to fold it
     * does not start. (A new field alone needs no new version: where it is missing it is zero.)
     */
    uint32_t version;   /* 0 and 1 are the same; at most 1,000 */
    const struct edda_older *older;
    uint32_t reserved;
};

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
/* One row of a field table: EDDA_FIELD(OrderPlaced, id) or EDDA_FIELD(OrderPlaced, id, .min = 1). The kind
 * follows from the member's C type; a member of another type does not compile. */
#define EDDA_FIELD(struct_name, ...) EDDA_FIELD_(struct_name, __VA_ARGS__, .reserved = 0)
#define EDDA_FIELD_(struct_name, member, ...) \
    { .name = #member, .offset = offsetof(struct struct_name, member), \
      .kind = _Generic(((struct struct_name *)0)->member, \
          bool: EDDA_KIND_BOOL, int64_t: EDDA_KIND_INT, double: EDDA_KIND_DOUBLE, struct edda_text: EDDA_KIND_TEXT), \
      __VA_ARGS__ }
/* A time; the member is an int64_t of milliseconds since 1970. */
#define EDDA_FIELD_TIME(struct_name, ...) EDDA_FIELD_KIND_(struct_name, EDDA_KIND_TIME, __VA_ARGS__, .reserved = 0)
/* Any JSON value; the member is a struct edda_text. */
#define EDDA_FIELD_JSON(struct_name, ...) EDDA_FIELD_KIND_(struct_name, EDDA_KIND_JSON, __VA_ARGS__, .reserved = 0)
/* A nested struct of type `of`. */
#define EDDA_FIELD_STRUCT(struct_name, member, ...) EDDA_FIELD_STRUCT_(struct_name, member, __VA_ARGS__, .reserved = 0)
#define EDDA_FIELD_STRUCT_(struct_name, member, of, ...) \
    { .name = #member, .offset = offsetof(struct struct_name, member), .kind = EDDA_KIND_STRUCT, .type = &(of), __VA_ARGS__ }
/* A list of texts, numbers …: EDDA_FIELD_LIST(Group, members, EDDA_KIND_TEXT). */
#define EDDA_FIELD_LIST(struct_name, member, ...) EDDA_FIELD_LIST_(struct_name, member, __VA_ARGS__, .reserved = 0)
#define EDDA_FIELD_LIST_(struct_name, member, of_kind, ...) \
    { .name = #member, .offset = offsetof(struct struct_name, member), .kind = EDDA_KIND_LIST, .item_kind = of_kind, __VA_ARGS__ }
/* A list of structs of type `of`. */
#define EDDA_FIELD_LIST_OF(struct_name, member, ...) EDDA_FIELD_LIST_OF_(struct_name, member, __VA_ARGS__, .reserved = 0)
#define EDDA_FIELD_LIST_OF_(struct_name, member, of, ...) \
    { .name = #member, .offset = offsetof(struct struct_name, member), .kind = EDDA_KIND_LIST, \
      .item_kind = EDDA_KIND_STRUCT, .type = &(of), __VA_ARGS__ }
#define EDDA_FIELD_KIND_(struct_name, its_kind, member, ...) \
    { .name = #member, .offset = offsetof(struct struct_name, member), .kind = its_kind, __VA_ARGS__ }

/* The topic of commands is best one of their own ("order.commands"): on the category of an entity each would be a version of its stream. `.correlation`
 * names the field that is the process's id: without it a process that a command begins is known by the command's own id only.
 *
 * The type of struct `struct_name`, whose fields are in `struct_name`_fields. */
#define EDDA_EVENT(struct_name, ...) EDDA_MESSAGE_(EDDA_TYPE_EVENT, struct_name, __VA_ARGS__, .reserved = 0)
#define EDDA_COMMAND(struct_name, ...) EDDA_MESSAGE_(EDDA_TYPE_COMMAND, struct_name, __VA_ARGS__, .reserved = 0)
#define EDDA_MESSAGE_(its_kind, struct_name, key_member, ...) \
    { EDDA_TYPE_HEAD_(its_kind, struct_name), .key = #key_member, __VA_ARGS__ }
#define EDDA_STATE(struct_name) { EDDA_TYPE_HEAD_(EDDA_TYPE_STATE, struct_name) }
#define EDDA_VALUE(struct_name) { EDDA_TYPE_HEAD_(EDDA_TYPE_VALUE, struct_name) }
/* Declares static void name(struct newer_name *, const struct older_name *), which fills a struct of the next version from an older one. */
#define EDDA_UPCAST(name, newer_name, older_name) \
    static void name(struct newer_name *newer, const struct older_name *older); \
    static void name##_row(void *newer, const void *older) \
    { \
        name((struct newer_name *)newer, (const struct older_name *)older); \
    } \
    extern int edda_declared
/* A row of `.older`: version 1 was a struct OrderPlaced_1, its type was called "OrderMade": EDDA_OLDER(1, "OrderMade", OrderPlaced_1, lift). */
#define EDDA_OLDER(its_version, its_name, type_name, upcaster) \
    { .version = its_version, .name = its_name, .type = &type_name, .upcast = upcaster##_row }
#define EDDA_OLDER_END { .type = NULL }
#define EDDA_TYPE_HEAD_(its_kind, struct_name) \
    .name = #struct_name, .kind = its_kind, .size = sizeof(struct struct_name), .fields = struct_name##_fields, \
    .field_count = sizeof struct_name##_fields / sizeof struct_name##_fields[0]

/* A text of a string literal. */
#define EDDA_TEXT(literal) ((struct edda_text){ "" literal, sizeof(literal) - 1 })
/* The same as an initialiser, for tables outside of functions. */
#define EDDA_STATIC_TEXT(literal) { "" literal, sizeof(literal) - 1 }
/* A list of values that are at hand: EDDA_LIST(int64_t, 1, 2, 3), EDDA_LIST(struct item, { 7, 1 }, { 8, 2 }). Its items are borrowed, and live as long as a
 * compound literal at this place. */
#define EDDA_LIST(item_type, ...) \
    ((struct edda_list){ .items = (item_type[]){ __VA_ARGS__ }, \
                         .count = (uint32_t)(sizeof((item_type[]){ __VA_ARGS__ }) / sizeof(item_type)) })
#endif

/* Whether a text equals a zero-terminated string. */
EDDA_PUBLIC bool edda_text_is(struct edda_text text, const char *string);
EDDA_PUBLIC bool edda_text_equal(struct edda_text a, struct edda_text b);
/* A text of a zero-terminated string, borrowed. */
EDDA_PUBLIC struct edda_text edda_text_of(const char *string);
/* The decimal number that a text is; 0 when it is none or does not fit. */
EDDA_PUBLIC int64_t edda_text_int(struct edda_text text);

/*
 * Lists in a state. `item_size` is that of the list's items and always the same for one list.
 *
 * edda_list_add() gives a zeroed item at the end, or NULL when out of memory. Items move when the
 * list grows. A list kept in the order of its items' first member, an int64_t, can be searched:
 * edda_list_find() gives the item whose first member is `id`, or NULL, edda_list_put() the same or a
 * fresh item in its place in the order. edda_list_remove() takes out the item at `index`.
 *
 * A list in any order whose items' first member is a text can be searched by it, in the same time for any length of a list that has grown:
 * edda_list_find_text() gives the last item whose first member is `text` or, with the one found before as `after`, the last before that; NULL when there is none.
 * That member must stay as it is from the first search on.
 *
 * What an event costs does not depend on the length of a state's lists, unless their items hold lists, which are looked through at each event. An item added or
 * removed at the end costs the same for any length; elsewhere those behind it move.
 *
 * Texts that an evolve function assigns are the event's, the state's or string literals. It may assign lists as it likes, but not over one that has
 * grown in the same call: until it returns nobody else knows of that memory.
 */
EDDA_PUBLIC void *edda_list_add(struct edda_list *list, size_t item_size);
EDDA_PUBLIC void *edda_list_find(const struct edda_list *list, size_t item_size, int64_t id);
EDDA_PUBLIC void *edda_list_put(struct edda_list *list, size_t item_size, int64_t id);
EDDA_PUBLIC void *edda_list_find_text(const struct edda_list *list, size_t item_size, struct edda_text text, const void *after);
EDDA_PUBLIC void edda_list_remove(struct edda_list *list, size_t item_size, uint32_t index);
/* Empties a list that has grown outside of a state, and frees its items. The lists of a state are its engine's to free. */
EDDA_PUBLIC void edda_list_free(struct edda_list *list);
#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
/* What is found in a list that is const, as in the state that a handler decides by, is const. */
#define edda_list_find(list, item_size, id) \
    _Generic((list), \
        const struct edda_list *: (const void *)(edda_list_find)(list, item_size, id), \
        struct edda_list *: (edda_list_find)(list, item_size, id))
#define edda_list_find_text(list, item_size, text, after) \
    _Generic((list), \
        const struct edda_list *: (const void *)(edda_list_find_text)(list, item_size, text, after), \
        struct edda_list *: (edda_list_find_text)(list, item_size, text, after))
#endif

/* Checks a table: names, kinds, offsets, duplicates, nesting (at most 8 deep). A type that a program
 * has built at run time is checked when it is first used; this says what is wrong beforehand. */
EDDA_PUBLIC int edda_type_check(const struct edda_type *type, struct edda_error *error);

#ifdef __cplusplus
}
#endif
#endif
