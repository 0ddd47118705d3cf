package scimpush

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// maxFilter and maxDepth bound filters and paths.
	maxFilter = 4096
	maxDepth  = 32
)

// attrPath names an attribute: the schema of an extension or none, a name, and a part of it
// or none.
type attrPath struct{ urn, name, sub string }

// String gives the path as it is written.
func (p attrPath) String() string {
	out := p.name
	if p.urn != "" {
		out = p.urn + ":" + out
	}
	if p.sub != "" {
		out += "." + p.sub
	}
	return out
}

// expr is a part of a filter (RFC 7644, section 3.4.2.2).
type expr interface{ is(*view) bool }

// both and either, negated: and, or, not. Within compares one attribute; values holds when one
// value of an attribute meets a filter of its own.
type (
	both    struct{ a, b expr }
	either  struct{ a, b expr }
	negated struct{ x expr }
	compare struct {
		path attrPath
		op   string
		// value is a text, a bool, a json.Number or nil.
		value any
	}
	values struct {
		path attrPath
		some expr
	}
)

// parseFilter reads a filter.
func parseFilter(text string) (expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.kind != tokenEnd {
		return nil, p.unexpected("the end")
	}
	return e, nil
}

// target is the path of a patch operation: an attribute, which of its values, and which part
// of them.
type target struct {
	attrPath
	some expr
}

// parsePath reads a path (RFC 7644, section 3.5.2): an attribute with a filter and a part.
func parsePath(text string) (*target, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	at, err := p.path()
	if err != nil {
		return nil, err
	}
	t := &target{attrPath: at}
	if p.kind == tokenOpenSquare {
		if t.some, err = p.inner(0); err != nil {
			return nil, err
		}
		// What follows begins with a dot, which the scanner takes for a part of a word.
		if p.kind == tokenWord && strings.HasPrefix(p.word, ".") && len(p.word) > 1 && t.sub == "" && !strings.ContainsAny(p.word[1:], ".:") {
			t.sub = p.word[1:]
			p.next()
		}
	}
	if p.kind != tokenEnd {
		return nil, p.unexpected("the end")
	}
	return t, nil
}

// The kinds of token.
const (
	tokenEnd = iota
	tokenWord
	tokenText
	tokenOpen
	tokenClose
	tokenOpenSquare
	tokenCloseSquare
	tokenBad
)

type parser struct {
	text string
	at   int
	// kind, word and begin are of the token that comes next.
	kind, begin int
	word        string
}

func newParser(text string) (*parser, error) {
	if len(text) > maxFilter || !utf8.ValidString(text) {
		return nil, fmt.Errorf("it is longer than %d bytes, or no valid text", maxFilter)
	}
	p := &parser{text: text}
	p.next()
	return p, nil
}

func (p *parser) next() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
	p.begin, p.word = p.at, ""
	if p.at == len(p.text) {
		p.kind = tokenEnd
		return
	}
	single := map[byte]int{'(': tokenOpen, ')': tokenClose, '[': tokenOpenSquare, ']': tokenCloseSquare}
	switch c := p.text[p.at]; {
	case single[c] != 0:
		p.kind = single[c]
		p.at++
	case c == '"':
		p.quoted()
	default:
		for p.at < len(p.text) && !strings.ContainsRune(" \t()[]\"", rune(p.text[p.at])) {
			p.at++
		}
		p.kind, p.word = tokenWord, p.text[p.begin:p.at]
	}
}

// quoted reads a text as JSON writes it.
func (p *parser) quoted() {
	p.at++
	for p.at < len(p.text) && p.text[p.at] != '"' {
		if p.text[p.at] == '\\' {
			p.at++
		}
		p.at++
	}
	p.kind = tokenBad
	if p.at >= len(p.text) {
		p.at = len(p.text)
		return
	}
	p.at++
	if json.Unmarshal([]byte(p.text[p.begin:p.at]), &p.word) == nil {
		p.kind = tokenText
	}
}

func (p *parser) unexpected(wanted string) error {
	return fmt.Errorf("character %d: %s is expected", p.begin+1, wanted)
}

func (p *parser) keyword(word string) bool {
	return p.kind == tokenWord && strings.EqualFold(p.word, word)
}

