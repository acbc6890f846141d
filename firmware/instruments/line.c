/* Loaded before the C library into an emulator: gives it a quick line.

   A UART of QEMU gets what comes over a socket byte by byte, each by a turn of the emulator's main
   loop. Of all character devices only `udp` reads ahead, and a multiplexer (`mux=on`) before it
   hands the next of up to 32 bytes over in the processor's own thread. But a datagram may be lost.
   So this makes the datagram socket a stream to the Unix socket CRATON_LINE, on which nothing
   is lost. What the chip sends goes out a frame at a time.

   The emulator's threads stay on the core number CRATON_CORE, in batches: that of the chip then runs
   until it has nothing to do, and is not interrupted to be given a byte. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* What the multiplexer keeps, it hands over only when more comes or the chip takes a byte; a chip
   that did not start its UART yet would never take one. So zeros go before what comes between two
   frames, where they are nothing: they fill the multiplexer, and the rest is looked at again. */
#define KEPT 32

static int line = -1;
static _Bool between = 1;
static unsigned char said[4096];
static size_t length;

__attribute__((constructor)) static void start(void)
{
    const struct sched_param none = {0};
    const char *core = getenv("CRATON_CORE");
    cpu_set_t all, one;
    unsetenv("LD_PRELOAD");
    sched_setscheduler(0, SCHED_BATCH, &none);
    if (core == NULL || sched_getaffinity(0, sizeof all, &all) != 0) {
        return;
    }
    int left = atoi(core) % CPU_COUNT(&all);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all) && left-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(i, &one);
            sched_setaffinity(0, sizeof one, &one);
        }
    }
}

int socket(int family, int type, int protocol)
{
    if (family != AF_INET || (type & 15) != SOCK_DGRAM || line >= 0) {
        return (int)syscall(SYS_socket, family, type, protocol);
    }
    type = SOCK_STREAM | (type & ~15);
    return line = (int)syscall(SYS_socket, AF_UNIX, type, 0);
}

int bind(int file, const struct sockaddr *address, socklen_t size)
{
    return file == line ? 0 : (int)syscall(SYS_bind, file, address, size);
}

int connect(int file, const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    const char *path = getenv("CRATON_LINE");
    if (file != line) {
        return (int)syscall(SYS_connect, file, address, size);
    }
    if (path == NULL || strlen(path) >= sizeof place.sun_path) {
        return -1;
    }
    strcpy(place.sun_path, path);
    return (int)syscall(SYS_connect, file, &place, sizeof place);
}

ssize_t recvmsg(int file, struct msghdr *message, int flags)
{
    size_t zeros = between ? KEPT : 0;
    if (file != line || message->msg_iovlen != 1 || message->msg_iov[0].iov_len <= KEPT) {
        return syscall(SYS_recvmsg, file, message, flags);
    }
    unsigned char *bytes = memset(message->msg_iov[0].iov_base, 0, zeros);
    size_t room = message->msg_iov[0].iov_len - zeros;
    long came = syscall(SYS_recvfrom, line, bytes + zeros, room, flags, NULL, NULL);
    if (came <= 0) {
        return came;
    }
    between = bytes[zeros + (size_t)came - 1] == 0;
    return (ssize_t)zeros + came;
}

static void flush(void)
{
    for (size_t at = 0; at < length;) {
        long done = syscall(SYS_sendto, line, said + at, length - at, MSG_NOSIGNAL, NULL, 0);
        if (done < 0) {
            break;
        }
        at += (size_t)done;
    }
    length = 0;
}

/* The line's own sends have one part each. */
ssize_t sendmsg(int file, const struct msghdr *message, int flags)
{
    if (file != line || message->msg_iovlen != 1) {
        return syscall(SYS_sendmsg, file, message, flags);
    }
    const unsigned char *bytes = message->msg_iov[0].iov_base;
    size_t count = message->msg_iov[0].iov_len;
    for (size_t i = 0; i < count; i++) {
        said[length++] = bytes[i];
        if (length == sizeof said || (bytes[i] == 0 && length > 1)) {
            flush();
        }
    }
    return (ssize_t)count;
}
