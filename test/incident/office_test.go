package incident

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// target is the name of the only Open WebUI.
const target = "chat"

// office is a firm: its directories, its Open WebUI, and the real engine between them.
// Every limit is off until an incident sets it, so that each guard stands alone.
type office struct {
	t      *testing.T
	clock  *enginetest.Clock
	store  *enginetest.Store
	web    *enginetest.OpenWebUI
	setup  engine.Setup
	engine *engine.Engine
	runs   int
	last   *run.Report
	config *ldap.Config // of the LDAP source, when there is one
	// health keeps how sources fare; nil: none of them is ever in quarantine.
	health engine.Health
	// members gives the ids of the members of the groups of a name, sorted.
	members func(group string) []string
	// signUp makes an account whose id is the person's name.
	signUp func(person, mail string)
}

// found makes an office with one rule: every directory group becomes a group.
func found(t *testing.T, rule ...func(*mapping.Spec)) *office {
	t.Helper()
	o := &office{t: t, clock: enginetest.NewClock(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))}
	o.store = enginetest.NewStore(o.clock.Now)
	o.web = enginetest.NewOpenWebUI(o.clock, o.store.Power)
	o.setup.Limits = plan.Limits{MaxPeople: plan.LimitOff(), MaxPeople24h: plan.LimitOff(), MaxGroupLoss: plan.LimitOff(),
		MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitOff(), ApprovalTTL: 24 * time.Hour}
	o.setup.Targets = []engine.TargetSetup{{Name: target, Open: o.web.Open, Match: []string{"sign_in", "email"}}}
	o.members = func(group string) []string {
		people := []string{}
		for _, id := range o.web.Named(group) {
			people = append(people, o.web.Members(id)...)
		}
		return people
	}
	o.signUp = func(person, mail string) { o.web.SignUp(person, mail, nil) }
	o.rule("all", rule...)
	return o
}

// rule adds a rule with the defaults of the configuration.
func (o *office) rule(name string, change ...func(*mapping.Spec)) {
	o.t.Helper()
	s := mapping.Spec{Name: name, Match: mapping.Match{Names: []string{"*"}}, To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"}
	for _, c := range change {
		c(&s)
	}
	r, err := mapping.Compile(s)
	if err != nil {
		o.t.Fatal(err)
	}
	o.setup.Rules = append(o.setup.Rules, r)
}

// source adds a source; two complete reads over a quarter of an hour prove somebody gone.
func (o *office) source(name string, p providers.Source) *engine.Source {
	o.setup.Sources = append(o.setup.Sources, engine.Source{ID: name, Name: name, Provider: p, MaxAge: 48 * time.Hour,
		Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute}, Scope: "everything", Timeout: time.Minute})
	return &o.setup.Sources[len(o.setup.Sources)-1]
}

// directory adds a source over a directory in memory.
func (o *office) directory(name string) *enginetest.Source {
	s := enginetest.NewSource(enginetest.NewDirectory(o.clock), o.clock)
	o.source(name, s)
	return s
}

// hire puts people into a directory, each with an account in Open WebUI.
func (o *office) hire(s *enginetest.Source, people ...string) {
	for _, p := range people {
		s.Directory.SetUser(directory.User{ID: "u-" + p, Username: p, Email: mail(p)})
		o.signUp(p, mail(p))
	}
}

// staff says who is in a directory group.
func staff(s *enginetest.Source, group string, people ...string) {
	g := enginetest.TrueGroup{ID: "g-" + group, Name: group, Members: map[string]bool{}}
	for _, p := range people {
		g.Members["u-"+p] = true
	}
	s.Directory.SetGroup(g)
}

func mail(person string) string { return person + "@x.org" }

// crowd names n people.
func crowd(n int) []string {
	var people []string
	for i := range n {
		people = append(people, fmt.Sprintf("p%04d", i+1))
	}
	return people
}

// reload puts what the test changed about the configuration in force.
func (o *office) reload() {
	o.t.Helper()
	if err := o.engine.Replace(o.setup); err != nil {
		o.t.Fatal(err)
	}
}

