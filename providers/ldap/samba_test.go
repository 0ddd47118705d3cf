package ldap

import (
	"strings"
	"testing"

	"groupsyncd/providers/ldap/ldaptest"
)

func TestSambaIsNotAskedToFollowNestedGroups(t *testing.T) {
	t.Parallel()
	o := options()
	o.InChain = true
	o.Root = map[string][]string{"vendorName": {"Samba Team (https://www.samba.org)"}}
	server, url := serve(t, o, account(1, nil), adGroup("level1", 601, "CN=u1,"+people), adGroup("level2", 602, "CN=level1,"+groups), adGroup("Domain Users", 513))
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if strings.Contains(q.Filter, "1.2.840.113556.1.4.1941") {
			t.Errorf("the search %s takes Samba half a minute in a large directory", q.Filter)
		}
		return ldaptest.Fault{}
	})
	s := open(t, configure(t, AD, url))
	for range 2 {
		lookedUp(t, s, "u1", "Domain Users level1 level2")
	}
}
