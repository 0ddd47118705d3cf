package entra

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/directory"
)

// The bounds of reading changes. Beyond them a full read is the cheaper way.
const (
	// filtered is how many groups one delta query may name.
	filtered = 50
	// maxFeeds is how many delta queries of groups there may be; with more, all groups are read.
	maxFeeds = 20
	// maxAgain is how many users are read again one by one.
	maxAgain = 500
	// probes is how many groups are asked one by one where none of all shows a member.
	probes = 3
)

// users brings the users of a mirror up to date and gives where the next round begins.
func (r *reading) users(ctx context.Context, m *mirror, from *cursor) (string, error) {
	a := asking{op: "read users", need: readUsers, cost: 1, path: "/users/delta", query: selecting(r.config.userProperties())}
	if from != nil {
		a.next = from.Users
	}
	var gone, again []string
	known := ids(m.users)
	n := 0
	link, err := r.walk(ctx, a, true, func(o object) error {
		id, err := o.id()
		if err != nil {
			return r.incomplete("read users", "", "%w", err)
		}
		n++
		r.progress.Report("users", n)
		if reason, is := o.removed(); is {
			m.dropUser(id, reason == "deleted")
			gone = append(gone, id)
			return nil
		}
		if r.config.excludes(o) {
			m.dropUser(id, false)
			return nil
		}
		base, was := m.users[id]
		if from != nil && !was && (known[id] || o.created().Before(from.Since)) {
			return needFull("somebody came back, whose groups Graph does not tell again")
		}
		u, whole := r.config.user(o, id, base, was)
		if !whole {
			again = append(again, id)
		}
		m.putUser(u)
		return nil
	})
	if err != nil {
		return "", err
	}
	m.forget(slices.DeleteFunc(gone, func(id string) bool { _, back := m.users[id]; return back }))
	return link, r.readAgain(ctx, m, again)
}

// ids gives what a mirror showed before a round.
func ids[T any](in map[string]T) map[string]bool {
	set := make(map[string]bool, len(in))
	for id := range in {
		set[id] = true
	}
	return set
}

// readAgain reads users of whom a change told too little.
func (r *reading) readAgain(ctx context.Context, m *mirror, ids []string) error {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > maxAgain {
		return needFull("%d users would be read one by one", len(ids))
	}
	for _, id := range ids {
		if _, there := m.users[id]; !there {
			continue
		}
		var o object
		err := r.get(ctx, asking{op: "read user", need: readUsers, cost: 1, path: "/users/" + url.PathEscape(id), query: selecting(r.config.userProperties())}, &o)
		if missing(err) {
			return needFull("somebody went while the changes were read")
		}
		if err != nil {
			return err
		}
		u, _ := r.config.user(o, id, directory.User{}, false)
		m.putUser(u)
	}
	return nil
}

// groups brings the groups of a mirror up to date and gives where the next round of each
// delta query begins.
func (r *reading) groups(ctx context.Context, m *mirror, from *cursor, app *application) ([]feed, error) {
	var feeds []feed
	if from != nil && r.config.shows(Groups) {
		feeds = slices.Clone(from.Feeds)
	} else {
		m.groups, m.groupOrder = map[string]*group{}, nil
	}
	queried := map[string]bool{}
	all := false
	for i := range feeds {
		if err := r.feed(ctx, m, app, &feeds[i], from); err != nil {
			return nil, err
		}
		all = all || len(feeds[i].IDs) == 0
		for _, id := range feeds[i].IDs {
			queried[id] = true
		}
	}
	for !all {
		ids := r.wanted(m, app, queried)
		if app != nil && len(ids) == 0 {
			break
		}
		if app == nil || len(feeds)+(len(ids)+filtered-1)/filtered > maxFeeds {
			if from != nil {
				return nil, needFull("more groups count than are followed one by one")
			}
			m.groups, m.groupOrder = map[string]*group{}, nil
			feeds = []feed{{}}
			if err := r.feed(ctx, m, app, &feeds[0], nil); err != nil {
				return nil, err
			}
			break
		}
		for batch := range slices.Chunk(ids, filtered) {
			f := feed{IDs: slices.Clone(batch)}
			for _, id := range batch {
				m.dropGroup(id, false) // What is known of it is older than what comes now.
				queried[id] = true
			}
			if err := r.feed(ctx, m, app, &f, nil); err != nil {
				return nil, err
			}
			feeds = append(feeds, f)
		}
	}
	if err := r.prove(ctx, m, app, from); err != nil {
		return nil, err
	}
	return feeds, nil
}

