/* Signature algorithms (RFC 7518, section 3.1): the asymmetric ones, a bit each in a set. */
#ifndef ALGORITHM_H
#define ALGORITHM_H

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

/* Returns 0, or -EINVAL if @name is none of them: "none" and HMAC, for example. */
int algorithm_find(const char *name, enum algorithm *ret_algorithm);

/*
 * Reads names separated by any of @separators into a set of bits, 1 << enum algorithm.
 *
 * Returns 0; -EINVAL if a name is unknown or there is none; -ENOMEM.
 */
int algorithms_parse(const char *text, const char *separators, unsigned *ret_algorithms);

#endif
