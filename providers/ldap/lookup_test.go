package ldap

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// inGroups lists the groups of a snapshot in which somebody is: those that rules can
// select, or the others.
func inGroups(s *directory.Snapshot, user uint32, unlisted bool) []string {
	names := []string{}
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Unlisted == unlisted && slices.Contains(g.Members, user) {
			names = append(names, g.ID+" "+g.DN+" "+g.Name+" "+g.Description)
		}
	}
	slices.Sort(names)
	return names
}

// failing is a test, or one check of a property.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sameForEverybody compares what a pull says about each person with a look-up of them.
func sameForEverybody(ctx context.Context, t failing, s providers.Source) {
	t.Helper()
	l, ok := s.(providers.LookUp)
	if !ok {
		t.Fatalf("the source has no look-ups")
	}
	pulled, err := s.Pull(ctx, nil)
	if err != nil {
		t.Fatalf("Pull: %v", err)
	}
	for i := range pulled.Users {
		u := &pulled.Users[i]
		one, err := l.LookUp(ctx, directory.Person{ID: u.ID})
		if err != nil || len(one.Users) != 1 || !one.Users[0].GroupsKnown {
			t.Fatalf("LookUp of %s: %+v, %v", u.DN, one, err)
		}
		if diff := cmp.Diff(inGroups(pulled, uint32(i), false), inGroups(one, 0, false)); diff != "" {
			t.Fatalf("groups of %s (-pull +look-up):\n%s", u.DN, diff)
		}
		// A pull shows of the groups outside the list only those inside listed ones.
		for _, g := range inGroups(pulled, uint32(i), true) {
			if !slices.Contains(inGroups(one, 0, true), g) {
				t.Fatalf("%s is in %s, which the look-up does not show", u.DN, g)
			}
		}
	}
}

// odd writes a DN in one of the ways in which people do.
func odd(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{name, strings.ToUpper(name), strings.ReplaceAll(name, ",", " , "), strings.ReplaceAll(name, "a", `\61`)}).Draw(t, "spelling")
}

// world draws people and groups of a layout: nested, in circles, outside the filter
// and outside the base.
func world(t *rapid.T, layout string) []ldaptest.Entry {
	const users, places = 4, 8
	var entries []ldaptest.Entry
	names := []string{"cn=nobody," + groups}
	for n := 1; n <= users; n++ {
		e := person(n)
		if layout == AD {
			e = account(n, func(a map[string][]string) {
				a["primaryGroupID"] = []string{rapid.SampledFrom([]string{"601", "602", "603", "700"}).Draw(t, "primary")}
			})
		}
		names = append(names, e.DN)
		entries = append(entries, e)
	}
	where := make([]string, places)
	for n := range where {
		where[n] = fmt.Sprintf("cn=%s-a%d,%s", rapid.SampledFrom([]string{"ai", "other"}).Draw(t, "name"), n, rapid.SampledFrom([]string{groups, "ou=north," + groups, suffix}).Draw(t, "place"))
	}
	names = append(names, where...)
	for n, name := range where {
		var members []string
		for _, m := range rapid.SliceOfN(rapid.SampledFrom(names), 0, 3).Draw(t, "members") {
			members = append(members, odd(t, m))
		}
		e := adGroup(fmt.Sprintf("a%d", n), uint32(600+n), members...)
		if layout != AD {
			e = group(name, append(members, "cn=dummy")...)
			e.Attributes["entryUUID"] = []string{fmt.Sprintf("00000000-0000-4000-9000-%012d", n)}
			if layout == RFC2307 {
				e.Attributes["objectClass"] = []string{"posixGroup"}
				e.Attributes["memberUid"] = rapid.SliceOfN(rapid.SampledFrom([]string{"u1", "U2", "u3", "ghost"}), 0, 2).Draw(t, "usernames")
			}
		}
		e.DN = name
		e.Attributes["cn"] = []string{strings.TrimPrefix(strings.SplitN(name, ",", 2)[0], "cn=")}
		entries = append(entries, e)
	}
	return entries
}

func TestAPullAndALookUpSayTheSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, layout string
		chain, flat  bool
	}{
		{"rfc2307bis", RFC2307bis, false, false},
		{"rfc2307bis without nesting", RFC2307bis, false, true},
		{"rfc2307", RFC2307, false, false},
		{"memberOf", namedByUsers, false, false},
		{"memberOf without nesting", namedByUsers, false, true},
		{"ad level by level", AD, false, false},
		{"ad in chain", AD, true, false},
		{"ad without nesting", AD, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := configure(t, c.layout, "")
			if c.layout == namedByUsers {
				config.Layout, config.Groups.Members = RFC2307bis, List{"memberOf"}
			}
			still := time.Now()
			config.Groups.Filter, config.Nested = "(cn=ai-*)", !c.flat
			rapid.Check(t, func(r *rapid.T) {
				o := options()
				o.InChain = c.chain
				server := ldaptest.New(o)
				entries := world(r, c.layout)
				if c.layout == namedByUsers {
					turn(entries)
					// Where nobody is in any group, nothing can be told.
					entries[0].Attributes["memberOf"] = append(entries[0].Attributes["memberOf"], entries[len(entries)-1].DN)
				}
				if err := server.Add(append(tree(), entries...)...); err != nil {
					r.Fatal(err)
				}
				url, err := server.Start("127.0.0.1:0")
				if err != nil {
					r.Fatal(err)
				}
				defer func() { _ = server.Close() }()
				mine := *config
				mine.URL = List{url}
				s, err := mine.Open(providers.Options{Name: "corp", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return still }})
				if err != nil {
					r.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				sameForEverybody(t.Context(), r, s)
				if c.chain && !c.flat {
					// What was found out about the server by then changes nothing.
					sameForEverybody(t.Context(), r, s)
				}
			})
		})
	}
}

// watched counts the searches of a server, and those that use the rule.
type watched struct {
	mu      sync.Mutex
	all, by int
}

func (w *watched) see(q ldaptest.Search) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all++
	if strings.Contains(q.Filter, "1.2.840.113556.1.4.1941") {
		w.by++
	}
}

func (w *watched) next() (all, byRule int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all, byRule = w.all, w.by
	w.all, w.by = 0, 0
	return all, byRule
}

// deepAD serves a person four levels below the highest group, and one in no nested
// group. The primary group of both is nested too.
func deepAD(t *testing.T, inChain bool, fault func(ldaptest.Search) ldaptest.Fault) (*source, *watched) {
	t.Helper()
	o := options()
	o.InChain = inChain
	level := func(n int) string { return fmt.Sprintf("CN=level%d,%s", n, groups) }
	server, url := serve(t, o, account(1, nil), account(2, func(a map[string][]string) { a["primaryGroupID"] = []string{"700"} }),
		adGroup("level1", 601, "CN=u1,"+people), adGroup("level2", 602, level(1)), adGroup("level3", 603, level(2)), adGroup("level4", 604, level(3), level(4)),
		adGroup("Domain Users", 513), adGroup("Everybody", 605, "CN=Domain Users,"+groups), adGroup("flat", 606, "CN=u2,"+people))
	w := &watched{}
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		w.see(q)
		if fault != nil {
			return fault(q)
		}
		return ldaptest.Fault{}
	})
	s := open(t, configure(t, AD, url))
	still := time.Now()
	s.now = func() time.Time { return still }
	return s, w
}

const allOfU1 = "Domain Users Everybody level1 level2 level3 level4"

func lookedUp(t *testing.T, s *source, username, want string) {
	t.Helper()
	one, err := s.LookUp(t.Context(), directory.Person{Username: username})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range one.Groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != want || !one.Users[0].GroupsKnown {
		t.Errorf("%s is in %q, want %q", username, got, want)
	}
}

func TestTheRuleInChainIsUsedOnceItIsProved(t *testing.T) {
	t.Parallel()
	s, w := deepAD(t, true, nil)
	for _, step := range []struct {
		username, want string
		searches, rule int
	}{
		// Somebody in no nested group proves nothing: person, level, level above, list.
		{"u2", "flat", 4, 0},
		// Person, five levels, list; then primary group, chains, list.
		{"u1", allOfU1, 10, 1},
		{"u1", allOfU1, 4, 1},
		{"u2", "flat", 4, 1},
	} {
		lookedUp(t, s, step.username, step.want)
		if searches, rule := w.next(); searches != step.searches || rule != step.rule {
			t.Errorf("%s took %d searches, %d by the rule; want %d, %d", step.username, searches, rule, step.searches, step.rule)
		}
	}
	later := s.now().Add(2 * time.Hour)
	s.now = func() time.Time { return later }
	lookedUp(t, s, "u1", allOfU1)
	if searches, rule := w.next(); searches != 10 || rule != 1 {
		t.Errorf("hours later it took %d searches, %d by the rule: it is not proved again", searches, rule)
	}
}

