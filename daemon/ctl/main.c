/* podloginctl, the administrator's command: finds the command and runs it. */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "text/descriptor.h"

#define TOKEN_FILE_MAX 65536 /* long enough to report a long token as malformed */

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"status", ctl_status},
    {"cache", ctl_cache},
    {"reload", ctl_reload},
    {"metrics", ctl_metrics},
    {"check-config", ctl_check_config},
    {"verify", ctl_verify},
    {"explain", ctl_explain},
    {"doctor", ctl_doctor},
    {"issuer", ctl_issuer},
};

static void print_help(void)
{
    printf("podloginctl COMMAND [OPTIONS]\n\n"
           "The administrator's command for podlogind.\n\n"
           "  status        show what the running daemon serves, and what hinders it\n"
           "  cache         list the cached tokens, or purge them\n"
           "  reload        make the daemon read its configuration again\n"
           "  metrics       print the metrics of the daemon\n"
           "  check-config  check a configuration\n"
           "  verify        verify a service-account token against a key set, offline\n"
           "  explain       make every check of the daemon for a token and a service\n"
           "  doctor        check whether the daemon can do its job on this node\n"
           "  issuer        set up Pulumi Cloud for the services of an issuer\n\n"
           "  --help, -h; --version; podloginctl COMMAND --help\n\n"
           "Exit codes: 0; 1 issuer: differences; 64 usage; 69 not reachable; 70 internal\n"
           "error; 75 try again; 77 refused; 78 configuration. See podloginctl(8).\n");
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

struct secret *ctl_read(const char *command, const char *path, size_t max)
{
    CLEANUP(secret_freep)
    struct secret *content = secret_alloc(max);
    CLEANUP(fd_closep)
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(STDIN_FILENO);
    size_t len = 0;
    int r = fd < 0 ? -errno : -ENOMEM;

    if (fd >= 0 && content)
        r = file_read(fd, content->bytes, content->len, &len);
    if (r < 0) {
        ctl_fail(EXIT_CODE_CONFIG, command, "%s: %s", path ? path : "standard input",
                 file_strerror(r));
        return NULL;
    }
    content->len = (uint32_t)len;
    return TAKE_PTR(content);
}

struct secret *ctl_token(const char *command, const char *path)
{
    struct secret *token = ctl_read(command, path, TOKEN_FILE_MAX);

    if (token)
        file_cut_white_end(token);
    return token;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return EXIT_CODE_OK;
    }
    if (strcmp(name, "--version") == 0) {
        printf("podloginctl %s\n", PODLOGIN_VERSION);
        return EXIT_CODE_OK;
    }
    fprintf(stderr, "podloginctl: %s%s; see podloginctl --help\n",
            *name ? "unknown command " : "no command given", name);
    return EXIT_CODE_USAGE;
}

/* A closed standard output, or a full disk, must not look like success. */
int main(int argc, char **argv)
{
    int code;

    if (descriptors_hold_standard() < 0)
        return EXIT_CODE_FAULT;
    log_init("podloginctl", LOG_WARNING);
    if (!openssl_is_usable()) {
        fputs("podloginctl: cannot set up OpenSSL: out of memory\n", stderr);
        return EXIT_CODE_FAULT;
    }
    code = run(argc, argv);
    if (code == EXIT_CODE_OK && fflush(stdout) != 0) {
        fprintf(stderr, "podloginctl: standard output: %s\n", strerror(errno));
        return EXIT_CODE_FAULT;
    }
    return code;
}
