package oidc

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// says reports whether there is a finding of that level that says so.
func says(list []providers.Finding, level providers.Level, part string) bool {
	for _, f := range list {
		if f.Level == level && strings.Contains(f.Message, part) && (level == providers.OK || f.Remedy != "" || level == providers.Failed) {
			return true
		}
	}
	return false
}

func TestDoctorSaysWhatTokensShow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set    func(*op, *chat)
		change []func(*Config)
		level  providers.Level
		part   string
	}{
		"all is well":          {func(o *op, target *chat) { crew(o, target, 3) }, nil, providers.OK, "tokens of 3 name their groups"},
		"signatures":           {func(*op, *chat) {}, nil, providers.OK, "RS256, ES256 count"},
		"keys":                 {func(*op, *chat) {}, nil, providers.OK, "publishes 1 keys"},
		"a large installation": {func(o *op, target *chat) { crew(o, target, 2*checkPeople) }, nil, providers.OK, "of 25 accounts"},
		"nobody yet":           {func(*op, *chat) {}, nil, providers.Warning, "nobody has signed in"},
		"posted tokens":        {func(*op, *chat) {}, []func(*Config){webhook}, providers.OK, "as they are posted"},
		"no claim": {func(o *op, target *chat) {
			target.signIn("acc-1", "ann", o.sign(o.claims().with(map[string]any{"groups": nil})), "")
		}, nil, providers.Warning, "1 accounts: the token has no claim groups"},
		"another client": {func(o *op, target *chat) {
			target.signIn("acc-1", "ann", o.sign(o.claims().with(map[string]any{"aud": "grafana"})), "")
		}, nil, providers.Warning, `"grafana"`},
		"several providers": {func(_ *op, target *chat) { target.names = []string{"a", "b"} }, nil, providers.Failed, "a, b"},
		"a list that fails": {func(_ *op, target *chat) {
			target.listing = fault.New(fault.Unavailable, "list", "chat", errors.New("down"), "")
		}, nil, providers.Failed, "down"},
		"an account that fails": {func(o *op, target *chat) {
			crew(o, target, 1)
			target.broken["acc-p0"] = fault.New(fault.Unavailable, "read", "chat", errors.New("down"), "")
		}, nil, providers.Failed, "down"},
		"no provider": {func(o *op, _ *chat) { o.answer(wellKnown, http.NotFound) }, nil, providers.Failed, "404"},
		"no keys":     {func(o *op, _ *chat) { o.answer("/keys", http.NotFound) }, nil, providers.Failed, "404"},
		"no userinfo": {func(o *op, _ *chat) { o.described["userinfo_endpoint"] = "" }, nil, providers.OK, "has none"},
		"a clock that is wrong": {func(o *op, _ *chat) {
			o.answer(wellKnown, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(-3*time.Minute).UTC().Format(http.TimeFormat))
				o.serve(w, r)
			})
		}, nil, providers.Warning, "apart"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, target := newOP(t), newChat()
			c.set(o, target)
			got := o.open(t, target, c.change...).Check(t.Context())
			if !says(got, c.level, c.part) {
				t.Errorf("no %s finding with %q in %+v", c.level, c.part, got)
			}
			for _, f := range got {
				if f.Check == "" || f.Message == "" || f.Level == providers.Warning && f.Remedy == "" {
					t.Errorf("finding %+v", f)
				}
			}
		})
	}
}
