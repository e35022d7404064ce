/*
 * The application's tables as they are looked up: topic → category → message type → the rows that handle it and the
 * rows that fold it. Built once at open; what is wrong with a table is said by the names in it.
 */
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t name_hash(struct slice name)
{
    return hash64(name, 0);
}

static struct category *category_of(const struct engine *engine, const char *topic)
{
    for (uint32_t i = 0; i < engine->category_count; i++)
        if (strcmp(engine->categories[i].topic->name, topic) == 0)
            return &engine->categories[i];
    return NULL;
}

static int category_add(struct engine *engine, const char *topic, uint32_t partitions, struct category **ret_category,
                        struct edda_error *error)
{
    struct category *category = category_of(engine, topic);
    if (!category) {
        if (engine->category_count == ENGINE_SERVICES_MAX * 4)
            return edda_fail_with(error, EDDA_ELIMIT, "an application speaks of at most %d topics", ENGINE_SERVICES_MAX * 4 - 8);
        category = &engine->categories[engine->category_count];
        int rc = journal_topic(engine->journal, topic, partitions, &category->topic, error);
        if (rc < 0)
            return rc;
        table_init(&category->types);
        category->look = registry_look(engine->app, topic);
        category->topic->user = category;
        engine->category_count++;
    }
    *ret_category = category;
    return 0;
}

/* A topic that the application names: those of the engine and of the store are not its own. */
static int app_category_add(struct engine *engine, const char *topic, struct category **ret_category, struct edda_error *error)
{
    if (strncmp(topic, "_edda.", 6) == 0 || strncmp(topic, "__", 2) == 0)
        return edda_fail_with(error, EDDA_EINVAL, "topic %.249s is internal: an application cannot have it", topic);
    const struct edda_topic *look = registry_look(engine->app, topic);
    return category_add(engine, topic, look ? look->partitions : 0, ret_category, error);
}

struct message_type *registry_type(const struct category *category, struct slice name)
{
    for (struct table_link *link = table_find(&category->types, name_hash(name)); link; link = table_find_next(link)) {
        const struct type_name *entry = container_of(link, struct type_name, link);
        if (slice_eq_str(name, entry->name))
            return entry->type;
    }
    return NULL;
}

struct message_type *registry_type_named(const struct engine *engine, const struct edda_type *type)
{
    struct category *category = type->topic ? category_of(engine, type->topic) : NULL;
    return category ? registry_type(category, slice_str(type->name)) : NULL;
}

struct message_type *registry_type_of(const struct engine *engine, const struct edda_type *type)
{
    struct message_type *found = registry_type_named(engine, type);
    return found && found->type == type ? found : NULL;
}

struct slice registry_type_name(const struct category *category, const struct journal_record *record,
                                const struct cloudevent *event)
{
    if (event->type.len)
        return event->type;
    /* As the topic's look writes them, its producers do too; else as most do. */
    const struct edda_topic *look = category->look;
    struct slice name;
    bool is_string;
    if (look && look->type)
        return slice_str(look->type);
    if (look && look->type_header && record_header_find(&record->record, look->type_header, &name))
        return name;
    if (look && look->type_field && json_find(record->record.value, look->type_field, &name, &is_string) && is_string)
        return name;
    if (record_header_find(&record->record, "type", &name))
        return name;
    if (json_find(record->record.value, "eventType", &name, &is_string) && is_string)
        return name;
    return slice_of(NULL, 0);
}

const struct edda_topic *registry_look(const struct edda_app *app, const char *topic)
{
    for (const struct edda_topic *look = app->topics; look && look->name; look++)
        if (strcmp(look->name, topic) == 0)
            return look;
    return NULL;
}

/* The constant headers of a type's records, as its topic's look wants them. */
static int headers_make(struct message_type *type)
{
    buffer_init(&type->headers, 0);
    const struct edda_topic *look = type->look;
    if (look && look->type_header) {
        record_headers_put(&type->headers, slice_str(look->type_header), slice_str(type->type->name));
        type->header_count++;
    }
    for (const char *const *header = look ? look->headers : NULL; header && header[0]; header += 2) {
        record_headers_put(&type->headers, slice_str(header[0]), slice_str(header[1]));
        type->header_count++;
    }
    return buffer_ok(&type->headers) ? 0 : EDDA_ENOMEM;
}

