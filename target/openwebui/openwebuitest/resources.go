package openwebuitest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The types of what grants share, as the paths name them.
const (
	models    = "models"
	knowledge = "knowledge"
	prompts   = "prompts"
	tools     = "tools"
	skills    = "skills"
	channels  = "channels"
)

// key names a resource.
type key struct{ kind, id string }

// resource is a model, knowledge base, prompt, tool, skill or channel as the server keeps
// it.
type resource struct {
	key
	name, owner, base string
	inactive          bool
	grants            []grant
	created, updated  int64
	seq               int
}

// grant is one entry of access_grants.
type grant struct {
	ID         string `json:"id,omitempty"`
	Kind       string `json:"principal_type"`
	Principal  string `json:"principal_id"`
	Permission string `json:"permission"`
}

// shared gives all resources of a type, the newest first.
func (st *store) shared(kind string) []*resource {
	var out []*resource
	for k, r := range st.resources {
		if k.kind == kind {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *resource) int { return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.seq, a.seq)) })
	return out
}

func (st *store) share(r *resource, now int64) *resource {
	st.seq++
	r.seq, r.created, r.updated = st.seq, now, now
	st.resources[r.key] = r
	return r
}

// granted reports whether a grant lets somebody read or write something.
func (s *Server) granted(a *account, r *resource, permission string) bool {
	groups := s.groupsOf(a)
	return slices.ContainsFunc(r.grants, func(g grant) bool {
		return g.Permission == permission &&
			(g.Kind == "user" && (g.Principal == "*" || g.Principal == a.id) || g.Kind == "group" && slices.Contains(groups, g.Principal))
	})
}

// maySee and mayWrite report what somebody may do with something: administrators everything,
// unless BYPASS_ADMIN_ACCESS_CONTROL is false, and everybody with their own.
func (s *Server) maySee(a *account, r *resource) bool {
	return a.role == "admin" && !s.settings.noBypass || r.owner == a.id || s.granted(a, r, "read")
}

func (s *Server) mayWrite(a *account, r *resource) bool {
	return a.role == "admin" && !s.settings.noBypass || r.owner == a.id || s.granted(a, r, "write")
}

// view is a resource as lists and single reads write it.
func (s *Server) view(r *resource, by *account) map[string]any {
	out := map[string]any{"id": r.id, "user_id": r.owner, "name": r.name, "created_at": r.created, "updated_at": r.updated}
	if s.shape.accessControl {
		out["access_control"] = oldForm(r.grants)
	} else {
		out["access_grants"] = append([]grant{}, r.grants...)
	}
	if by != nil {
		out["write_access"] = s.mayWrite(by, r)
	}
	switch r.kind {
	case models:
		out["base_model_id"], out["is_active"], out["params"], out["meta"] = nil, !r.inactive, tree{}, tree{}
		if r.base != "" {
			out["base_model_id"] = r.base
		}
	case prompts:
		out["command"], out["content"], out["is_active"] = r.id, "", !r.inactive
	case skills:
		out["is_active"], out["meta"] = !r.inactive, tree{}
	case tools, knowledge:
		out["meta"] = tree{}
	}
	return out
}

// oldForm writes grants as versions before 0.8.0 did: null is public.
func oldForm(grants []grant) any {
	type who struct {
		Groups []string `json:"group_ids"`
		Users  []string `json:"user_ids"`
	}
	by := map[string]*who{"read": {Groups: []string{}, Users: []string{}}, "write": {Groups: []string{}, Users: []string{}}}
	for _, g := range grants {
		switch {
		case g.Kind == "group":
			by[g.Permission].Groups = append(by[g.Permission].Groups, g.Principal)
		case g.Principal == "*" && g.Permission == "read":
			return nil
		default:
			by[g.Permission].Users = append(by[g.Permission].Users, g.Principal)
		}
	}
	return by
}

// visible gives the resources of a type that somebody sees in its list.
func (s *Server) visible(by *account, kind string) []*resource {
	return slices.DeleteFunc(s.db.shared(kind), func(r *resource) bool { return !s.maySee(by, r) || kind == models && r.base == "" })
}

// pageOf answers one page of a list with its total.
func (s *Server) pageOf(c *call, kind string) *answer {
	n := 1
	if text := c.r.URL.Query().Get("page"); text != "" {
		v, err := strconv.Atoi(text)
		if err != nil {
			return invalid("int_parsing", "page", "Input should be a valid integer")
		}
		n = max(1, v)
	}
	list := s.visible(c.by, kind)
	if kind == prompts {
		list = slices.DeleteFunc(list, func(r *resource) bool { return r.inactive })
	}
	items := []map[string]any{}
	for i := (n - 1) * pageSize; i < min(n*pageSize, len(list)); i++ {
		items = append(items, s.view(list[i], c.by))
	}
	return send(map[string]any{"items": items, "total": len(list)})
}

