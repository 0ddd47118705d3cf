package engine

import (
	"context"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// seen is what a look at one account showed.
type seen struct {
	number uint32
	// gone: there is no such account. stop: nothing may be planned, for the reason in the
	// report.
	gone, stop bool
}

// readAccount looks at one account and takes it into the mirror. Where more must be known
// before anything follows from that, the target is looked at as a whole. The lock of the
// target is held.
func (w *work) readAccount(ctx context.Context, tr *run.TargetReport, id string) (*seen, error) {
	mem := w.state.mem
	n, met := mem.Mirror.Number(id)
	buried := met && mem.Mirror.Account(n).Deleted
	view, err := w.api.Account(ctx, id, met && !buried)
	switch {
	case fault.KindOf(err) == fault.NotFound && (!met || buried):
		return &seen{gone: true}, nil
	case fault.KindOf(err) == fault.NotFound:
		stop, err := w.observe(ctx, tr)
		return &seen{gone: true, stop: stop}, err
	case err != nil:
		return &seen{stop: true}, w.targetError(tr, err)
	}
	// While it looked like another server, what it says of one account proves nothing; an
	// account that was deleted, or a membership that ended, is there again only by hand or
	// on a server restored from a backup; and a server never seen has more to show.
	if buried || heldAsChanged(mem) || mem.Returned(view) || mem.Mirror.At.IsZero() {
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return &seen{stop: true}, err
		}
	}
	if err := w.e.ledger.SaveMemory(mem, mem.ObserveAccount(view)); err != nil {
		return nil, err
	}
	n, _ = mem.Mirror.Number(id)
	tr.Version = mem.Mirror.Version
	return &seen{number: n}, nil
}

// refresh makes every plan that is older than this moment leave the account alone: what it
// is based on was looked at anew.
func (w *work) refresh(account uint32) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	w.refreshed(account)
}

func (w *work) refreshed(account uint32) {
	w.state.looked++
	w.state.refreshed[w.state.mem.Mirror.Account(account).ID] = w.state.looked
}

// findAccount finds the account of somebody and looks at it; somebody without a known
// account may have got one a moment ago, so then the target is looked at as a whole.
func (w *work) findAccount(ctx context.Context, tr *run.TargetReport, who []directory.UserKey) (*plan.Only, bool, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	account, found := plan.AccountFor(w.people(), who)
	if !found {
		if stop, err := w.observe(ctx, tr); stop || err != nil {
			return nil, true, err
		}
		if account, found = plan.AccountFor(w.people(), who); !found {
			return &plan.Only{None: true, People: who}, false, nil
		}
	}
	seen, err := w.readAccount(ctx, tr, w.state.mem.Mirror.Account(account).ID)
	switch {
	case err != nil || seen.stop:
		return nil, true, err
	case seen.gone:
		return &plan.Only{None: true, People: who}, false, nil
	}
	w.refreshed(seen.number)
	return &plan.Only{Account: seen.number}, false, nil
}

// has reports whether somebody is known to have an account at the target.
func (w *work) has(who []directory.UserKey) bool {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	_, found := plan.AccountFor(w.people(), who)
	return found
}
