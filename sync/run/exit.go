package run

import "slices"

// The exit codes that runs can end with; scripts rely on them.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitPartly      = 3
	ExitHeld        = 4
	ExitSource      = 5
	ExitTarget      = 6
	ExitState       = 7
	ExitChanges     = 8
	ExitStale       = 9
	ExitInterrupted = 130
)

// order is which code wins when several apply, the first of them.
var order = [...]int{ExitInterrupted, ExitUsage, ExitState, ExitTarget, ExitSource, ExitStale, ExitPartly, ExitHeld, ExitChanges, ExitFailure}

// First gives the code that wins among those that apply.
func First(codes ...int) int {
	for _, c := range order {
		if slices.Contains(codes, c) {
			return c
		}
	}
	return ExitOK
}

// ExitCode works out the code of a run from what its report says.
func (r *Report) ExitCode() int {
	var codes []int
	for i := range r.Sources {
		if r.Unread(&r.Sources[i]) {
			codes = append(codes, ExitSource)
		}
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		if t.Error != "" {
			codes = append(codes, ExitTarget)
		}
		if t.Stale {
			codes = append(codes, ExitStale)
		}
		if t.Summary.Failed > 0 {
			codes = append(codes, ExitPartly)
		}
		if t.Summary.Held > 0 || len(t.Holds) > 0 {
			codes = append(codes, ExitHeld)
		}
	}
	return First(codes...)
}

// Unread reports whether a source did not show what this run asked of it: a run for one
// person asks for no more than that person, and not of every source.
func (r *Report) Unread(s *SourceReport) bool {
	return !s.Whole() && r.User == "" || s.Coverage == "none" && s.Hint != ""
}
