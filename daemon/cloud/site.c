#include "cloud/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/setting.h"
#include "provider/pulumi.h"

uint64_t service_expiration_s(const struct service *service)
{
    const char *text = service->provider_settings[PULUMI_EXPIRATION];
    uint64_t seconds = PULUMI_EXPIRATION_S;

    if (text)
        (void)setting_seconds(text, 1, TOKEN_LIFETIME_MAX_S, &seconds);
    return seconds;
}

static const char *organization_of(const struct service *service)
{
    return service->provider_settings[PULUMI_ORGANIZATION];
}

/* The first of the values that services have, unless another one is asked for. */
struct choice {
    const char *what, *how; /* in the error */
    const char *asked, *first, *second;
};

static bool choose(struct choice *choice, const char *value)
{
    if (choice->asked && strcmp(choice->asked, value) != 0)
        return false;
    if (!choice->first)
        choice->first = value;
    else if (!choice->second && strcmp(choice->first, value) != 0)
        choice->second = value;
    return true;
}

static int ambiguous(const struct choice *choice, char *ret_error)
{
    if (!choice->second)
        return 0;
    return setting_wrong(ret_error, SITE_ERROR_SIZE,
                         "the services have several %s, such as %.100s and %.100s; %s",
                         choice->what, choice->first, choice->second, choice->how);
}

static int site_check(const struct site *site, const struct choice *issuer,
                      const struct choice *organization, char *ret_error)
{
    if (!site->n_services)
        return setting_wrong(ret_error, SITE_ERROR_SIZE,
                             "no service with Provider=pulumi%s%.100s%s%.100s; write one in "
                             "services.d",
                             issuer->asked ? " has Issuer=" : "",
                             issuer->asked ? issuer->asked : "",
                             organization->asked ? " and Organization=" : "",
                             organization->asked ? organization->asked : "");
    return ambiguous(issuer, ret_error) < 0 ? -EINVAL : ambiguous(organization, ret_error);
}

/* Returns 0; -EEXIST if the service is of another upstream than those before; or -ENOMEM. */
static int add_service(struct site *site, const struct service *service)
{
    struct provider_values values = service_values(service);
    CLEANUP(freep)
    char *api_url = service->provider->endpoint(&values);
    bool is_other = site->api_url && api_url && strcmp(site->api_url, api_url) != 0;

    if (!api_url)
        return -ENOMEM;
    site->services[site->n_services++] = service;
    if (service_expiration_s(service) > site->expiration_s)
        site->expiration_s = service_expiration_s(service);
    if (!site->ca_file)
        site->ca_file = service->ca_file;
    if (!site->api_url)
        site->api_url = TAKE_PTR(api_url);
    return is_other ? -EEXIST : 0;
}

static int find(const struct config *config, const char *issuer, const char *organization,
                struct site *site, char *ret_error)
{
    struct choice issuers = {"issuers", "name one of them", issuer, NULL, NULL};
    struct choice organizations = {"organizations", "choose with --organization", organization,
                                   NULL, NULL};
    bool has_others = false;
    int r;

    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        if (service->provider != &provider_pulumi || !choose(&issuers, service->issuer->name) ||
            !choose(&organizations, organization_of(service)))
            continue;
        r = add_service(site, service);
        if (r == -ENOMEM)
            return r;
        has_others = has_others || r == -EEXIST;
    }
    r = site_check(site, &issuers, &organizations, ret_error);
    if (r == 0 && has_others)
        r = setting_wrong(ret_error, SITE_ERROR_SIZE,
                          "the services of organization %.100s have different APIURL=; they must "
                          "have the same",
                          organizations.first);
    if (r < 0)
        return r;
    site->issuer = site->services[0]->issuer;
    site->organization = organizations.first;
    return 0;
}

int site_find(const struct config *config, const char *issuer, const char *organization,
              struct site *ret_site, char ret_error[SITE_ERROR_SIZE])
{
    int r;

    *ret_site = (struct site){.services = calloc(config->n_services + 1, sizeof(void *))};
    snprintf(ret_error, SITE_ERROR_SIZE, "out of memory");
    r = ret_site->services ? find(config, issuer, organization, ret_site, ret_error) : -ENOMEM;
    if (r < 0)
        site_done(ret_site);
    return r;
}

void site_done(struct site *site)
{
    free(site->services);
    free(site->api_url);
    *site = (struct site){0};
}
