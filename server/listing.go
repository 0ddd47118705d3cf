package server

import (
	"encoding/json"
	"io"

	"groupsyncd/sync/run"
)

// HoldList is what `holds -o json` prints and the API answers.
type HoldList struct {
	Holds []run.Hold `json:"holds"`
}

// ListHolds makes a list in JSON also of none, and of a hold that lists none yet. How a hold
// came to be what it is is left out.
func ListHolds(holds []run.Hold) HoldList {
	list := append([]run.Hold{}, holds...)
	for i := range list {
		h := &list[i]
		h.List, h.Entered, h.Earlier = 0, nil, nil
		if h.Keys == nil {
			h.Changes, h.Keys = []run.Change{}, []string{}
		}
	}
	return HoldList{list}
}

// RunList is what `history -o json` prints and the API answers.
type RunList struct {
	Runs []run.Report `json:"runs"`
}

// ListRuns makes a list in JSON also of none.
func ListRuns(runs []run.Report) RunList {
	if runs == nil {
		runs = []run.Report{}
	}
	return RunList{runs}
}

// WriteJSON writes a value as commands print it with -o json.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
