package entratest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// round is one round of a delta query that is being read: what is left of it to show.
type round struct {
	items []item
	until state
}

// state is what a link of a delta query holds.
type state struct {
	kind     string
	seq      int
	epoch    int
	made     time.Time
	selected []string
	ids      []string
}

// item is one object of a page.
type item struct {
	fields map[string]any
	lines  []line
}

// line is one of members@delta.
type line struct {
	kind, id string
	removed  string
}

// linkLife is how long Graph goes on from a link.
const linkLife = 7 * 24 * time.Hour

var idFilter = regexp.MustCompile(`^id eq '([0-9A-Za-z-]+)'$`)

// delta answers /users/delta and /groups/delta.
func (s *Server) delta(w http.ResponseWriter, r *http.Request, kind string) {
	q := r.URL.Query()
	switch {
	case q.Has("$skiptoken"):
		s.page(w, q.Get("$skiptoken"), kind)
	case q.Has("$deltatoken"):
		at, ok := s.links()[q.Get("$deltatoken")]
		if !ok || at.kind != kind {
			refuse(w, http.StatusBadRequest, "Request_BadRequest", "Badly formed token.")
			return
		}
		s.begin(w, at, false)
	default:
		at := state{kind: kind, epoch: s.epoch}
		for name := range q {
			if name != "$select" && name != "$filter" {
				refuse(w, http.StatusBadRequest, "Request_UnsupportedQuery", name+" is not supported for a delta query.")
				return
			}
		}
		var bad string
		if at.selected, bad = selected(q, kind); bad != "" {
			refuse(w, http.StatusBadRequest, "Request_BadRequest", "Could not find a property named '"+bad+"'.")
			return
		}
		if filter := q.Get("$filter"); filter != "" {
			for part := range strings.SplitSeq(filter, " or ") {
				m := idFilter.FindStringSubmatch(part)
				if m == nil {
					refuse(w, http.StatusBadRequest, "Request_UnsupportedQuery", "Only id is supported in the filter of a delta query.")
					return
				}
				at.ids = append(at.ids, m[1])
			}
			if len(at.ids) > 50 {
				refuse(w, http.StatusBadRequest, "Request_UnsupportedQuery", "Too many ids in the filter.")
				return
			}
		}
		s.begin(w, at, true)
	}
}

// links are the delta links that were given.
func (s *Server) links() map[string]state { return s.dir.links }

// begin starts a round and shows its first page.
func (s *Server) begin(w http.ResponseWriter, at state, initial bool) {
	if !initial {
		if at.epoch != s.epoch && s.gone != nil {
			s.gone(w)
			return
		}
		if s.dir.now().Sub(at.made) > linkLife {
			refuse(w, http.StatusBadRequest, "syncStateNotFound", "The sync state generation is not found. The delta token is expired and data must be synchronized again.")
			return
		}
	}
	if s.o.Chance != nil && !initial {
		at.seq = max(1, at.seq-s.o.Chance.IntN(4)) // Told before, and told again.
	}
	items := s.dir.changed(at, initial)
	if at.kind == "groups" {
		items = s.split(items, initial)
	}
	if s.o.Chance != nil {
		for range s.o.Chance.IntN(4) {
			if len(items) > 0 {
				items = append(items, items[s.o.Chance.IntN(len(items))])
			}
		}
		s.o.Chance.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	}
	at.seq, at.made, at.epoch = s.dir.seq, s.dir.now(), s.epoch
	token := "r" + strconv.Itoa(len(s.rounds)+1)
	s.rounds[token] = &round{items: items, until: at}
	s.show(w, token)
}

// page shows the next page of a round.
func (s *Server) page(w http.ResponseWriter, token, kind string) {
	rd := s.rounds[token]
	switch {
	case rd == nil || rd.until.kind != kind:
		refuse(w, http.StatusBadRequest, "Request_BadRequest", "Badly formed token.")
	case rd.until.epoch != s.epoch:
		s.gone(w)
	default:
		s.show(w, token)
	}
}

// split spreads the members of large groups over several objects.
func (s *Server) split(items []item, initial bool) []item {
	seesHidden := slices.Contains(s.o.Granted, "Member.Read.Hidden")
	var out []item
	for _, it := range items {
		if g := s.dir.groups[fmt.Sprint(it.fields["id"])]; s.silent || g.visibility == "HiddenMembership" && !seesHidden || s.lagging != "" && g.id == s.lagging {
			it.lines = nil
		}
		if fmt.Sprint(it.fields["id"]) == s.lagging && initial {
			continue
		}
		for first := true; first || len(it.lines) > 0; first = false {
			n := min(len(it.lines), s.o.MemberPage)
			if s.o.Chance != nil && n > 1 {
				n = 1 + s.o.Chance.IntN(n)
			}
			out = append(out, item{fields: it.fields, lines: it.lines[:n]})
			it.lines = it.lines[n:]
		}
	}
	return out
}

