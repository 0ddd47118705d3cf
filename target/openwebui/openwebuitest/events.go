package openwebuitest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	invalidURL  = "The URL you provided is invalid. Please double-check and try again."
	sendTimeout = 10 * time.Second
)

// webhook is an event webhook as the server keeps and shows it.
type webhook struct {
	ID      string              `json:"id"`
	Name    string              `json:"name"`
	URL     string              `json:"url"`
	Enabled bool                `json:"enabled"`
	Events  []string            `json:"events"`
	Targets []map[string]string `json:"targets"`
	Created int64               `json:"created_at"`
	Updated int64               `json:"updated_at"`
}

// catalog lists the events that clients of ours have to do with.
func catalog() []string {
	return []string{
		"config.webhook.updated", "auth.signup", "auth.login", "auth.logout", "user.created", "user.updated", "user.deleted", "user.role_updated",
		"user.status_updated", "user.settings_updated", "user.profile_updated", "user.permissions_updated",
		"group.created", "group.updated", "group.deleted", "group.member_added", "group.member_removed",
	}
}

// handleEvents routes the catalogue and the event webhooks.
func (s *Server) handleEvents(c *call) *answer {
	id, one := strings.CutPrefix(c.r.URL.Path, "/api/events/webhooks/")
	switch {
	case c.r.URL.Path == "/api/events":
		return s.get(c, s.administrator(s.listEvents))
	case c.r.URL.Path == "/api/events/webhooks" && c.r.Method == http.MethodGet:
		return s.administrator(func(*call) *answer { return send(append([]webhook{}, s.db.webhooks...)) })(c)
	case c.r.URL.Path == "/api/events/webhooks" && c.r.Method == http.MethodPost:
		return s.administrator(s.addWebhook)(c)
	case one && c.r.Method == http.MethodPut:
		return s.administrator(func(c *call) *answer { return s.changeWebhook(c, id) })(c)
	case one && c.r.Method == http.MethodDelete:
		return s.administrator(func(c *call) *answer { return s.dropWebhook(c, id) })(c)
	}
	return fallback(c)
}

func (s *Server) listEvents(*call) *answer {
	var items []map[string]string
	for _, name := range catalog() {
		items = append(items, map[string]string{"event": name, "description": name + ".", "message": name})
	}
	return send(map[string]any{"schema": s.version, "events": items})
}

func (s *Server) addWebhook(c *call) *answer {
	w := webhook{ID: s.db.id(4), Enabled: true, Created: s.seconds()}
	if json.Unmarshal(c.body, &w) != nil || w.URL == "" {
		return invalid("missing", "url", "Field required")
	}
	if refused := s.refuseWebhook(&w); refused != nil {
		return refused
	}
	s.db.webhooks = append(slices.Clone(s.db.webhooks), w)
	s.publish("config.webhook.updated", "api", c.by, "config", w.ID, map[string]any{"action": "created"})
	return send(w)
}

func (s *Server) changeWebhook(c *call, id string) *answer {
	i := slices.IndexFunc(s.db.webhooks, func(w webhook) bool { return w.ID == id })
	if i < 0 {
		return refuse(http.StatusNotFound, "Webhook not found")
	}
	w := s.db.webhooks[i]
	w.Events = slices.Clone(w.Events)
	if json.Unmarshal(c.body, &w) != nil {
		return invalid("json_invalid", "body", "JSON decode error")
	}
	w.ID, w.Created = id, s.db.webhooks[i].Created
	if refused := s.refuseWebhook(&w); refused != nil {
		return refused
	}
	s.db.webhooks = slices.Clone(s.db.webhooks)
	s.db.webhooks[i] = w
	s.publish("config.webhook.updated", "api", c.by, "config", w.ID, map[string]any{"action": "updated"})
	return send(w)
}

func (s *Server) dropWebhook(c *call, id string) *answer {
	i := slices.IndexFunc(s.db.webhooks, func(w webhook) bool { return w.ID == id })
	if i < 0 {
		return refuse(http.StatusNotFound, "Webhook not found")
	}
	s.db.webhooks = slices.Delete(slices.Clone(s.db.webhooks), i, i+1)
	s.publish("config.webhook.updated", "api", c.by, "config", id, map[string]any{"action": "deleted"})
	return send(map[string]bool{"status": true})
}

