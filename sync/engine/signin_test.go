package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// lobby is where people sign in: two directories, and two targets.
type lobby struct {
	clock *enginetest.Clock
	store *enginetest.Store
	dirs  map[string]*enginetest.Directory
	asked map[string]*asked
	webs  map[string]*enginetest.OpenWebUI
	mu    sync.Mutex
	runs  int
	ended []*run.Report
	setup engine.Setup
	*engine.Engine
}

// asked is a source that notes whom it was asked for.
type asked struct {
	*enginetest.Source
	mu    sync.Mutex
	names []directory.Person
	// gate is called before an answer; may be nil.
	gate func(directory.Person)
	err  error
}

func (a *asked) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	a.mu.Lock()
	a.names = append(a.names, who)
	gate := a.gate
	a.mu.Unlock()
	if gate != nil {
		gate(who)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return &directory.Snapshot{}, a.err
	}
	return a.Source.LookUp(ctx, who)
}

var _ providers.LookUp = (*asked)(nil)

func newLobby(t *testing.T) *lobby {
	t.Helper()
	l := &lobby{clock: enginetest.NewClock(start), dirs: map[string]*enginetest.Directory{}, asked: map[string]*asked{}, webs: map[string]*enginetest.OpenWebUI{}}
	l.store = enginetest.NewStore(l.clock.Now)
	l.setup.Limits = plan.Limits{MaxPeople: plan.LimitOff(), MaxPeople24h: plan.LimitOff(), MaxGroupLoss: plan.LimitOff(),
		MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitOff(), ApprovalTTL: time.Hour}
	for _, name := range []string{"corp", "hr"} {
		l.dirs[name] = enginetest.NewDirectory(l.clock)
		l.asked[name] = &asked{Source: enginetest.NewSource(l.dirs[name], l.clock)}
		l.setup.Sources = append(l.setup.Sources, engine.Source{ID: name, Name: name, Provider: l.asked[name], MaxAge: 48 * time.Hour, Grace: replica.Grace{Reads: 2, Over: time.Minute}})
	}
	for _, name := range []string{"chat", "lab"} {
		l.webs[name] = enginetest.NewOpenWebUI(l.clock, l.store.Power)
		l.setup.Targets = append(l.setup.Targets, engine.TargetSetup{Name: name, Open: l.webs[name].Open, Match: []string{"sign_in", "email"}})
	}
	l.setup.Rules = append(l.setup.Rules, catalogue["r1a"].rule)
	l.boot(t)
	return l
}

// boot starts a process over what is kept.
func (l *lobby) boot(t *testing.T) {
	t.Helper()
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: l.clock.Now, Ledger: l.store, Journal: l.store, Runs: l.store, Audit: l.store,
		Health: l.store, Setup: l.setup, Ended: func(r *run.Report) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.ended = append(l.ended, r)
		},
		NewID: func() string {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.runs++
			return fmt.Sprintf("run-%04d", l.runs)
		}})
	if err != nil {
		t.Fatal(err)
	}
	l.Engine = e
}

// employ puts somebody into a directory, and into groups of it.
func (l *lobby) employ(source, who string, groups ...string) {
	id := source + "-" + who
	l.dirs[source].SetUser(directory.User{ID: id, Username: who, Email: who + "@x.org"})
	for _, g := range groups {
		l.dirs[source].SetGroup(enginetest.TrueGroup{ID: source + "-" + g, Name: g, Members: map[string]bool{}})
	}
	l.put(source, who, groups...)
}

func (l *lobby) put(source, who string, groups ...string) {
	for _, g := range groups {
		l.dirs[source].Edit(source+"-"+g, func(t *enginetest.TrueGroup) { t.Members[source+"-"+who] = true })
	}
}

