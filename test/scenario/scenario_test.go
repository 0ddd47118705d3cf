package scenario

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dir "groupsyncd/directory"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// variant is one way to play every story: nothing of it may make a difference.
type variant struct {
	name                       string
	reversed, restarts, logins bool
	// accounts: whoever signs in is known by the account alone.
	accounts bool
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		s, err := load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []variant{{name: "plain"}, {name: "sources reversed", reversed: true}, {name: "restarts", restarts: true},
			{name: "reversed with restarts", reversed: true, restarts: true}, {name: "everybody signs in", logins: true},
			{name: "every account signs in, with restarts", logins: true, accounts: true, restarts: true}} {
			if v.logins && s.Logins != nil && !*s.Logins {
				continue
			}
			t.Run(strings.TrimSuffix(file, ".yaml")+"/"+v.name, func(t *testing.T) {
				t.Parallel()
				play(t, s, v)
			})
		}
	}
}

// world is one play of a story.
type world struct {
	t       *testing.T
	story   *story
	variant variant
	clock   *enginetest.Clock
	store   *enginetest.Store
	web     *enginetest.OpenWebUI
	sources map[string]*enginetest.Source
	tokens  map[string]*tokens
	inForce []string
	rules   []*mapping.Rule
	engine  *engine.Engine
	report  *run.Report
	runs    int
	next    int
	ids     map[string]string // group ids by the names that steps expected
	// stateBackup puts back what a story kept of our state, webBackup is the server it kept.
	stateBackup func()
	webBackup   *enginetest.OpenWebUI
}

func play(t *testing.T, s *story, v variant) {
	clock := enginetest.NewClock(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
	w := &world{t: t, story: s, variant: v, clock: clock, store: enginetest.NewStore(clock.Now), sources: map[string]*enginetest.Source{}, tokens: map[string]*tokens{}, ids: map[string]string{}}
	w.web = enginetest.NewOpenWebUI(clock, w.store.Power)
	for name, src := range s.Sources {
		if src.Single {
			w.tokens[name] = &tokens{clock: clock, kept: map[string]token{}}
			continue
		}
		w.sources[name] = enginetest.NewSource(enginetest.NewDirectory(clock), clock)
	}
	w.inForce = slices.Sorted(maps.Keys(s.Sources))
	w.setRules(s.Rules)
	w.boot()
	for i := range s.Steps {
		w.step(&s.Steps[i], fmt.Sprintf("step %d", i+1))
		if v.restarts {
			w.boot()
		}
	}
}

func (w *world) must(err error, what string) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) setRules(rules []rule) {
	w.rules = nil
	for i := range rules {
		r, err := rules[i].compile()
		w.must(err, "rule "+rules[i].Name)
		w.rules = append(w.rules, r)
	}
}

func (w *world) setup() engine.Setup {
	s := engine.Setup{Rules: w.rules, Limits: plan.Limits{MaxPeople: plan.LimitBoth(500, 20), MaxPeople24h: plan.LimitBoth(1000, 40), MaxGroupLoss: plan.LimitPercent(50),
		MaxNewGroups: plan.LimitOff(), MaxDemotions: plan.LimitCount(20), MaxNewAdmins: plan.LimitCount(3), MaxSourceShrink: plan.LimitPercent(30), MaxCuts: plan.LimitCount(2), ApprovalTTL: 24 * time.Hour}}
	over, err := duration(w.story.Grace, 15*time.Minute)
	w.must(err, "grace")
	order := slices.Clone(w.inForce)
	if w.variant.reversed {
		slices.Reverse(order)
	}
	for _, name := range order {
		lag, err := duration(w.story.Sources[name].Lag, 0)
		w.must(err, "lag of "+name)
		age, err := duration(w.story.Sources[name].MaxAge, 48*time.Hour)
		w.must(err, "max_age of "+name)
		src := engine.Source{ID: name, Name: name, Lag: lag, MaxAge: age, Grace: replica.Grace{Reads: 2, Over: over}}
		if k := w.tokens[name]; k != nil {
			src.Provider, src.Single = k, true
		} else {
			src.Provider = w.sources[name]
		}
		s.Sources = append(s.Sources, src)
	}
	s.Targets = []engine.TargetSetup{{Name: "chat", Open: w.web.Open, Match: []string{"sign_in", "email"}, Accounts: w.story.Accounts.rules(), Resources: []string{plan.Models, plan.Knowledge}}}
	return s
}

