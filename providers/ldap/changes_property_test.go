package ldap

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/sync/replica"
)

// others is where entries are that the configuration does not read.
const others = "ou=other," + suffix

// company is a directory that is edited at random.
type company struct {
	t       *rapid.T
	server  *ldaptest.Server
	ad      bool
	users   []string // DNs
	groups  []string
	outside []string // groups below others
	serial  int
	norths  int
}

func (c *company) do(err error) {
	if err != nil {
		c.t.Fatal(err)
	}
}

// pick gives one of a list; i is its place.
func (c *company) pick(list []string, what string) (string, int) {
	if len(list) == 0 {
		return "", -1
	}
	i := rapid.IntRange(0, len(list)-1).Draw(c.t, what)
	return list[i], i
}

func (c *company) north() string { return fmt.Sprintf("ou=north%d,%s", c.norths, people) }

func (c *company) addUser() {
	c.serial++
	base := people
	if c.serial%3 == 0 {
		base = c.north()
	}
	e := account(c.serial, func(a map[string][]string) { a["employeeType"] = []string{"staff"} })
	if !c.ad {
		e.Attributes = map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {fmt.Sprintf("u%d", c.serial)}, "cn": {fmt.Sprintf("u%d", c.serial)},
			"mail": {fmt.Sprintf("u%d@example.org", c.serial)}, "employeeType": {"staff"}}
	}
	e.DN = fmt.Sprintf("cn=u%d,%s", c.serial, base)
	c.do(c.server.Add(e))
	c.users = append(c.users, e.DN)
}

func (c *company) addGroup(base string) string {
	c.serial++
	name := fmt.Sprintf("g%d", c.serial)
	e := adGroup(name, uint32(c.serial))
	if !c.ad {
		e.Attributes = map[string][]string{"objectClass": {"groupOfNames"}, "cn": {name}, "member": {"cn=dummy"}}
	}
	e.DN = "cn=" + name + "," + base
	c.do(c.server.Add(e))
	return e.DN
}

// anybody is a name that a group may have as a member.
func (c *company) anybody() string {
	all := slices.Concat(c.users, c.groups, c.outside)
	if !c.ad {
		all = append(all, "cn=ghost,"+people, "cn=u3,"+others, "cn=g9,"+groups)
	}
	who, _ := c.pick(all, "who")
	return who
}

func (c *company) rename(list []string, i int, to string) {
	if list[i] == to {
		return
	}
	c.do(c.server.Rename(list[i], to))
	list[i] = to
}

func leaf(dn string) string {
	name, _, _ := strings.Cut(dn, ",")
	return name
}

// edit changes something.
func (c *company) edit() {
	all := slices.Concat(c.groups, c.outside)
	switch rapid.IntRange(0, 17).Draw(c.t, "edit") {
	case 0, 1, 2:
		if g, i := c.pick(all, "group"); i >= 0 {
			who := c.anybody()
			c.do(c.server.RemoveValues(g, "member", who))
			c.do(c.server.AddValues(g, "member", who))
		}
	case 3, 4:
		if g, i := c.pick(all, "group"); i >= 0 {
			c.do(c.server.RemoveValues(g, "member", c.anybody()))
		}
	case 5:
		c.addUser()
	case 6:
		if u, i := c.pick(c.users, "user"); i >= 0 {
			c.do(c.server.Delete(u))
			c.users = slices.Delete(c.users, i, i+1)
		}
	case 7:
		if u, i := c.pick(c.users, "user"); i >= 0 {
			c.serial++
			_, base, _ := strings.Cut(u, ",")
			c.rename(c.users, i, fmt.Sprintf("cn=r%d,%s", c.serial, base))
		}
	case 8:
		if u, i := c.pick(c.users, "user"); i >= 0 {
			to, _ := c.pick([]string{others, people, c.north()}, "to")
			c.rename(c.users, i, leaf(u)+","+to)
		}
	case 9:
		if u, i := c.pick(c.users, "user"); i >= 0 {
			kind, _ := c.pick([]string{"staff", "left"}, "kind")
			c.do(c.server.Modify(u, "employeeType", kind))
		}
	case 10:
		if u, i := c.pick(c.users, "user"); i >= 0 {
			c.serial++
			c.do(c.server.Modify(u, "mail", fmt.Sprintf("m%d@example.org", c.serial)))
		}
	case 11:
		c.groups = append(c.groups, c.addGroup(groups))
	case 12:
		if g, i := c.pick(c.groups, "group"); i >= 0 {
			c.do(c.server.Delete(g))
			c.groups = slices.Delete(c.groups, i, i+1)
		}
	case 13:
		if g, i := c.pick(c.groups, "group"); i >= 0 {
			to, _ := c.pick([]string{others, groups, "ou=north," + groups}, "to")
			c.rename(c.groups, i, leaf(g)+","+to)
		}
	case 14:
		c.moveNorth()
	case 15:
		if u, i := c.pick(c.users, "user"); i >= 0 {
			control, _ := c.pick([]string{"512", "514"}, "control")
			switch {
			case c.ad:
				c.do(c.server.Modify(u, "userAccountControl", control))
			case control == "514":
				c.do(c.server.Modify(u, "pwdAccountLockedTime", "000001010000Z"))
			default:
				c.do(c.server.Modify(u, "pwdAccountLockedTime"))
			}
		}
	case 16:
		c.primary()
	case 17:
		c.server.Forget()
	}
}

