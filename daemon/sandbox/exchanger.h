/* The sandbox of podlogin-exchanger: what it reads to find and verify servers. */
#ifndef SANDBOX_EXCHANGER_H
#define SANDBOX_EXCHANGER_H

#include <stdbool.h>

/* Confines the process. */
void sandbox_exchanger(void);

/*
 * Returns whether a file that it may read was replaced since, such as /etc/resolv.conf by a DHCP
 * client. Only a new exchanger can read the new file.
 */
bool sandbox_exchanger_is_outdated(void);

#endif
