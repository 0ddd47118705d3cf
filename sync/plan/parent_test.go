package plan_test

import (
	"encoding/json"
	"testing"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func below(parent string) func(*specOf) { return func(s *specOf) { s.Parent = parent } }

func models(ids ...string) func(*specOf) { return func(s *specOf) { s.DefaultModels = ids } }

// place sets parent and default models as the server would.
func (w *world) place(g *plan.Group, spec *plan.GroupSpec) {
	if spec.Parent != nil {
		if *spec.Parent != "" && w.mem.Mirror.Group(*spec.Parent) == nil {
			w.t.Fatalf("the parent of %s does not exist", g.Name)
		}
		g.Parent = *spec.Parent
	}
	if spec.DefaultModels != nil {
		g.Data = raw(w.t, map[string]any{"config": map[string]any{"default_models": spec.DefaultModels}})
	}
}

func family(t *testing.T, changes ...func(*specOf)) *world {
	w := newWorld(t, "corp").rule("r", "a-team", changes...).accounts("ann")
	w.mem.Mirror.Parents = true
	return w.read("corp", 0, "users: ann", "a-team: ann", "z-all: ann")
}

// above gives the name of the group above another.
func (w *world) above(name string) string {
	if up := w.mem.Mirror.Group(w.group(name).Parent); up != nil {
		return up.Name
	}
	return ""
}

// TestAParentIsFoundByItsName: among the groups that rules want, and else the only one there.
func TestAParentIsFoundByItsName(t *testing.T) {
	t.Parallel()
	t.Run("one that is there", func(t *testing.T) {
		t.Parallel()
		w := family(t, below("Departments"))
		w.byHand("Departments")
		expect(t, w.run(), "create_group a-team", "add_member a-team ann")
		if got := w.above("a-team"); got != "Departments" {
			t.Errorf("below %q", got)
		}
		w.settled()
	})
	t.Run("one made in the same run is made first, whatever its name", func(t *testing.T) {
		t.Parallel()
		w := family(t, below("z-all")).rule("up", "z-all")
		expect(t, w.run(), "create_group z-all", "create_group a-team", "add_member a-team ann", "add_member z-all ann")
		if got := w.above("a-team"); got != "z-all" {
			t.Errorf("below %q", got)
		}
		w.settled()
	})
	t.Run("three levels at once", func(t *testing.T) {
		t.Parallel()
		w := family(t, below("m-mid")).rule("mid", "z-all", to("m-mid"), below("z-top")).rule("top", "z-all", to("z-top"))
		expect(t, w.run(), "create_group z-top", "create_group m-mid", "create_group a-team", "add_member a-team ann", "add_member m-mid ann", "add_member z-top ann")
		if w.above("a-team") != "m-mid" || w.above("m-mid") != "z-top" {
			t.Errorf("below %q, below %q", w.above("a-team"), w.above("m-mid"))
		}
		w.settled()
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		w := family(t, below("Departments"))
		p := w.run()
		expect(t, p, "create_group a-team", "add_member a-team ann")
		if !told(p, run.KindNaming, `no group in Open WebUI is named "Departments"`) {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("several", func(t *testing.T) {
		t.Parallel()
		w := family(t, below("Departments"))
		w.byHand("Departments")
		w.mem.ObserveGroup(&plan.Group{ID: "other", Name: "Departments"})
		p := w.run()
		if w.above("a-team") != "" || !told(p, run.KindConflict, `2 groups in Open WebUI are named "Departments"`) {
			t.Errorf("below %q, problems %v", w.above("a-team"), texts(p))
		}
	})
	t.Run("not on a server without parents", func(t *testing.T) {
		t.Parallel()
		w := family(t, below("Departments"), models("m"))
		w.mem.Mirror.Parents = false
		w.byHand("Departments")
		p := w.run()
		if g := w.group("a-team"); g.Parent != "" || g.Data != nil {
			t.Errorf("made %+v", g.Group)
		}
		if !told(p, run.KindNaming, "`parent` has no effect") || !told(p, run.KindNaming, "`default_models` has no effect") {
			t.Errorf("nothing says so: %v", texts(p))
		}
		w.settled()
	})
}

// TestNoGroupIsAboveItself: the server would refuse it, run after run.
func TestNoGroupIsAboveItself(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]func(*world){
		"itself":            func(w *world) { w.rules[0].Parent = "a-team" },
		"two of each other": func(w *world) { w.rule("up", "z-all", below("a-team")) },
		"through one that stands above by hand": func(w *world) {
			w.rule("up", "z-all")
			w.mem.Mirror.Parents = true
			w.run()
			w.edit("z-all", func(g *plan.Group) { g.Parent = w.group("a-team").ID })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := family(t)
			w.run()
			rules(w)
			if w.rules[0].Parent == "" {
				w.rules[0].Parent = "z-all"
			}
			p := w.run()
			if w.above("a-team") != "" || !told(p, run.KindNaming, "a group cannot be above itself") {
				t.Errorf("below %q, problems %v", w.above("a-team"), texts(p))
			}
		})
	}
}

func TestParentAndModelsAreValuesLikeOthers(t *testing.T) {
	t.Parallel()
	w := family(t)
	up, other := w.byHand("Departments"), w.byHand("Other")
	w.byHand("a-team", "ann")
	w.edit("a-team", func(g *plan.Group) {
		g.Parent, g.Data = other, json.RawMessage(`{"config":{"default_models":["old"]}}`)
	})
	w.run()
	w.rules[0].Parent, w.rules[0].DefaultModels = "Departments", []string{"m2", "m1"}
	p := w.run()
	expect(t, p, "update_group a-team")
	if f := p.Changes[0].Fields; len(f) != 2 || f[0] != (run.Field{Name: "parent", From: other, To: up}) || f[1] != (run.Field{Name: "default_models", From: `["old"]`, To: `["m2","m1"]`}) {
		t.Errorf("fields %+v", f)
	}
	w.settled()
	// Somebody's hand is drift, and set again.
	w.edit("a-team", func(g *plan.Group) { g.Parent, g.Data = "", nil })
	p = w.run()
	expect(t, p, "update_group a-team")
	if p.Summary.Drift != 2 {
		t.Errorf("drift %d", p.Summary.Drift)
	}
	w.settled()
	// No longer wanted: as it was before us.
	w.rules[0].Parent, w.rules[0].DefaultModels = "", nil
	expect(t, w.run(), "update_group a-team")
	if g := w.group("a-team"); g.Parent != other || string(g.Data) != `{"config":{"default_models":["old"]}}` {
		t.Errorf("now %+v", g.Group)
	}
	w.settled()
}

// TestAParentThatIsGoneIsNotPutBack: what was above the group before us was deleted since.
func TestAParentThatIsGoneIsNotPutBack(t *testing.T) {
	t.Parallel()
	w := family(t)
	w.byHand("Departments")
	other := w.byHand("Other")
	w.byHand("a-team", "ann")
	w.edit("a-team", func(g *plan.Group) { g.Parent = other })
	w.run()
	w.rules[0].Parent = "Departments"
	w.run()
	w.mem.ForgetGroup(other)
	w.rules[0].Parent = ""
	expect(t, w.run())
	if got := w.above("a-team"); got != "Departments" {
		t.Errorf("below %q", got)
	}
}

// TestWhatACreationPlacedIsTakenBack: a group that we made stood at the top, and chose nothing.
func TestWhatACreationPlacedIsTakenBack(t *testing.T) {
	t.Parallel()
	w := family(t, below("Departments"), models("m"))
	w.byHand("Departments")
	w.run()
	w.settled()
	w.rules[0].Parent, w.rules[0].DefaultModels = "", nil
	expect(t, w.run(), "update_group a-team")
	if g := w.group("a-team"); g.Parent != "" || string(g.Data) != `{"config":{"default_models":[]}}` {
		t.Errorf("now %+v, %s", g.Group, g.Data)
	}
	w.settled()
}

func TestUndoingParentAndModels(t *testing.T) {
	t.Parallel()
	w := family(t)
	w.byHand("Departments")
	w.run()
	w.rules[0].Parent, w.rules[0].DefaultModels = "Departments", []string{"m"}
	p, g := w.plan()
	r := w.did("r1", p, g)
	undo, _ := w.revert("r2", r)
	expect(t, undo, "update_group a-team")
	if g := w.group("a-team"); g.Parent != "" || string(g.Data) != `{"config":{"default_models":[]}}` {
		t.Errorf("now %+v, %s", g.Group, g.Data)
	}
}
