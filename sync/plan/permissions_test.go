package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

func (w *world) tree2(name, tree string) {
	w.edit(name, func(g *plan.Group) { g.Permissions = json.RawMessage(tree) })
}

// adopted gives a world in which the rule "r" has an existing group with a tree, and names
// permissions of it.
func adopted(t *testing.T, tree string, keys permission.Set) *world {
	w := newWorld(t, "corp").rule("r", "sales", grants(keys)).accounts("ann")
	w.byHand("sales", "ann")
	w.tree2("sales", tree)
	w.read("corp", 0, "users: ann", "sales: ann").run()
	w.settled()
	return w
}

func TestKeysThatNoRuleNamesAnyMoreGoBackToWhatWasBefore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, before string
		hand         string
		after        string
		fields       string
	}{
		{"to no", `{"chat":{"edit":false,"share":true}}`, "", `{"chat":{"edit":false,"share":true}}`, "[{permissions.chat.edit true false }]"},
		{"to nothing, where there was none", `{"chat":{"share":true}}`, "", `{"chat":{"share":true}}`, "[{permissions.chat.edit true <nil> }]"},
		{"not where somebody changed it since", `{"chat":{"edit":false}}`, `{"chat":{"edit":false,"x":1}}`, `{"chat":{"edit":false,"x":1}}`, ""},
		{"not where it was so already", `{"chat":{"edit":true}}`, "", `{"chat":{"edit":true}}`, ""},
		{"unknown keys, other values and missing categories stay", `{"new":{"thing":true},"chat":{"edit":null,"y":"z","share":true}}`, "", "", "[{permissions.chat.edit true <nil> }]"},
		{"five categories stay five", `{"workspace":{},"sharing":{},"chat":{"edit":false},"features":{},"settings":{}}`, "", `{"workspace":{},"sharing":{},"chat":{"edit":false},"features":{},"settings":{}}`, "[{permissions.chat.edit true false }]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := adopted(t, c.before, permission.Set{"chat.edit": true})
			if !w.permissions("sales")["chat.edit"] {
				t.Fatal("was not set")
			}
			if c.hand != "" {
				w.tree2("sales", c.hand)
			}
			w.rules[0].Permissions = nil
			p := w.minute(1).run()
			got := ""
			for i := range p.Changes {
				got += fmt.Sprint(p.Changes[i].Fields)
			}
			if got != c.fields {
				t.Errorf("fields %s, want %s", got, c.fields)
			}
			if c.after != "" {
				sameTree(t, w.group("sales").Permissions, c.after)
			}
			w.settled()
			// What is theirs now stays theirs, even when it becomes what we had set.
			w.tree2("sales", `{"chat":{"edit":true}}`)
			expect(t, w.minute(2).run())
		})
	}
}

func TestARightThatSomebodyGaveAfterOurNoStays(t *testing.T) {
	t.Parallel()
	w := adopted(t, `{"chat":{"share":true}}`, permission.Set{"chat.edit": false})
	w.tree2("sales", `{"chat":{"share":true,"edit":true}}`)
	w.rules[0].Permissions = nil
	expect(t, w.minute(1).run())
	if !w.permissions("sales")["chat.edit"] {
		t.Error("what somebody gave was taken away")
	}
}

func sameTree(t *testing.T, got json.RawMessage, want string) {
	t.Helper()
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil || cmp.Diff(a, b) != "" {
		t.Errorf("tree %s, want %s", got, want)
	}
}

func TestAGroupThatWeMadeSaysNoExplicitly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales", grants(permission.Set{"chat.edit": true, "chat.share": true})).accounts("ann")
	w.read("corp", 0, "users: ann", "sales: ann").run()
	w.rules[0].Permissions = permission.Set{"chat.share": true}
	p := w.minute(1).run()
	expect(t, p, "set_permissions sales")
	if f := p.Changes[0].Fields; len(f) != 1 || f[0].Name != "permissions.chat.edit" || f[0].To != false {
		t.Errorf("fields %v", f)
	}
	w.settled()
}

func TestAnEmptyTreeBecomesAnExplicitNo(t *testing.T) {
	t.Parallel()
	for tree, want := range map[string][]string{`null`: {"set_permissions sales"}, `{}`: {"set_permissions sales"}, ``: {"set_permissions sales"}, `{"chat":{"edit":false}}`: nil, `{"odd":1}`: nil} {
		w := newWorld(t, "corp").rule("r", "sales", grants(permission.Set{})).accounts("ann")
		w.byHand("sales", "ann")
		w.tree2("sales", tree)
		expect(t, w.read("corp", 0, "users: ann", "sales: ann").run(), append(want, "adopt_member sales ann")...)
		if have := w.permissions("sales"); want != nil && (len(have) != len(permission.KnownKeys()) || have["chat.edit"]) {
			t.Errorf("%q became %v", tree, have)
		}
		w.settled()
		// A rule that names no permissions leaves such a tree alone.
		w.rules[0].Permissions = nil
		w.tree2("sales", tree)
		expect(t, w.minute(1).run())
	}
}

func TestPermissionsOfARuleThatIsGoneGoWithItsMembers(t *testing.T) {
	t.Parallel()
	w := adopted(t, `{"chat":{"edit":false}}`, permission.Set{"chat.edit": true})
	w.accepted, w.rules = slices.Clone(w.rules), nil
	w.rule("other", "none")
	expect(t, w.minute(1).run(), "remove_member sales ann unruled held unruled")
	w.approve(w.hold(run.Unruled).Hash)
	w.minute(2).run()
	p := w.minute(3).run()
	expect(t, p, "set_permissions sales")
	if w.permissions("sales")["chat.edit"] {
		t.Error("still there")
	}
	w.settled()
}