// ask carries out a request a minute later, in a context that may have a life of its own.
func (o *office) ask(ctx context.Context, req run.Request) *run.TargetReport {
	o.t.Helper()
	if o.engine == nil {
		e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: o.clock.Now, Ledger: o.store, Journal: o.store, Runs: o.store, Audit: o.store,
			NewID: func() string { o.runs++; return fmt.Sprintf("run-%04d", o.runs) }, Setup: o.setup, Health: o.health})
		if err != nil {
			o.t.Fatal(err)
		}
		o.engine = e
	}
	o.clock.Add(time.Minute)
	req.Mode = run.Apply
	report, err := o.engine.Run(ctx, req)
	if err != nil {
		o.t.Fatal(err)
	}
	if what := o.store.Unsaved(target); what != "" {
		o.t.Errorf("a restart would lose %s", what)
	}
	o.last = report
	return &report.Targets[0]
}

// run is a scheduled run of everything.
func (o *office) run() *run.TargetReport {
	o.t.Helper()
	return o.ask(o.t.Context(), run.Request{Trigger: run.Schedule})
}

// login is the run that somebody's sign-in asks for.
func (o *office) login(person string) *run.TargetReport {
	o.t.Helper()
	return o.ask(o.t.Context(), run.Request{Trigger: run.Webhook, User: mail(person)})
}

// later lets time pass.
func (o *office) later(d time.Duration) { o.clock.Add(d) }

// has checks who is in a group.
func (o *office) has(group string, people ...string) {
	o.t.Helper()
	slices.Sort(people)
	if diff := cmp.Diff(append([]string{}, people...), o.members(group)); diff != "" {
		o.t.Errorf("members of %s (-want +got):\n%s", group, diff)
	}
}

// quiet checks that a run changed nothing, held nothing and failed at nothing.
func (o *office) quiet(tr *run.TargetReport) {
	o.t.Helper()
	if len(tr.Changes) != 0 || len(tr.Holds) != 0 || tr.Writes != 0 || tr.Error != "" {
		o.t.Errorf("the run is not quiet: changes %+v, holds %+v, %d writes, error %q", tr.Changes, tr.Holds, tr.Writes, tr.Error)
	}
}

// held checks that these checks hold something, and no others do.
func (o *office) held(checks ...run.Check) {
	o.t.Helper()
	var got []run.Check
	for _, h := range o.engine.Holds() {
		got = append(got, h.Check)
	}
	if diff := cmp.Diff(checks, got); diff != "" {
		o.t.Errorf("held (-want +got):\n%s", diff)
	}
}

// approve lets through what a check holds.
func (o *office) approve(check run.Check) {
	o.t.Helper()
	for _, h := range o.engine.Holds() {
		if h.Check == check {
			if _, err := o.engine.Approve(o.t.Context(), h.Hash, "meant so", "tester"); err != nil {
				o.t.Fatal(err)
			}
			return
		}
	}
	o.t.Fatalf("nothing is held by %s", check)
}

// exit checks the exit code of the last run.
func (o *office) exit(code int) {
	o.t.Helper()
	if o.last.Exit != code {
		o.t.Errorf("exit %d, want %d: %+v", o.last.Exit, code, o.last.Sources)
	}
}

// group gives the id of the only group of a name.
func (o *office) group(name string) string {
	o.t.Helper()
	ids := o.web.Named(name)
	if len(ids) != 1 {
		o.t.Fatalf("%d groups are named %s", len(ids), name)
	}
	return ids[0]
}

// told checks that a report names a problem of a kind.
func (o *office) told(tr *run.TargetReport, kind run.ProblemKind) {
	o.t.Helper()
	if !slices.ContainsFunc(tr.Problems, func(p run.Problem) bool { return p.Kind == kind }) {
		o.t.Errorf("no problem of kind %s is told: %+v", kind, tr.Problems)
	}
}
