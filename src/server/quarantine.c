/* quarantine: the entities that are held, and their repair. */
#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

static struct edda_text text_of(struct slice slice)
{
    return (struct edda_text){ (const char *)slice.data, slice.len };
}

static struct slice parameter(const struct edda_request *request, const char *name)
{
    struct edda_text text = edda_parameter(request, name);
    return slice_of(text.data, text.len);
}

static int quarantine_visit(void *user, const struct engine_quarantine_info *quarantined)
{
    struct collection *collection = user;
    if (!collection_wants(collection))
        return 0;
    const struct Quarantined row = {
        .service = text_of(quarantined->service),
        .key = text_of(quarantined->key),
        .type = text_of(quarantined->type),
        .correlationId = text_of(quarantined->correlation),
        .reason = text_of(quarantined->reason),
        .position = (int64_t)quarantined->position,
        .held = (int64_t)quarantined->held,
        .since = quarantined->since_ms,
    };
    collection_row(collection, &Quarantined_type, &row, slice_of(NULL, 0));
    return 0;
}

int quarantine_list(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct collection collection;
    if (collection_begin(&collection, request, "quarantine") < 0)
        return 0;
    int rc = engine_quarantine_each(request->server->engine, quarantine_visit, &collection);
    if (rc < 0)
        return edda_fail_with(&request->error, rc, "reading the quarantine: %s", edda_code_info(rc)->sentence);
    return collection_end(&collection, collection.seen);
}

int quarantine_retry(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return engine_quarantine_retry(request->server->engine, parameter(request, "service"), parameter(request, "key"),
                                   &request->error);
}

int quarantine_skip(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return engine_quarantine_skip(request->server->engine, parameter(request, "service"), parameter(request, "key"),
                                  &request->error);
}
