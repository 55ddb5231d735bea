// POSIX and System V shared memory and message queues: what one container of a pod writes, another reads.
#include "payload.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

enum { SIZE = 4096 };

static int shm_write(int argc, char **argv) {
    if (argc < 2) return 2;
    int fd = shm_open(argv[0], O_RDWR | O_CREAT, 0600);
    if (fd < 0) return fail("shm_open");
    if (ftruncate(fd, SIZE)) return fail("ftruncate");
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return fail("mmap");
    snprintf(p, SIZE, "%s", argv[1]);
    printf("written=%s\n", argv[1]);
    return 0;
}

static int shm_read(int argc, char **argv) {
    if (argc < 1) return 2;
    int fd = shm_open(argv[0], O_RDONLY, 0);
    if (fd < 0) return fail("shm_open");
    char *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return fail("mmap");
    printf("read=%.*s\n", SIZE, p);
    return 0;
}

static int sysv_write(int argc, char **argv) {
    if (argc < 2) return 2;
    int id = shmget(atoi(argv[0]), SIZE, IPC_CREAT | 0600);
    if (id < 0) return fail("shmget");
    char *p = shmat(id, NULL, 0);
    if (p == (void *)-1) return fail("shmat");
    snprintf(p, SIZE, "%s", argv[1]);
    printf("written=%s\n", argv[1]);
    return 0;
}

static int sysv_read(int argc, char **argv) {
    if (argc < 1) return 2;
    int id = shmget(atoi(argv[0]), SIZE, 0);
    if (id < 0) return fail("shmget");
    char *p = shmat(id, NULL, SHM_RDONLY);
    if (p == (void *)-1) return fail("shmat");
    printf("read=%.*s\n", SIZE, p);
    return 0;
}

static int mq_write(int argc, char **argv) {
    if (argc < 2) return 2;
    struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = SIZE};
    mqd_t q = mq_open(argv[0], O_WRONLY | O_CREAT, 0600, &a);
    if (q < 0) return fail("mq_open");
    if (mq_send(q, argv[1], strlen(argv[1]), 0)) return fail("mq_send");
    printf("written=%s\n", argv[1]);
    return 0;
}

static int mq_read(int argc, char **argv) {
    if (argc < 1) return 2;
    mqd_t q = mq_open(argv[0], O_RDONLY | O_NONBLOCK);
    if (q < 0) return fail("mq_open");
    char b[SIZE];
    ssize_t n = mq_receive(q, b, sizeof b, NULL);
    if (n < 0) return fail("mq_receive");
    printf("read=%.*s\n", (int)n, b);
    return 0;
}

const struct command ipc_commands[] = {
    {"shm-write", "/NAME TEXT", shm_write},
    {"shm-read", "/NAME", shm_read},
    {"sysv-write", "KEY TEXT", sysv_write},
    {"sysv-read", "KEY", sysv_read},
    {"mq-write", "/NAME TEXT", mq_write},
    {"mq-read", "/NAME", mq_read},
    {0}};