// refuseWebhook checks a webhook as the server does, and fills in what it fills in.
func (s *Server) refuseWebhook(w *webhook) *answer {
	if !s.mayCall(w.URL) {
		return refuse(http.StatusBadRequest, invalidURL)
	}
	if w.Name == "" {
		w.Name = "Webhook"
	}
	if len(w.Events) == 0 {
		w.Events = []string{"*"}
	}
	for _, e := range w.Events {
		if !slices.ContainsFunc(catalog(), func(name string) bool { return matches(e, name) }) {
			return refuse(http.StatusBadRequest, "Invalid event: "+e)
		}
	}
	w.Updated = s.seconds()
	return nil
}

// mayCall reports whether the server calls that address: private ones only where that
// is allowed. Names are not looked up here: one without a dot is private.
func (s *Server) mayCall(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	if s.settings.localFetch {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return strings.Contains(u.Hostname(), ".")
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}

// matches reports whether a filter of a webhook takes an event.
func matches(filter, event string) bool {
	prefix, all := strings.CutSuffix(filter, ".*")
	return filter == "*" || filter == event || all && strings.HasPrefix(event, prefix+".")
}

// publish sends an event to every webhook that takes it, without waiting for any. The
// caller holds the lock.
func (s *Server) publish(event, source string, actor *account, kind, subject string, data map[string]any) {
	if len(s.db.webhooks) == 0 || s.ctx.Err() != nil {
		return
	}
	at := strings.LastIndex(event, ".")
	if data == nil {
		data = map[string]any{}
	}
	body := send(map[string]any{
		"schema": s.version, "id": s.db.id(5), "event": event, "resource": event[:at], "operation": event[at+1:], "created_at": s.seconds(),
		"instance_id": "simulator", "version": s.version, "source": source, "subject": map[string]string{"type": kind, "id": subject},
		"actor":   map[string]any{"id": actor.id, "name": actor.name, "email": actor.email, "role": actor.role, "created_at": actor.created, "type": "user"},
		"message": nil, "data": data,
	}).body
	for _, w := range s.db.webhooks {
		if w.Enabled && s.mayCall(w.URL) && slices.ContainsFunc(w.Events, func(f string) bool { return matches(f, event) }) {
			s.sends.Go(func() { s.deliver(w.URL, body) })
		}
	}
}

// deliver makes one attempt; what becomes of it nobody learns.
func (s *Server) deliver(address string, body []byte) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Python/3.11 aiohttp/3.14.5")
	client := &http.Client{Timeout: sendTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	_ = resp.Body.Close()
}

// Webhook is an event webhook as a test sees it.
type Webhook struct {
	ID, Name, URL string
	Enabled       bool
	Events        []string
}

// Webhooks gives the event webhooks in their order.
func (s *Server) Webhooks() []Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Webhook, 0, len(s.db.webhooks))
	for _, w := range s.db.webhooks {
		out = append(out, Webhook{ID: w.ID, Name: w.Name, URL: w.URL, Enabled: w.Enabled, Events: slices.Clone(w.Events)})
	}
	return out
}

// SetWebhook makes or changes an event webhook, as the administrator's page does.
func (s *Server) SetWebhook(w Webhook) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.db.webhooks, func(have webhook) bool { return have.ID == w.ID && w.ID != "" })
	if i < 0 {
		i = len(s.db.webhooks)
		s.db.webhooks = append(slices.Clone(s.db.webhooks), webhook{ID: s.db.id(4), Created: s.seconds()})
	} else {
		s.db.webhooks = slices.Clone(s.db.webhooks)
	}
	is := &s.db.webhooks[i]
	is.Name, is.URL, is.Enabled, is.Events, is.Updated = w.Name, w.URL, w.Enabled, w.Events, s.seconds()
	return is.ID
}

// AllowLocalFetch says whether private addresses may be called
// (ENABLE_RAG_LOCAL_WEB_FETCH there); off at first.
func (s *Server) AllowLocalFetch(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.localFetch = on
}
