package openwebui

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
)

// learned is what a session found out about the server that does not change while it runs.
type learned struct {
	mu sync.Mutex
	// version is what the server said it is; empty: not asked yet.
	version string
	// me is our own account; nil: not asked for yet.
	me *string
	// all says whether administrators see what nobody shared with them; nil: not known.
	all   *bool
	asked bool
}

// gentle gives a session that sends no request a second time, so that a list which fails
// does not use up the patience that the run has with the server.
func (s *Session) gentle() *Session {
	return &Session{c: s.c, http: s.http, once: true, learned: s.learned}
}

// myself gives the account behind our key, empty when the server does not tell.
func (s *Session) myself(ctx context.Context) (string, error) {
	s.learned.mu.Lock()
	me := s.learned.me
	s.learned.mu.Unlock()
	if me != nil {
		return *me, nil
	}
	id, err := s.self(ctx)
	if err != nil {
		return "", err
	}
	s.remembered(id)
	return id, nil
}

func (s *Session) remembered(me string) {
	s.learned.mu.Lock()
	defer s.learned.mu.Unlock()
	s.learned.me = &me
}

// sawAll keeps what a list proved.
func (s *Session) sawAll(all *bool) *bool {
	if all != nil {
		s.learned.mu.Lock()
		defer s.learned.mu.Unlock()
		s.learned.all = all
	}
	return all
}

// checkResources refuses lists that are not what they seem: of another form, with doubles,
// or with only what is shared with our own account.
func (s *Session) checkResources(ctx context.Context, kind string, wire []resourceWire) error {
	known := make(map[string]bool, len(wire))
	active := 0
	for i := range wire {
		w := &wire[i]
		switch {
		case w.ID == "" || known[w.ID]:
			return fault.Errorf(fault.Incomplete, "read "+kind, "target "+s.c.name, "the list of %s names one twice or without its id", kind)
		case w.Grants == nil && w.Old != nil:
			return s.tooOld("keeps who may use something inside it, as versions before 0.8.0 did")
		case w.Grants == nil:
			return s.unknownForm(kind)
		case w.Active == nil || *w.Active:
			active++
		}
		known[w.ID] = true
	}
	me, err := s.myself(ctx)
	if err != nil {
		return err
	}
	all := s.sawAll(seeAll(wire, me))
	if all == nil {
		all, err = s.compared(ctx, kind, me, active)
	}
	switch {
	case err != nil:
		return err
	case all != nil && !*all:
		return s.onlyShared(kind)
	}
	return nil
}

// compared reports whether a list that proves nothing by itself names as many as there are;
// nil where nothing tells. The server counts models, knowledge and tools also where they are
// not shared with us; what that shows holds for prompts and skills too.
func (s *Session) compared(ctx context.Context, kind, me string, active int) (*bool, error) {
	switch kind {
	case plan.Models, plan.Knowledge, plan.Tools:
		w, err := s.preview(ctx, me)
		if err != nil || w == nil {
			return nil, err
		}
		return reaches(active, map[string]*int{plan.Models: w.Models.Total, plan.Knowledge: w.Knowledge.Total, plan.Tools: w.Tools.Total}[kind]), nil
	case plan.Prompts, plan.Skills:
		return s.open(ctx, me)
	}
	return nil, nil //nolint:nilnil // not known, and that is an answer
}

// reaches reports whether a list is as long as a count; nil without one.
func reaches(n int, total *int) *bool {
	if total == nil {
		return nil
	}
	all := *total <= n
	return &all
}

// open reports whether administrators see everything, by what other lists proved, else by
// whether the list of knowledge is as long as its count; asked for once.
func (s *Session) open(ctx context.Context, me string) (*bool, error) {
	s.learned.mu.Lock()
	all, asked := s.learned.all, s.learned.asked
	s.learned.asked = true
	s.learned.mu.Unlock()
	if all != nil || asked {
		return all, nil
	}
	w, err := s.preview(ctx, me)
	if err != nil || w == nil {
		return nil, err
	}
	c, _ := callsOf(plan.Knowledge)
	var list listWire
	if known, err := s.setting(ctx, c.list, &list); err != nil || !known || list.Total == nil || list.Items == nil {
		return nil, err
	}
	if all = seeAll(*list.Items, me); all == nil {
		if all = reaches(*list.Total, w.Knowledge.Total); all == nil || *all {
			return nil, nil //nolint:nilnil // as long as it should be: that proves nothing
		}
	}
	return s.sawAll(all), nil
}

// previewWire is of how many things the server says what an account may use.
type previewWire struct {
	Models, Knowledge, Tools struct {
		Total *int `json:"total"`
	}
}

// preview counts what there is; nil where this version does not, as those before 0.9.6, or
// not for our key.
func (s *Session) preview(ctx context.Context, me string) (*previewWire, error) {
	if me == "" {
		return nil, nil //nolint:nilnil // not known, and that is an answer
	}
	var w *previewWire
	_, err := s.get(ctx, "count resources", userPath(me, "/preview"), &w)
	if status, ok := statusOf(err); absent(err) || ok && status == http.StatusForbidden {
		return nil, nil //nolint:nilnil // as above
	}
	return w, err
}

// bypass finds out whether administrators see what nobody shared with them, by the first
// pages of lists that say what our account may write.
func (s *Session) bypass(ctx context.Context) (*bool, error) {
	me, err := s.myself(ctx)
	if err != nil || me == "" {
		return nil, err
	}
	for _, kind := range []string{plan.Models, plan.Knowledge, plan.Prompts, plan.Skills} {
		c, _ := callsOf(kind)
		var w listWire
		known, err := s.setting(ctx, c.list, &w)
		if err != nil {
			return nil, err
		}
		if !known || w.Items == nil {
			continue
		}
		if all := s.sawAll(seeAll(*w.Items, me)); all != nil {
			return all, nil
		}
	}
	return s.open(ctx, me)
}

var errOnlyShared = errors.New("the server shows only what is shared with the key's own account")

func (s *Session) onlyShared(kind string) error {
	return fault.New(fault.Incomplete, "read "+kind, "target "+s.c.name, errOnlyShared,
		"BYPASS_ADMIN_ACCESS_CONTROL is false there, or ENABLE_TOOLS is: set it to true, or take "+kind+" out of the configuration")
}
