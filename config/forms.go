package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// sources reads the sources: common keys and, by their type, their own.
func (d *decoder) sources(n *yaml.Node, out *[]*Source, p path) {
	pairs, _ := d.pairs(n, p)
	for _, pair := range pairs {
		at := p.child(pair.key)
		d.checkName(pair, at)
		s := defaultSource(pair.key)
		*out = append(*out, s)
		value, ok := d.enter(pair.value, at)
		if !ok {
			continue
		}
		inner, ok := d.pairs(value, at)
		if !ok {
			continue
		}
		kind := d.kindFor(inner, at)
		if kind.New != nil {
			s.of(kind)
		}
		slots := slotsOfSource(s)
		for _, key := range inner {
			if found := findSlot(slots, key.key); found != nil {
				d.value(key.value, found.value, at.child(key.key), found.words)
			} else if s.Config != nil && isOfChanges(key.key) {
				d.add(&d.problems, position{key.node.Line, key.node.Column}, at.child(key.key),
					"means nothing here: sources of the type "+kind.Name+" cannot tell what changed", "take it out: everything is read each time")
			} else if s.Config != nil {
				d.unknownKey(key, slots, at)
			}
		}
		s.LagReplicated = s.Lag
		if s.Config != nil && !d.at.has(at.child("lag")) {
			s.Lag, s.LagReplicated = defaultLag(s.Config), lagReplicated
		}
		if s.Changes != nil && !d.at.has(at.child("full_every")) {
			s.Changes.FullEvery = defaultFullEvery(s.MaxAge)
		}
	}
}

// kindFor finds the type that a source names. For one that is misspelled it is the one that
// was meant, so that the keys are checked all the same; for an unknown one it is empty.
func (d *decoder) kindFor(pairs []pair, p path) providers.Type {
	i := slices.IndexFunc(pairs, func(q pair) bool { return q.key == "type" })
	known := d.opts.Registry.Names()
	if i < 0 || isNull(pairs[i].value) {
		d.reportAt(p, "type is missing", "known: "+strings.Join(known, ", "))
		return providers.Type{}
	}
	n := pairs[i].value
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return providers.Type{} // the type itself is read, and refused, with the other keys
	}
	if t, ok := d.opts.Registry.Find(n.Value); ok {
		return t
	}
	meant := nearest(n.Value, known)
	d.report(n, p.child("type"), "there is no source of the type "+shown(n.Value, "given here", known)+didYouMean(n.Value, known), "known: "+strings.Join(known, ", "))
	t, _ := d.opts.Registry.Find(meant)
	return t
}

func (d *decoder) targets(n *yaml.Node, out *[]*Target, p path) {
	pairs, _ := d.pairs(n, p)
	for _, pair := range pairs {
		d.checkName(pair, p.child(pair.key))
		t := defaultTarget(pair.key)
		d.value(pair.value, reflect.ValueOf(t).Elem(), p.child(pair.key), nil)
		*out = append(*out, t)
	}
}

// checkName keeps names of sources and targets fit for addresses, metrics and
// command lines.
func (d *decoder) checkName(pair pair, p path) {
	if !properName(pair.key) {
		d.add(&d.problems, position{pair.node.Line, pair.node.Column}, p[:len(p)-1], "a name is made of letters, digits, - _ and .", "choose a short name; it appears in commands and addresses")
	}
}

// properName reports whether a name is made of letters, digits, - _ and . alone.
func properName(name string) bool {
	ok := name != "" && len(name) <= 64
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		ok = ok && (letter || i > 0 && strings.ContainsRune("-_.", r))
	}
	return ok
}

