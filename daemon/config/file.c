#include "config/file.h"

#include <string.h>

#include "base/url.h"
#include "config/check.h"
#include "config/reader.h"

enum daemon_setting {
    DAEMON_SOCKET,
    DAEMON_ADMIN_SOCKET,
    DAEMON_CACHE,
    DAEMON_CACHE_KEY,
    DAEMON_CACHE_KEY_BESIDE_CACHE,
    DAEMON_CACHE_ROWS,
    DAEMON_PEER_ATTESTATION,
    DAEMON_NODE_TOKEN_FILE,
    DAEMON_NODE_UID,
    DAEMON_METRICS_LISTEN,
    DAEMON_LOG_LEVEL,
};

static const struct setting daemon_settings[] = {
    [DAEMON_SOCKET] = {"Socket", parse_socket, offsetof(struct config, socket)},
    [DAEMON_ADMIN_SOCKET] = {"AdminSocket", parse_socket, offsetof(struct config, admin_socket)},
    [DAEMON_CACHE] = {"Cache", parse_path, offsetof(struct config, cache)},
    [DAEMON_CACHE_KEY] = {"CacheKey", parse_cache_key, offsetof(struct config, cache_key)},
    [DAEMON_CACHE_KEY_BESIDE_CACHE] = {"CacheKeyBesideCache", parse_yes_or_no,
                                       offsetof(struct config, is_key_beside_allowed)},
    [DAEMON_CACHE_ROWS] = {"CacheRows", parse_cache_rows, offsetof(struct config, cache_rows)},
    [DAEMON_PEER_ATTESTATION] = {"PeerAttestation", parse_attestation,
                                 offsetof(struct config, attestation)},
    [DAEMON_NODE_TOKEN_FILE] = {"NodeTokenFile", parse_path,
                                offsetof(struct config, node_token_file)},
    [DAEMON_NODE_UID] = {"NodeUID", parse_uid, offsetof(struct config, node_uid)},
    [DAEMON_METRICS_LISTEN] = {"MetricsListen", parse_listen,
                               offsetof(struct config, metrics_listen)},
    [DAEMON_LOG_LEVEL] = {"LogLevel", parse_log_level, offsetof(struct config, log_level)},
    {0},
};

static const struct setting limit_settings[] = {
    {"Connections", parse_burst, offsetof(struct limits, connections)},
    {"ConnectionsPerPod", parse_limit, offsetof(struct limits, connections_per_pod)},
    {"RequestsPerPod", parse_limit, offsetof(struct limits, requests.per_s)},
    {"RequestsPerPodBurst", parse_burst, offsetof(struct limits, requests.burst)},
    {"SignatureChecksPerPod", parse_limit, offsetof(struct limits, signature_checks.per_s)},
    {"SignatureChecksPerPodBurst", parse_burst, offsetof(struct limits, signature_checks.burst)},
    {"MissesPerPod", parse_limit, offsetof(struct limits, misses)},
    {"FrameTimeout", parse_timeout, offsetof(struct limits, frame_timeout_s)},
    {"IdleTimeout", parse_timeout, offsetof(struct limits, idle_timeout_s)},
    {0},
};

static int on_daemon_line(void *data, const struct ini_line *line)
{
    struct reader *reader = data;
    struct config *config = reader->target;
    bool is_limits = strcmp(line->section, "Limits") == 0;

    if ((!is_limits && strcmp(line->section, "Daemon") != 0) || line->name)
        return reader_unknown_section(reader, line, "[Daemon] or [Limits]");
    if (!line->key)
        return reader_begin_section(reader, is_limits, line);
    if (is_limits)
        reader_set(reader, limit_settings, &config->limits, reader->others, line);
    else
        reader_set(reader, daemon_settings, config, reader->settings, line);
    return 0;
}

int daemon_file_read(const char *path, struct config *config, struct findings *findings)
{
    struct reader reader = {.config = config, .findings = findings, .target = config};
    const struct ini_handler handler = {.on_line = on_daemon_line, .data = &reader};
    int r;

    findings_begin(findings, path);
    r = ini_read_file(path, &handler, findings);
    if (r < 0)
        return r;
    if (config->node_token_file && config->node_uid)
        reader_refuse_both(&reader, DAEMON_NODE_TOKEN_FILE, DAEMON_NODE_UID,
                           "NodeTokenFile= and NodeUID=");
    check_owner(config, findings, 0, path);
    check_file(config, findings, reader.settings[DAEMON_NODE_TOKEN_FILE].line, "NodeTokenFile",
               config->node_token_file, FILE_TOKEN);
    check_socket(config, findings, reader_line(&reader, DAEMON_SOCKET, 1));
    check_admin_socket(config, findings, reader_line(&reader, DAEMON_ADMIN_SOCKET, 1));
    return 0;
}

enum issuer_setting {
    ISSUER_URL,
    ISSUER_ALGORITHMS,
    ISSUER_KEYS_URL,
    ISSUER_KEYS_FILE,
    ISSUER_CA_FILE,
    ISSUER_TOKEN_REVIEW,
    ISSUER_API_SERVER,
    ISSUER_API_CA_FILE,
    ISSUER_API_TOKEN_FILE,
};

