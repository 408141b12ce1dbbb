/*
 * What a program expects of the library: the right token for each service and account.
 *
 * Standard input has one line for each: SERVICE TOKEN_FILE TOKEN.
 */
#ifndef SUPPORT_LIBRARY_USE_H
#define SUPPORT_LIBRARY_USE_H

#include "library/podlogin.h"

struct expectation {
    char service[65];
    char token_file[512];
    char token[1024];
};

/* Reads all of them from standard input. Returns how many there are. */
unsigned expectations_read(struct expectation *rows, unsigned n_max);

/* Ends the program with a message if @holds is false. The token of a failure is not printed. */
void expect(int holds, const char *what, const struct podlogin *login, enum podlogin_status status);

/* Starts a handle for the service and the token file of @row. */
struct podlogin *start(const struct expectation *row);

/* Calls podlogin_authenticate(), which must succeed. */
void authenticate(struct podlogin *login);

/* Calls podlogin_get_token(), which must return the token of @row. */
void get(struct podlogin *login, const struct expectation *row);

/* Returns how many descriptors of the process are open. */
unsigned descriptors_count(void);

#endif
