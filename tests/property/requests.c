/* Requests, handled as in daemon/session, and the checks of each answer. */
#include "property.h"

#include "protocol/messages.h"

#define DEADLINE_USEC (10 * SECOND_USEC)
#define REFUSAL_USEC  (61 * SECOND_USEC)  /* how long a refusal may be remembered */
#define OUTAGE_USEC   (130 * SECOND_USEC) /* how long an outage may have effects after its end */

static const char *const violation_names[] = {
    "none", "rules", "issued for another", "expired token", "JWT not valid", "not served"};

static void violate(enum violation violation, const struct request *request, const char *detail)
{
    if (world.violation)
        return;
    world.violation = violation;
    if (world.fault)
        return; /* expected */
    printf("step %llu, service-%u, %.*s: %s: %s\n", (unsigned long long)counts.steps,
           request->service, (int)request->identity->jwt->len,
           (const char *)request->identity->jwt->bytes, violation_names[violation], detail);
    rules_print(&world.specs[request->service].local, stdout);
    printf("upstream:\n");
    rules_print(&world.versions[world.specs[request->service].organization]->rules, stdout);
}

void request_end(struct request *request)
{
    timer_unset(&request->deadline);
    waiter_leave(&request->waiter.waiter);
    identity_unref(request->identity);
    request->identity = NULL;
}

/* Returns whether the JWT is of a pod of this node, if the configuration requires this. */
static bool is_of_node(const struct request *request)
{
    return !world.node ||
           strcmp(jwt_text(jwt_claims(request->identity), "node", "uid"), world.node) == 0;
}

/*
 * Returns whether the JWT is of the caller's own pod, and the caller is alive, if the configuration
 * requires this.
 */
static bool is_of_caller(const struct request *request)
{
    const struct caller *caller = &request->caller;

    return !world.is_attested ||
           (!caller->has_ended && caller->pod_uid[0] &&
            strcmp(jwt_text(jwt_claims(request->identity), "pod", "uid"), caller->pod_uid) == 0);
}

/* Returns whether the JWT is for the service, has not expired, and is the caller's. */
static bool is_valid(const struct request *request)
{
    const struct spec *spec = &world.specs[request->service];
    const json_t *claims = jwt_claims(request->identity);

    return spec->is_there && !request->is_forged && is_of_node(request) && is_of_caller(request) &&
           jwt_expiry_s(claims) > clock_now().wall_s &&
           strcmp(jwt_audience(claims), audiences[spec->audience]) == 0 &&
           strcmp(json_string_value(json_object_get(claims, "iss")), issuers[spec->issuer]) == 0;
}

static bool is_admitted_here(const struct request *request)
{
    return is_valid(request) &&
           rules_admit(&world.specs[request->service].local, jwt_claims(request->identity));
}

/* Returns whether the request must be served: only a bug of podlogin could refuse it. */
static bool is_to_be_served(const struct request *request)
{
    const struct spec *spec = &world.specs[request->service];
    uint64_t refused_usec = *upstream_refused_usec(request->jti);

    return is_admitted_here(request) &&
           rules_admit(&world.versions[spec->organization]->rules, jwt_claims(request->identity)) &&
           !world.is_down && request->asked_usec >= world.up_since_usec + OUTAGE_USEC &&
           (!refused_usec || sim_now_usec - refused_usec > REFUSAL_USEC);
}

static void count_refusal(const struct request *request)
{
    if (is_valid(request))
        counts.by_rules++;
    else if (request->is_forged)
        counts.by_signature++;
    else if (!is_of_node(request))
        counts.by_node++;
    else if (!is_of_caller(request))
        counts.by_caller++;
    else
        counts.by_identity++;
}

/* Judges a request with the function that the daemon serves with. */
static bool request_judge(struct request *request, bool for_exchange)
{
    const struct admission admission = {
        .identities = &world.identities,
        .identity = request->identity,
        .service = service_of(request->service),
        .peer = &request->peer,
        .now = clock_now(),
        .newer_keys = NEWER_KEYS_LATER,
        .for_exchange = for_exchange,
    };
    struct refusal refusal;

    if (admission.service && admission_judge(&admission, &refusal) == ADMISSION_GRANTED)
        return true;
    count_refusal(request);
    if (is_admitted_here(request))
        violate(VIOLATION_UNSERVED, request, "the rules admit it");
    return false;
}

