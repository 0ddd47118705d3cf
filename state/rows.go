package state

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// The rows of a replica. A missing person's count changes with every complete read,
// so those counts are kept apart from the rows, which stay as they are.

// Bits of the first byte of a user; six bits for three times follow.
const (
	userDisabled = 1 << iota
	userAttributes
)

// encodeUsers writes one chunk of users: all ids, then the rest row by row.
func encodeUsers(w *writer, users []replica.User, c *clock) {
	w.uint(uint64(len(users)))
	for i := range users {
		w.id(users[i].ID)
	}
	for i := range users {
		u := &users[i]
		seen, status, groups := c.code(u.SeenAt), c.code(u.StatusAt), c.code(u.GroupsAt)
		flags := seen<<2 | status<<4 | groups<<6
		if u.Disabled {
			flags |= userDisabled
		}
		if u.Attributes != nil {
			flags |= userAttributes
		}
		w.byte(flags)
		w.coded(seen, u.SeenAt)
		w.coded(status, u.StatusAt)
		w.coded(groups, u.GroupsAt)
		w.string(u.Email)
		w.string(u.Username)
		w.string(u.Name)
		w.string(u.DN)
		if u.Attributes != nil {
			encodeAttributes(w, u.Attributes)
		}
	}
}

func encodeAttributes(w *writer, attributes map[string][]string) {
	w.uint(uint64(len(attributes)))
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		w.string(name)
		w.uint(uint64(len(attributes[name])))
		for _, v := range attributes[name] {
			w.string(v)
		}
	}
}

// decodeUsers appends the users of one chunk.
func decodeUsers(payload []byte, c *clock, users []replica.User, shared *replica.Shared) ([]replica.User, error) {
	r := newReader(payload)
	ids := r.ids(r.count(1))
	r.share()
	for _, id := range ids {
		flags := r.byte()
		u := replica.User{User: directory.User{ID: id, Disabled: flags&userDisabled != 0}}
		u.Evidence = shared.Of(replica.Evidence{SeenAt: r.coded(flags>>2, c), StatusAt: r.coded(flags>>4, c), GroupsAt: r.coded(flags>>6, c)})
		u.Email = r.string()
		u.Username = r.string()
		u.Name = r.string()
		u.DN = r.string()
		if flags&userAttributes != 0 {
			u.Attributes = decodeAttributes(r)
		}
		if r.err != nil {
			break
		}
		users = append(users, u)
	}
	return users, r.end()
}

func decodeAttributes(r *reader) map[string][]string {
	n := r.count(2)
	attributes := make(map[string][]string, n)
	for range n {
		name := r.string()
		values := make([]string, r.count(1))
		for i := range values {
			values[i] = r.string()
		}
		attributes[name] = values
	}
	return attributes
}

// Bits of the first byte of a group; four bits for two times follow.
const (
	groupListed = 1 << iota
	groupDirect
	groupKept   = 1 << 6 // since version 3
	groupOwners = 1 << 7 // since version 5
)

// encodeGroup writes one group without its Missing and DeletedAt.
func encodeGroup(w *writer, g *replica.Group, c *clock) error {
	seen, read := c.code(g.SeenAt), c.code(g.MembersAt)
	flags := seen<<2 | read<<4
	if g.Listed {
		flags |= groupListed
	}
	if g.Direct != nil {
		flags |= groupDirect
	}
	if len(g.Kept) > 0 {
		flags |= groupKept
	}
	if g.OwnersOf != "" {
		flags |= groupOwners
	}
	w.byte(flags)
	w.coded(seen, g.SeenAt)
	w.coded(read, g.MembersAt)
	w.id(g.ID)
	w.string(g.Name)
	w.string(g.DN)
	w.string(g.Path)
	w.string(g.Description)
	err := w.rows(g.Members)
	if err == nil && g.Direct != nil {
		err = w.rows(g.Direct)
	}
	if err == nil {
		err = w.rows(g.Children)
	}
	if err == nil && len(g.Kept) > 0 {
		err = w.rows(g.Kept)
	}
	if err != nil {
		return fmt.Errorf("members of group %q: %w", g.Name, err)
	}
	w.uint(uint64(len(g.Recent)))
	for _, v := range g.Recent {
		w.uint(uint64(v.User))
		w.time(v.First)
	}
	w.uint(uint64(len(g.Blocked)))
	for _, v := range g.Blocked {
		w.uint(uint64(v.Child))
		encodeStrings(w, v.Refs)
	}
	encodeStrings(w, g.Unresolved)
	if g.OwnersOf != "" {
		w.id(g.OwnersOf)
	}
	return nil
}

