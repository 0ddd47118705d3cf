package oidc

import (
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// groupsOf gives the ids of the groups that a look-up shows, and whether it covers its one
// person.
func groupsOfOne(t testing.TB, s *directory.Snapshot) ([]string, bool) {
	t.Helper()
	var ids []string
	for _, g := range s.Groups {
		if g.MembersKnown || !slices.Equal(g.Members, []uint32{0}) {
			t.Errorf("group %+v: want the one person in it, and its other members unknown", g)
		}
		ids = append(ids, g.ID)
	}
	if s.UsersListed || s.GroupsListed || len(s.Users) > 1 || s.AsOf.IsZero() || s.Reason == "" {
		t.Errorf("snapshot %+v: want one person, no list, and a reason", s)
	}
	return ids, len(s.Users) == 1 && s.Users[0].GroupsKnown
}

func lookUp(t testing.TB, s *source, who directory.Person) *directory.Snapshot {
	t.Helper()
	got, err := s.LookUp(t.Context(), who)
	if err != nil {
		t.Fatalf("LookUp(%+v): %v", who, err)
	}
	return got
}

func wantGroups(t testing.TB, got *directory.Snapshot, want ...string) {
	t.Helper()
	if ids, covered := groupsOfOne(t, got); !covered || !slices.Equal(ids, want) {
		t.Errorf("groups %q, covered %v (%s), want %q", ids, covered, got.Reason, want)
	}
}

func wantNothing(t testing.TB, got *directory.Snapshot, reason string) {
	t.Helper()
	if got.Coverage() != directory.None || len(got.Users)+len(got.Groups) > 0 || !strings.Contains(got.Reason, reason) {
		t.Errorf("%+v, want nothing covered because %q", got, reason)
	}
}

func TestAPersonIsReadFromTheirSession(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	claims := o.claims().with(c{"groups": []string{"/org/staff", "ai"}, "department": "Finance", "langs": []any{"de", 7, true}, "oid": "entra-7"})
	target.signIn("acc-1", "ann", o.sign(claims), "")
	s := o.open(t, target, func(cfg *Config) {
		cfg.Claims.Attributes = map[string]string{"department": "department", "langs": "langs", "none": "none"}
	})
	for _, who := range []directory.Person{{ID: "ann"}, {Account: "acc-1"}, {Email: "Ann@Example.org"}, {ID: "ann", Account: "acc-1"}, {ID: "ann", Email: "other@example.org"}} {
		before := time.Now()
		got := lookUp(t, s, who)
		wantGroups(t, got, "/org/staff", "ai")
		u := got.Users[0]
		if u.ID != "ann" || u.Email != "ann@example.org" || u.Username != "ann" || u.Name != "Ann" || u.StatusKnown || u.Disabled ||
			!slices.Equal(u.Attributes["oid"], []string{"entra-7"}) || !slices.Equal(u.Attributes["department"], []string{"Finance"}) ||
			!slices.Equal(u.Attributes["langs"], []string{"de", "7", "true"}) || len(u.Attributes) != 3 {
			t.Errorf("%+v: user %+v", who, u)
		}
		if u.AsOf.Unix() != claims["iat"].(int64) || got.AsOf.Before(before) || got.AsOf.Before(u.AsOf) {
			t.Errorf("%+v: as of %s in a snapshot of %s, issued at %d", who, u.AsOf, got.AsOf, claims["iat"])
		}
		if g := got.Groups[0]; g.Name != "staff" || g.Path != "/org/staff" {
			t.Errorf("group %+v", g)
		}
	}
}

func TestALookUpOfAnAccountAsksTheTargetOnce(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	target.signIn("acc-1", "ann", o.sign(o.claims()), "")
	s := o.open(t, target, func(cfg *Config) { cfg.Provider = "oidc" })
	wantGroups(t, lookUp(t, s, directory.Person{Account: "acc-1", ID: "ann"}), "staff")
	if !slices.Equal(target.asked, []string{"acc-1"}) {
		t.Errorf("asked %q", target.asked)
	}
	if described, keys, info := o.count(wellKnown), o.count("/keys"), o.count("/userinfo"); described != 1 || keys != 1 || info != 0 {
		t.Errorf("the provider was asked %d, %d and %d times", described, keys, info)
	}
	wantGroups(t, lookUp(t, s, directory.Person{Account: "acc-1"}), "staff")
	if described, keys := o.count(wellKnown), o.count("/keys"); described != 1 || keys != 1 {
		t.Errorf("at the second look-up the provider was asked %d and %d times", described, keys)
	}
}

func TestWhatProvesNothingCoversNothing(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	old := time.Now().Add(-40 * 24 * time.Hour)
	for name, c := range map[string]struct {
		tokens []string
		who    directory.Person
		change func(*Config)
		reason string
	}{
		"nobody":                         {nil, directory.Person{ID: "bob"}, nil, "signed in"},
		"nobody by that mail":            {nil, directory.Person{Email: "bob@example.org"}, nil, "signed in"},
		"nobody by that account":         {nil, directory.Person{Account: "acc-9"}, nil, "no sign-in session"},
		"somebody by their name":         {[]string{o.sign(o.claims())}, directory.Person{Username: "ann"}, nil, "account, subject or mail"},
		"nothing to look for":            {[]string{o.sign(o.claims())}, directory.Person{}, nil, "account, subject or mail"},
		"no session":                     {nil, directory.Person{Account: "acc-1"}, nil, "no sign-in session"},
		"a session without an ID token":  {[]string{""}, directory.Person{ID: "ann"}, nil, "has a signed ID token"},
		"a session with something else":  {[]string{"gho_abc"}, directory.Person{ID: "ann"}, nil, "has a signed ID token"},
		"no claim":                       {[]string{o.sign(o.claims().with(c{"groups": nil}))}, directory.Person{ID: "ann"}, nil, "no claim groups"},
		"no claim, userinfo off":         {[]string{o.sign(o.claims().with(c{"groups": nil}))}, directory.Person{ID: "ann"}, func(cfg *Config) { cfg.UserInfo = Off }, "no claim groups"},
		"no claim, and empty if it were": {[]string{o.sign(o.claims().with(c{"groups": nil}))}, directory.Person{ID: "ann"}, func(cfg *Config) { cfg.AbsentClaim = AbsentEmpty }, "userinfo cannot be asked"},
		"null":                           {[]string{o.sign(o.claims().with(c{"groups": null}))}, directory.Person{ID: "ann"}, nil, "is null"},
		"overage":                        {[]string{o.sign(o.claims().with(c{"groups": nil, "_claim_names": map[string]string{"groups": "src1"}}))}, directory.Person{ID: "ann"}, nil, "entra"},
		"a shape nobody knows":           {[]string{o.sign(o.claims().with(c{"groups": 7}))}, directory.Person{ID: "ann"}, nil, "is a number"},
		"another client's token":         {[]string{o.sign(o.claims().with(c{"aud": "grafana"}))}, directory.Person{ID: "ann"}, nil, `"grafana"`},
		"another issuer's token":         {[]string{o.sign(o.claims().with(c{"iss": "https://other.example"}))}, directory.Person{ID: "ann"}, nil, `"https://other.example"`},
		"a key that is gone":             {[]string{signWith(t, key{elliptic2(), "k0", "ES256"}, nil, o.claims().with(c{"iat": old.Unix(), "exp": old.Unix() + 300}))}, directory.Person{ID: "ann"}, nil, "does not publish"},
		"somebody else's token":          {[]string{o.sign(o.claims().with(c{"sub": "bob"}))}, directory.Person{ID: "ann", Account: "acc-1"}, nil, "somebody else"},
	} {
		target := newChat()
		target.accounts = []providers.SignedIn{{Account: "acc-1", Subject: "ann", Email: "ann@example.org"}}
		for _, raw := range c.tokens {
			target.signIn("acc-1", "ann", raw, "")
		}
		var change []func(*Config)
		if c.change != nil {
			change = append(change, c.change)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := lookUp(t, o.open(t, target, change...), c.who)
			wantNothing(t, got, c.reason)
			for _, raw := range c.tokens {
				if raw != "" {
					without(t, got.Reason, raw)
				}
			}
		})
	}
}

