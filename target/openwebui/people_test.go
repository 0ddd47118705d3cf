package openwebui_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui/openwebuitest"
)

// TestARoleIsSetWhateverThePictureIs is about 0.8, which wants every field of an account
// back and refuses pictures that sign-ins gave it.
func TestARoleIsSetWhateverThePictureIs(t *testing.T) {
	t.Parallel()
	for version, alone := range map[string]bool{"0.8.0": false, "0.8.12": false, "0.9.0": true, "0.12.4": true} {
		for picture, kept := range map[string]bool{
			"https://cdn.example.org/a.png": false, "/api/v1/users/x/profile/image": false, "data:image/svg+xml,x": false, "data:image/png;base64,eA==": true, "/static/favicon.png": true,
		} {
			w := newWorld(t, version, nil)
			w.accounts(40)
			id := w.Accounts()[1].ID // on the last page
			w.SetPicture(id, picture)
			s := w.client.Session()
			for _, role := range []string{plan.RolePending, plan.RoleAdmin} {
				if a, err := s.SetRole(t.Context(), plan.Account{ID: id, Email: "u0@example.org"}, role); err != nil || a.Role != role {
					t.Fatalf("%s, %q: %+v, %v", version, picture, a, err)
				}
			}
			a := w.Accounts()[1]
			if a.Role != plan.RoleAdmin || a.Email != "u0@example.org" || a.Name != "u0@example.org" {
				t.Errorf("%s: %+v", version, a)
			}
			posts := slices.DeleteFunc(w.Log(), func(r openwebuitest.Request) bool { return r.Method != http.MethodPost })
			if want := map[bool]int{true: 2, false: 3}[alone]; len(posts) != want {
				t.Errorf("%s: %d writes for two changes, want %d", version, len(posts), want)
			}
			if have := w.Picture(id); (kept || alone) && have != picture || !kept && !alone && have != "/user.png" {
				t.Errorf("%s: the picture %q became %q", version, picture, have)
			}
		}
	}
}

func TestARoleThatTheServerDidNotTakeIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault openwebuitest.Fault
		kind  fault.Kind
	}{
		"another role":    {openwebuitest.Fault{Method: "POST", Body: `{"id":"ID","role":"user"}`}, fault.Conflict},
		"another account": {openwebuitest.Fault{Method: "POST", Body: `{"id":"x","role":"pending"}`}, fault.Incomplete},
		"a page":          {openwebuitest.Fault{Method: "POST", HTML: true}, fault.Invalid},
		"restricted":      {openwebuitest.Fault{Method: "POST", Status: 403}, fault.Auth},
		"fails":           {openwebuitest.Fault{Method: "POST", Status: 500}, fault.Unavailable},
		"lists it still":  {openwebuitest.Fault{Method: "POST", Status: 404}, fault.Conflict},
	} {
		w := newWorld(t, "", nil)
		id := w.accounts(1)[0]
		c.fault.Body = strings.ReplaceAll(c.fault.Body, "ID", id)
		w.Inject(c.fault)
		if _, err := w.client.Session().SetRole(t.Context(), plan.Account{ID: id}, plan.RolePending); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALostAnswerToARoleIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	id := w.accounts(1)[0]
	w.Inject(openwebuitest.Fault{Method: "POST", Drop: openwebuitest.DropAfter, Times: 1})
	if a, err := w.client.Session().SetRole(t.Context(), plan.Account{ID: id}, plan.RolePending); err != nil || a.Role != plan.RolePending {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestSessionsOfTheVersionsThatCannotEndThem(t *testing.T) {
	t.Parallel()
	for version, can := range map[string]bool{"0.8.0": false, "0.11.4": false, "0.12.0": true} {
		w := newWorld(t, version, nil)
		id := w.accounts(1)[0]
		w.Token(id)
		done, err := w.client.Session().RevokeSessions(t.Context(), id)
		if err != nil || done != can || (len(w.Secrets(id)) == 0) != can {
			t.Errorf("%s: %t, %v", version, done, err)
		}
	}
	w := newWorld(t, "", nil)
	w.Inject(openwebuitest.Fault{Method: "POST", HTML: true})
	if done, err := w.client.Session().RevokeSessions(t.Context(), w.accounts(1)[0]); err != nil || done {
		t.Errorf("a page: %t, %v", done, err)
	}
	w.Heal()
	if _, err := w.client.Session().RevokeSessions(t.Context(), w.Admin); err != nil {
		t.Errorf("our own: %v", err)
	}
	w.SetRole(w.accounts(1)[0], plan.RoleAdmin)
}

// strict is the policy that the server has where ENABLE_PASSWORD_VALIDATION is on and no
// pattern is given.
func strict(password string) bool {
	has := func(f func(rune) bool) bool { return strings.IndexFunc(password, f) >= 0 }
	return len(password) >= 8 && len(password) <= 72 && has(unicode.IsUpper) && has(unicode.IsLower) && has(unicode.IsDigit) &&
		has(func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != ' ' })
}

func TestNobodyLearnsTheSecretsOfANewAccount(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.0", "0.12.4"} {
		w := newWorld(t, version, nil)
		w.PasswordPolicy(strict)
		s := w.client.Session()
		var seen []string
		for _, email := range []string{"a@example.org", "b@example.org"} {
			a, err := s.CreateAccount(t.Context(), plan.AccountSpec{Email: email, Role: plan.RolePending})
			if err != nil {
				t.Fatal(err)
			}
			if a.Name != email || a.Role != plan.RolePending {
				t.Errorf("%+v", a)
			}
			secrets := w.Secrets(a.ID)
			if len(secrets) != 2 || slices.Contains(seen, secrets[0]) {
				t.Fatalf("a password and a token, not those of before: %d", len(secrets))
			}
			seen = append(seen, secrets...)
		}
		_, err := s.CreateAccount(t.Context(), plan.AccountSpec{Email: "A@example.org", Role: plan.RoleUser})
		if fault.KindOf(err) != fault.Conflict {
			t.Errorf("taken: %v", err)
		}
		w.PasswordPolicy(func(string) bool { return false })
		_, policy := s.CreateAccount(t.Context(), plan.AccountSpec{Email: "c@example.org", Role: plan.RoleUser})
		if fault.KindOf(policy) != fault.Invalid || !strings.Contains(fault.HintOf(policy), "PASSWORD_VALIDATION") {
			t.Errorf("policy: %v", policy)
		}
		for _, secret := range seen {
			if strings.Contains(w.logs.String()+err.Error()+policy.Error(), secret) {
				t.Error("a secret of a new account is shown")
			}
		}
	}
}

func TestAnAccountIsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault openwebuitest.Fault
		kind  fault.Kind
		hint  string
		made  int
	}{
		"lost answer":    {openwebuitest.Fault{Drop: openwebuitest.DropAfter, Times: 1}, 0, "", 1},
		"lost request":   {openwebuitest.Fault{Drop: openwebuitest.DropBefore, Times: 1}, 0, "", 1},
		"cut answer":     {openwebuitest.Fault{Cut: true, Times: 1}, 0, "", 1},
		"restricted key": {openwebuitest.Fault{Status: 403}, fault.Auth, "/api/v1/auths/add", 0},
		"echoing":        {openwebuitest.Fault{Status: 422, Echo: true}, fault.Invalid, "", 0},
		"without an id":  {openwebuitest.Fault{Body: `{"token":"canary-token"}`}, fault.Incomplete, "", 0},
	} {
		w := newWorld(t, "", nil)
		c.fault.Path = "/api/v1/auths/add"
		w.Inject(c.fault)
		a, err := w.client.Session().CreateAccount(t.Context(), plan.AccountSpec{Email: "new@example.org", Role: plan.RoleUser})
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) || err == nil && a.Email != "new@example.org" {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "aA1!")) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(w.Accounts()) - 1; n != c.made {
			t.Errorf("%s: %d accounts were made", name, n)
		}
	}
}

// TestAChangedRoleIsSeenWhoeverHasIt is about accounts that are on none of the pages which
// a look at nothing new reads.
func TestAChangedRoleIsSeenWhoeverHasIt(t *testing.T) {
	t.Parallel()
	for _, looks := range []bool{true, false} {
		w := newWorld(t, "", nil)
		oldest := w.accounts(40)[0]
		w.look(t, false)
		w.SetRole(oldest, plan.RoleAdmin)
		s := w.client.Session()
		o, err := s.Observe(t.Context(), w.memory.Mirror, plan.Look{Roles: looks})
		if err != nil {
			t.Fatal(err)
		}
		w.memory.Observe(o)
		n, _ := w.memory.Mirror.Number(oldest)
		if a := w.memory.Mirror.Account(n); (a.Role == plan.RoleAdmin) != looks || a.Subjects["oidc"] != "sub-0" {
			t.Errorf("looking at roles %t: %+v", looks, a)
		}
		if requests, _ := s.Spent(); looks && requests > 5 {
			t.Errorf("%d requests", requests)
		}
	}
}
