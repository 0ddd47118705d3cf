// Command release prepares a release: it looks whether one can be made, gathers the
// entries of changelog/unreleased into CHANGELOG.md, and makes the commit and the tag.
//
//	go run ./internal/release                    what a release would do; changes nothing
//	go run ./internal/release -version 1.2.3     the same for another version than the proposed
//	go run ./internal/release -write             do it, here; nothing is pushed
//	go run ./internal/release version            the version of this commit
//	go run ./internal/release debian VERSION     the changelog as Debian writes it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	t := &tool{out: os.Stdout, dir: ".", now: time.Now}
	if err := t.main(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "release: %s\n", err)
		os.Exit(1)
	}
}

// tool works in the repository around a folder.
type tool struct {
	out io.Writer
	dir string
	now func() time.Time
}

func (t *tool) main(ctx context.Context, args []string) error {
	var wanted string
	var write bool
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&wanted, "version", "", "version, without a v; empty: the next one by what changed")
	flags.BoolVar(&write, "write", false, "make the commit and the tag")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := t.git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	t.dir = root
	switch rest := flags.Args(); {
	case len(rest) == 0:
		return t.release(ctx, wanted, write)
	case len(rest) == 1 && rest[0] == "version":
		v, err := t.version(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(t.out, v)
		return nil
	case len(rest) == 2 && rest[0] == "debian":
		return t.debian(ctx, rest[1])
	default:
		return fmt.Errorf("unexpected %q; there are: version, debian VERSION", rest)
	}
}

// git asks git, in the folder.
func (t *tool) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // our own words
	cmd.Dir = t.dir
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// version names the commit: that of its tag, or what comes after the last tag, with the
// number of commits since and the revision. It sorts in between.
func (t *tool) version(ctx context.Context) (string, error) {
	if tag, err := t.git(ctx, "describe", "--tags", "--exact-match", "--match", tagPattern); err == nil {
		return strings.TrimPrefix(tag, "v"), nil
	}
	revision, err := t.git(ctx, "rev-parse", "--short=10", "HEAD")
	if err != nil {
		return "", err
	}
	last, err := t.lastTag(ctx)
	if err != nil {
		return "", err
	}
	since := "HEAD"
	if last != "" {
		since = last + "..HEAD"
	}
	count, err := t.git(ctx, "rev-list", "--count", since)
	if err != nil {
		return "", err
	}
	base, err := parseVersion(strings.TrimPrefix(last, "v"))
	if last == "" {
		base, err = number{}, nil
	} else {
		base.patch++
	}
	return fmt.Sprintf("%s-dev.%s+g%s", base, count, revision), err
}

// tagPattern is what git takes for the tag of a release.
const tagPattern = "v[0-9]*.[0-9]*.[0-9]*"

// lastTag gives the newest tag of a release before this commit; none: empty.
func (t *tool) lastTag(ctx context.Context) (string, error) {
	all, err := t.git(ctx, "tag", "--merged", "HEAD", "--list", tagPattern, "--sort=-version:refname")
	if err != nil {
		return "", err
	}
	for tag := range strings.Lines(all) {
		tag = strings.TrimSpace(tag)
		if _, err := parseVersion(strings.TrimPrefix(tag, "v")); err == nil {
			return tag, nil
		}
	}
	return "", nil
}

// number is the version of a release.
type number struct{ major, minor, patch int }

func (n number) String() string { return fmt.Sprintf("%d.%d.%d", n.major, n.minor, n.patch) }

func (n number) after(o number) bool {
	if n.major != o.major {
		return n.major > o.major
	}
	if n.minor != o.minor {
		return n.minor > o.minor
	}
	return n.patch > o.patch
}

var errVersion = errors.New("a version is three numbers, such as 1.2.3, without a v")

func parseVersion(text string) (number, error) {
	var n number
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &n.major, &n.minor, &n.patch); err != nil || n.String() != text {
		return number{}, fmt.Errorf("%q: %w", text, errVersion)
	}
	return n, nil
}
