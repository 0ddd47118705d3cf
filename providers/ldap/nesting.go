package ldap

import (
	"errors"
	"strconv"
	"strings"

	"groupsyncd/internal/fault"
)

// The bounds of a log line about a cycle.
const (
	shownCycles = 3
	shownGroups = 5
)

// closeGroups works out who is in which group, and says what is odd about how groups
// contain each other.
func (r *reader) closeGroups() {
	s := r.snapshot
	s.Reason = ""
	s.Close(r.layout.nested)
	if s.Reason != "" {
		r.fail(fault.New(fault.Incomplete, "nest groups", r.source.where(), errors.New(s.Reason),
			"take groups out of each other, leave some out with groups.filter, or set nested: false"))
	}
	var cycles []string
	for _, cycle := range s.Cycles {
		// A group that must have a member and has none often names itself.
		if len(cycle) > 1 {
			cycles = append(cycles, r.cycleText(cycle))
		}
	}
	if len(cycles) > 0 {
		r.source.logger.Warn("groups contain each other, so they have the same members",
			"cycles", len(cycles), "groups", strings.Join(cycles[:min(len(cycles), shownCycles)], "; "))
	}
}

// cycleText names the groups of a cycle, or the first few.
func (r *reader) cycleText(cycle []uint32) string {
	names := make([]string, 0, shownGroups+1)
	for _, g := range cycle[:min(len(cycle), shownGroups)] {
		names = append(names, strconv.Quote(r.snapshot.Groups[g].DN))
	}
	if more := len(cycle) - len(names); more > 0 {
		names = append(names, "and "+strconv.Itoa(more)+" more")
	}
	return strings.Join(names, ", ")
}
