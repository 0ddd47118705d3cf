//go:build peers

package directories

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/test/peers/peer"
)

func uid(n int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n) }
func gid(n int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n) }

// tower has a group of n people at the foot of thirty levels, the last of which leads
// back up to the tenth.
func tower(n int) providertest.World {
	var w providertest.World
	everybody := providertest.Group{ID: gid(31), Name: "everybody"}
	for i := range n {
		name := fmt.Sprintf("p%05d", i)
		w.Users = append(w.Users, providertest.User{ID: uid(i), Username: name, Name: "Person " + name, Email: name + "@example.org"})
		if i >= 40 {
			everybody.Members = append(everybody.Members, uid(i))
		}
	}
	for i := 1; i <= 30; i++ {
		g := providertest.Group{ID: gid(i), Name: fmt.Sprintf("level%02d", i), Members: []string{uid(i)}, Groups: []string{gid(i + 1)}}
		if i == 30 {
			g.Groups = append(g.Groups, gid(10))
		}
		w.Groups = append(w.Groups, g)
	}
	w.Groups = append(w.Groups, everybody)
	return w
}

// odd has people and groups with names that need care, of so many letters at most.
func odd(longest int) providertest.World {
	var w providertest.World
	names := []string{
		"Müller, Jörg", `Robert "Bob" O'Neil`, "plus+minus", "a=b", "İstanbul", "ISPARTA", "ısparta", "ispanak", "straße", "ÅNGSTRÖM", "  leading", "trailing  ",
		"#hash", "<angle> ; semicolon", `back\slash`, `back\\slash\`, "(star*)", "コマ,コマ", `all ,+"\<>;=# of it`, "\u200fright to left", "-dash", "@at", "1.2.3=4", "#04024869",
		strings.Repeat("ä long name ", 17), strings.Repeat("x", 200), strings.Repeat(`,`, 40),
	}
	var all []string
	for i, name := range names {
		if runes := []rune(name); len(runes) > longest {
			name = strings.TrimSpace(string(runes[:longest]))
		}
		username := fmt.Sprintf("odd%02d", i)
		w.Users = append(w.Users, providertest.User{ID: uid(i), Username: username, Name: name, Email: username + "@example.org"})
		all = append(all, uid(i))
		w.Groups = append(w.Groups, providertest.Group{ID: gid(i), Name: name, Members: []string{uid(i), uid((i + 3) % len(names))}})
		if i > 0 {
			w.Groups[i].Groups = []string{gid(i - 1)}
		}
	}
	w.Groups = append(w.Groups, providertest.Group{ID: gid(len(names)), Name: "all of them", Members: all, Place: "north"})
	return w
}

// moved gives every fifth person another name, and moves groups.
func moved(w providertest.World) providertest.World {
	users, groups := slices.Clone(w.Users), slices.Clone(w.Groups)
	for i := 2; i < len(users); i += max(5, len(users)/20) {
		users[i].Name = "+ " + strings.TrimSpace(users[i].Name[:len(users[i].Name)/2]) + fmt.Sprintf(`, "new" #%d`, i)
	}
	for i := range groups {
		switch i % 5 {
		case 1:
			groups[i].Place = "south"
		case 3:
			groups[i].Name = fmt.Sprintf("%d, renamed+moved", i)
			groups[i].Place = "north"
		}
	}
	return providertest.World{Users: users, Groups: groups}
}

// members gives the usernames of everybody in each group of a world, nested groups
// followed, by its name.
func members(w providertest.World, nested bool) map[string][]string {
	usernames, at := map[string]string{}, map[string]int{}
	for _, u := range w.Users {
		usernames[u.ID] = u.Username
	}
	for i, g := range w.Groups {
		at[g.ID] = i
	}
	found := map[string][]string{}
	for i, g := range w.Groups {
		in, seen := map[string]bool{}, map[int]bool{i: true}
		for next := []int{i}; len(next) > 0; next = next[1:] {
			for _, id := range w.Groups[next[0]].Members {
				in[usernames[id]] = true
			}
			for _, id := range w.Groups[next[0]].Groups {
				if nested && !seen[at[id]] {
					seen[at[id]] = true
					next = append(next, at[id])
				}
			}
		}
		found[g.Name] = slices.Sorted(maps.Keys(in))
	}
	return found
}

// compare compares what a source shows with a world, member by member, and looks some
// people up.
func compare(t *testing.T, s providers.Source, w providertest.World, nested bool) {
	t.Helper()
	got, want := people(pull(t, s)), members(w, nested)
	for name := range got {
		slices.Sort(got[name])
		if want[name] == nil {
			t.Errorf("group %q is nobody's", name)
		}
	}
	for name, list := range want {
		if !slices.Equal(got[name], list) {
			missing := slices.DeleteFunc(slices.Clone(list), func(u string) bool { return slices.Contains(got[name], u) })
			t.Errorf("group %q has %d members, want %d; missing are %.300q", name, len(got[name]), len(list), missing)
		}
	}
	for i := range w.Users {
		if len(w.Users) > 100 && i != 5 && i != 30 && i != len(w.Users)-1 {
			continue
		}
		u := w.Users[i]
		var in []string
		for name, list := range want {
			if _, ok := slices.BinarySearch(list, u.Username); ok {
				in = append(in, name)
			}
		}
		groups, err := groupsOf(t.Context(), s, u.Username)
		slices.Sort(in)
		slices.Sort(groups)
		if err != nil || !slices.Equal(groups, in) {
			t.Errorf("%s (%s) is in %q, want %q; %v", u.Username, u.Name, groups, in, err)
		}
	}
}

// lives shows a world, and the same after renames and moves.
func (l *layout) lives(t *testing.T, s providers.Source, admin *ldap.Conn, w providertest.World, nested bool) {
	t.Helper()
	compare(t, s, w, nested)
	next := moved(w)
	change(t, admin, l.records(w), l.records(next))
	compare(t, s, next, nested)
}

func TestFiftyThousandMembersBelowThirtyLevelsOnOpenLDAP(t *testing.T) {
	l, w := rfc2307bis(), tower(50040)
	server := slapd(t, l, w, peer.SlapdOptions{})
	l.lives(t, open(t, l.configuration(server, server.Addr(), server.PasswordFile)), server.Admin(t), w, true)
}

func TestOddNamesOnOpenLDAP(t *testing.T) {
	t.Parallel()
	for _, l := range []*layout{rfc2307bis(), rfc2307()} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			w := odd(200)
			server := slapd(t, l, w, peer.SlapdOptions{})
			l.lives(t, open(t, l.configuration(server, server.Addr(), server.PasswordFile)), server.Admin(t), w, l.name == "rfc2307bis")
		})
	}
}

func TestOpenLDAPWithSmallPagesIsRead(t *testing.T) {
	t.Parallel()
	l, w := rfc2307bis(), tower(700)
	server := slapd(t, l, w, peer.SlapdOptions{PageLimit: 100})
	compare(t, open(t, l.configuration(server, server.Addr(), server.PasswordFile)), w, true)
}

func TestLargeGroupsBelowThirtyLevelsOnSamba(t *testing.T) {
	t.Parallel()
	l, w := activeDirectory(), tower(1844)
	server := samba(t, w)
	l.lives(t, open(t, adConfiguration(server, server.Addr(), server.PasswordFile)), server.Admin(t), w, true)
}

func TestOddNamesOnSamba(t *testing.T) {
	t.Parallel()
	l, w := activeDirectory(), odd(64)
	server := samba(t, w)
	l.lives(t, open(t, adConfiguration(server, server.Addr(), server.PasswordFile)), server.Admin(t), w, true)
}
