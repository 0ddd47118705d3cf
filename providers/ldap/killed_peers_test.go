//go:build peers

package ldap

import (
	"log/slog"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestAServerKilledAtAnyPageTakesNothingAway kills a real slapd behind every page of a
// pull. None of these pulls covers everything or takes anything away, and the next one
// after a restart shows all.
func TestAServerKilledAtAnyPageTakesNothingAway(t *testing.T) {
	t.Parallel()
	company, err := ldif.New(ldif.Options{Users: 23, Groups: 9, Memberships: 80, Nested: 0.4, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	server := peer.StartSlapd(t, company, peer.SlapdOptions{})
	password, err := secret.Parse("file:" + server.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	c := configure(t, RFC2307bis, server.URL)
	c.Bind, c.PageSize = Bind{DN: server.BindDN, Password: password}, 5
	s, err := c.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	full, err := s.Pull(t.Context(), func(string, int) { pages++ })
	if err != nil || full.Coverage() != directory.Full || len(full.Users) != len(company.Users) || full.Memberships() != company.Effective() {
		t.Fatalf("%d users, %d memberships, %v", len(full.Users), full.Memberships(), err)
	}
	before, _ := replica.New("corp").Merge(full, 0)
	// The last report comes when all is read.
	for n := 1; n < pages; n++ {
		seen := 0
		snapshot, err := s.Pull(t.Context(), func(what string, done int) {
			if seen++; seen == n {
				t.Logf("killed behind page %d, with %d %s", n, done, what)
				server.Kill(t)
			}
		})
		// The report behind the last page of the groups finds everything read.
		if whole := err == nil && snapshot.Coverage() == directory.Full; whole && n < pages-1 {
			t.Errorf("killed behind page %d of %d: coverage %s, error %v", n, pages, snapshot.Coverage(), err)
		}
		takesNothing(t, before, snapshot, int64(n))
		server.Start(t, peer.SlapdOptions{})
		again, err := s.Pull(t.Context(), nil)
		if err != nil || again.Memberships() != full.Memberships() {
			t.Fatalf("after the restart %d memberships, %v", again.Memberships(), err)
		}
	}
}
