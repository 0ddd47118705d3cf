//go:build peers

package keycloak

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/keycloak/keycloaktest"
	"groupsyncd/test/peers/peer"
)

// TestAMovingRealm reads a realm again and again while people come, go, hop and are renamed: no
// membership that lasts is ever missing from what is claimed. GROUPSYNCD_KEYCLOAK_RUNS=50 does it
// with 5,000 people in 2,000 groups on three levels, which takes a quarter of an hour.
func TestAMovingRealm(t *testing.T) {
	t.Parallel()
	s, runs := size{top: 8, middle: 4, low: 5, people: 300}, 3
	if n, err := strconv.Atoi(os.Getenv("GROUPSYNCD_KEYCLOAK_RUNS")); err == nil {
		s, runs = size{top: 20, middle: 9, low: 10, people: 5000}, n
	}
	k := peer.StartKeycloak(t)
	began := time.Now()
	r := load(t, k, s)
	t.Logf("%d people and %d groups are there after %s", s.people, s.groups(), time.Since(began).Round(time.Second))
	t.Run("rights", func(t *testing.T) { weak(t, r) })
	t.Run("watch", func(t *testing.T) { watched(t, r) })
	t.Run("moving", func(t *testing.T) { moving(t, r, runs) })
}

// weak: whoever may ask and not see gets an error, and no empty realm.
func weak(t *testing.T, r *realm) {
	snapshot, err := r.open(t, "weak").Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Auth || snapshot.Coverage() != directory.None {
		t.Errorf("%v, coverage %s", err, snapshot.Coverage())
	}
}

// watched: somebody who is put into a group in the admin API is named within seconds, and a
// look-up shows the group.
func watched(t *testing.T, r *realm) {
	source := r.open(t, keycloaktest.ClientID)
	ctx, cancel := context.WithCancel(t.Context())
	named := make(chan []directory.Person, 100)
	ended := make(chan error, 1)
	watcher, _ := source.(providers.Watcher)
	go func() {
		ended <- watcher.Watch(ctx, func(people ...directory.Person) { named <- people })
	}()
	time.Sleep(time.Second) // The watch has begun; there is nothing to see that by.
	person, group := r.people[1], r.groups["/top001/middle001"]
	began := time.Now()
	r.k.Ask(t, keycloaktest.RealmName, "PUT", "/users/"+person+"/groups/"+group, nil)
	select {
	case people := <-named:
		if len(people) != 1 || people[0].ID != person {
			t.Errorf("the watch names %v", people)
		}
		t.Logf("noticed after %s", time.Since(began).Round(time.Millisecond))
	case err := <-ended:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was noticed in 30 s")
	}
	lookup, _ := source.(providers.LookUp)
	s, err := lookup.LookUp(t.Context(), directory.Person{ID: person})
	if err != nil || len(s.Users) != 1 || !s.Users[0].GroupsKnown {
		t.Fatalf("%v, %+v", err, s)
	}
	found := false
	for i := range s.Groups {
		found = found || s.Groups[i].ID == group && s.Groups[i].Path == "/top001/middle001"
	}
	if !found {
		t.Error("the look-up does not show the group")
	}
	r.k.Ask(t, keycloaktest.RealmName, "DELETE", "/users/"+person+"/groups/"+group, nil)
	cancel()
	if err := <-ended; err == nil {
		t.Error("a watch that was told to stop ends without an error")
	}
}

func moving(t *testing.T, r *realm, runs int) {
	call := func(method, path string, body any) int {
		status, _ := r.k.Ask(t, keycloaktest.RealmName, method, path, body)
		return status
	}
	m := keycloaktest.NewMover(1, call, r.parents, r.people, r.members)
	sources := map[bool]providers.Source{}
	for _, inherit := range []bool{false, true} {
		sources[inherit] = r.open(t, keycloaktest.ClientID, func(c *keycloak.Config) { c.Inherit = inherit })
	}
	// Two reads at rest say what a read costs, and what is remembered.
	for inherit, source := range sources {
		for range 2 {
			began := time.Now()
			s, err := source.Pull(t.Context(), nil)
			if err != nil || s.Coverage() != directory.Full || len(m.Lost(s, inherit)) > 0 {
				t.Fatalf("inherit %t at rest: %v, coverage %s, %d lost", inherit, err, s.Coverage(), len(m.Lost(s, inherit)))
			}
			t.Logf("at rest, inherit %t: %d users, %d groups, %d memberships with %d requests in %s", inherit, len(s.Users), len(s.Groups), s.Memberships(), s.Requests, time.Since(began).Round(time.Millisecond))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		hot := rand.New(rand.NewPCG(2, 2))
		for ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond) // Ten changes a second are a busy day.
			m.Move(r.groups["/top"+[]string{"000", "001", "002", "004"}[hot.IntN(4)]])
		}
	}()
	defer func() { cancel(); <-moved }()
	for run := range runs {
		inherit := run%2 == 1
		began, before := time.Now(), m.Moves()
		s, err := sources[inherit].Pull(t.Context(), nil)
		if kind := fault.KindOf(err); err != nil && kind != fault.Incomplete {
			t.Fatalf("Pull: %v", err)
		}
		known := 0
		for i := range s.Groups {
			if s.Groups[i].MembersKnown {
				known++
			}
		}
		lost := m.Lost(s, inherit)
		t.Logf("run %d, inherit %t: %d moves, %d of %d lists known, users %t, groups %t, %d requests in %s, %d lost, %v", run+1, inherit, m.Moves()-before, known, len(s.Groups),
			s.UsersListed, s.GroupsListed, s.Requests, time.Since(began).Round(time.Millisecond), len(lost), err)
		for _, l := range lost[:min(5, len(lost))] {
			t.Error(l)
		}
		if known < len(r.groups)/2 {
			t.Errorf("only %d of %d member lists are claimed", known, len(r.groups))
		}
	}
}
