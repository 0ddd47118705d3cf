package engine

import (
	"cmp"
	"errors"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// GroupExplanation says where an Open WebUI group comes from and who is in it because
// of what.
type GroupExplanation struct {
	Group   string         `json:"group"`
	Targets []GroupInWhole `json:"targets"`
}

// GroupInWhole is one target's picture of a group.
type GroupInWhole struct {
	Target string      `json:"target"`
	Name   string      `json:"name"`
	ID     string      `json:"id,omitempty"`
	Feeds  []GroupFeed `json:"feeds"`
	// Members counts everybody there, Owned those we put there.
	Members int    `json:"members"`
	Owned   int    `json:"owned"`
	Mode    string `json:"mode,omitempty"`
	// Changes are what the next run would do.
	Changes []run.Change `json:"changes"`
}

// GroupFeed is one directory group behind it.
type GroupFeed struct {
	Rule    string `json:"rule"`
	Source  string `json:"source"`
	Group   string `json:"group"`
	Members int    `json:"members"`
}

// ExplainGroup says where a group comes from, by its name or id in Open WebUI.
func (e *Engine) ExplainGroup(name string) (*GroupExplanation, error) {
	s := e.current()
	out := &GroupExplanation{Group: name}
	for i := range s.Targets {
		w := e.work(&s, &s.Targets[i], run.Request{}, &run.Report{}, e.log, nil)
		out.Targets = append(out.Targets, w.explainGroup(name)...)
	}
	if len(out.Targets) == 0 {
		return nil, fault.New(fault.NotFound, "explain", "", errors.New("no rule leads to a group "+name+", and Open WebUI has none"),
			"give the name or the id of the group in Open WebUI")
	}
	return out, nil
}

func (w *work) explainGroup(name string) []GroupInWhole {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	in := w.input(nil)
	mem := w.state.mem
	p := plan.Compute(in)
	plan.Guard(p, in, w.setup.Limits)
	var out []GroupInWhole
	seen := map[string]bool{}
	for at := range in.Desired.Wants {
		want := &in.Desired.Wants[at]
		if want.Role != "" {
			continue
		}
		id := ""
		for _, l := range want.Links {
			id = cmp.Or(id, mem.Links[l].GroupID)
		}
		if want.Name != name && id != name {
			continue
		}
		seen[id] = true
		g := w.groupInWhole(p, id, want.Name)
		g.Mode = map[plan.Members]string{plan.AddOnly: "add-only", plan.Owned: "owned", plan.ExactMembers: "exact"}[want.Members]
		for f := range want.Feeds {
			g.Feeds = append(g.Feeds, groupFeed(in, &want.Feeds[f]))
		}
		out = append(out, g)
	}
	for _, g := range mem.Mirror.Groups() {
		if (g.Name == name || g.ID == name) && !seen[g.ID] {
			out = append(out, w.groupInWhole(p, g.ID, g.Name))
		}
	}
	return out
}

func (w *work) groupInWhole(p *plan.Plan, id, name string) GroupInWhole {
	mem := w.state.mem
	g := GroupInWhole{Target: w.t.Name, Name: name, ID: id, Feeds: []GroupFeed{}, Changes: []run.Change{}}
	if m := mem.Mirror.Group(id); m != nil {
		g.Members = len(m.Numbers)
	}
	if o := mem.Owned[id]; o != nil {
		g.Owned = o.Count()
	}
	for i := range p.Changes {
		c := p.Changes[i].Change
		if id != "" && c.GroupID() == id || id == "" && c.GroupName() == name {
			g.Changes = append(g.Changes, c)
		}
	}
	return g
}

func groupFeed(in *plan.Input, f *plan.Feed) GroupFeed {
	src := &in.Sources[f.Source]
	if f.Everyone {
		return GroupFeed{Rule: f.Key.Rule, Source: src.Name, Group: "everyone", Members: len(src.Replica.Users())}
	}
	row := &src.Replica.Groups()[f.Group]
	return GroupFeed{Rule: f.Key.Rule, Source: src.Name, Group: cmp.Or(row.DN, row.Path, row.Name), Members: len(row.Members)}
}
