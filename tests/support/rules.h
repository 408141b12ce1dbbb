/*
 * Rules as an upstream has them, written from podlogind.conf(5) and with none of the daemon's code,
 * so that each is the other's judge: random ones, what they decide, and what a service has to
 * repeat of them.
 */
#ifndef RULES_H
#define RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define RULES_PER_SECTION 2
#define SECTIONS_MAX      12

/* For whom a claim is the same: each is part of the next. */
enum scope {
    SCOPE_ACCOUNT, /* all JWTs of a service account, of one issuer and for one audience */
    SCOPE_POD,
    SCOPE_JWT,
};

struct claim {
    const char *path;       /* as the configuration writes it */
    const char *members[4]; /* the same, taken apart by hand; NULL at the end */
    enum scope scope;
    const char *samples[8]; /* values that it has, to make patterns of; NULL at the end */
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

/* False: claims of @scope and narrower suffice to say that @rules do not admit. */
bool rules_could_admit(const struct rules *rules, const json_t *claims, enum scope scope);

/* Random rules; @scope: of claims up to this one. */
void rules_make(struct rules *rules, enum scope scope);
void rules_add(struct rules *rules, bool is_deny, enum scope scope);

/* Drops the Deny sections that look at nothing but the account. */
void rules_drop_account_denies(struct rules *rules);

/*
 * What a service that shares tokens within @scope repeats of the upstream's rules: all sections
 * that look further, and others as it happens.
 */
void rules_repeat(struct rules *local, const struct rules *upstream, enum scope scope);

/* As sections of a service's file. */
void rules_print(const struct rules *rules, FILE *file);

#endif
