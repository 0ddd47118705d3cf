package plan

import "slices"

// regrant records when an owned member is wanted through other rules or directory
// groups than before: an owned membership whose only grant is one that has ended would
// be judged by the wrong evidence later. In a group with one feed and one grant nothing
// can differ, which is the common case and costs one comparison.
func (g *group) regrant(a uint32) {
	if len(g.want.Feeds) == 1 && len(g.owned.Feeds) == 1 &&
		g.want.Feeds[0].Key == g.owned.Feeds[0].Key {
		return
	}
	now, _ := g.grants(a)
	at := 0
	same := true
	for f := range g.owned.Feeds {
		if _, has := slices.BinarySearch(g.owned.Feeds[f].Accounts, a); has {
			same = same && at < len(now) && now[at] == g.owned.Feeds[f].Key
			at++
		}
	}
	// Grants that are only stale stay recorded: a source that cannot be read must not
	// lose its say.
	if same && at == len(now) || len(now) == 0 {
		return
	}
	for f := range g.owned.Feeds {
		key := g.owned.Feeds[f].Key
		if _, has := slices.BinarySearch(g.owned.Feeds[f].Accounts, a); has && !slices.Contains(now, key) && g.c.doubtful(key, a) {
			now = append(now, key)
		}
	}
	slices.SortFunc(now, FeedKey.Compare)
	if !g.sameGrants(a, now) {
		g.c.plan.Provenance = append(g.c.plan.Provenance, Regrant{GroupID: g.id, Account: a, Feeds: now})
	}
}

func (g *group) sameGrants(a uint32, feeds []FeedKey) bool {
	at := 0
	for f := range g.owned.Feeds {
		if _, has := slices.BinarySearch(g.owned.Feeds[f].Accounts, a); has {
			if at == len(feeds) || feeds[at] != g.owned.Feeds[f].Key {
				return false
			}
			at++
		}
	}
	return at == len(feeds)
}

// Grants gives the recorded grants of an owned membership, sorted.
func (o *OwnedGroup) Grants(a uint32) []FeedKey {
	var keys []FeedKey
	for f := range o.Feeds {
		if _, has := slices.BinarySearch(o.Feeds[f].Accounts, a); has {
			keys = append(keys, o.Feeds[f].Key)
		}
	}
	return keys
}

// Has reports whether an account owns a membership in the group.
func (o *OwnedGroup) Has(a uint32) bool {
	return slices.ContainsFunc(o.Feeds, func(f OwnedFeed) bool {
		_, has := slices.BinarySearch(f.Accounts, a)
		return has
	})
}

// Set replaces the grants of a membership; none: it is no longer owned.
func (o *OwnedGroup) Set(a uint32, feeds []FeedKey) {
	for f := range o.Feeds {
		feed := &o.Feeds[f]
		at, has := slices.BinarySearch(feed.Accounts, a)
		switch keep := slices.Contains(feeds, feed.Key); {
		case has && !keep:
			feed.Accounts = slices.Delete(slices.Clone(feed.Accounts), at, at+1)
		case !has && keep:
			feed.Accounts = slices.Insert(feed.Accounts, at, a)
		}
	}
	for _, key := range feeds {
		if !slices.ContainsFunc(o.Feeds, func(f OwnedFeed) bool { return f.Key == key }) {
			o.Feeds = append(o.Feeds, OwnedFeed{Key: key, Accounts: []uint32{a}})
		}
	}
	o.Feeds = slices.DeleteFunc(o.Feeds, func(f OwnedFeed) bool { return len(f.Accounts) == 0 })
	slices.SortFunc(o.Feeds, func(x, y OwnedFeed) int { return x.Key.Compare(y.Key) })
	if len(feeds) == 0 {
		o.Clocks = slices.DeleteFunc(o.Clocks, func(c Clock) bool { return c.Account == a })
	}
}

// Count gives the number of accounts that own a membership in the group.
func (o *OwnedGroup) Count() int {
	if len(o.Feeds) == 1 {
		return len(o.Feeds[0].Accounts)
	}
	seen := map[uint32]bool{}
	for f := range o.Feeds {
		for _, a := range o.Feeds[f].Accounts {
			seen[a] = true
		}
	}
	return len(seen)
}
