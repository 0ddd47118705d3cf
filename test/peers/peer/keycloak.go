package peer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"testing"
	"time"
)

// Keycloak is a Keycloak server.
type Keycloak struct {
	process
	// URL is its address, without a slash at the end.
	URL          string
	passwordFile string
	admin        string
	until        time.Time
}

// StartKeycloak starts an empty server. It takes about 10 seconds on a quiet machine and
// ends with the test.
func StartKeycloak(tb testing.TB) *Keycloak {
	tb.Helper()
	k := NewKeycloak(tb)
	k.Start(tb)
	return k
}

// NewKeycloak makes the folder of a server that Start starts. Realms in the folder import of
// it are imported then.
func NewKeycloak(tb testing.TB) *Keycloak {
	tb.Helper()
	return &Keycloak{process: newProcess(tb, "keycloak.sh")}
}

// Start starts the server, or starts it again after Stop or Kill with the same data and port.
// Settings are NAME=VALUE pairs of its environment.
func (k *Keycloak) Start(tb testing.TB, settings ...string) {
	tb.Helper()
	k.start(tb, settings...)
	k.URL, k.passwordFile = k.env["GROUPSYNCD_TEST_KEYCLOAK_URL"], k.env["GROUPSYNCD_TEST_KEYCLOAK_ADMIN_PASSWORD_FILE"]
	k.until = time.Time{}
}

// token gives what administrates; the server's own lives for a minute.
func (k *Keycloak) token(tb testing.TB) string {
	tb.Helper()
	if time.Now().After(k.until) {
		k.until = time.Now().Add(40 * time.Second)
		got, ok := tokens(tb, k.URL+"/realms/master/protocol/openid-connect/token", url.Values{
			"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {secret(tb, k.passwordFile)},
		})
		if !ok {
			tb.Fatal("Keycloak refuses its administrator")
		}
		k.admin = got.Access
	}
	return k.admin
}

// Login is somebody who can sign in at an identity provider. Who has no password has
// Password.
type Login struct {
	Username, Mail, First, Last string
	Groups                      []string
}

// Password is that of everybody at our identity providers: they are on loopback, and
// nothing is behind it.
const Password = "password-of-everybody"

// Realm is a realm of a Keycloak with one client, Open WebUI.
type Realm struct {
	k *Keycloak
	// Name is the realm's, Issuer what its tokens name.
	Name, Issuer  string
	client        string
	users, groups map[string]string
}

// The client that an Open WebUI is at every identity provider of ours.
const (
	ClientID     = "open-webui"
	ClientSecret = "secret-of-open-webui"
)

// Issuer gives what the tokens of a realm name, before there is one.
func (k *Keycloak) Issuer(realm string) string { return k.URL + "/realms/" + realm }

// NewRealm makes a realm with these groups and people, where an Open WebUI at that address
// is a client whose tokens have the claim groups.
func (k *Keycloak) NewRealm(tb testing.TB, name, chat string, groups []string, people []Login) *Realm {
	tb.Helper()
	r := &Realm{
		k: k, Name: name, Issuer: k.Issuer(name), users: map[string]string{}, groups: map[string]string{},
	}
	realm := map[string]any{
		"realm": name, "enabled": true, "sslRequired": "none",
		// Passwords are cheap to check, so that a sign-in shows our time and not this one.
		"passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
		"clients": []any{map[string]any{
			"clientId": ClientID, "secret": ClientSecret, "redirectUris": []string{chat + "/*"},
			"standardFlowEnabled": true, "protocolMappers": []any{groupsMapper()},
		}},
	}
	realm["groups"], realm["users"] = keycloakGroups(groups), keycloakUsers(people)
	call(tb, http.MethodPost, k.URL+"/admin/realms", k.token(tb), realm, nil)
	r.learn(tb)
	return r
}

// groupsMapper puts the names of somebody's groups into every token.
func groupsMapper() map[string]any {
	return map[string]any{
		"name": "groups", "protocol": "openid-connect", "protocolMapper": "oidc-group-membership-mapper",
		"config": map[string]string{
			"claim.name": "groups", "full.path": "false", "id.token.claim": "true", "access.token.claim": "true", "userinfo.token.claim": "true",
		},
	}
}

func keycloakGroups(names []string) []any {
	var out []any
	for _, name := range names {
		out = append(out, map[string]any{"name": name})
	}
	return out
}

