//go:build !race

// Under the race detector this size takes minutes, and shows nothing that a small one does not.

package entra_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/entra/entratest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// units are the costs that Graph documents: 2 for lists of users and 3 for members, less one
// with $select and less one with a $top below 20, and never less than 1.
func units(r *http.Request) int {
	cost := 1
	switch {
	case r.URL.Path == "/v1.0/users":
		cost = 2
	case strings.HasSuffix(r.URL.Path, "/members"):
		cost = 3
	case strings.HasSuffix(r.URL.Path, "emberOf"):
		cost = 2
	}
	if r.URL.Query().Has("$select") {
		cost--
	}
	if top, err := strconv.Atoi(r.URL.Query().Get("$top")); err == nil && top < 20 {
		cost--
	}
	return max(1, cost)
}

// tenant is a tenant with that many units in ten seconds. It may warn before they are spent, and
// names no time when it refuses.
func tenant(budget int, latency time.Duration, warns bool) *apitest.Throttle {
	t := apitest.NewThrottle(apitest.Limit{Cost: units, Units: budget, Per: 10 * time.Second, Bucket: true, Header: func(h http.Header, q apitest.Quota) {
		if used := 1 - float64(q.Left)/float64(q.Units); used >= 0.8 && warns {
			h.Set("X-Ms-Throttle-Limit-Percentage", fmt.Sprintf("%.2f", used))
		}
		if q.Refused {
			h.Set("X-Ms-Throttle-Scope", "Tenant_Application/ReadWrite/"+entratest.ClientID+"/"+entratest.Tenant)
		}
	}})
	t.Latency = latency
	return t
}

// TestLargeDirectoryWithinTheLimits reads 20,000 users and 2,000 groups with 200,000
// memberships, and then 100 changes, at the pace of the real service.
func TestLargeDirectoryWithinTheLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limit := tenant(8000, 100*time.Millisecond, true)
		world := apitest.Large()
		s := entratest.Start(t, world, entratest.Options{InMemory: true, Throttle: limit})
		source := open(t, s, nil)
		began := time.Now()
		full, err := source.Pull(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		direct := 0
		for i := range full.Groups {
			direct += len(full.Groups[i].Direct)
		}
		if len(full.Users) != apitest.LargeUsers || len(full.Groups) != apitest.LargeGroups || direct != 200_000 {
			t.Errorf("%d users, %d groups, %d memberships", len(full.Users), len(full.Groups), direct)
		}
		t.Logf("full: %d requests in %s, %d of them refused", full.Requests, time.Since(began), limit.Refused())
		if full.Requests > 1000 || time.Since(began) > 3*time.Minute || limit.Refused() > 0 {
			t.Errorf("%d requests in %s, %d of them refused", full.Requests, time.Since(began), limit.Refused())
		}
		time.Sleep(15 * time.Minute)
		for i := range 100 {
			g := &world.Groups[100+i]
			if i%2 == 0 {
				s.RemoveMember(g.ID, g.Members[0])
			} else {
				s.AddMember(g.ID, world.Users[i].ID, "user")
			}
		}
		began = time.Now()
		able, _ := source.(providers.Changes)
		delta, err := able.PullChanges(t.Context(), full, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("100 changes: %d requests in %s", delta.Requests, time.Since(began))
		if delta.Requests > 10 || limit.Refused() > 0 || delta.Coverage() != directory.Full {
			t.Errorf("%d requests, %d refused, coverage %s", delta.Requests, limit.Refused(), delta.Coverage())
		}
	})
}

// TestRefusalsAreWaitedFor: somebody else spends nearly all there is. We are refused a few
// times, not once for every request.
func TestRefusalsAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, warns := range map[string]bool{"with a warning": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, warns)
		})
	}
}

func refused(t *testing.T, warns bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := providertest.World{}
		for i := range 3000 {
			name := fmt.Sprintf("user%d", i)
			w.Users = append(w.Users, providertest.User{ID: fmt.Sprintf("0a000000-0000-4000-8000-%012d", i), Username: name})
		}
		limit := tenant(10, 20*time.Millisecond, warns)
		s := entratest.Start(t, w, entratest.Options{InMemory: true, Throttle: limit})
		began := time.Now()
		full, err := open(t, s, nil).Pull(t.Context(), nil)
		if err != nil || len(full.Users) != len(w.Users) {
			t.Fatalf("%d users, %v", len(full.Users), err)
		}
		t.Logf("%d requests in %s, %d of them refused", full.Requests, time.Since(began), limit.Refused())
		if limit.Refused() > full.Requests/4 {
			t.Errorf("%d of %d requests were refused", limit.Refused(), full.Requests)
		}
	})
}
