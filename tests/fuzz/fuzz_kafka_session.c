/*
 * The bytes of connections into the broker: requests of any kind, whole, broken and out of order, of three clients that take turns. Whatever comes, a call is
 * answered, parked or ends its connection, every answer can be encoded, and the store that is left can be opened again, with a broker over it.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "broker/broker.h"
#include "fuzz.h"
#include "io/simulated.h"

#define DIR "/data"
#define CLIENTS 3
#define REQUESTS_MAX 64
#define FLUSH_EVERY 5
#define TURN_NS INT64_C(100000000)

struct world {
    struct io *io;
    struct store *store;
    struct broker *broker;
    struct broker_call calls[CLIENTS];
    struct buffer out;
    bool answered;
};

static void on_answered(void *user, struct broker_call *call)
{
    struct world *world = user;
    buffer_clear(&world->out);
    world->answered = true;
    if (call->fatal || call->silent)
        return;
    int rc = broker_response_put(call, &world->out, NULL);
    ASSERT(rc == 0 && buffer_ok(&world->out) && world->out.len >= 8);
    ASSERT(call->gate <= store_tail(world->store));
}

static void world_open(struct world *world)
{
    static const struct store_options small = { .log = { .segment_bytes = UINT64_C(256) << 10 }, .index = { .tail_entries_max = 1024 } };
    int rc = store_open(world->io, DIR, &small, &world->store, NULL, NULL);
    ASSERT(rc == 0);
    rc = broker_open(&(struct broker_options){ .store = world->store, .auto_create_topics = true, .answered = on_answered, .user = world }, &world->broker, NULL);
    ASSERT(rc == 0);
}

static void world_close(struct world *world)
{
    broker_close(world->broker);
    store_close(world->store);
}

/* The next frame; one that is cut short is given as it is. */
static struct slice frame_next(struct cursor *bytes)
{
    uint32_t length = cursor_be32(bytes);
    size_t left = cursor_left(bytes);
    return cursor_bytes(bytes, length < left ? length : left);
}

static void run(struct world *world, struct slice bytes)
{
    struct cursor cursor = cursor_of(bytes);
    for (unsigned i = 0; i < REQUESTS_MAX && cursor_left(&cursor) >= 4; i++) {
        struct broker_call *call = &world->calls[i % CLIENTS];
        struct slice frame = frame_next(&cursor);
        broker_cancel(world->broker, call);
        ASSERT(call->state == BROKER_CALL_FREE);
        world->answered = false;
        broker_handle(world->broker, call, frame, io_clock_boot_ns(world->io));
        ASSERT(world->answered == (call->state == BROKER_CALL_FREE));
        if (i % FLUSH_EVERY == FLUSH_EVERY - 1) {
            int rc = store_flush(world->store, NULL);
            ASSERT(rc == 0);
            io_simulated_advance(world->io, TURN_NS);
        }
        (void)broker_turn(world->broker, io_clock_boot_ns(world->io));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    const struct io_simulated_options options = { .seed = 1 };
    if (!world.io) {
        world.io = io_simulated_new(&options);
        ASSERT(world.io);
        for (int i = 0; i < CLIENTS; i++) {
            broker_call_init(&world.calls[i]);
            world.calls[i].host = "10.0.0.1";
            world.calls[i].local_host = "127.0.0.1";
            world.calls[i].local_port = 9092;
        }
    } else {
        io_simulated_reset(world.io, &options);
    }
    world_open(&world);
    run(&world, slice_of(data, size));
    for (int i = 0; i < CLIENTS; i++)
        broker_cancel(world.broker, &world.calls[i]);
    world_close(&world);
    world_open(&world);
    world_close(&world);
    return 0;
}
