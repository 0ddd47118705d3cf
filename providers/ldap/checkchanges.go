package ldap

import (
	"context"
	"strings"

	"groupsyncd/providers"
)

// checkChanges says how changes between whole reads are seen, and what would make that
// better. Reading everything each time is no fault.
func (s *source) checkChanges(ctx context.Context, f *providers.Findings, made *session) {
	s.origin(ctx, made)
	s.mu.Lock()
	told := s.told
	s.mu.Unlock()
	w, why, _ := strings.Cut(told, " ")
	say := func(message, remedy string) {
		if why != "" {
			message += ": " + why
		}
		f.List = append(f.List, providers.Finding{Level: providers.OK, Check: "changes", Message: message, Remedy: remedy})
	}
	const grant = `for deletions told at once, grant the account "Replicating Directory Changes" on the domain`
	switch way(w) {
	case waySyncrepl:
		say("changes between whole reads are seen by syncrepl", "")
	case wayDirSync:
		remedy := ""
		if why != "" {
			remedy = grant
		}
		say("changes between whole reads are seen by DirSync", remedy)
	case wayUSN:
		say("changes between whole reads are seen by uSNChanged", grant)
	default:
		remedy := ""
		if made.layout.name == "openldap" || made.layout.name == RFC2307bis || made.layout.name == RFC2307 {
			remedy = "on OpenLDAP: overlay syncprov, and let the account of bind.dn read contextCSN, entryCSN and entryUUID"
		}
		say("everything is read each time", remedy)
	}
}
