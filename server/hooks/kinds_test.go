package hooks_test

import (
	"slices"
	"strings"
	"testing"

	"groupsyncd/server/hooks"
)

// TestKindsAreThoseOfTheContract: the names are what configurations have.
func TestKindsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	want := strings.Fields("standard openwebui keycloak okta authentik graph google logout")
	if got := hooks.Kinds(); !slices.Equal(got, want) {
		t.Fatalf("kinds are %v", got)
	}
	for _, name := range want {
		k, ok := hooks.Find(name)
		if !ok || k.Name != name {
			t.Fatalf("%s is found as %+v, %v", name, k, ok)
		}
		if !slices.Contains(k.Methods, "POST") {
			t.Errorf("%s has the methods %v", name, k.Methods)
		}
		for _, need := range []hooks.Need{k.Secret, k.Source, k.Target} {
			if need != hooks.Required && need != hooks.Optional && need != hooks.None {
				t.Errorf("%s needs %q", name, need)
			}
		}
		s := k.Statuses
		if s.Accepted/100 != 2 || s.Refused/100 != 4 || s.Unreadable/100 != 4 || s.Repeated == 0 {
			t.Errorf("%s answers %+v", name, s)
		}
		if _, err := hooks.New(name, hooks.Options{Tokens: &tokens{}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k, ok := hooks.Find("slack"); ok {
		t.Errorf("an unknown kind is %+v", k)
	}
}

// TestAWebhookThatCannotWorkIsRefused: where it is configured, not at its first request.
func TestAWebhookThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := hooks.New("slack", hooks.Options{}); err == nil || !strings.Contains(err.Error(), "keycloak") {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := hooks.New("logout", hooks.Options{Source: "ldap"}); err == nil || !strings.Contains(err.Error(), "oidc") {
		t.Errorf("a logout without tokens: %v", err)
	}
}
