package openwebui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

func groupPath(id, action string) string {
	return "/api/v1/groups/id/" + url.PathEscape(id) + action
}

// ListGroups reads every group, the members unread, ordered by id.
func (s *Session) ListGroups(ctx context.Context) ([]plan.Group, error) {
	wire, err := s.listGroups(ctx)
	if err != nil {
		return nil, err
	}
	groups := make([]plan.Group, 0, len(wire))
	for i := range wire {
		groups = append(groups, wire[i].group())
	}
	return groups, nil
}

// listGroups reads the list and checks that its form is one we know.
func (s *Session) listGroups(ctx context.Context) ([]groupWire, error) {
	var wire []groupWire
	if _, err := s.get(ctx, "read groups", "/api/v1/groups/", &wire); err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(wire))
	for i := range wire {
		switch w := &wire[i]; {
		case w.ID == "" || known[w.ID]:
			return nil, fault.Errorf(fault.Incomplete, "read groups", "target "+s.c.name, "the list names a group twice or without its id")
		case w.MemberCount == nil:
			return nil, s.tooOld("keeps members inside the group, as versions before 0.6.37 did")
		}
		known[wire[i].ID] = true
	}
	s.mu.Lock()
	s.known = known
	s.mu.Unlock()
	slices.SortFunc(wire, func(a, b groupWire) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return wire, nil
}

// ReadGroup reads a group with its members; fault.NotFound when it is proved to be
// gone. Its ReadAt is a time by the server's clock before the reading, so that a
// change after it cannot hide behind an equal time.
func (s *Session) ReadGroup(ctx context.Context, id string) (plan.Group, error) {
	w, at, err := s.export(ctx, id)
	if err != nil {
		return plan.Group{}, s.gone(ctx, id, err)
	}
	return w.read(at), nil
}

// export reads a group with its members, and the server's time before that.
func (s *Session) export(ctx context.Context, id string) (*groupWire, time.Time, error) {
	before := s.http.LastDate()
	var w groupWire
	a, err := s.get(ctx, "read members", groupPath(id, "/export"), &w)
	if err != nil {
		return nil, time.Time{}, err
	}
	if w.ID != id || w.MemberCount == nil {
		return nil, time.Time{}, fault.Errorf(fault.Incomplete, "read members", "target "+s.c.name, "the export of group %s is of another group or without a count", id)
	}
	if before.IsZero() {
		// Without an earlier answer the own one has to do, less what it may have taken.
		before = a.Date
		if !before.IsZero() {
			before = before.Add(-a.Took.Truncate(time.Second) - time.Second)
		}
	}
	return &w, before, nil
}

// gone turns the failure of a call for one group into fault.NotFound when the list
// of groups, read with the same key, does not name it. The status proves nothing:
// versions before 0.12 answer 400 or 401 for a group that does not exist, and a
// proxy may answer 404 for anything.
func (s *Session) gone(ctx context.Context, id string, err error) error {
	e, ok := errors.AsType[*httpx.StatusError](err)
	if !ok || e.Status != http.StatusNotFound && e.Status != http.StatusUnauthorized && e.Status != http.StatusBadRequest {
		return err
	}
	wire, listErr := s.listGroups(ctx)
	if listErr != nil {
		return listErr
	}
	if slices.ContainsFunc(wire, func(w groupWire) bool { return w.ID == id }) {
		return listed(err)
	}
	// The list shows everything to administrators only; this call proves that the key
	// is still one's.
	if _, listErr = s.usersPage(ctx, 1, "asc"); listErr != nil {
		return listErr
	}
	f, _ := errors.AsType[*fault.Error](err)
	return fault.New(fault.NotFound, f.Op, f.Where, errors.New("the group does not exist any more"), "it is made again by the next run where a rule creates it")
}

// listed takes the meaning "not found" off the refusal of a call for something that a
// list still names.
func listed(err error) error {
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	f, _ := errors.AsType[*fault.Error](err)
	return fault.New(fault.Conflict, f.Op, f.Where, fmt.Errorf("the server lists it, but answers %w", f.Err), "see Open WebUI's own log")
}

