package plan

import (
	"fmt"
	"slices"
	"time"

	"groupsyncd/sync/replica"
)

// verdict is what the evidence says about an owned membership that is not wanted.
type verdict struct {
	// unknown: its absence is not proved; it stays, and is neither added nor forgotten.
	unknown   bool
	waitsFor  []string
	confirmAt time.Time
	why       string
	// unruled: the accepted rules want it, or cannot tell.
	unruled bool
	proof   Proof
	// clock runs while no rule selects what grants the membership.
	clock *Clock
	// sources are all that had a say.
	sources []string
}

// judge collects the evidence about one account in one group.
type judge struct {
	c       *computer
	account uint32
	id      string
	want    *Want
	owned   *OwnedGroup
	v       verdict
	// found are absences by rank; the first rank that occurs gives the word.
	found [rankGone + 1]*Proof
	// since is the first sighting of whatever needs a grace; other sources must have
	// been read after it.
	since time.Time
	// dropped are grants that the source still shows and no rule selects.
	dropped []unselected
	// doubt: the present rules may still want it.
	doubt bool
}

// The ranks of proofs: what is held comes first, then the surest evidence.
const (
	rankUnruled = iota
	rankExplicit
	rankLeft
	rankUnselected
	rankGone
)

// verdict judges an owned membership that no rule wants.
func (c *computer) verdict(a uint32, id string, w *Want, owned *OwnedGroup) verdict {
	j := &judge{c: c, account: a, id: id, want: w, owned: owned}
	if s := c.disabled(a); s != nil {
		return s.ends(owned.Grants(a))
	}
	if c.painted[a]&isUnknown != 0 {
		j.doubtful("", "a source shows it, and its last proof is too old or its people or groups are missing", time.Time{})
	}
	for _, key := range owned.Grants(a) {
		j.grant(key)
	}
	j.clock()
	j.acceptedRules()
	j.everySource()
	j.conflicts()
	j.claims()
	return j.conclude()
}

func (j *judge) unknown(source, why string, confirmAt time.Time) {
	j.v.unknown = true
	if j.v.why == "" {
		j.v.why = why
	}
	if source != "" {
		j.v.waitsFor = append(j.v.waitsFor, source)
	}
	if !confirmAt.IsZero() && (j.v.confirmAt.IsZero() || confirmAt.Before(j.v.confirmAt)) {
		j.v.confirmAt = confirmAt
	}
}

// doubtful is an unknown about what the present rules want.
func (j *judge) doubtful(source, why string, confirmAt time.Time) {
	j.doubt = j.doubt || j.want != nil
	j.unknown(source, why, confirmAt)
}

func (j *judge) proof(rank int, p Proof) {
	if j.found[rank] == nil {
		j.found[rank] = &p
		return
	}
	j.found[rank].Sources = append(j.found[rank].Sources, p.Sources...)
}

// grant judges one recorded grant: the rule, and the directory group behind it.
func (j *judge) grant(key FeedKey) {
	c := j.c
	if key.takenOver() {
		j.takenOver(key)
		return
	}
	j.v.sources = append(j.v.sources, key.Group.Source)
	s, configured := c.sourceAt[key.Group.Source]
	if !configured {
		j.proof(rankUnruled, Proof{Word: "unruled", SourceRemoved: true, Rule: key.Rule, Sources: []string{key.Group.Source},
			Reason: "its source " + key.Group.Source + " is no longer configured"})
		return
	}
	if !c.in.Rules[key.Rule] {
		j.proof(rankUnruled, Proof{Word: "unruled", Rule: key.Rule, Sources: []string{key.Group.Source},
			Reason: "its rule " + key.Rule + " is no longer configured"})
		return
	}
	src := &c.in.Sources[s]
	group, everyone := uint32(0), key.Group.ID == Everyone
	if !everyone {
		n, known := src.Replica.Group(key.Group.ID)
		if !known {
			j.unknown(src.ID, "its directory group was not read since the state began", time.Time{})
			return
		}
		group = n
	}
	feed := j.feed(key)
	seen := false
	for _, p := range c.people.of(j.account) {
		if p.source == s {
			seen = true
			j.person(src, key, p.user, group, everyone, feed)
		}
	}
	if !seen {
		// Somebody else may be behind the account now; nobody has said that this
		// membership ended.
		j.unknown(src.ID, "nobody in "+src.Name+" is linked to the account any more", time.Time{})
	}
}

