package openwebui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
)

// setWire is the body that replaces the grants of something. Models are named in it; the
// name serves where the first grant makes the row of a provider's model.
type setWire struct {
	ID     string      `json:"id,omitempty"`
	Name   string      `json:"name,omitempty"`
	Grants []grantWire `json:"access_grants"`
}

// shareable gives the calls for a resource whose grants may be changed.
func (s *Session) shareable(op string, key plan.ResourceKey) (calls, error) {
	c, ok := callsOf(key.Type)
	if !ok || c.set == "" {
		return c, fault.Errorf(fault.Invalid, op, "target "+s.c.name, "grants of %s are not ours to change", key.Type)
	}
	return c, nil
}

// at puts an id into a path that has a place for one.
func at(path, id string) string { return strings.Replace(path, "{id}", url.PathEscape(id), 1) }

// Resource reads one resource with its grants; fault.NotFound when the list of all does
// not name it.
func (s *Session) Resource(ctx context.Context, key plan.ResourceKey) (plan.Resource, error) {
	const op = "read resource"
	c, err := s.shareable(op, key)
	if err != nil {
		return plan.Resource{}, err
	}
	q := httpx.Request{Method: http.MethodGet, Path: at(c.one, key.ID), Op: op, Repeat: true}
	if key.Type == plan.Models {
		q.Path, q.Query = modelPath, url.Values{"id": {key.ID}}
	}
	var w resourceWire
	q.Into = &w
	if _, err := s.do(ctx, q); err != nil {
		return s.refused(ctx, c, key, err)
	}
	return s.asRead(op, c, key, &w)
}

// asRead checks that an answer is the resource that was asked for, with its grants.
func (s *Session) asRead(op string, c calls, key plan.ResourceKey, w *resourceWire) (plan.Resource, error) {
	switch {
	case w.ID != key.ID:
		return plan.Resource{}, fault.Errorf(fault.Incomplete, op, "target "+s.c.name, "the answer is not the %s %s", c.noun, key.ID)
	case w.Grants == nil && w.Old != nil:
		return plan.Resource{}, s.tooOld("keeps who may use something inside it, as versions before 0.8.0 did")
	case w.Grants == nil:
		return plan.Resource{}, fault.Errorf(fault.Incomplete, op, "target "+s.c.name, "the answer for %s %s says not who may use it", c.noun, key.ID)
	}
	return w.resource(key.Type), nil
}

// refused decides by the list what a refusal to show one means: the status alone may be
// a proxy's, or a failure inside the server. The list also knows models without a row, and
// has what only the single read hides from administrators.
func (s *Session) refused(ctx context.Context, c calls, key plan.ResourceKey, err error) (plan.Resource, error) {
	status, ok := statusOf(err)
	if !ok || status != http.StatusNotFound && status != http.StatusUnauthorized && status != http.StatusBadRequest {
		return plan.Resource{}, shareHint(err, key.Type)
	}
	list, listErr := s.resources(ctx, key.Type)
	if listErr != nil {
		return plan.Resource{}, listErr
	}
	i := slices.IndexFunc(list, func(r plan.Resource) bool { return r.ResourceKey == key })
	switch {
	case i < 0 && status == http.StatusUnauthorized: // what is not there is 404 in these versions
		return plan.Resource{}, s.onlyShared(key.Type)
	case i < 0:
		return plan.Resource{}, fault.Errorf(fault.NotFound, "read resource", "target "+s.c.name, "the %s %s does not exist any more", c.noun, key.ID)
	case list[i].Unlisted:
		return list[i], nil
	}
	return plan.Resource{}, listed(err)
}

// SetGrants replaces all grants of a resource, and gives it as it is then. A grant that
// the server left out, or one that it kept, is an error: it drops without a word what it
// does not understand.
func (s *Session) SetGrants(ctx context.Context, r plan.Resource, grants []plan.Grant) (plan.Resource, error) {
	const op = "set grants"
	c, err := s.shareable(op, r.ResourceKey)
	if err != nil {
		return plan.Resource{}, err
	}
	form := setWire{Grants: []grantWire{}}
	for _, g := range tidy(grants) {
		form.Grants = append(form.Grants, grantWire{Kind: g.Kind, ID: g.ID, Permission: g.Permission})
	}
	if r.Type == plan.Models {
		form.ID, form.Name = r.ID, r.Name
	}
	var w resourceWire
	_, err = s.do(ctx, httpx.Request{
		Method: http.MethodPost, Path: at(c.set, r.ID), Op: op, Body: form, Into: &w, Repeat: true,
	})
	if err != nil {
		return plan.Resource{}, s.notShared(ctx, c, r.ResourceKey, err)
	}
	after, err := s.asRead(op, c, r.ResourceKey, &w)
	if err != nil {
		return plan.Resource{}, err
	}
	if want := tidy(grants); !slices.Equal(after.Grants, want) {
		return after, fault.New(fault.Conflict, op, fmt.Sprintf("target %s, %s %s", s.c.name, c.noun, r.ID),
			fmt.Errorf("asked for the grants %s, the server has %s", words(want), words(after.Grants)), "see Open WebUI's own log")
	}
	return after, nil
}

// notShared says what the refusal to set grants means.
func (s *Session) notShared(ctx context.Context, c calls, key plan.ResourceKey, err error) error {
	status, ok := statusOf(err)
	if ok && status == http.StatusForbidden {
		return shareHint(err, key.Type)
	}
	now, readErr := s.refused(ctx, c, key, err)
	if readErr == nil && now.Unlisted {
		f, _ := errors.AsType[*fault.Error](err)
		return fault.New(fault.Invalid, f.Op, f.Where, fmt.Errorf("the model %s has no row in this version: %w", key.ID, f.Err),
			"save it once in Open WebUI under Admin Settings, Models, or upgrade to 0.8.12 or later")
	}
	return readErr
}

// words writes grants for people.
func words(grants []plan.Grant) string {
	if len(grants) == 0 {
		return "none"
	}
	each := make([]string, 0, len(grants))
	for _, g := range grants {
		each = append(each, g.Permission+" for "+g.Kind+" "+g.ID)
	}
	return strings.Join(each, ", ")
}
