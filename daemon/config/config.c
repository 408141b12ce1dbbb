#include "config/config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "config/check.h"
#include "config/file.h"
#include "jose/algorithm.h"
#include "protocol/messages.h"
#include "protocol/names.h"

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool ends_with_conf(const char *file)
{
    size_t len = strlen(file);

    return len > 5 && strcmp(file + len - 5, ".conf") == 0;
}

static int issuer_digest(struct issuer_config *issuer)
{
    char algorithms[16];
    bool is_at_api_server = issuer->is_at_api_server;
    const char *parts[] = {issuer->url,
                           algorithms,
                           issuer->keys_url,
                           issuer->keys_file,
                           issuer->ca_file,
                           is_at_api_server ? issuer->review.api_server : NULL,
                           is_at_api_server ? issuer->review.ca_file : NULL};

    snprintf(algorithms, sizeof(algorithms), "%x", issuer->algorithms);
    return digest_of_strings(parts, sizeof(parts) / sizeof(parts[0]), &issuer->digest);
}

static int set_default(char **setting, const char *value)
{
    if (!*setting)
        *setting = strdup(value);
    return *setting ? 0 : -ENOMEM;
}

typedef int (*load_file)(struct config *config, const char *path, const char *name,
                         struct findings *findings);

static int load_issuer(struct config *config, const char *path, const char *name,
                       struct findings *findings)
{
    struct issuer_config *issuers, *issuer;
    int r;

    issuers = reallocarray(config->issuers, config->n_issuers + 1, sizeof(*issuers));
    if (!issuers)
        return -ENOMEM;
    config->issuers = issuers;
    issuer = &issuers[config->n_issuers++];
    *issuer = (struct issuer_config){
        .config = config, .name = strdup(name), .algorithms = 1u << ALGORITHM_RS256};
    if (!issuer->name)
        return -ENOMEM;
    r = issuer_file_read(path, issuer, findings);
    if (r == 0 && (set_default(&issuer->review.api_server, API_SERVER_URL) < 0 ||
                   set_default(&issuer->review.ca_file, API_SERVER_CA_FILE) < 0 ||
                   set_default(&issuer->review.token_file, API_SERVER_TOKEN_FILE) < 0))
        r = -ENOMEM;
    return r < 0 ? r : issuer_digest(issuer);
}

/* Without the rules and the name: they do not change which token the upstream issues. */
static int service_digest(struct service *service)
{
    const char *parts[5 + PROVIDER_SETTINGS_MAX];
    size_t n = 0;

    parts[n++] = service->provider->name;
    parts[n++] = service->issuer->url;
    parts[n++] = service->audience;
    parts[n++] = service->share == SHARE_POD ? "pod" : "serviceaccount";
    parts[n++] = service->ca_file;
    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        parts[n++] = service->provider_settings[i];
    return digest_of_strings(parts, n, &service->digest);
}

static int upstream_digest(struct service *service)
{
    const struct provider_values values = service_values(service);
    const char *parts[] = {NULL, service->ca_file};

    service->endpoint = service->provider->endpoint(&values);
    if (!service->endpoint)
        return -ENOMEM;
    parts[0] = service->endpoint;
    return digest_of_strings(parts, 2, &service->upstream);
}

/* The settings alone decide what the files say, so that logins need not make them again. */
static int service_files(struct service *service)
{
    const struct provider_values values = service_values(service);
    const struct provider_file *file = service->provider->files;

    for (size_t i = 0; file && file[i].name; i++) {
        CLEANUP(freep)
        char *template = file[i].template(&values);

        assert(i < PROVIDER_FILES_MAX);
        if (!template || asprintf(&service->files[i], "%s=%s", file[i].name, template) < 0) {
            service->files[i] = NULL;
            return -ENOMEM;
        }
    }
    return 0;
}

static int load_service(struct config *config, const char *path, const char *name,
                        struct findings *findings)
{
    static uint64_t last_id;
    struct service *services, *service;
    int r;