func (w *world) boot() {
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now, Ledger: w.store, Journal: w.store, Runs: w.store, Audit: w.store,
		NewID: func() string { w.runs++; return fmt.Sprintf("run-%04d", w.runs) }, Setup: w.setup()})
	w.must(err, "start")
	w.engine = e
}

func (w *world) step(s *step, name string) {
	after, err := duration(s.After, time.Minute)
	w.must(err, name)
	w.clock.Add(after)
	for source, d := range s.Directory {
		w.change(source, d)
	}
	for source, kept := range s.Tokens {
		w.signIns(source, kept, name)
	}
	for _, text := range s.Hand {
		w.hand(text, name)
	}
	w.state(s.State)
	for source, text := range s.Reads {
		if k := w.tokens[source]; k != nil {
			k.fails = text == "fails"
			continue
		}
		w.sources[source].Next = w.faults(text)
	}
	for source, text := range s.LookUps {
		if k := w.tokens[source]; k != nil {
			k.fails, k.nobody = text == "fails", text == "nobody"
			continue
		}
		w.sources[source].NextLookUp, w.sources[source].Nobody = w.faults(text), text == "nobody"
	}
	if s.Configured != nil || s.Rules != nil {
		if s.Configured != nil {
			w.inForce = s.Configured
		}
		if s.Rules != nil {
			w.setRules(s.Rules)
		}
		w.must(w.engine.Replace(w.setup()), name)
	}
	for _, check := range s.Approve {
		w.approve(run.Check(check), name)
	}
	for _, check := range s.Release {
		hold := w.held(run.Check(check), name)
		_, err := w.engine.Release(context.Background(), run.Release{Hold: hold.Hash, Reason: "the story says so"}, "tester")
		w.must(err, name)
	}
	if s.Run != "" {
		w.run(s, name)
	}
	if s.Expect != nil {
		w.judge(s.Expect, name)
	}
}

// signIns keeps what sign-ins left.
func (w *world) signIns(source string, kept map[string]token, name string) {
	for mail, k := range kept {
		ago, err := duration(k.Ago, 0)
		w.must(err, name)
		k.issued = w.clock.Now().Add(-ago)
		w.tokens[source].kept[mail] = k
	}
}

// state does to our own state what a step says.
func (w *world) state(what string) {
	switch what {
	case "":
		return
	case "backup":
		w.stateBackup = w.store.Backup()
		return
	case "restore":
		w.stateBackup()
	case "lost":
		w.store.Lose()
	default:
		w.t.Fatalf("%q is nothing that happens to a state", what)
	}
	w.boot()
}

// change puts a directory in the place of the one before.
func (w *world) change(source string, d directory) {
	w.sources[source].Directory.Change(func(s *enginetest.State) {
		clear(s.Users)
		clear(s.Groups)
		for id, p := range d.People {
			s.Users[id] = dir.User{ID: id, Username: id, Email: p.Mail, Disabled: p.Disabled, Attributes: p.Attributes}
		}
		for id, g := range d.Groups {
			t := enginetest.TrueGroup{ID: id, Name: id, Members: map[string]bool{}, Children: map[string]bool{},
				Place: map[string]enginetest.Place{"filtered": enginetest.Filtered, "away": enginetest.Away}[g.Place]}
			if g.Name != "" {
				t.Name = g.Name
			}
			for _, m := range g.Members {
				t.Members[m] = true
			}
			for _, c := range g.Groups {
				t.Children[c] = true
			}
			s.Groups[id] = t
		}
	})
}

func (w *world) faults(text string) enginetest.ReadFault {
	f := enginetest.Whole()
	words := strings.Fields(text)
	switch words[0] {
	case "fails":
		f.Fails = true
	case "nobody":
	case "cut":
		f.Cut = words[1:]
	case "users", "groups":
		n, err := strconv.Atoi(words[1])
		w.must(err, text)
		if words[0] == "users" {
			f.CutUsers = n
		} else {
			f.CutGroups = n
		}
	case "behind":
		d, err := time.ParseDuration(words[1])
		w.must(err, text)
		f.Behind = d
	default:
		w.t.Fatalf("%q is nothing that can go wrong with a read", text)
	}
	return f
}

// account gives the id of the account with a mail address.
func (w *world) account(mail string) string {
	for n := w.next; n > 0; n-- {
		if id := fmt.Sprintf("account-%d", n); w.web.Email(id) == mail {
			return id
		}
	}
	return ""
}