func (p *parser) or(depth int) (expr, error) {
	a, err := p.and(depth)
	for err == nil && p.keyword("or") {
		p.next()
		var b expr
		b, err = p.and(depth)
		a = either{a, b}
	}
	return a, err
}

func (p *parser) and(depth int) (expr, error) {
	a, err := p.term(depth)
	for err == nil && p.keyword("and") {
		p.next()
		var b expr
		b, err = p.term(depth)
		a = both{a, b}
	}
	return a, err
}

func (p *parser) term(depth int) (expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d levels", maxDepth)
	}
	if p.keyword("not") {
		p.next()
		if p.kind != tokenOpen {
			return nil, p.unexpected("( behind not")
		}
		x, err := p.term(depth + 1)
		return negated{x}, err
	}
	if p.kind == tokenOpen {
		p.next()
		x, err := p.or(depth + 1)
		if err == nil && p.kind != tokenClose {
			err = p.unexpected(")")
		}
		p.next()
		return x, err
	}
	at, err := p.path()
	if err != nil {
		return nil, err
	}
	if p.kind == tokenOpenSquare {
		if at.sub != "" {
			return nil, p.unexpected("a comparison")
		}
		some, err := p.inner(depth)
		if err == nil && p.kind == tokenWord && strings.HasPrefix(p.word, ".") {
			// As in a path: emails[type eq "work"].value co "x".
			return p.part(at, some)
		}
		return values{at, some}, err
	}
	return p.comparison(at)
}

// inner reads a filter of values between square brackets.
func (p *parser) inner(depth int) (expr, error) {
	p.next()
	x, err := p.or(depth + 1)
	if err == nil && p.kind != tokenCloseSquare {
		err = p.unexpected("]")
	}
	p.next()
	return x, err
}

// part reads what is compared of the values that a filter chose.
func (p *parser) part(at attrPath, some expr) (expr, error) {
	sub := strings.TrimPrefix(p.word, ".")
	if !name(sub) {
		return nil, p.unexpected("the name of a part")
	}
	p.next()
	c, err := p.comparison(attrPath{name: sub})
	return values{at, both{some, c}}, err
}

func (p *parser) comparison(at attrPath) (expr, error) {
	c := compare{path: at, op: strings.ToLower(p.word)}
	if p.kind != tokenWord {
		return nil, p.unexpected("an operator")
	}
	switch c.op {
	case "pr":
		p.next()
		return c, nil
	case "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le":
	default:
		return nil, p.unexpected("an operator")
	}
	p.next()
	switch {
	case p.kind == tokenText:
		c.value = p.word
	case p.keyword("true"):
		c.value = true
	case p.keyword("false"):
		c.value = false
	case p.keyword("null"):
	case p.kind == tokenWord:
		var n json.Number
		if json.Unmarshal([]byte(p.word), &n) != nil {
			return nil, p.unexpected("a value")
		}
		c.value = n
	default:
		return nil, p.unexpected("a value")
	}
	p.next()
	return c, nil
}

// path reads the path of an attribute.
func (p *parser) path() (attrPath, error) {
	if p.kind != tokenWord {
		return attrPath{}, p.unexpected("the name of an attribute")
	}
	at, ok := splitPath(p.word)
	if !ok {
		return at, p.unexpected("the name of an attribute")
	}
	p.next()
	return at, nil
}

// splitPath splits urn:…:name.part. The name of an extension alone is a name.
func splitPath(word string) (attrPath, bool) {
	var at attrPath
	rest := word
	if i := strings.LastIndexByte(word, ':'); i >= 0 {
		if len(word) < 4 || !strings.EqualFold(word[:4], "urn:") {
			return at, false
		}
		at.urn, rest = word[:i], word[i+1:]
	}
	if strings.EqualFold(word, enterpriseSchema) {
		return attrPath{name: enterpriseSchema}, true
	}
	at.name, at.sub, _ = strings.Cut(rest, ".")
	return at, name(at.name) && (at.sub == "" && !strings.HasSuffix(rest, ".") || name(at.sub))
}

// name reports whether a text can be the name of an attribute.
func name(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 && c != '$' && c != '_' || i > 0 && c != '-' && c != '_' && c != '$' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}
