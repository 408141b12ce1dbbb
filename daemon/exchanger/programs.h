/*
 * The exchanger for programs: has each exchange done by a process of its own, which supervises one
 * program. It holds no JWT, and sees to it that nothing is left of a supervisor that was killed.
 */
#ifndef EXCHANGER_PROGRAMS_H
#define EXCHANGER_PROGRAMS_H

/* Serves until the broker closes its end of JOB_SOCKET_FD. Returns an exit code. */
int programs_run(void);

#endif
