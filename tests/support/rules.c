#include "support/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const struct claim claims_known[] = {
    {"iss", {"iss"}, SCOPE_ACCOUNT, {"https://one.example", "https://two.example"}},
    {"aud", {"aud"}, SCOPE_ACCOUNT, {"urn:a", "urn:b", "urn:ab"}},
    {"sub",
     {"sub"},
     SCOPE_ACCOUNT,
     {"system:serviceaccount:ci:runner", "system:serviceaccount:ci:team.a",
      "system:serviceaccount:cd:team-a", "system:serviceaccount:ops:runner"}},
    {"\"kubernetes.io\".namespace",
     {"kubernetes.io", "namespace"},
     SCOPE_ACCOUNT,
     {"ci", "cd", "ops"}},
    {"\"kubernetes.io\".serviceaccount.name",
     {"kubernetes.io", "serviceaccount", "name"},
     SCOPE_ACCOUNT,
     {"runner", "team.a", "team-a"}},
    {"\"kubernetes.io\".serviceaccount.uid",
     {"kubernetes.io", "serviceaccount", "uid"},
     SCOPE_ACCOUNT,
     {"uid-1", "uid-2", "uid-13", "uid-27"}},
    /* without its parent, a claim that no JWT has */
    {"namespace", {"namespace"}, SCOPE_ACCOUNT, {"ci", "cd"}},
    {"\"kubernetes.io\".pod.name",
     {"kubernetes.io", "pod", "name"},
     SCOPE_POD,
     {"job-1", "job-7", "debug-1", "debug-5", "build-3"}},
    {"\"kubernetes.io\".node.name",
     {"kubernetes.io", "node", "name"},
     SCOPE_POD,
     {"node-1", "node-2", "node-3"}},
    {"team", {"team"}, SCOPE_POD, {"red", "gr\u00fcn", "blau"}},
    {"roles", {"roles"}, SCOPE_POD, {"dev", "ops", "admin"}},
    {"level", {"level"}, SCOPE_JWT, {"-1", "0", "1", "2", "12"}},
    {"trusted", {"trusted"}, SCOPE_JWT, {"true", "false"}},
};

#define N_CLAIMS (sizeof(claims_known) / sizeof(claims_known[0]))

/* --- what they decide --- */

static const char *character_after(const char *text)
{
    text++;
    while ((*text & 0xc0) == 0x80)
        text++;
    return text;
}

bool pattern_matches(const char *pattern, const char *text)
{
    switch (*pattern) {
    case '\0':
        return *text == '\0';
    case '*':
        return pattern_matches(pattern + 1, text) ||
               (*text && pattern_matches(pattern, character_after(text)));
    case '?':
        return pattern_matches(pattern + 1, text) ||
               (*text && pattern_matches(pattern + 1, character_after(text)));
    case '.':
        return *text && pattern_matches(pattern + 1, character_after(text));
    default:
        return *pattern == *text && pattern_matches(pattern + 1, text + 1);
    }
}

static bool value_matches(const char *pattern, const json_t *value)
{
    char text[64];
    size_t len;

    if (json_is_string(value))
        return pattern_matches(pattern, json_string_value(value));
    if (!json_is_integer(value) && !json_is_boolean(value))
        return false;
    len = json_dumpb(value, text, sizeof(text) - 1, JSON_ENCODE_ANY);
    text[len] = '\0';
    return pattern_matches(pattern, text);
}

