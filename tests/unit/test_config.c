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
#define EXEC "[Service]\nProvider=exec\nIssuer=eks\nAudience=aud\n[Exec]\n"
#define LONG                                                                                       \
    "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"   \
    "01234567890123456789"
#define NODE  "11111111-2222-3333-4444-5555555555ff"
#define ALLOW "[Allow \"all\"]\nsub=*\n"
#define KEYS                                                                                       \
    "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"k\",\"crv\":\"P-256\","                                  \
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","                                       \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}"

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

static struct findings findings;

static const struct config *load(void)
{
    const struct config *config = NULL;

    if (config_load(directory, &config, &findings) != 0)
        fail_msg("%s", findings.list[0].text);
    return config;
}

/* Loads a directory whose findings matter. Returns whether it is accepted. */
static bool load_findings(void)
{
    const struct config *config = NULL;
    int r = config_load(directory, &config, &findings);

    assert_true(r == (findings.n_errors ? -EINVAL : 0));
    assert_int_equal(config != NULL, findings.n_errors == 0);
    config_unref(config);
    return r == 0;
}

/* Returns a finding without the path of the directory, which it must begin with. */
static const char *finding(size_t i)
{
    assert_memory_equal(findings.list[i].text, directory, strlen(directory));
    return findings.list[i].text + strlen(directory) + 1;
}

