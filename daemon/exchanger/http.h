/*
 * HTTPS for the exchanger, with libcurl's multi interface. An answer can belong to no other
 * request: with HTTP/2, it carries the number of its request, and with HTTP/1.1, each request has a
 * connection of its own (docs/decisions/0023 and 0043). The certificates are those that the CA file
 * had when the job was sent. No redirects, cookies, .netrc, or protocols other than https.
 */
#ifndef EXCHANGER_HTTP_H
#define EXCHANGER_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/keyed_hash.h"
#include "base/list.h"
#include "base/outcome.h"
#include "base/secret.h"
#include "exchanger/ca.h"
#include "exchanger/head.h"
#include "exchanger/sockets.h"
#include "provider/exchange.h"

#define HTTP_ERROR_SIZE    256 /* bytes, with the NUL */
#define HTTP_LONG_BODY_MAX (1024 * 1024)
#define HTTP_ORIGINS       64

struct http {
    struct sockets sockets;
    struct list transfers; /* those that run */
    struct list waiting;   /* those that wait for the connection of one that runs */
    unsigned turn;         /* whose connections new requests may join */
    unsigned n_transfers[SOCKETS_HANDLES];
    uint64_t turned_usec; /* when it began */
    bool has_failed;      /* a transfer had no answer since then */
    struct hash_key hash_key;
    uint64_t http_1[HTTP_ORIGINS]; /* hashes of origins whose last answer was one of HTTP/1.1 */
    uint64_t checked_usec;         /* when it was looked for those that cannot connect */
    char error[HTTP_ERROR_SIZE];   /* why http_start() failed */
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
    char detail[HTTP_ERROR_SIZE];
    uint32_t retry_after_ms;
    struct head head;
    uint8_t *body;
    size_t body_len;
    size_t body_room;
    bool is_long;        /* as in the request */
    const char *refusal; /* why the transfer fails, if curl does not know; NULL: it does */

    struct list node; /* in http.transfers or http.waiting */
    uint64_t origin;  /* its hash */
    uint64_t begun_usec;
    struct http_transfer *opener; /* whose connection it waits for; NULL: it can run */
    bool is_awaited;              /* others wait for its connection */
    bool is_connected;
    bool is_refused;                /* libcurl would have sent it again */
    uint64_t connecting_since_usec; /* since when it opens a connection; 0: it does not */
    unsigned turn;                  /* whose connection it uses */
    CURL *easy;
    struct curl_slist *headers;
    struct secret *request_body;
    bool has_ca_file;
    char error[CURL_ERROR_SIZE];
};

struct http_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *accept;
    const struct ca *ca;      /* NULL: the system's certificates */
    struct secret *body;      /* NULL: none; http_start() takes it over in each case */
    const char *content_type; /* of the body */
    const struct provider_header *headers;
    size_t n_headers;
    const struct secret *authorization; /* a bearer token; NULL: none */
    bool is_long; /* accepts an answer of HTTP_LONG_BODY_MAX bytes, instead of UPSTREAM_BODY_MAX */
};

/* Returns what the error @code of curl says about the server. */
enum outcome http_outcome(CURLcode code);

/* Initializes libcurl; once in a process. Returns 0 or -errno. */
int http_init(struct http *http);

/*
 * Ends all use of libcurl. Transfers that still run fail: their callbacks are called, and must not
 * start others.
 */
void http_done(struct http *http);

/*
 * Starts a transfer. The strings and certificates of @request are copied.
 *
 * @on_done: called from http_turn() or http_done(), never from this function.
 * @data:    stored in the transfer for @on_done; not owned.
 *
 * Returns 0; or -errno, with the reason in @http->error.
 */
int http_start(struct http *http, struct http_request *request, http_callback on_done, void *data);

/*
 * Cuts times such as " after 12 ms" out of what curl says about a failure: a failure that repeats
 * is logged once, as long as its text is the same.
 */
void http_cut_time(char *text);

/*
 * Waits until http_turn() has something to do, or @fd is ready to be read; -1: none.
 *
 * Returns 1 if @fd is ready; 0; or -errno.
 */
int http_wait(struct http *http, int fd);

/* Makes progress on all transfers without blocking. Calls the callbacks of those that ended. */
void http_turn(struct http *http);

#endif
