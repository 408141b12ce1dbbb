#include "ctl/issuer/keys.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "ctl/issuer/issuer.h"
#include "jose/jwks.h"

/* RFC 7517, section 4; RFC 7518, sections 6.2.1 and 6.3.1 */
static const char *const public_members[] = {"kty", "use", "kid", "alg", "n", "e", "crv", "x", "y"};
static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

/* Returns a key with what is public of it. */
static json_t *public_part(const json_t *key)
{
    json_t *copy = json_object();

    for (size_t i = 0; i < sizeof(public_members) / sizeof(public_members[0]); i++) {
        json_t *value = json_object_get(key, public_members[i]);

        if (value)
            json_object_set(copy, public_members[i], value);
    }
    return copy;
}

static bool is_private(const json_t *key)
{
    for (size_t i = 0; i < sizeof(private_members) / sizeof(private_members[0]); i++)
        if (json_object_get(key, private_members[i]))
            return true;
    return false;
}

/* The daemon's own reader says whether the keys can be used. */
static int check(const char *path, const struct secret *text)
{
    struct jwks jwks = {0};
    const char *error = NULL;
    int r = jwks_parse(text->bytes, text->len, &jwks, &error);

    if (r == 0)
        error = jwks.skip_reason; /* NULL: each can be used */
    jwks_done(&jwks);
    return r < 0 || error ? issuer_fail(EXIT_CODE_CONFIG, "%s: %s", path, error) : EXIT_CODE_OK;
}

int keys_read(const char *path, json_t **ret_jwks)
{
    CLEANUP(secret_freep)
    struct secret *text = ctl_read(ISSUER, path, JWKS_BYTES_MAX);
    CLEANUP(json_decrefp)
    json_t *json = NULL;
    json_t *keys = json_array();
    const json_t *key;
    size_t i;
    int code = text ? EXIT_CODE_OK : EXIT_CODE_CONFIG;

    if (text)
        json = json_loadb((char *)text->bytes, text->len, JSON_REJECT_DUPLICATES, NULL);
    json_array_foreach(json_object_get(json, "keys"), i, key)
    {
        if (is_private(key) && code == EXIT_CODE_OK)
            code = issuer_fail(
                EXIT_CODE_CONFIG,
                "%s: key %zu is private; a key set of an issuer has public keys only", path, i + 1);
        json_array_append_new(keys, public_part(key));
    }
    if (code == EXIT_CODE_OK)
        code = check(path, text);
    if (code == EXIT_CODE_OK)
        *ret_jwks = json_pack("{s:O}", "keys", keys);
    json_decref(keys);
    return code;
}

/* Returns the keys by their names. */
static json_t *by_name(const json_t *jwks)
{
    json_t *names = json_object();
    const json_t *key;
    size_t i;

    json_array_foreach(json_object_get(jwks, "keys"), i, key)
    {
        const char *kid = json_member_string(key, "kid");

        json_object_set_new(names, kid ? kid : "", public_part(key));
    }
    return names;
}

bool keys_are_equal(const json_t *a, const json_t *b)
{
    CLEANUP(json_decrefp)
    json_t *first = by_name(a);
    CLEANUP(json_decrefp)
    json_t *second = by_name(b);

    return a && b && json_equal(first, second);
}

json_t *keys_names(const json_t *jwks)
{
    json_t *names = json_array();
    const json_t *key;
    size_t i;

    json_array_foreach(json_object_get(jwks, "keys"), i, key)
    {
        const char *kid = json_member_string(key, "kid");

        json_array_append_new(names, json_string(kid ? kid : "(without a name)"));
    }
    return names;
}

static bool has_thumbprint(const json_t *list, const char *wanted)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        if (json_is_string(value) && strcasecmp(json_string_value(value), wanted) == 0)
            return true;
    }
    return false;
}

bool thumbprints_are_equal(const json_t *a, const json_t *b)
{
    const json_t *value;
    size_t i;

    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, value)
    {
        if (!json_is_string(value) || !has_thumbprint(b, json_string_value(value)))
            return false;
    }
    return true;
}
