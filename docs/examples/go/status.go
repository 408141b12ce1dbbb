package podlogin

import (
	"fmt"
	"time"
)

// A Status says what a call failed with. Those from 100 on come from this package, all others from the daemon.
type Status uint32

const (
	BadFrame             Status = 1
	BadRequest           Status = 2
	UnknownService       Status = 3
	TokenMalformed       Status = 10
	TokenUntrustedIssuer Status = 11
	TokenBadAlgorithm    Status = 12
	TokenUnknownKey      Status = 13
	TokenBadSignature    Status = 14
	TokenExpired         Status = 15
	TokenNotYetValid     Status = 16
	TokenWrongAudience   Status = 17
	TokenWrongNode       Status = 18
	TokenRevoked         Status = 19
	PeerMismatch         Status = 20
	PeerGone             Status = 21
	PolicyDenied         Status = 30
	UpstreamRefused      Status = 40
	UpstreamUnavailable  Status = 41
	UpstreamProtocol     Status = 42
	IssuerUnavailable    Status = 43
	ReviewUnavailable    Status = 44
	Busy                 Status = 50
	TooMany              Status = 51
	Internal             Status = 60
	Unreachable          Status = 100
	Timeout              Status = 101
	NoSubjectToken       Status = 102
	BadArgument          Status = 103
	BadAnswer            Status = 104
	UntrustedServer      Status = 106
	Cancelled            Status = 107
)

var statuses = map[Status]struct {
	name      string
	temporary bool
}{
	BadFrame: {"BAD_FRAME", false}, BadRequest: {"BAD_REQUEST", false}, UnknownService: {"UNKNOWN_SERVICE", false},
	TokenMalformed: {"TOKEN_MALFORMED", false}, TokenUntrustedIssuer: {"TOKEN_UNTRUSTED_ISSUER", false},
	TokenBadAlgorithm: {"TOKEN_BAD_ALGORITHM", false}, TokenUnknownKey: {"TOKEN_UNKNOWN_KEY", false},
	TokenBadSignature: {"TOKEN_BAD_SIGNATURE", false}, TokenExpired: {"TOKEN_EXPIRED", false},
	TokenNotYetValid: {"TOKEN_NOT_YET_VALID", false}, TokenWrongAudience: {"TOKEN_WRONG_AUDIENCE", false},
	TokenWrongNode: {"TOKEN_WRONG_NODE", false}, TokenRevoked: {"TOKEN_REVOKED", false},
	PeerMismatch: {"PEER_MISMATCH", false}, PeerGone: {"PEER_GONE", false}, PolicyDenied: {"POLICY_DENIED", false},
	UpstreamRefused: {"UPSTREAM_REFUSED", false}, UpstreamUnavailable: {"UPSTREAM_UNAVAILABLE", true},
	UpstreamProtocol: {"UPSTREAM_PROTOCOL", true}, IssuerUnavailable: {"ISSUER_UNAVAILABLE", true},
	ReviewUnavailable: {"REVIEW_UNAVAILABLE", true}, Busy: {"BUSY", true}, TooMany: {"TOO_MANY", true},
	Internal: {"INTERNAL", true}, Unreachable: {"UNREACHABLE", true}, Timeout: {"TIMEOUT", true},
	NoSubjectToken: {"NO_SUBJECT_TOKEN", false}, BadArgument: {"BAD_ARGUMENT", false},
	BadAnswer: {"BAD_ANSWER", false}, UntrustedServer: {"UNTRUSTED_SERVER", false}, Cancelled: {"CANCELLED", true},
}

// String returns the name of the status, such as "POLICY_DENIED".
func (s Status) String() string { return statuses[s].name }

// Temporary says whether the same call may succeed later.
func (s Status) Temporary() bool { return statuses[s].temporary }

// An Error is what each call of a Client fails with.
type Error struct {
	Status     Status
	RetryAfter time.Duration // 0: the daemon gives no advice
	Detail     string        // for people; without secrets
	Err        error         // the cause, if there is one
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return "podlogin: " + e.Status.String()
	}
	return fmt.Sprintf("podlogin: %s: %s", e.Status, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

func fail(status Status, err error) *Error {
	return &Error{Status: status, Detail: err.Error(), Err: err}
}
