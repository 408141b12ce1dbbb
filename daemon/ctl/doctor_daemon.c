/* podloginctl doctor: the daemon that runs, as it sees itself and as the kernel limits it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/ask.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "ctl/doctor.h"
#include "ctl/doctor_decide.h"
#include "ctl/remedy.h"
#include "ctl/table.h"

#define TIMEOUT_S        10
#define STARTS_WITHIN_S  15 /* what a daemon waits for in this time is under way */
#define PROCESS_FILE_MAX 16384
#define MEMLOCK_MIN      (UINT64_C(8) << 20) /* the default of Linux since 5.16 */
#define CAP_IPC_LOCK_BIT 14                  /* linux/capability.h */

static long long number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

char *doctor_read_process(const struct doctor *doctor, const char *name)
{
    char path[64];
    CLEANUP(fd_closep)
    int fd = -1;
    CLEANUP(freep)
    char *text = calloc(1, PROCESS_FILE_MAX + 1);
    size_t len;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)doctor->pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!text || fd < 0 || file_read(fd, text, PROCESS_FILE_MAX, &len) < 0)
        return NULL;
    return TAKE_PTR(text);
}

void doctor_find_daemon(struct doctor *doctor)
{
    const char *path = doctor->config ? doctor->config->admin_socket : NULL;
    CLEANUP(freep)
    char *text = NULL;
    CLEANUP(freep)
    char *error = malloc(ASK_ERROR_MAX);
    CLEANUP(freep)
    char *name = NULL;

    if (!error)
        return;
    doctor->daemon_code =
        admin_ask(path ? path : ADMIN_SOCKET_PATH, TIMEOUT_S, "status", NULL, &text, error);
    if (doctor->daemon_code != EXIT_CODE_OK)
        snprintf(doctor->daemon_error, sizeof(doctor->daemon_error), "%s", error);
    doctor->status = text ? json_loads(text, 0, NULL) : NULL;
    doctor->pid = (pid_t)number(doctor->status, "pid");
    name = doctor->pid ? doctor_read_process(doctor, "comm") : NULL;
    if (!name || strcmp(name, "podlogind\n") != 0)
        doctor->pid = 0; /* it is the pid in another namespace */
}

static void add_no_status(struct doctor *doctor)
{
    bool has_run = access(doctor->config->cache, F_OK) == 0;

    if (doctor->daemon_code == EXIT_CODE_REFUSED)
        doctor_add(&doctor->report, "daemon", DOCTOR_SKIPS("run podloginctl doctor as root"), "%s",
                   doctor->daemon_error);
    else if (doctor->daemon_code == EXIT_CODE_UNREACHABLE && !has_run)
        doctor_add(&doctor->report, "daemon",
                   DOCTOR_WARNS("systemctl enable --now podlogind, or start it otherwise"),
                   "it does not run, and has not run here before");
    else
        doctor_add(&doctor->report, "daemon",
                   DOCTOR_FAILS(EXIT_CODE_UNREACHABLE,
                                "start it, and read its log: journalctl -u podlogind"),
                   "%s", doctor->daemon_error);
}

void doctor_check_daemon(struct doctor *doctor)
{
    const json_t *waits = json_object_get(doctor->status, "waits_for"), *each;
    const char *version = json_member_string(doctor->status, "version");
    const char *problem = json_member_string(json_object_get(doctor->status, "cache"), "problem");
    char up[SPAN_SIZE];
    size_t i;

    if (!doctor->status) {
        add_no_status(doctor);
        return;
    }
    if (!version || strcmp(version, PODLOGIN_VERSION) != 0)
        doctor_add(&doctor->report, "daemon", DOCTOR_WARNS("restart the daemon"),
                   "it has version %s, and podloginctl " PODLOGIN_VERSION, version);
    if (problem)
        doctor_add(&doctor->report, "daemon",
                   DOCTOR_WARNS("make room on the disk of Cache=, or replace it"),
                   "it serves from memory only: %s", problem);
    json_array_foreach(waits, i, each)
        doctor_add(&doctor->report, "daemon",
                   number(doctor->status, "uptime_s") < STARTS_WITHIN_S
                       ? DOCTOR_WARNS("none if it has just started")
                       : DOCTOR_FAILS(EXIT_CODE_UNREACHABLE, "see the other lines, and its log"),
                   "it cannot serve yet, and waits for %s", json_string_value(each));
    if (!json_array_size(waits))
        doctor_add(&doctor->report, "daemon", DOCTOR_PASSES, "podlogind %s, pid %lld, up %s",
                   version, number(doctor->status, "pid"),
                   span_text((double)number(doctor->status, "uptime_s"), up));
}

