package config

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/internal/similar"
)

// nearest gives the known word that was most likely meant, or nothing.
func nearest(word string, known []string) string { return similar.Nearest(word, known) }

// didYouMean is the end of a message about an unknown word.
func didYouMean(word string, known []string) string {
	if s := nearest(word, known); s != "" {
		return "; did you mean " + quote(s) + "?"
	}
	return ""
}

func quote(s string) string { return `"` + s + `"` }

// shown gives a name from the file in quotes when it can only be a name, and
// otherwise words that stand for it: what was put into the wrong place may be a
// secret. A name that is close to a known one cannot be.
func shown(name, otherwise string, known []string) string {
	if nearest(name, known) != "" || harmless(name) {
		return quote(name)
	}
	return otherwise
}

// harmless says whether a text looks like a name that a person gave, not like a key,
// token or password.
func harmless(s string) bool {
	if len(s) == 0 || len(s) > 48 || strings.HasPrefix(s, "sk-") || strings.HasPrefix(s, "eyJ") {
		return false
	}
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '-', r == '.':
		default:
			return false
		}
	}
	return digits <= 4
}

// suspicious says whether a word of a value looks so much like a secret that no
// message may repeat it, wherever the message comes from.
func suspicious(word string) bool { return len(word) >= 8 && !harmless(word) }

// wordsOf parts a value at everything that the usual keys and tokens do not contain.
func wordsOf(value string) iter.Seq[string] {
	return strings.FieldsFuncSeq(value, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '_' && r != '-' && r != '.'
	})
}

// userInfo finds the user and password in an address.
func userInfo() *regexp.Regexp { return regexp.MustCompile(`://[^/\s@"]+@`) }

// commaOr lists words for people: a, b or c.
func commaOr(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// unique sorts words and drops repetitions.
func unique(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}
