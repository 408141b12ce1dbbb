package podlogin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var errorOf = map[Status]string{
	TooMany:      frame(typeError, 0, raw(1, "\x00\x00\x00\x33")+raw(2, "\x00\x00\x00\x0a")),
	PolicyDenied: frame(typeError, 1, raw(1, "\x00\x00\x00\x1e")+raw(131, "because")),
	Internal:     frame(typeError, 1, raw(1, "\x00\x00\x00\x6a")), // UNTRUSTED_SERVER, which only a client knows
	BadAnswer:    frame(typeToken, 2, good),
}

func frame(kind, id byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload) >> 8), byte(len(payload)), version, kind, 0, id}) + payload
}

// serve answers the connections in turn, and returns a client, and a channel with what each connection sent.
func serve(t *testing.T, answers ...string) (*Client, chan []byte) {
	directory := t.TempDir()
	client := &Client{Socket: filepath.Join(directory, "socket"), TokenFile: filepath.Join(directory, "token"),
		ServerUID: os.Getuid(), Timeout: 20 * time.Second}
	if err := os.WriteFile(client.TokenFile, []byte("a.b.c\n"), 0600); err != nil {
		t.Fatal(err)
	}
	received := make(chan []byte, len(answers))
	if len(answers) == 0 {
		return client, received
	}
	listener, err := net.Listen("unix", client.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for _, answer := range answers {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 65536)
			n, _ := connection.Read(request)
			connection.Write([]byte(answer))
			if answer != "hang" {
				connection.Close()
			}
			received <- request[:n]
		}
	}()
	return client, received
}

func status(err error) Status {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Status
	}
	return 0
}

func TestARequestIsRepeated(t *testing.T) {
	client, received := serve(t, "", frame(typeToken, 1, good)[:9], errorOf[TooMany], frame(typeToken, 1, good))
	token, err := client.Token(context.Background(), "pulumi")
	if err != nil || token.Value != "secret" {
		t.Fatal(err)
	}
	for range [4]int{} {
		if request := string(<-received); !strings.Contains(request, "a.b.c") || !strings.Contains(request, "pulumi") {
			t.Error("each connection logs in and asks")
		}
	}
}

func TestErrorsAreNotRepeated(t *testing.T) {
	for expected, answer := range errorOf {
		if expected == TooMany {
			continue
		}
		client, _ := serve(t, answer)
		_, err := client.Token(context.Background(), "pulumi")
		if status(err) != expected || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, not %v", err, expected)
		}
	}
}

func TestTheDaemonIsWaitedFor(t *testing.T) {
	client, _ := serve(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := client.Wait(ctx); status(err) != Unreachable {
		t.Error(err)
	}
	go func() {
		listener, err := net.Listen("unix", client.Socket)
		if err != nil {
			return
		}
		connection, err := listener.Accept()
		if err == nil {
			connection.Read(make([]byte, headerSize))
			connection.Write([]byte(frame(typePong, 1, "")))
		}
	}()
	if err := client.Wait(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	client, received := serve(t, "hang", "hang")
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-received; cancel() }()
	if _, err := client.Whoami(ctx); status(err) != Cancelled {
		t.Error(err)
	}
}

func TestTheTokenIsSentToTheDaemonOnly(t *testing.T) {
	client, received := serve(t, frame(typeToken, 1, good))
	client.ServerUID = os.Getuid() + 1
	if _, err := client.Token(context.Background(), "pulumi"); status(err) != UntrustedServer {
		t.Error(err)
	}
	if request := <-received; len(request) != 0 {
		t.Errorf("the server got %d bytes", len(request))
	}
}

func TestASubjectTokenIsChecked(t *testing.T) {
	for _, text := range []string{"", "\n", "a b", "a\x00b", strings.Repeat("x", 8193)} {
		client, _ := serve(t)
		os.WriteFile(client.TokenFile, []byte(text), 0600)
		if _, err := client.Token(context.Background(), "pulumi"); status(err) != NoSubjectToken {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	token := Token{Value: "secret", Environment: []string{"A=secret"}, Type: "Bearer"}
	text := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", token, token, token, token, &token, &token, &token)
	data, err := json.Marshal(token)
	if err != nil || strings.Contains(text+string(data), "secret") || !strings.Contains(text, "Bearer") {
		t.Errorf("%s %s", text, data)
	}
}

func TestARejectedTokenIsNotReturned(t *testing.T) {
	rejected := &Token{Value: "secret"} // 2bb80d537b1da3e3...
	client, received := serve(t, frame(typeToken, 1, good), frame(typeToken, 1, strings.Replace(good, "secret", "newer!", 1)))
	if _, err := client.Reject(context.Background(), "pulumi", rejected); status(err) != BadAnswer {
		t.Error(err)
	}
	other, err := client.Reject(context.Background(), "pulumi", rejected)
	if err != nil || other.Value != "newer!" {
		t.Error(err)
	}
	if request := string(<-received); !strings.Contains(request, raw(132, "\x2b\xb8\x0d\x53\x7b\x1d\xa3\xe3")) {
		t.Error("the fingerprint is the beginning of the token's SHA-256")
	}
}

func TestNextReturnsWhenThereIsAnotherToken(t *testing.T) {
	known := &Token{Value: "secret"}
	busy := frame(typeError, 1, raw(1, "\x00\x00\x00\x32"))
	client, received := serve(t, busy, frame(typeToken, 1, strings.Replace(good, "secret", "newer!", 1)), errorOf[PolicyDenied])
	token, err := client.Next(context.Background(), "pulumi", known)
	if err != nil || token.Value != "newer!" {
		t.Error(err)
	}
	if request := string(<-received); !strings.Contains(request, raw(133, "\x2b\xb8\x0d\x53\x7b\x1d\xa3\xe3")+raw(134, "\x00\x36\xee\x80")) {
		t.Error("the daemon is told of the token, and how long to wait")
	}
	if _, err = client.Next(context.Background(), "pulumi", known); status(err) != PolicyDenied {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err = client.Next(ctx, "pulumi", known); status(err) != Timeout && status(err) != Unreachable {
		t.Error(err)
	}
}

func TestAnEnvironment(t *testing.T) {
	token := Token{Environment: []string{"A=1", "B=2"}, Unset: []string{"C"}}
	result := token.Environ([]string{"A=0", "C=0", "D=0", "AB=0"})
	if strings.Join(result, " ") != "D=0 AB=0 A=1 B=2" {
		t.Error(result)
	}
}
