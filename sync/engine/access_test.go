package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/access"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/plan"

	"github.com/google/go-cmp/cmp"
)

// shared is the small world after its first run, with an administrator and something shared.
func shared(t *testing.T) *world {
	t.Helper()
	w := begin(t, two+"run")
	w.web.SetDefaultPermissions(permission.Set{"chat.call": true})
	w.web.SignUp("boss", "boss@x.org", nil)
	w.web.GiveRole("boss", plan.RoleAdmin)
	for _, human := range []string{"h0", "h1"} {
		w.web.GiveRole(w.account[human], plan.RoleUser)
	}
	w.web.Share(plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: "gpt"}, Name: "GPT", Owner: "boss",
		Grants: []plan.Grant{{Kind: plan.KindGroup, ID: w.web.Named("eng")[0], Permission: plan.Read}}})
	return w
}

func (w *world) mayDo(t *testing.T, q access.UserQuery) *access.User {
	t.Helper()
	u, err := w.engine.AccessUser(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWhoMayDoWhatIsLookedAtAnew(t *testing.T) {
	t.Parallel()
	w := shared(t)
	effects := len(w.web.Effects)
	u := w.mayDo(t, access.UserQuery{User: "h1@x.org"})
	if !u.Permissions["chat.call"].Allowed || u.Stale != "" || u.Target != target || u.Role != plan.RoleUser {
		t.Errorf("%+v", u)
	}
	want := []access.Resource{{Type: plan.Models, ID: "gpt", Name: "GPT", Permission: plan.Read, From: []string{"group:eng"}}}
	if diff := cmp.Diff(want, u.Resources); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g := u.Groups
	if len(g) != 1 || g[0].By != access.ByUs || g[0].Run != "run-0001" || g[0].Since.IsZero() {
		t.Errorf("groups: %+v", g)
	}
	// By hand, a moment ago.
	w.web.Put(w.web.Named("ops")[0], w.account["h1"])
	w.web.SetDefaultPermissions(permission.Set{"chat.call": false})
	u = w.mayDo(t, access.UserQuery{User: w.account["h1"], Without: []string{"eng"}})
	if u.Permissions["chat.call"].Allowed || len(u.Groups) != 2 || u.Groups[1].By != access.ByHand {
		t.Errorf("%+v", u)
	}
	if len(u.Change.Lost.Resources) != 1 || len(u.Change.Gained.Resources) != 0 {
		t.Errorf("%+v", u.Change)
	}
	if len(w.web.Effects) != effects {
		t.Error("a look wrote something there")
	}
	if part := w.store.Unsaved(target); part != "" {
		t.Errorf("what was seen is not kept: %s", part)
	}
	w.boot()
	w.play(t, "run")
	if tr := w.report(t); len(tr.Changes) != 0 || tr.Summary.Foreign != 1 {
		t.Errorf("the next run: %+v", tr)
	}
}

func TestAPersonIsFoundByWhateverNamesThem(t *testing.T) {
	t.Parallel()
	w := shared(t)
	for _, name := range []string{"h0@x.org", "H0@X.org", w.account["h0"]} {
		if u := w.mayDo(t, access.UserQuery{User: name}); u.User.ID != w.account["h0"] {
			t.Errorf("%s: %+v", name, u.User)
		}
	}
	if u := w.mayDo(t, access.UserQuery{User: "boss@x.org", Target: target}); u.Role != plan.RoleAdmin || len(u.Owns) != 1 {
		t.Errorf("%+v", u)
	}
	w.play(t, "user corp h2\nrun")
	for name, hint := range map[string]string{"bos@x.org": "did you mean boss@x.org?", "nobody": "give a mail address", "h2@x.org": "groupsyncd explain user"} {
		_, err := w.engine.AccessUser(t.Context(), access.UserQuery{User: name})
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), hint) {
			t.Errorf("%s: %v (%s)", name, err, fault.HintOf(err))
		}
	}
}

func TestAServerThatCannotBeLookedAtIsShownAsLastKnown(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.mayDo(t, access.UserQuery{User: "h1@x.org"})
	w.web.SetDefaultPermissions(permission.Set{"chat.call": false})
	w.web.Down = fault.New(fault.Unavailable, "read", "open webui", errors.New("connection refused"), "")
	u := w.mayDo(t, access.UserQuery{User: "h1@x.org"})
	if !u.Permissions["chat.call"].Allowed || !strings.Contains(u.Stale, "connection refused") || u.AsOf.IsZero() {
		t.Errorf("%+v", u)
	}
	never := newWorld()
	never.boot()
	never.web.Down = w.web.Down
	if _, err := never.engine.AccessGroup(t.Context(), "", "eng"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestAnotherServerIsNotTakenForTheOneWeKnow(t *testing.T) {
	t.Parallel()
	w := shared(t)
	before := w.mayDo(t, access.UserQuery{User: "h1@x.org"})
	w.web.Empty()
	after := w.mayDo(t, access.UserQuery{User: "h1@x.org"})
	if !strings.Contains(after.Stale, "does not look like") || len(after.Groups) != len(before.Groups) {
		t.Errorf("%+v", after)
	}
}

func TestEverybodyWhoHasSomethingIsListedWithSince(t *testing.T) {
	t.Parallel()
	w := shared(t)
	who, err := w.engine.AccessWho(t.Context(), "", "models/gpt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range who.People {
		got = append(got, p.Email+" "+p.Permission+" "+strings.Join(p.From, ",")+" "+p.By)
		if p.By == access.ByUs && p.Since.IsZero() {
			t.Errorf("since when has %s it?", p.Email)
		}
	}
	want := []string{"boss@x.org write owner,admin ", "h0@x.org read group:eng groupsyncd", "h1@x.org read group:eng groupsyncd"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rows := 0
	report, err := w.engine.AccessReport(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range report.Rows {
		if rows++; err != nil || row.Target != target {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if rows < 10 {
		t.Errorf("%d rows", rows)
	}
}

func TestWhatNobodyAskedForIsRefused(t *testing.T) {
	t.Parallel()
	w := shared(t)
	for name, c := range map[string]struct {
		ask  func() error
		kind fault.Kind
		hint string
	}{
		"no such target":     {func() error { _, err := w.engine.AccessWho(t.Context(), "x", "role:admin"); return err }, fault.Invalid, "status"},
		"no such group":      {func() error { _, err := w.engine.AccessGroup(t.Context(), "", "engg"); return err }, fault.NotFound, "did you mean eng?"},
		"no such permission": {func() error { _, err := w.engine.AccessWho(t.Context(), "", "chat.cal"); return err }, fault.NotFound, "did you mean chat.call?"},
		"no such role":       {func() error { _, err := w.engine.AccessWho(t.Context(), "", "role:root"); return err }, fault.Invalid, "admin, user, pending"},
		"in and out": {func() error {
			_, err := w.engine.AccessUser(t.Context(), access.UserQuery{User: "h0@x.org", With: []string{"ops"}, Without: []string{"ops"}})
			return err
		}, fault.Invalid, ""},
	} {
		if err := c.ask(); fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v (%s)", name, err, fault.HintOf(err))
		}
	}
	s := w.setup()
	s.Targets = append(slices.Clone(s.Targets), engine.TargetSetup{Name: "other", Open: w.web.Open})
	if err := w.engine.Replace(s); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.AccessGroup(t.Context(), "", "eng"); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), target+", other") {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
}
