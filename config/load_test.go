package config_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestBadFilesSayWhatIsWrong compares each bad file with the messages beside it.
func TestBadFilesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found := problems(t, string(data))
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			compare(t, golden, found.Error()+"\n")
			if fault.KindOf(found) != fault.Invalid {
				t.Error("the problems do not count as invalid input")
			}
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", golden, diff)
	}
}

const smallest = `
sources: {corp: {type: ldap, url: ldap://localhost, users: {base: "dc=x"}}}
targets: {chat: {url: "http://127.0.0.1:8080", api_key: file:key}}
rules: [{match: "ai-*"}]
`

func TestSmallestFileGetsEveryDefault(t *testing.T) {
	t.Parallel()
	c := load(t, smallest)
	minute := time.Minute
	s, target := c.Sources[0], c.Targets[0]
	for _, check := range []struct {
		key       string
		got, want any
	}{
		{"mode", c.Mode, "apply"},
		{"state", string(c.State), "/var/lib/groupsyncd"},
		{"time_zone", c.TimeZone, "UTC"},
		{"log", c.Log, config.Log{Level: "info", Format: "auto"}},
		{"schedule", s.Schedule, "every 15m"},
		{"max_age", s.MaxAge.Std(), 48 * 60 * minute},
		{"lag", s.Lag.Std(), 0 * minute},
		{"a default of the source's own", s.Config.(*dirConfig).Page, uint16(500)},
		{"target.type", target.Type, "openwebui"},
		{"target.mode", target.Mode, "apply"},
		{"target.match", target.Match, []string{"sign_in", "email"}},
		{"max_people", c.Safety.MaxPeople, plan.LimitBoth(500, 20)},
		{"max_people_24h", c.Safety.MaxPeople24h, plan.LimitBoth(1000, 40)},
		{"max_group_loss", c.Safety.MaxGroupLoss, plan.LimitPercent(50)},
		{"max_new_groups", c.Safety.MaxNewGroups, plan.LimitOff()},
		{"max_source_shrink", c.Safety.MaxSourceShrink, plan.LimitPercent(30)},
		{"absence.reads", c.Safety.Absence.Reads, 2},
		{"absence.over", c.Safety.Absence.Over.Std(), 15 * minute},
		{"approval_ttl", c.Safety.ApprovalTTL.Std(), 24 * 60 * minute},
		{"stale_after", c.StaleAfter, 3},
		{"warnings", len(c.Warnings()), 0},
	} {
		if diff := cmp.Diff(check.want, check.got); diff != "" {
			t.Errorf("%s: %s", check.key, diff)
		}
	}
	want := []mapping.Spec{{Match: mapping.Match{Names: []string{"ai-*"}}, To: "{{ .Name }}", Create: "true", Adopt: []string{"name"}, Members: "owned"}}
	if diff := cmp.Diff(want, c.Specs("chat")); diff != "" {
		t.Error(diff)
	}
}

func TestLagFollowsTheNumberOfServersUnlessGiven(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]time.Duration{
		"url: ldap://a":                      {0, 5 * time.Minute},
		"url: [ldap://a, ldap://b]":          {5 * time.Minute, 5 * time.Minute},
		"url: [ldap://a, ldap://b], lag: 0s": {0, 0},
		"url: [ldap://a, ldap://b], lag: 0":  {0, 0},
		"url: ldap://a, lag: 2m":             {2 * time.Minute, 2 * time.Minute},
	} {
		s := load(t, strings.Replace(smallest, "url: ldap://localhost", text, 1)).Sources[0]
		if got := [2]time.Duration{s.Lag.Std(), s.LagReplicated.Std()}; got != want {
			t.Errorf("%s: lag, and that of a server that turns out to be one of several: %v, want %v", text, got, want)
		}
	}
}

