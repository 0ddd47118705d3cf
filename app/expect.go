package app

import (
	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
)

// expect gives what the configuration expects of a target, for doctor.
func expect(cfg *config.Config, t *config.Target) openwebui.Expect {
	e := openwebui.Expect{Watch: watchesDoor(cfg, t)}
	for _, src := range cfg.Sources {
		if reader, ok := src.Config.(providers.TargetReader); ok && reader.ReadsTarget() == t.Name {
			e.Sessions = true
			e.Provider, _ = reader.SignsIn()
		}
	}
	return e
}
