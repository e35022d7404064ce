/* edda: the tool for data directories. Its commands are in files of their own, each ending in its row. */
#include "cmd/edda_tool.h"

const struct command_row *const tool_commands[] = {
    &tool_serve, &tool_append, &tool_read, &tool_tail, &tool_trace, &tool_stat, &tool_verify, &tool_salvage, &tool_backup, &tool_restore,
    &tool_bench, &tool_user, &tool_man, NULL,
};

static const struct command_table table = {
    .program = "edda",
    .version = EDDA_RELEASE,
    .summary = "Serves, reads, writes, checks and copies the data directories of Edda",
    .commands = tool_commands,
};

int main(int argc, char **argv)
{
    return commands_main(&table, argc, argv);
}
