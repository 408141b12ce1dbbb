/*
 * podloginctl verify: one token, by the very checks of the daemon, against a key-set file. The
 * configuration that the daemon would have read is made from the options.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admission/admission.h"
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

static void print_help(void)
{
    printf("podloginctl verify --jwks FILE [OPTIONS] < TOKEN\n\n"
           "Verifies a service-account token offline, as podlogind does, and prints its claims.\n\n"
           "  --jwks FILE         the issuer's key set (RFC 7517)\n"
           "  --issuer URL        that the token has to be of; else any\n"
           "  --audience A        that it has to be for, alone; else any\n"
           "  --algorithms LIST   that may sign, with commas between (RS256)\n"
           "  --at TIME           as if it were that time: seconds since 1970, or\n"
           "                      2026-08-21T11:00:00Z\n"
           "  --signature-only    form and signature only; the claims may be anything\n");
}

static int read_time(const char *text, int64_t *ret_time)
{
    struct tm tm = {0};
    char *end;

    errno = 0;
    *ret_time = strtoll(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno)
        return 0;
    end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end)
        return -EINVAL;
    *ret_time = timegm(&tm);
    return 0;
}

/* 1: go on; else the exit code, negated */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option table[] = {
        {"jwks", required_argument, NULL, 'j'},     {"issuer", required_argument, NULL, 'i'},
        {"audience", required_argument, NULL, 'a'}, {"algorithms", required_argument, NULL, 'l'},
        {"at", required_argument, NULL, 't'},       {"signature-only", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},           {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case 'j':
            options->jwks = optarg;
            break;
        case 'i':
            options->issuer = optarg;
            break;
        case 'a':
            options->audience = optarg;
            break;
        case 'l':
            if (algorithms_parse(optarg, ", ", &options->algorithms) < 0)
                return -ctl_fail(EXIT_CODE_USAGE, NAME, "--algorithms %s: RS256 and the like",
                                 optarg);
            break;
        case 't':
            if (read_time(optarg, &options->now.wall_s) < 0)
                return -ctl_fail(EXIT_CODE_USAGE, NAME,
                                 "--at %s: seconds since 1970, or 2026-08-21T11:00:00Z", optarg);
            break;
        case 's':
            options->only_signature = true;
            break;
        case 'h':
            print_help();
            return -EXIT_CODE_OK;
        default:
            return -EXIT_CODE_USAGE;
        }
    }
    if (optind < argc) /* which is not shown: it may be the token */
        return -ctl_fail(EXIT_CODE_USAGE, NAME,
                         "no argument is taken: the token comes on standard input");
    if (!options->jwks)
        return -ctl_fail(EXIT_CODE_USAGE, NAME, "--jwks FILE is missing");
    return 1;
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

static void jws_donep(struct jws *jws)
{
    jws_done(jws);
}

static int verify_signature(const struct options *options, const struct jwks *jwks,
                            const struct secret *token)
{
    CLEANUP(jws_donep)
    struct jws jws;
    const struct jwk *key;
    struct refusal refusal;
    enum podlogin_status status = jws_parse((char *)token->bytes, token->len, &jws, &refusal);

    if (status != PODLOGIN_OK)
        return refuse(&refusal);
    if (!(options->algorithms & 1u << jws.algorithm))
        return refuse_with(PODLOGIN_TOKEN_BAD_ALGORITHM);
    key = jwks_find(jwks, jws.kid);
    if (!key)
        return refuse_with(PODLOGIN_TOKEN_UNKNOWN_KEY);
    status = jws_verify(&jws, (char *)token->bytes, key);
    return status == PODLOGIN_OK ? print_claims(jws.payload) : refuse_with(status);
}

static int verify(const struct options *options, struct identities *identities,
                  struct config *config, const struct secret *token)
{
    struct issuer_config *issuer = &config->issuers[0];
    struct admission admission = {
        .identities = identities,
        .service = options->audience ? config->services : NULL,
        .now = options->now,
    };
    CLEANUP(identity_unrefp)
    struct identity *identity = NULL;
    struct refusal refusal;

    if (identities_find(identities, token->bytes, token->len, &identity, &refusal) != PODLOGIN_OK)
        return refuse(&refusal);
    issuer->url = (char *)(options->issuer ? options->issuer : identity->claims.issuer);
    admission.identity = identity;
    for (enum admission_check check = CHECK_ISSUER; check <= CHECK_TIME; check++)
        if (admission_check(&admission, check, &refusal) != ADMISSION_GRANTED)
            return refuse(&refusal);
    return print_claims(identity->payload);
}

int ctl_verify(int argc, char **argv)
{
    struct options options = {.algorithms = 1u << ALGORITHM_RS256, .now = clock_now()};
    struct loop loop = {.epoll_fd = -1};
    struct identities identities = {0};
    struct config config = {.n_refs = 1, .n_issuers = 1, .n_services = 1}; /* is never released */
    struct issuer_config issuer = {.config = &config, .name = (char *)"jwks", .url = (char *)""};
    struct service service = {.config = &config, .name = (char *)NAME, .issuer = &issuer};
    CLEANUP(secret_freep)
    struct secret *token = NULL;
    int r = read_options(argc, argv, &options);

    if (r <= 0)
        return -r;
    r = ctl_harden(NAME);
    if (r != EXIT_CODE_OK)
        return r;
    token = ctl_token(NAME, NULL);
    if (!token)
        return EXIT_CODE_CONFIG;
    config.issuers = &issuer;
    config.services = &service;
    issuer.keys_file = (char *)options.jwks;
    issuer.algorithms = options.algorithms;
    service.audience = (char *)options.audience;
    if (identities_init(&identities, &config, &loop, NULL) < 0) {
        r = EXIT_CODE_CONFIG; /* which the issuer has logged */
    } else {
        r = options.only_signature ? verify_signature(&options, &identities.issuers[0]->jwks, token)
                                   : verify(&options, &identities, &config, token);
    }
    identities_done(&identities);
    return r;
}
