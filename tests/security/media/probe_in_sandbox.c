// Tries, inside the sandbox, what a decoder under an attacker's control would try. Prints one line
// per attempt: its name, and "refused" or "DONE".
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void told(const char *name, int done) {
    printf("%s: %s\n", name, done ? "DONE" : "refused");
    fflush(stdout);
}

static void opens(const char *name, const char *path, int flags) {
    int file = open(path, flags, 0600);
    told(name, file >= 0);
    if (file >= 0) close(file);
}

static int connects(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int handle = socket(AF_INET, SOCK_STREAM, 0);
    if (handle < 0) return 0;
    int done = connect(handle, (struct sockaddr *)&to, sizeof to) == 0;
    close(handle);
    return done;
}

// Arguments: the worker's process id, a port that may be reached or 0, another port, a file outside.
int main(int count, char **arguments) {
    if (count < 5) return 2;
    pid_t worker = atoi(arguments[1]);
    int port = atoi(arguments[2]), other = atoi(arguments[3]);
    const char *outside = arguments[4];
    char path[256], buffer[16];
    struct iovec here = {buffer, sizeof buffer}, there = {(void *)0x400000, sizeof buffer};

    const char *kinds[] = {"environ", "mem", "maps", "fd", "root", "cwd", "cmdline"};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", worker, kinds[i]);
        char name[64];
        snprintf(name, sizeof name, "worker's %s", kinds[i]);
        opens(name, path, O_RDONLY);
    }
    opens("own environ", "/proc/self/environ", O_RDONLY);
    opens("file outside", outside, O_RDONLY);
    opens("writing outside", outside, O_WRONLY);
    opens("passwd", "/etc/passwd", O_RDONLY);
    opens("resolv.conf", "/etc/resolv.conf", O_RDONLY);
    opens("service account", "/var/run/secrets/kubernetes.io", O_RDONLY);
    opens("root folder", "/", O_RDONLY | O_DIRECTORY);
    opens("tmp", "/tmp/cinelog-probe", O_WRONLY | O_CREAT);
    opens("shared memory", "/dev/shm/cinelog-probe", O_WRONLY | O_CREAT);
    told("pidfd_open", syscall(SYS_pidfd_open, worker, 0) >= 0);
    told("pidfd_getfd", syscall(SYS_pidfd_getfd, 3, 0, 0) >= 0 || errno == EBADF);
    told("ptrace", ptrace(PTRACE_SEIZE, worker, 0, 0) == 0);
    told("process_vm_readv", process_vm_readv(worker, &here, 1, &there, 1, 0) >= 0);
    told("process_vm_writev", process_vm_writev(worker, &here, 1, &there, 1, 0) >= 0);
    told("kcmp", syscall(SYS_kcmp, worker, getpid(), 0, 0, 0) >= 0);
    told("kill worker", kill(worker, 0) == 0);
    told("tgkill worker", syscall(SYS_tgkill, worker, worker, 0) == 0);
    struct rlimit limit;
    told("prlimit worker", prlimit(worker, RLIMIT_NOFILE, NULL, &limit) == 0);
    told("renice worker", setpriority(PRIO_PROCESS, worker, 19) == 0);
    told("unshare user", unshare(CLONE_NEWUSER) == 0);
    told("unshare net", unshare(CLONE_NEWNET) == 0);
    told("clone user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >= 0);
    told("clone process", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0);
    long cloned[8] = {CLONE_NEWUSER};
    told("clone3", syscall(SYS_clone3, cloned, sizeof cloned) >= 0);
    told("setns", setns(3, 0) == 0 || errno == EBADF);
    told("mount", mount("none", "/tmp", "tmpfs", 0, "") == 0);
    told("fsopen", syscall(SYS_fsopen, "tmpfs", 0) >= 0);
    told("chroot", chroot(".") == 0);
    told("io_uring", syscall(SYS_io_uring_setup, 1, calloc(1, 256)) >= 0);
    told("bpf", syscall(SYS_bpf, 0, 0, 0) >= 0 || errno == EINVAL);
    told("perf", syscall(SYS_perf_event_open, calloc(1, 128), 0, -1, -1, 0) >= 0);
    told("userfaultfd", syscall(SYS_userfaultfd, 1) >= 0);
    told("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -2) >= 0);
    told("request_key", syscall(SYS_request_key, "user", "x", 0, -2) >= 0 || errno == ENOKEY);
    told("keyctl", syscall(SYS_keyctl, 0, -3, 1) >= 0);
    told("memfd_create", syscall(SYS_memfd_create, "x", 0) >= 0);
    told("symlink", symlink(outside, "link") == 0);
    told("hard link", link(outside, "hard") == 0);
    told("fifo", mkfifo("fifo", 0600) == 0);
    told("setuid bit", chmod("own", 06755) == 0);
    told("become root", setuid(0) == 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    told("capabilities", syscall(SYS_capget, &header, data) == 0 && data[0].effective);
    execl("/bin/sh", "sh", "-c", "echo shell: DONE", NULL);
    told("shell", 0);
    told("unix socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    told("netlink socket", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    told("datagram socket", socket(AF_INET, SOCK_DGRAM, 0) >= 0);
    told("multipath socket", socket(AF_INET, SOCK_STREAM, 262) >= 0);
    told("IPv6 socket", socket(AF_INET6, SOCK_STREAM, 0) >= 0);
    int handle = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(other)};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    told("fast open", sendto(handle, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to) >= 0);
    told("listening", bind(handle, (struct sockaddr *)&to, 0) == 0 || listen(handle, 1) == 0);
    told("other port", connects(other));
    if (port) printf("own port: %s\n", connects(port) ? "reached" : "REFUSED");
    int own = open("made", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    printf("own folder: %s\n", own >= 0 ? "written" : "REFUSED");
    return 0;
}
