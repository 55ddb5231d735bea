// setting [--plain] CMD...: runs CMD, and all that it starts, in the setting that every contender of the benchmark shares.
//
// SCHED_FIFO, so that what else the machine does waits; without the right to it the command runs as it is, and says so. Bounded by
// RLIMIT_RTTIME: whatever spins for two seconds in that class is killed, since nothing else on its CPU would run.
// sched_setscheduler answers 0 and does nothing: podrt's supervisor leaves its caller's class, as a daemon should, and what is compared
// with it stays in it.
// setrlimit(RLIMIT_MEMLOCK) answers 0 and does nothing: crun 1.8 raises it before it loads its device program, for kernels
// before 5.11 that counted BPF memory against it, and gives up where CAP_SYS_RESOURCE is missing.
//
// --plain, below the first: leaves the real-time class for the usual one at the highest weight, for what must not be in it.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))

static void pretend(void)
{
	struct sock_filter code[] = {
		FIELD(arch), UNLESS(AUDIT_ARCH_X86_64, 8),
		FIELD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setscheduler, 5, 0),
		UNLESS(SYS_prlimit64, 5),
		FIELD(args[1]), UNLESS(RLIMIT_MEMLOCK, 3),
		FIELD(args[2]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fprintf(stderr, "setting: no filter: %s\n", strerror(errno));
}

// The other call for a class, which the filter lets pass (sched_setattr(2), its first version of 48 bytes).
static int leave_class(void)
{
	struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t deadline[3]; } plain = {
		.size = 48, .policy = SCHED_OTHER, .nice = -20,
	};
	return syscall(SYS_sched_setattr, 0, &plain, 0);
}

int main(int argc, char **argv)
{
	struct rlimit spin = { 2000000, 2000000 };
	struct sched_param priority = { .sched_priority = 50 };
	if (argc < 2)
		return fprintf(stderr, "usage: setting [--plain] CMD...\n"), 2;
	if (argc > 2 && !strcmp(argv[1], "--plain")) {
		if (leave_class())
			fprintf(stderr, "setting: still in the real-time class: %s\n", strerror(errno));
		execvp(argv[2], argv + 2);
		return 127;
	}
	if (setrlimit(RLIMIT_RTTIME, &spin) || sched_setscheduler(0, SCHED_FIFO, &priority))
		fprintf(stderr, "setting: no SCHED_FIFO (%s): figures will be noisy\n", strerror(errno));
	pretend();
	execvp(argv[1], argv + 1);
	fprintf(stderr, "setting: exec %s: %s\n", argv[1], strerror(errno));
	return 127;
}
