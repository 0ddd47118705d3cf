package engine_test

import (
	"fmt"
	"slices"
	"time"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/run"
)

// What histories can do with a source that knows only who signed in:
//
//	login HUMAN [CLAIM] [AGE]    signs in through the provider, whose token is so old; the first time this makes the account
//	signin HUMAN [CLAIM] [AGE]   the same, and somebody notices it
//	account HUMAN|ID             a run of whoever has this account
//	post HUMAN [CLAIM] [AGE]     a token is posted
//	logout HUMAN                 the sessions of the account end
//	amid SOURCE STEP             in the middle of the next look-up or sweep, of this source alone
//	sweep                        the sessions of everybody are read
//
// CLAIM is what the token says of groups: listed, absent, overage or emptied. Everything else
// that happens to a directory may happen to what the provider knows.

// sso is the source of single people.
const sso = "sso"

// allSources are the sources that there can be.
var allSources = append(slices.Clone(sourceNames), sso)

var claims = map[string]enginetest.Claim{"listed": enginetest.Listed, "absent": enginetest.Without, "overage": enginetest.Overage, "emptied": enginetest.Emptied}

// signInSource is how the source of single people is configured.
func (w *world) signInSource() engine.Source {
	return engine.Source{ID: sso, Name: sso, Provider: w.signIns, MaxAge: maxAge, StaleAfter: w.set.staleAfter, Single: true, Reads: target,
		Grace: w.grace(), Scope: "claims=groups", SignIn: w.signIns.Provider, Subject: "id"}
}

// signInRules are about what tokens name: all of it, less, and together with what a directory
// names.
func signInRules(spec func(string, []string, ...string) mapping.Spec) map[string]*entry {
	own, both := []string{sso}, []string{"corp", sso}
	all, less, united := spec("r10", own, "eng*", "ops*"), spec("r10", own, "eng*"), spec("r11", both, "sales*")
	all.To, less.To, united.To = "idp_{{ .Name }}", "idp_{{ .Name }}", "Sales"
	strict := united
	strict.Members = "exact"
	idp := func(n string) string { return "idp_" + n }
	return map[string]*entry{
		"r10a": {spec: all, from: own, selects: prefix("eng", "ops"), to: idp},
		"r10b": {spec: less, from: own, selects: prefix("eng"), to: idp},
		"r11a": {spec: united, from: both, selects: prefix("sales"), to: fixed("Sales"), literal: true},
		"r11b": {spec: strict, from: both, selects: prefix("sales"), to: fixed("Sales"), literal: true},
	}
}

// signInStep lets happen what is about signing in; false: the step is something else.
func (w *world) signInStep(s step) bool {
	switch s.do {
	case "login":
		w.login(s)
	case "signin":
		if w.login(s) {
			w.lookAt(w.account[s.arg(0)])
		}
	case "account":
		id := s.arg(0)
		if a, known := w.account[id]; known {
			id = a
		}
		w.lookAt(id)
	case "post":
		t := w.token(s)
		if _, known := w.dirs[sso].At(t.IssuedAt).Users[t.Subject]; known && w.signsIn() {
			w.signIns.Post(t)
			w.sync(run.Request{Trigger: run.Webhook, Mode: run.Apply, User: t.Subject})
		}
	case "logout":
		w.signIns.SignOut(w.account[s.arg(0)])
	case "amid":
		w.amid[s.arg(0)] = append(w.amid[s.arg(0)], s.rest(1))
	case "sweep":
		if w.signsIn() {
			w.sync(run.Request{Trigger: run.Schedule, Mode: run.Apply, Source: sso})
		}
	default:
		return false
	}
	return true
}

// signsIn reports whether the source of single people is configured.
func (w *world) signsIn() bool { return slices.Contains(w.order, sso) }

// token is what the provider says in a step.
func (w *world) token(s step) enginetest.Token {
	t := enginetest.Token{Subject: personID(sso, s.arg(0)), IssuedAt: w.clock.Now()}
	for _, word := range s.args[1:] {
		if d, err := time.ParseDuration(word); err == nil {
			t.IssuedAt = t.IssuedAt.Add(-d)
		} else {
			t.Claim = claims[word]
		}
	}
	return t
}

// login has somebody sign in whom the provider knows.
func (w *world) login(s step) bool {
	t, human := w.token(s), s.arg(0)
	if _, known := w.dirs[sso].At(t.IssuedAt).Users[t.Subject]; !known || w.recycled[human] {
		return false
	}
	if w.account[human] == "" {
		w.signUp(human)
	}
	w.signIns.SignIn(w.account[human], t)
	return true
}

// lookAt is a run of whoever has an account.
func (w *world) lookAt(account string) {
	w.sync(run.Request{Trigger: run.Watch, Mode: run.Apply, Target: target, Account: account})
}

// middleOf lets what was kept for it happen in the middle of a look-up or of a sweep, where no
// other source is read at the same time: what happens first would be left to chance.
func (w *world) middleOf(req run.Request) {
	only := req.Source
	if only == "" && len(w.order) == 1 {
		only = w.order[0]
	}
	steps := w.amid[only]
	if len(steps) == 0 || w.sources[only].During != nil {
		return
	}
	w.amid[only] = nil
	w.sources[only].During = func() {
		for _, s := range steps {
			w.do(s)
		}
	}
}

// signsInAgain has everybody sign in once more, so that tokens say what is so.
func (w *world) signsInAgain() {
	for n := 0; n < 7 && w.signsIn(); n++ {
		if human := fmt.Sprintf("h%d", n); w.account[human] != "" {
			w.do(step{"signin", []string{human}})
		}
	}
}
