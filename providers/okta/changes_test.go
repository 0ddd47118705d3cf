package okta_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
	"groupsyncd/sync/replica"
)

// old opens a source on an organisation in which nobody came or went for an hour, and reads it.
func old(t *testing.T, s *oktatest.Server, edit ...func(*okta.Config)) (providers.Source, *directory.Snapshot) {
	t.Helper()
	time.Sleep(time.Hour)
	source := s.Open(t, edit...)
	base, err := source.Pull(t.Context(), nil)
	whole(t, base, err)
	return source, base
}

func changed(t *testing.T, source providers.Source, base *directory.Snapshot) (*directory.Snapshot, error) {
	t.Helper()
	c, ok := source.(providers.Changes)
	if !ok {
		t.Fatal("changes cannot be read")
	}
	return c.PullChanges(t.Context(), base, nil)
}

// asked gives the groups whose members were asked for since.
func asked(s *oktatest.Server, since int) string {
	var all []string
	for _, r := range s.Requests()[since:] {
		if id := membersOf(&http.Request{URL: &url.URL{Path: r.Path}}); id != "" {
			all = append(all, id)
		}
	}
	return strings.Join(all, " ")
}

// TestOnlyGroupsThatSomethingSpeaksForAreReadAgain: each reason by itself.
func TestOnlyGroupsThatSomethingSpeaksForAreReadAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit  func(*oktatest.Server)
		asked string
	}{
		"nothing":                {func(*oktatest.Server) {}, ""},
		"a new stamp":            {func(s *oktatest.Server) { s.SetMembers("00g1", "00u3") }, "00g1"},
		"a new group":            {func(s *oktatest.Server) { s.AddGroup(providertest.Group{ID: "00g4", Name: "four"}) }, "00g4"},
		"another name":           {func(s *oktatest.Server) { s.RenameGroup("00g1", "uno") }, ""},
		"a group less":           {func(s *oktatest.Server) { s.DeleteGroup("00g1") }, ""},
		"somebody is deleted":    {func(s *oktatest.Server) { s.DeleteUser("00u3") }, "00g2"},
		"somebody is suspended":  {func(s *oktatest.Server) { s.SetStatus("00u3", "SUSPENDED") }, ""},
		"somebody has left":      {func(s *oktatest.Server) { s.SetStatus("00u3", "DEPROVISIONED") }, ""},
		"somebody has a profile": {func(s *oktatest.Server) { s.SetProfile("00u3", "email", "three@example.org") }, ""},
		"somebody came without a stamp": {func(s *oktatest.Server) {
			s.AddUser(providertest.User{ID: "00u9", Username: "nine@example.org"})
			s.Slip("00g3", "00u9")
		}, "00g3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.Silent = true })
			source, base := old(t, s)
			time.Sleep(15 * time.Minute)
			c.edit(s)
			before := len(s.Requests())
			delta, err := changed(t, source, base)
			if err != nil {
				t.Fatal(err)
			}
			if got := asked(s, before); got != c.asked {
				t.Errorf("%s: the members of %q were read, want %q", name, got, c.asked)
			}
			full, err := source.Pull(t.Context(), nil)
			whole(t, full, err)
			if diff := differences(pictured(delta), pictured(full)); diff != "" || !delta.Delta {
				t.Errorf("%s: %s", name, diff)
			}
		})
	}
}

// TestMembersThatLagBehindTheirStampAreReadOnceMore: the stamp was new and the members were
// old, so the next read must not trust them.
func TestMembersThatLagBehindTheirStampAreReadOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.MemberLag = 5 * time.Minute })
		source, base := old(t, s)
		s.SetMembers("00g1", "00u3")
		delta, err := changed(t, source, base)
		if err != nil {
			t.Fatal(err)
		}
		want(t, delta, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": ""})
		time.Sleep(15 * time.Minute)
		if delta, err = changed(t, source, delta); err != nil {
			t.Fatal(err)
		}
		want(t, delta, map[string]string{"00g1": "00u3", "00g2": "00u2 00u3", "00g3": ""})
		before := len(s.Requests())
		if _, err = changed(t, source, delta); err != nil || asked(s, before) != "" {
			t.Errorf("%v, and %q was read once more", err, asked(s, before))
		}
	})
}

