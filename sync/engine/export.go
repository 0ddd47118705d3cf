package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/similar"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Export gives groups of a target as its own JSON, each with what is shared with it and with
// the mail addresses of its members. All is read now, and nothing is kept of it; a group that
// cannot be read is an error, so that no export is shorter than it should be. Groups are named
// by id or by name; none named: all, ordered by name.
func (e *Engine) Export(ctx context.Context, req run.ExportRequest) ([]json.RawMessage, error) {
	const op = "export"
	s := e.current()
	t, err := s.oneTarget(op, req.Target)
	if err != nil {
		return nil, err
	}
	w := e.look(&s, t)
	x, err := w.exporting(ctx, req.Bare)
	if err != nil {
		return nil, err
	}
	chosen, err := x.choose(op, req.Groups)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(chosen))
	for i, g := range chosen {
		ids[i] = g.ID
	}
	raw, err := w.api.Export(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]json.RawMessage, len(raw))
	for i := range raw {
		if out[i], err = x.complete(ctx, ids[i], raw[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// exporter is what is known of a target beside the groups that are exported.
type exporter struct {
	w *work
	// bare: what is shared was not read, so nothing is said about it.
	bare   bool
	groups []plan.Group
	shared map[string][]run.SharedWith
	mails  map[string]string
}

// exporting looks at the groups, the accounts and everything that can be shared. What the
// engine remembers of the target is looked at and not changed.
func (w *work) exporting(ctx context.Context, bare bool) (*exporter, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	m := w.state.mem.Mirror
	look := plan.Look{Roles: true}
	if !bare {
		look.Resources = plan.ResourceTypes()
	}
	o, err := w.api.Observe(ctx, m, look)
	if err != nil {
		return nil, err
	}
	x := &exporter{w: w, bare: bare, groups: o.Groups, shared: map[string][]run.SharedWith{}, mails: map[string]string{}}
	for i := range m.Accounts() {
		if a := m.Account(uint32(i)); !a.Deleted {
			x.mails[a.ID] = a.Email
		}
	}
	for i := range o.Accounts {
		x.mails[o.Accounts[i].ID] = o.Accounts[i].Email
	}
	for i := range o.Resources {
		r := &o.Resources[i]
		for _, g := range r.Grants {
			if g.Kind == plan.KindGroup {
				x.shared[g.ID] = append(x.shared[g.ID], run.SharedWith{Type: r.Type, ID: r.ID, Name: r.Name, Permission: g.Permission})
			}
		}
	}
	for _, list := range x.shared {
		slices.SortFunc(list, run.SharedWith.Compare)
	}
	slices.SortFunc(x.groups, func(a, b plan.Group) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return x, nil
}

// choose finds the groups that are meant. One that is named and not there is an error; all
// groups of a name are meant by it.
func (x *exporter) choose(op string, named []string) ([]*plan.Group, error) {
	found := make([]bool, len(named))
	names := make([]string, len(x.groups))
	var out []*plan.Group
	for i := range x.groups {
		g, meant := &x.groups[i], len(named) == 0
		names[i] = g.Name
		for n, name := range named {
			if name == g.ID || name == g.Name {
				found[n], meant = true, true
			}
		}
		if meant {
			out = append(out, g)
		}
	}
	var missing []string
	hint := "see the names with: groupsyncd export --target " + x.w.t.Name
	for n, name := range named {
		if !found[n] {
			missing = append(missing, strconv.Quote(name))
			if near := similar.Nearest(name, names); near != "" {
				hint = "did you mean " + near + "?"
			}
		}
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.NotFound, op, "target "+x.w.t.Name, errors.New("there is no group with the name or id "+strings.Join(missing, ", ")), hint)
	}
	return out, nil
}

// complete adds to the server's own JSON of a group what another server needs to make sense
// of it: who the members are, and what is shared with them.
func (x *exporter) complete(ctx context.Context, id string, raw json.RawMessage) (json.RawMessage, error) {
	var g struct {
		Members []string `json:"user_ids"`
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, fault.New(fault.Incomplete, "export", "target "+x.w.t.Name, fmt.Errorf("read group %s: %w", id, err), "")
	}
	users := make([]run.UserRef, 0, len(g.Members))
	for _, account := range g.Members {
		mail, known := x.mails[account]
		if !known {
			// They came after the accounts were read, or are deleted by now.
			view, err := x.w.api.Account(ctx, account, false)
			switch {
			case fault.KindOf(err) == fault.NotFound:
				continue
			case err != nil:
				return nil, err
			}
			mail = view.Email
		}
		users = append(users, run.UserRef{ID: account, Email: mail})
	}
	added := []addition{{"users", users}}
	if !x.bare {
		shared := x.shared[id]
		if shared == nil {
			shared = []run.SharedWith{}
		}
		added = []addition{{"access_grants", shared}, {"users", users}}
	}
	return extend(raw, added)
}

// addition is a key of an object and its value.
type addition struct {
	key   string
	value any
}

// extend puts keys at the end of a JSON object, and leaves all else as it stands. A key that
// the object has already is replaced: the same key twice would be read in two ways.
func extend(raw json.RawMessage, added []addition) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fault.Errorf(fault.Incomplete, "export", "", "a group is no JSON object")
	}
	var out bytes.Buffer
	put := func(key string, value any) error {
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := compact(value)
		if err != nil {
			return err
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(k)
		out.WriteByte(':')
		out.Write(v)
		return nil
	}
	out.WriteByte('{')
	for dec.More() {
		t, err := dec.Token()
		key, is := t.(string)
		if err != nil || !is {
			return nil, fault.Errorf(fault.Incomplete, "export", "", "a group is no whole JSON object")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fault.New(fault.Incomplete, "export", "", err, "")
		}
		if slices.ContainsFunc(added, func(m addition) bool { return m.key == key }) {
			continue
		}
		if err := put(key, value); err != nil {
			return nil, err
		}
	}
	for _, m := range added {
		if err := put(m.key, m.value); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// compact writes a value as JSON without the escapes that are for web pages only.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