// show writes a page: some objects, and where to go on.
func (s *Server) show(w http.ResponseWriter, token string) {
	rd := s.rounds[token]
	most := s.o.UserPage
	if rd.until.kind == "groups" {
		most = s.o.GroupPage
	}
	n, lines := 0, 0
	for n < len(rd.items) && n < most && (n == 0 || lines+len(rd.items[n].lines) <= s.o.MemberPage) {
		lines += len(rd.items[n].lines)
		n++
	}
	value := make([]any, 0, n)
	for _, it := range rd.items[:n] {
		value = append(value, it.json())
	}
	rest := &round{items: rd.items[n:], until: rd.until}
	body := map[string]any{"@odata.context": s.URL() + "/v1.0/$metadata#" + rd.until.kind, "value": value}
	at := s.URL() + "/v1.0/" + rd.until.kind + "/delta?$"
	if len(rest.items) > 0 {
		next := token + "-" + strconv.Itoa(len(rest.items))
		s.rounds[next] = rest
		body["@odata.nextLink"] = at + "skiptoken=" + url.QueryEscape(next)
	} else {
		link := "d" + strconv.Itoa(len(s.dir.links)+1)
		s.dir.links[link] = rd.until
		body["@odata.deltaLink"] = at + "deltatoken=" + url.QueryEscape(link)
	}
	answer(w, body)
}

func (it item) json() map[string]any {
	if len(it.lines) == 0 {
		return it.fields
	}
	out := maps.Clone(it.fields)
	list := make([]map[string]any, 0, len(it.lines))
	for _, l := range it.lines {
		one := map[string]any{"@odata.type": "#microsoft.graph." + l.kind, "id": l.id}
		if l.removed != "" {
			one["@removed"] = map[string]string{"reason": l.removed}
		}
		list = append(list, one)
	}
	out["members@delta"] = list
	return out
}

// changed gives the objects that a round shows.
func (d *directory) changed(at state, initial bool) []item {
	order, lines := []string{}, map[string]map[string]bool{}
	told := map[string]bool{}
	if initial {
		order = slices.Clone(d.userIDs)
		if at.kind == "groups" {
			order = slices.Clone(d.groupIDs)
		}
	}
	for _, e := range d.log {
		if initial || e.seq <= at.seq || e.group != (at.kind == "groups") {
			continue
		}
		if !told[e.id] {
			told[e.id] = true
			order = append(order, e.id)
			lines[e.id] = map[string]bool{}
		}
		if e.memberEvent {
			lines[e.id][e.member] = true
		}
	}
	var items []item
	for _, id := range order {
		if len(at.ids) > 0 && !slices.Contains(at.ids, id) {
			continue
		}
		var it item
		var there bool
		if at.kind == "users" {
			it, there = d.userItem(d.users[id], at.selected, initial)
		} else {
			it, there = d.groupItem(d.groups[id], at.selected, lines[id], initial)
		}
		if there {
			items = append(items, it)
		}
	}
	return items
}

// removedItem shows what is not there any more.
func removedItem(id string, is existence, initial bool) (item, bool) {
	reason := "changed"
	if is == purged {
		reason = "deleted"
	}
	return item{fields: map[string]any{"id": id, "@removed": map[string]string{"reason": reason}}}, !initial
}

func (d *directory) userItem(u *user, selected []string, initial bool) (item, bool) {
	if u.state != alive {
		return removedItem(u.ID, u.state, initial)
	}
	return item{fields: u.fields(selected, false)}, true
}

func (d *directory) groupItem(g *group, selected []string, changed map[string]bool, initial bool) (item, bool) {
	if g.state != alive {
		return removedItem(g.id, g.state, initial)
	}
	it := item{fields: g.fields(selected, false)}
	if len(selected) > 0 && !slices.Contains(selected, "members") {
		return it, true
	}
	ids := slices.Sorted(maps.Keys(g.members))
	if !initial {
		ids = slices.Sorted(maps.Keys(changed))
	}
	for _, id := range ids {
		kind, is := g.members[id]
		l := line{kind: cmp.Or(kind, "user"), id: id}
		switch {
		case !is:
			l.removed = "deleted"
		case !d.shows(id):
			continue
		}
		it.lines = append(it.lines, l)
	}
	return it, true
}
