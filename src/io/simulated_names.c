/*
 * The names of the simulated disk. A name lives until the reset and refers to a node or to none;
 * making, removing and renaming bind names anew and note what they referred to before. Syncing a
 * directory forgets its notes; a crash takes back, per directory, a suffix of them. A file whose
 * name was never made durable is gone with it, however often the file itself was synced.
 *
 * Paths are normalised ("/a//b/" is "a/b"), the working directory is the root, ".." is not known.
 * A rename stays within its directory: what a crash between two directories may leave differs
 * between file systems, so nothing may rest on it.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "io/simulated_parts.h"

struct sim_path {
    char text[SIM_PATH_BYTES];
    size_t len;
};

/* False when the path is too long. */
static bool path_normal(const char *path, struct sim_path *ret_path)
{
    struct sim_path p;

    p.len = 0;
    while (*path) {
        size_t part = strcspn(path, "/");

        ASSERT(!(part == 2 && path[0] == '.' && path[1] == '.'));
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (p.len + part + 2 > sizeof(p.text))
                return false;
            if (p.len > 0)
                p.text[p.len++] = '/';
            memcpy(p.text + p.len, path, part);
            p.len += part;
        }
        path += part;
        path += *path == '/';
    }
    p.text[p.len] = '\0';
    *ret_path = p;
    return true;
}

static size_t path_dir_len(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] != '/')
        len--;
    return len > 0 ? len - 1 : 0;
}

static struct sim_name *name_get(struct io_simulated *s, const char *text, size_t len)
{
    struct table_link *link = table_find(&s->names, hash64(slice_of(text, len), 0));

    for (; link; link = table_find_next(link)) {
        struct sim_name *name = container_of(link, struct sim_name, link);

        if (name->len == len && memcmp(name->path, text, len) == 0)
            return name;
    }
    return NULL;
}

static struct sim_name *name_add(struct io_simulated *s, const char *text, size_t len, struct sim_name *dir)
{
    struct sim_name *name = arena_alloc(&s->arena, sizeof(*name) + len + 1);

    if (!name)
        return NULL;
    if (!table_insert(&s->names, &name->link, hash64(slice_of(text, len), 0)))
        return NULL;
    name->dir = dir;
    name->len = len;
    memcpy(name->path, text, len);
    list_push_back(&s->names_listed, &name->listed);
    return name;
}

/* The name of this path, made if it was never used; its directory must be there. */
static int name_obtain(struct io_simulated *s, const struct sim_path *p, struct sim_name **ret_name)
{
    struct sim_name *name = name_get(s, p->text, p->len);
    struct sim_name *dir = name ? name->dir : name_get(s, p->text, path_dir_len(p->text, p->len));

    if (p->len > 0 && (!dir || !dir->node || !dir->node->is_dir))
        return EDDA_ENOTFOUND;
    if (!name)
        name = name_add(s, p->text, p->len, dir);
    if (!name)
        return EDDA_ENOMEM;
    *ret_name = name;
    return 0;
}

static void name_bind(struct io_simulated *s, struct sim_name *name, struct sim_node *node)
{
    if (node)
        sim_node_ref(node);
    sim_node_unref(s, name->node);
    name->node = node;
}

static int changes_reserve(struct io_simulated *s)
{
    size_t capacity = s->change_capacity ? 2 * s->change_capacity : 64;
    struct sim_change *changes;

    if (s->change_count < s->change_capacity)
        return 0;
    changes = realloc(s->changes, capacity * sizeof(*changes));
    if (!changes)
        return EDDA_ENOMEM;
    s->changes = changes;
    s->change_capacity = capacity;
    return 0;
}

/* Notes what a name, or two, referred to; there is room. */
static void change_push(struct io_simulated *s, struct sim_name *first, struct sim_name *second)
{
    struct sim_change *change = &s->changes[s->change_count++];

    *change = (struct sim_change){
        .dir = first->dir,
        .names = { first, second },
        .before = { first->node, second ? second->node : NULL },
    };
    for (size_t i = 0; i < 2; i++)
        if (change->before[i])
            sim_node_ref(change->before[i]);
    first->dir->pending++;
}

