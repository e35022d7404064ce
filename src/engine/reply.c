/*
 * The reply that a handler need not give: the row of its service's view, as it is after the step. Usually it is filled from the entity's state when the
 * step has been folded. That of a call with an identity must be there before, because it is recorded with the step: then what the step
 * emitted is folded into a copy of the state that the handler decided by, which is what it will be folded into.
 */
#include "engine/internal.h"

static const struct edda_row *evolve_row(const struct edda_service *def, const struct edda_type *type)
{
    for (const struct edda_row *row = def->evolve; row && row->type; row++)
        if (row->type == type)
            return row;
    return NULL;
}

/* The row that folds an emission into the step's own entity; NULL: none does. */
static const struct edda_row *folds_emission(const struct edda_step *step, const struct emission *emission)
{
    const struct edda_service *def = step->handler->version->def;
    bool own = emission->kind == EMIT_MESSAGE && strcmp(emission->type->topic, def->entity.category) == 0 && slice_eq(emission->key, step->key);
    return own ? evolve_row(def, emission->type) : NULL;
}

/* A state of its own memory that equals the step's. */
static struct state *state_copy(struct edda_step *step)
{
    const struct edda_type *type = step->handler->version->def->entity.state;
    const void *value = value_copy(type, step->state, &step->arena);
    struct state *state = value ? state_new(type) : NULL;
    if (!state)
        return NULL;
    memcpy(state->value, value, type->size);
    if (state_adopt(type, state) == 0)
        return state;
    state_free(state);
    return NULL;
}

static int fold_emissions(struct edda_step *step, struct state *state)
{
    for (uint32_t i = 0; i < step->emission_count; i++) {
        const struct emission *emission = &step->emissions[i];
        const struct edda_row *row = folds_emission(step, emission);
        if (!row)
            continue;
        void *event = arena_alloc(&step->arena, row->type->size);
        int rc = event ? json_decode(row->type, emission->value, JSON_STORED, &step->arena, event, NULL) : EDDA_ENOMEM;
        if (rc < 0)
            return rc;
        row->evolve(state->value, event);
        rc = state_adopt(step->handler->version->def->entity.state, state);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int reply_with(struct edda_step *step, const void *state)
{
    const struct edda_view *view = step->handler->version->def->view;
    void *row = arena_alloc(&step->arena, view->row->size);
    if (!row)
        return EDDA_ENOMEM;
    if (!view->fill(row, (struct edda_text){ (const char *)step->key.data, step->key.len }, state))
        return 0;
    step->reply_type = view->row;
    step->reply = value_copy(view->row, row, &step->arena);
    return step->reply ? 0 : EDDA_ENOMEM;
}

static bool is_wanted(const struct edda_step *step, const struct engine_call *call)
{
    const struct edda_view *view = step->handler->version->def->view;
    return !step->reply && call->row_type && step->service->category && view && view->row == call->row_type;
}

int reply_before(struct edda_step *step, const struct engine_call *call)
{
    if (!call->id.len || !is_wanted(step, call))
        return 0;
    bool changed = false;
    for (uint32_t i = 0; i < step->emission_count && !changed; i++)
        changed = folds_emission(step, &step->emissions[i]) != NULL;
    if (!changed)
        return reply_with(step, step->state);
    struct state *after = state_copy(step);
    int rc = after ? fold_emissions(step, after) : EDDA_ENOMEM;
    if (rc == 0)
        rc = reply_with(step, after->value);
    state_free(after);
    return rc;
}

void reply_after(struct edda_step *step, const struct engine_call *call)
{
    int code;
    const struct entity *entity = !call->id.len && is_wanted(step, call) ? entity_load(step->engine, step->service->category, step->key, &code) : NULL;
    if (entity)
        (void)reply_with(step, entity_state(entity, step->handler->version));
}
