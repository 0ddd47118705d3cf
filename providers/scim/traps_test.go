package scim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

// crowd has n people and three groups: of the first ten, of the next five, and of nobody.
func crowd(n int) providertest.World {
	var w providertest.World
	for i := range n {
		name := fmt.Sprintf("user%04d", i)
		w.Users = append(w.Users, providertest.User{ID: fmt.Sprintf("u%d", i), Username: name, Email: name + "@example.org", Name: name})
	}
	ids := func(from, to int) (ids []string) {
		for _, u := range w.Users[min(n, from):min(n, to)] {
			ids = append(ids, u.ID)
		}
		return ids
	}
	w.Groups = []providertest.Group{{ID: "g0", Name: "ten", Members: ids(0, 10)}, {ID: "g1", Name: "five", Members: ids(10, 15)}, {ID: "g2", Name: "none"}}
	return w
}

// read pulls and checks that the claims are right, and either that all is shown or the error.
func read(t *testing.T, s providers.Source, w providertest.World, want fault.Kind) *directory.Snapshot {
	t.Helper()
	h := providertest.Harness{NoDescription: true}
	if want == 0 {
		return h.CheckPull(t, s, w)
	}
	got, err := s.Pull(t.Context(), nil)
	if fault.KindOf(err) != want {
		t.Errorf("error %v, want %v", err, want)
	}
	for _, claim := range h.Claims(got, w) {
		t.Error(claim)
	}
	return got
}

// TestPagesOfEveryKindProveTheirEnd: odd servers are read completely, or said not to be.
func TestPagesOfEveryKindProveTheirEnd(t *testing.T) {
	t.Parallel()
	total := func(f func(total, shown int) any) func(*scimtest.Profile) {
		return func(p *scimtest.Profile) { p.Total = f }
	}
	for _, c := range []struct {
		name   string
		change func(*scimtest.Profile)
		config func(*scim.Config)
		want   fault.Kind
	}{
		{"no totalResults", func(p *scimtest.Profile) { p.NoTotal = true }, nil, 0},
		{"totalResults is that of the page", total(func(_, shown int) any { return shown }), nil, 0},
		{"totalResults is a text", total(func(total, _ int) any { return fmt.Sprint(total) }), nil, 0},
		{"totalResults is negative", total(func(int, int) any { return -1 }), nil, 0},
		{"totalResults is smaller than what is shown", total(func(int, int) any { return 3 }), nil, 0},
		{"totalResults is larger than what is shown", total(func(total, _ int) any { return total + 1 }), nil, fault.Incomplete},
		{"totalResults is absurd", total(func(int, int) any { return 1 << 60 }), nil, fault.Incomplete},
		{"one entry a page", func(p *scimtest.Profile) { p.Default, p.Cap = 1, 1 }, nil, 0},
		{"seven entries a page", func(p *scimtest.Profile) { p.Cap = 7 }, nil, 0},
		{"a page of the server's own where none is asked for", func(p *scimtest.Profile) { p.Cap, p.RefuseLarge = 10, 400 }, nil, 0},
		{"a page larger than allowed is refused", func(p *scimtest.Profile) { p.Cap, p.RefuseLarge = 100, 422 }, func(c *scim.Config) { c.PageSize = 500 }, 0},
		{"startIndex is the number of a page", func(p *scimtest.Profile) { p.Pages = true }, func(c *scim.Config) { c.PageSize = 20 }, 0},
		{"cursors are promised and unknown", func(p *scimtest.Profile) { p.SaysCursor = true }, nil, 0},
		{"cursors", func(p *scimtest.Profile) { p.SaysCursor, p.Cursor = true, true }, nil, 0},
		{"cursors alone", func(p *scimtest.Profile) { p.NoIndex, p.Cursor = true, true }, nil, 0},
		{"cursors as configured", func(p *scimtest.Profile) { p.Cursor = true }, func(c *scim.Config) { c.Paging = scim.ByCursor }, 0},
		{"no cursors, as configured", func(*scimtest.Profile) {}, func(c *scim.Config) { c.Paging = scim.ByCursor }, fault.Incomplete},
		{"one made-up row", func(p *scimtest.Profile) { *p = scimtest.OldSnowflake() }, nil, fault.Incomplete},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := scimtest.Standard()
			p.Cap = 50
			c.change(&p)
			if c.config == nil {
				c.config = func(*scim.Config) {}
			}
			w := crowd(130)
			s := scimtest.New(t, w, p)
			source := open(t, s, c.config)
			if p.OneRow {
				got, err := source.Pull(t.Context(), nil)
				if fault.KindOf(err) != c.want || got.Coverage() == directory.Full {
					t.Errorf("coverage %s, error %v", got.Coverage(), err)
				}
				return
			}
			read(t, source, w, c.want)
			first := len(s.Requests())
			read(t, source, w, c.want)
			t.Logf("%d requests, then %d", first, len(s.Requests())-first)
			if len(s.Requests())-first > 600 {
				t.Errorf("%d requests", len(s.Requests())-first)
			}
		})
	}
}

