//go:build peers

package scim

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	source "groupsyncd/providers/scim"
	"groupsyncd/test/peers/peer"
)

// TestServersShowWhatTheyWereGiven: the same world, put into each server by SCIM, is read, is
// changed, and is read again; sign-ins see what reads see.
func TestServersShowWhatTheyWereGiven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		start   func(t *testing.T) *peer.SCIM
		nesting bool
		change  func(*source.Config)
	}{
		{"scim2-server", func(t *testing.T) *peer.SCIM { return peer.StartSCIM2Server(t, false) }, true, func(*source.Config) {}},
		{"scim2-server by cursor", func(t *testing.T) *peer.SCIM { return peer.StartSCIM2Server(t, true) }, true, func(*source.Config) {}},
		{"scim2-server, each group", func(t *testing.T) *peer.SCIM { return peer.StartSCIM2Server(t, false) }, true, func(c *source.Config) { c.Members = source.FromGroup }},
		{"scimmy", func(t *testing.T) *peer.SCIM { return peer.StartScimmy(t, false) }, true, func(*source.Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			p := provision(t, s, office(75, c.nesting))
			judge(t, p, open(t, s, s.URL, c.change), providertest.Harness{OwnIDs: true, NoNesting: !c.nesting, NoDescription: true})
		})
	}
}

// judge reads, changes and reads again.
func judge(t *testing.T, p *provisioned, s providers.Source, h providertest.Harness) {
	t.Helper()
	began := time.Now()
	first := h.CheckPull(t, s, p.world)
	t.Logf("%d users, %d groups, %d memberships in %d requests and %s", len(first.Users), len(first.Groups), first.Memberships(), first.Requests, time.Since(began).Round(time.Millisecond))
	p.disable(t, "u1")
	p.join(t, "u2", "g0")
	p.leave(t, "u6", "g0")
	p.remove(t, p.world.Users[len(p.world.Users)-1].ID)
	second := h.CheckPull(t, s, p.world)
	t.Logf("again: %d requests", second.Requests)
	l, ok := s.(providers.LookUp)
	if !ok {
		t.Fatal("no look-ups")
	}
	for _, u := range p.world.Users[:8] {
		for _, who := range []directory.Person{{ID: p.ids[u.ID]}, {Email: u.Email}, {Username: u.Username}} {
			got, err := l.LookUp(t.Context(), who)
			if err != nil || len(got.Users) != 1 || !got.Users[0].GroupsKnown {
				t.Errorf("look-up of %+v: %+v, %v", who, got, err)
				continue
			}
			if got.Users[0].Disabled != u.Disabled {
				t.Errorf("%s: disabled is %v", u.Username, got.Users[0].Disabled)
			}
			if want, is := groupsOf(second, u.Username), groupsOf(got, u.Username); !slices.Equal(want, is) {
				t.Errorf("%s is in %v, and in %v by a look-up of %+v", u.Username, want, is, who)
			}
			if who.Email != "" {
				t.Logf("look-up by mail: %d requests", got.Requests)
			}
		}
	}
	if got, err := l.LookUp(t.Context(), directory.Person{Email: "nobody@example.org"}); err != nil || got.Coverage() != directory.None {
		t.Errorf("a look-up of nobody: %+v, %v", got, err)
	}
	for _, f := range s.(providers.Checker).Check(t.Context()) {
		if f.Level == providers.Failed {
			t.Errorf("doctor: %+v", f)
		}
	}
}

// groupsOf gives the names of the groups that somebody counts as a member of.
func groupsOf(s *directory.Snapshot, username string) []string {
	var names []string
	for i := range s.Groups {
		for _, u := range s.Groups[i].Members {
			if s.Users[u].Username == username {
				names = append(names, s.Groups[i].Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// TestOpenWebUIShowsWhatItWasGiven: accounts and groups of an Open WebUI, by its own SCIM. It
// shows accounts that came by SSO or SCIM, and no others.
func TestOpenWebUIShowsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	s := peer.SCIMOf(t, peer.StartOpenWebUI(t, 3, peer.SCIMSettings()...))
	p := provision(t, s, office(16, false))
	judge(t, p, open(t, s, s.URL, func(c *source.Config) { c.PageSize = 6 }), providertest.Harness{OwnIDs: true, NoNesting: true, NoDescription: true})
}

// rounds is how many reads have somebody deleted under them, for each server.
const rounds = 6

// TestDeletionsWhileWeWalkLoseNobodyElse: in each of many reads one user is deleted between two
// requests. Who was there all the time is shown, whenever the list is claimed to be whole.
func TestDeletionsWhileWeWalkLoseNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *peer.SCIM
	}{
		{"scim2-server", func(t *testing.T) *peer.SCIM { return peer.StartSCIM2Server(t, false) }},
		{"scim2-server by cursor", func(t *testing.T) *peer.SCIM { return peer.StartSCIM2Server(t, true) }},
		{"scimmy", func(t *testing.T) *peer.SCIM { return peer.StartScimmy(t, false) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			p := provision(t, s, office(100, false))
			f := newFront(t, s)
			reader := open(t, s, f.url)
			random := rand.New(rand.NewPCG(8, 1))
			whole, requests := 0, 0
			for round := range rounds {
				if round%2 == 1 { // One that remembers nobody from the read before.
					reader = open(t, s, f.url)
				}
				victim := p.world.Users[60+random.IntN(25)].ID // In no group.
				at, pages := 1+random.IntN(5), 0
				f.set(func(r *http.Request) {
					if !strings.HasSuffix(r.URL.Path, "/Users") {
						return
					}
					if pages++; pages == at {
						p.remove(t, victim)
					}
				})
				got, err := reader.Pull(t.Context(), nil)
				f.set(nil)
				if err != nil && fault.KindOf(err) != fault.Incomplete {
					t.Fatal(err)
				}
				requests += got.Requests
				if got.UsersListed {
					whole++
					lost(t, p.world, got)
				}
			}
			t.Logf("%d of %d reads were whole, %d requests for each", whole, rounds, requests/rounds)
			if whole < rounds {
				t.Errorf("only %d of %d reads were whole", whole, rounds)
			}
		})
	}
}

// lost fails for everybody of the world whom a whole list does not show.
func lost(t *testing.T, w providertest.World, s *directory.Snapshot) {
	t.Helper()
	shown := map[string]bool{}
	for i := range s.Users {
		shown[s.Users[i].Username] = true
	}
	for _, u := range w.Users {
		if !shown[u.Username] {
			t.Errorf("%s is lost", u.Username)
		}
	}
}

// TestAServerWithoutPagesIsNeverWhole: scimmy-routers on Express 5 gives the first 20 entries
// whatever is asked for. Up to 20 that is everything.
func TestAServerWithoutPagesIsNeverWhole(t *testing.T) {
	t.Parallel()
	s := peer.StartScimmy(t, true)
	p := provision(t, s, office(12, false))
	reader := open(t, s, s.URL, func(c *source.Config) { c.PageSize = 100 })
	(providertest.Harness{OwnIDs: true, NoNesting: true, NoDescription: true}).CheckPull(t, reader, p.world)
	for _, u := range office(30, false).Users[12:] {
		p.addUser(t, u)
	}
	got, err := reader.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Incomplete || got.UsersListed {
		t.Errorf("listed %v with %d of 30 users, %v", got.UsersListed, len(got.Users), err)
	}
	for i := range got.Groups {
		if got.Groups[i].MembersKnown && len(got.Groups[i].Unresolved) > 0 {
			t.Errorf("group %s is known, although it names people who are not shown", got.Groups[i].Name)
		}
	}
}
