/* podlogin, the command in the container: finds the subcommand and runs it, or is a shim. */
#include <string.h>
#include <sys/prctl.h>

#include "command/commands.h"
#include "command/helper.h"
#include "command/print.h"
#include "command/shim.h"
#include "protocol/status.h"

#define HELP_SIZE      8192
#define SUMMARY_COLUMN 40

static const struct command *const commands[] = {
    &command_token, &command_exec, &command_env,          &command_login, &command_whoami,
    &command_wait,  &command_aws,  &command_aws_endpoint, &command_kube,  &command_install,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i] && strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void describe(const struct command *command, struct text *text)
{
    size_t len = 3 + strlen(command->name) + strlen(command->arguments);

    text_add(text, "  ", command->name, " ", command->arguments, NULL);
    for (; len < SUMMARY_COLUMN; len++)
        text_add(text, " ", NULL);
    text_add(text, command->summary, "\n", NULL);
}

static int print_help(void)
{
    char buffer[HELP_SIZE];
    struct text text = text_in(buffer, sizeof(buffer));

    text_add(&text,
             "podlogin COMMAND [OPTIONS] [ARGUMENTS]\n\n"
             "Get a short-lived access token for this pod from podlogind on the node.\n\n",
             NULL);
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i])
            describe(commands[i], &text);
    text_add(
        &text,
        "\nCalled by another name, such as pulumi, it runs the next program of that name on "
        "PATH, as exec",
        &helper_git_credential ? ";\nas git-credential-podlogin or docker-credential-podlogin, "
                                 "it speaks the protocols of git and docker"
                               : "",
        ".\nThe service is $PODLOGIN_SERVICE, or else pulumi; of aws, aws-endpoint and kube, it "
        "is aws or kube.\n"
        "podlogin COMMAND --help describes a command and all of its options. Most commands "
        "take:\n\n",
        NULL);
    options_describe(TAKES_TOKEN | OPTION_BIT(OPTION_VERSION), &text);
    text_add(&text,
             "\nExit codes: 0; 64 usage; 69 no daemon; 70 internal error; 75 try again; 77 "
             "refused;\n"
             "78 configuration. exec exits with the exit status of COMMAND. See podlogin(1).\n",
             NULL);
    return print(buffer);
}

/* @program: what stands before the name of the command. */
static int print_help_of(const char *program, const struct command *command)
{
    char buffer[HELP_SIZE];
    struct text text = text_in(buffer, sizeof(buffer));

    text_add(&text, program, command->name, " [OPTIONS] ", command->arguments, "\n\n",
             command->details, "\n", NULL);
    options_describe(command->takes, &text);
    return print(buffer);
}

static int run(const struct options *options, int argc, char **argv)
{
    const struct command *command;
    int code;

    if (option_is_given(options, OPTION_VERSION))
        return print("podlogin " PODLOGIN_VERSION "\n");
    if (argc > 0 && strcmp(argv[0], "help") == 0)
        return argc > 1 && (command = find(argv[1])) ? print_help_of("podlogin ", command)
                                                     : print_help();
    if (argc == 0 || strcmp(argv[0], "--") == 0)
        return option_is_given(options, OPTION_HELP) ? print_help()
                                                     : usage("a command is missing", NULL);
    command = find(argv[0]);
    if (!command)
        return usage("not a command", argv[0]);
    if (option_is_given(options, OPTION_HELP))
        return print_help_of("podlogin ", command);
    code = options_check(options, command->takes);
    return code >= 0 ? code : command->run(options, argc - 1, argv + 1);
}

static int run_helper(const struct command *helper, int argc, char **argv, struct options *options)
{
    int code = options_parse(&argc, argv, options);

    if (code < 0 && option_is_given(options, OPTION_HELP))
        return print_help_of("", helper);
    if (code < 0)
        code = options_check(options, helper->takes);
    return code >= 0 ? code : helper->run(options, argc, argv);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    const struct command *helper;
    const char *name = argc > 0 ? shim_name(argv[0]) : "";
    int code;

    prctl(PR_SET_DUMPABLE, 0); /* no token in a core dump; execve(2) resets this for the command */
    helper = helper_find(name, &options.service);
    if (helper)
        return run_helper(helper, argc, argv, &options);
    if (shim_is(name))
        return shim_run(name, argc, argv);
    code = options_parse(&argc, argv, &options);
    return code >= 0 ? code : run(&options, argc, argv);
}
