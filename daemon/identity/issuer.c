/* Fetching an issuer's keys, how long they are used, and the rate limit of fetches. */
#include "identity/issuer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "identity/token_file.h"

#define UNKNOWN_KID_EVERY_USEC (30 * SECOND_USEC)
#define SUSPECT_FOR_USEC       (600 * SECOND_USEC)
#define NO_KEYS_EVERY_USEC     SECOND_USEC
#define RETRY_BASE_USEC        (SECOND_USEC / 2)
#define RETRY_MAX_USEC         (30 * SECOND_USEC)
#define RETRY_DOUBLES_MAX      6 /* 0.5 s * 2^6 is more than RETRY_MAX_USEC */
#define FAILURES_AWAITED       2 /* requests wait for the tries after these, which come soon */
#define MAX_AGE_MIN_S          300
#define MAX_AGE_MAX_S          86400
#define FILE_REFRESH_S         300

static int issuer_fetch(struct issuer *issuer);

static void on_refresh(struct timer *timer)
{
    issuer_fetch(container_of(timer, struct issuer, refresh));
}

/* After 80 % to 100 % of the delay, so that nodes that started together do not refresh together. */
static void schedule(struct issuer *issuer, uint32_t delay_s)
{
    uint64_t usec = delay_s * SECOND_USEC;

    loop_timer(issuer->loop, &issuer->refresh, usec / 5 * 4 + random_below(usec / 5), on_refresh);
}

static int keys_install(struct issuer *issuer, const void *text, size_t len)
{
    const char *reason;
    struct jwks fresh;
    int r = jwks_parse(text, len, &fresh, &reason);

    if (r < 0) {
        snprintf(issuer->error, sizeof(issuer->error), "%s", reason);
        return r;
    }
    if (fresh.n_skipped &&
        (fresh.n_skipped != issuer->n_skipped || fresh.skip_reason != issuer->skip_reason))
        log_warning("issuer %s: %zu key%s of its key set cannot be used: %s", issuer->config->name,
                    fresh.n_skipped, fresh.n_skipped == 1 ? "" : "s", fresh.skip_reason);
    issuer->n_skipped = fresh.n_skipped;
    issuer->skip_reason = fresh.skip_reason;
    jwks_replace(&issuer->jwks, &fresh);
    issuer->error[0] = '\0';
    log_info("issuer %s: %zu key%s", issuer->config->name, issuer->jwks.n,
             issuer->jwks.n == 1 ? "" : "s");
    return 0;
}

static void announce_keys(const struct issuer *issuer, const void *text, size_t len)
{
    issuer->listener->on_keys(issuer->listener->data, issuer, text, len);
}

/* Without a fetch for so long, the issuer may have withdrawn the keys. */
static void on_stale(struct timer *timer)
{
    struct issuer *issuer = container_of(timer, struct issuer, staleness);
    struct jwks none = {0};

    log_error("issuer %s: could not fetch keys for 24 h; no longer using the old ones: %s",
              issuer->config->name, issuer->error);
    jwks_replace(&issuer->jwks, &none);
}

static void use_until(struct issuer *issuer, uint64_t until_usec)
{
    timer_set(&issuer->loop->timers, &issuer->staleness, until_usec, on_stale);
}

uint64_t issuer_keys_age_usec(const struct issuer *issuer, uint64_t now_usec)
{
    const uint64_t usable_usec = KEYS_USABLE_S * SECOND_USEC;

    if (!issuer->jwks.n || !timer_is_set(&issuer->staleness))
        return UINT64_MAX;
    return now_usec + usable_usec - issuer->staleness.at_usec;
}

static void use_from_now(struct issuer *issuer)
{
    use_until(issuer, clock_boot_usec() + KEYS_USABLE_S * SECOND_USEC);
}

void issuer_take_stored(struct issuer *issuer, const void *text, size_t len, uint64_t until_usec)
{
    if (issuer->jwks.n || issuer->config->keys_file || keys_install(issuer, text, len) < 0)
        return;
    use_until(issuer, until_usec);
    log_info("issuer %s: using the stored keys of an earlier run", issuer->config->name);
    announce_keys(issuer, NULL, 0);
}

/* Logs a failure once, until it changes or ends. */
static void log_failure(struct issuer *issuer)
{
    if (strcmp(issuer->error, issuer->logged) == 0)
        return;
    log_warning("issuer %s: cannot fetch keys: %s%s", issuer->config->name, issuer->error,
                issuer->jwks.n ? "; keeping the current keys" : "");
    strcpy(issuer->logged, issuer->error);
}

