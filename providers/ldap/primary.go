package ldap

import (
	"maps"
	"slices"
)

// primaries says who has which primary group in Active Directory, where neither the
// group nor its members list the other. What most users have is not written down for
// each of them.
type primaries struct {
	// Most is the commonest key (a relative id and the domain).
	Most string `json:"most"`
	// Groups are the groups of the keys that are in use, by key; empty: not shown.
	Groups map[string]string `json:"groups,omitempty"`
	// Others are the ids of all other users, by key.
	Others map[string][]string `json:"others,omitempty"`
}

// newPrimaries sums up the keys of all users. group gives the id of a key's group.
// It gives nil when too many users differ from the most.
func newPrimaries(keys map[string]string, group func(key string) string) *primaries {
	counts := map[string]int{}
	for _, key := range keys {
		counts[key]++
	}
	p := &primaries{Groups: map[string]string{}, Others: map[string][]string{}}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		p.Groups[key] = group(key)
		if counts[key] > counts[p.Most] {
			p.Most = key
		}
	}
	if len(keys)-counts[p.Most] > maxPrimary {
		return nil
	}
	for id, key := range keys {
		if key != p.Most {
			p.Others[key] = append(p.Others[key], id)
		}
	}
	for _, ids := range p.Others {
		slices.Sort(ids)
	}
	return p
}

// keys unfolds the keys of these users.
func (p *primaries) keys(users []string) map[string]string {
	all := make(map[string]string, len(users))
	for _, id := range users {
		all[id] = p.Most
	}
	for key, ids := range p.Others {
		for _, id := range ids {
			all[id] = key
		}
	}
	return all
}

// isGroup reports whether a group is the primary one of anybody.
func (p *primaries) isGroup(id string) bool {
	if p == nil {
		return false
	}
	for _, group := range p.Groups {
		if group == id {
			return true
		}
	}
	return false
}
