// Package glob knows patterns of * and ?, which must match the whole of a text; letters
// match in their own case only.
package glob

import (
	"regexp"
	"slices"
	"strings"
)

// Compile makes an expression of a pattern; every text is one.
func Compile(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString(`)\z`)
	return regexp.MustCompile(b.String())
}

// Any are patterns of which one has to match.
type Any []*regexp.Regexp

// CompileAny makes expressions of patterns.
func CompileAny(patterns []string) Any {
	out := make(Any, len(patterns))
	for i, p := range patterns {
		out[i] = Compile(p)
	}
	return out
}

// Match reports whether a pattern matches one of the texts.
func (a Any) Match(texts ...string) bool {
	return slices.ContainsFunc(a, func(re *regexp.Regexp) bool { return slices.ContainsFunc(texts, re.MatchString) })
}
