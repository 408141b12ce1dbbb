#include "exchanger/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "exchange/job.h"
#include "exchanger/proxy.h"

#define CA_CACHE_S       45 /* of the system's certificates; a connection is joined for 9 s */
#define CONNECT_CHECK_MS 250
#define IDLE_MS          60000
#define SHARE_USEC       SECOND_USEC /* for how long requests may join a connection */
#define BODY_ROOM        4096        /* bytes; most answers fit */

int http_init(struct http *http)
{
    int r;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    *http = (struct http){.checked_usec = clock_boot_usec()};
    list_init(&http->transfers);
    list_init(&http->waiting);
    r = hash_key_init(&http->hash_key);
    return r == 0 ? sockets_init(&http->sockets) : r;
}

static void transfer_free(struct http_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    secret_free(transfer->request_body);
    free(transfer->body);
    free(transfer);
}

/* Makes room for @len bytes. realloc() wipes what it leaves behind (base/wiping.c). */
static bool body_grow(struct http_transfer *transfer, size_t len, size_t max)
{
    size_t room = transfer->body_room ? transfer->body_room : BODY_ROOM;
    void *body;

    while (room < len)
        room *= 2;
    if (room > max)
        room = max;
    body = realloc(transfer->body, room);
    if (!body)
        return false;
    transfer->body = body;
    transfer->body_room = room;
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
    struct http_transfer *transfer = data;
    size_t max = transfer->is_long ? HTTP_LONG_BODY_MAX : UPSTREAM_BODY_MAX;

    if (transfer->is_awaited)
        return CURL_WRITEFUNC_PAUSE;
    if (size * n > max - transfer->body_len) {
        transfer->refusal = transfer->is_long ? "the answer is larger than 1 MiB"
                                              : "the answer is larger than 64 KiB";
        return 0;
    }
    if (transfer->body_len + size * n > transfer->body_room &&
        !body_grow(transfer, transfer->body_len + size * n, max))
        return 0;
    memcpy(transfer->body + transfer->body_len, bytes, size * n);
    transfer->body_len += size * n;
    return size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *data)
{
    struct http_transfer *transfer = data;

    if (head_read(&transfer->head, bytes, size * n))
        return size * n;
    transfer->refusal = "the answer has two different lengths";
    return 0;
}

/*
 * Called before the request is sent, on a new connection or on one that is shared. libcurl would
 * send it again if the server did not accept it; the broker does, after a pause.
 */
static int on_connected(void *data, char *address, char *own_address, int port, int own_port)
{
    struct http_transfer *transfer = data;

    (void)address;
    (void)own_address;
    (void)port;
    (void)own_port;
    transfer->is_refused = transfer->is_connected;
    transfer->is_connected = true;
    return transfer->is_refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* Called before a connection is opened: not for a request that has been sent. */
static int on_socket(void *data, curl_socket_t fd, curlsocktype purpose)
{
    struct http_transfer *transfer = data;

    (void)fd;
    (void)purpose;
    transfer->is_refused = transfer->is_connected;
    return transfer->is_refused ? CURL_SOCKOPT_ERROR : CURL_SOCKOPT_OK;
}

#define SET(option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_connection(CURL *easy, const struct http_request *request)
{
    return SET(CURLOPT_URL, request->url) && SET(CURLOPT_PROTOCOLS_STR, "https") &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           /* not each libcurl has HTTP/2 */
           (SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) ||
            SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1)) &&
           /* a connection is closed when its last request ends */
           SET(CURLOPT_FORBID_REUSE, 1L) &&
           /* the time to connect is limited by http_turn(), without the look-up of the name */
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long)TRANSFER_TIMEOUT_MS) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           SET(CURLOPT_QUICK_EXIT, 1L);
}

static bool set_callbacks(CURL *easy, struct http_transfer *transfer)
{
    return SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, transfer) &&
           SET(CURLOPT_PREREQFUNCTION, on_connected) && SET(CURLOPT_PREREQDATA, transfer) &&
           SET(CURLOPT_SOCKOPTFUNCTION, on_socket) && SET(CURLOPT_SOCKOPTDATA, transfer) &&
           SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, transfer) &&
           SET(CURLOPT_ERRORBUFFER, transfer->error) && SET(CURLOPT_PRIVATE, transfer);
}

static bool set_method(CURL *easy, const char *method, bool has_body)
{
    if (strcmp(method, "HEAD") == 0)
        return SET(CURLOPT_NOBODY, 1L);
    return strcmp(method, has_body ? "POST" : "GET") == 0 || SET(CURLOPT_CUSTOMREQUEST, method);
}

