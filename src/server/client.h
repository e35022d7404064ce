/* client: one HTTP request to a running instance, for the commands that look into one. Waits; not for the server's own thread. */
#ifndef EDDA_SERVER_CLIENT_H
#define EDDA_SERVER_CLIENT_H

#include "base/buffer.h"
#include "edda/error.h"

struct client_request {
    const char *url; /* "http://127.0.0.1:8080", or https; what follows the host is dropped */
    const char *method;
    const char *path;   /* percent-encoded, with its query */
    const char *accept; /* or NULL */
    struct slice json;  /* body; empty: none */
    const char *authorization; /* who asks: value of the header; or NULL */
    const char *ca_file;       /* certificates to trust in place of the system's, PEM; or NULL */
};

/* Returns the status of the answer, whose content is appended to `content`. EDDA_EINVAL: the URL is wrong; EDDA_ENOTFOUND: nobody answers there;
 * EDDA_ETIMEOUT: not within ten seconds; EDDA_EMALFORMED: the answer is no HTTP; EDDA_EUNAVAILABLE: its certificate is not trusted, or it speaks no TLS. */
int client_call(const struct client_request *request, struct buffer *content, struct edda_error *error);

/* Percent-encodes one segment of a path. */
void client_encode(struct buffer *out, const char *segment);

#endif
