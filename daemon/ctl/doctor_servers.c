/* podloginctl doctor: issuers and upstreams, through the exchangers. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/setting.h"
#include "ctl/doctor.h"
#include "ctl/doctor_decide.h"
#include "ctl/remedy.h"

#define KEYS_WAIT_USEC (12 * SECOND_USEC) /* longer than a transfer of the exchanger */
#define KEYS_LOOK_USEC (SECOND_USEC / 50)

static bool sockets_are_there(const char *directory)
{
    char path[sizeof(EXCHANGER_SOCKETS) + 32];

    for (int role = 0; role < EXCHANGER_PROGRAMS; role++) {
        snprintf(path, sizeof(path), "%s/%s.sock", directory, exchanger_names[role]);
        if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
            return false;
    }
    return true;
}

static int start_exchangers(struct doctor *doctor)
{
    const char *sockets = doctor->options->exchanger_sockets;
    int r = 0;

    if (!sockets && sockets_are_there(EXCHANGER_SOCKETS))
        sockets = EXCHANGER_SOCKETS;
    if (sockets)
        launcher_init_sockets(&doctor->launcher, sockets);
    else
        r = launcher_init(&doctor->launcher, doctor->options->exchanger);
    for (int role = 0; role < EXCHANGER_PROGRAMS && r == 0; role++)
        r = exchanger_client_new(&doctor->loop, &doctor->launcher, (enum exchanger_role)role,
                                 &doctor->exchangers[role]);
    for (int role = 0; role < EXCHANGER_PROGRAMS && r == 0; role++)
        if (!exchanger_is_running(doctor->exchangers[role]))
            r = -ECONNREFUSED;
    if (r < 0)
        doctor_add(&doctor->report, "exchangers",
                   DOCTOR_FAILS(EXIT_CODE_UNREACHABLE,
                                "install podlogin-exchanger, or start its socket units"),
                   "cannot start the exchangers (%s): %s",
                   sockets ? sockets : doctor->options->exchanger, strerror(-r));
    return r;
}

struct keys_wait {
    struct timer timer;
    struct doctor *doctor;
    uint64_t until_usec;
};

static bool keys_are_settled(const struct identities *identities)
{
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (!identities->issuers[i]->jwks.n && !identities->issuers[i]->error[0])
            return false;
    return true;
}

static void on_keys_look(struct timer *timer)
{
    struct keys_wait *wait = container_of(timer, struct keys_wait, timer);
    struct doctor *doctor = wait->doctor;

    if (keys_are_settled(&doctor->identities) || clock_boot_usec() > wait->until_usec)
        loop_stop(&doctor->loop);
    else
        loop_timer(&doctor->loop, timer, KEYS_LOOK_USEC, on_keys_look);
}

void doctor_begin_requests(struct doctor *doctor)
{
    struct keys_wait wait = {.doctor = doctor, .until_usec = clock_boot_usec() + KEYS_WAIT_USEC};

    if (start_exchangers(doctor) < 0)
        return;
    doctor->has_identities = true;
    if (identities_init(&doctor->identities, doctor->config, &doctor->loop,
                        doctor->exchangers[EXCHANGER_ISSUERS]) < 0)
        return;
    loop_timer(&doctor->loop, &wait.timer, KEYS_LOOK_USEC, on_keys_look);
    loop_run(&doctor->loop);
    timer_unset(&wait.timer);
}

void doctor_end_requests(struct doctor *doctor)
{
    if (doctor->has_identities)
        identities_done(&doctor->identities);
    for (int role = 0; role < EXCHANGERS; role++)
        exchanger_client_free(doctor->exchangers[role]);
    launcher_done(&doctor->launcher);
}

void doctor_check_issuers(struct doctor *doctor)
{
    char name[80];

    for (size_t i = 0; i < doctor->identities.n_issuers; i++) {
        const struct issuer *issuer = doctor->identities.issuers[i];
        const char *error = issuer->error[0] ? issuer->error : "no answer in time";

        snprintf(name, sizeof(name), "issuer %.64s", issuer->config->name);
        if (!issuer->jwks.n)
            doctor_add(&doctor->report, name, judge_failure(PODLOGIN_ISSUER_UNAVAILABLE, error),
                       "%s", error);
        else if (issuer->n_skipped)
            doctor_add(&doctor->report, name,
                       DOCTOR_WARNS("none is needed if no tokens are signed with them"),
                       "%zu usable keys, and %zu that cannot be used: %s", issuer->jwks.n,
                       issuer->n_skipped, issuer->skip_reason);
        else
            doctor_add(&doctor->report, name, DOCTOR_PASSES, "%zu key%s", issuer->jwks.n,
                       issuer->jwks.n == 1 ? "" : "s");
    }
}

void doctor_check_node(struct doctor *doctor)
{
    const struct own_node *node = &doctor->identities.node;

    if (!node->is_expected)
        doctor_add(&doctor->report, "node", DOCTOR_WARNS("set NodeTokenFile=, or NodeUID="),
                   "tokens of pods of other nodes are served");
    else if (node->uid[0])
        doctor_add(&doctor->report, "node", DOCTOR_PASSES, "its uid is %s", node->uid);
    else if (node->error[0])
        doctor_add(&doctor->report, "node",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG,
                                "mount a projected token of the daemon's own pod, or set NodeUID="),
                   "NodeTokenFile=%s: %s", doctor->config->node_token_file, node->error);
    else
        doctor_add(&doctor->report, "node", DOCTOR_SKIPS(NULL),
                   "not known without the keys of an issuer");
}

