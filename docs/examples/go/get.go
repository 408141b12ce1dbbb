package podlogin

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// get is the message GET.
type get struct {
	service         string
	minTTL          uint32
	rejected, known uint64
	waitMs          uint32
}

func (g *get) fields(timeout *uint32) []field {
	return []field{
		{1, &g.service, true, 64}, {2, &g.minTTL, false, 604800}, {3, timeout, false, 60000},
		{132, &g.rejected, false, math.MaxUint64}, {133, &g.known, false, math.MaxUint64}, {134, &g.waitMs, false, waitMax},
	}
}

const waitMax = 3600000 // milliseconds

func (c *Client) get(ctx context.Context, request get) (*Token, error) {
	var answer token
	request.minTTL = uint32(min(max(c.MinTTL/time.Second, 0), math.MaxUint32))
	if err := c.call(ctx, typeGet, typeToken, answer.fields(), request.fields); err != nil {
		return nil, err
	}
	return answer.judge()
}

func fingerprint(token *Token) uint64 {
	digest := sha256.Sum256([]byte(token.Value))
	return binary.BigEndian.Uint64(digest[:])
}

// Reject tells the daemon that the upstream refused a token, and returns another one. The daemon replaces a token once
// for all who reject it, and not right after it was issued (Busy).
func (c *Client) Reject(ctx context.Context, service string, rejected *Token) (*Token, error) {
	other, err := c.get(ctx, get{service: service, rejected: fingerprint(rejected)})
	if err == nil && other.Value == rejected.Value {
		return nil, fail(BadAnswer, errors.New("the daemon does not know rejections"))
	}
	return other, err
}

// Next waits until there is another token than known, and returns it. It waits for a daemon that restarts, too; a
// deadline of the context, such as the expiry of known, limits this. Without one, only refusals end it early.
func (c *Client) Next(ctx context.Context, service string, known *Token) (*Token, error) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		asked := time.Now()
		token, err := c.ask(ctx, service, known)
		if err == nil && token.Value != known.Value {
			return token, nil
		}
		if err != nil && !mayAskAgain(err) {
			return nil, err
		}
		if time.Since(asked) > time.Minute {
			pause = time.Second // the daemon has waited
		}
		select {
		case <-ctx.Done():
			return nil, explain(ctx, errors.Join(err, ctx.Err()), true)
		case <-time.After(pause):
		}
	}
}

// ask waits for as long as the daemon waits, and a little longer for its answer.
func (c *Client) ask(ctx context.Context, service string, known *Token) (*Token, error) {
	wait := time.Duration(waitMax) * time.Millisecond
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(deadline), time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, wait+time.Minute)
	defer cancel()
	return c.get(ctx, get{service: service, known: fingerprint(known), waitMs: uint32(wait / time.Millisecond)})
}

// mayAskAgain says whether an error is one that ends a wait only: the service-account token has expired and is replaced
// by kubelet, or trying again may help.
func mayAskAgain(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Status != Cancelled &&
		(refusal.Status.Temporary() || refusal.Status == TokenExpired)
}