func keycloakUsers(people []Login) []any {
	var out []any
	for _, p := range people {
		paths := []string{}
		for _, name := range p.Groups {
			paths = append(paths, "/"+name)
		}
		out = append(out, map[string]any{
			"username": p.Username, "email": p.Mail, "emailVerified": true, "firstName": p.First, "lastName": p.Last, "enabled": true,
			"credentials": []any{map[string]any{"type": "password", "value": Password}}, "groups": paths,
		})
	}
	return out
}

// learn reads the ids that Keycloak gave.
func (r *Realm) learn(tb testing.TB) {
	tb.Helper()
	var clients []struct{ ID string }
	r.call(tb, http.MethodGet, "clients?clientId="+ClientID, nil, &clients)
	var users []struct{ ID, Username string }
	r.call(tb, http.MethodGet, "users?max=10000&briefRepresentation=true", nil, &users)
	var groups []struct{ ID, Name string }
	r.call(tb, http.MethodGet, "groups?max=10000", nil, &groups)
	if len(clients) != 1 {
		tb.Fatalf("the realm %s has %d clients of the name %s", r.Name, len(clients), ClientID)
	}
	r.client = clients[0].ID
	for _, u := range users {
		r.users[u.Username] = u.ID
	}
	for _, g := range groups {
		r.groups[g.Name] = g.ID
	}
}

func (r *Realm) call(tb testing.TB, method, what string, body, into any) {
	tb.Helper()
	call(tb, method, r.k.URL+"/admin/realms/"+r.Name+"/"+what, r.k.token(tb), body, into)
}

// Subject gives the id of somebody, which is the subject of their tokens.
func (r *Realm) Subject(tb testing.TB, username string) string {
	tb.Helper()
	return known(tb, r.users, username)
}

// Join makes somebody a member of a group, Leave ends that.
func (r *Realm) Join(tb testing.TB, username, group string) {
	tb.Helper()
	r.call(tb, http.MethodPut, r.membership(tb, username, group), nil, nil)
}

// Leave ends somebody's membership of a group.
func (r *Realm) Leave(tb testing.TB, username, group string) {
	tb.Helper()
	r.call(tb, http.MethodDelete, r.membership(tb, username, group), nil, nil)
}

func (r *Realm) membership(tb testing.TB, username, group string) string {
	tb.Helper()
	return path.Join("users", known(tb, r.users, username), "groups", known(tb, r.groups, group))
}

// Claim says whether tokens have the claim groups. They have from the start.
func (r *Realm) Claim(tb testing.TB, wanted bool) {
	tb.Helper()
	mappers := path.Join("clients", r.client, "protocol-mappers", "models")
	if wanted {
		r.call(tb, http.MethodPost, mappers, groupsMapper(), nil)
		return
	}
	var list []struct{ ID, Name string }
	r.call(tb, http.MethodGet, mappers, nil, &list)
	for _, m := range list {
		if m.Name == "groups" {
			r.call(tb, http.MethodDelete, path.Join(mappers, m.ID), nil, nil)
		}
	}
}

func known(tb testing.TB, ids map[string]string, name string) string {
	tb.Helper()
	id, ok := ids[name]
	if !ok {
		tb.Fatalf("Keycloak has no %q", name)
	}
	return id
}

// Lifespan says for how long the tokens are good that Keycloak makes from now on.
func (r *Realm) Lifespan(tb testing.TB, life time.Duration) {
	tb.Helper()
	call(tb, http.MethodPut, r.k.URL+"/admin/realms/"+r.Name, r.k.token(tb), map[string]any{"accessTokenLifespan": int(life.Seconds())}, nil)
}

// Import makes a realm of its representation, with everything in it. It takes its time: a
// thousand people with their groups some ten seconds on a quiet machine.
func (k *Keycloak) Import(tb testing.TB, realm any) {
	tb.Helper()
	text, err := json.Marshal(realm)
	if err != nil {
		tb.Fatal(err)
	}
	a := sendWithin(tb, patience, http.MethodPost, k.URL+"/admin/realms", "application/json", k.token(tb), bytes.NewReader(text))
	if a.status != http.StatusCreated {
		tb.Fatalf("Keycloak does not take the realm: %d %s", a.status, a.body)
	}
}

// Ask makes a call of the admin API of a realm as its administrator, and gives the status and
// the answer. Unlike Realm.call it judges nothing. Not for several goroutines.
func (k *Keycloak) Ask(tb testing.TB, realm, method, path string, body any) (int, []byte) {
	tb.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	a := send(tb, method, k.URL+"/admin/realms/"+realm+path, "application/json", k.token(tb), bytes.NewReader(text))
	return a.status, a.body
}
