/* The configuration directory: each setting, and each error with its file, line and remedy. */
#include <syslog.h>

#include "config/config.h"
#include "jose/algorithm.h"
#include "protocol/messages.h"
#include "support/scratch.h"

#define ISSUER "[Issuer]\nURL=https://issuer.example.com\n"
#define SERVICE                                                                                    \
    "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=urn:pulumi:org:acme\n"                       \
    "[Pulumi]\nOrganization=acme\n"
#define ALLOW "[Allow \"all\"]\nsub=*\n"

static char directory[SCRATCH_MAX];

static void put(const char *name, const char *text)
{
    char path[SCRATCH_MAX + 128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    scratch_write(path, text, strlen(text), 0600);
}

static void make_directory(const char *name)
{
    char path[SCRATCH_MAX + 128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* Creates a valid directory; each test breaks something in it. */
static int make(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    make_directory("issuers.d");
    make_directory("services.d");
    put("podlogind.conf", "[Daemon]\n");
    put("issuers.d/eks.conf", ISSUER);
    put("services.d/pulumi.conf", SERVICE ALLOW);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static const struct config *load(void)
{
    char error[INI_ERROR_MAX];
    const struct config *config = NULL;

    if (config_load(directory, &config, error) != 0)
        fail_msg("%s", error);
    return config;
}

/* Returns the error without the path of the directory, which it must begin with. */
static const char *load_error(char error[INI_ERROR_MAX], int *ret_result)
{
    const struct config *config = NULL;

    error[0] = '\0';
    *ret_result = config_load(directory, &config, error);
    if (*ret_result == 0) {
        config_unref(config);
        return "accepted";
    }
    assert_null(config);
    assert_memory_equal(error, directory, strlen(directory));
    return error + strlen(directory) + 1;
}

static void defaults_are_those_of_the_manual(void **state)
{
    const struct config *config;

    (void)state;
    put("podlogind.conf", "");
    config = load();
    assert_string_equal(config->socket, "/run/podlogin/podlogin.sock");
    assert_string_equal(config->cache, "/var/lib/podlogin/cache.db");
    assert_string_equal(config->cache_key, "runtime");
    assert_int_equal(config->log_level, LOG_INFO);
    assert_int_equal(config->n_issuers, 1);
    assert_string_equal(config->issuers[0].name, "eks");
    assert_int_equal(config->issuers[0].algorithms, 1u << ALGORITHM_RS256);
    assert_null(config->issuers[0].keys_url);
    assert_null(config->issuers[0].keys_file);
    assert_null(config->issuers[0].ca_file);
    assert_int_equal(config->n_services, 1);
    assert_string_equal(config->services[0].name, "pulumi");
    assert_int_equal(config->attestation, ATTESTATION_ENFORCE);
    assert_int_equal(config->limits.connections, 8192);
    assert_int_equal(config->limits.connections_per_pod, 64);
    assert_int_equal(config->limits.requests.per_s, 50);
    assert_int_equal(config->limits.requests.burst, 100);
    assert_int_equal(config->limits.signature_checks.per_s, 20);
    assert_int_equal(config->limits.signature_checks.burst, 50);
    assert_int_equal(config->limits.misses, 4);
    assert_int_equal(config->issuers[0].review.mode, REVIEW_OFF);
    assert_int_equal(config->services[0].share, SHARE_SERVICEACCOUNT);
    config_unref(config);
    assert_null(config_unref(NULL));
}

static void every_key_is_read(void **state)
{
    const struct config *config;
    struct provider_values values;

    (void)state;
    put("podlogind.conf", "# all of them\n[Daemon]\nSocket=/s # the socket\nCache=/c\n"
                          "CacheKey=file:/k\nCacheRows=5\nCacheKeyBesideCache=yes\n"
                          "PeerAttestation=audit\nNodeTokenFile=/n\nLogLevel=debug\n"
                          "[Limits]\nConnections=1\nConnectionsPerPod=2\nRequestsPerPod=3\n"
                          "RequestsPerPodBurst=4\nSignatureChecksPerPod=0\n"
                          "SignatureChecksPerPodBurst=6\nMissesPerPod=7\nFrameTimeout=8s\n"
                          "IdleTimeout=9min\n");
    put("issuers.d/eks.conf", "[Issuer]\nURL=https://a\nAlgorithms=RS256  ES512 PS384\n"
                              "KeysURL=https://a/keys\nCAFile=/ca\nTokenReview=interval:5min\n"
                              "APIServer=https://k\nAPIServerCAFile=/kc\nAPIServerTokenFile=/kt\n");
    put("issuers.d/other.conf", "[Issuer]\nURL=https://b\nKeysFile=/keys.json\nKeysURL=\n");
    put("services.d/pulumi.conf",
        "[Service]\nProvider=pulumi\nIssuer=other\nAudience=aud\nShare=pod\nCAFile=/x\n"
        "[Pulumi]\nOrganization=acme\nTokenType=team\nTeam=ops\nExpiration=90min\n"
        "APIURL=https://api\nUser=\nRunner=\nScope=\n"
        "[Allow \"a\"]\nsub=x#y\n\"kubernetes.io\".namespace=ci\n[Deny "
        "\"d\"]\nsub=z\n[Allow]\nsub=w\n");
    config = load();
    assert_string_equal(config->socket, "/s");
    assert_string_equal(config->cache, "/c");
    assert_string_equal(config->cache_key, "file:/k");
    assert_int_equal(config->cache_rows, 5);
    assert_true(config->is_key_beside_allowed);
    assert_int_equal(config->log_level, LOG_DEBUG);
    assert_int_equal(config->attestation, ATTESTATION_AUDIT);
    assert_string_equal(config->node_token_file, "/n");
    assert_int_equal(config->limits.connections, 1);
    assert_int_equal(config->limits.connections_per_pod, 2);
    assert_int_equal(config->limits.requests.per_s, 3);
    assert_int_equal(config->limits.requests.burst, 4);
    assert_int_equal(config->limits.signature_checks.per_s, 0);
    assert_int_equal(config->limits.signature_checks.burst, 6);
    assert_int_equal(config->limits.misses, 7);
    assert_int_equal(config->limits.frame_timeout_s, 8);
    assert_int_equal(config->limits.idle_timeout_s, 540);
    assert_int_equal(config->issuers[0].review.mode, REVIEW_INTERVAL);
    assert_int_equal(config->issuers[0].review.interval_s, 300);
    assert_string_equal(config->issuers[0].review.api_server, "https://k");
    assert_string_equal(config->issuers[0].review.ca_file, "/kc");
    assert_string_equal(config->issuers[0].review.token_file, "/kt");
    assert_int_equal(config->n_issuers, 2);
    assert_string_equal(config->issuers[0].url, "https://a");
    assert_int_equal(config->issuers[0].algorithms,
                     1u << ALGORITHM_RS256 | 1u << ALGORITHM_ES512 | 1u << ALGORITHM_PS384);
    assert_string_equal(config->issuers[0].keys_url, "https://a/keys");
    assert_string_equal(config->issuers[0].ca_file, "/ca");
    assert_string_equal(config->issuers[1].keys_file, "/keys.json");
    assert_string_equal(config->services[0].issuer_name, "other");
    assert_ptr_equal(config->services[0].issuer, &config->issuers[1]);
    assert_string_equal(config->services[0].audience, "aud");
    assert_int_equal(config->services[0].share, SHARE_POD);
    assert_string_equal(config->services[0].ca_file, "/x");
    assert_ptr_equal(config->services[0].provider, &provider_pulumi);
    values = service_values(&config->services[0]);
    for (size_t i = 0; provider_pulumi.settings[i].name; i++) {
        const char *name = provider_pulumi.settings[i].name;
        const char *expected = strcmp(name, "Organization") == 0 ? "acme"
                               : strcmp(name, "TokenType") == 0  ? "team"
                               : strcmp(name, "Team") == 0       ? "ops"
                               : strcmp(name, "Expiration") == 0 ? "90min"
                               : strcmp(name, "APIURL") == 0     ? "https://api"
                                                                 : NULL;

        if (expected)
            assert_string_equal(values.value[i], expected);
        else
            assert_null(values.value[i]);
    }
    assert_int_equal(config->services[0].policy.n_sections, 3);
    assert_string_equal(config->services[0].policy.sections[0].name, "a");
    assert_string_equal(config->services[0].policy.sections[0].rules[0].pattern.text, "x#y");
    assert_int_equal(config->services[0].policy.sections[0].n_rules, 2);
    assert_true(config->services[0].policy.sections[1].is_deny);
    assert_false(config->services[0].policy.sections[2].is_deny);
    config_unref(config);
}

/* Each replaces one file with an invalid one. */
static const struct {
    const char *file, *text, *error;
} refusals[] = {
    {"podlogind.conf", "[Daemon]\nColour=red\n",
     "podlogind.conf:2: [Daemon] has no setting Colour="},
    {"podlogind.conf", "[Daemon]\nsocket=/x\n",
     "podlogind.conf:2: [Daemon] has no setting socket="},
    {"podlogind.conf", "\n[Demon]\n",
     "podlogind.conf:2: unknown section [Demon]; expected [Daemon]"},
    {"podlogind.conf", "[Daemon \"x\"]\n", "podlogind.conf:1: unknown section"},
    {"podlogind.conf", "[]\n", "podlogind.conf:1: unknown section"},
    {"podlogind.conf", "[Daemon]\nSocket=/x\ty\n", "podlogind.conf:2: a control character"},
    {"issuers.d/eks.conf", "[Issuer]\nURL=https://a\x01\n", "issuers.d/eks.conf:2: a control"},
    {"services.d/pulumi.conf", SERVICE "[Allow \"a\tb\"]\n", "services.d/pulumi.conf:7: a control"},
    {"podlogind.conf", "Socket=/x\n", "podlogind.conf:1: the setting is not in"},
    {"podlogind.conf", "[Daemon]\nSocket\n", "podlogind.conf:2: the line is neither"},
    {"podlogind.conf", "[Daemon]\nSocket=x\n",
     "podlogind.conf:2: Socket=x is not valid; expected "
     "a path that begins with /"},
    {"podlogind.conf", "[Daemon]\nCache=cache.db\n", "podlogind.conf:2: Cache=cache.db"},
    {"podlogind.conf", "[Daemon]\nCacheKey=\n", "podlogind.conf:2: CacheKey="},
    {"podlogind.conf", "[Daemon]\nCacheKey=Runtime\n",
     "podlogind.conf:2: CacheKey=Runtime is not valid; expected runtime, "
     "credential: followed by a name, or file:"},
    {"podlogind.conf", "[Daemon]\nCacheKey=file:key\n", "podlogind.conf:2: CacheKey=file:key"},
    {"podlogind.conf", "[Daemon]\nCacheKey=file:\n", "podlogind.conf:2: CacheKey=file:"},
    {"podlogind.conf", "[Daemon]\nCacheKey=credential:\n", "podlogind.conf:2: CacheKey="},
    {"podlogind.conf", "[Daemon]\nCacheKey=credential:a/b\n", "podlogind.conf:2: CacheKey="},
    {"podlogind.conf", "[Daemon]\nCacheKey=credential:..\n", "podlogind.conf:2: CacheKey="},
    {"podlogind.conf", "[Daemon]\nCacheKeyBesideCache=true\n",
     "podlogind.conf:2: CacheKeyBesideCache=true is not valid; expected yes or no"},
    {"podlogind.conf", "[Daemon]\nCacheRows=0\n", "podlogind.conf:2: CacheRows=0"},
    {"podlogind.conf", "[Daemon]\nCacheRows=1000001\n", "podlogind.conf:2: CacheRows=1000001"},
    {"podlogind.conf", "[Daemon]\nCacheRows=-1\n", "podlogind.conf:2: CacheRows=-1"},
    {"podlogind.conf", "[Daemon]\nCacheRows=10k\n", "podlogind.conf:2: CacheRows=10k"},
    {"podlogind.conf", "[Daemon]\nCacheKey=runtime x\n", "podlogind.conf:2: CacheKey="},
    {"podlogind.conf", "[Daemon]\n\nPeerAttestation=on\n",
     "podlogind.conf:3: PeerAttestation=on is not valid; expected enforce, audit or off"},
    {"podlogind.conf", "[Daemon]\nNodeTokenFile=token\n", "podlogind.conf:2: NodeTokenFile="},
    {"podlogind.conf", "[Daemon]\nNodeTokenFile=/a\nNodeUID=b\n",
     "podlogind.conf:1: NodeTokenFile= and NodeUID= cannot both be set"},
    {"podlogind.conf", "[Limits]\nConnections=0\n", "podlogind.conf:2: Connections=0"},
    {"podlogind.conf", "[Limits]\nRequestsPerPod=-1\n", "podlogind.conf:2: RequestsPerPod=-1"},
    {"podlogind.conf", "[Limits]\nRequestsPerPod=50/s\n", "podlogind.conf:2: RequestsPerPod=50/s"},
    {"podlogind.conf", "[Limits]\nRequestsPerPodBurst=0\n",
     "podlogind.conf:2: RequestsPerPodBurst=0"},
    {"podlogind.conf", "[Limits]\nIdleTimeout=0\n", "podlogind.conf:2: IdleTimeout=0"},
    {"podlogind.conf", "[Limits]\nFrameTimeout=2d\n", "podlogind.conf:2: FrameTimeout=2d"},
    {"podlogind.conf", "[Limits]\nRequestPerPod=5\n",
     "podlogind.conf:2: [Limits] has no setting RequestPerPod="},
    {"podlogind.conf", "[Daemon]\nPeerAttestation=\n", "podlogind.conf:2: PeerAttestation="},
    {"podlogind.conf", "[Daemon]\nPeerAttestation=Off\n", "podlogind.conf:2: PeerAttestation="},
    {"podlogind.conf", "[Daemon]\nNodeName=x\n",
     "podlogind.conf:2: [Daemon] has no setting NodeName="},
    {"podlogind.conf", "[Daemon]\nLogLevel=verbose\n",
     "podlogind.conf:2: LogLevel=verbose is not valid; expected error, warning, notice, info "
     "or "
     "debug"},
    {"podlogind.conf", "[Daemon]\nLogLevel=\n", "podlogind.conf:2: LogLevel="},
    {"podlogind.conf", "[Daemon]\nLogLevel=7\n", "podlogind.conf:2: LogLevel=7"},

    {"issuers.d/eks.conf", "", "issuers.d/eks.conf:1: URL= is missing"},
    {"issuers.d/eks.conf", "[Issuer]\n", "issuers.d/eks.conf:1: URL= is missing"},
    {"issuers.d/eks.conf", "[Issuer]\nURL=\n", "issuers.d/eks.conf:1: URL= is missing"},
    {"issuers.d/eks.conf", "[Issuer]\nURL=http://a\n", "issuers.d/eks.conf:2: URL=http://a"},
    {"issuers.d/eks.conf", "[Issuer]\nURL=https://a?b\n", "issuers.d/eks.conf:2: URL=https://a?b"},
    {"issuers.d/eks.conf", "[Issuer]\nURL=https://a b\n", "issuers.d/eks.conf:2: URL="},
    {"issuers.d/eks.conf", ISSUER "[Issuer \"x\"]\n", "issuers.d/eks.conf:3: unknown section"},
    {"issuers.d/eks.conf", ISSUER "[Service]\n",
     "issuers.d/eks.conf:3: unknown section [Service]; "
     "expected [Issuer]"},
    {"issuers.d/eks.conf", ISSUER "Audience=x\n", "issuers.d/eks.conf:3: [Issuer] has no setting"},
    {"issuers.d/eks.conf", ISSUER "Algorithms=\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=none\n",
     "issuers.d/eks.conf:3: Algorithms=none is not "
     "valid; expected one or more of RS256"},
    {"issuers.d/eks.conf", ISSUER "Algorithms=RS256 none\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=HS256\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=rs256\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=RS256,ES256\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=EdDSA\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "KeysURL=http://a\n", "issuers.d/eks.conf:3: KeysURL="},
    {"issuers.d/eks.conf", ISSUER "KeysFile=keys.json\n", "issuers.d/eks.conf:3: KeysFile="},
    {"issuers.d/eks.conf", ISSUER "CAFile=ca.pem\n", "issuers.d/eks.conf:3: CAFile="},
    {"issuers.d/eks.conf", ISSUER "TokenReview=always\n",
     "issuers.d/eks.conf:3: TokenReview=always"},
    {"issuers.d/eks.conf", ISSUER "TokenReview=interval:0\n", "issuers.d/eks.conf:3: TokenReview="},
    {"issuers.d/eks.conf", ISSUER "KeysURL=https://a/k\nKeysFile=/k\n",
     "issuers.d/eks.conf:1: KeysURL= and KeysFile= cannot both be set"},

    {"services.d/pulumi.conf", "", "services.d/pulumi.conf:1: Provider= is missing"},
    {"services.d/pulumi.conf", ALLOW, "services.d/pulumi.conf:1: Provider= is missing"},
    {"services.d/pulumi.conf", "[Service]\nProvider=\n",
     "services.d/pulumi.conf:2: Provider= is not "
     "valid; expected pulumi"},
    {"services.d/pulumi.conf", "[Service]\nProvider=Pulumi\n",
     "services.d/pulumi.conf:2: Provider="},
    {"services.d/pulumi.conf", "[Service]\nProvider=exec\n",
     "services.d/pulumi.conf:2: Provider=exec"},
    {"services.d/pulumi.conf", "[Pulumi]\nOrganization=acme\n",
     "services.d/pulumi.conf:1: [Service] with Provider= must come before [Pulumi]"},
    {"services.d/pulumi.conf", "[Service]\nProvider=pulumi\nAudience=a\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Issuer= is missing"},
    {"services.d/pulumi.conf", "[Service]\nProvider=pulumi\nIssuer=eks\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Audience= is missing"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Audience= is missing"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=gke\nAudience=a\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Issuer=gke does not exist: there is no issuers.d/gke.conf"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=EKS\nAudience=a\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Issuer=EKS does not exist"},
    {"services.d/pulumi.conf", "[Service]\nShare=all\n",
     "services.d/pulumi.conf:2: Share=all is not "
     "valid; expected serviceaccount or pod"},
    {"services.d/pulumi.conf", "[Service]\nShare=\n", "services.d/pulumi.conf:2: Share="},
    {"services.d/pulumi.conf", "[Service]\nShare=Pod\n", "services.d/pulumi.conf:2: Share="},
    {"services.d/pulumi.conf", "[Service]\nColour=red\n",
     "services.d/pulumi.conf:2: [Service] has no"},
    {"services.d/pulumi.conf", "[Service \"x\"]\n", "services.d/pulumi.conf:1: "},
    {"services.d/pulumi.conf", SERVICE "Colour=red\n",
     "services.d/pulumi.conf:7: [Pulumi] has no "
     "setting Colour="},
    {"services.d/pulumi.conf", SERVICE "CAFile=/ca.pem\n",
     "services.d/pulumi.conf:7: [Pulumi] has no setting CAFile=; it belongs in [Service]"},
    {"services.d/pulumi.conf", "[Service]\nCAFile=ca.pem\n",
     "services.d/pulumi.conf:2: CAFile=ca.pem is not valid; expected a path that begins"},
    {"services.d/pulumi.conf", SERVICE "User=x\n\n\nTokenType=shared\n",
     "services.d/pulumi.conf:10: TokenType=shared is not valid; expected organization,"},
    {"services.d/pulumi.conf", SERVICE "Expiration=8d\n",
     "services.d/pulumi.conf:7: Expiration=8d is not valid; expected a time span of"},
    {"services.d/pulumi.conf", SERVICE "APIURL=http://host\n",
     "services.d/pulumi.conf:7: APIURL=http://host is not valid; expected an https:// URL"},
    {"services.d/pulumi.conf", SERVICE "[AWS]\n",
     "services.d/pulumi.conf:7: unknown section [AWS]; "
     "expected [Service], the provider's section"},
    {"services.d/pulumi.conf", SERVICE "[Pulumi \"x\"]\n",
     "services.d/pulumi.conf:7: unknown section"},
    {"services.d/pulumi.conf", SERVICE "[allow]\n",
     "services.d/pulumi.conf:7: unknown section [allow]"},
    {"services.d/pulumi.conf", SERVICE "[Allow \"empty\"]\n",
     "services.d/pulumi.conf:1: an [Allow] or "
     "[Deny] section has no rule"},
    {"services.d/pulumi.conf", SERVICE ALLOW "[Deny]\n", "services.d/pulumi.conf:1: an [Allow] or"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\nsub= x\n",
     "services.d/pulumi.conf:8: a rule's value"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\nsub = x\n",
     "services.d/pulumi.conf:8: a rule's value"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nsub=x \n",
     "services.d/pulumi.conf:8: a rule's value"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\na..b=x\n",
     "services.d/pulumi.conf:8: a claim path is"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\n1.2.3.4.5.6.7.8.9=x\n",
     "services.d/pulumi.conf:8: a claim path has at most 8"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\nsub=\xff\n",
     "services.d/pulumi.conf:8: the pattern is "
     "not valid UTF-8"},
    {"services.d/pulumi.conf", SERVICE "Team=x\n",
     "services.d/pulumi.conf:7: Team=x cannot be used with TokenType="},
    {"services.d/pulumi.conf", SERVICE "Expiration=soon\n",
     "services.d/pulumi.conf:7: Expiration=soon"},
    {"services.d/pulumi.conf", SERVICE "APIURL=http://x\n",
     "services.d/pulumi.conf:7: APIURL=http://x"},
    {"services.d/pulumi.conf", SERVICE "Organization=\n",
     "services.d/pulumi.conf:1: Organization= is "
     "missing"},
    {"services.d/white space.conf", SERVICE,
     "services.d/white space.conf:1: the file name must be"},
    {"services.d/\xc3\xa4.conf", SERVICE, "services.d/\xc3\xa4.conf:1: the file name must be"},
    {"services.d/"
     "0123456789012345678901234567890123456789012345678901234567890123x.conf",
     SERVICE,
     "services.d/"
     "0123456789012345678901234567890123456789012345678901234567890123x.conf:1: the file name"},
    {"issuers.d/a:b.conf", ISSUER, "issuers.d/a:b.conf:1: the file name must be"},
};

static void each_error_has_its_file_line_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        char error[INI_ERROR_MAX];
        const char *got;
        int result;

        clean(NULL);
        make(NULL);
        put(refusals[i].file, refusals[i].text);
        got = load_error(error, &result);
        if (result != -EINVAL || strncmp(got, refusals[i].error, strlen(refusals[i].error)) != 0)
            fail_msg("row %zu: \"%s\", not \"%s\"", i, got, refusals[i].error);
    }
}

static void a_rule_of_513_characters_is_refused(void **state)
{
    char text[2048] = SERVICE "[Allow]\nsub=", error[INI_ERROR_MAX];
    int result;

    (void)state;
    memset(text + strlen(text), 'x', WILDCARD_MAX + 1);
    put("services.d/pulumi.conf", text);
    assert_string_equal(load_error(error, &result),
                        "services.d/pulumi.conf:8: the pattern is longer "
                        "than 512 characters");
}

static void missing_files_and_directories_are_named(void **state)
{
    static const char *const names[] = {"podlogind.conf", "issuers.d", "services.d"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[SCRATCH_MAX + 32], error[INI_ERROR_MAX];
        const char *got;
        int result;

        clean(NULL);
        make(NULL);
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        scratch_remove(path);
        got = load_error(error, &result);
        assert_int_equal(result, -ENOENT);
        assert_memory_equal(got, names[i], strlen(names[i]));
        assert_non_null(strstr(got, "cannot read "));
    }
}

static void only_conf_files_that_are_not_hidden_are_read(void **state)
{
    static const char *const others[] = {".hidden.conf", ".conf", "x.conf~", "x.conf.bak",
                                         "README",       "conf",  "x.CONF"};
    const struct config *config;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        char name[64];

        snprintf(name, sizeof(name), "services.d/%s", others[i]);
        put(name, "nonsense");
    }
    config = load();
    assert_int_equal(config->n_services, 1);
    config_unref(config);
}

static void services_are_found_by_their_complete_name(void **state)
{
    static const char *const others[] = {"", "p", "pulum", "pulumi2", "Pulumi", "pulumi.conf", "a"};
    const struct config *config;

    (void)state;
    put("services.d/A-b_c.9.conf", SERVICE ALLOW);
    config = load();
    assert_int_equal(config->n_services, 2);
    assert_string_equal(config->services[0].name, "A-b_c.9"); /* sorted by name */
    assert_ptr_equal(config_service(config, "pulumi", 6), &config->services[1]);
    assert_ptr_equal(config_service(config, "pulumixx", 6), &config->services[1]);
    assert_null(config_service(config, "pulumi\0", 7));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_null(config_service(config, others[i], strlen(others[i])));
    config_unref(config);
}

#define DIGEST_SERVICE(audience, share, pulumi, rules)                                             \
    "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=" audience "\nShare=" share                  \
    "\n[Pulumi]\nOrganization=" pulumi "\n" rules

static struct digest digest_with(const char *service, const char *issuer)
{
    const struct config *config;
    struct digest digest;

    put("services.d/pulumi.conf", service);
    put("issuers.d/eks.conf", issuer);
    config = load();
    digest = config->services[0].digest;
    config_unref(config);
    return digest;
}

static void services_whose_tokens_differ_have_different_digests(void **state)
{
    static const struct {
        const char *why, *service, *issuer;
        bool is_same;
    } cases[] = {
        {"rules do not matter", DIGEST_SERVICE("a", "pod", "acme", ALLOW), ISSUER, true},
        {"the order of settings does not matter",
         "[Service]\nShare=pod\nAudience=a\nIssuer=eks\nProvider=pulumi\n[Pulumi]\nOrganization="
         "acme\n",
         ISSUER, true},
        {"algorithms do not matter", DIGEST_SERVICE("a", "pod", "acme", ""),
         ISSUER "Algorithms=ES256\n", true},
        {"the audience", DIGEST_SERVICE("b", "pod", "acme", ""), ISSUER, false},
        {"the share", DIGEST_SERVICE("a", "serviceaccount", "acme", ""), ISSUER, false},
        {"the organization", DIGEST_SERVICE("a", "pod", "other", ""), ISSUER, false},
        {"the scope", DIGEST_SERVICE("a", "pod", "acme\nScope=admin", ""), ISSUER, false},
        {"the expiration", DIGEST_SERVICE("a", "pod", "acme\nExpiration=1h", ""), ISSUER, false},
        {"the upstream", DIGEST_SERVICE("a", "pod", "acme\nAPIURL=https://x", ""), ISSUER, false},
        {"the issuer", DIGEST_SERVICE("a", "pod", "acme", ""), "[Issuer]\nURL=https://other\n",
         false},
    };
    struct digest base = digest_with(DIGEST_SERVICE("a", "pod", "acme", ""), ISSUER);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct digest digest = digest_with(cases[i].service, cases[i].issuer);

        if ((memcmp(&digest, &base, sizeof(base)) == 0) != cases[i].is_same)
            fail_msg("%s: not %d", cases[i].why, cases[i].is_same);
    }
}

static void an_empty_cache_or_socket_means_the_default(void **state)
{
    const struct config *config;

    (void)state;
    put("podlogind.conf", "[Daemon]\nSocket=\nCache= # default\n");
    config = load();
    assert_string_equal(config->socket, "/run/podlogin/podlogin.sock");
    assert_string_equal(config->cache, "/var/lib/podlogin/cache.db");
    config_unref(config);
}

static void only_asymmetric_algorithms_are_known(void **state)
{
    static const char *const names[ALGORITHMS] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                  "PS512", "ES256", "ES384", "ES512"};
    static const char *const others[] = {"",      "none",   "None", "HS256", "HS384",  "HS512",
                                         "rs256", "RS2567", "RS25", "EdDSA", "ES256K", " RS256"};
    enum algorithm algorithm;

    (void)state;
    for (unsigned i = 0; i < ALGORITHMS; i++) {
        assert_int_equal(algorithm_find(names[i], &algorithm), 0);
        assert_int_equal(algorithm, i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(algorithm_find(others[i], &algorithm), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_manual),
        TEST(every_key_is_read),
        TEST(each_error_has_its_file_line_and_remedy),
        TEST(a_rule_of_513_characters_is_refused),
        TEST(missing_files_and_directories_are_named),
        TEST(only_conf_files_that_are_not_hidden_are_read),
        TEST(services_are_found_by_their_complete_name),
        TEST(services_whose_tokens_differ_have_different_digests),
        TEST(an_empty_cache_or_socket_means_the_default),
        TEST(only_asymmetric_algorithms_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