static void change_drop(struct io_simulated *s, struct sim_change *change)
{
    for (size_t i = 0; i < 2; i++)
        sim_node_unref(s, change->before[i]);
}

static void change_undo(struct io_simulated *s, struct sim_change *change)
{
    for (size_t i = 0; i < 2; i++)
        if (change->names[i])
            name_bind(s, change->names[i], change->before[i]);
}

bool sim_names_init(struct io_simulated *s)
{
    struct sim_node *node = sim_node_new(s, true);

    s->root = name_add(s, "", 0, NULL);
    if (!node || !s->root)
        return false;
    name_bind(s, s->root, node);
    return true;
}

void sim_names_clear(struct io_simulated *s)
{
    for (size_t i = 0; i < s->change_count; i++)
        change_drop(s, &s->changes[i]);
    s->change_count = 0;
    /* Backward, so that the next run's first file gets the memory of this one's first. */
    for (struct list *l = s->names_listed.prev; l != &s->names_listed; l = l->prev)
        name_bind(s, container_of(l, struct sim_name, listed), NULL);
    list_init(&s->names_listed);
    table_clear(&s->names);
    arena_reset(&s->arena);
    s->root = NULL;
}

void sim_names_crash(struct io_simulated *s)
{
    for (size_t i = 0; i < s->change_count; i++) {
        struct sim_name *dir = s->changes[i].dir;

        if (dir->pending)
            dir->undo_left = (size_t)prng_below(&s->prng, dir->pending + 1);
        dir->pending = 0;
    }
    for (size_t i = s->change_count; i-- > 0;) {
        struct sim_name *dir = s->changes[i].dir;

        if (dir->undo_left) {
            dir->undo_left--;
            change_undo(s, &s->changes[i]);
        }
        change_drop(s, &s->changes[i]);
    }
    s->change_count = 0;
    /* What was in a directory that is gone is gone. */
    for (struct list *l = s->names_listed.next; l != &s->names_listed; l = l->next) {
        struct sim_name *name = container_of(l, struct sim_name, listed);

        ASSERT(name->pending == 0 && name->undo_left == 0);
        if (name->node && name->dir && !name->dir->node)
            name_bind(s, name, NULL);
    }
}

struct sim_name *sim_name_find(struct io_simulated *s, const char *path)
{
    struct sim_path p;
    struct sim_name *name = path_normal(path, &p) ? name_get(s, p.text, p.len) : NULL;

    return name && name->node ? name : NULL;
}

static int name_make(struct io_simulated *s, const struct sim_path *p, bool is_dir, struct sim_name **ret_name)
{
    struct sim_name *name;
    struct sim_node *node;
    int r = name_obtain(s, p, &name);

    if (r == 0)
        r = sim_operation(s);
    if (r == 0)
        r = changes_reserve(s);
    if (r < 0)
        return r;
    ASSERT(!name->node);
    node = sim_node_new(s, is_dir);
    if (!node)
        return EDDA_ENOMEM;
    change_push(s, name, NULL);
    name_bind(s, name, node);
    *ret_name = name;
    return 0;
}

int sim_name_make(struct io_simulated *s, const char *path, bool is_dir, struct sim_name **ret_name)
{
    struct sim_path p;

    return path_normal(path, &p) ? name_make(s, &p, is_dir, ret_name) : EDDA_EIO;
}

