/*
 * resp: the protocol of Redis, versions 2 and 3, as pure functions of bytes: commands in, replies out.
 *
 * A command is an array of bulk strings, "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", or a line of words as a person types it, with quotes and escapes as redis-cli
 * has them. Arrays in arrays are no commands.
 *
 * A parser remembers how far it has looked, so that a command that arrives byte by byte is looked at once. What a command announces costs nothing before it is there:
 * memory grows with what has arrived only, up to the caller's limits.
 */
#ifndef EDDA_WIRE_RESP_H
#define EDDA_WIRE_RESP_H

#include "base/buffer.h"
#include "edda/error.h"

#define RESP_INLINE_BYTES_MAX (64u << 10)
#define RESP_ERROR_BYTES_MAX 512

struct resp_limits {
    uint32_t arguments_max; /* with the command's name */
    uint32_t argument_bytes_max;
    uint32_t command_bytes_max; /* all of it as it arrives; at most 1 GiB */
};

struct resp_part {
    uint32_t at, len;
};

/* Zeroed at first. */
struct resp_parser {
    struct slice *args; /* of the command that was parsed: good until the parser is reset, or the bytes move */
    uint32_t count;
    size_t needed;      /* when bytes are missing: parsing again makes sense when there are so many, from the command's start on */

    /* The parser's own. */
    size_t at;          /* everything before has been looked at */
    int64_t left;       /* arguments still to come */
    int64_t bulk;       /* bytes of the one that is arriving; -1: its length is still to come */
    bool begun;         /* the array's header has been read */
    struct resp_part *parts;
    uint32_t capacity;
    struct buffer text; /* of an inline command, without its quotes */
};

/*
 * Parses the command at the start of `bytes`, which begin where they did in the last call since the parser was reset. Returns the bytes consumed,
 * with args[0 .. count) (none for an empty line or array, which Redis passes over in silence); 0 when more are needed; EDDA_EMALFORMED or EDDA_ETOOLARGE,
 * with words as Redis has them ("Protocol error: …"), after which the connection must end; EDDA_ENOMEM.
 */
int64_t resp_parse(struct resp_parser *parser, struct slice bytes, const struct resp_limits *limits, struct edda_error *error);
/* Makes it ready for the next command. Keeps a little memory. */
void resp_parser_reset(struct resp_parser *parser);
void resp_parser_deinit(struct resp_parser *parser);

/* --- replies ---------------------------------------------------------------------------------------------- */

/* Where replies go, and what the client understands: `version` is 2 or 3. What version 2 has no word for is written as clients of
 * version 2 expect it: a map as an array of keys and values, a push as an array, a double and a verbatim text as a bulk string. */
struct resp_writer {
    struct buffer *out;
    int version;
};

/* +OK. The text has no line ends. */
void resp_simple(struct resp_writer w, const char *text);
/* -ERR what was wrong. Line ends become spaces; what is longer than RESP_ERROR_BYTES_MAX is cut. */
void resp_error(struct resp_writer w, const char *prefix, const char *format, ...) __attribute__((format(printf, 3, 4)));
void resp_int(struct resp_writer w, int64_t value);
void resp_bulk(struct resp_writer w, struct slice text);
void resp_bulk_str(struct resp_writer w, const char *text);
void resp_double(struct resp_writer w, double value);
void resp_bool(struct resp_writer w, bool value);
/* `format`: three letters, "txt". */
void resp_verbatim(struct resp_writer w, const char *format, struct slice text);
/* A string, or an array, that is not there. */
void resp_null(struct resp_writer w);
void resp_null_array(struct resp_writer w);
/* Followed by so many values; a map by so many pairs. */
void resp_array(struct resp_writer w, size_t count);
void resp_map(struct resp_writer w, size_t pairs);
void resp_set(struct resp_writer w, size_t count);
void resp_push(struct resp_writer w, size_t count);

#endif
