/*
 * A program of PAM, linked with libpam, that does what the lines of its standard input say:
 *
 *     pam_host DIRECTORY SERVICE [USER]
 *
 * DIRECTORY has the file SERVICE, as in pam.d. The lines are:
 *
 *     authenticate, setcred, acct_mgmt, chauthtok, open_session, close_session,
 *     putenv NAME=VALUE, end, start
 *                      answers "CODE FUNCTION"
 *     fault N ERRNO    in the next call, the Nth function of libc or libpam fails: see faults.c
 *     environment      answers NAME=VALUE of each variable, and an empty line
 *     asked            answers how many times the conversation function was called
 *
 * FUNCTION is the one that failed, or "-". What goes to the system log is printed to standard
 * error, after its priority and facility. The program keeps no copy of a value.
 */
#include <errno.h>
#include <security/pam_appl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "text/text.h"

/* Of faults.c, if that is loaded. */
__attribute__((weak)) void faults_arm(long number, int error);
__attribute__((weak)) const char *faults_disarm(void);

static unsigned n_asked;

static int converse(int n, const struct pam_message **messages, struct pam_response **responses,
                    void *data)
{
    (void)n;
    (void)messages;
    (void)responses;
    (void)data;
    n_asked++;
    return PAM_CONV_ERR;
}

/* Take the place of libc's, also for libpam. */
static void print_log(int priority, const char *format, va_list arguments)
{
    fprintf(stderr, "%d ", priority);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void syslog(int priority, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_log(priority, format, arguments);
    va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    print_log(priority, format, arguments);
    va_end(arguments);
}

/* As in a kernel without audit: libpam's own record of a call is no part of the test. */
int audit_open(void);
int audit_open(void)
{
    errno = EPROTONOSUPPORT;
    return -1;
}

static void print_environment(pam_handle_t *handle)
{
    char **list = pam_getenvlist(handle);

    for (char **at = list; at && *at; at++) {
        output(STDOUT_FILENO, *at, "\n", NULL);
        explicit_bzero(*at, strlen(*at));
        free(*at);
    }
    free(list);
    output(STDOUT_FILENO, "\n", NULL);
}

struct host {
    const char *directory, *service, *user;
    pam_handle_t *handle;
};

static int begin(struct host *host)
{
    static const struct pam_conv conversation = {.conv = converse};

    return pam_start_confdir(host->service, host->user, &conversation, host->directory,
                             &host->handle);
}

/* Returns the code of PAM; -1: there is no such line. */
static int call(struct host *host, const char *line)
{
    if (strcmp(line, "authenticate") == 0)
        return pam_authenticate(host->handle, PAM_SILENT);
    if (strcmp(line, "setcred") == 0)
        return pam_setcred(host->handle, PAM_ESTABLISH_CRED);
    if (strcmp(line, "acct_mgmt") == 0)
        return pam_acct_mgmt(host->handle, 0);
    if (strcmp(line, "chauthtok") == 0)
        return pam_chauthtok(host->handle, 0);
    if (strcmp(line, "open_session") == 0)
        return pam_open_session(host->handle, 0);
    if (strcmp(line, "close_session") == 0)
        return pam_close_session(host->handle, PAM_SILENT);
    if (strncmp(line, "putenv ", 7) == 0)
        return pam_putenv(host->handle, line + 7);
    if (strcmp(line, "end") == 0)
        return pam_end(host->handle, PAM_SUCCESS);
    if (strcmp(line, "start") == 0)
        return begin(host);
    return -1;
}

static void answer(struct host *host, const char *line, long number, int error)
{
    const char *failed = NULL;
    int code;

    if (number)
        faults_arm(number, error);
    code = call(host, line);
    if (number)
        failed = faults_disarm();
    dprintf(STDOUT_FILENO, "%d %s\n", code, failed ? failed : "-");
}

int main(int argc, char **argv)
{
    struct host host = {argv[1], argv[2], argc > 3 ? argv[3] : NULL, NULL};
    char line[256];
    long number = 0;
    int error = 0;

    if (argc < 3 || begin(&host) != PAM_SUCCESS)
        return EXIT_FAILURE;
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "fault %ld %d", &number, &error) == 2)
            continue;
        if (strcmp(line, "environment") == 0)
            print_environment(host.handle);
        else if (strcmp(line, "asked") == 0)
            dprintf(STDOUT_FILENO, "%u\n", n_asked);
        else
            answer(&host, line, number, error);
        number = 0;
    }
    return pam_end(host.handle, PAM_SUCCESS) == PAM_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