// match reads which groups a rule selects.
func (d *decoder) match(n *yaml.Node, m *mapping.Match, p path) {
	const everyone = "everyone"
	switch n.Kind {
	case yaml.ScalarNode:
		if text, ok := d.text(n, p); ok {
			if m.Everyone = text == everyone; !m.Everyone {
				m.Names = []string{text}
			}
		}
	case yaml.SequenceNode:
		d.list(n, reflect.ValueOf(&m.Names).Elem(), p, nil)
		if slices.Contains(m.Names, everyone) {
			d.report(n, p, "everyone stands alone, not in a list", "write match: everyone, or match: {name: everyone} for a group of that name")
		}
	case yaml.MappingNode:
		d.matchBy(n, m, p)
	default:
		d.wrongType(n, p, "a glob")
	}
	for _, list := range [][]string{m.Names, m.IDs, m.DNs, m.Paths, m.Regexps} {
		if slices.Contains(list, "") {
			d.report(n, p, "a pattern is empty", "")
		}
	}
}

func (d *decoder) matchBy(n *yaml.Node, m *mapping.Match, p path) {
	forms := struct {
		Name  []string `yaml:"name"`
		ID    []string `yaml:"id"`
		DN    []string `yaml:"dn"`
		Path  []string `yaml:"path"`
		Regex []string `yaml:"regex"`
	}{}
	before := len(d.problems)
	d.block(n, slotsOf(reflect.ValueOf(&forms).Elem()), p)
	if len(d.problems) > before {
		d.at.spoil(p) // what is left of it is not what was meant
	}
	m.Names, m.IDs, m.DNs, m.Paths, m.Regexps = forms.Name, forms.ID, forms.DN, forms.Path, forms.Regex
	given := 0
	for _, list := range [][]string{m.Names, m.IDs, m.DNs, m.Paths, m.Regexps} {
		if len(list) > 0 {
			given++
		}
	}
	if given > 1 {
		d.report(n, p, "selects by several kinds at once", "give one of name, id, dn, path, regex, and write one rule for each")
	}
}

// limit reads a number, a share, both, or off.
func (d *decoder) limit(n *yaml.Node, l *plan.Limit, p path) {
	const hint = "write a number, 20%, {count: 500, percent: 20}, or off"
	if n.Kind == yaml.MappingNode {
		d.limitBoth(n, l, p)
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.report(n, p, "must be a limit, not "+kindOf(n), hint)
		return
	}
	if n.Value == "off" || n.ShortTag() == "!!bool" && strings.EqualFold(n.Value, "off") {
		*l = plan.LimitOff()
		return
	}
	if count, ok := whole(n); ok && count >= 0 && count <= maxCount {
		*l = plan.LimitCount(int(count))
		return
	}
	if share, found := strings.CutSuffix(n.Value, "%"); found {
		if percent, ok := percentage(strings.TrimSpace(share)); ok {
			*l = plan.LimitPercent(percent)
			return
		}
	}
	d.report(n, p, "is not a limit", hint)
}

// maxCount is more things than any directory holds, and small enough to count with.
const maxCount = 1_000_000_000

// percentage reads a share of the whole, in hundredths.
func percentage(s string) (float64, bool) {
	for _, r := range s {
		if r != '.' && (r < '0' || r > '9') {
			return 0, false
		}
	}
	percent, err := strconv.ParseFloat(s, 64)
	return percent, err == nil && percent <= 100
}

func (d *decoder) limitBoth(n *yaml.Node, l *plan.Limit, p path) {
	forms := struct {
		Count   *int    `yaml:"count"`
		Percent *string `yaml:"percent"`
	}{}
	before := len(d.problems)
	d.block(n, slotsOf(reflect.ValueOf(&forms).Elem()), p)
	if len(d.problems) > before {
		d.at.spoil(p)
		return
	}
	*l = plan.Limit{}
	if forms.Count != nil {
		l.ByCount, l.Count = true, *forms.Count
		if l.Count < 0 || l.Count > maxCount {
			d.reportAt(p.child("count"), "must be a number from 0 up", "0 allows none; off sets no limit")
		}
	}
	if forms.Percent != nil {
		var ok bool
		l.ByPercent = true
		if l.Percent, ok = percentage(strings.TrimSpace(strings.TrimSuffix(*forms.Percent, "%"))); !ok {
			d.reportAt(p.child("percent"), "must be a number from 0 to 100", "")
		}
	}
	if !l.ByCount && !l.ByPercent {
		d.report(n, p, "needs count, percent or both", "")
	}
}