func TestAnotherRuleOfTheGroupGoesOnWithItsKeys(t *testing.T) {
	t.Parallel()
	w := adopted(t, `{"chat":{"edit":false}}`, permission.Set{"chat.edit": true})
	// A rule whose key comes first, for the same directory group: nothing is taken back.
	w.rule("a", "sales", grants(permission.Set{"chat.edit": true}))
	p := w.minute(1).run()
	if len(p.Changes) != 0 || p.Summary.Drift != 0 {
		t.Errorf("changes %v", show(p))
	}
	w.accepted, w.rules = slices.Clone(w.rules), w.rules[1:]
	expect(t, w.minute(2).run())
	w.rules[0].Permissions = nil
	expect(t, w.minute(3).run(), "set_permissions sales")
	w.settled()
}

// keeping gives a world that keeps default permissions.
func keeping(t *testing.T, tree string, keys permission.Set) *world {
	w := newWorld(t, "corp").rule("r", "*").accounts("ann")
	w.read("corp", 0, "users: ann", "sales: ann").run()
	w.mem.Mirror.Defaults, w.defaults = json.RawMessage(tree), keys
	return w
}

func TestDefaultPermissions(t *testing.T) {
	t.Parallel()
	full := `{"workspace":{"models":false,"x":"y"},"chat":{"edit":true,"share":false},"newer":{"thing":true},"odd":7}`
	for _, c := range []struct {
		name, tree string
		keys       permission.Set
		changes    []string
		after      string
	}{
		{"are patched and kept whole", full, permission.Set{"workspace.models": true, "chat.share": true}, []string{"set_permissions default permissions"},
			`{"workspace":{"models":true,"x":"y"},"chat":{"edit":true,"share":true},"newer":{"thing":true},"odd":7}`},
		{"what goes is a change of its own", full, permission.Set{"workspace.models": true, "chat.edit": false},
			[]string{"set_permissions default permissions", "set_permissions default permissions"},
			`{"workspace":{"models":true,"x":"y"},"chat":{"edit":false,"share":false},"newer":{"thing":true},"odd":7}`},
		{"as they are wanted", full, permission.Set{"chat.edit": true}, nil, full},
		{"five categories", `{"workspace":{},"sharing":{},"chat":{"edit":false},"features":{},"settings":{}}`, permission.Set{"chat.edit": true},
			[]string{"set_permissions default permissions"}, `{"workspace":{},"sharing":{},"chat":{"edit":true},"features":{},"settings":{}}`},
		{"a no that the tree does not have is none", full, permission.Set{"access_grants.allow_users": false}, nil, full},
		{"never read: nothing is planned", ``, permission.Set{"chat.edit": true}, nil, ``},
		{"unreadable: nothing is planned", `[]`, permission.Set{"chat.edit": true}, nil, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := keeping(t, c.tree, c.keys)
			if c.tree == "" {
				w.mem.Mirror.Defaults = nil
			}
			p := w.minute(1).run()
			expect(t, p, c.changes...)
			if c.after != "" {
				sameTree(t, w.mem.Mirror.Defaults, c.after)
			}
			for i := range p.Changes {
				if p.Changes[i].Group != nil {
					t.Errorf("change %+v", p.Changes[i].Change)
				}
			}
			w.settled()
		})
	}
}

func TestDefaultPermissionsGoBackAndDrift(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) *world {
		w := keeping(t, `{"chat":{"edit":false,"share":true},"workspace":{"models":false}}`, permission.Set{"chat.edit": true, "workspace.models": true})
		expect(t, w.minute(1).run(), "set_permissions default permissions")
		return w
	}
	t.Run("a key that leaves the set goes back", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.defaults = permission.Set{"chat.edit": true}
		expect(t, w.minute(2).run(), "set_permissions default permissions")
		sameTree(t, w.mem.Mirror.Defaults, `{"chat":{"edit":true,"share":true},"workspace":{"models":false}}`)
		w.defaults = nil // no longer managed at all
		expect(t, w.minute(3).run(), "set_permissions default permissions")
		sameTree(t, w.mem.Mirror.Defaults, `{"chat":{"edit":false,"share":true},"workspace":{"models":false}}`)
		w.settled()
	})
	t.Run("a key that somebody changed is drift while it is named, and theirs after", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":false,"share":true},"workspace":{"models":false}}`)
		w.defaults = permission.Set{"chat.edit": true}
		p := w.minute(2).run()
		expect(t, p, "set_permissions default permissions")
		if p.Summary.Drift != 1 || !told(p, run.KindDrift, "permissions.chat.edit of the default permissions") {
			t.Errorf("drift %d, %v", p.Summary.Drift, texts(p))
		}
		sameTree(t, w.mem.Mirror.Defaults, `{"chat":{"edit":true,"share":true},"workspace":{"models":false}}`)
		w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":true,"share":true},"workspace":{"models":true}}`)
		expect(t, w.minute(3).run())
	})
	t.Run("a key that the server does not take is told and not tried again", func(t *testing.T) {
		t.Parallel()
		w := keeping(t, `{"chat":{"edit":false}}`, permission.Set{"chat.newer": true})
		w.mem.Defaults.Applied = map[string]json.RawMessage{"permissions.chat.newer": json.RawMessage(plan.Refused)}
		p := w.minute(1).run()
		expect(t, p)
		if !told(p, run.KindNaming, `does not know the permission "chat.newer"`) {
			t.Errorf("%v", texts(p))
		}
		w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":false,"newer":false}}`) // a later version
		p = w.minute(2).run()
		expect(t, p, "set_permissions default permissions")
		if p.Summary.Drift != 0 {
			t.Errorf("drift: %v", texts(p))
		}
		w.settled()
	})
}
