package plan

import (
	"slices"

	"groupsyncd/sync/run"
)

// RestsOn says in words what in this memory still rests on what a source showed, or
// nothing: memberships given through it, calls under way that give some, and holds about
// it. Open are the intents of the target that were never closed. Name is what the source
// was last called.
//
// Links of groups and of people do not count: they say who is who and not who may what,
// and they are kept, so that a source that is configured again finds its groups.
func (m *Memory) RestsOn(source, name string, open []Intent) string {
	for _, o := range m.Owned {
		if slices.ContainsFunc(o.Feeds, func(f OwnedFeed) bool { return f.Key.Group.Source == source && len(f.Accounts) > 0 }) {
			return "memberships that it granted are ours"
		}
	}
	for i := range open {
		if open[i].Link.Group.Source == source || slices.ContainsFunc(open[i].Keys, func(k FeedKey) bool { return k.Group.Source == source }) {
			return "a call for it was under way when the program ended"
		}
	}
	if slices.ContainsFunc(m.Holds, func(h run.Hold) bool { return h.Scope == source || name != "" && h.Scope == name }) {
		return "a hold is about it"
	}
	return ""
}
