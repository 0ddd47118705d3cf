// Package kill proves that a process that is killed loses nothing and takes nothing
// from anybody. A child, which is the real program with state, engine, source and
// target, is killed with SIGKILL: right before and right after each commit, between
// and in the middle of its calls to Open WebUI, and at moments of chance. Open WebUI
// and the directory live in the parent and survive it, as the world does.
//
// Each case is drawn from a seed: people, groups, nesting, an administrator's hand,
// leavers, renames, rules that change. Afterwards the state passes its check, no commit
// that was acknowledged is lost, the next run converges, one more writes nothing, no
// group was made twice, and nothing that is not ours has changed.
//
// GROUPSYNCD_KILLS sets how often, GROUPSYNCD_KILL_SEED plays one case again. The same
// cases run against a real Open WebUI with the script real in this folder.
package kill
