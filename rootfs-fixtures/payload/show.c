// What a container sees of itself.
#include "payload.h"
#include <dirent.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

extern char **environ;

static int copy(const char *path, const char *prefixes[]) {
    FILE *f = fopen(path, "re");
    if (!f) return fail(path);
    char line[8192];
    while (fgets(line, sizeof line, f)) {
        if (!prefixes) { fputs(line, stdout); continue; }
        for (const char **p = prefixes; *p; p++) {
            size_t n = strlen(*p);
            if (strncmp(line, *p, n) || line[n] != ':') continue;
            char *v = line + n + 1;
            while (*v == ' ' || *v == '\t') v++;
            printf("%s=%s", *p, v);
        }
    }
    fclose(f);
    return 0;
}

static int caps(int argc, char **argv) {
    const char *p[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", NULL};
    return copy("/proc/self/status", p);
}

static int signals(int argc, char **argv) {
    const char *p[] = {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", NULL};
    return copy("/proc/self/status", p);
}

static int mounts(int argc, char **argv) { return copy("/proc/self/mountinfo", NULL); }

static int cgroup(int argc, char **argv) { return copy("/proc/self/cgroup", NULL); }

static int limits(int argc, char **argv) {
    static const struct { const char *name; int id; } all[] = {
        {"AS", RLIMIT_AS}, {"CORE", RLIMIT_CORE}, {"CPU", RLIMIT_CPU}, {"DATA", RLIMIT_DATA}, {"FSIZE", RLIMIT_FSIZE},
        {"LOCKS", RLIMIT_LOCKS}, {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
        {"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC}, {"RSS", RLIMIT_RSS}, {"RTPRIO", RLIMIT_RTPRIO},
        {"RTTIME", RLIMIT_RTTIME}, {"SIGPENDING", RLIMIT_SIGPENDING}, {"STACK", RLIMIT_STACK}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct rlimit r;
        if (getrlimit(all[i].id, &r)) return fail("getrlimit");
        printf("%s=", all[i].name);
        r.rlim_cur == RLIM_INFINITY ? printf("unlimited") : printf("%llu", (unsigned long long)r.rlim_cur);
        r.rlim_max == RLIM_INFINITY ? printf(":unlimited\n") : printf(":%llu\n", (unsigned long long)r.rlim_max);
    }
    return 0;
}

// Every open fd but the one of this listing.
static int fds(int argc, char **argv) {
    for (int fd = 0; fd < 4096; fd++) {
        if (fcntl(fd, F_GETFD) < 0) continue;
        char path[64], to[4096];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, to, sizeof to - 1);
        to[n < 0 ? 0 : n] = 0;
        printf("%d=%s\n", fd, to);
    }
    return 0;
}

static int ids(int argc, char **argv) {
    uid_t r, e, s;
    gid_t rg, eg, sg;
    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    printf("uid=%u %u %u\ngid=%u %u %u\ngroups=", r, e, s, rg, eg, sg);
    gid_t g[1024];
    int n = getgroups(1024, g);
    for (int i = 0; i < n; i++) printf(i ? " %u" : "%u", g[i]);
    mode_t m = umask(0);
    umask(m);
    char cwd[4096] = "", host[256] = "";
    if (!getcwd(cwd, sizeof cwd)) snprintf(cwd, sizeof cwd, "error %s", symbol(errno));
    gethostname(host, sizeof host - 1);
    printf("\numask=%04o\ncwd=%s\nhostname=%s\npid=%d\nppid=%d\nsid=%d\npgid=%d\n", m, cwd, host, getpid(), getppid(), getsid(0), getpgid(0));
    const char *p[] = {"Uid", "Gid", "Groups", NULL};
    return copy("/proc/self/status", p);
}

static int env(int argc, char **argv) {
    for (char **e = environ; *e; e++) puts(*e);
    return 0;
}

static int ns(int argc, char **argv) {
    static const char *all[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char path[64], to[256];
        snprintf(path, sizeof path, "/proc/self/ns/%s", all[i]);
        ssize_t n = readlink(path, to, sizeof to - 1);
        if (n < 0) return fail(path);
        to[n] = 0;
        printf("%s=%s\n", all[i], to);
    }
    return 0;
}

static int args(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("%d=%s\n", i, argv[i]);
    return 0;
}

static void window(void) {
    struct winsize w = {0};
    if (ioctl(0, TIOCGWINSZ, &w)) fail("TIOCGWINSZ");
    else printf("rows=%u cols=%u\n", w.ws_row, w.ws_col);
}

static void resized(int sig) {}

// tty [watch]: prints the window's size, with `watch` again at each change and until end of input.
static int tty(int argc, char **argv) {
    char name[256] = "";
    for (int fd = 0; fd < 3; fd++) printf("isatty%d=%d\n", fd, isatty(fd));
    if (!ttyname_r(0, name, sizeof name)) printf("name=%s\n", name);
    printf("controlling=%d\n", tcgetsid(0) == getsid(0));
    struct sigaction a = {.sa_handler = resized};
    sigaction(SIGWINCH, &a, NULL);
    window();
    while (argc && !strcmp(argv[0], "watch")) {
        char c;
        ssize_t n = read(0, &c, 1);
        if (n < 0 && errno == EINTR) window();
        else if (n <= 0) break;
    }
    return 0;
}

static int ifaces(int argc, char **argv) {
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0) return fail("socket");
    struct if_nameindex *list = if_nameindex();
    for (struct if_nameindex *i = list; i && i->if_index; i++) {
        struct ifreq r = {0};
        snprintf(r.ifr_name, sizeof r.ifr_name, "%s", i->if_name);
        ioctl(s, SIOCGIFFLAGS, &r);
        printf("%s=%s\n", i->if_name, r.ifr_flags & IFF_UP ? "up" : "down");
    }
    return 0;
}

// ps: every process that /proc shows: PID=STATE PPID COMM.
static int ps(int argc, char **argv) {
    DIR *d = opendir("/proc");
    if (!d) return fail("/proc");
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9') continue;
        char path[300], comm[64], state;
        int pid, ppid;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = fopen(path, "re");
        if (!f) continue;
        if (fscanf(f, "%d (%63[^)]) %c %d", &pid, comm, &state, &ppid) == 4) printf("%d=%c %d %s\n", pid, state, ppid, comm);
        fclose(f);
    }
    closedir(d);
    return 0;
}

const struct command show_commands[] = {
    {"caps", "", caps},
    {"signals", "", signals},
    {"mounts", "", mounts},
    {"cgroup", "", cgroup},
    {"limits", "", limits},
    {"fds", "", fds},
    {"ids", "", ids},
    {"env", "", env},
    {"ns", "", ns},
    {"args", "[ARG...]", args},
    {"tty", "[watch]", tty},
    {"ifaces", "", ifaces},
    {"ps", "", ps},
    {0}};
