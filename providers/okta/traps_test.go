package okta_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// firm is a small organisation: four people, three groups.
func firm() providertest.World {
	w := providertest.World{}
	for _, id := range []string{"00u1", "00u2", "00u3", "00u4"} {
		w.Users = append(w.Users, providertest.User{ID: id, Username: id + "@example.org", Email: id + "@example.org", Name: "Person " + id})
	}
	w.Groups = []providertest.Group{
		{ID: "00g1", Name: "one", Members: []string{"00u1", "00u2"}},
		{ID: "00g2", Name: "two", Members: []string{"00u2", "00u3"}},
		{ID: "00g3", Name: "three"},
	}
	return w
}

// path matches requests of one path.
func path(p string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == p }
}

// shown gives who is in which group, and the groups whose members are not known.
func shown(s *directory.Snapshot) map[string]string {
	all := map[string]string{}
	for i := range s.Groups {
		g := &s.Groups[i]
		var ids []string
		for _, m := range g.Members {
			ids = append(ids, s.Users[m].ID)
		}
		slices.Sort(ids)
		all[g.ID] = strings.Join(ids, " ")
		if !g.MembersKnown {
			all[g.ID] = "unknown"
		}
	}
	return all
}

func want(t *testing.T, s *directory.Snapshot, groups map[string]string) {
	t.Helper()
	got := shown(s)
	for id, members := range groups {
		if got[id] != members {
			t.Errorf("group %s has %q, want %q", id, got[id], members)
		}
	}
	if len(got) != len(groups) {
		t.Errorf("groups %v, want %v", got, groups)
	}
}

func whole(t *testing.T, s *directory.Snapshot, err error) {
	t.Helper()
	if err != nil || s.Coverage() != directory.Full {
		t.Fatalf("coverage %s, %v", s.Coverage(), err)
	}
}

func TestANextPageElsewhereIsNotAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, host := range []string{"example-admin.okta.com", "localhost:8080", "evil.example"} {
			s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.PageSize, o.LinkHost = 1, host })
			got, err := s.Open(t).Pull(t.Context(), nil)
			if err == nil || got.Coverage() != directory.None || !strings.Contains(err.Error(), host) || fault.HintOf(err) == "" {
				t.Errorf("coverage %s, %v", got.Coverage(), err)
			}
			for _, r := range s.Requests() {
				if r.Host != "localhost" {
					t.Errorf("%s was asked", r.Host)
				}
			}
		}
	})
}

// TestWhoeverIsDeactivatedIsDisabledAndNotMissing: in no group too, and while the lists are read.
func TestWhoeverIsDeactivatedIsDisabledAndNotMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := firm()
		w.Users = append(w.Users, providertest.User{ID: "00u5", Username: "five"}, providertest.User{ID: "00u6", Username: "six"})
		s := oktatest.New(t, w, oktatest.InMemory)
		s.SetStatus("00u1", "DEPROVISIONED")
		s.SetStatus("00u4", "LOCKED_OUT")
		s.SetStatus("00u5", "DEPROVISIONED")
		s.Break(apitest.Breakage{Match: path("/api/v1/users"), Times: 1, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(w, r)
			s.SetStatus("00u6", "DEPROVISIONED") // Both lists have shown, or will show, them.
		}})
		got, err := s.Open(t).Pull(t.Context(), nil)
		whole(t, got, err)
		disabled := map[string]bool{}
		for _, u := range got.Users {
			disabled[u.ID] = u.Disabled
		}
		if len(disabled) != 6 || !disabled["00u1"] || disabled["00u2"] || disabled["00u4"] || !disabled["00u5"] || !disabled["00u6"] {
			t.Errorf("disabled: %v", disabled)
		}
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": ""})
	})
}

func TestStatusesThatCountAsDisabledAreConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.SetStatus("00u1", "SUSPENDED")
		s.SetStatus("00u2", "LOCKED_OUT")
		got, err := s.Open(t, func(c *okta.Config) { c.Disabled = []string{"LOCKED_OUT"} }).Pull(t.Context(), nil)
		whole(t, got, err)
		for _, u := range got.Users {
			if u.Disabled != (u.ID == "00u2") {
				t.Errorf("%s is disabled: %t", u.ID, u.Disabled)
			}
		}
	})
}