func (l *lobby) carry(t *testing.T, req run.Request) *run.Report {
	t.Helper()
	l.clock.Add(time.Second)
	req.Mode = run.Apply
	report, err := l.Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (l *lobby) all(t *testing.T) { t.Helper(); l.carry(t, run.Request{Trigger: run.Schedule}) }

func (l *lobby) signsIn(t *testing.T, account string) *run.Report {
	t.Helper()
	return l.carry(t, run.Request{Trigger: run.Watch, Target: "chat", Account: account})
}

func (l *lobby) members(web, group string) []string {
	var out []string
	for _, id := range l.webs[web].Named(group) {
		out = append(out, l.webs[web].Members(id)...)
	}
	return out
}

func (l *lobby) wants(t *testing.T, web, group string, accounts ...string) {
	t.Helper()
	if diff := cmp.Diff(accounts, l.members(web, group)); diff != "" {
		t.Errorf("members of %s in %s (-want +got):\n%s", group, web, diff)
	}
}

// history gives the ids of the runs that are kept.
func (l *lobby) history(t *testing.T) []string {
	t.Helper()
	kept, err := l.store.Runs(1000)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range kept {
		ids = append(ids, kept[i].Run)
	}
	return ids
}

func TestASignInThatChangesNothingCostsOneRequestAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.all(t)
	kept, ended := l.history(t), len(l.ended)
	head, err := l.store.Head()
	if err != nil {
		t.Fatal(err)
	}
	report := l.carry(t, run.Request{Trigger: run.Webhook, Target: "chat", Account: "a1", ID: "given"})
	if report.Run != "given" || report.User != "ann@x.org" || report.Exit != run.ExitOK || len(report.Targets) != 1 {
		t.Fatalf("report: %+v", report)
	}
	if tr := &report.Targets[0]; tr.Requests != 1 || tr.Writes != 0 || len(tr.Changes) != 0 || tr.Summary.Unchanged != 1 {
		t.Errorf("target: %+v", tr)
	}
	if diff := cmp.Diff(kept, l.history(t)); diff != "" {
		t.Errorf("history (-before +after):\n%s", diff)
	}
	if now, err := l.store.Head(); err != nil || now.Seq != head.Seq {
		t.Errorf("the audit grew from %d to %d (%v)", head.Seq, now.Seq, err)
	}
	if len(l.ended) != ended+1 || l.ended[ended].Run != "given" {
		t.Errorf("%d runs ended, not one more than %d", len(l.ended), ended)
	}
}

func TestTheFirstSignInGivesWhatWaitedForTheAccount(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.employ("corp", "bob", "ops")
	l.webs["chat"].SignUp("a0", "bob@x.org", nil)
	l.all(t)
	l.wants(t, "chat", "eng")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	report := l.signsIn(t, "a1")
	l.wants(t, "chat", "eng", "a1")
	// One look at the account, one call, our mark, and one look at the group.
	if tr := &report.Targets[0]; tr.Summary.MembersAdded != 1 || tr.Requests > 4 || !slices.Contains(l.history(t), report.Run) {
		t.Errorf("report: %+v", tr)
	}
	l.all(t)
	l.wants(t, "chat", "eng", "a1")
	if what := l.store.Unsaved("chat"); what != "" {
		t.Errorf("a restart would lose %s", what)
	}
}

func TestASignInIsTheFirstThatAServerIsSeenBy(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.signsIn(t, "a1")
	l.wants(t, "chat", "eng", "a1")
	l.all(t)
	if n := len(l.webs["chat"].Named("eng")); n != 1 {
		t.Errorf("%d groups are named eng", n)
	}
}

// TestASignInAtAServerThatWasNeverSeenLooksAtAllOfIt: what is there decides whether anything
// may be done at all.
func TestASignInAtAServerThatWasNeverSeenLooksAtAllOfIt(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.webs["chat"].Make("theirs")
	l.signsIn(t, "a1")
	if m := l.store.Kept("chat").Mirror; m.At.IsZero() || len(m.Groups()) != 1 {
		t.Errorf("seen at %v, %d groups", m.At, len(m.Groups()))
	}
}

func TestQuietWaitsForTheLastOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		l.employ("corp", "ann", "eng")
		l.webs["chat"].SignUp("a1", "ann@x.org", nil)
		free := make(chan struct{})
		l.asked["corp"].gate = func(directory.Person) { <-free }
		go func() {
			if _, err := l.Run(t.Context(), run.Request{Trigger: run.Watch, Mode: run.Apply, Target: "chat", Account: "a1"}); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		impatient, giveUp := context.WithCancel(t.Context())
		giveUp()
		if err := l.Quiet(impatient, func() error { return nil }); err == nil {
			t.Error("it is quiet while somebody is served")
		}
		quiet := false
		go func() {
			if err := l.Quiet(t.Context(), func() error { quiet = true; return nil }); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if quiet {
			t.Error("it is quiet while somebody is served")
		}
		close(free)
		synctest.Wait()
		if !quiet {
			t.Error("it is never quiet again")
		}
	})
}

func TestWhoSignsInIsLookedUpInEverySourceByTheSurestName(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.setup.Sources[1].SignIn, l.setup.Sources[1].Subject, l.setup.Sources[1].Reads = "oidc", "username", "chat"
	l.boot(t)
	l.employ("corp", "ann", "eng")
	l.employ("hr", "ann", "ops")
	l.webs["chat"].SignUp("a1", "ann@x.org", map[string]string{"oidc": "ann"})
	l.signsIn(t, "a1") // Nobody has met her before.
	l.put("corp", "ann", "ops")
	l.dirs["corp"].SetGroup(enginetest.TrueGroup{ID: "corp-ops", Name: "ops", Members: map[string]bool{"corp-ann": true}})
	l.dirs["hr"].Edit("hr-ops", func(g *enginetest.TrueGroup) { delete(g.Members, "hr-ann") })
	l.signsIn(t, "a1") // Now she is linked.
	want := map[string][]directory.Person{"corp": {{Email: "ann@x.org"}, {ID: "corp-ann"}}, "hr": {{Account: "a1"}, {Account: "a1"}}}
	for name, names := range want {
		if diff := cmp.Diff(names, l.asked[name].names); diff != "" {
			t.Errorf("%s was asked for (-want +got):\n%s", name, diff)
		}
	}
	l.wants(t, "chat", "eng", "a1")
}

func TestASignInAtOneTargetIsAppliedAtTheOthersWhereTheyHaveAnAccount(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.employ("corp", "bob", "ops")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.webs["chat"].SignUp("a2", "bob@x.org", nil)
	l.webs["lab"].SignUp("b1", "ann@x.org", nil)
	l.all(t)
	l.put("corp", "ann", "ops")
	report := l.signsIn(t, "a1")
	l.wants(t, "chat", "ops", "a1", "a2")
	l.wants(t, "lab", "ops", "b1")
	if len(report.Targets) != 2 {
		t.Errorf("%d targets", len(report.Targets))
	}
	if report := l.signsIn(t, "a2"); len(report.Targets) != 1 {
		t.Errorf("bob has no account there: %d targets", len(report.Targets))
	}
}

func TestAnAccountThatNobodyKnowsIsNobody(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.webs["chat"].SignUp("guest", "guest@elsewhere.org", nil)
	l.all(t)
	kept := l.history(t)
	for _, req := range []run.Request{{Target: "chat", Account: "nobody"}, {Target: "chat", Account: "guest"}, {User: "nobody@x.org"}, {User: "nobody"}} {
		for _, by := range []run.Trigger{run.Webhook, run.Watch} {
			req.Trigger = by
			report := l.carry(t, req)
			if report.Exit != run.ExitOK || len(report.Targets) == 0 || report.Targets[0].Changes == nil || report.Targets[0].Requests > 1 {
				t.Errorf("%+v: %+v", req, report)
			}
		}
		req.Trigger, req.Mode = run.Manual, run.Apply
		if _, err := l.Run(t.Context(), req); req.Account != "guest" && (fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "") {
			t.Errorf("%+v: %v, hint %q", req, err, fault.HintOf(err))
		}
	}
	if diff := cmp.Diff(len(kept)+1, len(l.history(t))); diff != "" { // the manual one about the guest
		t.Errorf("runs in the history (-want +got):\n%s", diff)
	}
}

