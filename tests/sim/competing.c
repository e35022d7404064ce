/*
 * Competing consumers against what they are to keep, from seeds: records come, consumers take, acknowledge, put back, park and retry them, forget them or come back too late, and the
 * process dies with everything that was not written. Some consumers have names, claim what others have, and are forgotten; and a group is sent back to an earlier place. Nothing is lost, nothing is delivered while somebody else has it, and what was acknowledged and written is never delivered again.
 *
 *     sim_competing [--seeds N] [--seed S]
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/prng.h"
#include "broker/competing.h"
#include "seeds.h"

#define RECORDS 200
#define STEPS 1500
#define TIMEOUT_MS 50
#define CONSUMERS 3 /* with names; consumer 0 has none */

enum fate { FATE_COMING, FATE_OPEN, FATE_DONE, FATE_PARKED };

struct model {
    struct prng prng;
    struct competing competing;
    struct buffer written;          /* the state that a crash leaves */
    uint64_t positions[RECORDS];    /* of the log, with gaps */
    enum fate fates[RECORDS], written_fates[RECORDS];
    int64_t leased_ms[RECORDS], written_leased_ms[RECORDS];
    bool delivered[RECORDS];        /* since the start of the process, or before what is written */
    bool written_delivered[RECORDS];
    int owners[RECORDS], written_owners[RECORDS];
    uint32_t there;                 /* how many of the log have come */
    int64_t now_ms;
    uint64_t deliveries, crashes;
};

static uint32_t ordinal_of(const struct model *model, uint64_t position)
{
    uint32_t i = 0;
    while (i < RECORDS && model->positions[i] != position)
        i++;
    ASSERT(i < RECORDS);
    return i;
}

static struct competing_consumer *consumer_of(struct model *model, int number)
{
    const char name[] = { (char)('z' - number), '\0' };
    struct competing_consumer *consumer = NULL;
    if (number > 0)
        ASSERT(competing_consumer_make(&model->competing, slice_str(name), model->now_ms, &consumer) >= 0);
    return consumer;
}

static void fill(struct model *model)
{
    for (uint32_t i = 0; i < model->there; i++)
        if (model->positions[i] >= model->competing.next) {
            ASSERT(competing_add(&model->competing, model->positions[i]) == 0);
            if (model->fates[i] == FATE_PARKED)
                continue;
            model->fates[i] = FATE_OPEN;
            model->leased_ms[i] = 0;
            model->delivered[i] = false;
            model->owners[i] = 0;
        }
    if (model->there && prng_one_in(&model->prng, 2))
        competing_pass(&model->competing, model->positions[model->there - 1] + 1);
}

static void take(struct model *model)
{
    uint64_t position;
    uint32_t deliveries;
    int number = (int)prng_below(&model->prng, CONSUMERS + 1);
    struct competing_consumer *consumer = consumer_of(model, number);
    int64_t again_ms = number == 1 ? COMPETING_NEVER : model->now_ms + TIMEOUT_MS;
    fill(model);
    while (!prng_one_in(&model->prng, 4) && competing_take(&model->competing, consumer, model->now_ms, again_ms, &position, &deliveries) == 1) {
        uint32_t i = ordinal_of(model, position);
        ASSERT(model->fates[i] == FATE_OPEN);
        ASSERT(model->leased_ms[i] <= model->now_ms);
        ASSERT(deliveries > 0);
        model->leased_ms[i] = again_ms;
        model->owners[i] = number;
        model->delivered[i] = true;
        model->deliveries++;
    }
}

static void done(struct model *model, uint32_t i)
{
    model->fates[i] = model->positions[i] < model->competing.next ? FATE_DONE : FATE_COMING;
    model->owners[i] = 0;
}

/* Forgets a consumer, and what it has. */
static void drop(struct model *model, int number)
{
    uint32_t had = competing_consumer_drop(&model->competing, consumer_of(model, number));
    for (uint32_t i = 0; i < model->there; i++)
        if (model->owners[i] == number) {
            done(model, i);
            had--;
        }
    ASSERT(had == 0);
}

