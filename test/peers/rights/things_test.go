//go:build peers

package rights

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// kinds are what is shared by grants.
var kinds = []string{"models", "knowledge", "prompts", "tools", "skills"}

// thing is a model, knowledge, prompt, tool or skill.
type thing struct{ kind, id string }

func (t thing) String() string { return t.kind + " " + t.id }

// grant is one grant as Open WebUI takes it.
type grant struct {
	Kind       string `json:"principal_type"`
	ID         string `json:"principal_id"`
	Permission string `json:"permission"`
}

func toGroup(id, permission string) grant { return grant{"group", id, permission} }

func toUser(id, permission string) grant { return grant{"user", id, permission} }

// public is the grant to every signed-in user.
var public = toUser("*", "read")

// shown is a thing as it is listed.
type shown struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Owner  string  `json:"user_id"`
	Grants []grant `json:"access_grants"`
	Write  bool    `json:"write_access"`
	Arena  bool    `json:"arena"`
}

// make makes a thing in somebody's name; more are fields of its own. A model builds on the
// base that more names; one of a provider is not made but given out.
func (w *world) make(token, kind, name string, grants []grant, more map[string]any) thing {
	w.t.Helper()
	if grants == nil {
		grants = []grant{}
	}
	body := map[string]any{"id": name, "name": name, "description": "", "access_grants": grants, "meta": map[string]any{}}
	switch kind {
	case "models":
		body["params"] = map[string]any{}
	case "prompts":
		body["command"], body["content"] = name, "text"
	case "tools":
		body["content"] = "class Tools:\n    def look(self) -> str:\n        \"\"\"Look.\"\"\"\n        return \"\"\n"
	case "skills":
		body["description"] = "for tests"
		body["content"] = "---\nname: " + name + "\ndescription: for tests\n---\ntext"
	}
	maps.Copy(body, more)
	var made shown
	w.chat.Do(w.t, token, http.MethodPost, "/api/v1/"+kind+"/create", body, &made)
	return thing{kind, made.ID}
}

// share replaces all grants of a thing by hand. A model of a provider gets its row by that.
func (w *world) share(t thing, grants ...grant) {
	w.t.Helper()
	if grants == nil {
		grants = []grant{}
	}
	body := map[string]any{"access_grants": grants}
	switch t.kind {
	case "models":
		body["id"] = t.id
		w.do(http.MethodPost, "/api/v1/models/model/access/update", body, nil)
	case "knowledge":
		w.do(http.MethodPost, "/api/v1/knowledge/"+t.id+"/access/update", body, nil)
	default:
		w.do(http.MethodPost, "/api/v1/"+t.kind+"/id/"+t.id+"/access/update", body, nil)
	}
}

// pages reads a list of pages to its end.
func (w *world) pages(token, path string) []shown {
	w.t.Helper()
	var out []shown
	for page := 1; ; page++ {
		var list struct {
			Items []shown
			Total int
		}
		w.chat.Do(w.t, token, http.MethodGet, fmt.Sprintf("%s?page=%d&order_by=name&direction=asc", path, page), nil, &list)
		out = append(out, list.Items...)
		if len(list.Items) == 0 || len(out) >= list.Total {
			return out
		}
	}
}

// listed gives what somebody finds in the lists of Open WebUI, of all kinds.
func (w *world) listed(token string) map[thing]shown {
	w.t.Helper()
	out := map[thing]shown{}
	for _, kind := range kinds {
		var list []shown
		switch kind {
		case "models":
			list = w.pages(token, "/api/v1/models/list")
		case "tools":
			w.chat.Do(w.t, token, http.MethodGet, "/api/v1/tools/list", nil, &list)
		case "knowledge":
			list = w.pages(token, "/api/v1/knowledge/")
		default:
			list = w.pages(token, "/api/v1/"+kind+"/list")
		}
		for i := range list {
			out[thing{kind, list[i].ID}] = list[i]
		}
	}
	w.picker(token, out)
	return out
}

