package contract

import (
	"bytes"
	"strings"
	"testing"

	"groupsyncd/providers/entra/entratest"
)

// TestEntra checks the copy of Microsoft Graph against the names and types that Microsoft
// publishes. They say nothing of parameters and limits: of those only OData's rules are checked.
func TestEntra(t *testing.T) {
	t.Parallel()
	g, err := NewGraph(obtain(t, source{npm: "@microsoft/microsoft-graph-types@2.43.1", file: "microsoft-graph.d.ts", sha256: "2ed1570e3496f4007840bc2b1a7b4f5d46caa8da93f3944148520d11c8f7bdad"}),
		map[string]string{"users": "User", "groups": "Group", "servicePrincipals": "ServicePrincipal", "applications": "Application"})
	if err != nil {
		t.Fatal(err)
	}
	fake := entratest.Start(t, world(), entratest.Options{UserPage: 5, GroupPage: 2, MemberPage: 5})
	r := NewRecorder(t, fake.URL())
	s := open(t, r, fake.Config())
	drive(t, s, fake.SetWorld)
	fake.SetWorld(world())
	groups := world().Groups
	fake.SetApplication(entratest.Application{ID: "0d000000-0000-4000-8000-000000000001", AppID: "0e000000-0000-4000-8000-000000000001", Name: "Open WebUI",
		Roles:    []entratest.Role{{ID: "0d000000-0000-4000-8000-000000000002", Name: "Editors", Value: "Editor"}},
		Assigned: []entratest.Assignment{{Role: "0d000000-0000-4000-8000-000000000002", Type: "Group", Principal: groups[0].ID}, {Role: entratest.NoRole, Type: "Group", Principal: groups[2].ID}}})
	roles := fake.Config()
	roles.AssignedTo, roles.Include, roles.Owners = "Open WebUI", []string{"groups", "app_roles"}, true
	drive(t, open(t, r, roles), fake.SetWorld)
	fits(t, g, r, s, func(path string) bool { return strings.HasSuffix(path, "/oauth2/v2.0/token") }, func(x *Exchange) {
		x.Body = bytes.ReplaceAll(x.Body, []byte(`"displayName"`), []byte(`"displayedName"`))
	})
}
