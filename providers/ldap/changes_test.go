package ldap

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/packed"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// telling starts a server that tells changes, with a few people in two groups.
func telling(t *testing.T, changes ldaptest.Changes, edit func(*Config)) (*ldaptest.Server, *source, *directory.Snapshot) {
	t.Helper()
	o := options()
	o.Changes = changes
	server, url := serve(t, o)
	kind := RFC2307bis
	if changes.AD {
		kind = AD
	}
	for i := range 5 {
		e := account(i+1, nil)
		if !changes.AD {
			e = person(i + 1)
		}
		add(t, server, e)
	}
	for i, name := range []string{"a", "b"} {
		e := adGroup(name, uint32(600+i), userAt(changes.AD, 1), userAt(changes.AD, 2))
		if !changes.AD {
			e = group("cn="+name+","+groups, userAt(false, 1), userAt(false, 2))
		}
		add(t, server, e)
	}
	c := configure(t, kind, url)
	if edit != nil {
		edit(c)
	}
	s := open(t, c)
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return server, s, snapshot
}

func userAt(ad bool, n int) string {
	if ad {
		return fmt.Sprintf("CN=u%d,%s", n, people)
	}
	return userDN(n)
}

func add(t *testing.T, server *ldaptest.Server, entries ...ldaptest.Entry) {
	t.Helper()
	must(t, server.Add(entries...))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// changed reads the changes, which must be told.
func changed(t *testing.T, s *source, base *directory.Snapshot) *directory.Snapshot {
	t.Helper()
	delta, err := s.PullChanges(t.Context(), base, nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := differences(pictured(delta, true), pictured(full, true)); diff != "" {
		t.Fatal(diff)
	}
	return delta
}

// needsFull reads the changes, of which a full read must be asked for this reason.
func needsFull(t *testing.T, s *source, base *directory.Snapshot, why string) {
	t.Helper()
	delta, err := s.PullChanges(t.Context(), base, nil)
	if !errors.Is(err, providers.ErrFullRead) || delta != nil || !strings.Contains(err.Error(), why) {
		t.Errorf("changes %v, %v; want a full read because of %q", delta != nil, err, why)
	}
}

// kinds are servers that tell changes in all the ways.
func kinds() map[string]ldaptest.Changes {
	return map[string]ldaptest.Changes{
		"syncrepl":               {Syncprov: true},
		"syncrepl, session log":  {Syncprov: true, SessionLog: 100},
		"DirSync":                controller(nil),
		"DirSync, few rights":    controller(func(c *ldaptest.Changes) { c.NoReplication, c.NoTombstones = true, true }),
		"uSNChanged":             controller(func(c *ldaptest.Changes) { c.NoDirSync = true }),
		"uSNChanged, few rights": controller(func(c *ldaptest.Changes) { c.NoDirSync, c.NoTombstones = true, true }),
	}
}

func TestNothingChanged(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, base := telling(t, kind, nil)
			_, before := server.Counts()
			delta, err := s.PullChanges(t.Context(), base, nil)
			must(t, err)
			if _, searches := server.Counts(); searches-before > 5 {
				t.Errorf("%d searches to find out that nothing changed", searches-before)
			}
			if diff := differences(pictured(delta, false), pictured(base, false)); diff != "" || !delta.Delta {
				t.Errorf("delta %t\n%s", delta.Delta, diff)
			}
		})
	}
}

func TestAMemberComesAndGoes(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, base := telling(t, kind, nil)
			must(t, server.AddValues("cn=a,"+groups, "member", userAt(kind.AD, 3)))
			must(t, server.RemoveValues("cn=a,"+groups, "member", userAt(kind.AD, 1)))
			delta := changed(t, s, base)
			if got := names(delta, byName(delta)["a"].Members); got != "u2 u3" {
				t.Errorf("members are %q", got)
			}
			again := changed(t, s, delta)
			if again.Delta && bytes.Equal(again.Cursor, base.Cursor) {
				t.Error("the cursor went back")
			}
		})
	}
}

func TestDeletedUsersAndGroups(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, base := telling(t, kind, nil)
			user, gone := base.Users[1].ID, byName(base)["b"].ID
			must(t, server.Delete(userAt(kind.AD, 2)))
			must(t, server.Delete("cn=b,"+groups))
			delta := changed(t, s, base)
			if len(delta.Users) != 4 || len(delta.Groups) != 1 {
				t.Errorf("%d users, %d groups", len(delta.Users), len(delta.Groups))
			}
			// A tombstone says more than absence, and only where the account may see it.
			tombstones := kind.AD && !kind.NoTombstones
			if slices.Contains(delta.DeletedUsers, user) != tombstones || slices.Contains(delta.DeletedGroups, gone) != tombstones {
				t.Errorf("deleted are %q and %q", delta.DeletedUsers, delta.DeletedGroups)
			}
		})
	}
}