/* Asserts that an error, or a warning, begins with @text. */
static void assert_found(bool is_error, const char *text)
{
    char all[FINDINGS_MAX * 128] = "";

    for (size_t i = 0; i < findings.n; i++) {
        if (findings.list[i].is_error == is_error && strncmp(finding(i), text, strlen(text)) == 0)
            return;
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "\n  %.120s", finding(i));
    }
    fail_msg("no %s: %s%s", is_error ? "error" : "warning", text, all);
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
    char keys[SCRATCH_MAX + 8], text[SCRATCH_MAX + 64];

    (void)state;
    put("podlogind.conf", "# all of them\n[Daemon]\nSocket=/d/s # the socket\nCache=/c\n"
                          "CacheKey=file:/k\nCacheRows=5\nCacheKeyBesideCache=yes\n"
                          "PeerAttestation=audit\nNodeTokenFile=/n\nLogLevel=debug\n"
                          "[Limits]\nConnections=1\nConnectionsPerPod=2\nRequestsPerPod=3\n"
                          "RequestsPerPodBurst=4\nSignatureChecksPerPod=0\n"
                          "SignatureChecksPerPodBurst=6\nMissesPerPod=7\nFrameTimeout=8s\n"
                          "IdleTimeout=9min\n");
    put("issuers.d/eks.conf", "[Issuer]\nURL=https://a\nAlgorithms=RS256  ES512 PS384\n"
                              "KeysURL=https://a/keys\nCAFile=/ca\nTokenReview=interval:5min\n"
                              "APIServer=https://k\nAPIServerCAFile=/kc\nAPIServerTokenFile=/kt\n");
    put("keys", KEYS);
    snprintf(keys, sizeof(keys), "%s/keys", directory);
    snprintf(text, sizeof(text), "[Issuer]\nURL=https://b\nKeysFile=%s\nKeysURL=\n", keys);
    put("issuers.d/other.conf", text);
    put("services.d/pulumi.conf",
        "[Service]\nProvider=pulumi\nIssuer=other\nAudience=aud\nShare=pod\nCAFile=/x\n"
        "[Pulumi]\nOrganization=acme\nTokenType=team\nTeam=ops\nExpiration=90min\n"
        "APIURL=https://api\nUser=\nRunner=\nScope=\n"
        "[Allow \"a\"]\nsub=x#y\n\"kubernetes.io\".namespace=ci\n[Deny "
        "\"d\"]\nsub=z\n[Allow]\nsub=w\n");
    config = load();
    assert_string_equal(config->socket, "/d/s");
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
    assert_string_equal(config->issuers[1].keys_file, keys);
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
    {"podlogind.conf", "[Daemon]\nSocket=/d/s\nAdminSocket=/d/a/s\n",
     "podlogind.conf:3: AdminSocket=/d/a/s is in the directory of Socket=, which pods mount"},
    {"podlogind.conf", "[Daemon]\nSocket=/run/s\n",
     "podlogind.conf:1: AdminSocket=/run/podlogind/admin.sock is in the directory of Socket="},
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
    {"podlogind.conf", "[Daemon]\nNodeTokenFile=/a\nNodeUID=" NODE "\n",
     "podlogind.conf:3: NodeTokenFile= and NodeUID= cannot both be set"},
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
    {"issuers.d/eks.conf", "[Issuer]\nURL=\n", "issuers.d/eks.conf:2: URL= is missing"},
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
     "valid; expected one or more, separated by blanks, of RS256"},
    {"issuers.d/eks.conf", ISSUER "Algorithms=RS256 none\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=HS256\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=rs256\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "Algorithms=RS256,ES256\n",
     "issuers.d/eks.conf:3: Algorithms=RS256,ES256 is not valid; expected one or more, separated "
     "by blanks, of"},
    {"issuers.d/eks.conf", ISSUER "Algorithms=EdDSA\n", "issuers.d/eks.conf:3: Algorithms="},
    {"issuers.d/eks.conf", ISSUER "KeysURL=http://a\n", "issuers.d/eks.conf:3: KeysURL="},
    {"issuers.d/eks.conf", ISSUER "KeysFile=keys.json\n", "issuers.d/eks.conf:3: KeysFile="},
    {"issuers.d/eks.conf", ISSUER "CAFile=ca.pem\n", "issuers.d/eks.conf:3: CAFile="},
    {"issuers.d/eks.conf", ISSUER "TokenReview=always\n",
     "issuers.d/eks.conf:3: TokenReview=always"},
    {"issuers.d/eks.conf", ISSUER "TokenReview=interval:0\n", "issuers.d/eks.conf:3: TokenReview="},
    {"issuers.d/eks.conf", ISSUER "KeysURL=https://a/k\nKeysFile=/k\n",
     "issuers.d/eks.conf:4: KeysURL= and KeysFile= cannot both be set"},

    {"services.d/pulumi.conf", "", "services.d/pulumi.conf:1: Provider= is missing"},
    {"services.d/pulumi.conf", ALLOW, "services.d/pulumi.conf:1: Provider= is missing"},
    {"services.d/pulumi.conf", "[Service]\nProvider=\n",
     "services.d/pulumi.conf:2: Provider= is not "
     "valid; expected pulumi"},
    {"services.d/pulumi.conf", "[Service]\nProvider=Pulumi\n",
     "services.d/pulumi.conf:2: Provider="},
    {"services.d/pulumi.conf", "[Service]\nProvider=ldap\n",
     "services.d/pulumi.conf:2: Provider=ldap"},
    {"services.d/pulumi.conf", "[Pulumi]\nOrganization=acme\n",
     "services.d/pulumi.conf:1: [Service] with Provider= must come before [Pulumi]"},
    {"services.d/pulumi.conf", "[Service]\nProvider=pulumi\nAudience=a\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Issuer= is missing"},
    {"services.d/pulumi.conf", "[Service]\nProvider=pulumi\nIssuer=eks\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:1: Audience= is missing"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:4: Audience= is missing"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=gke\nAudience=a\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:3: Issuer=gke does not exist: there is no issuers.d/gke.conf"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=EKS\nAudience=a\n[Pulumi]\nOrganization=a\n",
     "services.d/pulumi.conf:3: Issuer=EKS does not exist"},
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
    {"services.d/pulumi.conf", EXEC "Command=exchange\n",
     "services.d/pulumi.conf:6: Command=exchange is not valid; expected the path of a program"},
    {"services.d/pulumi.conf", EXEC "Timeout=1s\n",
     "services.d/pulumi.conf:5: Command= is missing"},
    {"services.d/pulumi.conf", EXEC "Command=/etc x\n",
     "services.d/pulumi.conf:6: Command=/etc is not a program"},
    {"services.d/pulumi.conf", EXEC "Command=/etc/passwd\n",
     "services.d/pulumi.conf:6: Command=/etc/passwd is not a program; if it is one, chmod +x it"},
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
     "expected [Service], [Pulumi], [Allow"},
    {"services.d/pulumi.conf", SERVICE "[Pulumi \"x\"]\n",
     "services.d/pulumi.conf:7: unknown section"},
    {"services.d/pulumi.conf", SERVICE "[allow]\n",
     "services.d/pulumi.conf:7: unknown section [allow]"},
    {"services.d/pulumi.conf", SERVICE "[Allow \"empty\"]\n",
     "services.d/pulumi.conf:7: an [Allow] or "
     "[Deny] section has no rule"},
    {"services.d/pulumi.conf", SERVICE ALLOW "[Deny]\n", "services.d/pulumi.conf:9: an [Allow] or"},
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
     "services.d/pulumi.conf:5: Organization= is "
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
    {"podlogind.conf", "[Daemon]\nNodeUID=worker-1\n",
     "podlogind.conf:2: NodeUID=worker-1 is not valid; expected a uid"},
    {"podlogind.conf", "[Daemon]\nNodeUID=11111111-2222-3333-4444-5555555555FF\n",
     "podlogind.conf:2: NodeUID="},
    {"podlogind.conf", "[Daemon]\nNodeUID=" NODE "0\n", "podlogind.conf:2: NodeUID="},
    {"podlogind.conf", "[Daemon]\nSocket=/" LONG "\n",
     "podlogind.conf:2: "
     "Socket=/012345678901234567890123456789012345678901234567890123456789012 is not valid; "
     "expected a path of at most 107 bytes"},
    {"podlogind.conf", "[Limits]\n[Daemon]\n\n[Daemon]\nLogLevel=info\n",
     "podlogind.conf:4: [Daemon] appears twice; the first is in line 2: merge them"},
    {"podlogind.conf", "[Limits]\n[Limits]\n", "podlogind.conf:2: [Limits] appears twice"},
    {"issuers.d/eks.conf", ISSUER "[Issuer]\n", "issuers.d/eks.conf:3: [Issuer] appears twice"},
    {"issuers.d/eks.conf", ISSUER "KeysFile=/nonexistent\n",
     "issuers.d/eks.conf:3: KeysFile=/nonexistent cannot be read: No such file or directory"},
    {"issuers.d/eks.conf", ISSUER "KeysFile=/dev/null\n",
     "issuers.d/eks.conf:3: KeysFile=/dev/null cannot be read: not a regular file"},
    {"issuers.d/other.conf", ISSUER,
     "issuers.d/other.conf:2: URL=https://issuer.example.com is already used by "
     "issuers.d/eks.conf"},
    {"services.d/pulumi.conf", SERVICE "[Service]\nShare=pod\n",
     "services.d/pulumi.conf:7: [Service] appears twice; the first is in line 1"},
    {"services.d/pulumi.conf", SERVICE "[Pulumi]\nUser=x\n",
     "services.d/pulumi.conf:7: [Pulumi] appears twice; the first is in line 5"},
    {"services.d/pulumi.conf", "[Service]\nAudience=a\nAudience=b\n",
     "services.d/pulumi.conf:3: Audience=b is not valid; expected one audience, but it is set"},
    {"services.d/pulumi.conf", "[Service]\nAudience=a b\n",
     "services.d/pulumi.conf:2: Audience=a b is not valid; expected one audience"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nAudience=urn:pulumi:org:acm\n[Pulumi]\nOrganization=acme\n",
     "services.d/pulumi.conf:3: Audience=urn:pulumi:org:acm is of another organization than "
     "Organization=acme"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nkubernetes.io.namespace=prod\n",
     "services.d/pulumi.conf:8: kubernetes.io.namespace=prod: no token has this claim: quote "
     "\"kubernetes.io\" alone, as in \"kubernetes.io\".namespace"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\nkubernetes.io.namespace=prod\n",
     "services.d/pulumi.conf:8: kubernetes.io.namespace=prod: no token"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io.namespace\"=prod\n",
     "services.d/pulumi.conf:8: \"kubernetes.io.namespace\"=prod: no token"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io/pod/name\"=prod\n",
     "services.d/pulumi.conf:8: \"kubernetes.io/pod/name\"=prod: no token"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io\".pods.name=x\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".pods.name=x: Kubernetes writes no such value"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io\".pod=x\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".pod=x: Kubernetes writes no such value"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io\".namespace.name=x\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".namespace.name=x: Kubernetes writes no such"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io\".namespace=\"prod\"\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".namespace=\"prod\": a pattern has no quotes"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\nsub='*'\n",
     "services.d/pulumi.conf:8: sub='*': a pattern has no quotes"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nteam=\"red\"\n",
     "services.d/pulumi.conf:8: team=\"red\": a pattern has no quotes"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nteam=\"red\n",
     "services.d/pulumi.conf:8: team=\"red: a pattern has no quotes"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nteam=red'\n",
     "services.d/pulumi.conf:8: team=red': a pattern has no quotes"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nsub=\n",
     "services.d/pulumi.conf:8: sub=: the pattern is empty; to match any value, write *"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io\".namespace=prod,dev\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".namespace=prod,dev: the pattern cannot match"},
    {"services.d/pulumi.conf",
     SERVICE "[Deny]\n\"kubernetes.io\".namespace=prod\nsub=*\n\"kubernetes.io\".namespace=dev\n",
     "services.d/pulumi.conf:10: \"kubernetes.io\".namespace=dev: no value matches this and =prod "
     "above"},
    {"services.d/pulumi.conf",
     SERVICE "[Deny]\n\"kubernetes.io\".namespace=prod-*\n\"kubernetes.io\".namespace=dev\n",
     "services.d/pulumi.conf:9: \"kubernetes.io\".namespace=dev: no value matches this and "
     "=prod-*"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\n\"kubernetes.io\".pod.name=Debug-*\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".pod.name=Debug-*: the pattern cannot match"},
};
static void each_error_has_its_file_line_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        clean(NULL);
        make(NULL);
        put(refusals[i].file, refusals[i].text);
        assert_false(load_findings());
        assert_found(true, refusals[i].error);
    }
}

