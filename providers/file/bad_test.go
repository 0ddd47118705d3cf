package file

import (
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/providertest"
)

const goodUser = "dn: uid=a,dc=x\nobjectClass: person\nuid: a\n\n"

// badFiles are files with mistakes and all that is said of them; F stands for the
// name of the file.
func badFiles() []struct{ format, name, text, want string } {
	return []struct{ format, name, text, want string }{
		{YAML, "only a comment", "# nobody\n", "F:1:1: the file says nothing"},
		{YAML, "a list at the top", "- id: a\n", "F:1:1: the file must be a block of keys, not a list"},
		{YAML, "one list missing", "users: []\n", "F:1:1: groups is missing"},
		{YAML, "an empty key", "users:\ngroups: []\n", "F:1:7: users must be a list, not nothing"},
		{YAML, "a block instead of a list", "users: {a: b}\ngroups: []\n", "F:1:8: users must be a list, not a block of keys"},
		{YAML, "an unknown key at the top", "users: []\ngroups: []\nteams: []\n", `F:3:1: unknown key "teams" in the file`},
		{YAML, "an unknown key of a user", "users:\n  - id: a\n    mail: a@x\ngroups: []\n", `F:3:5: unknown key "mail" in a user`},
		{YAML, "a key twice", "users: []\nusers: []\ngroups: []\n", `F:2:1: the key "users" comes twice`},
		{YAML, "a block as a key", "users: []\ngroups: []\n? {a: b}\n: c\n", "F:3:3: a key must be text, not a block of keys"},
		{YAML, "a text instead of a user", "users: [anna]\ngroups: []\n", "F:1:9: a user must be a block of keys, not text"},
		{YAML, "a user without id", "users: [{email: a@x}]\ngroups: []\n", "F:1:9: a user has no id"},
		{YAML, "an empty id", "users: [{id: ''}]\ngroups: []\n", "F:1:14: the id of a user is empty"},
		{YAML, "an id twice", "users: [{id: a}, {id: b}, {id: a}]\ngroups: []\n", `F:1:32: the id "a" is used by two users`},
		{YAML, "a number as id", "users: [{id: 007}]\ngroups: []\n", "F:1:14: id must be text, not a number"},
		{YAML, "a date as name", "users: [{id: a, name: 2026-01-01}]\ngroups: []\n", "F:1:23: name must be text, not a date"},
		{YAML, "a truth as name", "users: [{id: a, name: true}]\ngroups: []\n", "F:1:23: name must be text, not true or false"},
		{YAML, "a type of one's own", "users: [{id: !secret a}]\ngroups: []\n", `F:1:14: id must be text, not a value of type "!secret"`},
		{YAML, "a text as flag", "users: [{id: a, disabled: 'no'}]\ngroups: []\n", "F:1:27: disabled must be true or false, not text"},
		{YAML, "a number as flag", "users: [{id: a, disabled: 1}]\ngroups: []\n", "F:1:27: disabled must be true or false, not a number"},
		{YAML, "an attribute with a taken name", "users: [{id: a, attributes: {email: x}}]\ngroups: []\n", "F:1:30: an attribute cannot be called email"},
		{YAML, "an attribute with a block", "users: [{id: a, attributes: {unit: {a: b}}}]\ngroups: []\n", `F:1:36: attribute "unit" must be text, not a block of keys`},
		{YAML, "an attribute with a number in its list", "users: [{id: a, attributes: {unit: [1]}}]\ngroups: []\n", `F:1:37: an entry of attribute "unit" must be text, not a number`},
		{YAML, "a group without name", "users: []\ngroups: [{id: g}]\n", "F:2:10: a group has no name"},
		{YAML, "an empty group name", "users: []\ngroups: [{id: g, name: ''}]\n", "F:2:10: a group has no name"},
		{YAML, "a group name twice without ids", "users: []\ngroups: [{name: g}, {name: g}]\n", `F:2:28: the id "g" is used by two groups`},
		{YAML, "one member as text", "users: []\ngroups: [{name: g, members: a}]\n", "F:2:29: members must be a list, not text"},
		{YAML, "an empty member", "users: []\ngroups: [{name: g, members: ['']}]\n", "F:2:30: an entry of members is empty"},
		{YAML, "the id of a group that owners need", "users: []\ngroups: [{name: g, owners: []}, {id: 'g:owners', name: h}]\n", "F:2:28: the id for the owners of \"g\" is the id of a group"},
		{YAML, "a number as owner", "users: []\ngroups: [{name: g, owners: [5]}]\n", "F:2:29: an entry of owners must be text, not a number"},
		{YAML, "an alias", "users: &u []\ngroups: *u\n", "F:2:9: groups must be a list, not an alias"},
		{YAML, "two documents", "users: []\ngroups: []\n---\nusers: []\n", "F:3:1: a second document begins here, the file may hold one"},
		{YAML, "no YAML", "users: [\n", "F:2:1: not YAML: did not find expected node content"},
		{YAML, "several mistakes", "users: [{id: 5}, {name: a}]\ngroups: [{nam: g}]\n",
			"F:1:14: id must be text, not a number\nF:1:18: a user has no id\nF:2:11: unknown key \"nam\" in a group\nF:2:10: a group has no name"},
		{YAML, "not UTF-8", "users: []\ngroups: [{name: \"\xe4\"}]\n", "F:2:18: the text is not UTF-8"},

		{JSON, "only space", " \n", "F:1:1: the file says nothing"},
		{JSON, "cut", "{\"users\": [],\n \"groups\": [", "F:2:13: not JSON: the text ends too early"},
		{JSON, "a comma too much", "{\"users\": [],\n \"groups\": [],\n}", "F:3:1: not JSON: invalid character '}' looking for beginning of object key string"},
		{JSON, "something behind", "{\"users\": [], \"groups\": []}\n{}", "F:2:1: not JSON: something follows the end"},
		{JSON, "too deep", "{\"users\": " + strings.Repeat("[", 40), "F:1:44: not JSON: blocks are nested too deeply"},
		{JSON, "a number as id", "{\"users\": [\n  {\"id\": 7}], \"groups\": []}", "F:2:10: id must be text, not a number"},
		{JSON, "a null", "{\"users\": null, \"groups\": []}", "F:1:11: users must be a list, not nothing"},
		{JSON, "a key twice", "{\"users\": [], \"groups\": [],\n \"users\": []}", `F:2:2: the key "users" comes twice`},
		{JSON, "YAML", "users: []\ngroups: []\n", "F:1:1: not JSON: invalid character 'u' looking for beginning of value"},
		{JSON, "a text at the top", "\"users\"", "F:1:1: the file must be a block of keys, not text"},

		{CSV, "a header alone", "group,email\n", "F:1:1: no row with a person"},
		{CSV, "no email column", "group,mail\nx,a@x\n", "F:1:7: unknown column \"mail\"\nF:1:1: the column email is missing"},
		{CSV, "a column twice", "group,email,Email\n", "F:1:13: the column email comes twice"},
		{CSV, "semicolons", "group;email\nx;a@x\n", "F:1:1: unknown column \"group;email\"\nF:1:1: the column group is missing\nF:1:1: the column email is missing"},
		{CSV, "too few values", "group,email\nx\ny,b@x\n", "F:2:1: the row has 1 values, the first row 2"},
		{CSV, "a quote in a value", "group,email\nx\"y,a@x\n", "F:2:2: not CSV: bare \" in non-quoted-field"},
		{CSV, "a quote without end", "group,email\n\"x,a@x\n", "F:2:8: not CSV: extraneous or missing \" in quoted-field"},
		{CSV, "no mail", "group,email\nx,\ny,anna\nz,a@b@c\n", "F:2:3: \"\" is not a mail address\nF:3:3: \"anna\" is not a mail address\nF:4:3: \"a@b@c\" is not a mail address"},
		{CSV, "two usernames", "group,email,username\nx,a@x,anna\ny,A@x,\nz,a@X,anne\n", `F:4:7: username of "a@X" is "anne" here and "anna" in line 2`},
		{CSV, "not a truth", "group,email,disabled\nx,a@x,maybe\n", `F:2:7: disabled must be true or false, not "maybe"`},

		{LDIF, "only a byte order mark", "\uFEFF", "F:1:1: the file says nothing"},
		{LDIF, "only the version", "version: 1\n", "F:1:1: the file has no record"},
		{LDIF, "another version", "version: 2\n\n" + goodUser, `F:1:1: version "2" of LDIF is not known`},
		{LDIF, "no dn", "objectClass: person\n\n" + goodUser, `F:1:1: a record begins with dn:, not with "objectclass"`},
		{LDIF, "changes", "dn: uid=a,dc=x\nchangetype: modify\nadd: mail\nmail: a@x\n-\n", "F:2:1: this is a record of changes, not of an entry"},
		{LDIF, "the report of ldapsearch", goodUser + "# search result\nsearch: 2\nresult: 4 Size limit exceeded\n", "F:6:1: this is the report of ldapsearch, no record"},
		{LDIF, "a value elsewhere", "dn: uid=a,dc=x\nobjectClass: person\njpegPhoto:< file:///etc/passwd\n", `F:3:1: the value of "jpegphoto" is in another file, which is not read`},
		{LDIF, "no base64", "dn:: ***\nobjectClass: person\n", `F:1:1: the value of "dn" is not base64`},
		{LDIF, "no colon", "dn: uid=a,dc=x\nobjectClass person\n", `F:2:1: not a line of LDIF: "objectClass person"`},
		{LDIF, "a continuation of nothing", " dc=x\n" + goodUser, `F:1:1: not a line of LDIF: " dc=x"`},
		{LDIF, "two dns", "dn: uid=a,dc=x\nobjectClass: person\ndn: uid=b,dc=x\n", "F:3:1: a second dn in one record"},
		{LDIF, "an entry twice", goodUser + "dn: UID=A, DC=x\nobjectClass: person\n", `F:5:1: the entry "UID=A, DC=x" is also in line 1`},
		{LDIF, "an id twice", "dn: uid=a,dc=x\nobjectClass: person\nentryUUID: AB\n\ndn: uid=b,dc=x\nobjectClass: person\nentryUUID: ab\n", `F:5:1: the entryUUID "ab" is also in the record of line 1`},
		{LDIF, "a group without a name", "dn: cn=g,dc=x\nobjectClass: groupOfNames\n", `F:1:1: the group "cn=g,dc=x" has no cn`},
		{LDIF, "no dn at all", "dn:\nobjectClass: person\n", `F:1:1: "" is not a DN`},
		{LDIF, "a part of the members", "dn: cn=g,dc=x\nobjectClass: groupOfNames\ncn: g\nmember;range=0-1499: uid=a,dc=x\n", `F:4:1: the server gave only a part of the values: "member;range=0-1499"`},
		{LDIF, "a mail that is no text", "dn: uid=a,dc=x\nobjectClass: person\nmail:: //8=\n", `F:3:1: the value of "mail" is not text`},
		{LDIF, "a memberUid of two people", goodUser + "dn: uid=b,dc=x\nobjectClass: person\nuid: a\n\ndn: cn=g,dc=x\nobjectClass: posixGroup\ncn: g\nmemberUid: a\n", `F:12:1: the memberUid "a" means several people`},
		{LDIF, "a last line without end", goodUser + "dn: cn=g,dc=x\nobjectClass: posixGroup\ncn: g\nmemberUid: a", "F:8: the last line has no end, so the file may be cut short"},
	}
}

