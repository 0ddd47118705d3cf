//go:build peers

package directories

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap"
	"groupsyncd/test/faults"
)

// open opens a source with a configuration as people write it.
func open(tb testing.TB, text string) providers.Source {
	tb.Helper()
	config := ldap.Type().New()
	if err := yaml.Unmarshal([]byte(text), config); err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	for _, p := range config.Check() {
		tb.Fatalf("%s: %s\n%s", strings.Join(p.Path, "."), p.Message, text)
	}
	s, err := config.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// passwordFile keeps a password in a file of its own.
func passwordFile(tb testing.TB, password string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// struck opens a source whose connection passes a proxy that breaks it after that much
// of what an undisturbed read moves.
func struck(tb testing.TB, addr string, kind faults.Kind, percent int, config func(addr string) string) providers.Source {
	tb.Helper()
	proxy := faults.New(tb, addr)
	s := open(tb, config(proxy.Addr))
	if _, err := s.Pull(tb.Context(), nil); err != nil {
		tb.Fatal(err)
	}
	_, down := proxy.Passed()
	proxy.Set(faults.Fault{Kind: kind, Direction: faults.Down, After: down * percent / 100})
	return s
}

// pull reads everything.
func pull(tb testing.TB, s providers.Source) *directory.Snapshot {
	tb.Helper()
	snapshot, err := s.Pull(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	if snapshot.Coverage() != directory.Full {
		tb.Fatalf("coverage %s: %s", snapshot.Coverage(), snapshot.Reason)
	}
	return snapshot
}

// people gives the usernames of a group's members, nested ones included, by its name.
func people(s *directory.Snapshot) map[string][]string {
	found := map[string][]string{}
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.Unlisted {
			continue
		}
		for _, u := range g.Members {
			found[g.Name] = append(found[g.Name], s.Users[u].Username)
		}
	}
	return found
}

// groupsOf looks one person up and gives the names of his groups.
func groupsOf(ctx context.Context, s providers.Source, username string) ([]string, error) {
	l, ok := s.(providers.LookUp)
	if !ok {
		return nil, fmt.Errorf("the source %T looks nobody up", s)
	}
	found, err := l.LookUp(ctx, directory.Person{Username: username})
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", username, err)
	}
	names := make([]string, 0, len(found.Groups))
	for i := range found.Groups {
		if !found.Groups[i].Unlisted {
			names = append(names, found.Groups[i].Name)
		}
	}
	return names, nil
}
