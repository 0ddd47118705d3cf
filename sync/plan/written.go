package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"groupsyncd/sync/run"
)

// AllowedHash is over what of a plan the guard lets through, in its order.
func AllowedHash(changes []run.Change) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for i := range changes {
		if changes[i].Outcome == run.Planned {
			// The hash writer and the types of a change cannot fail.
			_ = enc.Encode(bare(&changes[i]))
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// bare is a change without its reasons and without what became of it.
func bare(c *run.Change) run.Change {
	b := *c
	b.Outcome, b.Hold, b.Reason, b.Error = "", nil, "", ""
	return b
}

// Differences says in words how two plans for one target differ.
func Differences(then, now []run.Change) []string {
	var out []string
	old, present := byText(then), byText(now)
	for i := range now {
		was, known := old[text(&now[i])]
		switch held := now[i].Outcome == run.Held; {
		case !known:
			out = append(out, "new: "+describe(&now[i]))
		case held && was.Outcome != run.Held:
			out = append(out, "held now: "+describe(&now[i]))
		case !held && was.Outcome == run.Held:
			out = append(out, "no longer held: "+describe(&now[i]))
		}
	}
	for i := range then {
		if _, still := present[text(&then[i])]; !still {
			out = append(out, "gone: "+describe(&then[i]))
		}
	}
	return out
}

func byText(changes []run.Change) map[string]*run.Change {
	out := make(map[string]*run.Change, len(changes))
	for i := range changes {
		out[text(&changes[i])] = &changes[i]
	}
	return out
}

// text tells changes apart, also those that were written down and read again.
func text(c *run.Change) string {
	plain := bare(c)
	plain.Absence = "" // It has another word while the group would be emptied.
	b, err := json.Marshal(plain)
	if err != nil {
		return "" // cannot happen: texts and switches only
	}
	return string(b)
}

func describe(c *run.Change) string {
	line := strings.ReplaceAll(string(c.Op), "_", " ")
	if who := c.Who(); who != "" {
		line += " " + who
	}
	if c.Group != nil {
		line += fmt.Sprintf(", group %q", c.Group.Name)
	} else if c.User == nil {
		line += ", " + c.Where()
	}
	if values := c.Values(); values != "" {
		line += ", " + values
	}
	return line
}
