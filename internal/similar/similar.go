// Package similar finds the known word that somebody most likely meant.
package similar

import "strings"

// Nearest gives the known word that was most likely meant, or nothing. Upper case and
// the kind of dash do not count.
func Nearest(word string, known []string) string {
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
