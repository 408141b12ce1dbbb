/* Whether signatures of every algorithm can be verified in this process. */
#ifndef JOSE_SELF_TEST_H
#define JOSE_SELF_TEST_H

#include <stdbool.h>

/*
 * Verifies a built-in token of each algorithm. OpenSSL fetches its algorithms when they are first
 * used and remembers failures, so without this, one allocation that fails during the first request
 * could refuse all tokens until the restart.
 */
bool jose_self_test(void);

#endif
