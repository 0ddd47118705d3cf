package scimpush

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPage = 100
	maxPage     = 1000
	// maxShown bounds the members of all groups of a page, behind the first.
	maxShown = 20_000
)

// query is what a search asks for, in an address or in a body.
type query struct {
	Filter     string   `json:"filter"`
	SortBy     string   `json:"sortBy"`
	SortOrder  string   `json:"sortOrder"`
	StartIndex *int     `json:"startIndex"`
	Count      *int     `json:"count"`
	Cursor     *string  `json:"cursor"`
	Attributes []string `json:"attributes"`
	Excluded   []string `json:"excludedAttributes"`
}

func queryOf(c *call) (*query, error) {
	q := &query{}
	if c.method == http.MethodPost {
		if err := decode(c.body, q); err != nil {
			return nil, refuse(http.StatusBadRequest, "invalidSyntax", "the body is no search")
		}
		return q, nil
	}
	q.Filter, q.SortBy, q.SortOrder = c.query.Get("filter"), c.query.Get("sortBy"), c.query.Get("sortOrder")
	q.Attributes, q.Excluded = split(c.query["attributes"]), split(c.query["excludedAttributes"])
	for name, to := range map[string]**int{"startIndex": &q.StartIndex, "count": &q.Count} {
		if text := c.query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, badValue("%s must be a number", name)
			}
			*to = &n
		}
	}
	if c.query.Has("cursor") {
		cursor := c.query.Get("cursor")
		q.Cursor = &cursor
	}
	return q, nil
}

// hit is a resource that a search found.
type hit struct {
	kind *resourceType
	id   string
	// doc is there once it was read.
	doc  *stored
	sort []any
}