    services = reallocarray(config->services, config->n_services + 1, sizeof(*services));
    if (!services)
        return -ENOMEM;
    config->services = services;
    service = &services[config->n_services++];
    *service = (struct service){.config = config, .name = strdup(name), .id = ++last_id};
    if (!service->name)
        return -ENOMEM;
    r = service_file_read(path, service, findings);
    if (r < 0 || findings->n_errors)
        return r; /* nobody compares the digests of a configuration that is refused */
    r = service_digest(service);
    if (r == 0)
        r = upstream_digest(service);
    return r == 0 ? service_files(service) : r;
}

static int load_entry(struct config *config, const char *directory, const char *file,
                      load_file load, struct findings *findings)
{
    CLEANUP(freep)
    char *path = NULL, *name = NULL;

    if (asprintf(&path, "%s/%s", directory, file) < 0)
        return -ENOMEM;
    findings_begin(findings, path);
    if (!ends_with_conf(file)) {
        findings_warning(findings, 0, "not read, because its name does not end with .conf");
        return 0;
    }
    name = strndup(file, strlen(file) - strlen(".conf"));
    if (!name)
        return -ENOMEM;
    if (!service_name_is_valid(name, strlen(name))) {
        findings_error(findings, 1,
                       "the file name must be 1 to %d letters, digits, '.', '_' or '-', and .conf",
                       PODLOGIN_SERVICE_MAX);
        return 0;
    }
    return load(config, path, name, findings);
}

