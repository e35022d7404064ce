/*
 * Operations on open simulated files. A file of before a crash is dead: all it can do is to be
 * unmapped and closed.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "io/simulated_parts.h"

/* 0, or EDDA_ECLOSED when the process that opened the file is dead. */
static int file_alive(const struct io_file *file)
{
    return file->sim->is_cut || file->life != file->sim->life ? EDDA_ECLOSED : 0;
}

static struct io_file *file_new(struct io_simulated *s)
{
    struct io_file *file = s->files_spare;

    if (!file)
        return malloc(sizeof(*file));
    s->files_spare = file->next_spare;
    return file;
}

/* Finds or makes the name, by the flags of io_file_open(). */
static int file_name(struct io_simulated *s, const char *path, unsigned flags, struct sim_name **ret_name)
{
    struct sim_name *name = sim_name_find(s, path);

    if (s->is_cut)
        return EDDA_ECLOSED;
    if (!name)
        return flags & IO_CREATE ? sim_name_make(s, path, false, ret_name) : EDDA_ENOTFOUND;
    if (flags & IO_EXCLUSIVE)
        return EDDA_EEXISTS;
    if (name->node->is_dir)
        return EDDA_EIO;
    *ret_name = name;
    return 0;
}

int sim_file_open(struct io *io, const char *path, unsigned flags, struct io_file **ret_file,
                  struct edda_error *error)
{
    struct io_simulated *s = sim_of(io);
    struct io_file *file = file_new(s);
    struct sim_name *name;
    int r;

    ASSERT(!(flags & IO_CREATE) || (flags & IO_WRITE));
    ASSERT(!(flags & IO_EXCLUSIVE) || (flags & IO_CREATE));
    if (!file)
        return edda_fail_with(error, EDDA_ENOMEM, "cannot open %s: out of memory", path);
    r = file_name(s, path, flags, &name);
    if (r < 0) {
        file->next_spare = s->files_spare;
        s->files_spare = file;
        return edda_fail_with(error, r, "cannot open %s: %s", path, edda_code_info(r)->sentence);
    }
    *file = (struct io_file){
        .sim = s,
        .node = name->node,
        .path = name->path,
        .life = s->life,
        .writable = flags & IO_WRITE,
    };
    sim_node_ref(file->node);
    s->open_files++;
    *ret_file = file;
    return 0;
}

void sim_file_close(struct io_file *file)
{
    struct io_simulated *s = file->sim;

    ASSERT(s->open_files > 0 && file->maps == 0);
    s->open_files--;
    if (file->node->holder == file)
        file->node->holder = NULL;
    sim_node_unref(s, file->node);
    file->next_spare = s->files_spare;
    s->files_spare = file;
}

int sim_file_read(struct io_file *file, void *data, size_t len, uint64_t offset, size_t *ret_len)
{
    const struct sim_node *node = file->node;
    uint64_t there = offset < node->size ? node->size - offset : 0;
    int r = file_alive(file);

    if (r < 0)
        return r;
    if (len > there)
        len = (size_t)there;
    if (len)
        memcpy(data, node->data + offset, len);
    *ret_len = len;
    return 0;
}

/* The process dies inside of a write: its first sectors may have landed, up to all of them. */
static void write_in_part(struct io_file *file, const struct slice *parts, size_t count, uint64_t len,
                          uint64_t offset)
{
    uint64_t first = offset / SECTOR_BYTES;
    uint64_t sectors = (offset + len + SECTOR_BYTES - 1) / SECTOR_BYTES - first;
    uint64_t end = (first + prng_below(&file->sim->prng, sectors + 1)) * SECTOR_BYTES;

    if (end > offset + len)
        end = offset + len;
    if (end > offset)
        (void)sim_node_write(file->sim, file->node, parts, count, end - offset, offset);
}

/* The size becomes what the writer meant, the bytes land elsewhere in the file or nowhere. */
static int write_misdirected(struct io_file *file, const struct slice *parts, size_t count, uint64_t len,
                             uint64_t offset)
{
    struct sim_node *node = file->node;
    int64_t target = (int64_t)offset + file->sim->misdirect_by;
    uint64_t at = target > 0 ? (uint64_t)target : 0;
    int r = offset + len > node->size ? sim_node_resize(file->sim, node, offset + len) : 0;

    if (r < 0 || at >= node->size)
        return r;
    if (len > node->size - at)
        len = node->size - at;
    return sim_node_write(file->sim, node, parts, count, len, at);
}

