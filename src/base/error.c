/*
 * error: the one table of all codes. Whoever answers a client, in whatever protocol, takes what it
 * sends from here; a handler that needs a more telling Kafka code than its row has names it itself.
 *
 * Kafka codes are those of org.apache.kafka.common.protocol.Errors. They are chosen by what a client
 * does on seeing them: retriable there exactly if retriable here (but for a topic that does not
 * exist, which clients wait for), and never a code that a producer takes for success
 * (DUPLICATE_SEQUENCE_NUMBER is one).
 *
 * RESP prefixes are those of Redis where it has the case, because clients act on them, and
 * otherwise the code's own word.
 */
#include "edda/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    KAFKA_UNKNOWN_SERVER_ERROR = -1,
    KAFKA_NONE = 0,
    KAFKA_OFFSET_OUT_OF_RANGE = 1,
    KAFKA_UNKNOWN_TOPIC_OR_PARTITION = 3,
    KAFKA_LEADER_NOT_AVAILABLE = 5,
    KAFKA_REQUEST_TIMED_OUT = 7,
    KAFKA_MESSAGE_TOO_LARGE = 10,
    KAFKA_COORDINATOR_LOAD_IN_PROGRESS = 14,
    KAFKA_TOPIC_AUTHORIZATION_FAILED = 29,
    KAFKA_UNSUPPORTED_VERSION = 35,
    KAFKA_TOPIC_ALREADY_EXISTS = 36,
    KAFKA_INVALID_REQUEST = 42,
    KAFKA_POLICY_VIOLATION = 44,
    KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    KAFKA_INVALID_PRODUCER_EPOCH = 47,
    KAFKA_INVALID_TXN_STATE = 48,
    KAFKA_INVALID_PRODUCER_ID_MAPPING = 49,
    KAFKA_KAFKA_STORAGE_ERROR = 56,
    KAFKA_SASL_AUTHENTICATION_FAILED = 58,
    KAFKA_INVALID_RECORD = 87
};

