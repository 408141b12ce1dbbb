#include "ctl/remedy.h"

#include <string.h>

#include "config/check.h"

/* of errors that several kinds of servers cause */
#define CA_FILE_UNREADABLE                                                                         \
    "make the file readable for the daemon's user (mode 0644); its unit hides /home, /root and "   \
    "/tmp"
#define PROGRAM_MISSING                                                                            \
    "install the program, and the interpreter that its first line names, where the exchanger for " \
    "programs runs, so that its user may execute both; if they are outside of /usr, name their "   \
    "directories in ReadPaths="
#define NAME_UNKNOWN                                                                               \
    "check the name in the URL and /etc/resolv.conf; only pods can look up "                       \
    "kubernetes.default.svc, so on the node set APIServer=, and KeysURL= if the keys are there"

static const struct remedy table[] = {
    {PODLOGIN_BAD_FRAME, NULL,
     "install one version of client and daemon; another client does not "
     "follow docs/protocol.md"},
    {PODLOGIN_BAD_REQUEST, NULL,
     "install one version of client and daemon; another client does "
     "not follow docs/protocol.md"},
    {PODLOGIN_UNKNOWN_SERVICE, NULL,
     "create services.d/NAME.conf; if it exists, run podloginctl reload, and read what it prints"},
    {PODLOGIN_TOKEN_MALFORMED, NULL,
     "mount a projected service-account token: other JWTs, and tokens that live longer than a day "
     "as the API server's default token may, are not accepted"},
    {PODLOGIN_TOKEN_UNTRUSTED_ISSUER, NULL,
     "set URL= of the service's issuer to the claim iss of the token, byte by byte, including a "
     "slash at the end; podloginctl explain prints it"},
    {PODLOGIN_TOKEN_BAD_ALGORITHM, NULL,
     "add the algorithm to Algorithms= of the issuer, which is RS256 unless you set it"},
    {PODLOGIN_TOKEN_UNKNOWN_KEY, NULL,
     "the token is of another cluster, or forged; with KeysFile=, write the issuer's current key "
     "set into the file"},
    {PODLOGIN_TOKEN_BAD_SIGNATURE, NULL,
     "the token is damaged or forged; mount a projected one and read it from its file"},
    {PODLOGIN_TOKEN_EXPIRED, NULL,
     "read the projected file each time, not a copy of it; if all pods get this error, the node's "
     "clock is fast"},
    {PODLOGIN_TOKEN_NOT_YET_VALID, NULL, "set the node's clock: it is more than 30 s slow"},
    {PODLOGIN_TOKEN_WRONG_AUDIENCE, NULL,
     "set audience: of the projected volume to Audience= of the service"},
    {PODLOGIN_TOKEN_WRONG_NODE, "names no node",
     "use the token of a pod, and Kubernetes 1.30 or later; or set neither NodeTokenFile= nor "
     "NodeUID="},
    {PODLOGIN_TOKEN_WRONG_NODE, NULL,
     "the token was copied from a pod of another node; if all pods get this error, NodeUID= is of "
     "another node"},
    {PODLOGIN_TOKEN_REVOKED, NULL,
     "the pod or its service account was deleted (TokenReview=); start a new pod"},
    {PODLOGIN_PEER_MISMATCH, "runs in no pod",
     "run the command in the pod of the token; for a test on the node itself, set "
     "PeerAttestation=audit"},
    {PODLOGIN_PEER_MISMATCH, NULL,
     "present the token of the pod itself: not one that was copied from another pod, or that comes "
     "from kubectl create token and belongs to no pod. PeerAttestation=audit shows whom enforce "
     "would refuse"},
    {PODLOGIN_PEER_GONE, NULL,
     "connect from the process that makes the request, which must not end before the answer"},
    {PODLOGIN_POLICY_DENIED, NULL,
     "the detail names the [Deny] section, or says that no [Allow] section matches; podlogin "
     "whoami, in the pod, shows the claims, and podloginctl explain each rule"},
    {PODLOGIN_UPSTREAM_REFUSED, "invalid_request",
     "check the settings in the provider's section of the service, such as Organization=, "
     "TokenType=, User=, Team=, Runner= and Expiration= of [Pulumi], or Parameters= of [RFC8693]; "
     "then run podloginctl reload, because the refusal is remembered for up to a minute"},
    {PODLOGIN_UPSTREAM_REFUSED, "invalid_scope",
     "check Scope=, and in [Pulumi] TokenType=, User=, Team= and Runner= of the service; then run "
     "podloginctl reload, because the refusal is remembered for up to a minute"},
    {PODLOGIN_UPSTREAM_REFUSED, "invalid_client",
     "check ClientID= and the contents of ClientSecretFile=; in [Azure], which has no secret, the "
     "federated credential must name the issuer, the subject and the audience of the token"},
    {PODLOGIN_UPSTREAM_REFUSED, "AccessDenied",
     "let the trust policy of RoleARN= allow sts:AssumeRoleWithWebIdentity to the issuer, with "
     "this service account as sub and Audience= as aud"},
    {PODLOGIN_UPSTREAM_REFUSED, "No OpenIDConnect provider",
     "create an OIDC provider in IAM, in the account of RoleARN=, with URL= of the issuer and "
     "Audience= of the service as its client"},
    {PODLOGIN_UPSTREAM_REFUSED, "could not be found",
     "check Mount= and Role=: the role must exist at this mount and in this Namespace="},
    {PODLOGIN_UPSTREAM_REFUSED, "token_num_uses",
     "set token_num_uses of the role to 0: all jobs of a service account share its tokens"},
    {PODLOGIN_UPSTREAM_REFUSED, "Command= cannot be executed", PROGRAM_MISSING},
    {PODLOGIN_UPSTREAM_REFUSED, "the program ended",
     "read the program's lines in the log of the exchanger; then run podloginctl reload, because "
     "the refusal is remembered for up to a minute"},
    {PODLOGIN_UPSTREAM_REFUSED, NULL,
     "the detail has the upstream's own words; check its registration of the issuer and its "
     "authorization policies, those of Pulumi Cloud with podloginctl issuer policy lint; then run "
     "podloginctl reload, because the refusal is remembered for "
     "up to a minute"},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "cannot read the CA file", CA_FILE_UNREADABLE},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "cannot read the secret file",
     "let the daemon's user read the file of ClientSecretFile=, and its directory"},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "certificate",
     "set CAFile= of the service to the authority that signed the upstream's certificate; the "
     "variable SSL_CERT_FILE has no effect on the daemon"},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "Could not resolve host", NAME_UNKNOWN},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "the program did not end",
     "read the program's lines in the log of the exchanger; raise Timeout= of the service, or have "
     "the program give up sooner"},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "the program",
     "read the program's lines in the log of the exchanger"},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, "no answer within",
     "the upstream is slower than the client's --timeout: raise it"},
    {PODLOGIN_UPSTREAM_UNAVAILABLE, NULL,
     "check that the node reaches the upstream: network, firewall, https_proxy= of the exchangers. "
     "While the circuit breaker is open, the detail is that of the latest probe"},
    {PODLOGIN_UPSTREAM_PROTOCOL, "left a process behind",
     "let the program wait for all that it starts"},
    {PODLOGIN_UPSTREAM_PROTOCOL, "the program",
     "let the program print one JSON object to standard output, and all else to standard error; "
     "podlogind.conf(5), \"Programs\", says which"},
    {PODLOGIN_UPSTREAM_PROTOCOL, "Variables=", "add the variable's name to Variables="},
    {PODLOGIN_UPSTREAM_PROTOCOL, NULL,
     "set APIURL=, Endpoint=, Address= or TokenURL= to the upstream itself; it leads to something "
     "else, such as a proxy's page or a redirect"},
    {PODLOGIN_ISSUER_UNAVAILABLE, " without a token",
     "this API server shows its keys to authenticated callers only: set KeysURL=" API_SERVER_URL
     "/openid/v1/jwks with the host and port of APIServer=, and a token in APIServerTokenFile=; "
     "or put the key set into a file and set KeysFile="},
    {PODLOGIN_ISSUER_UNAVAILABLE, "does not accept the token in APIServerTokenFile=",
     "the token has expired, or is of another cluster or audience: mount a projected token "
     "without audience:, which is one for the API server"},
    {PODLOGIN_ISSUER_UNAVAILABLE, "system:service-account-issuer-discovery",
     "run kubectl create clusterrolebinding podlogind "
     "--clusterrole=system:service-account-issuer-discovery --serviceaccount=NAMESPACE:NAME with "
     "the daemon's account"},
    {PODLOGIN_ISSUER_UNAVAILABLE, "cannot read the CA file", CA_FILE_UNREADABLE},
    {PODLOGIN_ISSUER_UNAVAILABLE, "certificate",
     "set CAFile= of the issuer to the authority that signed its certificate, or APIServerCAFile= "
     "if the keys are at the API server"},
    {PODLOGIN_ISSUER_UNAVAILABLE, "Could not resolve host", NAME_UNKNOWN},
    {PODLOGIN_ISSUER_UNAVAILABLE, "the key set",
     "let the issuer publish a key set with its public keys, or put it into a file and set "
     "KeysFile="},
    {PODLOGIN_ISSUER_UNAVAILABLE, "names another issuer",
     "set URL= of the issuer to what the discovery document names, byte by byte"},
    {PODLOGIN_ISSUER_UNAVAILABLE, "the token's key is unknown",
     "none: the cluster's key was rotated, and the key set was requested less than 30 s ago; the "
     "client tries again"},
    {PODLOGIN_ISSUER_UNAVAILABLE, NULL,
     "check that the node reaches URL/.well-known/openid-configuration and the key set: network, "
     "firewall, https_proxy= of the exchangers; or put the key set into a file and set KeysFile="},
    {PODLOGIN_REVIEW_UNAVAILABLE, "does not accept the token in APIServerTokenFile=",
     "the token in APIServerTokenFile= has expired, or is of another cluster or audience: mount a "
     "projected token without audience:, which is one for the API server"},
    {PODLOGIN_REVIEW_UNAVAILABLE, "system:auth-delegator",
     "run kubectl create clusterrolebinding podlogind --clusterrole=system:auth-delegator "
     "--serviceaccount=NAMESPACE:NAME with the daemon's account"},
    {PODLOGIN_REVIEW_UNAVAILABLE, "HTTP 404", "set APIServer=: it is another server"},
    {PODLOGIN_REVIEW_UNAVAILABLE, "cannot read its own token",
     "the log names the file of APIServerTokenFile= and the reason"},
    {PODLOGIN_REVIEW_UNAVAILABLE, "cannot read the CA file", CA_FILE_UNREADABLE},
    {PODLOGIN_REVIEW_UNAVAILABLE, "certificate",
     "set APIServerCAFile= to the authority that signed the API server's certificate"},
    {PODLOGIN_REVIEW_UNAVAILABLE, "Could not resolve host", NAME_UNKNOWN},
    {PODLOGIN_REVIEW_UNAVAILABLE, NULL, "check that the node reaches APIServer="},
    {PODLOGIN_BUSY, "the rejected token is new",
     "find out why the upstream rejects tokens that it has just issued; a program may take another "
     "error, such as a missing permission, for a rejection"},
    {PODLOGIN_BUSY, "the upstream answers again",
     "none: it was down or refused requests, and exchanges are spaced so that all nodes together "
     "do not overload it; the client tries again after the delay"},
    {PODLOGIN_BUSY, NULL,
     "none: the upstream answered 429, or 503 with Retry-After, and gets no requests until then; "
     "or the settings of the service changed while a request waited"},
    {PODLOGIN_TOO_MANY, NULL,
     "raise the setting in [Limits]: the pod has more connections or exchanges than it may have. "
     "Or 64 requests wait on one connection, all CacheRows= logins are in use, or the daemon has "
     "no descriptors left. Before Linux 6.5 also a process that has just started; clients try "
     "again by themselves"},
    {PODLOGIN_INTERNAL, NULL,
     "read the daemon's log: it cannot see its peers (hostPID: true), does not know its node yet "
     "(NodeTokenFile=), has no memory left, or a setting is too long to pass on; podloginctl "
     "doctor finds most causes"},
    {PODLOGIN_UNREACHABLE, NULL,
     "start podlogind; mount the directory of its socket, not the socket, at the path that the "
     "client uses; let the client traverse it"},
    {PODLOGIN_TIMEOUT, NULL,
     "raise the client's --timeout if it is short; or else the daemon is overloaded, or was "
     "stopped "
     "(SIGSTOP)"},
    {PODLOGIN_NO_SUBJECT_TOKEN, NULL,
     "mount a projected token where the client looks, or name its file; podlogin(1) lists the "
     "places"},
    {PODLOGIN_BAD_ARGUMENT, NULL, "correct the call; libpodlogin(3) has the limits"},
    {PODLOGIN_BAD_ANSWER, NULL, "install one version of client and daemon"},
    {PODLOGIN_NO_MEMORY, NULL, "raise the memory limit of the container"},
    {PODLOGIN_UNTRUSTED_SERVER, "runs as uid",
     "set PODLOGIN_SERVER_UID to the daemon's user, unless that is root"},
    {PODLOGIN_UNTRUSTED_SERVER, "mount it read-only",
     "mount the socket's directory with readOnly: true"},
    {PODLOGIN_UNTRUSTED_SERVER, NULL,
     "allow faccessat2(2) in the container's seccomp profile, or mount the socket's directory with "
     "readOnly: true"},
    {PODLOGIN_CANCELLED, NULL, "the program has done this itself, for example when it ends"},
    {PODLOGIN_NOT_RENEWED, NULL,
     "poll the descriptor of podlogin_watch_fd() before podlogin_watch_next() is called"},
};

const struct remedy *remedy_table(size_t *ret_n)
{
    *ret_n = sizeof(table) / sizeof(table[0]);
    return table;
}

const char *remedy_find(enum podlogin_status status, const char *detail)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == status &&
            (!table[i].symptom || (detail && strstr(detail, table[i].symptom))))
            return table[i].text;
    return "";
}
