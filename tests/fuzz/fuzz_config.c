/*
 * Any configuration: it is accepted, and then keeps the rules of podlogind.conf(5), or refused with
 * findings of one line each, which name a file of it. The request for the upstream of a service
 * that is accepted can be built.
 *
 * The input has podlogind.conf, issuers.d/a.conf and services.d/b.conf, one after another, with
 * lines "%" between them; then, if there is more, the name of a file and that file.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/url.h"
#include "config/config.h"
#include "fuzz/fuzz.h"
#include "provider/exchange.h"
#include "provider/specifiers.h"
#include "support/scratch.h"

static char directory[SCRATCH_MAX];

static void clean(void)
{
    scratch_remove(directory);
}

static char *path_of(const char *name)
{
    static char path[SCRATCH_MAX + 128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void set_up(void)
{
    scratch_make(directory, "/tmp");
    atexit(clean);
    PROMISE(mkdir(path_of("issuers.d"), 0700) == 0 && mkdir(path_of("services.d"), 0700) == 0);
}

/* Writes what is before the next line "%". */
static void write_file(const char *name, struct input *input)
{
    const uint8_t *end = input->len ? memmem(input->at, input->len, "%\n", 2) : NULL;
    struct input part = input_part(input, end ? (size_t)(end - input->at) : input->len);

    input_part(input, 2);
    scratch_write(path_of(name), part.at ? part.at : (const void *)"", part.len, 0600);
}

/* Writes a further file into issuers.d or services.d, with a name from the input. */
static char *write_other(struct input *input)
{
    const uint8_t *end = input->len ? memchr(input->at, '\n', input->len) : NULL;
    struct input part = input_part(input, end ? (size_t)(end - input->at) : input->len);
    CLEANUP(freep)
    char *text = input_text(part);
    const char *folder = text[0] == 's' ? "services.d" : "issuers.d";
    char *name = NULL;

    input_part(input, 1);
    /* logs escape what else a name can have */
    if (strlen(text) < 2 || strlen(text) > 100 || strchr(text, '/') || text[1] == '.' ||
        !is_ascii(text, strlen(text), ' '))
        return NULL;
    PROMISE(asprintf(&name, "%s/%s", folder, text + 1) > 0);
    if (strcmp(name, "issuers.d/a.conf") != 0 && strcmp(name, "services.d/b.conf") != 0)
        write_file(name, input);
    return name;
}

static void check_findings(const struct findings *findings)
{
    size_t n_errors = 0;

    PROMISE(findings->n <= FINDINGS_MAX);
    for (size_t i = 0; i < findings->n; i++) {
        const char *text = findings->list[i].text;

        n_errors += findings->list[i].is_error;
        PROMISE(memchr(text, '\0', FINDING_MAX) && is_line(text, strlen(text)));
        PROMISE(strncmp(text, directory, strlen(directory)) == 0);
        PROMISE(strlen(text) > strlen(directory) + 10);
    }
    PROMISE(n_errors <= findings->n_errors && findings->n_errors <= n_errors + findings->n_omitted);
}

static void check_daemon(const struct config *config)
{
    const struct limits *limits = &config->limits;

    PROMISE(config->socket[0] == '/' && strlen(config->socket) <= 107);
    PROMISE(config->cache[0] == '/' && config->cache_key[0]);
    PROMISE(config->cache_rows >= 1 && config->cache_rows <= CACHE_ROWS_MAX);
    PROMISE(config->attestation <= ATTESTATION_OFF);
    PROMISE(!config->node_uid || !config->node_token_file);
    PROMISE(!config->node_uid || strlen(config->node_uid) == 36);
    PROMISE(limits->connections >= 1 && limits->connections <= 1000000);
    PROMISE(limits->requests.burst >= 1 && limits->signature_checks.burst >= 1);
    PROMISE(limits->frame_timeout_s >= 1 && limits->frame_timeout_s <= 86400);
    PROMISE(limits->idle_timeout_s >= 1 && limits->idle_timeout_s <= 86400);
}

