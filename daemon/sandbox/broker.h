/* The sandbox of podlogind: which files are its own. */
#ifndef SANDBOX_BROKER_H
#define SANDBOX_BROKER_H

#include "config/config.h"

/*
 * Confines the process. Creates missing directories of the cache, the runtime key and the sockets
 * first: nothing can be allowed in a directory that is not there.
 *
 * @directory: of the configuration.
 */
void sandbox_broker(const char *directory, const struct config *config);

#endif
