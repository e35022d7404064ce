/* secret: see secret.h. */
#include "cmd/secret.h"

#include <errno.h>
#include <string.h>

bool secret_line(FILE *in, char *ret_secret, size_t size)
{
    bool read = fgets(ret_secret, (int)size, in) != NULL;
    size_t len = read ? strcspn(ret_secret, "\r\n") : 0;
    bool whole = len > 0 && (ret_secret[len] || feof(in));
    ret_secret[whole ? len : 0] = '\0';
    return whole;
}

int secret_read(const char *flag, const char *path, char *ret_secret, size_t size, struct edda_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return edda_fail_field(error, EDDA_ENOTFOUND, flag, "--%s: %.200s cannot be read: %s", flag, path, strerror(errno));
    bool read = secret_line(file, ret_secret, size);
    (void)fclose(file);
    return read ? 0 : edda_fail_field(error, EDDA_EINVAL, flag, "--%s: the first line of %.200s must have 1 to %zu bytes", flag, path, size - 2);
}
