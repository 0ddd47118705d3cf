package openwebui

import (
	"context"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/sync/plan"
)

// checkPermissions compares the permissions that the configuration names with the server's
// own tree: keys that it does not have, and rights that everybody has already without the
// configuration saying so.
func (s *Session) checkPermissions(ctx context.Context, version string, expect Expect, found *findings) {
	all := permission.Union(expect.Permissions, expect.Defaults)
	if len(all) == 0 {
		return
	}
	tree, err := s.readDefaults(ctx)
	if err != nil {
		found.failed("permissions", err)
		return
	}
	unknown := plan.UnknownPermissions(version, tree, all)
	for _, message := range unknown {
		found.add(providers.Warning, "permissions", message, plan.HintUnknownPermission)
	}
	now, _, err := permission.Flatten(tree)
	if err != nil {
		return // readDefaults has refused it
	}
	var idle []string
	for _, key := range expect.Permissions.Keys() {
		if _, ours := expect.Defaults[key]; expect.Permissions[key] && !ours && now[key] {
			idle = append(idle, key)
		}
	}
	if len(idle) > 0 {
		found.add(providers.Warning, "permissions", "everybody has these by the default permissions, so that groups give nothing by them: "+strings.Join(idle, ", "),
			"to give them to groups only, keep the default permissions by defaults of the target, with these keys false")
	} else if len(unknown) == 0 {
		found.add(providers.OK, "permissions", "every permission that the configuration names is known", "")
	}
}
