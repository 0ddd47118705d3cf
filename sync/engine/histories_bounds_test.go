package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// bounded asks of a removal what holds whatever the directories say: nobody is taken out
// of a group that a rule only adds to, unless a person says so, and nobody whom the configuration protects.
func (o *oracle) bounded(e *enginetest.Effect) {
	p := place{e.Group, e.Account}
	if o.spared(e.Account) && o.w.web.Email(e.Account) == o.w.human[e.Account]+"@x.org" {
		o.w.fail("S7", "%s was removed: the configuration spares the account", o.name(p))
	}
	if !o.undoing && !o.letThrough(e) && o.onlyAdds(o.w.store.Peek(target), e.Group) {
		o.w.fail("S7", "%s was removed, and a rule that feeds the group takes nobody out", o.name(p))
	}
}

// onlyAdds reports whether a rule that only adds has been in force for a group since the
// last run of everybody.
func (o *oracle) onlyAdds(m *plan.Memory, group string) bool {
	return slices.Equal(o.applied, o.now()) && o.addOnly(m, group)
}

// exactly asks of what is held as the first exact removal: does any rule say so? What was
// held under other rules stays held while it is in doubt.
func (o *oracle) exactly() {
	m := o.w.store.Peek(target)
	for _, h := range m.Holds {
		if h.Check != run.Exact || !h.Since.After(o.w.ruledAt) {
			continue
		}
		strict := slices.ContainsFunc(o.w.rules, func(name string) bool {
			rule := catalogue[name]
			return rule.spec.Members == "exact" && m.Links[rule.link("", "")].GroupID == h.Scope
		})
		if !strict && slices.Equal(o.applied, o.now()) {
			o.w.fail("guard", "members of %s are held as if its rule were exact: %v", o.w.web.Name(h.Scope), h.Keys)
		}
	}
}

// limited asks of a run: did more people lose something than the limits let through?
func (o *oracle) limited(effects []enginetest.Effect) {
	losing, made, let := map[string]bool{}, 0, len(o.let) > 0
	for i := range effects {
		switch e := &effects[i]; {
		case e.Op == run.RemoveMember && !o.letThrough(e):
			losing[e.Account] = true
		case e.Op == run.CreateGroup:
			made++
		}
	}
	limits := &o.w.set.limits
	if owning := max(o.owners, len(losing)); !o.undoing && len(losing) >= 5 && limits.MaxPeople.Exceeded(len(losing), owning) {
		o.w.fail("guard", "%d of %d people lost something in one run, and nobody let that through", len(losing), owning)
	}
	if limit := &limits.MaxNewGroups; !let && !o.between && o.w.depth == 1 && made > 0 && limit.ByCount && made > limit.Count {
		o.w.fail("guard", "%d groups were made in one run", made)
	}
}

// spiced adds to some histories, by chances of its own, what goes wrong or is configured
// more rarely. All else of a history stays as it was.
func spiced(steps []step, seed uint64) []step {
	chance := rand.New(rand.NewPCG(seed, 20261123))
	if chance.IntN(4) > 0 {
		return steps
	}
	source := func() string { return []string{"corp", "hr", "eu"}[chance.IntN(3)] }
	early, late := 2, len(steps)/2
	more, at := "", late+chance.IntN(len(steps)-late)
	switch chance.IntN(6) {
	case 0:
		more, at = "set reads 3", early
	case 1:
		more, at = fmt.Sprintf("set protect h%d h%d", chance.IntN(6), chance.IntN(6)), early
	case 2:
		more, at = "set max_new_groups 2", early
	case 3:
		more = strings.Replace("fault S nostatus\nrun\n", "S", source(), 1)
	case 4:
		more = fmt.Sprintf("wait 20m\nfault %s old %dm\nrun\n", source(), 1+chance.IntN(20))
	case 5:
		more = fmt.Sprintf("wait 20m\nlookupfault %s old %dm\nperson h%d\n", source(), 1+chance.IntN(20), chance.IntN(6))
	}
	return slices.Insert(steps, at, parse(more)...)
}
