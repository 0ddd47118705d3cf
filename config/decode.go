package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"groupsyncd/internal/secret"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

const (
	// maxDepth bounds how deeply blocks nest; real files need six.
	maxDepth = 40
	// maxExpansion bounds how many values aliases may add to those of the file.
	maxExpansion = 20_000
	// maxProblems is far more than anybody reads; the rest is not listed.
	maxProblems = 1000
)

// decoder fills values from the tree of a file and collects every problem on the way.
//
// It walks the tree itself: the yaml library would report neither columns nor keys of
// two structs together, and repeats the values that it cannot read.
type decoder struct {
	opts     Options
	at       places
	problems Problems
	warnings Problems
	budget   int // values that may still be visited
	// values are the texts of the file that no message may repeat.
	values map[string]bool
	// known are the keys of permissions that were compared with the known ones.
	known map[*yaml.Node]bool
	// sets are the places of the names of permission sets, by the rule's permissions.
	sets map[*Permissions][]path
}

// nodeUnmarshaler is what types of sources implement to read several forms.
type nodeUnmarshaler interface {
	UnmarshalYAML(node *yaml.Node) error
}

// report notes a problem with the value at p.
func (d *decoder) report(n *yaml.Node, p path, message, hint string) {
	d.at.spoil(p)
	d.add(&d.problems, position{n.Line, n.Column}, p, message, hint)
}

// reportAt notes a problem found after reading, unless the value at p could not be
// read anyway.
func (d *decoder) reportAt(p path, message, hint string) {
	if !d.at.broken(p) {
		d.add(&d.problems, d.at.find(p), p, message, hint)
	}
}

func (d *decoder) add(list *Problems, at position, p path, message, hint string) {
	if len(*list) == maxProblems {
		return
	}
	if name := p.String(); name != "" {
		message = name + ": " + message
	}
	*list = append(*list, Problem{File: d.opts.File, Line: at.line, Column: at.column, Message: message, Hint: hint})
}

// enter follows an alias, notes where the value stands, and says whether there is a
// value to read.
func (d *decoder) enter(n *yaml.Node, p path) (*yaml.Node, bool) {
	d.budget--
	if d.budget < 0 {
		if d.budget == -1 {
			d.report(n, nil, "aliases make this file too large", "write the values out, or use fewer aliases")
		}
		return n, false
	}
	if len(p) > maxDepth {
		d.report(n, nil, "is nested too deeply", "an alias must not stand inside the value that it names")
		return n, false
	}
	d.at.values[p.key()] = position{n.Line, n.Column}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n, !isNull(n)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// value reads n into v, an addressable value. Nothing (null) leaves v as it is.
func (d *decoder) value(n *yaml.Node, v reflect.Value, p path, words []string) {
	n, ok := d.enter(n, p)
	if !ok {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), p, words)
		return
	}
	if d.special(n, v.Addr().Interface(), p) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.block(n, slotsOf(v), p)
	case reflect.Map:
		d.table(n, v, p, words)
	case reflect.Slice:
		d.list(n, v, p, words)
	default:
		d.scalar(n, v, p, words)
	}
}

// special reads the types that have forms of their own.
func (d *decoder) special(n *yaml.Node, into any, p path) bool {
	switch x := into.(type) {
	case *[]*Source:
		d.sources(n, x, p)
	case *[]*Target:
		d.targets(n, x, p)
	case *[]*Webhook:
		pairs, _ := d.pairs(n, p)
		d.readWebhooks(pairs, x, p)
	case *Rule:
		*x = *defaultRule()
		d.block(n, slotsOf(reflect.ValueOf(x).Elem()), p)
	case *Notify:
		*x = *defaultNotify()
		d.block(n, slotsOf(reflect.ValueOf(x).Elem()), p)
	case *Accounts:
		*x = *defaultAccounts()
		d.block(n, slotsOf(reflect.ValueOf(x).Elem()), p)
	case *Access:
		d.access(n, x, p)
	case *Team:
		*x = *defaultTeam()
		d.block(n, slotsOf(reflect.ValueOf(x).Elem()), p)
	case *Discover:
		*x = *defaultDiscover()
		d.block(n, slotsOf(reflect.ValueOf(x).Elem()), p)
	case *Managers:
		d.managers(n, x, p)
	case *mapping.Match:
		d.match(n, x, p)
	case *plan.Limit:
		d.limit(n, x, p)
	case *Create:
		d.create(n, x, p)
	case *Permissions:
		d.permissions(n, x, p)
	case *PermissionSet:
		d.permissionSet(n, x, p)
	case *secret.Ref:
		d.secret(n, x, p)
	case nodeUnmarshaler:
		if err := x.UnmarshalYAML(n); err != nil {
			d.foreignError(n, reflect.TypeOf(into).Elem(), p, err)
		}
	case encoding.TextUnmarshaler:
		if n.Kind != yaml.ScalarNode {
			d.wrongType(n, p, "text")
		} else if err := x.UnmarshalText([]byte(n.Value)); err != nil {
			d.report(n, p, withoutValue(err.Error(), n.Value), "")
		}
	default:
		return false
	}
	return true
}

