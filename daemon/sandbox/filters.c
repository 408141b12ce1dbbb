/*
 * Run at build time: prints the seccomp filters of the processes as C arrays, for the architecture
 * that is its argument. libseccomp makes thousands of allocations to compute a filter, and does not
 * check them all; so the processes contain the result.
 *
 * docs/sandbox.md lists the system calls with the reason of each; tests/structure/test_sandbox.py
 * compares the lists.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/denied.h"
#include "sandbox/system_calls.h"

/* The headers of Debian 12 lack it; the size of its argument varies. */
#define PIDFD_GET_INFO_TYPE_AND_NUMBER 0xFF0B
#define IOCTL_TYPE_AND_NUMBER          0xFFFF

#define OF(process) (1u << (process))
#define BROKER      OF(SANDBOX_BROKER)
#define EXCHANGER   OF(SANDBOX_EXCHANGER)
#define EXPORTER    OF(SANDBOX_EXPORTER)
#define ALL         (BROKER | EXCHANGER | EXPORTER)

/* Allowed whatever the arguments are. A name that the architecture lacks has no effect. */
static const struct {
    int number;
    unsigned processes;
} allowed[] = {
    /* memory, threads, signals, clocks */
    {SCMP_SYS(brk), ALL},
    {SCMP_SYS(munmap), ALL},
    {SCMP_SYS(madvise), ALL},
    {SCMP_SYS(mlock2), BROKER | EXCHANGER},
    {SCMP_SYS(futex), ALL},
    {SCMP_SYS(set_robust_list), ALL},
    {SCMP_SYS(rseq), ALL},
    {SCMP_SYS(membarrier), ALL},
    {SCMP_SYS(sched_yield), ALL},
    {SCMP_SYS(sched_getaffinity), ALL},
    {SCMP_SYS(rt_sigaction), ALL},
    {SCMP_SYS(rt_sigprocmask), ALL},
    {SCMP_SYS(rt_sigreturn), ALL},
    {SCMP_SYS(rt_sigtimedwait), EXPORTER},
    {SCMP_SYS(sigaltstack), ALL},
    {SCMP_SYS(signalfd4), BROKER},
    {SCMP_SYS(pause), EXCHANGER}, /* podlogin-untaint, when it is done */
    {SCMP_SYS(alarm), EXCHANGER},
    {SCMP_SYS(setitimer), EXCHANGER}, /* alarm(3) where there is no such call */
    {SCMP_SYS(restart_syscall), ALL},
    {SCMP_SYS(clock_gettime), ALL},
    {SCMP_SYS(clock_getres), ALL},
    {SCMP_SYS(clock_nanosleep), ALL},
    {SCMP_SYS(nanosleep), ALL},
    {SCMP_SYS(gettimeofday), ALL},
    {SCMP_SYS(time), ALL},
    {SCMP_SYS(timerfd_create), BROKER},
    {SCMP_SYS(timerfd_settime), BROKER},
    {SCMP_SYS(timerfd_gettime), BROKER},
    {SCMP_SYS(getrandom), ALL},
    {SCMP_SYS(getpid), ALL},
    {SCMP_SYS(gettid), ALL},
    {SCMP_SYS(getuid), ALL},
    {SCMP_SYS(geteuid), ALL},
    {SCMP_SYS(getgid), ALL},
    {SCMP_SYS(getegid), ALL},
    {SCMP_SYS(uname), ALL},
    {SCMP_SYS(sysinfo), ALL},
    {SCMP_SYS(exit), ALL},
    {SCMP_SYS(exit_group), ALL},
    /* descriptors */
    {SCMP_SYS(read), ALL},
    {SCMP_SYS(readv), ALL},
    {SCMP_SYS(pread64), ALL},
    {SCMP_SYS(write), ALL},
    {SCMP_SYS(writev), ALL},
    {SCMP_SYS(lseek), ALL},
    {SCMP_SYS(close), ALL},
    {SCMP_SYS(dup), ALL},
    {SCMP_SYS(dup3), ALL},
    {SCMP_SYS(pipe2), ALL},
    {SCMP_SYS(eventfd2), ALL},
    {SCMP_SYS(poll), ALL},
    {SCMP_SYS(ppoll), ALL},
    {SCMP_SYS(select), ALL},
    {SCMP_SYS(pselect6), ALL},
    {SCMP_SYS(epoll_create1), ALL},
    {SCMP_SYS(epoll_ctl), ALL},
    {SCMP_SYS(epoll_wait), ALL},
    {SCMP_SYS(epoll_pwait), ALL},
    {SCMP_SYS(fstat), ALL},
    {SCMP_SYS(stat), ALL},
    {SCMP_SYS(lstat), ALL},
    {SCMP_SYS(newfstatat), ALL},
    {SCMP_SYS(statx), ALL},
    {SCMP_SYS(readlink), ALL},
    {SCMP_SYS(readlinkat), ALL},
    {SCMP_SYS(access), ALL},
    {SCMP_SYS(faccessat), ALL},
    {SCMP_SYS(faccessat2), ALL},
    {SCMP_SYS(getdents64), BROKER | EXCHANGER},
    /* sockets */
    {SCMP_SYS(connect), ALL},
    {SCMP_SYS(shutdown), ALL},
    {SCMP_SYS(sendto), BROKER | EXCHANGER},
    {SCMP_SYS(sendmsg), BROKER | EXCHANGER},
    {SCMP_SYS(sendmmsg), BROKER | EXCHANGER},
    {SCMP_SYS(recvfrom), ALL},
    {SCMP_SYS(recvmsg), ALL},
    {SCMP_SYS(getsockopt), ALL},
    {SCMP_SYS(setsockopt), ALL},
    {SCMP_SYS(getsockname), ALL},
    {SCMP_SYS(getpeername), ALL},
    {SCMP_SYS(accept4), BROKER | EXPORTER},
    {SCMP_SYS(bind), BROKER},
    {SCMP_SYS(listen), BROKER},
    {SCMP_SYS(sendfile), EXPORTER}, /* libmicrohttpd tries it */
    /* the cache, the runtime key, and the sockets' names */
    {SCMP_SYS(pwrite64), BROKER},
    {SCMP_SYS(ftruncate), BROKER},
    {SCMP_SYS(fsync), BROKER},
    {SCMP_SYS(fdatasync), BROKER},
    {SCMP_SYS(unlink), BROKER},
    {SCMP_SYS(unlinkat), BROKER},
    {SCMP_SYS(rename), BROKER},
    {SCMP_SYS(renameat), BROKER},
    {SCMP_SYS(renameat2), BROKER},
    {SCMP_SYS(mkdir), BROKER},
    {SCMP_SYS(mkdirat), BROKER},
    {SCMP_SYS(umask), BROKER},
    {SCMP_SYS(statfs), BROKER},
    {SCMP_SYS(fstatfs), BROKER},
    {SCMP_SYS(getcwd), BROKER},
    /* the peers, and the child that starts exchangers */
    {SCMP_SYS(pidfd_open), BROKER},
    {SCMP_SYS(wait4), BROKER},
    {SCMP_SYS(waitid), BROKER},
};