// picker adds the models that somebody may choose for a chat and that are in no other list:
// those of providers. Whether they may change one only the model itself says.
func (w *world) picker(token string, into map[thing]shown) {
	w.t.Helper()
	var models struct{ Data []shown }
	w.chat.Do(w.t, token, http.MethodGet, "/api/models", nil, &models)
	for _, m := range models.Data {
		t := thing{"models", m.ID}
		if _, there := into[t]; there || m.Arena {
			continue
		}
		// A model that nobody has given out has no row to ask for.
		if status := w.chat.Try(w.t, token, http.MethodGet, "/api/v1/models/model?id="+url.QueryEscape(m.ID), &m); status != http.StatusOK && status != http.StatusNotFound {
			w.t.Errorf("%s is shown and answers %d", t, status)
		}
		into[t] = m
	}
}

// grants gives the grants of everything that has some, or could, as an administrator sees
// them: sorted texts.
func (w *world) grants() map[thing][]string {
	w.t.Helper()
	all := w.listed(w.key)
	var rows []shown
	w.do(http.MethodGet, "/api/v1/models/all", nil, &rows)
	for i := range rows {
		all[thing{"models", rows[i].ID}] = rows[i]
	}
	out := map[thing][]string{}
	for t, s := range all {
		out[t] = texts(s.Grants)
	}
	return out
}

func texts(grants []grant) []string {
	out := []string{}
	for _, g := range grants {
		out = append(out, g.Kind+" "+g.ID+" "+g.Permission)
	}
	slices.Sort(out)
	return out
}

// chats says whether somebody gets an answer from a model.
func (w *world) chats(token, model string) bool {
	w.t.Helper()
	return w.as(token, http.MethodPost, "/api/chat/completions", map[string]any{
		"model": model, "stream": false, "messages": []any{map[string]string{"role": "user", "content": "?"}}}) == http.StatusOK
}

// permissions gives what Open WebUI tells somebody about their own permissions, flat; false
// when it tells them nothing.
func (w *world) permissions(token string) (map[string]bool, bool) {
	w.t.Helper()
	var tree map[string]any
	if w.chat.Try(w.t, token, http.MethodGet, "/api/v1/users/permissions", &tree) == http.StatusUnauthorized {
		return nil, false
	}
	flat := map[string]bool{}
	flatten(tree, "", flat)
	return flat, true
}

func flatten(tree map[string]any, prefix string, into map[string]bool) {
	for k, v := range tree {
		switch v := v.(type) {
		case map[string]any:
			flatten(v, prefix+k+".", into)
		case bool:
			into[prefix+k] = v
		}
	}
}

// nested makes a tree of dotted keys.
func nested(flat map[string]bool) map[string]any {
	tree := map[string]any{}
	for key, v := range flat {
		at := tree
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = v
	}
	return tree
}

// defaults gives the default permissions as a tree.
func (w *world) defaults() map[string]any {
	w.t.Helper()
	var tree map[string]any
	w.do(http.MethodGet, "/api/v1/users/default/permissions", nil, &tree)
	return tree
}

// setDefaults replaces the default permissions by hand.
func (w *world) setDefaults(tree map[string]any) {
	w.t.Helper()
	w.do(http.MethodPost, "/api/v1/users/default/permissions", tree, nil)
}

// web is a group of Open WebUI as an administrator sees it, with its members.
type web struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parent      *string        `json:"parent_group_id"`
	Permissions map[string]any `json:"permissions"`
	Data        map[string]any `json:"data"`
	Members     []string       `json:"user_ids"`
}

// groups gives all groups by their names.
func (w *world) groups() map[string]web {
	w.t.Helper()
	var list []web
	w.do(http.MethodGet, "/api/v1/groups/", nil, &list)
	out := map[string]web{}
	for i := range list {
		var whole web
		w.do(http.MethodGet, "/api/v1/groups/id/"+list[i].ID+"/export", nil, &whole)
		slices.Sort(whole.Members)
		out[whole.Name] = whole
	}
	return out
}

// newGroup makes a group by hand, with members by the ids of their accounts.
func (w *world) newGroup(form map[string]any, accounts ...string) string {
	w.t.Helper()
	var made web
	w.do(http.MethodPost, "/api/v1/groups/create", form, &made)
	if len(accounts) > 0 {
		w.do(http.MethodPost, "/api/v1/groups/id/"+made.ID+"/users/add", map[string][]string{"user_ids": accounts}, nil)
	}
	return made.ID
}
