package entra_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/entra/entratest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// office is a small directory: one group in another, and a person in each.
func office() providertest.World {
	w := providertest.World{}
	for n := 1; n <= 4; n++ {
		w.Users = append(w.Users, providertest.User{ID: uid(n), Username: "u" + string(rune('0'+n)), Email: "u" + string(rune('0'+n)) + "@example.org", Name: "U"})
	}
	w.Groups = []providertest.Group{
		{ID: gid(1), Name: "staff", Members: []string{uid(1)}, Groups: []string{gid(2)}},
		{ID: gid(2), Name: "finance", Members: []string{uid(2)}},
		{ID: gid(3), Name: "research", Members: []string{uid(3), uid(4)}},
	}
	return w
}

// clock is one that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// follower is a source that has read everything once.
type follower struct {
	*entratest.Server
	t      *testing.T
	clock  *clock
	source providers.Source
	base   *directory.Snapshot
}

func follow(t *testing.T, o entratest.Options, change func(*entra.Config)) *follower {
	t.Helper()
	f := &follower{t: t, clock: &clock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}}
	o.Now = f.clock.now
	f.Server = entratest.Start(t, office(), o)
	f.reopen(change)
	f.base = f.pull()
	f.clock.at = f.clock.at.Add(time.Minute)
	return f
}

func (f *follower) reopen(change func(*entra.Config)) {
	f.t.Helper()
	c := f.Config()
	if change != nil {
		change(c)
	}
	f.source = openWith(f.t, c, providers.Options{Name: "azure", Now: f.clock.now})
}

func (f *follower) pull() *directory.Snapshot {
	f.t.Helper()
	s, err := f.source.Pull(f.t.Context(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *follower) changes() (*directory.Snapshot, error) {
	able, _ := f.source.(providers.Changes)
	return able.PullChanges(f.t.Context(), f.base, nil)
}

// shown gives the ids of the members of a group, and of those named by it.
func shown(t *testing.T, s *directory.Snapshot, group string) (members, direct []string) {
	t.Helper()
	i := slices.IndexFunc(s.Groups, func(g directory.Group) bool { return g.ID == group })
	if i < 0 {
		t.Fatalf("group %s is not shown", group)
	}
	for _, u := range s.Groups[i].Members {
		members = append(members, s.Users[u].ID)
	}
	for _, u := range s.Groups[i].Direct {
		direct = append(direct, s.Users[u].ID)
	}
	slices.Sort(members)
	slices.Sort(direct)
	return members, direct
}

func TestWhateverGraphForgotIsReadAsAWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		code   string
	}{
		"410": {http.StatusGone, "resyncRequired"}, "410 of another code": {http.StatusGone, "Gone"}, "expired": {http.StatusBadRequest, "syncStateNotFound"},
		"invalid": {http.StatusBadRequest, "syncStateInvalid"}, "another 400": {http.StatusBadRequest, "Request_BadRequest"}, "404": {http.StatusNotFound, "Request_ResourceNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := follow(t, entratest.Options{}, nil)
			f.Forget(c.status, c.code)
			if s, err := f.changes(); !errors.Is(err, providers.ErrFullRead) || s != nil {
				t.Errorf("%+v, %v", s, err)
			}
			f.base = f.pull()
			if _, err := f.changes(); err != nil {
				t.Errorf("after a full read: %v", err)
			}
		})
	}
}

