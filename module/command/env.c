/* podlogin env: prints the variables of a service for shells and other programs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/commands.h"
#include "command/json.h"
#include "command/login.h"
#include "command/print.h"
#include "command/variables.h"
#include "protocol/messages.h"
#include "protocol/status.h"

/* Quoting makes four bytes of one at most; the names of variables to unset are short. */
#define OUTPUT_SIZE (5 * PODLOGIN_ANSWER_MAX)

struct printer {
    struct text text;
    unsigned n;
};

/* In single quotes; a single quote ends them, and stands escaped between two strings. */
static void add_quoted(struct text *text, const char *value)
{
    text_add(text, "'", NULL);
    for (; *value; value++)
        if (*value == '\'')
            text_add(text, "'\\''", NULL);
        else
            text_add_bytes(text, value, 1);
    text_add(text, "'", NULL);
}

static int print_sh(void *context, const char *name, const char *value)
{
    struct printer *printer = context;

    text_add(&printer->text, value ? "export " : "unset ", name, value ? "=" : "", NULL);
    if (value)
        add_quoted(&printer->text, value);
    text_add(&printer->text, "\n", NULL);
    return EXIT_CODE_OK;
}

static bool is_plain(const char *value)
{
    return !value[strcspn(value, " \t\"'\\$`#;&|<>()*?[]{}!~")];
}

/*
 * Readers of such files differ in quotes and escapes: docker takes all as it is. A value without
 * special characters is the same for all of them.
 */
static int print_dotenv(void *context, const char *name, const char *value)
{
    struct printer *printer = context;

    if (!value)
        return EXIT_CODE_OK;
    text_add(&printer->text, name, "=", NULL);
    if (is_plain(value)) {
        text_add(&printer->text, value, "\n", NULL);
        return EXIT_CODE_OK;
    }
    if (strchr(value, '\'')) {
        output(STDERR_FILENO, "podlogin: env: the value of ", name,
               " has a quote, for which files of this format have no common form; use another "
               "--format\n",
               NULL);
        return EXIT_CODE_FAULT;
    }
    text_add(&printer->text, "'", value, "'\n", NULL);
    return EXIT_CODE_OK;
}

static int print_json(void *context, const char *name, const char *value)
{
    struct printer *printer = context;
    const char *before = printer->n++ ? "," : "{";

    if (value) {
        json_add(&printer->text, before, name, value);
    } else {
        json_add_string(&printer->text, before, name);
        text_add(&printer->text, ":null", NULL);
    }
    return EXIT_CODE_OK;
}

static const struct format {
    const char *name;
    int (*change)(void *context, const char *name, const char *value);
    const char *end;
} formats[] = {
    {"sh", print_sh, ""},
    {"dotenv", print_dotenv, ""},
    {"json", print_json, "}\n"},
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

/* Prints all or nothing; the copy that is printed is wiped. */
static int print_variables(const struct format *format, const struct podlogin_token *token)
{
    char *buffer = malloc(OUTPUT_SIZE);
    struct printer printer = {.n = 0};
    const struct variables variables = {format->change, &printer};
    int code;

    if (!buffer)
        return report(NULL, "env", PODLOGIN_NO_MEMORY);
    printer.text = text_in(buffer, OUTPUT_SIZE);
    code = variables_of(token, &variables);
    text_add(&printer.text, format->end, NULL);
    if (code == EXIT_CODE_OK)
        code = print(buffer);
    explicit_bzero(buffer, OUTPUT_SIZE);
    free(buffer);
    return code;
}

static int run(const struct options *options, int argc, char **argv)
{
    const struct format *format = find_format(options->format ? options->format : "sh");
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code;

    if (argc > 1)
        return usage("env takes at most one service", argv[1]);
    if (!format)
        return usage("--format is sh, dotenv or json", options->format);
    code = login_fetch(options, argc ? argv[0] : options->service, &token, &login);
    if (code)
        return code;
    code = print_variables(format, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

const struct command command_env = {
    .name = "env",
    .arguments = "[SERVICE]",
    .summary = "print the variables of the service",
    .details = "Prints the environment variables of the service, for eval in a shell or for a file "
               "of variables.\n"
               "json is an object; the value null means that the variable must not be set.\n",
    .takes = TAKES_TOKEN | OPTION_BIT(OPTION_FORMAT),
    .run = run,
};
