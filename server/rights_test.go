package server

import (
	"context"
	"errors"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	rights "groupsyncd/sync/access"

	"github.com/google/go-cmp/cmp"
)

func (b *backend) AccessUser(_ context.Context, q rights.UserQuery) (*rights.User, error) {
	return &rights.User{Picture: rights.Picture{Target: q.Target}, Permissions: map[string]permission.Right{"a.b": {Allowed: true, From: []string{"default"}}}},
		b.note("access user %+v", q)
}

func (b *backend) AccessGroup(_ context.Context, target, name string) (*rights.Group, error) {
	return &rights.Group{Group: rights.GroupRef{Name: name}}, b.note("access group %s %s", target, name)
}

func (b *backend) AccessWho(_ context.Context, target, what string) (*rights.Holders, error) {
	return &rights.Holders{What: what}, b.note("access who %s %s", target, what)
}

func (b *backend) AccessReport(_ context.Context, target string) (*rights.Report, error) {
	rows := func(yield func(rights.Row, error) bool) {
		for range b.lines {
			if !yield(rights.Row{Kind: "role", What: "user"}, nil) {
				return
			}
		}
		if b.lines < 0 {
			yield(rights.Row{}, fault.New(fault.Unavailable, "look", "target chat", errors.New("it is gone"), "wait"))
		}
	}
	return &rights.Report{Picture: rights.Picture{Target: target, Notes: []string{"a note"}}, Rows: rows}, b.note("access report %s", target)
}

func TestWhoMayDoWhatIsAskedOfTheDaemon(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	odd := "a/b c?&ü"
	u, err := c.AccessUser(t.Context(), rights.UserQuery{Target: "chat", User: odd, With: []string{odd}, Without: []string{"x"}})
	if err != nil || u.Target != "chat" || !u.Permissions["a.b"].Allowed {
		t.Errorf("%+v, %v", u, err)
	}
	if g, err := c.AccessGroup(t.Context(), "chat", odd); err != nil || g.Group.Name != odd {
		t.Errorf("%+v, %v", g, err)
	}
	if h, err := c.AccessWho(t.Context(), "", odd); err != nil || h.What != odd {
		t.Errorf("%+v, %v", h, err)
	}
	want := []string{"access user {Target:chat User:a/b c?&ü With:[a/b c?&ü] Without:[x]}", "access group chat a/b c?&ü", "access who  a/b c?&ü"}
	if diff := cmp.Diff(want, b.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAReportComesInRows(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 5000} {
		c, _, _ := start(t, &backend{lines: rows}, nil)
		r, err := c.AccessReport(t.Context(), "chat")
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for row, err := range r.Rows {
			if err != nil || row.What != "user" {
				t.Fatalf("%+v, %v", row, err)
			}
			got++
		}
		if got != rows || r.Target != "chat" || len(r.Notes) != 1 {
			t.Errorf("%d rows of %d, %+v", got, rows, r.Picture)
		}
	}
}

func TestAReportThatBreaksOffIsNoWholeOne(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, &backend{lines: -1}, nil)
	r, err := c.AccessReport(t.Context(), "chat")
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range r.Rows {
		last = err
	}
	if fault.KindOf(last) != fault.Unavailable || last.Error() != "look at target chat: it is gone" || fault.HintOf(last) != "wait" {
		t.Errorf("%v", last)
	}
	c, _, _ = start(t, &backend{err: fault.New(fault.Invalid, "", "", errors.New("there are several targets"), "name one")}, nil)
	if _, err := c.AccessReport(t.Context(), ""); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) != "name one" {
		t.Errorf("%v", err)
	}
}

func TestAReportMayBeLeftInTheMiddle(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, &backend{lines: 100000}, nil)
	r, err := c.AccessReport(t.Context(), "chat")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Rows {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if _, err := c.AccessGroup(t.Context(), "", "x"); err != nil {
		t.Error(err)
	}
}
