/* services: what the services of the application are doing; pausing and resuming one. */
#include <string.h>

#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

#define VERSIONS_MAX 64

/* The numbers of a service's versions, the highest first; how many. */
static uint32_t version_numbers(const struct edda_app *app, const struct edda_service *service, int64_t *ret_numbers)
{
    uint32_t count = 0;
    for (size_t i = 0; app->services[i] && count < VERSIONS_MAX; i++) {
        int64_t number = app->services[i]->version;
        if (number == 0 || strcmp(app->services[i]->name, service->name) != 0)
            continue;
        uint32_t at = count++;
        for (; at > 0 && ret_numbers[at - 1] < number; at--)
            ret_numbers[at] = ret_numbers[at - 1];
        ret_numbers[at] = number;
    }
    return count;
}

#define BREAKERS_SHOWN_MAX 64

/* The types of messages whose breaker is open, into `types`; returns how many. */
static uint32_t open_breakers(const struct engine *engine, const struct edda_service *service, struct edda_text types[BREAKERS_SHOWN_MAX])
{
    struct engine_effect_info info;
    uint32_t count = 0;
    for (size_t i = 0; count < BREAKERS_SHOWN_MAX && engine_effect(engine, i, &info); i++)
        if (info.service == service && info.breaker_open)
            types[count++] = edda_text_of(info.type);
    return count;
}

int services_list(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct collection collection;
    struct engine_service_info info;
    if (collection_begin(&collection, request, "services") < 0)
        return 0;
    for (size_t i = 0; engine_service(request->server->engine, i, &info); i++) {
        if (!collection_wants(&collection))
            continue;
        int64_t versions[VERSIONS_MAX];
        struct edda_text breakers[BREAKERS_SHOWN_MAX];
        const struct Service row = {
            .name = edda_text_of(info.service->name),
            .description = edda_text_of(info.service->description ? info.service->description : ""),
            .paused = info.paused,
            .position = (int64_t)info.position,
            .lag = (int64_t)info.lag,
            .pending = (int64_t)info.pending,
            .steps = (int64_t)info.steps,
            .skips = (int64_t)info.skips,
            .failures = (int64_t)info.failures,
            .quarantined = (int64_t)info.quarantined,
            .versions = { .items = versions, .count = version_numbers(request->server->app, info.service, versions) },
            .openBreakers = { .items = breakers, .count = open_breakers(request->server->engine, info.service, breakers) },
        };
        collection_row(&collection, &Service_type, &row, slice_of(NULL, 0));
    }
    return collection_end(&collection, collection.seen);
}

static int pause_named(struct edda_request *request, bool pause)
{
    struct edda_text name = edda_parameter(request, "name");
    return engine_pause(request->server->engine, slice_of(name.data, name.len), pause, &request->error);
}

int service_pause(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return pause_named(request, true);
}

int service_resume(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return pause_named(request, false);
}

struct unfits {
    struct edda_request *request;
    struct Migrated *answer;
    struct Unfit *rows;
};

static struct edda_text kept(struct edda_request *request, struct slice text)
{
    struct slice copy = arena_copy(&request->arena, text);
    return (struct edda_text){ (const char *)copy.data, copy.data ? copy.len : 0 };
}

static void add_unfit(void *user, struct slice key, const char *reason)
{
    struct unfits *unfits = user;
    struct edda_list *list = &unfits->answer->unfit;
    if (list->count < MIGRATED_UNFIT_MAX)
        unfits->rows[list->count++] = (struct Unfit){ kept(unfits->request, key), kept(unfits->request, slice_str(reason)) };
}

int service_migrate(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    const struct Migration *asked = body;
    struct edda_text name = edda_parameter(request, "name");
    struct Migrated answer = { .dryRun = asked->dryRun };
    struct unfits unfits = { request, &answer, arena_alloc(&request->arena, MIGRATED_UNFIT_MAX * sizeof(struct Unfit)) };
    if (!unfits.rows)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory");
    answer.unfit.items = unfits.rows;
    struct engine_migration migration = {
        .service = slice_of(name.data, name.len), .from = asked->from, .to = asked->to, .dry_run = asked->dryRun, .unfit = add_unfit, .user = &unfits,
    };
    int rc = engine_migrate(request->server->engine, &migration, &request->error);
    if (rc < 0)
        return rc;
    answer.fits = (int64_t)migration.fits;
    answer.unfits = (int64_t)migration.unfits;
    return edda_respond_struct(request, 200, &Migrated_type, &answer);
}