// wholeList answers a list without pages.
func (s *Server) wholeList(c *call, kind string) *answer {
	items := []map[string]any{}
	for _, r := range s.visible(c.by, kind) {
		items = append(items, s.view(r, c.by))
	}
	return send(items)
}

// baseModels answers the rows of models that build on no other.
func (s *Server) baseModels(*call) *answer {
	items := []map[string]any{}
	for _, r := range s.db.shared(models) {
		if r.base == "" {
			items = append(items, s.view(r, nil))
		}
	}
	return send(items)
}

// offeredModels answers what the providers offer.
func (s *Server) offeredModels(*call) *answer {
	items := []map[string]any{}
	for _, id := range s.settings.offered {
		items = append(items, map[string]any{"id": id, "name": id, "object": "model"})
	}
	return send(map[string]any{"data": items})
}

// usableModels answers the models that the person who asks sees in the chat: what is
// offered, under the name and grants of its row, and what builds on others. Without
// anything offered there is nothing.
func (s *Server) usableModels(c *call) *answer {
	items := []map[string]any{}
	add := func(id, name string) {
		items = append(items, map[string]any{"id": id, "name": name, "object": "model"})
	}
	for _, id := range s.settings.offered {
		r := s.db.resources[key{models, id}]
		switch {
		case r == nil && c.by.role == "admin":
			add(id, id)
		case r != nil && !r.inactive && s.maySee(c.by, r):
			add(id, r.name)
		}
	}
	for _, r := range s.db.shared(models) {
		if len(s.settings.offered) > 0 && r.base != "" && !r.inactive && s.maySee(c.by, r) {
			add(r.id, r.name)
		}
	}
	return send(map[string]any{"data": items})
}

// oneResource answers a single read. Models and skills are closed to administrators too
// where those see only what is shared with them.
func (s *Server) oneResource(c *call, r *resource) *answer {
	switch {
	case r == nil:
		return refuse(http.StatusNotFound, notFound)
	case !s.maySee(c.by, r) && (c.by.role != "admin" || r.kind == models || r.kind == skills):
		return refuse(http.StatusUnauthorized, noPermission)
	}
	return send(s.view(r, c.by))
}

// normal gives grants as the server stores them: what it does not understand is dropped
// without a word, and doubles are one.
func normal(given []json.RawMessage, id func() string) []grant {
	out := []grant{}
	for _, b := range given {
		var g grant
		if json.Unmarshal(b, &g) != nil || !slices.Contains([]string{"user", "group", "anyone"}, g.Kind) ||
			g.Permission != "read" && g.Permission != "write" || g.Principal == "" ||
			g.Kind == "anyone" && (g.Principal != "*" || g.Permission != "read") {
			continue
		}
		g.ID = ""
		if !slices.ContainsFunc(out, func(h grant) bool { h.ID = ""; return h == g }) {
			g.ID = id()
			out = append(out, g)
		}
	}
	return out
}

// accessForm is the body that replaces grants.
type accessForm struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Grants []json.RawMessage `json:"access_grants"`
}

// setAccess replaces the grants of a resource. A model that has no row gets one where this
// version does that.
func (s *Server) setAccess(c *call, k key) *answer {
	var form accessForm
	if json.Unmarshal(c.body, &form) != nil || form.Grants == nil {
		return invalid("missing", "access_grants", "Field required")
	}
	if k.kind == models {
		k.id = form.ID
	}
	r := s.db.resources[k]
	if r == nil && k.kind == models && s.shape.grantMakesModel && c.by.role == "admin" && k.id != "" {
		r = s.db.share(&resource{key: k, name: cmp.Or(form.Name, k.id), owner: c.by.id}, s.seconds())
	}
	switch {
	case r == nil:
		return refuse(http.StatusNotFound, notFound)
	case c.by.role != "admin" && !s.mayWrite(c.by, r):
		return refuse(http.StatusUnauthorized, noPermission)
	}
	grants := normal(form.Grants, func() string { return s.db.id(5) })
	if s.shape.checksAudience && slices.ContainsFunc(grants, func(g grant) bool { return g.Kind == "anyone" }) {
		return refuse(http.StatusForbidden, "You do not have permission to share with the requested audience")
	}
	grants = slices.DeleteFunc(grants, func(g grant) bool { return g.Kind == "anyone" })
	if c.lose != nil {
		grants = slices.DeleteFunc(grants, func(g grant) bool { return c.lose(g.Principal) })
	}
	r.grants, r.updated = grants, s.seconds()
	return send(s.view(r, nil))
}

