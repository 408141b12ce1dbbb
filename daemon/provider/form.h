/*
 * Encodes application/x-www-form-urlencoded bodies. All characters but the unreserved ones are
 * escaped, so that a value cannot inject another field.
 */
#ifndef PROVIDER_FORM_H
#define PROVIDER_FORM_H

#include "base/secret.h"

#define FORM_MAX 65536 /* bytes of a body */

struct form_field {
    const char *name;
    const void *value;
    size_t len;
};

/*
 * Returns the body, which the caller frees; or NULL if memory runs out or it is larger than
 * FORM_MAX. It is a secret because a field is a JWT.
 */
struct secret *form_encode(const struct form_field *fields, size_t n);

/* Returns a single encoded value, under the same conditions. */
struct secret *form_encode_value(const void *value, size_t len);

#endif