static const struct setting issuer_settings[] = {
    [ISSUER_URL] = {"URL", parse_url, offsetof(struct issuer_config, url)},
    [ISSUER_ALGORITHMS] = {"Algorithms", parse_algorithms,
                           offsetof(struct issuer_config, algorithms)},
    [ISSUER_KEYS_URL] = {"KeysURL", parse_complete_url, offsetof(struct issuer_config, keys_url)},
    [ISSUER_KEYS_FILE] = {"KeysFile", parse_path, offsetof(struct issuer_config, keys_file)},
    [ISSUER_CA_FILE] = {"CAFile", parse_path, offsetof(struct issuer_config, ca_file)},
    [ISSUER_TOKEN_REVIEW] = {"TokenReview", parse_review, offsetof(struct issuer_config, review)},
    [ISSUER_API_SERVER] = {"APIServer", parse_url,
                           offsetof(struct issuer_config, review.api_server)},
    [ISSUER_API_CA_FILE] = {"APIServerCAFile", parse_path,
                            offsetof(struct issuer_config, review.ca_file)},
    [ISSUER_API_TOKEN_FILE] = {"APIServerTokenFile", parse_path,
                               offsetof(struct issuer_config, review.token_file)},
    {0},
};

static int on_issuer_line(void *data, const struct ini_line *line)
{
    struct reader *reader = data;

    if (strcmp(line->section, "Issuer") != 0 || line->name)
        return reader_unknown_section(reader, line, "[Issuer]");
    if (!line->key)
        return reader_begin_section(reader, 0, line);
    reader_set(reader, issuer_settings, reader->target, reader->settings, line);
    return 0;
}

static void check_url(struct reader *reader, const struct issuer_config *issuer)
{
    const struct config *config = reader->config;

    reader_require(reader, ISSUER_URL, issuer->url,
                   "URL= is missing; set it to the issuer's URL, as in \"iss\"");
    for (size_t i = 0; issuer->url && i + 1 < config->n_issuers; i++)
        if (config->issuers[i].url && strcmp(config->issuers[i].url, issuer->url) == 0)
            findings_error(reader->findings, reader->settings[ISSUER_URL].line,
                           "URL=%.200s is already used by issuers.d/%.64s.conf", issuer->url,
                           config->issuers[i].name);
}

/* The configured URL decides, so that no other server chooses what the API server is asked. */
static bool is_at_api_server(const struct issuer_config *issuer)
{
    const char *url = issuer->keys_url ? issuer->keys_url : issuer->url;
    const char *api_server = issuer->review.api_server;

    return url && !issuer->keys_file &&
           url_is_same_origin(url, api_server ? api_server : API_SERVER_URL);
}

static void check_review(struct reader *reader, const struct issuer_config *issuer)
{
    const struct review_config *review = &issuer->review;
    int line = reader_line(reader, ISSUER_TOKEN_REVIEW, reader->settings[ISSUER_URL].line);

    if (review->mode == REVIEW_OFF && !issuer->is_at_api_server)
        return;
    if (review->mode == REVIEW_INTERVAL && review->interval_s < REVIEW_INTERVAL_USEFUL_S)
        findings_warning(
            reader->findings, line,
            "TokenReview=interval: below %ds asks more often, but sees a deleted pod no "
            "sooner: the API server remembers a valid token for that long",
            REVIEW_INTERVAL_USEFUL_S);
    check_file(reader->config, reader->findings, reader_line(reader, ISSUER_API_CA_FILE, line),
               "APIServerCAFile", review->ca_file ? review->ca_file : API_SERVER_CA_FILE, FILE_CA);
    check_file(reader->config, reader->findings, reader_line(reader, ISSUER_API_TOKEN_FILE, line),
               "APIServerTokenFile",
               review->token_file ? review->token_file : API_SERVER_TOKEN_FILE, FILE_TOKEN);
}

int issuer_file_read(const char *path, struct issuer_config *issuer, struct findings *findings)
{
    struct reader reader = {.config = issuer->config, .findings = findings, .target = issuer};
    const struct ini_handler handler = {.on_line = on_issuer_line, .data = &reader};
    int r = ini_read_file(path, &handler, findings);

    if (r < 0)
        return r;
    check_owner(reader.config, findings, 0, path);
    check_url(&reader, issuer);
    if (issuer->keys_url && issuer->keys_file)
        reader_refuse_both(&reader, ISSUER_KEYS_URL, ISSUER_KEYS_FILE, "KeysURL= and KeysFile=");
    check_file(reader.config, findings, reader.settings[ISSUER_KEYS_FILE].line, "KeysFile",
               issuer->keys_file, FILE_KEYS);
    check_file(reader.config, findings, reader.settings[ISSUER_CA_FILE].line, "CAFile",
               issuer->ca_file, FILE_CA);
    issuer->is_at_api_server = is_at_api_server(issuer);
    check_review(&reader, issuer);
    return 0;
}
