package engine

import (
	"context"
	"slices"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// fewCalls is how many calls are recorded together.
const fewCalls = 10

// together are the outcomes of a person's calls about members, which are recorded in one transaction at
// their end: dozens of people may sign in each second, and each transaction waits for the
// disk twice. The intents stay open until then, so that after a crash a look finds out what
// became of every call; and nobody else touches the target meanwhile, so that no record of
// theirs has ours in it before its word in the audit.
type together struct {
	seqs  []int
	dirty plan.Dirty
}

// apply carries out a plan. The error is about our own state.
func (w *work) apply(ctx context.Context, p *plan.Plan) error {
	if len(w.batches) == 0 {
		return nil
	}
	w.e.live(w.report.Run, true)
	defer w.e.live(w.report.Run, false)
	if !w.req.Single() || len(w.batches) > fewCalls || slices.ContainsFunc(w.batches, func(b batch) bool { return b.op == run.CreateGroup || b.op == run.CreateAccount }) {
		return w.calls(ctx, p)
	}
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	w.together = &together{}
	err := w.calls(ctx, p)
	all := w.together
	w.together = nil
	if err != nil {
		return err
	}
	return w.e.journal.Done(w.state.mem, w.report.Run, all.seqs, all.dirty)
}

// hold takes the lock of the target, unless that is held for all calls together, and gives
// what leaves it.
func (w *work) hold() (leave func()) {
	if w.together != nil {
		return func() {}
	}
	w.state.mu.Lock()
	return w.state.mu.Unlock
}

// done closes calls and stores what they changed.
func (w *work) done(seqs []int, dirty plan.Dirty) error {
	if w.together == nil {
		return w.e.journal.Done(w.state.mem, w.report.Run, seqs, dirty)
	}
	w.together.seqs = append(w.together.seqs, seqs...)
	w.together.dirty.Merge(dirty)
	return nil
}

// save stores what changed of the memory.
func (w *work) save(dirty plan.Dirty) error {
	if w.together == nil {
		return w.e.ledger.SaveMemory(w.state.mem, dirty)
	}
	w.together.dirty.Merge(dirty)
	return nil
}

// tell tells the audit.
func (w *work) tell(events ...run.Event) error {
	if w.together == nil {
		return w.e.audit.Note(events...)
	}
	w.together.dirty.Events = append(w.together.dirty.Events, events...)
	return nil
}
