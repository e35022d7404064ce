/*
 * The checkpoint: what folding has put into memory, and up to where, so that a start need not fold the whole journal again. It is derived: when it
 * is missing, damaged, or of other tables, the journal is folded from its beginning.
 *
 *   fingerprint, then sections, each a tag byte and its rows; rows of lengths and numbers as unsigned varints:
 *   'V' service, count, rows of (listed, key)          'S' name, last number
 *   'P' service (paused)                               'D' service, id (16 bytes), due, position, flags
 *   'Q' service, entity, since, reason, count of (position, attempts)
 *   0 at the end
 *
 * Entity states are not in it: they are read from their streams when they are needed.
 *
 * While the engine runs, one is made of many turns, so that steps do not wait for it: all but the views at the position it is of, then the rows that were there,
 * a slice a turn. Such a row may tell of events after that position. They are folded again at a start, which gives the same; but they must not be lost, so the file
 * is written when all that was folded meanwhile is durable. A job writes it.
 */
#include "base/cursor.h"
#include "base/put.h"
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINT_VERSION 2

static void put_number(struct buffer *out, uint64_t value)
{
    uint8_t *at = buffer_extend(out, uvarint64_size(value));
    if (at)
        put_uvarint64(at, value);
}

static void put_bytes(struct buffer *out, struct slice bytes)
{
    put_number(out, bytes.len);
    buffer_append_slice(out, bytes);
}

static struct slice get_bytes(struct cursor *in)
{
    uint64_t len = cursor_uvarint64(in);
    if (len > cursor_left(in)) {
        cursor_fail(in);
        return slice_of(NULL, 0);
    }
    return cursor_bytes(in, (size_t)len);
}

