package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/permission"
	rights "groupsyncd/sync/access"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// hall is a daemon that has much to show.
type hall struct {
	office
	list   []run.Hold
	past   []run.Report
	people []run.DirectoryUser
	groups []run.DirectoryGroup
	before []run.Approval
	// asked is how many runs were asked for last.
	asked atomic.Int64

	lock    sync.Mutex
	goes    []run.Going
	changed chan struct{}
}

// hostile is a name that somebody gave who wishes us no good.
const hostile = `<script>alert(1)</script>"'&` + "\u202eeman\u202c\x00\n"

// newHall has what pages show, every text of it hostile or as long as directories allow.
func newHall() *hall {
	now := time.Now()
	long := strings.Repeat("x", 10_000)
	h := &hall{}
	ch := run.Change{Op: run.RemoveMember, Group: &run.GroupRef{ID: "g1", Name: hostile}, User: &run.UserRef{ID: "u1", Email: "<i>@example.org"}, Reason: "left " + long,
		Rule: hostile, Outcome: run.Held, Hold: &run.HoldRef{Check: run.MaxPeople, Detail: "many", Hash: "h0"}, Fields: []run.Field{{Name: hostile, To: hostile}}}
	h.list = []run.Hold{{Hash: "h0", Check: run.MaxPeople, Target: "chat", Detail: "34 of 60 people " + hostile, Since: now.Add(-time.Hour), Changes: []run.Change{ch, {}}, Keys: []string{"a", "b"},
		Approve: "groupsyncd approve h0 --reason TEXT", Release: "groupsyncd release --hold h0 --reason TEXT"}}
	h.past = []run.Report{{Run: "01PAST", Started: now.Add(-time.Minute), Trigger: run.Manual, Mode: run.Apply, By: hostile, Exit: 4, User: hostile,
		Sources: []run.SourceReport{{Name: hostile, Coverage: "partial", Reason: hostile, Hint: hostile}},
		Targets: []run.TargetReport{{Name: "chat", Error: hostile, Hint: hostile, Changes: []run.Change{ch}, Problems: []run.Problem{{Kind: run.KindNaming, Message: hostile, Hint: hostile}}}}}}
	h.people = []run.DirectoryUser{{Source: "corp", ID: "u1", Email: "<i>@example.org", Name: hostile, DN: long, Status: "enabled", Accounts: []run.Link{{Target: hostile, State: "linked"}}},
		{Source: "corp", ID: "..", Username: long, Status: "disabled"}}
	h.groups = []run.DirectoryGroup{{Source: "corp", ID: "d1", Name: hostile, Members: 3, Status: "listed", Rules: []run.Taker{{Rule: hostile, Target: "chat", Group: run.GroupRef{ID: "g1", Name: hostile}}}},
		{Source: "other", ID: "d2", Name: long, Status: "missing since 2026-01-01", Rules: []run.Taker{{Rule: "r", Target: "chat", Group: run.GroupRef{Name: long}}}}, {Source: "other", ID: "d3", Name: "lone", Status: "listed"}}
	h.before = []run.Approval{{Check: run.MaxPeople, Target: "chat", By: "bob (token)", Reason: hostile, At: now.Add(-2 * time.Hour), Until: now.Add(time.Hour), Keys: []string{"a"}}}
	h.state = engine.Status{Holds: h.list, Last: &h.past[0], Daemon: &engine.DaemonStatus{PID: 7, Since: now},
		Sources: []engine.SourceStatus{{Name: hostile, Coverage: "full", CompleteAsOf: now, Users: 12345, Watch: &engine.WatchStatus{State: engine.WatchLost, Since: now}},
			{Name: "dead", Failing: 3, Reason: hostile, Quarantine: &run.Quarantine{Reason: hostile, Since: now, NextTry: now.Add(time.Hour)}}},
		Targets:  []engine.TargetStatus{{Name: "chat", Version: hostile, ObservedAt: now, Waiting: map[string]int{hostile: 2}}},
		Webhooks: []engine.WebhookStatus{{Name: hostile, Type: "okta", Reason: hostile}}, Notices: []run.Notice{{At: now, Kind: run.NoticeHeld, Message: hostile, Hint: hostile}}}
	return h
}

func (h *hall) Holds(context.Context) ([]run.Hold, error) { return h.list, nil }

func (h *hall) History(_ context.Context, limit int) ([]run.Report, error) {
	h.asked.Store(int64(limit))
	return h.past[:min(max(limit, 0), len(h.past))], nil
}

func (h *hall) Report(_ context.Context, id string) (*run.Report, error) {
	for i := range h.past {
		if h.past[i].Run == id {
			return &h.past[i], nil
		}
	}
	return nil, notThere("run " + id)
}

func (h *hall) ListUsers(context.Context, string, bool) ([]run.DirectoryUser, error) {
	return append([]run.DirectoryUser(nil), h.people...), nil
}

