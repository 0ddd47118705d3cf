package scimpush

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
)

// The bounds of a store.
const (
	maxUsers       = 1_000_000
	maxGroups      = 100_000
	maxMemberships = 10_000_000
	maxReferences  = 2_000_000
)

// user is what is kept of a user in memory; the whole is in the store.
type user struct {
	directory.User
	// login is the userName, which Username need not be.
	login, external string
	generation      int
}

// group is a group in memory, with its members.
type group struct {
	id, name, external string
	generation         int
	chunks             []chunk
	next               uint32
	size               int
}

// chunk are some of the members of a group, as numbers of references.
type chunk struct {
	number  uint32
	members []uint32
}

// each calls fn for every member until it gives false.
func (g *group) each(fn func(uint32) bool) {
	for i := range g.chunks {
		for _, m := range g.chunks[i].members {
			if !fn(m) {
				return
			}
		}
	}
}

func (g *group) has(ref uint32) bool {
	for i := range g.chunks {
		if slices.Contains(g.chunks[i].members, ref) {
			return true
		}
	}
	return false
}

// references give every id that is named as a member a number.
type references struct {
	ids    []string
	number map[string]uint32
}

func (r *references) of(id string) uint32 {
	if n, ok := r.number[id]; ok {
		return n
	}
	n := uint32(len(r.ids))
	r.ids = append(r.ids, id)
	r.number[id] = n
	return n
}

// table is a store in memory. The lock of the source guards it.
type table struct {
	revision uint64
	head     head
	// older says that something in it was there before this process opened it.
	older  bool
	users  []*user // in the order of their ids, which is that in which they came
	groups []*group
	byID   map[string]*user
	byName map[string]*user // by userName without case
	groupN map[string]*group
	refs   references
	// members counts those of all groups.
	members  int
	goneUser map[string]time.Time
	goneGrp  map[string]time.Time
	restored bool
}

func newTable() *table {
	return &table{byID: map[string]*user{}, byName: map[string]*user{}, groupN: map[string]*group{}, refs: references{number: map[string]uint32{}},
		goneUser: map[string]time.Time{}, goneGrp: map[string]time.Time{}}
}

func foldName(s string) string { return strings.ToLower(s) }

// current gives the table as the store has it now. The caller holds the lock for writing.
func (s *Source) current() (*table, error) {
	store := s.options.Pushed
	if s.table != nil && s.table.revision == store.Revision() {
		return s.table, nil
	}
	t := newTable()
	var err error
	if t.revision, err = store.Load(func(key string, value []byte) error { return s.take(t, key, value) }); err != nil {
		return nil, err
	}
	for _, g := range t.groups {
		t.members += g.size
	}
	t.older = len(t.users)+len(t.groups) > 0
	if s.table != nil {
		t.older = s.table.older && t.older
	}
	s.table = t
	if t.head.Generation == 0 {
		t.head = head{Generation: 1, Since: s.now().UTC()}
	}
	if t.restored {
		return t, s.doubt("the state was restored from a backup")
	}
	return t, nil
}

// take takes a record into the table. Keys come in order, groups before their members.
func (s *Source) take(t *table, key string, value []byte) error {
	if key == providers.RestoredKey {
		t.restored = true
		return nil
	}
	id := key[1:]
	switch key[0] {
	case keyHead[0]:
		return decode(value, &t.head)
	case keyUser, keyGroup:
		var r stored
		if err := decode(value, &r); err != nil {
			return err
		}
		if key[0] == keyUser {
			t.putUser(s.reader.user(id, &r))
		} else {
			t.putGroup(id, &r)
		}
	case keyChunk:
		owner, n, err := splitChunk(id)
		if err != nil {
			return err
		}
		g := t.groupN[owner]
		if g == nil {
			return fmt.Errorf("members of a group %q that is not there", owner)
		}
		c := chunk{number: n}
		err = readIDs(value, func(id string) { c.members = append(c.members, t.refs.of(id)) })
		g.chunks, g.next, g.size = append(g.chunks, c), max(g.next, n+1), g.size+len(c.members)
		return err
	case keyUserGone, keyGroupGone:
		var at time.Time
		if err := decode(value, &at); err != nil {
			return err
		}
		if key[0] == keyUserGone {
			t.goneUser[id] = at
		} else {
			t.goneGrp[id] = at
		}
	default:
		return errors.New("its kind is unknown")
	}
	return nil
}

