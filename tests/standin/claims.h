/* The claims of a service-account token (Kubernetes: pkg/serviceaccount/claims.go). */
#ifndef STANDIN_CLAIMS_H
#define STANDIN_CLAIMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The claims that a test asks for. Strings and objects belong to the JSON that was read; NULL
 * stands for the default.
 */
struct claims_spec {
    const char *namespace;
    const char *serviceaccount;
    const char *serviceaccount_uid;
    json_t *pod; /* a string, or null for a token without a pod */
    const char *pod_uid;
    json_t *node; /* a string, or null for a token without a node */
    const char *node_uid;
    json_t *audience; /* a string or an array */
    bool has_string_audience;
    json_int_t lifetime_s;
    json_int_t issued_at;
    json_int_t not_before;
    json_t *changes; /* to members at the top level; or NULL */
};

/*
 * Reads the fields of POST /mint that describe the claims. Accepts its other fields unread.
 *
 * Returns NULL, or an error message that the caller frees.
 */
char *claims_spec_read(json_t *json, struct claims_spec *ret_spec);

/* Makes the claims of token number @index. The caller owns them. */
json_t *claims_make(const struct claims_spec *spec, const char *issuer, size_t index);

/* Sets the members of @changes in @object; a null removes one. @changes may be NULL. */
void claims_change(json_t *object, json_t *changes);

#endif
