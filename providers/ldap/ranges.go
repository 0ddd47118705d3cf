package ldap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"groupsyncd/providers/ldap/wire"
)

// rangedGroup is a group whose members Active Directory gives in slices, because there
// are more than MaxValRange, usually 1,500.
type rangedGroup struct {
	group     uint32
	attribute string
	// dn is the DN as the server spells it.
	dn string

	// count is how many values were read, from the state of the entry named by version.
	count   int
	version string
	tries   int
	members members
	done    bool
	err     error
}

// maxRangeTries is how often a group is read again that changes under the read.
const maxRangeTries = 3

var errMoved = errors.New("the group changed while it was read, again and again")

// isRange reports whether the options of an attribute say that it is a slice.
func isRange(options []byte) bool {
	return len(options) > len("range=") && wire.EqualFold(options[:len("range=")], "range=")
}

// readRanges reads the noted groups slice by slice, the next slices of all of them at
// once.
func (r *reader) readRanges(ctx context.Context) {
	open := r.groups.ranged
	r.groups.ranged = nil
	for len(open) > 0 {
		dns := make([]string, len(open))
		for i, g := range open {
			dns[i] = g.dn
		}
		answered := 0
		err := r.session.looks(ctx, dns, func(i int) []string { return []string{open[i].next(), "uSNChanged"} }, func(i int, e *wire.Entry, err error) {
			answered++
			if err == nil {
				err = r.addSlice(open[i], e)
			}
			open[i].err = err
		})
		for i, g := range open {
			if i >= answered {
				g.err = err
			}
			r.closeRange(ctx, g)
		}
		if err != nil {
			r.session.giveUp(err)
		}
		open = slices.DeleteFunc(open, func(g *rangedGroup) bool { return g.done })
	}
}

// closeRange gives a group its members when all of them are read.
func (r *reader) closeRange(ctx context.Context, g *rangedGroup) {
	if g.err != nil {
		g.done = true
		r.snapshot.Groups[g.group].MembersKnown = false
		r.fail(searchError(ctx, r.session.server, "read members", "groups", g.dn, g.err))
		return
	}
	if g.done {
		r.settle(g.group, &g.members)
	}
}

// next is the name of the slice to ask for.
func (g *rangedGroup) next() string { return fmt.Sprintf("%s;range=%d-*", g.attribute, g.count) }

// addSlice takes one slice. All of them must come from one unchanged state of the
// entry: a member added between two slices could push another out of both.
func (r *reader) addSlice(g *rangedGroup, e *wire.Entry) error {
	if e == nil {
		return fmt.Errorf("the group cannot be read any more: %w", errIncomplete)
	}
	version := string(e.First("uSNChanged"))
	if g.count > 0 && version != g.version {
		if g.tries++; g.tries == maxRangeTries {
			return fmt.Errorf("%w: %w", errMoved, errIncomplete)
		}
		g.count = 0
		g.members.reset()
		return nil
	}
	g.version = version
	a, last, err := sliceOf(e, g.attribute, g.count)
	if err != nil {
		return err
	}
	if a != nil {
		r.addMembers(&g.members, g.attribute, a)
		g.count += a.Len()
	}
	g.done = last
	return nil
}

// sliceOf finds the slice that begins at from, and whether it is the last.
func sliceOf(e *wire.Entry, attribute string, from int) (a *wire.Attribute, last bool, err error) {
	for i := range e.Attributes {
		a := &e.Attributes[i]
		name, options := a.Base()
		if !isRange(options) || !wire.EqualFold(name, attribute) {
			continue
		}
		lo, hi, _ := bytes.Cut(options[len("range="):], []byte("-"))
		start, err := strconv.Atoi(string(lo))
		switch {
		case err != nil || start != from:
			return nil, false, fmt.Errorf("asked for values from %d, got %s: %w", from, a.Name, errIncomplete)
		case string(hi) == "*":
			return a, true, nil
		}
		if end, err := strconv.Atoi(string(hi)); err != nil || end-start+1 != a.Len() || a.Len() == 0 {
			return nil, false, fmt.Errorf("%s came with %d values: %w", a.Name, a.Len(), errIncomplete)
		}
		return a, false, nil
	}
	// The members may have become so few meanwhile that no range is needed.
	if from == 0 {
		return e.Find(attribute), true, nil
	}
	return nil, false, fmt.Errorf("no values from %d on: %w", from, errIncomplete)
}
