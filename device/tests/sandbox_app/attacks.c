/* One app that tries, by its first argument, one way out of its sandbox, and prints what it got:
 * "errno N", "ok", or facts. Statically linked by the tests. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int say(long result) {
    if (result < 0) printf("errno %d\n", errno); else printf("ok\n");
    fflush(stdout);
    return 0;
}

static int sock(int family, int type, int protocol) { return say(socket(family, type, protocol)); }

static int dial(const char *host, int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return -1;
    return fd;
}

/* SOCKS5 by name: prints the reply code, then what the other side says. */
static int through_proxy(const char *host, int port) {
    int fd = dial("127.0.0.1", 1080);
    if (fd < 0) return say(-1);
    unsigned char buffer[512], request[300] = {5, 1, 0, 3};
    size_t length = strlen(host);
    if (write(fd, "\x05\x01\x00", 3) != 3 || read(fd, buffer, 2) != 2) return say(-1);
    request[4] = length;
    memcpy(request + 5, host, length);
    request[5 + length] = port >> 8;
    request[6 + length] = port & 255;
    if (write(fd, request, length + 7) < 0 || read(fd, buffer, 10) != 10) return say(-1);
    printf("reply %d\n", buffer[1]);
    ssize_t got;
    while (buffer[1] == 0 && (got = read(fd, buffer, sizeof buffer)) > 0) {
        if (fwrite(buffer, 1, got, stdout) == 0) break;
        break;
    }
    printf("\n");
    return 0;
}

static int http_connect(const char *host, int port) {
    int fd = dial("127.0.0.1", 1080);
    if (fd < 0) return say(-1);
    char buffer[512];
    int length = snprintf(buffer, sizeof buffer, "CONNECT %s:%d HTTP/1.1\r\n\r\n", host, port);
    if (write(fd, buffer, length) != length) return say(-1);
    ssize_t got = read(fd, buffer, sizeof buffer - 1);
    if (got < 0) return say(-1);
    buffer[got] = 0;
    printf("%s\n", buffer);
    return 0;
}

static int serve(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 8) < 0) return say(-1);
    say(0);
    for (;;) {
        int client = accept(fd, 0, 0);
        if (client < 0) return say(-1);
        if (write(client, "hello from inside", 17) < 0) return say(-1);
        close(client);
    }
}

static int list(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return say(-1);
    struct dirent *entry;
    while ((entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) printf("%s ", entry->d_name);
    printf("\n");
    return 0;
}

static int fill(long kib) {
    int fd = open(getenv("CRATON_STORAGE"), O_RDWR);
    if (fd < 0) return say(-1);
    char block[1024];
    memset(block, 'x', sizeof block);
    long written = 0;
    while (written < kib && write(fd, block, sizeof block) == sizeof block) written++;
    printf("wrote %ld KiB\n", written);
    if (written < kib) say(-1);
    return 0;
}

/* Says in its storage that it does not care for SIGTERM any more. */
static int stubborn_and_tell(void) {
    int fd = open(getenv("CRATON_STORAGE"), O_RDWR);
    if (fd < 0 || write(fd, "x", 1) != 1) return say(-1);
    for (;;) pause();
}

static int bomb(void) {
    int children = 0;
    while (children < 5000) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) { for (;;) pause(); }
        children++;
    }
    int why = errno;
    printf("children %d errno %d\n", children, why);
    return 0;
}

/* Sets aside or writes more of its storage than it may have. */
static int overfill(const char *name) {
    int fd = open(getenv("CRATON_STORAGE"), O_RDWR);
    if (fd < 0) return say(-1);
    off_t far = 1L << 40;
    if (!strcmp(name, "over-keep")) return say(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 30));
    if (!strcmp(name, "over-allocate")) return say(fallocate(fd, 0, 0, 1 << 30));
    if (!strcmp(name, "over-sparse")) return say(pwrite(fd, "x", 1, far));
    if (!strcmp(name, "over-truncate")) return say(ftruncate(fd, far));
    return say(syscall(SYS_fsetxattr, fd, "user.more", name, 5, 0));
}

