/* What a service-account token says (kubernetes: pkg/serviceaccount/claims.go). */
#ifndef STANDIN_CLAIMS_H
#define STANDIN_CLAIMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The strings and objects belong to the JSON that was read. NULL means: what is usual. */
struct claims_order {
    const char *namespace;
    const char *serviceaccount;
    const char *serviceaccount_uid;
    json_t *pod; /* a string, or null for a token that is bound to no pod */
    const char *pod_uid;
    json_t *node; /* a string, or null for a token without a node */
    const char *node_uid;
    json_t *audience; /* a string or an array */
    bool has_string_audience;
    json_int_t lifetime_s;
    json_int_t issued_at;
    json_int_t not_before;
    json_t *changes; /* to the claims at the top level; or NULL */
};

/*
 * Reads the body of POST /mint; fields that are none of the claims' business are left alone.
 *
 * Returns NULL, or what is wrong with it, which the caller frees.
 */
char *claims_order_read(json_t *json, struct claims_order *ret_order);

/* The claims of the token number @index. The caller owns them. */
json_t *claims_make(const struct claims_order *order, const char *issuer, size_t index);

/* Sets in @object what @changes says, and removes what it says is null. @changes may be NULL. */
void claims_change(json_t *object, json_t *changes);

#endif
