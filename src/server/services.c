/* services: what the services of the application are doing; pausing and resuming one. */
#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

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
