/*
 * podloginctl doctor: whether the daemon can do its job on this node. The checks use the daemon's
 * code; what they decide about what they see is in doctor_decide.h.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "admission/admission.h"
#include "config/config.h"
#include "ctl/doctor_report.h"
#include "exchange/exchanger_client.h"

/* Where the units of docs/install-systemd.md have the sockets of the exchangers. */
#define EXCHANGER_SOCKETS "/run/podlogin-exchangers"

struct doctor_options {
    const char *config;
    const char *exchanger;
    const char *exchanger_sockets; /* NULL: EXCHANGER_SOCKETS if they are there */
    const char *user;              /* NULL: that of the running daemon, or podlogind */
    const char *service;           /* NULL: all */
    const char *namespace;         /* NULL: none is looked at */
    const char *token_file;        /* NULL: no token is judged */
    bool is_json;
};

/* What the service manager says of podlogind.service. */
struct doctor_unit {
    int error;   /* -errno: it cannot be asked */
    char *state; /* LoadState */
    char
        *preserves; /* RuntimeDirectoryPreserve=; this and the next: NULL: it has no such setting */
    char *protects; /* ProtectProc= */
    bool is_private; /* PrivateUsers= */
};

struct doctor {
    const struct doctor_options *options;
    struct doctor_report report;
    struct findings findings;
    const struct config *config; /* NULL: it is not valid */
    struct secret *token;        /* NULL: none */
    struct doctor_unit unit;

    /* The running daemon. */
    enum exit_code daemon_code; /* why there is no status */
    char daemon_error[512];
    json_t *status; /* NULL: it does not answer */
    pid_t pid;      /* 0: not visible here */

    /* With a configuration only. */
    struct loop loop;
    struct launcher launcher;
    struct exchanger_client *exchangers[EXCHANGERS]; /* NULL: not started */
    struct identities identities;
    bool has_identities; /* their keys were asked for */
};

/* Finds the running daemon at the administrator's socket. */
void doctor_find_daemon(struct doctor *doctor);

/* Asks the service manager about the daemon's unit. */
void doctor_find_unit(struct doctor *doctor);
void doctor_unit_done(struct doctor_unit *unit);

/* Reads a file of /proc/PID of the running daemon. The caller frees it. NULL: it cannot be read. */
char *doctor_read_process(const struct doctor *doctor, const char *name);

/* Starts the exchangers, or connects to them, and gets the keys of all issuers. */
void doctor_begin_requests(struct doctor *doctor);
void doctor_end_requests(struct doctor *doctor);

/*
 * A server that was asked for a document. The job is done when doctor_probe() returns.
 */
struct probe {
    struct job job;
    struct loop *loop;
    enum outcome outcome;
    char detail[257]; /* why there is no answer */
    uint32_t http_status;
    int64_t skew_s;
    bool has_date;
    json_t *body; /* NULL: no JSON object; the caller drops the reference */
};

void doctor_probe(struct doctor *doctor, enum exchanger_role role, const struct job_probe *values,
                  struct probe *ret_probe);

/* Whether --service names it, or is not given. */
bool doctor_is_asked_for(const struct doctor *doctor, const struct service *service);

/* The checks, in their order. Those after the first need a configuration. */
void doctor_check_configuration(struct doctor *doctor);
void doctor_check_kernel(struct doctor *doctor);
void doctor_check_processes(struct doctor *doctor);
void doctor_check_pods(struct doctor *doctor);
void doctor_check_socket(struct doctor *doctor);
void doctor_check_state(struct doctor *doctor);
void doctor_check_key(struct doctor *doctor);
void doctor_check_unit(struct doctor *doctor);
void doctor_check_daemon(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor);
void doctor_check_exchangers(struct doctor *doctor);
void doctor_check_issuers(struct doctor *doctor);
void doctor_check_node(struct doctor *doctor);
void doctor_check_upstreams(struct doctor *doctor);
void doctor_check_api_servers(struct doctor *doctor);
void doctor_check_namespace(struct doctor *doctor);
void doctor_check_token(struct doctor *doctor);

#endif
