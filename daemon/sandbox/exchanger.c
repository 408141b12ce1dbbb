#include "sandbox/exchanger.h"

#include <stddef.h>
#include <sys/stat.h>

#include "sandbox/sandbox.h"

/*
 * Certificates, the resolver and its libraries. Only names that hold no secret: not all of /etc,
 * where an administrator may keep the key of the cache, and neither /proc nor /sys.
 */
static const char *const directories[] = {
    "/usr",
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

static const char *const files[] = {
    "/etc/resolv.conf",     "/etc/hosts",        "/etc/host.conf",        "/etc/nsswitch.conf",
    "/etc/gai.conf",        "/etc/services",     "/etc/ld.so.cache",      "/etc/localtime",
    "/etc/ssl/openssl.cnf", "/etc/ssl/cert.pem", "/etc/pki/tls/cert.pem", "/dev/null",
    "/dev/urandom",
};

#define N_DIRECTORIES (sizeof(directories) / sizeof(directories[0]))
#define N_FILES       (sizeof(files) / sizeof(files[0]))

static struct {
    dev_t device;
    ino_t inode;
} seen[N_FILES]; /* zero: no such file */

void sandbox_exchanger(void)
{
    struct file_rules rules;
    struct stat st;

    file_rules_init(&rules, true);
    for (size_t i = 0; i < N_DIRECTORIES; i++)
        file_rules_add(&rules, directories[i], FILES_READ);
    for (size_t i = 0; i < N_FILES; i++) {
        file_rules_add(&rules, files[i], FILES_READ);
        if (stat(files[i], &st) == 0) {
            seen[i].device = st.st_dev;
            seen[i].inode = st.st_ino;
        }
    }
    sandbox_enter(SANDBOX_EXCHANGER, &rules);
}

bool sandbox_exchanger_is_outdated(void)
{
    struct stat st;

    for (size_t i = 0; i < N_FILES; i++) {
        if (stat(files[i], &st) < 0)
            st = (struct stat){0};
        if (st.st_dev != seen[i].device || st.st_ino != seen[i].inode)
            return true;
    }
    return false;
}
