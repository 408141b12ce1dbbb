/*
 * Loads the shared library, logs in with it and unloads it, as a plugin of a long-lived program
 * does.
 *
 *     library_reload LIBRARY N
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/library_use.h"

static int is_mapped(const char *name)
{
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "re");
    int is = 0;

    while (maps && fgets(line, sizeof(line), maps))
        is = is || strstr(line, name);
    if (maps)
        fclose(maps);
    return is;
}

/* dlsym() returns a pointer to data, which ISO C does not convert to one to a function. */
static void find(void *library, const char *name, void *ret_function)
{
    void *symbol = dlsym(library, name);

    expect(symbol != NULL, name, NULL, PODLOGIN_OK);
    memcpy(ret_function, &symbol, sizeof(symbol));
}

static void use(void *library, const struct expectation *row)
{
    enum podlogin_status (*start_login)(const char *, struct podlogin **);
    enum podlogin_status (*set_token_file)(struct podlogin *, const char *);
    enum podlogin_status (*log_in)(struct podlogin *);
    enum podlogin_status (*get_token)(struct podlogin *, struct podlogin_token **);
    const char *(*value)(const struct podlogin_token *);
    void (*free_token)(struct podlogin_token *);
    void (*end)(struct podlogin *);
    struct podlogin *login = NULL;
    struct podlogin_token *token = NULL;

    find(library, "podlogin_start", &start_login);
    find(library, "podlogin_set_token_file", &set_token_file);
    find(library, "podlogin_authenticate", &log_in);
    find(library, "podlogin_get_token", &get_token);
    find(library, "podlogin_token_value", &value);
    find(library, "podlogin_token_free", &free_token);
    find(library, "podlogin_end", &end);
    expect(start_login(row->service, &login) == PODLOGIN_OK &&
               set_token_file(login, row->token_file) == PODLOGIN_OK &&
               log_in(login) == PODLOGIN_OK && get_token(login, &token) == PODLOGIN_OK,
           "a login", NULL, PODLOGIN_OK);
    expect(strcmp(value(token), row->token) == 0, "the right token", NULL, PODLOGIN_OK);
    free_token(token);
    end(login);
}

int main(int argc, char **argv)
{
    struct expectation row;
    unsigned n_descriptors = descriptors_count();

    expect(argc == 3, "two arguments", NULL, PODLOGIN_BAD_ARGUMENT);
    expectations_read(&row, 1);
    for (int i = 0; i < atoi(argv[2]); i++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);

        expect(library != NULL, "dlopen", NULL, PODLOGIN_OK);
        use(library, &row);
        expect(dlclose(library) == 0, "dlclose", NULL, PODLOGIN_OK);
        expect(!is_mapped("libpodlogin.so"), "a library that is unloaded", NULL, PODLOGIN_OK);
    }
    expect(descriptors_count() == n_descriptors, "no descriptor left", NULL, PODLOGIN_OK);
    return EXIT_SUCCESS;
}
