/*
 * What the files of the simulated io share.
 *
 *   simulated.c        new, reset, crash, cuts and faults, the table of operations
 *   simulated_disk.c   nodes: the bytes of a file, and how to take back what is not synced
 *   simulated_names.c  names and directories, and how to take back their unsynced changes
 *   simulated_files.c  the operations on open files
 *   simulated_jobs.c   the clock, and jobs in its order
 *
 * Everything is used again after io_simulated_reset(): nodes keep their memory, names and changes
 * come from an arena and a growing array.
 */
#ifndef EDDA_IO_SIMULATED_PARTS_H
#define EDDA_IO_SIMULATED_PARTS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/prng.h"
#include "base/table.h"
#include "io/simulated.h"

#define SECTOR_BYTES 512
#define SIM_PATH_BYTES 512

/*
 * One change of a file that no sync has covered: enough to take it back. The sectors' old contents
 * lie in the node's `old`, from `old_at` on.
 */
struct sim_undo {
    uint64_t sector;      /* first of those that were changed */
    uint64_t sectors;     /* how many; may be 0 */
    uint64_t size_before;
    uint64_t size_after;
    size_t old_at;
    bool whole;           /* a cut of the size: its sectors come back with the size or not at all */
};

/* A file's bytes, or the fact that there is a directory. */
struct sim_node {
    struct list link;     /* among the disk's live nodes, or the spare ones */
    bool is_dir;
    unsigned refs;        /* names, changes of names, open files */
    unsigned maps;
    uint64_t map_end;     /* the longest mapping */
    struct io_file *holder; /* who has the lock */
    uint8_t *data;        /* never moves while mapped; zero from dirty_end on */
    size_t reserved;      /* bytes of address space at `data` */
    uint64_t size;
    uint64_t dirty_end;
    struct sim_undo *undos; /* oldest first */
    size_t undo_count;
    size_t undo_capacity;
    size_t forgotten;     /* the first so many undos were in a failed sync: a later one does not cover them */
    struct buffer old;
};

/* A name that was ever used since the reset. */
struct sim_name {
    struct table_link link; /* by the hash of its path */
    struct list listed;     /* in order of first use, so a directory comes before what is in it */
    struct sim_name *dir;   /* NULL for the root */
    struct sim_node *node;  /* NULL: there is no such file now */
    size_t pending;         /* unsynced changes, of a directory */
    size_t undo_left;       /* during a crash: how many of them are still to be taken back */
    size_t len;
    char path[];            /* normal: no slash at either end; "" is the root */
};

/* An unsynced change of one or, for a rename, two names of a directory. */
struct sim_change {
    struct sim_name *dir;
    struct sim_name *names[2];
    struct sim_node *before[2]; /* what each named; counted in `refs` */
};

struct io_simulated {
    struct io io;
    struct io_simulated_options options; /* with the defaults filled in */
    struct prng prng;
    uint64_t life;           /* grows with every crash; files of an earlier life are dead */

    /* the disk */
    struct list nodes;
    struct list nodes_spare;
    uint64_t used;           /* bytes: the sum of the sizes */
    struct arena arena;      /* names */
    struct table names;
    struct list names_listed;
    struct sim_name *root;
    struct sim_change *changes; /* oldest first */
    size_t change_count;
    size_t change_capacity;
    struct io_file *files_spare;
    size_t open_files;

    /* cuts and faults; the countdowns are 0 when nothing is planned */
    uint64_t operations;
    uint64_t loads;
    uint32_t unloaded_one_in;
    uint64_t cut_left;
    bool is_cut;
    uint64_t sync_fail_left;
    uint64_t misdirect_left;
    int64_t misdirect_by;

    /* the clock and jobs */
    int64_t now_ns;          /* since the reset */
    int64_t boot_at_ns;      /* `now_ns` of the last start of the machine */
    int64_t wall_offset_ns;  /* wall time less `now_ns` */
    bool in_job;
    int64_t job_elapsed_ns;  /* the running job's own time so far */
    bool shut_down;
    struct list jobs;        /* struct io_job by done_at_ns, then by submission */
    int64_t pool_done_at_ns[IO_POOL_COUNT]; /* the latest of each pool */
};

struct io_file {
    struct io_simulated *sim;
    struct sim_node *node;
    struct io_file *next_spare;
    const char *path;
    uint64_t life;
    unsigned maps;
    bool writable;
};

