#include <podlogin.h>
#include <stdio.h>

int main(void)
{
    struct podlogin *login;
    struct podlogin_token *token;
    enum podlogin_status status = podlogin_start("pulumi", &login);

    if (status != PODLOGIN_OK)
        return 1;
    status = podlogin_authenticate(login);
    if (status == PODLOGIN_OK)
        status = podlogin_get_token(login, &token);
    if (status != PODLOGIN_OK) {
        fprintf(stderr, "%s\n", podlogin_strerror(login, status));
        podlogin_end(login);
        return 1;
    }
    printf("a token of type %s\n", podlogin_token_type(token));
    podlogin_token_free(token);
    podlogin_end(login);
    return 0;
}
