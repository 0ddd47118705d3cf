package scimpush

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// etag names the version of a resource. Another generation is another version of everything.
func (r *stored) etag() string { return fmt.Sprintf(`W/"%d.%d"`, r.Generation, r.Version) }

// matches reports whether a condition names a version; * names any.
func matches(condition, etag string) bool {
	for one := range strings.SplitSeq(condition, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// selection says which attributes are shown.
type selection struct {
	only, not []attrPath
	limited   bool
}

func selected(c *call) (selection, error) {
	return selectionOf(split(c.query["attributes"]), split(c.query["excludedAttributes"]))
}

func split(values []string) []string {
	var out []string
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

func selectionOf(only, not []string) (selection, error) {
	s := selection{limited: len(only) > 0}
	for i, list := range [][]string{only, not} {
		for _, text := range list {
			p, ok := splitPath(text)
			if !ok && strings.HasPrefix(strings.ToLower(text), "urn:") {
				p, ok = attrPath{name: text}, true // The name of a schema.
			}
			if !ok {
				return s, badValue("%q is no name of an attribute", brief(text))
			}
			if i == 0 {
				s.only = append(s.only, p)
			} else {
				s.not = append(s.not, p)
			}
		}
	}
	return s, nil
}

// wants reports whether an attribute is shown, so that it has to be made.
func (s *selection) wants(name string) bool {
	same := func(p attrPath) bool { return strings.EqualFold(p.name, name) }
	if s.limited {
		return slices.ContainsFunc(s.only, same)
	}
	return !slices.ContainsFunc(s.not, func(p attrPath) bool { return same(p) && p.sub == "" })
}

// of gives what is shown of a resource.
func (s *selection) of(kind *resourceType, doc document) document {
	out := doc
	if s.limited {
		out = document{"id": doc["id"], "schemas": doc["schemas"]}
		for _, p := range s.only {
			from, to := doc, out
			if p.urn != "" && !strings.EqualFold(p.urn, kind.core.id) {
				key, inner, _ := get(doc, p.urn)
				if from, _ = inner.(document); from == nil {
					// The name of a schema may end like an attribute: urn:…:User.
					copyPart(out, doc, attrPath{name: p.String()})
					continue
				}
				if have, ok := out[key].(document); ok {
					to = have
				} else {
					to = document{}
					out[key] = to
				}
			}
			copyPart(to, from, p)
		}
		return out
	}
	for _, p := range s.not {
		if strings.EqualFold(p.name, "id") || strings.EqualFold(p.name, "schemas") {
			continue
		}
		from := out
		if p.urn != "" && !strings.EqualFold(p.urn, kind.core.id) {
			key, inner, found := get(out, p.urn)
			if !found {
				if key, _, found = get(out, p.String()); found {
					delete(out, key)
				}
				continue
			}
			d, _ := inner.(document)
			from = maps.Clone(d)
			out[key] = from
		}
		cutPart(from, p)
	}
	return out
}

func copyPart(to, from document, p attrPath) {
	key, value, found := get(from, p.name)
	if !found {
		return
	}
	if p.sub == "" {
		to[key] = value
		return
	}
	part := func(x any, into any) any {
		d, ok := x.(document)
		if !ok {
			return x
		}
		out, _ := into.(document)
		if out == nil {
			out = document{}
		}
		if k, v, ok := get(d, p.sub); ok {
			out[k] = v
		}
		return out
	}
	list, several := value.([]any)
	if !several {
		to[key] = part(value, to[key])
		return
	}
	before, _ := to[key].([]any)
	shown := make([]any, len(list))
	for i := range list {
		var into any
		if i < len(before) {
			into = before[i]
		}
		shown[i] = part(list[i], into)
	}
	to[key] = shown
}

func cutPart(from document, p attrPath) {
	key, value, _ := get(from, p.name)
	if p.sub == "" {
		delete(from, key)
		return
	}
	cut := func(x any) any {
		d, ok := x.(document)
		if !ok {
			return x
		}
		d = maps.Clone(d)
		k, _, _ := get(d, p.sub)
		delete(d, k)
		return d
	}
	if list, several := value.([]any); several {
		left := make([]any, len(list))
		for i := range list {
			left[i] = cut(list[i])
		}
		from[key] = left
	} else if value != nil {
		from[key] = cut(value)
	}
}

// whole gives a resource as it is answered, without what is made apart.
func (r *stored) whole(c *call, kind *resourceType, id string) document {
	out := maps.Clone(r.Doc)
	schemas := []any{kind.core.id}
	for _, key := range slices.Sorted(maps.Keys(out)) {
		if strings.HasPrefix(strings.ToLower(key), "urn:") {
			schemas = append(schemas, key)
		}
	}
	out["schemas"], out["id"] = schemas, id
	out["meta"] = document{"resourceType": kind.name, "created": dated(r.Created), "lastModified": dated(r.Modified),
		"location": c.base + kind.endpoint + "/" + id, "version": r.etag()}
	return out
}

// render gives a resource as it is answered.
func (s *Source) render(c *call, t *table, kind *resourceType, id string, r *stored, sel *selection) document {
	out := r.whole(c, kind, id)
	if kind.name == "Group" {
		if sel.wants("members") {
			out["members"] = t.membersOf(c, t.groupN[id])
		}
	} else if sel.wants("groups") {
		if list := t.groupsShown(c, id); len(list) > 0 {
			out["groups"] = list
		}
	}
	return sel.of(kind, out)
}

// membersOf gives the members of a group.
func (t *table) membersOf(c *call, g *group) []any {
	out := make([]any, 0, g.size)
	g.each(func(m uint32) bool {
		id := t.refs.ids[m]
		member := document{"value": id}
		if u := t.byID[id]; u != nil {
			member["type"], member["$ref"] = "User", c.base+"/Users/"+id
			if name := u.Name; name != "" {
				member["display"] = name
			}
		} else if inner := t.groupN[id]; inner != nil {
			member["type"], member["$ref"], member["display"] = "Group", c.base+"/Groups/"+id, inner.name
		}
		out = append(out, member)
		return true
	})
	return out
}

// groupsShown gives the groups of a user, as the user shows them.
func (t *table) groupsShown(c *call, id string) []any {
	n, named := t.refs.number[id]
	var out []any
	for _, g := range t.groupsOf(id) {
		kind := "indirect"
		if named && g.has(n) {
			kind = "direct"
		}
		out = append(out, document{"value": g.id, "display": g.name, "type": kind, "$ref": c.base + "/Groups/" + g.id})
	}
	return out
}

// get answers with one resource.
func (s *Source) get(c *call, kind *resourceType, id string) (*reply, error) {
	sel, err := selected(c)
	if err != nil {
		return nil, err
	}
	t, unlock, err := s.read()
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, err := s.load(t, kind, id)
	if err != nil {
		return nil, err
	}
	if c.noneMatch != "" && matches(c.noneMatch, r.etag()) {
		return &reply{status: http.StatusNotModified, etag: r.etag()}, nil
	}
	return &reply{status: http.StatusOK, body: s.render(c, t, kind, id, r, &sel), etag: r.etag()}, nil
}

// load reads one resource from the store.
func (s *Source) load(t *table, kind *resourceType, id string) (*stored, error) {
	key := ""
	switch {
	case kind.name == "User" && t.byID[id] != nil:
		key = userKey(id)
	case kind.name == "Group" && t.groupN[id] != nil:
		key = groupKey(id)
	default:
		return nil, notFound(id)
	}
	b, err := s.options.Pushed.Get(key)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("the record of %s is missing", id)
	}
	r := &stored{}
	if err := decode(b, r); err != nil {
		return nil, err
	}
	if r.Doc == nil {
		r.Doc = document{}
	}
	return r, nil
}
