package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// Importing is a file of groups that is carried into a target.
type Importing struct {
	Groups []ImportGroup
	// Exact takes out whom the file does not name.
	Exact bool
	// Digest is the beginning of the file's SHA-256, Name how people call it.
	Digest, Name string
}

// Import plans what makes the groups of in.Import true in the target, as that is now. What it
// writes is as if made by hand: none of it becomes ours. Nothing is decided about what the
// directories want, and what is ours is not taken away.
//
// A group is found by its id, else by exactly one of its name that no other id of the file
// means, else it is made.
func Import(in *Input) *Plan {
	v := &importer{in: in, m: in.Memory.Mirror, plan: &Plan{Target: in.Memory.Target}, groups: in.Import.Groups, sharing: map[string]bool{}}
	accounts := v.m.Accounts()
	v.ignored, v.guarded = marks(accounts, in.Ignore), marks(accounts, in.Protect)
	if self, ok := v.m.Number(v.m.Self); ok {
		v.guarded[self] = true
	}
	v.byMail = map[string][]uint32{}
	for n := range accounts {
		if mail := directory.FoldEmail(accounts[n].Email); mail != "" && !accounts[n].Deleted {
			v.byMail[mail] = append(v.byMail[mail], uint32(n))
		}
	}
	v.find()
	for at := range v.groups {
		v.group(at)
	}
	for i := range v.plan.Changes {
		ch := &v.plan.Changes[i]
		ch.Want, ch.Imports, ch.Foreign = -1, in.Import.Digest, true
		ch.Reason = cmp.Or(ch.Reason, "imported from "+in.Import.Name)
	}
	slices.SortFunc(v.plan.Problems, func(a, b run.Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
	v.plan.sort()
	v.plan.Hash = hashOf(v.plan)
	return v.plan
}

// importer carries the planning of one import.
type importer struct {
	in     *Input
	m      *Mirror
	plan   *Plan
	groups []ImportGroup
	// live are the groups there that those of the file are; nil: none, or refused.
	live             []*MirrorGroup
	byMail           map[string][]uint32
	ignored, guarded []bool
	// byName finds what is shared, sharing has the keys of what will be.
	byName  map[[2]string][]*Resource
	sharing map[string]bool
}

// find says which group each one of the file is.
func (v *importer) find() {
	v.live = make([]*MirrorGroup, len(v.groups))
	taken := map[string]bool{}
	for at := range v.groups {
		g := &v.groups[at]
		into := run.ImportedGroup{ID: g.ID, Name: g.Name, By: run.ByMaking, Owner: g.Owner, CreatedAt: g.CreatedAt, Meta: g.Meta, LeftOut: slices.Clone(g.Unknown)}
		if g.Marked {
			into.LeftOut = append(into.LeftOut, "data."+markKey)
		}
		if live := v.m.Group(g.ID); live != nil && g.ID != "" {
			into.By, v.live[at], taken[g.ID] = run.ByID, live, true
		}
		v.plan.Imported = append(v.plan.Imported, into)
		v.plan.Refs = append(v.plan.Refs, &run.GroupRef{Name: g.Name})
	}
	names := map[string][]*MirrorGroup{}
	for _, live := range v.m.Groups() {
		if !taken[live.ID] {
			names[live.Name] = append(names[live.Name], live)
		}
	}
	wanted := map[string]int{}
	for at := range v.groups {
		if v.live[at] == nil {
			wanted[v.groups[at].Name]++
		}
	}
	for at := range v.groups {
		name := v.groups[at].Name
		switch found := names[name]; {
		case v.live[at] != nil || len(found) == 0:
		case len(found) > 1:
			v.refuse(at, fmt.Sprintf("%d groups there are called so; rename all but one of them", len(found)))
		case wanted[name] > 1:
			v.refuse(at, fmt.Sprintf("%d groups of the file are called so, and one is there; rename it, or take the others out of the file", wanted[name]))
		default:
			v.live[at], v.plan.Imported[at].By = found[0], run.ByName
		}
	}
	for at, live := range v.live {
		if live != nil {
			v.plan.Refs[at].ID, v.plan.Refs[at].Name = live.ID, live.Name
			v.plan.Imported[at].NewID = live.ID
		}
	}
}

// refuse reports a group of the file that nothing is done with.
func (v *importer) refuse(at int, why string) {
	v.plan.Imported[at].By = run.ByNothing
	v.fail(Change{Change: run.Change{Op: run.UpdateGroup, Group: v.plan.Refs[at]}, Key: changeKey(run.UpdateGroup, v.link(at).String(), "refused")}, why)
}

func (v *importer) fail(c Change, why string) {
	c.Outcome, c.Error = run.Failed, why
	v.plan.Changes = append(v.plan.Changes, c)
}

// skip notes what is not done on purpose.
func (v *importer) skip(c Change, why string) {
	c.Outcome, c.Error = run.Skipped, why
	v.plan.Changes = append(v.plan.Changes, c)
}

func (v *importer) refused(at int) bool { return v.plan.Imported[at].By == run.ByNothing }

// link stands for a group that may not exist yet, and for none that a rule could lead to.
func (v *importer) link(at int) LinkKey {
	return LinkKey{Rule: separator + "import", To: fmt.Sprintf("%s:%d", v.in.Import.Digest, at)}
}

// scope is what the keys of changes of a group have in common.
func (v *importer) scope(at int) string { return cmp.Or(v.plan.Refs[at].ID, v.link(at).String()) }

// change begins a change of a group.
func (v *importer) change(at int, op run.Op) Change {
	c := Change{Change: run.Change{Op: op, Group: v.plan.Refs[at]}}
	if v.live[at] == nil {
		c.Link = v.link(at)
	}
	return c
}

func (v *importer) group(at int) {
	if v.refused(at) {
		return
	}
	if v.live[at] == nil {
		v.create(at)
	} else {
		v.values(at)
		v.permissions(at)
	}
	v.members(at)
	v.share(at)
}

// create plans a group that is not there, just as the file has it.
func (v *importer) create(at int) {
	g := &v.groups[at]
	c := v.change(at, run.CreateGroup)
	c.Key = createKey(c.Link)
	c.Spec = GroupSpec{Name: g.Name, Description: g.Description, Tree: json.RawMessage("null"), Data: g.Data}
	if g.Permissions != nil {
		c.Spec.Tree = compactJSON(g.Permissions)
	}
	if !hasShare(g.Data) {
		// The server would fill in its own default; where nothing is said, anyone may share.
		c.Spec.Share = "anyone"
		v.leave(at, "data.config.share")
	}
	if under, known := v.parent(at); known && under != nil {
		c.Under, c.level = under, v.depth(at)
	}
	v.plan.Changes = append(v.plan.Changes, c)
}

// under has a change give a group its parent.
func (v *importer) under(at int, c *Change, from string, parent *run.GroupRef) {
	to := ""
	if parent != nil {
		to = cmp.Or(parent.ID, parent.Name)
		c.Under = parent
	}
	c.Fields = append(c.Fields, run.Field{Name: parentField, From: from, To: to})
	c.Spec = specOf(c.Fields)
	c.level = v.depth(at)
}

// PutUnder gives the change the id of the parent that its group gets, and reports whether there
// is that parent.
func (c *Change) PutUnder() bool {
	if c.Under == nil {
		return true
	}
	id := c.Under.ID
	c.Spec.Parent = &id
	for i := range c.Fields {
		if c.Fields[i].Name == parentField {
			c.Fields[i].To = id
		}
	}
	return id != ""
}

func (v *importer) leave(at int, key string) {
	v.plan.Imported[at].LeftOut = append(v.plan.Imported[at].LeftOut, key)
}

// parent finds the parent that the file gives a group; nil: none. known is false where the
// file says nothing that could be done.
func (v *importer) parent(at int) (parent *run.GroupRef, known bool) {
	id := v.groups[at].Parent
	switch {
	case id == nil:
		return nil, false
	case *id == "":
		return nil, v.m.Parents
	case !v.m.Parents:
		v.leave(at, "parent_group_id")
		return nil, false
	case v.depth(at) > len(v.groups):
		v.leave(at, "parent_group_id")
		v.problem(run.KindConflict, fmt.Sprintf("the file makes group %q its own ancestor; its parent is left as it is", v.groups[at].Name), "")
		return nil, false
	}
	if n := v.number(*id); n >= 0 && !v.refused(n) {
		return v.plan.Refs[n], true
	}
	if live := v.m.Group(*id); live != nil {
		return &run.GroupRef{ID: live.ID, Name: live.Name}, true
	}
	v.leave(at, "parent_group_id")
	v.problem(run.KindUnresolved, fmt.Sprintf("the parent of group %q is neither in the file nor there; it is left as it is", v.groups[at].Name),
		"export the parent as well, or set it in Open WebUI")
	return nil, false
}

// number finds a group of the file by its id.
func (v *importer) number(id string) int {
	return slices.IndexFunc(v.groups, func(g ImportGroup) bool { return g.ID == id && id != "" })
}

// depth counts the ancestors of a group in the file: parents get their place first, so that no
// group is ever its own ancestor on the way.
func (v *importer) depth(at int) int {
	depth := 0
	for ; depth <= len(v.groups); depth++ {
		parent := v.groups[at].Parent
		if parent == nil || *parent == "" {
			break
		}
		if at = v.number(*parent); at < 0 {
			break
		}
	}
	return depth
}

func (v *importer) problem(kind run.ProblemKind, message, hint string) {
	v.plan.Problems = append(v.plan.Problems, run.Problem{Kind: kind, Message: message, Hint: hint})
}

// values plans the values of a group that differ. Keys that the file does not name stay.
func (v *importer) values(at int) {
	g, live := &v.groups[at], v.live[at]
	c := v.change(at, run.UpdateGroup)
	set := func(name string, from, to any) {
		if from != to {
			c.Fields = append(c.Fields, run.Field{Name: name, From: from, To: to})
		}
	}
	if g.Name != live.Name {
		if other := v.named(g.Name, at); other != "" {
			field := run.Field{Name: "name", From: live.Name, To: g.Name}
			v.fail(Change{Change: run.Change{Op: c.Op, Group: c.Group, Fields: []run.Field{field}}, Key: valueKey(c.Op, live.ID, field)}, other)
		} else {
			set("name", live.Name, g.Name)
		}
	}
	if g.Description != nil {
		set("description", live.Description, *g.Description)
	}
	for _, f := range dataFields(live.Data, g.Data) {
		// In our words, as every other change of it.
		word, plain := shareWord(f.To)
		switch {
		case f.Name == configField+"share" && plain:
			set("share", live.Share, word)
		case f.Name == configField+modelsField:
			set(modelsField, defaultModels(live), defaultModels(&MirrorGroup{Group: Group{Data: g.Data}}))
		default:
			c.Fields = append(c.Fields, f)
		}
	}
	c.Spec = specOf(c.Fields)
	if parent, known := v.parent(at); known {
		to := ""
		if parent != nil {
			to = parent.ID
		}
		if to == "" && parent != nil || to != live.Parent {
			v.under(at, &c, live.Parent, parent)
		}
	}
	if len(c.Fields) > 0 {
		c.Key = valueKey(c.Op, live.ID, c.Fields...)
		v.plan.Changes = append(v.plan.Changes, c)
	}
}

// named says why a group cannot have a name; empty: it can.
func (v *importer) named(name string, at int) string {
	if name == "" {
		return "a group needs a name"
	}
	for _, o := range v.m.Groups() {
		if o.ID != v.live[at].ID && o.Name == name {
			return "another group there is called so"
		}
	}
	for n := range v.groups {
		if n != at && v.groups[n].Name == name {
			return "another group of the file is called so"
		}
	}
	return ""
}

// permissions plans the switches that the file names and that differ. What is taken away is a
// change for each of them.
func (v *importer) permissions(at int) {
	g, live := &v.groups[at], v.live[at]
	have, _, err := permission.Flatten(live.Permissions)
	c := v.change(at, run.SetPermissions)
	if err != nil {
		c.Key = changeKey(c.Op, live.ID, "")
		v.fail(c, "the permissions there cannot be read: "+err.Error())
		return
	}
	add := func(fields ...run.Field) {
		one := c
		one.Fields, one.Key, one.Spec = fields, valueKey(c.Op, live.ID, fields...), specOf(fields)
		v.plan.Changes = append(v.plan.Changes, one)
	}
	var together []run.Field
	for _, key := range g.Set.Keys() {
		from, known := have[key]
		f := run.Field{Name: permissionField + key, To: g.Set[key]}
		if known {
			f.From = from
		}
		switch {
		case f.From == f.To:
		case f.From == true:
			add(f)
		default:
			together = append(together, f)
		}
	}
	if len(together) > 0 {
		add(together...)
	}
	for _, key := range g.Odd {
		v.leave(at, permissionField+key)
	}
}

// members plans who comes in and, where that is asked for, who goes.
func (v *importer) members(at int) {
	g, live := &v.groups[at], v.live[at]
	if g.Members == nil {
		return
	}
	if live != nil && !live.MembersRead {
		c := v.change(at, run.AddMember)
		c.Key = changeKey(c.Op, live.ID, "")
		v.fail(c, "the members there could not be read")
		return
	}
	named := map[uint32]bool{}
	for _, id := range g.Members {
		n, known := v.account(id, g.Mails[id])
		if !known {
			v.plan.Imported[at].Missing = append(v.plan.Imported[at].Missing, run.UserRef{ID: id, Email: g.Mails[id]})
			continue
		}
		if !named[n] {
			named[n] = true
			v.join(at, n)
		}
	}
	missing := v.plan.Imported[at].Missing
	if len(missing) > 0 {
		v.problem(run.KindUnmatched, fmt.Sprintf("%d of %d members of group %q are nobody here, or several accounts: %s", len(missing), len(g.Members), g.Name, someOf(missing)),
			"make the accounts, and import again")
	}
	switch {
	case !v.in.Import.Exact || live == nil:
	case len(missing) > 0:
		v.problem(run.KindUnmatched, fmt.Sprintf("nobody is taken out of group %q while it is not known who all its members are", g.Name), "")
	default:
		for _, n := range live.Numbers {
			if !named[n] {
				v.part(at, n)
			}
		}
	}
}

// someOf names a few people.
func someOf(users []run.UserRef) string {
	const shown = 5
	var names []string
	for _, u := range users[:min(shown, len(users))] {
		names = append(names, cmp.Or(u.Email, u.ID))
	}
	if more := len(users) - shown; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// account finds a member: by id, else by the mail address, when exactly one account has it.
func (v *importer) account(id, mail string) (uint32, bool) {
	if n, known := v.m.Number(id); known && !v.m.Account(n).Deleted {
		return n, true
	}
	if found := v.byMail[directory.FoldEmail(mail)]; len(found) == 1 && mail != "" {
		return found[0], true
	}
	return 0, false
}

// join plans that somebody comes in. Whose membership is ours stays ours.
func (v *importer) join(at int, n uint32) {
	live := v.live[at]
	if live != nil {
		if _, is := slices.BinarySearch(live.Numbers, n); is {
			return
		}
	}
	c := v.member(at, run.AddMember, n)
	if o := v.in.Memory.Owned[v.plan.Refs[at].ID]; live != nil && o != nil {
		c.Feeds = o.Grants(n)
	}
	if v.ignored[n] {
		v.skip(c, "the account is on the target's ignore list")
		return
	}
	v.plan.Changes = append(v.plan.Changes, c)
}

// part plans that somebody goes whom the file does not name.
func (v *importer) part(at int, n uint32) {
	c := v.member(at, run.RemoveMember, n)
	c.Reason = "not a member in " + v.in.Import.Name
	c.Proof = Proof{Exact: true, Reason: c.Reason}
	o := v.in.Memory.Owned[v.live[at].ID]
	switch {
	case v.ignored[n]:
	case o != nil && o.Has(n):
		v.skip(c, "the membership is ours: a directory group gives it")
	case v.guarded[n]:
		c.Hold = &run.HoldRef{Check: run.Protected, Detail: "the account is on the target's protect list, or our own"}
		v.skip(c, "")
	default:
		v.plan.Changes = append(v.plan.Changes, c)
	}
}

func (v *importer) member(at int, op run.Op, n uint32) Change {
	a := v.m.Account(n)
	c := v.change(at, op)
	c.Account, c.User = n, &run.UserRef{ID: a.ID, Email: a.Email}
	c.Key = changeKey(op, v.scope(at), a.ID)
	return c
}