// moveNorth gives an organisational unit another name, and with it all who are below.
func (c *company) moveNorth() {
	from := c.north()
	c.norths++
	to := c.north()
	c.do(c.server.Rename(from, to))
	for i, u := range c.users {
		if rest, ok := strings.CutSuffix(u, ","+from); ok {
			c.users[i] = rest + "," + to
		}
	}
}

// primary gives somebody another primary group, as Active Directory does it.
func (c *company) primary() {
	u, i := c.pick(c.users, "user")
	if !c.ad || i < 0 {
		return
	}
	rid, _ := c.pick([]string{"513", "600"}, "rid")
	entries := map[string]string{"513": "cn=Domain Users," + groups, "600": "cn=Special," + groups}
	c.do(c.server.Modify(u, "primaryGroupID", rid))
	for other, g := range entries {
		c.do(c.server.RemoveValues(g, "member", u))
		if other != rid {
			c.do(c.server.AddValues(g, "member", u))
		}
	}
}

// pictured is a picture in a form that can be compared. Where references follow what
// they name without a trace, those that name nobody of ours are left out: their texts
// may be of before until the next full read.
func pictured(s *directory.Snapshot, silent bool) map[string]string {
	all := map[string]string{}
	ids := func(list []uint32, id func(uint32) string) string {
		var out []string
		for _, at := range list {
			out = append(out, id(at))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	user := func(at uint32) string { return s.Users[at].DN }
	for i := range s.Users {
		u := &s.Users[i]
		all["user "+u.ID] = fmt.Sprintf("%s mail=%s name=%s disabled=%t/%t %v", u.DN, u.Email, u.Username, u.Disabled, u.StatusKnown, u.Attributes)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		all["group "+g.ID] = fmt.Sprintf("%s %s unlisted=%t known=%t\n\tdirect %s\n\tchildren %s\n\tmembers %s\n\tunresolved %s", g.DN, g.Name, g.Unlisted, g.MembersKnown,
			ids(g.Direct, user), ids(g.Children, func(at uint32) string { return s.Groups[at].DN }), ids(g.Members, user), strings.Join(slices.DeleteFunc(slices.Sorted(slices.Values(g.Unresolved)), func(string) bool { return silent }), " | "))
	}
	return all
}

func differences(got, want map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			out = append(out, fmt.Sprintf("%s\n  changes: %s\n  full:    %s", key, got[key], want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if want[key] == "" {
			out = append(out, key+" is left over: "+got[key])
		}
	}
	return strings.Join(out, "\n")
}

// told counts how often changes could be told, so that a test that only ever reads
// everything does not pass.
type told struct{ deltas, full int }

// rightly are reasons to read everything that the edits of a company give.
var rightly = []string{"changed, and what lies below it may have other names", "was nobody's before"}

func playCompany(t *rapid.T, outer *testing.T, changes ldaptest.Changes, counts *told) {
	o := options()
	o.Changes = changes
	o.MaxValues = 7
	c := &company{t: t, ad: changes.AD}
	c.server = ldaptest.New(o)
	defer func() { c.do(c.server.Close()) }()
	c.do(c.server.Add(tree()...))
	ou := map[string][]string{"objectClass": {"organizationalUnit"}}
	c.do(c.server.Add(ldaptest.Entry{DN: others, Attributes: ou}, ldaptest.Entry{DN: c.north(), Attributes: ou}))
	if c.ad {
		c.do(c.server.Add(adGroup("Domain Users", 513), adGroup("Special", 600)))
	}
	for range 6 {
		c.addUser()
	}
	for range 4 {
		c.groups = append(c.groups, c.addGroup(groups))
	}
	c.outside = append(c.outside, c.addGroup(others), c.addGroup(others))
	for range 12 {
		g, _ := c.pick(slices.Concat(c.groups, c.outside), "group")
		who := c.anybody()
		c.do(c.server.RemoveValues(g, "member", who))
		c.do(c.server.AddValues(g, "member", who))
	}
	url, err := c.server.Start("127.0.0.1:0")
	c.do(err)
	kind := RFC2307bis
	if c.ad {
		kind = AD
	}
	config := configure(outer, kind, url)
	config.Users.Filter = "(&(objectClass=inetOrgPerson)(employeeType=staff))"
	if c.ad {
		config.Users.Filter = "(&(objectClass=user)(employeeType=staff))"
	}
	made, err := config.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler)})
	c.do(err)
	s, ok := made.(*source)
	if !ok {
		t.Fatal("Open gives another type")
	}
	defer func() { c.do(s.Close()) }()
	base, err := s.Pull(outer.Context(), nil)
	c.do(err)
	if base.Cursor == nil {
		t.Fatalf("no cursor: %s", s.told)
	}
	// What is stored of a picture must be the same picture.
	kept := replica.New("corp")
	lag := rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "lag")
	keep := func(s *directory.Snapshot) *directory.Snapshot {
		kept, _ = kept.Merge(s, lag)
		return kept.Picture()
	}
	base = keep(base)
	for range rapid.IntRange(1, 6).Draw(t, "rounds") {
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			c.edit()
		}
		silent := changes.AD || changes.Refint
		before := pictured(base, false)
		delta, err := s.PullChanges(outer.Context(), base, nil)
		if left := differences(pictured(base, false), before); left != "" {
			t.Fatalf("the picture of before was changed:\n%s", left)
		}
		full, fullErr := s.Pull(outer.Context(), nil)
		c.do(fullErr)
		switch {
		case errors.Is(err, providers.ErrFullRead):
			counts.full++
			t.Logf("full: %v", err)
			if !slices.ContainsFunc(rightly, func(why string) bool { return strings.Contains(err.Error(), why) }) {
				t.Fatal(err)
			}
			base = keep(full)
			continue
		case err != nil:
			t.Fatal(err)
		}
		counts.deltas++
		if !delta.Delta || delta.Coverage() != directory.Full || delta.Cursor == nil {
			t.Fatalf("delta %t, coverage %s", delta.Delta, delta.Coverage())
		}
		if diff := differences(pictured(delta, silent), pictured(full, silent)); diff != "" {
			t.Fatalf("the changes give another picture than a full read:\n%s", diff)
		}
		base = keep(delta)
	}
}