// formWire is the body of create and update. The description is required by the
// server; what is nil is left alone.
type formWire struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Permissions json.RawMessage `json:"permissions,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	// Parent is an id or an explicit null; absent it is left alone.
	Parent json.RawMessage `json:"parent_group_id,omitempty"`
}

// CreateGroup makes an empty group. When the answer is lost it looks for the group
// before it tries again, so that there are never two.
//
// The new group gets an explicit permission tree, every switch off but those of the
// spec: the server gives its own defaults to groups without one at the next sign-in.
func (s *Session) CreateGroup(ctx context.Context, spec plan.GroupSpec) (plan.Group, error) {
	data, err := setData(nil, &spec)
	if err != nil {
		return plan.Group{}, fault.New(fault.Invalid, "create group", "target "+s.c.name, err, "")
	}
	form := formWire{Name: spec.Name, Permissions: notNull(spec.Tree), Data: data}
	if spec.Tree == nil {
		form.Permissions = permission.Explicit(spec.Permissions)
	}
	if spec.Parent != nil && *spec.Parent != "" {
		form.Parent = parentValue(*spec.Parent)
	}
	if spec.Description != nil {
		form.Description = *spec.Description
	}
	before, err := s.knownGroups(ctx)
	if err != nil {
		return plan.Group{}, err
	}
	var made groupWire
	var found *groupWire
	lost := false
	_, err = s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: "/api/v1/groups/create", Op: "create group", Body: form, Into: &made,
		Happened: func(ctx context.Context) (bool, error) {
			lost = true
			w, err := s.appeared(ctx, before, &spec, "")
			found = w
			return w != nil, err
		},
	})
	switch {
	case errors.Is(err, httpx.ErrHappened):
		made = *found
	case err != nil:
		return plan.Group{}, err
	case made.ID == "" || made.MemberCount == nil:
		return plan.Group{}, fault.Errorf(fault.Incomplete, "create group", "target "+s.c.name, "the server did not tell the new group")
	case lost:
		return s.onlyOne(ctx, before, &spec, &made)
	}
	s.remember(made.ID)
	return made.group(), nil
}

// knownGroups gives the ids of the groups as last listed.
func (s *Session) knownGroups(ctx context.Context) (map[string]bool, error) {
	s.mu.Lock()
	known := maps.Clone(s.known)
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	if _, err := s.listGroups(ctx); err != nil {
		return nil, err
	}
	return s.knownGroups(ctx)
}

func (s *Session) remember(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known != nil {
		s.known[id] = true
	}
}

// appeared looks for a group that is what the spec says, was not there before, and is
// not the one to skip.
func (s *Session) appeared(ctx context.Context, before map[string]bool, spec *plan.GroupSpec, skip string) (*groupWire, error) {
	wire, err := s.listGroups(ctx)
	if err != nil {
		return nil, err
	}
	for i := range wire {
		w := &wire[i]
		if before[w.ID] || w.ID == skip || w.Name != spec.Name {
			continue
		}
		_, mark := readData(w.Data)
		if spec.Mark == nil || mark != nil && *mark == *spec.Mark {
			return w, nil
		}
	}
	return nil, nil //nolint:nilnil // nothing appeared, and that is an answer
}

// onlyOne looks again after a creation that had to be repeated: the attempt with the
// lost answer may have had its effect late. Then the second group, which nobody knows
// yet, is taken away again.
func (s *Session) onlyOne(ctx context.Context, before map[string]bool, spec *plan.GroupSpec, made *groupWire) (plan.Group, error) {
	first, err := s.appeared(ctx, before, spec, made.ID)
	if err != nil {
		return plan.Group{}, err
	}
	if first == nil {
		return made.group(), nil
	}
	s.c.log.Warn("a lost creation had its effect late, the second group is deleted", "group", first.ID, "second", made.ID)
	if err := s.deleteGroup(ctx, made.ID); err != nil {
		return plan.Group{}, err
	}
	return first.group(), nil
}

// deleteGroup takes a group away; one that is gone is no error.
func (s *Session) deleteGroup(ctx context.Context, id string) error {
	_, err := s.do(ctx, httpx.Request{Method: http.MethodDelete, Path: groupPath(id, "/delete"), Op: "delete group", Repeat: true})
	if err == nil {
		return nil
	}
	if err = s.gone(ctx, id, err); fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// UpdateGroup changes what the spec names and keeps everything else. The server
// replaces permissions whole, and before 0.12 data too, so the group is read right
// before it is written. A group that already is what the spec says is not written.
func (s *Session) UpdateGroup(ctx context.Context, current plan.Group, spec plan.GroupSpec) (plan.Group, error) {
	var now groupWire
	if _, err := s.get(ctx, "read group", groupPath(current.ID, ""), &now); err != nil {
		return plan.Group{}, s.gone(ctx, current.ID, err)
	}
	if now.ID != current.ID || now.MemberCount == nil {
		return plan.Group{}, fault.Errorf(fault.Incomplete, "read group", "target "+s.c.name, "the answer is another group than %s", current.ID)
	}
	form, changed, err := updateForm(&now, &spec)
	if err != nil {
		return plan.Group{}, fault.New(fault.Conflict, "update group", "target "+s.c.name+", group "+now.Name, err, "")
	}
	if !changed {
		return now.group(), nil
	}
	var after groupWire
	_, err = s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: groupPath(current.ID, "/update"), Op: "update group", Body: form, Into: &after, Repeat: true,
	})
	if err != nil {
		return plan.Group{}, s.gone(ctx, current.ID, err)
	}
	return after.group(), nil
}

// updateForm lays a spec over a group as it is now.
func updateForm(now *groupWire, spec *plan.GroupSpec) (form formWire, changed bool, err error) {
	form = formWire{Name: now.Name, Description: now.Description}
	if spec.Name != "" {
		form.Name = spec.Name
	}
	if spec.Description != nil {
		form.Description = *spec.Description
	}
	changed = form.Name != now.Name || form.Description != now.Description
	if spec.Permissions != nil || len(spec.Dropped) > 0 {
		if form.Permissions, err = setPermissions(now.Permissions, spec.Permissions, spec.Dropped); err != nil {
			return form, false, err
		}
		changed = changed || !same(form.Permissions, now.Permissions)
	}
	if spec.Parent != nil && len(now.Parent) > 0 && *spec.Parent != now.parent() {
		form.Parent, changed = parentValue(*spec.Parent), true
	}
	if form.Data, err = setData(now.Data, spec); err != nil {
		return form, false, err
	}
	return form, changed || form.Data != nil && !same(form.Data, now.Data), nil
}

// parentValue gives the server's value for the id of a parent: null is the top level.
func parentValue(id string) json.RawMessage {
	if id == "" {
		return json.RawMessage("null")
	}
	b, err := json.Marshal(id)
	if err != nil { // a string always has a form
		panic(err)
	}
	return b
}

// idsWire is the body of add and remove.
type idsWire struct {
	UserIDs []string `json:"user_ids"`
}

// AddMembers makes accounts members of a group. The server drops ids that it does not
// know without a word: read the group again to verify. Adding a member twice has no
// effect but the group's time of change.
func (s *Session) AddMembers(ctx context.Context, group string, accounts []string) error {
	return s.changeMembers(ctx, "add members", group, "/users/add", accounts)
}

// RemoveMembers takes accounts out of a group; those who are not in it do not matter.
func (s *Session) RemoveMembers(ctx context.Context, group string, accounts []string) error {
	return s.changeMembers(ctx, "remove members", group, "/users/remove", accounts)
}

func (s *Session) changeMembers(ctx context.Context, op, group, action string, accounts []string) error {
	switch {
	case len(accounts) == 0:
		return nil
	case len(accounts) > plan.MaxBatch:
		return fault.Errorf(fault.Invalid, op, "target "+s.c.name, "%d accounts in one call; the most is %d", len(accounts), plan.MaxBatch)
	}
	var after groupWire
	_, err := s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: groupPath(group, action), Op: op, Body: idsWire{accounts}, Into: &after, Repeat: true,
	})
	if err != nil {
		return s.gone(ctx, group, err)
	}
	if after.ID != group {
		return fault.Errorf(fault.Incomplete, op, "target "+s.c.name, "the answer is another group than %s", group)
	}
	return nil
}
