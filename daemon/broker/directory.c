#include "broker/directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define NAME_BYTES 16 /* of the digest: two directories do not get the same name by chance */

static int add_file(struct directory *directory, const struct provider_file *file,
                    const struct provider_values *values)
{
    CLEANUP(freep)
    char *template = file->template(values);
    char *text;

    if (!template || asprintf(&text, "%s=%s", file->name, template) < 0)
        return -ENOMEM;
    directory->files.item[directory->files.n++] = wire_string(text);
    return 0;
}

int directory_describe(const struct service *service, const struct digest *key,
                       struct directory *ret_directory)
{
    const struct provider *provider = service->provider;
    struct provider_values values = service_values(service);
    char name[2 * NAME_BYTES + 1];
    struct digest digest;
    int r = 0;

    *ret_directory = (struct directory){0};
    if (!provider->directory_variable)
        return 0;
    if (digest_of(key->bytes, sizeof(key->bytes), &digest) < 0)
        return -ENOMEM;
    digest_hex(&digest, NAME_BYTES, name);
    if (asprintf(&ret_directory->variable, "%s=%s", provider->directory_variable, name) < 0) {
        ret_directory->variable = NULL;
        return -ENOMEM;
    }
    for (const struct provider_file *file = provider->files; file->name && r == 0; file++)
        r = add_file(ret_directory, file, &values);
    return r;
}

void directory_done(struct directory *directory)
{
    for (size_t i = 0; i < directory->files.n; i++)
        free((void *)directory->files.item[i].at);
    free(directory->variable);
    *directory = (struct directory){0};
}
