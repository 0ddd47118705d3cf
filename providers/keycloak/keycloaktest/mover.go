package keycloaktest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"

	"groupsyncd/directory"
)

// Call makes a call of the admin API as somebody who may do everything, and gives the status.
type Call func(method, path string, body any) int

// Mover moves a realm while it is read. What lasts it only ever makes harder to see: it
// renames people and has them hop between the sub-groups of a group, whose member they stay
// with inherit. Of the others it adds and takes away at random. Safe for use by several
// goroutines.
type Mover struct {
	call Call
	mu   sync.Mutex
	rand *rand.Rand
	// places are the groups by their ids, with that above each. Movers are people who come and
	// go, by id; hoppers are people who hop, with where they are.
	parents map[string]string
	guests  []string
	hoppers []string
	at      map[string]string
	joined  map[[2]string]bool
	moves   int
	near    string
	// Lasting are memberships that last, as pairs of person and group; Above are those that
	// last with inherit.
	Lasting, Above map[[2]string]bool
}

// NewMover makes a mover of a realm with these groups, each by its id with the id of the group
// above it, and these memberships. Every second person comes and goes; every eighth hops.
func NewMover(seed uint64, call Call, parents map[string]string, people []string, members map[[2]string]bool) *Mover {
	m := &Mover{
		call: call, rand: rand.New(rand.NewPCG(seed, 8)), parents: parents, at: map[string]string{},
		joined: map[[2]string]bool{}, Lasting: maps.Clone(members), Above: map[[2]string]bool{},
	}
	for i, id := range people {
		switch i % 8 {
		case 0, 2, 4, 6:
			m.guests = append(m.guests, id)
		case 1:
			m.hoppers = append(m.hoppers, id)
		default:
			continue
		}
		maps.DeleteFunc(m.Lasting, func(pair [2]string, _ bool) bool { return pair[0] == id })
	}
	for pair := range members {
		if slices.Contains(m.guests, pair[0]) {
			m.joined[pair] = true
		}
		if parent := parents[pair[1]]; parent != "" && slices.Contains(m.hoppers, pair[0]) && m.at[pair[0]] == "" {
			m.at[pair[0]] = pair[1]
			for above := parent; above != ""; above = parents[above] {
				m.Above[[2]string{pair[0], above}] = true
			}
		}
	}
	for pair := range m.Lasting {
		for group := pair[1]; group != ""; group = parents[group] {
			m.Above[[2]string{pair[0], group}] = true
		}
	}
	m.hoppers = slices.DeleteFunc(m.hoppers, func(id string) bool { return m.at[id] == "" })
	return m
}

// Moves is how many changes there were so far.
func (m *Mover) Moves() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.moves
}

// Move makes one change, mostly in the group of that id, if there is one.
func (m *Mover) Move(near string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moves++
	m.near = ""
	if _, known := m.parents[near]; known && m.rand.IntN(4) > 0 {
		m.near = near
	}
	switch n := m.rand.IntN(20); {
	case n < 9:
		m.comeOrGo()
	case n < 13:
		m.hop()
	case n < 16:
		m.rename()
	case n < 18:
		m.newPerson()
	default:
		m.newGroup()
	}
}

func pick[T any](m *Mover, list []T) T { return list[m.rand.IntN(len(list))] }

// comeOrGo has a guest leave a group that they are in, or join one.
func (m *Mover) comeOrGo() {
	person := pick(m, m.guests)
	group := m.near
	if group == "" {
		group = pick(m, slices.Sorted(maps.Keys(m.parents)))
	}
	pair := [2]string{person, group}
	if m.joined[pair] {
		delete(m.joined, pair)
		m.call(http.MethodDelete, "/users/"+person+"/groups/"+group, nil)
		return
	}
	m.joined[pair] = true
	m.call(http.MethodPut, "/users/"+person+"/groups/"+group, nil)
}

// hop has somebody join another group below the same one, and then leave theirs.
func (m *Mover) hop() {
	if len(m.hoppers) == 0 {
		return
	}
	person := pick(m, m.hoppers)
	for _, id := range m.hoppers {
		if m.near != "" && m.at[id] == m.near {
			person = id
		}
	}
	from := m.at[person]
	var beside []string
	for _, id := range slices.Sorted(maps.Keys(m.parents)) {
		if m.parents[id] == m.parents[from] && id != from {
			beside = append(beside, id)
		}
	}
	if len(beside) == 0 {
		return
	}
	to := pick(m, beside)
	m.call(http.MethodPut, "/users/"+person+"/groups/"+to, nil)
	m.call(http.MethodDelete, "/users/"+person+"/groups/"+from, nil)
	m.at[person] = to
}

// rename gives somebody who lasts a name that is anywhere in the alphabet.
func (m *Mover) rename() {
	pairs := slices.SortedFunc(maps.Keys(m.Above), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	if in := slices.DeleteFunc(slices.Clone(pairs), func(pair [2]string) bool { return pair[1] != m.near }); len(in) > 0 {
		pairs = in
	}
	if len(pairs) > 0 {
		m.call(http.MethodPut, "/users/"+pick(m, pairs)[0], map[string]any{"username": fmt.Sprintf("%c%d-%d", 'a'+m.rand.IntN(26), m.moves, m.rand.IntN(1000))})
	}
}

// newPerson makes somebody, who is nowhere: whoever makes people while we read pushes others
// to later pages.
func (m *Mover) newPerson() {
	m.call(http.MethodPost, "/users", map[string]any{"username": fmt.Sprintf("%cnew-%d-%d", 'a'+m.rand.IntN(26), m.moves, m.rand.IntN(1e9)), "enabled": true})
}

// newGroup makes a group, somewhere in the alphabet, or renames one that it made.
func (m *Mover) newGroup() {
	name := fmt.Sprintf("%cnew-%d-%d", 'a'+m.rand.IntN(26), m.moves, m.rand.IntN(1e9))
	m.call(http.MethodPost, "/groups/"+pick(m, slices.Sorted(maps.Keys(m.parents)))+"/children", map[string]any{"name": name})
}

// Lost gives the memberships that a snapshot claims not to be there, and that are.
func (m *Mover) Lost(s *directory.Snapshot, inherit bool) []string {
	want := m.Lasting
	if inherit {
		want = m.Above
	}
	users, groups := map[string]uint32{}, map[string]*directory.Group{}
	for i := range s.Users {
		users[s.Users[i].ID] = uint32(i)
	}
	for i := range s.Groups {
		groups[s.Groups[i].ID] = &s.Groups[i]
	}
	var lost []string
	for pair := range want {
		u, listed := users[pair[0]]
		g := groups[pair[1]]
		switch {
		case !listed && s.UsersListed:
			lost = append(lost, "the list of users lacks "+pair[0])
		case g == nil && s.GroupsListed:
			lost = append(lost, "the list of groups lacks "+pair[1])
		case g == nil || !g.MembersKnown:
		case !listed:
			lost = append(lost, fmt.Sprintf("%s lacks %s, whom the snapshot does not know", pair[1], pair[0]))
		default:
			if _, in := slices.BinarySearch(g.Members, u); !in {
				lost = append(lost, fmt.Sprintf("%s lacks %s", pair[1], pair[0]))
			}
		}
	}
	slices.Sort(lost)
	return slices.Compact(lost)
}
