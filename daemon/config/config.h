/*
 * The configuration: podlogind.conf, issuers.d and services.d of one directory. It is checked when
 * it is loaded, and does not change afterwards.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/token_bucket.h"
#include "config/findings.h"
#include "policy/policy.h"
#include "provider/provider.h"

#define CONFIG_DIRECTORY   "/etc/podlogin"
#define ADMIN_SOCKET_PATH  "/run/podlogind/admin.sock"
#define CACHE_ROWS_DEFAULT 10000 /* of CacheRows= */
#define CACHE_ROWS_MAX     1000000

/* When the API server is asked whether a JWT is still valid (TokenReview=). */
struct review_config {
    enum review_mode {
        REVIEW_OFF,
        REVIEW_MISS,     /* before an exchange */
        REVIEW_INTERVAL, /* also on hits, if the latest answer is older than interval_s */
    } mode;
    uint64_t interval_s;
    char *api_server;
    char *ca_file;
    char *token_file; /* the daemon's own token for the API server */
};

struct config;

struct issuer_config {
    const struct config *config; /* the one that it is part of */
    char *name;                  /* of the file, without .conf */
    char *url;                   /* compared with "iss" byte by byte */
    unsigned algorithms;         /* 1 << enum algorithm */
    char *keys_url;              /* NULL: read from the discovery document */
    char *keys_file;             /* NULL: keys are fetched */
    char *ca_file;               /* NULL: the system's certificates */
    struct review_config review;
    bool is_at_api_server; /* keys are fetched from APIServer=, with the daemon's own token */
    struct digest digest;  /* of all that decides which keys are trusted: if two are equal, their
                              keys are interchangeable */
};

enum share {
    SHARE_SERVICEACCOUNT, /* all pods of the service account on this node share a token */
    SHARE_POD,
};

struct service {
    const struct config *config; /* the one that it is part of */
    char *name;                  /* of the file, without .conf */
    const struct provider *provider;
    char *provider_settings[PROVIDER_SETTINGS_MAX]; /* in the order of provider->settings; NULL: not
                                                       set */
    char *issuer_name;
    const struct issuer_config *issuer; /* of the same configuration */
    char *audience;
    char *ca_file;  /* verifies the upstream; NULL: the system's certificates */
    char *endpoint; /* the URL that identifies the upstream */
    char *files[PROVIDER_FILES_MAX + 1]; /* NAME=TEMPLATE of provider->files; ends with NULL */
    enum share share;
    struct policy policy;
    struct digest digest;   /* of everything that decides which token the upstream issues */
    struct digest upstream; /* of the endpoint and ca_file: identifies the upstream */
    uint64_t id;            /* unique in this process, over all configurations */
};

/* Whether the pod that the kernel reports must be the pod of the JWT (PeerAttestation=). */
enum attestation {
    ATTESTATION_ENFORCE,
    ATTESTATION_AUDIT, /* a mismatch is logged, but not refused */
    ATTESTATION_OFF,
};

/* Limits for each pod, or for each uid if the pod is not known. 0 means no limit. */
struct limits {
    uint32_t connections; /* of all pods together */
    uint32_t connections_per_pod;
    struct rate_limit requests;
    struct rate_limit signature_checks;
    uint32_t misses; /* exchanges in flight on its behalf */
    uint64_t frame_timeout_s;
    uint64_t idle_timeout_s;
};

/* Immutable and reference-counted: a holder of any part of it holds a reference. */
struct config {
    unsigned n_refs;
    char *socket;
    char *admin_socket; /* NULL: the default, which may be missing */
    char *cache;        /* the database */
    char *cache_key;
    bool is_key_beside_allowed;
    uint32_t cache_rows; /* maximum, on disk and in memory */
    enum attestation attestation;
    char *node_token_file; /* NULL: none */
    char *node_uid;        /* NULL: none */
    char *metrics_listen;  /* of podlogin-exporter; NULL: none */
    struct limits limits;
    int log_level;
    struct issuer_config *issuers;
    size_t n_issuers;
    struct service *services;
    size_t n_services;
};

/* "1 issuer, 2 services" */
#define CONFIG_SIZE_FORMAT "%zu issuer%s, %zu service%s"
#define CONFIG_SIZE(config)                                                                        \
    (config)->n_issuers, (config)->n_issuers == 1 ? "" : "s", (config)->n_services,                \
        (config)->n_services == 1 ? "" : "s"

/*
 * Reads and checks the whole directory, and the files that it names.
 *
 * @ret_config: set on success only; the caller drops the reference with config_unref().
 * @findings:   all that is wrong; on success, warnings only.
 *
 * Returns 0; -EINVAL if there are errors; or another -errno, of which @findings has a line, too.
 */
int config_load(const char *directory, const struct config **ret_config, struct findings *findings);

/*
 * Sets the user of the daemon, who may own the configuration and directories; by default, the user
 * of this process.
 */
void config_set_user(uid_t uid);

/* Adds a reference. Returns @config. */
const struct config *config_ref(const struct config *config);

/* Drops a reference; @config may be NULL. Frees it with the last one. Returns NULL. */
const struct config *config_unref(const struct config *config);

DEFINE_CLEANUP(const struct config *, config_unref)

/*
 * Add and drop references to the configuration that the part belongs to. All but
 * issuer_config_ref() accept NULL. _ref() returns its argument, _unref() returns NULL.
 */
const struct service *service_ref(const struct service *service);
const struct service *service_unref(const struct service *service);
const struct issuer_config *issuer_config_ref(const struct issuer_config *issuer);
const struct issuer_config *issuer_config_unref(const struct issuer_config *issuer);

/* Returns the service with this name of @len bytes, without a new reference; or NULL. */
const struct service *config_service(const struct config *config, const void *name, size_t len);

/* Returns whether a program exchanges the tokens of a service. */
bool config_has_program(const struct config *config);

/* Returns whether the upstream issues the same tokens for both. Names and rules may differ. */
bool service_is_same(const struct service *a, const struct service *b);

/*
 * Finds the service of @config that is the same (service_is_same()) as @service of another
 * configuration; one with the same name is preferred. Returns it, without a new reference, or NULL.
 */
const struct service *config_same_service(const struct config *config,
                                          const struct service *service);

/* Returns the path of the secret file that the provider's settings name, or NULL. */
const char *service_secret_file(const struct service *service);

/* Returns the provider's settings, which point into @service. */
struct provider_values service_values(const struct service *service);

#endif
