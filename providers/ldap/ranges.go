package ldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// rangedValues is a group whose members Active Directory gives in slices, because
// there are more than MaxValRange, usually 1,500.
type rangedValues struct {
	group     uint32
	attribute string
}

// maxRangeTries is how often a group is read again that changes under the read.
const maxRangeTries = 3

// readRanges reads the noted groups slice by slice.
func (r *reader) readRanges(ctx context.Context) {
	for _, v := range r.ranged {
		values, err := r.readRange(ctx, r.dns[v.group], v.attribute)
		if err != nil {
			r.snapshot.Groups[v.group].MembersKnown = false
			r.fail(searchError(ctx, r.session.server, "read members", "groups", r.dns[v.group], err))
			continue
		}
		for _, value := range values {
			r.addMember(v.group, v.attribute, value)
		}
	}
	r.ranged = nil
}

// readRange gives all values of an attribute, from one unchanged state of the entry:
// a member added between two slices could push another out of both.
func (r *reader) readRange(ctx context.Context, dn, attribute string) ([]string, error) {
	for range maxRangeTries {
		values, moved, err := r.readSlices(ctx, dn, attribute)
		if err != nil || !moved {
			return values, err
		}
	}
	return nil, fmt.Errorf("%w: %w", errMoved, errIncomplete)
}

func (r *reader) readSlices(ctx context.Context, dn, attribute string) (values []string, moved bool, err error) {
	version := ""
	for {
		from := len(values)
		asked := fmt.Sprintf("%s;range=%d-*", attribute, from)
		e, err := r.session.entry(ctx, dn, "(objectClass=*)", []string{asked, "uSNChanged"})
		if err != nil {
			return nil, false, err
		}
		if e == nil {
			return nil, false, fmt.Errorf("the group cannot be read any more: %w", errIncomplete)
		}
		usn := first(e, "uSNChanged")
		if from > 0 && usn != version {
			return nil, true, nil
		}
		version = usn
		slice, last, err := sliceOf(e, attribute, from)
		if err != nil {
			return nil, false, err
		}
		values = append(values, slice...)
		if last {
			return values, false, nil
		}
	}
}

// sliceOf finds the slice that begins at from, and whether it is the last.
func sliceOf(e *ldap.Entry, attribute string, from int) (values []string, last bool, err error) {
	for _, a := range e.Attributes {
		name, option, _ := strings.Cut(a.Name, ";")
		span, ranged := strings.CutPrefix(strings.ToLower(option), "range=")
		if !ranged || !strings.EqualFold(name, attribute) {
			continue
		}
		lo, hi, _ := strings.Cut(span, "-")
		start, err := strconv.Atoi(lo)
		switch {
		case err != nil || start != from:
			return nil, false, fmt.Errorf("asked for values from %d, got %s: %w", from, a.Name, errIncomplete)
		case hi == "*":
			return a.Values, true, nil
		}
		if end, err := strconv.Atoi(hi); err != nil || end-start+1 != len(a.Values) || len(a.Values) == 0 {
			return nil, false, fmt.Errorf("%s came with %d values: %w", a.Name, len(a.Values), errIncomplete)
		}
		return a.Values, false, nil
	}
	// The members may have become so few meanwhile that no range is needed.
	if all := e.GetEqualFoldAttributeValues(attribute); from == 0 {
		return all, true, nil
	}
	return nil, false, fmt.Errorf("no values from %d on: %w", from, errIncomplete)
}
