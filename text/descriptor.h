/*
 * Descriptors 0 to 2 are for standard input, output and error, also while those are closed: a
 * socket or a file with such a number would receive what is printed.
 */
#ifndef TEXT_DESCRIPTOR_H
#define TEXT_DESCRIPTOR_H

/*
 * For the start of a program: occupies those of the descriptors 0 to 2 that are closed. Reading and
 * writing them fails with EBADF, as if they were closed, and programs that this one executes find
 * them closed. Returns 0 or -errno.
 */
int descriptors_hold_standard(void);

/*
 * For a library, which leaves the descriptors 0 to 2 of the program as they are. Moves @fd to a
 * number from 3 on if it has a lower one; it must have FD_CLOEXEC, and will have it. Returns the
 * descriptor, or -1 with errno, also if @fd is -1.
 */
int descriptor_raise(int fd);

#endif