static bool claim_matches(const struct claim *claim, const char *pattern, const json_t *claims)
{
    const json_t *value = claims;

    for (size_t i = 0; claim->members[i]; i++)
        value = json_object_get(value, claim->members[i]);
    if (!value)
        return false;
    if (!json_is_array(value))
        return value_matches(pattern, value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (value_matches(pattern, json_array_get(value, i)))
            return true;
    return false;
}

static bool section_matches(const struct section *section, const json_t *claims)
{
    for (unsigned i = 0; i < section->n; i++)
        if (!claim_matches(section->rules[i].claim, section->rules[i].pattern, claims))
            return false;
    return true;
}

static enum scope section_scope(const struct section *section)
{
    enum scope widest = SCOPE_ACCOUNT;

    for (unsigned i = 0; i < section->n; i++)
        if (section->rules[i].claim->scope > widest)
            widest = section->rules[i].claim->scope;
    return widest;
}

bool rules_could_admit(const struct rules *rules, const json_t *claims, enum scope scope)
{
    bool is_admitted = false;

    for (unsigned i = 0; i < rules->n; i++) {
        const struct section *section = &rules->sections[i];

        if (section_scope(section) > scope)
            is_admitted |= !section->is_deny;
        else if (section_matches(section, claims) && section->is_deny)
            return false;
        else if (section_matches(section, claims))
            is_admitted = true;
    }
    return is_admitted;
}

bool rules_admit(const struct rules *rules, const json_t *claims)
{
    return rules_could_admit(rules, claims, SCOPE_JWT);
}

/* --- making them --- */

/* Replaces some of a sample by wildcards, but not all of it if the section is a Deny. */
static void pattern_make(char pattern[64], const char *sample, bool is_deny)
{
    size_t n = 0, kept = strlen(sample);

    if (!is_deny && random_below(3) == 0) {
        strcpy(pattern, "*");
        return;
    }
    if (random_below(3) == 0) /* a prefix, and "*" for the rest */
        kept = is_deny ? kept / 2 + random_below(kept / 2 + 1) : random_below(kept);
    for (const char *at = sample; *at && (size_t)(at - sample) < kept; at = character_after(at)) {
        size_t len = (size_t)(character_after(at) - at);

        if (random_below(12) == 0) {
            pattern[n++] = "..?*"[random_below(4)];
        } else {
            memcpy(pattern + n, at, len);
            n += len;
        }
        if (random_below(40) == 0)
            pattern[n++] = "?*"[random_below(2)];
        if (n > 50)
            break;
    }
    if (kept < strlen(sample))
        pattern[n++] = '*';
    pattern[n] = '\0';
}

static const struct claim *claim_of(enum scope scope)
{
    const struct claim *claim;

    do
        claim = &claims_known[random_below(N_CLAIMS)];
    while (claim->scope > scope);
    return claim;
}

void rules_add(struct rules *rules, bool is_deny, enum scope scope)
{
    struct section *section = &rules->sections[rules->n];

    if (rules->n == SECTIONS_MAX)
        return;
    *section = (struct section){.is_deny = is_deny, .n = 1 + (random_below(3) == 0)};
    for (unsigned i = 0; i < section->n; i++) {
        const struct claim *claim = claim_of(scope);
        size_t n_samples = 0;

        while (i && claim == section->rules[0].claim) /* both could not match, which is refused */
            claim = claim_of(scope);
        while (n_samples < 8 && claim->samples[n_samples])
            n_samples++;
        section->rules[i].claim = claim;
        pattern_make(section->rules[i].pattern, claim->samples[random_below(n_samples)], is_deny);
    }
    rules->n++;
}

void rules_make(struct rules *rules, enum scope scope)
{
    unsigned n_allow = 1 + (unsigned)random_below(3), n_deny = (unsigned)random_below(4);
    enum scope of_allows = random_below(2) ? SCOPE_ACCOUNT : scope;

    rules->n = 0;
    while (n_allow || n_deny) {
        bool is_deny = random_below(n_allow + n_deny) < n_deny;

        rules_add(rules, is_deny, is_deny ? scope : of_allows);
        is_deny ? n_deny-- : n_allow--;
    }
}

void rules_drop_account_denies(struct rules *rules)
{
    unsigned n = 0;

    for (unsigned i = 0; i < rules->n; i++)
        if (!rules->sections[i].is_deny || section_scope(&rules->sections[i]) > SCOPE_ACCOUNT)
            rules->sections[n++] = rules->sections[i];
    rules->n = n;
}

void rules_repeat(struct rules *local, const struct rules *upstream, enum scope scope)
{
    bool with_allows = random_below(2);

    local->n = 0;
    for (unsigned i = 0; i < upstream->n; i++)
        if (!upstream->sections[i].is_deny && section_scope(&upstream->sections[i]) > scope)
            with_allows = true;
    for (unsigned i = 0; i < upstream->n; i++) {
        const struct section *section = &upstream->sections[i];

        if (section->is_deny ? section_scope(section) > scope || random_below(2) : with_allows)
            local->sections[local->n++] = *section;
    }
    if (!with_allows && local->n < SECTIONS_MAX) {
        struct section *all = &local->sections[local->n++];

        *all = (struct section){.n = 1};
        all->rules[0].claim = &claims_known[2];
        strcpy(all->rules[0].pattern, "*");
    }
    if (random_below(4) == 0)
        rules_add(local, true, SCOPE_JWT); /* a section that the upstream does not have */
}

void rules_print(const struct rules *rules, FILE *file)
{
    for (unsigned i = 0; i < rules->n; i++) {
        const struct section *section = &rules->sections[i];

        fprintf(file, "[%s \"%u\"]\n", section->is_deny ? "Deny" : "Allow", i);
        for (unsigned j = 0; j < section->n; j++)
            fprintf(file, "%s=%s\n", section->rules[j].claim->path, section->rules[j].pattern);
    }
}
