package ldap

import (
	"unicode/utf8"

	"groupsyncd/directory"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// texts makes the strings of users and groups. Those of one entry stand in one piece of
// memory, which is the only one made for them. The zero value is ready for use.
type texts struct {
	buf  []byte
	cuts [8]int
	n    int
	// shared are values that many people have, such as a department.
	shared map[string]string
}

// maxShared bounds the values that are kept to be shared.
const maxShared = 4096

func (t *texts) begin() { t.buf, t.n = t.buf[:0], 0 }

// cut ends one text; what follows is the next.
func (t *texts) cut() {
	t.cuts[t.n] = len(t.buf)
	t.n++
}

// add adds a value as valid text.
func (t *texts) add(value []byte) {
	if utf8.Valid(value) {
		t.buf = append(t.buf, value...)
	} else {
		t.buf = append(t.buf, wire.Text(value)...)
	}
	t.cut()
}

// end gives the texts that were added, in their order.
func (t *texts) end() (all [8]string) {
	s, from := string(t.buf), 0
	for i, to := range t.cuts[:t.n] {
		all[i] = s[from:to]
		from = to
	}
	return all
}

// share gives a value as valid text, the same one for the same value.
func (t *texts) share(value []byte) string {
	if known, ok := t.shared[string(value)]; ok {
		return known
	}
	text := wire.Text(value)
	if t.shared == nil {
		t.shared = map[string]string{}
	}
	if len(t.shared) < maxShared {
		t.shared[string(value)] = text
	}
	return text
}

// user makes a user of an entry.
func (t *texts) user(l *layout, e *wire.Entry) (directory.User, error) {
	t.begin()
	var err error
	if t.buf, err = appendID(t.buf, e, l.users.ID); err != nil {
		return directory.User{}, err
	}
	t.cut()
	t.buf = dn.Append(t.buf, e.DN)
	t.cut()
	t.add(e.First(l.users.Email))
	t.add(e.First(l.users.Username))
	t.add(e.First(l.users.Name))
	s := t.end()
	u := directory.User{ID: s[0], DN: s[1], Email: s[2], Username: s[3], Name: s[4]}
	for key, name := range l.users.Attributes {
		a := e.Find(name)
		if a == nil || a.Len() == 0 {
			continue
		}
		if u.Attributes == nil {
			u.Attributes = make(map[string][]string, len(l.users.Attributes))
		}
		values := make([]string, 0, a.Len())
		for v := range a.Values() {
			values = append(values, t.share(v))
		}
		u.Attributes[key] = values
	}
	return u, nil
}

// group makes a group of an entry, without its members.
func (t *texts) group(l *layout, e *wire.Entry) (directory.Group, error) {
	t.begin()
	var err error
	if t.buf, err = appendID(t.buf, e, l.groups.ID); err != nil {
		return directory.Group{}, err
	}
	t.cut()
	t.buf = dn.Append(t.buf, e.DN)
	t.cut()
	t.add(e.First(l.groups.Name))
	t.add(e.First(l.groups.Description))
	s := t.end()
	g := directory.Group{ID: s[0], DN: s[1], Name: s[2], Description: s[3]}
	if g.Name == "" {
		g.Name = dn.FirstValue(string(e.DN))
	}
	return g, nil
}
