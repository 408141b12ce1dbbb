/* The four types of Pulumi Cloud's access tokens, and how requests and policies name them. */
#ifndef STANDIN_PULUMI_TOKEN_TYPE_H
#define STANDIN_PULUMI_TOKEN_TYPE_H

struct token_type {
    const char *urn;  /* "requested_token_type" of an exchange */
    const char *name; /* "tokenType" of a policy */

    /*
     * The target of a token is a team, a user or a runner. An organization's token has none, so
     * both are NULL.
     */
    const char *scope_prefix; /* comes before the target in "scope" */
    const char *policy_field; /* the member of a policy that the target has to match */
};

enum token_type_index {
    TOKEN_ORGANIZATION,
    TOKEN_TEAM,
    TOKEN_PERSONAL,
    TOKEN_RUNNER,
    TOKEN_TYPES,
};
extern const struct token_type token_types[TOKEN_TYPES];

/* These return NULL for an unknown type, and for NULL. */
const struct token_type *token_type_find(const char *name);
const struct token_type *token_type_find_urn(const char *urn);

#endif
