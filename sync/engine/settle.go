package engine

import (
	"context"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// live notes which runs of this process are applying, so that their open intents are
// not taken for those of a crash.
func (e *Engine) live(id string, on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.applying == nil {
		e.applying = map[string]bool{}
	}
	if on {
		e.applying[id] = true
	} else {
		delete(e.applying, id)
	}
}

// crashed gives the intents that nobody will close any more.
func (w *work) crashed() ([]plan.Intent, error) {
	open, err := w.e.journal.Open(w.t.Name)
	if err != nil {
		return nil, err
	}
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return slices.DeleteFunc(open, func(i plan.Intent) bool { return w.e.applying[i.Run] }), nil
}

// settle finds out what became of the calls of a crashed run by looking, and closes
// their intents. Nothing is made again: what is still wanted is planned anew. An add
// that is found present is ours, because the group did not have the member before; a
// removal that is found done happened.
func (w *work) settle(ctx context.Context, open []plan.Intent) error {
	for _, in := range open {
		mem := w.state.mem
		var dirty plan.Dirty
		done, not := []string(nil), in.Accounts
		id := in.GroupID
		op := run.Op(in.Op)
		if id == "" && op != run.SetRole && op != run.CreateAccount {
			id = w.marked(&in)
		}
		switch op {
		case run.SetRole:
			var err error
			if done, not, err = w.settleRole(ctx, &in, &dirty); err != nil {
				return err
			}
		case run.CreateAccount:
			done = w.settleAccount(&in, &dirty)
		}
		if id != "" && (op == run.AddMember || op == run.RemoveMember) {
			g, err := w.api.ReadGroup(ctx, id)
			switch {
			case fault.KindOf(err) == fault.NotFound:
			case err != nil:
				return err
			default:
				dirty.Merge(mem.ObserveGroup(&g))
				done, not = w.settleMembers(&in, id, g.Members, &dirty)
			}
		}
		if op == run.SetGrants {
			err := w.settleGrants(ctx, &in, &dirty)
			if fault.KindOf(err) == fault.Damaged || ctx.Err() != nil {
				return err
			}
			if err != nil {
				// One resource is no reason to do nothing: the next run looks again.
				w.log.LogAttrs(ctx, slog.LevelWarn, "what became of a call is not known yet", slog.String(logging.KeyOp, in.Op),
					slog.String(logging.KeyResource, in.Resource.Type+" "+in.Resource.ID), slog.String(logging.KeyErr, err.Error()))
				continue
			}
		}
		dirty.Events = append(dirty.Events, w.settled(&in, id, done, not)...)
		w.log.LogAttrs(ctx, slog.LevelWarn, "call of an interrupted run settled", slog.String(logging.KeyOp, in.Op),
			slog.String(logging.KeyGroup, in.Name), slog.String("interrupted", in.Run))
		if err := w.e.journal.Done(mem, in.Run, []int{in.Seq}, dirty); err != nil {
			return err
		}
	}
	return nil
}

// marked finds the group of a call that was planned before there was one: by the link
// when its creation was recorded, else by our mark in a group that no link leads to. A
// link from before the plan leads to a group that the call was not meant for.
func (w *work) marked(in *plan.Intent) string {
	mem := w.state.mem
	if l := mem.Links[in.Link]; l.GroupID != "" && !l.Since.Before(in.At) && mem.Mirror.Group(l.GroupID) != nil {
		return l.GroupID
	}
	led := map[string]bool{}
	for _, l := range mem.Links {
		led[l.GroupID] = true
	}
	for _, g := range mem.Mirror.Groups() {
		if g.Mark != nil && g.Mark.Link() == in.Link && !led[g.ID] {
			return g.ID
		}
	}
	return ""
}

// settleMembers takes what a look has shown into the ledger. It gives the members for whom
// the call did what it should and who were not recorded before, and those for whom it did
// not.
func (w *work) settleMembers(in *plan.Intent, id string, members []string, dirty *plan.Dirty) (done, not []string) {
	mem := w.state.mem
	for i, account := range in.Accounts {
		n, known := mem.Mirror.Number(account)
		if !known {
			not = append(not, account)
			continue
		}
		is := slices.Contains(members, account)
		owned := mem.Owned[id] != nil && mem.Owned[id].Has(n)
		switch {
		case in.Op == string(run.AddMember) && is && !owned && i < len(in.Feeds):
			var feeds []plan.FeedKey
			for _, k := range in.Feeds[i] {
				feeds = append(feeds, in.Keys[k])
			}
			own(mem, id, n, feeds, dirty)
			done = append(done, account)
		case in.Op == string(run.RemoveMember) && !is && owned:
			c := plan.Change{Change: run.Change{Group: &run.GroupRef{ID: id}, User: &run.UserRef{ID: account}}, Account: n}
			w.lose(&c, id, in.At, dirty)
			done = append(done, account)
		case is != (in.Op == string(run.AddMember)):
			not = append(not, account)
		}
	}
	return done, not
}
