/*
 * The results of podlogin: what the daemon answers with, and what the client library returns.
 *
 * The numbers are part of the wire protocol and of the library's ABI: they are never reused and
 * never change. docs/protocol.md lists them with their meaning; a test holds both together.
 */
#ifndef PODLOGIN_STATUS_H
#define PODLOGIN_STATUS_H

enum podlogin_status {
    PODLOGIN_OK = 0,

    /* Answers of the daemon. */
    PODLOGIN_BAD_FRAME = 1,        /* the bytes are not a frame of this protocol */
    PODLOGIN_BAD_REQUEST = 2,      /* a frame that asks for something impossible */
    PODLOGIN_UNKNOWN_SERVICE = 3,  /* no such file in services.d */
    PODLOGIN_TOKEN_MALFORMED = 10, /* not a compact JWS with the claims of Kubernetes */
    PODLOGIN_TOKEN_UNTRUSTED_ISSUER = 11,
    PODLOGIN_TOKEN_BAD_ALGORITHM = 12, /* "alg" is not one that the issuer may use */
    PODLOGIN_TOKEN_UNKNOWN_KEY = 13,   /* "kid" is not in the issuer's key set */
    PODLOGIN_TOKEN_BAD_SIGNATURE = 14,
    PODLOGIN_TOKEN_EXPIRED = 15,
    PODLOGIN_TOKEN_NOT_YET_VALID = 16,
    PODLOGIN_TOKEN_WRONG_AUDIENCE = 17,
    PODLOGIN_TOKEN_WRONG_NODE = 18,
    PODLOGIN_TOKEN_REVOKED = 19, /* the API server does not accept it any more (TokenReview) */
    PODLOGIN_PEER_MISMATCH = 20,
    PODLOGIN_PEER_GONE = 21,
    PODLOGIN_POLICY_DENIED = 30, /* the service's own rules */
    PODLOGIN_UPSTREAM_REFUSED = 40,
    PODLOGIN_UPSTREAM_UNAVAILABLE = 41,
    PODLOGIN_UPSTREAM_PROTOCOL = 42,  /* the upstream's answer makes no sense */
    PODLOGIN_ISSUER_UNAVAILABLE = 43, /* the issuer's key set could not be had */
    PODLOGIN_BUSY = 50,
    PODLOGIN_TOO_MANY = 51,
    PODLOGIN_INTERNAL = 60,

    /* Results that the client library finds by itself; never on the wire. */
    PODLOGIN_UNREACHABLE = 100,      /* no daemon behind the socket, until the deadline */
    PODLOGIN_TIMEOUT = 101,          /* the daemon did not answer before the deadline */
    PODLOGIN_NO_SUBJECT_TOKEN = 102, /* no readable service-account token */
    PODLOGIN_BAD_ARGUMENT = 103,
    PODLOGIN_BAD_ANSWER = 104, /* the daemon's answer makes no sense */
    PODLOGIN_NO_MEMORY = 105,
    PODLOGIN_UNTRUSTED_SERVER = 106, /* whoever serves at the socket need not be the daemon */
};

#endif