/* ROW(code, its fields): what is not named is false. */
/* clang-format off */
#define CODE_ROWS(ROW) \
    ROW(EDDA_OK, .sentence = "it worked", \
        .http_status = 200, .kafka_code = KAFKA_NONE, .resp_prefix = "OK") \
    ROW(EDDA_EINVAL, .sentence = "an argument or a field is wrong", \
        .http_status = 422, .kafka_code = KAFKA_INVALID_REQUEST, .resp_prefix = "ERR") \
    ROW(EDDA_ENOTFOUND, .sentence = "it does not exist", \
        .http_status = 404, .kafka_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION, .resp_prefix = "NOTFOUND") \
    ROW(EDDA_EVERSION, .sentence = "the stream is not at the expected version", \
        .http_status = 412, .kafka_code = KAFKA_INVALID_RECORD, .resp_prefix = "VERSION") \
    ROW(EDDA_EEXISTS, .sentence = "it is there already", \
        .http_status = 409, .kafka_code = KAFKA_TOPIC_ALREADY_EXISTS, .resp_prefix = "BUSYKEY") \
    ROW(EDDA_EDUPLICATE, .sentence = "the id was used before, with another body", \
        .http_status = 409, .kafka_code = KAFKA_INVALID_RECORD, .resp_prefix = "DUPLICATE") \
    ROW(EDDA_EREJECTED, .sentence = "a business rule of the application said no", \
        .http_status = 409, .kafka_code = KAFKA_POLICY_VIOLATION, .resp_prefix = "REJECTED") \
    ROW(EDDA_EFULL, .sentence = "there is no space left on the disk", \
        .http_status = 507, .kafka_code = KAFKA_KAFKA_STORAGE_ERROR, .resp_prefix = "MISCONF", .retriable = true) \
    ROW(EDDA_ELIMIT, .sentence = "a limit was reached", \
        .http_status = 429, .kafka_code = KAFKA_POLICY_VIOLATION, .resp_prefix = "LIMIT") \
    ROW(EDDA_EBUSY, .sentence = "too much is under way", \
        .http_status = 503, .kafka_code = KAFKA_REQUEST_TIMED_OUT, .resp_prefix = "BUSY", .retriable = true) \
    ROW(EDDA_EPAUSED, .sentence = "the service is paused", \
        .http_status = 503, .kafka_code = KAFKA_LEADER_NOT_AVAILABLE, .resp_prefix = "PAUSED", .retriable = true) \
    ROW(EDDA_EQUARANTINED, .sentence = "the entity is quarantined", \
        .http_status = 409, .kafka_code = KAFKA_POLICY_VIOLATION, .resp_prefix = "QUARANTINED") \
    ROW(EDDA_EEXPIRED, .sentence = "the message expired before it was acted on", \
        .http_status = 410, .kafka_code = KAFKA_INVALID_RECORD, .resp_prefix = "EXPIRED") \
    ROW(EDDA_ETIMEOUT, .sentence = "the time given ran out", \
        .http_status = 504, .kafka_code = KAFKA_REQUEST_TIMED_OUT, .resp_prefix = "TIMEOUT", .retriable = true) \
    ROW(EDDA_ELOCKED, .sentence = "another process has the directory open", \
        .http_status = 503, .kafka_code = KAFKA_LEADER_NOT_AVAILABLE, .resp_prefix = "LOCKED", .retriable = true) \
    ROW(EDDA_ECORRUPT, .sentence = "stored bytes fail their checksum", \
        .http_status = 500, .kafka_code = KAFKA_UNKNOWN_SERVER_ERROR, .resp_prefix = "CORRUPT", .fatal = true) \
    ROW(EDDA_EFORMAT, .sentence = "it was written by a newer release, or is not Edda's at all", \
        .http_status = 500, .kafka_code = KAFKA_UNKNOWN_SERVER_ERROR, .resp_prefix = "FORMAT", .fatal = true) \
    ROW(EDDA_EIO, .sentence = "the operating system failed a read or a write", \
        .http_status = 500, .kafka_code = KAFKA_UNKNOWN_SERVER_ERROR, .resp_prefix = "IOERR", .fatal = true) \
    ROW(EDDA_ENOMEM, .sentence = "there is no memory left", \
        .http_status = 503, .kafka_code = KAFKA_REQUEST_TIMED_OUT, .resp_prefix = "OOM", .retriable = true) \
    ROW(EDDA_ECLOSED, .sentence = "it is closed, or closing", \
        .http_status = 503, .kafka_code = KAFKA_LEADER_NOT_AVAILABLE, .resp_prefix = "CLOSED", .retriable = true) \
    ROW(EDDA_EMALFORMED, .sentence = "the bytes do not parse", \
        .http_status = 400, .kafka_code = KAFKA_INVALID_REQUEST, .resp_prefix = "ERR") \
    ROW(EDDA_ETOOLARGE, .sentence = "a body, record or batch is over its limit", \
        .http_status = 413, .kafka_code = KAFKA_MESSAGE_TOO_LARGE, .resp_prefix = "TOOLARGE") \
    ROW(EDDA_EMETHOD, .sentence = "the path does not have this method", \
        .http_status = 405, .kafka_code = KAFKA_INVALID_REQUEST, .resp_prefix = "ERR") \
    ROW(EDDA_EUNAUTHORIZED, .sentence = "who is asking is not known", \
        .http_status = 401, .kafka_code = KAFKA_SASL_AUTHENTICATION_FAILED, .resp_prefix = "NOAUTH") \
    ROW(EDDA_EFORBIDDEN, .sentence = "who is asking is not allowed to", \
        .http_status = 403, .kafka_code = KAFKA_TOPIC_AUTHORIZATION_FAILED, .resp_prefix = "NOPERM") \
    ROW(EDDA_EUNSUPPORTED, .sentence = "this build or this log cannot do it", \
        .http_status = 501, .kafka_code = KAFKA_UNSUPPORTED_VERSION, .resp_prefix = "ERR") \
    ROW(EDDA_ERETRY, .sentence = "the step must be run again", \
        .http_status = 503, .kafka_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS, .resp_prefix = "TRYAGAIN", \
        .retriable = true) \
    ROW(EDDA_EUNHANDLED, .sentence = "no service of the application handles the command", \
        .http_status = 501, .kafka_code = KAFKA_UNSUPPORTED_VERSION, .resp_prefix = "UNHANDLED") \
    ROW(EDDA_EUNAVAILABLE, .sentence = "what is outside could not be reached, or failed", \
        .http_status = 503, .kafka_code = KAFKA_REQUEST_TIMED_OUT, .resp_prefix = "UNAVAILABLE", .retriable = true) \
    ROW(EDDA_EREFUSED, .sentence = "what is outside said no", \
        .http_status = 502, .kafka_code = KAFKA_POLICY_VIOLATION, .resp_prefix = "REFUSED") \
    ROW(EDDA_EFENCED, .sentence = "a newer instance has taken its place", \
        .http_status = 409, .kafka_code = KAFKA_INVALID_PRODUCER_EPOCH, .resp_prefix = "FENCED") \
    ROW(EDDA_ESEQUENCE, .sentence = "the batch does not follow the producer's last one", \
        .http_status = 409, .kafka_code = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, .resp_prefix = "SEQUENCE") \
    ROW(EDDA_EPRODUCER, .sentence = "no producer of this id is known", \
        .http_status = 409, .kafka_code = KAFKA_INVALID_PRODUCER_ID_MAPPING, .resp_prefix = "PRODUCER") \
    ROW(EDDA_ETRANSACTION, .sentence = "the transaction is not in a state for it", \
        .http_status = 409, .kafka_code = KAFKA_INVALID_TXN_STATE, .resp_prefix = "TRANSACTION") \
    ROW(EDDA_EOFFSET, .sentence = "the partition does not have this offset", \
        .http_status = 416, .kafka_code = KAFKA_OFFSET_OUT_OF_RANGE, .resp_prefix = "OFFSET")
