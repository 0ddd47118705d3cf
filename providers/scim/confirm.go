package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/fault"
)

// confirm asks for what a list should have shown and did not: who was there at the last read,
// and whom groups name. That the server does not know an id is the only proof that a list did
// not lose it. It gives those that are there. A server that shows nothing by id proves nothing
// more than its lists.
func (r *reader) confirm(ctx context.Context, what, endpoint string, ids []string) (map[string]json.RawMessage, error) {
	there := map[string]json.RawMessage{}
	if r.knows().noSingle {
		return there, nil
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.config.Parallel)
	for _, id := range ids[:min(len(ids), r.confirmAtMost)] {
		g.Go(func() error {
			var raw json.RawMessage
			_, err := r.get(ctx, "ask for a missing "+what, endpoint, id, nil, nil, &raw)
			switch {
			case missing(err):
				return nil
			case refused(err) && status(err) != 400 || status(err) == 403:
				r.learn(func(k *known) { k.noSingle = true })
				return nil
			case status(err) == 400:
				return nil // An id that the server cannot even read is none of its own.
			case err != nil:
				return err
			}
			if given, bad := identify(raw); bad != nil || given != id {
				return fault.New(fault.Incomplete, "ask for a missing "+what, r.where(), fmt.Errorf("the server gives something else than %s", id), "")
			}
			mu.Lock()
			defer mu.Unlock()
			there[id] = raw
			return nil
		})
	}
	return there, g.Wait()
}

// lostUsers gives the users that the list should have shown: present, and known to the server.
// Those whom the server has switched off and therefore hides are taken in as disabled. all says
// that everybody who is missing was asked for.
func (r *reader) lostUsers(ctx context.Context, d description, p *people, o *roster) (lost map[string]json.RawMessage, all bool, err error) {
	var ids []string
	if last := r.remembered(); last != nil {
		for id := range last.users {
			if !p.has(id) {
				ids = append(ids, id)
			}
		}
	}
	if o != nil {
		ids = append(ids, o.strangers(p, "User")...)
	}
	lost, err = r.confirm(ctx, "user", d.users, ids)
	for id, raw := range lost {
		if u, _, bad := r.user(raw); bad == nil && u.Disabled {
			p.extra[id] = raw
			delete(lost, id)
		}
	}
	return lost, len(ids) <= r.confirmAtMost, err
}

// strangers gives the members of a kind that no list shows.
func (o *roster) strangers(p *people, kind string) []string {
	var ids []string
	for _, members := range o.members {
		for _, m := range members {
			id, is := m.id(), m.kind()
			if id == "" || is != kind && (is != "" || kind != "User") || p.has(id) || o.has(id) || strings.ContainsAny(id, "\x00") {
				continue
			}
			ids = append(ids, id)
		}
	}
	return ids
}

// lostGroups gives the groups that the list should have shown.
func (r *reader) lostGroups(ctx context.Context, d description, p *people, o *roster) (map[string]json.RawMessage, error) {
	var ids []string
	if last := r.remembered(); last != nil {
		for id := range last.groups {
			if !o.has(id) {
				ids = append(ids, id)
			}
		}
	}
	return r.confirm(ctx, "group", d.groups, append(ids, o.strangers(p, "Group")...))
}

var errHidden = errors.New("the list lacks what the server shows when it is asked for it")
