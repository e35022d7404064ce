/* health: whether it lives, and whether requests should be sent to it. */
#include "server/handlers.h"
#include "server/parts.h"
#include "server/rows.h"

int health_show(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    const struct Health health = { .application = edda_text_of(request->server->app->name), .live = true, .ready = !request->server->stopping };
    return edda_respond_struct(request, health.ready ? 200 : 503, &Health_type, &health);
}
