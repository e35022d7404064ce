/*
 * asyncapi: the topics and their messages as an AsyncAPI 3.0 document: a channel for each topic, with the types that the application's services handle, fold and send on it. What other
 * clients put on a topic is in no table, so a topic without types takes any event.
 */
#include "server/events.h"
#include "server/handlers.h"

#define TYPES_MAX 512

struct document {
    struct buffer *out;
    const struct edda_type *types[TYPES_MAX];
    size_t type_count;
};

static void type_add(struct document *document, const struct edda_type *type)
{
    if (!type || !type->topic || (type->kind != EDDA_TYPE_EVENT && type->kind != EDDA_TYPE_COMMAND))
        return;
    for (size_t i = 0; i < document->type_count; i++)
        if (document->types[i] == type || strcmp(document->types[i]->name, type->name) == 0)
            return;
    if (document->type_count < TYPES_MAX)
        document->types[document->type_count++] = type;
}

static void types_find(struct document *document, const struct edda_app *app)
{
    for (size_t i = 0; app->services && app->services[i]; i++) {
        const struct edda_service *service = app->services[i];
        for (const struct edda_row *row = service->evolve; row && row->type; row++)
            type_add(document, row->type);
        for (const struct edda_row *row = service->on; row && row->type; row++)
            type_add(document, row->type);
        for (size_t k = 0; service->emits && service->emits[k]; k++)
            type_add(document, service->emits[k]);
    }
}

static void put_string(struct document *document, const char *text)
{
    json_put_string(document->out, slice_str(text));
}

/* Whether an earlier type has the same topic. */
static bool topic_is_known(const struct document *document, const char *topic, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (strcmp(document->types[i]->topic, topic) == 0)
            return true;
    return false;
}

static void put_channel(struct document *document, const char *topic, bool *any)
{
    struct buffer *out = document->out;
    bool typed = false;
    buffer_append_str(out, *any ? "," : "");
    *any = true;
    put_string(document, topic);
    buffer_append_str(out, ":{\"address\":");
    put_string(document, topic);
    buffer_append_str(out, ",\"messages\":{");
    for (size_t i = 0; i < document->type_count; i++) {
        const char *name = document->types[i]->name;
        if (strcmp(document->types[i]->topic, topic) != 0)
            continue;
        buffer_printf(out, "%s\"%s\":{\"$ref\":\"#/components/messages/%s\"}", typed ? "," : "", name, name);
        typed = true;
    }
    if (!typed)
        buffer_append_str(out, "\"event\":{\"$ref\":\"#/components/messages/event\"}");
    buffer_append_str(out, "}}");
}

static void put_channels(struct document *document, struct store *store)
{
    bool any = false;
    for (size_t i = 0; i < document->type_count; i++)
        if (!topic_is_known(document, document->types[i]->topic, i))
            put_channel(document, document->types[i]->topic, &any);
    for (struct topic *topic = store ? store_topic_each(store, NULL) : NULL; topic; topic = store_topic_each(store, topic))
        if (!topic->internal && !topic_is_known(document, topic->name, document->type_count))
            put_channel(document, topic->name, &any);
}

static void put_messages(struct document *document)
{
    struct buffer *out = document->out;
    buffer_append_str(out, "\"event\":{\"name\":\"event\",\"title\":\"any event\",\"payload\":true}");
    for (size_t i = 0; i < document->type_count; i++) {
        const struct edda_type *type = document->types[i];
        buffer_append_byte(out, ',');
        put_string(document, type->name);
        buffer_append_str(out, ":{\"name\":");
        put_string(document, type->name);
        buffer_printf(out, ",\"title\":\"%s\",\"contentType\":\"application/json\"", type->kind == EDDA_TYPE_EVENT ? "an event" : "a command");
        if (type->description) {
            buffer_append_str(out, ",\"summary\":");
            put_string(document, type->description);
        }
        buffer_append_str(out, ",\"payload\":");
        json_schema(type, out);
        buffer_append_byte(out, '}');
    }
}

int asyncapi_show(struct edda_request *request, const void *body, void *user)
{
    struct document document = { .out = &request->server->content };
    const struct edda_app *app = request->server->app;
    (void)body, (void)user;
    buffer_clear(document.out);
    types_find(&document, app);
    buffer_append_str(document.out, "{\"asyncapi\":\"3.0.0\",\"info\":{\"title\":");
    put_string(&document, app->name);
    buffer_append_str(document.out, ",\"version\":");
    put_string(&document, app->version ? app->version : edda_version());
    buffer_append_str(document.out, "},\"defaultContentType\":\"application/json\",\"channels\":{");
    put_channels(&document, server_store(request->server));
    buffer_append_str(document.out, "},\"components\":{\"messages\":{");
    put_messages(&document);
    buffer_append_str(document.out, "}}}");
    response_content(request, 200, "application/json", buffer_slice(document.out));
    return 0;
}
