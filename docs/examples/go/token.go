package podlogin

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// A Token is an access token. Printing one shows no secret.
type Token struct {
	Value       string `json:"-"`
	Type        string // how to present it: "token", "Bearer"
	ExpiresAt   time.Time
	Source      string   // where the daemon got it from: "cache", "exchange", "joined", "unknown"
	Variable    string   // that programs read it from: "PULUMI_ACCESS_TOKEN"; or ""
	Environment []string `json:"-"` // NAME=VALUE of each variable, its own first
	Unset       []string // variables that would make a program use another token
}

func (t Token) String() string {
	return fmt.Sprintf("token of type %s from %s, valid until %s", t.Type, t.Source, t.ExpiresAt.Format(time.RFC3339))
}

func (t Token) GoString() string { return t.String() }

// Environ returns environment, which is that of os.Environ(), with the variables of the token and without those that
// would make a program use another one.
func (t Token) Environ(environment []string) []string {
	replaced := map[string]bool{}
	for _, name := range t.Unset {
		replaced[name] = true
	}
	for _, variable := range t.Environment {
		name, _, _ := strings.Cut(variable, "=")
		replaced[name] = true
	}
	var result []string
	for _, variable := range environment {
		if name, _, _ := strings.Cut(variable, "="); !replaced[name] {
			result = append(result, variable)
		}
	}
	return append(result, t.Environment...)
}

// token is the message TOKEN. This package makes no directories for programs, so it checks of these fields only what
// the table says, and ignores them.
type token struct {
	value                    []byte
	kind, variable           string
	expires                  uint64
	source                   uint32
	attributes, unset, files []string
	directory                string
}

func (t *token) fields() []field {
	return []field{
		{1, &t.value, true, 16384}, {2, &t.kind, true, 512}, {3, &t.expires, true, math.MaxInt64},
		{132, &t.source, false, math.MaxUint32}, {133, &t.variable, false, 512}, {134, &t.attributes, false, 4096},
		{135, &t.directory, false, 512}, {136, &t.files, false, 8192}, {137, &t.unset, false, 512},
	}
}

// judge refuses a token that would set a variable which changes how programs run.
func (t *token) judge() (*Token, error) {
	result := &Token{
		Value: string(t.value), Type: t.kind, ExpiresAt: time.Unix(int64(t.expires), 0), Source: "unknown",
		Variable: t.variable, Unset: t.unset,
	}
	if t.source >= 1 && t.source <= 3 {
		result.Source = []string{"cache", "exchange", "joined"}[t.source-1]
	}
	if !isVisible(t.value) {
		return nil, fail(BadAnswer, errors.New("the token is not visible ASCII"))
	}
	if t.variable != "" {
		result.Environment = []string{t.variable + "=" + result.Value}
	}
	names := t.unset
	for _, attribute := range append(result.Environment, t.attributes...) {
		name, _, ok := strings.Cut(attribute, "=")
		if !ok {
			return nil, fail(BadAnswer, errors.New("an attribute is not of the form NAME=VALUE"))
		}
		names = append(names, name)
	}
	for _, name := range names {
		if !variableIsSafe(name) {
			return nil, fail(BadAnswer, errors.New("the token would set a variable that a token must not set"))
		}
	}
	result.Environment = append(result.Environment, t.attributes...)
	return result, nil
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

func variableIsSafe(name string) bool {
	if !variableName.MatchString(name) {
		return false
	}
	for _, refused := range refusedVariables {
		prefix, isPrefix := strings.CutSuffix(refused, "*")
		if name == refused || isPrefix && strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

// An Identity is what the daemon derives from the service-account token.
type Identity struct {
	Issuer, Subject, Namespace, ServiceAccount, ServiceAccountUID, Pod, PodUID string

	ExpiresAt time.Time // of the service-account token
	Services  []string  // that the identity may use now
}

func (i *Identity) fields(expires *uint64) []field {
	return []field{
		{1, &i.Issuer, true, 512}, {2, &i.Subject, true, 512}, {3, &i.Namespace, true, 512},
		{4, &i.ServiceAccount, true, 512}, {5, &i.ServiceAccountUID, true, 512}, {6, &i.Pod, false, 512},
		{7, &i.PodUID, false, 512}, {8, expires, true, math.MaxInt64}, {9, &i.Services, false, 64},
	}
}
