package ldap

import (
	"context"
	"fmt"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/wire"
)

// reader gathers one pull. It belongs to one goroutine at a time: while a search runs,
// to the one that reads the connection.
type reader struct {
	source   *source
	session  *session
	layout   *layout
	snapshot *directory.Snapshot
	progress providers.Progress
	now      time.Time

	texts  texts
	users  userBooks
	groups groupBooks
	// containers is for layouts whose groups do not name their members.
	containers containers
	// owners are the owners of listed groups, where they are read.
	owners []owned
	// ranged are attributes that came in slices, whose rest is read behind the list.
	ranged []*sliced
	// key is room for one name in normal form, batch for many.
	key   []byte
	batch batch

	err     error
	reasons []string
	failed  map[string]bool
}

func newReader(s *source, progress providers.Progress) *reader {
	now := s.now()
	r := &reader{source: s, progress: progress, now: now, snapshot: &directory.Snapshot{AsOf: now}, failed: map[string]bool{}}
	r.users = newUserBooks(r.snapshot)
	r.groups = newGroupBooks(r.snapshot)
	return r
}

// fail notes why something is not covered. The first failure is the error of the
// pull; all of them are its reason.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	if text := err.Error(); !r.failed[text] {
		r.failed[text] = true
		r.reasons = append(r.reasons, text)
	}
}

// failure makes a failure out of words.
func (r *reader) failure(kind fault.Kind, op, hint, format string, args ...any) error {
	return fault.New(kind, op, r.session.server.text, fmt.Errorf(format, args...), hint)
}

// list reads one list below all its bases. It gives true when its end is proved and
// every entry could be used.
func (r *reader) list(ctx context.Context, block string, bases []string, filter string, attributes []string, each func(*wire.Entry) error) bool {
	op := "read " + block
	var bad badEntries
	count, complete := 0, true
	for _, base := range bases {
		before := count
		f, err := r.session.read(ctx, query{base, ldap.ScopeWholeSubtree, filter, attributes}, func(e *wire.Entry) error {
			bad.see(e, each(e))
			return nil
		}, func(n int) { r.progress.Report(block, before+n) })
		count += f.Entries
		if err == nil && f.Entries == 0 {
			err = r.seeBase(ctx, block, base)
		}
		switch {
		case err != nil:
			r.fail(searchError(ctx, r.session.server, op, block, base, err))
			complete = false
			r.session.giveUp(err)
		case f.References > 0 && !r.layout.ad:
			// In Active Directory every domain refers to its other partitions, which
			// are no part of it; elsewhere a reference stands for entries.
			r.fail(r.failure(fault.Incomplete, op, "referrals are never followed: read that server with a source of its own, or choose a base without it",
				"below %q: the server refers to others for a part of the entries (%d search references)", base, f.References))
			complete = false
		}
		if ctx.Err() != nil || code(err) >= ldap.ErrorNetwork {
			break
		}
	}
	r.progress.Report(block, count)
	if bad.count > 0 {
		complete = false
		r.failBad(ctx, op, block, &bad, count)
	}
	if e := ended(ctx, op, r.session.server.text); complete && e != nil {
		r.fail(e)
		return false
	}
	return complete
}

// seeBase makes sure that a base below which there is nothing can be seen itself:
// some servers answer a reader without rights with an empty success.
func (r *reader) seeBase(ctx context.Context, block, base string) error {
	e, err := r.session.entry(ctx, base, "(objectClass=*)", []string{"1.1"})
	if err == nil && e == nil {
		err = r.failure(fault.Auth, "read "+block, "let the account of bind.dn read there, or check "+block+".base", "nothing is shown below %q, nor that entry itself", base)
	}
	return err
}

// badEntries counts entries that cannot be used.
type badEntries struct {
	count int
	first error
	dn    string
}

func (b *badEntries) see(e *wire.Entry, err error) {
	if err == nil {
		return
	}
	if b.count++; b.first == nil {
		b.first, b.dn = err, string(e.DN)
	}
}

// failBad explains entries that cannot be used. When none can, the configured id is
// the likely mistake, and the message shows which attributes there are.
func (r *reader) failBad(ctx context.Context, op, block string, bad *badEntries, of int) {
	attribute := r.layout.users.ID
	if block == "groups" {
		attribute = r.layout.groups.ID
	}
	if bad.count < of {
		r.fail(r.failure(fault.Incomplete, op, "correct these entries, or leave them out by "+block+".filter",
			"%d of %d %s cannot be used: %w", bad.count, of, block, bad.first))
		return
	}
	seen := r.attributesOf(ctx, bad.dn)
	r.fail(r.failure(fault.Invalid, op, hintAttribute(block+".id", attribute, seen, idAttributes()),
		"none of the %d %s can be used: %w; seen are %s", of, block, bad.first, strings.Join(seen, ", ")))
}
