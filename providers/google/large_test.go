//go:build !race

// Under the race detector this size takes minutes, and shows nothing that a small one does not.

package google_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers/google"
	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// quota is what Google allows one person in one project, refused with its own words.
func quota(perMinute int) *apitest.Throttle {
	t := apitest.NewThrottle(apitest.Limit{Units: perMinute, Per: time.Minute, Bucket: false, Header: func(http.Header, apitest.Quota) {},
		Refuse: func(w http.ResponseWriter, _ *http.Request, _ apitest.Quota) {
			apitest.Status(http.StatusForbidden, googletest.Error(http.StatusForbidden, "userRateLimitExceeded", "Quota exceeded for quota metric 'Queries'"))(w, nil, nil)
		}})
	t.Latency = 120 * time.Millisecond
	return t
}

// TestALargeCustomerIsReadWithinTheQuota reads 20,000 people, 2,000 groups and 200,000
// memberships under the limit that Google has, twice, and looks one person up.
func TestALargeCustomerIsReadWithinTheQuota(t *testing.T) {
	t.Parallel()
	w := apitest.Large()
	synctest.Test(t, func(t *testing.T) {
		limit := quota(2400)
		s := googletest.NewWith(t, w, googletest.Options{InMemory: true, Throttle: limit})
		source := open(t, s)
		for _, read := range []string{"first", "second"} {
			began := time.Now()
			snapshot, err := source.Pull(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			t.Logf("%s read: %d people, %d groups, %d memberships, %d requests in %s, %d refused", read, len(snapshot.Users), len(snapshot.Groups), snapshot.Memberships(), snapshot.Requests, took.Round(time.Second), limit.Refused())
			if snapshot.Coverage() != directory.Full || len(snapshot.Users) != apitest.LargeUsers || len(snapshot.Groups) != apitest.LargeGroups {
				t.Errorf("coverage %s with %d people and %d groups", snapshot.Coverage(), len(snapshot.Users), len(snapshot.Groups))
			}
			if limit.Refused() > 0 || took > 3*time.Minute {
				t.Errorf("%d requests were too much, and the read took %s", limit.Refused(), took)
			}
		}
		began := time.Now()
		one, err := lookUp(t, source, directory.Person{Email: w.Users[4711].Email})
		if err != nil || !one.Users[0].GroupsKnown {
			t.Fatal(one, err)
		}
		t.Logf("look-up: %d groups, %d requests in %s", len(one.Groups), one.Requests, time.Since(began).Round(time.Millisecond))
	})
}

// TestAQuotaThatOthersUseUpIsNoStorm: other programs leave a quarter of the quota, and the read
// slows down in place of asking more.
func TestAQuotaThatOthersUseUpIsNoStorm(t *testing.T) {
	t.Parallel()
	w := providertest.World{Users: apitest.Large().Users[:100]}
	for _, g := range apitest.Large().Groups[100:] {
		w.Groups = append(w.Groups, providertest.Group{ID: g.ID, Name: g.Name, Members: []string{w.Users[0].ID}})
	}
	synctest.Test(t, func(t *testing.T) {
		limit := quota(600)
		s := googletest.NewWith(t, w, googletest.Options{InMemory: true, Throttle: limit})
		began := time.Now()
		snapshot, err := open(t, s, func(c *google.Config) { c.Owners = true }).Pull(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d requests in %s, %d refused", snapshot.Requests, time.Since(began).Round(time.Second), limit.Refused())
		if limit.Refused() > 60 { // The eight at a time that meet the end of a minute, and some probes.
			t.Errorf("%d of %d requests were too much", limit.Refused(), limit.Refused()+limit.Served())
		}
	})
}
