package okta_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// large is the directory that every source has to manage, without groups in groups, which
// Okta does not have: 20,000 people, 2,000 groups, 200,000 memberships.
func large() providertest.World {
	w := apitest.Large()
	for i := range w.Groups {
		w.Groups[i].Groups = nil
	}
	return w
}

// harness judges what a source shows of a world.
func harness() providertest.Harness {
	return providertest.Harness{NoNesting: true, NoUnresolved: true, Secret: oktatest.Secret}
}

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
		source := s.Open(t, func(c *okta.Config) {
			usual, _ := okta.Type().New().(*okta.Config)
			c.Rate = usual.Rate
		})
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
