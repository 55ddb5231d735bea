// What a container is allowed to do: every try prints NAME=ERRNO, 0 for success.
#include "payload.h"
#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

static int attempt(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0 && (flags & O_ACCMODE) == O_RDONLY) {
        char c[512];
        // A device that the BPF program refuses fails at open; an unreadable file of proc at read.
        if (!(flags & O_DIRECTORY) && read(fd, c, sizeof c) < 0) error = errno;
    }
    if (fd >= 0) close(fd);
    printf("%s=%s\n", path, symbol(error));
    return 0;
}

static int try_read(int argc, char **argv) {
    for (int i = 0; i < argc; i++) attempt(argv[i], O_RDONLY);
    return 0;
}

// Opens for writing; nothing is written.
static int try_write(int argc, char **argv) {
    for (int i = 0; i < argc; i++) attempt(argv[i], O_WRONLY);
    return 0;
}

// try-create PATH...: makes a file and leaves it.
static int try_create(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        int fd = open(argv[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        printf("%s=%s\n", argv[i], symbol(fd < 0 ? errno : 0));
        if (fd >= 0) close(fd);
    }
    return 0;
}

// try-mknod PATH MAJOR MINOR: a character device, then an open of it for writing; nothing is written.
static int try_mknod(int argc, char **argv) {
    if (argc < 3) return 2;
    int r = mknod(argv[0], S_IFCHR | 0600, makedev(atoi(argv[1]), atoi(argv[2])));
    printf("mknod=%s\n", symbol(r ? errno : 0));
    return r ? 0 : attempt(argv[0], O_WRONLY);
}

static int cat(int argc, char **argv) {
    char b[65536];
    for (int i = 0; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0) return fail(argv[i]);
        for (ssize_t n; (n = read(fd, b, sizeof b)) > 0;)
            if (write(1, b, n) < 0) return 1;
        close(fd);
    }
    return 0;
}

// put PATH TEXT: appends a line, makes the file.
static int put(int argc, char **argv) {
    if (argc < 2) return 2;
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return fail(argv[0]);
    return dprintf(fd, "%s\n", argv[1]) < 0 ? fail("write") : 0;
}

static int list(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (!d) { printf("%s=%s\n", argv[i], symbol(errno)); continue; }
        for (struct dirent *e; (e = readdir(d));)
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) puts(e->d_name);
        closedir(d);
    }
    return 0;
}

// stat PATH...: PATH=TYPE MODE UID GID MAJOR:MINOR LINK
static int stats(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        struct stat s;
        if (lstat(argv[i], &s)) { printf("%s=%s\n", argv[i], symbol(errno)); continue; }
        char to[4096] = "";
        if (S_ISLNK(s.st_mode)) { ssize_t n = readlink(argv[i], to, sizeof to - 1); to[n < 0 ? 0 : n] = 0; }
        char t = S_ISREG(s.st_mode) ? 'f' : S_ISDIR(s.st_mode) ? 'd' : S_ISLNK(s.st_mode) ? 'l' : S_ISCHR(s.st_mode) ? 'c'
            : S_ISBLK(s.st_mode) ? 'b' : S_ISFIFO(s.st_mode) ? 'p' : 's';
        printf("%s=%c %04o %u %u %u:%u %s\n", argv[i], t, s.st_mode & 07777, s.st_uid, s.st_gid, major(s.st_rdev), minor(s.st_rdev), to);
    }
    return 0;
}

static int write_stderr(int argc, char **argv) {
    int fd = open("/dev/stderr", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail("/dev/stderr");
    return dprintf(fd, "%s\n", argc ? argv[0] : "ok") < 0 ? fail("write") : 0;
}

// Calls that a default profile refuses. Arguments are wrong on purpose: without a filter none of them does anything.
static int seccomp_probe(int argc, char **argv) {
#define TRY(name, call) do { errno = 0; long r = (call); printf("%s=%s\n", name, symbol(r < 0 ? errno : 0)); } while (0)
    TRY("getppid", (long)getppid());
    TRY("mkdirat", syscall(SYS_mkdirat, -1, "", 0));
    TRY("keyctl", syscall(SYS_keyctl, 9999, 0, 0, 0, 0));
    TRY("add_key", syscall(SYS_add_key, 0, 0, 0, 0, 0));
    TRY("kexec_load", syscall(SYS_kexec_load, 0, 17, 0, 0x7fffffffL));
    TRY("init_module", syscall(SYS_init_module, 0, 0, 0));
    TRY("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    TRY("swapon", syscall(SYS_swapon, 0, 0));
    TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, 0, 0));
    TRY("userfaultfd", syscall(SYS_userfaultfd, ~0));
    TRY("bpf", syscall(SYS_bpf, -1, 0, 0));
    TRY("unshare", (long)unshare(0x40));
    TRY("clock_settime", syscall(SYS_clock_settime, -1, 0));
    TRY("unknown", syscall(9999));
    return 0;
}

// write-exe PID...: opens /proc/PID/exe for writing.
static int write_exe(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%s/exe", argv[i]);
        attempt(path, O_WRONLY);
    }
    return 0;
}

// catch-exe SECONDS: watches for processes of another program than this one, keeps a handle on its file, and after it has ended
// tries to open that file for writing. Prints caught=LINK and write=ERRNO for each.
static int catch_exe(int argc, char **argv) {
    struct stat me, it;
    if (stat("/proc/self/exe", &me)) return fail("stat");
    time_t end = time(NULL) + (argc ? atoi(argv[0]) : 5);
    int self = getpid(), held[256], n = 0;
    puts("ready=1");
    while (time(NULL) < end && n < 256) {
        // Pids are small and handed out in order in a namespace of few processes: no readdir, so that no birth is too short.
        for (int pid = 1; pid < 200 && n < 256; pid++) {
            char path[64];
            if (pid == self) continue;
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            int fd = open(path, O_PATH | O_CLOEXEC);
            if (fd < 0) continue;
            int new = !fstat(fd, &it) && (it.st_ino != me.st_ino || it.st_dev != me.st_dev);
            for (int i = 0; new && i < n; i++) {
                struct stat old;
                new = fstat(held[i], &old) || old.st_ino != it.st_ino || old.st_dev != it.st_dev;
            }
            if (new) held[n++] = fd;
            else close(fd);
        }
    }
    for (int i = 0; i < n; i++) {
        char path[64], to[4096];
        snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
        ssize_t len = readlink(path, to, sizeof to - 1);
        to[len < 0 ? 0 : len] = 0;
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        printf("caught=%s\nwrite=%s\n", to, symbol(fd < 0 ? errno : 0));
        if (fd >= 0) close(fd);
    }
    puts("done=1");
    return 0;
}

const struct command probe_commands[] = {
    {"try-read", "PATH...", try_read},
    {"try-write", "PATH...", try_write},
    {"try-create", "PATH...", try_create},
    {"try-mknod", "PATH MAJOR MINOR", try_mknod},
    {"cat", "PATH...", cat},
    {"put", "PATH TEXT", put},
    {"list", "DIR...", list},
    {"stat", "PATH...", stats},
    {"write-stderr", "[TEXT]", write_stderr},
    {"seccomp-probe", "", seccomp_probe},
    {"write-exe", "PID...", write_exe},
    {"catch-exe", "SECONDS", catch_exe},
    {0}};
