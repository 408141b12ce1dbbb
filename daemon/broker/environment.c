#include "broker/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/setting.h"

#define NAME_BYTES 16 /* of the digest: two directories do not get the same name by chance */

static int describe_directory(const struct service *service, const struct digest *key,
                              struct environment *environment)
{
    char name[2 * NAME_BYTES + 1];
    struct digest digest;

    if (digest_of(key->bytes, sizeof(key->bytes), &digest) < 0)
        return -ENOMEM;
    digest_hex(&digest, NAME_BYTES, name);
    if (asprintf(&environment->directory, "%s=%s", service->provider->directory_variable, name) <
        0) {
        environment->directory = NULL;
        return -ENOMEM;
    }
    for (char *const *file = service->files; *file; file++)
        environment->files.item[environment->files.n++] = wire_string(*file);
    return 0;
}

static void unset_words(const char *words, struct wire_list *unset)
{
    const char *word;
    size_t len;

    while (words && (word = setting_word(&words, &len)))
        unset->item[unset->n++] = wire_bytes(word, len);
}

int environment_describe(const struct service *service, const struct digest *key,
                         struct environment *ret_environment)
{
    const struct provider *provider = service->provider;
    const struct provider_values values = service_values(service);

    *ret_environment = (struct environment){0};
    for (const char *const *name = provider->unset; name && *name; name++)
        ret_environment->unset.item[ret_environment->unset.n++] = wire_string(*name);
    if (provider->optional_variables)
        unset_words(provider->optional_variables(&values), &ret_environment->unset);
    return provider->directory_variable ? describe_directory(service, key, ret_environment) : 0;
}

void environment_done(struct environment *environment)
{
    free(environment->directory);
    *environment = (struct environment){0};
}