func (d *decoder) create(n *yaml.Node, c *Create, p path) {
	if n.Kind == yaml.ScalarNode {
		switch {
		case n.ShortTag() == "!!bool":
			*c = Create(strings.ToLower(n.Value))
			return
		case n.Value == string(CreateUsed):
			*c = CreateUsed
			return
		}
	}
	d.report(n, p, "must be true, false or used", "")
}

// permissions reads names of sets, a tree, or a list of both.
func (d *decoder) permissions(n *yaml.Node, perms *Permissions, p path) {
	switch n.Kind {
	case yaml.MappingNode:
		if perms.Tree == nil {
			perms.Tree = permission.Set{}
		}
		d.permissionTree(n, p, "", perms.Tree, nil)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			item, ok := d.enter(item, p.index(i))
			switch {
			case !ok && isNull(item):
				d.report(item, p.index(i), "an entry of the list is empty", "")
			case !ok:
			case item.Kind == yaml.SequenceNode:
				d.wrongType(item, p.index(i), "the name of a permission set")
			default:
				d.permissions(item, perms, p.index(i))
			}
		}
	default:
		if name, ok := d.text(n, p); ok {
			perms.Sets = append(perms.Sets, name)
			d.sets[perms] = append(d.sets[perms], p)
		}
	}
}

func (d *decoder) permissionSet(n *yaml.Node, set *PermissionSet, p path) {
	set.Set = permission.Set{}
	d.permissionTree(n, p, "", set.Set, &set.Extends)
}

// permissionTree reads a tree of booleans. extends is where that key of a set goes;
// nil where there is none.
func (d *decoder) permissionTree(n *yaml.Node, p path, prefix string, set permission.Set, extends *[]string) {
	pairs, ok := d.pairs(n, p)
	if !ok {
		return
	}
	for _, pair := range pairs {
		at := p.child(pair.key)
		if extends != nil && pair.key == "extends" {
			d.value(pair.value, reflect.ValueOf(extends).Elem(), at, nil)
			continue
		}
		if hint, ok := foreign(pair.key); ok && strings.HasPrefix(pair.key, "USER_PERMISSIONS_") {
			d.add(&d.problems, position{pair.node.Line, pair.node.Column}, p, "unknown key "+quote(pair.key), hint)
			continue
		}
		value, ok := d.enter(pair.value, at)
		name := prefix + pair.key
		switch {
		case !ok && isNull(value):
			d.report(pair.value, at, "must be true, false or a block of permissions, not nothing", "")
		case !ok:
		case value.Kind == yaml.MappingNode:
			d.permissionTree(value, at, name+".", set, nil)
		case value.ShortTag() == "!!bool":
			set[name] = strings.EqualFold(value.Value, "true")
			d.checkPermission(pair, name, p)
		default:
			d.report(value, at, "must be true or false, not "+kindOf(value), "")
		}
	}
}

// checkPermission warns about a key that Open WebUI is not known to have. It is no
// problem: a newer server may have it, and others ignore it.
func (d *decoder) checkPermission(pair pair, name string, p path) {
	if d.known[pair.node] {
		return // an alias brought it here again
	}
	d.known[pair.node] = true
	known := permission.KnownKeys()
	if slices.Contains(known, name) {
		return
	}
	meant := nearest(name, known)
	if meant == "" || !strings.Contains(name, ".") {
		for _, k := range known {
			if strings.HasSuffix(k, "."+pair.key) {
				meant = k
			}
		}
	}
	message := "Open WebUI is not known to have the permission " + shown(name, "given here", known)
	if meant != "" {
		message += "; did you mean " + quote(meant) + "?"
	}
	d.add(&d.warnings, position{pair.node.Line, pair.node.Column}, p, message, "it is written as it stands; a server that does not know it ignores it")
}