/* Each replaces or adds one file, which is suspicious, but accepted. */
static const struct {
    const char *file, *text, *warning;
} doubts[] = {
    {"podlogind.conf", "[Daemon]\nLogLevel=info\nLogLevel=debug\n",
     "podlogind.conf:3: LogLevel= is set twice; the value in line 2 is not used"},
    {"podlogind.conf", "[Daemon]\nNodeTokenFile=/nonexistent\n",
     "podlogind.conf:2: NodeTokenFile=/nonexistent cannot be read: No such file"},
    {"issuers.d/eks.conf", ISSUER "CAFile=/nonexistent\n",
     "issuers.d/eks.conf:3: CAFile=/nonexistent cannot be read: No such file"},
    {"issuers.d/eks.conf", ISSUER "TokenReview=miss\nAPIServerTokenFile=/nonexistent\n",
     "issuers.d/eks.conf:4: APIServerTokenFile=/nonexistent cannot be read"},
    {"issuers.d/eks.conf", ISSUER "TokenReview=miss\nAPIServerCAFile=/nonexistent\n",
     "issuers.d/eks.conf:4: APIServerCAFile=/nonexistent cannot be read"},
    {"issuers.d/eks.conf", "[Issuer]\nURL=https://k:443\nAPIServer=https://k\n",
     "issuers.d/eks.conf:2: APIServerTokenFile="},
    {"issuers.d/eks.conf", ISSUER "TokenReview=interval:9s\n",
     "issuers.d/eks.conf:3: TokenReview=interval: below 10s"},
    {"services.d/pulumi.conf", EXEC "Command=/nonexistent a b\n",
     "services.d/pulumi.conf:6: Command=/nonexistent cannot be found: No such file"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=exec\nIssuer=eks\nAudience=a\nCAFile=/etc/passwd\n[Exec]\nCommand=/bin/"
     "sh\n",
     "services.d/pulumi.conf:5: CAFile= has no effect: a program verifies its servers itself"},
    {"services.d/pulumi.conf", SERVICE,
     "services.d/pulumi.conf:1: there is no [Allow] section, so nobody may use this service"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nsub=*\n",
     "services.d/pulumi.conf:1: there is no [Allow]"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=a\nCAFile=/nonexistent\n"
     "[Pulumi]\nOrganization=acme\n",
     "services.d/pulumi.conf:5: CAFile=/nonexistent cannot be read: No such file"},
    {"services.d/pulumi.conf",
     "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=a,b\n[Pulumi]\nOrganization=acme\n",
     "services.d/pulumi.conf:4: Audience=a,b is one audience with a comma in it"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\n\"kubernetes.io\".pods.name=x\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".pods.name=x: Kubernetes writes no such value"},
    {"services.d/pulumi.conf",
     SERVICE "[Allow]\n\"kubernetes.io\".namespace=prod\n\"kubernetes.io\".namespace=dev\n",
     "services.d/pulumi.conf:9: \"kubernetes.io\".namespace=dev: no value matches this and =prod "
     "above: all rules of a section must match"},
    {"services.d/pulumi.conf", SERVICE "[Allow]\n\"kubernetes.io\".pod.name=X\n",
     "services.d/pulumi.conf:8: \"kubernetes.io\".pod.name=X: the pattern cannot match"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\nteam=red\n",
     "services.d/pulumi.conf:8: team=red: Kubernetes does not write the claim team"},
    {"services.d/pulumi.conf", SERVICE "[Deny]\naud.x=red\n",
     "services.d/pulumi.conf:8: aud.x=red: Kubernetes does not write the claim aud with members"},
    {"services.d/pulumi.conf.bak", "x",
     "services.d/pulumi.conf.bak: not read, because its name does not end with .conf"},
    {"issuers.d/eks.CONF", "x", "issuers.d/eks.CONF: not read"},
};

static void what_is_suspicious_is_a_warning(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(doubts); i++) {
        clean(NULL);
        make(NULL);
        put(doubts[i].file, doubts[i].text);
        if (!load_findings())
            fail_msg("row %zu: %s", i, finding(0));
        assert_found(false, doubts[i].warning);
    }
}

