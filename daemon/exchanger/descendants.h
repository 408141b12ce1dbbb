/*
 * The processes below this one, which is a subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)): its
 * children, theirs, and those whose parents have ended. None of them can leave, whatever session or
 * group it moves to.
 */
#ifndef EXCHANGER_DESCENDANTS_H
#define EXCHANGER_DESCENDANTS_H

#include <stddef.h>
#include <sys/types.h>

/* Makes this process a subreaper. Returns 0; -ENOSYS: the kernel does not list children; or -errno.
 */
int descendants_adopt(void);

/*
 * Sends the signal to all that are found, but the @n_spared children @spared and what is below
 * them. Others may begin in the meantime.
 */
void descendants_signal(int signal, const pid_t *spared, size_t n_spared);

/* Kills all and waits for their end. */
void descendants_end(void);

#endif
