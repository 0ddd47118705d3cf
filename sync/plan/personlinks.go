package plan

import (
	"iter"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/index"
)

// PersonLinks says which account each directory user has. It is a table and not a map of
// structs, because there is a row for everybody and most rows say the same about how and
// when they were linked. None may be nil: it has no links and takes none.
type PersonLinks struct {
	// tables are those of the sources, in the order in which they came.
	tables []linkTable
	// room is how many links are expected of the first source.
	room int
}

// NewPersonLinks makes a table for so many links.
func NewPersonLinks(room int) *PersonLinks { return &PersonLinks{room: room} }

// linkTable holds the links of one source.
type linkTable struct {
	source string
	rows   []linkRow
	byID   index.Index
	// last is how the newest row was linked.
	last *linkedHow
}

type linkRow struct {
	id, account, email string
	how                *linkedHow
}

// linkedHow is shared by rows and never changed.
type linkedHow struct {
	by    string
	since time.Time
}

func (r *linkRow) link() PersonLink {
	return PersonLink{Account: r.account, By: r.how.by, Email: r.email, Since: r.how.since}
}

func (t *linkTable) id(n uint32) string { return t.rows[n].id }

// row gives the row of a user, nil when there is none.
func (t *linkTable) row(id string) *linkRow {
	if t == nil {
		return nil
	}
	n, found := t.byID.Find(id, t.id)
	if !found {
		return nil
	}
	return &t.rows[n]
}

// of gives the table of a source, nil when there is none.
func (p *PersonLinks) of(source string) *linkTable {
	if p == nil {
		return nil
	}
	for i := range p.tables {
		if p.tables[i].source == source {
			return &p.tables[i]
		}
	}
	return nil
}

// Get gives the link of a user.
func (p *PersonLinks) Get(key directory.UserKey) (PersonLink, bool) {
	r := p.of(key.Source).row(key.ID)
	if r == nil {
		return PersonLink{}, false
	}
	return r.link(), true
}

// Link gives the link of a user, an empty one when there is none.
func (p *PersonLinks) Link(key directory.UserKey) PersonLink {
	link, _ := p.Get(key)
	return link
}

// Set links a user to an account.
func (p *PersonLinks) Set(key directory.UserKey, link PersonLink) {
	t := p.of(key.Source)
	if t == nil {
		p.tables = append(p.tables, linkTable{source: key.Source, rows: make([]linkRow, 0, p.room)})
		p.room = 0
		t = &p.tables[len(p.tables)-1]
	}
	if how := (linkedHow{link.By, link.Since}); t.last == nil || *t.last != how {
		t.last = &how
	}
	next := linkRow{id: key.ID, account: link.Account, email: link.Email, how: t.last}
	if r := t.row(key.ID); r != nil {
		next.id = r.id
		*r = next
		return
	}
	t.byID.Put(key.ID, uint32(len(t.rows)), t.id)
	t.rows = append(t.rows, next)
}

// Delete ends the link of a user.
func (p *PersonLinks) Delete(key directory.UserKey) {
	t := p.of(key.Source)
	r := t.row(key.ID)
	if r == nil {
		return
	}
	// The last row takes the place of the one that goes.
	n, last := t.place(r.id), len(t.rows)-1
	t.byID.Delete(r.id, t.id)
	if int(n) != last {
		t.byID.Put(t.rows[last].id, n, t.id)
		t.rows[n] = t.rows[last]
	}
	t.rows[last] = linkRow{}
	t.rows = t.rows[:last]
}

func (t *linkTable) place(id string) uint32 {
	n, _ := t.byID.Find(id, t.id)
	return n
}

// Len counts the links.
func (p *PersonLinks) Len() int {
	n := 0
	if p != nil {
		for i := range p.tables {
			n += len(p.tables[i].rows)
		}
	}
	return n
}

// All gives every link, in no order that means anything. Nothing may be set or deleted
// meanwhile.
func (p *PersonLinks) All() iter.Seq2[directory.UserKey, PersonLink] {
	return func(yield func(directory.UserKey, PersonLink) bool) {
		if p == nil {
			return
		}
		for i := range p.tables {
			t := &p.tables[i]
			for n := range t.rows {
				if !yield(directory.UserKey{Source: t.source, ID: t.rows[n].id}, t.rows[n].link()) {
					return
				}
			}
		}
	}
}

// Keys gives every user who is linked, in no order that means anything.
func (p *PersonLinks) Keys() iter.Seq[directory.UserKey] {
	return func(yield func(directory.UserKey) bool) {
		for key := range p.All() {
			if !yield(key) {
				return
			}
		}
	}
}

// Clone gives a copy that may be changed.
func (p *PersonLinks) Clone() *PersonLinks {
	if p == nil {
		return nil
	}
	next := &PersonLinks{tables: slices.Clone(p.tables)}
	for i := range next.tables {
		t := &next.tables[i]
		t.rows, t.byID = slices.Clone(t.rows), t.byID.Clone()
	}
	return next
}

// Equal reports whether both hold the same links.
func (p *PersonLinks) Equal(o *PersonLinks) bool {
	if p.Len() != o.Len() {
		return false
	}
	for key, link := range p.All() {
		if other, linked := o.Get(key); !linked || other != link {
			return false
		}
	}
	return true
}
