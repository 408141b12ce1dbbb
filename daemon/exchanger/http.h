/*
 * HTTPS for the exchanger, with libcurl's multi interface. Connections are kept alive and carry one
 * request at a time (HTTP/1.1). No redirects, cookies, compression, .netrc, or protocols other than
 * https.
 */
#ifndef EXCHANGER_HTTP_H
#define EXCHANGER_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/outcome.h"
#include "base/secret.h"
#include "provider/exchange.h"

struct http {
    CURLM *multi;
    struct list transfers; /* those that run */
};

struct http_transfer;

/* Called when the transfer has an answer or has failed. The transfer is freed afterwards. */
typedef void (*http_callback)(struct http_transfer *transfer);

struct http_transfer {
    http_callback on_done;
    void *data;

    /* The answer, valid during on_done(). */
    long status; /* HTTP status; 0: no answer, outcome and detail say why */
    enum outcome outcome;
    char detail[CURL_ERROR_SIZE];
    uint32_t retry_after_ms;
    uint32_t max_age_s; /* of Cache-Control; 0: none */
    uint8_t *body;
    size_t body_len;
    bool is_too_large; /* the body exceeds UPSTREAM_BODY_MAX */

    struct list node; /* in http.transfers */
    CURL *easy;
    struct curl_slist *headers;
    struct secret *request_body;
    char error[CURL_ERROR_SIZE];
};

struct http_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *accept;
    const char *ca_file;      /* NULL: the system's certificates */
    struct secret *body;      /* NULL: none; http_start() takes it over in each case */
    const char *content_type; /* of the body */
    const struct provider_header *headers;
    size_t n_headers;
    const struct secret *authorization; /* a bearer token; NULL: none */
};

/*
 * Returns what the error @code of curl says about the server. @is_too_large: the transfer was
 * aborted because the body is too large.
 */
enum outcome http_outcome(CURLcode code, bool is_too_large);

/* Initializes libcurl; once in a process. Returns 0 or -ENOMEM. */
int http_init(struct http *http);

/*
 * Ends all use of libcurl. Transfers that still run fail: their callbacks are called, and must not
 * start others.
 */
void http_done(struct http *http);

/*
 * Starts a transfer. The strings of @request are copied.
 *
 * @on_done: called from http_turn() or http_done(), never from this function.
 * @data:    stored in the transfer for @on_done; not owned.
 *
 * Returns 0, or -ENOMEM, also if a header is not valid.
 */
int http_start(struct http *http, struct http_request *request, http_callback on_done, void *data);

/* Makes progress on all transfers without blocking. Calls the callbacks of those that ended. */
void http_turn(struct http *http);

#endif
