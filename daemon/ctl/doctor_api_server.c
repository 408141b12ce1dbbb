/* podloginctl doctor: what the API server lets the daemon's account do, and the daemon's pods. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/url.h"
#include "ctl/doctor.h"
#include "ctl/doctor_decide.h"
#include "ctl/remedy.h"
#include "identity/token_file.h"

/* Asks for the document at @path of the API server with the daemon's own token. */
static int ask_api_server(struct doctor *doctor, const struct review_config *review,
                          const char *path, struct probe *ret_probe)
{
    CLEANUP(secret_freep)
    struct secret *token = NULL;
    int r = token_file_read(review->token_file, &token);
    char url[1024];

    if (r < 0)
        return r;
    snprintf(url, sizeof(url), "%.*s%s", url_length(review->api_server), review->api_server, path);
    doctor_probe(doctor, EXCHANGER_ISSUERS,
                 &(struct job_probe){.url = wire_string(url),
                                     .ca_file = wire_string(review->ca_file),
                                     .own_token = wire_bytes(token->bytes, token->len)},
                 ret_probe);
    return 0;
}

static void check_api_server(struct doctor *doctor, const struct issuer_config *issuer)
{
    static const char denied[] = "does not accept the token in APIServerTokenFile=";
    const struct review_config *review = &issuer->review;
    struct probe probe;
    /* /version is open to everybody, but a token that comes with the request is judged first */
    int r = ask_api_server(doctor, review, "/version", &probe);

    if (r < 0) {
        doctor_add(&doctor->report, "api server",
                   review->mode == REVIEW_OFF
                       ? DOCTOR_WARNS("mount the daemon's own token there, unless the API server "
                                      "shows its keys to everybody")
                       : DOCTOR_FAILS(EXIT_CODE_CONFIG, "mount the daemon's own token there"),
                   "cannot read APIServerTokenFile=%s: %s", review->token_file, file_strerror(r));
        return;
    }
    if (probe.outcome != OUTCOME_OK)
        doctor_add(&doctor->report, "api server",
                   judge_failure(PODLOGIN_REVIEW_UNAVAILABLE, probe.detail), "%s: %s",
                   review->api_server, probe.detail);
    else if (probe.http_status == 401)
        doctor_add(
            &doctor->report, "api server",
            DOCTOR_FAILS(EXIT_CODE_REFUSED, remedy_find(PODLOGIN_REVIEW_UNAVAILABLE, denied)),
            "HTTP 401: %s %s", review->api_server, denied);
    else if (probe.http_status != 200)
        doctor_add(&doctor->report, "api server",
                   DOCTOR_WARNS(remedy_find(PODLOGIN_REVIEW_UNAVAILABLE, "HTTP 404")),
                   "%s answers with HTTP %u", review->api_server, probe.http_status);
    else
        doctor_add(&doctor->report, "api server", DOCTOR_PASSES, "%s accepts the daemon's token",
                   review->api_server);
    json_decref(probe.body);
}

void doctor_check_api_servers(struct doctor *doctor)
{
    const struct config *config = doctor->config;

    for (size_t i = 0; i < config->n_issuers; i++)
        if (config->issuers[i].review.mode != REVIEW_OFF || config->issuers[i].is_at_api_server)
            check_api_server(doctor, &config->issuers[i]);
}

/* The daemon's account may read a namespace only if the administrator has allowed it. */
void doctor_check_namespace(struct doctor *doctor)
{
    const char *name = doctor->options->namespace, *level = "";
    const struct review_config *review =
        doctor->config->n_issuers ? &doctor->config->issuers[0].review : NULL;
    struct doctor_verdict verdict;
    struct probe probe = {0};
    char path[128], look[128];

    if (!name)
        return;
    snprintf(path, sizeof(path), "/api/v1/namespaces/%s", name);
    snprintf(look, sizeof(look), "look yourself: kubectl get namespace %s --show-labels", name);
    if (!review || ask_api_server(doctor, review, path, &probe) < 0 ||
        probe.outcome != OUTCOME_OK || probe.http_status != 200 || !probe.body) {
        doctor_add(&doctor->report, "namespace", DOCTOR_SKIPS(look),
                   "the daemon's account cannot read namespace %s", name);
        json_decref(probe.body);
        return;
    }
    verdict = judge_namespace(probe.body, &level);
    if (verdict.result == DOCTOR_FAILED)
        doctor_add(&doctor->report, "namespace", verdict,
                   "%s has Pod Security level %s, which refuses pods that mount the socket's "
                   "directory (hostPath)",
                   name, level);
    else
        doctor_add(&doctor->report, "namespace", verdict, "%s %s", name,
                   *level ? "lets pods mount the socket's directory"
                          : "has no Pod Security level of its own");
    json_decref(probe.body);
}
