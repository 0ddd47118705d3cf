package ldap

import (
	"slices"
	"testing"

	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/providers/providertest"
)

// namedByUsers is, in tests, a directory in which only the users say where they belong.
const namedByUsers = "memberOf"

// turn takes the members out of groups and writes the groups into the members.
func turn(entries []ldaptest.Entry) {
	at := map[string]int{}
	for i, e := range entries {
		at[dn.Normal(e.DN)] = i
	}
	for i, e := range entries {
		for _, m := range e.Attributes["member"] {
			if j, ok := at[dn.Normal(m)]; ok && !slices.Contains(entries[j].Attributes["memberOf"], e.DN) {
				entries[j].Attributes["memberOf"] = append(entries[j].Attributes["memberOf"], e.DN)
			}
		}
		delete(entries[i].Attributes, "member")
	}
}

func TestConformanceMemberOf(t *testing.T) {
	t.Parallel()
	h := harness(namedByUsers, options())
	// Nobody names a group in which nobody is, nor is a member who is nobody named.
	h.NoEmptyGroups, h.NoUnresolved = true, true
	providertest.Run(t, h)
}