func TestEveryFormOfAMatch(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]mapping.Match{
		`"ai-*"`:                 {Names: []string{"ai-*"}},
		`2024`:                   {Names: []string{"2024"}},
		`["ai-*", b]`:            {Names: []string{"ai-*", "b"}},
		`{name: a}`:              {Names: []string{"a"}},
		`{name: [everyone]}`:     {Names: []string{"everyone"}},
		`{id: [a, b]}`:           {IDs: []string{"a", "b"}},
		`{dn: "cn=a,dc=b"}`:      {DNs: []string{"cn=a,dc=b"}},
		`{path: ["/a/*", "/b"]}`: {Paths: []string{"/a/*", "/b"}},
		`{regex: "^a(?P<x>.)$"}`: {Regexps: []string{"^a(?P<x>.)$"}},
		`everyone, to: All`:      {Everyone: true},
	} {
		c := load(t, strings.Replace(smallest, `"ai-*"`, text, 1))
		if diff := cmp.Diff(want, c.Rules[0].Match); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestEveryFormOfALimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]plan.Limit{
		`7`:                          plan.LimitCount(7),
		`0`:                          plan.LimitCount(0),
		`20%`:                        plan.LimitPercent(20),
		`"2.5 %"`:                    plan.LimitPercent(2.5),
		`off`:                        plan.LimitOff(),
		`{count: 5, percent: 20}`:    plan.LimitBoth(5, 20),
		`{count: 5, percent: "20%"}`: plan.LimitBoth(5, 20),
		`{count: 5}`:                 plan.LimitCount(5),
		`{percent: 12.5}`:            plan.LimitPercent(12.5),
	} {
		c := load(t, smallest+"safety: {max_people: "+text+"}\n")
		if diff := cmp.Diff(want, c.Safety.MaxPeople); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestEveryFormOfCreateAdoptAndPermissions(t *testing.T) {
	t.Parallel()
	sets := "\npermission_sets: {basic: {chat: {call: true, tts: false}}, more: {extends: basic, chat: {tts: true, call: false}}}\n"
	for text, check := range map[string]func(mapping.Spec) bool{
		"create: used":      func(s mapping.Spec) bool { return s.Create == "used" },
		"create: false":     func(s mapping.Spec) bool { return s.Create == "false" },
		"adopt: never":      func(s mapping.Spec) bool { return slices.Equal(s.Adopt, []string{"never"}) },
		"adopt: [id, path]": func(s mapping.Spec) bool { return slices.Equal(s.Adopt, []string{"id", "path"}) },
		"permissions: basic": func(s mapping.Spec) bool {
			return cmp.Equal(s.Permissions, permission.Set{"chat.call": true, "chat.tts": false})
		},
		"permissions: [more]": func(s mapping.Spec) bool {
			return cmp.Equal(s.Permissions, permission.Set{"chat.call": false, "chat.tts": true})
		},
		"permissions: [basic, more]": func(s mapping.Spec) bool {
			return cmp.Equal(s.Permissions, permission.Set{"chat.call": true, "chat.tts": true})
		},
		"permissions: {chat: {edit: true}}": func(s mapping.Spec) bool { return cmp.Equal(s.Permissions, permission.Set{"chat.edit": true}) },
		"permissions: [basic, {chat: {tts: true}}]": func(s mapping.Spec) bool {
			return cmp.Equal(s.Permissions, permission.Set{"chat.call": true, "chat.tts": true})
		},
		"permissions: []":   func(s mapping.Spec) bool { return s.Permissions == nil },
		"where: {a: b*}":    func(s mapping.Spec) bool { return cmp.Equal(s.Where, map[string][]string{"a": {"b*"}}) },
		"description: ''":   func(s mapping.Spec) bool { return s.Description != nil && *s.Description == "" },
		"share: nobody":     func(s mapping.Spec) bool { return s.Share == "nobody" && s.Description == nil },
		"members: add-only": func(s mapping.Spec) bool { return s.Members == "add-only" },
	} {
		c := load(t, strings.Replace(smallest, `"ai-*"`, `"ai-*", `+text, 1)+sets)
		if specs := c.Specs("chat"); !check(specs[0]) {
			t.Errorf("%s gave %+v", text, specs[0])
		}
	}
}

func TestRulesGoToTheirTargetsOnly(t *testing.T) {
	t.Parallel()
	c := load(t, `
mode: plan
sources: {corp: {type: file, path: people.yaml}, hr: {type: file, path: /abs/hr.yaml}}
targets:
  chat: {url: "http://a", api_key: env:A}
  other: {url: "http://b", api_key: env:B, mode: apply}
rules:
  - {name: one, from: corp, match: a, target: chat}
  - {name: two, from: [corp, hr], match: b, target: [chat, other]}
  - {name: three, match: c}
`)
	names := func(target string) (out []string) {
		for _, s := range c.Specs(target) {
			out = append(out, s.Name)
		}
		return out
	}
	if diff := cmp.Diff([][]string{{"one", "two", "three"}, {"two", "three"}, {"three"}}, [][]string{names("chat"), names("other"), names("none")}); diff != "" {
		t.Error(diff)
	}
	if c.Target("chat").Mode != "plan" || c.Target("other").Mode != "apply" || c.Target("x") != nil {
		t.Error("a target's mode is its own, else that of the file")
	}
	if got := c.Source("corp").Config.(*listConfig).Path; got != "/etc/groupsyncd/people.yaml" {
		t.Errorf("a relative path became %s", got)
	}
	if got := c.Source("hr").Config.(*listConfig).Path; got != "/abs/hr.yaml" || c.Source("x") != nil {
		t.Errorf("an absolute path became %s", got)
	}
}

func TestAliasesAndMergeKeysAreFollowed(t *testing.T) {
	t.Parallel()
	c := load(t, `
sources:
  a: &base {type: ldap, url: ldap://a, users: &users {base: dc=x, filter: f}}
  b: {<<: *base, url: ldap://b, users: {<<: [*users], base: dc=y}}
targets: {chat: {url: "http://127.0.0.1:8080", api_key: file:key, ignore: &mails [a@x.org], protect: *mails}}
rules: [{match: "ai-*"}]
`)
	b := c.Source("b").Config.(*dirConfig)
	if b.URL[0] != "ldap://b" || b.Users.Base[0] != "dc=y" || b.Users.Filter != "f" || c.Targets[0].Protect[0] != "a@x.org" {
		t.Errorf("%+v %+v", b, c.Targets[0])
	}
}

func TestAliasBombIsRefusedQuickly(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("permission_sets:\n  s0: &s0 {a: true, b: true}\n")
	for i := range 29 {
		fmt.Fprintf(&b, "  s%d: &s%d {x: *s%d, y: *s%d, z: *s%d}\n", i+1, i+1, i, i, i)
	}
	start := time.Now()
	found := problems(t, smallest+b.String())
	if !strings.Contains(found.Error(), "aliases make this file too large") {
		t.Error(found)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestWarningsDoNotStopTheFile(t *testing.T) {
	t.Parallel()
	c := load(t, smallest+"permission_sets:\n  basic:\n    chat: {file_uplaod: true}\n    workspace: {modles: true}\n    file_upload: true\n    chat2: {deep: {er: true}}\n")
	compare(t, "testdata/warnings.txt", c.Warnings().Error()+"\n")
	if c.File() != "groupsyncd.yaml" {
		t.Error(c.File())
	}
}

func TestSecretsAreReadAndReportedWhereTheyStand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("hidden-value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("hidden-value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	opts := options()
	opts.Dir = dir
	c, err := config.Load([]byte(`sources:
  corp:
    type: ldap
    url: ldap://localhost
    users: {base: dc=x}
    bind: {dn: cn=x, password: file:missing}
    keys: {one: file:open, two: file:key}
targets: {chat: {url: "http://127.0.0.1:8080", api_key: file:key}}
rules: [{match: "ai-*"}]
`), opts)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(c.CheckSecrets().Error(), dir, "DIR")
	compare(t, "testdata/secrets.txt", got+"\n")
	if strings.Contains(got, "hidden-value") {
		t.Error("the secret is in the message")
	}
}

func TestFindLooksInOrder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	env := func(name string) string { return map[string]string{"GROUPSYNCD_CONFIG": "from-env.yaml"}[name] }
	none := func(string) string { return "" }
	if got, err := config.Find("flag.yaml", env); got != "flag.yaml" || err != nil {
		t.Error(got, err)
	}
	if got, err := config.Find("", env); got != "from-env.yaml" || err != nil {
		t.Error(got, err)
	}
	if _, err := os.Stat("/etc/groupsyncd/groupsyncd.yaml"); err != nil {
		if _, err := config.Find("", none); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Error(err)
		}
	}
	if err := os.WriteFile("groupsyncd.yaml", []byte(smallest), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := config.Find("", none); got != "groupsyncd.yaml" || err != nil {
		t.Error(got, err)
	}
	c, err := config.LoadFile("groupsyncd.yaml", options())
	if err != nil || c.File() != "groupsyncd.yaml" {
		t.Fatal(err)
	}
	_, err = config.LoadFile("missing.yaml", options())
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "config init") || !strings.Contains(err.Error(), "missing.yaml") {
		t.Error(err)
	}
	if _, err = config.LoadFile(dir, options()); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestHugeFileAndBytesThatAreNoText(t *testing.T) {
	t.Parallel()
	if got := problems(t, strings.Repeat("#", 5<<20)).Error(); !strings.Contains(got, "larger than 4 MiB") {
		t.Error(got)
	}
	if got := problems(t, "mode: apply\nstate: \xff\n").Error(); !strings.HasPrefix(got, "groupsyncd.yaml:2:8: this is not text in UTF-8") {
		t.Error(got)
	}
	if got := problems(t, "mode: a\x00\n").Error(); !strings.HasPrefix(got, "groupsyncd.yaml:1:8: this is not text") {
		t.Error(got)
	}
	load(t, "\xef\xbb\xbf"+smallest)
}

// canary looks like a key of Open WebUI.
const canary = "sk-canary7f3a91c2d8e45b60"

// TestNoErrorRepeatsASecretWhereverItStands puts a secret into the place of every
// value, every key and every line of a file.
func TestNoErrorRepeatsASecretWhereverItStands(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	failures := 0
	try := func(changed []string) {
		c, err := config.Load([]byte(strings.Join(changed, "\n")), options())
		switch {
		case err != nil:
			failures++
			if strings.Contains(err.Error(), "canary7f3a") {
				t.Errorf("%s\nin the file\n%s", err, strings.Join(changed, "\n"))
			}
		case strings.Contains(c.Warnings().Error(), "canary7f3a"):
			t.Errorf("%s", c.Warnings())
		}
	}
	for i, line := range lines {
		key, value, found := strings.Cut(line, ": ")
		indent := line[:len(line)-len(strings.TrimLeft(line, " -"))]
		for _, replacement := range []string{
			key + ": " + canary, key + ": [" + canary + "]", key + ": {" + canary + ": x}", key + ": {x: " + canary + "}",
			key + ": {" + canary + "}", key + ": *" + canary, key + ": !" + canary + " x", key + ": '" + canary, key + ": \"\\q" + canary,
			key + ": " + canary + ": x", key + ":" + canary, indent + canary + ": " + value, indent + canary, "\t" + canary,
			key + ": https://user:" + canary + "@host/", key + ": " + canary + " " + value, key + ": |\n" + indent + "  " + canary,
			key + ": (" + canary, key + ": {{ " + canary, key + ": '{{ ." + canary + " }}'",
		} {
			if !found && !strings.HasPrefix(replacement, indent+canary) {
				continue
			}
			changed := slices.Clone(lines)
			changed[i] = replacement
			try(changed)
		}
	}
	if failures < 300 {
		t.Errorf("only %d files failed: the test does not reach what it should", failures)
	}
}

func TestShowIsReadAgainAsTheSame(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"testdata/good/full.yaml", ""} {
		text := smallest
		if file != "" {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
		}
		first := load(t, text)
		shown, err := config.Show(first)
		if err != nil {
			t.Fatal(err)
		}
		if file != "" {
			compare(t, "testdata/good/full.shown", string(shown))
		}
		second := load(t, string(shown))
		again, err := config.Show(second)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(shown, again) {
			t.Error(cmp.Diff(string(shown), string(again)))
		}
		if diff := cmp.Diff(first.Specs("chat"), second.Specs("chat")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(first.Safety, second.Safety); diff != "" {
			t.Error(diff)
		}
	}
}

func TestInitialFileLoads(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Init(), options())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 1 || len(c.Targets) != 1 || len(c.Rules) != 1 || len(c.Warnings()) != 0 {
		t.Error("the initial file is not the smallest one")
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Load(data, options())
		if err != nil {
			found, ok := errors.AsType[config.Problems](err)
			if !ok || len(found) == 0 {
				t.Fatalf("no problems, but %v", err)
			}
			for _, p := range found {
				if p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Fatalf("%+v", p)
				}
			}
			return
		}
		shown, err := config.Show(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(shown, options()); err != nil {
			t.Fatalf("what Show wrote is refused: %v\n%s", err, shown)
		}
	})
}
