package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
)

// pull writes a file and reads it.
func pull(t *testing.T, name, text string) *directory.Snapshot {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	put(t, path, []byte(text))
	s, err := open(t, path).Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Coverage() != directory.Full {
		t.Fatalf("coverage is %s", s.Coverage())
	}
	return s
}

// lines shows what matters of a snapshot.
func lines(s *directory.Snapshot) []string {
	list := []string{}
	for i := range s.Users {
		u := &s.Users[i]
		line := strings.Join([]string{u.ID, u.Email, u.Username, u.Name}, "|")
		if u.Disabled {
			line += "|disabled"
		}
		list = append(list, line)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		line := g.ID + "|" + g.Name + ":"
		for _, m := range g.Members {
			line += " " + s.Users[m].ID
		}
		for _, ref := range g.Unresolved {
			line += " ?" + ref
		}
		list = append(list, line)
	}
	return list
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, text string
		want             []string
	}{
		{"an empty directory is said in so many words", "x.yaml", "users: []\ngroups: []\n", []string{}},
		{"the same in JSON, with a byte order mark", "x.json", "\uFEFF{\"groups\": [], \"users\": []}", []string{}},
		{"the id of a group is its name by default", "x.yml", "users: [{id: a, disabled: True}]\ngroups: [{name: g, members: [a, b], groups: [h]}]\n",
			[]string{"a||||disabled", "g|g: a ?b ?h"}},
		{"a group and a user may share an id", "x.yaml", "users: [{id: a}]\ngroups: [{id: a, name: g}, {id: b, name: h, members: [a], owners: [z]}]\n",
			[]string{"a|||", "a|g:", "b|h: a", "b:owners|owners of h: ?z"}},
		{"owners are people or the members of a group, or nobody", "x.yaml", "users: [{id: a}, {id: b}]\ngroups: [{name: g, members: [a], owners: [b, g]}, {name: h, owners: []}]\n",
			[]string{"a|||", "b|||", "g|g: a", "h|h:", "g:owners|owners of g: a b", "h:owners|owners of h:"}},
		{"LDIF with owners", "x.ldif",
			"dn: uid=anna,dc=x\nobjectClass: person\nuid: anna\n\ndn: cn=g,dc=x\nobjectClass: groupOfNames\ncn: g\nmember: cn=h,dc=x\nowner: UID=anna,dc=x\n\ndn: cn=h,dc=x\nobjectClass: groupOfNames\ncn: h\nmanagedBy: cn=ghost,dc=x\n",
			[]string{"uid=anna,dc=x||anna|", "cn=g,dc=x|g:", "cn=h,dc=x|h:", "cn=g,dc=x:owners|owners of g: uid=anna,dc=x", "cn=h,dc=x:owners|owners of h: ?cn=ghost,dc=x"}},
		{"JSON with escapes that YAML reads otherwise", "x.json", `{"users": [{"id": "\ud83d\ude00\/"}], "groups": []}`, []string{"😀/|||"}},
		{"CSV with Windows line ends, quotes, other order and a byte order mark", "x.csv",
			"\uFEFFEmail, Group ,Name\r\nAnna@Example.org,\"Sales, EMEA\",\"Anna \"\"A\"\" Arendt\"\r\nbob@example.org,,\r\n anna@example.org ,Staff,\r\n",
			[]string{"anna@example.org|Anna@Example.org||Anna \"A\" Arendt", "bob@example.org|bob@example.org||", "Sales, EMEA|Sales, EMEA: anna@example.org", "Staff|Staff: anna@example.org"}},
		{"CSV where a later row disables", "x.csv", "group,email,disabled\ng,a@x,\nh,a@x,TRUE\ng,a@x,true", []string{"a@x|a@x|||disabled", "g|g: a@x", "h|h: a@x"}},
		{"LDIF with folded lines, base64, comments and Windows line ends", "x.ldif",
			"version: 1\r\ndn: uid=anna,ou=people,dc=ex\r\n ample,dc=org\r\n# a comment\r\n  that goes on\r\nobjectClass: top\r\nobjectClass: inetOrgPerson\r\nuid: anna\r\ncn:: w4RubmE=\r\nmail: anna@example.org\r\nmail: second@example.org\r\n" +
				"jpegPhoto:: /9j/\r\nnsAccountLock: TRUE\r\n\r\n\r\ndn: cn=g,dc=example,dc=org\r\nobjectClass: groupOfUniqueNames\r\ncn: g\r\nuniqueMember: UID=Anna, OU=people,DC=example,DC=org#'0101'B\r\nuniqueMember:\r\n",
			[]string{"uid=anna,ou=people,dc=example,dc=org|anna@example.org|anna|Änna|disabled", "cn=g,dc=example,dc=org|g: uid=anna,ou=people,dc=example,dc=org"}},
		{"LDIF of posix groups, nested groups and strangers", "x.ldf",
			"dn: cn=p,dc=x\nobjectClass: posixGroup\ncn: p\nmemberUid: anna\nmemberUid: ghost\n\ndn: cn=q,dc=x\nobjectClass: groupOfNames\ncn: q\nmember: CN=P,dc=x\nmember: cn=printer,dc=x\n\n" +
				"dn: cn=printer,dc=x\nobjectClass: device\n\ndn: uid=anna,dc=x\nobjectClass: posixAccount\nuid: anna\npwdAccountLockedTime: 20260101000000Z\n",
			[]string{"uid=anna,dc=x||anna|", "cn=p,dc=x|p: uid=anna,dc=x ?ghost", "cn=q,dc=x|q: uid=anna,dc=x ?cn=printer,dc=x"}},
		{"LDIF of a tree without people", "x.ldif", "dn: dc=x\nobjectClass: domain\n", []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, lines(pull(t, c.file, c.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAttributesAreKeptByName(t *testing.T) {
	t.Parallel()
	s := pull(t, "x.yaml", "users: [{id: a, attributes: {unit: Finance, places: [Bonn, Ulm], none: ''}}, {id: b, attributes: {}}]\ngroups: []\n")
	if diff := cmp.Diff(map[string][]string{"unit": {"Finance"}, "places": {"Bonn", "Ulm"}}, s.Users[0].Attributes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Users[1].Attributes != nil {
		t.Errorf("attributes of nobody: %v", s.Users[1].Attributes)
	}
}

func TestWithoutNestingOnlyDirectMembersCount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	put(t, path, []byte("users: [{id: a}]\ngroups: [{name: g, groups: [h]}, {name: h, members: [a]}]\n"))
	s, err := (&Config{Path: scalar.Path(path)}).Open(providers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a|||", "g|g:", "h|h: a"}, lines(snapshot)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNormalDN(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"CN=Ann  Ä, OU = People,DC=x": "cn=ann ä,ou=people,dc=x",
		`cn=Smith\, Ann,dc=x`:         `cn=smith\, ann,dc=x`,
		`cn=Smith\2C Ann,dc=x`:        `cn=smith\, ann,dc=x`,
		"uid=a+CN=b,dc=x":             "cn=b+uid=a,dc=x",
		"cn=\u212Aate,dc=\u0130":      "cn=\u212Aate,dc=\u0130",
		" No DN ":                     "no dn",
		"":                            "",
	} {
		if got := normalDN(in); got != want {
			t.Errorf("normalDN(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, format string
		nested       bool
		scope        string
		problem      string
	}{
		{"/a/people.yaml", "", true, "yaml nested=true", ""},
		{"/a/people.YML", "", false, "yaml nested=false", ""},
		{"/a/people.txt", "csv", true, "csv nested=true", ""},
		{"/a/people.json", "yaml", true, "yaml nested=true", ""},
		{"/a/people.ldf", "", true, "ldif nested=true", ""},
		{"", "", true, " nested=true", "path is missing"},
		{"/a/people.txt", "", true, " nested=true", `the name "people.txt" does not tell the format`},
		{"/a/people.yaml", "xml", true, "xml nested=true", `format "xml" is not known`},
	} {
		config := &Config{Path: scalar.Path(c.path), Format: c.format, Nested: c.nested}
		if config.Scope() != c.scope || config.Place() != "file "+c.path || config.Replicated() {
			t.Errorf("%+v: scope %q, place %q", config, config.Scope(), config.Place())
		}
		problem := ""
		if list := config.Check(); len(list) > 0 {
			problem = list[0].Message
		}
		_, err := config.Open(providers.Options{Name: "list"})
		if problem != c.problem || (err != nil) != (problem != "") {
			t.Errorf("%+v: problem %q, want %q; open: %v", config, problem, c.problem, err)
		}
	}
	if typ := Type(); typ.Name != "file" || typ.New().Scope() != " nested=true" {
		t.Errorf("type %q has the defaults %q", typ.Name, typ.New().Scope())
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	put(t, large, []byte("x"))
	if err := os.Truncate(large, maxSize+1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		kind fault.Kind
		want string
	}{
		{filepath.Join(dir, "none.yaml"), fault.Unavailable, "the file does not exist"},
		{filepath.Join(large, "below.yaml"), fault.Unavailable, "not a directory"},
		{large, fault.Invalid, "the file is larger than 256 MiB"},
	} {
		s, err := open(t, c.path).Pull(t.Context(), nil)
		if fault.KindOf(err) != c.kind || err.Error() != "read file at "+c.path+": "+c.want || s.Reason != err.Error() || s.Coverage() != directory.None {
			t.Errorf("%s: %v (%s), reason %q", c.path, err, fault.KindOf(err), s.Reason)
		}
	}
}

// growing is a file that somebody writes to while it is read.
type growing struct {
	*os.File
	t     *testing.T
	write func(path string) error
}

func (g *growing) Read(b []byte) (int, error) {
	if g.write != nil {
		if err := g.write(g.Name()); err != nil {
			g.t.Error(err)
		}
		g.write = nil
	}
	return g.File.Read(b)
}

func TestAFileThatChangesWhileItIsReadIsIncomplete(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(string) error{
		"grows":   func(path string) error { return os.WriteFile(path, []byte("users: []\ngroups: []\n# more\n"), 0o600) },
		"shrinks": func(path string) error { return os.Truncate(path, 3) },
		"rewritten at the same length": func(path string) error {
			if err := os.WriteFile(path, []byte("groups: []\nusers: []\n"), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, time.Time{}, time.Unix(1, 0))
		},
	} {
		path := filepath.Join(t.TempDir(), "x.yaml")
		put(t, path, []byte("users: []\ngroups: []\n"))
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := readStable(&growing{f, t, write}, goOn)
		if fault.KindOf(err) != fault.Incomplete || data != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// failing is a file on a disk that fails.
type failing struct{ *os.File }

func (failing) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestAReadErrorIsNotTheEndOfTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	put(t, path, []byte("users: []\ngroups: []\n"))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if data, err := readStable(fs.File(failing{f}), goOn); err == nil || data != nil {
		t.Errorf("readStable gives %q and no error", data)
	}
}

func TestPullStopsWithinEachFormat(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for format, text := range map[string]string{
		YAML: "users: []\ngroups: []\n",
		JSON: `{"users": [], "groups": []}`,
		CSV:  "group,email\ng,a@x\n",
		LDIF: strings.Repeat("dn: dc=x\n\n", 1000),
	} {
		if _, err := parse(format, "F", []byte(text), func() error { return stop }); !errors.Is(err, stop) {
			t.Errorf("%s: %v", format, err)
		}
	}
	path := filepath.Join(t.TempDir(), "x.yaml")
	put(t, path, []byte("users: []\ngroups: []\n"))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := open(t, path).Pull(ctx, nil); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("past its deadline: %v", err)
	}
}

func TestCheckSaysWhatIsOdd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	put(t, path, []byte("users: [{id: a}]\ngroups: [{name: g, members: [a, b]}]\n"))
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	checker, ok := open(t, path).(providers.Checker)
	if !ok {
		t.Fatal("the source does not check itself")
	}
	show := func() []string {
		var list []string
		for _, f := range checker.Check(t.Context()) {
			list = append(list, string(f.Level)+" "+f.Check+": "+strings.ReplaceAll(f.Message, path, "F"))
		}
		return list
	}
	want := []string{
		"ok file: F (yaml) has 1 users, 1 groups and 1 memberships",
		"warning permissions: F can be written by everybody (mode 0666)",
		"warning users: 1 users have no mail address",
		"warning members: group g names 1 members that the file does not have, the first is b",
	}
	if diff := cmp.Diff(want, show()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	put(t, path, []byte("users: []\n"))
	if diff := cmp.Diff([]string{"failed file: read file: F:1:1: groups is missing"}, show()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestALookUpSaysNothingOfOwners: what somebody owns is read with the lists only.
func TestALookUpSaysNothingOfOwners(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	put(t, path, []byte("users: [{id: a}]\ngroups: [{name: g, members: [a], owners: [a]}]\n"))
	s, err := open(t, path).(providers.LookUp).LookUp(t.Context(), directory.Person{ID: "a"})
	if err != nil || len(s.Groups) != 1 || s.Groups[0].ID != "g" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhereOwnersCanBeShown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"x.yaml": true, "x.json": true, "x.ldif": true, "x.csv": false} {
		if c := (&Config{Path: scalar.Path(name)}); c.ShowsOwners() != want {
			t.Errorf("%s shows owners: %v", name, !want)
		}
	}
}