static void rules_as_people_should_write_them_cause_no_warning(void **state)
{
    (void)state;
    put("services.d/pulumi.conf", SERVICE
        "[Allow]\nsub=system:serviceaccount:*:a-?\naud=urn:pulumi:org:acme\niss=https://x/Y\n"
        "\"kubernetes.io\".namespace=ci\n\"kubernetes.io\".serviceaccount.name=pulumi-*\n"
        "\"kubernetes.io\".serviceaccount.uid=*\n\"kubernetes.io\".pod.uid=*\n"
        "\"kubernetes.io\".node.name=ip-10-0-0-1.us-west-2.compute.internal\n"
        "\"kubernetes.io\".clusterName=1xY\n[Deny]\n\"kubernetes.io\".pod.name=debug-*\n"
        "\"kubernetes.io\".pod.name=*-1\n\"kubernetes.io\".pod.name=debug-1\naud=urn:a\n"
        "aud=urn:b\n[Deny]\n\"kubernetes.io\".pod.name=other\n");
    assert_true(load_findings());
    assert_int_equal(findings.n, 0);
}

static void all_mistakes_are_told_in_the_order_of_files_and_lines(void **state)
{
    static const char *const expected[] = {
        "podlogind.conf:2: LogLevel=loud",
        "podlogind.conf:3: [Daemon] has no setting Colour=",
        "issuers.d/eks.conf:2: URL=http://a is not valid",
        "issuers.d/eks.conf:3: Algorithms=none is not valid",
        "issuers.d/eks.conf:4: TokenReview=interval:2d is not valid",
        "services.d/a.conf:1: Audience= is missing",
        "services.d/a.conf:2: Provider=nobody is not valid",
        "services.d/a.conf:3: Issuer=gke does not exist",
        "services.d/a.conf:5: kubernetes.io.namespace=ci: ",
        "services.d/a.conf:6: a rule's value is used verbatim",
        "services.d/b.conf:1: the file begins with a byte order mark",
        "services.d/b.conf:1: Audience= is missing",
        "services.d/b.conf:1: there is no [Allow] section",
        "services.d/b.conf:5: User=x cannot be used with TokenType=organization",
        "services.d/b.conf:7: [Service] appears twice",
        "services.d/pulumi.conf.off: not read",
    };

    (void)state;
    put("podlogind.conf", "[Daemon]\nLogLevel=loud\nColour=red\n");
    put("issuers.d/eks.conf", "[Issuer]\nURL=http://a\nAlgorithms=none\nTokenReview=interval:2d\n");
    put("services.d/a.conf", "[Service]\nProvider=nobody\nIssuer=gke\n[Allow]\n"
                             "kubernetes.io.namespace=ci\nsub= x\n[Pulumi]\nOrganization=x\n");
    put("services.d/b.conf", "\xef\xbb\xbf[Service]\nProvider=pulumi\nIssuer=eks\n"
                             "[Pulumi]\nUser=x\nOrganization=acme\n[Service]\nAudience=b\n");
    put("services.d/pulumi.conf.off", "");
    assert_false(load_findings());
    assert_int_equal(findings.n, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        if (strncmp(finding(i), expected[i], strlen(expected[i])) != 0)
            fail_msg("%zu: %s, not %s", i, finding(i), expected[i]);
    assert_int_equal(findings.n_errors, ARRAY_SIZE(expected) - 2);
}

/* --- who can write it --- */

static void change_mode(const char *name, mode_t mode)
{
    char path[SCRATCH_MAX + 128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(chmod(path, mode), 0);
}

static void what_others_may_write_is_refused_where_it_is_enforced(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"", ": it can be written by others"},
        {"podlogind.conf", "podlogind.conf: it can be written by others (mode 0666); remove"},
        {"issuers.d", "issuers.d: it can be written"},
        {"issuers.d/eks.conf", "issuers.d/eks.conf: it can be written"},
        {"services.d", "services.d: it can be written"},
        {"services.d/pulumi.conf", "services.d/pulumi.conf: it can be written"},
        {"keys", "issuers.d/eks.conf:3: KeysFile="},
        {"ca", "issuers.d/eks.conf:4: CAFile="},
        {"programs/program", "services.d/exec.conf:"},
        {"sockets", "podlogind.conf:3: the directory "},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int is_enforced = 0; is_enforced < 2; is_enforced++) {
            clean(NULL);
            make(NULL);
            make_directory("sockets");
            put("keys", KEYS);
            put("ca", "");
            make_directory("programs"); /* whose own writers are only warned of */
            put("programs/program", "");
            change_mode("programs/program", 0755);
            snprintf(text, sizeof(text), EXEC "Command=%s/programs/program x\n[Allow]\nsub=*\n",
                     directory);
            put("services.d/exec.conf", text);
            snprintf(text, sizeof(text), "[Daemon]\nPeerAttestation=%s\nSocket=%s/sockets/s\n",
                     is_enforced ? "enforce" : "audit", directory);
            put("podlogind.conf", text);
            snprintf(text, sizeof(text), ISSUER "KeysFile=%s/keys\nCAFile=%s/ca\n", directory,
                     directory);
            put("issuers.d/eks.conf", text);
            assert_true(load_findings());
            assert_int_equal(findings.n, 0);
            change_mode(cases[i].name, strchr(cases[i].text, '6') ? 0666 : 0720);
            assert_int_equal(load_findings(), !is_enforced);
            assert_int_equal(findings.n, 1);
            if (*cases[i].name)
                assert_found(is_enforced, cases[i].text);
            else
                assert_string_equal(findings.list[0].text + strlen(directory),
                                    ": it can be written by others (mode 0720); remove this with "
                                    "chmod go-w");
        }
    }
}

