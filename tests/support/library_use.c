#include "support/library_use.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned expectations_read(struct expectation *rows, unsigned n_max)
{
    unsigned n = 0;

    while (n < n_max &&
           scanf("%64s %511s %1023s", rows[n].service, rows[n].token_file, rows[n].token) == 3)
        n++;
    expect(n > 0, "expectations on standard input", NULL, PODLOGIN_OK);
    return n;
}

void expect(int holds, const char *what, const struct podlogin *login, enum podlogin_status status)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %d: %s\n", what, status, podlogin_strerror(login, status));
    _exit(EXIT_FAILURE);
}

struct podlogin *start(const struct expectation *row)
{
    struct podlogin *login = NULL;
    enum podlogin_status status = podlogin_start(row->service, &login);

    expect(status == PODLOGIN_OK, "podlogin_start", NULL, status);
    status = podlogin_set_token_file(login, row->token_file);
    expect(status == PODLOGIN_OK, "podlogin_set_token_file", login, status);
    return login;
}

void authenticate(struct podlogin *login)
{
    enum podlogin_status status = podlogin_authenticate(login);

    expect(status == PODLOGIN_OK, "podlogin_authenticate", login, status);
}

void get(struct podlogin *login, const struct expectation *row)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_get_token(login, &token);

    expect(status == PODLOGIN_OK, "podlogin_get_token", login, status);
    expect(strcmp(podlogin_token_value(token), row->token) == 0, "the right token", login, status);
    podlogin_token_free(token);
}

unsigned descriptors_count(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD, 0) >= 0;
    return n;
}