/* Half to all of a pause that doubles each time. The first ones are shorter than clients wait. */
static uint64_t retry_delay_usec(const struct issuer *issuer)
{
    unsigned doubles = issuer->n_failed < RETRY_DOUBLES_MAX ? issuer->n_failed : RETRY_DOUBLES_MAX;
    uint64_t most = RETRY_BASE_USEC << doubles;

    if (most > RETRY_MAX_USEC)
        most = RETRY_MAX_USEC;
    return most / 2 + random_below(most / 2);
}

static void fetch_failed(struct issuer *issuer)
{
    uint64_t delay_usec = retry_delay_usec(issuer);

    issuer->n_failed++;
    issuer->retry_usec = clock_boot_usec() + delay_usec;
    loop_timer(issuer->loop, &issuer->refresh, delay_usec, on_refresh);
    log_failure(issuer);
    if (issuer->n_failed > FAILURES_AWAITED)
        waiters_wake(&issuer->waiters, NULL);
}

static void fetch_succeeded(struct issuer *issuer, const void *text, size_t len, uint32_t max_age_s)
{
    if (issuer->logged[0])
        log_notice("issuer %s: keys can be fetched again", issuer->config->name);
    issuer->logged[0] = '\0';
    issuer->n_failed = 0;
    use_from_now(issuer);
    schedule(issuer, max_age_s);
    announce_keys(issuer, text, len);
    waiters_wake(&issuer->waiters, issuer);
}

static void on_fetched(struct job *job, const struct job_result *result)
{
    struct issuer *issuer = container_of(job, struct issuer, job);
    uint32_t max_age_s = result->max_age_s;

    if (result->outcome != OUTCOME_OK) {
        snprintf(issuer->error, sizeof(issuer->error), "%.*s", (int)result->detail.len,
                 (const char *)result->detail.at);
        fetch_failed(issuer);
    } else if (keys_install(issuer, result->keys.at, result->keys.len) < 0) {
        fetch_failed(issuer);
    } else {
        if (max_age_s < MAX_AGE_MIN_S)
            max_age_s = MAX_AGE_MIN_S;
        fetch_succeeded(issuer, result->keys.at, result->keys.len,
                        max_age_s > MAX_AGE_MAX_S ? MAX_AGE_MAX_S : max_age_s);
    }
}

static int file_load(struct issuer *issuer)
{
    CLEANUP(secret_freep)
    struct secret *text = NULL;
    int r = file_read_secret(issuer->config->keys_file, JWKS_BYTES_MAX, &text);

    if (r < 0)
        snprintf(issuer->error, sizeof(issuer->error), "%s: %s", issuer->config->keys_file,
                 file_strerror(r));
    if (r == 0)
        r = keys_install(issuer, text->bytes, text->len);
    if (r < 0)
        fetch_failed(issuer);
    else
        fetch_succeeded(issuer, NULL, 0, FILE_REFRESH_S);
    return r;
}

/* Returns 0, also if there is no token: the API server may show its keys to everybody; or -errno.
 */
static int add_own_token(struct issuer *issuer, struct job_keys *keys, struct secret **ret_token)
{
    const struct review_config *review = &issuer->config->review;
    int r;

    if (!issuer->config->is_at_api_server)
        return 0;
    r = token_file_read(review->token_file, ret_token);
    if (r == -ENOENT)
        return 0;
    if (r < 0) {
        snprintf(issuer->error, sizeof(issuer->error), "cannot read APIServerTokenFile=%.200s: %s",
                 review->token_file, file_strerror(r));
        return r;
    }
    keys->api_server = wire_string(review->api_server);
    keys->api_ca_file = wire_string(review->ca_file);
    keys->own_token = wire_bytes((*ret_token)->bytes, (*ret_token)->len);
    return 0;
}

/*
 * Returns 0: a fetch is under way, or begins after a pause; 1: the key file was read; or -errno.
 */
