package hooks_test

import (
	"os"
	"slices"
	"strconv"
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

// TestStatusesAreTheDocumentedOnes: senders are set up by docs/webhooks.md.
func TestStatusesAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	// row gives the cells of the line of a table that begins with a text.
	row := func(begin string) []string {
		for line := range strings.Lines(string(text)) {
			if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); strings.HasPrefix(strings.TrimSpace(cells[0]), begin) && len(cells) == 5 {
				return cells[1:]
			}
		}
		t.Fatalf("there is no line %q", begin)
		return nil
	}
	seen := 0
	for i, column := range row("what becomes of it") {
		for name := range strings.SplitSeq(column, ",") {
			k, ok := hooks.Find(strings.TrimSpace(name))
			if !ok {
				t.Fatalf("there is no %q", name)
			}
			seen++
			for begin, status := range map[string]int{"taken, whoever": k.Statuses.Accepted, "taken before": k.Statuses.Repeated,
				"wrong or missing": k.Statuses.Refused, "not what such": k.Statuses.Unreadable} {
				if got := strings.TrimSpace(row(begin)[i]); got != strconv.Itoa(status) {
					t.Errorf("%s answers %d, and the documentation says %s: %s", k.Name, status, begin, got)
				}
			}
		}
	}
	if seen != len(hooks.Kinds()) {
		t.Errorf("%d kinds are documented", seen)
	}
}
