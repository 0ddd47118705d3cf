package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// The times of a watch.
const (
	// watchdogEvery is how often a silent connection is asked whether it still is one.
	watchdogEvery = 30 * time.Second
	// watchdogWait is how long the answer may take.
	watchdogWait = 10 * time.Second
	// pollEvery is how often Active Directory is asked, which tells nothing by itself.
	pollEvery = 10 * time.Second
)

// Watch notices changes: by refreshAndPersist on servers with syncrepl, by asking for the
// newest change on Active Directory. It has a connection of its own.
func (s *source) Watch(ctx context.Context, changed providers.Changed) error {
	const op = "watch directory"
	ctx, end, err := s.begin(ctx)
	defer end()
	if err == nil {
		err = ended(ctx, op, s.where())
	}
	if err != nil {
		return err
	}
	made, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer made.close()
	m, err := s.observe(ctx, made)
	if err == nil {
		w := &watch{source: s, session: made, mark: m, changed: changed}
		if m.Way == waySyncrepl {
			err = w.persist(ctx)
		} else {
			err = w.poll(ctx)
		}
	}
	if n, ok := errors.AsType[*noWay](err); ok {
		return fmt.Errorf("%w: %s", providers.ErrNoWatch, n.why)
	}
	if e := ended(ctx, op, made.server.text); e != nil {
		return e
	}
	return fault.New(fault.Unavailable, op, made.server.text, errors.New(reason(err)), "")
}

// watch is one watch of one server.
type watch struct {
	source  *source
	session *session
	mark    *mark
	changed providers.Changed
}

var (
	errSilent   = errors.New("the server does not answer any more")
	errWatchEnd = errors.New("the server ended the watch")
)

// persist lets the server tell of changes. A connection without traffic looks like a
// directory without changes, so it is asked now and then, and has no other time limit:
// that of a request would end a watch too.
func (w *watch) persist(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn := w.session.conn
	conn.SetTimeout(0)
	l := w.session.layout
	ends := make(chan error, len(w.mark.Contexts)+1)
	var all sync.WaitGroup
	for suffix, csns := range w.mark.Contexts {
		q := query{suffix, ldap.ScopeWholeSubtree, "(|" + l.users.Filter + l.groups.Filter + ")", []string{"1.1"}}
		all.Go(func() { ends <- w.listen(ctx, q, syncCookie(csns)) })
	}
	all.Go(func() { ends <- w.guard(ctx, &all) })
	err := <-ends
	cancel(err)
	// Closing the connection ends whatever still waits for an answer.
	_ = w.session.raw.Close()
	all.Wait()
	return err
}

// listen reads messages until the watch ends. The first ones are the refresh, which is
// empty unless something changed between the look at the position and this request;
// then it counts as a change.
func (w *watch) listen(ctx context.Context, q query, cookie []byte) error {
	r := w.session.conn.Syncrepl(ctx, request(q), 64, ldap.SyncRequestModeRefreshAndPersist, cookie, false)
	for r.Next() {
		news := r.Entry() != nil
		for _, c := range r.Controls() {
			if info, ok := c.(*ldap.ControlSyncInfo); ok && info.SyncIdSet != nil {
				news = true
			}
		}
		if news {
			w.changed()
		}
	}
	if err := hide(r.Err(), w.session.password); err != nil {
		return err
	}
	return errWatchEnd
}

// guard asks the server for next to nothing now and then.
func (w *watch) guard(ctx context.Context, all *sync.WaitGroup) error {
	ticks := time.NewTicker(w.source.watchdog)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticks.C:
		}
		answers := make(chan error, 1)
		all.Go(func() {
			_, err := w.session.conn.Search(request(query{"", ldap.ScopeBaseObject, "(objectClass=*)", []string{"1.1"}}))
			answers <- err
		})
		late := time.NewTimer(w.source.watchdogWait)
		select {
		case err := <-answers:
			late.Stop()
			if err != nil {
				return hide(err, w.session.password)
			}
		case <-late.C:
			return errSilent
		case <-ctx.Done():
			late.Stop()
			return context.Cause(ctx)
		}
	}
}

// poll asks a domain controller for its newest change, and only when there is one
// whether it is about users or groups.
func (w *watch) poll(ctx context.Context) error {
	ticks := time.NewTicker(w.source.poll)
	defer ticks.Stop()
	last := w.mark.USN
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticks.C:
		}
		root, err := w.session.entry(ctx, "", "(objectClass=*)", []string{"highestCommittedUSN"})
		if err != nil {
			return err
		}
		if root == nil {
			return errSilent
		}
		now, err := strconv.ParseInt(first(root, "highestCommittedUSN"), 10, 64)
		if err != nil {
			return nowhere("the server does not show highestCommittedUSN")
		}
		if now < last {
			// The server was restored: what changed nobody can tell.
			w.changed()
		} else if now > last {
			if err := w.look(last + 1); err != nil {
				return err
			}
		}
		last = now
	}
}

// look asks for one entry of users or groups that changed or was deleted since.
func (w *watch) look(since int64) error {
	l := w.session.layout
	newer := "(uSNChanged>=" + strconv.FormatInt(since, 10) + ")"
	for _, q := range []*ldap.SearchRequest{
		request(query{w.mark.Root, ldap.ScopeWholeSubtree, and(newer, "(|"+l.users.Filter+l.groups.Filter+")"), []string{"1.1"}}),
		asking(query{w.mark.Root, ldap.ScopeWholeSubtree, and(newer, "(&(isDeleted=TRUE)(|(objectClass=user)(objectClass=group)))"), []string{"1.1"}}, ldap.NewControlMicrosoftShowDeleted()),
	} {
		q.SizeLimit = 1
		result, err := w.session.ask(q)
		switch {
		case err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded:
			return err
		case slices.ContainsFunc(result.Entries, func(e *ldap.Entry) bool { return e != nil }):
			w.changed()
			return nil
		}
	}
	return nil
}
