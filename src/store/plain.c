/*
 * plain: see plain.h. Kept records are in a hash table by their batch's key and in a list, the most recently wanted first.
 */
#include "store/plain.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/table.h"
#include "wire/kafka/compression.h"

#define KEY_WITHOUT_ADDRESS (UINT64_C(1) << 63)

struct kept {
    struct table_link link;
    struct list order;
    uint64_t key;
    struct buffer records;
};

struct plain {
    struct table table;
    struct list recent;        /* what is in the table, the most recently wanted first */
    struct list retired;       /* the longest ago last */
    size_t bytes, retired_bytes;
    uint64_t keys;
};

struct plain *plain_new(void)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    if (!plain)
        return NULL;
    table_init(&plain->table);
    list_init(&plain->recent);
    list_init(&plain->retired);
    return plain;
}

static void kept_free(struct kept *kept)
{
    buffer_deinit(&kept->records);
    free(kept);
}

static void list_free(struct list *head)
{
    struct list *link;
    while ((link = list_pop_front(head)))
        kept_free(container_of(link, struct kept, order));
}

void plain_free(struct plain *plain)
{
    if (!plain)
        return;
    list_free(&plain->recent);
    list_free(&plain->retired);
    table_deinit(&plain->table);
    free(plain);
}

uint64_t plain_key(struct plain *plain)
{
    return KEY_WITHOUT_ADDRESS | plain->keys++;
}

void plain_release(struct plain *plain)
{
    if (plain->retired_bytes == 0)
        return;
    list_free(&plain->retired);
    plain->retired_bytes = 0;
}

static struct kept *kept_find(struct plain *plain, uint64_t key)
{
    struct table_link *link = table_find(&plain->table, hash64_mix(0, key));
    while (link && container_of(link, struct kept, link)->key != key)
        link = table_find_next(link);
    return link ? container_of(link, struct kept, link) : NULL;
}

static void kept_retire(struct plain *plain, struct kept *kept)
{
    list_remove(&kept->order);
    table_remove(&plain->table, &kept->link);
    list_push_front(&plain->retired, &kept->order);
    plain->bytes -= kept->records.capacity;
    plain->retired_bytes += kept->records.capacity;
}

void plain_forget(struct plain *plain, uint64_t from, uint64_t to)
{
    struct list *next;
    for (struct list *link = plain->recent.next; link != &plain->recent; link = next) {
        struct kept *kept = container_of(link, struct kept, order);
        next = link->next;
        if (kept->key >= from && kept->key < to)
            kept_retire(plain, kept);
    }
}

/* Makes room for what was just put first. */
static void plain_retire(struct plain *plain)
{
    while (plain->bytes > PLAIN_BYTES_MAX && plain->recent.prev != plain->recent.next)
        kept_retire(plain, container_of(plain->recent.prev, struct kept, order));
    while (plain->retired_bytes > PLAIN_RETIRED_BYTES_MAX) {
        struct kept *kept = container_of(plain->retired.prev, struct kept, order);
        list_remove(&kept->order);
        plain->retired_bytes -= kept->records.capacity;
        kept_free(kept);
    }
}

int plain_records(struct plain *plain, uint64_t key, const struct batch *batch, struct slice *ret_records, struct edda_error *error)
{
    enum compression compression = (enum compression)(batch->attributes & BATCH_COMPRESSION);
    if (compression == COMPRESSION_NONE) {
        *ret_records = batch->records;
        return 0;
    }
    struct kept *kept = kept_find(plain, key);
    if (kept) {
        list_remove(&kept->order);
        list_push_front(&plain->recent, &kept->order);
        *ret_records = buffer_slice(&kept->records);
        return 0;
    }
    kept = calloc(1, sizeof(*kept));
    if (!kept)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the records of a batch");
    kept->key = key;
    int r = compression_decompress(compression, batch->records, PLAIN_BATCH_BYTES_MAX, &kept->records, error);
    if (r == 0 && !table_insert(&plain->table, &kept->link, hash64_mix(0, key)))
        r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for the records of a batch");
    if (r < 0) {
        kept_free(kept);
        return r;
    }
    list_push_front(&plain->recent, &kept->order);
    plain->bytes += kept->records.capacity;
    plain_retire(plain);
    *ret_records = buffer_slice(&kept->records);
    return 0;
}
