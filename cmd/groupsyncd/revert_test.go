package main

import (
	"testing"

	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// TestOneCommandForAnUndoingListsNothingElse: whoever lets the undoing of a run through says
// nothing about what else is held.
func TestOneCommandForAnUndoingListsNothingElse(t *testing.T) {
	t.Parallel()
	hold := func(hash, approve string, keys []string, reverts ...string) run.Hold {
		h := run.Hold{Hash: hash, Target: "chat", Keys: keys, Approve: approve}
		for _, id := range reverts {
			h.Changes = append(h.Changes, run.Change{Op: run.RemoveMember, Reverts: id})
		}
		return h
	}
	const may = "groupsyncd approve X --reason TEXT"
	first, second := hold("h1", may, []string{"a", "b"}, "R", "R"), hold("h2", may, []string{"c"}, "R")
	whole := []undoing{{"R", "groupsyncd approve h1 h2 --reason TEXT"}}
	elsewhere := second
	elsewhere.Target = "other"
	for _, c := range []struct {
		name  string
		holds []run.Hold
		want  []undoing
	}{
		{"nothing", nil, nil},
		{"one hold has its own command", []run.Hold{first}, nil},
		{"two", []run.Hold{first, second}, whole},
		{"the same by two checks", []run.Hold{first, hold("h3", may, []string{"a", "b"}, "R", "R"), second}, whole},
		{"in two targets", []run.Hold{first, elsewhere}, whole},
		{"beside others", []run.Hold{first, second, hold("h4", may, []string{"x"}, ""), hold("h5", may, []string{"y"}, "S")}, whole},
		{"a part is held with others", []run.Hold{first, second, hold("h6", may, []string{"d", "x"}, "R", "")}, nil},
		{"that part is held apart too", []run.Hold{first, second, hold("h7", may, []string{"c", "x"}, "R", "")}, whole},
		{"nobody can let a part through", []run.Hold{first, second, hold("h8", "", []string{"c"}, "R")}, nil},
		{"two runs", []run.Hold{first, second, hold("h9", may, []string{"e"}, "Q"), hold("h10", may, []string{"f"}, "Q")},
			[]undoing{{"Q", "groupsyncd approve h9 h10 --reason TEXT"}, whole[0]}},
	} {
		if diff := cmp.Diff(c.want, undoings(c.holds), cmp.AllowUnexported(undoing{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
