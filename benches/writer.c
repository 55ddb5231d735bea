// writer BYTES LENGTH: lines of LENGTH bytes, newline included, as fast as whoever reads them takes them.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    long left = atol(argv[1]), length = atol(argv[2]), size = (1 << 18) / length * length;
    if (length < 2 || size < length) return 2;
    char *block = malloc(size);
    memset(block, 'x', size);
    for (long end = length; end <= size; end += length) block[end - 1] = '\n';
    for (left = left / length * length; left > 0;) {
        long want = left < size ? left : size, done = 0;
        while (done < want) {
            ssize_t n = write(1, block + done, want - done);
            if (n <= 0) return 1;
            done += n;
        }
        left -= want;
    }
    return 0;
}
