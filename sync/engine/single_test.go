package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// tokens is a source that knows whoever signed in, by what their tokens said.
type tokens struct {
	clock *enginetest.Clock
	// issued are the newest tokens, by the id of the person.
	issued map[string]issued
	err    error
	// during is called once in the middle of a sweep, when all was read.
	during func()
}

type issued struct {
	at     time.Time
	user   directory.User
	groups []string
	// account is that of the person in the target whose sign-ins are read.
	account string
	expired bool
}

var (
	_ providers.Source = (*tokens)(nil)
	_ providers.LookUp = (*tokens)(nil)
)

func (k *tokens) Close() error { return nil }

// signs has somebody sign in now.
func (k *tokens) signs(id, account string, groups ...string) {
	k.issued[id] = issued{at: k.clock.Now(), account: account, groups: groups, user: directory.User{ID: id, Email: id + "@x.org"}}
}

func (k *tokens) show(which func(string, issued) bool) (*directory.Snapshot, error) {
	s := &directory.Snapshot{AsOf: k.clock.Now()}
	for _, id := range sorted(k.issued) {
		token := k.issued[id]
		if token.expired || !which(id, token) {
			continue
		}
		u := token.user
		u.AsOf, u.GroupsKnown = token.at, true
		s.Users = append(s.Users, u)
		for _, name := range token.groups {
			i := slices.IndexFunc(s.Groups, func(g directory.Group) bool { return g.ID == name })
			if i < 0 {
				i = len(s.Groups)
				s.Groups = append(s.Groups, directory.Group{ID: name, Name: name})
			}
			s.Groups[i].Direct = append(s.Groups[i].Direct, uint32(len(s.Users)-1))
		}
	}
	s.Close(true)
	return s, k.err
}