#define N_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

static int allow(scmp_filter_ctx filter, int number, struct scmp_arg_cmp argument)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &argument);
}

/*
 * New threads, but no processes. clone3(2) has its flags in memory; it fails like all others, and
 * libc goes on with clone(2).
 */
static int allow_threads(scmp_filter_ctx filter, uint32_t architecture)
{
    unsigned flags = architecture == SCMP_ARCH_S390X ? 1 : 0; /* clone(2), "C library/kernel
                                                                   differences" */

    return allow(filter, SCMP_SYS(clone),
                 SCMP_CMP(flags, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

/*
 * No memory can become executable. What speaks HTTPS may load libraries that look up names: code of
 * a file, never writable. A second view of memory is refused (mremap(2) with an old size of 0): it
 * could be written while the first one is executed.
 */
static int allow_memory(scmp_filter_ctx filter, enum sandbox_process process)
{
    int r = allow(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

    if (r == 0)
        r = allow(filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (r == 0)
        r = allow(filter, SCMP_SYS(mremap), SCMP_A1(SCMP_CMP_NE, 0));
    if (r == 0 && process == SANDBOX_EXCHANGER)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC),
                             SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0));
    return r;
}

/* All but those that have signals sent to other processes (F_SETOWN, F_SETSIG). */
static int allow_fcntl(scmp_filter_ctx filter)
{
    static const int commands[] = {F_DUPFD,  F_DUPFD_CLOEXEC, F_GETFD,    F_SETFD,
                                   F_GETFL,  F_SETFL,         F_GETLK,    F_SETLK,
                                   F_SETLKW, F_OFD_GETLK,     F_OFD_SETLK};
    int r = 0;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && r == 0; i++)
        r = allow(filter, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, (uint64_t)commands[i]));
    return r;
}