// takenOver judges a membership that is ours because somebody decided so: that is proof of
// its own, once it is sure that no directory group names whoever has the account.
func (j *judge) takenOver(key FeedKey) {
	c := j.c
	switch {
	case !c.in.Rules[key.Rule]:
		j.proof(rankUnruled, Proof{Word: "unruled", Rule: key.Rule, Reason: "its rule " + key.Rule + " is no longer configured"})
	case j.want == nil:
		j.unknown("", "it was taken over, and no rule leads to its group now", time.Time{})
	case slices.ContainsFunc(j.want.Could, func(s int) bool { return c.in.Sources[s].Single && c.silent(s, nil, j.account) }):
		j.unknown("", "it was taken over, and a source that knows single people only may still name them", time.Time{})
	case c.unsettled || len(c.people.contested[j.account]) > 0:
		j.unknown("", "it was taken over, and somebody whom the directory names here cannot be matched to an account", time.Time{})
	default:
		p := Proof{Word: replica.Explicit.String(), Rule: key.Rule, TakenOver: true, Reason: "taken over by a person's decision, and no directory group names them"}
		for _, s := range j.want.Could {
			p.Sources = append(p.Sources, c.in.Sources[s].ID)
		}
		j.v.sources = append(j.v.sources, p.Sources...)
		j.proof(rankExplicit, p)
	}
}

// feed finds the present feed for a recorded grant, nil when nothing selects it.
func (j *judge) feed(key FeedKey) *Feed {
	if j.want == nil {
		return nil
	}
	for f := range j.want.Feeds {
		if j.want.Feeds[f].Key == key {
			return &j.want.Feeds[f]
		}
	}
	return nil
}

func (j *judge) person(src *Source, key FeedKey, user, group uint32, everyone bool, feed *Feed) {
	v := src.Replica.Listing(user, src.Grace)
	name := "everybody"
	if !everyone {
		v = src.membership(feed, user, group)
		row := &src.Replica.Groups()[group]
		name = firstOf(row.DN, row.Path, row.Name)
	}
	if u := &src.Replica.Users()[user]; src.Single && !src.current(u, everyone, j.c.in.Now) {
		j.unknown(src.ID, "what "+src.Name+" showed of them is older than its max_age", time.Time{})
		return
	}
	switch v.Standing {
	case replica.Unknown:
		j.unknown(src.ID, v.Why, v.ConfirmAt)
	case replica.NotShown:
		// The group or person is missing and had nothing here: a recorded grant that
		// was never shown proves nothing.
		j.unknown(src.ID, "the source never showed it", time.Time{})
	case replica.Shown:
		if feed == nil && j.c.homeless[key] {
			j.unknown(src.ID, name+" is selected, and what it leads to is no group of its own yet", time.Time{})
			return
		}
		if feed == nil || feed.Where != nil && !feed.Where(&src.Replica.Users()[user]) {
			j.unselected(src, key, name, user, group, feed != nil)
			return
		}
		j.unknown(src.ID, "the source shows it, on evidence that is too old", time.Time{})
	case replica.Absent:
		p := Proof{Word: v.Absence.Kind().String(), Rule: key.Rule, Sources: []string{src.ID}, Reason: v.Absence.Reason() + " (" + src.Name + ")"}
		switch v.Absence.Kind() {
		case replica.Explicit:
			j.proof(rankExplicit, p)
		case replica.Left:
			j.proof(rankLeft, p)
		case replica.Gone:
			j.after(v.Absence.Since())
			j.proof(rankGone, p)
		}
	}
}

func (j *judge) after(t time.Time) {
	if t.After(j.since) {
		j.since = t
	}
}

// unselected is a membership that the source still shows and that no rule selects: the
// group was renamed, moved or edited, or the person's attributes were.
type unselected struct {
	src  *Source
	rule string
	what string
	// read is the newest complete list of what changed, seen the newest sight of it.
	read, seen time.Time
}