func TestAnExplicitEmptyListIsAnAnswer(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	target.signIn("acc-1", "ann", o.sign(o.claims().with(c{"groups": []string{}})), "")
	target.signIn("acc-2", "bob", o.sign(o.claims().with(c{"sub": "bob", "groups": nil})), "")
	wantGroups(t, lookUp(t, o.open(t, target), directory.Person{ID: "ann"}))
	off := o.open(t, target, func(cfg *Config) { cfg.AbsentClaim, cfg.UserInfo = AbsentEmpty, Off })
	wantGroups(t, lookUp(t, off, directory.Person{ID: "bob"}))
}

// TestTheNewestTokenCounts: Open WebUI exchanges the tokens of a session in use, so that
// the newest session need not have the newest token.
func TestTheNewestTokenCounts(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	now := time.Now()
	at := func(ago time.Duration, groups ...string) string {
		return o.sign(o.claims().with(c{"iat": now.Add(-ago).Unix(), "exp": now.Add(-ago + 5*time.Minute).Unix(), "groups": groups}))
	}
	unknown := signWith(t, key{elliptic2(), "k0", "ES256"}, nil, o.claims().with(c{"groups": []string{"forged"}}))
	for name, c := range map[string]struct {
		tokens []string // from the oldest session to the newest
		want   []string
	}{
		"the newest session":                  {[]string{at(48*time.Hour, "a"), at(time.Hour, "b")}, []string{"b"}},
		"an older session that was exchanged": {[]string{at(time.Hour, "a"), at(48*time.Hour, "b")}, []string{"a"}},
		"beside one without a token":          {[]string{at(48*time.Hour, "a"), ""}, []string{"a"}},
		"beside one that is not right":        {[]string{at(48*time.Hour, "a"), unknown}, []string{"a"}},
		"of three":                            {[]string{at(3*time.Hour, "a"), at(time.Hour, "b"), at(2*time.Hour, "c")}, []string{"b"}},
		"long expired":                        {[]string{at(30*24*time.Hour, "a")}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := newChat()
			for _, raw := range c.tokens {
				target.signIn("acc-1", "ann", raw, "")
			}
			wantGroups(t, lookUp(t, o.open(t, target), directory.Person{Account: "acc-1"}), c.want...)
		})
	}
}

