/* podlogin whoami: prints the identity of this pod, as the daemon sees it. */
#include "command/commands.h"

#include "command/json.h"
#include "command/login.h"
#include "command/print.h"
#include "protocol/messages.h"

static void add_identity_json(struct text *text, const struct podlogin_identity *identity)
{
    char expires[TIME_SIZE];
    const char *service;

    json_add(text, "{", "issuer", podlogin_identity_issuer(identity));
    json_add(text, ",", "subject", podlogin_identity_subject(identity));
    json_add(text, ",", "namespace", podlogin_identity_namespace(identity));
    json_add(text, ",", "serviceaccount", podlogin_identity_serviceaccount(identity));
    json_add(text, ",", "serviceaccount_uid", podlogin_identity_serviceaccount_uid(identity));
    json_add(text, ",", "pod", podlogin_identity_pod(identity));
    json_add(text, ",", "pod_uid", podlogin_identity_pod_uid(identity));
    json_add(text, ",", "expires_at", time_text(podlogin_identity_expires_at(identity), expires));
    text_add(text, ",\"services\":[", NULL);
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        json_add_string(text, i ? "," : "", service);
    text_add(text, "]}\n", NULL);
}

static void add_identity(struct text *text, const struct podlogin_identity *identity)
{
    char expires[TIME_SIZE];
    const char *service;

    text_add(text, "issuer          ", podlogin_identity_issuer(identity), "\n", NULL);
    text_add(text, "subject         ", podlogin_identity_subject(identity), "\n", NULL);
    text_add(text, "namespace       ", podlogin_identity_namespace(identity), "\n", NULL);
    text_add(text, "serviceaccount  ", podlogin_identity_serviceaccount(identity), " (",
             podlogin_identity_serviceaccount_uid(identity), ")\n", NULL);
    if (*podlogin_identity_pod(identity))
        text_add(text, "pod             ", podlogin_identity_pod(identity), " (",
                 podlogin_identity_pod_uid(identity), ")\n", NULL);
    text_add(text, "expires         ", time_text(podlogin_identity_expires_at(identity), expires),
             "\n", NULL);
    text_add(text, "services       ", NULL);
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        text_add(text, " ", service, NULL);
    text_add(text, "\n", NULL);
}

static int print_identity(const struct options *options, const struct podlogin_identity *identity)
{
    static char buffer[2 * PODLOGIN_ANSWER_MAX];
    struct text text = text_in(buffer, sizeof(buffer));

    if (option_is_given(options, OPTION_JSON))
        add_identity_json(&text, identity);
    else
        add_identity(&text, identity);
    return print(buffer);
}

static int run(const struct options *options, int argc, char **argv)
{
    struct podlogin_identity *identity = NULL;
    enum podlogin_status status;
    struct podlogin *login = NULL;
    int code;

    if (argc > 0)
        return usage("whoami takes no service", argv[0]);
    code = login_open(options, options->service, &login);
    if (code)
        return code;
    status = podlogin_whoami(login, &identity);
    if (status != PODLOGIN_OK) {
        code = report(login, "whoami", status);
    } else {
        code = print_identity(options, identity);
        podlogin_identity_free(identity);
    }
    podlogin_end(login);
    return code;
}

const struct command command_whoami = {
    .name = "whoami",
    .arguments = "",
    .summary = "print the identity of this pod",
    .details = "Prints the identity of this pod as the daemon sees it, and the services that it "
               "may use.\n",
    .takes = TAKES_CONNECTION | OPTION_BIT(OPTION_JSON),
    .run = run,
};
