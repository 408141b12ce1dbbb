/*
 * The rules of an upstream: random rules, what they decide, and which of them a service has to
 * repeat. They are implemented from podlogind.conf(5) without any of the daemon's code, so that
 * each implementation checks the other.
 */
#ifndef RULES_H
#define RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define RULES_PER_SECTION 2
#define SECTIONS_MAX      12

/*
 * The JWTs that share the value of a claim. What is the same for an account is the same for its
 * pods, and what is the same for a pod is the same for its JWTs.
 */
enum scope {
    SCOPE_ACCOUNT, /* all JWTs of a service account, from one issuer and for one audience */
    SCOPE_POD,
    SCOPE_JWT,
};

struct claim {
    const char *path;       /* as written in the configuration */
    const char *members[4]; /* the same, split by hand; NULL at the end */
    enum scope scope;
    const char *samples[8]; /* values of the claim, to derive patterns from; NULL at the end */
};

struct section {
    bool is_deny;
    unsigned n;
    struct {
        const struct claim *claim;
        char pattern[64];
    } rules[RULES_PER_SECTION];
};

struct rules {
    struct section sections[SECTIONS_MAX];
    unsigned n;
};

bool pattern_matches(const char *pattern, const char *text);

bool rules_admit(const struct rules *rules, const json_t *claims);

/* Returns false if claims of scopes up to @scope already show that @rules do not admit. */
bool rules_could_admit(const struct rules *rules, const json_t *claims, enum scope scope);

/* Creates random rules about claims of a scope up to @scope. */
void rules_make(struct rules *rules, enum scope scope);
void rules_add(struct rules *rules, bool is_deny, enum scope scope);

/* Drops the Deny sections that depend only on the account. */
void rules_drop_account_denies(struct rules *rules);

/*
 * Creates the rules of a service that shares tokens within @scope. It repeats all sections of the
 * upstream's rules that depend on claims beyond @scope, and others at random.
 */
void rules_repeat(struct rules *local, const struct rules *upstream, enum scope scope);

/* Writes the rules as sections of a service's file. */
void rules_print(const struct rules *rules, FILE *file);

#endif
