package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// office is one directory and one Open WebUI in which roles are ours.
type office struct {
	t      *testing.T
	clock  *enginetest.Clock
	store  *enginetest.Store
	web    *enginetest.OpenWebUI
	dir    *enginetest.Directory
	corp   *enginetest.Source
	hr     *enginetest.Source // nil: there is none
	limits plan.Limits
	rules  plan.AccountRules
	engine *engine.Engine
	runs   int
	ended  []*run.Report
	later  []time.Time
}

func newOffice(t *testing.T, people ...string) *office {
	o := &office{t: t, clock: enginetest.NewClock(start), rules: plan.AccountRules{Otherwise: "keep", Disabled: "pending", Gone: "pending", RevokeSessions: true, Create: "never"}}
	o.store = enginetest.NewStore(o.clock.Now)
	o.web = enginetest.NewOpenWebUI(o.clock, o.store.Power)
	o.dir = enginetest.NewDirectory(o.clock)
	o.corp = enginetest.NewSource(o.dir, o.clock)
	off := plan.LimitOff()
	o.limits = plan.Limits{MaxPeople: off, MaxPeople24h: off, MaxGroupLoss: off, MaxDemotions: plan.LimitCount(20), MaxNewAdmins: plan.LimitCount(3),
		MaxNewGroups: off, MaxCuts: off, MaxSourceShrink: off, ApprovalTTL: time.Hour}
	o.web.SignUp("a-root", "root@example.org", nil)
	o.web.GiveRole("a-root", "admin")
	for _, p := range people {
		o.clock.Add(time.Second)
		o.web.SignUp("a-"+p, p+"@example.org", nil)
		o.enable(p, true)
	}
	o.clock.Add(time.Hour)
	o.boot()
	return o
}

func (o *office) enable(person string, on bool) {
	o.dir.SetUser(directory.User{ID: person, Email: person + "@example.org", Username: person, StatusKnown: true, Disabled: !on})
}

func (o *office) group(id string, members ...string) {
	in := map[string]bool{}
	for _, m := range members {
		in[m] = true
	}
	o.dir.SetGroup(enginetest.TrueGroup{ID: id, Name: id, Members: in})
}

func (o *office) boot() {
	o.t.Helper()
	o.store.Power.On()
	line := func(role, group string) mapping.Spec {
		return mapping.Spec{Name: role, Match: mapping.Match{IDs: []string{group}}, Role: role, Direct: true}
	}
	var rules []*mapping.Rule
	for _, s := range []mapping.Spec{line("admin", "admins"), line("user", "people"),
		{Name: "ai", Match: mapping.Match{Names: []string{"ai-*"}}, To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"}} {
		r, err := mapping.Compile(s)
		if err != nil {
			o.t.Fatal(err)
		}
		rules = append(rules, r)
	}
	source := func(name string, src *enginetest.Source) engine.Source {
		return engine.Source{ID: name, Name: name, Provider: src, MaxAge: maxAge, Grace: replica.Grace{Reads: 2, Over: graceOver}, SignIn: "idp", Subject: "sub"}
	}
	sources := []engine.Source{source("corp", o.corp)}
	if o.hr != nil {
		sources = append(sources, source("hr", o.hr))
	}
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: o.clock.Now, Ledger: o.store, Journal: o.store, Runs: o.store, Audit: o.store, Health: o.store,
		NewID: func() string { o.runs++; return fmt.Sprintf("run-%04d", o.runs) }, Ended: func(r *run.Report) { o.ended = append(o.ended, r) },
		Confirm: func(at time.Time) { o.later = append(o.later, at) },
		Setup: engine.Setup{Rules: rules, Limits: o.limits, Sources: sources,
			Targets: []engine.TargetSetup{{Name: target, Open: o.web.Open, Match: []string{"sign_in", "email"}, Accounts: &o.rules}}}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.engine = e
}

// run lets a run happen; dead says that the power went off in it.
func (o *office) run(req run.Request) (tr *run.TargetReport, dead bool) {
	o.t.Helper()
	o.clock.Add(time.Minute)
	req.Mode = run.Apply
	report, err := o.engine.Run(context.Background(), req)
	if o.store.Power.Off() {
		return nil, true
	}
	if err != nil {
		o.t.Fatal(err)
	}
	if what := o.store.Unsaved(target); what != "" {
		o.t.Fatalf("not stored: %s", what)
	}
	return &report.Targets[0], false
}

func (o *office) full() *run.TargetReport {
	o.t.Helper()
	tr, _ := o.run(run.Request{Trigger: run.Schedule})
	return tr
}

func (o *office) roles(t *testing.T, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got := o.web.Role("a-" + want[i]); got != want[i+1] {
			t.Errorf("%s is %s, want %s", want[i], got, want[i+1])
		}
	}
}

func TestRolesFollowTheDirectory(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "bob")
	o.group("admins", "ann")
	o.group("people", "bob")
	o.group("ai-x", "ann", "bob")
	tr := o.full()
	o.roles(t, "ann", "admin", "bob", "user", "root", "admin")
	if tr.Summary.RolesChanged != 1 || !slices.ContainsFunc(o.ended[len(o.ended)-1].Notices, func(n run.Notice) bool { return n.Kind == run.NoticePrivileged }) {
		t.Errorf("%+v, notices %v", tr.Summary, o.ended[len(o.ended)-1].Notices)
	}
	if tr = o.full(); len(tr.Changes) != 0 || tr.Writes != 0 {
		t.Errorf("a second run: %+v", tr.Changes)
	}
	o.group("admins")
	o.full()
	o.roles(t, "ann", "user", "root", "admin")
}

