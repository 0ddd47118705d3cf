package keycloak

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// The times of a watch.
const (
	// pollEvery is how often the server is asked for events.
	pollEvery = 5 * time.Second
	// lateBy is how much later than its time an event may show: it is stamped before the
	// transaction that it belongs to ends.
	lateBy = time.Minute
	// eventPage and eventPages bound what is read of the events at once.
	eventPage  = 100
	eventPages = 100
)

// eventConfig is which events a realm saves.
type eventConfig struct {
	Admin  bool     `json:"adminEventsEnabled"`
	Events bool     `json:"eventsEnabled"`
	Types  []string `json:"enabledEventTypes"`
}

const (
	remedyEvents = "switch on Save events under Realm settings, Events, Admin events settings (and User events settings for sign-ins), with an expiration"
	remedyRight  = "assign the role view-events to the service account of the client"
)

// eventConfig asks which events the realm saves.
func (s *source) eventConfig(ctx context.Context, session *httpx.Session) (eventConfig, error) {
	var c eventConfig
	err := s.get(ctx, session, "read which events are saved", "/events/config", nil, &c)
	return c, err
}

// Watch asks for saved events again and again. They are hints about whom to look at, and
// prove nothing: what a federation or an import changes leaves none.
func (s *source) Watch(ctx context.Context, changed providers.Changed) error {
	if err := s.begin(ctx, "watch events"); err != nil {
		return err
	}
	session := s.client.Session()
	config, err := s.eventConfig(ctx, session)
	switch {
	case fault.KindOf(err) == fault.Auth:
		return fmt.Errorf("%w: its events cannot be read (%w); %s of %s", providers.ErrNoWatch, err, remedyRight, s.managedBy())
	case err != nil:
		return err
	case !config.Admin && !config.Events:
		return fmt.Errorf("%w: the realm saves no events; %s", providers.ErrNoWatch, remedyEvents)
	}
	s.mu.Lock()
	if s.events == nil {
		began := session.LastDate()
		if began.IsZero() {
			began = s.now()
		}
		s.events = &eventLog{since: began.UnixMilli(), began: began.UnixMilli(), seen: map[string]int64{}}
	}
	log := s.events
	s.mu.Unlock()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		h := &hints{people: map[string]bool{}}
		if err := s.poll(ctx, config, log, h); err != nil {
			return err
		}
		if h.all {
			changed()
		} else if people := h.persons(); len(people) > 0 {
			changed(people...)
		}
		select {
		case <-ctx.Done():
			return s.begin(ctx, "watch events")
		case <-ticker.C:
		}
	}
}

// eventLog is what a watch has seen. It outlives a watch, so that nothing is missed between
// one that was lost and the next.
type eventLog struct {
	// since is the time of the newest event that was seen, by the server's clock, and began
	// the time of the first watch, in milliseconds: what happened before is no news.
	since, began int64
	// seen are the times of events that were seen, by id.
	seen map[string]int64
}

// poll reads the events that were not seen yet.
func (s *source) poll(ctx context.Context, config eventConfig, log *eventLog, h *hints) error {
	newest := log.since
	if config.Admin {
		if err := s.read(ctx, "/admin-events", nil, log, &newest, h); err != nil {
			return err
		}
	}
	if config.Events {
		if err := s.read(ctx, "/events", loginTypes(), log, &newest, h); err != nil {
			return err
		}
	}
	log.since = newest
	maps.DeleteFunc(log.seen, func(_ string, at int64) bool { return at < newest-2*lateBy.Milliseconds() })
	return nil
}

// read reads one log of events, the newest first, back to those that cannot be new any more.
// New ones push the others to later pages, which repeats some and hides none. The parameter
// dateFrom is a day, which all versions know.
func (s *source) read(ctx context.Context, path string, types []string, log *eventLog, newest *int64, h *hints) error {
	oldest := log.since - lateBy.Milliseconds()
	query := url.Values{"max": {strconv.Itoa(eventPage)}, "dateFrom": {time.UnixMilli(oldest).Add(-24 * time.Hour).UTC().Format(time.DateOnly)}}
	if len(types) > 0 {
		query["type"] = types
	}
	session := s.client.Session()
	for n := range eventPages {
		query.Set("first", strconv.Itoa(n*eventPage))
		var list []event
		if err := s.get(ctx, session, "read events", path, query, &list); err != nil {
			return err
		}
		for _, e := range list {
			*newest = max(*newest, e.Time)
			if _, seen := log.seen[e.ID]; seen || e.Time < oldest {
				continue
			}
			log.seen[e.ID] = e.Time
			if e.Time >= log.began {
				h.take(e, s.config.roles())
			}
		}
		if len(list) < eventPage || list[len(list)-1].Time < oldest {
			return nil
		}
	}
	h.all = true // Too many to look at each.
	return nil
}
