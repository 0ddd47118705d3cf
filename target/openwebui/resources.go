package openwebui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/sync/plan"
)

// calls are those for one type of what grants share.
type calls struct {
	// noun is how people call one of them.
	noun string
	// list gives all there are, in pages with their total where paged is set.
	list  string
	paged bool
	// one and set begin with the id in place of {id}.
	one, set string
}

// callsOf gives the calls of a type. Notes and folders are not here: an administrator
// cannot list those of others.
func callsOf(kind string) (calls, bool) {
	c, ok := map[string]calls{
		plan.Models:    {"model", "/api/v1/models/list", true, "", "/api/v1/models/model/access/update"},
		plan.Knowledge: {"knowledge base", "/api/v1/knowledge/", true, "/api/v1/knowledge/{id}", "/api/v1/knowledge/{id}/access/update"},
		plan.Prompts:   {"prompt", "/api/v1/prompts/list", true, "/api/v1/prompts/id/{id}", "/api/v1/prompts/id/{id}/access/update"},
		plan.Tools:     {"tool", "/api/v1/tools/list", false, "/api/v1/tools/id/{id}", "/api/v1/tools/id/{id}/access/update"},
		plan.Skills:    {"skill", "/api/v1/skills/list", true, "/api/v1/skills/id/{id}", "/api/v1/skills/id/{id}/access/update"},
		plan.Channels:  {"channel", "/api/v1/channels/list", false, "", ""},
	}[kind]
	return c, ok
}

const (
	baseModelsPath = "/api/v1/models/base"
	// offeredPath lists what the providers offer, also what has no row.
	offeredPath = "/api/models/base"
	modelPath   = "/api/v1/models/model"
)

// observeResources reads the complete lists of the types that a look asks for. Of those
// that it asks for beside them, one that cannot be read is left out: not read is not gone.
func (s *Session) observeResources(ctx context.Context, look plan.Look, o *plan.Observation) error {
	for _, kind := range look.Types() {
		needed := slices.Contains(look.Resources, kind)
		from := s
		if !needed {
			from = s.gentle()
		}
		list, err := from.resources(ctx, kind)
		if err != nil {
			if needed || ctx.Err() != nil {
				return err
			}
			s.c.log.Warn("what is shared could not be read", "type", kind, "err", err)
			continue
		}
		o.Resources = append(o.Resources, list...)
		o.ResourceTypes = append(o.ResourceTypes, kind)
	}
	return nil
}

// resources reads all there are of a type, ordered by id.
func (s *Session) resources(ctx context.Context, kind string) ([]plan.Resource, error) {
	c, ok := callsOf(kind)
	if !ok {
		return nil, fault.New(fault.Invalid, "read "+kind, "target "+s.c.name,
			fmt.Errorf("an administrator is shown no list of the %s of others", kind), "")
	}
	wire, err := s.rows(ctx, kind, c)
	if errors.Is(err, errOnlyShared) { // or something was made since the list was read
		wire, err = s.rows(ctx, kind, c)
	}
	if err != nil {
		return nil, shareHint(err, kind)
	}
	out := make([]plan.Resource, 0, len(wire))
	for i := range wire {
		out = append(out, wire[i].resource(kind))
	}
	if kind == plan.Models {
		if out, err = s.offered(ctx, out); err != nil {
			return nil, shareHint(err, kind)
		}
	}
	slices.SortFunc(out, func(a, b plan.Resource) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out, nil
}

// rows reads the rows of a type and proves that they are all.
func (s *Session) rows(ctx context.Context, kind string, c calls) ([]resourceWire, error) {
	wire, err := s.listResources(ctx, kind, c)
	if err != nil {
		return nil, err
	}
	if kind == plan.Models {
		more, err := s.baseModels(ctx)
		if err != nil {
			return nil, err
		}
		wire = append(wire, more...)
	}
	return wire, s.checkResources(ctx, kind, wire)
}

// listResources reads a list whole, again when it moved while its pages were read.
func (s *Session) listResources(ctx context.Context, kind string, c calls) ([]resourceWire, error) {
	if !c.paged {
		var wire []resourceWire
		if _, err := s.get(ctx, "read "+kind, c.list, &wire); err != nil {
			return nil, err
		}
		if wire == nil {
			return nil, s.unknownForm(kind)
		}
		return wire, nil
	}
	for tries := 1; ; tries++ {
		wire, total, err := s.readList(ctx, kind, c)
		if err != nil {
			return nil, err
		}
		if len(wire) == total {
			return wire, nil
		}
		if tries == 3 {
			return nil, fault.Errorf(fault.Incomplete, "read "+kind, "target "+s.c.name, "the list of %s names %d of %d", kind, len(wire), total)
		}
	}
}

// readList reads the pages of a list up to the empty one, each thing once.
func (s *Session) readList(ctx context.Context, kind string, c calls) (wire []resourceWire, total int, err error) {
	known := map[string]bool{}
	for page := 1; ; page++ {
		var w listWire
		_, err := s.do(ctx, httpx.Request{
			Method: http.MethodGet, Path: c.list, Op: "read " + kind, Into: &w, Repeat: true, Query: url.Values{"page": {strconv.Itoa(page)}},
		})
		switch {
		case err != nil:
			return nil, 0, err
		case w.Items == nil || w.Total == nil:
			return nil, 0, s.unknownForm(kind)
		}
		total = *w.Total
		before := len(wire)
		for i := range *w.Items {
			if id := (*w.Items)[i].ID; !known[id] {
				known[id] = true
				wire = append(wire, (*w.Items)[i])
			}
		}
		if len(wire) == before || len(wire) >= total { // a page with nothing new is the end, or a list that moved
			return wire, total, nil
		}
	}
}

// baseModels reads the models that build on no other and have a row.
func (s *Session) baseModels(ctx context.Context) ([]resourceWire, error) {
	var wire []resourceWire
	if _, err := s.get(ctx, "read models", baseModelsPath, &wire); err != nil {
		return nil, err
	}
	if wire == nil {
		return nil, s.unknownForm(plan.Models)
	}
	return wire, nil
}

// offered adds the models that a provider offers and that have no row yet.
func (s *Session) offered(ctx context.Context, have []plan.Resource) ([]plan.Resource, error) {
	var w struct {
		Data *[]resourceWire `json:"data"`
	}
	if _, err := s.get(ctx, "read models", offeredPath, &w); err != nil {
		return nil, err
	}
	if w.Data == nil {
		return nil, s.unknownForm(plan.Models)
	}
	known := make(map[string]bool, len(have))
	for i := range have {
		known[have[i].ID] = true
	}
	for _, v := range *w.Data {
		if v.ID != "" && !known[v.ID] {
			known[v.ID] = true
			have = append(have, plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.Models, ID: v.ID}, Name: v.Name, Unlisted: true})
		}
	}
	return have, nil
}

func (s *Session) unknownForm(kind string) error {
	return fault.Errorf(fault.Incomplete, "read "+kind, "target "+s.c.name, "the list of %s has an unknown form", kind)
}

// shareHint names the paths that a restricted key needs for a type.
func shareHint(err error, kind string) error {
	status, ok := statusOf(err)
	f, isFault := errors.AsType[*fault.Error](err)
	if !ok || !isFault || status != http.StatusForbidden {
		return err
	}
	paths := "/api/v1/" + kind
	switch kind {
	case plan.Models:
		paths += ",/api/models"
	case plan.Channels:
		paths += ", and channels are switched on"
	}
	f.Hint = "the key may not read " + kind + ": where ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS is on, let API_KEYS_ALLOWED_ENDPOINTS contain " + paths
	return err
}