// foreignError reports an error of a type that reads itself. The yaml library's own
// errors repeat the value, so nothing of them is used.
func (d *decoder) foreignError(n *yaml.Node, t reflect.Type, p path, err error) {
	_, one := errors.AsType[*yaml.LoadError](err)
	_, several := errors.AsType[*yaml.LoadErrors](err)
	switch {
	case !one && !several:
		d.report(n, p, withoutValue(err.Error(), n.Value), "")
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && n.Kind != yaml.SequenceNode:
		d.wrongType(n, p, "text or a list")
	default:
		d.report(n, p, "has the wrong form", "")
	}
}

// secret reads a reference and repeats nothing of what it finds instead.
func (d *decoder) secret(n *yaml.Node, ref *secret.Ref, p path) {
	if n.Kind != yaml.ScalarNode {
		d.wrongType(n, p, "a reference to a secret, such as file:secrets/NAME")
		return
	}
	if err := ref.UnmarshalText([]byte(n.Value)); err != nil {
		d.report(n, p, err.Error(), "keep the secret in a file that only groupsyncd can read, and name that file here: "+p.last()+": file:secrets/NAME")
	}
}

// withoutValue takes a value out of an error about it.
func withoutValue(text, value string) string {
	text = strings.ReplaceAll(text, strconv.Quote(value), "this value")
	if len(value) >= 4 {
		text = strings.ReplaceAll(text, value, "this value")
	}
	return text
}

// block reads a mapping with known keys.
func (d *decoder) block(n *yaml.Node, slots []slot, p path) {
	pairs, ok := d.pairs(n, p)
	if !ok {
		return
	}
	for _, pair := range pairs {
		s := findSlot(slots, pair.key)
		if s == nil {
			d.unknownKey(pair, slots, p)
			continue
		}
		d.value(pair.value, s.value, p.child(pair.key), s.words)
	}
}

func (d *decoder) unknownKey(pair pair, slots []slot, p path) {
	if len(d.problems) == maxProblems {
		return
	}
	known := keysOf(slots)
	name := shown(pair.key, "", known)
	if name != "" && isNull(pair.value) && nearest(pair.key, known) == "" {
		name = "" // a lone word may be anything
	}
	message := "unknown key"
	if name != "" {
		message += " " + name
	}
	message += didYouMean(pair.key, known)
	if meant := nearest(pair.key, known); meant != "" {
		d.at.spoil(p.child(meant)) // it is not missing as well
	}
	hint, ok := foreign(pair.key)
	if !ok && nearest(pair.key, known) == "" {
		if blocks := blocksWith(slots, pair.key); len(blocks) > 0 {
			hint = name + " belongs in " + commaOr(blocks)
		} else {
			hint = "known here: " + strings.Join(known, ", ")
		}
	}
	d.add(&d.problems, position{pair.node.Line, pair.node.Column}, p, message, hint)
}

// table reads a mapping with free keys.
func (d *decoder) table(n *yaml.Node, v reflect.Value, p path, words []string) {
	pairs, ok := d.pairs(n, p)
	if !ok {
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		panic("config: maps have texts as keys: " + v.Type().String())
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(pairs)))
	}
	for _, pair := range pairs {
		element := reflect.New(v.Type().Elem()).Elem()
		if element.Kind() == reflect.Pointer {
			element.Set(reflect.New(element.Type().Elem()))
		}
		d.value(pair.value, element, p.child(pair.key), words)
		v.SetMapIndex(reflect.ValueOf(pair.key).Convert(v.Type().Key()), element)
	}
}

