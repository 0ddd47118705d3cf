package dn_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"

	ldap "github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"

	"groupsyncd/providers/ldap/dn"
)

func TestNormal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"  ", ""},
		{"cn=a,dc=x", "cn=a,dc=x"},
		{"CN=A, DC=X", "cn=a,dc=x"},
		{"CN = A  B ; dc=x", "cn=a b,dc=x"},
		{" cn=a , dc=x ", "cn=a,dc=x"},
		{"cn=a=b,dc=x", "cn=a=b,dc=x"},
		{`cn=a\3Db,dc=x`, "cn=a=b,dc=x"},
		{"cn=,dc=x", "cn=,dc=x"},

		// Escapes.
		{`cn=Smith\2C John,dc=x`, `cn=smith\, john,dc=x`},
		{`cn=Smith\, John,dc=x`, `cn=smith\, john,dc=x`},
		{`cn="Smith, John",dc=x`, `cn=smith\, john,dc=x`},
		{`cn="Smith\, \"J\"" , dc=x`, `cn=smith\, \"j\",dc=x`},
		{`cn=a\22\2b\3b\3c\3e\5c,dc=x`, `cn=a\"\+\;\<\>\\,dc=x`},
		{`cn=\41\#\=\ ,dc=x`, `cn=a#=\ ,dc=x`},
		{`cn=\20a\20,dc=x`, `cn=\ a\ ,dc=x`},
		{`cn=\ a\ ,dc=x`, `cn=\ a\ ,dc=x`},
		{`cn=\ \ ,dc=x`, `cn=\ ,dc=x`},
		{`cn=\#a#b,dc=x`, `cn=\#a#b,dc=x`},
		{`CN=x\0ADEL:1,CN=Deleted Objects,DC=x`, `cn=x\0adel:1,cn=deleted objects,dc=x`},
		{"cn=a\x00b", "cn=a\x00b"},
		{`cn=a\00\7Fb`, `cn=a\00\7fb`},

		// BER.
		{"cn=#04024869,dc=x", "cn=hi,dc=x"},
		{"cn=#0C024869 , dc=x", "cn=hi,dc=x"},
		{"cn=#0c81024869", "cn=hi"},
		{"cn=#04022369", `cn=\#i`},
		{"cn=#02014A", "cn=#02014a"},
		{"cn=#0403", "cn=#0403"},
		{"cn=#0402486900", "cn=#0402486900"},
		{"cn=#048500000000024869", "cn=#048500000000024869"},
		{"cn=#04024", "cn=#04024"},

		// Types.
		{"2.5.4.3=a,OID.0.9.2342.19200300.100.1.25=x", "cn=a,dc=x"},
		{"commonName=a,organizationalUnitName=b,o=c", "cn=a,ou=b,o=c"},
		{"1.2.3=a,employeeNumber=7", "1.2.3=a,employeenumber=7"},

		// More than one part.
		{"uid=1+cn=B,dc=x", "cn=b+uid=1,dc=x"},
		{"cn=B + uid=1,dc=x", "cn=b+uid=1,dc=x"},
		{"c=3+a=1+b=2,dc=x", "a=1+b=2+c=3,dc=x"},
		{`cn=a\+b+uid=1`, `cn=a\+b+uid=1`},
		{"cn=a+cn=a", "cn=a+cn=a"},

		// Letters beyond ASCII.
		{`cn=\4DÜLLER,dc=x`, "cn=müller,dc=x"},
		{`cn=m\c3\bcller,dc=x`, "cn=müller,dc=x"},
		{"cn=Mu\u0308ller", "cn=mu\u0308ller"},
		{"cn=STRASSE", "cn=strasse"},
		{"cn=Straße", "cn=straße"},
		{"cn=\u212aelvin", "cn=\u212aelvin"},
		{"cn=ADM\u0130N", "cn=adm\u0130n"},
		{"cn=adm\u0131n", "cn=adm\u0131n"},
		{"cn=\xff\xc3", `cn=\ff\c3`},
		{`cn=\ff`, `cn=\ff`},
		{"cn=\ufffd", "cn=\ufffd"},

		// No DNs.
		{"no DN  at all ", "no dn at all"},
		{"cn=dummy", "cn=dummy"},
		{`\=A=`, `\=a=`},
		{`\ =A=`, `\ =a=`},
		{"cn=a,,dc=x", "cn=a,,dc=x"},
		{"cn=a,", "cn=a,"},
		{"cn=a, B", "cn=a, b"},
		{"=a", "=a"},
		{"c n=a", "c n=a"},
		{"cn=a<B", "cn=a<b"},
		{`cn=a"B"`, `cn=a"b"`},
		{`cn="a"B`, `cn="a"b`},
		{`cn="a`, `cn="a`},
		{`cn=a\`, `cn=a\`},
		{`cn=a\4`, `cn=a\4`},
		{`cn=a\xyz`, `cn=a\xyz`},
		{"\tCN = a", "\tcn = a"},
		{"A\xff", "a\xff"},
	} {
		if got := dn.Normal(c.in); got != c.want {
			t.Errorf("Normal(%q) = %q, want %q", c.in, got, c.want)
		}
		if got := string(dn.Append([]byte("before "), []byte(c.in))); got != "before "+c.want {
			t.Errorf("Append(%q) gives %q, want %q", c.in, got, c.want)
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
		`cn=a\#'01'B`:         "cn=a#'01'b",
		`cn=a\\#'01'B`:        `cn=a\\`,
		"cn=a,dc=x#'0101'B ":  "cn=a,dc=x#'0101'b",
		"CN=A, dc=x#'1'B":     "cn=a,dc=x",
		"cn=o\\'b#'12'B,dc=x": "cn=o\\'b#'12'b,dc=x",
		"cn=o#'12'B":          "cn=o#'12'b",
		"#'1'B":               "#'1'b",
	} {
		if got := dn.Reference(in); got != want {
			t.Errorf("Reference(%q) = %q, want %q", in, got, want)
		}
		if got := string(dn.AppendReference(nil, []byte(in))); got != want {
			t.Errorf("AppendReference(%q) gives %q, want %q", in, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dn, base string
		want     bool
	}{
		{"cn=a,dc=x", "dc=x", true},
		{"dc=x", "dc=x", true},
		{"dc=x", "", true},
		{"", "", true},
		{"", "dc=x", false},
		{"cn=a,dc=x", "cn=a", false},
		{"cn=a,adc=x", "dc=x", false},
		{`cn=a\,dc=x`, "dc=x", false},
		{`cn=a\\,dc=x`, "dc=x", true},
		{`cn=a\\\,dc=x`, "dc=x", false},
	} {
		if got := dn.Within(c.dn, []string{"ou=other", c.base}); got != c.want {
			t.Errorf("%q within %q: %v", c.dn, c.base, got)
		}
	}
}

func TestDomain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"cn=a,cn=users,dc=ad,dc=test":    "dc=ad,dc=test",
		"dc=ad,dc=test":                  "dc=ad,dc=test",
		`cn=a\,dc=evil,dc=ad,dc=test`:    "dc=ad,dc=test",
		"cn=a,dc=other,cn=b,dc=ad":       "dc=ad",
		`dc=a\,b,dc=test`:                `dc=a\,b,dc=test`,
		"cn=a,o=x":                       "",
		"":                               "",
		`cn=a\\,dc=ad`:                   "dc=ad",
		"cn=a,dc=domaindnszones,dc=test": "dc=domaindnszones,dc=test",
	} {
		if got := dn.Domain(in); got != want {
			t.Errorf("Domain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFirstValueIsShownAsItIsWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`CN=Smith\2C  John+uid=1,dc=x`: "Smith,  John",
		"OU=A":                         "A",
		`cn="A b",dc=x`:                "A b",
		"cn=#0C024869":                 "Hi",
		"cn=#02014a":                   "#02014a",
		"No DN":                        "No DN",
		"cn=a<b":                       "cn=a<b",
		"cn=a,b":                       "cn=a,b",
		"":                             "",
	} {
		if got := dn.FirstValue(in); got != want {
			t.Errorf("FirstValue(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               "",
		"ann":            "ann",
		"Ann  Lee":       "ann lee",
		"ÄNN":            "änn",
		"\u212aim":       "\u212aim",
		"ADM\u0130N":     "adm\u0130n",
		"\xff\xfeA":      "\xff\xfea",
		"  a ":           " a ",
		"\u023a\u023a":   "\u2c65\u2c65",
		"already a name": "already a name",
	} {
		if got := dn.Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
		if got := string(dn.AppendFold([]byte("x "), []byte(in))); got != "x "+want {
			t.Errorf("AppendFold(%q) gives %q, want %q", in, got, want)
		}
	}
}

// TestNoLetterBecomesAnASCIIOne looks at every letter there is.
func TestNoLetterBecomesAnASCIIOne(t *testing.T) {
	t.Parallel()
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if s := string(r); len(s) > 1 {
			folded := dn.Fold(s)
			if folded[0] < 0x80 || dn.Fold(folded) != folded || dn.Normal("cn="+s) != "cn="+folded {
				t.Fatalf("%U becomes %q, in a DN %q", r, folded, dn.Normal("cn="+s))
			}
		}
	}
}

// texts draws texts that are made of what matters in DNs.
func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"cn", "CN", "dc", "uid", "2.5.4.3", "oid.1.2", "commonName", "=", "=", "=", ",", ",", ";", "+", " ", "  ", "a", "B", "c=", `\`, `\,`, `\2C`, `\ `, `\20`, `\41`, `"`,
			"#", "#04024869", "#0C", "#020101", "'01'B", "<", "ü", "Ü", `\c3\bc`, "\xff", `\ff`, "\u212a", "\u0130", "u\u0308", "\x00", "\t", "_", "@",
		}), 0, 14).Draw(t, "parts"), "")
	})
}