/*
 * The exporter has TCP sockets, and connects to nobody. Its sending may not connect either
 * (MSG_FASTOPEN): Landlock looks at connect(2) only.
 */
static int allow_sending(scmp_filter_ctx filter)
{
    int r = allow(filter, SCMP_SYS(sendto), SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));

    if (r == 0)
        r = allow(filter, SCMP_SYS(sendmsg), SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    return r < 0 ? r
                 : allow(filter, SCMP_SYS(sendmmsg), SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
}

/* Without the bits that give a program another user's rights. */
static int allow_modes(scmp_filter_ctx filter)
{
    const uint64_t mask = 07000;
    int r = allow(filter, SCMP_SYS(chmod), SCMP_A1(SCMP_CMP_MASKED_EQ, mask, 0));

    if (r == 0)
        r = allow(filter, SCMP_SYS(fchmod), SCMP_A1(SCMP_CMP_MASKED_EQ, mask, 0));
    return r < 0 ? r : allow(filter, SCMP_SYS(fchmodat), SCMP_A2(SCMP_CMP_MASKED_EQ, mask, 0));
}

/* Only the broker writes files. */
static int allow_open(scmp_filter_ctx filter, enum sandbox_process process)
{
    const uint64_t write_flags = O_ACCMODE | O_CREAT | O_TRUNC;
    int r;

    if (process == SANDBOX_BROKER) {
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 0);
        return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 0);
    }
    r = allow(filter, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, write_flags, O_RDONLY));
    return r < 0
               ? r
               : allow(filter, SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, write_flags, O_RDONLY));
}

/* @number: socket or socketpair. */
static int allow_type(scmp_filter_ctx filter, int number, int family, int type)
{
    const uint64_t type_mask = 0xf; /* without SOCK_CLOEXEC and SOCK_NONBLOCK */

    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 2,
                            SCMP_A0(SCMP_CMP_EQ, (uint64_t)family),
                            SCMP_A1(SCMP_CMP_MASKED_EQ, type_mask, (uint64_t)type));
}

/*
 * Unix sockets, of which the daemon's are some, or TCP and UDP. A pair of datagram sockets could
 * send to any Unix socket; one of the others is connected for good.
 */
static int allow_sockets(scmp_filter_ctx filter, enum sandbox_process process)
{
    static const int families[] = {AF_INET, AF_INET6};
    int r = allow_type(filter, SCMP_SYS(socketpair), AF_UNIX, SOCK_STREAM);

    if (r == 0)
        r = allow_type(filter, SCMP_SYS(socketpair), AF_UNIX, SOCK_SEQPACKET);
    if (process != SANDBOX_EXCHANGER)
        return r < 0 ? r : allow(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    for (size_t i = 0; i < 2 && r == 0; i++) {
        r = allow_type(filter, SCMP_SYS(socket), families[i], SOCK_STREAM);
        if (r == 0)
            r = allow_type(filter, SCMP_SYS(socket), families[i], SOCK_DGRAM);
    }
    return r;
}

static int allow_ioctl(scmp_filter_ctx filter, enum sandbox_process process)
{
    if (process == SANDBOX_BROKER)
        return allow(
            filter, SCMP_SYS(ioctl),
            SCMP_A1(SCMP_CMP_MASKED_EQ, IOCTL_TYPE_AND_NUMBER, PIDFD_GET_INFO_TYPE_AND_NUMBER));
    return allow(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD)); /* the resolver's */
}

