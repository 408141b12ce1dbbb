/*
 * Ownership of local variables: CLEANUP(freep) char *name = NULL releases it when the scope ends;
 * TAKE_PTR(name) and TAKE_FD(fd) move the value out, so that it is not released.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

#define TAKE_PTR(pointer)                                                                          \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

/* Defines @free_function##p() for use with CLEANUP. It does nothing if the pointer is NULL. */
#define DEFINE_CLEANUP(type, free_function)                                                        \
    static inline void free_function##p(type *p)                                                   \
    {                                                                                              \
        if (*p)                                                                                    \
            free_function(*p);                                                                     \
    }

static inline void freep(void *p)
{
    free(*(void **)p);
}

static inline void fd_closep(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

#endif