static void what_belongs_to_another_user_is_refused(void **state)
{
    char path[SCRATCH_MAX + 128];

    (void)state;
    if (geteuid() != 0)
        skip_because("only root can change the owner of a file");
    snprintf(path, sizeof(path), "%s/services.d/pulumi.conf", directory);
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_false(load_findings());
    assert_found(true, "services.d/pulumi.conf: it belongs to uid 12345, who can change it");
}

static void a_rule_of_513_characters_is_refused(void **state)
{
    char text[2048] = SERVICE "[Allow]\nsub=";

    (void)state;
    memset(text + strlen(text), 'x', WILDCARD_MAX + 1);
    put("services.d/pulumi.conf", text);
    assert_false(load_findings());
    assert_found(true, "services.d/pulumi.conf:8: the pattern is longer than 512 characters");
}

static void missing_files_and_directories_are_named(void **state)
{
    static const char *const names[] = {"podlogind.conf", "issuers.d", "services.d"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[SCRATCH_MAX + 32];

        clean(NULL);
        make(NULL);
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        scratch_remove(path);
        assert_false(load_findings());
        snprintf(path, sizeof(path), "%s: cannot read ", names[i]);
        assert_found(true, path);
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

static void a_key_file_that_cannot_be_used_is_named(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "the key set is not a JSON object with an array \"keys\""},
        {"{}", "the key set is not a JSON object"},
        {"-----BEGIN PUBLIC KEY-----\n", "the key set is not a JSON object"},
        {"{\"keys\":[]}", "the key set has no usable key"},
        {"\xef\xbb\xbf" KEYS, "the key set begins with a byte order mark (BOM)"},
        {"\xff\xfe{", "the key set begins with a byte order mark (BOM)"},
    };
    char text[SCRATCH_MAX + 64], found[SCRATCH_MAX + 256];

    (void)state;
    snprintf(text, sizeof(text), ISSUER "KeysFile=%s/keys\n", directory);
    put("issuers.d/eks.conf", text);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put("keys", cases[i].text);
        assert_false(load_findings());
        snprintf(found, sizeof(found), "issuers.d/eks.conf:3: KeysFile=%s/keys cannot be used: %s",
                 directory, cases[i].reason);
        assert_found(true, found);
    }
    put("keys", KEYS);
    assert_true(load_findings());
}