func TestAGroupThatIsDeletedMeanwhileIsGoneAndNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Break(apitest.Breakage{Match: path("/api/v1/groups/00g2/users"), Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			s.DeleteGroup("00g2")
			s.AddGroup(providertest.Group{ID: "00g4", Name: "four", Members: []string{"00u4"}})
			next.ServeHTTP(w, r)
		}})
		got, err := s.Open(t).Pull(t.Context(), nil)
		whole(t, got, err)
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g3": "", "00g4": "00u4"})
		if n := s.Count("/api/v1/groups"); n != 2 {
			t.Errorf("the list of groups was read %d times", n)
		}
		if n := s.Count("/api/v1/groups/00g1/users"); n != 1 {
			t.Errorf("the members of another group were read %d times", n)
		}
	})
}

func TestAGroupThatIsListedAndNotThereLeavesTheOthersCovered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Break(apitest.Breakage{Match: path("/api/v1/groups/00g2/users"), Do: apitest.Status(http.StatusNotFound, says(404))})
		got, err := s.Open(t).Pull(t.Context(), nil)
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), `"two"`) || !got.UsersListed || !got.GroupsListed || got.Cursor != nil {
			t.Errorf("%v, users %t, groups %t", err, got.UsersListed, got.GroupsListed)
		}
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "unknown", "00g3": ""})
		if n := s.Count("/api/v1/groups"); n != 3 {
			t.Errorf("the list of groups was read %d times", n)
		}
	})
}

func TestAListWhoseCursorIsLostIsReadAnew(t *testing.T) {
	t.Parallel()
	lost := apitest.Status(http.StatusBadRequest, `{"errorCode": "E0000031", "errorSummary": "Invalid search criteria.", "errorLink": "E0000031", "errorId": "oae1", "errorCauses": []}`)
	next := func(p string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.URL.Path == p && r.URL.Query().Get("after") != "" }
	}
	for _, p := range []string{"/api/v1/users", "/api/v1/groups", "/api/v1/groups/00g1/users"} {
		synctest.Test(t, func(t *testing.T) {
			s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.PageSize = 1 })
			s.Break(apitest.Breakage{Match: next(p), Times: 2, Do: lost})
			got, err := s.Open(t).Pull(t.Context(), nil)
			whole(t, got, err)
			if len(got.Users) != 4 {
				t.Errorf("%s: %d users", p, len(got.Users))
			}
			want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": ""})
			s.Break(apitest.Breakage{Match: next(p), Do: lost})
			if got, err := s.Open(t).Pull(t.Context(), nil); fault.KindOf(err) != fault.Incomplete || got.Coverage() == directory.Full {
				t.Errorf("%s: coverage %s, %v", p, got.Coverage(), err)
			}
		})
	}
}

func TestWhoJoinsWhileTheListsAreReadIsShownByTheirGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Break(apitest.Breakage{Match: path("/api/v1/groups/00g3/users"), Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			s.AddUser(providertest.User{ID: "00u9", Username: "nine@example.org", Email: "nine@example.org", Name: "Nine"})
			s.SetMembers("00g3", "00u9")
			next.ServeHTTP(w, r)
		}})
		got, err := s.Open(t).Pull(t.Context(), nil)
		whole(t, got, err)
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": "00u9"})
	})
}

func TestOnlyGroupsOfTheConfiguredTypesAreShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		got, err := s.Open(t, func(c *okta.Config) { c.Types = []string{"APP_GROUP", "BUILT_IN"} }).Pull(t.Context(), nil)
		whole(t, got, err)
		want(t, got, map[string]string{"00g3": "", oktatest.Everyone: "00u1 00u2 00u3 00u4"})
	})
}