func sorted(m map[string]issued) []string {
	var ids []string
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (k *tokens) Pull(context.Context, providers.Progress) (*directory.Snapshot, error) {
	s, err := k.show(func(string, issued) bool { return true })
	if during := k.during; during != nil {
		k.during = nil
		during()
	}
	return s, err
}

func (k *tokens) LookUp(_ context.Context, who directory.Person) (*directory.Snapshot, error) {
	if k.err != nil {
		return &directory.Snapshot{}, k.err
	}
	return k.show(func(id string, token issued) bool {
		return who.ID != "" && id == who.ID || who.ID == "" && who.Account != "" && token.account == who.Account
	})
}

// newDesk is a lobby whose second source are the tokens of chat.
func newDesk(t *testing.T) (*lobby, *tokens) {
	t.Helper()
	l := newLobby(t)
	k := &tokens{clock: l.clock, issued: map[string]issued{}}
	l.setup.Sources[1] = engine.Source{ID: "sso", Name: "sso", Provider: k, Single: true, Reads: "chat", Subject: "id", MaxAge: time.Hour,
		Grace: replica.Grace{Reads: 2, Over: time.Minute}, StaleAfter: 3 * time.Hour, Since: start}
	l.setup.Targets = l.setup.Targets[:1]
	rule, err := mapping.Compile(mapping.Spec{Name: "any", Match: mapping.Match{Names: []string{"*"}}, To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"})
	if err != nil {
		t.Fatal(err)
	}
	l.setup.Rules = []*mapping.Rule{rule}
	l.boot(t)
	return l, k
}

func TestGroupsOfASignInComeFromItsToken(t *testing.T) {
	t.Parallel()
	l, k := newDesk(t)
	l.webs["chat"].SignUp("a1", "other@x.org", map[string]string{"oidc": "ann"})
	l.all(t)
	k.signs("ann", "a1", "eng", "ops")
	report := l.signsIn(t, "a1")
	l.wants(t, "chat", "eng", "a1")
	l.wants(t, "chat", "ops", "a1")
	if report.Exit != run.ExitOK {
		t.Errorf("exit %d: %+v", report.Exit, report.Sources)
	}
	// She signs in again, in another group: exactly the old one goes.
	l.clock.Add(time.Minute)
	k.signs("ann", "a1", "ops")
	l.signsIn(t, "a1")
	l.wants(t, "chat", "eng")
	l.wants(t, "chat", "ops", "a1")
	// Her session ends, and then her token is too old: nothing goes, whatever runs.
	gone := k.issued["ann"]
	gone.expired = true
	k.issued["ann"] = gone
	for range 3 {
		l.clock.Add(40 * time.Minute)
		l.all(t)
		l.signsIn(t, "a1")
		l.wants(t, "chat", "ops", "a1")
	}
	if s, err := l.Status(); err != nil || s.Targets[0].Waiting["sso"] != 1 {
		t.Errorf("what waits is not told: %+v, %v", s.Targets[0].Waiting, err)
	}
}

// TestASweepThatProvedWhatItCouldIsNoFailure: people whose sessions ended are nothing that
// went wrong, a sweep that broke is.
func TestASweepThatProvedWhatItCouldIsNoFailure(t *testing.T) {
	t.Parallel()
	l, k := newDesk(t)
	l.webs["chat"].SignUp("a1", "ann@x.org", map[string]string{"oidc": "ann"})
	sweep := func() *run.Report { return l.carry(t, run.Request{Trigger: run.Schedule}) }
	coverage := func(r *run.Report) string { return r.Sources[1].Coverage }
	if r := sweep(); r.Exit != run.ExitOK || coverage(r) != "none" {
		t.Errorf("nobody signed in: exit %d, coverage %s", r.Exit, coverage(r))
	}
	k.signs("ann", "a1", "eng")
	if r := sweep(); r.Exit != run.ExitOK || coverage(r) != "partial" || !r.Sources[1].Single {
		t.Errorf("one did: exit %d, %+v", r.Exit, r.Sources[1])
	}
	k.err = broken(fault.Unavailable)
	if r := sweep(); r.Exit != run.ExitSource || r.Sources[1].Hint == "" || coverage(r) != "partial" {
		t.Errorf("it broke: exit %d, %+v", r.Exit, r.Sources[1])
	}
}

// TestAQuickRunSweepsNobody: what follows a decision or a reload must not wait until
// everybody's tokens were looked at, unless just that is asked for.
func TestAQuickRunSweepsNobody(t *testing.T) {
	t.Parallel()
	l, k := newDesk(t)
	sweeps := 0
	sources := func(req run.Request) []string {
		k.during = func() { sweeps++ }
		var names []string
		for _, s := range l.carry(t, req).Sources {
			names = append(names, s.Name)
		}
		k.during = nil
		return names
	}
	if got := sources(run.Request{Trigger: run.Reload, Quick: true}); slices.Contains(got, "sso") || len(got) == 0 || sweeps != 0 {
		t.Errorf("a quick run read %q, with %d sweeps", got, sweeps)
	}
	if got := sources(run.Request{Trigger: run.Manual, Quick: true, Source: "sso"}); !slices.Equal(got, []string{"sso"}) || sweeps != 1 {
		t.Errorf("a quick run of that source read %q, with %d sweeps", got, sweeps)
	}
	if got := sources(run.Request{Trigger: run.Manual}); !slices.Contains(got, "sso") || sweeps != 2 {
		t.Errorf("another run read %q, with %d sweeps", got, sweeps)
	}
}

func TestASourceOfSinglePeopleIsStaleWhenNoSweepWorks(t *testing.T) {
	t.Parallel()
	l, k := newDesk(t)
	stale := func() bool {
		s, err := l.Status()
		if err != nil {
			t.Fatal(err)
		}
		return s.Sources[1].Stale
	}
	l.all(t)
	if l.clock.Add(2 * time.Hour); stale() {
		t.Error("it is stale although the last sweep worked")
	}
	k.err = broken(fault.Unavailable)
	l.clock.Add(90 * time.Minute)
	l.all(t)
	if !stale() {
		t.Error("it is not stale although no sweep worked for long")
	}
	k.err = nil
	l.clock.Add(24 * time.Hour)
	l.all(t)
	if stale() {
		t.Error("it is stale although a sweep worked")
	}
}

func TestWordsAboutASourceOfSinglePeople(t *testing.T) {
	t.Parallel()
	l, k := newDesk(t)
	l.webs["chat"].SignUp("a1", "ann@x.org", map[string]string{"oidc": "ann"})
	k.signs("ann", "a1", "eng")
	l.all(t)
	l.clock.Add(30 * time.Minute)
	k.signs("bob", "a2", "eng")
	l.clock.Add(45 * time.Minute)
	l.all(t)
	s, err := l.Status()
	if err != nil {
		t.Fatal(err)
	}
	if src := &s.Sources[1]; !src.Single || src.Users != 2 || src.Current != 1 || src.CompleteAsOf.IsZero() {
		t.Errorf("status: %+v", src)
	}
	why, err := l.ExplainUser("ann@x.org")
	if err != nil {
		t.Fatal(err)
	}
	if v := &why.Sources[0]; !v.Single || !strings.Contains(v.Status, "max_age") || v.GroupsAsOf.IsZero() {
		t.Errorf("source: %+v", v)
	}
	g := &why.Targets[0].Groups[0]
	if g.State != "unknown" || len(g.Why) == 0 || !strings.Contains(g.Why[0].Note, "older than max_age") {
		t.Errorf("group: %+v", g)
	}
}

// TestAProviderThatNobodyNamedIsTheOnlyOne: with several a subject could be somebody else's,
// so that nobody is found by it.
func TestAProviderThatNobodyNamedIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		other map[string]string
		reads string
		want  []string
	}{
		{"one provider", nil, "chat", []string{"a1"}},
		{"two", map[string]string{"google": "ann"}, "chat", nil},
		{"it reads another target", nil, "lab", nil},
		{"posted tokens, and one target", nil, "", []string{"a1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, k := newDesk(t)
			l.setup.Sources[1].Reads = c.reads
			l.boot(t)
			l.webs["chat"].SignUp("a1", "other@x.org", map[string]string{"oidc": "ann"})
			l.webs["chat"].SignUp("a2", "third@x.org", c.other)
			k.signs("ann", "a1", "eng")
			l.all(t)
			l.wants(t, "chat", "eng", c.want...)
		})
	}
}

// TestASweepThatReadOlderTokensUndoesNoSignIn: the sweep began before the sign-in and is taken
// in after it.
func TestASweepThatReadOlderTokensUndoesNoSignIn(t *testing.T) {
	t.Parallel()
	l, k := newDesk(t)
	l.webs["chat"].SignUp("a1", "ann@x.org", map[string]string{"oidc": "ann"})
	k.signs("ann", "a1", "eng")
	l.all(t)
	k.during = func() {
		l.clock.Add(time.Second)
		k.signs("ann", "a1", "ops")
		l.signsIn(t, "a1")
		l.wants(t, "chat", "ops", "a1")
		l.wants(t, "chat", "eng")
	}
	l.all(t)
	l.wants(t, "chat", "ops", "a1")
	l.wants(t, "chat", "eng")
	if k.during != nil {
		t.Error("nobody signed in")
	}
}