// putUser puts a user in the place of what had that id.
func (t *table) putUser(u *user) {
	if old := t.byID[u.ID]; old != nil {
		if t.byName[foldName(old.login)] == old {
			delete(t.byName, foldName(old.login))
		}
		*old = *u
		u = old
	} else {
		at, _ := slices.BinarySearchFunc(t.users, u.ID, func(u *user, id string) int { return strings.Compare(u.ID, id) })
		t.users = slices.Insert(t.users, at, u)
		t.byID[u.ID] = u
	}
	// One of a generation before, who may have the name no more, hides nobody of this one.
	if has := t.byName[foldName(u.login)]; has == nil || has.generation <= u.generation {
		t.byName[foldName(u.login)] = u
	}
}

func (t *table) dropUser(id string) {
	u := t.byID[id]
	if t.byName[foldName(u.login)] == u {
		delete(t.byName, foldName(u.login))
	}
	delete(t.byID, id)
	t.users = slices.DeleteFunc(t.users, func(x *user) bool { return x == u })
}

// putGroup puts a group in the place of what had that id; members stay.
func (t *table) putGroup(id string, r *stored) {
	g := t.groupN[id]
	if g == nil {
		g = &group{id: id}
		at, _ := slices.BinarySearchFunc(t.groups, id, func(g *group, id string) int { return strings.Compare(g.id, id) })
		t.groups = slices.Insert(t.groups, at, g)
		t.groupN[id] = g
	}
	g.name, g.external, g.generation = textOf(r.Doc, "displayName"), textOf(r.Doc, "externalId"), r.Generation
}

func (t *table) dropGroup(id string) {
	g := t.groupN[id]
	t.members -= g.size
	delete(t.groupN, id)
	t.groups = slices.DeleteFunc(t.groups, func(x *group) bool { return x == g })
}

func textOf(doc document, name string) string {
	s, _ := doc[name].(string)
	return s
}

// held counts what is of this generation.
func (t *table) held() counts {
	c := counts{Members: t.members}
	for _, u := range t.users {
		if u.generation == t.head.Generation {
			c.Users++
		}
	}
	for _, g := range t.groups {
		if g.generation == t.head.Generation {
			c.Groups++
		}
	}
	return c
}

// change is a change of the store, and what it does to the table once it is on the disk.
type change struct {
	records []providers.PushedRecord
	after   []func(*table)
	// all says that the change concerns more than the people who are named.
	all    bool
	people []string
}

func (c *change) put(key string, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	c.set(key, b)
	return nil
}

func (c *change) set(key string, b []byte) {
	c.records = append(c.records, providers.PushedRecord{Key: key, Value: b})
}

func (c *change) remove(key string) {
	c.records = append(c.records, providers.PushedRecord{Key: key})
}

// commit writes a change with the head, and then takes it into the table.
func (s *Source) commit(c *change, h head) error {
	if err := c.put(keyHead, h); err != nil {
		return err
	}
	next, err := s.options.Pushed.Save(s.table.revision, c.records)
	if err != nil {
		return err
	}
	s.table.revision, s.table.head = next, h
	for _, do := range c.after {
		do(s.table)
	}
	return nil
}

// newID makes an id that is larger than the last one: a UUID of version 7 (RFC 9562), so that
// lists are in the order in which resources came.
func newID(now time.Time, last string) string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // It never fails.
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(raw[:6], ms[2:])
	raw[6], raw[8] = raw[6]&0x0f|0x70, raw[8]&0x3f|0x80
	if before, ok := packed(last); ok && unpacked(raw[:]) <= last {
		raw = before
		for i := len(raw) - 1; i >= 0; i-- {
			if raw[i]++; raw[i] != 0 {
				break
			}
		}
	}
	return unpacked(raw[:])
}

// last gives the largest id of a kind, empty for none.
func (t *table) last(kind *resourceType) string {
	switch {
	case kind.name == "User" && len(t.users) > 0:
		return t.users[len(t.users)-1].ID
	case kind.name == "Group" && len(t.groups) > 0:
		return t.groups[len(t.groups)-1].id
	}
	return ""
}
