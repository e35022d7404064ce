/*
 * man: the manual pages edda(1) and edda.conf(5), out of the tables that the commands themselves go by. For those who make Edda: `make install` and `make deb`
 * put them where man(1) finds them.
 */
#include <ctype.h>

#include "cmd/edda_tool.h"
#include "cmd/serving.h"
#include "cmd/settings.h"

struct man_values {
    const char *page;
};

/* Text of a page: what roff would take for itself is escaped. */
static void put_text(struct buffer *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        bool start = at == text || at[-1] == '\n';
        if (start && (*at == '.' || *at == '\''))
            buffer_append_str(out, "\\&");
        if (*at == '\\')
            buffer_append_str(out, "\\e");
        else if (*at == '-')
            buffer_append_str(out, "\\-");
        else
            buffer_append_byte(out, (uint8_t)*at);
    }
}

static void put_section(struct buffer *out, const char *title)
{
    buffer_printf(out, ".SH %s\n", title);
}

static void put_paragraph(struct buffer *out, const char *text)
{
    put_text(out, text);
    buffer_append_str(out, ".\n");
}

static void put_header(struct buffer *out, const char *name, int section)
{
    buffer_printf(out, ".TH %s %d \"\" \"Edda %s\"\n", name, section, tool_release);
}

static void put_option(struct buffer *out, const struct option_row *option, const char *before, const char *between)
{
    buffer_printf(out, ".TP\n\\fB%s", before);
    put_text(out, option->name);
    buffer_append_str(out, "\\fR");
    const char *value = option->value ? option->value : *before ? NULL : "true|false"; /* a flag has one in a file only */
    if (value)
        buffer_printf(out, "%s\\fI%s\\fR", between, value);
    buffer_append_byte(out, '\n');
    put_text(out, option->description);
    if (option->fallback) {
        buffer_append_str(out, ". Default: ");
        put_text(out, option->fallback);
    }
    buffer_append_str(out, ".\n");
}

static void put_command(struct buffer *out, const struct command_row *command)
{
    buffer_printf(out, ".SS edda %s", command->name);
    for (const struct argument_row *a = command->arguments; a && a->name; a++)
        buffer_printf(out, a->optional ? " [%s]" : " %s", a->name);
    buffer_append_byte(out, '\n');
    put_paragraph(out, command->summary);
    if (command->notes) {
        buffer_append_str(out, ".PP\n");
        put_text(out, command->notes);
        buffer_append_byte(out, '\n');
    }
    for (const struct argument_row *a = command->arguments; a && a->name; a++) {
        buffer_printf(out, ".TP\n\\fI%s\\fR\n", a->name);
        put_paragraph(out, a->description);
    }
    for (const struct option_row *o = command->options; o && o->name; o++)
        put_option(out, o, "\\-\\-", " ");
}

static void page_edda(struct buffer *out)
{
    put_header(out, "EDDA", 1);
    put_section(out, "NAME");
    buffer_append_str(out, "edda \\- event store, broker and process engine\n");
    put_section(out, "SYNOPSIS");
    buffer_append_str(out, ".B edda\n.I COMMAND\n[\\fIARGUMENT\\fR]... [\\fIOPTION\\fR]...\n");
    put_section(out, "DESCRIPTION");
    buffer_append_str(out, "Edda keeps the events of business processes in one log. \\fBedda serve\\fR gives it to clients of Kafka, HTTP and Redis; the other commands "
                           "read, write, check and copy its data directories. Each takes \\-\\-help and \\-\\-version.\n");
    put_section(out, "COMMANDS");
    for (const struct command_row *const *command = tool_commands; *command; command++)
        if ((*command)->summary)
            put_command(out, *command);
    put_section(out, "EXIT STATUS");
    buffer_append_str(out, "0 done, 1 failed, 2 wrong usage.\n");
    put_section(out, "SIGNALS");
    buffer_append_str(out, "\\fBedda serve\\fR ends in order on SIGTERM and SIGINT, at once on the second, and reads certificates and users again on SIGHUP.\n");
    put_section(out, "FILES");
    buffer_append_str(out, ".TP\n/etc/edda/edda.conf\nSettings of the service that the package installs.\n.TP\n/var/lib/edda\nIts data.\n");
    put_section(out, "SEE ALSO");
    buffer_append_str(out, ".BR edda.conf (5)\n");
}

static void page_conf(struct buffer *out)
{
    char variable[SETTING_VARIABLE_BYTES];
    put_header(out, "EDDA.CONF", 5);
    put_section(out, "NAME");
    buffer_append_str(out, "edda.conf \\- settings of edda serve\n");
    put_section(out, "DESCRIPTION");
    buffer_append_str(out, "The file that \\fBedda serve \\-\\-config\\fR \\fIFILE\\fR reads, or that the variable EDDA_CONFIG names. A line for each setting: its name, =, and "
                           "the value up to the end of the line. Empty lines and those that begin with # say nothing. A name that is unknown, or there twice, is an error. Each setting "
                           "is an option of the command line as well, which goes before the variable of the environment, which goes before the file.\n");
    put_section(out, "SETTINGS");
    for (const struct option_row *o = serving_options; o->name; o++) {
        if (strcmp(o->name, "config") == 0)
            continue;
        put_option(out, o, "", " = ");
        settings_variable(o->name, variable);
        buffer_printf(out, ".br\nVariable: %s\n", variable);
    }
    put_section(out, "EXAMPLE");
    buffer_append_str(out, ".nf\ndata = /var/lib/edda\nkafka = 0.0.0.0:9092\nhttp = 127.0.0.1:2113\nresp = off\ntls\\-cert = /etc/edda/server.pem\ntls\\-key = /etc/edda/server.key\n"
                           "users = /etc/edda/users\n.fi\n");
    put_section(out, "SEE ALSO");
    buffer_append_str(out, ".BR edda (1)\n");
}

static const struct {
    const char *name;
    void (*put)(struct buffer *out);
} pages[] = { { "edda.1", page_edda }, { "edda.conf.5", page_conf } };

static int man_run(const void *values)
{
    const struct man_values *v = values;
    struct buffer out = BUFFER_EMPTY;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(pages[i].name, v->page) == 0)
            pages[i].put(&out);
    bool done = out.len > 0 && print_buffer(&out);
    if (out.len == 0)
        fprintf(stderr, "edda man: the pages are edda.1 and edda.conf.5\n");
    buffer_deinit(&out);
    return done ? EXIT_DONE : EXIT_FAILED;
}

const struct command_row tool_man = {
    .name = "man",
    .values_size = sizeof(struct man_values),
    .run = man_run,
    .arguments = (const struct argument_row[]){ { "PAGE", offsetof(struct man_values, page), false, "edda.1 or edda.conf.5" }, { .name = NULL } },
};
