package openwebui

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"groupsyncd/providers"
)

const (
	// maxSample is how many accounts doctor looks at for a stored session.
	maxSample = 5
	// lookUpTime bounds asking for the addresses of our own name.
	lookUpTime = 3 * time.Second
)

// checkActivity says whether sign-ins can be noticed.
func (s *Session) checkActivity(ctx context.Context, found *findings) {
	w, err := s.usersBy(ctx, 1, "last_active_at", "desc")
	if err != nil {
		found.failed("watch", err)
		return
	}
	sorted := slices.IsSortedFunc(w.Users, func(a, b userWire) int { return cmp.Compare(b.ActiveAt, a.ActiveAt) })
	if !sorted || len(w.Users) > 0 && w.Users[0].ActiveAt == 0 {
		found.add(providers.Failed, "watch", "the accounts cannot be read in the order of their activity, so sign-ins are not noticed",
			"upgrade Open WebUI, or set up an event webhook and write watch: off")
		return
	}
	found.add(providers.OK, "watch", "sign-ins can be noticed by asking who was active last", "")
}

// checkSessions says whether the sessions that a source reads can be read, by those of a
// few people who were active last.
func (s *Session) checkSessions(ctx context.Context, provider string, found *findings) {
	w, err := s.usersBy(ctx, 1, "last_active_at", "desc")
	if err != nil {
		found.failed("sessions", err)
		return
	}
	looked := 0
	for i := range w.Users {
		a := w.Users[i].account(true)
		if _, ok := signedIn(&a, provider); !ok && (provider != "" || len(a.Subjects) == 0) {
			continue
		}
		sessions, err := s.sessions(ctx, provider, a.ID)
		switch {
		case err != nil:
			found.failed("sessions", err)
			return
		case len(sessions) > 0:
			found.add(providers.OK, "sessions", "stored sign-in sessions can be read", "")
			return
		}
		if looked++; looked == maxSample {
			break
		}
	}
	if looked == 0 {
		found.add(providers.Warning, "sessions", "nobody of those who were active last has signed in through an OAuth provider, so there is no session to read",
			"sign in once through it, and look again")
		return
	}
	found.add(providers.Warning, "sessions", fmt.Sprintf("none of %d people who signed in through an OAuth provider has a stored session", looked),
		"Open WebUI drops a session when its token cannot be renewed, and all of them when WEBUI_SECRET_KEY or OAUTH_SESSION_TOKEN_ENCRYPTION_KEY changes: they come back as people sign in")
}

// checkHook says whether an event webhook calls us as it should.
func (s *Session) checkHook(ctx context.Context, h *EventHook, found *findings) {
	const check = "event_webhook"
	setUp := "set it up with: groupsyncd webhook setup " + s.c.name
	events, err := s.eventsThere(ctx)
	if err != nil {
		found.failed(check, err)
		return
	}
	ours, err := s.ownHooks(ctx, h)
	if err != nil {
		found.failed(check, err)
		return
	}
	if len(ours) == 0 {
		found.add(providers.Failed, check, "no event webhook there calls "+h.Address, setUp)
		s.checkPrivate(ctx, h, found)
		return
	}
	before := len(*found)
	if len(ours) > 1 {
		found.add(providers.Warning, check, fmt.Sprintf("%d event webhooks there call %s, so each sign-in is told as often", len(ours), h.Address), setUp)
	}
	best := slices.MinFunc(ours, func(a, b hookWire) int { return len(a.flaws(h, events)) - len(b.flaws(h, events)) })
	checkOneHook(h, &best, events, setUp, found)
	if len(*found) == before {
		found.add(providers.OK, check, "it calls "+h.Address+" at each sign-in", "")
	}
}

func checkOneHook(h *EventHook, w *hookWire, events []string, setUp string, found *findings) {
	const check = "event_webhook"
	use := h.secretOf(w)
	switch {
	case use == elsewhere:
		found.add(providers.Failed, check, "it calls another address than "+h.Address, setUp)
	case len(h.Secrets) == 0: // That it cannot be read is said where the configuration is checked.
	case use == foreign:
		found.add(providers.Failed, check, "it has another secret than webhook "+h.Name+", so what it sends is refused", setUp)
	case use == later:
		found.add(providers.Warning, check, "it has a secret of webhook "+h.Name+" that is not the first: take that out of the configuration only afterwards", setUp)
	}
	if !w.Enabled {
		found.add(providers.Failed, check, "it is switched off", setUp)
	}
	if !w.takes(events) {
		found.add(providers.Warning, check, "its events are "+strings.Join(w.Events, ", ")+"; wanted are "+strings.Join(events, ", "), setUp)
	}
	if w.Targets != nil {
		found.add(providers.Warning, check, "it is limited to some people or groups", setUp)
	}
}

// checkPrivate says what to make sure of before a webhook at a private address is set up.
// Whether the server calls such addresses stands in its environment only, and it refuses
// to register one where it does not.
func (s *Session) checkPrivate(ctx context.Context, h *EventHook, found *findings) {
	u, err := url.Parse(h.Address)
	if err != nil || !private(ctx, u.Hostname()) {
		return
	}
	found.add(providers.Warning, "event_webhook", "our address "+u.Host+" is private; whether Open WebUI calls private addresses cannot be read",
		"make sure that it was started with ENABLE_RAG_LOCAL_WEB_FETCH=true, which also lets people attach internal web pages in chats; without webhooks, sign-ins are noticed by watch")
}

// private reports whether a name leads to an address that is not of the internet, as seen
// from here.
func private(ctx context.Context, host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return !public(ip)
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(ips, func(ip netip.Addr) bool { return !public(ip.Unmap()) })
}

func public(ip netip.Addr) bool { return ip.IsGlobalUnicast() && !ip.IsPrivate() }
