package okta_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/okta/oktatest"
)

// TestTokensAreBoundToAKeyWhereOktaWantsIt: found out, or configured.
func TestTokensAreBoundToAKeyWhereOktaWantsIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		demanded bool
		dpop     string
		tokens   int // requests
	}{{false, okta.Auto, 1}, {true, okta.Auto, 3}, {true, okta.On, 2}} {
		synctest.Test(t, func(t *testing.T) {
			s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.DPoP, o.PageSize = c.demanded, 1 })
			source := s.Open(t, func(k *okta.Config) { k.DPoP = c.dpop })
			got, err := source.Pull(t.Context(), nil)
			whole(t, got, err)
			if n := s.Count("/oauth2/v1/token"); n != c.tokens {
				t.Errorf("%+v: %d requests for tokens", c, n)
			}
			time.Sleep(time.Minute)
			s.Revoke()
			got, err = source.Pull(t.Context(), nil)
			whole(t, got, err)
		})
	}
}

func TestATokenIsUsedUntilShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory)
		source := s.Open(t)
		for range 5 {
			got, err := source.Pull(t.Context(), nil)
			whole(t, got, err)
			time.Sleep(20 * time.Minute)
		}
		if n := s.Count("/oauth2/v1/token"); n != 2 {
			t.Errorf("%d tokens in 80 minutes", n)
		}
	})
}

// TestWhatIsMissingIsNamed: an error of each kind says what to click, in a read, in a look-up
// and in doctor.
func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		option func(*oktatest.Options)
		config func(*okta.Config)
		hint   string
		check  string // the finding that fails
	}{
		"another key id": {config: func(c *okta.Config) { c.KeyID = "key-2" }, hint: "public keys", check: "token"},
		"another app":    {config: func(c *okta.Config) { c.ClientID = "0oaSomebodyElse00001" }, hint: "client id", check: "token"},
		"no scope":       {option: func(o *oktatest.Options) { o.Scopes = []string{"okta.groups.read"} }, hint: "Okta API Scopes", check: "token"},
		"a scope that is not asked for": {config: func(c *okta.Config) { c.Scopes = []string{"okta.users.read"} },
			hint: "Okta API Scopes", check: "groups"},
		"no role": {option: func(o *oktatest.Options) { o.NoRole = true }, hint: "Admin roles", check: "users"},
		"no owner": {config: func(c *okta.Config) {
			c.Scopes, c.AssignedTo = []string{"okta.users.read", "okta.groups.read"}, "Open WebUI"
		}, hint: "Okta API Scopes", check: "app"},
	} {
		synctest.Test(t, func(t *testing.T) {
			if c.option == nil {
				c.option = func(*oktatest.Options) {}
			}
			if c.config == nil {
				c.config = func(*okta.Config) {}
			}
			s := oktatest.New(t, firm(), oktatest.InMemory, c.option)
			source := s.Open(t, c.config)
			got, err := source.Pull(t.Context(), nil)
			if fault.KindOf(err) != fault.Auth || !strings.Contains(fault.HintOf(err), c.hint) || got.Coverage() != directory.None {
				t.Errorf("%s: coverage %s, %v, hint %q", name, got.Coverage(), err, fault.HintOf(err))
			}
			failed := ""
			for _, f := range source.(providers.Checker).Check(t.Context()) {
				if f.Level == providers.Failed && failed == "" {
					failed = f.Check
					if !strings.Contains(f.Remedy, c.hint) {
						t.Errorf("%s: the remedy is %q", name, f.Remedy)
					}
				}
			}
			if failed != c.check {
				t.Errorf("%s: doctor finds %q, want %q", name, failed, c.check)
			}
		})
	}
}

// TestGroupsAreReadWithoutTheRightToListPeople: what can be proved is.
func TestGroupsAreReadWithoutTheRightToListPeople(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.Scopes = []string{"okta.groups.read"} })
		got, err := s.Open(t, func(c *okta.Config) { c.Scopes = []string{"okta.groups.read"} }).Pull(t.Context(), nil)
		if fault.KindOf(err) != fault.Auth || got.UsersListed || !got.GroupsListed || got.Cursor != nil {
			t.Errorf("%v, users %t, groups %t", err, got.UsersListed, got.GroupsListed)
		}
		want(t, got, map[string]string{"00g1": "00u1 00u2", "00g2": "00u2 00u3", "00g3": ""})
	})
}

func findings(t *testing.T, s providers.Source) map[string]providers.Finding {
	t.Helper()
	all := map[string]providers.Finding{}
	for _, f := range s.(providers.Checker).Check(t.Context()) {
		all[f.Check] = f
	}
	return all
}

func TestDoctorLooksAtEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) { o.Limits = oktatest.Halved() })
		s.Assign([]string{"00g2"}, nil)
		s.SetStatus("00u1", "DEPROVISIONED")
		all := findings(t, s.Open(t, withOwners, func(c *okta.Config) { c.AssignedTo = oktatest.AppLabel }))
		for _, check := range []string{"token", "users", "limits", "deactivated users", "groups", "admin role", "members", "owners", "app"} {
			if all[check].Level != providers.OK {
				t.Errorf("%s: %+v", check, all[check])
			}
		}
		if _, ok := all["clock"]; ok || !strings.Contains(all["limits"].Message, "300") || !strings.Contains(all["deactivated users"].Message, "disabled") {
			t.Errorf("%+v", all)
		}
	})
}

func TestDoctorNoticesWhatLooksAllRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := oktatest.New(t, firm(), oktatest.InMemory, func(o *oktatest.Options) {
			o.GroupAdmin = true
			o.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
		})
		all := findings(t, s.Open(t, func(c *okta.Config) { c.Types, c.AssignedTo = []string{"BUILT_IN"}, oktatest.AppLabel }))
		for _, check := range []string{"admin role", "clock", "groups", "app"} {
			if all[check].Level != providers.Warning || all[check].Remedy == "" {
				t.Errorf("%s: %+v", check, all[check])
			}
		}
		if !strings.Contains(all["clock"].Message, "2m0s") {
			t.Errorf("%+v", all["clock"])
		}
	})
}
