/* user: the file of users that `edda serve --users FILE` goes by. */
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cmd/edda_tool.h"
#include "cmd/secret.h"
#include "server/users.h"

struct user_values {
    const char *verb, *name;
    const char *users, *password_file, *read, *write, *manage;
    uint64_t iterations;
    bool token;
};

/* From the terminal, without showing it, else the first line of standard input. */
static int password_ask(struct tool *tool, const char *name, char *ret_password, size_t size)
{
    struct termios shown, hidden;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        (void)fprintf(stderr, "Password of %s: ", name);
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool read = secret_line(stdin, ret_password, size);
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fputc('\n', stderr);
    }
    return read ? 0 : edda_fail_field(&tool->error, EDDA_EINVAL, "password", "there is no password: its line is the first of standard input");
}

static int password_get(struct tool *tool, const struct user_values *v, char *ret_password, size_t size)
{
    if (!v->password_file)
        return password_ask(tool, v->name, ret_password, size);
    return secret_read("password-file", v->password_file, ret_password, size, &tool->error);
}

struct user_search {
    const char *name;
};

static int find_visit(void *user, const struct principal *principal)
{
    const struct user_search *search = user;
    return strcmp(principal_name(principal), search->name) == 0;
}

/* Whether the file has the user; false also when there is no file. */
static bool user_exists(struct tool *tool, const struct user_values *v)
{
    struct user_search search = { v->name };
    struct users *users;
    if (users_open(tool->io, v->users, &users, NULL) < 0)
        return false;
    bool found = users_each(users, find_visit, &search) != 0;
    users_close(users);
    return found;
}

static int user_set(struct tool *tool, const struct user_values *v)
{
    char password[USER_PASSWORD_MAX + 2], token[USER_TOKEN_BYTES + 1];
    struct user_change change = {
        .name = slice_str(v->name), .iterations = (uint32_t)v->iterations, .names = { slice_str(v->read), slice_str(v->write), slice_str(v->manage) }
    };
    bool permissions_only = (v->read || v->write || v->manage) && !v->password_file && user_exists(tool, v);
    if (v->token) {
        users_token(tool->io, token);
        change.token = slice_str(token);
    } else if (!permissions_only) {
        int r = password_get(tool, v, password, sizeof password);
        if (r < 0)
            return r;
        change.password = slice_str(password);
    }
    int r = users_change(tool->io, v->users, &change, &tool->error);
    if (r == 0 && v->token)
        (void)printf("%s\n", token);
    return r;
}

static int user_show(void *user, const struct principal *principal)
{
    struct buffer *out = user;
    buffer_printf(out, "%s: ", principal_name(principal));
    principal_describe(principal, out);
    buffer_append_byte(out, '\n');
    return 0;
}

static int users_list(struct tool *tool, const struct user_values *v)
{
    struct users *users;
    struct buffer out = BUFFER_EMPTY;
    int r = users_open(tool->io, v->users, &users, &tool->error);
    if (r < 0)
        return r;
    (void)users_each(users, user_show, &out);
    if (!print_buffer(&out))
        r = edda_fail_with(&tool->error, EDDA_EIO, "cannot write to standard output");
    users_close(users);
    buffer_deinit(&out);
    return r;
}

static int user_run(const void *values)
{
    const struct user_values *v = values;
    struct tool tool;
    int r;
    if (!tool_init(&tool, "user"))
        return EXIT_FAILED;
    bool list = strcmp(v->verb, "list") == 0, set = strcmp(v->verb, "add") == 0, remove_it = strcmp(v->verb, "remove") == 0;
    if (!list && !set && !remove_it) {
        int status = tool_usage(&tool, "VERB is add, remove or list, not %s", v->verb);
        tool_deinit(&tool);
        return status;
    }
    if (!list && !v->name)
        r = edda_fail_field(&tool.error, EDDA_EINVAL, "NAME", "which user? NAME is missing");
    else if (list)
        r = users_list(&tool, v);
    else if (set)
        r = user_set(&tool, v);
    else
        r = users_change(tool.io, v->users, &(struct user_change){ .name = slice_str(v->name), .remove = true }, &tool.error);
    int status = r < 0 ? tool_fail(&tool) : EXIT_DONE;
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct user_values, member)
const struct command_row tool_user = {
    .name = "user",
    .summary = "Adds, changes, removes and lists the users of a server",
    .notes = "VERB is add (which also changes a user that is there), remove or list. NAMES are of topics, groups and transactional ids, separated by\n"
             "commas; one that ends in * stands for all that begin so. A running server reads the file again on SIGHUP.",
    .values_size = sizeof(struct user_values),
    .run = user_run,
    .arguments = (const struct argument_row[]){
        { "VERB", AT(verb), false, "add, remove or list" },
        { "NAME", AT(name), true, "The user" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "users", OPTION_NEEDED, AT(users), "FILE", NULL, "The file of users; made when missing" },
        { "password-file", OPTION_TEXT, AT(password_file), "FILE", NULL, "Its first line is the password, which is else asked for" },
        { "token", OPTION_FLAG, AT(token), NULL, NULL, "Gives the user a fresh bearer token instead, and shows it this once" },
        { "read", OPTION_TEXT, AT(read), "NAMES", NULL, "What the user may read" },
        { "write", OPTION_TEXT, AT(write), "NAMES", NULL, "What the user may write, and read" },
        { "manage", OPTION_TEXT, AT(manage), "NAMES", NULL, "What the user may make, change and delete, and read" },
        { "iterations", OPTION_COUNT, AT(iterations), "N", "8192", "Work that a guess of the password costs" },
        { .name = NULL } },
};