/* Changes when what was folded would come out differently: another version of the application, other rows. */
static uint64_t fingerprint(const struct engine *engine)
{
    uint64_t hash = hash64_mix(CHECKPOINT_VERSION, hash64(slice_str(engine->app->version), 0));
    for (const struct edda_topic *look = engine->app->topics; look && look->name; look++) {
        const char *const words[] = { look->name, look->type_header ? look->type_header : "", look->type_field ? look->type_field : "",
                                      look->type ? look->type : "" };
        for (uint64_t i = 0; i < sizeof words / sizeof words[0]; i++)
            hash = hash64_mix(hash, hash64(slice_str(words[i]), 4 + i));
    }
    for (uint32_t i = 0; i < engine->version_count; i++) {
        const struct edda_service *def = engine->versions[i].def;
        hash = hash64_mix(hash, hash64(slice_str(def->name), 1) + def->version);
        for (const struct edda_row *row = def->evolve; row && row->type; row++)
            hash = hash64_mix(hash64_mix(hash, hash64(slice_str(row->type->name), 2)), type_version(row->type));
        if (def->view)
            hash = hash64_mix(hash, hash64(slice_str(def->view->name), 3));
    }
    return hash;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void put_lanes(struct buffer *out, const struct service *service)
{
    for (struct table_link *link = table_each(&service->lanes, NULL); link; link = table_each(&service->lanes, link)) {
        const struct lane *lane = container_of(link, struct lane, link);
        uint64_t count = 0;
        for (const struct list *at = lane->tasks.next; at != &lane->tasks; at = at->next)
            count += container_of(at, struct task, link)->quarantined;
        if (count == 0)
            continue;
        buffer_append_byte(out, 'Q');
        put_bytes(out, slice_str(service->def->name));
        put_bytes(out, lane->key);
        put_number(out, (uint64_t)lane->quarantined_ms);
        put_bytes(out, slice_str(lane->reason));
        put_number(out, count);
        for (const struct list *at = lane->tasks.next; at != &lane->tasks; at = at->next) {
            const struct task *task = container_of(at, struct task, link);
            if (!task->quarantined)
                continue;
            put_number(out, task->position);
            put_bytes(out, slice_str(task->handler->row->type->name));
        }
    }
}

/* All but the views. */
static void put_begin(struct engine *engine, struct buffer *out)
{
    put_number(out, fingerprint(engine));
    for (uint32_t i = 0; i < engine->service_count; i++) {
        const struct service *service = &engine->services[i];
        if (service->paused) {
            buffer_append_byte(out, 'P');
            put_bytes(out, slice_str(service->def->name));
        }
        put_lanes(out, service);
    }
    for (struct table_link *link = table_each(&engine->sequence_table, NULL); link; link = table_each(&engine->sequence_table, link)) {
        const struct sequence *sequence = container_of(link, struct sequence, link);
        buffer_append_byte(out, 'S');
        put_bytes(out, sequence->name);
        put_number(out, (uint64_t)sequence->last);
    }
    deadline_save(engine, out);
}

static void note_failure(struct engine *engine, int rc, const struct edda_error *error)
{
    engine_log(engine, "checkpoint.failed", "%s", error->message[0] ? error->message : edda_code_info(rc)->sentence);
}

/* Begins at the view's rows; a row that is added from now on is of an event after the checkpoint's position. */
static uint64_t put_view_begin(const struct service *service, struct buffer *out)
{
    buffer_append_byte(out, 'V');
    put_bytes(out, slice_str(service->def->name));
    return view_save_begin(service, out);
}

int checkpoint_write(struct engine *engine)
{
    struct buffer out;
    struct edda_error error = { 0 };
    buffer_init(&out, 0);
    put_begin(engine, &out);
    for (uint32_t i = 0; i < engine->service_count; i++)
        if (engine->services[i].view)
            view_save_rows(&engine->services[i], 0, put_view_begin(&engine->services[i], &out), &out);
    buffer_append_byte(&out, 0);
    int rc = buffer_ok(&out) ? journal_checkpoint_put(engine->journal, engine->app->name, engine->folded, buffer_slice(&out), &error)
                             : EDDA_ENOMEM;
    buffer_deinit(&out);
    if (rc < 0)
        note_failure(engine, rc, &error);
    else
        engine->checkpointed = engine->folded;
    return rc;
}

/* --- turn by turn --------------------------------------------------------------------------------------- */

static void gather_begin(struct engine *engine)
{
    struct checkpoint *c = &engine->checkpoint;
    buffer_clear(&c->out);
    put_begin(engine, &c->out);
    c->position = engine->checkpointed = engine->folded;
    c->service = 0;
    c->view_begun = false;
    c->state = CHECKPOINT_GATHERING;
}

/* The next slice of a view; after the last one it is whole. */
static void gather(struct engine *engine)
{
    struct checkpoint *c = &engine->checkpoint;
    while (c->service < engine->service_count && !engine->services[c->service].view)
        c->service++;
    if (c->service == engine->service_count) {
        buffer_append_byte(&c->out, 0);
        c->durable = engine->folded;
        c->state = CHECKPOINT_GATHERED;
        return;
    }
    const struct service *service = &engine->services[c->service];
    if (!c->view_begun) {
        c->rows = put_view_begin(service, &c->out);
        c->row = 0;
        c->view_begun = true;
    }
    uint64_t most = engine->options.checkpoint_rows;
    uint64_t to = c->rows - c->row > most ? c->row + most : c->rows;
    view_save_rows(service, c->row, to, &c->out);
    c->row = to;
    if (to == c->rows) {
        c->view_begun = false;
        c->service++;
    }
}

/* After a failure it is tried again when as much has come again, and not at every quiet moment. */
static void write_begin(struct engine *engine)
{
    struct checkpoint *c = &engine->checkpoint;
    struct edda_error error = { 0 };
    int rc = buffer_ok(&c->out) ? journal_checkpoint_start(engine->journal, engine->app->name, c->position, &c->out, &error) : EDDA_ENOMEM;
    checkpoint_drop(engine);
    if (rc == 0)
        c->state = CHECKPOINT_WRITING;
    else
        note_failure(engine, rc, &error);
}

static void write_look(struct engine *engine)
{
    struct edda_error error = { 0 };
    int rc = journal_checkpoint_ended(engine->journal, &error);
    if (rc <= 0)
        engine->checkpoint.state = CHECKPOINT_NONE;
    if (rc < 0)
        note_failure(engine, rc, &error);
}

bool checkpoint_turn(struct engine *engine)
{
    if (engine->service_count == 0)
        return false;
    switch (engine->checkpoint.state) {
    case CHECKPOINT_NONE:
        if (engine->folded - engine->checkpointed < engine->options.checkpoint_records || !engine_settled(engine))
            return false;
        gather_begin(engine);
        return true;
    case CHECKPOINT_GATHERING:
        gather(engine);
        return true;
    case CHECKPOINT_GATHERED:
        if (journal_durable(engine->journal) >= engine->checkpoint.durable)
            write_begin(engine);
        return false;
    case CHECKPOINT_WRITING:
        write_look(engine);
        return false;
    }
    return false;
}

void checkpoint_drop(struct engine *engine)
{
    buffer_deinit(&engine->checkpoint.out);
    buffer_init(&engine->checkpoint.out, 0);
    engine->checkpoint.state = CHECKPOINT_NONE;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static bool get_lane(struct engine *engine, struct cursor *in)
{
    struct service *service = registry_service(engine, get_bytes(in));
    struct slice key = get_bytes(in);
    int64_t since_ms = (int64_t)cursor_uvarint64(in);
    struct slice reason = get_bytes(in);
    uint64_t count = cursor_uvarint64(in);
    if (!service || !cursor_ok(in))
        return false;
    struct lane *lane = lane_make(service, key);
    if (!lane)
        return false;
    lane->quarantined_ms = since_ms;
    (void)snprintf(lane->reason, sizeof lane->reason, "%.*s", (int)reason.len, (const char *)reason.data);
    while (count-- && cursor_ok(in)) {
        uint64_t position = cursor_uvarint64(in);
        if (!quarantine_restore(lane, get_bytes(in), position))
            return false;
    }
    return cursor_ok(in);
}

static bool get_section(struct engine *engine, uint8_t tag, struct cursor *in)
{
    switch (tag) {
    case 'V': {
        struct service *service = registry_service(engine, get_bytes(in));
        return service && service->view && view_load(service, in);
    }
    case 'P': {
        struct service *service = registry_service(engine, get_bytes(in));
        if (service)
            service->paused = true;
        return service != NULL;
    }
    case 'Q':
        return get_lane(engine, in);
    case 'S': {
        struct slice name = get_bytes(in);
        uint64_t last = cursor_uvarint64(in);
        return cursor_ok(in) && sequence_restore(engine, name, (int64_t)last) == 0;
    }
    case 'D':
        return deadline_load(engine, in);
    default:
        return false;
    }
}

/* What cannot be used is as good as missing; but a part of it must not stay, so the caller begins anew. */
int checkpoint_read(struct engine *engine, uint64_t *ret_position)
{
    struct buffer bytes;
    buffer_init(&bytes, 0);
    uint64_t position;
    int rc = journal_checkpoint_get(engine->journal, engine->app->name, &position, &bytes);
    if (rc == 0) {
        struct cursor in = cursor_of(buffer_slice(&bytes));
        bool ok = cursor_uvarint64(&in) == fingerprint(engine);
        rc = ok ? 0 : EDDA_ENOTFOUND;
        uint8_t tag = 0;
        while (ok && (tag = cursor_u8(&in)) != 0)
            ok = get_section(engine, tag, &in);
        if (rc == 0 && (!ok || !cursor_ok(&in)))
            rc = EDDA_ECORRUPT;
    }
    buffer_deinit(&bytes);
    if (rc == 0) {
        *ret_position = position;
        engine->checkpointed = position;
    }
    return rc;
}
