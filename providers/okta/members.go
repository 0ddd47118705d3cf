package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// hopeless is after how many groups in a row for which Okta was down the others are left
// alone; one for which it was too busy counts more.
const hopeless = 8

// each reads something of every group, several at a time. It gives the errors by group; the
// groups that are in neither were not tried, because nothing worked any more.
func (r *reader) each(ctx context.Context, of []group, read func(context.Context, *group) error) map[string]error {
	errs := make([]error, len(of))
	var row, done atomic.Int64
	var g errgroup.Group
	g.SetLimit(parallel)
	for i := range of {
		g.Go(func() error {
			if row.Load() >= hopeless {
				errs[i] = fault.Errorf(fault.Unavailable, "read members", r.where(), "not tried: Okta did not answer for %d groups in a row", hopeless)
				return nil
			}
			err := read(ctx, &of[i])
			switch {
			case err == nil:
				row.Store(0)
			case unusable(err):
				row.Store(hopeless)
			case fault.KindOf(err) == fault.Throttled:
				row.Add(hopeless / 2) // Each of them has waited for as long as it makes sense.
			case fault.KindOf(err) == fault.Unavailable:
				row.Add(1)
			}
			errs[i] = err
			if n := done.Add(1); n%100 == 0 {
				r.progress.Report("members of groups", int(n))
			}
			return nil
		})
	}
	_ = g.Wait() // No function gives an error.
	failed := map[string]error{}
	for i := range of {
		if errs[i] != nil {
			failed[of[i].ID] = errs[i]
		}
	}
	return failed
}

// unusable reports whether no other group can be read either.
func unusable(err error) bool {
	e, ok := errors.AsType[*httpx.StatusError](err)
	return ok && e.Status == http.StatusUnauthorized || fault.KindOf(err) == fault.Canceled
}

// members reads the members of groups. A group that Okta does not know any more was deleted
// meanwhile: the list of groups is read again, and says so.
func (r *reader) members(ctx context.Context, of []group) error {
	failed := map[string]error{}
	for n := 1; len(of) > 0; n++ {
		lost := false
		for id, err := range r.each(ctx, of, r.readMembers) {
			failed[id] = err
			lost = lost || gone(err)
		}
		if !lost || n == rounds {
			break
		}
		if err := r.listGroups(ctx); err != nil {
			return err
		}
		of = slices.DeleteFunc(slices.Clone(r.groups), func(g group) bool {
			_, read := r.within[g.ID]
			return read || failed[g.ID] != nil && !gone(failed[g.ID])
		})
	}
	for id := range r.within {
		delete(failed, id)
	}
	return r.sum(failed)
}

// readMembers reads the members of one group to the end.
func (r *reader) readMembers(ctx context.Context, g *group) error {
	var ids []string
	err := again(func() error {
		ids = []string{}
		_, err := walk(ctx, r.session[members], httpx.Request{Path: "/api/v1/groups/" + url.PathEscape(g.ID) + "/users", Query: r.limit(""), Op: "read members"}, func(p []user) error {
			return r.takeMembers(p, &ids)
		})
		return err
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.within[g.ID] = ids
	return nil
}

func (r *reader) takeMembers(p []user, ids *[]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range p {
		u := &p[i]
		if _, known := r.known[u.ID]; !known {
			person, err := r.config.person(u)
			if err != nil {
				return err
			}
			r.known[u.ID] = person
		}
		*ids = append(*ids, u.ID)
	}
	return nil
}

// sum makes one error of those of the groups that are listed.
func (r *reader) sum(failed map[string]error) error {
	var names []string
	var err error
	for i := range r.groups {
		if g := &r.groups[i]; failed[g.ID] != nil {
			names = append(names, strconv.Quote(g.Profile.Name))
			err = first(err, failed[g.ID])
		}
	}
	if err == nil {
		return nil
	}
	err = r.failed(err)
	where := names[0]
	if len(names) > 1 {
		where = fmt.Sprintf("%s and %d others", names[0], len(names)-1)
	}
	return fault.New(fault.KindOf(err), "read group", where, err, fault.HintOf(err))
}
