package plan

import (
	"encoding/json"
	"fmt"
	"slices"

	"groupsyncd/sync/run"
)

// What servers with parents have beside the other values of a group: the group above it, by
// its id, and the models that its members find chosen, as a JSON list.
const (
	parentField = "parent"
	modelsField = "default_models"
)

// above is the parent that a want has: a group, or one that this run makes.
type above struct {
	id   string
	want int
}

// parentOf finds the parent that a want asks for; ok is false where it asks for none, or
// where there is none that can be taken, which is a problem.
func (c *computer) parentOf(at int) (up above, ok bool) {
	w := &c.in.Desired.Wants[at]
	if w.Parent == "" || !c.in.Memory.Mirror.Parents {
		return above{}, false
	}
	if up, ok = c.findParent(at); !ok {
		return above{}, false
	}
	for seen, next := map[above]bool{}, up; ; {
		if next.want == at && at >= 0 || next.id != "" && next.id == c.group[at].id || seen[next] {
			c.problem(run.KindNaming, fmt.Sprintf("group %q does not get the parent %q: a group cannot be above itself", w.Name, w.Parent), "change `parent` in one of the rules")
			return above{}, false
		}
		seen[next] = true
		higher, more := c.higher(next)
		if !more {
			return up, true
		}
		next = higher
	}
}

// findParent finds a group by the name that a want gives its parent: one of the wants, or the
// only group of that name.
func (c *computer) findParent(at int) (above, bool) {
	w := &c.in.Desired.Wants[at]
	if up, ok := c.byWantedName(w.Parent); ok {
		return up, true
	}
	var ids []string
	for _, g := range c.in.Memory.Mirror.Groups() {
		if g.Name == w.Parent {
			ids = append(ids, g.ID)
		}
	}
	switch len(ids) {
	case 1:
		return c.aboveOf(ids[0]), true
	case 0:
		c.problem(run.KindNaming, fmt.Sprintf("group %q has no parent: no group in Open WebUI is named %q", w.Name, w.Parent), "make that group, or correct `parent` in the rule")
	default:
		c.problem(run.KindConflict, fmt.Sprintf("group %q has no parent: %d groups in Open WebUI are named %q", w.Name, len(ids), w.Parent), "rename or delete all but one of them")
	}
	return above{}, false
}

// byWantedName gives the only want of a name that has a group or gets one in this run.
func (c *computer) byWantedName(name string) (above, bool) {
	if c.parents == nil {
		c.parents = map[string][]int{}
		for i := range c.in.Desired.Wants {
			if o := &c.in.Desired.Wants[i]; o.Name != "" && o.Role == "" && (c.group[i].id != "" || !c.group[i].blocked && c.group[i].hold == nil && o.Create != CreateNever) {
				c.parents[o.Name] = append(c.parents[o.Name], i)
			}
		}
	}
	if wants := c.parents[name]; len(wants) == 1 {
		return above{c.group[wants[0]].id, wants[0]}, true
	}
	return above{}, false
}

// aboveOf gives a group with the want that it belongs to.
func (c *computer) aboveOf(id string) above {
	if w, taken := c.taken[id]; taken {
		return above{id, w}
	}
	return above{id, -1}
}

// higher gives what is above a group, as it will be after this run.
func (c *computer) higher(of above) (above, bool) {
	if of.want >= 0 {
		if w := &c.in.Desired.Wants[of.want]; w.Parent != "" {
			if up, ok := c.byWantedName(w.Parent); ok {
				return up, true
			}
		}
	}
	if g := c.in.Memory.Mirror.Group(of.id); g != nil && g.Parent != "" {
		return c.aboveOf(g.Parent), true
	}
	return above{}, false
}