/* Limits may be read. */
static int allow_own(scmp_filter_ctx filter)
{
    int r = allow(filter, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));

    return r < 0 ? r : allow(filter, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
}

static int fill(scmp_filter_ctx filter, enum sandbox_process process, uint32_t architecture)
{
    int r = 0;

    for (size_t i = 0; i < N_ALLOWED && r == 0; i++)
        if (allowed[i].processes & OF(process))
            r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i].number, 0);
    if (r == 0)
        r = allow_threads(filter, architecture);
    if (r == 0)
        r = allow_memory(filter, process);
    if (r == 0)
        r = allow_open(filter, process);
    if (r == 0)
        r = allow_sockets(filter, process);
    if (r == 0)
        r = allow_ioctl(filter, process);
    if (r == 0)
        r = allow_fcntl(filter);
    if (r == 0 && process == SANDBOX_EXPORTER)
        r = allow_sending(filter);
    if (r == 0 && process == SANDBOX_BROKER)
        r = allow_modes(filter);
    return r == 0 ? allow_own(filter) : r;
}

/*
 * A system call that is not allowed fails with ENOSYS, so that libraries fall back to an older one
 * that is. A process that uses the numbers of another architecture is killed.
 */
static int set_up(scmp_filter_ctx filter, uint32_t architecture)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    if (r < 0 || architecture == seccomp_arch_native())
        return r;
    r = seccomp_arch_add(filter, architecture);
    return r < 0 ? r : seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
}

static int print(scmp_filter_ctx filter, const char *name)
{
    FILE *file = tmpfile();
    struct sock_filter line;
    int r = file ? seccomp_export_bpf(filter, fileno(file)) : -errno;

    if (r < 0)
        return r;
    rewind(file);
    printf("static struct sock_filter %s_filter[] = {\n", name);
    while (fread(&line, sizeof(line), 1, file) == 1)
        printf("    {0x%02x, %u, %u, 0x%08xU},\n", line.code, line.jt, line.jf, line.k);
    printf("};\n\n");
    return fclose(file);
}

static int generate(enum sandbox_process process, uint32_t architecture)
{
    static const char *const names[] = {
        [SANDBOX_BROKER] = "broker",
        [SANDBOX_EXCHANGER] = "exchanger",
        [SANDBOX_EXPORTER] = "exporter",
        [SANDBOX_PROGRAM] = "program",
    };
    bool is_program = process == SANDBOX_PROGRAM;
    scmp_filter_ctx filter = seccomp_init(is_program ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
    int r = filter ? set_up(filter, architecture) : -ENOMEM;

    if (r == 0)
        r = is_program ? deny_to_programs(filter, architecture)
                       : fill(filter, process, architecture);
    if (r == 0)
        r = print(filter, names[process]);
    seccomp_release(filter);
    return r;
}

int main(int argc, char **argv)
{
    uint32_t architecture = argc == 2 ? seccomp_arch_resolve_name(argv[1]) : 0;
    int r = architecture ? 0 : -EINVAL;

    for (int process = 0; process < SANDBOX_PROCESSES && r == 0; process++)
        r = generate((enum sandbox_process)process, architecture);
    if (r < 0)
        fprintf(stderr, "cannot generate the filters for %s: %s\n", argc == 2 ? argv[1] : "",
                strerror(-r));
    return r < 0;
}