int sim_file_write(struct io_file *file, const struct slice *parts, size_t count, uint64_t offset)
{
    struct io_simulated *s = file->sim;
    uint64_t len = 0;
    int r = file_alive(file);

    if (r < 0)
        return r;
    if (!file->writable)
        return EDDA_EIO;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    r = sim_operation(s);
    if (r < 0) {
        if (len)
            write_in_part(file, parts, count, len, offset);
        return r;
    }
    if (s->misdirect_left && --s->misdirect_left == 0)
        return write_misdirected(file, parts, count, len, offset);
    return sim_node_write(s, file->node, parts, count, len, offset);
}

int sim_file_sync(struct io_file *file)
{
    int r = file_alive(file);

    if (r == 0)
        r = sim_operation(file->sim);
    if (r < 0)
        return r;
    if (sim_sync_fails(file->sim)) {
        sim_node_sync_failed(file->node);
        return EDDA_EIO;
    }
    sim_node_sync(file->node);
    return 0;
}

/* Begins a change of the size. */
static int resize_begin(struct io_file *file)
{
    int r = file_alive(file);

    if (r < 0)
        return r;
    return file->writable ? sim_operation(file->sim) : EDDA_EIO;
}

int sim_file_allocate(struct io_file *file, uint64_t len)
{
    int r = resize_begin(file);

    if (r < 0 || len <= file->node->size)
        return r;
    return sim_node_resize(file->sim, file->node, len);
}

int sim_file_truncate(struct io_file *file, uint64_t len)
{
    int r = resize_begin(file);

    if (r < 0)
        return r;
    ASSERT(len >= file->node->map_end);
    return sim_node_resize(file->sim, file->node, len);
}

int sim_file_size(struct io_file *file, uint64_t *ret_len)
{
    int r = file_alive(file);

    if (r < 0)
        return r;
    *ret_len = file->node->size;
    return 0;
}

int sim_file_map(struct io_file *file, uint64_t len, const uint8_t **ret_data)
{
    struct sim_node *node = file->node;
    int r = file_alive(file);

    if (r < 0)
        return r;
    if (node->size < len)
        return EDDA_EIO;
    if (len == 0) {
        *ret_data = NULL;
        return 0;
    }
    file->maps++;
    node->maps++;
    if (node->map_end < len)
        node->map_end = len;
    *ret_data = node->data;
    return 0;
}

/* Its bytes are in memory anyway. */
void sim_file_map_rest(struct io_file *file, const uint8_t *data, uint64_t len)
{
    (void)file, (void)data, (void)len;
}

bool sim_file_map_is_loaded(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len)
{
    struct io_simulated *s = file->sim;

    ASSERT(data == file->node->data && from + len <= file->node->map_end);
    return s->unloaded_one_in == 0 || prng_below(&s->prng, s->unloaded_one_in) > 0;
}

void sim_file_map_load(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len)
{
    ASSERT(data == file->node->data && from + len <= file->node->map_end);
    file->sim->loads++;
}

void sim_file_map_in_order(struct io_file *file, const uint8_t *data, uint64_t len)
{
    (void)file, (void)data, (void)len;
}

void sim_file_unmap(struct io_file *file, const uint8_t *data, uint64_t len)
{
    struct sim_node *node = file->node;

    ASSERT(file->maps > 0 && node->maps > 0 && data == node->data && len <= node->map_end);
    file->maps--;
    if (--node->maps == 0)
        node->map_end = 0;
}

int sim_file_lock(struct io_file *file, struct edda_error *error)
{
    int r = file_alive(file);

    if (r < 0)
        return edda_fail_with(error, r, "cannot lock %s: the process is dead", file->path);
    if (!file->writable)
        return edda_fail_with(error, EDDA_EIO, "cannot lock %s: it is open for reading only", file->path);
    if (file->node->holder && file->node->holder != file)
        return edda_fail_with(error, EDDA_ELOCKED, "%s is in use by this process already (%llu)", file->path,
                              (unsigned long long)file->life);
    file->node->holder = file;
    return 0;
}
