package ldaptest

import (
	"slices"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// construct adds to an entry what Active Directory computes for each answer: memberOf,
// and primaryGroupToken and tokenGroups where they are asked for by name. back are the
// DNs of the groups of each member.
func (s *Server) construct(e *entry, q *query, back map[string][]string) *entry {
	if s.options.AD == nil {
		return e
	}
	asked := func(name string) bool {
		return slices.ContainsFunc(q.Attributes, func(a string) bool {
			base, _, _ := strings.Cut(a, ";")
			return strings.EqualFold(base, name)
		})
	}
	made := e.clone()
	if groups := back[e.key]; len(groups) > 0 {
		made.set("memberOf", groups)
	}
	if asked("primaryGroupToken") && e.is("group") && e.find("primaryGroupToken") == nil {
		made.set("primaryGroupToken", []string{e.rid()})
	}
	if asked("tokenGroups") && q.Scope == ldap.ScopeBaseObject {
		made.set("tokenGroups", s.tokens(e))
	}
	return made
}

// backLinks gives the groups of every member, when an answer shows them. The server is
// locked.
func (s *Server) backLinks(q *query) map[string][]string {
	shown := len(q.Attributes) == 0 || slices.ContainsFunc(q.Attributes, func(a string) bool {
		base, _, _ := strings.Cut(a, ";")
		return a == "*" || strings.EqualFold(base, "memberOf")
	})
	if s.options.AD == nil || !shown {
		return nil
	}
	back := map[string][]string{}
	for _, e := range s.entries {
		if a := e.find("member"); a != nil {
			for _, key := range a.keys {
				back[key] = append(back[key], e.dn)
			}
		}
	}
	return back
}

// tokens gives the SIDs of the security groups that an entry is in, through other groups
// too, its primary group among them.
func (s *Server) tokens(e *entry) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	primary := strings.Join(e.values("primaryGroupID"), "")
	seen := map[string]bool{}
	var sids []string
	for next := []*entry{e}; len(next) > 0; {
		from := next
		next = nil
		for _, g := range s.entries {
			if !g.is("group") || seen[g.key] || !g.security() {
				continue
			}
			in := primary != "" && g.rid() == primary
			if a := g.find("member"); a != nil && !in {
				in = slices.ContainsFunc(from, func(x *entry) bool { return slices.Contains(a.keys, x.key) })
			}
			if in {
				seen[g.key] = true
				next = append(next, g)
				sids = append(sids, g.values("objectSid")...)
			}
		}
	}
	return sids
}

// security reports whether a group counts for access; the others are for mail only.
func (e *entry) security() bool {
	kind, err := strconv.ParseInt(strings.Join(e.values("groupType"), ""), 10, 32)
	return err != nil || uint32(kind)&securityBit != 0
}