// TestAListThatGoesOnMovingIsWalkedSomeTimes and never claimed.
func TestAListThatGoesOnMovingIsWalkedSomeTimes(t *testing.T) {
	t.Parallel()
	w := crowd(130)
	p := scimtest.Standard()
	p.Cap = 20
	s := scimtest.New(t, w, p)
	s.Before(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Users") {
			now := s.World()
			now.Users = append(slices.Clone(now.Users[1:]), now.Users[0])
			s.SetWorld(now)
		}
	})
	read(t, open(t, s), w, fault.Incomplete)
	if n := s.Count(scimtest.Base + "/Users"); n > 40 {
		t.Errorf("%d pages of users were read", n)
	}
}

// TestExpiredCursorsBeginAgain: and one that leads to itself ends.
func TestExpiredCursorsBeginAgain(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]fault.Kind{"expiredCursor": 0, "invalidCursor": 0} {
		p := scimtest.AWS()
		p.Cap = 20
		w := crowd(90)
		s := scimtest.New(t, w, p)
		s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Get("cursor") != "" }, After: 2, Times: 1,
			Do: apitest.Status(400, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"`+code+`"}`)})
		read(t, open(t, s), w, want)
	}
	w := crowd(90)
	s := scimtest.New(t, w, scimtest.AWS())
	s.Break(apitest.Breakage{Match: listOf("/Users"), After: 1, Do: apitest.Text("application/scim+json", `{"Resources":[{"id":"u1"}],"nextCursor":"same"}`)})
	read(t, open(t, s), w, fault.Incomplete)
}

// TestHiddenMembersAreNoEmptyGroups: where members are shown is found out, and where they are
// not shown at all no group is covered.
func TestHiddenMembersAreNoEmptyGroups(t *testing.T) {
	t.Parallel()
	nothing := crowd(20)
	for i := range nothing.Groups {
		nothing.Groups[i].Members = nil
	}
	for _, c := range []struct {
		name   string
		change func(*scimtest.Profile)
		config func(*scim.Config)
		world  providertest.World
		want   fault.Kind
	}{
		{"in single groups", func(p *scimtest.Profile) { p.Members = scimtest.Alone }, nil, crowd(20), 0},
		{"in single groups, by name", func(p *scimtest.Profile) { p.Members = scimtest.ByName }, nil, crowd(20), 0},
		{"by a filter of users", func(p *scimtest.Profile) {
			p.Members = scimtest.Never
			p.Filters = append(p.Filters, "Users groups.value")
		}, nil, crowd(20), 0},
		{"by members.value", func(p *scimtest.Profile) { p.Members = scimtest.Never }, nil, crowd(20), 0},
		{"by members", func(p *scimtest.Profile) { p.Members, p.Filters = scimtest.Never, []string{"Groups members"} }, nil, crowd(20), 0},
		{"nowhere, filters are refused", func(p *scimtest.Profile) { p.Members, p.Filters = scimtest.Never, nil }, nil, crowd(20), fault.Incomplete},
		{"nowhere, filters find nothing", func(p *scimtest.Profile) { p.Members, p.Filters, p.Unknown = scimtest.Never, nil, scimtest.Zero }, nil, crowd(20), fault.Incomplete},
		{"nowhere, filters find everything", func(p *scimtest.Profile) { p.Members, p.Filters, p.Unknown = scimtest.Never, nil, scimtest.Ignore }, nil, crowd(20), fault.Incomplete},
		{"the list shows some of them", func(p *scimtest.Profile) { p.ListMembers = 4 }, nil, crowd(20), 0},
		{"there are none", func(*scimtest.Profile) {}, nil, nothing, fault.Incomplete},
		{"there are none, and the list is trusted", func(*scimtest.Profile) {}, func(c *scim.Config) { c.Members = scim.FromList }, nothing, 0},
		{"there are none, and the groups are trusted", func(*scimtest.Profile) {}, func(c *scim.Config) { c.Members = scim.FromGroup }, nothing, 0},
		{"by filters, as configured", func(*scimtest.Profile) {}, func(c *scim.Config) { c.Members = scim.FromFilter }, crowd(20), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := scimtest.Standard()
			c.change(&p)
			if c.config == nil {
				c.config = func(*scim.Config) {}
			}
			source := open(t, scimtest.New(t, c.world, p), c.config)
			for range 2 {
				got := read(t, source, c.world, c.want)
				for i := range got.Groups {
					if c.want != 0 && got.Groups[i].MembersKnown {
						t.Errorf("group %s is covered", got.Groups[i].Name)
					}
				}
			}
		})
	}
}

// TestGroupsThatEmptiedAreSeenToBeEmpty: a way in which members were seen counts when there are
// none any more.
func TestGroupsThatEmptiedAreSeenToBeEmpty(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]string{"list": scimtest.Everywhere, "group": scimtest.Alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := scimtest.Standard()
			p.Members = members
			w := crowd(20)
			s := scimtest.New(t, w, p)
			source := open(t, s)
			read(t, source, w, 0)
			for i := range w.Groups {
				w.Groups[i].Members = nil
			}
			s.SetWorld(w)
			read(t, source, w, 0)
		})
	}
}

// TestWhoIsMissingIsAskedFor: people whom the server switched off and hides are disabled, those
// whom the list loses are not gone, and many who are hidden are no whole list.
func TestWhoIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	w := crowd(130)
	s := scimtest.New(t, w, p)
	source := open(t, s)
	read(t, source, w, 0)
	p.HideDisabled = true
	s.SetProfile(p)
	w.Users = slices.Clone(w.Users)
	w.Users[3].Disabled = true
	s.SetWorld(w)
	got := read(t, source, w, 0)
	if i := slices.IndexFunc(got.Users, func(u directory.User) bool { return u.ID == "u3" }); i < 0 || !got.Users[i].Disabled {
		t.Error("who is hidden because they are disabled is not disabled")
	}
	p.Hidden = map[string]bool{"u5": true, "u7": true}
	s.SetProfile(p)
	read(t, source, w, 0)
	p.Hidden = map[string]bool{}
	for i := range 80 {
		p.Hidden[fmt.Sprintf("u%d", i)] = true
	}
	s.SetProfile(p)
	read(t, source, w, fault.Incomplete)
	p.OneRow = true
	s.SetProfile(p)
	if got, err := source.Pull(t.Context(), nil); fault.KindOf(err) != fault.Incomplete || got.UsersListed || got.GroupsListed {
		t.Errorf("a made-up row takes everybody's place: %v", err)
	}
}

// TestAListThatBeganShortIsNoted: members whom the list lacks are asked for although nobody
// remembers them.
func TestAListThatBeganShortIsNoted(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	p.Hidden = map[string]bool{"u2": true}
	w := crowd(30)
	read(t, open(t, scimtest.New(t, w, p)), w, 0)
}

func TestStatusIsKnownOnlyWhereItIsShown(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	p.NoActive = true
	w := crowd(3)
	w.Users[1].Disabled = true
	got, err := open(t, scimtest.New(t, w, p)).Pull(t.Context(), nil)
	if err != nil || got.Coverage() != directory.Full {
		t.Fatalf("coverage %s, %v", got.Coverage(), err)
	}
	for i := range got.Users {
		if got.Users[i].StatusKnown || got.Users[i].Disabled {
			t.Errorf("user %s: %+v", got.Users[i].ID, got.Users[i])
		}
	}
}

// TestETagsSpareWhatDidNotChange: and a server whose tags do not change with the members is
// found out.
func TestETagsSpareWhatDidNotChange(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	p.Members, p.ETags = scimtest.Alone, true
	w := crowd(20)
	for i := range 40 {
		w.Groups = append(w.Groups, providertest.Group{ID: fmt.Sprintf("h%d", i), Name: fmt.Sprintf("h%d", i), Members: []string{"u1"}})
	}
	s := scimtest.New(t, w, p)
	source := open(t, s)
	read(t, source, w, 0)
	w.Groups = slices.Clone(w.Groups)
	w.Groups[0].Members = []string{"u4"}
	s.SetWorld(w)
	read(t, source, w, 0)
	unchanged := 0
	for _, r := range s.Requests() {
		if r.Status == http.StatusNotModified {
			unchanged++
		}
	}
	if unchanged < 30 {
		t.Errorf("only %d of 43 groups were spared", unchanged)
	}
	p.StuckETags = true
	s.SetProfile(p)
	for n := range 12 {
		w.Groups = slices.Clone(w.Groups)
		for i := range w.Groups {
			w.Groups[i].Members = []string{fmt.Sprintf("u%d", n)}
		}
		s.SetWorld(w)
		if n < 2 {
			if _, err := source.Pull(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			continue // One of eight is read all the same, and then all are.
		}
		read(t, source, w, 0)
	}
}
