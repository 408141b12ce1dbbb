/*
 * The sandbox of a program of the administrator, which podlogin-exchanger starts: as much as an
 * arbitrary program bears (docs/decisions/0034).
 */
#ifndef SANDBOX_PROGRAM_H
#define SANDBOX_PROGRAM_H

/* Logs once for all programs what this kernel cannot restrict. */
void sandbox_program_announce(void);

/*
 * Confines the process, which is about to execute @path.
 *
 * @read_paths, @change_paths: what it may read, or also change, besides; separated by blanks; may
 * be NULL.
 *
 * Returns 0, also if the kernel has no Landlock; or -errno: the files are not restricted.
 */
int sandbox_program(const char *path, const char *read_paths, const char *change_paths);

#endif