/* Holds as many connections to its proxy as it gets, silent or talking nonsense without end, lets
 * go of them, and then asks for a real one. */
static int exhaust_proxy(const char *host, int port) {
    static char nonsense[65536];
    int held[100], count = 0;
    memset(nonsense, 'C', sizeof nonsense);
    while (count < 100 && (held[count] = dial("127.0.0.1", 1080)) >= 0) {
        if (count % 2) {
            fcntl(held[count], F_SETFL, O_NONBLOCK);
            if (send(held[count], nonsense, sizeof nonsense, MSG_NOSIGNAL) < 0) errno = 0;
        }
        count++;
    }
    printf("held %d\n", count > 32);
    while (count > 0) close(held[--count]);
    return through_proxy(host, port);
}

static int abstract(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return say(-1);
    strncpy(to.sun_path + 1, name, sizeof to.sun_path - 2);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
    return say(connect(fd, (struct sockaddr *)&to, length));
}

static int over_ipv6(const char *host, int port) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0) return say(-1);
    inet_pton(AF_INET6, host, &to.sin6_addr);
    return say(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int send_udp(const char *host, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0) return say(-1);
    inet_pton(AF_INET, host, &to.sin_addr);
    return say(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
}

/* What no line to the supervisor, no core and no score of ours should show. */
static int left_behind(void) {
    for (int fd = 0; fd < 1024; fd++) {
        struct stat stat;
        if (fstat(fd, &stat) == 0 && (S_ISSOCK(stat.st_mode) || S_ISDIR(stat.st_mode)))
            printf("descriptor %d\n", fd);
    }
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    printf("core %ld %ld\n", (long)core.rlim_cur, (long)core.rlim_max);
    char score[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDONLY);
    if (fd >= 0 && read(fd, score, sizeof score - 1) > 0) printf("oom %s", score);
    return 0;
}

static int kill_all(void) {
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(-1, SIGKILL);
    if (syscall(SYS_clone, CLONE_PARENT | SIGKILL, 0, 0, 0, 0) == 0) _exit(0);
    return say(0);
}

static void *rest(void *unused) { for (;;) pause(); return unused; }

static int threads(void) {
    int count = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    while (count < 5000) {
        pthread_t thread;
        if (pthread_create(&thread, &small, rest, 0)) break;
        count++;
    }
    printf("threads %d\n", count);
    return 0;
}

/* Takes memory in MiB steps and touches it. */
static int eat(int mib) {
    int got = 0;
    while (got < mib) {
        char *block = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) break;
        memset(block, 1, 1 << 20);
        got++;
    }
    printf("mib %d\n", got);
    return 0;
}

static int facts(void) {
    printf("pid %d ppid %d uid %d euid %d gid %d sid %d\n", getpid(), getppid(), getuid(),
           geteuid(), getgid(), getsid(0) == getpid());
    for (char **variable = environ; *variable; variable++) printf("env %s\n", *variable);
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf("fd %d\n", fd);
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) || !strncmp(line, "Seccomp:", 8))
            printf("%s", line);
    return 0;
}

static void ignore(int signal) { (void)signal; }

