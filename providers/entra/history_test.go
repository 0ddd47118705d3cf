package entra_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/entra/entratest"
	"groupsyncd/providers/providertest"
	"groupsyncd/sync/replica"
)

func uid(n int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n) }
func gid(n int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n) }
func rid(n int) string { return fmt.Sprintf("0c000000-0000-4000-8000-%012d", n) }

// picture writes everything that a snapshot shows, in an order of its own. Of guests who are
// not shown, changes do not tell whether they came back from the bin, so that references to
// them are left out where they cannot be compared.
func picture(s *directory.Snapshot, guests bool) string {
	var lines []string
	for i := range s.Users {
		u := &s.Users[i]
		lines = append(lines, fmt.Sprintf("user %s %q %q %q %v %v %v", u.ID, u.Email, u.Username, u.Name, u.Disabled, u.StatusKnown, u.Attributes))
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		var direct, members, children []string
		for _, u := range g.Direct {
			direct = append(direct, s.Users[u].ID)
		}
		for _, u := range g.Members {
			members = append(members, s.Users[u].ID)
		}
		for _, c := range g.Children {
			children = append(children, s.Groups[c].ID)
		}
		for _, list := range [][]string{direct, members, children} {
			slices.Sort(list)
		}
		lost := g.Unresolved
		if !guests {
			lost = nil
		}
		lines = append(lines, fmt.Sprintf("group %s %q %q unlisted %v known %v direct %v children %v members %v unresolved %v", g.ID, g.Name, g.Description, g.Unlisted, g.MembersKnown, direct, children, members, lost))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// town is a directory to which things happen.
type town struct {
	s           *entratest.Server
	t           *rapid.T
	users, next int
	groups      int
}

func (w *town) user(label string) string {
	return uid(rapid.IntRange(1, w.users).Draw(w.t, label))
}

func (w *town) group(label string) string {
	return gid(rapid.IntRange(1, w.groups).Draw(w.t, label))
}

// name gives a word that was not there before, or none.
func (w *town) name() string {
	w.next++
	if rapid.IntRange(0, 4).Draw(w.t, "empty") == 0 {
		return ""
	}
	return fmt.Sprintf("name%d", w.next)
}

// happen lets one thing happen.
func (w *town) happen() {
	kinds := []string{"Member", "Member", "Guest"}
	switch rapid.IntRange(0, 13).Draw(w.t, "what") {
	case 0:
		w.users++
		w.s.PutUser(providertest.User{ID: uid(w.users), Username: fmt.Sprintf("new%d", w.users)}, "Member")
	case 1, 2: // Changes somebody, or brings them back from the bin.
		id := w.user("changed")
		w.s.PutUser(providertest.User{ID: id, Username: "u" + id, Name: w.name(), Email: w.name(), Disabled: rapid.Bool().Draw(w.t, "disabled"),
			Attributes: map[string][]string{"department": {w.name()}}}, rapid.SampledFrom(kinds).Draw(w.t, "kind"))
	case 3:
		w.s.DeleteUser(w.user("deleted"), rapid.Bool().Draw(w.t, "for good"))
	case 4:
		w.groups++
		w.s.PutGroup(gid(w.groups), "g"+w.name(), "", "")
	case 5:
		w.s.PutGroup(w.group("changed"), "g"+w.name(), w.name(), "")
	case 6:
		w.s.DeleteGroup(w.group("deleted"), rapid.Bool().Draw(w.t, "for good"))
	case 7, 8, 9:
		w.s.AddMember(w.group("to"), w.user("member"), "user")
	case 10:
		w.s.AddMember(w.group("to"), w.group("nested"), "group")
	case 11:
		w.s.AddMember(w.group("to"), rid(rapid.IntRange(1, 3).Draw(w.t, "other")), rapid.SampledFrom([]string{"device", "servicePrincipal", "orgContact"}).Draw(w.t, "type"))
	default:
		id := w.user("leaver")
		if rapid.Bool().Draw(w.t, "a group") {
			id = w.group("leaver")
		}
		w.s.RemoveMember(w.group("from"), id)
	}
}

// assign changes what is assigned to the application.
func (w *town) assign() {
	a := entratest.Application{ID: rid(10), AppID: rid(11), Name: "Open WebUI", Roles: []entratest.Role{{ID: rid(20), Name: "Writer", Value: "writer"}}}
	for range rapid.IntRange(0, 4).Draw(w.t, "assignments") {
		one := entratest.Assignment{Role: rapid.SampledFrom([]string{rid(20), entratest.NoRole}).Draw(w.t, "role"), Type: "Group", Principal: w.group("assigned")}
		if rapid.IntRange(0, 2).Draw(w.t, "whom") == 0 {
			one.Type, one.Principal = "User", w.user("assigned")
		}
		a.Assigned = append(a.Assigned, one)
	}
	w.s.SetApplication(a)
}

// TestChangesLeadToThePictureOfAFullRead: whatever happened, in whatever order and however
// often Graph tells it, the picture after a read of changes is that of a full read.
func TestChangesLeadToThePictureOfAFullRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		followed, full := 0, 0
		// Without the deadline of a test, for which a bubble has no time.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			w := &town{t: rt, users: 5, groups: 4}
			world := providertest.World{}
			for n := range w.users {
				world.Users = append(world.Users, providertest.User{ID: uid(n + 1), Username: fmt.Sprintf("u%d", n+1), Email: fmt.Sprintf("u%d@example.org", n+1)})
			}
			for n := range w.groups {
				world.Groups = append(world.Groups, providertest.Group{ID: gid(n + 1), Name: fmt.Sprintf("g%d", n+1), Members: []string{uid(n + 1)}})
			}
			seed := rapid.Uint64().Draw(rt, "seed")
			w.s = entratest.Start(t, world, entratest.Options{InMemory: true, UserPage: 3, GroupPage: 2, MemberPage: 2, Chance: rand.New(rand.NewPCG(seed, 1))})
			c := w.s.Config()
			c.Nested, c.Guests = rapid.Bool().Draw(rt, "nested"), rapid.Bool().Draw(rt, "guests")
			if rapid.Bool().Draw(rt, "assigned") {
				c.AssignedTo, c.Include = "Open WebUI", [][]string{{entra.Groups}, {entra.AppRoles}, {entra.Groups, entra.AppRoles}}[rapid.IntRange(0, 2).Draw(rt, "include")]
				w.assign()
			}
			source, err := c.Open(providers.Options{Name: "azure", Dial: w.s.Dial()})
			if err != nil {
				rt.Fatal(err)
			}
			defer func() { _ = source.Close() }()
			able, _ := source.(providers.Changes)
			pull := func() *directory.Snapshot {
				s, err := source.Pull(t.Context(), nil)
				if err != nil {
					rt.Fatalf("Pull: %v", err)
				}
				return s
			}
			// What changes are applied to is what the replica holds, as in the program.
			kept := replica.New("azure")
			learn := func(s *directory.Snapshot) *directory.Snapshot {
				kept, _ = kept.Merge(s, 5*time.Minute)
				return kept.Picture()
			}
			base := learn(pull())
			for range 4 {
				time.Sleep(10 * time.Second)
				for range rapid.IntRange(0, 5).Draw(rt, "events") {
					w.happen()
				}
				if c.AssignedTo != "" && rapid.IntRange(0, 2).Draw(rt, "assign") == 0 {
					w.assign()
				}
				time.Sleep(10 * time.Second)
				got, err := able.PullChanges(t.Context(), base, nil)
				want := pull()
				if errors.Is(err, providers.ErrFullRead) {
					full++
					base = learn(want)
					continue
				}
				if err != nil {
					rt.Fatalf("PullChanges: %v", err)
				}
				followed++
				if diff := cmp.Diff(picture(want, c.Guests), picture(got, c.Guests)); diff != "" {
					rt.Fatalf("changes lead elsewhere than a full read (-full +changes):\n%s", diff)
				}
				if got.Coverage() != directory.Full || !got.Delta || len(got.Cursor) == 0 {
					rt.Fatalf("coverage %s, delta %v, cursor of %d bytes", got.Coverage(), got.Delta, len(got.Cursor))
				}
				for _, id := range got.DeletedUsers {
					if slices.ContainsFunc(got.Users, func(u directory.User) bool { return u.ID == id }) {
						rt.Fatalf("%s is shown and deleted", id)
					}
				}
				base = learn(got)
			}
		})
		t.Logf("%d times the changes were followed, %d times everything was read", followed, full)
		if followed < full {
			t.Errorf("%d times the changes were followed, and %d times not", followed, full)
		}
	})
}
