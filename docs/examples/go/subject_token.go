package podlogin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const subjectTokenMax = 8192 // bytes

// readSubjectToken reads the service-account token. A file that is named must exist; of the others, the first that
// exists counts. Each login reads the file again, because kubelet replaces it.
func readSubjectToken(named string) ([]byte, error) {
	if named != "" {
		return readTokenFile(named)
	}
	for _, name := range []string{"/var/run/secrets/podlogin/serviceaccount/token",
		os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"} {
		if name == "" {
			continue
		}
		token, err := readTokenFile(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return token, err
		}
	}
	return nil, errors.New("no service-account token found; mount a projected one")
}

func readTokenFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	token, err := io.ReadAll(io.LimitReader(file, 2*subjectTokenMax))
	if err != nil {
		return nil, err
	}
	token = bytes.TrimRight(token, " \t\r\n")
	if len(token) == 0 || len(token) > subjectTokenMax || !isVisible(token) {
		return nil, fmt.Errorf("%s holds no service-account token", name)
	}
	return token, nil
}

// isVisible says whether text is ASCII without blanks and control characters.
func isVisible(text []byte) bool {
	return !bytes.ContainsFunc(text, func(char rune) bool { return char <= ' ' || char >= 0x7f })
}