static void check_issuer(const struct issuer_config *issuer)
{
    const struct review_config *review = &issuer->review;

    PROMISE(url_is_https(issuer->url) && issuer->algorithms);
    PROMISE(!issuer->keys_url || (url_is_complete(issuer->keys_url) && !issuer->keys_file));
    PROMISE(!issuer->keys_file || issuer->keys_file[0] == '/');
    PROMISE(!issuer->ca_file || issuer->ca_file[0] == '/');
    PROMISE(url_is_https(review->api_server));
    PROMISE(review->ca_file[0] == '/' && review->token_file[0] == '/');
    if (review->mode == REVIEW_INTERVAL)
        PROMISE(review->interval_s >= 1 && review->interval_s <= 86400);
    if (issuer->is_at_api_server)
        PROMISE(url_is_same_origin(issuer->keys_url ? issuer->keys_url : issuer->url,
                                   review->api_server));
}

static void check_request(const struct service *service)
{
    const struct provider_exchange *exchange = provider_exchange_find(service->provider->name);
    const struct pod_names names = {"ci", "runner", "job-1"};
    struct provider_values values = {0};
    struct provider_request request = {0};
    struct secret *jwt = secret_new("a.b.c", 5);
    char *texts[PROVIDER_SETTINGS_MAX] = {NULL};

    for (size_t i = 0; service->provider->settings[i].name; i++) {
        PROMISE(specifiers_expand(&service->provider->settings[i], service->provider_settings[i],
                                  &names, &texts[i]) == 0);
        values.value[i] = texts[i];
    }
    values.secret = jwt;
    PROMISE(jwt && exchange && exchange->request(&values, jwt, &request) == 0);
    PROMISE(strncmp(request.url, "https://", 8) == 0 &&
            is_ascii(request.url, strlen(request.url), '!'));
    PROMISE(request.body->len > 0 && request.n_headers <= PROVIDER_HEADERS_MAX);
    for (size_t i = 0; i < request.n_headers; i++)
        PROMISE(is_ascii(request.headers[i].value, strlen(request.headers[i].value), ' '));
    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        free(texts[i]);
    provider_request_done(&request);
    secret_free(jwt);
}

static void check_files(const struct service *service)
{
    const struct provider_file *file = service->provider->files;
    size_t n = 0;

    for (; file && file[n].name; n++) {
        size_t len = strlen(file[n].name);

        PROMISE(service->files[n] && is_line(service->files[n], strlen(service->files[n])));
        PROMISE(strncmp(service->files[n], file[n].name, len) == 0 &&
                service->files[n][len] == '=');
    }
    PROMISE(!service->files[n]);
}

static void check_service(const struct service *service)
{
    PROMISE(service->provider && service->issuer && service->issuer->config == service->config);
    PROMISE(service->audience[0] && !strpbrk(service->audience, " \t\"'"));
    PROMISE(!service->ca_file || service->ca_file[0] == '/');
    PROMISE(service_is_same(service, service));
    PROMISE(strncmp(service->endpoint, "https://", 8) == 0);
    PROMISE(config_service(service->config, service->name, strlen(service->name)) == service);
    check_request(service);
    check_files(service);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const struct config *config = NULL;
    struct findings findings;
    CLEANUP(freep)
    char *other = NULL;
    int r;

    if (!directory[0])
        set_up();
    write_file("podlogind.conf", &input);
    write_file("issuers.d/a.conf", &input);
    write_file("services.d/b.conf", &input);
    other = input.len ? write_other(&input) : NULL;
    r = config_load(directory, &config, &findings);
    if (other)
        unlink(path_of(other));
    check_findings(&findings);
    PROMISE(r == (findings.n_errors ? -EINVAL : 0) && (r == 0) == (config != NULL));
    if (r < 0)
        return 0;
    check_daemon(config);
    for (size_t i = 0; i < config->n_issuers; i++)
        check_issuer(&config->issuers[i]);
    for (size_t i = 0; i < config->n_services; i++)
        check_service(&config->services[i]);
    config_unref(config);
    return 0;
}
