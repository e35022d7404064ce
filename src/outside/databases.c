/* See outside.h. */
#include "outside/databases.h"

#include <stdio.h>

#ifdef EDDA_WITH_SQLITE
#include "outside/sqlite.h"
#endif
#ifdef EDDA_WITH_POSTGRES
#include "outside/postgres.h"
#endif

#define PATH_BYTES 1024
#define FILE_NAME "read-models.db"

static int out_of_memory(struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a database");
}

static int sqlite_of(const char *path, struct database **ret_database, struct edda_error *error)
{
    if (path[0] == '\0' || strlen(path) >= PATH_BYTES)
        return edda_fail_field(error, EDDA_EINVAL, "db", "sqlite: needs a path of at most %d bytes behind it", PATH_BYTES - 1);
#ifdef EDDA_WITH_SQLITE
    *ret_database = sqlite_database_new(path);
    return *ret_database ? 0 : out_of_memory(error);
#else
    (void)ret_database;
    return edda_fail_field(error, EDDA_EUNSUPPORTED, "db", "this build has no SQLite, for %s", path);
#endif
}

static int postgres_of(const char *url, struct database **ret_database, struct edda_error *error)
{
#ifdef EDDA_WITH_POSTGRES
    return postgres_database_new(url, ret_database, error);
#else
    (void)url, (void)ret_database;
    return edda_fail_field(error, EDDA_EUNSUPPORTED, "db", "this build has no PostgreSQL");
#endif
}

int databases_open(const char *url, const char *data, struct database **ret_database, struct edda_error *error)
{
    char path[PATH_BYTES + 16];
    if (!url || url[0] == '\0') {
        (void)snprintf(path, sizeof path, "%s/%s", data, FILE_NAME);
        return sqlite_of(path, ret_database, error);
    }
    if (strcmp(url, "memory") == 0) {
        *ret_database = database_memory_new(NULL);
        return *ret_database ? 0 : out_of_memory(error);
    }
    if (strncmp(url, "sqlite:", 7) == 0)
        return sqlite_of(url + 7, ret_database, error);
    if (strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0)
        return postgres_of(url, ret_database, error);
    return edda_fail_field(error, EDDA_EINVAL, "db", "--db takes memory, sqlite:PATH or postgres://…, not '%.60s'", url);
}