func TestAnAccountThatExpiresIsDisabledWithoutAChange(t *testing.T) {
	t.Parallel()
	o := options()
	o.Changes = controller(nil)
	now := time.Now()
	_, url := serve(t, o, account(1, func(a map[string][]string) { a["accountExpires"] = []string{sinceEpoch(now.Add(time.Hour))} }),
		account(2, func(a map[string][]string) { a["accountExpires"] = []string{neverExpires} }), adGroup("a", 600, userAt(true, 1)))
	clock := now
	made, err := configure(t, AD, url).Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return clock }})
	must(t, err)
	t.Cleanup(func() { must(t, made.Close()) })
	s, _ := made.(*source)
	base, err := s.Pull(t.Context(), nil)
	must(t, err)
	clock = now.Add(2 * time.Hour)
	delta := changed(t, s, base)
	for i := range delta.Users {
		if u := &delta.Users[i]; u.Disabled != (u.Username == "u1") {
			t.Errorf("%s disabled: %t", u.Username, u.Disabled)
		}
	}
}

func TestCursorsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s, base := telling(t, kind, nil)
			with := func(raw []byte) *directory.Snapshot {
				other := *base
				other.Cursor = raw
				return &other
			}
			needsFull(t, s, with(nil), packed.ErrDamaged.Error())
			needsFull(t, s, with([]byte("garbage")), packed.ErrDamaged.Error())
			needsFull(t, s, with(base.Cursor[:len(base.Cursor)-1]), packed.ErrDamaged.Error())
			for _, at := range []int{len(cursorForm), len(base.Cursor) / 2, len(base.Cursor) - 1} {
				bad := slices.Clone(base.Cursor)
				bad[at] ^= 1
				needsFull(t, s, with(bad), packed.ErrDamaged.Error())
			}
			other := *base
			other.Users = slices.Clone(base.Users)
			other.Users[0].DN = "cn=somebody," + people
			needsFull(t, s, &other, "not the one that the cursor was made for")
			other = *base
			other.Groups = slices.Clone(base.Groups)
			other.Groups[0].Direct = other.Groups[0].Direct[1:]
			needsFull(t, s, &other, "not the one that the cursor was made for")
			other = *base
			other.UsersListed = false
			needsFull(t, s, &other, "not complete")
			for what, edit := range map[string]func(*Config){
				"filter":    func(c *Config) { c.Users.Filter = "(objectClass=*)" },
				"attribute": func(c *Config) { c.Users.Attributes["place"] = "l" },
				"disabled":  func(c *Config) { c.Users.Disabled = "(title=left)" },
				"nested":    func(c *Config) { c.Nested = false },
			} {
				c := s.config
				c.Users.Attributes = map[string]string{"department": "departmentNumber"}
				edit(&c)
				t.Log(what)
				needsFull(t, open(t, &c), base, "other entries or attributes")
			}
		})
	}
}

func TestServersThatAreNotWhatTheyWere(t *testing.T) {
	t.Parallel()
	syncprov := ldaptest.Changes{Syncprov: true, SessionLog: 100}
	for name, c := range map[string]struct {
		kind ldaptest.Changes
		edit func(*ldaptest.Server)
		why  string
	}{
		"contextCSN went back":      {syncprov, func(s *ldaptest.Server) { s.Rewind(3) }, "restored from an older copy"},
		"another provider":          {syncprov, func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.SID = 7 }) }, "changes of 2 servers"},
		"refresh required":          {syncprov, shape("required"), "stale"},
		"both lists":                {syncprov, shape("both"), "both what is left and what was deleted"},
		"a cookie not understood":   {syncprov, shape("no cookie"), "does not know the cookie"},
		"no end":                    {syncprov, shape("no end"), "not complete"},
		"several phases":            {syncprov, shape("phases"), "several phases"},
		"a refresh that lags":       {syncprov, shape("old cookie"), "the refresh reaches"},
		"no syncprov any more":      {syncprov, func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.Syncprov = false }) }, "neither syncrepl"},
		"another domain controller": {controller(nil), func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.Host = "dc2.example.test" }) }, "another domain controller"},
		"a restored controller":     {controller(nil), func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.Invocation = "00ff" }) }, "was restored"},
		"USN went back":             {controller(nil), func(s *ldaptest.Server) { s.Rewind(5) }, "went back"},
		"the right was taken away":  {controller(nil), func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.NoReplication = true }) }, "insufficient access rights"},
		"USN of another controller": {controller(func(c *ldaptest.Changes) { c.NoDirSync = true }), func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.Host = "dc2.example.test" }) }, "another domain controller"},
		"DirSync without its cookie": {controller(nil), func(s *ldaptest.Server) {
			s.SetFault(func(q ldaptest.Search) ldaptest.Fault {
				return ldaptest.Fault{NoControl: strings.Contains(q.Filter, "objectClass=*")}
			})
		}, "without the control"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, base := telling(t, c.kind, nil)
			c.edit(server)
			must(t, server.Modify(userAt(c.kind.AD, 1), "mail", "new@example.org"))
			needsFull(t, s, base, c.why)
		})
	}
}

