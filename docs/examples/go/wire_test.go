package podlogin

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// page returns the specification, from which this package is written.
func page(t *testing.T) string {
	text, err := os.ReadFile("../../protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheExampleOfThePage(t *testing.T) {
	_, text, _ := strings.Cut(page(t), "byte by byte")
	text, _, _ = strings.Cut(text, "It reads one answer")
	expected := []byte{}
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		for _, word := range strings.Fields(line) {
			value, err := hex.DecodeString(word)
			if err != nil || len(word) != 2 {
				break // what the bytes mean
			}
			expected = append(expected, value...)
		}
	}
	jwt, service, timeout := []byte("a.b.c"), "pulumi", uint32(9000)
	frames, err := encode(nil, typeLogin, 0, field{1, &jwt, true, subjectTokenMax})
	if err == nil {
		frames, err = encode(frames, typeGet, 1, field{1, &service, true, 64}, field{3, &timeout, false, 60000})
	}
	if err != nil || !bytes.Equal(frames, expected) || len(expected) != 43 {
		t.Fatalf("%x, not %x: %v", frames, expected, err)
	}
}

func TestTheStatusesAreThoseOfThePage(t *testing.T) {
	left := len(statuses)
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d+) \\| `(\\w+)` \\| (yes|no) \\| \\d").FindAllStringSubmatch(page(t), -1) {
		number, _ := strconv.Atoi(row[1])
		status, ok := statuses[Status(number)]
		if !ok && (number == 0 || number == 105 || number > 107) {
			continue // not of this package: success, no memory, a watch
		}
		if status.name != row[2] || status.temporary != (row[3] == "yes") {
			t.Errorf("%s: %v", row[0], status)
		}
		left--
	}
	if left > 1 { // CANCELLED is of clients only
		t.Errorf("%d statuses are not on the page", left)
	}
}

func TestTheVariablesAreThoseOfThePage(t *testing.T) {
	_, text, _ := strings.Cut(page(t), "\n## Variables that no token sets\n")
	var names []string
	for _, name := range regexp.MustCompile("`([A-Z0-9_]+\\*?)`").FindAllStringSubmatch(text, -1) {
		names = append(names, name[1])
	}
	if len(names) < 100 || strings.Join(names, " ") != strings.Join(refusedVariables, " ") {
		t.Errorf("the page lists others: %v", names)
	}
	for name, safe := range map[string]bool{"PULUMI_ACCESS_TOKEN": true, "AWS_REGION": true, "LD_PRELOAD": false,
		"PATH": false, "BASH_ENV": false, "": false, "lower": false, "A B": false, "A\n": false, "1A": false} {
		if variableIsSafe(name) != safe {
			t.Errorf("%q", name)
		}
	}
}

func raw(tag byte, value string) string {
	size := make([]byte, 4)
	binary.BigEndian.PutUint32(size, uint32(len(value)))
	return string([]byte{tag}) + string(size[1:]) + value
}

// good is a payload of TOKEN.
var good = raw(1, "secret") + raw(2, "Bearer") + raw(3, "\x00\x00\x00\x00\x80\x00\x00\x00")

func TestPayloadsThatBreakARule(t *testing.T) {
	number, repeated := "\x00\x00\x00\x00\x80\x00\x00\x00", strings.Repeat(raw(134, "A=b"), 65)
	for name, payload := range map[string]string{
		"nothing": "", "no token": raw(2, "Bearer") + raw(3, number), "an empty token": raw(1, "") + good[10:],
		"a long token": raw(1, strings.Repeat("x", 16385)) + good[10:], "a tag twice": raw(1, "a") + good,
		"tags out of order": raw(2, "Bearer") + raw(1, "secret") + raw(3, number), "a number of 4 bytes": good[:20] + raw(3, number[:4]),
		"a number over its limit": good[:20] + raw(3, "\xff"+number[1:]), "an unknown low tag": good + raw(9, ""),
		"a control character": raw(1, "secret") + raw(2, "Bea\x1brer") + raw(3, number), "DEL": good + raw(133, "\x7f"),
		"a long list": good + repeated, "a byte too many": good + "\x00", "a source twice": good + raw(132, number[4:]) + raw(132, number[4:]),
		"a field longer than the payload": good + "\x85\x00\x00\x02A",
	} {
		var answer token
		if decode([]byte(payload), answer.fields()...) == nil {
			t.Errorf("accepted: %s", name)
		}
	}
	for cut := range []byte(good) {
		var answer token
		if decode([]byte(good[:cut]), answer.fields()...) == nil {
			t.Errorf("accepted: %d bytes", cut)
		}
	}
}

func TestPayloadsOfALaterVersion(t *testing.T) {
	var answer token
	payload := good + raw(134, "A=1") + raw(134, "B=") + raw(200, "\x00") + raw(200, strings.Repeat("x", 9000)) + raw(255, "")
	if err := decode([]byte(payload), answer.fields()...); err != nil {
		t.Fatal(err)
	}
	result, err := answer.judge()
	if err != nil || result.Value != "secret" || strings.Join(result.Environment, " ") != "A=1 B=" || result.Source != "unknown" {
		t.Errorf("%v: %v", result, err)
	}
}

func TestFramesThatBreakARule(t *testing.T) {
	for name, frame := range map[string]string{
		"another version": "\x00\x00\x00\x00\x02\x83\x00\x01", "over the limit": "\x00\x00\x80\x01\x01\x83\x00\x01" + strings.Repeat("x", 40000),
		"the greatest length": "\xff\xff\xff\xff\x01\x83\x00\x01", "cut": "\x00\x00\x00\x02\x01\x83\x00\x01x",
	} {
		if _, _, _, err := readFrame(strings.NewReader(frame)); err == nil {
			t.Errorf("accepted: %s", name)
		}
	}
}

func TestRequestsThatAreTooLong(t *testing.T) {
	for _, f := range []field{
		{1, ptr(strings.Repeat("x", 65)), true, 64}, {1, ptr(""), true, 64}, {2, ptr(uint32(604801)), false, 604800},
		{1, ptr(bytes.Repeat([]byte("x"), 17000)), true, 20000},
	} {
		if _, err := encode(nil, typeGet, 1, f); err == nil {
			t.Errorf("accepted: %v bytes", len(f.bytes()))
		}
	}
}

func ptr[T any](value T) *T { return &value }
