package ldap

import (
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"
)

func TestNormalDN(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{`\=A=`, `\=a=`},
		{`\ =A=`, `\ =a=`},
		{"cn=a,dc=x", "cn=a,dc=x"},
		{"CN=A, DC=X", "cn=a,dc=x"},
		{"CN = A  B ; dc=x", "cn=a b,dc=x"},
		{`cn=a\2cb,dc=x`, `cn=a\,b,dc=x`},
		{`cn=a\,b,dc=x`, `cn=a\,b,dc=x`},
		{"uid=1+cn=B,dc=x", "cn=b+uid=1,dc=x"},
		{"cn=B+uid=1,dc=x", "cn=b+uid=1,dc=x"},
		{`cn=\4DÜLLER,dc=x`, "cn=müller,dc=x"},
		{`cn=m\c3\bcller,dc=x`, "cn=müller,dc=x"},
		{"cn=\u212aelvin", "cn=\u212aelvin"},
		{"cn=ADM\u0130N", "cn=adm\u0130n"},
		{"cn=a=b,dc=x", "cn=a=b,dc=x"},
		{"no DN at all", "no dn at all"},
		{"cn=dummy", "cn=dummy"},
	} {
		if got := normalDN(c.in); got != c.want {
			t.Errorf("normalDN(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestReferenceDropsTheBitStringOfUniqueMember(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"cn=a,dc=x#'0101'B":   "cn=a,dc=x",
		"cn=a,dc=x#''B":       "cn=a,dc=x",
		"cn=a,dc=x":           "cn=a,dc=x",
		`cn=a\#'0201'B,dc=x`:  "cn=a#'0201'b,dc=x",
		"cn=a,dc=x#'0101'B ":  "cn=a,dc=x#'0101'b",
		"CN=A, dc=x#'1'B":     "cn=a,dc=x",
		"cn=o\\'b#'12'B,dc=x": "cn=o\\'b#'12'b,dc=x",
	} {
		if got := reference(in); got != want {
			t.Errorf("reference(%q) = %q, want %q", in, got, want)
		}
	}
}

// parsedDN is normalDN without its fast path.
func parsedDN(t rapid.TB, dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return fold(strings.TrimSpace(dn))
	}
	var rdns []string
	for _, rdn := range parsed.RDNs {
		if len(rdn.Attributes) != 1 {
			t.Fatalf("%q counts as plain", dn)
		}
		a := rdn.Attributes[0]
		rdns = append(rdns, fold(strings.TrimSpace(a.Type))+"="+ldap.EscapeDN(fold(a.Value)))
	}
	return strings.Join(rdns, ",")
}

func TestNormalDNIsTheSameWithAndWithoutParsing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dn := rapid.StringOfN(rapid.RuneFrom([]rune(`aZ09 =,.-_'@ü\+#"`)), 0, 24, -1).Draw(t, "dn")
		if plain, _ := plainDN(dn); plain {
			if got, want := normalDN(dn), parsedDN(t, dn); got != want {
				t.Fatalf("normalDN(%q) = %q, parsed it is %q", dn, got, want)
			}
		}
		if once := normalDN(dn); normalDN(once) != once {
			t.Fatalf("normalDN(%q) = %q, and again %q", dn, once, normalDN(once))
		}
	})
}

func TestDNsThatServersTakeForOneAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOfN(rapid.RuneFrom([]rune(`abc öß,+"\<>;=# `)), 1, 12, -1).Draw(t, "value")
		dn := "cn=" + ldap.EscapeDN(value) + ",dc=x"
		other := "CN=" + ldap.EscapeDN(strings.ToUpper(value)) + ", DC=X"
		if strings.ToLower(strings.ToUpper(value)) == value && normalDN(dn) != normalDN(other) {
			t.Fatalf("%q and %q differ: %q, %q", dn, other, normalDN(dn), normalDN(other))
		}
	})
}

func TestDomainOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"cn=a,cn=users,dc=ad,dc=test": "dc=ad,dc=test",
		"dc=ad,dc=test":               "dc=ad,dc=test",
	} {
		if got := domainOf(in); got != want {
			t.Errorf("domainOf(%q) = %q, want %q", in, got, want)
		}
	}
}