func TestARuleThatGivesOtherGroupsIsNotUsed(t *testing.T) {
	t.Parallel()
	byRule := func(q ldaptest.Search) bool { return strings.Contains(q.Filter, "1941") }
	for name, c := range map[string]struct {
		inChain bool
		fault   func(ldaptest.Search) ldaptest.Fault
	}{
		"unknown to the server": {false, nil},
		"refused": {true, func(q ldaptest.Search) ldaptest.Fault {
			if byRule(q) {
				return ldaptest.Fault{Code: ldap.LDAPResultInappropriateMatching}
			}
			return ldaptest.Fault{}
		}},
		"cut": {true, func(q ldaptest.Search) ldaptest.Fault {
			if byRule(q) {
				return ldaptest.Fault{Cut: -1}
			}
			return ldaptest.Fault{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w := deepAD(t, c.inChain, c.fault)
			lookedUp(t, s, "u1", allOfU1)
			if _, rule := w.next(); rule != 1 {
				t.Errorf("%d probes", rule)
			}
			lookedUp(t, s, "u1", allOfU1)
			if searches, rule := w.next(); searches != 7 || rule != 0 {
				t.Errorf("then %d searches, %d by the rule", searches, rule)
			}
		})
	}
}

func TestARuleThatIsSlowerIsNotUsed(t *testing.T) {
	t.Parallel()
	byRule := false
	var mu sync.Mutex
	s, w := deepAD(t, true, func(q ldaptest.Search) ldaptest.Fault {
		mu.Lock()
		defer mu.Unlock()
		byRule = byRule || strings.Contains(q.Filter, "1941")
		return ldaptest.Fault{}
	})
	begin := s.now()
	// The clock jumps while the server follows the rule.
	s.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		if byRule {
			return begin.Add(time.Second)
		}
		return begin
	}
	for _, rule := range []int{1, 0} {
		lookedUp(t, s, "u1", allOfU1)
		if _, got := w.next(); got != rule {
			t.Errorf("%d searches by the rule, want %d", got, rule)
		}
	}
}

func TestARuleThatFailsLaterIsGivenUp(t *testing.T) {
	t.Parallel()
	broken := false
	var mu sync.Mutex
	s, w := deepAD(t, true, func(q ldaptest.Search) ldaptest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if broken && strings.Contains(q.Filter, "1941") {
			return ldaptest.Fault{Code: ldap.LDAPResultTimeLimitExceeded}
		}
		return ldaptest.Fault{}
	})
	lookedUp(t, s, "u1", allOfU1)
	mu.Lock()
	broken = true
	mu.Unlock()
	w.next()
	for _, rule := range []int{1, 0} {
		lookedUp(t, s, "u1", allOfU1)
		if _, got := w.next(); got != rule {
			t.Errorf("%d searches by the rule, want %d", got, rule)
		}
	}
}

func TestALookUpLevelByLevelCostsARoundTripPerLevel(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)), group("cn=b,"+groups, "cn=a,"+groups), group("cn=c,"+groups, "cn=b,"+groups))
	config := configure(t, RFC2307bis, url)
	config.Users.Disabled = ""
	s := open(t, config)
	lookedUp(t, s, "u1", "a b c")
	// The person, the naming contexts, three levels and the empty one above, the list.
	if _, searches := server.Counts(); searches != 7 {
		t.Errorf("%d searches", searches)
	}
}

func TestUsernamesOfGroupsAreComparedWithoutCase(t *testing.T) {
	t.Parallel()
	posix := group("cn=a," + groups)
	posix.Attributes["objectClass"], posix.Attributes["memberUid"] = []string{"posixGroup"}, []string{"U1"}
	same := group("cn=b," + groups)
	same.Attributes["objectClass"], same.Attributes["memberUid"] = []string{"posixGroup"}, []string{"u1"}
	server, url := serve(t, options(), person(1), posix, same)
	c := configure(t, RFC2307, url)
	c.Users.Filter = "(objectClass=inetOrgPerson)"
	s := open(t, c)
	lookedUp(t, s, "u1", "a b")
	// A server that refuses the rule still compares in its own way.
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if strings.Contains(q.Filter, "caseIgnore") {
			return ldaptest.Fault{Code: ldap.LDAPResultInappropriateMatching}
		}
		return ldaptest.Fault{}
	})
	lookedUp(t, s, "u1", "b")
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if q.Base == groups {
			return ldaptest.Fault{Code: ldap.LDAPResultInappropriateMatching}
		}
		return ldaptest.Fault{}
	})
	if one, err := s.LookUp(t.Context(), directory.Person{Username: "u1"}); err == nil || one.Coverage() != directory.None {
		t.Errorf("a server that refuses everything: %+v, %v", one, err)
	}
}

