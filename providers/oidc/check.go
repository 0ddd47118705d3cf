package oidc

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

const (
	// checkTime bounds all looks of doctor at one source, checkPeople how many accounts it
	// looks at.
	checkTime   = time.Minute
	checkPeople = 25
	// skew is how far two clocks may be apart before doctor speaks of it.
	skew = time.Minute
)

// Check asks the provider for what it says of itself and for its keys, and looks at the
// tokens of some accounts. It writes nothing and ends no session.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f := &providers.Findings{}
	ctx, end, err := s.begin(ctx, "check")
	defer end()
	if err != nil {
		f.Err("provider", err)
		return f.List
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	v, d, err := s.verifier(ctx)
	if err != nil {
		f.Err("provider", err)
		return f.List
	}
	f.OK("provider", "%s answers; tokens signed with %s count", s.config.Issuer, strings.Join(d.algorithms, ", "))
	s.checkClock(ctx, f)
	keys, err := d.keys.fetch(ctx)
	if err != nil {
		f.Err("keys", err)
		return f.List
	}
	f.OK("keys", "the provider publishes %d keys for signatures", len(keys))
	if s.config.UserInfo == Auto && s.config.Tokens == FromOpenWebUI && d.userinfo == nil {
		f.OK("userinfo", "the provider has none: what an ID token lacks stays unknown")
	}
	if s.config.Tokens == FromWebhook {
		f.OK("tokens", "ID tokens are taken as they are posted to a webhook of this source")
		return f.List
	}
	s.checkPeople(ctx, f, v, d)
	return f.List
}

// checkClock compares our clock with the provider's, because iat and exp are times of its.
func (s *source) checkClock(ctx context.Context, f *providers.Findings) {
	began := s.now()
	a, err := s.provider.client.Session().Do(ctx, httpx.Request{Method: http.MethodGet, Op: "read the provider's clock", Repeat: true})
	if err != nil || a.Date.IsZero() {
		return
	}
	if off := a.Date.Sub(began).Abs(); off > skew {
		f.Warn("clock", "set both clocks by NTP; tokens are refused when they are more than "+leeway.String()+" apart", "our clock and the provider's are %s apart", off.Round(time.Second))
	}
}

var errEnough = errors.New("enough accounts were seen")

// checkPeople looks at the tokens of some accounts, as a sweep would.
func (s *source) checkPeople(ctx context.Context, f *providers.Findings, v *verifier, d *description) {
	inside, err := s.insideTarget(ctx)
	if err != nil {
		f.Err("sessions", err)
		return
	}
	var accounts []string
	err = s.sessions.SignedIn(ctx, inside, func(a providers.SignedIn) error {
		if accounts = append(accounts, a.Account); len(accounts) >= checkPeople {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		f.Err("sessions", err)
		return
	}
	if len(accounts) == 0 {
		f.Warn("sessions", "people show once they have signed in; is provider the right one?", "nobody has signed in to %s through %s yet", s.config.Target, inside)
		return
	}
	reasons := map[string]int{}
	proved, empty := 0, 0
	for _, account := range accounts {
		p, reason, err := s.account(ctx, reader{v, d, inside}, account, "", s.now())
		switch {
		case err != nil:
			f.Err("sessions", err)
			return
		case p == nil:
			reasons[reason]++
		default:
			proved++
			if len(p.groups) == 0 {
				empty++
			}
		}
	}
	f.OK("sessions", "of %d accounts that sign in through %s, the tokens of %d name their groups (%d of them none)", len(accounts), inside, proved, empty)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		remedy := "nothing is given to or taken from these people because of it; their next sign-in is looked at again"
		if proved == 0 {
			remedy = "let the provider put the groups into the ID token of the client " + s.config.Audience + ", and check audience and claims.groups"
		}
		f.Warn("tokens", remedy, "%d accounts: %s", reasons[reason], reason)
	}
}
