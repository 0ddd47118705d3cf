package openwebui

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

const defaultsPath = "/api/v1/users/default/permissions"

// readDefaults reads the default permissions of the instance.
func (s *Session) readDefaults(ctx context.Context) (plan.Defaults, error) {
	var tree json.RawMessage
	if _, err := s.get(ctx, "read default permissions", defaultsPath, &tree); err != nil {
		return nil, err
	}
	return s.checkDefaults("read default permissions", tree)
}

// ownPermissions reads what our own account may do. Versions before 0.12.0 compute it from
// the defaults as they are stored, of which readDefaults shows a form that is filled up. Nil
// where our key may not ask.
func (s *Session) ownPermissions(ctx context.Context) (json.RawMessage, error) {
	var tree json.RawMessage
	_, err := s.get(ctx, "read own permissions", "/api/v1/users/permissions", &tree)
	if status, ok := statusOf(err); absent(err) || ok && status == http.StatusForbidden {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := permission.Flatten(tree); err != nil {
		return nil, fault.Errorf(fault.Incomplete, "read own permissions", "target "+s.c.name, "the answer is no tree of permissions")
	}
	return tree, nil
}

func (s *Session) checkDefaults(op string, tree json.RawMessage) (plan.Defaults, error) {
	if set, _, err := permission.Flatten(tree); err != nil || len(set) == 0 {
		return nil, fault.Errorf(fault.Incomplete, op, "target "+s.c.name, "the answer is no tree of permissions")
	}
	return tree, nil
}

// SetDefaults replaces the default permissions of the instance by a whole tree, and gives
// them as they are then. The server sets a key that is left out to a default of its form,
// which may be on: what the tree does not name is sent as it is there now. Keys that the
// server does not know it drops: they are not in the answer.
func (s *Session) SetDefaults(ctx context.Context, tree plan.Defaults) (plan.Defaults, error) {
	const op = "set default permissions"
	set, _, err := permission.Flatten(tree)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "target "+s.c.name, err, "")
	}
	now, err := s.readDefaults(ctx)
	if err != nil {
		return nil, err
	}
	whole, err := permission.Merge(now, set)
	if err != nil {
		return nil, fault.New(fault.Conflict, op, "target "+s.c.name, err, "")
	}
	_, err = s.do(ctx, httpx.Request{Method: http.MethodPost, Path: defaultsPath, Op: op, Body: whole, Into: new(json.RawMessage), Repeat: true})
	if err != nil {
		return nil, err
	}
	after, err := s.readDefaults(ctx)
	if err != nil {
		return nil, err
	}
	s.sayDropped(set, after)
	return after, nil
}

// sayDropped logs the keys that the server did not take.
func (s *Session) sayDropped(set permission.Set, after plan.Defaults) {
	have, _, err := permission.Flatten(after)
	if err != nil {
		return
	}
	dropped := slices.DeleteFunc(set.Keys(), func(key string) bool { _, ok := have[key]; return ok })
	if len(dropped) > 0 {
		s.c.log.Warn("this version of Open WebUI does not know default permissions that were set", "permissions", dropped)
	}
}