func TestAnAccountThatIsGoneTakesItsMembershipsAlong(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.webs["chat"].SignUp("a2", "bob@x.org", nil)
	l.all(t)
	l.webs["chat"].DeleteAccount("a1")
	report := l.signsIn(t, "a1")
	m := l.store.Kept("chat")
	if n, _ := m.Mirror.Number("a1"); !m.Mirror.Account(n).Deleted || len(m.Owned) != 1 || m.Owned[l.webs["chat"].Named("eng")[0]].Has(n) || report.Exit != run.ExitOK {
		t.Errorf("account %+v, owned %v, exit %d", m.Mirror.Account(n), m.Owned, report.Exit)
	}
	// Somebody puts an account with that id back: that is a restored server, not a sign-in.
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	effects := len(l.webs["chat"].Effects)
	l.signsIn(t, "a1")
	if len(l.webs["chat"].Effects) != effects || len(l.Holds()) != 1 || l.Holds()[0].Check != run.TargetChanged {
		t.Errorf("holds %+v, effects %v", l.Holds(), l.webs["chat"].Effects[effects:])
	}
}

func TestASourceThatKeepsFailingDoesNotFillTheHistoryWithSignIns(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	l.employ("corp", "ann", "eng")
	l.webs["chat"].SignUp("a1", "ann@x.org", nil)
	l.all(t)
	kept := len(l.history(t))
	l.asked["hr"].err = broken(fault.Unavailable)
	for range 20 {
		if report := l.signsIn(t, "a1"); report.Exit != run.ExitSource {
			t.Fatalf("exit %d", report.Exit)
		}
	}
	if n := len(l.history(t)) - kept; n != 3 {
		t.Errorf("%d of 20 runs are kept, and 3 tried to look up", n)
	}
	l.asked["hr"].err = nil
	l.put("corp", "ann", "eng")
	l.signsIn(t, "a1")
	l.wants(t, "chat", "eng", "a1")
}

func TestWhatIsAskedOfAnAccountMustMakeSense(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	for _, req := range []run.Request{{Account: "a1"}, {Account: "a1", Target: "chat", User: "ann@x.org"}, {Account: "a1", Target: "chat", Revert: "run-0001"}, {Account: "a1", Target: "nowhere"}} {
		if _, err := l.Run(t.Context(), req); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%+v: %v", req, err)
		}
	}
	if _, err := l.PlanFile(t.Context(), run.Request{Account: "a1", Target: "chat"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a plan of one person was written down: %v", err)
	}
}

// TestDifferentPeopleSignInAtOnce: several runs of one person go on together, none loses what
// another has learned or done, and nobody is in two of them.
func TestDifferentPeopleSignInAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		people := []string{"ann", "bob", "cid", "dan", "eve", "fay"}
		for i, who := range people {
			l.employ("corp", who)
			l.webs["chat"].SignUp(fmt.Sprintf("a%d", i), who+"@x.org", nil)
		}
		l.dirs["corp"].SetGroup(enginetest.TrueGroup{ID: "corp-eng", Name: "eng", Members: map[string]bool{}})
		l.all(t)
		l.put("corp", "ann", "eng")
		for _, who := range people {
			l.put("corp", who, "eng")
		}
		l.clock.Add(time.Second)
		free, busy, most := make(chan struct{}), map[string]int{}, 0
		var mu sync.Mutex
		at := 0
		l.asked["corp"].gate = func(who directory.Person) {
			mu.Lock()
			busy[who.ID]++
			if busy[who.ID] > 1 {
				t.Errorf("%s is looked up twice at a time", who.ID)
			}
			at++
			most = max(most, at)
			mu.Unlock()
			<-free
			mu.Lock()
			at--
			busy[who.ID]--
			mu.Unlock()
		}
		var wg sync.WaitGroup
		for range 2 {
			for i := range people {
				for _, by := range []run.Trigger{run.Webhook, run.Watch} {
					wg.Go(func() {
						if _, err := l.Run(t.Context(), run.Request{Trigger: by, Mode: run.Apply, Target: "chat", Account: fmt.Sprintf("a%d", i)}); err != nil {
							t.Error(err)
						}
					})
				}
			}
		}
		synctest.Wait()
		quiet := false
		wg.Go(func() {
			if err := l.Quiet(t.Context(), func() error { quiet = true; return nil }); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if at != 4 || quiet {
			t.Errorf("%d people are looked up at once; quiet: %v", at, quiet)
		}
		close(free)
		wg.Wait()
		if most != 4 || !quiet {
			t.Errorf("at most %d at once; quiet: %v", most, quiet)
		}
		l.wants(t, "chat", "eng", "a0", "a1", "a2", "a3", "a4", "a5")
		if what := l.store.Unsaved("chat"); what != "" {
			t.Errorf("a restart would lose %s", what)
		}
		kept, err := l.store.Replica("corp")
		if err != nil {
			t.Fatal(err)
		}
		for n := range kept.Users() {
			if kept.Users()[n].GroupsAt.IsZero() {
				t.Errorf("what was looked up of %s is lost", kept.Users()[n].ID)
			}
		}
	})
}

