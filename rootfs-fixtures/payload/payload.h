// One static program with subcommands, the payload inside test containers. Output is `key=value`, one a line, so that a test
// needs no parser. Exit codes: 0 done, 1 a call failed (`error=CALL ERRNO` on stdout), 2 wrong usage, others as asked for.
#ifndef PAYLOAD_H
#define PAYLOAD_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name, *usage;
    int (*run)(int argc, char **argv); // argv[0] is the first argument after the subcommand
};
extern const struct command net_commands[], ipc_commands[], show_commands[], load_commands[], probe_commands[];

// "0" for no error, else the symbol: ENOENT.
const char *symbol(int error);
// Prints error=CALL SYMBOL from errno, and returns 1.
int fail(const char *call);
#endif
