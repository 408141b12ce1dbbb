/*
 * Loaded with LD_PRELOAD into a real program: a library whose constructor uses OpenSSL before
 * main(), as libssh does, which libcurl loads on Ubuntu. With $PODLOGIN_TEST_REFUSES, the system
 * also refuses to disable core dumps, as a seccomp profile may.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((constructor)) static void use_openssl(void)
{
    OPENSSL_free(OPENSSL_malloc(1));
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    if (resource != RLIMIT_CORE || !getenv("PODLOGIN_TEST_REFUSES"))
        return (int)syscall(SYS_setrlimit, resource, limit);
    errno = EPERM;
    return -1;
}
