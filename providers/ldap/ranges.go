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

// sliced is an attribute whose values Active Directory gives in slices, because there
// are more than MaxValRange, usually 1,500.
type sliced struct {
	// dn is the DN of the entry as the server spells it.
	dn, attribute string
	// take gets the values slice by slice; restart says that they begin again; end
	// comes last, with the error of a read that failed.
	take    func(*wire.Attribute)
	restart func()
	end     func(context.Context, error)

	// count is how many values were read, from the state of the entry named by version.
	count   int
	version string
	tries   int
	err     error
	done    bool
}

// maxRangeTries is how often an entry is read again that changes under the read.
const maxRangeTries = 3

var errMoved = errors.New("the entry changed while it was read, again and again")

// isRange reports whether the options of an attribute say that it is a slice.
func isRange(options []byte) bool {
	return len(options) > len("range=") && wire.EqualFold(options[:len("range=")], "range=")
}

// readSlices reads attributes to their last value, the next slices of all of them at
// once.
func (s *session) readSlices(ctx context.Context, open []*sliced) {
	for len(open) > 0 {
		dns := make([]string, len(open))
		for i, v := range open {
			dns[i] = v.dn
		}
		answered := 0
		err := s.looks(ctx, dns, func(i int) []string { return []string{open[i].next(), "uSNChanged"} }, func(i int, e *wire.Entry, err error) {
			answered++
			if err == nil {
				err = open[i].add(e)
			}
			open[i].err = err
		})
		for i, v := range open {
			if i >= answered {
				v.err = err
			}
			if v.done = v.done || v.err != nil; v.done {
				v.end(ctx, v.err)
			}
		}
		if err != nil {
			s.giveUp(err)
		}
		open = slices.DeleteFunc(open, func(v *sliced) bool { return v.done })
	}
}

// values reads all values of one attribute that the server gives in slices.
func (s *session) values(ctx context.Context, dn, attribute string) ([]string, error) {
	var values []string
	var failed error
	s.readSlices(ctx, []*sliced{{dn: dn, attribute: attribute,
		take: func(a *wire.Attribute) {
			for v := range a.Values() {
				values = append(values, string(v))
			}
		},
		restart: func() { values = nil },
		end:     func(_ context.Context, err error) { failed = err },
	}})
	return values, failed
}

// next is the name of the slice to ask for.
func (v *sliced) next() string { return fmt.Sprintf("%s;range=%d-*", v.attribute, v.count) }

// add takes one slice. All of them must come from one unchanged state of the entry: a
// value added between two slices could push another out of both.
func (v *sliced) add(e *wire.Entry) error {
	if e == nil {
		return fmt.Errorf("the entry cannot be read any more: %w", errIncomplete)
	}
	version := string(e.First("uSNChanged"))
	if v.count > 0 && version != v.version {
		if v.tries++; v.tries == maxRangeTries {
			return fmt.Errorf("%w: %w", errMoved, errIncomplete)
		}
		v.count = 0
		v.restart()
		return nil
	}
	v.version = version
	a, last, err := sliceOf(e, v.attribute, v.count)
	if err != nil {
		return err
	}
	if a != nil {
		v.take(a)
		v.count += a.Len()
	}
	v.done = last
	return nil
}

// rangedMembers notes members of a group that come in slices.
func (r *reader) rangedMembers(at uint32, dn, attribute string) {
	m := &members{}
	r.ranged = append(r.ranged, &sliced{dn: dn, attribute: attribute, restart: m.reset,
		take: func(a *wire.Attribute) { r.addMembers(m, attribute, a) },
		end: func(ctx context.Context, err error) {
			if err == nil {
				r.settle(at, m)
				return
			}
			r.snapshot.Groups[at].MembersKnown = false
			r.fail(searchError(ctx, r.session.server, "read members", "groups", dn, err))
		}})
}

// readRanges reads what came in slices so far.
func (r *reader) readRanges(ctx context.Context) {
	open := r.ranged
	r.ranged = nil
	r.session.readSlices(ctx, open)
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
