package suite

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
)

// made is something that the suite shares.
type made struct {
	key plan.ResourceKey
	// list shows what the person who asks may read.
	list string
}

// things makes one of each type and takes them away when the test ends.
func (w *World) things(t *testing.T) []made {
	t.Helper()
	slug := strings.ToLower(strings.NewReplacer("-", "_").Replace(w.Prefix)) + "t"
	bodies := map[string]string{
		plan.Models:    fmt.Sprintf(`{"id":"%s/model:1","base_model_id":"%s-base","name":"Model","meta":{},"params":{}}`, slug, slug),
		plan.Knowledge: `{"name":"Knowledge","description":"d"}`,
		plan.Prompts:   fmt.Sprintf(`{"command":%q,"name":"Prompt","content":"c"}`, slug),
		plan.Tools:     fmt.Sprintf(`{"id":%q,"name":"Tool","content":"class Tools:\n    pass\n","meta":{"description":"d"}}`, slug),
		plan.Skills:    fmt.Sprintf(`{"id":%q,"name":"%s skill","content":"c"}`, slug, slug),
	}
	var all []made
	for _, kind := range plan.ResourceTypes() {
		var one struct {
			ID string `json:"id"`
		}
		body := w.must(t, http.MethodPost, "/api/v1/"+kind+"/create", bodies[kind])
		if err := json.Unmarshal(body, &one); err != nil || one.ID == "" {
			t.Fatalf("create %s: %s", kind, body)
		}
		m := made{plan.ResourceKey{Type: kind, ID: one.ID}, "/api/v1/" + kind + "/list"}
		if kind == plan.Knowledge {
			m.list = "/api/v1/knowledge/"
		}
		t.Cleanup(func() { w.unshare(m.key) })
		all = append(all, m)
	}
	return all
}

// unshare takes something away.
func (w *World) unshare(key plan.ResourceKey) {
	switch key.Type {
	case plan.Models:
		w.post("/api/v1/models/model/delete", fmt.Sprintf(`{"id":%q}`, key.ID))
	case plan.Knowledge:
		w.Drop(http.MethodDelete, "/api/v1/knowledge/"+key.ID+"/delete")
	default:
		w.Drop(http.MethodDelete, "/api/v1/"+key.Type+"/id/"+key.ID+"/delete")
	}
}

// post sends a body after the test's own context has ended.
func (w *World) post(path, body string) {
	req, err := http.NewRequest(http.MethodPost, w.URL+path, strings.NewReader(body)) //nolint:noctx // the test's context has ended
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+w.Key)
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}

// inventory looks at all that is shared.
func (w *World) inventory(t *testing.T, c *openwebui.Client) map[plan.ResourceKey]plan.Resource {
	t.Helper()
	m := plan.NewMemory("chat", "suite", w.now())
	o, err := c.Session().Observe(t.Context(), m.Mirror, plan.Look{Resources: plan.ResourceTypes()})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.ResourceTypes, plan.ResourceTypes()) {
		t.Errorf("read are %v", o.ResourceTypes)
	}
	all := map[plan.ResourceKey]plan.Resource{}
	for _, r := range o.Resources {
		all[r.ResourceKey] = r
	}
	return all
}

