package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"
)

func TestAnErrorSaysWhatWhereAndWhy(t *testing.T) {
	t.Parallel()
	why := errors.New("no")
	for _, c := range []struct {
		op, where string
		err       error
		want      string
	}{
		{"bind", "ldap://x", why, "bind at ldap://x: no"},
		{"bind", "", why, "bind: no"},
		{"", "a.yaml", why, "a.yaml: no"},
		{"", "", why, "no"},
		{"bind", "ldap://x", nil, "bind at ldap://x"},
	} {
		if got := New(Auth, c.op, c.where, c.err, "a hint").Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if err := Errorf(Auth, "open", "x", "why: %w", fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) || err.Error() != "open at x: why: file does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	auth := New(Auth, "bind", "", errors.New("no"), "")
	for _, c := range []struct {
		name string
		err  error
		want Kind
	}{
		{"nothing", nil, 0},
		{"without a kind", errors.New("x"), 0},
		{"itself", auth, Auth},
		{"wrapped", fmt.Errorf("read: %w", auth), Auth},
		{"the outermost counts", New(Incomplete, "read", "", auth, ""), Incomplete},
		{"joined", errors.Join(errors.New("x"), auth), Auth},
		{"cancelled", fmt.Errorf("read: %w", context.Canceled), Canceled},
		{"out of time", context.DeadlineExceeded, Unavailable},
		{"a kind outweighs its cause", New(Auth, "", "", context.Canceled, ""), Auth},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestHintOf(t *testing.T) {
	t.Parallel()
	inner := New(Auth, "bind", "", errors.New("no"), "check the password")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"without", errors.New("x"), ""},
		{"itself", inner, "check the password"},
		{"wrapped", fmt.Errorf("read: %w", inner), "check the password"},
		{"below one without", New(Incomplete, "read", "", fmt.Errorf("x: %w", inner), ""), "check the password"},
		{"the outermost counts", New(Incomplete, "read", "", inner, "see the log"), "see the log"},
		{"joined", errors.Join(errors.New("x"), inner), "check the password"},
		{"no cause", New(Auth, "x", "", nil, ""), ""},
	} {
		if got := HintOf(c.err); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestAfterOf(t *testing.T) {
	t.Parallel()
	inner := &Error{Kind: Throttled, Err: errors.New("busy"), After: time.Minute}
	for _, c := range []struct {
		name string
		err  error
		want time.Duration
	}{
		{"nothing", nil, 0},
		{"without", errors.New("x"), 0},
		{"itself", inner, time.Minute},
		{"wrapped", fmt.Errorf("read: %w", inner), time.Minute},
		{"below one without", New(Incomplete, "read", "", inner, ""), time.Minute},
		{"the longest counts", &Error{Kind: Unavailable, Err: inner, After: time.Second}, time.Minute},
		{"no cause", New(Auth, "x", "", nil, ""), 0},
	} {
		if got := AfterOf(c.err); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestKindsHaveWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	var words []string
	var retryable []Kind
	for k := Invalid; k <= Damaged; k++ {
		words = append(words, k.String())
		if k.Retryable() {
			retryable = append(retryable, k)
		}
	}
	if slices.Contains(words, "") || slices.Contains(words, "unknown") || len(slices.Compact(slices.Sorted(slices.Values(words)))) != len(words) {
		t.Errorf("words: %q", words)
	}
	if !slices.Equal(retryable, []Kind{Throttled, Unavailable}) {
		t.Errorf("retryable: %v", retryable)
	}
	if Kind(0).String() != "" || Kind(-1).String() != "unknown" || (Damaged+1).String() != "unknown" {
		t.Error("what is no kind has a word")
	}
}
