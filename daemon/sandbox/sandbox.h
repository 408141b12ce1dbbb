/*
 * Each process confines itself before it reads anything from outside: it can then open only its own
 * files, and make only the system calls that its work needs. docs/sandbox.md describes both.
 *
 * What the kernel cannot do is logged, and the process goes on: jobs must not fail because their
 * node is older. `podlogind --check-sandbox` tells whether all is in force.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "sandbox/files.h"
#include "sandbox/system_calls.h"

/*
 * Confines the calling thread, and those that it starts, for good.
 *
 * @rules: what it may open; released.
 */
void sandbox_enter(enum sandbox_process process, struct file_rules *rules);

#endif
