//go:build !race

// Under the race detector this size takes minutes, and shows nothing that a small one does not.

package authentik_test

import (
	"testing"
	"time"

	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// TestLarge reads 20,000 users and 2,000 groups, each of whose pages takes a while.
func TestLarge(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := apitest.Large()
		throttle := apitest.NewThrottle(apitest.Limit{Units: 20, Per: time.Second, Bucket: true}, apitest.Limit{Parallel: 4})
		throttle.Latency = 150 * time.Millisecond
		server := authentiktest.InMemory(t, world, func(set *authentiktest.Settings) { set.Throttle = throttle })
		source := server.Open(server.Config())
		began := time.Now()
		got := providertest.Harness{}.CheckPull(t, source, world)
		t.Logf("%d users, %d groups, %d memberships: %d requests, %d refused, %s of virtual time",
			len(got.Users), len(got.Groups), got.Memberships(), got.Requests, throttle.Refused(), time.Since(began))
		// A page of 100 rows, each list twice: 20,001 users, since we are one of them.
		if want := 1 + 2*201 + 2*20; got.Requests != want || throttle.Refused() != 0 || time.Since(began) > 2*time.Minute {
			t.Errorf("%d requests, %d refused, %s", got.Requests, throttle.Refused(), time.Since(began))
		}
	})
}
