package providertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// violations lists what is wrong with a snapshot whatever the world.
func violations(s *directory.Snapshot, nested bool) []string {
	if s == nil {
		return []string{"the snapshot is nil"}
	}
	var bad []string
	add := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if s.AsOf.IsZero() {
		add("AsOf is not set")
	}
	if s.Coverage() != directory.Full && s.Reason == "" {
		add("coverage is %s without a reason", s.Coverage())
	}
	ids := make(map[string]bool, len(s.Users))
	for i := range s.Users {
		u := &s.Users[i]
		if u.ID == "" || ids[u.ID] {
			add("user %d: id %q is empty or used twice", i, u.ID)
		}
		ids[u.ID] = true
		for _, text := range []string{u.ID, u.Email, u.Username, u.Name, u.DN} {
			if !utf8.ValidString(text) {
				add("user %s: %q is not UTF-8", u.ID, text)
			}
		}
	}
	clear(ids)
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.ID == "" || ids[g.ID] {
			add("group %d: id %q is empty or used twice", i, g.ID)
		}
		ids[g.ID] = true
		if !utf8.ValidString(g.ID) || !utf8.ValidString(g.Name) {
			add("group %s: id or name is not UTF-8", g.ID)
		}
		if !ascending(g.Direct, len(s.Users)) || !ascending(g.Members, len(s.Users)) || !ascending(g.Children, len(s.Groups)) {
			add("group %s: Direct, Members or Children are not sorted, unique and in range", g.ID)
			return bad
		}
		for _, u := range g.Direct {
			if _, ok := slices.BinarySearch(g.Members, u); !ok {
				add("group %s: a direct member is no member", g.ID)
			}
		}
	}
	return append(bad, notClosed(s, nested)...)
}

// notClosed lists the groups whose members are not what Snapshot.Close makes of
// what they name, or that claim to be covered above one that is not.
func notClosed(s *directory.Snapshot, nested bool) []string {
	again := *s
	again.Groups = slices.Clone(s.Groups)
	for i := range again.Groups {
		again.Groups[i].Direct = slices.Clone(s.Groups[i].Direct)
		again.Groups[i].Children = slices.Clone(s.Groups[i].Children)
		again.Groups[i].Members = nil
	}
	again.Close(nested)
	var bad []string
	for i := range s.Groups {
		if !slices.Equal(s.Groups[i].Members, again.Groups[i].Members) {
			bad = append(bad, fmt.Sprintf("group %s: the members are not those below it", s.Groups[i].ID))
		}
		if s.Groups[i].MembersKnown && !again.Groups[i].MembersKnown {
			bad = append(bad, fmt.Sprintf("group %s: covered, although a group below it is not", s.Groups[i].ID))
		}
	}
	return bad
}

func ascending(list []uint32, limit int) bool {
	for i, v := range list {
		if int(v) >= limit || i > 0 && list[i-1] >= v {
			return false
		}
	}
	return true
}

// shown gives a snapshot in the lines of Harness.text.
func (h Harness) shown(s *directory.Snapshot) []string {
	var lines []string
	for i := range s.Users {
		u := &s.Users[i]
		lines = append(lines, userLine(h.userKey(u.ID, u.Username), u.Email, u.Username, u.Name, u.Disabled && u.StatusKnown, u.Attributes))
	}
	for i := range s.Groups {
		if s.Groups[i].Counts() {
			lines = append(lines, h.shownGroup(s, &s.Groups[i]))
		}
	}
	slices.Sort(lines)
	return lines
}

func (h Harness) shownGroup(s *directory.Snapshot, g *directory.Group) string {
	keys := func(list []uint32) []string {
		out := make([]string, len(list))
		for i, u := range list {
			out[i] = h.userKey(s.Users[u].ID, s.Users[u].Username)
		}
		return out
	}
	return groupLine(h.groupKey(g.ID, g.Name), g.Name, g.Description, keys(g.Members), keys(g.Direct))
}

