/* What the files of the outside share: outside.c decides who does a call, http.c and mail.c do it by curl.c, program.c runs programs. */
#ifndef EDDA_OUTSIDE_PARTS_H
#define EDDA_OUTSIDE_PARTS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "outside/outside.h"

struct outside {
    struct outside_options options;
    char smtp_url[512];
    _Atomic int64_t stop_at_ns;    /* when what is under way is broken off; 0: not yet */
};

/* Whether a call must be broken off now. Asks the io at most every 50 ms: `*checked_ns` is the caller's, 0 at first. */
bool outside_must_stop(struct outside *outside, int64_t *checked_ns);

/* Memory of this thread for one call; emptied by outside_call(). NULL when out of memory. */
struct scratch {
    struct arena arena;
    struct buffer in;              /* what came */
    struct buffer out;             /* what goes */
    void *curl;                    /* CURL *, with its connections */
};
struct scratch *scratch_get(void);

int http_do(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call);
int mail_do(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call);
int program_do(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call);

/* mail_text.c: the message (RFC 5322) of an e-mail; false when out of memory. `from` is not empty. */
bool mail_text(const struct edda_mail *mail, struct edda_text from, struct edda_text key, int64_t time_ms, struct buffer *out);
/* The next address of a list, without name and brackets; false at the end. */
bool mail_address(struct edda_text *list, struct edda_text *ret_address);

/* curl.c; EDDA_EUNSUPPORTED from all of them in a build without it. */
struct transfer {
    struct outside *outside;
    struct scratch *scratch;
    const struct edda_outside_call *call;
    /* HTTP */
    const char *url;
    const char *method;
    struct edda_text body;
    const char *const *headers;    /* whole lines, NULL-terminated */
    bool follow;
    /* e-mail: the text is in scratch->out */
    struct edda_text from;
    struct edda_text to;
    /* Results */
    long status;                   /* of HTTP or SMTP; 0: none */
    const char *content_type;      /* or NULL */
};
bool curl_is_there(void);
/* sign.c: of "TIME.BODY". False when out of memory, or in a build without OpenSSL. Writes to scratch->out. */
bool sign_is_there(void);
bool sign(struct scratch *scratch, const char *secret, int64_t time_s, struct edda_text body, char ret_hex[65]);
int curl_http(struct transfer *transfer);
int curl_mail(struct transfer *transfer);
void curl_free(void *curl);

#endif
