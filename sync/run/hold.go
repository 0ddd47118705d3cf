package run

import (
	"slices"
	"time"
)

// Hold is a set of changes that the guard keeps back, with one reason and one way
// to let them through. It is keyed by check, target and scope, and stays until its
// changes are approved, released, reverted, or wanted again.
type Hold struct {
	Hash   string `json:"hash"`
	Check  Check  `json:"check"`
	Target string `json:"target"`
	// Scope is what the check counts over: the group, the source, the rule, or empty
	// for the whole target.
	Scope   string    `json:"scope"`
	Detail  string    `json:"detail"`
	Since   time.Time `json:"since"`
	Changes []Change  `json:"changes"`
	Approve string    `json:"approve"`
	// Release is the command that keeps what is listed, where that is a choice.
	Release string `json:"release,omitempty"`

	// Keys identify the held changes across runs, sorted, one per change.
	Keys []string `json:"keys"`
	// List counts the lists that the hold has had, one for each hash, and Entered says for each
	// key with which of them it came in.
	List    int   `json:"list,omitempty"`
	Entered []int `json:"entered,omitempty"`
	// Accepts is what approving takes as the new word of a source, where the hold is about
	// a source: as it looked to whoever was told of the hash, and not as it looks by then.
	Accepts *AcceptedSource `json:"accepts,omitempty"`
	// Earlier keeps the lists behind earlier hashes, so that approving a notice
	// that has grown since lets its own list through.
	Earlier []EarlierList `json:"earlier,omitempty"`
}

// EarlierList is the list of a hold under an earlier hash: what has been held since then
// without a break. It keeps no keys of its own, because a large hold of a directory that goes
// bad slowly has hundreds of them.
type EarlierList struct {
	Hash    string          `json:"hash"`
	List    int             `json:"list"`
	Accepts *AcceptedSource `json:"accepts,omitempty"`
	Until   time.Time       `json:"until"`
}

// Listed is what an approval of a hash lets through and accepts.
type Listed struct {
	Keys    []string
	Accepts *AcceptedSource
}

// Under gives what the hold lists under its hash or an earlier one that is still good.
func (h *Hold) Under(hash string) (Listed, bool) {
	if h.Hash == hash {
		return Listed{h.Keys, h.Accepts}, true
	}
	// A list that came back has its hash twice, and was told again.
	for _, e := range slices.Backward(h.Earlier) {
		if e.Hash != hash || len(h.Entered) != len(h.Keys) {
			continue
		}
		listed := Listed{Accepts: e.Accepts}
		for k, key := range h.Keys {
			if h.Entered[k] <= e.List {
				listed.Keys = append(listed.Keys, key)
			}
		}
		return listed, true
	}
	return Listed{}, false
}

// AcceptedSource is what a source looked like when its reads were last accepted: what it is
// configured to read, and how many it showed.
type AcceptedSource struct {
	Scope  string `json:"scope"`
	Users  int    `json:"users"`
	Groups int    `json:"groups"`
}

// Approval lets each listed change through at most once, until it expires.
type Approval struct {
	Hash   string    `json:"hash"`
	Check  Check     `json:"check"`
	Target string    `json:"target"`
	Scope  string    `json:"scope"`
	Keys   []string  `json:"keys"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
	// Reverts are the runs whose undoing was held: reverting them once more carries out
	// what is approved, and no other run does.
	Reverts []string `json:"reverts,omitempty"`
	// Imports are the files, by the beginning of their SHA-256, whose import was held: only
	// importing them once more carries out what is approved.
	Imports []string `json:"imports,omitempty"`
	// Run is the run that carries it out, where a daemon has begun one; it is not kept.
	Run string `json:"run,omitempty"`
}