// claims lists what a snapshot claims to have proved and what is not so in w.
func (h Harness) claims(s *directory.Snapshot, w World) []string {
	var bad []string
	want := make(map[string]bool)
	for _, line := range h.text(w) {
		want[line] = true
	}
	groups := 0
	for i := range s.Groups {
		g := &s.Groups[i]
		if !g.Counts() {
			continue
		}
		groups++
		if line := h.shownGroup(s, g); g.MembersKnown && !want[line] {
			bad = append(bad, "claimed as covered, but not so: "+line)
		}
	}
	disabled := make(map[string]bool, len(w.Users))
	for _, u := range w.Users {
		disabled[h.userKey(u.ID, u.Username)] = u.Disabled
	}
	for i := range s.Users {
		u := &s.Users[i]
		if u.StatusKnown && u.Disabled != disabled[h.userKey(u.ID, u.Username)] {
			bad = append(bad, "wrong status of user "+u.ID)
		}
	}
	if s.UsersListed && len(s.Users) != len(w.Users) {
		bad = append(bad, fmt.Sprintf("the list of users is claimed with %d of %d", len(s.Users), len(w.Users)))
	}
	if s.GroupsListed && groups != len(w.Groups) {
		bad = append(bad, fmt.Sprintf("the list of groups is claimed with %d of %d", groups, len(w.Groups)))
	}
	return bad
}

// pull pulls and checks what holds for every pull.
func (h Harness) pull(t testing.TB, s providers.Source) (*directory.Snapshot, error) {
	t.Helper()
	snapshot, err := s.Pull(t.Context(), nil)
	h.inspect(t, snapshot, err)
	return snapshot, err
}

// inspect checks a snapshot of a pull and its error.
func (h Harness) inspect(t testing.TB, s *directory.Snapshot, err error) {
	t.Helper()
	for _, v := range violations(s, !h.NoNesting) {
		t.Error(v)
	}
	if s == nil {
		t.FailNow()
	}
	full := s.Coverage() == directory.Full
	for i := range s.Users {
		full = full && (h.NoDisabled || s.Users[i].StatusKnown)
	}
	switch {
	case h.Single && (s.UsersListed || s.GroupsListed):
		t.Error("a source of single people claims a list")
	case h.Single:
	case full != (err == nil):
		t.Errorf("coverage %s with error %v: everything covered and no error belong together", s.Coverage(), err)
	}
	h.inspectError(t, err)
	h.noSecret(t, s.Reason)
}

// inspectError checks that an error can be acted on and gives nothing away.
func (h Harness) inspectError(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if fault.KindOf(err) == 0 {
		t.Errorf("error without a kind: %v", err)
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && (e.Op == "" || e.Err == nil) {
		t.Errorf("error %q does not say what failed and why", err)
	}
	h.noSecret(t, err.Error())
	h.noSecret(t, fault.HintOf(err))
}

func (h Harness) noSecret(t testing.TB, text string) {
	t.Helper()
	if h.Secret != "" && strings.Contains(text, h.Secret) {
		t.Errorf("the secret is in %q", text)
	}
}

// checkPull checks that a pull shows exactly w, completely.
func (h Harness) checkPull(t testing.TB, s providers.Source, w World) *directory.Snapshot {
	t.Helper()
	snapshot, err := h.pull(t, s)
	if err != nil {
		t.Fatalf("Pull: %v", err)
	}
	if h.Single {
		h.checkEverybody(t, snapshot, w)
		return snapshot
	}
	if diff := cmp.Diff(h.text(w), h.shown(snapshot)); diff != "" {
		t.Errorf("the snapshot differs from the world (-want +got):\n%s", diff)
	}
	for i := range snapshot.Users {
		if !h.NoDisabled && !snapshot.Users[i].StatusKnown {
			t.Errorf("user %s: the status is not known", snapshot.Users[i].ID)
		}
		if snapshot.Users[i].GroupsKnown {
			t.Errorf("user %s: a pull covers groups by their members, not by GroupsKnown", snapshot.Users[i].ID)
		}
	}
	h.checkUnresolved(t, snapshot, w)
	return snapshot
}

// checkUnresolved checks that references to nobody are shown, and cycles counted.
func (h Harness) checkUnresolved(t testing.TB, s *directory.Snapshot, w World) {
	t.Helper()
	known := make(map[string]bool, len(w.Users))
	for _, u := range w.Users {
		known[u.ID] = true
	}
	for _, g := range w.Groups {
		for _, id := range g.Members {
			if known[id] {
				continue
			}
			i := slices.IndexFunc(s.Groups, func(x directory.Group) bool { return x.Name == g.Name })
			if i < 0 || len(s.Groups[i].Unresolved) == 0 {
				t.Errorf("group %s: the reference to nobody is not among Unresolved", g.Name)
			}
		}
	}
	if cyclic := w.cyclic(); cyclic != (len(s.Cycles) > 0) {
		t.Errorf("Cycles = %v in a world where cycles are %v", s.Cycles, cyclic)
	}
}