func TestEvidenceIsNeverOfTheFuture(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	target.signIn("acc-1", "ann", o.sign(o.claims().with(c{"iat": time.Now().Add(3 * time.Minute).Unix()})), "")
	got := lookUp(t, o.open(t, target), directory.Person{ID: "ann"})
	wantGroups(t, got, "staff")
	if u := got.Users[0]; u.AsOf.After(got.AsOf) {
		t.Errorf("as of %s, read at %s", u.AsOf, got.AsOf)
	}
}

func TestAnAddressCountsUnlessItIsSaidToBeUnverified(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	for _, c := range []struct {
		change c
		want   string
	}{
		{c{}, "ann@example.org"},
		{c{"email_verified": nil}, "ann@example.org"},
		{c{"email_verified": "true"}, "ann@example.org"},
		{c{"email_verified": false}, ""},
		{c{"email_verified": "false"}, ""},
		{c{"email": nil}, ""},
		{c{"email": []string{"ann@example.org"}}, ""},
		{c{"email": "a\nb@example.org"}, ""},
	} {
		target := newChat()
		target.signIn("acc-1", "ann", o.sign(o.claims().with(c.change)), "")
		got := lookUp(t, o.open(t, target), directory.Person{ID: "ann"})
		wantGroups(t, got, "staff")
		if u := got.Users[0]; u.Email != c.want {
			t.Errorf("%v gives %q", c.change, u.Email)
		}
	}
}

