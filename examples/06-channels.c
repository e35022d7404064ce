/*
 * Channels of a Redis server: who publishes a name on `greet` is answered on `greeted`, with how often that name has come. What is published
 * there is recorded here; what is recorded here is published there, once.
 *
 *     redis-server --port 7777 &
 *     06-channels run --redis 127.0.0.1:7777                   (and --test runs its tests)
 *     redis-cli -p 7777 subscribe greeted &
 *     redis-cli -p 7777 publish greet '{"name":"jjy"}'
 */
#include <string.h>

#include "edda/edda.h"

struct Greet { struct edda_text name; };
struct Greeted { struct edda_text name; int64_t times; };
struct greeter { int64_t times; };

static const struct edda_field Greet_fields[] = { EDDA_FIELD(Greet, name, .len_min = 1, .len_max = 64) };
static const struct edda_type Greet = EDDA_COMMAND(Greet, name, .topic = "greeter.commands", .correlation = "name");
static const struct edda_field Greeted_fields[] = { EDDA_FIELD(Greeted, name), EDDA_FIELD(Greeted, times) };
static const struct edda_type Greeted = EDDA_EVENT(Greeted, name, .topic = "greetings", .correlation = "name");
static const struct edda_field greeter_fields[] = { EDDA_FIELD(greeter, times) };
static const struct edda_type greeter = EDDA_STATE(greeter);

EDDA_EVOLVE(greeted, greeter, Greeted);
static void greeted(struct greeter *g, const struct Greeted *e)
{
    g->times = e->times;
}

EDDA_HANDLER(greet, Greet, greeter);
static int greet(struct edda_step *step, const struct Greet *c, const struct greeter *g)
{
    return edda_emit(step, Greeted, .name = c->name, .times = g->times + 1);
}

static const struct edda_service greeter_service = {
    .name = "greeter",
    .entity = EDDA_ENTITY(greeter, "greetings"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Greeted, greeted), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Greet, greet, name), EDDA_END },
};

static int test(void)
{
    struct edda_test *t = edda_test_new(&greeter_service);
    edda_given(t, Greeted, .name = EDDA_TEXT("jjy"), .times = 6);
    edda_when(t, Greet, .name = EDDA_TEXT("jjy"));
    edda_then(t, Greeted, .name = EDDA_TEXT("jjy"), .times = 7);
    edda_then_nothing(t);
    return edda_test_end(t) != 0;
}

int main(int argc, char **argv)
{
    const struct edda_app app = {
        .name = "greeter",
        .version = "1",
        .summary = "Greets over the channels of a Redis server",
        .services = (const struct edda_service *const[]){ &greeter_service, NULL },
        .channels = (const struct edda_channel[]){
            { "greet", &Greet, EDDA_CHANNEL_IN }, { "greeted", &Greeted, EDDA_CHANNEL_OUT }, { .name = NULL } },
    };
    return argc > 1 && strcmp(argv[1], "--test") == 0 ? test() : edda_main(&app, argc, argv);
}
