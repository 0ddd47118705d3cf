package wire

import (
	"errors"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// element writes one BER element.
func element(tag byte, parts ...string) string {
	content := strings.Join(parts, "")
	n := len(content)
	if n < 0x80 {
		return string([]byte{tag, byte(n)}) + content
	}
	return string([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}) + content
}

func text(s string) string { return element(tagOctets, s) }

func entryWith(dn string, attributes ...string) string {
	return element(tagEntry, text(dn), element(tagSequence, attributes...))
}

func attribute(name string, values ...string) string {
	set := make([]string, len(values))
	for i, v := range values {
		set[i] = text(v)
	}
	return element(tagSequence, text(name), element(tagSet, set...))
}

func ended(code byte, diagnostic string, controls ...string) string {
	op := element(tagDone, element(tagEnumerated, string([]byte{code})), text(""), text(diagnostic))
	if len(controls) > 0 {
		op += element(tagControls, controls...)
	}
	return op
}

func paging(cookie string) string {
	return element(tagSequence, text(ldap.ControlTypePaging), text(element(tagSequence, element(tagInteger, "\x00"), text(cookie))))
}

func TestMalformedMessagesAreRefusedWithWhatAndWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, rest, want string }{
		{"nothing", "", "nothing with the tag 0x00 belongs there"},
		{"another operation", element(0x61, ""), "nothing with the tag 0x61"},
		{"an indefinite length", "\x64\x80\x00\x00", "an entry at byte 9: an indefinite length"},
		{"a length of nine bytes", "\x64\x89\x00\x00\x00\x00\x00\x00\x00\x00\x02\x04\x00", "a length of more than eight bytes"},
		{"a length beyond the message", "\x64\x05\x04\x00", "beyond what contains it"},
		{"a length beyond all measure", "\x64\x88\x7f\xff\xff\xff\xff\xff\xff\xff", "beyond what contains it"},
		{"a name of another tag", element(tagEntry, element(tagInteger, "x"), element(tagSequence)), "the name of an entry at byte 11: its tag is 0x02"},
		{"no attributes", element(tagEntry, text("cn=a")), `the attributes of an entry at byte 17: it ends too early`},
		{"a value beyond its set", entryWith("cn=a", element(tagSequence, text("cn"), element(tagSet, "\x04\x05a"))), `entry "cn=a": malformed message: value 0 of attribute "cn" at byte`},
		{"a value of another tag", entryWith("cn=a", element(tagSequence, text("cn"), element(tagSet, text("x"), "\x02\x01\x00"))), `value 1 of attribute "cn" at byte`},
		{"something behind an attribute", entryWith("cn=a", element(tagSequence, text("cn"), element(tagSet), text("x"))), "something follows"},
		{"something behind the operation", entryWith("cn=a") + text("x"), "something follows"},
		{"a reference without an address", element(tagReference), "it has no address"},
		{"a result code below zero", element(tagDone, element(tagEnumerated, "\xff"), text(""), text("")), "a result code at byte 11: the number -1"},
		{"a result code above all", element(tagDone, element(tagEnumerated, "\x01\x00\x00"), text(""), text("")), "the number 65536"},
		{"a result code of no bytes", element(tagDone, element(tagEnumerated), text(""), text("")), "a number of 0 bytes"},
		{"no message of the result", element(tagDone, element(tagEnumerated, "\x00"), text("")), "the message of a result"},
		{"paging twice", ended(0, "", paging(""), paging("")), "it comes twice"},
		{"a cut cookie", ended(0, "", element(tagSequence, text(ldap.ControlTypePaging), text("\x30\x05\x02\x01\x00\x04\x09"))), "the cookie of the paging control"},
		{"paging without a value", ended(0, "", element(tagSequence, text(ldap.ControlTypePaging))), "the paging control at byte 0: it ends too early"},
		{"a control that is none", ended(0, "", text("x")), "a control at byte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var a answer
			err := a.decode(numbered(1, []byte(c.rest)))
			if !errors.Is(err, errMalformed) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestMessagesThatAreWrongOnTheOutside(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"empty":              "",
		"a set":              "\x31\x03\x02\x01\x01",
		"no number":          "\x30\x02\x04\x00",
		"a negative number":  "\x30\x03\x02\x01\xff",
		"a number too large": "\x30\x07\x02\x05\x01\x00\x00\x00\x00",
		"more than it says":  "\x30\x03\x02\x01\x01\x00",
	} {
		var a answer
		if err := a.decode([]byte(message)); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBoundsOfOneMessage(t *testing.T) {
	t.Parallel()
	var a answer
	if err := a.decode(numbered(1, []byte(entryWith("cn=a", strings.Repeat(attribute("a"), maxAttributes))))); err != nil {
		t.Errorf("as many attributes as may be: %v", err)
	}
	if err := a.decode(numbered(1, []byte(entryWith("cn=a", strings.Repeat(attribute("a"), maxAttributes+1))))); !errors.Is(err, errMalformed) {
		t.Errorf("one more: %v", err)
	}
	control := element(tagSequence, text("1.2.3"))
	if err := a.decode(numbered(1, []byte(ended(0, "", strings.Repeat(control, maxControls+1))))); !errors.Is(err, errMalformed) {
		t.Errorf("too many controls: %v", err)
	}
	if err := wellFormed([]byte(strings.Repeat("\x30\x80", 3))); !errors.Is(err, errMalformed) {
		t.Errorf("indefinite lengths pass: %v", err)
	}
	deep := ""
	for range maxDepth {
		deep = element(tagSequence, deep)
	}
	if err := wellFormed([]byte(deep)); !errors.Is(err, errMalformed) || !strings.Contains(err.Error(), "too deep") {
		t.Errorf("elements %d deep pass: %v", maxDepth, err)
	}
}

func TestAnEntryWithFiftyThousandMembersAllocatesNothing(t *testing.T) {
	values := make([]string, 50_000)
	for i := range values {
		values[i] = "uid=somebody,ou=people,dc=example,dc=org"
	}
	message := numbered(1, []byte(entryWith("cn=all", attribute("cn", "all"), attribute("MEMBER", values...))))
	var a answer
	n := 0
	allocs := testing.AllocsPerRun(3, func() {
		if err := a.decode(message); err != nil {
			t.Fatal(err)
		}
		n = 0
		for v := range a.entry.Find("member").Values() {
			if len(v) == len(values[0]) {
				n++
			}
		}
	})
	if n != len(values) || allocs != 0 {
		t.Errorf("%d values, %v allocations", n, allocs)
	}
}

func TestRealMessagesPassAndCutOnesDoNot(t *testing.T) {
	t.Parallel()
	for _, rest := range seeds(t) {
		var a answer
		message := numbered(1, rest)
		if rest[1] == 0x80 {
			continue
		}
		if err := a.decode(message); err != nil {
			t.Errorf("%x: %v", rest, err)
		}
		if err := wellFormed(message); err != nil {
			t.Errorf("%x: %v", rest, err)
		}
		for n := range message {
			if err := a.decode(message[:n]); !errors.Is(err, errMalformed) {
				t.Fatalf("the first %d bytes of %x: %v", n, message, err)
			}
		}
	}
}

func TestRequestsAreThoseOfGoLDAP(t *testing.T) {
	t.Parallel()
	control := ldap.NewControlPaging(7)
	control.SetCookie([]byte("c"))
	q := ldap.NewSearchRequest("dc=x", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 5, 6, true, "(&(cn=a*)(!(mail=*)))", []string{"cn", "mail"}, []ldap.Control{control})
	mine, err := encode(1, q)
	if err != nil {
		t.Fatal(err)
	}
	client, server := pipe(t)
	conn := ldap.NewConn(client, false)
	conn.Start()
	go func() {
		_, _ = conn.Search(q)
	}()
	theirs, err := ber.ReadPacket(server)
	if err != nil {
		t.Fatal(err)
	}
	if string(theirs.Bytes()) != string(mine) {
		t.Errorf("we send\n%x, go-ldap\n%x", mine, theirs.Bytes())
	}
	if _, err := encode(1, ldap.NewSearchRequest("", 0, 0, 0, 0, false, "(", nil, nil)); !ldap.IsErrorWithCode(err, ldap.ErrorFilterCompile) {
		t.Errorf("a filter that is none gives %v", err)
	}
}

func TestTextIsAlwaysValid(t *testing.T) {
	t.Parallel()
	if got := Text([]byte("a\xffb")); got != "a\uFFFDb" {
		t.Errorf("got %q", got)
	}
}
