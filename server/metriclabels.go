package server

import (
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// ops are the kinds of change that have a label of their own.
func ops() []run.Op {
	return []run.Op{run.CreateGroup, run.UpdateGroup, run.DeleteGroup, run.AddMember, run.RemoveMember, run.AdoptMember, run.ReleaseMember, run.SetPermissions,
		run.SetRole, run.CreateAccount, run.SetGrants}
}

// reasons are the kinds of failure that have a label of their own.
func reasons() []string {
	out := []string{run.FaultOther}
	for _, k := range fault.Kinds() {
		out = append(out, k.String())
	}
	return out
}

// triggers are what starts runs.
func triggers() []run.Trigger {
	return []run.Trigger{run.Manual, run.Schedule, run.Webhook, run.Watch, run.Reload, run.Confirm, run.Push}
}

// triggerOf gives the label of a trigger, which may come from whoever asked for the run.
func triggerOf(t run.Trigger) string {
	if slices.Contains(triggers(), t) {
		return string(t)
	}
	return "other"
}

// results are the ends of a run.
func results() []string {
	out := []string{"failed"}
	for _, exit := range []int{run.ExitOK, run.ExitPartly, run.ExitHeld, run.ExitSource, run.ExitTarget, run.ExitState, run.ExitStale, run.ExitInterrupted} {
		out = append(out, result(exit))
	}
	return out
}

// result says in a word how a run ended.
func result(exit int) string {
	switch exit {
	case run.ExitOK:
		return "ok"
	case run.ExitPartly:
		return "partly"
	case run.ExitHeld:
		return "held"
	case run.ExitSource:
		return "source"
	case run.ExitTarget:
		return "target"
	case run.ExitState:
		return "state"
	case run.ExitStale:
		return "stale"
	case run.ExitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// noticeResults are what becomes of a notice.
func noticeResults() []string { return []string{"sent", "failed", "expired"} }

// reasonOf and checkOf keep labels within their lists.
func reasonOf(word string) string {
	if slices.Contains(reasons(), word) {
		return word
	}
	return run.FaultOther
}

func checkOf(c run.Check) string {
	if slices.Contains(run.Checks(), c) {
		return string(c)
	}
	return "other"
}
