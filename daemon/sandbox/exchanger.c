#include "sandbox/exchanger.h"

#include <stddef.h>
#include <sys/stat.h>

#include "sandbox/sandbox.h"

/*
 * Certificates, the resolver and its libraries. Only names that hold no secret: not all of /etc,
 * where an administrator may keep the key of the cache, and neither /proc nor /sys.
 */
static const char *const directories[] = {
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/share/ca-certificates",
    "/lib",
    "/lib64",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
    "/etc/crypto-policies",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
};

/* If one is replaced, its name leads to a file that no rule allows. */
static const char *const watched[] = {
    "/etc/resolv.conf", "/etc/hosts",        "/etc/host.conf",        "/etc/nsswitch.conf",
    "/etc/gai.conf",    "/etc/ssl/cert.pem", "/etc/pki/tls/cert.pem",
};

/* Without these, it goes on as well. */
static const char *const others[] = {
    "/etc/services",        "/etc/ld.so.cache", "/etc/localtime",
    "/etc/ssl/openssl.cnf", "/dev/null",        "/dev/urandom",
};

#define N_DIRECTORIES (sizeof(directories) / sizeof(directories[0]))
#define N_WATCHED     (sizeof(watched) / sizeof(watched[0]))
#define N_OTHERS      (sizeof(others) / sizeof(others[0]))

static struct {
    dev_t device;
    ino_t inode;
} seen[N_WATCHED]; /* zero: no such file */

void sandbox_exchanger(void)
{
    struct file_rules rules;
    struct stat st;

    file_rules_init(&rules, true);
    for (size_t i = 0; i < N_DIRECTORIES; i++)
        file_rules_add(&rules, directories[i], FILES_READ);
    for (size_t i = 0; i < N_OTHERS; i++)
        file_rules_add(&rules, others[i], FILES_READ);
    for (size_t i = 0; i < N_WATCHED; i++) {
        file_rules_add(&rules, watched[i], FILES_READ);
        if (stat(watched[i], &st) == 0) {
            seen[i].device = st.st_dev;
            seen[i].inode = st.st_ino;
        }
    }
    sandbox_enter(SANDBOX_EXCHANGER, &rules);
}

bool sandbox_exchanger_is_outdated(void)
{
    struct stat st;

    for (size_t i = 0; i < N_WATCHED; i++) {
        if (stat(watched[i], &st) < 0)
            st = (struct stat){0};
        if (st.st_dev != seen[i].device || st.st_ino != seen[i].inode)
            return true;
    }
    return false;
}