bool registry_has_key(const struct edda_type *type, const char *field)
{
    struct edda_type keyed = *type;
    keyed.key = field;
    return edda_type_check(&keyed, NULL) == 0;
}

/* The names that a type had in older versions, each once. */
static bool is_further_name(const struct edda_type *type, const struct edda_older *row)
{
    if (!row->name || strcmp(row->name, type->name) == 0)
        return false;
    for (const struct edda_older *before = type->older; before < row; before++)
        if (before->name && strcmp(before->name, row->name) == 0)
            return false;
    return true;
}

static int names_free(const struct category *category, const struct edda_type *type, struct edda_error *error)
{
    const char *taken = registry_type(category, slice_str(type->name)) ? type->name : NULL;
    for (const struct edda_older *row = type->older; row && row->type && !taken; row++)
        taken = is_further_name(type, row) && registry_type(category, slice_str(row->name)) ? row->name : NULL;
    return taken ? edda_fail_field(error, EDDA_EINVAL, type->name, "two message types are named %s on topic %s", taken, type->topic) : 0;
}

static bool older_names_add(struct message_type *type)
{
    for (const struct edda_older *row = type->type->older; row && row->type; row++) {
        if (!is_further_name(type->type, row))
            continue;
        struct type_name *name = calloc(1, sizeof *name);
        if (!name)
            return false;
        *name = (struct type_name){ .name = row->name, .type = type };
        if (!table_insert(&type->category->types, &name->link, name_hash(slice_str(row->name)))) {
            free(name);
            return false;
        }
    }
    return true;
}

static void older_names_free(const struct message_type *type)
{
    struct table *types = &type->category->types;
    struct table_link *link = table_each(types, NULL);
    while (link) {
        struct type_name *name = container_of(link, struct type_name, link);
        link = table_each(types, link);
        if (name->type != type || name == &type->own)
            continue;
        table_remove(types, &name->link);
        free(name);
    }
}

int registry_type_ensure(struct engine *engine, const struct edda_type *type, struct message_type **ret_type, struct edda_error *error)
{
    *ret_type = registry_type_of(engine, type);
    if (*ret_type)
        return 0;
    int rc = edda_type_check(type, error);
    if (rc < 0)
        return rc;
    if (!type->topic)
        return edda_fail_field(error, EDDA_EINVAL, type->name, "message type %s names no topic", type->name);
    if (!type->key)
        return edda_fail_field(error, EDDA_EINVAL, type->name, "message type %s names no field for its key", type->name);
    if (type->kind != EDDA_TYPE_EVENT && type->kind != EDDA_TYPE_COMMAND)
        return edda_fail_field(error, EDDA_EINVAL, type->name, "message type %s is neither an event nor a command", type->name);
    struct category *category;
    rc = app_category_add(engine, type->topic, &category, error);
    if (rc < 0)
        return rc;
    rc = names_free(category, type, error);
    if (rc < 0)
        return rc;
    struct message_type *added = calloc(1, sizeof *added);
    if (!added)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for message types");
    added->type = type;
    added->category = category;
    added->look = category->look;
    added->own = (struct type_name){ .name = type->name, .type = added };
    if (headers_make(added) < 0 || !older_names_add(added) ||
        !table_insert(&category->types, &added->own.link, name_hash(slice_str(type->name)))) {
        older_names_free(added);
        buffer_deinit(&added->headers);
        free(added);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for message types");
    }
    *ret_type = added;
    return 0;
}

static uint32_t row_count(const struct edda_row *rows)
{
    uint32_t count = 0;
    while (rows && rows[count].type)
        count++;
    return count;
}