/* "identity" asks for an answer without compression; curl still decodes a compressed answer. */
static bool set_request(CURL *easy, const struct http_transfer *transfer, const char *method)
{
    const struct secret *body = transfer->request_body;

    return SET(CURLOPT_USERAGENT, "podlogin/" PODLOGIN_VERSION) &&
           SET(CURLOPT_HTTPHEADER, transfer->headers) && SET(CURLOPT_ACCEPT_ENCODING, "identity") &&
           (!body || (SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDS, (char *)body->bytes) &&
                      SET(CURLOPT_POSTFIELDSIZE, (long)body->len))) &&
           set_method(easy, method, body);
}

/*
 * Uses these certificates only. curl would keep those of a file for a day, and trust a CA that was
 * withdrawn.
 */
static bool set_ca(CURL *easy, const struct ca *ca)
{
    struct curl_blob blob;

    if (!ca || !ca->pem) {
        (void)SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S); /* not each TLS library has it */
        return true;
    }
    blob = (struct curl_blob){ca->pem, ca->len, CURL_BLOB_COPY};
    return SET(CURLOPT_CAINFO_BLOB, &blob) && SET(CURLOPT_CAINFO, NULL) &&
           SET(CURLOPT_CAPATH, NULL);
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

/* Returns the length of "https://HOST:PORT". */
static size_t origin_len(const char *url)
{
    size_t len = strcspn(url, ":");

    len += strspn(url + len, ":/");
    return len + strcspn(url + len, "/?#");
}

static int transfer_set_up(struct http *http, struct http_transfer *transfer,
                           const struct http_request *request)
{
    char accept[128];
    int r;

    snprintf(accept, sizeof(accept), "Accept: %s", request->accept);
    /* an empty "Expect:" keeps curl from waiting for "100 Continue" before a body of over 1 MiB */
    if (add_header(transfer, accept) < 0 || add_header(transfer, "Expect:") < 0)
        return -ENOMEM;
    r = add_own_headers(transfer, request);
    if (r < 0) {
        snprintf(http->error, sizeof(http->error), "%s",
                 r == -EINVAL ? "a value is not valid in a header of HTTP" : strerror(-r));
        return r;
    }
    transfer->origin = keyed_hash(&http->hash_key, request->url, origin_len(request->url));
    transfer->has_ca_file = request->ca && request->ca->pem;
    return set_ca(transfer->easy, request->ca) && set_connection(transfer->easy, request) &&
                   set_callbacks(transfer->easy, transfer) &&
                   set_request(transfer->easy, transfer, request->method)
               ? 0
               : -ENOMEM;
}

/*
 * Returns the connections that a new request may join. Those of the other turn have to be closed
 * before they are used again, so no request joins one that was opened long ago.
 */
static unsigned turn_of(struct http *http)
{
    uint64_t now_usec = clock_boot_usec();

    if ((http->has_failed || now_usec - http->turned_usec > SHARE_USEC) &&
        http->n_transfers[!http->turn] == 0) {
        http->turn = !http->turn;
        http->turned_usec = now_usec;
        http->has_failed = false;
    }
    return http->turn;
}

/* If two origins share an entry, requests may wait although they need not, or the reverse. */
static uint64_t *http_1_entry(struct http *http, const struct http_transfer *transfer)
{
    return &http->http_1[transfer->origin % HTTP_ORIGINS];
}

/*
 * Returns the transfer that opens a connection which @transfer may be able to share; NULL: none.
 * CURLOPT_PIPEWAIT is of no use: newer versions of libcurl wake only one of those that wait.
 */
static struct http_transfer *find_opener(struct http *http, const struct http_transfer *transfer)
{
    if (*http_1_entry(http, transfer) == transfer->origin)
        return NULL;
    for (struct list *node = http->transfers.next; node != &http->transfers; node = node->next) {
        struct http_transfer *other = container_of(node, struct http_transfer, node);

        if (!other->is_connected && other->turn == transfer->turn &&
            other->origin == transfer->origin)
            return other;
    }
    return NULL;
}

/* Runs it for the time that waiting has left. */
static int transfer_run(struct http *http, struct http_transfer *transfer)
{
    long ms = TRANSFER_TIMEOUT_MS - (long)((clock_boot_usec() - transfer->begun_usec) / 1000);
    CURL *easy = transfer->easy;

    return SET(CURLOPT_TIMEOUT_MS, ms > 0 ? ms : 1L) &&
                   curl_multi_add_handle(http->sockets.handles[transfer->turn].multi, easy) ==
                       CURLM_OK
               ? 0
               : -ENOMEM;
}

