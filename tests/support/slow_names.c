/*
 * Loaded into the exchanger with LD_PRELOAD: the look-up of "standin.test" gives this machine, and
 * takes as long as $PODLOGIN_TEST_LOOKUP_MS says. libcurl does not look up "localhost" at all.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*getaddrinfo_function)(const char *, const char *, const struct addrinfo *,
                                    struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_addresses)
{
    union {
        void *symbol;
        getaddrinfo_function function;
    } real = {.symbol = dlsym(RTLD_NEXT, "getaddrinfo")};
    const char *text = getenv("PODLOGIN_TEST_LOOKUP_MS");
    long ms = text ? atol(text) : 0;

    if (!node || strcmp(node, "standin.test") != 0)
        return real.function(node, service, hints, ret_addresses);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    return real.function("localhost", service, hints, ret_addresses);
}