/* The group is sent to another place: what is done behind it comes again, what is open stays open. */
static void seek(struct model *model)
{
    if (model->there == 0)
        return;
    uint32_t to = (uint32_t)prng_below(&model->prng, model->there);
    if (model->positions[to] > model->competing.next)
        return;
    competing_seek(&model->competing, model->positions[to]);
    for (uint32_t i = to; i < model->there; i++)
        if (model->fates[i] == FATE_DONE)
            model->fates[i] = FATE_COMING;
}

/* Somebody says something about a record, that may have been delivered to him or not. */
static void act(struct model *model)
{
    if (model->there == 0)
        return;
    uint32_t i = (uint32_t)prng_below(&model->prng, model->there);
    uint64_t position = model->positions[i];
    bool open = model->fates[i] == FATE_OPEN && model->delivered[i];
    switch (prng_below(&model->prng, 8)) {
    case 0:
        ASSERT(competing_nack(&model->competing, position, model->now_ms + 7) == (open ? 0 : EDDA_ENOTFOUND));
        model->leased_ms[i] = open ? model->now_ms + 7 : model->leased_ms[i];
        break;
    case 1:
        if (!prng_one_in(&model->prng, 4))
            break;
        ASSERT(competing_park(&model->competing, position, SLICE("it does not parse")) == (open || model->fates[i] == FATE_PARKED ? 0 : EDDA_ENOTFOUND));
        model->fates[i] = open ? FATE_PARKED : model->fates[i];
        model->owners[i] = open ? 0 : model->owners[i];
        break;
    case 2:
        ASSERT(competing_retry(&model->competing, position) == (model->fates[i] == FATE_PARKED ? 0 : EDDA_ENOTFOUND));
        if (model->fates[i] == FATE_PARKED) {
            model->fates[i] = FATE_OPEN;
            model->leased_ms[i] = 0;
            model->delivered[i] = false;
        }
        break;
    case 3: {
        int number = 1 + (int)prng_below(&model->prng, CONSUMERS);
        ASSERT((competing_find(&model->competing, position) != NULL) == open);
        if (!open && model->fates[i] == FATE_DONE && prng_one_in(&model->prng, 4)) {
            ASSERT(competing_reopen(&model->competing, position) == 0);
            model->fates[i] = FATE_OPEN;
            model->delivered[i] = open = true;
        }
        if (!open)
            break;
        ASSERT(competing_claim(&model->competing, position, consumer_of(model, number), model->now_ms, 5) == 0);
        model->owners[i] = number;
        model->leased_ms[i] = COMPETING_NEVER;
        break;
    }
    case 4:
        if (prng_one_in(&model->prng, 8))
            drop(model, 1 + (int)prng_below(&model->prng, CONSUMERS));
        break;
    default: {
        int expected = open ? 1 : model->fates[i] == FATE_DONE && position < model->competing.next ? 0 : EDDA_ENOTFOUND;
        ASSERT(competing_ack(&model->competing, position) == expected);
        if (open)
            done(model, i);
    }
    }
}

static void write_state(struct model *model)
{
    buffer_clear(&model->written);
    competing_write(&model->competing, &model->written);
    memcpy(model->written_fates, model->fates, sizeof model->fates);
    memcpy(model->written_leased_ms, model->leased_ms, sizeof model->leased_ms);
    memcpy(model->written_delivered, model->delivered, sizeof model->delivered);
    memcpy(model->written_owners, model->owners, sizeof model->owners);
}

static void crash(struct model *model)
{
    competing_deinit(&model->competing);
    competing_init(&model->competing, 0);
    ASSERT(competing_read(&model->competing, buffer_slice(&model->written)) == 0);
    memcpy(model->fates, model->written_fates, sizeof model->fates);
    memcpy(model->leased_ms, model->written_leased_ms, sizeof model->leased_ms);
    memcpy(model->delivered, model->written_delivered, sizeof model->delivered);
    memcpy(model->owners, model->written_owners, sizeof model->owners);
    model->crashes++;
}

