/* The configuration: services that repeat the rules of the upstream that they have to. */
#include "property.h"

static void service_name(unsigned i, char ret_name[16])
{
    snprintf(ret_name, 16, "service-%u", i);
}

const struct service *service_of(unsigned i)
{
    char name[16];

    service_name(i, name);
    return config_service(world.config, name, strlen(name));
}

static void spec_write(unsigned i)
{
    const struct spec *spec = &world.specs[i];
    char path[SCRATCH_MAX + 64], name[16];
    FILE *file;

    service_name(i, name);
    snprintf(path, sizeof(path), "%s/services.d/%s.conf", world.directory, name);
    if (!spec->is_there) {
        remove(path);
        return;
    }
    file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "[Service]\nProvider=pulumi\nIssuer=issuer-%u\nAudience=%s\nShare=%s\n",
            spec->issuer, audiences[spec->audience], spec->is_per_pod ? "pod" : "serviceaccount");
    fprintf(file, "[Pulumi]\nOrganization=%s\n", organizations[spec->organization]);
    if (users[spec->user])
        fprintf(file, "TokenType=personal\nUser=%s\n", users[spec->user]);
    rules_print(&spec->local, file);
    fclose(file);
}

static void spec_repeat(struct spec *spec)
{
    bool is_repeated = spec->is_per_pod || world.fault == FAULT_RULES_NOT_REPEATED;

    rules_repeat(&spec->local, &world.versions[spec->organization]->rules,
                 is_repeated ? SCOPE_POD : SCOPE_ACCOUNT);
}

/*
 * There are few settings, so that some services have equal ones, and some return to earlier ones.
 */
static void spec_make(struct spec *spec)
{
    if (!spec->is_there || random_below(2)) {
        *spec = (struct spec){
            .issuer = (unsigned)random_below(2),
            .audience = (unsigned)random_below(ARRAY_SIZE(audiences)),
            .organization = (unsigned)random_below(ORGANIZATIONS),
            .user = (unsigned)random_below(ARRAY_SIZE(users)),
        };
    }
    if (random_below(4) == 0)
        spec->audience = (unsigned)random_below(ARRAY_SIZE(audiences));
    spec->is_per_pod = random_below(2);
    spec->is_there = random_below(8) > 0;
}

/* Most configurations enforce the checks; "audit" lets the same requests pass as "off". */
static void daemon_file_make(void)
{
    static const char *const attestations[] = {"enforce", "enforce", "audit", "off"};
    const char *attestation = attestations[random_below(ARRAY_SIZE(attestations))];
    char path[SCRATCH_MAX + 64], text[128];

    world.is_attested = strcmp(attestation, "enforce") == 0;
    world.node = random_below(3) ? own_node : NULL;
    snprintf(path, sizeof(path), "%s/podlogind.conf", world.directory);
    snprintf(text, sizeof(text), "[Daemon]\nCacheRows=100\nPeerAttestation=%s\n%s%s\n", attestation,
             world.node ? "NodeUID=" : "", world.node ? world.node : "");
    scratch_write(path, text, strlen(text), 0600);
}

void config_make(bool is_first)
{
    bool is_changed[ORGANIZATIONS];
    struct rules rules;

    if (is_first || random_below(8) == 0)
        daemon_file_make();
    for (unsigned i = 0; i < ORGANIZATIONS; i++) {
        is_changed[i] = is_first || random_below(3) == 0;
        if (!is_changed[i])
            continue;
        rules_make(&rules, SCOPE_JWT);
        upstream_change(i, &rules);
    }
    for (unsigned i = 0; i < SERVICES; i++) {
        struct spec *spec = &world.specs[i];
        bool is_other = is_first || random_below(4) == 0;

        if (is_other)
            spec_make(spec);
        if (!is_other && !is_changed[spec->organization] && random_below(3))
            continue;
        spec_repeat(spec);
        spec_write(i);
    }
}

const struct config *config_read(void)
{
    const struct config *config;
    struct findings findings;

    if (config_load(world.directory, &config, &findings) < 0)
        fail_msg("%s", findings.list[0].text);
    return config;
}

void directory_make(void)
{
    char path[SCRATCH_MAX + 64], text[128];

    scratch_make(world.directory, "/tmp");
    snprintf(path, sizeof(path), "%s/services.d", world.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/issuers.d", world.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(issuers); i++) {
        snprintf(path, sizeof(path), "%s/issuers.d/issuer-%u.conf", world.directory, i);
        snprintf(text, sizeof(text), "[Issuer]\nURL=%s\n", issuers[i]);
        scratch_write(path, text, strlen(text), 0600);
    }
}

void identities_begin(void)
{
    world.key = (struct jwk){.n_refs = 1};
    world.identities =
        (struct identities){.loop = &sim_loop, .generation = 1, .config = config_ref(world.config)};
    list_init(&world.identities.by_age);
    world.identities.n_issuers = world.config->n_issuers;
    world.identities.issuers = calloc(world.config->n_issuers, sizeof(struct issuer *));
    assert_non_null(world.identities.issuers);
    for (size_t i = 0; i < world.config->n_issuers; i++) {
        struct issuer *issuer = calloc(1, sizeof(*issuer));

        assert_non_null(issuer);
        issuer->config = issuer_config_ref(&world.config->issuers[i]);
        issuer->loop = &sim_loop;
        list_init(&issuer->waiters);
        world.identities.issuers[i] = issuer;
    }
    node_begin(&world.identities);
}