static inline struct io_simulated *sim_of(struct io *io)
{
    return container_of(io, struct io_simulated, io);
}

/* Counts a changing operation; EDDA_ECLOSED when the process is dead or this is where it dies. */
int sim_operation(struct io_simulated *s);
/* Whether a planned failure strikes this sync. */
bool sim_sync_fails(struct io_simulated *s);

/* A node without references, or NULL when out of memory. */
struct sim_node *sim_node_new(struct io_simulated *s, bool is_dir);
static inline void sim_node_ref(struct sim_node *node)
{
    node->refs++;
}
/* The last one gives the node and its space back. NULL is allowed. */
void sim_node_unref(struct io_simulated *s, struct sim_node *node);
void sim_node_free(struct sim_node *node);
/* EDDA_EFULL or EDDA_ENOMEM leave the node as it was. */
int sim_node_resize(struct io_simulated *s, struct sim_node *node, uint64_t size);
/* Writes the first `len` bytes of the parts; on a full disk what fits. */
int sim_node_write(struct io_simulated *s, struct sim_node *node, const struct slice *parts, size_t count,
                   uint64_t len, uint64_t offset);
void sim_node_sync(struct sim_node *node);
/* The sync failed: the sectors it should have covered will never be known to be durable. */
void sim_node_sync_failed(struct sim_node *node);
/* Decides by the generator what of the unsynced changes survives. */
void sim_node_crash(struct io_simulated *s, struct sim_node *node);

/* Makes the root, on an empty disk; false when out of memory. */
bool sim_names_init(struct io_simulated *s);
/* Forgets all names and their changes. */
void sim_names_clear(struct io_simulated *s);
void sim_names_crash(struct io_simulated *s);
/* The name, or NULL when it names nothing. */
struct sim_name *sim_name_find(struct io_simulated *s, const char *path);
/* Makes a file or directory of this name, which names nothing yet. A changing operation. */
int sim_name_make(struct io_simulated *s, const char *path, bool is_dir, struct sim_name **ret_name);
int sim_file_rename(struct io *io, const char *from, const char *to);
int sim_file_remove(struct io *io, const char *path);
int sim_dir_make(struct io *io, const char *path, struct edda_error *error);
int sim_dir_list(struct io *io, const char *path, io_dir_entry_fn *entry, void *user);
int sim_dir_sync(struct io *io, const char *path);

int sim_file_open(struct io *io, const char *path, unsigned flags, struct io_file **ret_file,
                  struct edda_error *error);
void sim_file_close(struct io_file *file);
int sim_file_read(struct io_file *file, void *data, size_t len, uint64_t offset, size_t *ret_len);
int sim_file_write(struct io_file *file, const struct slice *parts, size_t count, uint64_t offset);
int sim_file_sync(struct io_file *file);
int sim_file_allocate(struct io_file *file, uint64_t len);
int sim_file_truncate(struct io_file *file, uint64_t len);
int sim_file_size(struct io_file *file, uint64_t *ret_len);
int sim_file_map(struct io_file *file, uint64_t len, const uint8_t **ret_data);
void sim_file_unmap(struct io_file *file, const uint8_t *data, uint64_t len);
void sim_file_map_rest(struct io_file *file, const uint8_t *data, uint64_t len);
bool sim_file_map_is_loaded(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len);
void sim_file_map_load(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len);
void sim_file_map_in_order(struct io_file *file, const uint8_t *data, uint64_t len);
int sim_file_lock(struct io_file *file, struct edda_error *error);

/* Puts the clock to its start. */
void sim_clock_reset(struct io_simulated *s);
/* Drops all jobs; with `machine` the boot clock starts again. */
void sim_clock_crash(struct io_simulated *s, bool machine);
int64_t sim_clock_wall_ns(struct io *io);
int64_t sim_clock_boot_ns(struct io *io);
void sim_job_submit(struct io *io, enum io_pool pool, struct io_job *job);
size_t sim_jobs_finish(struct io *io);
int sim_jobs_wait(struct io *io, int64_t timeout_ns);
int sim_wake_fd(struct io *io);
bool sim_sleep(struct io *io, int64_t duration_ns);
void sim_shutdown(struct io *io);

#endif
