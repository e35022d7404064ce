/*
 * manifest: what a backup holds. A backup is a directory like a data directory, but with log/ only, whose segments end where the
 * copied frames end; so `edda read`, `stat`, `trace` and `verify` take it as it is. Beside it stands the manifest, the file
 * "backup": a line of JSON and a line with its crc32c in hexadecimal. It is replaced as a whole when a backup has been synced. What lies
 * in the segments behind the bytes it names is of a backup that did not end, and is written over by the next.
 */
#ifndef EDDA_CMD_EDDA_MANIFEST_H
#define EDDA_CMD_EDDA_MANIFEST_H

#include "base/arena.h"
#include "edda/type.h"
#include "io/io.h"

#define MANIFEST_NAME "backup"
#define MANIFEST_FORMAT 2
#define MANIFEST_FRONT "front" /* in log/: the file that says where the log begins */

struct manifest_segment {
    struct edda_text name;     /* of the file in log/ */
    int64_t bytes;             /* from the file's start */
    int64_t checksum;          /* crc32c of these */
    int64_t freed;             /* bytes that were removed from it, and are zeros */
    int64_t rewriting;         /* another number when it was rewritten since */
};

struct manifest {
    int64_t format;            /* 1 when the log begins with its first segment */
    struct edda_text release;  /* of the writer */
    struct edda_text log;      /* id of the log, 16 hexadecimal digits */
    int64_t time;              /* when it was made, milliseconds since 1970 */
    int64_t end;               /* address behind the last frame */
    int64_t positions;         /* the first position that is not in it */
    int64_t front_bytes;       /* of log/front, and their checksum; 0 when nothing was removed from the front of the log */
    int64_t front_checksum;
    struct edda_list segments; /* of struct manifest_segment, oldest first */
};

/* Reads the manifest in `dir`; texts and segments are the arena's. EDDA_ENOTFOUND when there is none, EDDA_ECORRUPT, EDDA_EFORMAT. */
int manifest_read(struct io *io, const char *dir, struct arena *arena, struct manifest *ret_manifest, struct edda_error *error);
/* Replaces it; durable on return. */
int manifest_write(struct io *io, const char *dir, const struct manifest *manifest, struct edda_error *error);

/* The number in the name of a segment. */
uint64_t manifest_number(const struct manifest_segment *segment);

/* The checksum of the first bytes of a file. EDDA_ECORRUPT when the file is shorter. */
int file_checksum(struct io *io, const char *path, uint64_t bytes, uint32_t *ret_checksum, struct edda_error *error);
/* Writes to a fresh file and leaves blocks of zeros out, so that they are holes, as in a segment from which something was removed. The file ends with what is not zero. */
int file_write_sparse(struct io *io, struct io_file *file, struct slice piece, uint64_t offset);

#endif
