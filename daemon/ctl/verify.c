/*
 * podloginctl verify: checks one token with the daemon's code, against a file with a key set. It
 * builds the configuration that the daemon would have read from the options.
 */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/payload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admission/admission.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "jose/algorithm.h"
#include "protocol/messages.h"

#define NAME "verify"

struct options {
    const char *jwks;
    const char *issuer;   /* NULL: the token's own */
    const char *audience; /* NULL: any */
    unsigned algorithms;
    struct now now;
    bool only_signature;
};

static int read_time(const char *text, int64_t *ret_time)
{
    char *end;

    errno = 0;
    *ret_time = strtoll(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno)
        return 0;
    return rfc3339_read(text, ret_time);
}

static int set_time(const char *command, const char *value, void *target)
{
    if (read_time(value, target) == 0)
        return 0;
    return ctl_fail(EXIT_CODE_USAGE, command,
                    "--at %s is not a time: use seconds since 1970, or 2026-08-21T11:00:00Z",
                    value);
}

static int set_algorithms(const char *command, const char *value, void *target)
{
    if (algorithms_parse(value, ", ", target) == 0)
        return 0;
    return ctl_fail(EXIT_CODE_USAGE, command,
                    "--algorithms %s is not a list of algorithms such as RS256,ES256", value);
}

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct ctl_usage usage = {
        .command = NAME,
        .input = "standard input",
        .summary = "podloginctl verify --jwks FILE [OPTIONS] < TOKEN\n\n"
                   "Verifies a service-account token offline, as podlogind does, and prints its\n"
                   "claims.",
    };
    const struct ctl_option table[] = {
        {"jwks", "jwks FILE         the issuer's key set (RFC 7517)", ctl_set_text, &options->jwks},
        {"issuer", "issuer URL        the required issuer; default: any", ctl_set_text,
         &options->issuer},
        {"audience", "audience A        the required and only audience; default: any", ctl_set_text,
         &options->audience},
        {"algorithms", "algorithms LIST   allowed algorithms, separated by commas (RS256)",
         set_algorithms, &options->algorithms},
        {"at",
         "at TIME           verify at this time: seconds since 1970, or\n"
         "                      2026-08-21T11:00:00Z",
         set_time, &options->now.wall_s},
        {"signature-only",
         "signature-only    check only form and signature; the payload may be anything",
         ctl_set_flag, &options->only_signature},
        {0},
    };
    int code = ctl_read_options(argc, argv, &usage, table);

    if (code == -1 && !options->jwks)
        return ctl_fail(EXIT_CODE_USAGE, NAME, "--jwks FILE is missing");
    return code;
}

static int refuse(const struct refusal *refusal)
{
    const struct status_info *info = status_info(refusal->status);
    const char *detail = refusal->detail;

    return ctl_fail(info->exit_code, NAME, "%s: %s%s%s%s", info->name, info->sentence,
                    *detail ? " (" : "", detail, *detail ? ")" : "");
}

static int refuse_with(enum podlogin_status status)
{
    struct refusal refusal;

    refusal_set_status(&refusal, status);
    return refuse(&refusal);
}

