// Package secret holds references to secrets and the values behind them, in types
// that no log, format verb, JSON or error can print.
//
// A configuration never contains a secret, only where it is kept: file:/path,
// env:NAME, or credential:NAME (a systemd credential). Files are read again at each
// use, so that a rotated secret is used without a restart.
package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"groupsyncd/internal/fault"
)

// maxSize bounds what is read of a secret file; credentials are far smaller.
const maxSize = 1 << 20

// Ref says where a secret is kept. The zero Ref refers to nothing.
type Ref struct {
	scheme string // file, env, credential
	name   string
	dir    string // where relative files are looked up
}

// Value is a secret in clear. It prints as [secret] however it is printed. The text
// is behind a pointer, because package fmt prints fields that are not exported, of
// structs that hold a Value, without asking its methods.
type Value struct{ s *string }

// Parse reads a reference. A literal is refused, without being repeated in the error.
func Parse(s string) (Ref, error) {
	scheme, name, found := strings.Cut(s, ":")
	if !found {
		return Ref{}, errors.New("a secret must be a reference, not the secret itself: write file:PATH, env:NAME or credential:NAME")
	}
	switch scheme {
	case "file", "env", "credential":
	default:
		return Ref{}, errors.New("unknown kind of secret reference: write file:PATH, env:NAME or credential:NAME")
	}
	if name == "" {
		return Ref{}, fmt.Errorf("%s: needs a name behind the colon", scheme)
	}
	if scheme == "credential" && name != filepath.Base(name) {
		return Ref{}, errors.New("credential: takes the name of a systemd credential, not a path")
	}
	return Ref{scheme: scheme, name: name}, nil
}

// UnmarshalText reads a reference; see Parse.
func (r *Ref) UnmarshalText(text []byte) error {
	p, err := Parse(string(text))
	if err != nil {
		return err
	}
	p.dir = r.dir
	*r = p
	return nil
}

// In gives the same reference with relative files looked up in dir.
func (r Ref) In(dir string) Ref {
	r.dir = dir
	return r
}

// IsZero reports whether r refers to nothing.
func (r Ref) IsZero() bool { return r.scheme == "" }

// String gives the reference as it was written. It is not the secret.
func (r Ref) String() string {
	if r.IsZero() {
		return ""
	}
	return r.scheme + ":" + r.name
}

// MarshalText gives the reference as it was written.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// path gives the file behind the reference, for file and credential.
func (r Ref) path() (string, error) {
	if r.scheme == "credential" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", refuse(fmt.Sprintf("let systemd start the service, with LoadCredential=%s:FILE", r.name), "%s: CREDENTIALS_DIRECTORY is not set", r)
		}
		return filepath.Join(dir, r.name), nil
	}
	if filepath.IsAbs(r.name) {
		return r.name, nil
	}
	return filepath.Join(r.dir, r.name), nil
}

// Place gives the file behind the reference, or nothing where there is none or where it
// cannot be known.
func (r Ref) Place() string {
	if r.scheme != "file" && r.scheme != "credential" {
		return ""
	}
	path, err := r.path()
	if err != nil {
		return ""
	}
	return path
}

// Read gives the secret as it is now. One trailing newline is trimmed; an empty
// secret and a file that everybody may read are errors. Errors have the kind
// fault.Invalid and say what to do.
func (r Ref) Read() (Value, error) {
	if r.IsZero() {
		return Value{}, refuse("name the place of the secret in the configuration", "no secret is configured")
	}
	if r.scheme == "env" {
		s, ok := os.LookupEnv(r.name)
		if !ok || s == "" {
			return Value{}, refuse("set it where groupsyncd is started", "%s: the environment variable is not set", r)
		}
		return New(s), nil
	}
	path, err := r.path()
	if err != nil {
		return Value{}, err
	}
	return readFile(path)
}

func readFile(path string) (Value, error) {
	b, err := File(path)
	if err != nil {
		return Value{}, err
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if s == "" {
		return Value{}, refuse("write the secret into that file", "secret file %s is empty", path)
	}
	return New(s), nil
}

// File gives what a file holds that nobody else may read, such as a private key, byte
// for byte. Its errors are those of Read.
func File(path string) ([]byte, error) {
	const mine = "the user that runs groupsyncd must be able to read the file, and nobody else"
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, refuse("write the secret into that file, and chmod 600 it", "secret file %s does not exist", path)
		}
		return nil, refuse(mine, "read secret file: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, refuse("name the file with the secret", "secret file %s is not a regular file", path)
	case info.Mode().Perm()&0o007 != 0:
		return nil, refuse("replace the secret too if others may have read it",
			"secret file %s can be used by everybody (mode %04o): chmod 600 it", path, info.Mode().Perm())
	case info.Size() > maxSize:
		return nil, refuse("name the file with the secret", "secret file %s is larger than 1 MiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, refuse(mine, "read secret file: %w", err)
	}
	return b, nil
}

// refuse makes an error that says what to do.
func refuse(hint, format string, args ...any) error {
	return fault.New(fault.Invalid, "", "", fmt.Errorf(format, args...), hint)
}

// New wraps a secret that did not come from a reference.
func New(s string) Value { return Value{&s} }

// Reveal gives the secret in clear. Call it only where it leaves for its server.
func (v Value) Reveal() string {
	if v.s == nil {
		return ""
	}
	return *v.s
}

const hidden = "[secret]"

// String hides the secret.
func (v Value) String() string { return hidden }

// GoString hides the secret.
func (v Value) GoString() string { return hidden }

// Format hides the secret from every verb of package fmt.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the secret, in JSON and YAML too.
func (v Value) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret in logs.
func (v Value) LogValue() slog.Value { return slog.StringValue(hidden) }
