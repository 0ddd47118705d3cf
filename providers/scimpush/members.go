package scimpush

import (
	"net/http"
	"slices"
	"strings"
)

// roll is what becomes of the members of a group: a list in their place, or who comes and who
// goes.
type roll struct {
	all       bool
	add, gone []string
	// added are those of add, once there are many.
	added map[string]bool
}

// manyMembers is from how many on members are looked up in a map.
const manyMembers = 16

// memberIDs reads whom a value names as members: objects with a value, as the standard has
// them, or texts.
func memberIDs(value any) ([]string, error) {
	if value == nil {
		return nil, nil
	}
	var out []string
	for _, x := range asList(value) {
		id, isText := x.(string)
		if d, ok := x.(document); ok {
			_, v, _ := get(d, "value")
			if id, isText = v.(string); !isText {
				_, ref, _ := get(d, "$ref")
				id, isText = ref.(string)
				id = id[strings.LastIndexByte(id, '/')+1:]
			}
		}
		if !isText || !cleanID(id) {
			return nil, badValue("a member must have a value, of at most %d bytes", maxID)
		}
		out = append(out, id)
	}
	return out, nil
}

// take takes in one operation about the members of a group.
func (m *roll) take(t *table, g *group, op string, at *target, value any) error {
	if at.sub != "" && !strings.EqualFold(at.sub, "value") {
		return nil // What a member is called is for the member itself to say.
	}
	ids, err := memberIDs(value)
	if err != nil {
		return err
	}
	switch {
	case at.some != nil && op == "remove":
		m.leave(m.chosen(t, g, at.some))
	case at.some != nil:
		d := document{}
		if !fill(d, at.some) || len(m.chosen(t, g, at.some)) > 0 {
			return nil // They are in it.
		}
		if ids, err = memberIDs(d); err == nil {
			m.join(ids)
		}
		return err
	case op == "add":
		m.join(ids)
	case op == "remove" && value != nil:
		m.leave(ids)
	default:
		*m = roll{all: true}
		m.join(ids)
	}
	return nil
}

func (m *roll) join(ids []string) {
	if m.added == nil {
		m.added = map[string]bool{}
		for _, id := range m.add {
			m.added[id] = true
		}
	}
	if len(m.gone) > 0 {
		coming := setOf(ids)
		m.gone = slices.DeleteFunc(m.gone, func(id string) bool { return coming[id] })
	}
	for _, id := range ids {
		if !m.added[id] {
			m.added[id] = true
			m.add = append(m.add, id)
		}
	}
}

