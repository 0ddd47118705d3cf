//go:build peers

package scim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	source "groupsyncd/providers/scim"
	"groupsyncd/test/peers/peer"
)

// provisioned is a world that was put into a server by SCIM, and the ids that it got there.
type provisioned struct {
	server *peer.SCIM
	world  providertest.World
	ids    map[string]string
}

const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// provision makes everybody and everything of a world; groups stand behind those they contain.
func provision(t *testing.T, s *peer.SCIM, w providertest.World) *provisioned {
	t.Helper()
	p := &provisioned{server: s, ids: map[string]string{}}
	for _, u := range w.Users {
		p.addUser(t, u)
	}
	for _, g := range w.Groups {
		p.addGroup(t, g)
	}
	return p
}

func (p *provisioned) addUser(t *testing.T, u providertest.User) {
	t.Helper()
	made := p.server.Send(t, http.MethodPost, "/Users", map[string]any{
		"schemas": []string{userSchema}, "userName": u.Username, "externalId": "hr-" + u.ID, "displayName": u.Name, "active": !u.Disabled,
		"emails": []any{map[string]any{"value": u.Email, "type": "work", "primary": true}},
	})
	p.ids[u.ID] = made["id"].(string)
	p.world.Users = append(p.world.Users, u)
}

func (p *provisioned) addGroup(t *testing.T, g providertest.Group) {
	t.Helper()
	members := []any{}
	for _, id := range g.Members {
		members = append(members, map[string]any{"value": p.ids[id], "type": "User"})
	}
	for _, id := range g.Groups {
		members = append(members, map[string]any{"value": p.ids[id], "type": "Group"})
	}
	made := p.server.Send(t, http.MethodPost, "/Groups", map[string]any{"schemas": []string{groupSchema}, "displayName": g.Name, "members": members})
	p.ids[g.ID] = made["id"].(string)
	p.world.Groups = append(p.world.Groups, g)
}

func (p *provisioned) patch(t *testing.T, what string, op map[string]any) {
	t.Helper()
	p.server.Send(t, http.MethodPatch, what, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []any{op}})
}

// disable switches somebody off.
func (p *provisioned) disable(t *testing.T, id string) {
	t.Helper()
	p.patch(t, "/Users/"+p.ids[id], map[string]any{"op": "replace", "path": "active", "value": false})
	p.world.Users[p.user(id)].Disabled = true
}

// join makes somebody a member of a group.
func (p *provisioned) join(t *testing.T, id, group string) {
	t.Helper()
	p.patch(t, "/Groups/"+p.ids[group], map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": p.ids[id], "type": "User"}}})
	g := p.group(group)
	g.Members = append(slices.Clone(g.Members), id)
}

// leave ends somebody's membership of a group.
func (p *provisioned) leave(t *testing.T, id, group string) {
	t.Helper()
	p.patch(t, "/Groups/"+p.ids[group], map[string]any{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", p.ids[id])})
	g := p.group(group)
	g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return m == id })
}

// remove deletes somebody, who is in no group.
func (p *provisioned) remove(t *testing.T, id string) {
	t.Helper()
	p.server.Send(t, http.MethodDelete, "/Users/"+p.ids[id], nil)
	p.world.Users = slices.Delete(p.world.Users, p.user(id), p.user(id)+1)
}

func (p *provisioned) user(id string) int {
	return slices.IndexFunc(p.world.Users, func(u providertest.User) bool { return u.ID == id })
}

func (p *provisioned) group(id string) *providertest.Group {
	return &p.world.Groups[slices.IndexFunc(p.world.Groups, func(g providertest.Group) bool { return g.ID == id })]
}

// front stands before a server and calls before with each request, so that the world can change
// while it is read.
type front struct {
	url string

	mu     sync.Mutex
	before func(*http.Request)
	count  int
}

func newFront(t *testing.T, s *peer.SCIM) *front {
	t.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.count++
		before := f.before
		f.mu.Unlock()
		if before != nil {
			before(r)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	f.url = web.URL + to.Path
	return f
}

func (f *front) set(before func(*http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.count = before, 0
}

// open opens a source on a server.
func open(t *testing.T, s *peer.SCIM, address string, change ...func(*source.Config)) providers.Source {
	t.Helper()
	c, ok := source.Type().New().(*source.Config)
	if !ok {
		t.Fatal("not the configuration of this source")
	}
	c.URL, c.PageSize = address, 20
	if err := c.Token.UnmarshalText([]byte("file:" + s.TokenFile)); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(c)
	}
	opened, err := c.Open(providers.Options{Name: "hr"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

// office has n people and six groups; with nesting the last two contain others.
func office(n int, nested bool) providertest.World {
	var w providertest.World
	for i := range n {
		name := fmt.Sprintf("person%03d@example.org", i)
		w.Users = append(w.Users, providertest.User{ID: fmt.Sprintf("u%d", i), Username: name, Email: name, Name: fmt.Sprintf("Person %d", i)})
	}
	for g := range 6 {
		group := providertest.Group{ID: fmt.Sprintf("g%d", g), Name: fmt.Sprintf("ai-team %d", g)}
		for i := g; i < min(n-4, 60); i += 6 {
			group.Members = append(group.Members, w.Users[i].ID)
		}
		w.Groups = append(w.Groups, group)
	}
	w.Groups[3].Members = nil
	if nested {
		w.Groups[4].Groups = []string{"g0", "g1"}
		w.Groups[5].Groups = []string{"g4"}
	}
	return w
}
