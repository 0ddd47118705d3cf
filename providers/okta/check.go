package okta

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

const (
	// checkTime bounds all looks of doctor at one source.
	checkTime = time.Minute
	// skew is how far two clocks may be apart before doctor speaks of it.
	skew = time.Minute
)

// findings gathers what doctor says.
type findings struct {
	providers.Findings
	s *source
}

// Err says it as a read does.
func (f *findings) Err(check string, err error) { f.Findings.Err(check, f.s.failed(err)) }

// Check reads a little of everything.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f := &findings{s: s}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if _, err := s.bearer(ctx, secret.Value{}); err != nil {
		f.Err("token", err)
		return f.List
	}
	f.OK("token", "%s gives the app %s an access token with the scopes %s", s.config.URL, s.config.ClientID, strings.Join(s.config.scopes(), " "))
	r := s.reader(nil)
	r.checkUsers(ctx, f)
	r.checkGroups(ctx, f)
	r.checkApp(ctx, f)
	return f.List
}

// look reads the first page of a list.
func look[T any](ctx context.Context, s *httpx.Session, path string, query url.Values, op string) ([]T, *httpx.Answer, error) {
	var p page[T]
	a, err := s.Do(ctx, httpx.Request{Method: http.MethodGet, Path: path, Query: query, Op: op, Into: &p, Repeat: true})
	switch {
	case err != nil:
		return nil, nil, err
	case p == nil:
		return nil, nil, fault.New(fault.Invalid, op, "", errNoList, "")
	}
	return *p, a, nil
}

// checkUsers reads one user, the clock and the limit that come along, and one of those who
// were deactivated.
func (r *reader) checkUsers(ctx context.Context, f *findings) {
	one := url.Values{"limit": {"1"}}
	began := r.now()
	all, a, err := look[user](ctx, r.session[users], "/api/v1/users", one, "read users")
	switch {
	case err != nil:
		f.Err("users", err)
		return
	case len(all) == 0:
		f.Warn("users", r.rights(), "Okta shows nobody: either there is nobody, or the admin role of the app covers no users")
	default:
		f.OK("users", "people can be read")
	}
	if off := a.Date.Sub(began).Abs(); !a.Date.IsZero() && off > skew {
		f.Warn("clock", "set the clock of this machine by NTP: Okta refuses assertions from another time", "our clock and that of Okta are %s apart", off.Round(time.Second))
	}
	if limit := a.Header.Get("X-Rate-Limit-Limit"); limit != "" {
		rate := fmt.Sprintf("%d percent of that, or %d", share, usual)
		if r.config.Rate > 0 {
			rate = strconv.Itoa(r.config.Rate)
		}
		f.OK("limits", "Okta allows %s requests a minute for the list of users, and this source makes up to %s; when %d percent are left it waits", limit, rate, reserve)
	}
	one = url.Values{"limit": {"1"}, "filter": {`status eq "` + deprovisioned + `"`}}
	switch all, _, err := look[user](ctx, r.session[users], "/api/v1/users", one, "read deactivated users"); {
	case err != nil:
		f.Err("deactivated users", err)
	case len(all) == 0:
		f.OK("deactivated users", "Okta shows none; whoever is deactivated counts as disabled once it does, and as gone otherwise")
	default:
		f.OK("deactivated users", "Okta shows them, so that they count as %s", map[bool]string{true: "disabled", false: "enabled, as the key disabled says"}[slices.Contains(r.config.Disabled, deprovisioned)])
	}
}

// checkGroups reads a page of groups, the group that every organisation has, and the members
// and owners of one group.
func (r *reader) checkGroups(ctx context.Context, f *findings) {
	all, _, err := look[group](ctx, r.session[groups], "/api/v1/groups", r.limit(""), "read groups")
	if err != nil {
		f.Err("groups", err)
		return
	}
	at := slices.IndexFunc(all, func(g group) bool { return slices.Contains(r.config.Types, g.Type) })
	if at < 0 {
		f.Warn("groups", "check the key types, and the admin role of the app", "none of the first %d groups that Okta shows is of the types %s", len(all), strings.Join(r.config.Types, ", "))
	} else {
		f.OK("groups", "groups can be read")
	}
	everyone, _, err := look[group](ctx, r.session[groups], "/api/v1/groups", r.limit(`type eq "`+builtIn+`"`), "read built-in groups")
	switch {
	case err != nil:
		f.Err("admin role", err)
	case !slices.ContainsFunc(everyone, func(g group) bool { return g.Profile.Name == "Everyone" }):
		f.Warn("admin role", "assign Read-Only Administrator under Admin roles of the app, unless it is meant to see a part only: what it does not see is missing for groupsyncd",
			"Okta hides the group Everyone, as it does from a role that is limited to some groups")
	default:
		f.OK("admin role", "it is not limited to some groups: Okta shows Everyone")
	}
	if at < 0 {
		return
	}
	path := "/api/v1/groups/" + url.PathEscape(all[at].ID)
	if shown, _, err := look[user](ctx, r.session[members], path+"/users", r.limit(""), "read members"); err != nil {
		f.Err("members", err)
	} else {
		f.OK("members", "a page of the members of %q has %d", all[at].Profile.Name, len(shown))
	}
	if r.config.Owners {
		if shown, _, err := look[owner](ctx, r.session[members], path+"/owners", r.limit(""), "read owners"); err != nil {
			f.Err("owners", err)
		} else {
			f.OK("owners", "%q has %d owners; each read asks for those of every group", all[at].Profile.Name, len(shown))
		}
	}
}

// checkApp finds the app that people and groups are assigned to.
func (r *reader) checkApp(ctx context.Context, f *findings) {
	if r.config.AssignedTo == "" {
		return
	}
	id, err := r.findApp(ctx, r.session[apps])
	if err != nil {
		f.Err("app", err)
		return
	}
	of, err := r.assignedTo(ctx, r.session[apps], id, "groups")
	switch {
	case err != nil:
		f.Err("app", err)
	case len(of) == 0:
		f.Warn("app", "assign groups to the app in the Admin Console, under Assignments", "no group is assigned to the app %q, so none is shown", r.config.AssignedTo)
	default:
		f.OK("app", "%d groups are assigned to the app %q", len(of), r.config.AssignedTo)
	}
}
