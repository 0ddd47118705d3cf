package scim

import (
	"hash/fnv"
	"net/http"
	"slices"
	"sync"
)

// rereads: one of so many groups is read whatever its ETag says, each in its turn. A server
// whose tags do not change with the members is found out so.
const rereads = 8

// etags are the members of groups by the version under which the server gave them.
type etags struct {
	mu    sync.Mutex
	kept  map[string]version
	round int
	lies  bool
}

type version struct {
	tag     string
	members []reference
}

// round is one read of all groups.
type round struct {
	*etags
	number int
}

// begin starts a read; groups that are no longer listed are forgotten.
func (e *etags) begin(o *roster) *round {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.round++
	for id := range e.kept {
		if !o.has(id) {
			delete(e.kept, id)
		}
	}
	return &round{etags: e, number: e.round}
}

// ask gives what is kept of a group and the tag to ask with; empty: read it.
func (r *round) ask(id string) ([]reference, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, found := r.kept[id]
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	if !found || r.lies || (int(h.Sum32()%rereads)+r.number)%rereads == 0 {
		return nil, ""
	}
	return v.members, v.tag
}

// keep takes in what the server gave. The same tag with other members is a lie, and no tag of
// this server is believed from then on.
func (r *round) keep(id, tag string, members []reference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, found := r.kept[id]; found && tag != "" && before.tag == tag && !slices.Equal(before.members, members) {
		r.lies = true
	}
	if tag == "" || r.lies {
		delete(r.kept, id)
		return
	}
	if r.kept == nil {
		r.kept = map[string]version{}
	}
	r.kept[id] = version{tag: tag, members: members}
}

func ifNoneMatch(tag string) http.Header {
	if tag == "" {
		return nil
	}
	return http.Header{"If-None-Match": {tag}}
}
