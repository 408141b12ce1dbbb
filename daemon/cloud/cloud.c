#include "cloud/cloud.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/url.h"
#include "provider/detail.h"

#define ACCEPT "application/vnd.pulumi+8"
#define SCHEME "token "

#define ADVICE_SIZE 256

/* A name in a path must not lead to another resource. */
static bool is_path_part(const char *name)
{
    return name && *name &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-_.~")] &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

__attribute__((format(printf, 3, 4))) static int fail(struct cloud *cloud, int r,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(cloud->error, sizeof(cloud->error), format, args);
    va_end(args);
    return r;
}

static int read_ca(struct cloud *cloud, const char *path)
{
    struct job_files files = {1, {{.fd = path ? file_open(path, 0) : -1}}};
    char error[HTTP_ERROR_SIZE];
    int r = ca_read(&files, wire_string(path ? path : ""), &cloud->ca, error, sizeof(error));

    return r < 0 ? fail(cloud, r, "%s", error) : 0;
}

int cloud_init(struct cloud *cloud, const struct site *site, const struct secret *token)
{
    int r;

    *cloud = (struct cloud){.organization = site->organization};
    if (!is_path_part(site->organization))
        return fail(cloud, -EINVAL, "Organization=%.100s is not a name that can be part of a URL",
                    site->organization);
    snprintf(cloud->url, sizeof(cloud->url), "%.*s/api/orgs/%s", url_length(site->api_url),
             site->api_url, site->organization);
    r = read_ca(cloud, site->ca_file);
    if (r < 0)
        return r;
    cloud->authorization = secret_alloc(strlen(SCHEME) + token->len + 1);
    if (!cloud->authorization || http_init(&cloud->http) < 0)
        return fail(cloud, -ENOMEM, "out of memory");
    cloud->is_http_up = true;
    memcpy(cloud->authorization->bytes, SCHEME, strlen(SCHEME));
    memcpy(cloud->authorization->bytes + strlen(SCHEME), token->bytes, token->len);
    return 0;
}

void cloud_done(struct cloud *cloud)
{
    if (cloud->is_http_up)
        http_done(&cloud->http);
    ca_done(&cloud->ca);
    cloud->authorization = secret_free(cloud->authorization);
}

/* What a transfer ended with. */
struct answer {
    bool is_there;
    long status;
    enum outcome outcome; /* if there is no status */
    char detail[HTTP_ERROR_SIZE];
    json_t *json;
};

static void on_done(struct http_transfer *transfer)
{
    struct answer *answer = transfer->data;

    answer->is_there = true;
    answer->status = transfer->status;
    answer->outcome = transfer->outcome;
    snprintf(answer->detail, sizeof(answer->detail), "%s", transfer->detail);
    answer->json =
        json_loadb((char *)transfer->body, transfer->body_len, JSON_REJECT_DUPLICATES, NULL);
}

/* Sends a request and waits for the end of its transfer. Returns 0 or -errno. */
static int transfer(struct cloud *cloud, struct http_request *request, struct answer *ret_answer)
{
    int r = http_start(&cloud->http, request, on_done, ret_answer);

    if (r < 0)
        return fail(cloud, r, "%s", cloud->http.error);
    while (!ret_answer->is_there) {
        (void)http_wait(&cloud->http, -1);
        http_turn(&cloud->http);
    }
    return 0;
}

static int encode(const json_t *body, struct secret **ret_body)
{
    CLEANUP(freep)
    char *text = json_dumps(body, JSON_COMPACT);

    *ret_body = text ? secret_new(text, strlen(text)) : NULL;
    return *ret_body ? 0 : -ENOMEM;
}

/* Returns what to do about a status, in brackets. */
static const char *advice(const struct cloud *cloud, long status, char text[ADVICE_SIZE])
{
    *text = '\0';
    if (status == 401)
        snprintf(text, ADVICE_SIZE, " (the access token is not valid, or has expired)");
    else if (status == 403)
        snprintf(text, ADVICE_SIZE,
                 " (the access token must be that of an administrator of %.100s)",
                 cloud->organization);
    else if (status == 404)
        snprintf(text, ADVICE_SIZE,
                 " (there is no such thing, or the access token is not of organization %.100s)",
                 cloud->organization);
    return text;
}

/* Says what an answer without success means. */
static enum cloud_fault explain(struct cloud *cloud, const char *method, const char *url,
                                const struct answer *answer)
{
    const char *message = json_member_string(answer->json, "message");
    char detail[DETAIL_SIZE] = "", text[ADVICE_SIZE];

    if (!answer->status) {
        fail(cloud, 0, "%s %.300s: %s", method, url, answer->detail);
        return answer->outcome == OUTCOME_UNTRUSTED   ? CLOUD_REFUSED
               : answer->outcome == OUTCOME_MALFORMED ? CLOUD_TRY_AGAIN
                                                      : CLOUD_UNREACHABLE;
    }
    detail_add(detail, message ? message : "");
    /* a server may quote what it was sent */
    detail_hide(detail, cloud->authorization->bytes + strlen(SCHEME),
                cloud->authorization->len - strlen(SCHEME) - 1);
    fail(cloud, 0, "%s %.300s: HTTP %ld%s%s%s", method, url, answer->status, *detail ? ": " : "",
         detail, advice(cloud, answer->status, text));
    return answer->status == 429 || answer->status == 408 || answer->status >= 500 ? CLOUD_TRY_AGAIN
                                                                                   : CLOUD_REFUSED;
}

enum cloud_fault cloud_call(struct cloud *cloud, const char *method, const char *path,
                            const json_t *body, json_t **ret_answer)
{
    char url[2 * CLOUD_URL_SIZE];
    struct provider_header header = {"Authorization", (char *)cloud->authorization->bytes};
    struct http_request request = {
        .method = method,
        .url = url,
        .accept = ACCEPT,
        .ca = &cloud->ca,
        .content_type = "application/json",
        .headers = &header,
        .n_headers = 1,
        .is_long = true, /* the list of all issuers, with their keys */
    };
    struct answer answer = {0};
    enum cloud_fault fault = CLOUD_OK;

    snprintf(url, sizeof(url), "%s%s", cloud->url, path);
    if (body && encode(body, &request.body) < 0) {
        fail(cloud, 0, "%s %.300s: the request is too large, or memory runs out", method, url);
        return CLOUD_INTERNAL;
    }
    if (transfer(cloud, &request, &answer) < 0)
        return CLOUD_INTERNAL;
    if (answer.status < 200 || answer.status > 299) {
        fault = explain(cloud, method, url, &answer);
    } else if (ret_answer && !json_is_object(answer.json)) {
        fail(cloud, 0, "%s %.300s: the answer is not a JSON object", method, url);
        fault = CLOUD_TRY_AGAIN;
    } else if (ret_answer) {
        *ret_answer = json_incref(answer.json);
    }
    json_decref(answer.json);
    return fault;
}

const char *cloud_id(const json_t *object)
{
    const char *id = json_member_string(object, "id");

    return is_path_part(id) && strlen(id) <= CLOUD_ID_MAX ? id : NULL;
}

enum cloud_fault cloud_issuer(struct cloud *cloud, const struct site *site, json_t **ret_issuer)
{
    CLEANUP(json_decrefp)
    json_t *answer = NULL;
    enum cloud_fault fault = cloud_call(cloud, "GET", "/oidc/issuers", NULL, &answer);
    json_t *issuer;
    size_t i;

    *ret_issuer = NULL;
    json_array_foreach(json_object_get(answer, "oidcIssuers"), i, issuer)
    {
        const char *url = json_member_string(issuer, "url");

        if (url && strcmp(url, site->issuer->url) == 0 && !*ret_issuer)
            *ret_issuer = json_incref(issuer);
    }
    return fault;
}