func (w *world) group(name string) string {
	if ids := w.web.Named(name); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// hand does what a sentence says.
func (w *world) hand(text, name string) {
	words := strings.Fields(text)
	quoted := func(i int) string { return strings.Join(words[i:], " ") }
	done := true
	switch verb := words[0]; verb {
	case "signup":
		w.next++
		w.web.SignUp(fmt.Sprintf("account-%d", w.next), words[1], nil)
	case "role":
		w.web.GiveRole(w.account(words[1]), words[2])
		done = w.web.Role(w.account(words[1])) == words[2]
	case "delete-account":
		done = w.web.DeleteAccount(w.account(words[1]))
	case "put":
		done = w.web.Put(w.group(quoted(2)), w.account(words[1]))
	case "take":
		done = w.web.Take(w.group(quoted(2)), w.account(words[1]))
	case "make-group":
		w.web.Make(quoted(1))
	case "delete-group":
		done = w.web.Delete(w.group(quoted(1)))
	case "make":
		w.web.Share(plan.Resource{ResourceKey: plan.ResourceKey{Type: words[1], ID: words[2]}, Name: words[2]})
	case "share":
		key := plan.ResourceKey{Type: words[1], ID: words[2]}
		grant := plan.Grant{Kind: plan.KindUser, ID: plan.Everybody, Permission: words[3]}
		if words[4] != "everybody" {
			grant.Kind, grant.ID = plan.KindGroup, w.group(quoted(4))
		}
		grants := append(w.web.Grants(key), grant)
		w.web.Share(plan.Resource{ResourceKey: key, Name: key.ID, Grants: grants})
	case "backup":
		w.webBackup = w.web.Backup()
	case "restore":
		w.web.Restore(w.webBackup)
	case "another-server":
		w.webBackup = w.web.Backup()
		w.web.Empty()
	case "lose-groups":
		w.webBackup = w.web.Backup()
		for _, id := range w.web.Groups() {
			done = w.web.Delete(id) && done
		}
	default:
		done = false
	}
	if !done {
		w.t.Fatalf("%s: %q changes nothing", name, text)
	}
}

func (w *world) approve(check run.Check, name string) {
	if check == run.TargetChanged {
		w.must(w.engine.AcceptTarget(context.Background(), "chat", "tester"), name)
		return
	}
	_, err := w.engine.Approve(context.Background(), w.held(check, name).Hash, "the story says so", "tester")
	w.must(err, name)
}

// held gives the first hold of a check.
func (w *world) held(check run.Check, name string) *run.Hold {
	holds := w.engine.Holds()
	i := slices.IndexFunc(holds, func(h run.Hold) bool { return h.Check == check })
	if i < 0 {
		w.t.Fatalf("%s: nothing is held by %s", name, check)
	}
	return &holds[i]
}

// run carries out a run, and with it what happens meanwhile.
func (w *world) run(s *step, name string) {
	req := run.Request{Trigger: run.Manual, Mode: run.Apply}
	switch {
	case strings.HasPrefix(s.Run, "sign-in "):
		req.Target, req.Account = "chat", w.account(strings.TrimPrefix(s.Run, "sign-in "))
	case strings.Contains(s.Run, "@"):
		req.User = s.Run
	case s.Run != "all":
		req.Source = s.Run
	}
	ctx := context.Background()
	if len(s.Meanwhile) > 0 {
		ctx = &middle{Context: ctx, do: func() {
			for i := range s.Meanwhile {
				w.step(&s.Meanwhile[i], fmt.Sprintf("%s, meanwhile %d", name, i+1))
			}
		}}
	}
	report, err := w.engine.Run(ctx, req)
	w.must(err, name)
	if what := w.store.Unsaved("chat"); what != "" {
		w.t.Errorf("%s: a restart would lose %s", name, what)
	}
	w.report = report
	if w.variant.logins && !req.Single() && len(s.Reads) == 0 {
		w.logins(name)
	}
}

// logins lets everybody sign in, which must make no difference.
func (w *world) logins(name string) {
	for n := 1; n <= w.next; n++ {
		mail := w.web.Email(fmt.Sprintf("account-%d", n))
		if mail == "" {
			continue
		}
		req := run.Request{Trigger: run.Webhook, Mode: run.Apply, User: mail}
		if w.variant.accounts {
			req = run.Request{Trigger: run.Watch, Mode: run.Apply, Target: "chat", Account: fmt.Sprintf("account-%d", n)}
		}
		_, err := w.engine.Run(context.Background(), req)
		w.must(err, name+": login of "+mail)
	}
}

// middle is a context that the engine asks for the first time when it has read the
// sources and before it plans.
type middle struct {
	context.Context
	do func()
}

func (m *middle) Err() error {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return nil
}

func (w *world) judge(e *expect, name string) {
	w.t.Helper()
	for group, want := range e.Members {
		ids := w.web.Named(group)
		if len(ids) != 1 {
			w.t.Errorf("%s: %d groups are named %s", name, len(ids), group)
			continue
		}
		w.ids[group] = ids[0]
		got := list{}
		for _, a := range w.web.Members(ids[0]) {
			mail, _, _ := strings.Cut(w.web.Email(a), "@")
			got = append(got, mail)
		}
		slices.Sort(got)
		if diff := cmp.Diff(sorted(want), got); diff != "" {
			w.t.Errorf("%s: members of %s (-want +got):\n%s", name, group, diff)
		}
	}
	for what, want := range e.Shared {
		kind, id, _ := strings.Cut(what, " ")
		got := list{}
		for _, g := range w.web.Grants(plan.ResourceKey{Type: kind, ID: id}) {
			got = append(got, g.Permission+" "+w.web.Name(g.ID))
		}
		slices.Sort(got)
		if diff := cmp.Diff(append(list{}, want...), got); diff != "" {
			w.t.Errorf("%s: grants of %s (-want +got):\n%s", name, what, diff)
		}
	}
	for who, want := range e.Roles {
		got := ""
		for n := 1; n <= w.next; n++ {
			id := fmt.Sprintf("account-%d", n)
			if mail, _, _ := strings.Cut(w.web.Email(id), "@"); mail == who {
				got = w.web.Role(id)
			}
		}
		if got != want {
			w.t.Errorf("%s: %s is %q, want %s", name, who, got, want)
		}
	}
	for _, group := range e.Absent {
		if n := len(w.web.Named(group)); n > 0 {
			w.t.Errorf("%s: %d groups are named %s", name, n, group)
		}
	}
	for before, now := range e.Same {
		if got := w.group(now); got != w.ids[before] || got == "" {
			w.t.Errorf("%s: %s is the group %q, and %s was %q", name, now, got, before, w.ids[before])
		}
	}
	w.judgeReport(e, name)
}

// sorted gives a list in order; the plays of a story share what it says.
func sorted(words list) list {
	out := append(list{}, words...)
	slices.Sort(out)
	return out
}

func (w *world) judgeReport(e *expect, name string) {
	w.t.Helper()
	held := list{}
	for _, h := range w.engine.Holds() {
		held = append(held, string(h.Check))
	}
	slices.Sort(held)
	if diff := cmp.Diff(sorted(e.Held), held); diff != "" {
		w.t.Errorf("%s: held (-want +got):\n%s", name, diff)
	}
	if len(w.report.Targets) != 1 {
		w.t.Fatalf("%s: the report has %d targets", name, len(w.report.Targets))
	}
	tr := &w.report.Targets[0]
	for _, kind := range e.Problems {
		if !slices.ContainsFunc(tr.Problems, func(p run.Problem) bool { return string(p.Kind) == kind }) {
			w.t.Errorf("%s: no problem of kind %s is told: %v", name, kind, tr.Problems)
		}
	}
	for _, text := range e.Told {
		if !slices.ContainsFunc(tr.Problems, func(p run.Problem) bool { return strings.Contains(p.Message, text) }) {
			w.t.Errorf("%s: no problem says %q: %v", name, text, tr.Problems)
		}
	}
	if e.Changes != nil {
		got := list{}
		for i := range tr.Changes {
			got = append(got, line(&tr.Changes[i]))
		}
		if diff := cmp.Diff(e.Changes, got); diff != "" {
			w.t.Errorf("%s: changes (-want +got):\n%s", name, diff)
		}
	}
	if e.Pending != nil && tr.Summary.Pending != *e.Pending {
		w.t.Errorf("%s: %d people are pending, want %d", name, tr.Summary.Pending, *e.Pending)
	}
	if e.Exit != nil && w.report.Exit != *e.Exit {
		w.t.Errorf("%s: exit %d, want %d (%s)", name, w.report.Exit, *e.Exit, tr.Error)
	}
}

// line writes a change as stories do: what, where, who, why and what became of it.
func line(c *run.Change) string {
	words := []string{string(c.Op), c.About()}
	if c.User != nil {
		who, _, _ := strings.Cut(c.User.Email, "@")
		words = append(words, who)
	}
	if c.Op == run.SetRole {
		words = append(words[:1], words[2], fmt.Sprintf("%s>%s", c.Fields[0].From, c.Fields[0].To))
	}
	if c.Absence != "" {
		words = append(words, c.Absence)
	}
	return strings.Join(append(words, string(c.Outcome)), " ")
}