// decodeGroup reads one group of a source with that many users and groups.
func decodeGroup(payload []byte, c *clock, users, groups int) (replica.Group, error) {
	r := newReader(payload)
	flags := r.byte()
	g := replica.Group{Listed: flags&groupListed != 0}
	g.SeenAt = r.coded(flags>>2, c)
	g.MembersAt = r.coded(flags>>4, c)
	g.ID = r.idString()
	g.Name = r.string()
	g.DN = r.string()
	g.Path = r.string()
	g.Description = r.string()
	g.Members = r.rows(users)
	if flags&groupDirect != 0 {
		if g.Direct = r.rows(users); g.Direct == nil {
			g.Direct = []uint32{}
		}
	}
	g.Children = r.rows(groups)
	if flags&groupKept != 0 {
		g.Kept = r.rows(users)
	}
	for range r.count(3) {
		g.Recent = append(g.Recent, replica.Recent{User: r.row(users), First: r.time()})
	}
	for range r.count(2) {
		g.Blocked = append(g.Blocked, replica.Block{Child: r.row(groups), Refs: decodeStrings(r)})
	}
	g.Unresolved = decodeStrings(r)
	if flags&groupOwners != 0 {
		g.OwnersOf = r.idString()
	}
	return g, r.end()
}

// row reads one number below limit.
func (r *reader) row(limit int) uint32 {
	n := r.uint()
	if r.err == nil && n >= uint64(limit) {
		r.fail(fmt.Errorf("it names row %d of %d", n, limit))
		return 0
	}
	return uint32(n)
}

func encodeStrings(w *writer, list []string) {
	w.uint(uint64(len(list)))
	for _, s := range list {
		w.string(s)
	}
}

func decodeStrings(r *reader) []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}

// encodeMissing writes the users and the groups that complete lists did not show.
func encodeMissing(w *writer, users []replica.User, groups []replica.Group, c *clock) {
	one := func(n int, m replica.Missing) {
		last := c.code(m.Last)
		w.uint(uint64(n))
		w.byte(last)
		w.coded(last, m.Last)
		w.time(m.First)
		w.int(int64(m.Reads))
	}
	table := func(rows int, missing func(int) replica.Missing) {
		n := 0
		for i := range rows {
			if missing(i) != (replica.Missing{}) {
				n++
			}
		}
		w.uint(uint64(n))
		for i := 0; n > 0; i++ {
			if m := missing(i); m != (replica.Missing{}) {
				one(i, m)
				n--
			}
		}
	}
	table(len(users), func(i int) replica.Missing { return users[i].Missing })
	table(len(groups), func(i int) replica.Missing { return groups[i].Missing })
}

// decodeMissing sets Missing of the rows.
func decodeMissing(payload []byte, users []replica.User, groups []replica.Group, c *clock, shared *replica.Shared) error {
	r := newReader(payload)
	one := func() replica.Missing {
		last := r.coded(r.byte(), c)
		return replica.Missing{Last: last, First: r.time(), Reads: int(r.int())}
	}
	for range r.count(5) {
		if n := r.row(len(users)); r.err == nil {
			next := *users[n].Evidence
			next.Missing = one()
			users[n].Evidence = shared.Of(next)
		}
	}
	for range r.count(5) {
		if n := r.row(len(groups)); r.err == nil {
			groups[n].Missing = one()
		}
	}
	return r.end()
}

// encodeDeleted writes the users and the groups that the source says were deleted.
func encodeDeleted(w *writer, users []replica.User, groups []replica.Group) {
	table := func(rows int, deleted func(int) time.Time) {
		n := 0
		for i := range rows {
			if !deleted(i).IsZero() {
				n++
			}
		}
		w.uint(uint64(n))
		for i := 0; n > 0; i++ {
			if at := deleted(i); !at.IsZero() {
				w.uint(uint64(i))
				w.time(at)
				n--
			}
		}
	}
	table(len(users), func(i int) time.Time { return users[i].DeletedAt })
	table(len(groups), func(i int) time.Time { return groups[i].DeletedAt })
}

// decodeDeleted sets DeletedAt of the rows.
func decodeDeleted(payload []byte, users []replica.User, groups []replica.Group, shared *replica.Shared) error {
	r := newReader(payload)
	for range r.count(3) {
		if n := r.row(len(users)); r.err == nil {
			next := *users[n].Evidence
			next.DeletedAt = r.time()
			users[n].Evidence = shared.Of(next)
		}
	}
	for range r.count(3) {
		if n := r.row(len(groups)); r.err == nil {
			groups[n].DeletedAt = r.time()
		}
	}
	return r.end()
}