// playAll plays companies on servers of several kinds, and makes sure that changes are
// told most of the time.
func playAll(t *testing.T, kinds ...ldaptest.Changes) {
	t.Helper()
	counts := &told{}
	rapid.Check(t, func(r *rapid.T) { playCompany(r, t, rapid.SampledFrom(kinds).Draw(r, "kind"), counts) })
	t.Logf("%d times the changes were told, %d times a full read was needed", counts.deltas, counts.full)
	if counts.deltas < 3*counts.full {
		t.Errorf("%d times the changes were told, %d times a full read was needed", counts.deltas, counts.full)
	}
}

// controller is a domain controller, edited.
func controller(edit func(*ldaptest.Changes)) ldaptest.Changes {
	c := ldaptest.Changes{AD: true, Host: "dc1.example.test", Invocation: "0123456789abcdef"}
	if edit != nil {
		edit(&c)
	}
	return c
}

func TestChangesBySyncreplGiveThePictureOfAFullRead(t *testing.T) {
	t.Parallel()
	playAll(t, ldaptest.Changes{Syncprov: true}, ldaptest.Changes{Syncprov: true, SessionLog: 1000}, ldaptest.Changes{Syncprov: true, SessionLog: 3, Refint: true})
}

func TestChangesByDirSyncGiveThePictureOfAFullRead(t *testing.T) {
	t.Parallel()
	playAll(t, controller(nil), controller(func(c *ldaptest.Changes) { c.DirSyncPage = 2 }),
		controller(func(c *ldaptest.Changes) { c.NoReplication, c.NoTombstones = true, true }))
}

func TestChangesByUSNGiveThePictureOfAFullRead(t *testing.T) {
	t.Parallel()
	playAll(t, controller(func(c *ldaptest.Changes) { c.NoDirSync = true }),
		controller(func(c *ldaptest.Changes) { c.NoDirSync, c.NoTombstones = true, true }))
}
