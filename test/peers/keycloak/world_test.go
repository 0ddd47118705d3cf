//go:build peers

// Package keycloak reads a real Keycloak while it changes.
package keycloak

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/keycloak/keycloaktest"
	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// size is how large a realm is: groups at the top, below each of those, and below each of these.
type size struct{ top, middle, low, people int }

func (s size) groups() int { return s.top * (1 + s.middle*(1+s.low)) }

// realm is a realm of a real server.
type realm struct {
	k       *peer.Keycloak
	groups  map[string]string // ids by path
	people  []string
	parents map[string]string
	members map[[2]string]bool
}

// load makes a realm. Everybody is in three groups, and in those at the top with
// a 0 in their name there are hundreds.
func load(t *testing.T, k *peer.Keycloak, s size) *realm {
	t.Helper()
	var paths []string
	var trees []any
	for a := range s.top {
		top := fmt.Sprintf("top%03d", a)
		paths = append(paths, "/"+top)
		var middles []any
		for b := range s.middle {
			middle := fmt.Sprintf("middle%03d", b)
			paths = append(paths, "/"+top+"/"+middle)
			var lows []any
			for c := range s.low {
				low := fmt.Sprintf("low%03d", c)
				paths = append(paths, "/"+top+"/"+middle+"/"+low)
				lows = append(lows, map[string]any{"name": low})
			}
			middles = append(middles, map[string]any{"name": middle, "subGroups": lows})
		}
		trees = append(trees, map[string]any{"name": top, "subGroups": middles})
	}
	var users []any
	in := map[string][]string{}
	for i := range s.people {
		name := fmt.Sprintf("user%05d", i)
		of := []string{paths[i%len(paths)], paths[(i*7+3)%len(paths)], fmt.Sprintf("/top%03d", i%4*(s.top/4))}
		slices.Sort(of)
		of = slices.Compact(of)
		in[name] = of
		users = append(users, map[string]any{"username": name, "email": name + "@example.org", "emailVerified": true, "firstName": "User", "lastName": fmt.Sprint(i), "enabled": i%97 > 0, "groups": of})
	}
	accounts := []any{account(keycloaktest.ClientID, keycloaktest.All()...), account("weak", "query-users", "query-groups")}
	k.Import(t, map[string]any{
		"realm": keycloaktest.RealmName, "enabled": true, "sslRequired": "none", "groups": trees, "users": accounts,
		"adminEventsEnabled": true, "eventsEnabled": true, "adminPermissionsEnabled": true, "editUsernameAllowed": true,
		"clients": []any{client(keycloaktest.ClientID), client("weak")},
	})
	// Keycloak ends a transaction after five minutes.
	for part := range slices.Chunk(users, 250) {
		if status, body := k.Ask(t, keycloaktest.RealmName, http.MethodPost, "/partialImport", map[string]any{"ifResourceExists": "FAIL", "users": part}); status != http.StatusOK {
			t.Fatalf("people are not taken: %d %s", status, body)
		}
	}
	r := &realm{k: k, groups: map[string]string{}, parents: map[string]string{}, members: map[[2]string]bool{}}
	r.learn(t, in)
	return r
}

func client(id string) map[string]any {
	return map[string]any{"clientId": id, "secret": keycloaktest.Secret, "serviceAccountsEnabled": true, "standardFlowEnabled": false, "publicClient": false}
}

func account(client string, rights ...string) map[string]any {
	return map[string]any{"username": "service-account-" + client, "serviceAccountClientId": client, "enabled": true, "clientRoles": map[string]any{"realm-management": rights}}
}

// ask gives the answer of a reading call.
func (r *realm) ask(t *testing.T, path string, into any) {
	t.Helper()
	status, body := r.k.Ask(t, keycloaktest.RealmName, http.MethodGet, path, nil)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
}

// learn reads the ids that the server gave.
func (r *realm) learn(t *testing.T, in map[string][]string) {
	t.Helper()
	type row struct {
		ID, Path, ParentID, Username string
		SubGroupCount                int
	}
	var next []row
	r.ask(t, "/groups?first=0&max=100000", &next)
	for ; len(next) > 0; next = next[1:] {
		g := next[0]
		r.groups[g.Path], r.parents[g.ID] = g.ID, g.ParentID
		if g.SubGroupCount > 0 {
			var below []row
			r.ask(t, "/groups/"+g.ID+"/children?first=0&max=100000&briefRepresentation=true", &below)
			next = append(next, below...)
		}
	}
	var users []row
	r.ask(t, "/users?first=0&max=100000&briefRepresentation=true", &users)
	for _, u := range users {
		r.people = append(r.people, u.ID)
		for _, path := range in[u.Username] {
			r.members[[2]string{u.ID, r.groups[path]}] = true
		}
	}
}

// open opens a source that reads the realm.
func (r *realm) open(t *testing.T, client string, change ...func(*keycloak.Config)) providers.Source {
	t.Helper()
	s, err := keycloaktest.Config(t, r.k.URL, client, keycloaktest.Secret, change...).Open(providers.Options{Name: "kc"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