// TestAStampThatIsIndexedLateIsAnotherOne: however late it appears.
func TestAStampThatIsIndexedLateIsAnotherOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.IndexLag = time.Hour })
		source, base := old(t, s)
		s.SetMembers("00g1", "00u3")
		for range 5 {
			time.Sleep(15 * time.Minute)
			delta, err := changed(t, source, base)
			if err != nil {
				t.Fatal(err)
			}
			base = delta
		}
		want(t, base, map[string]string{"00g1": "00u3", "00g2": "00u2 00u3", "00g3": ""})
	})
}

// TestWhatALookUpShowedIsReadAgain: the picture has other members than the cursor knows.
func TestWhatALookUpShowedIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		source, base := old(t, s)
		kept, _ := replica.New("okta").Merge(base, 0)
		s.Slip("00g3", "00u1")
		time.Sleep(15 * time.Minute)
		one, err := lookUps(t, source).LookUp(t.Context(), directory.Person{ID: "00u1"})
		if err != nil {
			t.Fatal(err)
		}
		kept, _ = kept.Merge(one, 0)
		s.Slip("00g3")
		before := len(s.Requests())
		delta, err := changed(t, source, kept.Picture())
		if err != nil {
			t.Fatal(err)
		}
		want(t, delta, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": ""})
		if got := asked(s, before); got != "00g3" {
			t.Errorf("the members of %q were read", got)
		}
	})
}

// TestAnyDoubtNeedsAFullRead: and a server that is down does not.
func TestAnyDoubtNeedsAFullRead(t *testing.T) {
	t.Parallel()
	noDate := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&dateless{w}, r)
	}
	for name, c := range map[string]struct {
		edit func(*oktatest.Server, *directory.Snapshot)
		open func(*okta.Config)
		kind fault.Kind // zero: a full read is needed
	}{
		"a damaged cursor":         {edit: func(_ *oktatest.Server, b *directory.Snapshot) { b.Cursor[30]++ }},
		"no cursor":                {edit: func(_ *oktatest.Server, b *directory.Snapshot) { b.Cursor = nil }},
		"a group that is not read": {edit: func(_ *oktatest.Server, b *directory.Snapshot) { b.Groups[0].MembersKnown = false }},
		"owners":                   {open: withOwners},
		"a clock that is not told": {edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			s.Break(apitest.Breakage{Match: path("/api/v1/groups"), Do: noDate})
		}},
		"a group that cannot be read": {edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			s.SetMembers("00g1")
			s.Break(apitest.Breakage{Match: path("/api/v1/groups/00g1/users"), Do: apitest.Status(404, says(404))})
		}},
		"a list that is none": {edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			s.Break(apitest.Breakage{Match: path("/api/v1/users"), Do: apitest.Text("application/json", "null")})
		}},
		"many who came": {edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			for i := range 101 {
				s.AddUser(providertest.User{ID: fmt.Sprintf("00n%d", i), Username: fmt.Sprintf("n%d", i)})
			}
		}},
		"many groups": {edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			for i := range 500 {
				s.AddGroup(providertest.Group{ID: fmt.Sprintf("00n%d", i), Name: fmt.Sprintf("n%d", i)})
			}
		}},
		"a server that is down": {kind: fault.Unavailable, edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			s.Break(apitest.Breakage{Do: apitest.Status(503, says(503))})
		}},
		"a right that is gone": {kind: fault.Auth, edit: func(s *oktatest.Server, _ *directory.Snapshot) {
			s.Break(apitest.Breakage{Match: path("/api/v1/users"), Do: apitest.Status(403, says(403))})
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := oktatest.New(t, firm(), oktatest.InMemory)
			source, base := old(t, s)
			if c.open != nil {
				source = s.Open(t, c.open)
			}
			if c.edit != nil {
				c.edit(s, base)
			}
			_, err := changed(t, source, base)
			if full := errors.Is(err, providers.ErrFullRead); err == nil || full != (c.kind == 0) || !full && fault.KindOf(err) != c.kind {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// dateless gives answers without the server's clock.
type dateless struct{ http.ResponseWriter }

func (w *dateless) Write(b []byte) (int, error) {
	w.Header()["Date"] = nil
	return w.ResponseWriter.Write(b)
}
