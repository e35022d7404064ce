/*
 * permission: who asks over HTTP, by Basic (RFC 7617) or a bearer token (RFC 6750), and whether he may. A route names what it is about and what is done to it: routes of the log a topic
 * or a group, those of an application the service that they belong to; everything else is the broker as a whole.
 */
#include "base/base64.h"
#include "server/parts.h"
#include "server/users_parts.h"

#define CREDENTIALS_MAX (USER_NAME_MAX + 1 + USER_PASSWORD_MAX)

static bool scheme_is(struct slice *credentials, const char *lower_case)
{
    size_t len = strlen(lower_case);
    if (credentials->len <= len || credentials->data[len] != ' ' || !http_name_eq(slice_of(credentials->data, len), lower_case))
        return false;
    *credentials = slice_from(*credentials, len);
    while (credentials->len && credentials->data[0] == ' ')
        *credentials = slice_from(*credentials, 1);
    return true;
}

static int unauthorized(struct edda_request *request, const char *words)
{
    return edda_fail_field(&request->error, EDDA_EUNAUTHORIZED, "Authorization", "%s", words);
}

static int login_basic(struct edda_request *request, struct slice text)
{
    uint8_t plain[CREDENTIALS_MAX];
    int64_t len = base64_get(text, plain, sizeof plain);
    const uint8_t *colon = len > 0 ? memchr(plain, ':', (size_t)len) : NULL;
    if (!colon)
        return unauthorized(request, "the credentials are malformed");
    size_t name = (size_t)(colon - plain);
    int rc = users_login(server_users(request->server), slice_of(plain, name), slice_of(colon + 1, (size_t)len - name - 1), &request->principal, &request->error);
    secret_clear(plain, sizeof plain);
    return rc;
}

int request_authenticate(struct edda_request *request)
{
    struct users *users = server_users(request->server);
    struct slice credentials;
    if (!users || request->principal)
        return 0;
    if (!http_header_find(&request->head, "authorization", &credentials))
        return unauthorized(request, "say who you are: a name and password (Basic) or a token (Bearer)");
    if (scheme_is(&credentials, "bearer"))
        return users_login_token(users, credentials, &request->principal, &request->error);
    if (scheme_is(&credentials, "basic"))
        return login_basic(request, credentials);
    return unauthorized(request, "only Basic and Bearer are known");
}

bool request_may(const struct edda_request *request, enum broker_verb verb, struct slice name)
{
    return !server_users(request->server) || (request->principal && principal_may(request->principal, verb, name));
}

int request_permit(struct edda_request *request, enum broker_verb verb, struct slice name)
{
    if (request_may(request, verb, name))
        return 0;
    const char *word = verb == BROKER_READ ? "read" : verb == BROKER_WRITE ? "write" : "manage";
    if (!name.data)
        return edda_fail_with(&request->error, EDDA_EFORBIDDEN, "%s needs the permission %s=*", request->route->row.route.path, word);
    return edda_fail_with(&request->error, EDDA_EFORBIDDEN, "this needs the permission %s=%.*s", word, (int)(name.len < 128 ? name.len : 128),
                          (const char *)name.data);
}

int request_permit_route(struct edda_request *request)
{
    const struct route *route = request->route;
    bool looks = strcmp(route->row.route.method, "GET") == 0;
    if (!server_users(request->server) || route->row.open)
        return 0;
    int rc = request_authenticate(request);
    if (rc < 0)
        return rc;
    if (route->rank != ROUTE_BUILT_IN)
        return request_permit(request, looks ? BROKER_READ : BROKER_WRITE, slice_str(route->owner));
    if (route->row.any_name)
        return 0;
    enum broker_verb verb = route->row.verb ? (enum broker_verb)route->row.verb : looks ? BROKER_READ : BROKER_MANAGE;
    struct slice name = { NULL, 0 };
    if (route->row.about) {
        struct edda_text text = edda_parameter(request, route->row.about);
        name = slice_of(text.data, text.len);
    }
    return request_permit(request, verb, name);
}