// place fills in what a creation says about parent and default models. A parent that is made
// in the same run is made before.
func (c *computer) place(at int, ch *Change) {
	if w := &c.in.Desired.Wants[at]; c.in.Memory.Mirror.Parents && len(w.DefaultModels) > 0 {
		ch.Spec.DefaultModels = slices.Clone(w.DefaultModels)
	}
	up, ok := c.parentOf(at)
	switch {
	case !ok:
	case up.id != "":
		ch.Spec.Parent = &up.id
	default:
		ch.Below = &c.in.Desired.Wants[up.want].Links[0]
		for more := true; more; up, more = c.higher(up) {
			if up.id != "" {
				break
			}
			ch.level++
		}
	}
}

// placed plans parent and default models of a group that there is.
func (c *computer) placed(at int, g *MirrorGroup, set func(name string, from, to any)) {
	w := &c.in.Desired.Wants[at]
	if up, ok := c.parentOf(at); ok && up.id != "" && up.id != g.Parent {
		set(parentField, g.Parent, up.id)
	}
	if c.in.Memory.Mirror.Parents && len(w.DefaultModels) > 0 {
		if have, want := defaultModels(g), modelsText(w.DefaultModels); have != want {
			set(modelsField, have, want)
		}
	}
}

// displaced puts both back to what they were before us, where no rule names them any more.
func (c *computer) displaced(w *Want, g *MirrorGroup, link GroupLink, back func(name, have string)) {
	if !c.in.Memory.Mirror.Parents {
		return
	}
	if _, ours := link.Applied[parentField]; ours && w.Parent == "" {
		if before, _ := textOf(link.Before[parentField]); before == "" || c.in.Memory.Mirror.Group(before) != nil {
			back(parentField, g.Parent)
		}
	}
	if _, ours := link.Applied[modelsField]; ours && len(w.DefaultModels) == 0 {
		back(modelsField, defaultModels(g))
	}
}

// withoutParents says that the rules ask for what this server does not have. The group of
// those who run a team stands below it by itself, and is as good beside it.
func (c *computer) withoutParents() {
	mirror := c.in.Memory.Mirror
	if mirror.Parents || c.in.Only != nil || c.in.Undo != nil {
		return
	}
	asked := func(field, means string, does func(*Want) bool) {
		if i := slices.IndexFunc(c.in.Desired.Wants, func(w Want) bool { return does(&w) }); i >= 0 {
			c.problem(run.KindNaming, "`"+field+"` has no effect in Open WebUI "+mirror.Version+": "+means,
				"upgrade Open WebUI to 0.12.0 or later, or take the key out")
		}
	}
	asked(parentField, "no group has another above it", func(w *Want) bool { return w.Parent != "" && (w.Team == nil || !w.Team.Managers) })
	asked(modelsField, "groups have none", func(w *Want) bool { return len(w.DefaultModels) > 0 })
}

// defaultModels gives the default models of a group as a value: a JSON list, empty for none.
func defaultModels(g *MirrorGroup) string {
	var d struct {
		Config struct {
			Models []string `json:"default_models"`
		} `json:"config"`
	}
	if len(g.Data) == 0 || json.Unmarshal(g.Data, &d) != nil {
		return ""
	}
	return modelsText(d.Config.Models)
}

func modelsText(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	b, err := json.Marshal(ids)
	if err != nil { // texts can always be written
		panic(err)
	}
	return string(b)
}

// modelsOf reads such a value back; none is an empty list, which takes them away.
func modelsOf(text string) []string {
	ids := []string{}
	if json.Unmarshal([]byte(text), &ids) != nil {
		return []string{}
	}
	return ids
}

// canBeEmpty reports whether a value can be taken away again.
func canBeEmpty(field string) bool {
	return field == "description" || field == parentField || field == modelsField
}

// Placed gives the parent and the default models of a new group as fields.
func Placed(s *GroupSpec) []run.Field {
	var fields []run.Field
	if s.Parent != nil && *s.Parent != "" {
		fields = append(fields, run.Field{Name: parentField, From: "", To: *s.Parent})
	}
	if len(s.DefaultModels) > 0 {
		fields = append(fields, run.Field{Name: modelsField, From: "", To: modelsText(s.DefaultModels)})
	}
	return fields
}