func shape(name string) func(*ldaptest.Server) {
	return func(s *ldaptest.Server) { s.SetChanges(func(c *ldaptest.Changes) { c.Shape = name }) }
}

func TestFailuresWhileChangesAreRead(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, base := telling(t, kind, nil)
			must(t, server.Modify(userAt(kind.AD, 1), "mail", "new@example.org"))
			must(t, server.AddValues("cn=a,"+groups, "member", userAt(kind.AD, 3)))
			must(t, server.Delete(userAt(kind.AD, 2)))
			// Every search in turn is cut, and then ends with an error.
			for nth := range 40 {
				for _, f := range []ldaptest.Fault{{Cut: -1}, {Code: ldap.LDAPResultSizeLimitExceeded}, {Code: ldap.LDAPResultBusy}} {
					seen, hit := 0, false
					server.SetFault(func(ldaptest.Search) ldaptest.Fault {
						if seen++; seen-1 == nth {
							hit = true
							return f
						}
						return ldaptest.Fault{}
					})
					delta, err := s.PullChanges(t.Context(), base, nil)
					server.SetFault(nil)
					switch kind := fault.KindOf(err); {
					case !hit:
						must(t, err)
						return
					case err == nil:
						t.Fatalf("search %d fails with %+v and the changes are told: %d users", nth, f, len(delta.Users))
					case delta != nil:
						t.Errorf("search %d: a picture comes with the error %v", nth, err)
					case f.Code == ldap.LDAPResultSizeLimitExceeded && !errors.Is(err, providers.ErrFullRead),
						f.Code == ldap.LDAPResultBusy && kind != fault.Throttled && !errors.Is(err, providers.ErrFullRead),
						f.Cut != 0 && kind != fault.Unavailable:
						t.Errorf("search %d with %+v: %v (%v)", nth, f, err, kind)
					}
				}
			}
		})
	}
}

func TestWhyChangesAreNotTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind ldaptest.Changes
		edit func(*Config)
		says string
	}{
		"no such server":     {ldaptest.Changes{}, nil, "neither syncrepl"},
		"another id":         {ldaptest.Changes{Syncprov: true}, func(c *Config) { c.Users.ID = "uid" }, "deletions carry nothing but entryUUID"},
		"few rights":         {controller(func(c *ldaptest.Changes) { c.NoReplication = true }), nil, "may not replicate"},
		"no DirSync":         {controller(func(c *ldaptest.Changes) { c.NoDirSync = true }), nil, "offers no DirSync"},
		"syncrepl":           {ldaptest.Changes{Syncprov: true}, nil, "way=syncrepl"},
		"an id that is none": {controller(nil), func(c *Config) { c.Groups.ID = "cn" }, "deletions carry nothing but objectGUID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s, _ := telling(t, c.kind, c.edit)
			var log bytes.Buffer
			s.logger, s.told = slog.New(slog.NewTextHandler(&log, nil)), ""
			for range 2 {
				if _, err := s.Pull(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			if n := strings.Count(log.String(), "level=INFO"); n != 1 || !strings.Contains(log.String(), c.says) {
				t.Errorf("the log says %d times: %s", n, log.String())
			}
		})
	}
}

func TestACursorIsFromBeforeTheRead(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s, _ := telling(t, kind, nil)
			edited := false
			server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
				// The users are read already when this one changes.
				if !edited && q.Base == groups && q.PageSize > 0 {
					edited = true
					must(t, server.Modify(userAt(kind.AD, 4), "mail", "late@example.org"))
				}
				return ldaptest.Fault{}
			})
			base, err := s.Pull(t.Context(), nil)
			must(t, err)
			if !edited {
				t.Fatal("nothing changed under the read")
			}
			delta := changed(t, s, base)
			if !slices.ContainsFunc(delta.Users, func(u directory.User) bool { return u.Email == "late@example.org" }) {
				t.Error("what changed under the full read is missing for good")
			}
		})
	}
}