static int transfer_begin(struct http *http, struct http_transfer **transfer)
{
    struct http_transfer *begun = *transfer;

    begun->turn = turn_of(http);
    begun->begun_usec = clock_boot_usec();
    begun->opener = find_opener(http, begun);
    if (begun->opener)
        begun->opener->is_awaited = true;
    else if (transfer_run(http, begun) < 0)
        return -ENOMEM;
    http->n_transfers[begun->turn]++;
    list_append(begun->opener ? &http->waiting : &http->transfers, &TAKE_PTR(*transfer)->node);
    return 0;
}

int http_start(struct http *http, struct http_request *request, http_callback on_done, void *data)
{
    CLEANUP(transfer_freep)
    struct http_transfer *transfer = calloc(1, sizeof(*transfer));
    int r;

    snprintf(http->error, sizeof(http->error), "out of memory");
    if (!transfer) {
        request->body = secret_free(request->body);
        return -ENOMEM;
    }
    transfer->request_body = TAKE_PTR(request->body);
    transfer->on_done = on_done;
    transfer->data = data;
    transfer->is_long = request->is_long;
    transfer->easy = curl_easy_init();
    r = transfer->easy ? transfer_set_up(http, transfer, request) : -ENOMEM;
    return r == 0 ? transfer_begin(http, &transfer) : r;
}

enum outcome http_outcome(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return OUTCOME_UNTRUSTED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9; URLs of other protocols are not configured */
    case CURLE_BAD_CONTENT_ENCODING:
        return OUTCOME_MALFORMED;
    default:
        return OUTCOME_UNAVAILABLE;
    }
}

void http_cut_time(char *text)
{
    static const char *const units[] = {" ms", " milliseconds"};
    static const char after[] = " after ";
    char *at = text;

    while ((at = strstr(at, after))) {
        char *number = at + strlen(after), *unit = number + strspn(number, "0123456789");
        size_t len = 0;

        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && unit > number; i++)
            if (strncmp(unit, units[i], strlen(units[i])) == 0)
                len = strlen(units[i]);
        if (len)
            memmove(at, unit + len, strlen(unit + len) + 1);
        else
            at = number;
    }
}

/* libcurl takes "HTTP/200" after a 100 for an answer, which then has no status. */
static void read_end(struct http_transfer *transfer, CURLcode code)
{
    curl_off_t retry_after_s = 0;

    if (code == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
        if (!transfer->status)
            transfer->refusal = "the answer has no status";
    }
    if (transfer->status) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        if (retry_after_s > 0)
            transfer->retry_after_ms = (uint32_t)(retry_after_s > 300 ? 300 : retry_after_s) * 1000;
        return;
    }
    transfer->outcome = transfer->refusal ? OUTCOME_MALFORMED : http_outcome(code);
    if (code == CURLE_SSL_CACERT_BADFILE && transfer->has_ca_file)
        transfer->refusal = "the CA file has no valid certificate";
    if (transfer->is_refused)
        transfer->refusal = "the server did not accept the request";
    http_cut_time(transfer->error);
    if (transfer->refusal)
        snprintf(transfer->detail, sizeof(transfer->detail), "%s", transfer->refusal);
    else
        proxy_describe(code, transfer->error, transfer->detail, sizeof(transfer->detail));
}

static void note_version(struct http *http, const struct http_transfer *transfer)
{
    long version = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
    *http_1_entry(http, transfer) = version < CURL_HTTP_VERSION_2_0 ? transfer->origin : 0;
}

static struct http_transfer *find_waiter(const struct http *http,
                                         const struct http_transfer *opener)
{
    for (struct list *node = http->waiting.next; node != &http->waiting; node = node->next) {
        struct http_transfer *waiter = container_of(node, struct http_transfer, node);

        if (waiter->opener == opener)
            return waiter;
    }
    return NULL;
}

static void transfer_end(struct http *http, struct http_transfer *transfer, CURLcode code)
{
    struct http_transfer *waiter;

    curl_multi_remove_handle(http->sockets.handles[transfer->turn].multi, transfer->easy);
    http->n_transfers[transfer->turn]--;
    list_remove(&transfer->node);
    while ((waiter = find_waiter(http, transfer)))
        waiter->opener = NULL;
    read_end(transfer, code);
    if (transfer->status)
        note_version(http, transfer);
    else
        http->has_failed = true;
    transfer->on_done(transfer);
    transfer_free(transfer);
}

