package plan

import (
	"fmt"
	"maps"
	"slices"

	"groupsyncd/sync/run"
)

// sources holds what rests on a source that shrank or whose scope changed.
func (g *guard) sources() {
	g.scopes = map[string]run.AcceptedSource{}
	if g.in.Apart() {
		maps.Copy(g.scopes, g.in.Memory.Scopes)
		return
	}
	for s := range g.in.Sources {
		src := &g.in.Sources[s]
		users, groups := src.Replica.Size()
		now := run.AcceptedSource{Scope: src.Scope, Users: users, Groups: groups}
		last, known := g.in.Memory.Scopes[src.ID]
		if !known {
			if src.Read {
				g.scopes[src.ID] = now
			}
			continue
		}
		// What is known of a source is compared in every run, also when this one did not
		// read it or not all of it; only a complete read is taken as its new size.
		next := last
		if why := g.shrank(last, now); why != "" && !src.Single {
			g.holdSource(run.MaxSourceShrink, src.ID, why, now)
		} else if src.Read {
			next.Users, next.Groups = now.Users, now.Groups
		}
		sure := src.Read && g.in.Only == nil
		switch {
		case last.Scope == src.Scope:
		case g.p.SourceLosses[src.ID], !sure && g.before(run.SourceChanged, src.ID) != nil:
			why := "what source " + src.Name + " reads has changed in the configuration"
			g.holdSource(run.SourceChanged, src.ID, why, now)
		case sure:
			next.Scope = src.Scope
		}
		g.scopes[src.ID] = next
	}
	// A source that is no longer configured keeps its last word: its removals are held.
	for id, last := range g.in.Memory.Scopes {
		if _, configured := g.scopes[id]; !configured {
			g.scopes[id] = last
		}
	}
}

func (g *guard) shrank(last, now run.AcceptedSource) string {
	tell := func(what string, was, is int) string {
		lost := was - is
		if lost <= 0 || lost < minShrink && is > 0 || !g.limits.MaxSourceShrink.Exceeded(lost, was) {
			return ""
		}
		return fmt.Sprintf("%d of %d %s are missing (%d %%) > %s", lost, was, what, lost*100/was, g.limits.MaxSourceShrink)
	}
	if why := tell("users", last.Users, now.Users); why != "" {
		return why
	}
	return tell("groups", last.Groups, now.Groups)
}

func (g *guard) before(check run.Check, scope string) *run.Hold {
	holds := g.in.Memory.Holds
	i := slices.IndexFunc(holds, func(h run.Hold) bool { return h.Check == check && h.Scope == scope })
	if i < 0 {
		return nil
	}
	return &holds[i]
}

// holdSource holds what rests on a source, and makes the hold even when nothing is lost yet:
// during a grace its list is empty.
func (g *guard) holdSource(check run.Check, source, detail string, now run.AcceptedSource) {
	key := holdKey{check, source}
	if g.found[key] == nil {
		g.found[key] = &found{}
	}
	g.found[key].detail = detail
	g.found[key].accepts = &now
	// The hash goes with what is accepted, and stays while somebody who was told of it would
	// not decide otherwise now.
	if h := g.before(check, source); h != nil && h.Accepts != nil && h.Accepts.Scope == now.Scope &&
		g.shrank(*h.Accepts, now) == "" && g.shrank(now, *h.Accepts) == "" {
		g.found[key].accepts = h.Accepts
	}
	for _, i := range g.fresh {
		if slices.Contains(g.p.Changes[i].Proof.Sources, source) {
			g.hold(i, check, source, detail)
		}
	}
}
