/* Ownership of locals: CLEANUP(freep) char *name = NULL; TAKE_PTR(name) moves it out. */
#ifndef CLEANUP_H
#define CLEANUP_H

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

/* Defines NAMEp() for CLEANUP from a _free function that accepts NULL. */
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