func TestTheProviderInsideTheTargetIsFound(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	for name, c := range map[string]struct {
		names []string
		given string
		want  fault.Kind
	}{
		"the only one": {[]string{"keycloak"}, "", 0},
		"none":         {nil, "", fault.Invalid},
		"several":      {[]string{"google", "oidc"}, "", fault.Invalid},
		"one of them":  {[]string{"google", "oidc"}, "oidc", 0},
	} {
		target := newChat()
		target.names = c.names
		target.signIn("acc-1", "ann", o.sign(o.claims()), "")
		s := o.open(t, target, func(cfg *Config) { cfg.Provider = c.given })
		got, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
		if fault.KindOf(err) != c.want || c.want != 0 && (fault.HintOf(err) == "" || got.Coverage() != directory.None) {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
		if c.want == 0 {
			wantGroups(t, got, "staff")
		}
	}
}

func TestTargetsErrorsAreErrors(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	target.signIn("acc-1", "ann", o.sign(o.claims()), "")
	target.broken["acc-1"] = fault.New(fault.Unavailable, "read sessions", "chat", errClosed, "look at it")
	got, err := o.open(t, target).LookUp(t.Context(), directory.Person{Account: "acc-1"})
	if fault.KindOf(err) != fault.Unavailable || got == nil || got.Coverage() != directory.None {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSessionsAreReadThroughUserinfoOnlyWhereTheIDTokenIsThin(t *testing.T) {
	t.Parallel()
	thin := c{"groups": nil, "email": nil, "email_verified": nil}
	for name, c := range map[string]struct {
		token  c // changes the ID token
		access string
		info   c // what userinfo says
		change func(*Config)
		groups []string
		why    string
		asked  int64
		old    bool // as of iat and not now
		email  string
	}{
		"a full token":             {c{}, "access-1", c{"sub": "ann", "groups": []string{"x"}}, nil, []string{"staff"}, "", 0, true, "ann@example.org"},
		"a thin token":             {thin, "access-1", c{"sub": "ann", "groups": []string{"x"}, "email": "a@example.org"}, nil, []string{"x"}, "", 1, false, "a@example.org"},
		"an unverified mail":       {thin, "access-1", c{"sub": "ann", "groups": []string{"x"}, "email": "a@example.org", "email_verified": false}, nil, []string{"x"}, "", 1, false, ""},
		"null in the token":        {c{"groups": null}, "access-1", c{"sub": "ann", "groups": []string{}}, nil, nil, "", 1, false, "ann@example.org"},
		"switched off":             {thin, "access-1", c{"sub": "ann", "groups": []string{"x"}}, func(cfg *Config) { cfg.UserInfo = Off }, nil, "no claim", 0, false, ""},
		"no living token":          {thin, "", nil, nil, nil, "cannot be asked", 0, false, ""},
		"ended at the provider":    {thin, "revoked", nil, nil, nil, "ended at the provider", 1, false, ""},
		"about somebody else":      {thin, "access-1", c{"sub": "bob", "groups": []string{"x"}}, nil, nil, "somebody else", 1, false, ""},
		"about nobody":             {thin, "access-1", c{"groups": []string{"x"}}, nil, nil, "somebody else", 1, false, ""},
		"no claim there either":    {thin, "access-1", c{"sub": "ann"}, nil, nil, "in the ID token and in userinfo", 1, false, ""},
		"none, which is empty":     {thin, "access-1", c{"sub": "ann"}, func(cfg *Config) { cfg.AbsentClaim = AbsentEmpty }, nil, "", 1, false, ""},
		"a shape nobody knows":     {thin, "access-1", c{"sub": "ann", "groups": 7}, nil, nil, "is a number", 1, false, ""},
		"overage":                  {c{"groups": nil, "hasgroups": true}, "access-1", c{"sub": "ann", "groups": []string{"x"}}, nil, nil, "too many", 0, false, ""},
		"a bad shape in the token": {c{"groups": 7}, "access-1", c{"sub": "ann", "groups": []string{"x"}}, nil, nil, "is a number", 0, false, ""},
		"two claims in two places": {c{}, "access-1", c{"sub": "ann", "roles": []string{"r"}}, func(cfg *Config) { cfg.Claims.Groups = []string{"groups", "roles"} }, []string{"staff", "r"}, "", 1, true, "ann@example.org"},
		"one of two, else empty": {c{}, "access-1", c{"sub": "ann"}, func(cfg *Config) {
			cfg.Claims.Groups, cfg.AbsentClaim = []string{"groups", "roles"}, AbsentEmpty
		}, []string{"staff"}, "", 1, true, "ann@example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, target := newOP(t), newChat()
			if c.info != nil {
				o.userinfo["access-1"] = c.info
			}
			claims := o.claims().with(c.token)
			target.signIn("acc-1", "ann", o.sign(claims), c.access)
			var change []func(*Config)
			if c.change != nil {
				change = append(change, c.change)
			}
			began := time.Now()
			got := lookUp(t, o.open(t, target, change...), directory.Person{Account: "acc-1"})
			if asked := o.count("/userinfo"); asked != c.asked {
				t.Errorf("userinfo was asked %d times, want %d", asked, c.asked)
			}
			if c.why != "" {
				wantNothing(t, got, c.why)
				return
			}
			wantGroups(t, got, c.groups...)
			if u := got.Users[0]; u.AsOf.Before(began) != c.old || u.AsOf.After(got.AsOf) || u.Email != c.email {
				t.Errorf("user %+v in a snapshot of %s, began %s", u, got.AsOf, began)
			}
		})
	}
}

// TestAnAccessTokenOfAnotherSessionServes: which session the newest ID token came from
// says nothing about which access token still lives.
func TestAnAccessTokenOfAnotherSessionServes(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	o.userinfo["access-1"] = map[string]any{"sub": "ann", "groups": []string{"x"}}
	thin := o.claims().with(c{"groups": nil})
	target.signIn("acc-1", "ann", o.sign(thin.with(c{"iat": time.Now().Add(-time.Hour).Unix()})), "access-1")
	target.signIn("acc-1", "ann", o.sign(thin), "")
	wantGroups(t, lookUp(t, o.open(t, target), directory.Person{ID: "ann"}), "x")
}

func TestUserinfoMayBeSigned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body func(*op) string
		want fault.Kind
	}{
		"as it should be": {func(o *op) string {
			return o.sign(c{"iss": o.URL, "aud": audience, "sub": "ann", "groups": []string{"x"}})
		}, 0},
		"for another": {func(o *op) string {
			return o.sign(c{"iss": o.URL, "aud": "other", "sub": "ann", "groups": []string{"x"}})
		}, fault.Invalid},
		"by another": {func(o *op) string { return o.sign(c{"iss": "https://x.example", "aud": audience, "sub": "ann"}) }, fault.Invalid},
		"with another key": {func(o *op) string {
			return signWith(o.t, key{elliptic2(), "k1", "ES256"}, nil, c{"iss": o.URL, "aud": audience, "sub": "ann"})
		}, fault.Invalid},
		"with a secret": {func(o *op) string { return hmacToken(o.t, c{"iss": o.URL, "aud": audience, "sub": "ann"}) }, fault.Invalid},
		"encrypted":     {func(*op) string { return "a.b.c.d.e" }, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, target := newOP(t), newChat()
			target.signIn("acc-1", "ann", o.sign(o.claims().with(map[string]any{"groups": nil})), "access-1")
			o.answer("/userinfo", status(200, "application/jwt; charset=utf-8", c.body(o)))
			got, err := o.open(t, target).LookUp(t.Context(), directory.Person{ID: "ann"})
			if fault.KindOf(err) != c.want || err != nil && got.Coverage() != directory.None {
				t.Fatalf("%+v, %v", got, err)
			}
			if err == nil {
				wantGroups(t, got, "x")
			}
		})
	}
}

// TestTheAccessTokenGoesToUserinfoOnly: what a server answers may repeat it.
func TestTheAccessTokenGoesToUserinfoOnly(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	const access = "access-canary-5d2f81"
	target.signIn("acc-1", "ann", o.sign(o.claims().with(c{"groups": nil})), access)
	o.answer("/userinfo", status(400, "application/json", `{"error":"invalid","message":"no `+access+`"}`))
	s := o.open(t, target)
	_, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
	if err == nil || strings.Contains(err.Error()+fault.HintOf(err), access) {
		t.Errorf("error: %v", err)
	}
}
