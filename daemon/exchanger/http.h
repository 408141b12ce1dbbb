/*
 * HTTPS for the exchanger: libcurl's multi interface, kept-alive connections, one request after the
 * other per transfer. No redirects, cookies, compression, netrc, or protocol but https.
 */
#ifndef HTTP_H
#define HTTP_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/outcome.h"
#include "base/secret.h"
#include "provider/exchange.h"

struct http_transfer;

/* Called when the transfer has an answer or an error; the transfer is freed afterwards. */
typedef void (*http_done)(struct http_transfer *transfer);

struct http_transfer {
    http_done on_done;
    void *data;

    /* the answer; valid in on_done */
    long status; /* 0: there was none; then outcome and detail say why */
    enum outcome outcome;
    char detail[CURL_ERROR_SIZE];
    uint32_t retry_after_ms;
    uint32_t max_age_s; /* of Cache-Control; 0: none */
    uint8_t *body;
    size_t body_len;
    bool is_too_large;

    CURL *easy;
    struct curl_slist *headers;
    struct secret *request_body;
    char error[CURL_ERROR_SIZE];
};

struct http_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *accept;
    const char *ca_file;      /* NULL: the system's */
    struct secret *body;      /* NULL: none; taken over in any case */
    const char *content_type; /* of the body */
    const struct provider_header *headers;
    size_t n_headers;
    const struct secret *authorization; /* a bearer token; NULL: none */
};

/* What an error of curl says of the server; @is_too_large: it was made because of the size. */
enum outcome http_outcome(CURLcode code, bool is_too_large);

/* One per process. 0 or -errno. */
int http_init(CURLM **ret_multi);
void http_free(CURLM *multi);

/* Starts a transfer; @on_done is called from http_turn(), never from here. 0 or -ENOMEM. */
int http_start(CURLM *multi, struct http_request *request, http_done on_done, void *data);

/* Lets all transfers do what they can; calls the callbacks of those that ended. */
void http_turn(CURLM *multi);

#endif
