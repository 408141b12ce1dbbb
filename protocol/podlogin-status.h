/*
 * Statuses: results that the daemon answers with, and results that the client library returns.
 *
 * The numbers are part of the wire protocol and of the library's ABI: they never change and are
 * never reused. docs/protocol.md lists them with their meaning; a test compares both.
 */
#ifndef PODLOGIN_STATUS_H
#define PODLOGIN_STATUS_H

enum podlogin_status {
    PODLOGIN_OK = 0,

    /* The daemon sends these. */
    PODLOGIN_BAD_FRAME = 1,        /* the bytes are not a frame of this protocol */
    PODLOGIN_BAD_REQUEST = 2,      /* the request is unknown, or needs a LOGIN */
    PODLOGIN_UNKNOWN_SERVICE = 3,  /* services.d has no file for the service */
    PODLOGIN_TOKEN_MALFORMED = 10, /* not a compact JWS with the claims that Kubernetes sets */
    PODLOGIN_TOKEN_UNTRUSTED_ISSUER = 11,
    PODLOGIN_TOKEN_BAD_ALGORITHM = 12, /* "alg" is not allowed for the issuer */
    PODLOGIN_TOKEN_UNKNOWN_KEY = 13,   /* "kid" is not in the issuer's key set */
    PODLOGIN_TOKEN_BAD_SIGNATURE = 14,
    PODLOGIN_TOKEN_EXPIRED = 15,
    PODLOGIN_TOKEN_NOT_YET_VALID = 16,
    PODLOGIN_TOKEN_WRONG_AUDIENCE = 17,
    PODLOGIN_TOKEN_WRONG_NODE = 18, /* for another node, or it names no node */
    PODLOGIN_TOKEN_REVOKED = 19,    /* the API server does not accept it (TokenReview) */
    PODLOGIN_PEER_MISMATCH = 20,    /* the caller does not run in the token's pod */
    PODLOGIN_PEER_GONE = 21,        /* the process that connected has ended */
    PODLOGIN_POLICY_DENIED = 30,    /* by the rules of the service */
    PODLOGIN_UPSTREAM_REFUSED = 40,
    PODLOGIN_UPSTREAM_UNAVAILABLE = 41,
    PODLOGIN_UPSTREAM_PROTOCOL = 42,  /* the upstream's answer could not be read */
    PODLOGIN_ISSUER_UNAVAILABLE = 43, /* the issuer's key set could not be fetched */
    PODLOGIN_REVIEW_UNAVAILABLE = 44, /* the API server could not be asked (TokenReview) */
    PODLOGIN_BUSY = 50,
    PODLOGIN_TOO_MANY = 51,
    PODLOGIN_INTERNAL = 60,

    /* The client library returns these; they are never on the wire. */
    PODLOGIN_UNREACHABLE = 100,      /* no daemon answered at the socket before the deadline */
    PODLOGIN_TIMEOUT = 101,          /* the daemon did not answer before the deadline */
    PODLOGIN_NO_SUBJECT_TOKEN = 102, /* no readable service-account token */
    PODLOGIN_BAD_ARGUMENT = 103,
    PODLOGIN_BAD_ANSWER = 104, /* the daemon's answer is not valid */
    PODLOGIN_NO_MEMORY = 105,
    PODLOGIN_UNTRUSTED_SERVER = 106, /* the server could not be authenticated */
    PODLOGIN_CANCELLED = 107,  /* the descriptor of podlogin_set_cancel_fd() became readable */
    PODLOGIN_NOT_RENEWED = 108 /* there is no other token yet */
};

#endif
