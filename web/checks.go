package web

import (
	"strings"

	"groupsyncd/sync/run"
)

// CheckWords says in a few words what a check of the guard holds things back for.
func CheckWords(c run.Check) string {
	switch c {
	case run.MaxPeople:
		return "Too many people would lose something at once"
	case run.MaxPeople24h:
		return "Too many people would lose something in a day"
	case run.MaxGroupLoss:
		return "A group would lose too many of its members"
	case run.MaxDemotions:
		return "Too many people would lose their role"
	case run.MaxNewAdmins:
		return "Too many people would become administrators"
	case run.MaxNewGroups:
		return "Too many groups would be created"
	case run.MaxCuts:
		return "Too many people would lose rights"
	case run.MaxSourceShrink:
		return "A source has become much smaller"
	case run.Emptied:
		return "A group would lose everybody"
	case run.Unruled:
		return "The rules no longer give what they gave"
	case run.SourceRemoved:
		return "A source was taken out of the configuration"
	case run.SourceChanged:
		return "A source reads something else than before"
	case run.Exact:
		return "Members put in by hand would be taken out"
	case run.TargetChanged:
		return "This is another Open WebUI than before"
	case run.Protected:
		return "A protected account would be touched"
	case run.LastAdmin:
		return "The last administrator would go"
	case run.Reverted:
		return "Somebody undid this, and it would come back"
	case run.Collision:
		return "A name is already taken"
	case run.Recreated:
		return "Somebody deleted a group that is still wanted"
	case run.StateLost:
		return "The state was lost, and these may be ours"
	}
	return strings.ReplaceAll(string(c), "_", " ")
}
