package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// group gives a directory group with the usual attributes.
func group(name string) directory.Group {
	return directory.Group{ID: "id-" + name, Name: name, DN: "cn=" + name + ",ou=groups,dc=example", Path: "/org/" + name,
		Description: "about " + name, MembersKnown: true}
}

// source gives a source that was read once.
func source(id string, groups ...directory.Group) mapping.Source {
	s := &directory.Snapshot{AsOf: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), UsersListed: true, GroupsListed: true, Groups: groups}
	s.Close(true)
	r, _ := replica.New(id).Merge(s, 0)
	return mapping.Source{ID: id, Name: "the " + id, Replica: r}
}

// spec gives a rule with the defaults of the configuration.
func spec(change func(*mapping.Spec)) mapping.Spec {
	s := mapping.Spec{Name: "r", To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"}
	change(&s)
	return s
}

func compile(t *testing.T, specs ...mapping.Spec) []*mapping.Rule {
	t.Helper()
	var rules []*mapping.Rule
	for _, s := range specs {
		r, err := mapping.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	return rules
}

// show writes each wanted group as "name = source/group, …".
func show(d *plan.Desired) []string {
	var all []string
	for _, w := range d.Wants {
		var feeds []string
		for _, f := range w.Feeds {
			feeds = append(feeds, f.Key.Group.Source+"/"+f.Key.Group.ID)
		}
		all = append(all, w.Name+" = "+strings.Join(feeds, ", "))
	}
	return all
}

func problems(d *plan.Desired) string {
	var all []string
	for _, p := range d.Problems {
		all = append(all, fmt.Sprintf("%s: %s", p.Kind, p.Message))
	}
	return strings.Join(all, "\n")
}

func TestMatch(t *testing.T) {
	t.Parallel()
	corp := source("corp", group("ai-eng"), group("ai-ops"), group("AI-hr"), group("sales"))
	for _, c := range []struct {
		name   string
		match  mapping.Match
		except []string
		want   []string
	}{
		{"a glob on the name", mapping.Match{Names: []string{"ai-*"}}, nil, []string{"ai-eng", "ai-ops"}},
		{"a list of globs", mapping.Match{Names: []string{"AI-?r", "sales"}}, nil, []string{"AI-hr", "sales"}},
		{"an exact name", mapping.Match{Names: []string{"ai"}}, nil, nil},
		{"an id", mapping.Match{IDs: []string{"id-sales", "sales"}}, nil, []string{"sales"}},
		{"a dn in other case and spacing", mapping.Match{DNs: []string{"CN=Sales, OU=groups, DC=example"}}, nil, []string{"sales"}},
		{"a dn of something else", mapping.Match{DNs: []string{"cn=sales,ou=groups,dc=example,dc=org"}}, nil, nil},
		{"a glob on the path", mapping.Match{Paths: []string{"/org/ai-*"}}, nil, []string{"ai-eng", "ai-ops"}},
		{"an expression anywhere in the name", mapping.Match{Regexps: []string{"i-[eo]"}}, nil, []string{"ai-eng", "ai-ops"}},
		{"several forms at once", mapping.Match{IDs: []string{"id-sales"}, Names: []string{"AI-*"}}, nil, []string{"AI-hr", "sales"}},
		{"except is a glob too", mapping.Match{Names: []string{"*"}}, []string{"ai-*", "s?les"}, []string{"AI-hr"}},
		{"except wins over an id", mapping.Match{IDs: []string{"id-sales"}}, []string{"sales"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match, s.Except = c.match, c.except })), []mapping.Source{corp})
			var got []string
			for _, w := range d.Wants {
				got = append(got, w.Name)
			}
			if !slices.Equal(got, c.want) || len(d.Problems) != 0 {
				t.Errorf("selected %v (%v), want %v", got, problems(d), c.want)
			}
		})
	}
}

func TestGroupsWithoutPathOrDNMatchNeither(t *testing.T) {
	t.Parallel()
	bare := directory.Group{ID: "1", Name: "bare", MembersKnown: true}
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) {
		s.Match = mapping.Match{Paths: []string{"*"}, DNs: []string{""}}
	})), []mapping.Source{source("corp", bare)})
	if len(d.Wants) != 0 {
		t.Errorf("selected %v", show(d))
	}
}

func TestUnlistedGroupIsNeverSelected(t *testing.T) {
	t.Parallel()
	hidden := group("ai-hidden")
	hidden.Unlisted = true
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names = []string{"*"} })), []mapping.Source{source("corp", hidden)})
	if len(d.Wants) != 0 {
		t.Errorf("selected %v", show(d))
	}
}