func (j *judge) unselected(src *Source, key FeedKey, name string, user, group uint32, byPerson bool) {
	r := src.Replica
	d := unselected{src: src, rule: key.Rule, what: name + " is no longer selected by rule " + key.Rule, read: r.UsersAt, seen: r.Users()[user].SeenAt}
	switch {
	case byPerson:
		d.what = "the person no longer meets the conditions of rule " + key.Rule
	case key.Group.ID != Everyone:
		d.read, d.seen = r.GroupsAt, r.Groups()[group].SeenAt
	}
	if src.Single {
		// Each newer word about the person is as good as a complete read.
		d.read, d.seen = r.Users()[user].SeenAt, r.Users()[user].SeenAt
	}
	j.dropped = append(j.dropped, d)
}

// clock gives what is unselected the same grace as a missing group, counted by a clock of
// its own: a read counts once all sources concerned were read after the one before.
func (j *judge) clock() {
	if len(j.dropped) == 0 {
		return
	}
	oldest, clock := j.dropped[0].read, Clock{Account: j.account, Reads: 1}
	for _, d := range j.dropped {
		oldest = earlier(oldest, d.read)
		first := d.read
		if d.seen.After(d.read) {
			first, clock.Reads = d.seen, 0 // not by a complete list
		}
		if first.After(clock.First) {
			clock.First = first
		}
	}
	clock.Last = clock.First
	for _, c := range j.owned.Clocks {
		if c.Account == j.account {
			clock = c
			if oldest.After(c.Last) {
				clock.Last = oldest
				clock.Reads++
			}
		}
	}
	j.v.clock = &clock
	for _, d := range j.dropped {
		if clock.Reads < d.src.Grace.Reads || clock.Last.Sub(clock.First) < d.src.Grace.Over {
			j.unknown(d.src.ID, d.what, clock.First.Add(d.src.Grace.Over))
			continue
		}
		j.after(clock.First)
		j.proof(rankUnselected, Proof{Word: "unselected", Rule: d.rule, Sources: []string{d.src.ID},
			Reason: fmt.Sprintf("%s (%s) since %s, in %d complete reads", d.what, d.src.Name, clock.First.UTC().Format(time.RFC3339), clock.Reads)})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// acceptedRules finds a membership that the rules as applied before want, or of which
// they cannot tell: what is missing then is a rule, not a person in the directory.
func (j *judge) acceptedRules() {
	for _, w := range j.c.accepted[j.id] {
		if w.Members == AddOnly && (j.want == nil || j.want.Members != AddOnly) {
			// Who left while nobody could be taken out must not go all at once.
			j.v.unruled = true
			j.proof(rankUnruled, Proof{Word: "unruled", Rule: w.Rule(), Reason: "the rules changed: rule " + w.Rule() + " took nobody out before"})
		}
		for f := range w.Feeds {
			feed := &w.Feeds[f]
			for _, p := range j.c.people.of(j.account) {
				if p.source != feed.Source {
					continue
				}
				standing := j.c.shows(feed, p.user)
				if j.c.homeless[feed.Key] && j.c.in.Rules[feed.Key.Rule] && standing == replica.Shown {
					// The present rules select it too, for a group that is still to come.
					j.unknown(j.c.in.Sources[feed.Source].ID, "what gives it leads to no group of its own yet", time.Time{})
					j.doubt = true
					continue
				}
				// Where the present rules say the same, nothing has changed in them.
				if now := j.feed(feed.Key); now != nil && j.c.shows(now, p.user) == standing {
					continue
				}
				switch standing {
				case replica.Shown:
					j.v.unruled = true
					j.proof(rankUnruled, Proof{Word: "unruled", Rule: feed.Key.Rule, Sources: []string{feed.Key.Group.Source},
						Reason: "the rules changed: rule " + feed.Key.Rule + " gave it before"})
				case replica.Unknown:
					j.v.unruled = true
				}
			}
		}
	}
}

// everySource asks every source that could grant the membership: all must be fresh,
// none may be in doubt, and all must have been read since the first sighting of
// whatever is missing.
func (j *judge) everySource() {
	for _, s := range j.could() {
		src := &j.c.in.Sources[s]
		if src.Single {
			continue // It could where it has shown this very membership, and that was judged.
		}
		var groups []uint32
		if j.want != nil {
			groups = j.want.selected(s)
		}
		if why, fresh := j.c.ready(s, groups); !fresh {
			j.doubtful(src.ID, "source "+src.Name+" "+why, time.Time{})
			continue
		}
		if !j.since.IsZero() && !src.Replica.ReadSince(groups, j.since) {
			j.doubtful(src.ID, "source "+src.Name+" was not read completely since then", j.since)
		}
	}
	if j.want == nil {
		return
	}
	for f := range j.want.Feeds {
		feed := &j.want.Feeds[f]
		if j.c.in.Sources[feed.Source].Single {
			continue
		}
		for _, p := range j.c.people.of(j.account) {
			if p.source == feed.Source && j.c.shows(feed, p.user) == replica.Unknown {
				j.doubtful(j.c.in.Sources[feed.Source].ID, "another grant of it is in its grace", time.Time{})
			}
		}
	}
}

// could gives the sources that could grant the membership: those of the rules that
// feed the group, or, where no rule does, those that granted it.
func (j *judge) could() []int {
	if j.want != nil {
		at := j.want.Could
		// A want that lost the group to another one could grant it too.
		for _, w := range j.c.claimed[j.id] {
			for _, s := range j.c.in.Desired.Wants[w].Could {
				if !slices.Contains(at, s) {
					at = append(slices.Clip(at), s)
				}
			}
		}
		return at
	}
	var at []int
	for _, key := range j.owned.Grants(j.account) {
		if s, ok := j.c.sourceAt[key.Group.Source]; ok && !slices.Contains(at, s) {
			at = append(at, s)
		}
		// Another source of its rule may be one that was not read yet.
		for _, s := range j.c.in.Could[key.Rule] {
			if !slices.Contains(at, s) {
				at = append(at, s)
			}
		}
	}
	return at
}

// conflicts keeps what a person would keep who cannot be matched because of a conflict
// over this very account.
func (j *judge) conflicts() {
	if j.want == nil {
		return
	}
	for _, p := range j.c.people.contested[j.account] {
		for f := range j.want.Feeds {
			if feed := &j.want.Feeds[f]; feed.Source == p.source && j.c.shows(feed, p.user) != replica.NotShown && j.c.shows(feed, p.user) != replica.Absent {
				j.doubtful(j.c.in.Sources[p.source].ID, "somebody else claims the account and has this membership", time.Time{})
			}
		}
	}
}

// claims keeps what somebody has through a want that lost this group to another want and
// has no group of its own yet.
func (j *judge) claims() {
	for _, w := range j.c.claimed[j.id] {
		for f := range j.c.in.Desired.Wants[w].Feeds {
			feed := &j.c.in.Desired.Wants[w].Feeds[f]
			for _, p := range j.c.people.of(j.account) {
				if p.source != feed.Source {
					continue
				}
				if v := j.c.shows(feed, p.user); v == replica.Shown || v == replica.Unknown {
					j.doubtful(j.c.in.Sources[p.source].ID, "another rule gives it, and waits for a group of its own", time.Time{})
				}
			}
		}
	}
}

func (j *judge) conclude() verdict {
	v := j.v
	slices.Sort(v.waitsFor)
	v.waitsFor = slices.Compact(v.waitsFor)
	for _, p := range j.found {
		if p != nil {
			slices.Sort(p.Sources)
			p.Sources = slices.Compact(p.Sources)
			v.proof = *p
			break
		}
	}
	// What the rules no longer want is held whatever the sources say of it, so it needs
	// no further proof, once it is sure that the present rules do not want it either;
	// everything else needs one and must be beyond doubt.
	if v.proof.Word == "unruled" && j.doubt {
		v.unknown, v.unruled = true, true
		return v
	}
	if v.proof.Word == "unruled" {
		v.unknown, v.clock = false, nil
		v.unruled = true
		return v
	}
	if v.proof.Word == "" {
		v.unknown = true
	}
	return v
}

// doubtful reports whether a recorded grant that does not grant now is not proved to
// have ended either.
func (c *computer) doubtful(key FeedKey, a uint32) bool {
	s, ok := c.sourceAt[key.Group.Source]
	if !ok || !c.in.Rules[key.Rule] {
		return false
	}
	src := &c.in.Sources[s]
	for _, p := range c.people.of(a) {
		if p.source != s {
			continue
		}
		v := src.Replica.Listing(p.user, src.Grace)
		if key.Group.ID != Everyone {
			n, known := src.Replica.Group(key.Group.ID)
			if !known {
				return true
			}
			v = src.Replica.Membership(p.user, n, src.Grace)
		}
		if v.Standing != replica.Absent {
			return true
		}
	}
	return false
}
