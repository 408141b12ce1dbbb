/*
 * Descriptors that the service manager passes to this process: listening sockets, and what an
 * earlier run left in its descriptor store (sd_listen_fds_with_names(3)).
 */
#ifndef BASE_ACTIVATION_H
#define BASE_ACTIVATION_H

#include <stdbool.h>

/*
 * Takes over all passed descriptors, and removes the variables that announce them. To be called
 * once, before the process opens descriptors of its own.
 */
void activation_init(void);

/* Returns whether the service manager passed any. */
bool activation_is_any(void);

/* Returns the passed descriptor with this name, which becomes the caller's; or -1. */
int activation_take(const char *name);

/* Closes the descriptors that nobody took, and logs their names. */
void activation_done(void);

#endif
