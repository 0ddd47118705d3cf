package ldap

import (
	"context"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
)

// idAttributes are the attributes that usually hold ids.
func idAttributes() []string {
	return []string{"entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID", "GUID"}
}

// memberAttributes are the attributes that usually hold members.
func memberAttributes() []string { return []string{"member", "uniqueMember", "memberUid"} }

// attributesOf lists the attributes that we may see of one entry, for a message.
func (r *reader) attributesOf(ctx context.Context, dn string) []string {
	e, err := r.session.entry(ctx, dn, "(objectClass=*)", []string{"*", "+"})
	if err != nil || e == nil {
		return nil
	}
	return namesOf(e)
}

func namesOf(e *ldap.Entry) []string {
	var names []string
	for _, a := range e.Attributes {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return names
}

// hintAttribute suggests what was meant by the name of an attribute that no entry
// has.
func hintAttribute(key, configured string, seen, usual []string) string {
	best, distance := "", 3
	for _, name := range seen {
		if d := edits(strings.ToLower(name), strings.ToLower(configured)); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		best = usualIn(seen, usual)
	}
	if best == "" {
		return "check " + key + ", and whether the account of bind.dn may read it"
	}
	return "did you mean " + key + ": " + best + "?"
}

// usualIn finds the first of the usual names among those seen.
func usualIn(seen, usual []string) string {
	for _, u := range usual {
		for _, name := range seen {
			if strings.EqualFold(name, u) {
				return name
			}
		}
	}
	return ""
}

// edits counts the insertions, deletions and replacements between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next := min(row[j]+1, row[j-1]+1, diagonal+cost)
			diagonal, row[j] = row[j], next
		}
	}
	return row[len(b)]
}

// checkNoMembers looks closer when no group of a list shows any member. Groups that
// are all empty are possible; but where the schema demands a member, or another
// attribute holds members, it is the configuration or a missing right.
func (r *reader) checkNoMembers(ctx context.Context) {
	if r.layout.memberOf != "" {
		return
	}
	const op = "read groups"
	for _, dn := range r.groups.sample {
		e, err := r.session.entry(ctx, dn, "(objectClass=*)", []string{"*"})
		if err != nil {
			r.noMembersKnown()
			r.fail(searchError(ctx, r.session.server, op, "groups", dn, err))
			return
		}
		if e == nil {
			continue
		}
		seen := namesOf(e)
		mandatory := slices.ContainsFunc(e.GetEqualFoldAttributeValues("objectClass"), func(class string) bool {
			return strings.EqualFold(class, "groupOfNames") || strings.EqualFold(class, "groupOfUniqueNames")
		})
		if usualIn(seen, memberAttributes()) == "" && !mandatory {
			continue
		}
		r.noMembersKnown()
		configured := r.layout.groups.Members.String()
		r.fail(r.failure(fault.Invalid, op, hintAttribute("groups.members", configured, seen, memberAttributes()),
			"none of the %d groups has %s; %q has %s", len(r.snapshot.Groups), configured, dn, strings.Join(seen, ", ")))
		return
	}
}
