package mapping_test

import (
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"

	"pgregory.net/rapid"
)

// TestMemoGivesTheSameWhileNothingChanges: as long as no group changes, the result of the
// last time is given, whoever is a member.
func TestMemoGivesTheSameWhileNothingChanges(t *testing.T) {
	t.Parallel()
	rules := compile(t, spec(func(s *mapping.Spec) { s.Match.Names = []string{"*"} }))
	var memo mapping.Memo
	first := memo.Apply("chat", rules, []mapping.Source{source("corp", group("a"), group("b"))})
	if got := show(first); !slices.Equal(got, []string{"a = corp/id-a", "b = corp/id-b"}) {
		t.Fatal(got)
	}
	if memo.Apply("chat", rules, []mapping.Source{source("corp", group("a"), group("b"))}) != first {
		t.Error("the same groups of another read were mapped again")
	}
	if memo.Apply("other", rules, []mapping.Source{source("corp", group("a"), group("b"))}) == first {
		t.Error("another target got the groups of the first")
	}
}

// TestMemoNeverGivesWhatIsOver: whatever changes that rules look at, the result is that of
// looking anew.
func TestMemoNeverGivesWhatIsOver(t *testing.T) {
	t.Parallel()
	text := "{{ .Description }}"
	sets := [][]*mapping.Rule{
		compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.Description = []string{"*"}, &text })),
		compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.Description = []string{"*"}, &text })),
		compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.To = []string{"a*"}, "{{ .Path }}-{{ .Source }}" }),
			spec(func(s *mapping.Spec) { s.Name, s.Match.DNs = "dn", []string{"cn=b"} })),
	}
	rapid.Check(t, func(t *rapid.T) {
		var memo mapping.Memo
		word := func(label string, some ...string) string { return rapid.SampledFrom(some).Draw(t, label) }
		for range rapid.IntRange(2, 6).Draw(t, "times") {
			var sources []mapping.Source
			for range rapid.IntRange(1, 2).Draw(t, "sources") {
				var groups []directory.Group
				for range rapid.IntRange(0, 3).Draw(t, "groups") {
					groups = append(groups, directory.Group{ID: word("id", "1", "2", "3"), Name: word("name", "a", "ab", "b"), DN: word("dn", "", "cn=b"),
						Path: word("path", "", "/x"), Description: word("description", "", "d"), Unlisted: word("listed", "yes", "no") == "no", MembersKnown: true})
				}
				sources = append(sources, source(word("source", "corp", "hr"), groups...))
			}
			target, rules := word("target", "chat", "other"), rapid.SampledFrom(sets).Draw(t, "rules")
			got, want := memo.Apply(target, rules, sources), mapping.Apply(target, rules, sources)
			if a, b := show(got), show(want); !slices.Equal(a, b) || problems(got) != problems(want) {
				t.Fatalf("got %q, want %q\nproblems %s\nwant %s", a, b, problems(got), problems(want))
			}
			for w := range want.Wants {
				x, y := got.Wants[w], want.Wants[w]
				if (x.Description == nil) != (y.Description == nil) || x.Description != nil && *x.Description != *y.Description || x.DirID != y.DirID || x.DirPath != y.DirPath ||
					!slices.Equal(x.Links, y.Links) || !slices.Equal(x.Could, y.Could) || x.Feeds[0].Group != y.Feeds[0].Group || x.Feeds[0].Source != y.Feeds[0].Source {
					t.Fatalf("got %+v, want %+v", x, y)
				}
			}
		}
	})
}
