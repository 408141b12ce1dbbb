/* podlogin kube: prints an ExecCredential, as kubectl and other users of client-go expect it. */
#include "command/commands.h"

#include <string.h>

#include "command/json.h"
#include "command/json_scan.h"
#include "command/login.h"
#include "command/print.h"
#include "library/environment.h"
#include "protocol/messages.h"

#define GROUP   "client.authentication.k8s.io/"
#define SERVICE "kube" /* if none is named */

static const char *const versions[] = {GROUP "v1", GROUP "v1beta1"};

/*
 * The version that the caller expects, in an ExecCredential of its own: the answer must have it.
 * NULL: it is not known.
 */
static const char *asked_version(void)
{
    const char *asked = environment_value("KUBERNETES_EXEC_INFO");
    struct json_span version;

    if (!asked)
        return versions[0];
    if (!json_scan_find((struct json_span){asked, strlen(asked)}, "apiVersion", &version))
        return NULL;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (json_span_is(version, versions[i]))
            return versions[i];
    return NULL;
}

static int print_credential(const char *version, const struct podlogin_token *token)
{
    static char buffer[2 * PODLOGIN_ANSWER_MAX];
    struct text text = text_in(buffer, sizeof(buffer));
    char expires[TIME_SIZE];

    json_add(&text, "{", "apiVersion", version);
    json_add(&text, ",", "kind", "ExecCredential");
    text_add(&text, ",\"status\":", NULL);
    json_add(&text, "{", "expirationTimestamp",
             time_text(podlogin_token_expires_at(token), expires));
    json_add(&text, ",", "token", podlogin_token_value(token));
    text_add(&text, "}}\n", NULL);
    return print_secret(buffer, sizeof(buffer));
}

static int run(const struct options *options, int argc, char **argv)
{
    const char *service = options->service ? options->service : SERVICE;
    const char *version = asked_version();
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code;

    if (argc > 1)
        return usage("kube takes at most one service", argv[1]);
    if (!version)
        return usage("KUBERNETES_EXEC_INFO asks for another version than v1 and v1beta1; write "
                     "apiVersion: client.authentication.k8s.io/v1 into the kubeconfig",
                     NULL);
    code = login_fetch(options, argc ? argv[0] : service, &token, &login);
    if (code)
        return code;
    code = print_credential(version, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

const struct command command_kube = {
    .name = "kube",
    .arguments = "[SERVICE]",
    .summary = "print a credential for exec of a kubeconfig",
    .details = "Prints the ExecCredential that exec of a kubeconfig expects. The service is kube "
               "if none is named,\n"
               "whatever PODLOGIN_SERVICE says.\n",
    .takes = TAKES_TOKEN,
    .run = run,
};
