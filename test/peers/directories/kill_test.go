//go:build peers

package directories

import (
	"fmt"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers/providertest"
	"groupsyncd/test/peers/peer"
)

// TestASlapdThatDiesAtAnyPageProvesNothingFalse kills a server while each of its pages is
// being taken in. What is claimed as read is so, and all of it is claimed only by a read
// that gives no error.
func TestASlapdThatDiesAtAnyPageProvesNothingFalse(t *testing.T) {
	t.Parallel()
	l, w := rfc2307bis(), tower(120)
	server := slapd(t, l, w, peer.SlapdOptions{})
	config := strings.Replace(l.configuration(server, server.Addr(), server.PasswordFile), "page_size: 250", "page_size: 10", 1)
	want := members(w, true)
	broken := 0
	for page := 1; ; page++ {
		s := open(t, config)
		at := 0
		snapshot, err := s.Pull(t.Context(), func(string, int) {
			if at++; at == page {
				server.Kill(t)
			}
		})
		if full := snapshot.Coverage() == directory.Full; full != (err == nil) {
			t.Errorf("killed at page %d: coverage %s, error %v", page, snapshot.Coverage(), err)
		}
		claims(t, fmt.Sprintf("killed at page %d", page), snapshot, w, want)
		if err != nil {
			broken++
		}
		if at < page { // The read was over before.
			break
		}
		server.Start(t, peer.SlapdOptions{})
	}
	if broken < 12 {
		t.Errorf("%d of the reads failed: the kills came too late", broken)
	}
}

// claims checks that what a snapshot calls proved is so.
func claims(t *testing.T, when string, s *directory.Snapshot, w providertest.World, want map[string][]string) {
	t.Helper()
	if s.UsersListed && len(s.Users) != len(w.Users) || s.GroupsListed && len(s.Groups) < len(w.Groups) {
		t.Errorf("%s: lists of %d users and %d groups are called complete", when, len(s.Users), len(s.Groups))
	}
	got := people(s)
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.MembersKnown && len(got[g.Name]) != len(want[g.Name]) {
			t.Errorf("%s: group %s is called read with %d of %d members", when, g.Name, len(got[g.Name]), len(want[g.Name]))
		}
	}
}
