#include "sandbox/denied.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

/*
 * An arbitrary program may call anything that programs call. These are for debuggers, containers
 * and administrators, or have often led into the kernel.
 */
static const int denied[] = {
    /* other processes */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(perf_event_open),
    /* namespaces and mounts; clone3(2) has its flags in memory, and libc goes on with clone(2) */
    SCMP_SYS(clone3),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    /* parts of the kernel that its attackers like */
    SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
};

static const uint64_t new_namespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                          CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                          CLONE_NEWNET};

#define ENTRIES(array) (sizeof(array) / sizeof((array)[0]))

int deny_to_programs(scmp_filter_ctx filter, uint32_t architecture)
{
    const uint32_t fails = SCMP_ACT_ERRNO(ENOSYS);
    unsigned flags = architecture == SCMP_ARCH_S390X ? 1 : 0; /* clone(2) */
    int r = 0;

    for (size_t i = 0; i < ENTRIES(denied) && r == 0; i++)
        r = seccomp_rule_add(filter, fails, denied[i], 0);
    if (r == 0) /* limits of others of its user, such as the supervisor; Landlock does not see it */
        r = seccomp_rule_add(filter, fails, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0));
    for (size_t i = 0; i < ENTRIES(new_namespaces) && r == 0; i++)
        r = seccomp_rule_add(
            filter, fails, SCMP_SYS(clone), 1,
            SCMP_CMP(flags, SCMP_CMP_MASKED_EQ, new_namespaces[i], new_namespaces[i]));
    return r;
}
