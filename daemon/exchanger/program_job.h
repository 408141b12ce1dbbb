/* Supervises the program of one exchange, in a process of its own. */
#ifndef EXCHANGER_PROGRAM_JOB_H
#define EXCHANGER_PROGRAM_JOB_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#define PROGRAM_JOB_PARENT_ENDED SIGUSR1 /* its PR_SET_PDEATHSIG, prctl(2) */

/* What the process tells its parent once it has looked for a job. */
struct program_job_news {
    ssize_t result; /* bytes of the job; 0: the broker has gone; or -errno */
    uint16_t id;    /* of the job */
};

/*
 * Receives a job of the broker's socket, and writes what came of it to @news_fd, which it closes.
 * Then runs the program, and sends the result when the program and all that it started have ended.
 * If the broker or the parent goes, kills them.
 *
 * Returns the exit code: 0 if the job has a result, or needs none.
 */
int program_job_run(int news_fd);

#endif
