// Token prints an access token of a service, like `podlogin token`; or, without an argument, the identity of this pod.
//
//	token [-rejected | -watch] [SERVICE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"example.org/podlogin"
)

var (
	rejected = flag.Bool("rejected", false, "the token on standard input was refused: print another one")
	watch    = flag.Bool("watch", false, "go on, and print each token that follows")
)

func whoami(ctx context.Context, client *podlogin.Client) error {
	identity, err := client.Whoami(ctx)
	if err == nil {
		fmt.Println(identity.Subject, identity.Services)
	}
	return err
}

func first(ctx context.Context, client *podlogin.Client, service string) (*podlogin.Token, error) {
	if !*rejected {
		return client.Token(ctx, service)
	}
	var old podlogin.Token
	if _, err := fmt.Scan(&old.Value); err != nil {
		return nil, err
	}
	return client.Reject(ctx, service, &old)
}

func run(ctx context.Context, service string) error {
	client, err := podlogin.New()
	if err != nil {
		return err
	}
	if err = client.Wait(ctx); err != nil {
		return err
	}
	if service == "" {
		return whoami(ctx, client)
	}
	token, err := first(ctx, client, service)
	for err == nil {
		fmt.Println(token.Value)
		if !*watch {
			return nil
		}
		token, err = client.Next(ctx, service, token)
	}
	return err
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, flag.Arg(0))
	var refusal *podlogin.Error
	if err == nil || errors.As(err, &refusal) && refusal.Status == podlogin.Cancelled {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	if refusal != nil && refusal.Status.Temporary() {
		os.Exit(75) // EX_TEMPFAIL: try again
	}
	os.Exit(77)
}