// TestWhomARequestNamesIsAskedForByWhatTheSourceKnows: by the id where that is known, also
// through an account that somebody of the name has.
func TestWhomARequestNamesIsAskedForByWhatTheSourceKnows(t *testing.T) {
	t.Parallel()
	directoryOf, reads, posted := engine.Source{}, engine.Source{Single: true, Reads: "chat"}, engine.Source{Single: true}
	for _, c := range []struct {
		name   string
		kind   engine.Source
		linked bool
		req    run.Request
		want   []directory.Person
	}{
		{"a mail address", directoryOf, false, run.Request{User: "bob@x.org"}, []directory.Person{{Email: "bob@x.org"}}},
		{"a user name", directoryOf, false, run.Request{User: "bob"}, []directory.Person{{Username: "bob"}}},
		{"a sender of its own may mean an id", directoryOf, false, run.Request{User: "bob", Source: "hr", Trigger: run.Webhook}, []directory.Person{{Username: "bob"}, {ID: "bob"}}},
		{"the other source knows the name", directoryOf, true, run.Request{User: "ann"}, []directory.Person{{ID: "hr-zoe"}}},
		{"an account of that mail", reads, false, run.Request{User: "ANN@x.org"}, []directory.Person{{Account: "a1"}}},
		{"an account of that subject", reads, false, run.Request{User: "s-bob"}, []directory.Person{{Account: "a2"}}},
		{"a mail that no account has", reads, false, run.Request{User: "eve@x.org"}, []directory.Person{{Email: "eve@x.org"}}},
		{"a name that no account has", reads, false, run.Request{User: "eve"}, nil},
		{"its sender may mean a subject", reads, false, run.Request{User: "eve", Source: "hr", Trigger: run.Webhook}, []directory.Person{{ID: "eve"}}},
		{"who is linked", reads, true, run.Request{User: "ann"}, []directory.Person{{ID: "hr-zoe", Account: "a1"}}},
		{"the subject of a posted token", posted, false, run.Request{User: "eve@x.org"}, []directory.Person{{ID: "eve@x.org"}, {Email: "eve@x.org"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLobby(t)
			hr := &l.setup.Sources[1]
			hr.Single, hr.Reads = c.kind.Single, c.kind.Reads
			l.boot(t)
			l.employ("corp", "ann", "eng")
			l.webs["chat"].SignUp("a1", "ann@x.org", nil)
			l.webs["chat"].SignUp("a2", "second@x.org", map[string]string{"oidc": "s-bob"})
			if c.linked {
				l.dirs["hr"].SetUser(directory.User{ID: "hr-zoe", Username: "zoe", Email: "ann@x.org"})
			}
			l.all(t)
			if c.linked {
				l.dirs["hr"].SetUser(directory.User{ID: "hr-zoe", Username: "zoe", Email: "zoe@x.org"})
				l.all(t)
			}
			c.req.Mode = run.Apply
			if _, err := l.Run(t.Context(), c.req); err != nil && fault.KindOf(err) != fault.NotFound {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, l.asked["hr"].names); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}
