#include "sandbox/broker.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sandbox/sandbox.h"
#include "store/key.h"

/* A file that is read, and may be a link to another directory; NULL: there is none. */
static void add_read(struct file_rules *rules, const char *path)
{
    CLEANUP(freep)
    char *real = path ? realpath(path, NULL) : NULL;

    file_rules_add_directory_of(rules, path, FILES_READ);
    file_rules_add_directory_of(rules, real, FILES_READ);
}

static void add_configuration(struct file_rules *rules, const struct config *config)
{
    add_read(rules, config->node_token_file);
    for (size_t i = 0; i < config->n_issuers; i++) {
        add_read(rules, config->issuers[i].keys_file);
        add_read(rules, config->issuers[i].ca_file);
        add_read(rules, config->issuers[i].review.ca_file);
        add_read(rules, config->issuers[i].review.token_file);
    }
    for (size_t i = 0; i < config->n_services; i++) {
        add_read(rules, config->services[i].ca_file);
        add_read(rules, service_secret_file(&config->services[i]));
    }
}

/*
 * If the directory of the socket is removed, the daemon creates it again; the new one is another
 * directory to the kernel, so its parent needs a rule.
 */
static void add_socket(struct file_rules *rules, const char *path)
{
    CLEANUP(freep)
    char *copy = strdup(path);

    file_rules_add_directory_of(rules, path, FILES_SOCKETS);
    file_rules_add_directory_of(rules, copy ? dirname(copy) : NULL, FILES_NEW_SOCKETS);
}

static bool is_runtime(const struct config *config)
{
    return strcmp(config->cache_key, "runtime") == 0;
}

static void add_cache(struct file_rules *rules, const struct config *config)
{
    char error[KEY_ERROR_MAX]; /* the store tells it */
    CLEANUP(freep)
    char *key = NULL;

    file_rules_add_directory_of(rules, config->cache, FILES_CHANGE);
    if (is_runtime(config)) {
        key = cache_key_runtime_path();
        file_rules_add_directory_of(rules, key, FILES_CHANGE);
    } else if (cache_key_path(config->cache_key, &key, error) == 0) {
        add_read(rules, key);
    }
}

static const char *admin_socket(const struct config *config)
{
    return config->admin_socket ? config->admin_socket : ADMIN_SOCKET_PATH;
}

void sandbox_broker_prepare(const struct config *config)
{
    char error[KEY_ERROR_MAX];
    CLEANUP(freep)
    char *key = NULL;

    (void)file_make_directory_of(config->cache, 0700);
    (void)file_make_directory_of(config->socket, 0755);
    (void)cache_key_path(config->cache_key, &key, error);
    (void)file_make_directory_of(admin_socket(config), 0755);
}

void sandbox_broker(const char *directory, const struct config *config)
{
    struct file_rules rules;

    file_rules_init(&rules, false);
    file_rules_add(&rules, directory, FILES_READ);
    file_rules_add(&rules, "/proc", FILES_READ);
    file_rules_add(&rules, "/dev/null", FILES_READ);
    file_rules_add(&rules, "/dev/urandom", FILES_READ);
    add_configuration(&rules, config);
    add_cache(&rules, config);
    add_socket(&rules, config->socket);
    add_socket(&rules, admin_socket(config));
    sandbox_enter(SANDBOX_BROKER, &rules);
}