static int print_claims(const json_t *payload)
{
    bool is_put = json_dumpf(payload, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
                  putchar('\n') != EOF && fflush(stdout) == 0;

    return is_put ? EXIT_CODE_OK
                  : ctl_fail(EXIT_CODE_FAULT, NAME, "standard output: %s", strerror(errno));
}

/* Prints the payload as it is, unless it is a JSON object. */
static int print_payload(const struct secret *token)
{
    CLEANUP(secret_freep)
    struct secret *payload = payload_decode(token);
    CLEANUP(json_decrefp)
    json_t *json = NULL;

    if (!payload && errno == ENOMEM)
        return ctl_fail(EXIT_CODE_FAULT, NAME, "out of memory");
    if (!payload)
        return refuse_with(PODLOGIN_TOKEN_MALFORMED);
    json = json_read_object(payload->bytes, payload->len);
    if (json)
        return print_claims(json);
    return fwrite(payload->bytes, 1, payload->len, stdout) == payload->len
               ? EXIT_CODE_OK
               : ctl_fail(EXIT_CODE_FAULT, NAME, "standard output: %s", strerror(errno));
}

static void jws_donep(struct jws *jws)
{
    jws_done(jws);
}

static int verify_signature(const struct options *options, const struct jwks *jwks,
                            const struct secret *token)
{
    CLEANUP(jws_donep)
    struct jws jws;
    struct jwk *key;
    struct refusal refusal;
    enum podlogin_status status =
        jws_parse_opaque((char *)token->bytes, token->len, &jws, &refusal);

    if (status != PODLOGIN_OK)
        return refuse(&refusal);
    if (!(options->algorithms & 1u << jws.algorithm))
        return refuse_with(PODLOGIN_TOKEN_BAD_ALGORITHM);
    key = jwks_find(jwks, jws.kid);
    if (!key)
        return refuse_with(PODLOGIN_TOKEN_UNKNOWN_KEY);
    status = jws_verify(&jws, (char *)token->bytes, key);
    return status == PODLOGIN_OK ? print_payload(token) : refuse_with(status);
}

static int verify(const struct options *options, const struct admission *proposed,
                  struct issuer_config *issuer, const struct secret *token)
{
    struct admission admission = *proposed;
    CLEANUP(identity_unrefp)
    struct identity *identity = NULL;
    struct refusal refusal;

    if (identities_find(admission.identities, token->bytes, token->len, &identity, &refusal) !=
        PODLOGIN_OK)
        return refuse(&refusal);
    issuer->url = (char *)(options->issuer ? options->issuer : identity->claims.issuer);
    admission.identity = identity;
    for (enum admission_check check = CHECK_ISSUER; check <= CHECK_TIME; check++)
        if (admission_check(&admission, check, &refusal) != ADMISSION_GRANTED)
            return refuse(&refusal);
    return print_payload(token);
}

/* The configuration that podlogind would have read, with one issuer, whose keys are known. */
static int verify_with(const struct options *options, const struct jwks *jwks,
                       const struct secret *token)
{
    struct config config = {.n_refs = 1, .n_issuers = 1, .n_services = 1}; /* never released */
    struct issuer_config issuer_config = {.config = &config,
                                          .name = (char *)"jwks",
                                          .url = (char *)"",
                                          .algorithms = options->algorithms};
    struct service service = {.config = &config,
                              .name = (char *)NAME,
                              .issuer = &issuer_config,
                              .audience = (char *)options->audience};
    struct issuer issuer = {.config = &issuer_config, .jwks = *jwks};
    struct issuer *issuers[] = {&issuer};
    struct identities identities = {
        .config = &config, .issuers = issuers, .n_issuers = 1, .generation = 1};
    const struct admission admission = {
        .identities = &identities,
        .service = options->audience ? &service : NULL,
        .now = options->now,
    };
    int code;

    list_init(&identities.by_age);
    config.issuers = &issuer_config;
    config.services = &service;
    code = verify(options, &admission, &issuer_config, token);
    while (!list_is_empty(&identities.by_age))
        identities_forget(&identities, container_of(identities.by_age.next, struct identity, age));
    digest_map_done(&identities.verified);
    return code;
}

/* Without a usable key no signature can be verified: a refusal, and no mistake of the caller. */
static int read_jwks(const char *path, struct jwks *ret_jwks)
{
    CLEANUP(secret_freep)
    struct secret *text = ctl_read(NAME, path, JWKS_BYTES_MAX);
    const char *error;
    int r;

    if (!text)
        return EXIT_CODE_CONFIG;
    r = jwks_parse(text->bytes, text->len, ret_jwks, &error);
    if (r == 0)
        return EXIT_CODE_OK;
    return ctl_fail(r == -ENOKEY ? EXIT_CODE_REFUSED : EXIT_CODE_CONFIG, NAME, "%s: %s", path,
                    error);
}

int ctl_verify(int argc, char **argv)
{
    struct options options = {.algorithms = 1u << ALGORITHM_RS256, .now = clock_now()};
    CLEANUP(secret_freep)
    struct secret *token = NULL;
    struct jwks jwks = {0};
    int r = read_options(argc, argv, &options);

    if (r != -1)
        return r;
    process_harden();
    r = read_jwks(options.jwks, &jwks);
    if (r != EXIT_CODE_OK)
        return r;
    token = ctl_token(NAME, NULL);
    if (!token)
        r = EXIT_CODE_CONFIG;
    else
        r = options.only_signature ? verify_signature(&options, &jwks, token)
                                   : verify_with(&options, &jwks, token);
    jwks_done(&jwks);
    return r;
}
