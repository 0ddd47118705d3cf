package file

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
)

// document is a world in the shape of YAML and JSON files.
type document struct {
	Users  []userEntry  `json:"users"`
	Groups []groupEntry `json:"groups"`
}

type userEntry struct {
	ID         string              `json:"id"`
	Email      string              `json:"email,omitempty"`
	Username   string              `json:"username,omitempty"`
	Name       string              `json:"name,omitempty"`
	Disabled   bool                `json:"disabled,omitempty"`
	Attributes map[string][]string `json:"attributes,omitempty"`
}

type groupEntry struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Members     []string `json:"members,omitempty"`
	Groups      []string `json:"groups,omitempty"`
	Owners      []string `json:"owners,omitempty"`
}

func documentOf(w providertest.World) document {
	d := document{Users: []userEntry{}, Groups: []groupEntry{}}
	for _, u := range w.Users {
		d.Users = append(d.Users, userEntry(u))
	}
	for _, g := range w.Groups {
		d.Groups = append(d.Groups, groupEntry{g.ID, g.Name, g.Description, g.Members, g.Groups, g.Owners})
	}
	return d
}

func writeJSON(t testing.TB, w providertest.World) []byte {
	t.Helper()
	b, err := json.MarshalIndent(documentOf(w), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeYAML writes block style with quoted values, as people and tools do.
func writeYAML(t testing.TB, w providertest.World) []byte {
	t.Helper()
	quote := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	d := documentOf(w)
	var b strings.Builder
	list := func(key string, n int) {
		if b.WriteString(key + ":"); n == 0 {
			b.WriteString(" []")
		}
		b.WriteString("\n")
	}
	list("users", len(d.Users))
	for _, u := range d.Users {
		fmt.Fprintf(&b, "  - id: %s\n    email: %s\n    username: %s\n    name: %s\n    disabled: %t\n", u.ID, quote(u.Email), quote(u.Username), quote(u.Name), u.Disabled)
		if len(u.Attributes) > 0 {
			fmt.Fprintf(&b, "    attributes: %s\n", quote(u.Attributes))
		}
	}
	list("groups", len(d.Groups))
	for _, g := range d.Groups {
		fmt.Fprintf(&b, "  - id: %s\n    name: %s\n    description: %s\n    members: %s\n    groups: %s\n",
			g.ID, quote(g.Name), quote(g.Description), quote(append([]string{}, g.Members...)), quote(append([]string{}, g.Groups...)))
		if g.Owners != nil {
			fmt.Fprintf(&b, "    owners: %s\n", quote(g.Owners))
		}
	}
	return []byte(b.String())
}

func writeCSV(t testing.TB, w providertest.World) []byte {
	t.Helper()
	var b strings.Builder
	c := csv.NewWriter(&b)
	row := func(values ...string) {
		if err := c.Write(values); err != nil {
			t.Fatal(err)
		}
	}
	row("group", "email", "username", "name", "disabled")
	for _, u := range w.Users {
		row("", u.Email, u.Username, u.Name, fmt.Sprint(u.Disabled))
	}
	for _, g := range w.Groups {
		for _, m := range g.Members {
			i := slices.IndexFunc(w.Users, func(u providertest.User) bool { return u.ID == m })
			row(g.Name, w.Users[i].Email, "", "", "")
		}
	}
	c.Flush()
	return []byte(b.String())
}

func writeLDIF(_ testing.TB, w providertest.World) []byte {
	var b strings.Builder
	line := func(name, value string) {
		if value == "" {
			return
		}
		text := name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
		if !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) && !strings.ContainsAny(value[:1], " :<") {
			text = name + ": " + value
		}
		for len(text) > 76 {
			b.WriteString(text[:76] + "\n")
			text = " " + text[76:]
		}
		b.WriteString(text + "\n")
	}
	userDN := func(id string) string { return "uid=" + id + ",ou=People,dc=Example,dc=Org" }
	groupDN := func(g providertest.Group) string {
		return "cn=" + ldap.EscapeDN(g.Name) + ",ou=Groups" + g.Place + ",dc=Example,dc=Org"
	}
	b.WriteString("version: 1\n\n# The top of the tree\ndn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n")
	for _, g := range w.Groups {
		line("dn", groupDN(g))
		line("objectClass", "groupOfNames")
		line("entryUUID", g.ID)
		line("cn", g.Name)
		line("description", g.Description)
		for _, m := range g.Members {
			line("member", strings.ToUpper(userDN(m)))
		}
		for _, other := range w.Groups {
			if slices.Contains(g.Groups, other.ID) {
				line("member", groupDN(other))
			}
			if slices.Contains(g.Owners, other.ID) {
				line("owner", groupDN(other))
			}
		}
		for _, u := range w.Users {
			if slices.Contains(g.Owners, u.ID) {
				line("owner", userDN(u.ID))
			}
		}
		b.WriteString("\n")
	}
	for _, u := range w.Users {
		line("dn", userDN(u.ID))
		line("objectClass", "inetOrgPerson")
		line("entryUUID", strings.ToUpper(u.ID))
		line("mail", u.Email)
		line("uid", u.Username)
		line("cn", u.Name)
		if u.Disabled {
			line("pwdAccountLockedTime", permanentLock)
		}
		b.WriteString("\n")
	}
	return []byte(b.String())
}

type writer func(testing.TB, providertest.World) []byte

func open(t testing.TB, path string) providers.Source {
	t.Helper()
	c := Type().New().(*Config)
	c.Path = scalar.Path(path)
	s, err := c.Open(providers.Options{Name: "list"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put replaces a file by renaming, as its owners should.
func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func harness(format string, write writer) providertest.Harness {
	live := func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
		path := filepath.Join(t.TempDir(), "people."+format)
		put(t, path, write(t, w))
		return open(t, path), func(w providertest.World) { put(t, path, write(t, w)) }
	}
	broken := func(spoil func(t testing.TB, path string, data []byte)) func(testing.TB, providertest.World) providers.Source {
		return func(t testing.TB, w providertest.World) providers.Source {
			path := filepath.Join(t.TempDir(), "people."+format)
			spoil(t, path, write(t, w))
			return open(t, path)
		}
	}
	return providertest.Harness{
		Live:   live,
		Owners: format != "csv",
		Open:   func(t testing.TB, w providertest.World) providers.Source { s, _ := live(t, w); return s },
		Faults: []providertest.Fault{
			{Name: "no file", Kinds: []fault.Kind{fault.Unavailable}, Open: broken(func(testing.TB, string, []byte) {})},
			{Name: "an empty file", Kinds: []fault.Kind{fault.Incomplete}, Open: broken(func(t testing.TB, path string, _ []byte) { put(t, path, nil) })},
			{Name: "a cut file", Kinds: []fault.Kind{fault.Invalid}, Open: broken(func(t testing.TB, path string, data []byte) {
				put(t, path, data[:len(data)-len("\"]\n}]}  \n")])
			})},
			{Name: "not UTF-8", Kinds: []fault.Kind{fault.Invalid}, Open: broken(func(t testing.TB, path string, data []byte) {
				put(t, path, append(data, 0xff, '\n'))
			})},
			{Name: "a folder", Kinds: []fault.Kind{fault.Invalid}, Open: broken(func(t testing.TB, path string, _ []byte) {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			})},
		},
	}
}

func TestYAMLKeepsTheContract(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness("yaml", writeYAML))
}

func TestJSONKeepsTheContract(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness("json", writeJSON))
}

func TestLDIFKeepsTheContract(t *testing.T) {
	t.Parallel()
	h := harness("ldif", writeLDIF)
	h.NoAttributes = true
	providertest.Run(t, h)
}

// A CSV file has memberships and nothing else, and its ids are mail addresses and
// names of groups.
func TestCSVKeepsTheContract(t *testing.T) {
	t.Parallel()
	h := harness("csv", writeCSV)
	h.OwnIDs = true
	h.NoNesting, h.NoEmptyGroups, h.NoDescription, h.NoAttributes, h.NoUnresolved = true, true, true, true, true
	h.NoSameName, h.NoSameEmail, h.NoLoneUsers, h.NoStableIDs = true, true, true, true
	// A row that is cut inside its mail address is a good row.
	h.Faults = slices.DeleteFunc(h.Faults, func(f providertest.Fault) bool { return f.Name == "a cut file" })
	providertest.Run(t, h)
}
