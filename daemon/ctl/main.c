/* podloginctl: the administrator's command. */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "protocol/messages.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"verify", ctl_verify},
    {"explain", ctl_explain},
};

static void print_help(void)
{
    printf("podloginctl COMMAND [OPTIONS]\n\n"
           "The administrator's command for podlogind.\n\n"
           "  verify    verify a service-account token against a key set, offline\n"
           "  explain   walk through every check of the daemon for a token and a service\n\n"
           "  --help, --version; podloginctl COMMAND --help\n\n"
           "Exit codes: 0; 64 usage; 70 a fault of podlogin; 75 try again; 77 refused;\n"
           "78 configuration. See podloginctl(1).\n");
}

int ctl_fail(enum exit_code code, const char *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "podloginctl %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

int ctl_harden(const char *command)
{
    int r = secret_guard_libraries();

    if (r == 0)
        r = process_harden();
    return r < 0 ? ctl_fail(EXIT_CODE_FAULT, command, "the process cannot be hardened: %s",
                            strerror(-r))
                 : EXIT_CODE_OK;
}

struct secret *ctl_token(const char *command, const char *path)
{
    CLEANUP(secret_freep)
    struct secret *text = secret_alloc(PODLOGIN_JWT_MAX + 2);
    CLEANUP(fd_closep)
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(STDIN_FILENO);
    struct secret *token = NULL;
    size_t len = 0;
    ssize_t n = 1;

    while (text && fd >= 0 && n > 0 && len < text->len) {
        n = read(fd, text->bytes + len, text->len - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || n < 0) {
        ctl_fail(EXIT_CODE_CONFIG, command, "%s: %s", path ? path : "standard input",
                 strerror(errno));
        return NULL;
    }
    if (text && len && text->bytes[len - 1] == '\n')
        len--;
    token = text ? secret_new(text->bytes, len) : NULL;
    if (!token)
        ctl_fail(EXIT_CODE_FAULT, command, "out of memory");
    return token;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    log_init("podloginctl", LOG_WARNING);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return EXIT_CODE_OK;
    }
    if (strcmp(name, "--version") == 0) {
        printf("podloginctl %s\n", PODLOGIN_VERSION);
        return EXIT_CODE_OK;
    }
    fprintf(stderr, "podloginctl: %s%sa command is missing; see podloginctl --help\n", name,
            *name ? ": no such command, " : "");
    return EXIT_CODE_USAGE;
}
