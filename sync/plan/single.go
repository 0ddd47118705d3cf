package plan

import (
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/replica"
)

// A source that knows single people only has no lists: whom it does not show has not left,
// and is not gone. It could have granted a membership only where it has shown this very
// membership, and it has its say for as long as what it showed of the person is not older
// than its max_age. After that it proves nothing: nobody is added or removed on it.

// current reports whether what a source of single people last showed of somebody still
// counts: their groups, or for everybody in the source the person alone.
func (s *Source) current(u *replica.User, everyone bool, now time.Time) bool {
	at := u.GroupsAt
	if everyone {
		at = u.SeenAt
	}
	return now.Sub(at) <= s.MaxAge
}

// TooOld gives the time of what a source of single people last showed of somebody, when it
// no longer counts; zero: it does, or the source has lists.
func (s *Source) TooOld(user uint32, everyone bool, now time.Time) time.Time {
	u := &s.Replica.Users()[user]
	switch {
	case !s.Single || s.current(u, everyone, now):
		return time.Time{}
	case everyone:
		return u.SeenAt
	}
	return u.GroupsAt
}

// fresh reports whether a source's lists are fresh enough to decide on. One of single people
// has none, so it never holds anybody else up.
func (c *computer) fresh(s int) bool { return !c.in.Sources[s].Single && c.stale[s] == "" }

// silent reports whether a source cannot say whether it grants an account a membership: it
// was not read, or it may have something to show of the person and has not done so lately.
func (c *computer) silent(s int, groups []uint32, a uint32) bool {
	src := &c.in.Sources[s]
	if !src.Single {
		_, fresh := c.ready(s, groups)
		return !fresh
	}
	for _, p := range c.people.of(a) {
		if p.source == s {
			return !src.current(&src.Replica.Users()[p.user], false, c.in.Now)
		}
	}
	// Whoever has never signed in through its provider cannot be one of its people.
	account := c.in.Memory.Mirror.Account(a)
	return src.Provider == "" || account.Subjects == nil || account.Subjects[src.Provider] != ""
}

// ObjectIDAttribute is the attribute by which a source of single people tells the id that
// its provider has for somebody everywhere, where the subject is another for every client.
const ObjectIDAttribute = "oid"

// ObjectID gives that id, empty where there is none.
func ObjectID(u *replica.User) string {
	if v := u.Value(ObjectIDAttribute); len(v) == 1 {
		return v[0]
	}
	return ""
}

// aliases lets accounts be found by the object id of their people as well as by their
// subject, so that another source of the same provider, which knows people by that id,
// leads to them. An id that would lead to two accounts leads to none, and what is the
// subject of an account means nobody else.
func (p *people) aliases() {
	found, doubt := map[[2]string]uint32{}, map[[2]string]bool{}
	for s := range p.in.Sources {
		src := &p.in.Sources[s]
		if !src.Single || src.Provider == "" {
			continue
		}
		for n := range src.Replica.Users() {
			u := &src.Replica.Users()[n]
			subject, oid := u.Value(src.Subject), ObjectID(u)
			if len(subject) == 0 || oid == "" || oid == subject[0] {
				continue
			}
			account, known := p.owner(src, u.ID, subject[0])
			if !known {
				continue
			}
			key := [2]string{src.Provider, oid}
			if was, taken := found[key]; taken && was != account {
				doubt[key] = true
			}
			found[key] = account
		}
	}
	for key, account := range found {
		if _, subject := p.bySubject[key]; !subject && !doubt[key] {
			p.bySubject[key] = account
		}
	}
}

// owner gives the account of somebody in a source of single people: the one that they are
// linked to, else the one that has their subject.
func (p *people) owner(src *Source, id, subject string) (uint32, bool) {
	if link, linked := p.in.Memory.People.Get(directory.UserKey{Source: src.ID, ID: id}); linked {
		n, met := p.in.Memory.Mirror.Number(link.Account)
		return n, met && !p.in.Memory.Mirror.Account(n).Deleted
	}
	n, found := p.bySubject[[2]string{src.Provider, subject}]
	return n, found
}