func TestFromAndTargetsLimitARule(t *testing.T) {
	t.Parallel()
	sources := []mapping.Source{source("corp", group("a")), source("hr", group("b"))}
	rules := compile(t,
		spec(func(s *mapping.Spec) { s.Name, s.From, s.Match.Names = "one", []string{"hr"}, []string{"*"} }),
		spec(func(s *mapping.Spec) {
			s.Name, s.Targets, s.Match.Names, s.To = "two", []string{"other"}, []string{"*"}, "x-{{ .Name }}"
		}))
	if got := show(mapping.Apply("chat", rules, sources)); !slices.Equal(got, []string{"b = hr/id-b"}) {
		t.Errorf("on chat: %v", got)
	}
	d := mapping.Apply("other", rules, sources)
	if got := show(d); !slices.Equal(got, []string{"b = hr/id-b", "x-a = corp/id-a", "x-b = hr/id-b"}) {
		t.Errorf("on other: %v", got)
	}
	if could := [][]int{d.Wants[0].Could, d.Wants[1].Could}; !cmp.Equal(could, [][]int{{1}, {0, 1}}) {
		t.Errorf("sources that could grant: %v", could)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	corp := []mapping.Source{source("corp", group("ai-data science"))}
	for _, c := range []struct{ name, to, want, problem string }{
		{"name", "{{ .Name }}", "ai-data science", ""},
		{"functions", `{{ .Name | trimPrefix "ai-" | title }}`, "Data Science", ""},
		{"case", `{{ upper .Name }}/{{ lower "ABC" }}`, "AI-DATA SCIENCE/abc", ""},
		{"suffix, replace", `{{ .Name | trimSuffix " science" | replace "-" "_" }}`, "ai_data", ""},
		{"path and base", "{{ .Path }} {{ base .Path }}", "/org/ai-data science ai-data science", ""},
		{"id, dn, source, description", "{{ .ID }}|{{ .DN }}|{{ .Source }}|{{ .Description }}", "id-ai-data science|cn=ai-data science,ou=groups,dc=example|the corp|about ai-data science", ""},
		{"part of the expression", "{{ .Match.kind }}", "data", ""},
		{"nothing is left", `{{ .Name | trimPrefix "ai-data science" }}`, "", "is empty"},
		{"a space at the end", `{{ .Name | trimSuffix "science" }}`, "", "begins or ends with a space"},
		{"a part that the expression does not have", "{{ .Match.nothing }}", "", `no entry for key "nothing"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.To, s.Match.Regexps = c.to, []string{`^ai-(?P<kind>\w+)`} })), corp)
			name := ""
			if len(d.Wants) == 1 {
				name = d.Wants[0].Name
			}
			if name != c.want {
				t.Errorf("named %q, want %q", name, c.want)
			}
			if (c.problem == "") != (len(d.Problems) == 0) || !strings.Contains(problems(d), c.problem) {
				t.Errorf("problems %q, want %q", problems(d), c.problem)
			}
		})
	}
}

// TestGroupWithoutUsableNameStaysWanted: a name that cannot be used is a problem of the
// name. Who is in the directory group keeps what its link gives.
func TestGroupWithoutUsableNameStaysWanted(t *testing.T) {
	t.Parallel()
	corp := source("corp", group("a "), group("b\u200b"), group("c"))
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.Merge = []string{"*"}, true })), []mapping.Source{corp})
	if got, want := show(d), []string{" = corp/id-a ", " = corp/id-b\u200b", "c = corp/id-c"}; !slices.Equal(got, want) {
		t.Errorf("wanted %q, want %q", got, want)
	}
	if len(d.Problems) != 2 {
		t.Errorf("problems: %s", problems(d))
	}
}

func TestNamesThatCannotBeSeenAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, name string
		bad        bool
	}{
		{"plain", "Sales", false},
		{"umlauts, accents, other scripts", "Vertrieb Süd – 営業 Отдел", false},
		{"emoji", "Team 🚀", false},
		{"zero width space", "Sa\u200bles", true},
		{"right-to-left override", "Sa\u202eles", true},
		{"isolate", "Sa\u2066les", true},
		{"word joiner", "Sales\u2060x", true},
		{"soft hyphen", "Sa\u00adles", true},
		{"byte order mark", "\ufeffSales", true},
		{"line break", "Sa\nles", true},
		{"line separator", "Sa\u2028les", true},
		{"C1 control", "Sa\u0085les", true},
		{"tag character", "Sales\U000e0041", true},
		{"delete", "Sales\x7fx", true},
		{"no text at all", "  ", true},
		{"no-break space at the end", "Sales\u00a0", true},
		{"broken UTF-8", "Sa\xffles", true},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names = []string{"*"} })), []mapping.Source{source("corp", group(c.name))})
			if bad := len(d.Problems) == 1; bad != c.bad {
				t.Errorf("%q refused: %v, want %v (%s)", c.name, bad, c.bad, problems(d))
			}
		})
	}
}

// TestWhoSharesAName: which directory groups become one Open WebUI group.
func TestWhoSharesAName(t *testing.T) {
	t.Parallel()
	corp, hr := source("corp", group("sales"), group("eng")), source("hr", group("sales"))
	for _, c := range []struct {
		name  string
		rules []mapping.Spec
		want  []string
	}{
		{"two directory groups of one templated name stay apart",
			[]mapping.Spec{spec(func(s *mapping.Spec) { s.Match.Names = []string{"sales"} })},
			[]string{"sales = corp/id-sales", "sales = hr/id-sales"}},
		{"merge unites them",
			[]mapping.Spec{spec(func(s *mapping.Spec) { s.Match.Names, s.Merge = []string{"sales"}, true })},
			[]string{"sales = corp/id-sales, hr/id-sales"}},
		{"a literal name unites them",
			[]mapping.Spec{spec(func(s *mapping.Spec) { s.Match.Names, s.To = []string{"*"}, "All" })},
			[]string{"All = corp/id-eng, corp/id-sales, hr/id-sales"}},
		{"the same directory group through two rules is one",
			[]mapping.Spec{
				spec(func(s *mapping.Spec) { s.Name, s.From, s.Match.Names = "one", []string{"corp"}, []string{"sales"} }),
				spec(func(s *mapping.Spec) { s.Name, s.From, s.Match.Names = "two", []string{"corp"}, []string{"s*"} })},
			[]string{"sales = corp/id-sales, corp/id-sales"}},
		{"a literal name and the one directory group of that name unite",
			[]mapping.Spec{
				spec(func(s *mapping.Spec) { s.Name, s.From, s.Match.Names = "one", []string{"corp"}, []string{"sales"} }),
				spec(func(s *mapping.Spec) {
					s.Name, s.From, s.Match.Names, s.To = "two", []string{"corp"}, []string{"eng"}, "sales"
				})},
			[]string{"sales = corp/id-sales, corp/id-eng"}},
		{"with two directory groups of that name all stay apart",
			[]mapping.Spec{
				spec(func(s *mapping.Spec) { s.Name, s.Match.Names = "one", []string{"sales"} }),
				spec(func(s *mapping.Spec) { s.Name, s.Match.Names, s.To = "two", []string{"eng"}, "sales" })},
			[]string{"sales = corp/id-sales", "sales = hr/id-sales", "sales = corp/id-eng"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := show(mapping.Apply("chat", compile(t, c.rules...), []mapping.Source{corp, hr})); !slices.Equal(got, c.want) {
				t.Errorf("wanted %q, want %q", got, c.want)
			}
		})
	}
}

func TestLinkKeys(t *testing.T) {
	t.Parallel()
	corp := source("corp", group("a"), group("b"))
	key := func(id string) directory.GroupKey { return directory.GroupKey{Source: "corp", ID: id} }
	for _, c := range []struct {
		name string
		spec mapping.Spec
		want []plan.LinkKey
	}{
		{"templated: one for each directory group", spec(func(s *mapping.Spec) { s.Match.Names = []string{"*"} }),
			[]plan.LinkKey{{Rule: "r", Group: key("id-a")}, {Rule: "r", Group: key("id-b")}}},
		{"literal: one for the name", spec(func(s *mapping.Spec) { s.Match.Names, s.To = []string{"*"}, "All" }), []plan.LinkKey{{Rule: "r", To: "All"}}},
		{"everyone", spec(func(s *mapping.Spec) { s.Match.Everyone, s.To = true, "all of {{ .Source }}" }), []plan.LinkKey{{Rule: "r", Group: key(plan.Everyone)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []plan.LinkKey
			for _, w := range mapping.Apply("chat", compile(t, c.spec), []mapping.Source{corp}).Wants {
				got = append(got, w.Links...)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryoneFeedsEverybody(t *testing.T) {
	t.Parallel()
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Everyone, s.To = true, "All" })),
		[]mapping.Source{source("corp", group("a")), source("hr")})
	if len(d.Wants) != 1 || len(d.Wants[0].Feeds) != 2 || !d.Wants[0].Feeds[0].Everyone || d.Wants[0].Feeds[1].Key.Group.ID != plan.Everyone {
		t.Errorf("wanted %q", show(d))
	}
	if d.Wants[0].DirID != "" {
		t.Errorf("adoption by the id %q of nothing", d.Wants[0].DirID)
	}
}

func TestWhereLimitsPeople(t *testing.T) {
	t.Parallel()
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) {
		s.Match.Names, s.Where = []string{"a"}, map[string][]string{"department": {"Fin*", "Ops"}, "email": {"*@example.org"}}
	})), []mapping.Source{source("corp", group("a"))})
	for _, c := range []struct {
		name  string
		email string
		in    []string
		want  bool
	}{
		{"both hold", "a@example.org", []string{"Finance"}, true},
		{"one of several values holds", "a@example.org", []string{"HR", "Ops"}, true},
		{"one does not", "a@example.com", []string{"Finance"}, false},
		{"case counts", "a@example.org", []string{"finance"}, false},
		{"the whole value counts", "a@example.org", []string{"DevOps"}, false},
		{"no value", "a@example.org", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := &replica.User{User: directory.User{Email: c.email, Attributes: map[string][]string{"department": c.in}}}
			if got := d.Wants[0].Feeds[0].Where(u); got != c.want {
				t.Errorf("counts %v, want %v", got, c.want)
			}
		})
	}
	without := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names = []string{"a"} })), []mapping.Source{source("corp", group("a"))})
	if without.Wants[0].Feeds[0].Where != nil {
		t.Error("a rule without conditions has one")
	}
}

// TestSeveralRulesOfOneGroup: what unites, what takes the gentlest, and what is left
// unwritten because the rules differ.
func TestSeveralRulesOfOneGroup(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	rule := func(name string, change func(*mapping.Spec)) mapping.Spec {
		return spec(func(s *mapping.Spec) {
			s.Name, s.Match.Names, s.To = name, []string{"*"}, "All"
			change(s)
		})
	}
	for _, c := range []struct {
		name    string
		rules   []mapping.Spec
		check   func(*plan.Want) bool
		problem string
	}{
		{"the gentlest members of two", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Members = "exact" }), rule("b", func(*mapping.Spec) {})},
			func(w *plan.Want) bool { return w.Members == plan.Owned }, "different values of members: the gentlest is used"},
		{"the gentlest members of three", []mapping.Spec{
			rule("a", func(*mapping.Spec) {}), rule("b", func(s *mapping.Spec) { s.Members = "add-only" }), rule("c", func(s *mapping.Spec) { s.Members = "exact" })},
			func(w *plan.Want) bool { return w.Members == plan.AddOnly }, "members"},
		{"create is or", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Create = "false" }), rule("b", func(s *mapping.Spec) { s.Create = "used" }), rule("c", func(s *mapping.Spec) { s.Create = "false" })},
			func(w *plan.Want) bool { return w.Create == plan.CreateUsed }, ""},
		{"adoption that all allow", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Adopt = []string{"name", "id"} }), rule("b", func(s *mapping.Spec) { s.Adopt = []string{"id", "path"} })},
			func(w *plan.Want) bool { return w.Adopt == plan.Adopt{ID: true} }, "adopt: only what all of them allow"},
		{"never adopts with anything", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Adopt = []string{"never"} }), rule("b", func(*mapping.Spec) {})},
			func(w *plan.Want) bool { return w.Adopt == plan.Adopt{} }, "adopt"},
		{"permissions unite, the most permissive wins", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Permissions = permission.Set{"chat.share": false, "chat.edit": true} }),
			rule("b", func(s *mapping.Spec) { s.Permissions = permission.Set{"chat.share": true} }), rule("c", func(*mapping.Spec) {})},
			func(w *plan.Want) bool {
				return cmp.Equal(w.Permissions, permission.Set{"chat.share": true, "chat.edit": true})
			}, ""},
		{"one names the share", []mapping.Spec{rule("a", func(*mapping.Spec) {}), rule("b", func(s *mapping.Spec) { s.Share = "members" })},
			func(w *plan.Want) bool { return w.Share == "members" }, ""},
		{"two shares: not written", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Share = "anyone" }), rule("b", func(s *mapping.Spec) { s.Share = "members" })},
			func(w *plan.Want) bool { return w.Share == "" }, "share: it is not written"},
		{"three shares: not written", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Share = "anyone" }), rule("b", func(s *mapping.Spec) { s.Share = "members" }), rule("c", func(s *mapping.Spec) { s.Share = "nobody" })},
			func(w *plan.Want) bool { return w.Share == "" }, "share"},
		{"two that agree after one that differs: not written", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Share = "anyone" }), rule("b", func(s *mapping.Spec) { s.Share = "nobody" }), rule("c", func(s *mapping.Spec) { s.Share = "nobody" })},
			func(w *plan.Want) bool { return w.Share == "" }, "share"},
		{"two descriptions: not written", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Description = text("x") }), rule("b", func(s *mapping.Spec) { s.Description = text("y") })},
			func(w *plan.Want) bool { return w.Description == nil }, "description: it is not written"},
		{"three descriptions: not written", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Description = text("x") }), rule("b", func(s *mapping.Spec) { s.Description = text("y") }), rule("c", func(s *mapping.Spec) { s.Description = text("z") })},
			func(w *plan.Want) bool { return w.Description == nil }, "description"},
		{"the same description twice", []mapping.Spec{
			rule("a", func(s *mapping.Spec) { s.Description = text("x") }), rule("b", func(*mapping.Spec) {}), rule("c", func(s *mapping.Spec) { s.Description = text("x") })},
			func(w *plan.Want) bool { return w.Description != nil && *w.Description == "x" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := mapping.Apply("chat", compile(t, c.rules...), []mapping.Source{source("corp", group("a"))})
			if len(d.Wants) != 1 || !c.check(&d.Wants[0]) {
				t.Errorf("wanted %+v", d.Wants)
			}
			if (c.problem == "") != (len(d.Problems) == 0) || !strings.Contains(problems(d), c.problem) {
				t.Errorf("problems %q, want %q", problems(d), c.problem)
			}
			for _, p := range d.Problems {
				if p.Kind != run.KindNaming || p.Hint == "" {
					t.Errorf("a problem without remedy: %+v", p)
				}
			}
		})
	}
}

func TestDescriptionFromTheDirectory(t *testing.T) {
	t.Parallel()
	text := "From {{ .Source }}: {{ .Description }}"
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.Description = []string{"a"}, &text })), []mapping.Source{source("corp", group("a"))})
	if got := d.Wants[0].Description; got == nil || *got != "From the corp: about a" {
		t.Errorf("description %v", got)
	}
	bad := "{{ .Match.none }}"
	d = mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.Description = []string{"a"}, &bad })), []mapping.Source{source("corp", group("a"))})
	if d.Wants[0].Description != nil || len(d.Problems) != 1 {
		t.Errorf("a description that cannot be made gives %v with %q", d.Wants[0].Description, problems(d))
	}
}

func TestAdoptionByIDNeedsOneDirectoryGroup(t *testing.T) {
	t.Parallel()
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names = []string{"a"} })), []mapping.Source{source("corp", group("a"))})
	if d.Wants[0].DirID != "id-a" || d.Wants[0].DirPath != "/org/a" {
		t.Errorf("id %q, path %q", d.Wants[0].DirID, d.Wants[0].DirPath)
	}
	d = mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Names, s.To = []string{"*"}, "All" })), []mapping.Source{source("corp", group("a"), group("b"))})
	if d.Wants[0].DirID != "" || d.Wants[0].DirPath != "" {
		t.Errorf("two directory groups give the id %q, path %q", d.Wants[0].DirID, d.Wants[0].DirPath)
	}
}

// TestApplyIsTheSameInAnyOrderOfRules: the order in which rules stand decides nothing.
func TestApplyIsTheSameInAnyOrderOfRules(t *testing.T) {
	t.Parallel()
	sources := []mapping.Source{source("corp", group("a"), group("b")), source("hr", group("a"))}
	specs := []mapping.Spec{
		spec(func(s *mapping.Spec) { s.Name, s.Match.Names = "one", []string{"*"} }),
		spec(func(s *mapping.Spec) {
			s.Name, s.Match.Names, s.To, s.Members = "two", []string{"a"}, "All", "exact"
		}),
		spec(func(s *mapping.Spec) {
			s.Name, s.Match.Everyone, s.To, s.Share = "three", true, "All", "nobody"
		}),
	}
	strip := func(d *plan.Desired) *plan.Desired {
		for w := range d.Wants {
			for f := range d.Wants[w].Feeds {
				d.Wants[w].Feeds[f].Where = nil
			}
		}
		slices.SortFunc(d.Problems, func(a, b run.Problem) int { return strings.Compare(a.Message, b.Message) })
		d.Problems = slices.Compact(d.Problems)
		return d
	}
	want := strip(mapping.Apply("chat", compile(t, specs...), sources))
	slices.Reverse(specs)
	if diff := cmp.Diff(want, strip(mapping.Apply("chat", compile(t, specs...), sources))); diff != "" {
		t.Error(diff)
	}
}