static int issuer_fetch(struct issuer *issuer)
{
    const struct issuer_config *config = issuer->config;
    CLEANUP(secret_freep)
    struct secret *own_token = NULL;
    struct job_keys keys = {
        .issuer = wire_string(config->url),
        .keys_url = wire_string(config->keys_url),
        .ca_file = wire_string(config->ca_file),
    };
    int r;

    if (issuer->job.state != JOB_IDLE)
        return 0;
    if (config->keys_file) {
        r = file_load(issuer);
        return r < 0 ? r : 1;
    }
    if (add_own_token(issuer, &keys, &own_token) < 0) {
        fetch_failed(issuer); /* the file may be mended */
        return 0;
    }
    r = exchanger_client_submit(issuer->exchanger, &issuer->job, &job_keys, &keys, on_fetched);
    if (r < 0) {
        snprintf(issuer->error, sizeof(issuer->error), "%s", strerror(-r));
        fetch_failed(issuer);
    }
    return r;
}

int issuer_new(const struct issuer_config *config, struct loop *loop,
               struct exchanger_client *exchanger, const struct issuer_listener *listener,
               struct issuer **ret_issuer)
{
    CLEANUP(issuer_freep)
    struct issuer *issuer = calloc(1, sizeof(*issuer));
    int r;

    if (!issuer)
        return -ENOMEM;
    issuer->config = issuer_config_ref(config);
    issuer->loop = loop;
    issuer->exchanger = exchanger;
    issuer->listener = listener;
    list_init(&issuer->waiters);
    issuer->attempt_usec = clock_boot_usec();
    r = issuer_fetch(issuer);
    if (r < 0)
        return r;
    *ret_issuer = TAKE_PTR(issuer);
    return 0;
}

void issuer_reload(struct issuer *issuer, const struct issuer_config *config)
{
    bool is_fresh = issuer->config == config;

    issuer_config_ref(config);
    issuer_config_unref(issuer->config);
    issuer->config = config;
    if (config->keys_file && !is_fresh)
        issuer_fetch(issuer);
}

struct issuer *issuer_free(struct issuer *issuer)
{
    struct jwks none = {0};

    if (!issuer)
        return NULL;
    if (issuer->job.state != JOB_IDLE)
        job_cancel(&issuer->job);
    timer_unset(&issuer->refresh);
    timer_unset(&issuer->staleness);
    jwks_replace(&issuer->jwks, &none);
    if (issuer->waiters.next)
        waiters_wake(&issuer->waiters, NULL);
    issuer_config_unref(issuer->config);
    free(issuer);
    return NULL;
}

/* Only while fetches succeed; after a failure, the next one begins at retry_usec. */
static bool may_fetch(struct issuer *issuer, uint64_t *caused_usec)
{
    uint64_t now = clock_boot_usec();
    uint64_t *slot = &issuer->unknown_kid_usec, every = UNKNOWN_KID_EVERY_USEC;

    if (!issuer->jwks.n) {
        slot = &issuer->attempt_usec;
        every = NO_KEYS_EVERY_USEC;
    } else if (*slot && now - *slot < every &&
               (!*caused_usec || now - *caused_usec >= SUSPECT_FOR_USEC)) {
        slot = &issuer->reserved_usec;
    }
    if (*slot && now - *slot < every)
        return false;
    *slot = now;
    if (issuer->jwks.n)
        *caused_usec = now;
    return true;
}

enum key_fetch issuer_wait_for_keys(struct issuer *issuer, struct waiter *waiter,
                                    uint64_t *caused_usec)
{
    bool is_idle = issuer->job.state == JOB_IDLE;

    if (is_idle && !issuer->n_failed) {
        if (!may_fetch(issuer, caused_usec))
            return KEYS_TOO_SOON;
        if (issuer_fetch(issuer) > 0)
            return KEYS_READ;
    } else if (is_idle && issuer->n_failed > FAILURES_AWAITED) {
        return KEYS_TOO_SOON;
    }
    waiter_wait(waiter, &issuer->waiters);
    return KEYS_UNDER_WAY;
}

enum podlogin_status issuer_refuse(const struct issuer *issuer, struct refusal *ret_refusal)
{
    uint64_t now_usec = clock_boot_usec();
    uint64_t usec = UNKNOWN_KID_EVERY_USEC;

    if (issuer->n_failed)
        usec = issuer->retry_usec > now_usec ? issuer->retry_usec - now_usec : SECOND_USEC;
    refusal_set(ret_refusal, PODLOGIN_ISSUER_UNAVAILABLE, "%s",
                issuer->n_failed ? issuer->error
                : issuer->jwks.n ? "the token's key is unknown, and newer keys were requested less "
                                   "than 30 s ago"
                                 : "");
    ret_refusal->retry_after_ms = (uint32_t)(usec / 1000);
    return PODLOGIN_ISSUER_UNAVAILABLE;
}