func TestFailuresOfChangesAreNoReasonForAFullRead(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]fault.Kind{http.StatusForbidden: fault.Auth, http.StatusUnauthorized: fault.Auth} {
		f := follow(t, entratest.Options{}, nil)
		f.Break(apitest.Breakage{Match: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1.0/") }, Do: apitest.Status(status, entratest.Says("Authorization_RequestDenied", "no"))})
		if _, err := f.changes(); errors.Is(err, providers.ErrFullRead) || fault.KindOf(err) != kind {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestAFullReadThatGraphGivesUpBeginsAgain: the token of a further page may end too.
func TestAFullReadThatGraphGivesUpBeginsAgain(t *testing.T) {
	t.Parallel()
	s := entratest.Start(t, office(), entratest.Options{UserPage: 2})
	s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Has("$skiptoken") }, Times: 1,
		Do: apitest.Status(http.StatusBadRequest, entratest.Says("Directory_ExpiredPageToken", "expired"))})
	got, err := open(t, s, nil).Pull(t.Context(), nil)
	if err != nil || len(got.Users) != 4 || got.Coverage() != directory.Full {
		t.Errorf("%d users, %v", len(got.Users), err)
	}
}

func TestCursorsAreGoodForWhatTheyWereMadeFor(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(f *follower){
		"no cursor": func(f *follower) { f.base.Cursor = nil },
		"damaged": func(f *follower) {
			f.base.Cursor = slices.Clone(f.base.Cursor)
			f.base.Cursor[len(f.base.Cursor)-1] ^= 1
		},
		"cut":                           func(f *follower) { f.base.Cursor = f.base.Cursor[:len(f.base.Cursor)/2] },
		"another seal":                  func(f *follower) { f.base.Cursor = slices.Clone(f.base.Cursor); f.base.Cursor[20] ^= 1 },
		"another form":                  func(f *follower) { f.base.Cursor = append([]byte("groupsyncd-entra-0\n"), f.base.Cursor[19:]...) },
		"seven days later":              func(f *follower) { f.clock.at = f.clock.at.Add(7 * 24 * time.Hour) },
		"other attributes":              func(f *follower) { f.reopen(func(c *entra.Config) { c.Users.Attributes = nil }) },
		"another mail":                  func(f *follower) { f.reopen(func(c *entra.Config) { c.Users.Email = []string{"userPrincipalName"} }) },
		"without nesting":               func(f *follower) { f.reopen(func(c *entra.Config) { c.Nested = false }) },
		"without guests":                func(f *follower) { f.reopen(func(c *entra.Config) { c.Guests = false }) },
		"with owners":                   func(f *follower) { f.reopen(func(c *entra.Config) { c.Owners = true }) },
		"a picture with another member": func(f *follower) { f.base.Groups[0].Direct = append(slices.Clone(f.base.Groups[0].Direct), 3) },
		"a picture with another name":   func(f *follower) { f.base.Groups[0].Name = "staff?" },
		"a picture with a hole":         func(f *follower) { f.base.Groups[1].MembersKnown = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := follow(t, entratest.Options{}, nil)
			spoil(f)
			asked := len(f.Requests())
			if s, err := f.changes(); !errors.Is(err, providers.ErrFullRead) || s != nil {
				t.Errorf("%+v, %v", s, err)
			}
			if n := len(f.Requests()) - asked; n > 0 {
				t.Errorf("%d requests for nothing", n)
			}
		})
	}
}

func TestDeletedForGoodIsNotInTheBin(t *testing.T) {
	t.Parallel()
	f := follow(t, entratest.Options{}, nil)
	f.DeleteUser(uid(3), false)
	f.DeleteUser(uid(4), true)
	f.DeleteGroup(gid(2), true)
	s, err := f.changes()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.DeletedUsers, []string{uid(4)}) || !slices.Equal(s.DeletedGroups, []string{gid(2)}) || len(s.Users) != 2 || len(s.Groups) != 2 {
		t.Errorf("deleted %v %v, %d users, %d groups", s.DeletedUsers, s.DeletedGroups, len(s.Users), len(s.Groups))
	}
	if members, _ := shown(t, s, gid(3)); len(members) != 0 {
		t.Errorf("members %v", members)
	}
	// Emptied from the bin, it is deleted for good.
	f.base, f.clock.at = s, f.clock.at.Add(time.Minute)
	f.DeleteUser(uid(3), true)
	if s, err = f.changes(); err != nil || !slices.Equal(s.DeletedUsers, []string{uid(3)}) {
		t.Errorf("%v, %v", s, err)
	}
}

// TestWhoComesBackIsReadWithTheirGroups: Graph does not tell again which groups they are in.
func TestWhoComesBackIsReadWithTheirGroups(t *testing.T) {
	t.Parallel()
	f := follow(t, entratest.Options{}, nil)
	f.DeleteUser(uid(3), false)
	var err error
	if f.base, err = f.changes(); err != nil {
		t.Fatal(err)
	}
	f.clock.at = f.clock.at.Add(time.Minute)
	f.PutUser(office().Users[2], "Member")
	if _, err := f.changes(); !errors.Is(err, providers.ErrFullRead) {
		t.Fatalf("%v", err)
	}
	if members, _ := shown(t, f.pull(), gid(3)); !slices.Contains(members, uid(3)) {
		t.Errorf("members %v", members)
	}
}

// TestAChangeWithoutMembersEmptiesNoGroup: a group that is told for its name keeps everybody.
func TestAChangeWithoutMembersEmptiesNoGroup(t *testing.T) {
	t.Parallel()
	f := follow(t, entratest.Options{}, nil)
	f.PutGroup(gid(3), "laboratory", "", "")
	s, err := f.changes()
	if err != nil {
		t.Fatal(err)
	}
	if members, _ := shown(t, s, gid(3)); len(members) != 2 {
		t.Errorf("members %v", members)
	}
	if members, direct := shown(t, s, gid(1)); len(members) != 2 || len(direct) != 1 {
		t.Errorf("members %v, direct %v", members, direct)
	}
}

// TestOneGroupOnManyPages: its members come in pieces, in any order, and some of them twice.
func TestOneGroupOnManyPages(t *testing.T) {
	t.Parallel()
	w := office()
	for n := 5; n <= 25; n++ {
		w.Users = append(w.Users, providertest.User{ID: uid(n), Username: uid(n)})
		w.Groups[2].Members = append(w.Groups[2].Members, uid(n))
	}
	s := entratest.Start(t, w, entratest.Options{MemberPage: 2, GroupPage: 1})
	got, err := open(t, s, nil).Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if members, _ := shown(t, got, gid(3)); len(members) != 23 {
		t.Errorf("%d members", len(members))
	}
}