// search answers with a page of what a filter chooses.
func (s *Source) search(c *call, kinds ...*resourceType) (*reply, error) {
	q, err := queryOf(c)
	if err != nil {
		return nil, err
	}
	sel, err := selectionOf(q.Attributes, q.Excluded)
	if err != nil {
		return nil, err
	}
	var filter expr
	if strings.TrimSpace(q.Filter) != "" {
		if filter, err = parseFilter(q.Filter); err != nil {
			return nil, refuse(http.StatusBadRequest, "invalidFilter", "the filter cannot be read: %v", err)
		}
	}
	t, unlock, err := s.read()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var hits []hit
	for _, kind := range kinds {
		found, err := s.find(c, t, kind, filter)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	if q.SortBy != "" {
		if err := s.sort(t, hits, q); err != nil {
			return nil, err
		}
	}
	return s.page(c, t, q, &sel, hits)
}

// find gives what a filter chooses. Who is of the generation before is not shown to whoever
// looks for somebody: then the provider brings them again.
func (s *Source) find(c *call, t *table, kind *resourceType, filter expr) ([]hit, error) {
	var out []hit
	try := func(id string, generation int) error {
		if filter == nil {
			out = append(out, hit{kind: kind, id: id})
			return nil
		}
		if generation != t.head.Generation {
			return nil
		}
		r, err := s.load(t, kind, id)
		if err != nil {
			return err
		}
		if filter.is(s.view(c, t, kind, id, r)) {
			out = append(out, hit{kind: kind, id: id, doc: r})
		}
		return nil
	}
	if kind.name == "User" {
		list := t.users
		if name, ok := equality(filter, "userName"); ok {
			list = slices.DeleteFunc([]*user{t.byName[foldName(name)]}, func(u *user) bool { return u == nil })
		} else if id, ok := equality(filter, "id"); ok {
			list = slices.DeleteFunc([]*user{t.byID[id]}, func(u *user) bool { return u == nil })
		}
		external, byExternal := equality(filter, "externalId")
		for _, u := range list {
			if byExternal && u.external != external {
				continue
			}
			if err := try(u.ID, u.generation); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	name, byName := equality(filter, "displayName")
	id, byID := equality(filter, "id")
	for _, g := range t.groups {
		if byName && !strings.EqualFold(g.name, name) || byID && g.id != id {
			continue
		}
		if err := try(g.id, g.generation); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// equality finds a text that a filter wants an attribute to equal, whatever else it wants.
func equality(e expr, name string) (string, bool) {
	switch e := e.(type) {
	case both:
		if v, ok := equality(e.a, name); ok {
			return v, true
		}
		return equality(e.b, name)
	case compare:
		v, ok := e.value.(string)
		return v, ok && e.op == "eq" && e.path.sub == "" && strings.EqualFold(e.path.name, name) && !strings.Contains(strings.ToLower(e.path.urn), "extension")
	}
	return "", false
}

// view gives what a filter sees of a resource.
func (s *Source) view(c *call, t *table, kind *resourceType, id string, r *stored) *view {
	v := &view{kind: kind, doc: r.whole(c, kind, id)}
	if kind.name == "Group" {
		g := t.groupN[id]
		v.more = func(name string) any {
			if !strings.EqualFold(name, "members") {
				return nil
			}
			return t.membersOf(c, g)
		}
		v.has = func(_, value string) bool {
			n, named := t.refs.number[value]
			return named && g.has(n)
		}
		return v
	}
	v.more = func(name string) any {
		if !strings.EqualFold(name, "groups") {
			return nil
		}
		return t.groupsShown(c, id)
	}
	v.has = func(_, value string) bool {
		g, n := t.groupN[value], t.refs.number[id]
		_, named := t.refs.number[id]
		return g != nil && named && (g.has(n) || slices.Contains(t.groupsOf(id), g))
	}
	return v
}

// sort sorts what was found by an attribute; who has none comes last, or first when it is
// the other way round.
func (s *Source) sort(t *table, hits []hit, q *query) error {
	at, err := parsePath(q.SortBy)
	if err != nil {
		return badValue("sortBy %q is no attribute: %v", brief(q.SortBy), err)
	}
	for i := range hits {
		h := &hits[i]
		if h.doc == nil {
			if h.doc, err = s.load(t, h.kind, h.id); err != nil {
				return err
			}
		}
		h.sort = (&view{kind: h.kind, doc: h.doc.whole(&call{}, h.kind, h.id)}).list(at.attrPath)
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		n := 0
		switch {
		case len(a.sort) == 0 || len(b.sort) == 0:
			n = len(b.sort) - len(a.sort)
			n = min(max(n, -1), 1)
		default:
			n = order(a.sort[0], b.sort[0], strings.ToLower(plain(a.sort[0])), strings.ToLower(plain(b.sort[0])))
		}
		if strings.EqualFold(q.SortOrder, "descending") {
			return -n
		}
		return n
	})
	return nil
}

// page answers with a part of what was found: from a number on (RFC 7644, section 3.4.2.4), or
// behind a cursor (RFC 9865).
func (s *Source) page(c *call, t *table, q *query, sel *selection, hits []hit) (*reply, error) {
	count := defaultPage
	if q.Count != nil {
		count = min(max(*q.Count, 0), maxPage)
	}
	start, total := 1, len(hits)
	if q.Cursor != nil {
		behind, err := s.behind(q, hits)
		if err != nil {
			return nil, err
		}
		start = behind + 1
	} else if q.StartIndex != nil {
		start = max(*q.StartIndex, 1)
	}
	list, shown := []any{}, 0
	last := ""
	for i := start - 1; i < total && len(list) < count && shown <= maxShown; i++ {
		h := &hits[i]
		if h.doc == nil {
			var err error
			if h.doc, err = s.load(t, h.kind, h.id); err != nil {
				return nil, err
			}
		}
		if g := t.groupN[h.id]; g != nil && sel.wants("members") {
			if shown += g.size; shown > maxShown && len(list) > 0 {
				break
			}
		}
		list = append(list, s.render(c, t, h.kind, h.id, h.doc, sel))
		last = h.id
	}
	out := document{"schemas": []string{listMessage}, "totalResults": total, "itemsPerPage": len(list), "Resources": list}
	if q.Cursor == nil {
		out["startIndex"] = start
	} else if start-1+len(list) < total && len(list) > 0 {
		out["nextCursor"] = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return &reply{status: http.StatusOK, body: out}, nil
}

// behind gives the place of the first that comes behind a cursor.
func (s *Source) behind(q *query, hits []hit) (int, error) {
	if *q.Cursor == "" {
		return 0, nil
	}
	id, err := base64.RawURLEncoding.DecodeString(*q.Cursor)
	if err != nil || q.SortBy != "" || q.StartIndex != nil {
		return 0, refuse(http.StatusBadRequest, "invalidCursor", "the cursor is none of ours, or something else was asked for with it")
	}
	kind := ""
	for i := range hits {
		if hits[i].id == string(id) {
			return i + 1, nil
		}
		if kind != "" && kind != hits[i].kind.name {
			break
		}
		kind = hits[i].kind.name
		if hits[i].id > string(id) {
			return i, nil // It was deleted meanwhile.
		}
	}
	return len(hits), nil
}

// maxBulk bounds the operations of a bulk request.
const maxBulk = 1000

// bulkOperation is one operation of a bulk request (RFC 7644, section 3.7).
type bulkOperation struct {
	Method  string          `json:"method"`
	BulkID  string          `json:"bulkId"`
	Version string          `json:"version"`
	Path    string          `json:"path"`
	Data    json.RawMessage `json:"data"`
}

// bulk carries out many requests. One that names what another one makes waits for it.
func (s *Source) bulk(c *call) (*reply, error) {
	var in struct {
		FailOnErrors int             `json:"failOnErrors"`
		Operations   []bulkOperation `json:"Operations"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "the body is no bulk request")
	}
	if len(in.Operations) > maxBulk {
		return nil, refuse(http.StatusRequestEntityTooLarge, "tooMany", "a bulk request has at most %d operations", maxBulk)
	}
	b := &bulk{s: s, c: c, made: map[string]string{}, answers: make([]document, len(in.Operations))}
	for i := range in.Operations {
		if id := in.Operations[i].BulkID; id != "" && strings.EqualFold(in.Operations[i].Method, http.MethodPost) {
			b.coming = append(b.coming, id)
		}
	}
	waiting := make([]int, len(in.Operations))
	for i := range waiting {
		waiting[i] = i
	}
	for len(waiting) > 0 && (in.FailOnErrors <= 0 || b.failed < in.FailOnErrors) {
		var later []int
		for _, i := range waiting {
			if in.FailOnErrors > 0 && b.failed >= in.FailOnErrors {
				break
			}
			if !b.try(i, &in.Operations[i], false) {
				later = append(later, i)
			}
		}
		if len(later) == len(waiting) { // They wait for each other.
			for _, i := range later {
				b.try(i, &in.Operations[i], true)
			}
			later = nil
		}
		waiting = later
	}
	answers := []any{}
	for _, a := range b.answers {
		if a != nil {
			answers = append(answers, a)
		}
	}
	return &reply{status: http.StatusOK, body: document{"schemas": []string{bulkResponse}, "Operations": answers}}, nil
}

// bulk is a bulk request under way.
type bulk struct {
	s *Source
	c *call
	// coming are the names of what the request makes, made their ids.
	coming  []string
	made    map[string]string
	answers []document
	failed  int
}

// try carries out an operation, unless it names what is still to be made.
func (b *bulk) try(i int, o *bulkOperation, now bool) bool {
	path, data := o.Path, string(o.Data)
	const mark = "bulkId:"
	for _, name := range b.coming {
		id, made := b.made[name]
		quoted, _ := json.Marshal(mark + name) // A text can always be written.
		named := strings.Contains(data, string(quoted)) || strings.HasSuffix(path, "/"+mark+name)
		switch {
		case !named:
		case made:
			was, _ := json.Marshal(id)
			data = strings.ReplaceAll(data, string(quoted), string(was))
			path = strings.TrimSuffix(path, mark+name) + map[bool]string{true: id}[strings.HasSuffix(path, "/"+mark+name)]
		case !now:
			return false
		default:
			b.answer(i, o, nil, refuse(http.StatusConflict, "", "it names %q, which could not be made", brief(name)))
			return true
		}
	}
	method := strings.ToUpper(o.Method)
	one := &call{method: method, path: path, body: []byte(data), match: o.Version, base: b.c.base, query: map[string][]string{}}
	kind, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case method == http.MethodPost && o.BulkID == "":
		b.answer(i, o, nil, refuse(http.StatusBadRequest, "invalidSyntax", "a POST needs a bulkId"))
	case kind != "Users" && kind != "Groups" || method == http.MethodGet || id == ".search":
		b.answer(i, o, nil, refuse(http.StatusBadRequest, "invalidPath", "only users and groups can be made, changed and deleted here"))
	default:
		out, err := b.s.serve(one)
		b.answer(i, o, out, err)
	}
	return true
}

func (b *bulk) answer(i int, o *bulkOperation, out *reply, err error) {
	a := document{"method": strings.ToUpper(o.Method)}
	if o.BulkID != "" {
		a["bulkId"] = o.BulkID
	}
	b.answers[i] = a
	if err != nil {
		r := refusalOf(err)
		a["status"], a["response"] = strconv.Itoa(r.status), r.body()
		if !strings.EqualFold(o.Method, http.MethodPost) {
			a["location"] = b.c.base + o.Path
		}
		b.failed++
		return
	}
	a["status"] = strconv.Itoa(out.status)
	if out.etag != "" {
		a["version"] = out.etag
	}
	if out.location != "" {
		a["location"] = out.location
		if o.BulkID != "" {
			b.made[o.BulkID] = out.location[strings.LastIndexByte(out.location, '/')+1:]
		}
	}
}
