package scimpush

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scimpush/scimpushtest"
)

const canary = "pushed-canary-5d1e-7a20"

// open opens a source on a store.
func open(t testing.TB, store providers.Pushed, change func(*Config)) *Source {
	t.Helper()
	cfg := Type().New().(*Config)
	file := filepath.Join(t.TempDir(), "token")
	ref, err := secret.Parse("file:" + file)
	if err = errors.Join(err, os.WriteFile(file, []byte(canary), 0o600)); err != nil {
		t.Fatal(err)
	}
	cfg.Token = []secret.Ref{ref}
	if change != nil {
		change(cfg)
	}
	if list := cfg.Check(); len(list) > 0 {
		t.Fatal(list)
	}
	s, err := cfg.Open(providers.Options{Name: "pushed", Logger: slog.New(slog.DiscardHandler), Pushed: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // It never fails.
	return s.(*Source)
}

// provider gives a provider of a source.
func provider(s *Source) *scimpushtest.Provider {
	return &scimpushtest.Provider{Handler: s.Handler(), Base: "http://groups.example.org" + s.prefix}
}

// TestConformance is the suite that every source passes. Descriptions of groups are not in
// SCIM; what breaks here is the store, which has tests of its own.
func TestConformance(t *testing.T) {
	t.Parallel()
	live := func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
		s := open(t, &scimpushtest.Store{}, func(c *Config) {
			c.Users.Attributes = map[string]string{"department": "urn:groupsyncd:test:department.value"}
		})
		p := provider(s)
		p.Bring(t, w)
		s.mu.Lock()
		defer s.mu.Unlock()
		tab, err := s.current()
		if err == nil {
			err = s.complete(tab, "accepted") // An empty world too, which nobody else may.
		}
		if err != nil {
			t.Fatal(err)
		}
		return s, func(w providertest.World) { p.Bring(t, w) }
	}
	providertest.Run(t, providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source { s, _ := live(t, w); return s },
		Live: live, Secret: canary, OwnIDs: true, NoMoving: true, NoDescription: true,
	})
}