func (m *roll) leave(ids []string) {
	going := setOf(ids)
	m.add = slices.DeleteFunc(m.add, func(id string) bool { return going[id] })
	for id := range going {
		delete(m.added, id)
	}
	m.gone = append(m.gone, ids...)
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// chosen gives the members whom a filter chooses, those who have just come among them.
func (m *roll) chosen(t *table, g *group, some expr) []string {
	if c, ok := some.(compare); ok && c.op == "eq" && strings.EqualFold(c.path.name, "value") {
		id, _ := c.value.(string)
		if n, named := t.refs.number[id]; named && !m.all && g.has(n) || m.added[id] {
			return []string{id}
		}
		return nil
	}
	v := &view{kind: groups()}
	var out []string
	try := func(d document) {
		if v.within(attrPath{name: "members"}, d, some) {
			out = append(out, textOf(d, "value"))
		}
	}
	if !m.all {
		for _, x := range t.membersOf(&call{}, g) {
			if d, ok := x.(document); ok {
				try(d)
			}
		}
	}
	for _, id := range m.add {
		try(document{"value": id})
	}
	return out
}

// write puts into a change what becomes of a group's members, and counts who comes and goes.
// Members are kept in pieces, so that one who joins a large group rewrites one of them.
func (m *roll) write(t *table, ch *change, g *group) (int, error) {
	if m == nil {
		return 0, nil
	}
	w := &rewrite{group: g, chunks: slices.Clone(g.chunks), next: g.next, touched: map[int]bool{}}
	w.index(len(m.add)+len(m.gone) > manyMembers || m.all)
	var moved []string
	if m.all {
		stay := setOf(m.add)
		g.each(func(n uint32) bool {
			if id := t.refs.ids[n]; !stay[id] {
				moved = append(moved, id)
			}
			return true
		})
	} else {
		for _, id := range m.gone {
			if n, named := t.refs.number[id]; named && w.find(n) >= 0 && !slices.Contains(moved, id) {
				moved = append(moved, id)
			}
		}
	}
	left := len(moved)
	for _, id := range moved {
		w.drop(t.refs.number[id])
	}
	for _, id := range m.add {
		n, named := t.refs.number[id]
		if named && w.find(n) >= 0 {
			continue
		}
		moved = append(moved, id)
		if t.members+len(moved)-2*left > maxMemberships || len(t.refs.ids) >= maxReferences {
			return 0, refuse(http.StatusInsufficientStorage, "", "there are too many members already")
		}
		w.join(t.refs.of(id))
	}
	if len(moved) == 0 {
		return 0, nil
	}
	size := g.size + len(moved) - 2*left
	w.records(t, ch)
	ch.after = append(ch.after, func(t *table) {
		g := t.groupN[g.id]
		t.members += size - g.size
		g.chunks, g.next, g.size = w.chunks, w.next, size
	})
	for _, id := range moved {
		switch {
		case t.byID[id] != nil && len(ch.people) <= fewPeople:
			ch.people = append(ch.people, id)
		case t.byID[id] != nil || t.groupN[id] != nil:
			ch.all = true
		}
	}
	return len(moved), nil
}

// rewrite is the members of a group while they change.
type rewrite struct {
	group   *group
	chunks  []chunk
	next    uint32
	touched map[int]bool
	// at says in which piece a member is; nil: they are looked for.
	at map[uint32]int
}

func (w *rewrite) index(many bool) {
	if !many {
		return
	}
	w.at = make(map[uint32]int, w.group.size)
	for i := range w.chunks {
		for _, m := range w.chunks[i].members {
			w.at[m] = i
		}
	}
}

// find gives the piece that a member is in, negative for none.
func (w *rewrite) find(m uint32) int {
	if w.at != nil {
		if i, in := w.at[m]; in {
			return i
		}
		return -1
	}
	return slices.IndexFunc(w.chunks, func(c chunk) bool { return slices.Contains(c.members, m) })
}

// own makes a piece one that may be changed.
func (w *rewrite) own(i int) {
	if !w.touched[i] {
		w.touched[i] = true
		w.chunks[i].members = slices.Clone(w.chunks[i].members)
	}
}

func (w *rewrite) drop(m uint32) {
	i := w.find(m)
	w.own(i)
	c := &w.chunks[i]
	c.members = slices.DeleteFunc(c.members, func(x uint32) bool { return x == m })
	delete(w.at, m)
}

func (w *rewrite) join(m uint32) {
	i := len(w.chunks) - 1
	for i >= 0 && len(w.chunks[i].members) >= chunkMembers {
		i--
	}
	if i < 0 {
		i = len(w.chunks)
		w.chunks = append(w.chunks, chunk{number: w.next})
		w.next++
	}
	w.own(i)
	w.chunks[i].members = append(w.chunks[i].members, m)
	if w.at != nil {
		w.at[m] = i
	}
}

// records puts the pieces that changed into a change; empty ones go.
func (w *rewrite) records(t *table, ch *change) {
	for i := range w.touched {
		c := &w.chunks[i]
		key := chunkKey(w.group.id, c.number)
		if len(c.members) == 0 {
			ch.remove(key)
			continue
		}
		var b []byte
		for _, m := range c.members {
			b = appendID(b, t.refs.ids[m])
		}
		ch.set(key, b)
	}
	w.chunks = slices.DeleteFunc(w.chunks, func(c chunk) bool { return len(c.members) == 0 })
}
