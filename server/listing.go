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

// ListHolds makes a list in JSON also of none.
func ListHolds(holds []run.Hold) HoldList {
	if holds == nil {
		holds = []run.Hold{}
	}
	return HoldList{holds}
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