static void request_check_rules(const struct request *request, const struct issued *issued)
{
    const struct spec *spec = &world.specs[request->service];
    const struct version *version = world.versions[spec->organization];
    const json_t *claims = jwt_claims(request->identity);

    if (!rules_admit(&spec->local, claims))
        violate(VIOLATION_RULES, request, "the service's rules do not admit it");
    if (!rules_could_admit(&issued->version->rules, claims,
                           spec->is_per_pod ? SCOPE_POD : SCOPE_ACCOUNT))
        violate(VIOLATION_RULES, request,
                "the upstream's rules did not admit such a pod when the token was issued");
    if (issued->version == version && !rules_admit(&version->rules, claims))
        violate(VIOLATION_RULES, request, "the upstream does not admit it");
}

static void request_check_token(const struct request *request, const struct token *token)
{
    const struct spec *spec = &world.specs[request->service];
    const json_t *claims = jwt_claims(request->identity);
    struct message_token message;
    const struct issued *issued;
    char who[160], what[32];
    size_t id = 0;

    assert_int_equal(wire_decode(&message_token, token->frame->bytes + WIRE_HEADER_SIZE,
                                 token->frame->len - WIRE_HEADER_SIZE, &message),
                     0);
    for (size_t i = strlen("token-"); i < message.token.len; i++)
        id = id * 10 + (size_t)(message.token.at[i] - '0');
    assert_true(id < world.n_issued);
    issued = &world.issued[id];
    jwt_who(claims, who);
    token_what(organizations[spec->organization], users[spec->user], what);
    if (!is_valid(request))
        violate(VIOLATION_STRANGER, request, "the JWT is not valid for this service or caller");
    if (issued->expires_usec <= sim_now_usec || (int64_t)message.expires_at_s <= clock_now().wall_s)
        violate(VIOLATION_EXPIRED, request, issued->who);
    if (strcmp(issued->who, who) != 0 || strcmp(issued->what, what) != 0)
        violate(VIOLATION_FOREIGN, request, issued->who);
    if (spec->is_per_pod && strcmp(issued->pod_uid, jwt_text(claims, "pod", "uid")) != 0)
        violate(VIOLATION_FOREIGN, request, issued->pod_uid);
    request_check_rules(request, issued);
    if (is_to_be_served(request))
        counts.obliged++;
}

/*
 * Returns whether exchanges may be spaced: for 32 intervals of up to 24 s after the upstream was
 * down, whatever the daemon says. Until then, hits are served.
 */
static bool may_be_spaced(void)
{
    return sim_now_usec < world.up_since_usec + OUTAGE_USEC + 32 * 24 * SECOND_USEC;
}

static void request_fail(const struct request *request, enum podlogin_status status)
{
    char detail[64];

    if (status == PODLOGIN_UPSTREAM_REFUSED)
        counts.by_upstream++;
    else
        counts.failed++;
    snprintf(detail, sizeof(detail), "status %d", (int)status);
    if (status == PODLOGIN_BUSY && request->waiter.rejected)
        return; /* the token is new */
    if (status == PODLOGIN_BUSY && may_be_spaced())
        return;
    if (is_to_be_served(request))
        violate(VIOLATION_UNSERVED, request, detail);
}

static void on_request_woken(struct waiter *waiter, const void *news)
{
    struct request *request = container_of(waiter, struct request, waiter.waiter);
    const struct broker_answer *answer = news;

    if (request->is_watch) {
        if (answer->token && request_judge(request, false)) {
            counts.renewed++;
            request_check_token(request, answer->token);
        }
    } else if (!answer->token) {
        request_fail(request, answer->refusal.status);
    } else if (request_judge(request, false)) {
        if (request->waiter.is_leader)
            counts.exchanged++;
        else
            counts.joined++;
        request_check_token(request, answer->token);
    }
    request_end(request);
}

/* The client asks again when it needs another token. */
static void on_watch_over(struct timer *timer)
{
    request_end(container_of(timer, struct request, deadline));
}

static void request_watch(struct request *request)
{
    request->is_watch = true;
    counts.watched++;
    loop_timer(&sim_loop, &request->deadline,
               broker_watch(&world.broker, &request->waiter, 0, clock_now()), on_watch_over);
}