// wanted gives the groups that count and that no delta query names: those that are assigned,
// and with nesting what is inside of them.
func (r *reading) wanted(m *mirror, app *application, queried map[string]bool) []string {
	if app == nil {
		return nil
	}
	seen := map[string]bool{}
	var ids []string
	open := slices.Clone(app.groups)
	for len(open) > 0 {
		id := open[len(open)-1]
		open = open[:len(open)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		if !queried[id] {
			ids = append(ids, id)
		} else if g := m.groups[id]; g != nil && r.config.Nested && r.config.shows(Groups) {
			open = append(open, g.children()...)
		}
	}
	slices.Sort(ids)
	return ids
}

// feed follows one delta query. from is nil for its first round.
func (r *reading) feed(ctx context.Context, m *mirror, app *application, f *feed, from *cursor) error {
	a := asking{op: "read groups", need: readMembers, cost: 1, path: "/groups/delta", query: selecting([]string{"id", "displayName", "description", "visibility", "createdDateTime", "members"})}
	if len(f.IDs) > 0 {
		either := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			either[i] = "id eq " + quoted(id)
		}
		a.query.Set("$filter", strings.Join(either, " or "))
	}
	if from != nil {
		a.next = f.Link
	}
	var gone []string
	was := ids(m.groups)
	n := 0
	link, err := r.walk(ctx, a, true, func(o object) error {
		id, err := o.id()
		if err != nil {
			return r.incomplete("read groups", "", "%w", err)
		}
		n++
		r.progress.Report("groups", n)
		if reason, is := o.removed(); is {
			m.dropGroup(id, reason == "deleted")
			gone = append(gone, id)
			return nil
		}
		_, here := m.groups[id]
		switch {
		case from == nil || here:
		case !was[id] && app != nil && !app.assigned(id) && !m.named(id):
			return nil // It does not count, and Graph tells of it nevertheless.
		case was[id] || o.created().Before(from.Since):
			return needFull("a group came back, whose members Graph does not tell again")
		}
		lines, _, err := o.members()
		if err != nil {
			return r.incomplete("read groups", "", "%w", err)
		}
		g := m.putGroup(id)
		g.take(o)
		g.change(lines)
		return nil
	})
	if err != nil {
		return err
	}
	m.forget(slices.DeleteFunc(gone, func(id string) bool { _, back := m.groups[id]; return back }))
	f.Link = link
	return nil
}

// take takes in the properties that are told of a group.
func (g *group) take(o object) {
	if name, there := o.text("displayName"); there {
		g.Name = name
	}
	if text, there := o.text("description"); there {
		g.Description = text
	}
	if seen, there := o.text("visibility"); there {
		g.hidden = strings.EqualFold(seen, "HiddenMembership")
	}
}

// prove looks for what the lists cannot show by themselves: whether an assigned group that they
// lack exists, and whether a group inside of a shown one came into view.
func (r *reading) prove(ctx context.Context, m *mirror, app *application, from *cursor) error {
	if app != nil {
		for _, id := range app.groups {
			if m.groups[id] != nil {
				continue
			}
			err := r.get(ctx, asking{op: "look at an assigned group", need: readMembers, cost: 1, path: "/groups/" + url.PathEscape(id), query: selecting([]string{"id"})}, &object{})
			if err == nil {
				return r.incomplete("read groups", "the next read tries again", "group %s is assigned and exists, and the list does not show it yet", id)
			}
			if !missing(err) {
				return err
			}
		}
	}
	if from == nil {
		return r.proveEmpty(ctx, m)
	}
	for _, id := range r.shown(m, app) {
		for _, child := range m.groups[id].children() {
			if m.groups[child] == nil && r.config.Nested {
				return needFull("a group is inside of another one now that was not read before")
			}
		}
	}
	return nil
}

// proveEmpty asks about some groups where a full read shows nobody in any: a server that does
// not tell members in delta queries must not look like one where nobody is in a group.
func (r *reading) proveEmpty(ctx context.Context, m *mirror) error {
	var empty []string
	for _, id := range present(m.groupOrder, m.groups) {
		if g := m.groups[id]; len(g.refs) > 0 {
			return nil
		} else if !g.hidden && len(empty) < probes {
			empty = append(empty, id)
		}
	}
	for _, id := range empty {
		q := selecting([]string{"id"})
		q.Set("$top", "999")
		_, err := r.walk(ctx, asking{op: "look at members", need: readMembers, cost: 2, path: "/groups/" + url.PathEscape(id) + "/members", query: q}, false, func(o object) error {
			if _, counts := (&member{Type: o.kind()}).counts(); counts {
				return r.incomplete("read groups", "tell us: this source needs another way of reading here", "the delta query tells no members at all, and group %s has some", id)
			}
			return nil
		})
		if err != nil && !missing(err) {
			return err
		}
	}
	return nil
}
