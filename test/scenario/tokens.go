package scenario

import (
	"context"
	"maps"
	"slices"
	"time"

	dir "groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine/enginetest"

	"go.yaml.in/yaml/v4"
)

// token is the newest sign-in of somebody that is kept: the groups that it names, or all
// there is to say.
type token struct {
	Groups list `yaml:"groups"`
	// Ago is how long before it was kept it was issued.
	Ago string `yaml:"ago"`
	// Silent: it has no claim about groups. Ended: the session is gone, and the token with it.
	Silent     bool              `yaml:"silent"`
	Ended      bool              `yaml:"ended"`
	Attributes map[string]string `yaml:"attributes"`

	issued time.Time
}

// UnmarshalYAML takes a list for the groups.
func (k *token) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]string)(&k.Groups))
	}
	type plain token
	return n.Decode((*plain)(k))
}

// tokens is a source that knows single people only: whoever has signed in, by their mail.
type tokens struct {
	clock *enginetest.Clock
	kept  map[string]token
	// fails makes the next read fail, and nobody the next look-up find nobody.
	fails, nobody bool
}

var _ providers.LookUp = (*tokens)(nil)

func (k *tokens) Close() error { return nil }

func (k *tokens) Pull(context.Context, providers.Progress) (*dir.Snapshot, error) {
	return k.show(slices.Sorted(maps.Keys(k.kept)))
}

// LookUp knows people by their mail, which is their id and the mail of their account.
func (k *tokens) LookUp(_ context.Context, who dir.Person) (*dir.Snapshot, error) {
	for _, name := range []string{who.ID, who.Account, who.Email} {
		if name != "" {
			return k.show([]string{name})
		}
	}
	return k.show(nil)
}

func (k *tokens) show(names []string) (*dir.Snapshot, error) {
	s := &dir.Snapshot{AsOf: k.clock.Now()}
	fails, nobody := k.fails, k.nobody
	k.fails, k.nobody = false, false
	if fails {
		s.Reason = "the connection was refused"
		return s, fault.Errorf(fault.Unavailable, "read", "sign-ins", "the connection was refused")
	}
	groups := map[string]uint32{}
	for _, name := range names {
		kept, known := k.kept[name]
		if !known || kept.Ended || nobody {
			continue
		}
		u := dir.User{ID: name, Email: name, AsOf: kept.issued, GroupsKnown: !kept.Silent}
		for attribute, value := range kept.Attributes {
			if u.Attributes == nil {
				u.Attributes = map[string][]string{}
			}
			u.Attributes[attribute] = []string{value}
		}
		s.Users = append(s.Users, u)
		for _, g := range kept.Groups {
			n, shown := groups[g]
			if !shown {
				n = uint32(len(s.Groups))
				groups[g] = n
				s.Groups = append(s.Groups, dir.Group{ID: g, Name: g})
			}
			s.Groups[n].Direct = append(s.Groups[n].Direct, uint32(len(s.Users)-1))
		}
	}
	s.Close(true)
	return s, nil
}
