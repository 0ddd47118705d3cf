// Package scimpushtest has what tests need around a source that its provider fills: a store
// in memory, and a provider that brings a world by SCIM requests and keeps it up to date.
package scimpushtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
)

// Store is a providers.Pushed in memory. The zero value is empty and ready.
type Store struct {
	mu       sync.Mutex
	revision uint64
	records  map[string][]byte
	// Fail, when it is set, is what the next Save ends with.
	Fail error
	// Written counts the bytes of all values that were saved.
	Written int
}

var _ providers.Pushed = (*Store)(nil)

// Revision counts the saves.
func (s *Store) Revision() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// Load calls each for every record in order.
func (s *Store) Load(each func(string, []byte) error) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, 0, len(s.records))
	for k := range s.records {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := each(k, s.records[k]); err != nil {
			return 0, err
		}
	}
	return s.revision, nil
}

// Get gives one record.
func (s *Store) Get(key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[key], nil
}

// Save writes records.
func (s *Store) Save(revision uint64, records []providers.PushedRecord) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Fail; err != nil {
		s.Fail = nil
		return 0, err
	}
	if revision != s.revision {
		return 0, providers.ErrMoved
	}
	if s.records == nil {
		s.records = map[string][]byte{}
	}
	for _, r := range records {
		if r.Value == nil {
			delete(s.records, r.Key)
			continue
		}
		s.records[r.Key] = bytes.Clone(r.Value)
		s.Written += len(r.Value)
	}
	s.revision++
	return s.revision, nil
}

// Provider brings worlds into a source, like Entra or Okta would: it remembers the ids that
// it was given, and sends what has changed.
type Provider struct {
	// Handler answers, or Client asks at Base with Token.
	Handler http.Handler
	Client  *http.Client
	Token   string
	// Base is where the source is: http://127.0.0.1:8422/scim/NAME/v2.
	Base string

	users, groups map[string]held
	members       map[string][]string
}

// held is a resource that was brought: its id there, and what was sent.
type held struct {
	id   string
	sent map[string]any
}

// Answer is an answer to one request.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
}

// Ask sends one request; body is nil, a text or what is written as JSON.
func (p *Provider) Ask(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	var raw []byte
	switch x := body.(type) {
	case nil:
	case string:
		raw = []byte(x)
	default:
		var err error
		if raw, err = json.Marshal(x); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.Base+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/scim+json")
	req.Header.Set("User-Agent", "scimpushtest/1.0 (a provider)")
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	var a Answer
	var out []byte
	if p.Handler != nil {
		w := httptest.NewRecorder()
		p.Handler.ServeHTTP(w, req)
		a.Status, a.Header, out = w.Code, w.Header(), w.Body.Bytes()
	} else {
		resp, err := p.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // Nothing is left to do with it.
		if out, err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		a.Status, a.Header = resp.StatusCode, resp.Header
	}
	if len(bytes.TrimSpace(out)) > 0 {
		if err := json.Unmarshal(out, &a.Body); err != nil {
			t.Fatalf("%s %s: the answer is no JSON: %v: %.200s", method, path, err, out)
		}
	}
	return a
}

// must sends a request that has to succeed.
func (p *Provider) must(t testing.TB, method, path string, body any) Answer {
	t.Helper()
	a := p.Ask(t, method, path, body)
	if a.Status/100 != 2 {
		t.Fatalf("%s %s: %d %v", method, path, a.Status, a.Body)
	}
	return a
}

// ID gives the id under which a user or group of the world is held.
func (p *Provider) ID(world string) string {
	if h, ok := p.users[world]; ok {
		return h.id
	}
	return p.groups[world].id
}

func userOf(u *providertest.User) map[string]any {
	out := map[string]any{"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:User"}, "externalId": u.ID, "userName": u.Username, "active": !u.Disabled}
	if u.Name != "" {
		out["displayName"] = u.Name
	}
	if u.Email != "" {
		out["emails"] = []any{map[string]any{"value": u.Email, "type": "work", "primary": true}}
	}
	if list := u.Attributes["department"]; len(list) > 0 {
		var values []any
		for _, d := range list {
			values = append(values, map[string]any{"value": d})
		}
		out["urn:groupsyncd:test"] = map[string]any{"department": values}
	}
	return out
}

// Bring makes what the source holds equal to a world.
func (p *Provider) Bring(t testing.TB, w providertest.World) {
	t.Helper()
	if p.users == nil {
		p.users, p.groups, p.members = map[string]held{}, map[string]held{}, map[string][]string{}
	}
	there := map[string]bool{}
	for i := range w.Users {
		there[w.Users[i].ID] = true
		p.put(t, p.users, "/Users", w.Users[i].ID, userOf(&w.Users[i]))
	}
	for i := range w.Groups {
		g := &w.Groups[i]
		there[g.ID] = true
		p.put(t, p.groups, "/Groups", g.ID, map[string]any{"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "externalId": g.ID, "displayName": g.Name})
	}
	p.drop(t, p.users, "/Users", there)
	p.drop(t, p.groups, "/Groups", there)
	for i := range w.Groups {
		p.roll(t, &w.Groups[i])
	}
}

func (p *Provider) put(t testing.TB, all map[string]held, at, id string, body map[string]any) {
	t.Helper()
	h, known := all[id]
	if known && reflect.DeepEqual(h.sent, body) {
		return
	}
	if known {
		delete(body, "members")
		var ops []any
		for name, v := range body {
			ops = append(ops, map[string]any{"op": "Replace", "path": name, "value": v})
		}
		p.must(t, http.MethodPatch, at+"/"+h.id, map[string]any{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops})
		all[id] = held{h.id, body}
		return
	}
	a := p.must(t, http.MethodPost, at, body)
	all[id] = held{fmt.Sprint(a.Body["id"]), body}
}

func (p *Provider) drop(t testing.TB, all map[string]held, at string, there map[string]bool) {
	t.Helper()
	for id, h := range all {
		if !there[id] {
			p.must(t, http.MethodDelete, at+"/"+h.id, nil)
			delete(all, id)
			delete(p.members, id)
		}
	}
}

// roll brings the members of a group by who comes and who goes.
func (p *Provider) roll(t testing.TB, g *providertest.Group) {
	t.Helper()
	var want []string
	for _, id := range slices.Concat(g.Members, g.Groups) {
		if own := p.ID(id); own != "" {
			id = own
		}
		if !slices.Contains(want, id) {
			want = append(want, id)
		}
	}
	have := p.members[g.ID]
	var come, leave []any
	inHave, inWant := map[string]bool{}, map[string]bool{}
	for _, id := range have {
		inHave[id] = true
	}
	for _, id := range want {
		inWant[id] = true
		if !inHave[id] {
			come = append(come, map[string]any{"value": id})
		}
	}
	for _, id := range have {
		if !inWant[id] {
			leave = append(leave, map[string]any{"value": id})
		}
	}
	var ops []any
	if len(come) > 0 {
		ops = append(ops, map[string]any{"op": "Add", "path": "members", "value": come})
	}
	if len(leave) > 0 {
		ops = append(ops, map[string]any{"op": "Remove", "path": "members", "value": leave})
	}
	p.members[g.ID] = want
	if len(ops) > 0 {
		p.must(t, http.MethodPatch, "/Groups/"+p.groups[g.ID].id, map[string]any{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops})
	}
}
