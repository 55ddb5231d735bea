// A server of one sentence and its client: HTTP/1.0, so that curl and probes can talk to it too. Addresses are numbers: a
// static program has no resolver.
#include "payload.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

static int address(const char *host, const char *port, struct sockaddr_in *a) {
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    return inet_pton(AF_INET, host, &a->sin_addr) == 1;
}

// serve PORT [TEXT [HOST]]
static int serve(int argc, char **argv) {
    if (argc < 1) return 2;
    const char *text = argc > 1 ? argv[1] : "hello";
    struct sockaddr_in a;
    if (!address(argc > 2 ? argv[2] : "127.0.0.1", argv[0], &a)) return 2;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (s < 0) return fail("socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&a, sizeof a)) return fail("bind");
    if (listen(s, 64)) return fail("listen");
    // As pid 1 of a container a signal without a handler does nothing.
    signal(SIGTERM, _exit);
    signal(SIGPIPE, SIG_IGN);
    printf("serving=%s\n", argv[0]);
    for (;;) {
        int c = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        if (c < 0) continue;
        char request[4096];
        struct timeval limit = {2, 0};
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (read(c, request, sizeof request) > 0)
            dprintf(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s\n", strlen(text) + 1, text);
        close(c);
    }
}

// fetch HOST PORT [SECONDS]: prints the body; tries again for SECONDS while nobody listens.
static int fetch(int argc, char **argv) {
    if (argc < 2) return 2;
    struct sockaddr_in a;
    if (!address(argv[0], argv[1], &a)) return 2;
    time_t end = time(NULL) + (argc > 2 ? atoi(argv[2]) : 0);
    for (;;) {
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s < 0) return fail("socket");
        if (!connect(s, (struct sockaddr *)&a, sizeof a)) {
            dprintf(s, "GET / HTTP/1.0\r\n\r\n");
            char b[65536];
            size_t n = 0;
            for (ssize_t r; n < sizeof b - 1 && (r = read(s, b + n, sizeof b - 1 - n)) > 0;) n += r;
            b[n] = 0;
            char *body = strstr(b, "\r\n\r\n");
            printf("body=%s", body ? body + 4 : "\n");
            return body ? 0 : 1;
        }
        int error = errno;
        close(s);
        errno = error;
        if (time(NULL) >= end) return fail("connect");
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
}

const struct command net_commands[] = {{"serve", "PORT [TEXT [HOST]]", serve}, {"fetch", "HOST PORT [SECONDS]", fetch}, {0}};
