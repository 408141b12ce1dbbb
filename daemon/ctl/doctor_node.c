/* podloginctl doctor: what the kernel lets the daemon see. */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "ctl/doctor.h"
#include "peer/peer.h"

void doctor_check_kernel(struct doctor *doctor)
{
    struct utsname system = {0};

    uname(&system);
    if (peer_is_pinnable())
        doctor_add(&doctor->report, "kernel", DOCTOR_PASSES, "Linux %s", system.release);
    else
        doctor_add(&doctor->report, "kernel", DOCTOR_WARNS("upgrade to Linux 6.5 or later"),
                   "Linux %s has no SO_PEERPIDFD: processes that have just started are turned away "
                   "until they connect again",
                   system.release);
}

void doctor_check_processes(struct doctor *doctor)
{
    struct peer_obstacle obstacle = peer_find_obstacle();
    bool is_enforced = doctor->config->attestation == ATTESTATION_ENFORCE;

    if (obstacle.what)
        doctor_add(&doctor->report, "processes",
                   is_enforced ? DOCTOR_FAILS(EXIT_CODE_CONFIG, obstacle.remedy)
                               : DOCTOR_WARNS(obstacle.remedy),
                   "%s", obstacle.what);
    else if (!is_enforced)
        doctor_add(&doctor->report, "processes", DOCTOR_WARNS("set PeerAttestation=enforce"),
                   "PeerAttestation=%s: every process with a valid token of a pod is served as "
                   "that pod",
                   doctor->config->attestation == ATTESTATION_AUDIT ? "audit" : "off");
    else
        doctor_add(&doctor->report, "processes", DOCTOR_PASSES,
                   "the pods of processes can be told apart");
}

/* How many processes have each state. */
static void count_processes(size_t ret_n[PEER_STATES])
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;

    while (processes && (entry = readdir(processes))) {
        char pod[POD_UID_SIZE];

        if (isdigit((unsigned char)entry->d_name[0]))
            ret_n[peer_look(atoi(entry->d_name), pod)]++;
    }
    if (processes)
        closedir(processes);
}

void doctor_check_pods(struct doctor *doctor)
{
    size_t n[PEER_STATES] = {0}, n_unclear;

    count_processes(n);
    n_unclear = n[PEER_UNSEEN] + n[PEER_UNREADABLE] + n[PEER_CONTRADICTORY];
    if (n_unclear)
        doctor_add(&doctor->report, "pods",
                   DOCTOR_WARNS("give the daemon the node's /proc, without hidepid= and "
                                "ProtectProc=invisible"),
                   "the cgroups of %zu processes cannot be read, or name no single pod", n_unclear);
    else if (!n[PEER_IN_POD])
        doctor_add(&doctor->report, "pods",
                   DOCTOR_WARNS("if pods run on this node, run the daemon with hostPID: true and "
                                "the node's /proc"),
                   "no process of a pod is visible");
    else
        doctor_add(&doctor->report, "pods", DOCTOR_PASSES, "%zu processes of pods are visible",
                   n[PEER_IN_POD]);
}
