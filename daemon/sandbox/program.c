#include "sandbox/program.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/setting.h"
#include "sandbox/sandbox.h"

/* Software and its data. */
static const char *const directories[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"};

/*
 * What programs read to find servers, to verify them and to know the time. Not all of /etc, where
 * an administrator may keep the key of the cache. What of /proc is other processes', the kernel
 * guards.
 */
static const char *const files[] = {
    "/etc/alternatives",
    "/etc/ca-certificates/extracted",
    "/etc/crypto-policies",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/proc",
    "/sys/devices/system/cpu",
    "/dev/random",
    "/dev/urandom",
};

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full"};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void add_list(struct file_rules *rules, const char *const *paths, size_t n,
                     enum file_access access)
{
    for (size_t i = 0; i < n; i++)
        file_rules_add(rules, paths[i], access);
}

static void add_words(struct file_rules *rules, const char *words, enum file_access access)
{
    const char *word;
    size_t len;

    while (words && (word = setting_word(&words, &len))) {
        CLEANUP(freep) char *path = strndup(word, len);

        file_rules_add(rules, path, access);
    }
}

/* For those that root started; with no_new_privs, what is executed gets none back. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    (void)syscall(SYS_capset, &header, none);
}

int sandbox_program(const char *path, const char *read_paths, const char *change_paths)
{
    struct file_rules rules;
    int r;

    file_rules_init(&rules, true);
    file_rules_add(&rules, path, FILES_RUN);
    add_list(&rules, directories, N(directories), FILES_RUN);
    add_list(&rules, files, N(files), FILES_READ);
    add_list(&rules, devices, N(devices), FILES_CHANGE);
    add_words(&rules, read_paths, FILES_RUN);
    add_words(&rules, change_paths, FILES_CHANGE_ALL);
    drop_capabilities();
    r = file_rules_apply(&rules);
    (void)system_calls_restrict(SANDBOX_PROGRAM);
    return r == -EOPNOTSUPP ? 0 : r;
}

void sandbox_program_announce(void)
{
    struct file_rules rules;

    file_rules_init(&rules, true);
    if (rules.error)
        log_warning("cannot restrict which files programs open: %s", strerror(-rules.error));
    else if (rules.version < FILES_VERSION_OF_SIGNALS)
        log_info("this kernel cannot keep programs from sending signals to others of their user");
    fd_closep(&rules.fd);
}
