package plan

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"groupsyncd/sync/run"
)

// otherState is how long another state counts as alive after its marks last changed.
const otherState = 24 * time.Hour

// Peer is another state whose marks stand in groups of the target.
type Peer struct {
	// Serial is the highest number that its marks had, Moved when a mark of it was last
	// seen to have grown; zero: never since we know it, so it is a state before ours.
	Serial uint64    `json:"serial"`
	Moved  time.Time `json:"moved,omitzero"`
}

// alive reports whether somebody writes with that state now.
func (p Peer) alive(now time.Time) bool { return !p.Moved.IsZero() && now.Sub(p.Moved) < otherState }

// FindLost compares our marks in the groups, as just observed, with what we remember. A
// number in them that is higher than ours, or marks of somebody else while we remember
// nothing at all, mean that our state was lost, or restored from an earlier backup: then
// every member of a group that is ours is in doubt until the directory names them or a
// person decides. It gives a sentence about what was found; empty: nothing.
func (m *Memory) FindLost(now time.Time) (why string, dirty Dirty) {
	serials := map[string]uint64{}
	for _, g := range m.Mirror.Groups() {
		if g.Mark != nil {
			serials[g.Mark.Instance] = max(serials[g.Mark.Instance], g.Mark.Serial)
		}
	}
	fresh := m.Serial == 0 && len(m.Links) == 0 && len(m.Peers) == 0
	own := serials[m.Instance]
	delete(serials, m.Instance)
	switch {
	case own > m.Serial:
		why = fmt.Sprintf("Open WebUI has number %d of ours and this state knows numbers up to %d: it was restored from an earlier backup", own, m.Serial)
	case fresh && len(serials) > 0:
		why = "groups in Open WebUI carry marks of groupsyncd and this state is empty: the state was lost, or this is a second one"
	}
	dirty.Head = m.meet(serials, fresh, now) || why != ""
	if why == "" {
		return "", dirty
	}
	m.Serial = max(m.Serial, own)
	if len(m.Approvals) > 0 {
		// They may have been used up since the backup was made.
		m.Approvals, dirty.Approvals = nil, true
	}
	linked := map[string]bool{}
	for _, l := range m.Links {
		linked[l.GroupID] = true
	}
	for _, g := range m.Mirror.Groups() {
		if g.MembersRead && len(g.Numbers) > 0 && (linked[g.ID] || m.knownMark(g.Mark, now)) {
			m.Lost[g.ID] = slices.Clone(g.Numbers)
			dirty.Lost = append(dirty.Lost, g.ID)
		}
	}
	return why, dirty
}

// meet notes the states of others. One that is met while ours is empty came before ours.
func (m *Memory) meet(serials map[string]uint64, fresh bool, now time.Time) (changed bool) {
	for _, instance := range slices.Sorted(maps.Keys(serials)) {
		serial := serials[instance]
		known, ok := m.Peers[instance]
		switch {
		case !ok && fresh:
			known = Peer{Serial: serial}
		case !ok || serial > known.Serial:
			known = Peer{Serial: serial, Moved: now}
		default:
			continue
		}
		m.Peers[instance] = known
		changed = true
	}
	return changed
}

// knownMark reports whether a mark was made by this state or by one that came before it.
func (m *Memory) knownMark(mark *Mark, now time.Time) bool {
	if mark == nil {
		return false
	}
	peer, known := m.Peers[mark.Instance]
	return mark.Instance == m.Instance || known && !peer.alive(now)
}

// PeerProblems says which other states write to the same target.
func (m *Memory) PeerProblems(now time.Time) []run.Problem {
	var out []run.Problem
	for _, instance := range slices.Sorted(maps.Keys(m.Peers)) {
		if p := m.Peers[instance]; p.alive(now) {
			out = append(out, run.Problem{Kind: run.KindCompeting,
				Message: fmt.Sprintf("another groupsyncd (state %s) writes to this Open WebUI too, last seen %s", instance, p.Moved.UTC().Format(time.RFC3339)),
				Hint:    "let one installation alone manage it: stop the other one, or give them different Open WebUI servers"})
		}
	}
	return out
}

// lost deals with a member who is in doubt since the state was lost and whom no rule
// names and no grant explains. A person decides: nothing else can know who put them there.
func (g *group) lost(a uint32) {
	c := g.c
	could := make([]int, len(c.in.Sources))
	for s := range could {
		could[s] = s
	}
	if g.want != nil {
		could = g.want.Could
	}
	key := changeKey(run.RemoveMember, g.id, c.in.Memory.Mirror.Account(a).ID)
	for _, s := range could {
		var groups []uint32
		if g.want != nil {
			groups = g.want.selected(s)
		}
		if c.silent(s, groups, a) {
			c.plan.Unknown[key] = true
			c.plan.Waiting[c.in.Sources[s].ID]++
			return
		}
	}
	if len(c.people.contested[a]) > 0 || c.guarded[a] {
		c.plan.Unknown[key] = true
		return
	}
	proof := Proof{Lost: true, Reason: "no directory group names them, and who put them there is not known"}
	if len(c.people.of(a)) == 0 {
		proof.Nobody, proof.Reason = true, proof.Reason+"; the account is matched to nobody"
	}
	if g.want != nil {
		proof.Rule = g.want.Rule()
	}
	g.change(run.RemoveMember, a, proof, proof.Reason)
}

// inDoubt reports whether a membership is in doubt since the state was lost.
func (m *Memory) inDoubt(group string, account uint32) bool {
	_, found := slices.BinarySearch(m.Lost[group], account)
	return found
}

// Settle ends the doubt about one member, because the directory names them or a person
// has decided.
func (m *Memory) Settle(group string, account uint32, dirty *Dirty) {
	at, found := slices.BinarySearch(m.Lost[group], account)
	if !found {
		return
	}
	m.Lost[group] = slices.Delete(slices.Clone(m.Lost[group]), at, at+1)
	if len(m.Lost[group]) == 0 {
		delete(m.Lost, group)
	}
	dirty.Lost = append(dirty.Lost, group)
}

// MarkOf gives the mark that a linked group should carry now.
func (m *Memory) MarkOf(group string) (*Mark, bool) {
	links := m.linksOf(group)
	if len(links) == 0 {
		return nil, false
	}
	l := links[0]
	return &Mark{Instance: m.Instance, Rule: l.Rule, Source: l.Group.Source, Group: l.Group.ID, To: l.To, Serial: m.Serial}, true
}