// list reads a sequence; a list of texts or secrets may be a single one. What stood there
// before, a default, is replaced.
func (d *decoder) list(n *yaml.Node, v reflect.Value, p path, words []string) {
	items := n.Content
	switch {
	case n.Kind == yaml.SequenceNode:
	case n.Kind == yaml.ScalarNode && mayStandAlone(v.Type().Elem()):
		items = []*yaml.Node{n}
	default:
		want := "a list"
		switch {
		case v.Type().Elem() == reflect.TypeFor[secret.Ref]():
			want = "a reference to a secret or a list of them"
		case v.Type().Elem().Kind() == reflect.String:
			want = "text or a list"
		}
		d.wrongType(n, p, want)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(items))
	for i, item := range items {
		element := reflect.New(v.Type().Elem()).Elem()
		if element.Kind() == reflect.Pointer {
			element.Set(reflect.New(element.Type().Elem()))
		}
		// An empty entry keeps its place, so that positions in the list stay those
		// of the file.
		if isNull(item) {
			d.report(item, p.index(i), "an entry of the list is empty", "")
		}
		d.value(item, element, p.index(i), words)
		out = reflect.Append(out, element)
	}
	v.Set(out)
}

// mayStandAlone reports whether a list of these may be written as its only entry.
func mayStandAlone(t reflect.Type) bool {
	return t.Kind() == reflect.String || t == reflect.TypeFor[secret.Ref]()
}

// scalar reads a single value of a basic kind.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, p path, words []string) {
	switch v.Kind() {
	case reflect.String:
		if text, ok := d.text(n, p); ok {
			v.SetString(text)
			d.oneOf(n, p, text, words)
		}
	case reflect.Bool:
		if n.ShortTag() != "!!bool" {
			hint := ""
			if n.Kind == yaml.ScalarNode {
				switch strings.ToLower(n.Value) {
				case "yes", "on":
					hint = "write true"
				case "no", "off":
					hint = "write false"
				}
			}
			d.report(n, p, "must be true or false, not "+kindOf(n), hint)
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.integer(n, v, p)
	default:
		panic("config: no key can have the type " + v.Type().String())
	}
}

func (d *decoder) integer(n *yaml.Node, v reflect.Value, p path) {
	i, ok := whole(n)
	if !ok {
		d.wrongType(n, p, "a whole number")
		return
	}
	if v.CanInt() {
		if v.OverflowInt(i) {
			d.report(n, p, "is too large a number", "")
			return
		}
		v.SetInt(i)
		return
	}
	if i < 0 || v.OverflowUint(uint64(i)) {
		d.report(n, p, "is too large or negative a number", "")
		return
	}
	v.SetUint(uint64(i))
}

// whole reads an integer as YAML 1.2 writes it: leading zeros do not make it octal.
func whole(n *yaml.Node) (int64, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		return 0, false
	}
	base := 10
	if s := strings.TrimLeft(strings.ToLower(n.Value), "+-"); strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o") || strings.HasPrefix(s, "0b") {
		base = 0
	}
	i, err := strconv.ParseInt(n.Value, base, 64)
	return i, err == nil
}

// text reads a text. Numbers and dates are taken as they are written, since a group
// may well be called 2024; true and false are not, since they are more often meant.
func (d *decoder) text(n *yaml.Node, p path) (string, bool) {
	if n.Kind == yaml.ScalarNode {
		switch n.ShortTag() {
		case "!!str", "!!int", "!!float", "!!timestamp":
			return n.Value, true
		case "!!bool":
			d.report(n, p, "must be text, not true or false", "put it in quotes if it is a name")
			return "", false
		}
	}
	d.wrongType(n, p, "text")
	return "", false
}

// oneOf checks a text against the words that it may be.
func (d *decoder) oneOf(n *yaml.Node, p path, text string, words []string) {
	if len(words) == 0 || slices.Contains(words, text) {
		return
	}
	message := "must be " + commaOr(words)
	if s := nearest(text, words); s != "" {
		message = fmt.Sprintf("must be %s, not %q; did you mean %q?", commaOr(words), text, s)
	}
	d.report(n, p, message, "")
}

func (d *decoder) wrongType(n *yaml.Node, p path, want string) {
	d.report(n, p, "must be "+want+", not "+kindOf(n), "")
}

// kindOf says what stands there in words, and nothing of its content.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a block of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	case "!!str":
		return "text"
	}
	return "a value with a tag of its own"
}
