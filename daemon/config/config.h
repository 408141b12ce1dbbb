/*
 * What the administrator wrote, checked once and immutable afterwards: podlogind.conf, issuers.d
 * and services.d of one directory.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/token_bucket.h"
#include "config/ini.h"
#include "policy/policy.h"
#include "provider/provider.h"

#define CONFIG_DIRECTORY   "/etc/podlogin"
#define CACHE_ROWS_DEFAULT 10000
#define CACHE_ROWS_MAX     1000000

/* Whether the API server is asked if a token still counts. */
struct review_config {
    enum review_mode {
        REVIEW_OFF,
        REVIEW_MISS,     /* before an exchange */
        REVIEW_INTERVAL, /* on hits too, when the latest answer is so old */
    } mode;
    uint64_t interval_s;
    char *api_server;
    char *ca_file;
    char *token_file; /* the daemon's own, for the API server */
};

struct config;

struct issuer_config {
    const struct config *config; /* that it is part of */
    char *name;                  /* of the file */
    char *url;                   /* equal to "iss", byte by byte */
    unsigned algorithms;         /* 1 << enum algorithm */
    char *keys_url;              /* NULL: from the discovery document */
    char *keys_file;             /* NULL: fetched */
    char *ca_file;               /* NULL: the system's */
    struct review_config review;
    struct digest digest; /* of all but the name and the review: whose keys these are, and what they
                             count for */
};

enum share {
    SHARE_SERVICEACCOUNT, /* all pods of the account on this node share a token */
    SHARE_POD,
};

struct service {
    const struct config *config; /* that it is part of */
    char *name;                  /* of the file */
    const struct provider *provider;
    char *provider_settings[PROVIDER_SETTINGS_MAX]; /* as provider->settings; NULL: not set */
    int provider_lines[PROVIDER_SETTINGS_MAX];      /* of the file, that they are on */
    char *issuer_name;
    const struct issuer_config *issuer; /* of the same configuration */
    char *audience;
    char *ca_file; /* that the upstream is verified with; NULL: the system's */
    enum share share;
    struct policy policy;
    struct digest digest;   /* of all that decides which token the upstream gives */
    struct digest upstream; /* of the endpoint and the certificates that it is verified with */
    uint64_t id; /* no other service of this process, of this or another config, has it */
};

/* Whether the kernel has to agree with the JWT about the pod. */
enum attestation {
    ATTESTATION_ENFORCE,
    ATTESTATION_AUDIT, /* what it would refuse is served, and said */
    ATTESTATION_OFF,
};

/* What one pod may use of the daemon, or one uid where no pod is known. 0: no limit. */
struct limits {
    uint32_t connections; /* of all together */
    uint32_t connections_per_pod;
    struct rate_limit requests;
    struct rate_limit signature_checks;
    uint32_t misses; /* exchanges begun for it and not ended */
    uint64_t frame_timeout_s;
    uint64_t idle_timeout_s;
};

/* Immutable once it is loaded, and counted: who keeps a part of it keeps a reference. */
struct config {
    unsigned n_refs;
    char *socket;
    char *cache;
    char *cache_key;
    bool is_key_beside_allowed;
    uint32_t cache_rows; /* the most, on the disk and in memory */
    enum attestation attestation;
    char *node_token_file; /* NULL: none */
    char *node_uid;        /* NULL: none */
    struct limits limits;
    int log_level;
    struct issuer_config *issuers;
    size_t n_issuers;
    struct service *services;
    size_t n_services;
};

/*
 * Reads and checks the whole directory.
 *
 * Returns 0 and a reference for the caller; -EINVAL or another -errno with an error of
 * the form "FILE:LINE: what is wrong, and what would be right".
 */
int config_load(const char *directory, const struct config **ret_config,
                char ret_error[INI_ERROR_MAX]);

const struct config *config_ref(const struct config *config);
const struct config *config_unref(const struct config *config); /* returns NULL */

DEFINE_CLEANUP(const struct config *, config_unref)

/* References to the configuration that they are part of. NULL is fine. */
const struct service *service_ref(const struct service *service);
const struct service *service_unref(const struct service *service); /* returns NULL */
const struct issuer_config *issuer_config_ref(const struct issuer_config *issuer);
const struct issuer_config *issuer_config_unref(const struct issuer_config *issuer);

/* NULL: there is none of that name. */
const struct service *config_service(const struct config *config, const void *name, size_t len);

/* Whether the upstream gives the same tokens with both; names and rules may differ. */
bool service_is_same(const struct service *a, const struct service *b);

/* The one that is the same as @service of another configuration; NULL: there is none. */
const struct service *config_same_service(const struct config *config,
                                          const struct service *service);

struct provider_values service_values(const struct service *service);

#endif
