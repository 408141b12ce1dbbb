/* Opens a handle with the settings of the options, and gets a token. */
#include "command/login.h"

#include <time.h>
#include <unistd.h>

#include "command/print.h"
#include "library/environment.h"
#include "library/login.h"
#include "protocol/status.h"

/* Says which variable is not valid, or that the name of the service is not. */
static int blame_argument(const char *service)
{
    struct environment environment;
    struct environment_fault fault = {"PODLOGIN_SERVICE", NULL, "not the name of a service"};
    char setting[256];
    struct text text = text_in(setting, sizeof(setting));

    if (environment_read(&environment, &fault)) {
        if (service)
            return usage(fault.problem, service);
        fault.value = environment.service;
    }
    text_add(&text, fault.name, "=", fault.value, NULL);
    return usage(fault.problem, setting);
}

int login_open(const struct options *options, const char *service, struct podlogin **ret_login)
{
    struct podlogin *login = NULL;
    enum podlogin_status status = podlogin_start(service, &login);

    if (status == PODLOGIN_BAD_ARGUMENT)
        return blame_argument(service);
    if (status != PODLOGIN_OK)
        return report(NULL, "start", status);
    if (options->socket)
        status = podlogin_set_socket(login, options->socket);
    if (status == PODLOGIN_OK && options->token_file)
        status = podlogin_set_token_file(login, options->token_file);
    if (status == PODLOGIN_OK && option_is_given(options, OPTION_MIN_TTL))
        status = podlogin_set_min_ttl(login, options->min_ttl_s);
    if (status == PODLOGIN_OK && options->timeout_ms)
        status = podlogin_set_timeout(login, options->timeout_ms);
    if (status != PODLOGIN_OK) {
        podlogin_end(login);
        return status == PODLOGIN_NO_MEMORY
                   ? report(NULL, "start", status)
                   : usage("--socket or --token-file is empty or too long", NULL);
    }
    *ret_login = login;
    return EXIT_CODE_OK;
}

static void say_source(const struct podlogin *login, const struct podlogin_token *token)
{
    int64_t left_s = podlogin_token_expires_at(token) - time(NULL);
    char number[NUMBER_SIZE];

    output(STDERR_FILENO, "podlogin: ", podlogin_service(login), ": a token from ",
           podlogin_token_source(token), ", valid for ",
           number_text(left_s > 0 ? (uint64_t)left_s : 0, number), " s\n", NULL);
}

enum podlogin_status login_token(const struct options *options, struct podlogin *login,
                                 struct podlogin_token **ret_token)
{
    enum podlogin_status status = podlogin_authenticate(login);

    if (status == PODLOGIN_OK)
        status = podlogin_get_token(login, ret_token);
    if (status != PODLOGIN_OK)
        report(login, podlogin_service(login), status);
    else if (option_is_given(options, OPTION_VERBOSE))
        say_source(login, *ret_token);
    return status;
}

int login_fetch(const struct options *options, const char *service,
                struct podlogin_token **ret_token, struct podlogin **ret_login)
{
    int code = login_open(options, service, ret_login);

    if (code)
        return code;
    login_asks_once(*ret_login);
    code = status_info(login_token(options, *ret_login, ret_token))->exit_code;
    if (code)
        podlogin_end(*ret_login);
    return code;
}