/*
 * Runs all whose connection is there, or could not be opened: those then try by themselves. Returns
 * whether there were any.
 */
static bool run_waiting(struct http *http)
{
    bool has_run = false;
    struct list *next;

    for (struct list *node = http->waiting.next; node != &http->waiting; node = next) {
        struct http_transfer *waiter = container_of(node, struct http_transfer, node);

        next = node->next;
        if (waiter->opener && !waiter->opener->is_connected)
            continue;
        has_run = true;
        waiter->opener = NULL;
        list_remove(node);
        list_append(&http->transfers, node);
        if (transfer_run(http, waiter) < 0)
            transfer_end(http, waiter, CURLE_OUT_OF_MEMORY);
    }
    return has_run;
}

/* Lets those end that had to keep their connection open (on_body()), when the others have it. */
static void resume_openers(struct http *http)
{
    sockets_turn(&http->sockets);
    for (struct list *node = http->transfers.next; node != &http->transfers; node = node->next) {
        struct http_transfer *transfer = container_of(node, struct http_transfer, node);

        if (!transfer->is_awaited || !transfer->is_connected)
            continue;
        transfer->is_awaited = false;
        curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    }
}

/* Returns whether the transfer opens a connection, without the look-up of the name. */
static bool is_connecting(const struct http_transfer *transfer)
{
    curl_off_t looked_up = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
    return looked_up > 0 && !transfer->is_connected;
}

/* Returns whether it has been seen connecting for too long. */
static bool is_slow(struct http_transfer *transfer, uint64_t now_usec)
{
    if (!is_connecting(transfer))
        transfer->connecting_since_usec = 0;
    else if (!transfer->connecting_since_usec)
        transfer->connecting_since_usec = now_usec;
    return transfer->connecting_since_usec &&
           now_usec - transfer->connecting_since_usec >= CONNECT_TIMEOUT_MS * 1000;
}

static void end_unconnected(struct http *http, struct http_transfer *transfer)
{
    snprintf(transfer->error, sizeof(transfer->error), "no connection within %d ms",
             CONNECT_TIMEOUT_MS);
    transfer_end(http, transfer, CURLE_OPERATION_TIMEDOUT);
}

/* Those that wait for its connection fail with it. */
static void end_slow_connect(struct http *http, struct http_transfer *transfer)
{
    struct http_transfer *waiter;

    while ((waiter = find_waiter(http, transfer)))
        end_unconnected(http, waiter);
    end_unconnected(http, transfer);
}

/* Returns a transfer that has taken too long to connect; NULL: none. */
static struct http_transfer *find_slow_connect(const struct http *http, uint64_t now_usec)
{
    for (struct list *node = http->transfers.next; node != &http->transfers; node = node->next) {
        struct http_transfer *transfer = container_of(node, struct http_transfer, node);

        if (is_slow(transfer, now_usec))
            return transfer;
    }
    return NULL;
}

/* Connecting has a time of its own, because a server that is down must be noticed early. */
static void end_slow_connects(struct http *http)
{
    struct http_transfer *transfer;
    uint64_t now_usec = clock_boot_usec();

    if (now_usec - http->checked_usec < CONNECT_CHECK_MS * 1000)
        return;
    http->checked_usec = now_usec;
    while ((transfer = find_slow_connect(http, now_usec)))
        end_slow_connect(http, transfer);
}

int http_wait(struct http *http, int fd)
{
    return sockets_wait(&http->sockets, fd,
                        find_waiter(http, NULL)           ? 0
                        : list_is_empty(&http->transfers) ? IDLE_MS
                                                          : CONNECT_CHECK_MS);
}

static void end_transfers(struct http *http, CURLM *multi)
{
    CURLMsg *message;
    int n_left;

    while ((message = curl_multi_info_read(multi, &n_left))) {
        struct http_transfer *transfer = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer_end(http, transfer, code);
    }
}

void http_turn(struct http *http)
{
    sockets_turn(&http->sockets);
    while (run_waiting(http))
        resume_openers(http);
    for (size_t i = 0; i < SOCKETS_HANDLES; i++)
        end_transfers(http, http->sockets.handles[i].multi);
    end_slow_connects(http);
}

void http_done(struct http *http)
{
    struct list *node;

    list_move(&http->transfers, &http->waiting);
    while ((node = list_take(&http->transfers)))
        transfer_end(http, container_of(node, struct http_transfer, node),
                     CURLE_ABORTED_BY_CALLBACK);
    sockets_done(&http->sockets);
    curl_global_cleanup();
}
