package openwebui_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// signIn lets somebody sign in through the provider oidc.
func (w *world) signIn(t *testing.T, mail, subject, token string) string {
	t.Helper()
	id, err := w.SignIn(openwebuitest.SignIn{Email: mail, Provider: "oidc", Subject: subject,
		Tokens: openwebuitest.Tokens{ID: "id-" + token, Access: "access-" + token}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// answers replaces the answer to a path.
func (w *world) answers(path, body string) {
	w.Inject(openwebuitest.Fault{Path: path, Body: body})
}

func TestSessionsShowWhatSignInsLeftBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	r := w.client.Sessions()
	ada := w.signIn(t, "ada@example.org", "sub-ada", "one")
	if _, err := w.SignIn(openwebuitest.SignIn{Email: "x@example.org", Provider: "google", Subject: "sub-x"}); err != nil {
		t.Fatal(err)
	}
	w.pass(60)
	w.signIn(t, "", "sub-ada", "two")
	got, err := r.Of(t.Context(), "oidc", ada)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d sessions, %v", len(got), err)
	}
	if got[0].IDToken.Reveal() != "id-two" || got[0].AccessToken.Reveal() != "access-two" || got[1].IDToken.Reveal() != "id-one" {
		t.Error("the newest session is not the first")
	}
	if d := got[0].CreatedAt.Sub(got[1].CreatedAt); d != time.Minute || got[0].Expires.Sub(got[0].CreatedAt) != 5*time.Minute || got[0].ID == "" {
		t.Errorf("times: %s apart, expires %s", d, got[0].Expires)
	}
	w.pass(250) // the first access token has expired, the second lives
	if got, err = r.Of(t.Context(), "oidc", ada); err != nil || got[0].AccessToken.Reveal() == "" || got[1].AccessToken.Reveal() != "" {
		t.Errorf("access tokens after the first expired: %v", err)
	}
	if got[1].IDToken.Reveal() != "id-one" {
		t.Error("the ID token of an expired session is gone")
	}
	w.pass(1)
	w.RefreshSession(ada, "oidc", openwebuitest.Tokens{ID: "id-three"})
	if got, err = r.Of(t.Context(), "oidc", ada); err != nil || got[0].IDToken.Reveal() != "id-three" {
		t.Errorf("after a refresh: %v", err)
	}
	w.signIn(t, "", "sub-ada", "four") // in the same second
	if got, err = r.Of(t.Context(), "oidc", ada); err != nil || got[0].IDToken.Reveal() != "id-four" {
		t.Errorf("two of one second: %v", err)
	}
	if strings.Contains(w.logs.String(), "id-") || strings.Contains(fmt.Sprintf("%+v %#v", got, got), "id-") {
		t.Error("a token was printed")
	}
	if names, err := r.Providers(t.Context()); err != nil || !slices.Equal(names, []string{"google", "oidc"}) {
		t.Errorf("providers: %v, %v", names, err)
	}
}

func TestNoStoredSessionIsNoError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	r := w.client.Sessions()
	id := w.accounts(1)[0]
	for _, account := range []string{id, "no-such-account"} {
		if got, err := r.Of(t.Context(), "oidc", account); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", account, got, err)
		}
	}
	w.signIn(t, "", "sub-0", "one")
	if got, err := r.Of(t.Context(), "google", id); err != nil || len(got) != 0 {
		t.Errorf("another provider's: %v, %v", got, err)
	}
}

func TestSessionsThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/users/*/oauth/sessions"
	for name, c := range map[string]struct {
		fault openwebuitest.Fault
		kind  fault.Kind
		hint  string
	}{
		"not allowed":           {openwebuitest.Fault{Status: 403, Detail: "eyJ.canary.token"}, fault.Auth, "API_KEYS_ALLOWED_ENDPOINTS"},
		"no administrator":      {openwebuitest.Fault{Status: 401, Detail: "eyJ.canary.token"}, fault.Auth, "administrator"},
		"a proxy's 400":         {openwebuitest.Fault{Status: 400, HTML: true}, fault.Invalid, "not from Open WebUI"},
		"a failing server":      {openwebuitest.Fault{Status: 500, Detail: "eyJ.canary.token"}, fault.Unavailable, "log"},
		"cut off":               {openwebuitest.Fault{Truncate: true}, fault.Unavailable, ""},
		"a web page":            {openwebuitest.Fault{HTML: true}, fault.Invalid, "web page"},
		"no list":               {openwebuitest.Fault{Body: `{"token":"eyJ.canary.token"}`}, fault.Invalid, ""},
		"a token that is none":  {openwebuitest.Fault{Body: `[{"id":"a","provider":"oidc","token":"eyJ.canary.token"}]`}, fault.Incomplete, ""},
		"a token of odd form":   {openwebuitest.Fault{Body: `[{"id":"a","provider":"oidc","token":{"id_token":["eyJ.canary.token"]}}]`}, fault.Incomplete, ""},
		"a session without id":  {openwebuitest.Fault{Body: `[{"provider":"oidc","token":{"id_token":"eyJ.canary.token"}}]`}, fault.Incomplete, ""},
		"times that are no one": {openwebuitest.Fault{Body: `[{"id":"a","provider":"oidc","token":{},"expires_at":"eyJ.canary.token"}]`}, fault.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			id := w.signIn(t, "ada@example.org", "sub-ada", "one")
			c.fault.Path = path
			w.Inject(c.fault)
			got, err := w.client.Sessions().Of(t.Context(), "oidc", id)
			if fault.KindOf(err) != c.kind || got != nil || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v (%v), hint %q", err, fault.KindOf(err), fault.HintOf(err))
			}
			if strings.Contains(fmt.Sprint(err)+w.logs.String(), "eyJ") {
				t.Errorf("the answer is repeated: %v", err)
			}
		})
	}
}

func TestProvidersAreReadWithoutTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.SetProviders("microsoft")
	w.AllowKeys(false)
	r := w.client.Sessions()
	if names, err := r.Providers(t.Context()); err != nil || !slices.Equal(names, []string{"microsoft"}) {
		t.Errorf("%v, %v", names, err)
	}
	w.answers("/api/config", `{"status":true}`)
	if _, err := r.Providers(t.Context()); fault.KindOf(err) != fault.Incomplete {
		t.Errorf("an answer without them: %v", err)
	}
	w.Heal()
	w.Inject(openwebuitest.Fault{Path: "/api/config", HTML: true})
	if _, err := r.Providers(t.Context()); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("a web page: %v", err)
	}
}

// seen lists whom SignedIn shows.
func seen(t *testing.T, r *openwebui.Sessions, provider string) ([]string, error) {
	t.Helper()
	var out []string
	err := r.SignedIn(t.Context(), provider, func(s providers.SignedIn) error {
		out = append(out, s.Email+" "+s.Subject)
		return nil
	})
	slices.Sort(out)
	return out, err
}

func TestSignedInShowsEverybodyOrFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", func(o *openwebui.Options) { o.NeedSubjects = false })
	r := w.client.Sessions()
	ids := w.accounts(100)
	w.AddAccount(openwebuitest.Account{Email: "local@example.org"})
	got, err := seen(t, r, "oidc")
	if err != nil || len(got) != 100 || !slices.Contains(got, "u42@example.org sub-42") {
		t.Fatalf("%d people, %v", len(got), err)
	}
	if got, err := seen(t, r, "google"); err != nil || len(got) != 0 {
		t.Errorf("another provider: %v, %v", got, err)
	}
	// Somebody is deleted while pages are read, which moves another to a page read before.
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Skip: 2, Times: 1, Do: func() { w.DeleteAccount(ids[99]) }})
	if got, err := seen(t, r, "oidc"); err != nil || len(got) < 99 || !slices.Contains(got, "u69@example.org sub-69") {
		t.Errorf("%d people after one was deleted meanwhile, %v", len(got), err)
	}
	w.Heal()
	stop := errors.New("stop")
	n := 0
	if err := r.SignedIn(t.Context(), "oidc", func(providers.SignedIn) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("after %d: %v", n, err)
	}
	for name, f := range map[string]openwebuitest.Fault{
		"a page fails":            {Path: "/api/v1/users/", Skip: 3, Status: 500},
		"a list leaves some out":  {Path: "/api/v1/users/all", Body: `{"users":[],"total":0}`},
		"pages leave some out":    {Path: "/api/v1/users/", Skip: 2, Body: `{"users":[],"total":100}`},
		"the total is not told":   {Path: "/api/v1/users/all", Body: `{"users":[]}`},
		"the connection is lost":  {Path: "/api/v1/users/", Skip: 3, Drop: openwebuitest.DropBefore},
		"an account has no id":    {Path: "/api/v1/users/", Skip: 1, Body: `{"users":[{"email":"x"}],"total":100}`},
		"the key is taken away":   {Path: "/api/v1/users/*", Status: 401},
		"somebody else's answers": {Path: "/api/v1/users/all", HTML: true},
	} {
		w.Inject(f)
		n := 0
		if err := w.client.Sessions().SignedIn(t.Context(), "oidc", func(providers.SignedIn) error { n++; return nil }); err == nil || n != 0 {
			t.Errorf("%s: %d people, %v", name, n, err)
		}
		w.Heal()
	}
}

func TestFindLooksByAccountSubjectAndMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(200)
	local := w.AddAccount(openwebuitest.Account{Email: "local@example.org", Name: "u7@example.org"})
	r := w.client.Sessions()
	for name, c := range map[string]struct {
		who  directory.Person
		want string
	}{
		"account":                         {directory.Person{Account: ids[3]}, ids[3]},
		"account before everything else":  {directory.Person{Account: ids[3], ID: "sub-4", Email: "u5@example.org"}, ids[3]},
		"subject":                         {directory.Person{ID: "sub-77"}, ids[77]},
		"subject before mail":             {directory.Person{ID: "sub-4", Email: "u5@example.org"}, ids[4]},
		"mail when nobody has it":         {directory.Person{ID: "sub-none", Email: "u5@example.org"}, ids[5]},
		"mail, in any case":               {directory.Person{Email: "U7@Example.org"}, ids[7]},
		"mail that others begin with":     {directory.Person{Email: "u1@example.org"}, ids[1]},
		"unknown account":                 {directory.Person{Account: "nobody"}, ""},
		"unknown subject":                 {directory.Person{ID: "sub-none"}, ""},
		"unknown mail":                    {directory.Person{Email: "none@example.org"}, ""},
		"a part of a mail":                {directory.Person{Email: "example.org"}, ""},
		"account without the provider":    {directory.Person{Account: local}, ""},
		"mail without the provider":       {directory.Person{Email: "local@example.org"}, ""},
		"nothing":                         {directory.Person{Username: "ada"}, ""},
		"a subject of the newest account": {directory.Person{ID: "sub-199"}, ids[199]},
	} {
		got, err := r.Find(t.Context(), "oidc", c.who)
		if c.want == "" && fault.KindOf(err) != fault.NotFound || c.want != "" && (err != nil || got.Account != c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := r.Find(t.Context(), "google", directory.Person{ID: "sub-3"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another provider: %v", err)
	}
}

func TestFindDoesNotReadEverybodyAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	ids := w.accounts(200)
	r := w.client.Sessions()
	cost := func(subject string) int {
		w.ResetLog()
		if _, err := r.Find(t.Context(), "oidc", directory.Person{ID: subject}); err != nil && fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
		reads, _ := w.Count()
		return reads
	}
	if n := cost("sub-5"); n < 7 {
		t.Errorf("the first search took %d requests", n)
	}
	if n := cost("sub-9"); n != 1 {
		t.Errorf("the second took %d", n)
	}
	if n := cost("sub-none"); n != 2 {
		t.Errorf("one for nobody took %d", n)
	}
	// Who signs in after everybody was read is found without reading everybody.
	w.pass(30)
	w.MergeByEmail(true)
	local := w.AddAccount(openwebuitest.Account{Email: "later@example.org", CreatedAt: 1})
	w.signIn(t, "later@example.org", "sub-later", "x")
	if n := cost("sub-later"); n != 3 {
		t.Errorf("one who signed in lately took %d", n)
	}
	if got, err := r.Find(t.Context(), "oidc", directory.Person{ID: "sub-later"}); err != nil || got.Account != local {
		t.Errorf("%+v, %v", got, err)
	}
	// What was known and is not so any more is found out.
	w.SetOAuth(ids[9], "oidc", "sub-new")
	if _, err := r.Find(t.Context(), "oidc", directory.Person{ID: "sub-9"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a subject that moved: %v", err)
	}
	w.DeleteAccount(ids[5])
	if _, err := r.Find(t.Context(), "oidc", directory.Person{ID: "sub-5"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a deleted account: %v", err)
	}
	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Status: 500})
	for _, who := range []directory.Person{{ID: "sub-unknown"}, {Email: "u1@example.org"}, {ID: "sub-unknown", Email: "u1@example.org"}} {
		if _, err := r.Find(t.Context(), "oidc", who); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%+v while the server fails: %v", who, err)
		}
	}
}

func TestSessionsSpendNothingOfARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	id := w.signIn(t, "ada@example.org", "sub-ada", "one")
	r, run := w.client.Sessions(), w.client.Session()
	if _, err := r.Of(t.Context(), "oidc", id); err != nil {
		t.Fatal(err)
	}
	if n, _ := run.Spent(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
