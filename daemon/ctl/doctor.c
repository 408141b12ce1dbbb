/* podloginctl doctor: its options, the user that it becomes, and the list of its checks. */
#include "ctl/doctor.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/doctor_decide.h"
#include "ctl/options.h"
#include "ctl/remedy.h"

#define NAME          "doctor"
#define DAEMON_USER   "podlogind"
#define NAMESPACE_MAX 63 /* RFC 1123, section 2.1 */

static const struct {
    const char *name;
    void (*run)(struct doctor *doctor);
    bool needs_exchangers;
} checks[] = {
    {"kernel", doctor_check_kernel, false},      {"processes", doctor_check_processes, false},
    {"pods", doctor_check_pods, false},          {"socket", doctor_check_socket, false},
    {"state", doctor_check_state, false},        {"key", doctor_check_key, false},
    {"unit", doctor_check_unit, false},          {"daemon", doctor_check_daemon, false},
    {"limits", doctor_check_limits, false},      {"exchangers", doctor_check_exchangers, false},
    {"issuers", doctor_check_issuers, true},     {"node", doctor_check_node, true},
    {"upstreams", doctor_check_upstreams, true}, {"api server", doctor_check_api_servers, true},
    {"namespace", doctor_check_namespace, true}, {"token", doctor_check_token, true},
};

static int read_options(int argc, char **argv, struct doctor_options *options)
{
    static const struct ctl_usage usage = {
        .command = NAME,
        .summary =
            "podloginctl doctor [OPTIONS]\n\n"
            "Checks whether the daemon can do its job on this node, also before it runs, and\n"
            "prints what to do. As root, it becomes the daemon's user first.",
    };
    const struct ctl_option table[] = {
        {"config",
         "config DIR        directory of podlogind.conf, issuers.d, services.d (" CONFIG_DIRECTORY
         ")",
         ctl_set_text, &options->config},
        {"service", "service NAME      only the upstream of this service", ctl_set_text,
         &options->service},
        {"token-file", "token-file FILE   judge this service-account token", ctl_set_text,
         &options->token_file},
        {"namespace", "namespace NAME    look whether its pods may mount the socket's directory",
         ctl_set_text, &options->namespace},
        {"exchanger",
         "exchanger PATH    the program that makes HTTPS requests (" PODLOGIN_EXCHANGER ")",
         ctl_set_text, &options->exchanger},
        {"exchanger-sockets",
         "exchanger-sockets DIR\n                      the sockets of exchangers that run "
         "(" EXCHANGER_SOCKETS ", if they are there)",
         ctl_set_text, &options->exchanger_sockets},
        {"user",
         "user NAME         the daemon's user (that of the running daemon, or " DAEMON_USER ")",
         ctl_set_text, &options->user},
        {"json", "json              print a JSON object", ctl_set_flag, &options->is_json},
        {0},
    };
    int code = ctl_read_options(argc, argv, &usage, table);
    const char *name = options->namespace;

    if (code == -1 && name &&
        (!*name || strlen(name) > NAMESPACE_MAX ||
         strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name)))
        return ctl_fail(EXIT_CODE_USAGE, NAME, "--namespace %s is not the name of a namespace",
                        name);
    return code;
}

/* Sets the user of the running daemon; false: it is not known. */
static bool running_user(const struct doctor *doctor, uid_t *ret_uid)
{
    CLEANUP(freep)
    char *status = doctor->pid ? doctor_read_process(doctor, "status") : NULL;
    uint64_t uid;

    if (!status || !process_status_read(status, "Uid:", 10, &uid))
        return false;
    *ret_uid = (uid_t)uid;
    return true;
}

/* Returns the user that root becomes: an entry of the user database, or NULL. */
static const struct passwd *daemon_user(const struct doctor *doctor)
{
    uid_t uid;

    if (doctor->options->user)
        return getpwnam(doctor->options->user);
    return running_user(doctor, &uid) ? getpwuid(uid) : getpwnam(DAEMON_USER);
}

/*
 * Whether the daemon's user can read and write files, and see processes, the kernel tells that user
 * only. Returns 0 or an exit code.
 */
static int become_daemon(const struct doctor *doctor)
{
    const struct passwd *user;

    if (geteuid() != 0)
        return 0;
    user = daemon_user(doctor);
    if (!user && doctor->options->user)
        return ctl_fail(EXIT_CODE_USAGE, NAME, "there is no user %s", doctor->options->user);
    if (!user || user->pw_uid == 0)
        return 0;
    if (initgroups(user->pw_name, user->pw_gid) < 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
        return ctl_fail(EXIT_CODE_FAULT, NAME, "cannot become user %s: %s", user->pw_name,
                        strerror(errno));
    return 0;
}

static void run_checks(struct doctor *doctor)
{
    const char *service = doctor->options->service;

    if (service && !config_service(doctor->config, service, strlen(service)))
        doctor_add(&doctor->report, "service",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG, remedy_find(PODLOGIN_UNKNOWN_SERVICE, NULL)),
                   "there is no service %s", service);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (checks[i].needs_exchangers && !doctor->has_identities)
            doctor_add(&doctor->report, checks[i].name, DOCTOR_SKIPS(NULL),
                       "not checked without exchangers");
        else
            checks[i].run(doctor);
    }
}

static int examine(struct doctor *doctor)
{
    int r = loop_init(&doctor->loop);

    if (r == 0) {
        doctor_begin_requests(doctor);
        run_checks(doctor);
        doctor_end_requests(doctor);
    }
    loop_done(&doctor->loop);
    return r == 0 ? EXIT_CODE_OK : ctl_fail(EXIT_CODE_FAULT, NAME, "%s", strerror(-r));
}

/*
 * What only root may ask comes first. The configuration is read twice: as root for the
 * administrator's socket, where the daemon tells its user, and as that user, to see what it sees.
 */
static int find_daemon(struct doctor *doctor)
{
    int r;

    (void)config_load(doctor->options->config, &doctor->config, &doctor->findings);
    doctor_find_daemon(doctor);
    doctor_find_unit(doctor);
    doctor->config = config_unref(doctor->config);
    r = become_daemon(doctor);
    if (r)
        return r;
    doctor->findings = (struct findings){0};
    (void)config_load(doctor->options->config, &doctor->config, &doctor->findings);
    return 0;
}

int ctl_doctor(int argc, char **argv)
{
    struct doctor_options options = {.config = CONFIG_DIRECTORY, .exchanger = PODLOGIN_EXCHANGER};
    struct doctor doctor = {.options = &options, .launcher.fd = -1};
    int r = read_options(argc, argv, &options);

    if (r != -1)
        return r;
    process_harden();
    log_init("podloginctl", LOG_CRIT); /* what the daemon's code would log is in the lines */
    if (options.token_file) {
        doctor.token = ctl_token(NAME, options.token_file);
        if (!doctor.token)
            return EXIT_CODE_CONFIG;
    }
    doctor.report.lines = json_array();
    r = find_daemon(&doctor);
    if (r == 0) {
        doctor_check_configuration(&doctor);
        if (doctor.config)
            r = examine(&doctor);
    }
    if (r == 0)
        r = doctor_print(&doctor.report, options.is_json);
    json_decref(doctor.report.lines);
    json_decref(doctor.status);
    doctor_unit_done(&doctor.unit);
    secret_free(doctor.token);
    config_unref(doctor.config);
    return r;
}
