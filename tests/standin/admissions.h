/*
 * Who may log in at the upstreams other than Pulumi Cloud, which has policies. An admission is what
 * a trust policy of AWS, a role of Vault, a client of an OAuth server or a federated credential of
 * Azure says: for which role, subject and audience a token is issued, and for how long.
 */
#ifndef STANDIN_ADMISSIONS_H
#define STANDIN_ADMISSIONS_H

#include <jansson.h>

/* An admission without the member @name admits every value, one with it only the same. */
struct criterion {
    const char *name;
    const char *value; /* NULL: there is none */
};

/* One admission of each kind, for every subject. The caller owns the array. */
json_t *admissions_default(void);

/* Returns NULL, or an error message that the caller frees. */
char *admissions_check(const json_t *admissions);

/*
 * Returns the first admission of @kind that meets all @criteria, whose end is marked by zeros, and
 * whose subject and audience are those of @claims. NULL claims: they do not matter.
 *
 * @ret_missed: set when there is none, to the name of the criterion, "subject" or "audience", that
 *              no admission meets of those that meet all before it.
 */
const json_t *admissions_find(const json_t *admissions, const char *kind,
                              const struct criterion *criteria, const json_t *claims,
                              const char **ret_missed);

/* How long a token lives by @admission. */
json_int_t admission_lifetime(const json_t *admission);

#endif
