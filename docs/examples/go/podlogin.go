// Package podlogin gets short-lived access tokens for a pod from podlogind, the daemon of its node. It is written from
// protocol.md, and needs nothing but the standard library.
//
//	client, err := podlogin.New()
//	...
//	token, err := client.Token(ctx, "pulumi")
//	...
//	request.Header.Set("Authorization", token.Type+" "+token.Value)
package podlogin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// A Client holds settings. Each call makes a connection of its own, so goroutines may share a Client.
type Client struct {
	Socket    string        // of the daemon
	TokenFile string        // of the service-account token; "": it is looked for
	ServerUID int           // the user that the daemon must run as
	MinTTL    time.Duration // what a token should last at least
	Timeout   time.Duration // of a call whose context has no deadline
}

// New returns a Client with the settings of PODLOGIN_SOCKET, PODLOGIN_TOKEN_FILE and PODLOGIN_SERVER_UID.
func New() (*Client, error) {
	client := &Client{
		Socket:    "/run/podlogin/podlogin.sock",
		TokenFile: os.Getenv("PODLOGIN_TOKEN_FILE"),
		Timeout:   10 * time.Second,
	}
	if socket := os.Getenv("PODLOGIN_SOCKET"); socket != "" {
		client.Socket = socket
	}
	if uid := os.Getenv("PODLOGIN_SERVER_UID"); uid != "" {
		number, err := strconv.ParseUint(uid, 10, 32)
		if err != nil || number == math.MaxUint32 {
			return nil, fail(BadArgument, errors.New("PODLOGIN_SERVER_UID is not the number of a user"))
		}
		client.ServerUID = int(number)
	}
	return client, nil
}

// Token returns an access token of a service, which is new or from the daemon's cache.
func (c *Client) Token(ctx context.Context, service string) (*Token, error) {
	return c.get(ctx, get{service: service})
}

// Whoami returns the identity that the daemon derives from the service-account token.
func (c *Client) Whoami(ctx context.Context) (*Identity, error) {
	var answer Identity
	var expires uint64
	err := c.call(ctx, typeWhoami, typeIdentity, answer.fields(&expires), func(timeout *uint32) []field {
		return []field{{3, timeout, false, 60000}}
	})
	if err != nil {
		return nil, err
	}
	answer.ExpiresAt = time.Unix(int64(expires), 0)
	return &answer, nil
}

// Wait returns when the daemon answers. It needs no service-account token.
func (c *Client) Wait(ctx context.Context) error {
	var server string
	return c.call(ctx, typePing, typePong, []field{{129, &server, false, 512}}, nil)
}

// call asks, and asks again while the daemon restarts or is busy with other connections of this pod. The request has
// the fields that request returns for the timeout to tell the daemon; without any, it needs no login.
func (c *Client) call(ctx context.Context, kind, expected byte, answer []field, request func(*uint32) []field) error {
	if len(c.Socket) > 107 {
		return fail(BadArgument, errors.New("the path of the socket has more than 107 bytes"))
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, 100*time.Millisecond) {
		connected, err := c.try(ctx, kind, expected, answer, request)
		var refusal *Error
		pause := delay
		if errors.As(err, &refusal) {
			if refusal.Status != TooMany || refusal.RetryAfter == 0 {
				return err
			}
			pause = refusal.RetryAfter + time.Duration(rand.Int63n(int64(refusal.RetryAfter)/2+1))
			deadline, _ := ctx.Deadline()
			if time.Now().Add(pause).After(deadline) {
				return err
			}
		} else if err == nil || !mayRetry(err) {
			return explain(ctx, err, connected)
		}
		select {
		case <-ctx.Done():
			return explain(ctx, err, connected)
		case <-time.After(pause):
		}
	}
}

// mayRetry says whether an error is one of a daemon that starts, or that has closed the connection.
func mayRetry(err error) bool {
	for _, known := range []error{fs.ErrNotExist, syscall.ECONNREFUSED, syscall.EAGAIN, syscall.ECONNRESET,
		syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func explain(ctx context.Context, err error, connected bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fail(Cancelled, ctx.Err())
	case errors.Is(err, errBadAnswer):
		return fail(BadAnswer, err)
	case connected:
		return fail(Timeout, err)
	}
	return fail(Unreachable, err)
}

// try makes one connection, with LOGIN and the request in one write. It returns an *Error for what trying again does
// not change.
func (c *Client) try(ctx context.Context, kind, expected byte, answer []field, request func(*uint32) []field) (
	connected bool, err error) {
	deadline, _ := ctx.Deadline()
	left := min(max(time.Until(deadline)/time.Millisecond, 1), 60000)
	timeout := max(uint32(left-left/10), 1) // a little less, so that the daemon's reason arrives in time
	frames, err := c.frames(kind, request, &timeout)
	if err != nil {
		return false, err
	}
	var dialer net.Dialer
	dialed, err := dialer.DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return false, err
	}
	defer dialed.Close()
	stop := context.AfterFunc(ctx, func() { dialed.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := trust(dialed.(*net.UnixConn), c.Socket, c.ServerUID); err != nil {
		return false, fail(UntrustedServer, err)
	}
	// When writing fails, the daemon's error may still be there to read.
	if _, err = dialed.Write(frames); err != nil && !mayRetry(err) {
		return true, err
	}
	return true, readAnswer(dialed, expected, answer)
}

func (c *Client) frames(kind byte, request func(*uint32) []field, timeout *uint32) ([]byte, error) {
	if request == nil {
		return encode(nil, kind, 1)
	}
	jwt, err := readSubjectToken(c.TokenFile)
	if err != nil {
		return nil, fail(NoSubjectToken, err)
	}
	frames, err := encode(nil, typeLogin, 0, field{1, &jwt, true, subjectTokenMax})
	if err == nil {
		frames, err = encode(frames, kind, 1, request(timeout)...)
	}
	if err != nil {
		return nil, fail(BadArgument, err)
	}
	return frames, nil
}

// readAnswer reads the only answer of a connection. Errors of the connection have the id 0.
func readAnswer(connection net.Conn, expected byte, answer []field) error {
	kind, id, payload, err := readFrame(connection)
	if err != nil {
		return err
	}
	if kind == typeError && id <= 1 {
		return readError(payload)
	}
	if kind != expected || id != 1 {
		return errBadAnswer
	}
	return decode(payload, answer...)
}

func readError(payload []byte) error {
	var status, retryAfterMs uint32
	var detail string
	err := decode(payload, field{1, &status, true, math.MaxUint32}, field{2, &retryAfterMs, false, math.MaxUint32},
		field{131, &detail, false, 512})
	if err != nil || status == 0 {
		return errBadAnswer
	}
	known := Status(status)
	if _, ok := statuses[known]; !ok || known >= Unreachable {
		known = Internal
		detail = fmt.Sprintf("status %d: %s", status, detail)
	}
	return &Error{Status: known, RetryAfter: time.Duration(retryAfterMs) * time.Millisecond, Detail: detail}
}