// createResource makes one, by whoever may.
func (s *Server) createResource(c *call, kind string) *answer {
	var form struct {
		accessForm
		Base    *string `json:"base_model_id"`
		Command string  `json:"command"`
		Active  *bool   `json:"is_active"`
	}
	if json.Unmarshal(c.body, &form) != nil || form.Name == "" {
		return invalid("missing", "name", "Field required")
	}
	if !s.may(c.by, "workspace", kind) {
		return refuse(http.StatusUnauthorized, noPermission)
	}
	id := form.ID
	if kind == knowledge || kind == prompts {
		id = s.db.id(4)
	}
	if s.db.resources[key{kind, id}] != nil || id == "" {
		return refuse(http.StatusBadRequest, "Uh-oh! This id is already registered.")
	}
	r := &resource{key: key{kind, id}, name: form.Name, owner: c.by.id, grants: normal(form.Grants, func() string { return s.db.id(5) })}
	r.inactive = form.Active != nil && !*form.Active
	if form.Base != nil {
		r.base = *form.Base
	}
	return send(s.view(s.db.share(r, s.seconds()), nil))
}

func (s *Server) deleteResource(c *call, k key) *answer {
	r := s.db.resources[k]
	switch {
	case r == nil:
		return refuse(http.StatusNotFound, notFound)
	case c.by.role != "admin" && !s.mayWrite(c.by, r):
		return refuse(http.StatusUnauthorized, noPermission)
	}
	delete(s.db.resources, k)
	return send(true)
}

// handleResource routes the calls of one type; ok is false where the type is no such one.
func (s *Server) handleResource(c *call) (*answer, bool) {
	kind, rest, ok := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/api/v1/"), "/")
	if !ok || !slices.Contains([]string{models, knowledge, prompts, tools, skills, channels}, kind) || kind == skills && s.shape.accessControl {
		return nil, false
	}
	switch rest {
	case "list":
		return s.get(c, s.authorized(func(c *call) *answer { return s.anyList(c, kind) })), true
	case "":
		return s.get(c, s.authorized(func(c *call) *answer {
			if kind == knowledge {
				return s.pageOf(c, kind)
			}
			return s.wholeList(c, kind)
		})), true
	case "create":
		return s.post(c, s.authorized(func(c *call) *answer { return s.createResource(c, kind) })), true
	}
	if kind == models {
		return s.handleModel(c, rest), true
	}
	id, action, _ := strings.Cut(strings.TrimPrefix(rest, "id/"), "/")
	k := key{kind, id}
	switch {
	case action == "":
		return s.get(c, s.authorized(func(c *call) *answer { return s.oneResource(c, s.db.resources[k]) })), true
	case action == "access/update" && !s.shape.accessControl:
		return s.post(c, s.authorized(func(c *call) *answer { return s.setAccess(c, k) })), true
	case action == "delete" && c.r.Method == http.MethodDelete:
		return s.authorized(func(c *call) *answer { return s.deleteResource(c, k) })(c), true
	}
	return fallback(c), true
}

// anyList answers .../list of a type.
func (s *Server) anyList(c *call, kind string) *answer {
	switch {
	case kind == channels && !s.settings.channels:
		return refuse(http.StatusForbidden, "Channels is disabled.")
	case kind == channels && c.by.role == "admin":
		items := []map[string]any{}
		for _, r := range s.db.shared(kind) {
			items = append(items, s.view(r, nil))
		}
		return send(items)
	case kind == tools || kind == channels:
		return s.wholeList(c, kind)
	case kind == knowledge:
		return refuse(http.StatusNotFound, notFound) // it is read as the id of one
	}
	return s.pageOf(c, kind)
}

func (s *Server) handleModel(c *call, rest string) *answer {
	switch {
	case rest == "base":
		return s.get(c, s.administrator(s.baseModels))
	case rest == "model":
		return s.get(c, s.authorized(func(c *call) *answer {
			return s.oneResource(c, s.db.resources[key{models, c.r.URL.Query().Get("id")}])
		}))
	case rest == "model/access/update" && !s.shape.accessControl:
		return s.post(c, s.authorized(func(c *call) *answer { return s.setAccess(c, key{kind: models}) }))
	case rest == "model/delete":
		return s.post(c, s.authorized(func(c *call) *answer {
			var form accessForm
			_ = json.Unmarshal(c.body, &form) // an unknown form names no model
			return s.deleteResource(c, key{models, form.ID})
		}))
	}
	return fallback(c)
}

// dropGrants takes away what a group was granted, as versions with parents do when it is
// deleted; others leave it behind.
func (st *store) dropGrants(group string) {
	for _, r := range st.resources {
		r.grants = slices.DeleteFunc(slices.Clone(r.grants), func(g grant) bool { return g.Kind == "group" && g.Principal == group })
	}
}
