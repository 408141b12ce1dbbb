/*
 * Where the upstream half of a configuration is: the organization of Pulumi Cloud in which an
 * issuer is registered, and the services that rely on it.
 */
#ifndef CLOUD_SITE_H
#define CLOUD_SITE_H

#include "config/config.h"

#define SITE_ERROR_SIZE 512

struct site {
    const struct issuer_config *issuer;
    const char *organization;
    char *api_url;
    const char *ca_file; /* NULL: the system's certificates */
    const struct service **services;
    size_t n_services;
    uint64_t expiration_s; /* the longest Expiration= of the services */
};

/*
 * Finds the services with Provider=pulumi of an issuer and an organization.
 *
 * @issuer:       the name of its file; NULL: the only one that such services have.
 * @organization: NULL: the only one of the services.
 * @ret_site:     released with site_done(), and valid as long as @config.
 *
 * Returns 0; -EINVAL with a sentence in @ret_error; or -ENOMEM, with one, too.
 */
int site_find(const struct config *config, const char *issuer, const char *organization,
              struct site *ret_site, char ret_error[SITE_ERROR_SIZE]);

void site_done(struct site *site);

static inline void site_donep(struct site *site)
{
    site_done(site);
}

/* Returns the lifetime of tokens that the service asks for, in seconds. */
uint64_t service_expiration_s(const struct service *service);

#endif
