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
	"groupsyncd/internal/secret"
)

const (
	eventsPath   = "/api/events"
	webhooksPath = "/api/events/webhooks"
)

// wanted are the events that a sign-in sends: the first when the account is made, which is
// before its session is stored, the last when everything is done.
func wanted() []string { return []string{"user.created", "auth.signup", "auth.login"} }

// EventHook is an event webhook that calls us, as it should be.
type EventHook struct {
	// Name is that of the webhook in our configuration.
	Name string
	// Address is where it is reached, up to the secret: https://groups.example.org/hooks/NAME.
	Address string
	// Secrets are those that open it, the one to register first; none: not known here.
	Secrets []secret.Value
}

// title is what administrators see in the list.
func (h *EventHook) title() string { return "groupsyncd " + h.Name }

func (h *EventHook) url() string { return h.Address + "/" + h.Secrets[0].Reveal() }

// owns reports whether a webhook of the server is ours: it calls our address, or it has our
// name and calls the same webhook at an address that we had before.
func (h *EventHook) owns(w *hookWire) bool {
	if h.Address != "" && strings.HasPrefix(w.URL, h.Address+"/") {
		return true
	}
	u, err := url.Parse(w.URL)
	return err == nil && w.Name == h.title() && strings.Contains(u.Path, "/hooks/"+h.Name+"/")
}

// hookWire is an event webhook as the server writes it. Its address holds a secret.
type hookWire struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Enabled bool     `json:"enabled"`
	Events  []string `json:"events"`
	// Targets limit it to some people; nil: it is about everybody.
	Targets []map[string]string `json:"targets"`
}

// flaws says in words what is not as it should be, nothing of an address or secret.
func (w *hookWire) flaws(h *EventHook, events []string) []string {
	var flaws []string
	if len(h.Secrets) > 0 && h.secretOf(w) != first || h.secretOf(w) == elsewhere {
		flaws = append(flaws, "address or secret")
	}
	if !w.Enabled {
		flaws = append(flaws, "switched off")
	}
	if !w.takes(events) {
		flaws = append(flaws, "events")
	}
	if w.Targets != nil {
		flaws = append(flaws, "limited to some people")
	}
	if w.Name != h.title() {
		flaws = append(flaws, "name")
	}
	return flaws
}

// takes reports whether it is sent every one of the events, and not all that there are:
// each of our own writes would come back.
func (w *hookWire) takes(events []string) bool {
	return !slices.Contains(w.Events, "*") && !slices.ContainsFunc(events, func(e string) bool {
		return !slices.ContainsFunc(w.Events, func(f string) bool {
			prefix, all := strings.CutSuffix(f, ".*")
			return f == e || all && strings.HasPrefix(e, prefix+".")
		})
	})
}

// secretUse says which of our secrets an address has.
type secretUse int

const (
	// elsewhere: the address is not ours. foreign: it has a secret that does not open.
	elsewhere secretUse = iota + 1
	foreign
	// later: one that opens, but is not the first. first: the one that should be there.
	later
	first
)

func (h *EventHook) secretOf(w *hookWire) secretUse {
	tail, ours := strings.CutPrefix(w.URL, h.Address+"/")
	if !ours {
		return elsewhere
	}
	switch slices.IndexFunc(h.Secrets, func(v secret.Value) bool { return v.Reveal() == tail }) {
	case -1:
		return foreign
	case 0:
		return first
	}
	return later
}

// EventsDone is what became of setting up or removing our webhook.
type EventsDone struct {
	// State is created, updated, unchanged, removed or absent.
	State string `json:"state"`
	// Address is where it calls, without the secret.
	Address string   `json:"address"`
	Events  []string `json:"events,omitempty"`
	// Changed says in words what was not as it should be.
	Changed []string `json:"changed,omitempty"`
}