/* clang-format on */

#define CODE_INFO(code_, ...) [-(code_)] = { .code = (code_), .name = #code_, __VA_ARGS__ },
#define CODE_COUNT(code_, ...) +1

static const struct edda_code_info code_rows[] = { CODE_ROWS(CODE_INFO) };

/* As many rows as there are numbers up to the last code: with no number twice, none is missing. */
#define CODES (1 - EDDA_EOFFSET)
_Static_assert(sizeof(code_rows) / sizeof(code_rows[0]) == CODES, "a code without a row");
_Static_assert(CODE_ROWS(CODE_COUNT) == CODES, "a code without a row");

const struct edda_code_info *edda_code_info(int code)
{
    if (code > 0 || code <= -CODES)
        code = EDDA_EIO;
    return &code_rows[-code];
}

/* Copies text that may have been cut, and leaves no part of a UTF-8 character at its end. */
static void text_copy(char *to, size_t size, const char *from)
{
    size_t len = strlen(from);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(to, from, len);
    to[len] = '\0';
}

/* The words are put together aside, since they may quote those that `error` has now. */
static void error_fill(struct edda_error *error, int code, const char *field, const char *format, va_list arguments)
    EDDA_PRINTF(4, 0);

static void error_fill(struct edda_error *error, int code, const char *field, const char *format, va_list arguments)
{
    struct edda_error filled = { .code = code };
    char message[sizeof(filled.message) + 4];
    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        message[0] = '\0';
    text_copy(filled.message, sizeof(filled.message), message);
    text_copy(filled.field, sizeof(filled.field), field ? field : "");
    *error = filled;
}

int edda_fail_with(struct edda_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    error_fill(error, code, NULL, format, arguments);
    va_end(arguments);
    return code;
}

int edda_fail_field(struct edda_error *error, int code, const char *field, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    error_fill(error, code, field, format, arguments);
    va_end(arguments);
    return code;
}
