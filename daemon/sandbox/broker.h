/* The sandbox of podlogind: which files are its own. */
#ifndef SANDBOX_BROKER_H
#define SANDBOX_BROKER_H

#include "config/config.h"

/*
 * Creates missing directories of the cache, the runtime key and the sockets: nothing can be allowed
 * in a directory that is not there. What fails is told by what needs the directory.
 */
void sandbox_broker_prepare(const struct config *config);

/* Confines the process. @directory: of the configuration. */
void sandbox_broker(const char *directory, const struct config *config);

#endif