func TestOnlyWhatIsAssignedToTheAppIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Assign([]string{"00g2"}, []string{"00u4"})
		s.SetStatus("00u1", "DEPROVISIONED")
		for _, name := range []string{oktatest.AppLabel, oktatest.AppID} {
			source := s.Open(t, func(c *okta.Config) { c.AssignedTo = name })
			got, err := source.Pull(t.Context(), nil)
			whole(t, got, err)
			want(t, got, map[string]string{"00g2": "00u2 00u3"})
			// Who is deactivated is assigned to nothing, and must be known as disabled all the same.
			if len(got.Users) != 4 {
				t.Errorf("%d users", len(got.Users))
			}
			lookUp := func(id string) *directory.Snapshot {
				one, err := lookUps(t, source).LookUp(t.Context(), directory.Person{ID: id})
				if err != nil {
					t.Fatal(err)
				}
				return one
			}
			if one := lookUp("00u2"); len(one.Users) != 1 || len(one.Groups) != 1 || one.Groups[0].ID != "00g2" {
				t.Errorf("00u2: %+v", one)
			}
			if one := lookUp("00u1"); len(one.Users) != 1 || !one.Users[0].Disabled || len(one.Groups) != 0 {
				t.Errorf("00u1: %+v", one)
			}
		}
		s.Assign([]string{"00g2"}, nil)
		one, err := lookUps(t, s.Open(t, func(c *okta.Config) { c.AssignedTo = oktatest.AppLabel })).LookUp(t.Context(), directory.Person{ID: "00u4"})
		if err != nil || one.Coverage() != directory.None {
			t.Errorf("somebody who is not assigned: %+v, %v", one, err)
		}
		for _, name := range []string{"Open", "0oaSomeOtherApp00001"} {
			got, err := s.Open(t, func(c *okta.Config) { c.AssignedTo = name }).Pull(t.Context(), nil)
			if fault.KindOf(err) != fault.NotFound || got.Coverage() != directory.None {
				t.Errorf("%s: coverage %s, %v", name, got.Coverage(), err)
			}
		}
	})
}

func TestAGroupThatOwnsAnotherOwnsItByItsMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := firm()
		w.Groups[0].Owners = []string{"00u4", "00g2", "00g1"}
		got, err := oktatest.New(t, w, oktatest.InMemory).Open(t, withOwners).Pull(t.Context(), nil)
		whole(t, got, err)
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": "", "00g1:owners": "00u2 00u3 00u4", "00g2:owners": "", "00g3:owners": ""})
		if got.Cursor != nil {
			t.Error("there is a cursor, although owners have to be read each time")
		}
	})
}

func TestOwnersThatCannotBeReadLeaveTheirGroupCovered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Break(apitest.Breakage{Match: path("/api/v1/groups/00g1/owners"), Do: apitest.Status(http.StatusForbidden, says(403))})
		got, err := s.Open(t, withOwners).Pull(t.Context(), nil)
		if fault.KindOf(err) != fault.Auth {
			t.Error(err)
		}
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": "", "00g1:owners": "unknown", "00g2:owners": "", "00g3:owners": ""})
	})
}

// TestTooManyRequestsWaitForTheLimitByOktasClock: without Retry-After, and with clocks that
// are apart.
func TestTooManyRequestsWaitForTheLimitByOktasClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) {
			o.Now = func() time.Time { return time.Now().Add(3 * time.Minute) }
			o.Limits = &oktatest.Limits{Groups: 1}
		})
		source := s.Open(t)
		for range 3 { // The one request that is left is used up by somebody else each time.
			if _, err := source.Pull(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if passed := time.Since(s.Requests()[0].At); passed < 2*time.Minute || passed > 2*time.Minute+10*time.Second || s.Throttle.Refused() > 0 {
			t.Errorf("it took %s, and %d requests were refused", passed, s.Throttle.Refused())
		}
		s.Break(apitest.Breakage{Match: path("/api/v1/groups"), Times: 1, Do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			now := time.Now().Add(3 * time.Minute)
			for name, value := range map[string]string{"Date": now.UTC().Format(http.TimeFormat), "X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "0", "Content-Type": "application/json",
				"X-Rate-Limit-Reset": unix(now.Add(40 * time.Second))} {
				w.Header().Set(name, value)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(says(429)))
		}})
		time.Sleep(2 * time.Minute)
		began := time.Now()
		if _, err := source.Pull(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if passed := time.Since(began); passed < 40*time.Second || passed > 110*time.Second {
			t.Errorf("it took %s", passed)
		}
	})
}

