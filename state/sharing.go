package state

import (
	"encoding/json"
	"time"

	"groupsyncd/sync/plan"
)

// The parts of a target's memory that are not about groups: roles of accounts, resources
// and who may use them, default permissions. There are few of them, or they change seldom,
// so they are kept as JSON.

// sharingHead is what the head of a memory holds of them.
type sharingHead struct {
	// MirrorDefaults are the default permissions as they were last read, ResourcesAt when
	// each type of resource was.
	MirrorDefaults json.RawMessage      `json:"mirror_defaults,omitempty"`
	ResourcesAt    map[string]time.Time `json:"resources_at,omitempty"`
	// Parents says that groups there can have a parent.
	Parents bool `json:"parents,omitempty"`
	// Defaults are the default permissions that we set.
	Defaults plan.Values `json:"defaults,omitzero"`
}

func sharingOf(m *plan.Memory) sharingHead {
	h := sharingHead{MirrorDefaults: m.Mirror.Defaults, Parents: m.Mirror.Parents, ResourcesAt: make(map[string]time.Time, len(m.Mirror.ResourcesAt)), Defaults: m.Defaults}
	for name, at := range m.Mirror.ResourcesAt {
		h.ResourcesAt[name] = at.UTC()
	}
	return h
}

func resourceKey(k plan.ResourceKey) ([]byte, error) { return joinKey(k.Type, k.ID) }

func splitResourceKey(key []byte) (plan.ResourceKey, error) {
	parts, err := splitKey(key, 2)
	if err != nil {
		return plan.ResourceKey{}, err
	}
	return plan.ResourceKey{Type: parts[0], ID: parts[1]}, nil
}

// loadResources reads the resources of a mirror.
func loadResources(x *box) ([]*plan.Resource, error) {
	var resources []*plan.Resource
	err := x.each(func(key, payload []byte) error {
		k, err := splitResourceKey(key)
		if err != nil {
			return err
		}
		r := &plan.Resource{}
		err = fromJSON(payload, r)
		r.ResourceKey = k
		resources = append(resources, r)
		return err
	})
	return resources, err
}

// loadSharing reads the roles and grants that we gave.
func loadSharing(m *plan.Memory, part func(string) *box) error {
	err := part(partRoles).each(func(key, payload []byte) error {
		var role plan.OwnedRole
		err := fromJSON(payload, &role)
		m.Roles[string(key)] = role
		return err
	})
	if err != nil {
		return err
	}
	return part(partGrants).each(func(key, payload []byte) error {
		k, err := splitResourceKey(key)
		if err != nil {
			return err
		}
		var grants []plan.OwnedGrant
		err = fromJSON(payload, &grants)
		m.Grants[k] = grants
		return err
	})
}

func (w *memoryWrite) encodeSharing() error {
	for _, id := range w.dirty.Roles {
		role, ok := w.m.Roles[id]
		if err := w.asJSON(partRoles, []byte(id), ok, role); err != nil {
			return err
		}
	}
	for _, k := range w.dirty.Grants {
		key, err := resourceKey(k)
		if err != nil {
			return err
		}
		grants := w.m.Grants[k]
		if err := w.asJSON(partGrants, key, len(grants) > 0, grants); err != nil {
			return err
		}
	}
	for _, k := range w.dirty.Resources {
		key, err := resourceKey(k)
		if err != nil {
			return err
		}
		r := w.m.Mirror.Resource(k)
		if err := w.asJSON(partResources, key, r != nil, r); err != nil {
			return err
		}
	}
	return nil
}

// asJSON stores a value as JSON, or deletes it where it is no longer there.
func (w *memoryWrite) asJSON(part string, key []byte, there bool, v any) error {
	if !there {
		w.remove(part, key)
		return nil
	}
	payload, err := toJSON(v)
	if err != nil {
		return err
	}
	w.add(part, w.spot(part), key, payload)
	return nil
}

// intentMore is what only calls about accounts and resources say. Intents of version 4 end
// before it.
type intentMore struct {
	Role     *plan.OwnedRole   `json:"role,omitempty"`
	Email    string            `json:"email,omitempty"`
	Resource plan.ResourceKey  `json:"resource,omitzero"`
	Add      []plan.OwnedGrant `json:"add,omitempty"`
	Remove   []plan.Grant      `json:"remove,omitempty"`
	AddLinks []plan.LinkKey    `json:"add_links,omitempty"`
}

func (w *writer) intentMore(in *plan.Intent) error {
	more := intentMore{Role: in.Role, Email: in.Email, Resource: in.Resource, Add: in.Add, Remove: in.Remove, AddLinks: in.AddLinks}
	if in.Role == nil && in.Email == "" && in.Resource == (plan.ResourceKey{}) && len(in.Add)+len(in.Remove) == 0 {
		return nil
	}
	payload, err := toJSON(more)
	if err != nil {
		return err
	}
	w.bytes(payload)
	return nil
}

func (r *reader) intentMore(in *plan.Intent) {
	if r.err != nil || r.pos == len(r.b) {
		return
	}
	payload := r.bytes()
	if r.err != nil {
		return
	}
	var more intentMore
	if err := fromJSON(payload, &more); err != nil {
		r.fail(err)
		return
	}
	in.Role, in.Email, in.Resource, in.Add, in.Remove, in.AddLinks = more.Role, more.Email, more.Resource, more.Add, more.Remove, more.AddLinks
}
