package permission

import (
	"slices"
	"strings"
)

// Danger says what a right gives, or takes, beyond what its name tells; empty: nothing
// that has to be said.
func Danger(key string) string {
	switch key {
	case "workspace.tools", "workspace.tools_import":
		return "lets people run code of their own on the server"
	case "features.api_keys":
		return "lets people make API keys, which go on working without a sign-in for as long as their account is not pending"
	case "features.direct_tool_servers":
		return "lets people connect tool servers of their own, which see what is said in a chat"
	case "features.automations":
		return "lets people run chats and tools on a schedule, without being there"
	case "features.webhooks":
		return "lets people have the server call addresses of their choice"
	case "sharing.open_chats":
		return "lets people open chats to everybody, also without an account"
	case "chat.temporary_enforced":
		return "is a restriction, and every group counts: once one group has it, its members cannot keep chats, whatever other groups say"
	}
	if thing, found := strings.CutPrefix(key, "sharing.public_"); found && slices.Contains(KnownKeys(), key) {
		return "lets people share their " + thing + " with everybody who signs in"
	}
	return ""
}