static void check_breakers(struct doctor *doctor)
{
    const json_t *each;
    size_t i;

    json_array_foreach(json_object_get(doctor->status, "upstreams"), i, each)
    {
        const char *state = json_member_string(each, "breaker");
        const char *problem = json_member_string(each, "problem");

        if (state && strcmp(state, "closed") != 0)
            doctor_add(&doctor->report, "circuit breaker",
                       DOCTOR_FAILS(EXIT_CODE_UNREACHABLE,
                                    remedy_find(PODLOGIN_UPSTREAM_UNAVAILABLE, problem)),
                       "%s for %s: %s", state, json_member_string(each, "url"),
                       problem ? problem : "it failed");
    }
}

void doctor_check_exchangers(struct doctor *doctor)
{
    const json_t *all = json_object_get(doctor->status, "exchangers"), *each;
    bool all_run = json_array_size(all) > 0;
    size_t i;

    json_array_foreach(all, i, each)
    {
        all_run &= json_is_true(json_object_get(each, "running"));
        if (!json_is_true(json_object_get(each, "running")))
            doctor_add(
                &doctor->report, "exchangers",
                DOCTOR_FAILS(EXIT_CODE_UNREACHABLE,
                             "read its log: journalctl -u 'podlogin-*'; under systemd, start "
                             "its socket unit"),
                "the exchanger for %s does not run", json_member_string(each, "role"));
    }
    if (all_run)
        doctor_add(&doctor->report, "exchangers", DOCTOR_PASSES, "all run");
    check_breakers(doctor);
}

static bool may_lock_memory(const struct doctor *doctor, uint64_t limit)
{
    CLEANUP(freep)
    char *status = doctor_read_process(doctor, "status");
    uint64_t capabilities = 0;

    if (status)
        process_status_read(status, "CapEff:", 16, &capabilities);
    return limit >= MEMLOCK_MIN || capabilities >> CAP_IPC_LOCK_BIT & 1;
}

/* The daemon lowers the number of its connections if it has too few descriptors. */
static void judge_limits(struct doctor *doctor, const char *limits)
{
    long long most = number(json_object_get(doctor->status, "connections"), "most");
    uint64_t descriptors, locked, hard;

    if (!limit_read(limits, "Max open files", &hard, &descriptors) ||
        !limit_read(limits, "Max locked memory", &locked, &hard)) {
        doctor_add(&doctor->report, "limits", DOCTOR_SKIPS(NULL), "/proc/%d/limits has none",
                   (int)doctor->pid);
        return;
    }
    if (most < (long long)doctor->config->limits.connections)
        doctor_add(&doctor->report, "limits", DOCTOR_WARNS("raise LimitNOFILE= of the unit"),
                   "%llu open files are enough for %lld connections only, instead of %u",
                   (unsigned long long)descriptors, most, doctor->config->limits.connections);
    if (!may_lock_memory(doctor, locked))
        doctor_add(&doctor->report, "limits", DOCTOR_WARNS("raise LimitMEMLOCK= of the unit"),
                   "%llu KiB of locked memory are too few: tokens may be swapped out",
                   (unsigned long long)locked / 1024);
    if (most >= (long long)doctor->config->limits.connections && may_lock_memory(doctor, locked))
        doctor_add(&doctor->report, "limits", DOCTOR_PASSES,
                   "%lld connections, and memory for tokens that is not swapped out", most);
}

void doctor_check_limits(struct doctor *doctor)
{
    CLEANUP(freep)
    char *limits = NULL;

    if (!doctor->status)
        return;
    limits = doctor->pid ? doctor_read_process(doctor, "limits") : NULL;
    if (limits)
        judge_limits(doctor, limits);
    else
        doctor_add(&doctor->report, "limits", DOCTOR_SKIPS(NULL),
                   "the daemon's process is not visible here");
}
