package mapping_test

import (
	"strings"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
)

func TestKeyOfARule(t *testing.T) {
	t.Parallel()
	base := func() mapping.Spec {
		return mapping.Spec{From: []string{"corp", "hr"}, Match: mapping.Match{Names: []string{"ai-*"}}, To: "{{ .Name }}", Create: "true", Members: "owned"}
	}
	a := base()
	key := a.Key()
	if !strings.HasPrefix(key, "rule-") {
		t.Errorf("key %q", key)
	}
	for _, c := range []struct {
		name   string
		change func(*mapping.Spec)
		same   bool
	}{
		{"the order of sources", func(s *mapping.Spec) { s.From = []string{"hr", "corp"} }, true},
		{"except", func(s *mapping.Spec) { s.Except = []string{"x"} }, true},
		{"where", func(s *mapping.Spec) { s.Where = map[string][]string{"a": {"b"}} }, true},
		{"members", func(s *mapping.Spec) { s.Members = "exact" }, true},
		{"permissions", func(s *mapping.Spec) { s.Permissions = permission.Set{"chat.edit": true} }, true},
		{"match", func(s *mapping.Spec) { s.Match.Names = []string{"ai*"} }, false},
		{"kind of match", func(s *mapping.Spec) { s.Match = mapping.Match{Paths: []string{"ai-*"}} }, false},
		{"to", func(s *mapping.Spec) { s.To = "x" }, false},
		{"from", func(s *mapping.Spec) { s.From = []string{"corp"} }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := base()
			c.change(&s)
			if same := s.Key() == key; same != c.same {
				t.Errorf("the key is the same: %v, want %v", same, c.same)
			}
			named := s
			named.Name = "ai"
			if named.Key() != "ai" {
				t.Errorf("a named rule has the key %q", named.Key())
			}
		})
	}
	b := base()
	if a.Hash() != b.Hash() {
		t.Error("equal rules have different hashes")
	}
	b.Members = "exact"
	if a.Hash() == b.Hash() {
		t.Error("different rules have one hash")
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	bad := "{{ .Nothing }}"
	for _, c := range []struct {
		name    string
		change  func(*mapping.Spec)
		field   string
		message string
	}{
		{"nothing selected", func(s *mapping.Spec) { s.Match = mapping.Match{} }, "match", "selects nothing"},
		{"a broken expression", func(s *mapping.Spec) { s.Match = mapping.Match{Regexps: []string{"("}} }, "match", "missing closing )"},
		{"everyone without a name", func(s *mapping.Spec) { s.Match = mapping.Match{Everyone: true} }, "to", "needs a `to`"},
		{"an unknown field", func(s *mapping.Spec) { s.To = "{{ .Nam }}" }, "to", "can't evaluate field Nam"},
		{"an unknown function", func(s *mapping.Spec) { s.To = "{{ shout .Name }}" }, "to", `function "shout" not defined`},
		{"a template that does not end", func(s *mapping.Spec) { s.To = "{{ .Name" }, "to", "unclosed action"},
		{"an empty name", func(s *mapping.Spec) { s.To = "" }, "to", "is empty"},
		{"a bad description", func(s *mapping.Spec) { s.Description = &bad }, "description", "can't evaluate field Nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := mapping.Spec{Name: "r", Match: mapping.Match{Names: []string{"*"}}, To: mapping.DefaultTo}
			if p := s.Check(); len(p) != 0 {
				t.Fatalf("a good rule has problems: %+v", p)
			}
			c.change(&s)
			p := s.Check()
			if len(p) != 1 || p[0].Field != c.field || !strings.Contains(p[0].Message, c.message) {
				t.Errorf("found %+v, want %s at %s", p, c.message, c.field)
			}
			if _, err := mapping.Compile(s); err == nil {
				t.Error("a rule with problems compiles")
			}
		})
	}
}

func TestTemplatesKnowOnlyTheNamedParts(t *testing.T) {
	t.Parallel()
	s := mapping.Spec{Match: mapping.Match{Regexps: []string{"^(?P<team>.+)$"}}, To: `{{ .Match.team | trimPrefix "x" | title }}`}
	if p := s.Check(); len(p) != 0 {
		t.Errorf("found %+v", p)
	}
	if s.Literal() {
		t.Error("a template counts as a fixed name")
	}
	if fixed := (mapping.Spec{To: "All people"}); !fixed.Literal() {
		t.Error("a fixed name counts as a template")
	}
}
