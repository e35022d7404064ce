/* client: one HTTP request to a running instance, for the commands that look into one. Waits; not for the server's own thread. */
#ifndef EDDA_SERVER_CLIENT_H
#define EDDA_SERVER_CLIENT_H

#include "base/buffer.h"
#include "edda/error.h"

struct client_request {
    const char *url; /* "http://127.0.0.1:8080"; what follows the host is dropped */
    const char *method;
    const char *path;   /* percent-encoded, with its query */
    const char *accept; /* or NULL */
    struct slice json;  /* body; empty: none */
};

/* Returns the status of the answer, whose content is appended to `content`. EDDA_EINVAL: the URL is wrong; EDDA_ENOTFOUND: nobody answers there;
 * EDDA_ETIMEOUT: not within ten seconds; EDDA_EMALFORMED: the answer is no HTTP. */
int client_call(const struct client_request *request, struct buffer *content, struct edda_error *error);

/* Percent-encodes one segment of a path. */
void client_encode(struct buffer *out, const char *segment);

#endif
