#include "payload.h"

static const struct command *const groups[] = {show_commands, probe_commands, load_commands, ipc_commands, net_commands};

const char *symbol(int error) {
    if (!error) return "0";
    const char *name = strerrorname_np(error);
    return name ? name : "UNKNOWN";
}

int fail(const char *call) {
    printf("error=%s %s\n", call, symbol(errno));
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv) {
    // A log is read while the container runs: whole lines, at once.
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t g = 0; argc > 1 && g < sizeof groups / sizeof *groups; g++)
        for (const struct command *c = groups[g]; c->name; c++)
            if (!strcmp(c->name, argv[1])) return c->run(argc - 2, argv + 2);
    fprintf(stderr, "usage: payload SUBCOMMAND [ARG...]\n");
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const struct command *c = groups[g]; c->name; c++) fprintf(stderr, "  %s %s\n", c->name, c->usage);
    return 2;
}
