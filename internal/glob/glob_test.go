package glob_test

import (
	"testing"

	"groupsyncd/internal/glob"

	"pgregory.net/rapid"
)

func TestGlobIsAnchoredAndMindsCase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"ai-*", "ai-eng", true},
		{"ai-*", "ai-", true},
		{"ai-*", "xai-eng", false},
		{"ai", "ai-eng", false},
		{"AI-*", "ai-eng", false},
		{"?i", "ai", true},
		{"?i", "i", false},
		{"*", "", true},
		{"?", "ü", true},
		{"a.c", "abc", false},
		{"a[bc]", "ab", false},
		{"a[bc]", "a[bc]", true},
		{`a\*`, `a\x`, true},
		{"*", "two\nlines", true},
		{"x", "x\n", false},
		{"", "", true},
		{"", "a", false},
	} {
		if got := glob.Compile(c.pattern).MatchString(c.text); got != c.want {
			t.Errorf("%q matches %q: %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

// TestGlobAgreesWithASimpleMatcher compares with a matcher that is right by looking.
func TestGlobAgreesWithASimpleMatcher(t *testing.T) {
	t.Parallel()
	letters := rapid.SampledFrom([]rune("aAb.*?ü\n"))
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(letters, 0, 6, -1).Draw(t, "pattern")
		text := rapid.StringOfN(letters, 0, 6, -1).Draw(t, "text")
		if got, want := glob.Compile(pattern).MatchString(text), simple([]rune(pattern), []rune(text)); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, text, got, want)
		}
	})
}

func simple(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '*':
		return simple(pattern[1:], text) || len(text) > 0 && simple(pattern, text[1:])
	case len(text) == 0:
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && simple(pattern[1:], text[1:])
}

func TestOnePatternIsEnough(t *testing.T) {
	t.Parallel()
	one := glob.CompileAny([]string{"nothing", "gpt-*"})
	if !one.Match("neither", "gpt-4") || one.Match("neither", "nor") || (glob.Any{}).Match("") {
		t.Error("one pattern has to match one of the texts")
	}
}