static void on_probed(struct job *job, const struct job_result *result)
{
    struct probe *probe = container_of(job, struct probe, job);
    int64_t now_s = clock_now().wall_s;

    probe->outcome = (enum outcome)result->outcome;
    probe->http_status = result->http_status;
    snprintf(probe->detail, sizeof(probe->detail), "%.*s", (int)result->detail.len,
             (const char *)result->detail.at);
    probe->has_date = result->date_s > 0;
    probe->skew_s = clock_skew_s((int64_t)result->date_s, probe->skew_s, now_s);
    if (result->body.len)
        probe->body = json_read_object(result->body.at, result->body.len);
    loop_stop(probe->loop);
}

void doctor_probe(struct doctor *doctor, enum exchanger_role role, const struct job_probe *values,
                  struct probe *ret_probe)
{
    int r;

    /* until it ends, skew_s is the time at which it began */
    *ret_probe = (struct probe){
        .loop = &doctor->loop, .outcome = OUTCOME_UNAVAILABLE, .skew_s = clock_now().wall_s};
    r = exchanger_client_submit(doctor->exchangers[role], &ret_probe->job, &job_probe, values,
                                on_probed);
    if (r < 0)
        snprintf(ret_probe->detail, sizeof(ret_probe->detail), "%s", strerror(-r));
    else
        loop_run(&doctor->loop);
    job_cancel(&ret_probe->job);
}

static bool is_first_of_upstream(const struct doctor *doctor, size_t which)
{
    const struct service *services = doctor->config->services;

    for (size_t i = 0; i < which; i++)
        if (memcmp(&services[i].upstream, &services[which].upstream,
                   sizeof(services[i].upstream)) == 0)
            return false;
    return true;
}

bool doctor_is_asked_for(const struct doctor *doctor, const struct service *service)
{
    return !doctor->options->service || strcmp(doctor->options->service, service->name) == 0;
}

static void add_clock(struct doctor *doctor, const char *url, const struct probe *probe)
{
    if (!probe->has_date)
        doctor_add(&doctor->report, "clock", DOCTOR_SKIPS(NULL), "%s does not tell the time", url);
    else if (probe->skew_s)
        doctor_add(&doctor->report, "clock", judge_skew(probe->skew_s),
                   "it is %lld s %s, compared with %s",
                   probe->skew_s > 0 ? (long long)probe->skew_s : -(long long)probe->skew_s,
                   probe->skew_s > 0 ? "slow" : "fast", url);
    else
        doctor_add(&doctor->report, "clock", DOCTOR_PASSES, "as %s", url);
}

static void check_upstream(struct doctor *doctor, const struct service *service)
{
    const char *url = service->endpoint;
    const struct job_probe job = {.url = wire_string(url),
                                  .ca_file = wire_string(service->ca_file)};
    struct probe probe;
    char name[80];

    snprintf(name, sizeof(name), "upstream %.64s", service->name);
    doctor_probe(doctor, EXCHANGER_UPSTREAMS, &job, &probe);
    if (probe.outcome != OUTCOME_OK) {
        doctor_add(&doctor->report, name,
                   judge_failure(probe.outcome == OUTCOME_MALFORMED ? PODLOGIN_UPSTREAM_PROTOCOL
                                                                    : PODLOGIN_UPSTREAM_UNAVAILABLE,
                                 probe.detail),
                   "%s: %s", url, probe.detail);
        return;
    }
    if (probe.http_status >= 500)
        doctor_add(&doctor->report, name,
                   DOCTOR_WARNS(remedy_find(PODLOGIN_UPSTREAM_UNAVAILABLE, NULL)),
                   "%s answers with HTTP %u", url, probe.http_status);
    else
        doctor_add(&doctor->report, name, DOCTOR_PASSES, "%s answers", url);
    add_clock(doctor, url, &probe);
}

/* A program is not run, and may be elsewhere: in a container of its own. */
static void check_command(struct doctor *doctor, const struct service *service)
{
    const char *at = service->endpoint;
    size_t len;
    const char *word = setting_word(&at, &len);
    CLEANUP(freep)
    char *path = word ? strndup(word, len) : NULL;
    char name[80];

    snprintf(name, sizeof(name), "upstream %.64s", service->name);
    if (path && access(path, X_OK) == 0)
        doctor_add(&doctor->report, name, DOCTOR_PASSES, "%s is there", path);
    else
        doctor_add(&doctor->report, name,
                   DOCTOR_WARNS(remedy_find(PODLOGIN_UPSTREAM_REFUSED, "Command= cannot be "
                                                                       "executed")),
                   "%s: %s", path, strerror(errno));
}

void doctor_check_upstreams(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->config->n_services; i++) {
        const struct service *service = &doctor->config->services[i];

        if (!doctor_is_asked_for(doctor, service) ||
            (!doctor->options->service && !is_first_of_upstream(doctor, i)))
            continue;
        if (service->provider->is_program)
            check_command(doctor, service);
        else
            check_upstream(doctor, service);
    }
}
