package ldap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// The bounds of reading changes. Beyond them a full read is the cheaper way.
const (
	// maxChanged is how many changed entries are taken, besides a quarter of the picture.
	maxChanged = 5000
	// maxAgain is how many groups are read again because of what they refer to.
	maxAgain = 500
	// maxUnlisted is how many nested groups may lie outside the bases: changes of the
	// bases do not show them, so they are read each time.
	maxUnlisted = 200
	// maxPrimary is how many users may have another primary group than most have.
	maxPrimary = 50000
	// idBatch is how many entries one search asks for by their ids.
	idBatch = 100
)

// PullChanges gives the picture of base with the changes since its cursor.
//
// A server tells which entries changed; everything else is worked out here, by the
// words of a full read: changed entries are read whole, references joined anew
// wherever a name changed hands, and nested groups outside the bases are read again.
func (s *source) PullChanges(ctx context.Context, base *directory.Snapshot, progress providers.Progress) (*directory.Snapshot, error) {
	if s.config.ShowsOwners() {
		return nil, needFull("owners of groups are read each time")
	}
	from, err := s.follow(base)
	if err != nil {
		return nil, err
	}
	ctx, end, err := s.begin(ctx)
	defer end()
	if err == nil {
		err = ended(ctx, "connect", s.where())
	}
	if err != nil {
		return nil, err
	}
	asOf := s.now()
	made, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer made.close()
	d := &differ{source: s, session: made, layout: made.layout, base: base, from: from, asOf: asOf, progress: progress}
	snapshot, err := d.run(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot, nil
}

// follow makes sure that a picture can be followed by its cursor alone.
func (s *source) follow(base *directory.Snapshot) (*cursor, error) {
	from, err := decodeCursor(base.Cursor)
	switch {
	case err != nil:
		return nil, needFull("%w", err)
	case base.Coverage() != directory.Full:
		return nil, needFull("the picture of before is not complete")
	case fingerprint(base) != from.Print:
		return nil, needFull("the picture of before is not the one that the cursor was made for")
	}
	return from, nil
}

// differ works out one delta. It belongs to one goroutine.
type differ struct {
	source   *source
	session  *session
	layout   *layout
	base     *directory.Snapshot
	from     *cursor
	asOf     time.Time
	progress providers.Progress

	users, groups *block
	// links are changed members of groups, by id, where the server tells them alone.
	links map[string]*links
	// outside are the DNs of other entries that changed: a reference that named nobody
	// may name a group now.
	outside map[string]bool
	// containers are DNs of changed entries that may hold others. Renaming one renames
	// everything below it, and only the container counts as changed.
	containers map[string]bool

	deletedUsers, deletedGroups []string
}

// block is what changed in one of the two lists, by id.
type block struct {
	name    string
	bases   []string
	filter  string
	id      string
	asked   []string
	entries map[string]*ldap.Entry
	// gone are ids that the list does not show any more.
	gone map[string]bool
	// known are the ids and DNs that the list showed.
	known map[string]string
}

// links are members that a group got and lost.
type links struct{ added, removed []string }

// run reads the changes and gives the picture.
func (d *differ) run(ctx context.Context) (*directory.Snapshot, error) {
	if d.from.Scope != d.layout.digest() {
		return nil, needFull("the configuration shows other entries or attributes than when the cursor was made")
	}
	now, err := d.source.observe(ctx, d.session)
	if err != nil {
		if n, ok := errors.AsType[*noWay](err); ok {
			return nil, needFull("%s", n.why)
		}
		return nil, d.problem(ctx, "read root entry", "users", "", err)
	}
	if err := d.from.compare(now); err != nil {
		return nil, err
	}
	d.prepare()
	next := &cursor{mark: *now, Scope: d.from.Scope, At: d.asOf}
	switch d.from.Way {
	case waySyncrepl:
		err = d.feedSyncrepl(ctx, next)
	case wayDirSync:
		next.Flags = d.from.Flags
		err = d.feedDirSync(ctx, next)
	default:
		next.Way = wayUSN
		err = d.feedUSN(ctx, next)
	}
	if err != nil {
		return nil, err
	}
	if err := d.checkContainers(ctx); err != nil {
		return nil, err
	}
	p := newPicture(d)
	snapshot, err := p.build(ctx, next)
	if err != nil {
		return nil, err
	}
	next.Print = fingerprint(snapshot)
	if snapshot.Cursor, err = next.encode(); err != nil {
		return nil, err
	}
	return snapshot, nil
}

func (d *differ) prepare() {
	l := d.layout
	d.users = &block{name: "users", bases: l.users.Base, filter: l.users.Filter, id: l.users.ID, asked: l.userAttributes(),
		entries: map[string]*ldap.Entry{}, gone: map[string]bool{}, known: make(map[string]string, len(d.base.Users))}
	d.groups = &block{name: "groups", bases: l.groups.Base, filter: l.groups.Filter, id: l.groups.ID, asked: l.groupAttributes(),
		entries: map[string]*ldap.Entry{}, gone: map[string]bool{}, known: make(map[string]string, len(d.base.Groups))}
	for i := range d.base.Users {
		d.users.known[d.base.Users[i].ID] = d.base.Users[i].DN
	}
	for i := range d.base.Groups {
		if g := &d.base.Groups[i]; !g.Unlisted {
			d.groups.known[g.ID] = g.DN
		}
	}
	d.links, d.outside, d.containers = map[string]*links{}, map[string]bool{}, map[string]bool{}
}

// problem tells a failure of the network from an answer that leaves a doubt: the
// latter is left to a full read, which says better what is wrong.
func (d *differ) problem(ctx context.Context, op, block, base string, err error) error {
	if errors.Is(err, providers.ErrFullRead) {
		return err
	}
	failed := searchError(ctx, d.session.server, op, block, base, err)
	if ctx.Err() != nil {
		return failed
	}
	if kind := fault.KindOf(failed); kind == fault.Unavailable || kind == fault.Throttled || kind == fault.Canceled {
		return failed
	}
	return needFull("%w", failed)
}

// take notes a changed entry of a list as it is now.
func (b *block) take(e *ldap.Entry) error {
	id, err := idOf(e, b.id)
	if err != nil {
		return needFull("%w", err)
	}
	if old := b.entries[id]; old != nil && dn.Normal(old.DN) != dn.Normal(e.DN) {
		return needFull("entries %q and %q have the same %s, or one moved meanwhile", old.DN, e.DN, b.id)
	}
	b.entries[id] = e
	delete(b.gone, id)
	return nil
}

// lost notes an id that the list does not show any more.
func (b *block) lost(id string) {
	if _, known := b.known[id]; known && b.entries[id] == nil {
		b.gone[id] = true
	}
}

// tooMany refuses to go on when a full read is the cheaper way.
func (d *differ) tooMany(n int) error {
	if n > maxChanged+(len(d.base.Users)+len(d.base.Groups))/4 {
		return needFull("more than %d entries changed", n-1)
	}
	return nil
}

// fetch reads entries of a list by their ids, whole. Those that the list does not show
// are not among the entries afterwards.
func (d *differ) fetch(ctx context.Context, b *block, ids []string) error {
	for batch := range slices.Chunk(ids, idBatch) {
		var either strings.Builder
		for _, id := range batch {
			if value := idAssertion(b.id, id); value != "" {
				either.WriteString("(" + b.id + "=" + value + ")")
			}
		}
		if either.Len() == 0 {
			continue
		}
		for _, base := range b.bases {
			if err := d.search(ctx, b.name, query{base, ldap.ScopeWholeSubtree, and(b.filter, "(|"+either.String()+")"), b.asked}, b.take); err != nil {
				return err
			}
		}
	}
	return nil
}

// search reads below one base to the proved end.
func (d *differ) search(ctx context.Context, block string, q query, each func(*ldap.Entry) error) error {
	f, err := d.session.search(ctx, q, each)
	if err == nil && f.References > 0 && !d.layout.ad {
		err = needFull("below %q the server refers to others", q.base)
	}
	if err != nil {
		return d.problem(ctx, "read changed "+block, block, q.base, err)
	}
	return nil
}

// settle reads the touched ids of both lists and notes those that left.
func (d *differ) settle(ctx context.Context, touched []string) error {
	for _, b := range []*block{d.users, d.groups} {
		if err := d.fetch(ctx, b, touched); err != nil {
			return err
		}
		for _, id := range touched {
			b.lost(id)
		}
	}
	return nil
}

// present compares both lists with what they show now, by ids alone: the proof of what
// is gone where deletions are not told.
func (d *differ) present(ctx context.Context) error {
	for _, b := range []*block{d.users, d.groups} {
		seen := make(map[string]bool, len(b.known))
		for _, base := range b.bases {
			f, err := d.session.read(ctx, query{base, ldap.ScopeWholeSubtree, b.filter, []string{b.id}}, func(e *wire.Entry) error {
				id, err := entryID(e, b.id)
				if err != nil {
					return needFull("%w", err)
				}
				seen[id] = true
				return nil
			}, nil)
			if err == nil && f.References > 0 && !d.layout.ad {
				err = needFull("below %q the server refers to others", base)
			}
			if err != nil {
				return d.problem(ctx, "compare "+b.name, b.name, base, err)
			}
		}
		var entered []string
		for _, id := range slices.Sorted(maps.Keys(seen)) {
			if _, known := b.known[id]; !known && b.entries[id] == nil {
				entered = append(entered, id)
			}
		}
		if err := d.tooMany(len(entered)); err != nil {
			return err
		}
		if err := d.fetch(ctx, b, entered); err != nil {
			return err
		}
		for id := range b.known {
			if !seen[id] {
				b.lost(id)
			}
		}
	}
	return nil
}

// maxContainers is how many changed containers are looked into.
const maxContainers = 20

// checkContainers makes sure that no changed container was renamed or moved, because
// what lies below it has other DNs then without having changed.
func (d *differ) checkContainers(ctx context.Context) error {
	if len(d.containers) > maxContainers {
		return needFull("%d containers changed", len(d.containers))
	}
	for _, container := range slices.Sorted(maps.Keys(d.containers)) {
		inside := false
		for _, base := range d.layout.bases() {
			place := container
			if dn.Within(base, []string{container}) {
				place = base
			} else if !dn.Within(container, []string{base}) {
				continue
			}
			inside = true
			if err := d.checkPlace(ctx, place, true); err != nil {
				return err
			}
		}
		if inside {
			continue
		}
		// It may have been moved out of a base, with everybody below it.
		if err := d.checkPlace(ctx, container, false); err != nil {
			return err
		}
	}
	return nil
}

// samples is how many entries of a container are looked at.
const samples = 50

// checkPlace looks at some entries below a container. If the container got another
// name, all of them did, and none but those that changed themselves is known by it.
func (d *differ) checkPlace(ctx context.Context, place string, listed bool) error {
	r := request(query{place, ldap.ScopeWholeSubtree, "(|" + d.users.filter + d.groups.filter + ")", unique([]string{d.users.id, d.groups.id})})
	r.SizeLimit = samples
	result, err := d.session.ask(r)
	if err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded {
		return d.problem(ctx, "look at container", "users", place, err)
	}
	moved := needFull("%q changed, and what lies below it may have other names now", place)
	for _, e := range result.Entries {
		name, fresh, strange := dn.Normal(e.DN), false, true
		for _, b := range []*block{d.users, d.groups} {
			id, err := idOf(e, b.id)
			if err != nil {
				return needFull("%w", err)
			}
			old, known := b.known[id]
			if known && old == name {
				return nil
			}
			fresh = fresh || b.entries[id] != nil
			strange = strange && !known
		}
		if !fresh && (listed || !strange) {
			return moved
		}
	}
	if listed && len(result.Entries) == samples {
		return moved
	}
	return nil
}
