// What a container does to its host: memory, processes, time, output, the manner of its end.
#include "payload.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static void nap(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) && errno == EINTR) {}
}

static int hold(void) {
    for (;;) pause();
    return 0;
}

static int wants_hold(int argc, char **argv) { return argc > 1 && !strcmp(argv[argc - 1], "hold"); }

// eat MB [hold]: touches every page.
static int eat(int argc, char **argv) {
    if (argc < 1) return 2;
    size_t mb = atol(argv[0]);
    for (size_t i = 0; i < mb; i++) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return fail("mmap");
        memset(p, 1, 1 << 20);
    }
    printf("eaten=%zu\n", mb);
    return wants_hold(argc, argv) ? hold() : 0;
}

// fork N [hold]: how many of N children could be made.
static int forks(int argc, char **argv) {
    if (argc < 1) return 2;
    int n = atoi(argv[0]), made = 0, error = 0;
    pid_t *pids = calloc(n + 1, sizeof *pids);
    for (; made < n; made++) {
        pid_t p = fork();
        if (p < 0) { error = errno; break; }
        if (!p) { hold(); _exit(0); }
        pids[made] = p;
    }
    printf("forked=%d\nerror=%s\n", made, symbol(error));
    if (wants_hold(argc, argv)) return hold();
    for (int i = 0; i < made; i++) { kill(pids[i], SIGKILL); waitpid(pids[i], NULL, 0); }
    return 0;
}

// spin [SECONDS]: burns CPU; prints the CPU milliseconds it got.
static int spin(int argc, char **argv) {
    struct timespec now, start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    double want = argc ? atof(argv[0]) : 1e9;
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) + (now.tv_nsec - start.tv_nsec) / 1e9 < want);
    printf("cpu_ms=%ld\n", (long)(clock() / (CLOCKS_PER_SEC / 1000)));
    return 0;
}

static int sleeps(int argc, char **argv) {
    if (!argc) return hold();
    nap(atof(argv[0]));
    return 0;
}

static int ignore_term(int argc, char **argv) {
    signal(SIGTERM, SIG_IGN);
    puts("ready=1");
    return hold();
}

static volatile sig_atomic_t trapped;
static void trap(int sig) { trapped = sig; }

// trap-term CODE [SECONDS]: at SIGTERM, SIGINT or SIGQUIT prints its number, works for SECONDS, exits with CODE.
static int trap_term(int argc, char **argv) {
    struct sigaction a = {.sa_handler = trap};
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGQUIT, &a, NULL);
    puts("ready=1");
    while (!trapped) pause();
    printf("signal=%d\n", trapped);
    if (argc > 1) nap(atof(argv[1]));
    return argc ? atoi(argv[0]) : 0;
}

// lines N [TEXT]: numbered lines from 1.
static int lines(int argc, char **argv) {
    if (argc < 1) return 2;
    static char big[1 << 16];
    setvbuf(stdout, big, _IOFBF, sizeof big);
    for (long i = 1, n = atol(argv[0]); i <= n; i++) printf("%ld%s%s\n", i, argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    return fflush(stdout) ? 1 : 0;
}

// both N: odd numbers to stdout, even ones to stderr.
static int both(int argc, char **argv) {
    for (long i = 1, n = argc ? atol(argv[0]) : 1; i <= n; i++) dprintf(i % 2 ? 1 : 2, "%ld\n", i);
    return 0;
}

// partial TEXT: without a newline at its end.
static int partial(int argc, char **argv) {
    if (argc) fputs(argv[0], stdout);
    return fflush(stdout) ? 1 : 0;
}

static int ends(int argc, char **argv) { return argc ? atoi(argv[0]) : 0; }

// die SIGNAL: ends by a signal. Pid 1 of a namespace is deaf to its own signals, but not to a fault: 11 is a real one.
static int die(int argc, char **argv) {
    int sig = argc ? atoi(argv[0]) : SIGSEGV;
    volatile int *volatile nowhere = NULL;
    if (sig == SIGSEGV) *nowhere = 1;
    signal(sig, SIG_DFL);
    raise(sig);
    return 0;
}

// fail-once PATH: fails with 1 when PATH isn't there, and makes it; else exits with 0.
static int fail_once(int argc, char **argv) {
    if (argc < 1) return 2;
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return errno == EEXIST ? 0 : fail("open");
    return 1;
}

static int count_zombies(void) {
    DIR *d = opendir("/proc");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], state = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!f) continue;
        if (fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'Z') n++;
        fclose(f);
    }
    if (d) closedir(d);
    return n;
}

// orphan N: N grandchildren outlive their parents and end; pid 1 must reap them. Prints the zombies that are left after a second.
static int orphan(int argc, char **argv) {
    for (int i = 0, n = argc ? atoi(argv[0]) : 1; i < n; i++) {
        pid_t p = fork();
        if (p < 0) return fail("fork");
        if (!p) {
            if (!fork()) { nap(0.1); _exit(0); }
            _exit(0);
        }
        waitpid(p, NULL, 0);
    }
    for (int i = 0; i < 20; i++) { nap(0.1); if (i > 2 && !count_zombies()) break; }
    printf("zombies=%d\n", count_zombies());
    return 0;
}

// linger SECONDS: a grandchild in a session of its own keeps stdout open for SECONDS, and writes late=1; this one ends at once.
static int linger(int argc, char **argv) {
    pid_t p = fork();
    if (p < 0) return fail("fork");
    if (!p) {
        setsid();
        if (fork()) _exit(0);
        nap(argc ? atof(argv[0]) : 1);
        puts("late=1");
        _exit(0);
    }
    waitpid(p, NULL, 0);
    puts("early=1");
    return 0;
}

// reap: pid 1 for a container whose processes are counted: reaps until SIGTERM.
static int reap(int argc, char **argv) {
    struct sigaction a = {.sa_handler = trap};
    sigaction(SIGTERM, &a, NULL);
    signal(SIGCHLD, SIG_IGN);
    puts("ready=1");
    while (!trapped) pause();
    return 0;
}

// hold-fd PATH: keeps a file open.
static int hold_fd(int argc, char **argv) {
    if (argc < 1) return 2;
    if (open(argv[0], O_RDONLY | O_NONBLOCK) < 0) return fail(argv[0]);
    puts("ready=1");
    return hold();
}

// echo: copies stdin to stdout until its end, then prints eof=BYTES.
static int echo(int argc, char **argv) {
    char b[65536];
    long total = 0;
    for (ssize_t n; (n = read(0, b, sizeof b)) > 0; total += n)
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(1, b + done, n - done)) < 0) return fail("write");
    printf("eof=%ld\n", total);
    return 0;
}

const struct command load_commands[] = {
    {"eat", "MB [hold]", eat},
    {"fork", "N [hold]", forks},
    {"spin", "[SECONDS]", spin},
    {"sleep", "[SECONDS]", sleeps},
    {"ignore-term", "", ignore_term},
    {"trap-term", "CODE [SECONDS]", trap_term},
    {"lines", "N [TEXT]", lines},
    {"both", "N", both},
    {"partial", "TEXT", partial},
    {"exit", "CODE", ends},
    {"die", "SIGNAL", die},
    {"fail-once", "PATH", fail_once},
    {"orphan", "[N]", orphan},
    {"linger", "SECONDS", linger},
    {"reap", "", reap},
    {"hold-fd", "PATH", hold_fd},
    {"echo", "", echo},
    {0}};