// TestTooManyAtATimeIsNoStorm: every refusal for being too many at once costs one try.
func TestTooManyAtATimeIsNoStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := providertest.World{Users: firm().Users}
		for i := range 40 {
			w.Groups = append(w.Groups, providertest.Group{ID: "00g" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Name: "group", Members: []string{"00u1"}})
		}
		s := oktatest.New(t, w, oktatest.InMemory, func(o *oktatest.Options) { o.Limits = &oktatest.Limits{Parallel: 2, Latency: time.Second} })
		got, err := s.Open(t).Pull(t.Context(), nil)
		whole(t, got, err)
		if n := s.Throttle.Refused(); n == 0 || n > 40 {
			t.Errorf("%d requests were refused", n)
		}
	})
}

// TestWhoSignsInDoesNotWaitForARead of everything that has to rest for a limit.
func TestWhoSignsInDoesNotWaitForARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.Limits = &oktatest.Limits{Groups: 1} })
		source := s.Open(t)
		if _, err := source.Pull(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := source.Pull(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		began := time.Now()
		one, err := lookUps(t, source).LookUp(t.Context(), directory.Person{Username: "00u2@example.org"})
		if err != nil || len(one.Groups) != 2 || time.Since(began) > time.Second {
			t.Errorf("%d groups after %s, %v", len(one.Groups), time.Since(began), err)
		}
		wg.Wait()
	})
}

// TestAServerThatIsDownIsNotAskedForEveryGroup: nor is one that is too busy for an hour. Rights
// that are missing for many groups are no reason to leave out the others.
func TestAServerThatIsDownIsNotAskedForEveryGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do     apitest.Do
		times  int
		kind   fault.Kind
		known  int
		others string
	}{
		"down":      {apitest.Status(http.StatusServiceUnavailable, says(503)), 0, fault.Unavailable, 100, "399 others"},
		"busy":      {apitest.Busy(3600, false, says(429)), 0, fault.Throttled, 100, "399 others"},
		"forbidden": {apitest.Status(http.StatusForbidden, says(403)), 300, fault.Auth, 200, "299 others"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := large()
			w.Users, w.Groups = w.Users[:10], w.Groups[:500]
			s := oktatest.New(t, w, oktatest.InMemory)
			s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return membersOf(r) != "" }, After: 100, Times: c.times, Do: c.do})
			got, err := s.Open(t).Pull(t.Context(), nil)
			known := 0
			for i := range got.Groups {
				if got.Groups[i].MembersKnown {
					known++
				}
			}
			if fault.KindOf(err) != c.kind || known != c.known || !strings.Contains(err.Error(), c.others) {
				t.Errorf("%s: %v: %d groups are known after %d requests", name, err, known, got.Requests)
			}
			if took := time.Since(s.Requests()[0].At); took > 10*time.Minute {
				t.Errorf("%s took %s", name, took)
			}
		})
	}
}

func TestTheEndOfARunEndsARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return membersOf(r) != "" }, Do: apitest.Slow})
		got, err := s.Open(t).Pull(ctx, nil)
		if fault.KindOf(err) != fault.Unavailable || got.Coverage() == directory.Full || time.Since(s.Requests()[0].At) > 2*time.Second {
			t.Errorf("coverage %s, %v", got.Coverage(), err)
		}
	})
}

// large is the directory that every source has to manage, without groups in groups, which
// Okta does not have: 20,000 people, 2,000 groups, 200,000 memberships.
func large() providertest.World {
	w := apitest.Large()
	for i := range w.Groups {
		w.Groups[i].Groups = nil
	}
	return w
}
