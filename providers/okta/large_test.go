//go:build !race

// Under the race detector this size takes minutes, and shows nothing that a small one does not.

package okta_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
)

// harness judges what a source shows of a world.
func harness() providertest.Harness {
	return providertest.Harness{NoNesting: true, NoUnresolved: true, Secret: oktatest.Secret}
}

// usualRate leaves the rate to what Okta says.
func usualRate(c *okta.Config) { c.Rate = 0 }

// byChanges is a source whose pulls are reads of changes.
type byChanges struct {
	providers.Source
	base *directory.Snapshot
}

func (s *byChanges) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	return s.Source.(providers.Changes).PullChanges(ctx, s.base, progress)
}

// TestTheLargeDirectoryIsReadWithinOktasLimits reads the large directory, and then what
// changed, under the limits of a usual organisation for a new service app, by a virtual clock.
func TestTheLargeDirectoryIsReadWithinOktasLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := large()
		s := oktatest.New(t, w, oktatest.InMemory, func(o *oktatest.Options) { o.Limits = oktatest.Halved() })
		time.Sleep(time.Hour) // Nobody came or went lately.
		source := s.Open(t, usualRate)
		began := time.Now()
		base := harness().CheckPull(t, source, w)
		t.Logf("a full read: %d requests, %d refused, %s", base.Requests, s.Throttle.Refused(), time.Since(began).Round(time.Second))
		if base.Memberships() != 200_000 {
			t.Errorf("%d memberships", base.Memberships())
		}
		// One page at least for each group, the pages of the larger ones, and both lists.
		if base.Requests > 2000+290+110 || s.Throttle.Refused() > 0 || time.Since(began) > 12*time.Minute {
			t.Errorf("a full read took %d requests and %s, of which %d were too many", base.Requests, time.Since(began), s.Throttle.Refused())
		}

		time.Sleep(15 * time.Minute)
		for i := range 20 {
			w.Groups[100+i].Members = append(w.Groups[100+i].Members[1:], w.Users[i].ID)
		}
		w.Users[7].Disabled, w.Groups[500].Name = true, "renamed"
		s.SetWorld(w)
		began = time.Now()
		delta := harness().CheckPull(t, &byChanges{source, base}, w)
		t.Logf("changes: %d requests, %d refused, %s", delta.Requests, s.Throttle.Refused(), time.Since(began).Round(time.Second))
		if delta.Requests > 150 || s.Throttle.Refused() > 0 || time.Since(began) > time.Minute {
			t.Errorf("changes took %d requests and %s, of which %d were too many", delta.Requests, time.Since(began), s.Throttle.Refused())
		}
	})
}

// TestTheRateFollowsWhatOktaSays: who has larger limits is read faster, without using them up,
// also where Okta names the organisation's limit and gives the app half of it.
func TestTheRateFollowsWhatOktaSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, rate, least, most int }{
		{300, 0, 250, 300}, {600, 0, 250, 300}, {1200, 0, 500, 600}, {100, 0, 60, 96}, {1200, 60, 55, 75},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := large()
			w.Users, w.Groups = w.Users[:10], w.Groups[:2*c.most+100] // Two minutes and a little.
			s := oktatest.New(t, w, oktatest.InMemory, func(o *oktatest.Options) { o.Limits = &oktatest.Limits{Rest: c.limit, Latency: 100 * time.Millisecond} })
			got, err := s.Open(t, func(k *okta.Config) { k.Rate = c.rate }).Pull(t.Context(), nil)
			whole(t, got, err)
			var at []time.Time
			for _, r := range s.Requests() {
				if strings.HasSuffix(r.Path, "/users") && strings.HasPrefix(r.Path, "/api/v1/groups/") {
					at = append(at, r.At)
				}
			}
			second := 0
			for _, a := range at {
				if passed := a.Sub(at[0]); passed >= time.Minute && passed < 2*time.Minute {
					second++
				}
			}
			if second < c.least || second > c.most || s.Throttle.Refused() > 0 {
				t.Errorf("of a limit of %d, with the rate %d, %d a minute are used, and %d were refused", c.limit, c.rate, second, s.Throttle.Refused())
			}
		})
	}
}
