/*
 * The asymmetric signature algorithms of RFC 7518, section 3.1. A set of them is a bit mask,
 * 1 << enum algorithm.
 */
#ifndef JOSE_ALGORITHM_H
#define JOSE_ALGORITHM_H

enum algorithm {
    ALGORITHM_RS256,
    ALGORITHM_RS384,
    ALGORITHM_RS512,
    ALGORITHM_PS256,
    ALGORITHM_PS384,
    ALGORITHM_PS512,
    ALGORITHM_ES256,
    ALGORITHM_ES384,
    ALGORITHM_ES512,
    ALGORITHMS,
};

/*
 * Finds an algorithm by its name in JOSE. Returns 0, or -EINVAL if @name is not one of them, for
 * example "none" or "HS256".
 */
int algorithm_find(const char *name, enum algorithm *ret_algorithm);

/*
 * Reads a set of algorithms: names that are separated by any characters of @separators.
 *
 * @ret_algorithms: a bit mask, 1 << enum algorithm.
 *
 * Returns 0; -EINVAL if a name is unknown or there is no name; or -ENOMEM.
 */
int algorithms_parse(const char *text, const char *separators, unsigned *ret_algorithms);

#endif
