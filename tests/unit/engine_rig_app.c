/* The application of the engine's tests. */
#include "engine_rig.h"

#include <stdio.h>

static const struct edda_field Do_fields[] = {
    EDDA_FIELD(Do, id), EDDA_FIELD(Do, n, .min = 0, .max = 1000), EDDA_FIELD(Do, note, .optional = true),
};
const struct edda_type Do = EDDA_COMMAND(Do, id, .topic = "work.commands");
static const struct edda_field Undo_fields[] = { EDDA_FIELD(Undo, id), EDDA_FIELD(Undo, n) };
const struct edda_type Undo = EDDA_COMMAND(Undo, id, .topic = "work.commands");
static const struct edda_field Ask_fields[] = {
    EDDA_FIELD(Ask, id), EDDA_FIELD(Ask, n), EDDA_FIELD(Ask, process, .optional = true),
};
const struct edda_type Ask = EDDA_EVENT(Ask, id, .topic = "inbox", .correlation = "process", .expires = true);
static const struct edda_field Tick_fields[] = { EDDA_FIELD(Tick, id), EDDA_FIELD(Tick, n) };
const struct edda_type Tick = EDDA_EVENT(Tick, id, .topic = "ticks");
static const struct edda_field Lift_fields[] = { EDDA_FIELD(Lift, id), EDDA_FIELD(Lift, n) };
const struct edda_type Lift = EDDA_EVENT(Lift, id, .topic = "inbox");
static const struct edda_field Done_fields[] = {
    EDDA_FIELD(Done, id), EDDA_FIELD(Done, n, .min = -1000, .max = 1000000), EDDA_FIELD(Done, note, .optional = true),
};
const struct edda_type Done = EDDA_EVENT(Done, id, .topic = "work");
static const struct edda_field Lifted_fields[] = { EDDA_FIELD(Lifted, id), EDDA_FIELD(Lifted, n) };
const struct edda_type Lifted = EDDA_EVENT(Lifted, id, .topic = "loads");
static const struct edda_field Told_fields[] = { EDDA_FIELD(Told, id), EDDA_FIELD(Told, n) };
const struct edda_type Told = EDDA_VALUE(Told);
static const struct edda_field tally_fields[] = {
    EDDA_FIELD(tally, total), EDDA_FIELD(tally, count), EDDA_FIELD(tally, note), EDDA_FIELD_LIST(tally, numbers, EDDA_KIND_INT),
};
const struct edda_type tally = EDDA_STATE(tally);
static const struct edda_field load_fields[] = { EDDA_FIELD(load, total) };
const struct edda_type load = EDDA_STATE(load);
static const struct edda_field Row_fields[] = { EDDA_FIELD(Row, id), EDDA_FIELD(Row, total) };
const struct edda_type Row = EDDA_VALUE(Row);

struct rig_script script;
char rig_ran[8192];
int rig_runs;

static int play(rig_handle_fn *handle, struct edda_step *step, const void *message, const void *state, const char *who, int64_t n)
{
    struct edda_text key = edda_entity_key(step);
    size_t used = strlen(rig_ran);
    (void)snprintf(rig_ran + used, sizeof rig_ran - used, "%s %.*s %lld; ", who, (int)key.len, key.data, (long long)n);
    rig_runs++;
    return handle ? handle(step, message, state) : 0;
}

EDDA_EVOLVE(evolve_done, tally, Done);
static void evolve_done(struct tally *t, const struct Done *e)
{
    t->total += e->n;
    t->count++;
    t->note = e->note;
    int64_t *number = edda_list_add(&t->numbers, sizeof *number);
    if (number)
        *number = e->n;
}

EDDA_EVOLVE(evolve_lifted, load, Lifted);
static void evolve_lifted(struct load *l, const struct Lifted *e)
{
    l->total += e->n;
}

EDDA_HANDLER(handle_do, Do, tally);
static int handle_do(struct edda_step *step, const struct Do *m, const struct tally *t)
{
    return play(script.on_do, step, m, t, "do", m->n);
}

EDDA_HANDLER(handle_undo, Undo, tally);
static int handle_undo(struct edda_step *step, const struct Undo *m, const struct tally *t)
{
    return play(script.on_undo, step, m, t, "undo", m->n);
}

EDDA_HANDLER(handle_ask, Ask, tally);
static int handle_ask(struct edda_step *step, const struct Ask *m, const struct tally *t)
{
    return play(script.on_ask, step, m, t, "ask", m->n);
}

EDDA_HANDLER(handle_tick, Tick, tally);
static int handle_tick(struct edda_step *step, const struct Tick *m, const struct tally *t)
{
    return play(script.on_tick, step, m, t, "tick", m->n);
}

EDDA_HANDLER(handle_lift, Lift, load);
static int handle_lift(struct edda_step *step, const struct Lift *m, const struct load *l)
{
    return play(script.on_lift, step, m, l, "lift", m->n);
}

EDDA_SAGA(handle_done, Done);
static int handle_done(struct edda_step *step, const struct Done *m)
{
    return play(script.on_done, step, m, NULL, "done", m->n);
}

EDDA_ROW(fill_row, Row, tally);
static bool fill_row(struct Row *row, struct edda_text key, const struct tally *t)
{
    *row = (struct Row){ key, t->total };
    return t->total > 0;
}

static const struct edda_view tallies = EDDA_VIEW("tallies", Row, fill_row);

const struct edda_service worker = {
    .name = "worker",
    .entity = EDDA_ENTITY(tally, "work"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Done, evolve_done), EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(Do, handle_do, id),
        EDDA_ON(Undo, handle_undo, id),
        EDDA_ON(Ask, handle_ask, id, .retry = { .immediate = 1, .delayed = 2, .delay_first_ms = 1000 }),
        EDDA_ON(Tick, handle_tick, id, .late = true),
        EDDA_END },
    .view = &tallies,
};
const struct edda_service lifter = {
    .name = "lifter",
    .entity = EDDA_ENTITY(load, "loads"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Lifted, evolve_lifted), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Lift, handle_lift, id, .blocking = 2), EDDA_END },
};
const struct edda_service watcher = {
    .name = "watcher",
    .on = (const struct edda_row[]){ EDDA_ON(Done, handle_done, id, .retry = { .never = true }), EDDA_END },
};

int do_done(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_emit(step, Done, .id = m->id, .n = m->n, .note = m->note);
    return edda_reply(step, Told, .id = m->id, .n = m->n);
}

int ask_done(struct edda_step *step, const void *message, const void *state)
{
    const struct Ask *m = message;
    (void)state;
    return edda_emit(step, Done, .id = m->id, .n = m->n);
}

int tick_done(struct edda_step *step, const void *message, const void *state)
{
    const struct Tick *m = message;
    (void)state;
    return edda_emit(step, Done, .id = m->id, .n = m->n);
}

int lift_lifted(struct edda_step *step, const void *message, const void *state)
{
    const struct Lift *m = message;
    (void)state;
    return edda_emit(step, Lifted, .id = m->id, .n = m->n);
}

int do_fail(struct edda_step *step, const void *message, const void *state)
{
    (void)step, (void)message, (void)state;
    return EDDA_EIO;
}

int do_reject(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_reject(step, "n", "not today");
}
