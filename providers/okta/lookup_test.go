package okta_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func lookUps(t *testing.T, s providers.Source) providers.LookUp {
	t.Helper()
	l, ok := s.(providers.LookUp)
	if !ok {
		t.Fatal("nobody can be looked up")
	}
	return l
}

// TestLookUps finds people by whatever is known of them, and nobody by what Okta takes for
// somebody.
func TestLookUps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := firm()
		w.Users[0].Email = "Ann.Lee@Example.ORG"
		w.Users[3].Email = w.Users[2].Email
		w.Groups[2].Members = []string{"00u2"}
		w.Users = append(w.Users, providertest.User{ID: "00u5", Username: "annlee"})
		s := oktatest.New(t, w, oktatest.InMemory, func(o *oktatest.Options) { o.PageSize = 1 })
		s.SetStatus("00u2", "DEPROVISIONED")
		source := lookUps(t, s.Open(t))
		for _, c := range []struct {
			who    directory.Person
			want   string // empty: nobody
			groups int
			most   int // requests
		}{
			{directory.Person{ID: "00u1"}, "00u1", 1, 3},
			{directory.Person{ID: "00u2"}, "00u2", 3, 5},
			{directory.Person{ID: "me"}, "", 0, 1},
			{directory.Person{ID: "00u1@example.org"}, "", 0, 0},
			{directory.Person{ID: "../groups"}, "", 0, 0},
			{directory.Person{ID: "00u9"}, "", 0, 1},
			{directory.Person{ID: "annlee"}, "", 0, 1}, // Okta takes a login for an id.
			{directory.Person{Account: "00u1"}, "", 0, 0},
			{directory.Person{Username: "00u1@example.org"}, "00u1", 1, 4},
			{directory.Person{Username: "00U1@example.org"}, "00u1", 1, 4},
			{directory.Person{Username: "00u1"}, "", 0, 2},
			{directory.Person{Username: "00u1\n"}, "", 0, 0},
			{directory.Person{Email: "ann.lee@example.org"}, "00u1", 1, 5},
			{directory.Person{Email: "00u3@example.org"}, "", 0, 2},
			{directory.Person{Email: `" or status eq "ACTIVE`}, "", 0, 2},
			{directory.Person{Email: `\`}, "", 0, 2},
		} {
			got, err := source.LookUp(t.Context(), c.who)
			switch {
			case err != nil:
				t.Errorf("%+v: %v", c.who, err)
			case got.Requests > c.most:
				t.Errorf("%+v took %d requests", c.who, got.Requests)
			case c.want == "" && (got.Coverage() != directory.None || got.Reason == ""):
				t.Errorf("%+v found %+v", c.who, got)
			case c.want != "" && (len(got.Users) != 1 || got.Users[0].ID != c.want || !got.Users[0].GroupsKnown || len(got.Groups) != c.groups):
				t.Errorf("%+v found %+v", c.who, got)
			}
		}
	})
}

// TestWhatTheIndexSaysIsComparedWithThePerson: the search finds somebody by an old address.
func TestWhatTheIndexSaysIsComparedWithThePerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Break(apitest.Breakage{Match: path("/api/v1/users"), Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "old%40example.org", "00u1%40example.org")
			next.ServeHTTP(w, r)
		}})
		for _, who := range []directory.Person{{Email: "old@example.org"}, {Username: "old@example.org"}} {
			got, err := lookUps(t, s.Open(t)).LookUp(t.Context(), who)
			if err != nil || got.Coverage() != directory.None {
				t.Errorf("%+v: %+v, %v", who, got, err)
			}
		}
	})
}

func TestWhoIsDeletedWhileTheyAreLookedUpIsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		s.Break(apitest.Breakage{Match: path("/api/v1/users/00u1/groups"), Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			s.DeleteUser("00u1")
			next.ServeHTTP(w, r)
		}})
		got, err := lookUps(t, s.Open(t)).LookUp(t.Context(), directory.Person{ID: "00u1"})
		if err != nil || got.Coverage() != directory.None || got.Reason == "" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestGroupsThatEndTooEarlyAreNotAllGroups: a page of groups that is missing makes a look-up
// fail, and never the groups fewer.
func TestGroupsThatEndTooEarlyAreNotAllGroups(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]apitest.Do{
		"refused": apitest.Status(http.StatusForbidden, says(403)), "cut": apitest.Cut, "null": apitest.Text("application/json", "null"),
		"gone in front": apitest.Text404, "HTML": apitest.Text("text/html", "<html>"), "again and again": loop,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := oktatest.New(t, providertest.World{Users: firm().Users, Groups: firm().Groups}, oktatest.InMemory, func(o *oktatest.Options) { o.PageSize = 1 })
			s.Break(apitest.Breakage{Match: path("/api/v1/users/00u2/groups"), After: 1, Do: do})
			got, err := lookUps(t, s.Open(t)).LookUp(t.Context(), directory.Person{ID: "00u2"})
			if err == nil || got.Coverage() != directory.None || len(got.Groups) > 0 {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		})
	}
}