// SetUpEvents makes sure that there is exactly one event webhook that calls us, with the
// right events and secret. Webhooks of others are left alone.
func (c *Client) SetUpEvents(ctx context.Context, h *EventHook) (*EventsDone, error) {
	if err := h.check(c.name); err != nil {
		return nil, err
	}
	s := c.Session()
	events, err := s.eventsThere(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := s.ownHooks(ctx, h)
	if err != nil {
		return nil, err
	}
	done := &EventsDone{State: "unchanged", Address: h.Address, Events: events}
	should := map[string]any{"name": h.title(), "url": h.url(), "enabled": true, "events": events, "targets": nil}
	if len(ours) == 0 {
		done.State = "created"
		return done, s.createHook(ctx, h, should)
	}
	slices.SortStableFunc(ours, func(a, b hookWire) int { return len(a.flaws(h, events)) - len(b.flaws(h, events)) })
	if done.Changed = ours[0].flaws(h, events); len(done.Changed) > 0 {
		done.State = "updated"
		if err := s.changeHook(ctx, http.MethodPut, ours[0].ID, should); err != nil {
			return nil, err
		}
	}
	for i := range ours[1:] {
		done.State = "updated"
		done.Changed = append(done.Changed, "there was another one of ours")
		if err := s.changeHook(ctx, http.MethodDelete, ours[1+i].ID, nil); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// RemoveEvents takes every event webhook away that calls us.
func (c *Client) RemoveEvents(ctx context.Context, h *EventHook) (*EventsDone, error) {
	s := c.Session()
	ours, err := s.ownHooks(ctx, h)
	if err != nil {
		return nil, err
	}
	done := &EventsDone{State: "absent", Address: h.Address}
	for i := range ours {
		done.State = "removed"
		if err := s.changeHook(ctx, http.MethodDelete, ours[i].ID, nil); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// check refuses what cannot stand in an address as it is.
func (h *EventHook) check(target string) error {
	if len(h.Secrets) == 0 {
		return fault.Errorf(fault.Invalid, "set up the event webhook", "target "+target, "webhook %s has no secret", h.Name)
	}
	odd := strings.ContainsFunc(h.Secrets[0].Reveal(), func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+=", r)
	})
	if odd {
		return fault.New(fault.Invalid, "set up the event webhook", "target "+target,
			errors.New("the secret of webhook "+h.Name+" has characters that cannot stand in an address"), "make another one with: openssl rand -hex 32")
	}
	return nil
}

// eventsThere gives those of the events we want that the server has.
func (s *Session) eventsThere(ctx context.Context) ([]string, error) {
	v, err := s.version(ctx)
	if err != nil {
		return nil, err
	}
	if !has(v.Version, eventHooks) {
		return nil, s.noEvents("is version " + v.Version)
	}
	var w struct {
		Events []struct {
			Event string `json:"event"`
		} `json:"events"`
	}
	if err := s.events(ctx, httpx.Request{Method: http.MethodGet, Path: eventsPath, Op: "read the events", Into: &w, Repeat: true}); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, e := range w.Events {
		if e.Event != "" {
			names[e.Event] = true
		}
	}
	if len(names) == 0 && len(w.Events) > 0 {
		return wanted(), nil // A list of another form; what it does not know the server refuses.
	}
	there := slices.DeleteFunc(wanted(), func(name string) bool { return !names[name] })
	if !names["auth.login"] {
		return nil, s.noEvents("knows no event for a sign-in")
	}
	return there, nil
}

func (s *Session) noEvents(what string) error {
	return fault.New(fault.Invalid, "look at event webhooks", "target "+s.c.name,
		fmt.Errorf("this Open WebUI %s; event webhooks come with %s", what, since(eventHooks)), "upgrade Open WebUI; without them, sign-ins are noticed by the key watch of the target")
}

// ownHooks gives the event webhooks that are ours.
func (s *Session) ownHooks(ctx context.Context, h *EventHook) ([]hookWire, error) {
	var all []hookWire
	if err := s.events(ctx, httpx.Request{Method: http.MethodGet, Path: webhooksPath, Op: "read event webhooks", Into: &all, Repeat: true}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(w hookWire) bool { return !h.owns(&w) }), nil
}

// createHook makes our webhook. One whose answer was lost is found again by its address.
func (s *Session) createHook(ctx context.Context, h *EventHook, should map[string]any) error {
	err := s.events(ctx, httpx.Request{Method: http.MethodPost, Path: webhooksPath, Op: "create event webhook", Body: should, Into: &hookWire{},
		Happened: func(ctx context.Context) (bool, error) {
			ours, err := s.ownHooks(ctx, h)
			return len(ours) > 0, err
		}})
	if errors.Is(err, httpx.ErrHappened) {
		return nil
	}
	return err
}

// changeHook changes or deletes a webhook; one that is gone needs no deleting.
func (s *Session) changeHook(ctx context.Context, method, id string, should any) error {
	op := "change event webhook"
	if method == http.MethodDelete {
		op = "delete event webhook"
	}
	err := s.events(ctx, httpx.Request{Method: method, Path: webhooksPath + "/" + url.PathEscape(id), Op: op, Body: should, Repeat: true})
	if method == http.MethodDelete && fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// events sends a request about events. The addresses in its answers hold secrets.
func (s *Session) events(ctx context.Context, q httpx.Request) error {
	q.Secret = true
	_, err := s.do(ctx, q)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	if _, page := errors.AsType[*httpx.NotJSONError](f.Err); page {
		return s.noEvents("has none")
	}
	switch status, _ := statusOf(err); status {
	case http.StatusForbidden:
		f.Hint = "API keys are switched off or restricted there: set ENABLE_API_KEYS=true, and where ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS is on, " +
			"let API_KEYS_ALLOWED_ENDPOINTS contain " + neededPaths + "," + eventsPath
	case http.StatusBadRequest:
		f.Hint = "Open WebUI does not call that address: it must be able to look the name up, and calls private addresses only when it was started " +
			"with ENABLE_RAG_LOCAL_WEB_FETCH=true (which also lets people attach internal web pages in chats); without webhooks, sign-ins are noticed by the key watch of the target"
	case http.StatusMethodNotAllowed:
		return s.noEvents("has none")
	}
	return err
}
