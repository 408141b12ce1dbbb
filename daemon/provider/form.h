/* Bodies of application/x-www-form-urlencoded, built so that no value can become another field. */
#ifndef FORM_H
#define FORM_H

#include "base/secret.h"

#define FORM_MAX 65536

struct form_field {
    const char *name;
    const void *value;
    size_t len;
};

/* The body, in secret memory since a field is a JWT; NULL: out of memory, or over FORM_MAX. */
struct secret *form_encode(const struct form_field *fields, size_t n);

#endif