/* Loads files in alphabetical order, so that errors and logs do not depend on the file system. */
static int load_directory(struct config *config, const char *directory, const char *subdirectory,
                          load_file load, struct findings *findings)
{
    CLEANUP(freep)
    char *path = NULL;
    struct dirent **entries = NULL;
    int n, r = 0;

    if (asprintf(&path, "%s/%s", directory, subdirectory) < 0)
        return -ENOMEM;
    findings_begin(findings, path);
    n = scandir(path, &entries, is_visible, alphasort);
    if (n < 0) {
        findings_error(findings, 0, "cannot read directory: %s", strerror(errno));
        return 0;
    }
    check_owner(config, findings, 0, path);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = load_entry(config, path, entries[i]->d_name, load, findings);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static const struct limits limits_default = {
    .connections = 8192,
    .connections_per_pod = 64,
    .requests = {.per_s = 50, .burst = 100},
    .signature_checks = {.per_s = 20, .burst = 50},
    .misses = 4,
    .frame_timeout_s = 2,
    .idle_timeout_s = 30,
};

static void config_freep(struct config **config)
{
    config_unref(*config);
}

static int load_all(struct config *config, const char *directory, struct findings *findings)
{
    CLEANUP(freep)
    char *path = NULL;
    int r;

    if (asprintf(&path, "%s/podlogind.conf", directory) < 0)
        return -ENOMEM;
    r = daemon_file_read(path, config, findings);
    if (r < 0)
        return r;
    findings_begin(findings, directory);
    check_owner(config, findings, 0, directory);
    r = load_directory(config, directory, "issuers.d", load_issuer, findings);
    if (r == 0) /* services point to their issuers, so no issuer may be added after this */
        r = load_directory(config, directory, "services.d", load_service, findings);
    if (r == 0 && config->n_services == 0) {
        findings_begin(findings, directory);
        findings_warning(findings, 0,
                         "no service is configured; every request for a token will be refused");
    }
    if (r < 0 || set_default(&config->socket, PODLOGIN_SOCKET_PATH) < 0 ||
        set_default(&config->cache, "/var/lib/podlogin/cache.db") < 0 ||
        set_default(&config->cache_key, "runtime") < 0)
        return -ENOMEM;
    return 0;
}

int config_load(const char *directory, const struct config **ret_config, struct findings *findings)
{
    CLEANUP(config_freep)
    struct config *config = calloc(1, sizeof(*config));
    int r = -ENOMEM;

    *findings = (struct findings){0};
    if (config) {
        config->n_refs = 1;
        config->log_level = LOG_INFO;
        config->cache_rows = CACHE_ROWS_DEFAULT;
        config->limits = limits_default;
        r = load_all(config, directory, findings);
    }
    if (r < 0) {
        findings_begin(findings, directory);
        findings_error(findings, 0, "%s", strerror(-r));
    }
    if (findings->n_errors)
        return r < 0 ? r : -EINVAL;
    *ret_config = TAKE_PTR(config);
    return 0;
}

static void issuer_config_done(struct issuer_config *issuer)
{
    free(issuer->name);
    free(issuer->url);
    free(issuer->keys_url);
    free(issuer->keys_file);
    free(issuer->ca_file);
    free(issuer->review.api_server);
    free(issuer->review.ca_file);
    free(issuer->review.token_file);
}

static void service_done(struct service *service)
{
    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        free(service->provider_settings[i]);
    policy_done(&service->policy);
    free(service->name);
    free(service->issuer_name);
    free(service->audience);
    free(service->ca_file);
    free(service->endpoint);
    for (size_t i = 0; service->files[i]; i++)
        free(service->files[i]);
}

static void config_free(struct config *config)
{
    for (size_t i = 0; i < config->n_issuers; i++)
        issuer_config_done(&config->issuers[i]);
    for (size_t i = 0; i < config->n_services; i++)
        service_done(&config->services[i]);
    free(config->issuers);
    free(config->services);
    free(config->socket);
    free(config->admin_socket);
    free(config->metrics_listen);
    free(config->cache);
    free(config->cache_key);
    free(config->node_token_file);
    free(config->node_uid);
    free(config);
}

/* Casts away const: the reference count is the only part that changes. */
const struct config *config_ref(const struct config *config)
{
    ((struct config *)config)->n_refs++;
    return config;
}

const struct config *config_unref(const struct config *config)
{
    struct config *counted = (struct config *)config;

    assert(!counted || counted->n_refs > 0);
    if (counted && --counted->n_refs == 0)
        config_free(counted);
    return NULL;
}

const struct service *service_ref(const struct service *service)
{
    if (service)
        config_ref(service->config);
    return service;
}

const struct service *service_unref(const struct service *service)
{
    if (service)
        config_unref(service->config);
    return NULL;
}

const struct issuer_config *issuer_config_ref(const struct issuer_config *issuer)
{
    config_ref(issuer->config);
    return issuer;
}

const struct issuer_config *issuer_config_unref(const struct issuer_config *issuer)
{
    if (issuer)
        config_unref(issuer->config);
    return NULL;
}

const struct service *config_service(const struct config *config, const void *name, size_t len)
{
    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        if (strlen(service->name) == len && memcmp(service->name, name, len) == 0)
            return service;
    }
    return NULL;
}

bool config_has_program(const struct config *config)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (config->services[i].provider->is_program)
            return true;
    return false;
}

bool service_is_same(const struct service *a, const struct service *b)
{
    return memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0;
}

const struct service *config_same_service(const struct config *config,
                                          const struct service *service)
{
    const struct service *named = config_service(config, service->name, strlen(service->name));

    if (named && service_is_same(named, service))
        return named;
    for (size_t i = 0; i < config->n_services; i++)
        if (service_is_same(&config->services[i], service))
            return &config->services[i];
    return NULL;
}

const char *service_secret_file(const struct service *service)
{
    for (size_t i = 0; service->provider->settings[i].name; i++)
        if (service->provider->settings[i].is_secret_file)
            return service->provider_settings[i];
    return NULL;
}

struct provider_values service_values(const struct service *service)
{
    struct provider_values values = {0};

    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        values.value[i] = service->provider_settings[i];
    return values;
}