func (h *hall) ListGroups(context.Context, string, bool) ([]run.DirectoryGroup, error) {
	return append([]run.DirectoryGroup(nil), h.groups...), nil
}

func (h *hall) ExplainUser(_ context.Context, name string) (*engine.UserExplanation, error) {
	if name != "u1" && name != "guest" && name != "<i>@example.org" {
		return nil, notThere(name)
	}
	return &engine.UserExplanation{User: name, Sources: []engine.SourceView{{Source: hostile, ID: "u1", DN: hostile, Status: "enabled", Waiting: hostile, Hint: hostile}},
		Targets: []engine.AccountWhy{{Target: "chat", Account: "u1", Email: "<i>@example.org", Role: "user", By: "email", State: "linked", RoleWhy: &engine.RoleWhy{State: "held", Hold: hostile},
			Groups: []engine.GroupWhy{{Group: hostile, State: "held", Hold: hostile, Run: "01PAST", Why: []engine.Why{{Rule: hostile, Source: hostile, Path: []string{hostile, "b"}, Note: hostile}}}}}}}, nil
}

func (h *hall) ExplainGroup(_ context.Context, name string) (*engine.GroupExplanation, error) {
	if name != "g1" && name != hostile {
		return nil, notThere(name)
	}
	return &engine.GroupExplanation{Group: name, Targets: []engine.GroupInWhole{{Target: "chat", Name: hostile, ID: "g1", Members: 2, Mode: "owned",
		Feeds: []engine.GroupFeed{{Rule: hostile, Source: hostile, Group: hostile}}, Changes: h.past[0].Targets[0].Changes}}}, nil
}

func (h *hall) Members(context.Context, string, string) ([]engine.Member, error) {
	return []engine.Member{{UserRef: run.UserRef{ID: "u1", Email: "<i>@example.org"}, Name: hostile, Role: "user", Owned: true, By: []string{hostile}}}, nil
}

func (h *hall) Approvals(context.Context) ([]run.Approval, error) { return h.before, nil }

func (h *hall) Approve(ctx context.Context, hash, reason, by string) (*run.Approval, error) {
	a, err := h.office.Approve(ctx, hash, reason, by)
	a.Run, a.Target, a.Keys = "01SOON", "chat", []string{"a", "b"}
	return a, err
}

func (h *hall) AccessUser(context.Context, rights.UserQuery) (*rights.User, error) {
	return &rights.User{Picture: rights.Picture{Stale: hostile, Notes: []string{hostile}}, Permissions: map[string]permission.Right{hostile: {Allowed: true, From: []string{"default", "group:" + hostile}}},
		Resources: []rights.Resource{{Type: "models", Name: hostile, Permission: "read", From: []string{hostile}}}}, nil
}

func (h *hall) AccessGroup(context.Context, string, string) (*rights.Group, error) {
	return nil, fmt.Errorf("open-webui does not answer %s", hostile)
}

func (h *hall) Going() ([]run.Going, <-chan struct{}) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.goes, h.changed
}

// goOn says what goes on from now on.
func (h *hall) goOn(runs ...run.Going) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.goes = runs
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// everyPage lists the address of every page of a hall.
func everyPage() []string {
	return []string{"/", "/runs", "/runs/01PAST", "/runs/01PAST?op=remove_member&outcome=held&text=left", "/runs/01PAST?text=nothing", "/holds", "/holds/h0", "/users", "/users?q=%3Ci%3E", "/users?q=guest",
		"/users/u1", "/groups", "/groups?q=lone", "/groups?q=nothing", "/groups/g1", "/progress", "/signin"}
}

// browser is somebody with a browser, who keeps cookies.
type browser struct {
	*testing.T
	a       *Admin
	cookies []*http.Cookie
	// with alters each request.
	with []func(*http.Request)
}

func (b *browser) ask(method, path string, form url.Values, changes ...func(*http.Request)) *httptest.ResponseRecorder {
	b.Helper()
	body := ""
	if form != nil {
		body = form.Encode()
	}
	all := append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for _, c := range b.cookies {
			r.AddCookie(c)
		}
	}}, append(b.with, changes...)...)
	w := ask(b.a, method, path, body, all...)
	for _, c := range w.Result().Cookies() {
		b.keep(c)
	}
	return w
}

func (b *browser) keep(c *http.Cookie) {
	var out []*http.Cookie
	for _, o := range b.cookies {
		if o.Name != c.Name {
			out = append(out, o)
		}
	}
	if c.MaxAge >= 0 {
		out = append(out, c)
	}
	b.cookies = out
}

// signIn gives a token to the form.
func (b *browser) signIn(text string) *httptest.ResponseRecorder {
	b.Helper()
	return b.ask(http.MethodPost, "/signin", url.Values{"token": {text}, "to": {"/holds/h0"}})
}

// proof finds what forms of a page carry.
func (b *browser) proof() string {
	b.Helper()
	_, rest, _ := strings.Cut(b.ask(http.MethodGet, "/signin", nil).Body.String(), `name="proof" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
