/* An upstream with its own rules, which records each token that it issues and for whom. */
#include "property.h"

void token_what(const char *organization, const char *user, char ret_what[32])
{
    snprintf(ret_what, 32, "%s %s", organization, user ? user : "-");
}

static const struct wire_bytes *exchange_setting(const char *name)
{
    static struct wire_bytes value;
    const struct wire_list *list = &sim_exchange->settings;

    for (size_t i = 0; i < list->n; i++) {
        value = list->item[i];
        if (value.len <= strlen(name) || memcmp(value.at, name, strlen(name)) != 0)
            continue;
        value.at += strlen(name);
        value.len -= strlen(name);
        return &value;
    }
    return NULL;
}

uint64_t *upstream_refused_usec(uint64_t jti)
{
    return &world.refused_usec[jti % REFUSALS_TRACKED];
}

static uint32_t token_lifetime_s(void)
{
    return (uint32_t)(random_below(4) ? 600 + random_below(6600) : 5 + random_below(100));
}

static void upstream_issue(struct sim_reply *reply, const json_t *claims, unsigned organization)
{
    const struct wire_bytes *user = exchange_setting("User=");
    char name[16] = "";
    struct issued *issued;

    if (world.n_issued % 4096 == 0)
        world.issued = reallocarray(world.issued, world.n_issued + 4096, sizeof(*world.issued));
    assert_non_null(world.issued);
    issued = &world.issued[world.n_issued];
    if (user)
        snprintf(name, sizeof(name), "%.*s", (int)user->len, (const char *)user->at);
    *issued = (struct issued){.version = world.versions[organization]};
    jwt_who(claims, issued->who);
    token_what(organizations[organization], user ? name : NULL, issued->what);
    snprintf(issued->pod_uid, sizeof(issued->pod_uid), "%s", jwt_text(claims, "pod", "uid"));
    reply->outcome = OUTCOME_OK;
    reply->expires_in_s = token_lifetime_s();
    issued->expires_usec = sim_now_usec + reply->expires_in_s * SECOND_USEC;
    snprintf(reply->token, sizeof(reply->token), "token-%zu", world.n_issued++);
    counts.issued++;
}

/* Decides by the JWT, its expiry and the organization's rules. */
struct sim_reply upstream_answer(void)
{
    static const enum outcome failures[] = {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE,
                                            OUTCOME_THROTTLED,   OUTCOME_MALFORMED,
                                            OUTCOME_UNTRUSTED,   OUTCOME_MISCONFIGURED};
    struct sim_reply reply = {.outcome = OUTCOME_REFUSED,
                              .latency_usec = (10 + random_below(300)) * MSEC};
    const struct wire_bytes *name = exchange_setting("Organization=");
    unsigned organization = 0;
    json_t *claims;

    if (world.is_down) {
        reply.outcome = failures[random_below(ARRAY_SIZE(failures))];
        reply.latency_usec = random_below(5 * SECOND_USEC);
        reply.retry_after_ms = (uint32_t)random_below(60000);
        return reply;
    }
    claims = json_loadb((const char *)sim_exchange->subject_token.at,
                        sim_exchange->subject_token.len, 0, NULL);
    assert_non_null(claims);
    assert_non_null(name);
    while (!wire_bytes_equal(*name, organizations[organization]))
        assert_true(++organization < ORGANIZATIONS);
    if (jwt_expiry_s(claims) > clock_now().wall_s &&
        rules_admit(&world.versions[organization]->rules, claims)) {
        upstream_issue(&reply, claims, organization);
    } else {
        *upstream_refused_usec((uint64_t)json_integer_value(json_object_get(claims, "jti"))) =
            sim_now_usec;
        counts.refusals++;
    }
    json_decref(claims);
    return reply;
}

void upstream_change(unsigned organization, const struct rules *rules)
{
    struct version *version = calloc(1, sizeof(*version));

    assert_non_null(version);
    version->before = world.versions[organization];
    version->rules = *rules;
    world.versions[organization] = version;
}

void upstream_change_alone(void)
{
    unsigned organization = (unsigned)random_below(ORGANIZATIONS);
    struct rules rules = world.versions[organization]->rules;

    rules_drop_account_denies(&rules);
    while (random_below(3) == 0 && rules.n < SECTIONS_MAX / 2)
        rules_add(&rules, true, SCOPE_ACCOUNT);
    upstream_change(organization, &rules);
}