static void keys_at_the_api_server_are_those_of_its_own_origin(void **state)
{
    static const struct {
        const char *settings;
        bool is_at_api_server, has_keys_file;
    } cases[] = {
        {"URL=https://kubernetes.default.svc\n", true},
        {"URL=https://kubernetes.default.svc:443/\n", true},
        {"URL=https://kubernetes.default.svc.cluster.local\n", false},
        {"URL=https://i\nKeysURL=https://kubernetes.default.svc/openid/v1/jwks\n", true},
        {"URL=https://i\nAPIServer=https://i\n", true},
        {"URL=https://i\nAPIServer=https://I:443/api\n", true},
        {"URL=https://i\nAPIServer=https://i:6443\n", false},
        {"URL=https://i:6443\nAPIServer=https://i:6443\nKeysURL=https://i/keys\n", false},
        {"URL=https://i\nAPIServer=https://i\nKeysURL=https://j/keys\n", false},
        {"URL=https://i\nAPIServer=https://i\n", false, true},
        {"URL=https://kubernetes.default.svc\nAPIServer=https://i\n", false},
    };

    (void)state;
    put("keys", KEYS);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[SCRATCH_MAX + 256];
        const struct config *config;

        snprintf(text, sizeof(text), "[Issuer]\n%s", cases[i].settings);
        if (cases[i].has_keys_file)
            snprintf(text + strlen(text), SCRATCH_MAX + 32, "KeysFile=%s/keys\n", directory);
        put("issuers.d/eks.conf", text);
        put("services.d/pulumi.conf", SERVICE);
        config = load();
        if (config->issuers[0].is_at_api_server != cases[i].is_at_api_server)
            fail_msg("%s", cases[i].settings);
        config_unref(config);
    }
}

