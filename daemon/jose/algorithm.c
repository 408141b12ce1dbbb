#include "jose/algorithm.h"

#include <string.h>

#include "base/cleanup.h"

static const char *const names[ALGORITHMS] = {
    [ALGORITHM_RS256] = "RS256", [ALGORITHM_RS384] = "RS384", [ALGORITHM_RS512] = "RS512",
    [ALGORITHM_PS256] = "PS256", [ALGORITHM_PS384] = "PS384", [ALGORITHM_PS512] = "PS512",
    [ALGORITHM_ES256] = "ES256", [ALGORITHM_ES384] = "ES384", [ALGORITHM_ES512] = "ES512",
};

int algorithm_find(const char *name, enum algorithm *ret_algorithm)
{
    for (unsigned i = 0; i < ALGORITHMS; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_algorithm = i;
            return 0;
        }
    }
    return -EINVAL;
}

int algorithms_parse(const char *text, const char *separators, unsigned *ret_algorithms)
{
    CLEANUP(freep)
    char *copy = strdup(text);
    char *rest = NULL;
    unsigned algorithms = 0;

    if (!copy)
        return -ENOMEM;
    for (char *name = strtok_r(copy, separators, &rest); name;
         name = strtok_r(NULL, separators, &rest)) {
        enum algorithm algorithm;

        if (algorithm_find(name, &algorithm) < 0)
            return -EINVAL;
        algorithms |= 1u << algorithm;
    }
    *ret_algorithms = algorithms;
    return algorithms ? 0 : -EINVAL;
}
