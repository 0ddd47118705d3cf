package app

import (
	"groupsyncd/config"
	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/sync/plan"
	"groupsyncd/target/openwebui"
)

// expect gives what the configuration expects of a target, for doctor.
func expect(cfg *config.Config, t *config.Target) openwebui.Expect {
	e := openwebui.Expect{Watch: watchesDoor(cfg, t), Permissions: permission.Set{}, Defaults: cfg.DefaultPermissions(t.Name), Resources: cfg.ResourceTypes(t.Name)}
	for _, spec := range cfg.Specs(t.Name) {
		e.Permissions = permission.Union(e.Permissions, spec.Permissions)
		// What stands below a team by itself is as good beside it.
		e.Parents = e.Parents || spec.Parent != "" && (spec.Team == nil || !spec.Team.Managers)
		e.DefaultModels = e.DefaultModels || len(spec.DefaultModels) > 0
	}
	if a := t.Accounts; a != nil {
		e.Revokes = a.RevokeSessions && (a.Disabled == plan.RolePending || a.Gone == plan.RolePending)
		e.LetsIn, e.Creates = len(a.Role.User) > 0, a.Create != "never"
	}
	for _, src := range cfg.Sources {
		if reader, ok := src.Config.(providers.TargetReader); ok && reader.ReadsTarget() == t.Name {
			e.Sessions = true
			e.Provider, _ = reader.SignsIn()
		}
	}
	for _, w := range cfg.Webhooks {
		if w.Type != openwebuiHook || w.Target != t.Name || cfg.Server.Public.URL == "" {
			continue
		}
		h := eventHook(cfg, w)
		if secrets, err := secretsOf(w); err == nil { // Else it is said where the configuration is checked.
			h.Secrets = secrets
		}
		e.Hooks = append(e.Hooks, h)
	}
	return e
}
