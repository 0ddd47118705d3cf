package plan

import (
	"slices"
	"strconv"

	"groupsyncd/internal/similar"
	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// HintUnknownPermission goes with what UnknownPermissions says.
const HintUnknownPermission = "correct the permission set; a key of a newer Open WebUI may stay: a server that does not know it ignores it"

// UnknownPermissions says of each key of a set that the server's own tree of permissions
// does not have it, in words for people. Keys of newer versions are allowed, so it is no
// error, and nothing is said while the tree is not known.
func UnknownPermissions(version string, tree Defaults, set permission.Set) []string {
	have, others, err := permission.Flatten(tree)
	if err != nil || len(have) == 0 {
		return nil
	}
	var messages []string
	for _, key := range set.Keys() {
		if _, known := have[key]; known || slices.Contains(others, key) {
			continue
		}
		message := "Open WebUI " + version + " does not know the permission " + strconv.Quote(key)
		if slices.Contains(permission.KnownKeys(), key) {
			message += " yet"
		} else if meant := similar.Nearest(key, have.Keys()); meant != "" {
			message += "; did you mean " + strconv.Quote(meant) + "?"
		}
		messages = append(messages, message)
	}
	return messages
}

// unknownKeys reports permissions that the rules ask for and the server does not have.
func (c *computer) unknownKeys() {
	mirror := c.in.Memory.Mirror
	if mirror.Defaults == nil || c.in.Only != nil || c.in.Undo != nil {
		return
	}
	sets := []permission.Set{c.in.Defaults}
	for i := range c.in.Desired.Wants {
		sets = append(sets, c.in.Desired.Wants[i].Permissions)
	}
	for _, message := range UnknownPermissions(mirror.Version, mirror.Defaults, permission.Union(sets...)) {
		c.problem(run.KindNaming, message, HintUnknownPermission)
	}
}
