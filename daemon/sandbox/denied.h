/* Part of filters.c: what a program of the administrator may not call. */
#ifndef SANDBOX_DENIED_H
#define SANDBOX_DENIED_H

#include <seccomp.h>
#include <stdint.h>

/*
 * Adds rules to a filter that allows all else. Calls fail with ENOSYS.
 *
 * @architecture: SCMP_ARCH_...
 *
 * Returns 0 or -errno.
 */
int deny_to_programs(scmp_filter_ctx filter, uint32_t architecture);

#endif
