// Package pseudonym takes names out of texts that are given away: of people, groups, hosts,
// directories and whatever else is no word of the program's own. Each becomes a short mark,
// made with a key that nobody keeps, so that equal names stay equal within one bundle and
// mean nothing outside of it.
//
// It works by what may stay, not by what must go: a word stays when the program itself uses
// it and nobody is called so.
package pseudonym

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
)

//go:embed words.txt
var own string

// Names replaces names. It is safe for use by several goroutines.
type Names struct {
	key []byte
	// words are the program's own; keys are of the configuration, which stay also when
	// somebody is called so. named are parts of names that are known to be some.
	words, keys, named map[string]bool
	number, moment, id *regexp.Regexp
	// beside are addresses with others beside them, quad is one of them.
	beside, quad *regexp.Regexp
}

// New takes words of the configuration's own language and known names. The key is made
// here and never leaves.
func New(keys, names []string) (*Names, error) {
	n := &Names{
		key: make([]byte, 32), words: map[string]bool{}, keys: map[string]bool{}, named: map[string]bool{},
		number: regexp.MustCompile(`^[-+~<>]?\d{1,5}([.,:/x]\d{1,5})*(%|[a-zA-Zµ]{1,3})?$|^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+$`),
		moment: regexp.MustCompile(`^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:\d\d)?)?$`),
		id:     regexp.MustCompile(`^01[0-9A-HJKMNP-TV-Z]{24}$`),
		beside: regexp.MustCompile(`^[\d.,:/-]*\d(\.\d{1,3}){3}[\d.,:/-]*$`),
		quad:   regexp.MustCompile(`\d{1,3}(\.\d{1,3}){3}`),
	}
	if _, err := rand.Read(n.key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	for w := range strings.FieldsSeq(own) {
		n.words[w] = true
	}
	for _, w := range keys {
		n.words[w], n.keys[w] = true, true
	}
	common, amount := function(), regexp.MustCompile(`^\d+(ms|s|m|h|d|w)$`)
	for _, name := range names {
		for w := range strings.FieldsFuncSeq(name, func(r rune) bool { return !letter(r) }) {
			if w = strings.ToLower(w); len(w) > 1 && !n.keys[w] && !common[w] && !amount.MatchString(w) {
				n.named[w] = true
			}
		}
	}
	return n, nil
}

// function lists words that make sentences: a message without them says nothing, and
// nobody is known by one.
func function() map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq("a an and are as at be by for from had has have in is it its no not of on once one or that the their there this to was were what when which who will with " +
		"openwebui open webui groupsyncd http https ldap ldaps file env credential all people users user groups group sync secrets state every") {
		out[w] = true
	}
	return out
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// Mark gives the mark of a name; letter case makes no difference.
func (n *Names) Mark(name string) string {
	h := hmac.New(sha256.New, n.key)
	h.Write([]byte(strings.ToLower(name)))
	return "~" + hex.EncodeToString(h.Sum(nil)[:5])
}

// Text replaces the names in a text.
func (n *Names) Text(text string) string {
	var b strings.Builder
	begin := 0
	flush := func(end int) {
		if begin < end {
			b.WriteString(n.token(text[begin:end]))
		}
	}
	for i, r := range text {
		if unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("\"`()[]{}<>|;„“”‘’«»", r) {
			flush(i)
			b.WriteRune(r)
			begin = i + len(string(r))
		}
	}
	flush(len(text))
	return b.String()
}

// token replaces what stands between two spaces: a word, an address, a DN, a path.
func (n *Names) token(t string) string {
	core := strings.TrimRight(t, ".,:!?…'")
	tail := t[len(core):]
	head := ""
	if trimmed := strings.TrimLeft(core, "'-*"); trimmed != "" {
		head, core = core[:len(core)-len(trimmed)], trimmed
	}
	return head + n.core(core) + tail
}

func (n *Names) core(t string) string {
	switch {
	case t == "" || n.plain(t) || n.moment.MatchString(t) || n.id.MatchString(t):
		return t
	case address(t):
		return n.Mark(t)
	case n.beside.MatchString(t):
		return n.quad.ReplaceAllStringFunc(t, func(one string) string {
			if address(one) {
				return n.Mark(one)
			}
			return one
		})
	case n.number.MatchString(t) && !n.named[strings.ToLower(t)]:
		return t
	}
	if scheme, rest, found := strings.Cut(t, "://"); found {
		host, path, _ := strings.Cut(rest, "/")
		if _, after, found := strings.Cut(host, "@"); found {
			host = after
		}
		return n.part(scheme) + "://" + n.host(host) + n.path(path)
	}
	switch {
	case strings.Contains(t, "@"):
		return n.Mark(t) // A mail address.
	case strings.Contains(t, "="):
		// A DN goes as a whole; the name of a setting of Open WebUI stays.
		if name, value, _ := strings.Cut(t, "="); name == strings.ToUpper(name) && n.plain(name) {
			return name + "=" + n.core(value)
		}
		return n.Mark(t)
	case strings.Contains(t, "/"):
		lead := ""
		if strings.HasPrefix(t, "/") {
			lead, t = "/", t[1:]
		}
		return lead + strings.TrimPrefix(n.path(t), "/")
	case strings.Contains(t, ":"):
		return n.parts(t, ":")
	case strings.Contains(t, "."):
		return n.dotted(t)
	case strings.Contains(t, ","):
		return n.parts(t, ",")
	case strings.ContainsAny(t, "_") && n.keys[t]:
		return t
	case strings.Contains(t, "-"):
		return n.parts(t, "-")
	}
	return n.Mark(t)
}

// plain reports whether a word may stay.
func (n *Names) plain(word string) bool {
	lower := strings.ToLower(word)
	if n.keys[word] {
		return true
	}
	return n.words[word] && !n.named[lower] || !strings.ContainsFunc(word, letter)
}

func (n *Names) part(text string) string {
	if text == "" || n.plain(text) || n.number.MatchString(text) && !n.named[strings.ToLower(text)] {
		return text
	}
	return n.Mark(text)
}

// parts keeps the parts that may stay; one that may not takes all with it when the parts
// make one name.
func (n *Names) parts(text, by string) string {
	all := strings.Split(text, by)
	for i := range all {
		if by == "-" {
			if !n.plain(all[i]) {
				return n.Mark(text)
			}
			continue
		}
		all[i] = n.core(all[i])
	}
	return strings.Join(all, by)
}

// dotted keeps keys of the configuration, such as server.public.url, and no names of hosts.
func (n *Names) dotted(text string) string {
	for p := range strings.SplitSeq(text, ".") {
		if !n.keys[p] && p != "yaml" && p != "db" && p != "md" && !n.number.MatchString(p) {
			return n.Mark(text)
		}
	}
	return text
}

func (n *Names) host(text string) string {
	name, port, found := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") || !found {
		name, port = text, ""
	}
	if port != "" {
		port = ":" + n.part(port)
	}
	if name == "localhost" || loopback(name) {
		return name + port
	}
	return n.Mark(name) + port
}

// path keeps the parts of a path that are the program's or an API's own words.
func (n *Names) path(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	for p := range strings.SplitSeq(text, "/") {
		b.WriteString("/" + n.core(p))
	}
	return b.String()
}

func loopback(text string) bool {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil && a.IsLoopback()
}

// address reports whether a text is an address, or a network, that is not this machine.
func address(text string) bool {
	if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Is6() {
		return !p.Addr().IsLoopback() && !p.Addr().IsUnspecified()
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return !a.Addr().IsLoopback() && !a.Addr().IsUnspecified()
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil && !a.IsLoopback() && !a.IsUnspecified()
}
