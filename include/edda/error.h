/*
 * edda/error.h: how Edda says what went wrong.
 *
 * A call that can fail returns an `int`: 0 or positive is success, negative is one of the codes
 * below. The same table (src/base/error.c) gives each code its HTTP status, its Kafka error code,
 * its RESP prefix and its sentence. What went wrong in words is written to a `struct edda_error`
 * when the caller passes one; it is the caller's memory, and untouched on success.
 */
#ifndef EDDA_ERROR_H
#define EDDA_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EDDA_PUBLIC __attribute__((visibility("default")))
#define EDDA_PRINTF(format_at, first) __attribute__((__format__(__printf__, format_at, first)))
#else
#define EDDA_PUBLIC
#define EDDA_PRINTF(format_at, first)
#endif

/* The codes are stable: a number is never given another meaning. */
enum edda_code {
    EDDA_OK = 0,
    EDDA_EINVAL = -1,       /* an argument or a field is wrong; the message names it */
    EDDA_ENOTFOUND = -2,    /* no such stream, topic, record, entity, route */
    EDDA_EVERSION = -3,     /* the stream is not at the expected version */
    EDDA_EEXISTS = -4,      /* it is there already */
    EDDA_EDUPLICATE = -5,   /* the id was used before, with another body */
    EDDA_EREJECTED = -6,    /* a business rule of the application said no */
    EDDA_EFULL = -7,        /* no space on the disk; reads go on */
    EDDA_ELIMIT = -8,       /* a documented limit was reached; the message names it */
    EDDA_EBUSY = -9,        /* too much is under way; try again */
    EDDA_EPAUSED = -10,     /* the service is paused */
    EDDA_EQUARANTINED = -11,/* the entity is quarantined */
    EDDA_EEXPIRED = -12,    /* the message expired before it was acted on */
    EDDA_ETIMEOUT = -13,    /* the time given ran out */
    EDDA_ELOCKED = -14,     /* another process has the directory open; the message names it */
    EDDA_ECORRUPT = -15,    /* stored bytes fail their checksum; the message says where */
    EDDA_EFORMAT = -16,     /* written by a newer release, or not Edda's at all */
    EDDA_EIO = -17,         /* the operating system failed a read or a write */
    EDDA_ENOMEM = -18,      /* out of memory */
    EDDA_ECLOSED = -19,     /* it is closed, or closing */
    EDDA_EMALFORMED = -20,  /* bytes from outside do not parse; the message says where */
    EDDA_ETOOLARGE = -21,   /* a body, record or batch is over its limit */
    EDDA_EMETHOD = -22,     /* the path exists, the method does not */
    EDDA_EUNAUTHORIZED = -23,
    EDDA_EFORBIDDEN = -24,
    EDDA_EUNSUPPORTED = -25,/* asked for something this build or this log cannot do */
    EDDA_ERETRY = -26,      /* the step must be run again; never leaves the engine */
    EDDA_EUNHANDLED = -27,  /* no service of the application handles the command */
    EDDA_EUNAVAILABLE = -28,/* what is outside could not be reached, or failed */
    EDDA_EREFUSED = -29,    /* what is outside said no */
    EDDA_EFENCED = -30,     /* a newer instance of the producer or member has taken its place */
    EDDA_ESEQUENCE = -31,   /* a producer's batch does not follow its last one */
    EDDA_EPRODUCER = -32,   /* no producer of this id is known */
    EDDA_ETRANSACTION = -33,/* not in this state of the transaction */
    EDDA_EOFFSET = -34      /* the partition does not have this offset */
};

struct edda_error {
    int code;           /* one of enum edda_code */
    char field[64];     /* the field or argument that was wrong; "" when none was */
    char message[400];  /* a sentence without a full stop; says what was wrong and where */
};

/* Everything the table knows about a code. */
struct edda_code_info {
    int code;
    const char *name;     /* "EDDA_EVERSION" */
    const char *sentence; /* "the stream is not at the expected version" */
    int http_status;
    int kafka_code;
    const char *resp_prefix;
    bool retriable;       /* the same call may succeed later, unchanged */
    bool fatal;           /* the store must be closed */
};

/* Never NULL: an unknown code gives the row of EDDA_EIO. Any thread. */
EDDA_PUBLIC const struct edda_code_info *edda_code_info(int code);

/* Fills `error` (which may be NULL) and returns `code`, so that a function can end with it. */
EDDA_PUBLIC int edda_fail_with(struct edda_error *error, int code, const char *format, ...) EDDA_PRINTF(3, 4);
/* The same, naming a field. */
EDDA_PUBLIC int edda_fail_field(struct edda_error *error, int code, const char *field, const char *format, ...)
    EDDA_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif
#endif