func (w *World) shares(t *testing.T) {
	ctx := t.Context()
	c := w.Client(t, nil)
	s := c.Session()
	things := w.things(t)
	g := w.group(t, s, plan.GroupSpec{Name: "shares"})
	in, out := w.person(t, "in"), w.person(t, "out")
	if err := s.AddMembers(ctx, g.ID, []string{in.id}); err != nil {
		t.Fatal(err)
	}
	all := w.inventory(t, c)
	self := w.primary(t)
	for _, m := range things {
		r, ok := all[m.key]
		if !ok || r.Owner != self || r.Name == "" || len(r.Grants) != 0 || r.Inactive || r.Unlisted || (r.Base != "") != (r.Type == plan.Models) {
			t.Errorf("in the list: %+v (%t)", r, ok)
		}
		want := []plan.Grant{
			{Kind: plan.KindGroup, ID: g.ID, Permission: plan.Read}, {Kind: plan.KindGroup, ID: g.ID, Permission: plan.Write},
			{Kind: plan.KindUser, ID: out.id, Permission: plan.Write},
		}
		after, err := s.SetGrants(ctx, r, append(slices.Clone(want), want[0]))
		if err != nil || !slices.Equal(after.Grants, want) {
			t.Fatalf("%s: %+v, %v", m.key.Type, after, err)
		}
		if now, err := s.Resource(ctx, m.key); err != nil || !slices.Equal(now.Grants, want) || now.Owner != self || now.Name != r.Name || now.Base != r.Base {
			t.Errorf("read again: %+v, %v", now, err)
		}
		if !w.sees(t, in, m.list, m.key.ID) || w.sees(t, out, m.list, m.key.ID) {
			t.Errorf("%s: a member of the group sees it: %t; who may only write: %t", m.key.Type, w.sees(t, in, m.list, m.key.ID), w.sees(t, out, m.list, m.key.ID))
		}
	}
	w.closes(t, c, things, in)
}

// closes takes all grants away, and finds out what became of the things after that.
func (w *World) closes(t *testing.T, c *openwebui.Client, things []made, in person) {
	t.Helper()
	ctx, s := t.Context(), c.Session()
	for _, m := range things {
		r := plan.Resource{ResourceKey: m.key, Name: "x"}
		odd := []plan.Grant{{Kind: plan.KindGroup, ID: "somebody", Permission: "own"}}
		if after, err := s.SetGrants(ctx, r, odd); fault.KindOf(err) != fault.Conflict || len(after.Grants) != 0 {
			t.Errorf("%s: a grant that the server drops: %+v, %v", m.key.Type, after, err)
		}
		public := []plan.Grant{{Kind: plan.KindUser, ID: plan.Everybody, Permission: plan.Read}}
		if _, err := s.SetGrants(ctx, r, public); err != nil || !w.sees(t, in, m.list, m.key.ID) {
			t.Errorf("%s for everybody: %v", m.key.Type, err)
		}
		if after, err := s.SetGrants(ctx, r, nil); err != nil || len(after.Grants) != 0 || w.sees(t, in, m.list, m.key.ID) {
			t.Errorf("%s for nobody: %+v, %v", m.key.Type, after, err)
		}
		w.unshare(m.key)
		if _, err := s.Resource(ctx, m.key); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s is gone: %v", m.key.Type, err)
		}
		if m.key.Type != plan.Models { // there the grant makes it again
			if _, err := s.SetGrants(ctx, r, public); fault.KindOf(err) != fault.NotFound {
				t.Errorf("grants for a %s that is gone: %v", m.key.Type, err)
			}
		}
	}
	if all := w.inventory(t, c); slices.ContainsFunc(things, func(m made) bool { _, ok := all[m.key]; return ok }) {
		t.Error("something deleted is still in the list")
	}
}

// listsLong reads lists of more than one page.
func (w *World) listsLong(t *testing.T) {
	c := w.Client(t, nil)
	var ids []plan.ResourceKey
	for i := range 33 {
		var one struct {
			ID string `json:"id"`
		}
		body := w.must(t, http.MethodPost, "/api/v1/prompts/create", fmt.Sprintf(`{"command":"%slong%d","name":"Long %d","content":"c"}`, w.Prefix, i, i))
		if err := json.Unmarshal(body, &one); err != nil {
			t.Fatal(err)
		}
		key := plan.ResourceKey{Type: plan.Prompts, ID: one.ID}
		t.Cleanup(func() { w.unshare(key) })
		ids = append(ids, key)
	}
	all := w.inventory(t, c)
	for _, key := range ids {
		if _, ok := all[key]; !ok {
			t.Errorf("%v is missing among %d", key, len(all))
		}
	}
}
