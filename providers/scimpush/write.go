package scimpush

import (
	"net/http"
	"reflect"
	"strings"
)

const (
	// maxResource bounds one resource, the members of a group not counted.
	maxResource = 256 << 10
	// maxID bounds what is named as a member.
	maxID = 256
)

// parse reads the resource in a body.
func parse(c *call) (document, error) {
	var doc document
	if err := decode(c.body, &doc); err != nil || doc == nil {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "the body is no JSON object")
	}
	return doc, nil
}

// create takes in a new resource. One of the generation before, which the provider does not
// know by its id any more, keeps its id.
func (s *Source) create(c *call, kind *resourceType) (*reply, error) {
	in, err := parse(c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.current()
	if err != nil {
		return nil, err
	}
	members, doc, err := s.incoming(kind, in)
	if err != nil {
		return nil, err
	}
	id, err := t.claim(kind, doc)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	r := &stored{Created: now}
	if id != "" {
		if r, err = s.load(t, kind, id); err != nil {
			return nil, err
		}
	} else if id, err = t.place(kind, newID(now, t.last(kind))); err != nil {
		return nil, err
	}
	r.Doc = doc
	return s.store(c, t, kind, id, r, members, http.StatusCreated)
}

// place looks for room for a new resource.
func (t *table) place(kind *resourceType, id string) (string, error) {
	if kind.name == "User" && len(t.users) >= maxUsers || kind.name == "Group" && len(t.groups) >= maxGroups {
		return "", refuse(http.StatusInsufficientStorage, "", "there are too many resources already")
	}
	return id, nil
}

// claim finds the resource of the generation before that a new one is, and refuses a new
// user whose userName another one has.
func (t *table) claim(kind *resourceType, doc document) (string, error) {
	former := func(generation int) bool { return generation != t.head.Generation }
	external := textOf(doc, "externalId")
	if kind.name == "User" {
		u := t.byName[foldName(textOf(doc, "userName"))]
		if u != nil && !former(u.generation) {
			return "", refuse(http.StatusConflict, "uniqueness", "another user has that userName")
		}
		// Who they are is what the provider says itself; a userName may have gone on to somebody else.
		for _, same := range t.users {
			if !t.head.doubted() {
				break // Nobody is of a generation before the first.
			}
			if former(same.generation) && external != "" && same.external == external {
				return same.ID, nil
			}
		}
		if u != nil && (external == "" || u.external == "") {
			return u.ID, nil
		}
		return "", nil
	}
	for _, same := range []func(g *group) bool{
		func(g *group) bool { return external != "" && g.external == external },
		func(g *group) bool { return external == "" && g.name == textOf(doc, "displayName") },
		func(g *group) bool { return g.external == "" && g.name == textOf(doc, "displayName") },
	} {
		for _, g := range t.groups {
			if former(g.generation) && same(g) {
				return g.id, nil
			}
		}
	}
	return "", nil
}

// incoming gives a resource that was sent as a whole in the form in which it is kept, the
// members of a group apart. A group without the attribute keeps its members: RFC 7644, section
// 3.5.1, leaves open what becomes of what is not sent, and whoever read the group without its
// members and puts it back means no harm to them. To empty it, null or an empty list is sent.
func (s *Source) incoming(kind *resourceType, in document) (*roll, document, error) {
	var members *roll
	if kind.name == "Group" {
		members = &roll{}
		if key, value, found := get(in, "members"); found {
			members.all = true
			ids, err := memberIDs(value)
			if err != nil {
				return nil, nil, err
			}
			members.add = ids
			delete(in, key)
		}
	}
	doc, err := normal(kind, in)
	return members, doc, err
}

// replace takes in a resource in the place of the one that there is.
func (s *Source) replace(c *call, kind *resourceType, id string) (*reply, error) {
	in, err := parse(c)
	if err != nil {
		return nil, err
	}
	return s.update(c, kind, id, func(_ *table, r *stored) (*roll, error) {
		members, doc, err := s.incoming(kind, in)
		r.Doc = doc
		return members, err
	})
}

// patch changes a resource.
func (s *Source) patch(c *call, kind *resourceType, id string) (*reply, error) {
	var in struct {
		Operations []operation `json:"Operations"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "the body is no patch")
	}
	if len(in.Operations) == 0 || len(in.Operations) > maxOperations {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "a patch has between 1 and %d operations", maxOperations)
	}
	return s.update(c, kind, id, func(t *table, r *stored) (*roll, error) {
		members := &roll{}
		p := &patcher{kind: kind, doc: r.Doc}
		if kind.name == "Group" {
			g := t.groupN[id]
			p.members = func(op string, at *target, value any) error { return members.take(t, g, op, at, value) }
		}
		for i := range in.Operations {
			if err := p.apply(&in.Operations[i]); err != nil {
				return nil, err
			}
		}
		var err error
		r.Doc, err = normal(kind, p.doc)
		return members, err
	})
}

// update changes a resource by a function, when the condition of the call holds.
func (s *Source) update(c *call, kind *resourceType, id string, change func(*table, *stored) (*roll, error)) (*reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, r, err := s.meant(c, kind, id)
	if err != nil {
		return nil, err
	}
	members, err := change(t, r)
	if err != nil {
		return nil, err
	}
	if kind.name == "User" {
		if u := t.byName[foldName(textOf(r.Doc, "userName"))]; u != nil && u.ID != id && u.generation == t.head.Generation {
			return nil, refuse(http.StatusConflict, "uniqueness", "another user has that userName")
		}
	}
	return s.store(c, t, kind, id, r, members, http.StatusOK)
}

// meant gives the resource that a call is about, when the condition of the call holds. The
// lock is held for writing.
func (s *Source) meant(c *call, kind *resourceType, id string) (*table, *stored, error) {
	t, err := s.current()
	if err != nil {
		return nil, nil, err
	}
	r, err := s.load(t, kind, id)
	if err != nil {
		return nil, nil, err
	}
	if c.match != "" && !matches(c.match, r.etag()) {
		return nil, nil, refuse(http.StatusPreconditionFailed, "", "it was changed meanwhile")
	}
	return t, r, nil
}

// store keeps a resource as it is now, and answers with it. The lock is held for writing.
func (s *Source) store(c *call, t *table, kind *resourceType, id string, r *stored, members *roll, status int) (*reply, error) {
	sel, err := selected(c)
	if err != nil {
		return nil, err
	}
	ch := &change{}
	if err := s.keep(t, ch, kind, id, r, members); err != nil {
		return nil, err
	}
	if len(ch.records) > 0 {
		h := s.written(t)
		if err := s.commit(ch, h); err != nil {
			return nil, err
		}
		s.tell(ch, &h)
	}
	out := &reply{status: status, etag: r.etag(), location: c.base + kind.endpoint + "/" + id}
	if kind.name == "Group" && c.method == http.MethodPatch && !c.query.Has("attributes") {
		// The members of a large group are no answer to one who joined.
		out.status = http.StatusNoContent
		return out, nil
	}
	out.body = s.render(c, s.table, kind, id, r, &sel)
	return out, nil
}

// keep puts into a change what makes a resource what it is now; nothing when it is so already.
func (s *Source) keep(t *table, ch *change, kind *resourceType, id string, r *stored, members *roll) error {
	moved := 0
	var g *group
	if kind.name == "Group" {
		if g = t.groupN[id]; g == nil {
			g = &group{id: id}
		}
		var err error
		if moved, err = members.write(t, ch, g); err != nil {
			return err
		}
	}
	before, err := s.before(t, kind, id)
	if err != nil {
		return err
	}
	if before != nil && moved == 0 && before.Generation == t.head.Generation && reflect.DeepEqual(before.Doc, r.Doc) {
		ch.records, ch.after = nil, nil
		return nil
	}
	r.Generation, r.Modified = t.head.Generation, s.now().UTC()
	r.Version++
	if b, err := encode(r.Doc); err != nil || len(b) > maxResource {
		return refuse(http.StatusRequestEntityTooLarge, "", "the resource is larger than %d bytes", maxResource)
	}
	if g != nil {
		ch.all = ch.all || before == nil || before.Generation != r.Generation || textOf(before.Doc, "displayName") != textOf(r.Doc, "displayName")
		ch.after = append([]func(*table){func(t *table) { t.putGroup(id, r) }}, ch.after...)
		return ch.put(groupKey(id), r)
	}
	u := s.reader.user(id, r)
	if old := t.byID[id]; old == nil || !reflect.DeepEqual(old.User, u.User) || old.generation != u.generation {
		ch.people = append(ch.people, id)
	}
	ch.after = append(ch.after, func(t *table) { t.putUser(u) })
	return ch.put(userKey(id), r)
}

// before gives a resource as it is kept, nil when it is new.
func (s *Source) before(t *table, kind *resourceType, id string) (*stored, error) {
	if t.byID[id] == nil && t.groupN[id] == nil {
		return nil, nil //nolint:nilnil // A new one was nothing before.
	}
	return s.load(t, kind, id)
}

// delete takes a resource away, and out of every group.
func (s *Source) delete(c *call, kind *resourceType, id string) (*reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _, err := s.meant(c, kind, id)
	if err != nil {
		return nil, err
	}
	ch := &change{}
	if err := s.leaveAll(t, ch, id); err != nil {
		return nil, err
	}
	now := s.now().UTC()
	for gone, at := range t.goneUser {
		if now.Sub(at) > keptDeletions {
			ch.remove(string(keyUserGone) + gone)
			ch.after = append(ch.after, func(t *table) { delete(t.goneUser, gone) })
		}
	}
	for gone, at := range t.goneGrp {
		if now.Sub(at) > keptDeletions {
			ch.remove(string(keyGroupGone) + gone)
			ch.after = append(ch.after, func(t *table) { delete(t.goneGrp, gone) })
		}
	}
	if kind.name == "User" {
		ch.people = append(ch.people, id)
		ch.remove(userKey(id))
		err = ch.put(string(keyUserGone)+id, now)
		ch.after = append(ch.after, func(t *table) { t.dropUser(id); t.goneUser[id] = now })
	} else {
		ch.all = true
		for _, one := range t.groupN[id].chunks {
			ch.remove(chunkKey(id, one.number))
		}
		ch.remove(groupKey(id))
		err = ch.put(string(keyGroupGone)+id, now)
		ch.after = append(ch.after, func(t *table) { t.dropGroup(id); t.goneGrp[id] = now })
	}
	if err != nil {
		return nil, err
	}
	h := s.written(t)
	if err := s.commit(ch, h); err != nil {
		return nil, err
	}
	s.tell(ch, &h)
	return &reply{status: http.StatusNoContent}, nil
}

// leaveAll takes somebody who is deleted out of every group that names them.
func (s *Source) leaveAll(t *table, ch *change, id string) error {
	n, named := t.refs.number[id]
	if !named {
		return nil
	}
	for _, g := range t.groups {
		if g.id == id || !g.has(n) {
			continue
		}
		r, err := s.load(t, groups(), g.id)
		if err != nil {
			return err
		}
		members := &roll{gone: []string{id}}
		if _, err := members.write(t, ch, g); err != nil {
			return err
		}
		// It is as much of this generation as before: nobody has brought it by this.
		r.Version++
		r.Modified = s.now().UTC()
		if err := ch.put(groupKey(g.id), r); err != nil {
			return err
		}
	}
	ch.all, ch.people = false, nil
	return nil
}

// cleanID reports whether something can be the id of a member.
func cleanID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsAny(id, "\x00\n\r")
}