static int memory_attack(const char *name) {
    long page = 4096;
    if (!strcmp(name, "mmap-rwx"))
        return say((long)mmap(0, page, PROT_READ | PROT_WRITE | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1 ? -1 : 0);
    void *at = mmap(0, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!strcmp(name, "mprotect-rx")) return say(mprotect(at, page, PROT_READ | PROT_EXEC));
    if (!strcmp(name, "mprotect-rwx"))
        return say(mprotect(at, page, PROT_READ | PROT_WRITE | PROT_EXEC));
    if (!strcmp(name, "pkey-rx"))
        return say(syscall(SYS_pkey_mprotect, at, page, PROT_READ | PROT_EXEC, -1));
    if (!strcmp(name, "memfd")) return say(syscall(SYS_memfd_create, "x", 0));
    if (!strcmp(name, "storage-exec")) {
        int fd = open(getenv("CRATON_STORAGE"), O_RDWR);
        return say((long)mmap(0, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == -1 ? -1 : 0);
    }
    if (!strcmp(name, "self-mem")) return say(open("/proc/self/mem", O_RDWR));
    int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (!strcmp(name, "shared-memory"))
        return say((long)mmap(0, page, prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == -1 ? -1 : 0);
    if (!strcmp(name, "shared-zero")) {
        int fd = open("/dev/zero", O_RDWR);
        return say(fd < 0 || (long)mmap(0, page, prot, MAP_SHARED, fd, 0) == -1 ? -1 : 0);
    }
    if (!strcmp(name, "grows-down"))
        return say((long)mmap(0, page, prot, flags | MAP_GROWSDOWN, -1, 0) == -1 ? -1 : 0);
    if (!strcmp(name, "reserve"))
        return say((long)mmap(0, 1L << 40, PROT_READ, flags, -1, 0) == -1 ? -1 : 0);
    if (!strcmp(name, "shmget")) return say(syscall(SYS_shmget, 0, page, 0600));
    if (!strcmp(name, "mq-open")) return say(syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, 0));
    if (!strcmp(name, "personality")) return say(syscall(SYS_personality, 0x0400000));
    return 2;
}

static int call_attack(const char *name, long number) {
    if (!strcmp(name, "ptrace")) return say(ptrace(PTRACE_ATTACH, number, 0, 0));
    if (!strcmp(name, "kill")) return say(kill(number, 0));
    if (!strcmp(name, "tgkill")) return say(syscall(SYS_tgkill, number, number, 0));
    if (!strcmp(name, "vm-read")) return say(syscall(SYS_process_vm_readv, number, 0, 0, 0, 0, 0));
    if (!strcmp(name, "prlimit"))
        return say(syscall(SYS_prlimit64, number, RLIMIT_NOFILE, 0, 0));
    if (!strcmp(name, "unshare")) return say(unshare(CLONE_NEWUSER));
    if (!strcmp(name, "clone-ns"))
        return say(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    if (!strcmp(name, "clone3")) return say(syscall(SYS_clone3, 0, 0));
    if (!strcmp(name, "io-uring")) return say(syscall(SYS_io_uring_setup, 1, 0));
    if (!strcmp(name, "mount")) return say(syscall(SYS_mount, "x", "/", "tmpfs", 0, 0));
    if (!strcmp(name, "bpf")) return say(syscall(SYS_bpf, 0, 0, 0));
    if (!strcmp(name, "userfaultfd")) return say(syscall(SYS_userfaultfd, 0));
    if (!strcmp(name, "perf")) return say(syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
    if (!strcmp(name, "add-key")) return say(syscall(SYS_add_key, "user", "x", "x", 1, -3));
    if (!strcmp(name, "request-key")) return say(syscall(SYS_request_key, "user", "x", 0, -3));
    if (!strcmp(name, "pidfd-getfd")) return say(syscall(SYS_pidfd_getfd, 0, 0, 0));
    if (!strcmp(name, "io-uring-enter")) return say(syscall(SYS_io_uring_enter, 0, 1, 0, 0, 0, 0));
    if (!strcmp(name, "pipe-size")) {
        int pair[2];
        return say(pipe(pair) < 0 ? -1 : fcntl(pair[0], F_SETPIPE_SZ, 1 << 20));
    }
    if (!strcmp(name, "keyctl")) return say(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    if (!strcmp(name, "setuid")) return say(setuid(0));
    if (!strcmp(name, "owner")) return say(fcntl(0, F_SETOWN, number));
    if (!strcmp(name, "tiocsti")) return say(syscall(SYS_ioctl, 1, 0x5412, "x"));
    if (!strcmp(name, "fork")) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        return say(child);
    }
    return 2;
}

static int file_attack(const char *name, const char *path) {
    if (!strcmp(name, "read")) return say(open(path, O_RDONLY));
    if (!strcmp(name, "write")) return say(open(path, O_WRONLY));
    if (!strcmp(name, "create")) return say(open(path, O_WRONLY | O_CREAT, 0600));
    if (!strcmp(name, "truncate")) return say(truncate(path, 0));
    if (!strcmp(name, "read-truncate")) return say(open(path, O_RDONLY | O_TRUNC));
    if (!strcmp(name, "chmod")) return say(chmod(path, 0777));
    if (!strcmp(name, "unlink")) return say(unlink(path));
    if (!strcmp(name, "mkdir")) return say(mkdir(path, 0700));
    if (!strcmp(name, "mknod")) return say(mknod(path, S_IFCHR | 0666, 0x103));
    if (!strcmp(name, "exec")) return say(execl(path, path, "facts", (char *)0));
    if (!strcmp(name, "exec-setuid")) {
        execl(path, path, "facts", (char *)0);
        return say(-1);
    }
    if (!strcmp(name, "list")) return list(path);
    return 2;
}

int main(int count, char **words) {
    const char *name = count > 1 ? words[1] : "", *word = count > 2 ? words[2] : "";
    int number = count > 3 ? atoi(words[3]) : atoi(word);
    if (!strcmp(name, "true")) return 0;
    if (!strcmp(name, "exit")) return number;
    if (!strcmp(name, "facts")) return facts();
    if (!strcmp(name, "sleep")) { say(0); for (;;) pause(); }
    if (!strcmp(name, "stubborn")) { signal(SIGTERM, ignore); say(0); for (;;) pause(); }
    if (!strcmp(name, "stubborn-and-tell")) { signal(SIGTERM, ignore); return stubborn_and_tell(); }
    if (!strcmp(name, "proxy-and-sleep")) { through_proxy(word, number); for (;;) pause(); }
    if (!strcmp(name, "daemon")) { if (fork() == 0) for (;;) pause(); return say(0); }
    if (!strcmp(name, "abort")) abort();
    if (!strcmp(name, "spin")) for (;;) { }
    if (!strcmp(name, "socket-raw")) return sock(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (!strcmp(name, "socket-packet")) return sock(AF_PACKET, SOCK_RAW, 0);
    if (!strcmp(name, "socket-netlink")) return sock(AF_NETLINK, SOCK_RAW, 0);
    if (!strcmp(name, "socket-vsock")) return sock(AF_VSOCK, SOCK_STREAM, 0);
    if (!strcmp(name, "socket-tcp")) return sock(AF_INET, SOCK_STREAM, 0);
    if (!strcmp(name, "socket-udp")) return sock(AF_INET, SOCK_DGRAM, 0);
    if (!strcmp(name, "socket-unix")) return sock(AF_UNIX, SOCK_STREAM, 0);
    if (!strcmp(name, "socketpair-dgram")) {
        int pair[2];
        return say(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    }
    if (!strcmp(name, "dial")) return say(dial(word, number));
    if (!strcmp(name, "proxy")) return through_proxy(word, number);
    if (!strcmp(name, "connect")) return http_connect(word, number);
    if (!strcmp(name, "serve")) return serve(number);
    if (!strcmp(name, "fill")) return fill(number);
    if (!strncmp(name, "over-", 5)) return overfill(name);
    if (!strcmp(name, "exhaust-proxy")) return exhaust_proxy(word, number);
    if (!strcmp(name, "abstract")) return abstract(word);
    if (!strcmp(name, "ipv6")) return over_ipv6(word, number);
    if (!strcmp(name, "udp")) return send_udp(word, number);
    if (!strcmp(name, "left-behind")) return left_behind();
    if (!strcmp(name, "kill-all")) return kill_all();
    if (!strcmp(name, "bomb")) return bomb();
    if (!strcmp(name, "threads")) return threads();
    if (!strcmp(name, "eat")) return eat(number);
    int done = memory_attack(name);
    if (done == 2) done = call_attack(name, number);
    if (done == 2) done = file_attack(name, word);
    return done;
}
