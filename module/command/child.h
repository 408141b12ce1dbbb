/* A command that runs as a child, as if it had taken the place of this process. */
#ifndef COMMAND_CHILD_H
#define COMMAND_CHILD_H

/*
 * Executes @command, a vector for execvp(), in a child, and waits for its end. Passes on the
 * signals that this process gets, and stops and continues with the child. If this process is
 * killed, so is the child.
 *
 * Signals stay blocked afterwards, so the caller ends.
 *
 * Returns its exit status; or that of a failure, after it has been printed. If a signal ended the
 * child, @ret_signal is its number, otherwise 0; the caller then ends like it with child_end().
 */
int child_run(char **command, int *ret_signal);

/* Ends this process by @signal, as the child ended. */
_Noreturn void child_end(int signal);

/* Executes @command in place of this process. Returns an exit code, on failure only. */
int child_execute(char **command);

#endif