static void check(const struct model *model)
{
    uint64_t watermark = competing_watermark(&model->competing);
    uint32_t open = 0, parked = 0, has[CONSUMERS + 1] = { 0 }, pending = 0;
    for (uint32_t i = 0; i < model->there; i++) {
        has[model->owners[i]]++;
        open += model->fates[i] == FATE_OPEN;
        parked += model->fates[i] == FATE_PARKED;
        ASSERT(model->fates[i] != FATE_OPEN || model->positions[i] >= watermark);
    }
    ASSERT(open == model->competing.open_count && parked == model->competing.parked_count);
    for (struct competing_consumer *at = NULL; (at = competing_consumer_each(&model->competing, at));) {
        ASSERT(at->pending == has['z' - at->name[0]]);
        pending += at->pending;
    }
    ASSERT(pending == has[1] + has[2] + has[3] && watermark <= model->competing.next);
}

/* Damaged states are refused, or are states. */
static void check_damage(struct model *model)
{
    struct competing other;
    struct slice bytes = buffer_slice(&model->written);
    size_t at = (size_t)prng_below(&model->prng, bytes.len);
    model->written.data[at] ^= (uint8_t)(1u << prng_below(&model->prng, 8));
    competing_init(&other, 0);
    int rc = competing_read(&other, slice_of(bytes.data, prng_one_in(&model->prng, 2) ? at : bytes.len));
    ASSERT(rc == 0 || rc == EDDA_ECORRUPT);
    competing_deinit(&other);
}

static void finish(struct model *model)
{
    uint64_t position;
    uint32_t deliveries;
    fill(model);
    for (uint32_t i = 0; i < RECORDS; i++)
        if (model->fates[i] == FATE_PARKED)
            ASSERT(competing_discard(&model->competing, model->positions[i]) == 0);
    model->now_ms += TIMEOUT_MS;
    for (int number = 1; number <= CONSUMERS; number++)
        drop(model, number);
    while (competing_take(&model->competing, NULL, model->now_ms, model->now_ms + TIMEOUT_MS, &position, &deliveries) == 1) {
        ASSERT(model->fates[ordinal_of(model, position)] == FATE_OPEN);
        ASSERT(competing_ack(&model->competing, position) == 1);
        model->fates[ordinal_of(model, position)] = FATE_DONE;
    }
    ASSERT(model->competing.open_count == 0 && competing_due(&model->competing) == INT64_MAX);
    ASSERT(competing_watermark(&model->competing) == model->competing.next);
    for (uint32_t i = 0; i < RECORDS; i++)
        ASSERT(model->fates[i] == FATE_DONE || model->fates[i] == FATE_PARKED);
}

static void run(uint64_t seed, uint64_t *deliveries, uint64_t *crashes)
{
    static struct model model;
    model = (struct model){ .now_ms = 1000 };
    prng_init(&model.prng, seed);
    competing_init(&model.competing, 0);
    for (uint32_t i = 0; i < RECORDS; i++)
        model.positions[i] = (i ? model.positions[i - 1] : 0) + 1 + prng_below(&model.prng, 3) * prng_below(&model.prng, 100);
    write_state(&model);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = prng_below(&model.prng, 100);
        model.now_ms += (int64_t)prng_below(&model.prng, 10);
        if (what < 20 && model.there < RECORDS)
            model.there++;
        else if (what < 50)
            take(&model);
        else if (what < 90)
            act(&model);
        else if (what < 97)
            write_state(&model);
        else if (what < 98)
            crash(&model);
        else if (what < 99)
            seek(&model);
        check(&model);
    }
    model.there = RECORDS;
    finish(&model);
    check_damage(&model);
    *deliveries += model.deliveries;
    *crashes += model.crashes;
    competing_deinit(&model.competing);
    buffer_deinit(&model.written);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 1, 100);
    uint64_t deliveries = 0, crashes = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        if (seeds.count <= 10 || seed % 100 == 1) {
            printf("seed %llu\n", (unsigned long long)seed);
            (void)fflush(stdout);
        }
        run(seed, &deliveries, &crashes);
    }
    printf("%llu deliveries, %llu crashes: nothing lost, nothing done again\n", (unsigned long long)deliveries, (unsigned long long)crashes);
    return deliveries && crashes ? 0 : 1;
}
