// The naive floor: what a container's birth costs when it is done in the plainest sequence of system calls, and nothing else.
// No seccomp, no capabilities, no close_range, no overlay, no state, no records: what a runtime adds is its own.
//
//   floor run ROOTFS CGROUP -- CMD...         all namespaces new: birth, the command, its end
//   floor join PID ROOTFS CGROUP -- CMD...    net, ipc and uts are PID's, the rest is new
//   floor births PID ROOTFS CGROUP -- CMD...  as join, once for each line on stdin; says "MICROSECONDS-TO-EXEC MICROSECONDS-TO-END"
//   floor exec PID -- CMD...                  into all of PID's namespaces and its root
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void need(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(1);
	}
}

static void put(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	need(mount(source, target, type, flags, data) == 0, target);
}

static void devices(void)
{
	static const struct { const char *path; unsigned major, minor; } node[] = {
		{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
	};
	static const char *link[][2] = {
		{ "pts/ptmx", "dev/ptmx" }, { "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" },
	};
	for (size_t i = 0; i < sizeof node / sizeof *node; i++)
		need(mknod(node[i].path, S_IFCHR | 0666, makedev(node[i].major, node[i].minor)) == 0, node[i].path);
	for (size_t i = 0; i < sizeof link / sizeof *link; i++)
		need(symlink(link[i][0], link[i][1]) == 0, link[i][1]);
}

static void enter_root(const char *root)
{
	static const char *hidden[] = { "/proc/kcore", "/proc/keys", "/proc/timer_list" };
	static const char *frozen[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
	const unsigned long quiet = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	put(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	put(root, root, NULL, MS_BIND | MS_REC, NULL);
	need(chdir(root) == 0, root);
	put("proc", "proc", "proc", quiet, NULL);
	put("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	need(!mkdir("dev/pts", 0755) && !mkdir("dev/shm", 0755) && !mkdir("dev/mqueue", 0755), "mkdir dev");
	put("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	put("shm", "dev/shm", "tmpfs", quiet, "mode=1777,size=65536k");
	put("mqueue", "dev/mqueue", "mqueue", quiet, NULL);
	put("sysfs", "sys", "sysfs", quiet | MS_RDONLY, NULL);
	put("cgroup", "sys/fs/cgroup", "cgroup2", quiet | MS_RDONLY, NULL);
	devices();
	need(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
	need(umount2(".", MNT_DETACH) == 0, "umount2");
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
		mount("/dev/null", hidden[i], NULL, MS_BIND, NULL); // some are not there on every kernel
	for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++) {
		mount(frozen[i], frozen[i], NULL, MS_BIND | MS_REC, NULL);
		mount(NULL, frozen[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | quiet, NULL);
	}
	put(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
	need(chdir("/") == 0, "chdir");
}

static void enter_namespaces(const char *pid)
{
	static const char *kind[] = { "net", "ipc", "uts" };
	char path[64];
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kind[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		need(fd >= 0 && setns(fd, 0) == 0, path);
		close(fd);
	}
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

// One container from nothing to nothing. With `execed` its clock is read when the exec has happened.
static int container(const char *pid, const char *root, const char *group, char **command, double *execed)
{
	int pipe_end[2] = { -1, -1 }, status;
	struct clone_args args = { .exit_signal = SIGCHLD };

	need(mkdir(group, 0755) == 0, group);
	int cgroup = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(cgroup >= 0, group);
	if (execed)
		need(pipe2(pipe_end, O_CLOEXEC) == 0, "pipe2");
	if (pid)
		enter_namespaces(pid);
	args.flags = CLONE_INTO_CGROUP | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP;
	if (!pid)
		args.flags |= CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	args.cgroup = cgroup;
	pid_t child = syscall(SYS_clone3, &args, sizeof args);
	need(child >= 0, "clone3");
	if (child == 0) {
		enter_root(root);
		execv(command[0], command);
		need(0, command[0]);
	}
	if (execed) {
		char byte;
		close(pipe_end[1]);
		need(read(pipe_end[0], &byte, 1) == 0, "read");
		close(pipe_end[0]);
		*execed = now();
	}
	need(waitpid(child, &status, 0) == child, "waitpid");
	close(cgroup);
	need(rmdir(group) == 0, group);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int births(const char *pid, const char *root, const char *group, char **command)
{
	char line[16];
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		double begun = now(), execed;
		need(container(pid, root, group, command, &execed) == 0, "command");
		printf("%.1f %.1f\n", execed - begun, now() - begun);
	}
	return 0;
}

static int enter(const char *pid, char **command)
{
	int status, fd = syscall(SYS_pidfd_open, atoi(pid), 0);
	need(fd >= 0, "pidfd_open");
	need(setns(fd, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) == 0, "setns");
	pid_t child = fork();
	need(child >= 0, "fork");
	if (child == 0) {
		execv(command[0], command);
		need(0, command[0]);
	}
	need(waitpid(child, &status, 0) == child, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	static const struct { const char *verb; int arguments; } known[] = { { "run", 2 }, { "join", 3 }, { "births", 3 }, { "exec", 1 } };
	for (size_t i = 0; argc > 1 && i < sizeof known / sizeof *known; i++) {
		int n = known[i].arguments;
		if (strcmp(argv[1], known[i].verb) || argc < n + 4 || strcmp(argv[n + 2], "--"))
			continue;
		char **a = argv + 2, **command = a + n + 1;
		switch (i) {
		case 0: return container(NULL, a[0], a[1], command, NULL);
		case 1: return container(a[0], a[1], a[2], command, NULL);
		case 2: return births(a[0], a[1], a[2], command);
		case 3: return enter(a[0], command);
		}
	}
	fprintf(stderr, "usage: floor run ROOTFS CGROUP | join|births PID ROOTFS CGROUP | exec PID, each with -- CMD...\n");
	return 2;
}
