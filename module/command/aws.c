/* podlogin aws: prints credentials for credential_process of an AWS configuration. */
#include "command/aws.h"

#include <string.h>

#include "command/commands.h"
#include "command/json.h"
#include "command/login.h"
#include "command/print.h"

/* The daemon checks them, too; but a control character would make other JSON of them. */
static bool is_visible(const char *value)
{
    return value && *value && text_is_visible(value, strlen(value));
}

bool aws_is_in(const struct podlogin_token *token)
{
    return is_visible(podlogin_token_attribute(token, "AWS_ACCESS_KEY_ID")) &&
           is_visible(podlogin_token_attribute(token, "AWS_SECRET_ACCESS_KEY")) &&
           is_visible(podlogin_token_attribute(token, "AWS_SESSION_TOKEN"));
}

int aws_is_missing(const char *service)
{
    return usage("the token of this service has no AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
                 "AWS_SESSION_TOKEN; name a service with Provider=aws-sts",
                 service);
}

void aws_add(struct text *text, const char *before, const char *session,
             const struct podlogin_token *token)
{
    char expires[TIME_SIZE];

    json_add(text, before, "AccessKeyId", podlogin_token_attribute(token, "AWS_ACCESS_KEY_ID"));
    json_add(text, ",", "SecretAccessKey",
             podlogin_token_attribute(token, "AWS_SECRET_ACCESS_KEY"));
    json_add(text, ",", session, podlogin_token_attribute(token, "AWS_SESSION_TOKEN"));
    json_add(text, ",", "Expiration", time_text(podlogin_token_expires_at(token), expires));
    text_add(text, "}", NULL);
}

static int print_credentials(const struct podlogin_token *token)
{
    static char buffer[AWS_JSON_SIZE];
    struct text text = text_in(buffer, sizeof(buffer));

    aws_add(&text, "{\"Version\":1,", "SessionToken", token);
    text_add(&text, "\n", NULL);
    return print_secret(buffer, sizeof(buffer));
}

static int run(const struct options *options, int argc, char **argv)
{
    const char *service = options->service ? options->service : AWS_SERVICE;
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code;

    if (argc > 1)
        return usage("aws takes at most one service", argv[1]);
    code = login_fetch(options, argc ? argv[0] : service, &token, &login);
    if (code)
        return code;
    code = aws_is_in(token) ? print_credentials(token) : aws_is_missing(podlogin_service(login));
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

const struct command command_aws = {
    .name = "aws",
    .arguments = "[SERVICE]",
    .summary = "print credentials for credential_process of AWS",
    .details = "Prints the JSON that credential_process of an AWS configuration file expects. The "
               "service is aws\n"
               "if none is named, whatever PODLOGIN_SERVICE says.\n",
    .takes = TAKES_TOKEN,
    .run = run,
};
