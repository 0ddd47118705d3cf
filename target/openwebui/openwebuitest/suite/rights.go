package suite

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
)

func (w *World) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

// defaults reads the default permissions as a set.
func (w *World) defaults(t *testing.T, s *openwebui.Session, m *plan.Mirror) (plan.Defaults, permission.Set) {
	t.Helper()
	o, err := s.Observe(t.Context(), m, plan.Look{Defaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return o.Defaults, w.flat(t, o.Defaults)
}

func (w *World) flat(t *testing.T, tree json.RawMessage) permission.Set {
	t.Helper()
	set, _, err := permission.Flatten(tree)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (w *World) setsDefaults(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	m := plan.NewMirror()
	tree, before := w.defaults(t, s, m)
	if len(before) < 40 {
		t.Fatalf("default permissions: %s", tree)
	}
	for _, key := range before.Keys() {
		if !slices.Contains(permission.KnownKeys(), key) {
			t.Errorf("permission.KnownKeys lacks %s, which this server has", key)
		}
	}
	t.Cleanup(func() { w.post("/api/v1/users/default/permissions", string(tree)) })
	p := w.person(t, "rights")
	change := permission.Set{"workspace.models": !before["workspace.models"], "chat.edit": !before["chat.edit"]}
	want := maps.Clone(before)
	maps.Copy(want, change)
	whole, err := permission.Merge(tree, change)
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.SetDefaults(ctx, whole)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.flat(t, after); !maps.Equal(got, want) {
		t.Errorf("after the change: %v", permission.Diff(want, got))
	}
	if have := w.rights(t, p); !holds(have, want) {
		t.Errorf("somebody without groups has other rights than the defaults: %v", permission.Diff(want, have))
	}
	// A tree that leaves out nearly everything, and names what no version knows.
	some, err := permission.Merge(nil, permission.Set{"workspace.models": before["workspace.models"], "chat.never_heard_of": true})
	if err != nil {
		t.Fatal(err)
	}
	if after, err = s.SetDefaults(ctx, some); err != nil {
		t.Fatal(err)
	}
	want["workspace.models"] = before["workspace.models"]
	if got := w.flat(t, after); !maps.Equal(got, want) {
		t.Errorf("after the partial tree: %v", permission.Diff(want, got))
	}
}

// holds reports whether a set says what another does.
func holds(have, want permission.Set) bool {
	for key, on := range want {
		if have[key] != on {
			return false
		}
	}
	return true
}

// unites asks somebody in two groups, of which one has odd keys, what they may do.
func (w *World) unites(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	_, defaults := w.defaults(t, s, plan.NewMirror())
	p := w.person(t, "united")
	a := w.group(t, s, plan.GroupSpec{Name: "ua", Permissions: permission.Set{"workspace.tools": true, "chat.edit": false}})
	b := w.group(t, s, plan.GroupSpec{Name: "ub", Permissions: permission.Set{"workspace.knowledge": true}})
	for _, g := range []plan.Group{a, b} {
		if err := s.AddMembers(ctx, g.ID, []string{p.id}); err != nil {
			t.Fatal(err)
		}
	}
	want := permission.Union(defaults, permission.Set{"workspace.tools": true, "workspace.knowledge": true})
	if have := w.rights(t, p); !holds(have, want) {
		t.Errorf("united: %v", permission.Diff(want, have))
	}
	after, err := s.UpdateGroup(ctx, a, plan.GroupSpec{Permissions: permission.Set{"plugin.own": true}, Dropped: []string{"workspace.tools", "no.such"}})
	if err != nil {
		t.Fatal(err)
	}
	if set := w.flat(t, after.Permissions); set.State("workspace.tools") != permission.Unset || !set["plugin.own"] || set.State("chat.edit") != permission.Denied {
		t.Errorf("a key taken out: %s", after.Permissions)
	}
	delete(want, "workspace.tools")
	if have := w.rights(t, p); !holds(have, want) || have["workspace.tools"] != defaults["workspace.tools"] || !have["plugin.own"] {
		t.Errorf("after a key was taken out: %v", permission.Diff(want, have))
	}
}

func (w *World) parents(t *testing.T) {
	ctx := t.Context()
	c := w.Client(t, nil)
	s := c.Session()
	top := w.group(t, s, plan.GroupSpec{Name: "top", Permissions: permission.Set{"workspace.skills": true}})
	o, err := s.Observe(ctx, plan.NewMirror(), plan.Look{})
	if err != nil {
		t.Fatal(err)
	}
	p := w.person(t, "child")
	before := w.rights(t, p)
	child := w.group(t, s, plan.GroupSpec{Name: "child", Parent: &top.ID})
	if err := s.AddMembers(ctx, child.ID, []string{p.id}); err != nil {
		t.Fatal(err)
	}
	if !o.Parents {
		if child.Parent != "" || w.rights(t, p)["workspace.skills"] != before["workspace.skills"] {
			t.Errorf("a server without parents has one: %+v", child)
		}
		if after, err := s.UpdateGroup(ctx, child, plan.GroupSpec{Parent: &top.ID}); err != nil || after.Parent != "" {
			t.Errorf("a parent where there is none: %+v, %v", after, err)
		}
		return
	}
	if child.Parent != top.ID || !w.rights(t, p)["workspace.skills"] {
		t.Errorf("made below another: %+v", child)
	}
	if after, err := s.UpdateGroup(ctx, child, plan.GroupSpec{Description: new("other")}); err != nil || after.Parent != top.ID {
		t.Errorf("an update that does not name the parent: %+v, %v", after, err)
	}
	if after, err := s.UpdateGroup(ctx, child, plan.GroupSpec{Parent: new("")}); err != nil || after.Parent != "" || w.rights(t, p)["workspace.skills"] != before["workspace.skills"] {
		t.Errorf("to the top level: %+v, %v", after, err)
	}
	if after, err := s.UpdateGroup(ctx, child, plan.GroupSpec{Parent: &top.ID}); err != nil || after.Parent != top.ID {
		t.Errorf("below again: %+v, %v", after, err)
	}
}

func (w *World) defaultModels(t *testing.T) {
	ctx := t.Context()
	s := w.Client(t, nil).Session()
	g := w.group(t, s, plan.GroupSpec{Name: "models", Share: "members", DefaultModels: []string{"a/b:1", "c"}})
	models := func(data json.RawMessage) string {
		var d struct {
			Config struct {
				Models json.RawMessage `json:"default_models"`
				Share  string          `json:"share"`
			} `json:"config"`
		}
		if err := json.Unmarshal(data, &d); err != nil || d.Config.Share != "members" {
			t.Errorf("data %s: %v", data, err)
		}
		return string(d.Config.Models)
	}
	if got := models(g.Data); !sameJSON([]byte(got), []byte(`["a/b:1","c"]`)) {
		t.Errorf("made with %s", got)
	}
	after, err := s.UpdateGroup(ctx, g, plan.GroupSpec{DefaultModels: []string{"d"}})
	if err != nil || models(after.Data) != `["d"]` {
		t.Errorf("changed to %s, %v", after.Data, err)
	}
	if after, err = s.UpdateGroup(ctx, after, plan.GroupSpec{DefaultModels: []string{}}); err != nil || models(after.Data) != `[]` {
		t.Errorf("emptied to %s, %v", after.Data, err)
	}
}

// managersCreate lets somebody make a thing of their own as soon as a group allows it.
func (w *World) managersCreate(t *testing.T) {
	ctx := t.Context()
	c := w.Client(t, nil)
	s := c.Session()
	p := w.person(t, "maker")
	const path, body = "/api/v1/knowledge/create", `{"name":"Mine","description":"d"}`
	if status := w.send(t, p, http.MethodPost, path, body, nil); status != http.StatusUnauthorized {
		t.Fatalf("without the right: %d", status)
	}
	g := w.group(t, s, plan.GroupSpec{Name: "makers", Permissions: permission.Set{"workspace.knowledge": true}})
	if err := s.AddMembers(ctx, g.ID, []string{p.id}); err != nil {
		t.Fatal(err)
	}
	var own struct {
		ID string `json:"id"`
	}
	if status := w.send(t, p, http.MethodPost, path, body, &own); status != http.StatusOK {
		t.Fatalf("with the right: %d", status)
	}
	key := plan.ResourceKey{Type: plan.Knowledge, ID: own.ID}
	t.Cleanup(func() { w.unshare(key) })
	if r := w.inventory(t, c)[key]; r.Owner != p.id {
		t.Errorf("what they made: %+v", r)
	}
	got, err := s.Settings(ctx)
	if err != nil || got.AdminBypass == nil || !*got.AdminBypass {
		t.Errorf("something of somebody else shows that administrators see all: %+v, %v", got, err)
	}
}