static void on_request_deadline(struct timer *timer)
{
    struct request *request = container_of(timer, struct request, deadline);

    counts.deadlines++;
    if (is_to_be_served(request))
        violate(VIOLATION_UNSERVED, request, "no answer in time");
    request_end(request);
}

/* Returns whether the configuration allows JWTs of this pod. */
static bool pod_is_usable(const struct pod *pod)
{
    const json_t *claims = jwt_claims(pod->identity);

    return !pod->is_forged && (!world.is_attested || pod->kind == KIND_POD) &&
           (!world.node || strcmp(jwt_text(claims, "node", "uid"), world.node) == 0);
}

/* Picks a pod; most of them request services that their JWTs are for. */
static struct pod *pod_for(unsigned service)
{
    const struct spec *spec = &world.specs[service];
    struct pod *pod = NULL;

    for (int i = 0; i < 20; i++) {
        pod = &world.pods[random_below(PODS)];
        if (strcmp(pod->identity->claims.issuer, issuers[spec->issuer]) == 0 &&
            strcmp(jwt_audience(jwt_claims(pod->identity)), audiences[spec->audience]) == 0 &&
            (pod_is_usable(pod) || random_below(5) == 0))
            break;
    }
    return pod;
}

/* Most processes present the JWT of their own pod; some present another's, or have ended since. */
static void request_call(struct request *request, const struct pod *pod)
{
    static const enum peer_state others[] = {PEER_IN_NO_POD, PEER_CONTRADICTORY, PEER_UNREADABLE,
                                             PEER_ENDED, PEER_UNSEEN};
    struct caller *caller = &request->caller;
    uint64_t which = random_below(24);
    const char *own = jwt_text(jwt_claims(pod->identity), "pod", "uid");

    if (which == 0)
        own = jwt_text(jwt_claims(world.pods[random_below(PODS)].identity), "pod", "uid");
    if (which != 1)
        snprintf(caller->pod_uid, sizeof(caller->pod_uid), "%s", own);
    caller->has_ended = which == 2;
    request->peer = (struct peer){
        .state = caller->pod_uid[0] ? PEER_IN_POD : others[random_below(ARRAY_SIZE(others))],
        .pidfd = caller->has_ended ? ended_pidfd : own_pidfd,
    };
    /* must be ignored, because it is not known to be true */
    snprintf(request->peer.pod_uid, sizeof(request->peer.pod_uid), "%s", own);
}

void request_ask(void)
{
    struct request *request = &world.requests[random_below(REQUESTS)];
    unsigned service = (unsigned)random_below(SERVICES);
    struct pod *pod = pod_for(service);
    uint32_t min_ttl_s = random_below(10) ? 0 : (uint32_t)random_below(7200);
    const struct token *token;
    struct refusal refusal;

    if (request->identity || !world.specs[service].is_there)
        return;
    if (pod->expires_s <= clock_now().wall_s && random_below(4))
        pod_go_on(pod);
    counts.asked++;
    *request = (struct request){.identity = identity_ref(pod->identity),
                                .is_forged = pod->is_forged,
                                .jti = pod->jti,
                                .service = service,
                                .asked_usec = sim_now_usec};
    request->waiter =
        (struct broker_waiter){.identity = request->identity, .service = service_of(service)};
    waiter_init(&request->waiter.waiter, on_request_woken);
    request_call(request, pod);
    if (!request_judge(request, false)) {
        request_end(request);
        return;
    }
    token = broker_find(&world.broker, request->identity, request->waiter.service, min_ttl_s,
                        clock_now());
    if (token && random_below(20) == 0) {
        counts.rejected++;
        request->waiter.rejected = token->fingerprint;
        token = NULL;
    }
    if (token) {
        counts.cached++;
        request_check_token(request, token);
        if (random_below(20) == 0)
            request_watch(request);
        else
            request_end(request);
    } else if (!request_judge(request, true)) {
        request_end(request);
    } else if (broker_join(&world.broker, &request->waiter, &refusal)) {
        loop_timer(&sim_loop, &request->deadline, DEADLINE_USEC, on_request_deadline);
    } else {
        request_fail(request, refusal.status);
        request_end(request);
    }
}

void request_leave(void)
{
    struct request *request = &world.requests[random_below(REQUESTS)];

    if (!request->identity)
        return;
    counts.left++;
    request_end(request);
}
