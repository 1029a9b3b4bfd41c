/* For LD_PRELOAD: a disk or a network that hangs on command. fdatasync waits as long as the file named by
   STALL holds a word of the path that is to be synced, accept4 as long as it holds that word. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int stalls(int fd) {
    char link[64], path[4096], word[256];
    const char *command = getenv("STALL");
    int file = command ? open(command, O_RDONLY) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, word, sizeof word - 1);
    close(file);
    if (length <= 0) return 0;
    word[length] = 0;
    if (fd < 0) return strcmp(word, "accept4") == 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, word) != NULL;
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    while (stalls(fd)) usleep(10000);
    return real(fd);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    int (*real)(int, struct sockaddr *, socklen_t *, int) =
        (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    while (stalls(-1)) usleep(10000);
    return real(fd, address, length, flags);
}