func TestALookUpWithoutTheSIDCoversNothing(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), account(1, func(a map[string][]string) { delete(a, "objectSid") }), adGroup("Domain Users", 513))
	one, err := open(t, configure(t, AD, url)).LookUp(t.Context(), directory.Person{Username: "u1"})
	if fault.KindOf(err) != fault.Incomplete || one.Coverage() != directory.None {
		t.Errorf("the look-up gives %+v, %v", one, err)
	}
}

func TestALookUpBelowTooManyLevelsCoversNothing(t *testing.T) {
	t.Parallel()
	name := func(n int) string { return fmt.Sprintf("cn=Level %d,%s", n, groups) }
	entries := []ldaptest.Entry{person(1), group(name(0), userDN(1))}
	for n := 1; n <= 101; n++ {
		entries = append(entries, group(name(n), name(n-1)))
	}
	for missing, kind := range map[int]fault.Kind{0: fault.Incomplete, 1: 0} {
		_, url := serve(t, options(), entries[:len(entries)-missing]...)
		one, err := open(t, configure(t, RFC2307bis, url)).LookUp(t.Context(), directory.Person{Username: "u1"})
		if fault.KindOf(err) != kind || (err == nil) != (len(one.Groups) == 101) {
			t.Errorf("below %d levels: %d groups, %v", 101-missing, len(one.Groups), err)
		}
	}
}

func TestALookUpFollowsMemberOf(t *testing.T) {
	t.Parallel()
	u := person(1)
	in := func(e ldaptest.Entry, names ...string) ldaptest.Entry {
		delete(e.Attributes, "member")
		if len(names) > 0 {
			e.Attributes["memberOf"] = names
		}
		return e
	}
	role := ldaptest.Entry{DN: "cn=role," + groups, Attributes: map[string][]string{"objectClass": {"role"}, "cn": {"role"}, "memberOf": {"cn=beyond," + groups}}}
	entries := []ldaptest.Entry{
		in(u, "cn=A, "+groups, "cn=outside,"+suffix, "cn=role,"+groups, "cn=gone,"+groups),
		in(group("cn=a,"+groups), "cn=b,"+groups), in(group("cn=b,"+groups), "cn=a,"+groups), in(group("cn=outside,"+suffix), "cn=c,"+groups),
		in(group("cn=c," + groups)), in(group("cn=beyond," + groups)), role,
	}
	for i := range entries {
		entries[i].Attributes["entryUUID"] = []string{fmt.Sprintf("00000000-0000-4000-9000-%012d", i)}
	}
	server, url := serve(t, options(), entries...)
	c := configure(t, RFC2307bis, url)
	c.Users.Disabled = ""
	s := open(t, c)
	s.config.Groups.Members = List{"memberOf"}
	one, err := s.LookUp(t.Context(), directory.Person{Username: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	up := byName(one)
	if len(up) != 4 || up["a"].Unlisted || up["b"].Unlisted || up["c"].Unlisted || !up["outside"].Unlisted || up["outside"].ID == "" {
		t.Errorf("the look-up gives %+v", one.Groups)
	}
	flat := open(t, c)
	flat.config.Groups.Members, flat.config.Nested = List{"memberOf"}, false
	lookedUp(t, flat, "u1", "a")
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if strings.HasPrefix(q.Base, "cn=outside") {
			return ldaptest.Fault{Code: ldap.LDAPResultBusy}
		}
		return ldaptest.Fault{}
	})
	if one, err := s.LookUp(t.Context(), directory.Person{Username: "u1"}); err == nil || one.Coverage() != directory.None {
		t.Errorf("a group that cannot be read: %+v, %v", one, err)
	}
}

func TestALookUpThatSeesSomeOfMemberOfCoversNothing(t *testing.T) {
	t.Parallel()
	many := []string{"cn=a," + groups, "cn=b," + groups, "cn=c," + groups}
	for _, own := range []bool{true, false} {
		u, a := person(1), group("cn=a,"+groups)
		delete(a.Attributes, "member")
		a.Attributes["entryUUID"] = []string{"00000000-0000-4000-9000-000000000001"}
		u.Attributes["memberOf"], a.Attributes["memberOf"] = many[:1], many
		if own {
			u.Attributes["memberOf"], a.Attributes["memberOf"] = many, many[:1]
		}
		o := options()
		o.MaxValues = 2
		_, url := serve(t, o, u, a)
		c := configure(t, RFC2307bis, url)
		c.Users.Disabled = ""
		s := open(t, c)
		s.config.Groups.Members = List{"memberOf"}
		if one, err := s.LookUp(t.Context(), directory.Person{Username: "u1"}); fault.KindOf(err) != fault.Incomplete || one.Coverage() != directory.None {
			t.Errorf("some groups of the person (%v): %+v, %v", own, one, err)
		}
	}
}