func TestDevicesAndTheLikeAreNobody(t *testing.T) {
	t.Parallel()
	s := entratest.New(t, office())
	for i, kind := range []string{"device", "servicePrincipal", "orgContact"} {
		s.AddMember(gid(2), rid(i), kind)
	}
	got, err := open(t, s, nil).Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got.Groups, func(g directory.Group) bool { return g.ID == gid(2) })
	if g := got.Groups[i]; len(g.Direct) != 1 || len(g.Unresolved) != 0 {
		t.Errorf("%+v", g)
	}
}

// TestHiddenMembersAreNotNobody: without the permission Graph shows a group as if it were empty.
func TestHiddenMembersAreNotNobody(t *testing.T) {
	t.Parallel()
	s := entratest.New(t, office())
	s.PutGroup(gid(2), "finance", "", "HiddenMembership")
	s.Grant("GroupMember.Read.All", "User.Read.All")
	source := open(t, s, nil)
	l, _ := source.(providers.LookUp)
	if one, err := l.LookUp(t.Context(), directory.Person{ID: uid(3)}); err != nil || len(one.Users) != 1 || one.Users[0].GroupsKnown || one.Reason == "" {
		t.Errorf("before the first read: %+v, %v", one, err)
	}
	got, err := source.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Incomplete || !strings.Contains(fault.HintOf(err), "Member.Read.Hidden") || got.Cursor != nil || !got.UsersListed || !got.GroupsListed {
		t.Errorf("%v (%s), cursor of %d bytes", err, fault.HintOf(err), len(got.Cursor))
	}
	for i := range got.Groups {
		if g := &got.Groups[i]; g.MembersKnown != (g.ID == gid(3)) {
			t.Errorf("group %s: members known %v", g.Name, g.MembersKnown)
		}
	}
	if one, err := l.LookUp(t.Context(), directory.Person{ID: uid(2)}); err != nil || len(one.Users) != 1 || one.Users[0].GroupsKnown || one.Reason == "" {
		t.Errorf("%+v, %v", one, err)
	}
	s.Grant("GroupMember.Read.All", "User.Read.All", "Member.Read.Hidden")
	source = open(t, s, nil)
	l, _ = source.(providers.LookUp)
	if got, err = source.Pull(t.Context(), nil); err != nil || got.Coverage() != directory.Full {
		t.Errorf("with the permission: %v", err)
	}
	if one, err := l.LookUp(t.Context(), directory.Person{ID: uid(2)}); err != nil || !one.Users[0].GroupsKnown || len(one.Groups) != 2 {
		t.Errorf("with the permission: %+v, %v", one, err)
	}
	s.Grant("GroupMember.Read.All", "User.Read.All")
	able, _ := open(t, s, nil).(providers.Changes)
	if _, err := able.PullChanges(t.Context(), got, nil); !errors.Is(err, providers.ErrFullRead) {
		t.Errorf("after the permission was taken away: %v", err)
	}
}

// TestAGroupThatBecomesHiddenIsReadAsAWhole: what is not told of it any more has not gone.
func TestAGroupThatBecomesHiddenIsReadAsAWhole(t *testing.T) {
	t.Parallel()
	f := follow(t, entratest.Options{Granted: []string{"GroupMember.Read.All", "User.Read.All"}}, nil)
	f.PutGroup(gid(2), "finance", "", "HiddenMembership")
	if _, err := f.changes(); !errors.Is(err, providers.ErrFullRead) {
		t.Errorf("%v", err)
	}
}

// TestADeltaWithoutAnyMembersIsDoubted: a server that does not tell members must not look like
// one in which nobody is in a group.
func TestADeltaWithoutAnyMembersIsDoubted(t *testing.T) {
	t.Parallel()
	s := entratest.New(t, office())
	s.HideMembersOfDelta()
	got, err := open(t, s, nil).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Incomplete || got.GroupsListed || len(got.Groups) > 0 {
		t.Errorf("%v, %d groups", err, len(got.Groups))
	}
}

// TestPagesElsewhereAreNotRead: the token goes to the configured server only.
func TestPagesElsewhereAreNotRead(t *testing.T) {
	t.Parallel()
	asked := false
	other := apitest.Serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	s := entratest.New(t, office())
	s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Path == "/v1.0/groups/delta" }, Do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"value": [], "@odata.nextLink": "` + other.URL() + `/v1.0/groups/delta?$skiptoken=1"}`))
	}})
	got, err := open(t, s, nil).Pull(t.Context(), nil)
	if err == nil || got.GroupsListed || asked || !strings.Contains(err.Error(), "leads to") {
		t.Errorf("%v, asked %v", err, asked)
	}
}