func checkDN(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) {
	t.Helper()
	got := dn.Normal(text)
	if appended := string(dn.Append(nil, []byte(text))); appended != got {
		t.Fatalf("Normal(%q) = %q, appended %q", text, got, appended)
	}
	if again := dn.Normal(got); again != got {
		t.Fatalf("Normal(%q) = %q, and again %q", text, got, again)
	}
	rdns, ok := model(text)
	want := written(rdns)
	if !ok {
		want = modelFold(strings.Trim(text, " "))
	}
	if got != want {
		t.Fatalf("Normal(%q) = %q, the model says %q", text, got, want)
	}
	// The form means what the text meant: reading it gives the same, so no two texts
	// with different meanings can have one form.
	back, still := model(got)
	if still != ok || ok && !slices.EqualFunc(rdns, back, slices.Equal) {
		t.Fatalf("%q means %q (%v), its form %q means %q (%v)", text, rdns, ok, got, back, still)
	}
}

func TestNormalIsWhatTheModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkDN(t, texts().Draw(t, "dn")) })
}

func FuzzNormal(f *testing.F) {
	for _, seed := range []string{"", "cn=a,dc=x", `CN="A, b"+uid=\41\20 ;2.5.4.3=#04024869`, "cn=\u212a\xff", `cn=a\`, "c=3+b=2+a=1", "no DN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkDN(t, text)
		dn.FirstValue(text)
		dn.Reference(text)
		if d := dn.Domain(dn.Normal(text)); !dn.Within(dn.Normal(text), []string{d}) {
			t.Fatalf("%q is not in its domain %q", text, d)
		}
	})
}

// TestDifferentEntriesHaveDifferentForms compares DNs pair by pair with what they mean.
func TestDifferentEntriesHaveDifferentForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, other := texts().Draw(t, "one"), texts().Draw(t, "other")
		meant, ok := model(one)
		alsoMeant, alsoOK := model(other)
		if ok && alsoOK && (dn.Normal(one) == dn.Normal(other)) != slices.EqualFunc(meant, alsoMeant, slices.Equal) {
			t.Fatalf("%q means %q, %q means %q, forms %q and %q", one, meant, other, alsoMeant, dn.Normal(one), dn.Normal(other))
		}
	})
}

// TestWhatGoLDAPReadsIsReadAlike compares with another reader of DNs where it has no
// rule of its own: quotes, BER and types that no attribute can have.
func TestWhatGoLDAPReadsIsReadAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Filter(func(s string) bool {
			return !strings.ContainsAny(s, "\"#\x00\t@_") && strings.ToValidUTF8(s, "") == s && !strings.Contains(s, `\ff`)
		}).Draw(t, "dn")
		parsed, err := ldap.ParseDN(text)
		rdns, ok := model(text)
		if err != nil {
			if ok {
				t.Fatalf("%q: %v, read as %q", text, err, rdns)
			}
			return
		}
		if !ok {
			return
		}
		var want [][]string
		for _, rdn := range parsed.RDNs {
			var parts []string
			for _, a := range rdn.Attributes {
				parts = append(parts, modelType(strings.TrimPrefix(strings.ToLower(a.Type), "oid."))+"="+modelFold(a.Value))
			}
			slices.Sort(parts)
			want = append(want, parts)
		}
		if dn.Normal(text) != written(want) {
			t.Fatalf("%q is %q, go-ldap reads %q", text, dn.Normal(text), want)
		}
	})
}

func TestDNsThatServersTakeForOneAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOfN(rapid.RuneFrom([]rune(`abc öß,+"\<>;=# `)), 1, 12, -1).Draw(t, "value")
		upper := strings.ToUpper(value)
		if strings.ToLower(upper) != value {
			return
		}
		want := dn.Normal("cn=" + ldap.EscapeDN(value) + ",dc=x")
		var pairs, quoted strings.Builder
		for _, b := range []byte(upper) {
			pairs.WriteString(`\` + string("0123456789ABCDEF"[b>>4]) + string("0123456789abcdef"[b&15]))
			if b == '"' || b == '\\' {
				quoted.WriteByte('\\')
			}
			quoted.WriteByte(b)
		}
		for _, other := range []string{"CN=" + ldap.EscapeDN(upper), "2.5.4.3 = " + pairs.String(), ` CommonName="` + quoted.String() + `" `} {
			if got := dn.Normal(other + "; DC=X"); got != want {
				t.Fatalf("%q is %q, want %q", other, got, want)
			}
		}
	})
}

const plain = "CN=Person 000123,OU=People,OU=Main Office,DC=Example,DC=Org"

var kinds = []struct{ name, dn string }{
	{"plain", plain},
	{"umlaut", "CN=Jürgen Müller,OU=Städte,DC=example,DC=org"},
	{"comma", `CN=Smith\, John,OU=People,DC=example,DC=org`},
	{"hex", `cn=Smith\2C John,ou=People,dc=example,dc=org`},
	{"two parts", "uid=17+cn=John Smith,ou=People,dc=example,dc=org"},
	{"long type", "employeeNumber=17,ou=People,dc=example,dc=org"},
	{"no DN", "Somebody <a@x>"},
}

func TestAppendDoesNotAllocate(t *testing.T) {
	for _, k := range kinds {
		in, buf := []byte(k.dn), make([]byte, 0, 400)
		if n := testing.AllocsPerRun(100, func() { buf = dn.AppendReference(buf[:0], in) }); n != 0 {
			t.Errorf("%s: %v allocations", k.name, n)
		}
	}
	normal := dn.Normal(plain)
	if n := testing.AllocsPerRun(100, func() { normal = dn.Normal(normal) }); n != 0 {
		t.Errorf("Normal of a normal DN: %v allocations", n)
	}
}

func TestAppendTakesAsLongAsTheTextIs(t *testing.T) {
	t.Parallel()
	// Seconds each if the parts were moved one by one.
	for _, text := range []string{strings.Repeat("b=1+a=2+", 100_000) + "c=3", strings.Repeat("cn=ü,", 100_000) + "dc=x", "cn=" + strings.Repeat(`\ `, 400_000)} {
		if got := dn.Append(nil, []byte(text)); !bytes.Equal(dn.Append(nil, got), got) {
			t.Errorf("%.20q… has no stable form", text)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, k := range kinds {
		b.Run(strings.ReplaceAll(k.name, " ", "_"), func(b *testing.B) {
			in, buf := []byte(k.dn), make([]byte, 0, 400)
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				buf = dn.Append(buf[:0], in)
			}
		})
	}
}