static void what_authenticates_the_keys_is_part_of_the_digest(void **state)
{
    static const char *const settings[] = {
        "",
        "APIServerCAFile=/other\n",
        "APIServer=https://a/other\n",
        "KeysURL=https://a/keys\n",
        "CAFile=/other\n",
        "Algorithms=RS384\n", /* JWTs that were verified with another one count no more */
    };
    struct digest digests[ARRAY_SIZE(settings)];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        CLEANUP(freep)
        char *text = NULL;
        const struct config *config;

        assert_true(asprintf(&text, "[Issuer]\nURL=https://a\n%s%s",
                             i == 2 ? "" : "APIServer=https://a\n", settings[i]) > 0);
        put("issuers.d/eks.conf", text);
        put("services.d/pulumi.conf", SERVICE);
        config = load();
        digests[i] = config->issuers[0].digest;
        config_unref(config);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&digests[i], &digests[j], sizeof(digests[i]));
    }
}

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
        {"the CA file",
         "[Service]\nCAFile=/ca\nShare=pod\nAudience=a\nIssuer=eks\nProvider=pulumi\n[Pulumi]\n"
         "Organization=acme\n",
         ISSUER, false},
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

/* Services with the same digest share a circuit breaker. */
static void an_upstream_is_an_endpoint_and_a_ca_file(void **state)
{
    static const struct {
        const char *settings, *pulumi;
        unsigned upstream;
    } cases[] = {
        {"", "acme", 1},
        {"Share=pod\n", "other\nExpiration=1h\nScope=admin", 1},
        {"CAFile=/one\n", "acme", 2},
        {"CAFile=/other\n", "acme", 3},
        {"", "acme\nAPIURL=https://x", 4},
        {"CAFile=/one\n", "acme\nAPIURL=https://x", 5},
    };
    struct digest digests[ARRAY_SIZE(cases)];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *text = NULL;
        const struct config *config;

        assert_true(asprintf(&text,
                             "[Service]\nProvider=pulumi\nIssuer=eks\nAudience=a\n%s[Pulumi]\n"
                             "Organization=%s\n",
                             cases[i].settings, cases[i].pulumi) > 0);
        put("services.d/pulumi.conf", text);
        put("issuers.d/eks.conf", ISSUER);
        config = load();
        digests[i] = config->services[0].upstream;
        config_unref(config);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(memcmp(&digests[i], &digests[j], sizeof(digests[i])) == 0,
                             cases[i].upstream == cases[j].upstream);
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
        TEST(what_is_suspicious_is_a_warning),
        TEST(rules_as_people_should_write_them_cause_no_warning),
        TEST(all_mistakes_are_told_in_the_order_of_files_and_lines),
        TEST(what_others_may_write_is_refused_where_it_is_enforced),
        TEST(what_belongs_to_another_user_is_refused),
        TEST(a_rule_of_513_characters_is_refused),
        TEST(missing_files_and_directories_are_named),
        TEST(only_conf_files_that_are_not_hidden_are_read),
        TEST(services_are_found_by_their_complete_name),
        TEST(a_key_file_that_cannot_be_used_is_named),
        TEST(keys_at_the_api_server_are_those_of_its_own_origin),
        TEST(what_authenticates_the_keys_is_part_of_the_digest),
        TEST(services_whose_tokens_differ_have_different_digests),
        TEST(an_upstream_is_an_endpoint_and_a_ca_file),
        TEST(an_empty_cache_or_socket_means_the_default),
        TEST(only_asymmetric_algorithms_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
