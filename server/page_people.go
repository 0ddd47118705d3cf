package server

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"groupsyncd/permission"
	rights "groupsyncd/sync/access"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
	"groupsyncd/web"
)

const (
	peoplePerPage  = 50
	shownResources = 100
	// rightsBound is how long a page waits for rights, for which Open WebUI is looked at.
	rightsBound = 5 * time.Second
)

// users finds people in the directories.
func (p *page) users(w http.ResponseWriter, r *http.Request, c *caller) {
	v := web.UsersView{Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	list, err := await(p, r, func(ctx context.Context) ([]run.DirectoryUser, error) { return p.a.Backend.ListUsers(ctx, "", false) })
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	if v.Query != "" {
		list = slices.DeleteFunc(list, func(u run.DirectoryUser) bool { return !contains(v.Query, u.Email, u.Username, u.Name, u.ID, u.DN) })
	}
	v.People, v.Pager = web.Cut(list, pageOf(r), peoplePerPage, "people", turn(r))
	p.show(w, r, c, http.StatusOK, "users", "People", "/users", v)
}

// user shows one person: why in which group, and what they may do.
func (p *page) user(w http.ResponseWriter, r *http.Request, c *caller) {
	name := r.PathValue("name")
	e, err := await(p, r, func(ctx context.Context) (*engine.UserExplanation, error) { return p.a.Backend.ExplainUser(ctx, name) })
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	v := web.UserPage{UserExplanation: e}
	for i := range e.Targets {
		v.Accounts = append(v.Accounts, p.account(r, &e.Targets[i]))
	}
	p.show(w, r, c, http.StatusOK, "user", name, "/users", v)
}

// account adds to the groups of an account since when, and what it may do.
func (p *page) account(r *http.Request, t *engine.AccountWhy) web.AccountView {
	v := web.AccountView{AccountWhy: *t, Since: map[string]time.Time{}}
	if t.Account == "" {
		return v
	}
	u, err := wait(p.a, r, rightsBound, func(ctx context.Context) (*rights.User, error) {
		return p.a.Backend.AccessUser(ctx, rights.UserQuery{Target: t.Target, User: t.Account})
	})
	if err != nil {
		v.Rights.Missing = unknownRights(err)
		return v
	}
	for _, m := range u.Groups {
		if m.By == rights.ByUs {
			v.Since[m.Name] = m.Since
		}
	}
	v.Rights = rightsOf(&u.Picture, u.Permissions, u.Resources)
	return v
}

func unknownRights(err error) string {
	return "What they may do is not known right now: " + strings.TrimSuffix(err.Error(), ".") + "."
}

// rightsOf says what is allowed, without what is not.
func rightsOf(about *rights.Picture, all map[string]permission.Right, resources []rights.Resource) web.RightsView {
	v := web.RightsView{Notes: about.Notes}
	if about.Stale != "" {
		v.Notes = append([]string{"As it was last seen: " + about.Stale}, v.Notes...)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !all[key].Allowed {
			continue
		}
		i := slices.IndexFunc(v.Allowed, func(r web.RightView) bool { return slices.Equal(r.From, all[key].From) })
		if i < 0 {
			i = len(v.Allowed)
			v.Allowed = append(v.Allowed, web.RightView{From: all[key].From})
		}
		v.Allowed[i].Keys = append(v.Allowed[i].Keys, key)
	}
	n := min(len(resources), shownResources)
	v.Resources, v.More = resources[:n], len(resources)-n
	return v
}

const (
	groupsPerPage  = 15
	membersPerPage = 50
	shownChanges   = 20
)

// groups shows which directory group leads to which group of Open WebUI.
func (p *page) groups(w http.ResponseWriter, r *http.Request, c *caller) {
	q := r.URL.Query()
	v := web.GroupsView{Query: strings.TrimSpace(q.Get("q")), Source: q.Get("source"), Unmatched: q.Get("unmatched") != ""}
	list, err := await(p, r, func(ctx context.Context) ([]run.DirectoryGroup, error) {
		return p.a.Backend.ListGroups(ctx, "", v.Unmatched)
	})
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	sources := map[string]bool{}
	for i := range list {
		sources[list[i].Source] = true
	}
	v.Sources = slices.Sorted(maps.Keys(sources))
	list = slices.DeleteFunc(list, func(g run.DirectoryGroup) bool {
		return v.Source != "" && g.Source != v.Source || v.Query != "" && !leads(&g, v.Query)
	})
	// Those that lead somewhere first.
	slices.SortStableFunc(list, func(a, b run.DirectoryGroup) int { return cmp.Compare(min(len(b.Rules), 1), min(len(a.Rules), 1)) })
	v.Groups, v.Pager = web.Cut(list, pageOf(r), groupsPerPage, "directory groups", turn(r))
	v.Drawing = web.Draw(v.Groups)
	p.show(w, r, c, http.StatusOK, "groups", "Groups", "/groups", v)
}

// leads reports whether a directory group, or what it leads to, is one that somebody looks for.
func leads(g *run.DirectoryGroup, part string) bool {
	return contains(part, g.Name, g.ID, g.DN, g.Path, g.Description) ||
		slices.ContainsFunc(g.Rules, func(t run.Taker) bool { return contains(part, t.Rule, t.Group.Name, t.Target) })
}

// group shows one group of Open WebUI: where it comes from, who is in it, what it gives.
func (p *page) group(w http.ResponseWriter, r *http.Request, c *caller) {
	name := r.PathValue("name")
	e, err := await(p, r, func(ctx context.Context) (*engine.GroupExplanation, error) {
		return p.a.Backend.ExplainGroup(ctx, name)
	})
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	v := web.GroupPage{Name: name}
	for i := range e.Targets {
		g, err := p.groupIn(r, &e.Targets[i])
		if err != nil {
			p.fail(w, r, c, err)
			return
		}
		v.Name = g.Name
		v.Targets = append(v.Targets, *g)
	}
	p.show(w, r, c, http.StatusOK, "group", v.Name, "/groups", v)
}

func (p *page) groupIn(r *http.Request, t *engine.GroupInWhole) (*web.GroupView, error) {
	n := min(len(t.Changes), shownChanges)
	v := &web.GroupView{GroupInWhole: *t, Changes: t.Changes[:n], More: len(t.Changes) - n}
	if t.ID == "" {
		return v, nil
	}
	people, err := await(p, r, func(ctx context.Context) ([]engine.Member, error) { return p.a.Daemon.Members(ctx, t.Target, t.ID) })
	if err != nil {
		return nil, err
	}
	v.People, v.Pager = web.Cut(people, pageOf(r), membersPerPage, "members", turn(r))
	g, err := wait(p.a, r, rightsBound, func(ctx context.Context) (*rights.Group, error) { return p.a.Backend.AccessGroup(ctx, t.Target, t.ID) })
	if err != nil {
		v.Rights.Missing = unknownRights(err)
		return v, nil //nolint:nilerr // the page says so in its place
	}
	v.Rights = rightsOf(&g.Picture, g.Permissions, g.Resources)
	return v, nil
}