func TestALeaverIsOutAfterOneWebhookAndBackAfterAnother(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "bob", "cid")
	o.group("admins", "ann")
	o.group("people", "bob")
	o.group("ai-x", "ann", "bob")
	o.full()
	for _, p := range []string{"ann", "bob", "cid"} { // cid is in no group at all
		o.enable(p, false)
		o.run(run.Request{Trigger: run.Webhook, User: p + "@example.org"})
		o.roles(t, p, "pending")
	}
	if !slices.Equal(o.web.Revoked, []string{"a-ann", "a-bob", "a-cid"}) {
		t.Errorf("sessions were ended of %v", o.web.Revoked)
	}
	if len(o.web.Members(o.web.Named("ai-x")[0])) != 0 {
		t.Error("they are members of groups")
	}
	seen := false
	for _, r := range o.ended {
		seen = seen || len(r.Suspensions) == 1 && r.Suspensions[0] < 120_000
	}
	if !seen {
		t.Error("nobody measured how long it took")
	}
	for _, p := range []string{"ann", "bob", "cid"} {
		o.enable(p, true)
		o.run(run.Request{Trigger: run.Webhook, User: p + "@example.org"})
	}
	o.roles(t, "ann", "admin", "bob", "user", "cid", "user")
	if n := len(o.web.Members(o.web.Named("ai-x")[0])); n != 2 {
		t.Errorf("%d members after they are back", n)
	}
}

// TestRolesSurviveACrashAtAnyStep cuts the power before each durable step of runs that give
// and take roles and make accounts, and shows that the next process ends up in the same place.
func TestRolesSurviveACrashAtAnyStep(t *testing.T) {
	t.Parallel()
	for step := 0; ; step++ {
		o := newOffice(t, "ann", "bob", "cid")
		o.rules.Create = "user"
		o.group("admins", "ann")
		o.group("people", "bob", "cid")
		o.group("ai-x", "ann", "new")
		o.full()
		o.enable("bob", false)
		o.enable("new", true)
		o.group("admins", "cid")
		o.store.Power.CutAfter(step)
		_, dead := o.run(run.Request{Trigger: run.Schedule})
		if dead {
			o.boot()
		}
		o.store.Power.On()
		o.full()
		o.full()
		o.roles(t, "ann", "user", "bob", "pending", "cid", "admin", "root", "admin")
		mem := o.store.Kept(target)
		if mem.Roles["a-bob"].Why != "disabled" || mem.Roles["a-cid"].Role != "admin" || !o.web.Has(o.web.Named("ai-x")[0], "made-new@example.org") {
			t.Fatalf("step %d: %+v", step, mem.Roles)
		}
		o.enable("bob", true)
		o.full()
		o.roles(t, "bob", "user")
		if t.Failed() {
			t.Fatalf("after a crash at step %d", step)
		}
		if !dead {
			if step < 8 {
				t.Errorf("only %d steps", step)
			}
			return
		}
	}
}

func TestARevertGivesTheFormerRoleBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "bob")
	o.group("admins", "ann")
	o.group("people", "bob")
	o.full()
	o.enable("bob", false)
	o.group("admins")
	o.full()
	o.roles(t, "ann", "user", "bob", "pending")
	id := o.ended[len(o.ended)-1].Run
	if _, err := o.engine.Run(context.Background(), run.Request{Trigger: run.Manual, Mode: run.Apply, Revert: id, Reason: "wrong", By: "me"}); err != nil {
		t.Fatal(err)
	}
	o.roles(t, "ann", "admin", "bob", "user")
	tr := o.full()
	o.roles(t, "ann", "admin", "bob", "user")
	if tr.Summary.Held != 2 {
		t.Errorf("%+v", tr.Changes)
	}
}

func TestALinkByHandConfirmsAnAdministrator(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	o.web.GiveRole("a-ann", "admin")
	o.group("admins", "ann")
	o.group("people")
	o.full()
	o.enable("ann", false)
	tr := o.full()
	if o.roles(t, "ann", "admin"); len(tr.Problems) == 0 {
		t.Error("nobody is told that the account stays administrator")
	}
	if _, err := o.engine.SetLink(context.Background(), run.SetLink{Source: "corp", User: "ann", Account: "a-ann", Reason: "it is her"}, "me"); err != nil {
		t.Fatal(err)
	}
	o.full()
	o.roles(t, "ann", "pending")
	why, err := o.engine.ExplainUser("ann@example.org")
	if err != nil || why.Targets[0].RoleWhy == nil || why.Targets[0].RoleWhy.State != "suspended" {
		t.Errorf("%v %+v", err, why.Targets)
	}
}

// TestADryRunAfterACrashWritesNothing cuts the power in a run that suspends somebody, and plans
// next: what became of the call is found out, and nothing at all is written.
func TestADryRunAfterACrashWritesNothing(t *testing.T) {
	t.Parallel()
	for step := 0; ; step++ {
		o := newOffice(t, "ann", "bob")
		o.group("admins", "ann")
		o.group("people", "bob")
		o.full()
		o.enable("bob", false)
		o.store.Power.CutAfter(step)
		_, dead := o.run(run.Request{Trigger: run.Schedule})
		if !dead {
			return
		}
		o.boot()
		before := len(o.web.Revoked)
		o.clock.Add(time.Minute)
		report, err := o.engine.Run(context.Background(), run.Request{Trigger: run.Manual, Mode: run.Plan})
		if err != nil {
			t.Fatal(err)
		}
		if len(o.web.Revoked) != before || report.Targets[0].Writes != 0 {
			t.Errorf("step %d: %d writes, sessions ended of %v", step, report.Targets[0].Writes, o.web.Revoked[before:])
		}
		o.full()
		o.roles(t, "bob", "pending")
		o.enable("bob", true)
		o.full()
		o.roles(t, "bob", "user")
	}
}
