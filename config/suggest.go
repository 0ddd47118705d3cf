package config

import (
	"iter"
	"regexp"
	"slices"
	"strings"
)

// nearest gives the known word that was most likely meant, or nothing. Upper case and
// the kind of dash do not count.
func nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	word = plain(word)
	limit := 1
	switch {
	case len(word) > 8:
		limit = 3
	case len(word) > 3:
		limit = 2
	}
	best, bestDistance := "", limit+1
	for _, k := range known {
		if len(k)-len(word) > limit || len(word)-len(k) > limit {
			continue
		}
		if d := distance(word, plain(k), bestDistance); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	// A word of which nearly every letter would change was not meant.
	if bestDistance*2 > len(word) && bestDistance > 0 {
		return ""
	}
	return best
}

func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance counts the letters to insert, delete, replace or swap with their neighbour
// (Damerau-Levenshtein, optimal string alignment). Anything at or above limit may be
// reported as limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

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
