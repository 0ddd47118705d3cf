package okta

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// rounds is how often a list is read that does not hold still.
const rounds = 3

// reader is one read of the organisation.
type reader struct {
	*source
	session  session
	progress providers.Progress

	// at is Okta's clock before anything was shown; zero: it was not told.
	at time.Time
	// groups are those that are shown, stamps when somebody last came or went, each from
	// before its members were read.
	groups []group
	stamps map[string]string
	// app are the ids of what is assigned to the app; nil where all is shown.
	app *application

	// listed are the people of the lists, in order.
	listed []string
	// inactive are those of them who were deactivated.
	inactive map[string]bool

	mu sync.Mutex // For the maps below, while members are read.
	// known is everybody who was seen, in a list or in a group.
	known map[string]directory.User
	// within are the members of each group that was read.
	within map[string][]string
}

func (s *source) reader(progress providers.Progress) *reader {
	return &reader{source: s, session: s.session(), progress: progress, stamps: map[string]string{}, inactive: map[string]bool{},
		known: map[string]directory.User{}, within: map[string][]string{}}
}

// again reads a list anew while its cursor is lost on the way.
func again(read func() error) error {
	for n := 1; ; n++ {
		if err := read(); err == nil || n == rounds || !errors.Is(err, errMoved) {
			return err
		}
	}
}

// lists reads the groups and who is assigned, then the people. Groups come first: whatever
// changes later changes their stamps.
func (r *reader) lists(ctx context.Context) (ofGroups, ofUsers error) {
	if err := r.readApp(ctx); err != nil {
		return err, err
	}
	if err := r.listGroups(ctx); err != nil {
		return err, err
	}
	r.progress.Report("groups", len(r.groups))
	return nil, r.listUsers(ctx)
}

// listGroups reads all groups, and keeps those that are shown: what a filter leaves out would
// be missing for more than one reason.
func (r *reader) listGroups(ctx context.Context) error {
	var all []group
	err := again(func() error {
		all = all[:0]
		at, err := walk(ctx, r.session[groups], httpx.Request{Path: "/api/v1/groups", Query: r.limit(""), Op: "read groups"}, func(p []group) error {
			for i := range p {
				if p[i].ID == "" || p[i].Type == "" {
					return errors.New("the answer shows a group without an id or a type")
				}
			}
			all = append(all, p...)
			return nil
		})
		if r.at.IsZero() {
			r.at = at
		}
		return err
	})
	if err != nil {
		return r.failed(err)
	}
	r.groups = slices.DeleteFunc(all, func(g group) bool { return !r.shows(&g) })
	slices.SortFunc(r.groups, func(a, b group) int { return cmp.Compare(a.ID, b.ID) })
	r.groups = slices.CompactFunc(r.groups, func(a, b group) bool { return a.ID == b.ID })
	for i := range r.groups {
		if g := &r.groups[i]; r.within[g.ID] == nil {
			r.stamps[g.ID] = g.Stamp
		}
	}
	return nil
}

// shows reports whether a group is one of those that the configuration selects.
func (r *reader) shows(g *group) bool {
	return slices.Contains(r.config.Types, g.Type) && (r.app == nil || r.app.groups[g.ID])
}

// listUsers reads everybody. The plain list leaves out who was deactivated, so those are
// listed after it: who is deactivated meanwhile is in both, and nobody in none.
func (r *reader) listUsers(ctx context.Context) error {
	for _, filter := range []string{"", `status eq "` + deprovisioned + `"`} {
		err := again(func() error {
			_, err := walk(ctx, r.session[users], httpx.Request{Path: "/api/v1/users", Query: r.limit(filter), Op: "read users"}, r.takeUsers)
			return err
		})
		if err != nil {
			return r.failed(err)
		}
	}
	r.progress.Report("users", len(r.listed))
	return nil
}

func (r *reader) takeUsers(p []user) error {
	for i := range p {
		u := &p[i]
		person, err := r.config.person(u)
		if err != nil {
			return err
		}
		if _, seen := r.known[u.ID]; !seen {
			r.listed = append(r.listed, u.ID)
		}
		r.known[u.ID] = person
		r.inactive[u.ID] = u.Status == deprovisioned
	}
	return nil
}

// assemble puts together what was read. Whom a group shows is there, whatever the lists say.
func (r *reader) assemble(asOf time.Time) *directory.Assembly {
	a := &directory.Assembly{Snapshot: directory.Snapshot{AsOf: asOf}}
	for _, id := range r.listed {
		if r.app == nil || r.app.users[id] || r.inactive[id] {
			a.User(r.known[id])
		}
	}
	for i := range r.groups {
		g := &r.groups[i]
		a.Group(g.shown())
		ids, read := r.within[g.ID]
		if !read {
			continue
		}
		a.Known(g.ID)
		for _, id := range ids {
			if !a.HasUser(id) {
				a.User(r.known[id])
			}
			a.Member(g.ID, directory.Ref{ID: id, Kind: directory.UserMember})
		}
	}
	return a
}
