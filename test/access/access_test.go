package access

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/internal/secret"
	"groupsyncd/sync/access"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

const apiKey = "sk-test"

// stored are default permissions as people and older versions leave them.
func stored() map[string]string {
	return map[string]string{
		"as shipped": "",
		"null":       "null",
		"partial":    `{"chat":{"call":false},"workspace":{"tools":true}}`,
		"unknown":    `{"chat":{"call":false,"newer":true},"own":{"thing":true}}`,
		"five": `{"workspace":{"models":true},"sharing":{"public_tools":true},"chat":{"call":false,"edit":false},
			"features":{"web_search":false},"settings":{"interface":false}}`,
	}
}

// office is a server full of chance.
type office struct {
	*openwebuitest.Server
	chance *rand.Rand
	people []string
	groups []string
}

func open(t *testing.T, version, defaults string, seed uint64) *office {
	t.Helper()
	o := &office{chance: rand.New(rand.NewPCG(seed, 1)),
		Server: openwebuitest.New(openwebuitest.Options{Version: version, Key: apiKey, Now: func() time.Time { return time.Unix(1_795_000_000, 0) }})}
	if defaults != "" {
		o.SetDefaultPermissions(json.RawMessage(defaults))
	}
	for i := range 12 {
		id := o.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("p%d@example.org", i), Name: fmt.Sprint("P", i)})
		if i%5 == 4 {
			o.SetRole(id, "admin")
		}
		o.people = append(o.people, id)
	}
	trees := []string{"", "null", "{}", `{"chat":{"call":true}}`, `{"workspace":{"models":true,"tools":false},"own":{"thing":true}}`,
		`{"features":{"api_keys":true},"chat":{"call":null,"newer":3}}`, `{"access_grants":{"allow_users":false}}`}
	for i := range 8 {
		id := o.CreateGroup(fmt.Sprint("Group ", i))
		if tree := pick(o, trees); tree != "" {
			o.SetPermissions(id, json.RawMessage(tree))
		}
		for _, p := range o.people {
			if o.chance.IntN(4) == 0 {
				o.AddMembers(id, p)
			}
		}
		if strings.HasPrefix(version, "0.12.") && i > 0 && o.chance.IntN(2) == 0 {
			o.SetParent(id, pick(o, o.groups))
		}
		// What our own groups allow hides what is stored beside what the server shows.
		if strings.HasPrefix(version, "0.12.") && !strings.Contains(defaults, "own") && i%3 == 0 {
			o.AddMembers(id, o.Admin)
		}
		o.groups = append(o.groups, id)
	}
	o.share()
	return o
}

func pick(o *office, from []string) string { return from[o.chance.IntN(len(from))] }

// share puts things there, some on top of others.
func (o *office) share() {
	o.OfferModels("m0", "offered")
	for _, kind := range plan.ResourceTypes() {
		for i := range 6 {
			r := openwebuitest.Resource{Type: kind, ID: fmt.Sprint(kind[:1], i), Name: fmt.Sprint(kind, " ", i)}
			if o.chance.IntN(3) == 0 {
				r.Owner = pick(o, o.people)
			}
			if kind == plan.Models && i > 1 {
				r.Base = fmt.Sprint("m", o.chance.IntN(i))
			}
			for range o.chance.IntN(4) {
				g := openwebuitest.Grant{Permission: pick(o, []string{"read", "read", "write"})}
				switch o.chance.IntN(6) {
				case 0:
					g.Kind, g.ID = "user", "*"
				case 1:
					g.Kind, g.ID = "user", pick(o, o.people)
				default:
					g.Kind, g.ID = "group", pick(o, o.groups)
				}
				r.Grants = append(r.Grants, g)
			}
			o.Share(r)
		}
	}
}

// view looks at the server as groupsyncd does.
func (o *office) view(t *testing.T) *access.View {
	t.Helper()
	c, err := openwebui.New(openwebui.Options{Name: "chat", URL: "http://chat.example.org", Transport: o.Transport(), Logger: slog.New(slog.DiscardHandler),
		APIKey: func() (secret.Value, error) { return secret.New(apiKey), nil }, Now: func() time.Time { return time.Unix(1_795_000_100, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Session()
	mem := plan.NewMemory("chat", "test", time.Unix(0, 0))
	seen, err := s.Observe(t.Context(), mem.Mirror, plan.Look{Roles: true, Defaults: true, Own: true, Also: plan.ResourceTypes()})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := s.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mem.Observe(seen)
	return access.New(mem, access.Seen{Settings: settings, Own: seen.Own})
}

// ask gets an answer as one person, into v.
func (o *office) ask(t *testing.T, person, path string, v any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://chat.example.org"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.Token(person))
	resp, err := o.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s as %s: %d %s %v", path, person, resp.StatusCode, body, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
}

func dotted(tree map[string]any, prefix string, out map[string]bool) {
	for key, value := range tree {
		switch value := value.(type) {
		case map[string]any:
			dotted(value, prefix+key+".", out)
		case bool:
			out[prefix+key] = value
		default:
			out[prefix+key] = value != nil && value != 0.0
		}
	}
}

type thing struct {
	ID    string `json:"id"`
	Write bool   `json:"write_access"`
}

// listed gives what one person sees in the lists, and whether they may write it.
func (o *office) listed(t *testing.T, person string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, kind := range plan.ResourceTypes() {
		var things []thing
		if kind == plan.Tools {
			o.ask(t, person, "/api/v1/tools/list", &things)
		} else {
			path := "/api/v1/" + kind + "/list?page=1"
			if kind == plan.Knowledge {
				path = "/api/v1/knowledge/?page=1"
			}
			var page struct {
				Items []thing `json:"items"`
			}
			o.ask(t, person, path, &page)
			things = page.Items
		}
		for _, th := range things {
			out[kind+"/"+th.ID] = map[bool]string{true: "write", false: "read"}[th.Write]
		}
	}
	return out
}

// TestItIsWhatTheServerAnswersEachPerson: permissions key by key, and every list.
func TestItIsWhatTheServerAnswersEachPerson(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.12.4", "0.12.0", "0.11.4", "0.9.0", "0.8.0"} {
		for name, defaults := range stored() {
			t.Run(version+" "+name, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(3) {
					o := open(t, version, defaults, seed)
					v := o.view(t)
					for _, person := range o.people {
						o.compare(t, v, person)
					}
				}
			})
		}
	}
}

func (o *office) compare(t *testing.T, v *access.View, person string) {
	t.Helper()
	n, known := v.Find(person)
	if !known {
		t.Fatalf("%s is not known", person)
	}
	u := v.User(n)
	var tree map[string]any
	o.ask(t, person, "/api/v1/users/permissions", &tree)
	want, got := map[string]bool{}, map[string]bool{}
	dotted(tree, "", want)
	for key, right := range u.Permissions {
		got[key] = right.Allowed
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("permissions of %s (-server +us):\n%s", u.User.Email, diff)
	}
	lists := map[string]string{}
	for _, r := range u.Resources {
		// Models without a base, or without a row, are in no list of the workspace.
		if base := r.Type == plan.Models && (r.ID == "m0" || r.ID == "m1" || r.ID == "offered"); !base && !r.Hidden {
			lists[r.Type+"/"+r.ID] = r.Permission
		}
	}
	if diff := cmp.Diff(o.listed(t, person), lists); diff != "" {
		t.Errorf("lists of %s (-server +us):\n%s", u.User.Email, diff)
	}
}
