package file

import (
	"testing"
	"unicode/utf8"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/providertest"
)

// fuzz checks that a text is either read as a whole, into a sound snapshot, or gives
// an error and nothing else.
func fuzz(f *testing.F, format string, write writer) {
	f.Helper()
	for _, c := range badFiles() {
		if c.format == format {
			f.Add([]byte(c.text))
		}
	}
	f.Add(write(f, providertest.World{
		Users:  []providertest.User{{ID: "a", Email: "a@example.org", Username: "ä"}, {ID: "b", Email: "b@example.org", Disabled: true}},
		Groups: []providertest.Group{{ID: "g", Name: "g", Members: []string{"a", "b", "a"}, Groups: []string{"h"}}, {ID: "h", Name: "h, i", Members: []string{"b"}, Groups: []string{"g"}}},
	}))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parse(format, "F", data, goOn)
		if err != nil {
			if list != nil || fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%+v beside error %v (%s)", list, err, fault.KindOf(err))
			}
			return
		}
		s := list.snapshot(true)
		if s.Coverage() != directory.Full {
			t.Fatalf("coverage is %s without an error", s.Coverage())
		}
		ids := map[string]bool{}
		for i := range s.Users {
			u := &s.Users[i]
			if u.ID == "" || ids[u.ID] || !utf8.ValidString(u.ID+u.Email+u.Username+u.Name+u.DN) {
				t.Fatalf("bad user %+v", u)
			}
			ids[u.ID] = true
		}
		clear(ids)
		for i := range s.Groups {
			g := &s.Groups[i]
			if g.ID == "" || g.Name == "" || ids[g.ID] || !utf8.ValidString(g.ID+g.Name+g.Description) {
				t.Fatalf("bad group %+v", g)
			}
			ids[g.ID] = true
		}
	})
}

func FuzzYAML(f *testing.F) { fuzz(f, YAML, writeYAML) }
func FuzzJSON(f *testing.F) { fuzz(f, JSON, writeJSON) }
func FuzzCSV(f *testing.F)  { fuzz(f, CSV, writeCSV) }
func FuzzLDIF(f *testing.F) { fuzz(f, LDIF, writeLDIF) }
