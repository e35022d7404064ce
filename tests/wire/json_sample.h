/* A type with a field of every kind, for the tests of the codec and for its fuzzer. */
#ifndef EDDA_TESTS_WIRE_JSON_SAMPLE_H
#define EDDA_TESTS_WIRE_JSON_SAMPLE_H

#include "edda/type.h"

struct line {
    struct edda_text sku;
    int64_t count;
    double price;
    struct edda_list marks; /* of int64_t */
};

static const struct edda_field line_fields[] = {
    EDDA_FIELD(line, sku, .len_min = 1, .len_max = 16),
    EDDA_FIELD(line, count, .min = 1, .max = 1000),
    EDDA_FIELD(line, price, .min = 0, .max = -1, .optional = true),
    { .name = "marks", .offset = offsetof(struct line, marks), .kind = EDDA_KIND_LIST, .item_kind = EDDA_KIND_INT,
      .optional = true, .len_max = 3 },
};
static const struct edda_type line = EDDA_VALUE(line);

struct address {
    struct edda_text city;
    int64_t zip;
};

static const struct edda_field address_fields[] = { EDDA_FIELD(address, city), EDDA_FIELD(address, zip, .optional = true) };
static const struct edda_type address = EDDA_VALUE(address);

struct sample {
    int64_t id;
    struct edda_text holder;
    double amount;
    bool paid;
    int64_t at;
    struct address home;
    struct edda_list lines;  /* of struct line */
    struct edda_list tags;   /* of struct edda_text */
    struct edda_list rates;  /* of double */
    struct edda_list flags;  /* of bool */
    struct edda_list times;  /* of int64_t */
    struct edda_text extra;  /* JSON */
    struct edda_text colour;
    struct address work;
};

#define SAMPLE_LIST(member, of_kind) \
    { .name = #member, .offset = offsetof(struct sample, member), .kind = EDDA_KIND_LIST, .item_kind = of_kind, \
      .optional = true }

static const char *const sample_colours[] = { "red", "green", "blå", NULL };
static const struct edda_field sample_fields[] = {
    EDDA_FIELD(sample, id, .min = 1, .description = "Who it is."),
    EDDA_FIELD(sample, holder, .len_max = 64),
    EDDA_FIELD(sample, amount, .min = -1000000.5, .max = 1000000.5),
    EDDA_FIELD(sample, paid),
    EDDA_FIELD_TIME(sample, at, .optional = true),
    { .name = "home", .offset = offsetof(struct sample, home), .kind = EDDA_KIND_STRUCT, .type = &address,
      .optional = true },
    { .name = "lines", .offset = offsetof(struct sample, lines), .kind = EDDA_KIND_LIST, .item_kind = EDDA_KIND_STRUCT,
      .type = &line, .optional = true },
    { .name = "tags", .offset = offsetof(struct sample, tags), .kind = EDDA_KIND_LIST, .item_kind = EDDA_KIND_TEXT,
      .optional = true, .len_max = 8 }, /* of the list, not of its texts */
    SAMPLE_LIST(rates, EDDA_KIND_DOUBLE),
    SAMPLE_LIST(flags, EDDA_KIND_BOOL),
    SAMPLE_LIST(times, EDDA_KIND_TIME),
    EDDA_FIELD_JSON(sample, extra, .optional = true),
    EDDA_FIELD(sample, colour, .optional = true, .values = sample_colours),
    { .name = "work", .offset = offsetof(struct sample, work), .kind = EDDA_KIND_STRUCT, .type = &address,
      .optional = true },
};
static const struct edda_type sample = EDDA_EVENT(sample, id, .topic = "samples", .correlation = "home.city");

#endif
