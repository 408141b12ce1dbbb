#include "exchanger/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "exchange/job.h"

#define IDLE_CONNECTIONS_MAX 64

int http_init(struct http *http)
{
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free, wiping_realloc,
                             wiping_strdup, wiping_calloc) != CURLE_OK)
        return -ENOMEM;
    list_init(&http->transfers);
    http->multi = curl_multi_init();
    if (!http->multi)
        return -ENOMEM;
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
    return 0;
}

static void transfer_free(struct http_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    secret_free(transfer->request_body);
    wiping_free(transfer->body);
    free(transfer);
}

/* Allocates the maximum at once: growing the buffer would leave copies of secrets in memory. */
static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
    struct http_transfer *transfer = data;

    if (!transfer->body)
        transfer->body = malloc(UPSTREAM_BODY_MAX);
    if (!transfer->body)
        return 0;
    if (size * n > UPSTREAM_BODY_MAX - transfer->body_len) {
        transfer->is_too_large = true;
        return 0;
    }
    memcpy(transfer->body + transfer->body_len, bytes, size * n);
    transfer->body_len += size * n;
    return size * n;
}

/* Reads Cache-Control: max-age (RFC 9111, section 5.2.2.1). */
static size_t on_header(char *bytes, size_t size, size_t n, void *data)
{
    static const char name[] = "cache-control:", directive[] = "max-age=";
    struct http_transfer *transfer = data;
    char line[256];
    const char *value;

    if (size * n < sizeof(line) && strncasecmp(bytes, name, sizeof(name) - 1) == 0) {
        memcpy(line, bytes, size * n);
        line[size * n] = '\0';
        value = strcasestr(line, directive);
        if (value)
            transfer->max_age_s =
                (uint32_t)strtoul(value + sizeof(directive) - 1, NULL, 10) & INT32_MAX;
    }
    return size * n;
}

static void set_options(struct http_transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TRANSFER_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "podlogin/" PODLOGIN_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    if (request->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (transfer->request_body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (char *)transfer->request_body->bytes);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)transfer->request_body->len);
    }
    if (strcmp(request->method, transfer->request_body ? "POST" : "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static int add_header(struct http_transfer *transfer, const char *line)
{
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);

    if (!headers)
        return -ENOMEM;
    transfer->headers = headers;
    return 0;
}

/* Refuses control characters and non-ASCII bytes: a newline in a value would inject a header. */
static bool is_header_value(const void *bytes, size_t len, uint8_t least)
{
    for (size_t i = 0; i < len; i++)
        if (((const uint8_t *)bytes)[i] < least || ((const uint8_t *)bytes)[i] >= 0x7f)
            return false;
    return true;
}

/* Adds the header "NAME: PREFIXVALUE". The line is built in secret memory. */
static int add_header_value(struct http_transfer *transfer, const char *name, const char *prefix,
                            const void *value, size_t len)
{
    CLEANUP(secret_freep)
    struct secret *line = secret_alloc(strlen(name) + strlen(prefix) + len + 4);
    int n;

    if (!line)
        return -ENOMEM;
    n = snprintf((char *)line->bytes, line->len, "%s: %s%.*s", name, prefix, (int)len,
                 (const char *)value);
    return n < (int)line->len ? add_header(transfer, (char *)line->bytes) : -EINVAL;
}

static int add_own_headers(struct http_transfer *transfer, const struct http_request *request)
{
    const struct secret *token = request->authorization;
    int r = 0;

    if (request->content_type && transfer->request_body)
        r = add_header_value(transfer, "Content-Type", "", request->content_type,
                             strlen(request->content_type));
    for (size_t i = 0; i < request->n_headers && r == 0; i++) {
        const struct provider_header *header = &request->headers[i];

        if (!is_header_value(header->value, strlen(header->value), 0x20))
            return -EINVAL;
        r = add_header_value(transfer, header->name, "", header->value, strlen(header->value));
    }
    if (!token || r < 0)
        return r;
    if (!is_header_value(token->bytes, token->len, 0x21))
        return -EINVAL;
    return add_header_value(transfer, "Authorization", "Bearer ", token->bytes, token->len);
}

static void transfer_freep(struct http_transfer **transfer)
{
    if (*transfer)
        transfer_free(*transfer);
}

int http_start(struct http *http, struct http_request *request, http_callback on_done, void *data)
{
    CLEANUP(transfer_freep)
    struct http_transfer *transfer = calloc(1, sizeof(*transfer));
    char accept[128];

    if (!transfer) {
        request->body = secret_free(request->body);
        return -ENOMEM;
    }
    transfer->request_body = TAKE_PTR(request->body);
    transfer->on_done = on_done;
    transfer->data = data;
    transfer->easy = curl_easy_init();
    snprintf(accept, sizeof(accept), "Accept: %s", request->accept);
    /* an empty "Expect:" keeps curl from waiting for "100 Continue" before a body of over 1 MiB */
    if (!transfer->easy || add_header(transfer, accept) < 0 ||
        add_header(transfer, "Expect:") < 0 || add_own_headers(transfer, request) < 0)
        return -ENOMEM;
    set_options(transfer, request);
    if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        return -ENOMEM;
    list_append(&http->transfers, &TAKE_PTR(transfer)->node);
    return 0;
}

enum outcome http_outcome(CURLcode code, bool is_too_large)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return OUTCOME_UNTRUSTED;
    case CURLE_WRITE_ERROR:
        return is_too_large ? OUTCOME_MALFORMED : OUTCOME_UNAVAILABLE;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9; URLs of other protocols are not configured */
        return OUTCOME_MALFORMED;
    default:
        return OUTCOME_UNAVAILABLE;
    }
}

static void read_end(struct http_transfer *transfer, CURLcode code)
{
    curl_off_t retry_after_s = 0;

    if (code == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        if (retry_after_s > 0)
            transfer->retry_after_ms = (uint32_t)(retry_after_s > 300 ? 300 : retry_after_s) * 1000;
        return;
    }
    transfer->outcome = http_outcome(code, transfer->is_too_large);
    snprintf(transfer->detail, sizeof(transfer->detail), "%s",
             transfer->is_too_large ? "the answer is larger than 64 KiB"
             : transfer->error[0]   ? transfer->error
                                    : curl_easy_strerror(code));
}

static void transfer_end(struct http *http, struct http_transfer *transfer, CURLcode code)
{
    curl_multi_remove_handle(http->multi, transfer->easy);
    list_remove(&transfer->node);
    read_end(transfer, code);
    transfer->on_done(transfer);
    transfer_free(transfer);
}

void http_turn(struct http *http)
{
    int n_running, n_left;
    CURLMsg *message;

    curl_multi_perform(http->multi, &n_running);
    while ((message = curl_multi_info_read(http->multi, &n_left))) {
        struct http_transfer *transfer = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer_end(http, transfer, code);
    }
}

void http_done(struct http *http)
{
    while (!list_is_empty(&http->transfers))
        transfer_end(http, container_of(http->transfers.next, struct http_transfer, node),
                     CURLE_ABORTED_BY_CALLBACK);
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
}