func TestBadFilesCoverNothingAndSayWhy(t *testing.T) {
	t.Parallel()
	for _, c := range badFiles() {
		t.Run(c.format+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			list, err := parse(c.format, "F", []byte(c.text), goOn)
			if err == nil || list != nil {
				t.Fatalf("parse gives %+v and error %v", list, err)
			}
			if got := strings.TrimPrefix(err.Error(), "read file: "); got != c.want || fault.KindOf(err) != fault.Invalid {
				t.Errorf("error (%s):\n%s\nwant (invalid):\n%s", fault.KindOf(err), got, c.want)
			}
		})
	}
}

func TestACutFileIsNotReadWhereItCanBeTold(t *testing.T) {
	t.Parallel()
	w := providertest.World{
		Users:  []providertest.User{{ID: "a", Email: "a@example.org", Username: "ä", Name: "A, B"}, {ID: "b"}},
		Groups: []providertest.Group{{ID: "g", Name: "g", Members: []string{"a", "b"}}, {ID: "h", Name: "h", Groups: []string{"g"}}},
	}
	whole := writeJSON(t, w)
	for n := range len(whole) {
		if list, err := parse(JSON, "F", whole[:n], goOn); err == nil {
			t.Errorf("JSON cut after %d of %d bytes: %+v", n, len(whole), list)
		}
	}
	whole = writeLDIF(t, w)
	for n := range len(whole) {
		if list, err := parse(LDIF, "F", whole[:n], goOn); err == nil && whole[n-1] != '\n' {
			t.Errorf("LDIF cut after %d of %d bytes: %+v", n, len(whole), list)
		}
	}
}

func TestAtMostTwentyMistakesAreShown(t *testing.T) {
	t.Parallel()
	text := "group,email\n" + strings.Repeat("x,nobody\n", 50)
	_, err := parse(CSV, "F", []byte(text), goOn)
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "and 30 more" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

func TestLongValuesAreShortened(t *testing.T) {
	t.Parallel()
	_, err := parse(LDIF, "F", []byte(strings.Repeat("ä", 5000)+"\n"), goOn)
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error: %v", err)
	}
}

func goOn() error { return nil }
