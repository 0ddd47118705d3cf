package openwebuitest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// account is one account as the server keeps it.
type account struct {
	id, email, name, role string
	oauth                 map[string]string
	password, picture     string
	created, active       int64
	// touched is when a request of theirs moved active last.
	touched  int64
	seq      int
	groups   []string
	sessions []session
}

// group is one group as the server keeps it; members keep the order in which they
// came.
type group struct {
	id, owner, name, description string
	data, permissions, meta      json.RawMessage
	parent                       string
	created, updated             int64
	seq                          int
	members                      []string
	isMember                     map[string]bool
}

// store is the server's database. Its methods set updated_at as the server does; the
// caller holds the lock.
type store struct {
	accounts map[string]*account
	groups   map[string]*group
	keys     map[string]string // API key to account id
	// tokens are the sign-ins, by what their browsers send.
	tokens    map[string]string
	resources map[key]*resource
	webhooks  []webhook
	seq       int
	// newest caches the accounts in the order of creation, newest first.
	newest []*account
}

func newStore() *store {
	return &store{accounts: map[string]*account{}, groups: map[string]*group{}, keys: map[string]string{}, tokens: map[string]string{},
		resources: map[key]*resource{}}
}

func (st *store) clone() *store {
	c := &store{accounts: maps.Clone(st.accounts), groups: maps.Clone(st.groups), keys: maps.Clone(st.keys), webhooks: slices.Clone(st.webhooks), seq: st.seq,
		tokens: maps.Clone(st.tokens), resources: maps.Clone(st.resources)}
	for k, r := range c.resources {
		b := *r
		b.grants = slices.Clone(r.grants)
		c.resources[k] = &b
	}
	for id, a := range c.accounts {
		b := *a
		b.oauth, b.groups, b.sessions = maps.Clone(a.oauth), slices.Clone(a.groups), slices.Clone(a.sessions)
		c.accounts[id] = &b
	}
	for id, g := range c.groups {
		h := *g
		h.members, h.isMember = slices.Clone(g.members), maps.Clone(g.isMember)
		c.groups[id] = &h
	}
	return c
}

// id makes ids that look like the server's and are the same in each run of a test.
func (st *store) id(kind int) string {
	st.seq++
	return fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(st.seq)*2654435761, kind, st.seq)
}

func (st *store) addAccount(a *account) *account {
	if a.id == "" {
		a.id = st.id(1)
	}
	st.seq++
	a.seq = st.seq
	a.email = strings.ToLower(a.email)
	if a.active == 0 {
		a.active = a.created // as if they had been there when their account was made
	}
	st.accounts[a.id] = a
	st.newest = nil
	return a
}

func (st *store) byEmail(email string) *account {
	for _, a := range st.accounts {
		if strings.EqualFold(a.email, email) {
			return a
		}
	}
	return nil
}

func (st *store) deleteAccount(id string, now int64) {
	a := st.accounts[id]
	if a == nil {
		return
	}
	for _, gid := range slices.Clone(a.groups) {
		st.remove(st.groups[gid], []string{id})
		st.groups[gid].updated = now
	}
	st.signOut(id)
	delete(st.accounts, id)
	st.newest = nil
}

// byAge gives the accounts newest first; the order of accounts made in one second is
// that of their creation.
func (st *store) byAge() []*account {
	if st.newest == nil {
		st.newest = slices.SortedFunc(maps.Values(st.accounts), func(a, b *account) int {
			return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.seq, a.seq))
		})
	}
	return st.newest
}

// byActivity gives the accounts in the order of their last activity, newest first.
func (st *store) byActivity() []*account {
	return slices.SortedFunc(maps.Values(st.accounts), func(a, b *account) int {
		return cmp.Or(cmp.Compare(b.active, a.active), cmp.Compare(b.seq, a.seq))
	})
}

// first gives the primary administrator.
func (st *store) first() *account {
	all := st.byAge()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// list gives the groups in the server's order: last changed first.
func (st *store) list() []*group {
	return slices.SortedFunc(maps.Values(st.groups), func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.updated, a.updated), cmp.Compare(a.seq, b.seq))
	})
}

func (st *store) addGroup(g *group, now int64) *group {
	if g.id == "" {
		g.id = st.id(2)
	}
	st.seq++
	g.seq, g.created, g.updated = st.seq, now, now
	g.isMember = map[string]bool{}
	st.groups[g.id] = g
	return g
}

func (st *store) deleteGroup(id string, now int64) {
	g := st.groups[id]
	st.remove(g, slices.Clone(g.members))
	for _, child := range st.groups {
		if child.parent == id {
			child.parent, child.updated = g.parent, now
		}
	}
	delete(st.groups, id)
}

// add makes accounts members; ids that are no account are dropped without a word.
func (st *store) add(g *group, ids []string) {
	for _, id := range ids {
		a := st.accounts[id]
		if a == nil || g.isMember[id] {
			continue
		}
		g.isMember[id] = true
		g.members = append(g.members, id)
		a.groups = append(a.groups, g.id)
	}
}

func (st *store) remove(g *group, ids []string) {
	gone := map[string]bool{}
	for _, id := range ids {
		if !g.isMember[id] {
			continue
		}
		gone[id] = true
		delete(g.isMember, id)
		a := st.accounts[id]
		a.groups = slices.DeleteFunc(a.groups, func(x string) bool { return x == g.id })
	}
	if len(gone) > 0 {
		g.members = slices.DeleteFunc(g.members, func(x string) bool { return gone[x] })
	}
}