/* Puts a handler in its place: behind the same service's of a higher version, or among those of other services. */
static int handler_link(struct handler *handler, struct edda_error *error)
{
    const struct edda_row *row = handler->row;
    struct service *service = handler->service;
    struct handler *head = registry_handler(handler->type, service);
    if (!head) {
        if (row->type->kind == EDDA_TYPE_COMMAND && handler->type->handlers)
            return edda_fail_with(error, EDDA_EINVAL, "%s is handled twice, by service %s and by service %s", row->type->name,
                                  handler->type->handlers->service->def->name, service->def->name);
        handler->next = handler->type->handlers;
        handler->type->handlers = handler;
        return 0;
    }
    if ((head->row->key || row->key) && (!head->row->key || !row->key || strcmp(head->row->key, row->key) != 0))
        return edda_fail_with(error, EDDA_EINVAL, "versions %u and %u of service %s select the entity of %s by different fields",
                              head->version->def->version, handler->version->def->version, service->def->name, row->type->name);
    while (head->older)
        head = head->older;
    if (head->version == handler->version)
        return edda_fail_with(error, EDDA_EINVAL, "%s is handled twice by service %s", row->type->name, service->def->name);
    head->older = handler;
    return 0;
}

static int handlers_add(struct version *version, struct edda_error *error)
{
    struct service *service = version->service;
    const struct edda_service *def = version->def;
    version->handler_count = row_count(def->on);
    version->handlers = calloc(version->handler_count + 1, sizeof *version->handlers);
    if (!version->handlers)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for service %s", def->name);
    for (uint32_t i = 0; i < version->handler_count; i++) {
        struct handler *handler = &version->handlers[i];
        const struct edda_row *row = &def->on[i];
        int rc = registry_type_ensure(service->engine, row->type, &handler->type, error);
        if (rc < 0)
            return rc;
        if (!row->handle && !def->remote)
            return edda_fail_with(error, EDDA_EINVAL, "service %s has no handler for %s", def->name, row->type->name);
        if (row->key && !registry_has_key(row->type, row->key))
            return edda_fail_with(error, EDDA_EINVAL, "service %s selects its entity by field %s, which %s has not, or not for a key",
                                  def->name, row->key, row->type->name);
        rc = pool_of_row(service, def, row, &handler->pool, error);
        if (rc < 0)
            return rc;
        handler->service = service;
        handler->version = version;
        handler->row = row;
        handler->id_seed = hash64_mix(hash64(slice_str(def->name), 1), hash64(slice_str(row->type->name), 2));
        rc = handler_link(handler, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int evolvers_add(struct version *version, struct edda_error *error)
{
    const struct service *service = version->service;
    const struct edda_service *def = version->def;
    for (const struct edda_row *row = def->evolve; row && row->type; row++) {
        struct message_type *type;
        int rc = registry_type_ensure(service->engine, row->type, &type, error);
        if (rc < 0)
            return rc;
        if (type->category != service->category)
            return edda_fail_with(error, EDDA_EINVAL, "service %s folds %s, which is on topic %s and not on its category %s",
                                  def->name, row->type->name, row->type->topic, def->entity.category);
        if (!row->evolve || row->type->kind != EDDA_TYPE_EVENT)
            return edda_fail_with(error, EDDA_EINVAL, "service %s cannot fold %s: %s", def->name, row->type->name,
                                  row->evolve ? "it is no event" : "there is no function for it");
        for (const struct evolver *other = type->evolvers; other; other = other->next)
            if (other->slot == version->slot)
                return edda_fail_with(error, EDDA_EINVAL, "service %s folds %s twice", def->name, row->type->name);
        struct evolver *evolver = calloc(1, sizeof *evolver);
        if (!evolver)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for service %s", def->name);
        evolver->row = row;
        evolver->slot = version->slot;
        evolver->next = type->evolvers;
        type->evolvers = evolver;
    }
    return 0;
}

static int view_check(const struct edda_service *def, struct edda_error *error)
{
    const struct edda_view *view = def->view;
    if (!view->name || !view->row || !view->fill)
        return edda_fail_with(error, EDDA_EINVAL, "the view of service %s needs a name, the type of its rows, and a function that fills them",
                              def->name);
    return edda_type_check(view->row, error);
}

bool registry_name_is_good(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len > 0 && len <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

/* What several versions of one service must have in common. */
static int check_older(const struct version *version, struct edda_error *error)
{
    const struct edda_service *first = version->service->def, *def = version->def;
    if (!first->entity.state || !def->entity.state || strcmp(first->entity.category, def->entity.category) != 0)
        return edda_fail_with(error, EDDA_EINVAL, "versions %u and %u of service %s have no entity in common", def->version,
                              first->version, def->name);
    if (def->routes || def->schedules || (def->view && (def->view->path || def->view->item)))
        return edda_fail_with(error, EDDA_EINVAL, "version %u of service %s has routes, schedules or paths of a view, which are version %u's",
                              def->version, def->name, first->version);
    if (!first->view != !def->view || (def->view && def->view->row != first->view->row))
        return edda_fail_with(error, EDDA_EINVAL, "versions %u and %u of service %s do not have the same row in their views",
                              def->version, first->version, def->name);
    return 0;
}

static int entity_add(struct version *version, struct edda_error *error)
{
    struct service *service = version->service;
    struct engine *engine = service->engine;
    const struct edda_service *def = version->def;
    int rc = edda_type_check(def->entity.state, error);
    if (rc < 0)
        return rc;
    rc = app_category_add(engine, def->entity.category, &service->category, error);
    if (rc < 0)
        return rc;
    journal_decided(engine->journal, service->category->topic);
    version->slot = service->category->entity_count;
    service->category->entities[service->category->entity_count++] = version;
    service->category->viewed = service->category->viewed || def->view;
    uint32_t every = def->entity.snapshot_every ? def->entity.snapshot_every : SNAPSHOT_EVERY_DEFAULT;
    if (version->slot == 0 || every < service->category->snapshot_every)
        service->category->snapshot_every = every;
    version->zero_state = calloc(1, def->entity.state->size);
    return version->zero_state ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for service %s", def->name);
}

static int version_open(struct version *version, struct edda_error *error)
{
    const struct edda_service *def = version->def;
    int rc = 0;
    if (def->entity.state)
        rc = entity_add(version, error);
    else if (def->evolve || def->view || def->version)
        return edda_fail_with(error, EDDA_EINVAL, "service %s has evolve rows, a view or a version, but no entity", def->name);
    if (rc == 0 && def->view)
        rc = view_check(def, error);
    if (rc == 0)
        rc = evolvers_add(version, error);
    return rc == 0 ? handlers_add(version, error) : rc;
}

static int service_open(struct service *service, struct edda_error *error)
{
    const struct edda_service *def = service->def;
    int rc = 0;
    (void)snprintf(service->source, sizeof service->source, "%s/%s", service->engine->app->name, def->name);
    for (struct version *version = service->versions->older; rc == 0 && version; version = version->older)
        rc = check_older(version, error);
    for (struct version *version = service->versions; rc == 0 && version; version = version->older)
        rc = version_open(version, error);
    return rc == 0 && def->view ? view_open(service) : rc;
}

/* Makes a table of the application known: of a service of its own, or as another version of one. */
static int service_add(struct engine *engine, const struct edda_service *def, struct edda_error *error)
{
    if (!registry_name_is_good(def->name))
        return edda_fail_with(error, EDDA_EINVAL, "a service needs a name of 1 to 63 letters, digits, '-' and '_', not %s",
                              def->name ? def->name : "(none)");
    if (def->entity.state && !def->entity.category)
        return edda_fail_with(error, EDDA_EINVAL, "the entity of service %s has no category", def->name);
    struct service *service = registry_service(engine, slice_str(def->name));
    if (!service) {
        service = &engine->services[engine->service_count++];
        service->engine = engine;
        service->def = def;
        table_init(&service->lanes);
        list_init(&service->pending);
    }
    struct version *version = &engine->versions[engine->version_count++], **at = &service->versions;
    while (*at && (*at)->def->version > def->version)
        at = &(*at)->older;
    if (service->versions && (def->version == 0 || service->def->version == 0 || (*at && (*at)->def->version == def->version)))
        return edda_fail_with(error, EDDA_EINVAL, "two services are named %s, and they are not versions 1, 2, 3 … of one", def->name);
    *version = (struct version){ .service = service, .def = def, .older = *at };
    *at = version;
    service->def = service->versions->def;
    return 0;
}

/* The engine's own topics, and how each is folded. */
static int internal_topics_add(struct engine *engine, struct edda_error *error)
{
    const struct {
        const char *name;
        struct journal_topic **topic;
        int (*fold)(struct engine *engine, const struct journal_record *record);
    } rows[] = {
        { TOPIC_DEADLINES, &engine->deadlines, deadline_fold },
        { TOPIC_SKIPS, &engine->skips, NULL },
        { TOPIC_QUARANTINE, &engine->quarantine, quarantine_fold },
        { TOPIC_PROCESSES, &engine->processes, NULL },
        { TOPIC_PROGRESS, &engine->progress, NULL },
        { TOPIC_SEQUENCES, &engine->sequences, sequences_fold },
        { TOPIC_SERVICES, &engine->service_table, services_fold },
        { TOPIC_REPLIES, &engine->replies, NULL },
        { TOPIC_VERSIONS, &engine->version_table, versions_fold },
        { TOPIC_CHANNELS, &engine->channel_table, NULL },
        { TOPIC_SNAPSHOTS, &engine->snapshots, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct category *category;
        int rc = category_add(engine, rows[i].name, 1, &category, error);
        if (rc < 0)
            return rc;
        *rows[i].topic = category->topic;
        category->fold = rows[i].fold;
    }
    return 0;
}

/* `trace --order 7` looks for a process with the id 7. Only the field that a message names by .correlation can have given it. */
static int entity_word_check(const struct engine *engine, struct edda_error *error)
{
    const char *word = engine->app->entity_word;
    for (uint32_t i = 0; word && i < engine->category_count; i++) {
        const struct table *types = &engine->categories[i].types;
        for (struct table_link *link = table_each(types, NULL); link; link = table_each(types, link))
            if (container_of(link, struct type_name, link)->type->type->correlation)
                word = NULL;
    }
    return word ? edda_fail_with(error, EDDA_EINVAL, "application %s: trace --%s would find nothing, since no message names its process by .correlation",
                                 engine->app->name, word)
                : 0;
}

static int look_add(struct engine *engine, const struct edda_topic *look, struct edda_error *error)
{
    struct category *category;
    if (registry_look(engine->app, look->name) != look)
        return edda_fail_with(error, EDDA_EINVAL, "there are two topics %.249s", look->name);
    for (const char *const *header = look->headers; header && header[0]; header += 2)
        if (!header[1])
            return edda_fail_with(error, EDDA_EINVAL, "topic %.249s: header %s has no value", look->name, header[0]);
    return app_category_add(engine, look->name, &category, error);
}

/* All message types that are known when the tables have been read; this list does not change any more, so that any thread may look into it. */
static int types_list(struct engine *engine, struct edda_error *error)
{
    size_t count = 0;
    for (uint32_t i = 0; i < engine->category_count; i++)
        count += engine->categories[i].types.count;
    engine->types = calloc(count + 1, sizeof *engine->types);
    if (!engine->types)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for message types");
    for (uint32_t i = 0; i < engine->category_count; i++) {
        const struct table *types = &engine->categories[i].types;
        for (struct table_link *link = table_each(types, NULL); link; link = table_each(types, link)) {
            const struct type_name *name = container_of(link, struct type_name, link);
            if (name == &name->type->own) /* and not one that it had in an older version */
                engine->types[engine->type_count++] = name->type->type;
        }
    }
    return 0;
}

/* What a remote service may name besides the types of rows. Replies need no topic. */
static int emits_check(struct engine *engine, const struct edda_service *def, struct edda_error *error)
{
    int rc = 0;
    struct message_type *added;
    for (const struct edda_type *const *type = def->emits; rc == 0 && type && *type; type++)
        rc = (*type)->topic ? registry_type_ensure(engine, *type, &added, error) : edda_type_check(*type, error);
    return rc;
}

int registry_init(struct engine *engine, struct edda_error *error)
{
    const struct edda_app *app = engine->app;
    uint32_t count = 0;
    while (app->services && app->services[count])
        count++;
    if (!registry_name_is_good(app->name))
        return edda_fail_with(error, EDDA_EINVAL, "an application needs a name of 1 to 63 letters, digits, '-' and '_', not %s",
                              app->name ? app->name : "(none)");
    /* Without any there is nothing to do but to be there: a broker's application. */
    bool has_none = !app->projections && !app->channels;
    if ((count == 0 && !has_none) || count > ENGINE_SERVICES_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "application %s has %u services; 1 to %d are possible", app->name, count,
                              ENGINE_SERVICES_MAX);
    engine->services = calloc(count + 1, sizeof *engine->services);
    engine->versions = calloc(count + 1, sizeof *engine->versions);
    engine->categories = calloc(ENGINE_SERVICES_MAX * 4, sizeof *engine->categories);
    size_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        rows += row_count(app->services[i]->on);
    engine->pools = calloc(rows + 1, sizeof *engine->pools);
    if (!engine->services || !engine->versions || !engine->categories || !engine->pools)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for services");
    int rc = internal_topics_add(engine, error);
    for (const struct edda_topic *look = app->topics; rc == 0 && look && look->name; look++)
        rc = look_add(engine, look, error);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = service_add(engine, app->services[i], error);
    for (uint32_t i = 0; rc == 0 && i < engine->service_count; i++)
        rc = service_open(&engine->services[i], error);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = emits_check(engine, app->services[i], error);
    rc = rc < 0 ? rc : types_list(engine, error);
    if (rc == 0)
        rc = entity_word_check(engine, error);
    return rc < 0 ? rc : projections_init(engine, error);
}

/* A route whose body is a command most likely calls it. */
static void routes_look(struct engine *engine, const struct edda_service *def)
{
    for (const struct edda_route *route = def->routes; route && route->method; route++) {
        const struct edda_type *body = route->body;
        if (!body || body->kind != EDDA_TYPE_COMMAND)
            continue;
        const struct message_type *type = registry_type_of(engine, body);
        if (!type || !type->handlers)
            engine_log(engine, "route.unhandled", "%s %s of service %s takes the command %s, which no service of the application handles",
                       route->method, route->path ? route->path : "?", def->name, body->name);
    }
}

void registry_look_over(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->service_count; i++)
        routes_look(engine, engine->services[i].def);
}

static void types_free(struct category *category)
{
    struct table_link *link = table_each(&category->types, NULL);
    while (link) {
        struct type_name *name = container_of(link, struct type_name, link);
        struct message_type *type = name->type;
        bool is_own = name == &type->own;
        link = table_each(&category->types, link);
        if (!is_own) {
            table_remove(&category->types, &name->link);
            free(name);
        }
    }
    link = table_each(&category->types, NULL);
    while (link) {
        struct message_type *type = container_of(link, struct type_name, link)->type;
        link = table_each(&category->types, link);
        while (type->evolvers) {
            struct evolver *evolver = type->evolvers;
            type->evolvers = evolver->next;
            free(evolver);
        }
        buffer_deinit(&type->headers);
        free(type);
    }
    table_deinit(&category->types);
    category->topic->user = NULL;
}

void registry_deinit(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->service_count; i++) {
        struct service *service = &engine->services[i];
        view_close(service);
        table_deinit(&service->lanes);
    }
    for (uint32_t i = 0; i < engine->version_count; i++) {
        for (uint32_t row = 0; row < engine->versions[i].handler_count; row++)
            free(engine->versions[i].handlers[row].lost);
        free(engine->versions[i].handlers);
        free(engine->versions[i].zero_state);
    }
    for (uint32_t i = 0; i < engine->category_count; i++)
        types_free(&engine->categories[i]);
    free(engine->services);
    free(engine->versions);
    free(engine->categories);
    free(engine->pools);
    free(engine->types);
}

struct service *registry_service(const struct engine *engine, struct slice name)
{
    for (uint32_t i = 0; i < engine->service_count; i++)
        if (slice_eq_str(name, engine->services[i].def->name))
            return &engine->services[i];
    return NULL;
}

struct service *registry_service_of(const struct engine *engine, const struct edda_service *def)
{
    const struct version *version = registry_version_of(engine, def);
    return version ? version->service : NULL;
}

const struct version *registry_version_of(const struct engine *engine, const struct edda_service *def)
{
    for (uint32_t i = 0; i < engine->version_count; i++)
        if (engine->versions[i].def == def)
            return &engine->versions[i];
    return NULL;
}

struct handler *registry_handler(const struct message_type *type, const struct service *service)
{
    struct handler *handler = type->handlers;
    while (handler && handler->service != service)
        handler = handler->next;
    return handler;
}
