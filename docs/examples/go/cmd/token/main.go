// Token prints an access token of a service, like `podlogin token`; or, without an argument, the identity of this pod.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"example.org/podlogin"
)

func run(ctx context.Context, arguments []string) error {
	client, err := podlogin.New()
	if err != nil {
		return err
	}
	if err = client.Wait(ctx); err != nil {
		return err
	}
	if len(arguments) == 0 {
		identity, err := client.Whoami(ctx)
		if err == nil {
			fmt.Println(identity.Subject, identity.Services)
		}
		return err
	}
	token, err := client.Token(ctx, arguments[0])
	if err == nil {
		fmt.Println(token.Value)
	}
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	var refusal *podlogin.Error
	if errors.As(err, &refusal) && refusal.Status.Temporary() {
		os.Exit(75) // EX_TEMPFAIL: try again
	}
	os.Exit(77)
}