static int dirs_make(struct io_simulated *s, const char *path)
{
    struct sim_path p, part;

    if (s->is_cut)
        return EDDA_ECLOSED;
    if (!path_normal(path, &p))
        return EDDA_EIO;
    for (size_t at = 1; at <= p.len; at++) {
        struct sim_name *name;
        int r;

        if (at < p.len && p.text[at] != '/')
            continue;
        memcpy(part.text, p.text, at);
        part.text[at] = '\0';
        part.len = at;
        name = name_get(s, part.text, part.len);
        if (name && name->node) {
            if (!name->node->is_dir)
                return EDDA_EEXISTS;
            continue;
        }
        r = name_make(s, &part, true, &name);
        if (r < 0)
            return r;
    }
    return 0;
}

int sim_dir_make(struct io *io, const char *path, struct edda_error *error)
{
    int r = dirs_make(sim_of(io), path);

    return r < 0 ? edda_fail_with(error, r, "cannot make the directory %s: %s", path, edda_code_info(r)->sentence) : 0;
}

int sim_file_remove(struct io *io, const char *path)
{
    struct io_simulated *s = sim_of(io);
    struct sim_name *name = sim_name_find(s, path);
    int r;

    if (s->is_cut)
        return EDDA_ECLOSED;
    if (!name)
        return EDDA_ENOTFOUND;
    if (name->node->is_dir)
        return EDDA_EIO;
    r = sim_operation(s);
    if (r == 0)
        r = changes_reserve(s);
    if (r < 0)
        return r;
    change_push(s, name, NULL);
    name_bind(s, name, NULL);
    return 0;
}

int sim_file_rename(struct io *io, const char *from, const char *to)
{
    struct io_simulated *s = sim_of(io);
    struct sim_name *old_name = sim_name_find(s, from);
    struct sim_name *new_name;
    struct sim_path p;
    int r;

    if (s->is_cut)
        return EDDA_ECLOSED;
    if (!old_name)
        return EDDA_ENOTFOUND;
    if (!path_normal(to, &p))
        return EDDA_EIO;
    r = name_obtain(s, &p, &new_name);
    if (r < 0)
        return r;
    if (old_name->node->is_dir || (new_name->node && new_name->node->is_dir))
        return EDDA_EIO;
    ASSERT(old_name->dir == new_name->dir);
    r = sim_operation(s);
    if (r == 0)
        r = changes_reserve(s);
    if (r < 0 || old_name == new_name)
        return r;
    change_push(s, old_name, new_name);
    name_bind(s, new_name, old_name->node);
    name_bind(s, old_name, NULL);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int sim_dir_list(struct io *io, const char *path, io_dir_entry_fn *entry, void *user)
{
    struct io_simulated *s = sim_of(io);
    struct sim_name *dir = sim_name_find(s, path);
    const char **names;
    size_t count = 0;
    int r = 0;

    if (s->is_cut)
        return EDDA_ECLOSED;
    if (!dir || !dir->node->is_dir)
        return EDDA_ENOTFOUND;
    names = malloc((s->names.count + 1) * sizeof(*names));
    if (!names)
        return EDDA_ENOMEM;
    for (struct list *l = s->names_listed.next; l != &s->names_listed; l = l->next) {
        struct sim_name *name = container_of(l, struct sim_name, listed);

        if (name->dir == dir && name->node)
            names[count++] = name->path + (dir->len ? dir->len + 1 : 0);
    }
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = entry(user, names[i]);
    free(names);
    return r;
}

int sim_dir_sync(struct io *io, const char *path)
{
    struct io_simulated *s = sim_of(io);
    struct sim_name *dir = sim_name_find(s, path);
    size_t kept = 0;
    int r;

    if (s->is_cut)
        return EDDA_ECLOSED;
    if (!dir || !dir->node->is_dir)
        return EDDA_ENOTFOUND;
    r = sim_operation(s);
    if (r < 0)
        return r;
    if (sim_sync_fails(s))
        return EDDA_EIO;
    for (size_t i = 0; i < s->change_count; i++) {
        if (s->changes[i].dir == dir)
            change_drop(s, &s->changes[i]);
        else
            s->changes[kept++] = s->changes[i];
    }
    s->change_count = kept;
    dir->pending = 0;
    return 0;
}
