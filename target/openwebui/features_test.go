package openwebui_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

func TestDoctorSaysWhatAVersionCannotDo(t *testing.T) {
	t.Parallel()
	all := openwebui.Expect{Parents: true, DefaultModels: true, Revokes: true}
	for _, c := range []struct {
		version string
		expect  openwebui.Expect
		level   providers.Level
		words   string
		remedy  string
	}{
		{"0.12.4", all, providers.OK, "has everything", ""},
		{"0.11.4", openwebui.Expect{}, providers.OK, "has everything", ""},
		{"0.11.4", all, providers.Warning, "`parent` has no effect", "0.12.0 or later"},
		{"0.8.12", all, providers.Warning, "`default_models` has no effect", "0.12.0 or later"},
		{"0.9.6", openwebui.Expect{Revokes: true}, providers.OK, "cannot end sign-in sessions", ""},
		{"0.13.0", openwebui.Expect{}, providers.Warning, "newer than 0.12.4", "newer groupsyncd"},
		{"1.0.2", openwebui.Expect{}, providers.Warning, "newer than 0.12.4", "newer groupsyncd"},
		{"0.12.19", all, providers.OK, "has everything", ""},
		{"corp", all, providers.OK, "has everything", ""},
	} {
		w := newWorld(t, "0.12.4", nil)
		w.Inject(openwebuitest.Fault{Path: "/api/version", Body: fmt.Sprintf(`{"version":%q}`, c.version)})
		found := w.client.Check(t.Context(), c.expect)
		if !slices.ContainsFunc(found, func(f providers.Finding) bool {
			return f.Check == "version" && f.Level == c.level && strings.Contains(f.Message, c.words) && strings.Contains(f.Remedy, c.remedy)
		}) {
			t.Errorf("%s: %+v", c.version, found)
		}
	}
}

func TestANewerVersionWorksAndIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0.12.4", nil)
	w.Inject(openwebuitest.Fault{Path: "/api/version", Body: `{"version":"0.13.1"}`})
	w.AddMembers(w.CreateGroup("g"), w.accounts(2)...)
	for range 3 {
		w.look(t, false)
	}
	w.check(t)
	if n := strings.Count(w.logs.String(), "newer than those"); n != 1 {
		t.Errorf("said %d times:\n%s", n, w.logs)
	}
}

// TestSettingsThatAVersionDoesNotShowAreNoMatterOfTheKey: no permission of the key changes it.
func TestSettingsThatAVersionDoesNotShowAreNoMatterOfTheKey(t *testing.T) {
	t.Parallel()
	for version, words := range map[string][]string{
		"0.8.12": {"ENABLE_OAUTH_GROUP_MANAGEMENT is false: Open WebUI 0.8.12 does not show it, versions from 0.10.0", "ENABLE_LDAP_GROUP_MANAGEMENT is false: Open WebUI 0.8.12 does not show it"},
		"0.10.2": {"ENABLE_LDAP_GROUP_MANAGEMENT is false: Open WebUI 0.10.2 does not show it, versions from 0.11.0"},
		"0.11.4": nil,
	} {
		w := newWorld(t, version, nil)
		w.SetBuiltIn(openwebuitest.BuiltIn{LDAP: true})
		problems, err := w.client.Session().BuiltInSync(t.Context())
		if err != nil || len(problems) != len(words) {
			t.Fatalf("%s: %v, %v", version, problems, err)
		}
		for i, p := range problems {
			if !strings.Contains(p.Hint, words[i]) || strings.Contains(p.Hint, "ALLOWED_ENDPOINTS") {
				t.Errorf("%s: %+v", version, p)
			}
		}
	}
}

// TestEventWebhooksAreRefusedBeforeThereAreAny, with what to do instead.
func TestEventWebhooksAreRefusedBeforeThereAreAny(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.12", "0.9.6"} {
		w := newWorld(t, version, nil)
		_, err := w.client.SetUpEvents(t.Context(), ourHook())
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), "0.10.0") || !strings.Contains(fault.HintOf(err), "watch") {
			t.Errorf("%s: %v, hint %q", version, err, fault.HintOf(err))
		}
	}
}

// columns are the versions that the matrix is about.
func columns() []string { return []string{"0.8.12", "0.9.6", "0.11.4", "0.12.4"} }

// TestTheMatrixOfVersionsSaysWhatTheCodeDoes compares docs/open-webui-versions.md with Features.
func TestTheMatrixOfVersionsSaysWhatTheCodeDoes(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/open-webui-versions.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, line := range regexp.MustCompile(`(?m)^\| (.+) \|$`).FindAllStringSubmatch(string(b), -1) {
		cells := strings.Split(line[1], " | ")
		rows[cells[0]] = cells[1:]
	}
	if head := rows["differs"]; !slices.Equal(head, append(columns(), "since", "on versions before that")) {
		t.Errorf("the table of differences begins with %q", head)
	}
	seen := 0
	for _, f := range openwebui.Features() {
		want := []string{}
		for _, v := range columns() {
			word := "no"
			if openwebuitest.AtLeast(v, f.Since) {
				word = "yes"
			}
			want = append(want, word)
		}
		if want = append(want, f.Since, f.Without); !slices.Equal(rows[f.Name], want) {
			t.Errorf("row %q is\n%q, the code says\n%q", f.Name, rows[f.Name], want)
		}
		seen++
	}
	table := strings.Count(string(b[strings.Index(string(b), "| differs |"):]), "\n| ")
	if rest := strings.Index(string(b), "| differs |"); rest < 0 || table < seen {
		t.Errorf("%d rows of differences, %d features", table, seen)
	}
}
