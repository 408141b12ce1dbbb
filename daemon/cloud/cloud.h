/*
 * The REST interface of Pulumi Cloud, with the access token of an administrator of the
 * organization. HTTPS as in exchanger/http.h; each call waits for its answer.
 */
#ifndef CLOUD_CLOUD_H
#define CLOUD_CLOUD_H

#include <jansson.h>

#include "cloud/site.h"
#include "exchanger/http.h"

#define CLOUD_URL_SIZE   1024
#define CLOUD_ERROR_SIZE 1024
#define CLOUD_ID_MAX     128

/* Why a call failed: whose fault it is, and whether it may succeed later. */
enum cloud_fault {
    CLOUD_OK,
    CLOUD_UNREACHABLE,
    CLOUD_TRY_AGAIN, /* throttled, or a fault of the server */
    CLOUD_REFUSED,   /* the token, the request, or the server's certificate */
    CLOUD_INTERNAL,
};

struct cloud {
    struct http http;
    bool is_http_up;
    struct ca ca;
    const char *organization;
    char url[CLOUD_URL_SIZE];     /* of the organization */
    struct secret *authorization; /* the value of the header, with a NUL */
    char error[CLOUD_ERROR_SIZE]; /* of the latest failure: one line, without secrets */
};

/*
 * Prepares calls for the organization of @site.
 *
 * @token: the access token; copied.
 *
 * Returns 0; or -errno, with a sentence in cloud->error. The caller calls cloud_done() in each
 * case.
 */
int cloud_init(struct cloud *cloud, const struct site *site, const struct secret *token);
void cloud_done(struct cloud *cloud);

static inline void cloud_donep(struct cloud *cloud)
{
    cloud_done(cloud);
}

/*
 * Makes a call.
 *
 * @path:       below /api/orgs/ORGANIZATION, beginning with a slash.
 * @body:       NULL: none.
 * @ret_answer: the JSON object of the answer, which the caller releases; set on success only. NULL:
 *              the answer has none.
 */
enum cloud_fault cloud_call(struct cloud *cloud, const char *method, const char *path,
                            const json_t *body, json_t **ret_answer);

/* Returns the id of an issuer or a policy, or NULL if it is not one that can be part of a path. */
const char *cloud_id(const json_t *object);

/*
 * Finds the registration of the site's issuer, by its URL.
 *
 * @ret_issuer: as the REST interface has it; the caller releases it. NULL: it is not registered.
 */
enum cloud_fault cloud_issuer(struct cloud *cloud, const struct site *site, json_t **ret_issuer);

#endif
